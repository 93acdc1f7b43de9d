"""A passkey alone signs in: the user comes from the proof, so the browser, the key and the id have to fit."""

import sys
import threading
from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.db import connections
from django.test import Client
from django.utils import timezone

from django_authsignal import usernameless
from django_authsignal.identity import user_from_id
from django_authsignal.models import Challenge, Kind, Status
from django_authsignal.signals import action_blocked, challenge_failed, challenge_passed
from tests.conftest import PASSWORD, PUBLIC, newest

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.security]
URL = "/authsignal/sign-in/passkey/"


@pytest.fixture(autouse=True)
def _a_tenant(settings):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "TENANT_ID": "tenant"}


@pytest.fixture
def ada(transactional_db):
    return get_user_model().objects.create_user("ada", "ada@example.com", PASSWORD)


@pytest.fixture
def bob(transactional_db):
    return get_user_model().objects.create_user("bob", "bob@example.com", PASSWORD)


@pytest.fixture
def heard():
    """Every signal that was sent, by its name."""
    names = {
        "logged_in": user_logged_in,
        "login_failed": user_login_failed,
        "passed": challenge_passed,
        "failed": challenge_failed,
        "blocked": action_blocked,
    }
    found = []
    receivers = {name: lambda *args, name=name, **kwargs: found.append(name) for name in names}
    for name, signal in names.items():
        signal.connect(receivers[name], dispatch_uid=name)
    yield found
    for name, signal in names.items():
        signal.disconnect(dispatch_uid=name)


def offer(browser):
    return browser.fetch(URL).json()


def bring(browser, given, token, **more):
    return browser.post(URL, {"token": token, "nonce": given["nonce"], **more})


def sign_in(browser, user, **how):
    given = offer(browser)
    return bring(browser, given, browser.authsignal.passkey_token(str(user.pk), given["idempotencyKey"], **how))


def test_a_passkey_alone_signs_its_user_in_once_and_proved(way_in, ada, heard):
    browser = way_in()
    given = offer(browser)
    token = browser.authsignal.passkey_token(str(ada.pk), given["idempotencyKey"])
    answer = bring(browser, given, token, next="/members/")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/members/")
    assert browser.user_pk == str(ada.pk)
    assert browser.get("/members/").content == b"members"
    row = newest()
    assert (str(row.pk), row.status, row.kind) == (given["idempotencyKey"], Status.PROVED, Kind.PASSWORDLESS)
    assert (row.verification_method, row.user_pk, row.tenant) == ("PASSKEY", str(ada.pk), "tenant")
    assert heard == ["passed", "logged_in"]


def test_beginning_writes_no_row_and_asks_nobody(browser, authsignal, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert browser.fetch(URL).status_code == 200
    assert authsignal.calls == []


def test_what_the_page_is_given_holds_no_secret(browser, settings):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "API_SECRET_KEY": "very secret indeed"}
    answer = browser.fetch(URL)
    assert b"very secret indeed" not in answer.content
    assert set(answer.json()) == {
        "idempotencyKey",
        "nonce",
        "action",
        "tenantId",
        "baseUrl",
        "finishUrl",
        "expiresIn",
    }
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_session_key_changes_and_one_planted_before_is_useless(browser, ada):
    browser.get("/home/")
    session = browser.session
    session["planted"] = True
    session.save()
    planted = session.session_key
    browser.cookies["sessionid"] = planted
    sign_in(browser, ada)
    assert browser.cookies["sessionid"].value != planted


# A proof made elsewhere


def test_a_thiefs_proof_planted_in_a_victims_browser_signs_them_in_nowhere(new_browser, ada, bob):
    thief, victim = new_browser(), new_browser()
    given = offer(thief)
    token = thief.authsignal.passkey_token(str(bob.pk), given["idempotencyKey"])
    offer(victim)
    assert bring(victim, given, token).status_code == 403
    assert victim.user_pk is None
    assert victim.authsignal.calls == []
    assert not Challenge.objects.exists()


def test_a_thiefs_proof_with_the_victims_own_nonce_has_the_wrong_key(new_browser, ada, bob):
    thief, victim = new_browser(), new_browser()
    token = thief.authsignal.passkey_token(str(bob.pk), offer(thief)["idempotencyKey"])
    assert bring(victim, offer(victim), token).status_code == 403
    assert victim.user_pk is None


def test_without_the_binding_cookie_nothing_is_finished_and_nobody_asked(browser, ada, authsignal):
    given = offer(browser)
    token = authsignal.passkey_token(str(ada.pk), given["idempotencyKey"])
    del browser.cookies["authsignal_browser"]
    assert bring(browser, given, token).status_code == 403
    assert browser.user_pk is None
    assert authsignal.calls == []


def test_a_form_of_another_site_is_refused(authsignal, ada):
    browser = Client(enforce_csrf_checks=True)
    given = browser.get(URL).json()
    token = authsignal.passkey_token(str(ada.pk), given["idempotencyKey"])
    assert browser.post(URL, {"token": token, "nonce": given["nonce"]}).status_code == 403
    assert authsignal.calls == []


@pytest.mark.parametrize("nonce", ["", "x", "a:b:c", "é", "\x00", "a" * 5000, "\ud800"])
def test_a_nonce_we_did_not_sign_is_refused_before_anybody_is_asked(browser, ada, authsignal, nonce):
    offer(browser)
    body = {"token": "a.b.c", "nonce": nonce}
    answer = browser.fetch(URL, "post", data=body, content_type="application/json")
    assert (answer.status_code, answer.json()["reason"]) == (403, "foreign")
    assert authsignal.calls == []


def test_a_nonce_of_another_tenant_is_refused(browser, ada, settings):
    given = offer(browser)
    token = browser.authsignal.passkey_token(str(ada.pk), given["idempotencyKey"])
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "TENANT_ID": "other"}
    assert bring(browser, given, token).status_code == 403
    assert browser.user_pk is None
    assert browser.authsignal.calls == []


def test_a_proof_that_comes_too_late_is_refused(browser, ada):
    given = offer(browser)
    token = browser.authsignal.passkey_token(str(ada.pk), given["idempotencyKey"])
    with time_machine.travel(timezone.now() + timedelta(seconds=602)):
        assert b"took too long" in bring(browser, given, token).content
    assert browser.user_pk is None


# What proves nothing


@pytest.mark.security(66)
@pytest.mark.parametrize(
    "how",
    [
        {"action": "withdrawFunds"},
        {"state": "CHALLENGE_REQUIRED"},
        {"state": "ALLOW"},
        {"state": "REVIEW_SUCCEEDED"},
        {"state": "SOMETHING_NEW"},
        {"method": "RECOVERY_CODE"},
        {"method": "SMS"},
        {"method": "EMAIL_OTP"},
    ],
)
def test_nothing_but_a_passkeys_proof_of_the_sign_in_counts(browser, ada, how):
    assert sign_in(browser, ada, **how).status_code == 403
    assert browser.user_pk is None


@pytest.mark.parametrize("token", ["", "nonsense", "a.b.c", "\x00", "é", "t" * 100_000])
def test_a_strange_token_is_refused_and_no_500(browser, ada, token):
    assert bring(browser, offer(browser), token).status_code == 403
    assert browser.user_pk is None
    assert not Challenge.objects.exists()


@pytest.mark.parametrize(
    "written",
    [
        {"ON_ALLOW": "pass"},
        {"ENFORCE": "observe"},
        {"ON_UNREACHABLE": "allow"},
        {"UNENROLLED": "allow"},
    ],
)
def test_no_policy_lets_somebody_in_without_a_proof(browser, ada, authsignal, settings, written):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, **written}
    sign_in(browser, ada, state="ALLOW")
    authsignal.fail("refused")
    assert sign_in(browser, ada).status_code == 503
    assert browser.user_pk is None


@pytest.mark.parametrize("kind", ["refused", "timeout", "500", "502-html", "not-json", "401", "429", "unknown-state"])
def test_finishing_never_fails_open(browser, ada, authsignal, kind):
    given = offer(browser)
    token = authsignal.passkey_token(str(ada.pk), given["idempotencyKey"])
    authsignal.fail(kind)
    assert bring(browser, given, token).status_code in (403, 503)
    assert browser.user_pk is None
    authsignal.fail(None)
    assert bring(browser, given, token).status_code == 303  # nothing was used up


def test_a_sign_in_policy_of_other_methods_is_not_widened(browser, ada, settings):
    given = offer(browser)
    actions = {**settings.AUTHSIGNAL["ACTIONS"], "signIn": {"METHODS": ["SECURITY_KEY"]}}
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ACTIONS": actions}
    token = browser.authsignal.passkey_token(str(ada.pk), given["idempotencyKey"])
    assert bring(browser, given, token).status_code == 403
    assert browser.user_pk is None


# Who it is


@pytest.mark.parametrize("name", ["{pk} ", " {pk}", "0{pk}", "+{pk}", "999999", "9" * 40, "ada", "a\x00b", "é" * 600])
def test_an_id_that_we_give_nobody_is_nobody(browser, ada, authsignal, name):
    given = offer(browser)
    token = authsignal.passkey_token(name.format(pk=ada.pk), given["idempotencyKey"])
    assert bring(browser, given, token).status_code == 403
    assert browser.user_pk is None


def test_a_user_of_another_environment_is_nobody(browser, ada, settings):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "USER_ID_PREFIX": "staging-"}
    assert sign_in(browser, ada).status_code == 403
    assert browser.user_pk is None


@pytest.mark.parametrize(("prefix", "found"), [("live-", True), ("staging-", False), ("", False)])
def test_an_id_is_a_users_only_with_the_prefix_that_we_give_it(ada, settings, prefix, found):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "USER_ID_PREFIX": "live-"}
    assert (user_from_id(f"{prefix}{ada.pk}") == ada) is found


@pytest.mark.parametrize("name", ["ada", "Ada", "ADA"])
def test_whoever_a_look_up_finds_counts_only_by_the_very_id_that_we_give_them(ada, settings, name):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "USER_ID": lambda user: user.username, "USER_FROM_ID": by_name}
    assert (user_from_id(name) == ada) is (name == "ada")


def test_an_id_that_was_once_nobodys_is_found_by_whoever_is_asked_under_it(browser, ada, settings):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "USER_ID": lambda user: f"u-{user.username}"}
    given = offer(browser)
    bring(browser, given, browser.authsignal.passkey_token("u-ada", given["idempotencyKey"]))
    assert (newest().reason, browser.user_pk) == ("unknown_user", None)
    browser.post("/login/", {"username": "ada", "password": PASSWORD})
    Challenge.objects.filter(reason="unknown_user").update(created_at=timezone.now())  # the newer of the two
    given = offer(browser)
    bring(browser, given, browser.authsignal.passkey_token("u-ada", given["idempotencyKey"]))
    assert browser.user_pk == str(ada.pk)


def by_name(name):
    return get_user_model().objects.get(username__iexact=name)


def test_user_from_id_finds_the_user_by_an_id_of_your_own(browser, ada, settings):
    settings.AUTHSIGNAL = {
        **settings.AUTHSIGNAL,
        "USER_ID": lambda user: user.get_username(),
        "USER_FROM_ID": by_name,
        "USER_ID_PREFIX": "live-",
    }
    given = offer(browser)
    bring(browser, given, browser.authsignal.passkey_token("live-ada", given["idempotencyKey"]))
    assert browser.user_pk == str(ada.pk)


@pytest.mark.parametrize("name", ["ADA", "nobody"])
def test_a_look_up_that_folds_case_makes_nobody_of_somebody_else(browser, ada, settings, name):
    settings.AUTHSIGNAL = {
        **settings.AUTHSIGNAL,
        "USER_ID": lambda user: user.get_username(),
        "USER_FROM_ID": by_name,
    }
    given = offer(browser)
    answer = bring(browser, given, browser.authsignal.passkey_token(name, given["idempotencyKey"]))
    assert answer.status_code == 403
    assert browser.user_pk is None


@pytest.mark.security(52)
def test_unknown_and_inactive_users_get_one_same_answer_and_are_written_down(browser, ada, bob, heard):
    get_user_model().objects.filter(pk=bob.pk).update(is_active=False)
    inactive = sign_in(browser, bob)
    assert (newest().reason, newest().status, newest().user_pk) == ("inactive", Status.DENIED, str(bob.pk))
    get_user_model().objects.filter(pk=bob.pk).delete()
    given = offer(browser)
    unknown = bring(browser, given, browser.authsignal.passkey_token("4711", given["idempotencyKey"]))
    assert (newest().reason, newest().authsignal_id, newest().user_pk) == ("unknown_user", "4711", "")
    assert (inactive.status_code, inactive.content) == (unknown.status_code, unknown.content)
    assert browser.user_pk is None
    assert heard == ["blocked", "login_failed", "blocked"]


def test_sign_in_allowed_has_the_last_word_and_it_is_written_down(browser, ada, settings, heard):
    settings.AUTHENTICATION_BACKENDS = ["tests.project.backends.NobodyBackend"]
    assert sign_in(browser, ada).status_code == 403
    assert browser.user_pk is None
    assert (newest().status, newest().reason) == (Status.DENIED, "not_allowed")
    assert heard == ["passed", "blocked", "login_failed"]


def test_a_proof_that_failed_counts_as_a_failed_login_once(browser, ada, heard):
    given = offer(browser)
    token = browser.authsignal.passkey_token(str(ada.pk), given["idempotencyKey"], state="CHALLENGE_FAILED")
    bring(browser, given, token)
    bring(browser, given, token)
    assert (newest().status, newest().reason) == (Status.FAILED, "failed")
    assert heard == ["failed", "login_failed"]


def test_what_proves_nothing_fills_no_table(browser, ada, authsignal):
    given = offer(browser)
    other = authsignal.passkey_token(str(ada.pk), "00000000-0000-4000-8000-000000000000")
    for token in ("nonsense", other, ""):
        bring(browser, given, token)
    assert not Challenge.objects.exists()


# Once


def test_the_same_proof_twice_is_sent_on_without_a_second_sign_in(browser, ada, heard):
    given = offer(browser)
    token = browser.authsignal.passkey_token(str(ada.pk), given["idempotencyKey"])
    bring(browser, given, token, next="/members/")
    browser.session.flush()
    asked = len(browser.authsignal.calls)
    again = bring(browser, given, token, next="/withdraw/")
    assert (again.status_code, again.headers["Location"]) == (303, "/members/")
    assert browser.user_pk is None
    assert heard.count("logged_in") == 1
    assert len(browser.authsignal.calls) == asked


def test_a_proof_that_is_not_finished_yet_may_still_be(browser, ada):
    given = offer(browser)
    token = browser.authsignal.passkey_token(str(ada.pk), given["idempotencyKey"], state="CHALLENGE_REQUIRED")
    assert bring(browser, given, token).status_code == 403
    assert not Challenge.objects.exists()
    browser.authsignal.complete(given["idempotencyKey"])
    assert bring(browser, given, token).status_code == 303


def test_one_nonce_gives_each_browser_and_tenant_a_key_of_its_own(rf, settings):
    keys = set()
    for cookie, tenant in (("1" * 32, "one"), ("2" * 32, "one"), ("1" * 32, "two")):
        settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "TENANT_ID": tenant}
        request = rf.get(URL)
        request.COOKIES["authsignal_browser"] = cookie
        keys.add(usernameless._key(request, "nonce"))
    assert len(keys) == 3


def test_a_consumed_proof_stays_consumed_when_an_old_cookie_is_restored(browser, ada, settings):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    given = offer(browser)
    token = browser.authsignal.passkey_token(str(ada.pk), given["idempotencyKey"])
    browser.get("/home/")
    bring(browser, given, token)
    assert "sessionid" in browser.cookies
    del browser.cookies["sessionid"]
    bring(browser, given, token)
    assert "sessionid" not in browser.cookies
    assert "/login/" in browser.get("/members/").headers["Location"]


def test_of_twenty_parallel_proofs_exactly_one_signs_in(new_browser, ada, heard):
    first = new_browser()
    given = offer(first)
    token = first.authsignal.passkey_token(str(ada.pk), given["idempotencyKey"])
    signed_in, start = [], threading.Barrier(20)

    def come():
        browser = new_browser()
        browser.cookies.update(first.cookies)
        try:
            start.wait(20)
            answer = bring(browser, given, token)
            signed_in.append((answer.status_code, browser.user_pk))
        finally:
            connections.close_all()

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    threads = [threading.Thread(target=come) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(before)
    assert {status for status, _ in signed_in} == {303}
    assert [user for _, user in signed_in if user] == [str(ada.pk)]
    assert heard.count("logged_in") == 1
    assert Challenge.objects.count() == 1


def test_a_proof_without_a_name_finishes_no_challenge_that_began_with_one(browser, ada):
    browser.post("/login/", {"username": "ada", "password": PASSWORD})
    row = newest()
    given = offer(browser)
    token = browser.authsignal.passkey_token(str(ada.pk), given["idempotencyKey"])
    assert "invalid" in browser.callback(row, token=token).headers["Location"]
    assert browser.user_pk is None


# How often


def test_refused_tries_are_limited_per_address_before_anybody_is_asked(new_browser, ada, authsignal, one_window):
    statuses = []
    for _ in range(21):
        browser = new_browser(REMOTE_ADDR=PUBLIC)
        statuses.append(bring(browser, offer(browser), "nonsense").status_code)
    assert statuses == [403] * 20 + [429]
    assert len(authsignal.calls) == 20


def test_refused_tries_are_limited_per_browser_where_no_address_tells_people_apart(new_browser, ada, one_window):
    browser = new_browser()
    assert [bring(browser, offer(browser), "nonsense").status_code for _ in range(21)] == [403] * 20 + [429]


def test_who_makes_nonces_up_uses_up_no_tries_of_whoever_shares_the_address(new_browser, ada, one_window):
    for _ in range(22):
        bring(new_browser(REMOTE_ADDR=PUBLIC), {"nonce": "made up"}, "nonsense")
    assert sign_in(new_browser(REMOTE_ADDR=PUBLIC), ada).status_code == 303


def test_an_outage_uses_up_nobodys_tries(browser, ada, authsignal, one_window):
    authsignal.fail("refused")
    assert {bring(browser, offer(browser), "token").status_code for _ in range(22)} == {503}


def test_good_sign_ins_of_a_busy_office_are_not_limited(new_browser, ada, one_window):
    assert {sign_in(new_browser(REMOTE_ADDR=PUBLIC), ada).status_code for _ in range(22)} == {303}


# Addresses and reports


@pytest.mark.parametrize(
    "hostile", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"]
)
def test_a_hostile_next_never_leaves_the_site(browser, ada, hostile):
    given = offer(browser)
    token = browser.authsignal.passkey_token(str(ada.pk), given["idempotencyKey"])
    assert bring(browser, given, token, next=hostile).headers["Location"] == "/home/"


def test_the_token_is_at_rest_nowhere_and_in_no_address(browser, ada, caplog):
    given = offer(browser)
    token = browser.authsignal.passkey_token(str(ada.pk), given["idempotencyKey"])
    answer = bring(browser, given, token)
    kept = f"{answer.headers}{list(Challenge.objects.values())}{dict(browser.session)}{caplog.text}"
    assert token not in kept
    assert given["nonce"] not in kept


def test_a_proxys_own_password_makes_no_api_client_of_a_browser(browser, ada):
    given = offer(browser)
    token = browser.authsignal.passkey_token(str(ada.pk), given["idempotencyKey"])
    headers = {"Authorization": "Basic c3RhZ2luZzpzdGFnaW5n"}
    assert browser.post(URL, {"token": token, "nonce": given["nonce"]}, headers=headers).status_code == 303
    assert newest().channel == "browser"
    assert browser.get("/members/").content == b"members"


def known_by_header(get_response):
    """A middleware of a project's own: somebody is signed in by what a proxy says."""

    def middleware(request):
        if "Authorization" in request.headers:
            request.user = get_user_model().objects.get(username="bob")
        return get_response(request)

    return middleware


def test_who_is_known_by_a_header_signs_in_as_a_browser(browser, ada, bob, settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.known_by_header"]
    given = offer(browser)
    token = browser.authsignal.passkey_token(str(ada.pk), given["idempotencyKey"])
    browser.post(URL, {"token": token, "nonce": given["nonce"]}, headers={"Authorization": "Proxy bob"})
    assert newest().channel == "browser"
    assert browser.get("/members/").content == b"members"
