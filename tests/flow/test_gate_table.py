"""The gate's table, walked over every state there is, and some there are not."""

import pytest
from django.contrib.auth.signals import user_login_failed

from django_authsignal.client import State
from django_authsignal.decision import Verdict
from django_authsignal.flow import TABLE
from django_authsignal.models import Status
from tests.conftest import PASSWORD, newest

pytestmark = pytest.mark.django_db

STEP_UP = {
    ("ALLOW", True): (403, Status.DENIED),
    ("ALLOW", False): (403, Status.DENIED),
    ("CHALLENGE_REQUIRED", True): (302, Status.OPEN),
    ("CHALLENGE_REQUIRED", False): (302, Status.OPEN),
    ("REVIEW_REQUIRED", True): (403, Status.REVIEW),
    ("REVIEW_REQUIRED", False): (403, Status.REVIEW),
}
SIGN_IN = {
    ("ALLOW", True): (302, Status.ALLOWED),
    ("ALLOW", False): (303, Status.OPEN),
    ("CHALLENGE_REQUIRED", True): (303, Status.OPEN),
    ("CHALLENGE_REQUIRED", False): (303, Status.OPEN),
    ("REVIEW_REQUIRED", True): (303, Status.REVIEW),
    ("REVIEW_REQUIRED", False): (303, Status.REVIEW),
}
DENIED = (403, Status.DENIED)
STATES = [*map(str, State), "SOMETHING_NEW", "allow", "CHALLENGE"]


@pytest.fixture(params=[True, False], ids=["enrolled", "not-enrolled"])
def enrolled(request):
    return request.param


def tracked_as(authsignal, state, enrolled):
    authsignal.enrolled("PASSKEY") if enrolled else authsignal.unenrolled()
    authsignal.outcome(state)


@pytest.mark.parametrize("state", STATES)
def test_a_step_up_follows_the_table(adas, authsignal, colour, state, enrolled):
    tracked_as(authsignal, state, enrolled)
    answer = adas.get(f"{colour}withdraw/")
    assert (answer.status_code, newest().status) == STEP_UP.get((state, enrolled), DENIED)


@pytest.mark.parametrize("state", STATES)
def test_a_sign_in_follows_the_table(browser, ada, authsignal, state, enrolled):
    tracked_as(authsignal, state, enrolled)
    answer = browser.post("/login/", {"username": "ada", "password": "correct horse battery staple"})
    assert (answer.status_code, newest().status) == SIGN_IN.get((state, enrolled), DENIED)
    assert (browser.user_pk is not None) == (newest().status == Status.ALLOWED)


def test_no_state_that_proves_anything_is_in_the_table():
    assert {state for state, _ in TABLE} == {State.ALLOW, State.CHALLENGE_REQUIRED, State.REVIEW_REQUIRED}


def test_a_user_without_an_accepted_method_is_as_not_enrolled(adas, authsignal, settings):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ACTIONS": {"withdrawFunds": {"METHODS": ["PASSKEY"]}}}
    authsignal.enrolled("EMAIL_OTP")
    assert adas.get("/withdraw/").status_code == 403
    assert newest().reason == "not_enrolled"


def test_on_allow_pass_lets_the_request_through_and_keeps_no_pass(adas, authsignal, settings, colour):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ACTIONS": {"withdrawFunds": {"ON_ALLOW": "pass"}}}
    authsignal.allow()
    assert adas.get(f"{colour}withdraw/").content == b"withdrawn"
    assert adas.get(f"{colour}withdraw/").content == b"withdrawn"
    assert [call.operation for call in authsignal.calls] == ["track", "track"]


def test_an_allow_at_sign_in_is_a_sign_in_pass(browser, ada, authsignal):
    authsignal.allow()
    browser.post("/login/", {"username": "ada", "password": "correct horse battery staple"})
    assert browser.get("/members/").content == b"members"


def test_unenrolled_allow_lets_through_what_has_no_strict_policy(adas, authsignal, settings):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ACTIONS": {"withdrawFunds": {"UNENROLLED": "allow"}}}
    authsignal.unenrolled()
    assert adas.get("/withdraw/").content == b"withdrawn"


def test_unenrolled_email_enrols_the_verified_address_and_tracks_again(adas, authsignal, settings):
    settings.AUTHSIGNAL = {
        **settings.AUTHSIGNAL,
        "TRACK_ATTRIBUTES": "tests.flow.test_gate_table.verified_email",
        "ACTIONS": {"withdrawFunds": {"UNENROLLED": "email"}},
    }
    authsignal.unenrolled()
    answer = adas.get("/withdraw/")
    operations = [call.operation for call in authsignal.calls]
    assert operations == ["track", "enroll_verified_authenticator", "track"]
    assert answer.status_code == 302
    adas.prove(method="EMAIL_OTP")
    assert adas.get("/withdraw/").content == b"withdrawn"


def verified_email(request, user, action):
    return {"email": user.email}


def test_unenrolled_email_without_a_verified_address_is_denied(adas, authsignal, settings):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ACTIONS": {"withdrawFunds": {"UNENROLLED": "email"}}}
    authsignal.unenrolled()
    assert adas.get("/withdraw/").status_code == 403


KINDS = ["refused", "timeout", "500", "502-html", "not-json", "empty-object"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_outage_denies_by_default(adas, authsignal, colour, kind):
    authsignal.fail(kind)
    assert adas.get(f"{colour}withdraw/").status_code == 503
    assert newest().status == Status.UNREACHABLE


@pytest.mark.parametrize("kind", KINDS)
def test_an_outage_may_let_through_when_the_policy_says_so_in_writing(adas, authsignal, settings, kind):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ON_UNREACHABLE": "allow"}
    authsignal.fail(kind)
    assert adas.get("/withdraw/").content == b"withdrawn"
    assert newest().status == Status.DEGRADED


@pytest.mark.parametrize("policy", [{"MAX_AGE": 0}, {"METHODS": ["PASSKEY"]}])
def test_an_outage_never_lets_through_what_asks_for_a_real_proof(adas, authsignal, settings, policy):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ON_UNREACHABLE": "allow", "ACTIONS": {"withdrawFunds": policy}}
    authsignal.fail("refused")
    assert adas.post("/withdraw/").status_code == 503


@pytest.mark.parametrize("kind", ["400", "401", "403", "404", "409"])
def test_a_refusal_is_no_outage_and_never_fails_open(adas, authsignal, settings, kind):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ON_UNREACHABLE": "allow"}
    authsignal.fail(kind)
    assert adas.get("/withdraw/").status_code == 403
    assert newest().reason == "refused"


@pytest.mark.parametrize("rule", ["deny", "allow"])
def test_too_many_calls_are_told_as_an_outage_and_open_nothing(adas, authsignal, settings, colour, rule):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ON_UNREACHABLE": rule}
    authsignal.fail("429")
    assert adas.get(f"{colour}withdraw/").status_code == 503
    assert (newest().status, newest().reason) == (Status.UNREACHABLE, "RateLimited")


def test_too_many_calls_are_no_failed_sign_in(browser, ada, authsignal):
    told = []

    def receive(**kwargs):
        told.append(kwargs)

    user_login_failed.connect(receive)
    authsignal.fail("429")
    assert browser.post("/login/", {"username": "ada", "password": PASSWORD}).status_code == 503
    assert told == []


def test_too_many_calls_leave_a_proof_to_be_brought_again(adas, authsignal):
    adas.get("/withdraw/")
    row = newest()
    token = authsignal.complete(str(row.pk))
    authsignal.fail("429")
    adas.callback(row, token=token)
    authsignal.fail(None)
    assert (newest().status, newest().reason) == (Status.OPEN, "unreachable")
    assert adas.callback(row, token=token)["Location"] == "/withdraw/"


@pytest.mark.parametrize("failure", ["429", "503"])
def test_a_page_says_whether_the_service_is_busy_or_away(way_in, ada, authsignal, failure):
    authsignal.fail(failure)
    browser = way_in()
    browser.force_login(ada)
    assert ("is busy" in browser.get("/withdraw/").text) == (failure == "429")


def test_a_sign_in_let_in_by_an_outage_counts_for_a_short_time(browser, ada, authsignal, settings, time_machine):
    from datetime import timedelta

    from django.utils import timezone

    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ON_UNREACHABLE": "allow"}
    authsignal.fail("refused")
    browser.post("/login/", {"username": "ada", "password": "correct horse battery staple"})
    authsignal.fail(None)
    assert browser.get("/members/").content == b"members"
    time_machine.move_to(timezone.now() + timedelta(seconds=300))
    assert browser.get("/members/").status_code == 302


def test_observe_tracks_and_never_interrupts(adas, authsignal, settings, colour):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ENFORCE": "observe"}
    authsignal.block()
    assert adas.get(f"{colour}withdraw/").content == b"withdrawn"
    assert newest().reason == "observed: deny"


def test_a_callable_enforce_that_answers_nonsense_enforces(adas, settings):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ENFORCE": "tests.flow.test_gate_table.nonsense"}
    assert adas.get("/withdraw/").status_code == 302


def nonsense(request, user, action):
    return True


def test_every_verdict_has_a_page_and_a_problem():
    from django_authsignal import responses

    answered = {*responses._PAGES, Verdict.PASS, Verdict.REPEAT}
    assert answered == set(Verdict)
    assert {*responses.PROBLEMS, Verdict.PASS, Verdict.REPEAT} == set(Verdict)
