"""UNENROLLED, row by row of the gate's table: what a person with nothing to prove with meets, at sign-in and after."""

from datetime import timedelta

import pytest
from django.utils import timezone

from django_authsignal.models import Challenge, Status
from tests.conftest import PASSWORD, newest

pytestmark = [pytest.mark.django_db, pytest.mark.security]
RULES = ["enroll", "email", "deny", "allow", None]
CLOSED = ["BLOCK", "CHALLENGE_FAILED", "CHALLENGE_SUCCEEDED", "REVIEW_SUCCEEDED", "NEW", "allow"]


def verified(request, user, action):
    return {"email": user.email}


def unverified(request, user, action):
    return {}


@pytest.fixture
def rule(settings):
    """Sets UNENROLLED and more for the sign-in and for withdrawing; the address is verified unless said otherwise."""

    def set_rule(unenrolled, *, address=verified, sign_in=True, **more):
        policy = {**({} if unenrolled is None else {"UNENROLLED": unenrolled}), **more}
        settings.AUTHSIGNAL = {
            **settings.AUTHSIGNAL,
            "TRACK_ATTRIBUTES": address,
            "ACTIONS": {"withdrawFunds": policy, **({"signIn": policy} if sign_in else {})},
        }

    return set_rule


@pytest.fixture
def nothing(authsignal):
    """Nobody has anything to prove with, so whatever the portal says is ALLOW."""
    return authsignal.unenrolled()


def password(browser):
    return browser.post("/login/", {"username": "ada", "password": PASSWORD})


def operations(authsignal):
    return [call.operation for call in authsignal.calls]


# At sign-in


@pytest.mark.parametrize("unenrolled", ["enroll", None])
def test_sign_in_has_them_set_one_up(way_in, ada, nothing, rule, unenrolled):
    rule(unenrolled)
    browser = way_in()
    assert password(browser).status_code == 303
    assert browser.user_pk is None
    assert newest().enrolls
    browser.prove()
    assert browser.user_pk == str(ada.pk)


def test_sign_in_turns_them_away(way_in, ada, nothing, rule, failures):
    rule("deny")
    browser = way_in()
    answer = password(browser)
    assert answer.status_code == 403
    assert b"You have nothing to prove it with yet" in answer.content
    assert (browser.user_pk, newest().reason) == (None, "not_enrolled")
    assert failures == [{"username": "ada"}]


def test_sign_in_lets_them_in_by_the_password_alone(way_in, ada, nothing, rule):
    rule("allow")
    browser = way_in()
    assert password(browser).status_code == 302
    assert (browser.user_pk, newest().status) == (str(ada.pk), Status.ALLOWED)
    assert browser.get("/members/").content == b"members"


def test_sign_in_mails_a_code_to_the_verified_address(way_in, ada, nothing, rule, mailoutbox):
    rule("email")
    browser = way_in()
    assert password(browser).status_code == 303
    assert operations(nothing) == ["track", "enroll_verified_authenticator", "track"]
    assert nothing.calls[1].json["email"] == "ada@example.com"
    assert browser.user_pk is None
    browser.prove(method="EMAIL_OTP")
    assert browser.user_pk == str(ada.pk)
    first, second = Challenge.objects.order_by("created_at")
    assert (first.status, first.reason) == (Status.EXPIRED, "enrolled_by_email")
    assert first.pk != second.pk
    assert [mail.subject for mail in mailoutbox] == ["A new way to prove it is you was added"]


# At a step-up


def test_a_step_up_turns_them_away_unless_told_otherwise(adas, nothing, rule, colour):
    rule(None)
    assert adas.get(f"{colour}withdraw/").status_code == 403
    assert newest().reason == "not_enrolled"


def test_a_step_up_turns_them_away(adas, nothing, rule, colour):
    rule("deny")
    assert adas.get(f"{colour}withdraw/").status_code == 403


def test_a_step_up_lets_them_pass_and_writes_that_nothing_was_proved(adas, nothing, rule, colour):
    rule("allow")
    assert adas.get(f"{colour}withdraw/").content == b"withdrawn"
    assert (newest().status, newest().verification_method) == (Status.ALLOWED, "")


def test_a_step_up_mails_a_code_to_the_verified_address(adas, nothing, rule, colour):
    rule("email")
    assert adas.get(f"{colour}withdraw/").status_code == 302
    assert not newest().enrolls
    adas.prove(method="EMAIL_OTP")
    assert adas.get(f"{colour}withdraw/").content == b"withdrawn"


def test_a_step_up_has_them_set_one_up_right_after_the_password(browser, ada, authsignal, rule, colour, time_machine):
    rule("enroll")
    browser.sign_in()
    authsignal.unenrolled()
    assert browser.get(f"{colour}withdraw/").status_code == 302
    time_machine.move_to(timezone.now() + timedelta(seconds=301))
    assert browser.get(f"{colour}withdraw/").status_code == 403
    assert newest().reason == "not_enrolled"


# Never enough


@pytest.mark.parametrize("unenrolled", RULES)
@pytest.mark.parametrize("strict", [{"METHODS": ["PASSKEY"]}, {"MAX_AGE": 0}])
def test_none_of_them_opens_a_step_up_that_wants_a_real_proof(adas, nothing, rule, unenrolled, strict):
    rule(unenrolled, sign_in=False, **strict)
    answer = adas.post("/transfer/")
    assert answer.content != b"transferred"
    assert answer.status_code == 403


@pytest.mark.parametrize("unenrolled", ["allow", "email", "deny"])
def test_a_sign_in_that_wants_a_passkey_lets_nobody_in_without_one(browser, ada, nothing, rule, unenrolled):
    rule(unenrolled, METHODS=["PASSKEY"])
    assert password(browser).status_code == 403
    assert (browser.user_pk, newest().reason) == (None, "not_enrolled")


@pytest.mark.parametrize("unenrolled", RULES)
@pytest.mark.parametrize("state", CLOSED)
def test_none_of_them_opens_what_authsignal_does_not(adas, browser, ada, nothing, rule, unenrolled, state):
    rule(unenrolled)
    nothing.outcome(state)
    assert adas.get("/withdraw/").status_code == 403
    assert newest().status == Status.DENIED


@pytest.mark.parametrize("unenrolled", RULES)
def test_none_of_them_passes_a_review(adas, nothing, rule, unenrolled):
    rule(unenrolled)
    nothing.review()
    assert adas.get("/withdraw/").status_code == 403
    assert newest().status == Status.REVIEW


@pytest.mark.parametrize("unenrolled", RULES)
def test_a_challenge_is_a_challenge_whatever_the_rule_says(adas, nothing, rule, unenrolled, mailoutbox):
    rule(unenrolled)
    nothing.outcome("CHALLENGE_REQUIRED")
    assert adas.get("/withdraw/").status_code == 302
    adas.prove()
    assert adas.get("/withdraw/").content == b"withdrawn"
    assert [mail.subject for mail in mailoutbox] == ["A new way to prove it is you was added"]


# Enrolled, but by nothing that counts


@pytest.mark.parametrize("state", ["ALLOW", "CHALLENGE_REQUIRED"])
@pytest.mark.parametrize(("unenrolled", "status"), [("deny", 403), ("allow", 403), ("email", 403), (None, 403)])
def test_a_method_that_does_not_count_is_as_none(adas, authsignal, rule, unenrolled, status, state):
    rule(unenrolled, METHODS=["PASSKEY"])
    authsignal.enrolled("SMS").outcome(state)
    assert adas.get("/withdraw/").status_code == status
    assert newest().reason == "not_enrolled"


@pytest.mark.parametrize("state", ["ALLOW", "CHALLENGE_REQUIRED"])
def test_who_has_another_one_adds_the_one_that_counts_right_after_the_password(browser, ada, authsignal, rule, state):
    rule("enroll", METHODS=["PASSKEY"])
    browser.sign_in()
    authsignal.enrolled("SMS").outcome(state, "withdrawFunds")
    assert browser.get("/withdraw/").status_code == 302
    row = newest()
    assert row.enrolls
    browser.prove(row, method="SMS")
    assert browser.get("/withdraw/").content != b"withdrawn"


# "email", when it cannot be


def test_an_address_that_nobody_verified_is_not_enrolled(browser, ada, nothing, rule):
    rule("email", address=unverified)
    assert password(browser).status_code == 403
    assert operations(nothing) == ["track"]


def test_mail_that_the_policy_does_not_accept_is_not_enrolled(browser, ada, nothing, rule):
    rule("email", METHODS=["PASSKEY", "SMS"])
    assert password(browser).status_code == 403
    assert operations(nothing) == ["track"]


class Failing:
    """A transport that fails at the enrolment alone."""

    def __init__(self, authsignal, kind):
        self.authsignal, self.send, self.kind = authsignal, authsignal.send, kind

    def __call__(self, request, *args, **kwargs):
        self.authsignal.fail(self.kind if request.url.endswith("/authenticators") else None)
        return self.send(request, *args, **kwargs)


@pytest.mark.parametrize(("kind", "status"), [("timeout", 503), ("500", 503), ("400", 403), ("401", 403), ("409", 403)])
def test_an_enrolment_that_fails_lets_nobody_in(browser, ada, nothing, rule, kind, status, mailoutbox):
    rule("email")
    nothing.send = Failing(nothing, kind)
    assert password(browser).status_code == status
    assert browser.user_pk is None
    assert mailoutbox == []


def test_an_enrolment_that_does_not_take_is_not_tried_for_ever(browser, ada, nothing, rule):
    rule("email")
    nothing._enrol = lambda user, body: {
        "authenticator": {"userAuthenticatorId": "x", "verificationMethod": "EMAIL_OTP"}
    }
    assert password(browser).status_code == 403
    assert operations(nothing) == ["track", "enroll_verified_authenticator", "track"]
    assert newest().reason == "not_enrolled"
