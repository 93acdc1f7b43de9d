"""Authenticator apps and recovery codes, to the letter, the step and the try."""

from __future__ import annotations

import base64
import re
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import requests

from .conftest import App, Emulator

TOTP = "user-authenticators/totp"
ADD = "add:authenticators"
WRONG = {"isVerified": False, "failureReason": "CODE_INVALID_OR_EXPIRED"}
LIMIT = {"isVerified": False, "failureReason": "MAX_ATTEMPTS_EXCEEDED"}


def verify(emulator: Emulator, token: str, code: str, method: str = "totp") -> Any:
    return emulator.call(f"verify/{method}", token, {"verificationCode": code})


def challenged(emulator: Emulator, user: str, **attributes: Any) -> str:
    return str(emulator.track(user, emulator.configure("CHALLENGE"), **attributes)["token"])


def recovery_codes(emulator: Emulator, user: str) -> list[str]:
    """Those of a first enrolment, an app's."""
    token = emulator.track(user, emulator.configure("ALLOW"))["token"]
    app = App(emulator, emulator.call(TOTP, token)["secret"])
    found: list[str] = verify(emulator, token, app.code())["recoveryCodes"]
    return found


def import_app(emulator: Emulator, user: str, secret: str) -> requests.Response:
    """The answer to an application that verified an app itself."""
    body = {"verificationMethod": "AUTHENTICATOR_APP", "otpUri": f"otpauth://totp/x:y?secret={secret}&issuer=x"}
    return emulator.server("POST", f"users/{user}/authenticators", body)


@pytest.fixture
def app_twice(emulator: Emulator, user: str, enrol_app: Callable[[str], App]) -> App:
    """An app whose secret the user has twice: its enrolment ended after the application had imported it."""
    enrol_app(user)
    token = challenged(emulator, user, scope=ADD)
    app = App(emulator, emulator.call(TOTP, token)["secret"])
    assert import_app(emulator, user, app.secret).status_code == 200
    assert verify(emulator, token, app.code())["isVerified"]
    emulator.advance(60)
    return app


@pytest.fixture
def step_begins(emulator: Emulator) -> None:
    """The clock is at the start of a step, so that the whole test is within it."""
    now = time.time() + float(emulator.clock_file.read_text())
    emulator.advance(30 - now % 30)


# Apps.


def test_the_answer_to_an_enrolment_is_what_an_app_needs(emulator: Emulator, user: str) -> None:
    token = emulator.track(user, emulator.configure("ALLOW"))["token"]
    begun = emulator.call(TOTP, token)
    assert set(begun) == {"userAuthenticatorId", "userId", "uri", "secret"}
    assert begun["userId"] == user
    assert re.fullmatch("[A-Z2-7]{32}", begun["secret"])
    done = verify(emulator, token, App(emulator, begun["secret"]).code())
    assert done["userAuthenticator"]["userAuthenticatorId"] == begun["userAuthenticatorId"]


@pytest.mark.parametrize(
    ("known", "name"),
    [({"username": "ann", "email": "a@b.example"}, "ann"), ({"email": "a@b.example"}, "a@b.example"), ({}, None)],
)
def test_an_app_is_told_whose_account_it_is_and_with_whom(
    emulator: Emulator, user: str, known: dict[str, str], name: str | None
) -> None:
    begun = emulator.call(TOTP, emulator.track(user, emulator.configure("ALLOW"), **known)["token"])
    uri = urlsplit(begun["uri"])
    issuer, _, account = unquote(uri.path).removeprefix("/").partition(":")
    assert (uri.scheme, uri.netloc, account) == ("otpauth", "totp", name or user)
    assert parse_qs(uri.query) == {"secret": [begun["secret"]], "issuer": [issuer]}
    assert issuer == "Authsignal emulator"


@pytest.mark.usefixtures("step_begins")
@pytest.mark.parametrize(("steps", "right"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_code_of_the_step_before_or_after_is_right_and_no_other(
    emulator: Emulator, user: str, steps: int, right: bool
) -> None:
    token = emulator.track(user, emulator.configure("ALLOW"))["token"]
    app = App(emulator, emulator.call(TOTP, token)["secret"])
    assert verify(emulator, token, app.code(steps))["isVerified"] is right


@pytest.mark.usefixtures("step_begins")
def test_after_a_step_no_earlier_one_is_right_and_a_later_one_is(
    emulator: Emulator, user: str, enrol_app: Callable[[str], App]
) -> None:
    app = enrol_app(user)
    assert verify(emulator, challenged(emulator, user), app.code())["isVerified"]
    assert verify(emulator, challenged(emulator, user), app.code(-1)) == WRONG
    assert verify(emulator, challenged(emulator, user), app.code(1))["isVerified"]


def test_a_code_of_an_app_may_be_typed_with_spaces(
    emulator: Emulator, user: str, enrol_app: Callable[[str], App]
) -> None:
    code = enrol_app(user).code()
    assert verify(emulator, challenged(emulator, user), f" {code[:3]} {code[3:]}")["isVerified"]


def test_each_of_two_apps_is_right(emulator: Emulator, user: str, enrol_app: Callable[[str], App]) -> None:
    first = enrol_app(user)
    token = challenged(emulator, user, scope=ADD)
    second = App(emulator, emulator.call(TOTP, token)["secret"])
    assert "recoveryCodes" not in verify(emulator, token, second.code())
    emulator.advance(60)
    for app in (first, second):
        assert verify(emulator, challenged(emulator, user), app.code())["isVerified"]


def test_another_users_app_is_wrong(emulator: Emulator, user: str, enrol_app: Callable[[str], App]) -> None:
    enrol_app(user)
    app = enrol_app(f"{user}-other")
    assert verify(emulator, challenged(emulator, user), app.code()) == WRONG


def test_what_is_no_app_is_asked_for_no_code(emulator: Emulator, user: str) -> None:
    token = emulator.track(user, emulator.configure("ALLOW"))["token"]
    emulator.call("user-authenticators/email-otp", token, {"email": f"{user}@b.example"})
    assert verify(emulator, token, "000000") == WRONG  # and it has no secret, whose codes anybody could compute
    emulator.post(f"users/{user}/authenticators", {"verificationMethod": "EMAIL_OTP", "email": f"{user}@b.example"})
    assert verify(emulator, challenged(emulator, user), "000000") == WRONG


@pytest.mark.usefixtures("step_begins")
def test_the_code_that_enrolled_an_app_proves_nothing_more(emulator: Emulator, user: str) -> None:
    token = emulator.track(user, emulator.configure("ALLOW"))["token"]
    code = App(emulator, emulator.call(TOTP, token)["secret"]).code()
    assert verify(emulator, token, code)["isVerified"]
    assert verify(emulator, challenged(emulator, user), code) == WRONG


@pytest.mark.usefixtures("step_begins")
def test_a_code_of_a_secret_that_a_user_has_twice_passes_once(emulator: Emulator, user: str, app_twice: App) -> None:
    code = app_twice.code()
    passed = [verify(emulator, challenged(emulator, user), code)["isVerified"] for _ in range(3)]
    assert passed == [True, False, False]


@pytest.mark.usefixtures("step_begins")
def test_a_code_of_a_secret_that_a_user_has_twice_passes_one_of_many_at_once(
    emulator: Emulator, user: str, app_twice: App
) -> None:
    code, tokens = app_twice.code(), [challenged(emulator, user) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        passed = list(pool.map(lambda token: verify(emulator, token, code)["isVerified"], tokens))
    assert passed.count(True) == 1


@pytest.mark.usefixtures("step_begins")
def test_a_code_that_proved_a_step_enrols_no_app_of_the_same_secret(
    emulator: Emulator, user: str, enrol_app: Callable[[str], App]
) -> None:
    enrol_app(user)
    token = challenged(emulator, user, scope=ADD)
    app = App(emulator, emulator.call(TOTP, token)["secret"])
    import_app(emulator, user, app.secret)
    code = app.code()
    assert verify(emulator, challenged(emulator, user), code)["isVerified"]
    assert verify(emulator, token, code) == WRONG


@pytest.mark.usefixtures("step_begins")
def test_a_code_passes_once_however_its_secret_was_spelt(emulator: Emulator, user: str) -> None:
    secret = base64.b32encode(uuid.uuid4().bytes + b"1234").decode()
    longer = base64.b32encode(base64.b32decode(secret) + bytes(5)).decode()  # to HMAC a key with zeros is the same key
    assert [import_app(emulator, user, one).status_code for one in (secret, longer)] == [200, 200]
    code = App(emulator, secret).code()
    assert verify(emulator, challenged(emulator, user), code)["isVerified"]
    assert verify(emulator, challenged(emulator, user), code) == WRONG


@pytest.mark.parametrize(
    ("first", "again"),
    [("MZXW6YTBOI", "MZXW6YTBOI"), ("MZXW6YTBOI", "mzxw6ytboi"), ("MZXW6YTBOI", "MZXW6YTBOJ%3D%3D%3D%3D%3D%3D")],
)
def test_a_secret_that_the_user_has_is_a_conflict(emulator: Emulator, user: str, first: str, again: str) -> None:
    assert import_app(emulator, user, first).status_code == 200
    answer = import_app(emulator, user, again)
    assert (answer.status_code, answer.json()["errorCode"]) == (409, "conflict")
    assert len(emulator.server("GET", f"users/{user}/authenticators").json()) == 1


def test_a_secret_that_another_user_has_is_none(emulator: Emulator, user: str) -> None:
    assert import_app(emulator, user, "MZXW6YTBOI").status_code == 200
    assert import_app(emulator, f"{user}-other", "MZXW6YTBOI").status_code == 200


def test_an_app_that_somebody_overtook_is_wrong(emulator: Emulator, user: str, enrol_app: Callable[[str], App]) -> None:
    thief = emulator.track(user, emulator.configure("ALLOW"))["token"]
    app = App(emulator, emulator.call(TOTP, thief)["secret"])
    enrol_app(user)
    assert verify(emulator, thief, app.code()) == WRONG


@pytest.mark.parametrize("whose", ["", "-other"])
def test_only_the_action_that_began_an_enrolment_finishes_it(emulator: Emulator, user: str, whose: str) -> None:
    begun = emulator.track(user, emulator.configure("ALLOW"))["token"]
    app = App(emulator, emulator.call(TOTP, begun)["secret"])
    other = emulator.track(f"{user}{whose}", emulator.configure("ALLOW"))["token"]
    assert verify(emulator, other, app.code()) == WRONG
    assert verify(emulator, begun, app.code())["isVerified"]


@pytest.mark.parametrize(("seconds", "right"), [(570, True), (601, False)])
def test_an_enrolment_waits_ten_minutes_for_its_first_code(
    emulator: Emulator, user: str, seconds: int, right: bool
) -> None:
    action = emulator.configure("ALLOW")
    token = emulator.track(user, action, idempotencyKey="k")["token"]
    app = App(emulator, emulator.call(TOTP, token)["secret"])
    emulator.advance(seconds)
    token = emulator.track(user, action, idempotencyKey="k")["token"]
    assert verify(emulator, token, app.code())["isVerified"] is right


def test_of_many_enrolments_the_five_newest_wait(emulator: Emulator, user: str) -> None:
    token = emulator.track(user, emulator.configure("ALLOW"))["token"]
    apps = [App(emulator, emulator.call(TOTP, token)["secret"]) for _ in range(6)]
    assert verify(emulator, token, apps[0].code()) == WRONG
    assert verify(emulator, token, apps[1].code())["isVerified"]


def test_when_an_app_was_last_used_is_told(emulator: Emulator, user: str, enrol_app: Callable[[str], App]) -> None:
    app, path = enrol_app(user), f"users/{user}/authenticators"
    (first,) = emulator.server("GET", path).json()
    assert first["lastVerifiedAt"] == first["verifiedAt"]
    assert verify(emulator, challenged(emulator, user), app.code())["isVerified"]
    (later,) = emulator.server("GET", path).json()
    assert later["lastVerifiedAt"] > first["lastVerifiedAt"]
    assert later["verifiedAt"] == first["verifiedAt"]


def test_a_proof_by_an_app_names_the_app(emulator: Emulator, user: str, enrol_app: Callable[[str], App]) -> None:
    app, action = enrol_app(user), emulator.configure("CHALLENGE")
    done = verify(emulator, emulator.track(user, action, idempotencyKey="k")["token"], app.code())
    proved = emulator.validate(done["accessToken"], userId=user, action=action)
    assert (proved["isValid"], proved["verificationMethod"]) == (True, "AUTHENTICATOR_APP")
    (row,) = emulator.server("GET", f"users/{user}/authenticators").json()
    (listed,) = emulator.server("GET", f"users/{user}/actions", params={"codes": action}).json()
    assert listed["verifiedByAuthenticatorId"] == row["userAuthenticatorId"]


def test_a_right_code_of_an_app_is_no_try(emulator: Emulator, user: str, enrol_app: Callable[[str], App]) -> None:
    app, token = enrol_app(user), challenged(emulator, user)
    for _ in range(9):
        assert verify(emulator, token, "x") == WRONG
    assert verify(emulator, token, app.code())["isVerified"]
    assert verify(emulator, token, "x") == WRONG
    assert verify(emulator, token, "x") == LIMIT


# Recovery codes.


def test_ten_different_recovery_codes_are_given_without_letters_that_look_alike(emulator: Emulator, user: str) -> None:
    codes = recovery_codes(emulator, user)
    letters = "[a-hjkmnp-z2-9]"
    assert len(set(codes)) == len(codes) == 10
    assert all(re.fullmatch(f"{letters}{{4}}(-{letters}{{4}}){{3}}", code) for code in codes)


@pytest.mark.parametrize("typed", ["{0}", "{1}", "{2}", " {0}\n"])
def test_a_recovery_code_may_be_typed_in_any_way(emulator: Emulator, user: str, typed: str) -> None:
    code = recovery_codes(emulator, user)[7]
    written = typed.format(code, code.replace("-", ""), code.upper().replace("-", " "))
    assert verify(emulator, challenged(emulator, user), written, "recovery-code")["isVerified"]


def test_another_users_recovery_code_is_wrong(emulator: Emulator, user: str) -> None:
    recovery_codes(emulator, user)
    (code, *_) = recovery_codes(emulator, f"{user}-other")
    assert verify(emulator, challenged(emulator, user), code, "recovery-code") == WRONG
    assert verify(emulator, challenged(emulator, f"{user}-other"), code, "recovery-code")["isVerified"]


def test_after_ten_wrong_recovery_codes_the_right_one_is_refused(emulator: Emulator, user: str) -> None:
    (code, *_) = recovery_codes(emulator, user)
    token = challenged(emulator, user)
    for _ in range(10):
        assert verify(emulator, token, uuid.uuid4().hex, "recovery-code") == WRONG
    assert verify(emulator, token, code, "recovery-code") == LIMIT


def test_a_right_recovery_code_is_no_try(emulator: Emulator, user: str) -> None:
    (code, *_) = recovery_codes(emulator, user)
    token = challenged(emulator, user)
    for _ in range(9):
        assert verify(emulator, token, "x", "recovery-code") == WRONG
    assert verify(emulator, token, code, "recovery-code")["isVerified"]
    assert verify(emulator, token, code, "recovery-code") == WRONG
    assert verify(emulator, token, "x", "recovery-code") == LIMIT


def test_tries_of_one_method_do_not_count_for_another(
    emulator: Emulator, user: str, enrol_app: Callable[[str], App]
) -> None:
    app, token = enrol_app(user), challenged(emulator, user)
    for _ in range(11):
        last = verify(emulator, token, "x", "recovery-code")
    assert last == LIMIT
    assert verify(emulator, token, app.code())["isVerified"]


def test_a_blocked_action_takes_no_recovery_code_and_spends_none(emulator: Emulator, user: str) -> None:
    (code, *_) = recovery_codes(emulator, user)
    action = emulator.configure("CHALLENGE")
    token = emulator.track(user, action, idempotencyKey="k")["token"]
    emulator.server("PATCH", f"users/{user}/actions/{action}/k", {"state": "BLOCK"})
    assert emulator.client("POST", "verify/recovery-code", token, {"verificationCode": code}).status_code == 403
    assert verify(emulator, challenged(emulator, user), code, "recovery-code")["isVerified"]


def test_a_later_first_enrolment_ends_the_older_recovery_codes(emulator: Emulator, user: str) -> None:
    older = recovery_codes(emulator, user)[0]
    (row,) = emulator.server("GET", f"users/{user}/authenticators").json()
    emulator.server("DELETE", f"users/{user}/authenticators/{row['userAuthenticatorId']}")
    newer = recovery_codes(emulator, user)[0]
    token = challenged(emulator, user)
    assert verify(emulator, token, older, "recovery-code") == WRONG
    assert verify(emulator, token, newer, "recovery-code")["isVerified"]


def test_a_tenant_without_recovery_codes_gives_and_takes_none(emulator: Emulator, user: str) -> None:
    (code, *_) = recovery_codes(emulator, user)
    token = challenged(emulator, user)
    with emulator.with_tenant(disableRecoveryCodes=True):
        other = emulator.track(f"{user}-other", emulator.configure("ALLOW"))["token"]
        app = App(emulator, emulator.call(TOTP, other)["secret"])
        assert "recoveryCodes" not in verify(emulator, other, app.code())
        refused = emulator.client("POST", "verify/recovery-code", token, {"verificationCode": code})
        assert refused.status_code == 400
    assert verify(emulator, token, code, "recovery-code")["isVerified"]
