"""Staff take a user's ways of proof: with the permission, behind a step-up, written down, told, and told truthfully."""

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.db import connections
from django.urls import path

from django_authsignal.admin import (
    AuthsignalAdminSite,
    ChallengeRequiredAdminMixin,
    ResetAuthenticatorsMixin,
    challenge_ids,
)
from django_authsignal.models import Challenge, Kind, Status
from tests.conftest import newest
from tests.project.urls import urlpatterns as project

User = get_user_model()


class PersonAdmin(ResetAuthenticatorsMixin, UserAdmin):
    pass


class GuardedPersonAdmin(ResetAuthenticatorsMixin, ChallengeRequiredAdminMixin, UserAdmin):
    challenge_action = "changeUser"
    challenge_actions = {"reset_authenticators": None}


plain = admin.AdminSite("plain")
plain.register(User, PersonAdmin)
guarded = AuthsignalAdminSite("guarded")
guarded.register(User, GuardedPersonAdmin)
urlpatterns = [*project, path("plain/", plain.urls), path("guarded/", guarded.urls)]

pytestmark = [pytest.mark.django_db, pytest.mark.security, pytest.mark.urls(__name__)]
URL = "/plain/auth/user/reset-authenticators/"


def permit(user, *codenames):
    user.is_staff = True
    user.save()
    user.user_permissions.add(*Permission.objects.filter(codename__in=codenames))


@pytest.fixture
def grace(db):
    """Of the help desk: may change users, and take their ways of proof."""
    user = User.objects.create_user("grace", "grace@example.com", "northern tide")
    permit(user, "view_user", "change_user", "reset_authenticators")
    return user


@pytest.fixture
def desk(browser, grace, at_authsignal, authsignal):
    """Grace's browser; she has a way of proof herself."""
    at_authsignal.give(grace)
    browser.force_login(grace)
    return browser


@pytest.fixture
def proved(desk, ada, adas_ways):
    """The same, with a pass for resetting."""
    desk.get(f"{URL}?id={ada.pk}")
    desk.prove()
    return desk


@pytest.fixture
def adas_ways(ada, at_authsignal):
    return [at_authsignal.give(ada), at_authsignal.give(ada, "AUTHENTICATOR_APP")]


def said(answer):
    return [str(message) for message in get_messages(answer.wsgi_request)]


def resets():
    return list(Challenge.objects.filter(kind=Kind.RESET).order_by("created_at"))


# Who may, and when it asks


def test_the_action_leads_to_a_page_that_asks_first(desk, ada, at_authsignal, adas_ways):
    ticked = {"action": "reset_authenticators", "_selected_action": [ada.pk]}
    stopped = desk.post("/plain/auth/user/", ticked)
    assert stopped.status_code == 403
    assert newest().action == "resetAuthenticators"
    desk.prove()
    answer = desk.post("/plain/auth/user/", ticked)
    assert answer["Location"] == f"{URL}?id={ada.pk}"
    page = desk.get(answer["Location"])
    assert page.status_code == 200
    assert b"Passkey, Authenticator app" in page.content
    assert at_authsignal.ids(ada) == adas_ways


@pytest.mark.parametrize("method", ["get", "post"])
def test_without_a_proof_nothing_is_shown_and_nothing_removed(desk, ada, at_authsignal, adas_ways, method):
    answer = getattr(desk, method)(URL, {"id": ada.pk})
    assert answer.status_code in (302, 403)
    assert b"Passkey" not in answer.content
    assert at_authsignal.ids(ada) == adas_ways


@pytest.mark.parametrize("missing", ["reset_authenticators", "change_user"])
def test_without_the_permission_it_is_a_403_that_costs_no_call(desk, grace, ada, authsignal, missing):
    grace.user_permissions.remove(*Permission.objects.filter(codename=missing))
    before = len(authsignal.calls)
    assert desk.post(URL, {"id": ada.pk}).status_code == 403
    assert len(authsignal.calls) == before
    assert b"reset_authenticators" not in desk.get("/plain/auth/user/").content


def test_who_is_not_staff_is_sent_to_the_sign_in(adas, bob):
    assert "/plain/login/" in adas.post(URL, {"id": bob.pk})["Location"]


def test_nobody_resets_themselves(proved, grace, at_authsignal):
    answer = proved.post(URL, {"id": grace.pk})
    assert said(answer)[-1].startswith("Nothing was removed for grace. This is you.")
    assert len(at_authsignal.ids(grace)) == 1


def test_only_a_superuser_resets_a_superuser(proved, ada, at_authsignal, adas_ways):
    ada.is_superuser = True
    ada.save()
    assert (
        said(proved.post(URL, {"id": ada.pk}))[-1]
        == "Nothing was removed for ada. Only a superuser resets a superuser."
    )
    assert at_authsignal.ids(ada) == adas_ways


def test_whom_the_staff_may_not_change_they_do_not_reset(proved, ada, at_authsignal, adas_ways, monkeypatch):
    monkeypatch.setattr(PersonAdmin, "has_change_permission", lambda self, request, obj=None: obj is None)
    assert said(proved.post(URL, {"id": ada.pk}))[-1] == "Nothing was removed for ada. You may not change this user."
    assert at_authsignal.ids(ada) == adas_ways


def test_observing_others_does_not_open_it(desk, ada, settings, at_authsignal, adas_ways):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ENFORCE": "observe"}
    assert desk.post(URL, {"id": ada.pk}).status_code == 403
    assert at_authsignal.ids(ada) == adas_ways


def test_the_action_that_guards_it_can_be_named(desk, ada, settings):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "RESET_ACTION": "helpDesk"}
    desk.get(f"{URL}?id={ada.pk}")
    assert newest().action == "helpDesk"


# What it does


def test_it_removes_every_one(proved, ada, at_authsignal, adas_ways):
    answer = proved.post(URL, {"id": ada.pk})
    assert answer["Location"] == "/plain/auth/user/"
    assert said(answer) == ["Removed for ada: Passkey, Authenticator app."]
    assert at_authsignal.ids(ada) == []


def test_it_ends_what_was_open(proved, new_browser, ada, authsignal):
    other = new_browser()
    other.force_login(ada)
    other.get("/withdraw/")
    waiting = newest()
    proved.post(URL, {"id": ada.pk})
    waiting.refresh_from_db()
    assert (waiting.status, waiting.reason) == (Status.REVOKED, "authenticators_changed")


def test_it_is_written_in_the_ledger_and_in_the_admins_log(proved, ada, grace):
    proof = newest()
    proved.post(URL, {"id": ada.pk})
    (row,) = resets()
    assert (row.user_pk, row.status, row.reason) == (str(ada.pk), Status.SPENT, f"reset by {grace.pk}")
    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_id) == (grace, str(ada.pk))
    assert "Removed for ada: Passkey, Authenticator app" in entry.get_change_message()
    assert challenge_ids(entry) == [proof.pk]


def test_the_owner_is_told_that_staff_did_it(proved, ada, mailoutbox):
    proved.post(URL, {"id": ada.pk}, headers={"User-Agent": "Firefox/1 Linux"}, REMOTE_ADDR="203.0.113.7")
    (mail,) = mailoutbox
    assert (mail.to, mail.subject) == (["ada@example.com"], "Your ways to prove it is you were reset")
    assert "What: Passkey, Authenticator app" in mail.body
    assert "203.0.113" not in mail.body  # the staff's, not the owner's


def test_a_session_of_the_owners_that_misses_them_tells_it_no_second_time(
    proved, new_browser, ada, at_authsignal, mailoutbox
):  # fmt: skip
    theirs = new_browser()
    theirs.force_login(ada)
    theirs.step_up("/authsignal/authenticators/")
    theirs.get("/authsignal/authenticators/")
    proved.post(URL, {"id": ada.pk})
    theirs.get("/authsignal/authenticators/")
    assert [mail.subject for mail in mailoutbox] == ["Your ways to prove it is you were reset"]


def test_several_are_reset_at_once(proved, ada, bob, at_authsignal):
    at_authsignal.give(bob)
    answer = proved.post(URL, {"id": [ada.pk, bob.pk]})
    assert said(answer) == ["Removed for ada: Passkey, Authenticator app.", "Removed for bob: Passkey."]
    assert len(resets()) == 2


def test_somebody_without_any_is_said_to_have_none(proved, bob):
    assert said(proved.post(URL, {"id": bob.pk})) == ["Nothing was removed for bob: there was no way of proof."]


def test_a_link_to_the_page_asks_by_itself(desk, ada):
    assert desk.get(f"{URL}?id={ada.pk}").status_code == 302
    assert desk.prove()["Location"] == f"{URL}?id={ada.pk}"


def test_more_than_twenty_at_once_are_refused(proved, authsignal):
    people = [User.objects.create_user(f"user{number}") for number in range(21)]
    answer = proved.post(
        "/plain/auth/user/", {"action": "reset_authenticators", "_selected_action": [one.pk for one in people]}
    )
    assert said(answer) == ["Choose at most 20 users: each of them is asked about at Authsignal."]


@pytest.mark.parametrize("ids", [[], ["9999999"], ["not a key"], ["1' OR 1=1"]])
@pytest.mark.parametrize("method", ["get", "post"])
def test_ids_of_nobody_lead_back_to_the_list(proved, ids, method):
    answer = getattr(proved, method)(URL, {"id": ids})
    assert answer["Location"] == "/plain/auth/user/"
    assert said(answer) == ["There is no such user."]


# When Authsignal does not play along


class Failing:
    """A transport that fails from the given removal on."""

    def __init__(self, authsignal, *, at, kind):
        self.authsignal, self.send, self.at, self.kind, self.removals = authsignal, authsignal.send, at, kind, 0

    def __call__(self, request, *args, **kwargs):
        if request.method == "DELETE":
            self.removals += 1
            self.authsignal.fail(self.kind if self.removals >= self.at else None)
        return self.send(request, *args, **kwargs)


def test_a_failure_half_way_is_told_as_it_is(proved, ada, grace, authsignal, at_authsignal, adas_ways, mailoutbox):
    authsignal.send = Failing(authsignal, at=2, kind="403")
    answer = proved.post(URL, {"id": ada.pk})
    authsignal.fail(None)
    (text,) = said(answer)
    assert text == "Removed for ada: Passkey, but not all. Perhaps still there: Authenticator app. Try again."
    assert at_authsignal.ids(ada) == adas_ways[1:]
    assert [(row.status, row.reason) for row in resets()] == [(Status.FAILED, f"reset in part by {grace.pk}")]
    assert text in LogEntry.objects.get().get_change_message()
    assert "What: Passkey\n" in mailoutbox[0].body


def test_an_outage_half_way_stops_before_the_next_user(proved, ada, bob, authsignal, at_authsignal):
    at_authsignal.give(bob)
    authsignal.send = Failing(authsignal, at=2, kind="timeout")
    answer = proved.post(URL, {"id": [ada.pk, bob.pk]})
    authsignal.fail(None)
    assert said(answer) == [
        "Removed for ada: Passkey, but not all. Perhaps still there: Authenticator app. Try again.",
        "Not tried for bob, because Authsignal did not answer.",
    ]
    assert len(at_authsignal.ids(bob)) == 1


def test_an_outage_before_it_begins_removes_nothing_and_mails_nobody(proved, ada, authsignal, mailoutbox):
    authsignal.fail("refused")
    answer = proved.post(URL, {"id": ada.pk})
    assert said(answer) == ["Nothing was removed for ada: Authsignal did not answer."]
    assert mailoutbox == []


def test_a_page_that_cannot_tell_what_would_go_offers_no_button(proved, ada, authsignal):
    authsignal.fail("refused")
    page = proved.get(f"{URL}?id={ada.pk}")
    assert page.status_code == 503
    assert b'type="submit" value="Reset' not in page.content


def test_one_that_is_gone_already_counts_as_removed(proved, ada, authsignal):
    authsignal._remove = lambda user, authenticator_id: (404, {"error": "not_found", "errorCode": "not_found"})
    assert said(proved.post(URL, {"id": ada.pk})) == ["Removed for ada: Passkey, Authenticator app."]


# Other sites


def test_it_works_on_a_site_of_ours_beside_the_other_mixin(browser, grace, ada, at_authsignal, adas_ways):
    at_authsignal.give(grace)
    browser.sign_in("grace", "northern tide")
    url = "/guarded/auth/user/reset-authenticators/"
    browser.step_up(f"{url}?id={ada.pk}")
    proof = newest()
    page = browser.get(f"{url}?id={ada.pk}")
    assert b'href="/guarded/auth/user/"' in page.content
    answer = browser.post(url, {"id": ada.pk})
    assert answer["Location"] == "/guarded/auth/user/"
    assert at_authsignal.ids(ada) == []
    assert challenge_ids(LogEntry.objects.get()) == [proof.pk]


@pytest.mark.django_db(transaction=True)
def test_under_atomic_requests_no_call_is_made_inside_a_transaction(proved, ada, authsignal):
    inside, send = [], authsignal.send

    def watch(*args, **kwargs):
        inside.append(connections["default"].in_atomic_block)
        return send(*args, **kwargs)

    authsignal.send = watch
    connections["default"].settings_dict["ATOMIC_REQUESTS"] = True
    try:
        answer = proved.post(URL, {"id": ada.pk})
    finally:
        connections["default"].settings_dict["ATOMIC_REQUESTS"] = False
    assert said(answer) == ["Removed for ada: Passkey, Authenticator app."]
    assert inside
    assert not any(inside)
