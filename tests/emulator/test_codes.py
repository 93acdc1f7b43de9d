"""Authenticator apps, mailed codes and recovery codes."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from .authenticator import SoftwareAuthenticator
from .conftest import App, Emulator, enrol_passkey
from .test_hosted_afterwards import app_on_page
from .test_passkeys import OPTIONS

LIMIT = {"isVerified": False, "failureReason": "MAX_ATTEMPTS_EXCEEDED"}
WRONG = {"isVerified": False, "failureReason": "CODE_INVALID_OR_EXPIRED"}


def mailed(emulator: Emulator, address: str) -> str:
    """The newest code that was sent there, read where the inbox reads it."""
    with contextlib.closing(sqlite3.connect(emulator.clock_file.parent / "authsignal-emulator.sqlite3")) as database:
        row = database.execute(
            'SELECT code FROM authsignal_emulator_message WHERE "to" = ? ORDER BY id DESC LIMIT 1', (address,)
        ).fetchone()
    return str(row[0])


def verify(emulator: Emulator, method: str, token: str, code: str) -> Any:
    return emulator.call(f"verify/{method}", token, {"verificationCode": code})


def other(code: str) -> str:
    """A wrong code."""
    return f"{(int(code) + 1) % 1_000_000:06}"


def test_the_first_enrolment_passes_the_action_and_shows_recovery_codes(emulator: Emulator, user: str) -> None:
    tracked = emulator.track(user, emulator.configure("CHALLENGE"))
    app = App(emulator, emulator.call("user-authenticators/totp", tracked["token"])["secret"])
    done = verify(emulator, "totp", tracked["token"], app.code())
    assert len(done["recoveryCodes"]) == 10
    assert done["userAuthenticator"]["verificationMethod"] == "AUTHENTICATOR_APP"
    assert emulator.validate(done["accessToken"])["isValid"] is True


def test_an_unverified_app_is_not_an_authenticator(emulator: Emulator, user: str) -> None:
    tracked = emulator.track(user, emulator.configure("CHALLENGE"))
    emulator.call("user-authenticators/totp", tracked["token"])
    assert emulator.track(user, emulator.configure("CHALLENGE"))["isEnrolled"] is False


def test_a_step_of_an_app_is_never_accepted_twice(emulator: Emulator, user: str, enrol_app: Any) -> None:
    app: App = enrol_app(user)
    code = app.code()
    for expected in (True, False):
        token = emulator.track(user, emulator.configure("CHALLENGE"))["token"]
        assert verify(emulator, "totp", token, code)["isVerified"] is expected


def test_parallel_tries_with_one_code_pass_once(emulator: Emulator, user: str, enrol_app: Any) -> None:
    app: App = enrol_app(user)
    code = app.code()
    tokens = [emulator.track(user, emulator.configure("CHALLENGE"))["token"] for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda token: verify(emulator, "totp", token, code)["isVerified"], tokens))
    assert answers.count(True) == 1


def test_the_app_accepts_one_step_of_drift_and_no_more(emulator: Emulator, user: str, enrol_app: Any) -> None:
    app: App = enrol_app(user)
    token = emulator.track(user, emulator.configure("CHALLENGE"))["token"]
    assert verify(emulator, "totp", token, app.code(3)) == WRONG
    assert verify(emulator, "totp", token, app.code(-3)) == WRONG
    assert verify(emulator, "totp", token, app.code(1))["isVerified"]


def test_after_ten_wrong_tries_the_right_code_is_refused_for_five_minutes(
    emulator: Emulator, user: str, enrol_app: Any
) -> None:
    app: App = enrol_app(user)
    action = emulator.configure("CHALLENGE")
    token = emulator.track(user, action, idempotencyKey="k")["token"]
    for _ in range(10):
        assert verify(emulator, "totp", token, other(app.code())) == WRONG
    assert verify(emulator, "totp", token, app.code()) == LIMIT
    emulator.advance(301)
    assert verify(emulator, "totp", token, app.code())["isVerified"] is True


def test_parallel_tries_never_exceed_the_limit(emulator: Emulator, user: str, enrol_app: Any) -> None:
    app: App = enrol_app(user)
    token = emulator.track(user, emulator.configure("CHALLENGE"))["token"]
    wrong = other(app.code())
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: verify(emulator, "totp", token, wrong)["failureReason"], range(24)))
    assert answers.count("CODE_INVALID_OR_EXPIRED") == 10
    assert answers.count("MAX_ATTEMPTS_EXCEEDED") == 14


def enrolled_by_email(emulator: Emulator, user: str) -> str:
    address = f"{user}@b.example"
    token = emulator.track(user, emulator.configure("ALLOW"))["token"]
    emulator.call("user-authenticators/email-otp", token, {"email": address})
    assert verify(emulator, "email-otp", token, mailed(emulator, address))["isVerified"]
    return address


def test_a_mailed_code_enrols_and_then_challenges(emulator: Emulator, user: str) -> None:
    address = enrolled_by_email(emulator, user)
    tracked = emulator.track(user, emulator.configure("CHALLENGE"))
    assert tracked["state"] == "CHALLENGE_REQUIRED"
    assert "challengeId" in emulator.call("challenge/email-otp", tracked["token"])
    code = mailed(emulator, address)
    assert verify(emulator, "email-otp", tracked["token"], other(code)) == WRONG
    done = verify(emulator, "email-otp", tracked["token"], code)
    assert emulator.validate(done["accessToken"])["verificationMethod"] == "EMAIL_OTP"
    assert verify(emulator, "email-otp", tracked["token"], code) == WRONG


def test_a_mailed_code_expires(emulator: Emulator, user: str) -> None:
    address = enrolled_by_email(emulator, user)
    action = emulator.configure("CHALLENGE")
    token = emulator.track(user, action, idempotencyKey="k")["token"]
    emulator.call("challenge/email-otp", token)
    emulator.advance(601)
    renewed = emulator.track(user, action, idempotencyKey="k")["token"]
    assert verify(emulator, "email-otp", renewed, mailed(emulator, address)) == WRONG


def test_a_newer_mailed_code_replaces_the_older(emulator: Emulator, user: str) -> None:
    address = enrolled_by_email(emulator, user)
    token = emulator.track(user, emulator.configure("CHALLENGE"))["token"]
    emulator.call("challenge/email-otp", token)
    older = mailed(emulator, address)
    emulator.call("challenge/email-otp", token)
    while mailed(emulator, address) == older:
        emulator.call("challenge/email-otp", token)
    assert verify(emulator, "email-otp", token, older) == WRONG


def test_a_code_mailed_for_one_action_does_not_prove_another(emulator: Emulator, user: str) -> None:
    address = enrolled_by_email(emulator, user)
    token = emulator.track(user, emulator.configure("CHALLENGE"))["token"]
    emulator.call("challenge/email-otp", token)
    another = emulator.track(user, emulator.configure("CHALLENGE"))["token"]
    assert verify(emulator, "email-otp", another, mailed(emulator, address)) == WRONG


def test_the_thirteenth_mail_in_ten_minutes_is_refused(emulator: Emulator, user: str) -> None:
    enrolled_by_email(emulator, user)
    token = emulator.track(user, emulator.configure("CHALLENGE"))["token"]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: emulator.client("POST", "challenge/email-otp", token), range(14)))
    assert [a.status_code for a in answers].count(200) == 11
    assert {a.json()["error"] for a in answers if a.status_code != 200} == {"too_many_requests"}


def test_no_code_is_stored_as_it_was_shown(emulator: Emulator, user: str) -> None:
    tracked = emulator.track(user, emulator.configure("CHALLENGE"))
    app = App(emulator, emulator.call("user-authenticators/totp", tracked["token"])["secret"])
    codes = verify(emulator, "totp", tracked["token"], app.code())["recoveryCodes"]
    folder = emulator.clock_file.parent
    files = [folder / "authsignal-emulator.sqlite3", folder / "authsignal-emulator.sqlite3-wal"]
    stored = b"".join(path.read_bytes() for path in files if path.exists())
    assert user.encode() in stored
    assert not [code for code in codes if code.encode() in stored or code.replace("-", "").encode() in stored]


def test_what_is_kept_of_codes_is_a_sha256(emulator: Emulator, user: str, enrol_app: Any) -> None:
    enrol_app(f"{user}-other")  # has recovery codes
    enrolled_by_email(emulator, user)
    with contextlib.closing(sqlite3.connect(emulator.clock_file.parent / "authsignal-emulator.sqlite3")) as database:
        for table in ("code", "recoverycode"):
            (digests,) = zip(*database.execute(f"SELECT digest FROM authsignal_emulator_{table}"), strict=True)
            assert {len(bytes.fromhex(digest)) for digest in digests} == {32}


def test_a_recovery_code_works_once(emulator: Emulator, user: str) -> None:
    tracked = emulator.track(user, emulator.configure("CHALLENGE"))
    app = App(emulator, emulator.call("user-authenticators/totp", tracked["token"])["secret"])
    codes = verify(emulator, "totp", tracked["token"], app.code())["recoveryCodes"]
    tokens = [emulator.track(user, emulator.configure("CHALLENGE"))["token"] for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda t: verify(emulator, "recovery-code", t, codes[0].upper()), tokens))
    passed = [answer for answer in answers if answer["isVerified"]]
    assert len(passed) == 1
    assert emulator.validate(passed[0]["accessToken"])["verificationMethod"] == "RECOVERY_CODE"


def test_a_recovery_code_does_not_pass_an_action_for_passkeys_only(emulator: Emulator, user: str) -> None:
    made = emulator.post(f"users/{user}/authenticators", {"verificationMethod": "EMAIL_OTP", "email": "a@b.example"})
    token = emulator.track(user, emulator.configure("CHALLENGE", ["PASSKEY"]))["token"]
    body = {"verificationCode": made["recoveryCodes"][0]}
    assert emulator.client("POST", "verify/recovery-code", token, body).status_code == 400


@pytest.mark.parametrize("right", [True, False])
def test_an_action_that_does_not_accept_an_app_tells_nothing_of_its_codes(
    emulator: Emulator, user: str, enrol_app: Any, right: bool
) -> None:
    app = enrol_app(user)
    token = emulator.track(user, emulator.configure("CHALLENGE", ["PASSKEY"]))["token"]
    code = app.code() if right else "000000"
    answer = emulator.client("POST", "verify/totp", token, {"verificationCode": code})
    assert (answer.status_code, answer.json()["errorCode"]) == (400, "invalid_request")


def test_confirming_an_address_does_not_lend_it_to_an_unfinished_enrolment(emulator: Emulator, user: str) -> None:
    token = emulator.track(user, emulator.configure("ALLOW"))["token"]
    other, own = f"other-{user}@example.com", f"own-{user}@example.com"
    emulator.call("user-authenticators/email-otp", token, {"email": other})
    emulator.server("PATCH", f"users/{user}", {"email": own, "emailVerified": True})
    emulator.call("verify/email-otp", token, {"verificationCode": mailed(emulator, other)})
    enrolled = emulator.server("GET", f"users/{user}/authenticators").json()
    assert [one["email"] for one in enrolled] == [other]


# What an action accepts, and what the tenant offers.


KINDS = {"totp": "AUTHENTICATOR_APP", "email-otp": "EMAIL_OTP"}


def begun(emulator: Emulator, user: str, way: str, token: str) -> Callable[[], str]:
    """Begins an enrolment; what it returns gives the code."""
    address = f"{user}@b.example"
    answer = emulator.call(f"user-authenticators/{way}", token, {"email": address})
    return App(emulator, answer["secret"]).code if way == "totp" else lambda: mailed(emulator, address)


@pytest.mark.parametrize("way", KINDS)
def test_a_way_that_an_action_does_not_accept_is_not_begun(emulator: Emulator, user: str, way: str) -> None:
    token = emulator.track(user, emulator.configure("ALLOW", ["PASSKEY"]))["token"]
    answer = emulator.client("POST", f"user-authenticators/{way}", token, {"email": f"{user}@b.example"})
    assert answer.json()["errorDescription"] == f"The action does not accept {KINDS[way]}."


@pytest.mark.parametrize("way", KINDS)
def test_a_way_that_was_switched_off_meanwhile_enrols_nobody(emulator: Emulator, user: str, way: str) -> None:
    token = emulator.track(user, emulator.configure("ALLOW"))["token"]
    code = begun(emulator, user, way, token)
    with emulator.having(KINDS[way], isActive=False):
        answer = emulator.client("POST", f"verify/{way}", token, {"verificationCode": code()})
    assert answer.json()["errorDescription"] == f"The tenant has switched off {KINDS[way]}."
    assert verify(emulator, way, token, code())["isVerified"] is True


def test_no_code_is_mailed_for_an_action_that_does_not_accept_it(emulator: Emulator, user: str) -> None:
    enrolled_by_email(emulator, user)
    token = emulator.track(user, emulator.configure("CHALLENGE", ["SMS"]))["token"]
    answer = emulator.client("POST", "challenge/email-otp", token, {})
    assert answer.json()["errorDescription"] == "The action does not accept EMAIL_OTP."


@pytest.mark.parametrize("way", KINDS)
def test_a_proof_names_the_authenticator_that_gave_it(emulator: Emulator, user: str, way: str) -> None:
    token = emulator.track(user, emulator.configure("ALLOW"))["token"]
    code = begun(emulator, user, way, token)
    enrolled = verify(emulator, way, token, code())["userAuthenticator"]["userAuthenticatorId"]
    emulator.advance(60)
    token = emulator.track(user, emulator.configure("CHALLENGE"))["token"]
    if way == "email-otp":
        emulator.call("challenge/email-otp", token, {})
    assert verify(emulator, way, token, code())["userAuthenticator"]["userAuthenticatorId"] == enrolled


def without_action(emulator: Emulator, user: str) -> str:
    """The token of a passkey's sign-in that named no action."""
    passkey = SoftwareAuthenticator(origin=emulator.url)
    enrol_passkey(emulator, emulator.track(user, emulator.configure("ALLOW"))["token"], passkey)
    options = emulator.anonymous(OPTIONS, {}).json()["options"]
    proof = emulator.anonymous("verify/passkey", {"authenticationCredential": passkey.get(options)}).json()
    return str(proof["accessToken"])


def test_a_code_without_an_action_replaces_no_code_of_anybody_else(emulator: Emulator, user: str) -> None:
    tokens = {one: without_action(emulator, one) for one in (f"{user}-a", f"{user}-b")}
    codes = {one: begun(emulator, one, "email-otp", token)() for one, token in tokens.items()}
    assert [verify(emulator, "email-otp", tokens[one], code)["isVerified"] for one, code in codes.items()] == [True] * 2


def test_an_app_is_set_up_for_an_action_only(emulator: Emulator, user: str) -> None:
    token = without_action(emulator, user)
    assert verify(emulator, "totp", token, begun(emulator, user, "totp", token)()) == WRONG


def test_a_page_that_is_opened_again_shows_the_secret_that_it_began_with(emulator: Emulator, user: str) -> None:
    token = emulator.track(user, emulator.configure("ALLOW"))["token"]
    assert app_on_page(emulator, token).secret == app_on_page(emulator, token).secret
