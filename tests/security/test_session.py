"""Sessions: nobody is signed in before the proof, and a pass ends with what it was given for."""

from io import StringIO

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY, aauthenticate, authenticate, get_user_model
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.backends.db import SessionStore
from django.core.management import call_command
from django.test import RequestFactory
from django.urls import reverse

from django_authsignal import models
from django_authsignal.backends import AuthsignalBackend
from django_authsignal.decision import ChallengeRequired
from django_authsignal.models import Challenge, Status
from tests.conftest import PASSWORD, hearing, newest

pytestmark = [pytest.mark.django_db, pytest.mark.security]


@pytest.fixture
def logins():
    with hearing(user_logged_in, lambda about: about["user"].pk) as found:
        yield found


@pytest.mark.security(14)
def test_before_the_proof_nobody_is_signed_in(browser, ada, logins):
    browser.post("/login/", {"username": "ada", "password": PASSWORD})
    assert browser.user_pk is None
    assert browser.get("/home/").content == b"home of AnonymousUser"
    assert logins == []
    browser.prove()
    assert logins == [ada.pk]
    assert browser.get("/home/").content == b"home of ada"


@pytest.mark.security(15)
def test_the_session_key_changes_at_sign_in_and_a_planted_one_is_useless(browser, new_browser, ada):
    browser.post("/login/", {"username": "ada", "password": PASSWORD})
    planted = browser.cookies["sessionid"].value
    browser.prove()
    assert browser.cookies["sessionid"].value != planted
    thief = new_browser()
    thief.cookies["sessionid"] = planted
    assert thief.get("/home/").content == b"home of AnonymousUser"


@pytest.mark.security(15)
def test_a_step_up_does_not_change_the_session_key(adas):
    before = adas.cookies["sessionid"].value
    adas.step_up()
    assert adas.cookies["sessionid"].value == before


@pytest.mark.security(16)
def test_logging_out_drops_passes_and_closes_open_challenges(adas, ada):
    adas.step_up()
    adas.post("/delete/")
    adas.post("/logout/")
    assert (newest().status, newest().reason) == (Status.REVOKED, "logged_out")
    adas.force_login(ada)
    assert adas.get("/withdraw/").status_code == 302


@pytest.mark.security(16)
def test_a_password_change_ends_the_passes_of_every_session(new_browser, ada):
    browsers = [new_browser(), new_browser()]
    for one in browsers:
        one.force_login(ada)
        one.step_up()
    ada.set_password("a new one")
    ada.save()
    for one in browsers:
        one.force_login(ada)
        assert one.get("/withdraw/").status_code == 302


@pytest.mark.security(16)
@pytest.mark.security(47)
def test_an_email_change_ends_a_pass(adas, ada):
    adas.step_up()
    ada.email = "elsewhere@example.com"
    ada.save()
    assert adas.get("/withdraw/").status_code == 302


def test_a_sign_in_repeated_with_another_destination_goes_to_the_later_one(browser, ada):
    browser.post("/login/?next=/home/", {"username": "ada", "password": PASSWORD})
    browser.post("/login/", {"username": "ada", "password": PASSWORD, "next": "/members/"})
    assert browser.prove().headers["Location"] == "/members/"


@pytest.mark.security(17)
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"is_active": False}, "inactive"),
        ({"email": "thief@example.com"}, "account_changed"),
        ({"password": "!"}, "account_changed"),
    ],
)
def test_a_user_changed_between_start_and_callback_is_refused(browser, ada, change, reason):
    browser.post("/login/", {"username": "ada", "password": PASSWORD})
    get_user_model().objects.filter(pk=ada.pk).update(**change)
    assert f"reason={reason}" in browser.prove().headers["Location"]
    assert newest().reason == reason
    assert browser.user_pk is None


@pytest.mark.security(52)
@pytest.mark.parametrize("change", [{"is_active": False}, {"email": "new@example.com"}, {"password": "!"}])
@pytest.mark.parametrize(("brought", "reason"), [("nothing proved", "not_completed"), ("garbage", "invalid")])
def test_what_became_of_an_account_is_told_to_nobody_who_proved_nothing(
    browser, ada, authsignal, change, brought, reason
):
    """Whoever knows a name can begin a sign-in without a password, in a browser of their own."""
    browser.post("/authsignal/sign-in/", {"username": "ada"})
    get_user_model().objects.filter(pk=ada.pk).update(**change)
    token = authsignal.token(str(newest().pk)) if brought == "nothing proved" else brought
    assert f"reason={reason}" in browser.callback(token=token).headers["Location"]


def test_somebody_whom_no_signal_told_of_is_gone(browser, ada):
    browser.post("/login/", {"username": "ada", "password": PASSWORD})
    users = get_user_model().objects.filter(pk=ada.pk)
    users._raw_delete(users.db)
    assert "reason=gone" in browser.prove().headers["Location"]
    assert browser.user_pk is None


@pytest.mark.security(53)
def test_a_deleted_user_is_refused_and_the_ledger_remembers(browser, ada):
    browser.post("/login/", {"username": "ada", "password": PASSWORD})
    ada.delete()
    assert "reason=gone" in browser.prove().headers["Location"]
    assert browser.user_pk is None
    assert [(row.status, row.reason) for row in Challenge.objects.all()] == [(Status.REVOKED, "user_deleted")]


@pytest.mark.parametrize("who", ["the browser that began it", "another"])
def test_what_a_deleted_user_began_is_gone_for_everybody(browser, new_browser, ada, who):
    browser.post("/login/", {"username": "ada", "password": PASSWORD})
    ada.delete()
    visitor = browser if who == "the browser that began it" else new_browser()
    page = visitor.get(visitor.prove().headers["Location"])
    assert page.status_code == 403
    assert b"This page is not there any more" in page.content
    assert b'href="/login/"' in page.content


def test_a_step_up_begun_by_one_user_gives_another_in_the_same_browser_nothing(adas, bob):
    adas.get("/withdraw/")
    row = newest()
    adas.force_login(bob)
    Challenge.objects.filter(pk=row.pk).update(status=Status.OPEN)  # as if no sign-out had closed it
    assert "wrong_user" in adas.prove(row).headers["Location"]


@pytest.mark.security(19)
def test_an_identity_swapped_inside_the_session_inherits_no_pass(browser, ada, bob, colour):
    """As a tool does that writes to the session by itself: Django's login() would have flushed it."""
    browser.sign_in()
    browser.step_up(f"{colour}withdraw/")
    session = browser.session
    session[SESSION_KEY], session[HASH_SESSION_KEY] = str(bob.pk), bob.get_session_auth_hash()
    session.save()
    assert browser.get("/home/").content == b"home of bob"
    assert browser.get(f"{colour}members/").status_code == 302
    assert browser.get(f"{colour}withdraw/").status_code == 302


@pytest.mark.security(18)
def test_a_session_logged_in_in_another_way_holds_no_sign_in_pass(adas, colour):
    answer = adas.get(f"{colour}members/")
    assert answer.status_code == 302
    assert "authsignal.com" in answer.headers["Location"]
    adas.prove()
    assert adas.get(f"{colour}members/").content == b"members"


def test_a_proof_asked_of_a_signed_in_session_signs_nobody_in_once_that_session_is_gone(adas, settings):
    adas.get("/members/")
    del adas.cookies["sessionid"]  # the session ran out; the browser and its challenge are still there
    assert "signed_out" in adas.prove().headers["Location"]
    assert adas.user_pk is None


@pytest.mark.security(19)
def test_another_identity_taken_over_in_the_same_session_inherits_no_pass(browser, ada, bob):
    browser.sign_in()
    browser.step_up()
    browser.force_login(bob)  # as an impersonation tool does
    assert browser.get("/members/").status_code == 302
    assert browser.get("/withdraw/").status_code == 302


def test_a_proved_sign_in_holds_a_sign_in_pass(browser, ada, colour):
    browser.sign_in()
    assert browser.get(f"{colour}members/").content == b"members"


def test_an_anonymous_visitor_is_sent_to_sign_in_and_back(browser, colour):
    answer = browser.get(f"{colour}members/")
    assert answer.headers["Location"] == f"/login/?next={colour}members/"


@pytest.mark.security(20)
def test_a_consumed_challenge_stays_consumed_when_an_old_cookie_is_restored(new_browser, ada, settings):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    thief = new_browser()
    thief.force_login(ada)
    thief.post("/delete/")
    thief.prove()
    with_the_pass = thief.cookies["sessionid"].value
    assert thief.post("/delete/").content == b"deleted"
    thief.cookies["sessionid"] = with_the_pass
    assert thief.post("/delete/").status_code == 403


@pytest.mark.security(21)
def test_a_password_is_at_rest_nowhere(browser, ada, caplog):
    caplog.set_level("DEBUG")
    browser.post("/login/", {"username": "ada", "password": PASSWORD})
    dump = StringIO()
    call_command("dumpdata", "django_authsignal", "sessions", stdout=dump)
    assert PASSWORD not in dump.getvalue() + caplog.text + str(browser.session.items())


@pytest.mark.security(62)
def test_url_and_token_of_an_open_challenge_are_in_no_row_and_no_repr(adas, caplog):
    caplog.set_level("DEBUG")
    where = adas.get("/withdraw/").headers["Location"]
    token = where.partition("token=")[2]
    dump = StringIO()
    call_command("dumpdata", "django_authsignal", stdout=dump)
    assert token
    assert token not in dump.getvalue() + caplog.text + repr(newest())


@pytest.mark.security(54)
def test_aauthenticate_is_gated_as_authenticate_is(ada, authsignal):
    for ask in (authenticate, async_to_sync(aauthenticate)):
        request = RequestFactory().post("/login/")
        request.session = SessionStore()
        with pytest.raises(ChallengeRequired):
            ask(request, username="ada", password=PASSWORD)


@pytest.mark.security(54)
def test_authenticate_without_a_request_never_returns_the_user(ada, authsignal):
    with pytest.raises(ChallengeRequired, match="Pass the request"):
        authenticate(username="ada", password=PASSWORD)


def test_a_wrong_password_asks_authsignal_nothing(browser, ada, authsignal):
    assert browser.post("/login/", {"username": "ada", "password": "wrong"}).status_code == 200
    assert authsignal.calls == []


def test_a_failed_proof_counts_as_a_failed_login_once(browser, ada, failures):
    browser.post("/login/", {"username": "ada", "password": PASSWORD})
    browser.prove(state="CHALLENGE_FAILED")
    browser.prove(state="CHALLENGE_FAILED")
    assert failures == [{"username": "ada"}]


def test_a_cancelled_proof_is_no_failed_login(browser, ada, authsignal, failures):
    browser.post("/login/", {"username": "ada", "password": PASSWORD})
    browser.callback(token=authsignal.token(str(newest().pk)))
    assert failures == []


def test_a_blocked_sign_in_counts_as_a_failed_login_once(browser, ada, authsignal, failures):
    authsignal.block()
    assert browser.post("/login/", {"username": "ada", "password": PASSWORD}).status_code == 403
    assert failures == [{"username": "ada"}]
    assert browser.user_pk is None


@pytest.mark.security(65)
def test_confirm_login_allowed_is_not_skipped_by_finishing_elsewhere(browser, db, authsignal):
    get_user_model().objects.create_user("unverified-ada", "u@example.com", PASSWORD)
    answer = browser.post("/own-login/", {"username": "unverified-ada", "password": PASSWORD})
    assert b"Verify your address first." in answer.content
    assert authsignal.calls == []


def test_a_sign_in_view_with_logic_of_its_own_finishes_through_itself(browser, ada):
    back = browser.sign_in(path="/own-login/")
    assert browser.user_pk is None  # the proof is there; the view has not run yet
    done = browser.get(back.headers["Location"])
    assert done.headers["X-Own-Logic"] == "ran"
    assert browser.user_pk == str(ada.pk)
    assert browser.get("/members/").content == b"members"


def test_a_proved_sign_in_is_finished_by_its_view_once_and_in_its_browser_alone(browser, new_browser, ada):
    where = browser.sign_in(path="/own-login/").headers["Location"]
    stranger = new_browser()
    stranger.get(where)
    assert stranger.user_pk is None
    browser.get(where)
    browser.post("/logout/")
    assert browser.get(where).status_code == 403
    assert browser.user_pk is None


def test_the_admin_s_own_sign_in_is_challenged(browser, db):
    get_user_model().objects.create_superuser("root", "root@example.com", PASSWORD)
    answer = browser.post("/admin/login/?next=/admin/", {"username": "root", "password": PASSWORD})
    assert answer.status_code == 303
    assert browser.user_pk is None
    assert browser.prove().headers["Location"] == "/admin/"
    assert browser.get("/admin/").status_code == 200


@pytest.mark.security(53)
def test_nobody_edits_or_deletes_the_ledger_in_the_admin(browser, db):
    get_user_model().objects.create_superuser("root", "root@example.com", PASSWORD)
    browser.sign_in("root")
    row = newest()
    page = browser.get(reverse("admin:django_authsignal_challenge_change", args=[row.pk]))
    assert page.status_code == 200
    assert browser.post(f"/admin/django_authsignal/challenge/{row.pk}/change/", {}).status_code == 403
    assert browser.post(f"/admin/django_authsignal/challenge/{row.pk}/delete/", {"post": "yes"}).status_code == 403
    assert browser.get("/admin/django_authsignal/challenge/add/").status_code == 403


class Strict(AuthsignalBackend):
    """A rule of a site's own that lets nobody in."""

    def sign_in_allowed(self, request, user):
        return False


def test_the_backends_hook_refuses_at_the_last_moment(browser, ada, settings):
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.Strict"]
    assert browser.sign_in().status_code == 403
    assert browser.user_pk is None


@pytest.mark.parametrize("ask", [authenticate, async_to_sync(aauthenticate)], ids=["sync", "async"])
def test_the_backends_hook_refuses_whom_an_allow_lets_in(rf, ada, authsignal, settings, ask):
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.Strict"]
    authsignal.allow()
    request = rf.post("/login/")
    request.session, request.user = SessionStore(), AnonymousUser()
    assert ask(request, username="ada", password=PASSWORD) is None


@pytest.mark.parametrize("enforce", ["on", "observe"])
def test_the_backends_hook_refuses_whom_a_view_of_ones_own_would_let_in(browser, ada, authsignal, settings, enforce):
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.Strict"]
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ENFORCE": enforce}
    authsignal.allow()
    assert browser.post("/own-login/", {"username": "ada", "password": PASSWORD}).status_code == 403
    assert browser.user_pk is None


def test_a_ninth_open_challenge_pushes_the_oldest_out(adas):
    for number in range(9):
        adas.get(f"/withdraw/?page={number}")
    assert Challenge.objects.filter(status=Status.OPEN).count() == 8
    assert Challenge.objects.earliest("created_at").status == Status.EXPIRED


def test_two_tabs_opened_at_once_can_both_be_finished(adas, new_browser, authsignal):
    other_tab = new_browser()
    other_tab.cookies["sessionid"] = adas.cookies["sessionid"].value
    adas.get("/withdraw/")
    first = newest()
    other_tab.get("/withdraw/?tab=2")  # it had no binding cookie yet either
    second = newest()
    merged = new_browser()
    merged.cookies.update({**adas.cookies, **other_tab.cookies})  # one jar: the later cookie won
    assert merged.prove(first).headers["Location"] == "/withdraw/"
    assert merged.prove(second).headers["Location"] == "/withdraw/?tab=2"
    assert merged.get("/withdraw/").content == b"withdrawn"


def test_revoking_closes_open_rows_only(adas, ada):
    adas.step_up()
    adas.post("/delete/")
    assert models.revoke_open(str(ada.pk), reason="logged_out") == 1
    assert set(Challenge.objects.values_list("status", flat=True)) == {Status.PROVED, Status.REVOKED}
