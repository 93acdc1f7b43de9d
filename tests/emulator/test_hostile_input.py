"""No input, however wrong, is answered by a 500 or without the three keys."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Emulator

VALUES: list[Any] = [None, "", "x" * 5000, "é", 0, -1, 1e308, 10**30, True, [], [[]], {}, {"a": {"b": [None]}}]
FIELDS = [
    "verificationCode", "registrationCredential", "authenticationCredential", "challengeId", "deviceId", "action",
    "idempotencyKey", "email", "username", "displayName", "authenticatorAttachment", "token", "userId", "state",
    "phoneNumber", "redirectUrl", "redirectToSettings", "ipAddress", "userAgent", "scope", "custom", "locale",
    "emailVerified", "verificationMethod", "otpUri", "credentialId", "credentialPublicKey", "isDefault", "actionCode",
    "defaultUserActionResult", "verificationMethods", "defaultVerificationMethod",
]  # fmt: skip
CLIENT = [
    "init",
    "token",
    "user-authenticators/passkey/registration-options",
    "user-authenticators/passkey",
    "user-authenticators/passkey/authentication-options",
    "verify/passkey",
    "user-authenticators/totp",
    "verify/totp",
    "user-authenticators/email-otp",
    "challenge/email-otp",
    "verify/email-otp",
    "verify/recovery-code",
]
SERVER = [
    ("POST", "validate"),
    ("POST", "users/{user}/actions/signIn"),
    ("PATCH", "users/{user}"),
    ("POST", "users/{user}/authenticators"),
    ("POST", "management/action-configurations"),
]


def fits(response: Any) -> bool:
    body = response.json()
    if response.status_code == 200:
        return True
    return response.status_code < 500 and set(body) == {"error", "errorCode", "errorDescription"}


@pytest.mark.parametrize("path", CLIENT)
def test_the_client_api_refuses_values_of_the_wrong_type(emulator: Emulator, user: str, path: str) -> None:
    token = emulator.track(user, "signIn")["token"]
    answers = [emulator.client("POST", path, token, dict.fromkeys(FIELDS, value)) for value in VALUES]
    assert [answer.text for answer in answers if not fits(answer)] == []


@pytest.mark.parametrize(("method", "path"), SERVER)
def test_the_server_api_refuses_values_of_the_wrong_type(emulator: Emulator, user: str, method: str, path: str) -> None:
    for name in FIELDS:
        for value in VALUES:
            body = {"actionCode": "hostile", "verificationMethod": "PASSKEY", name: value}
            answer = emulator.server(method, path.format(user=user), body)
            assert fits(answer), (name, value, answer.text)


@pytest.mark.parametrize(
    "query", ["limit=-1", "limit=x", "limit=9" + "9" * 30, "email=%00", "email=%ff", "email=a&limit=0"]
)
def test_a_hostile_query_is_answered(emulator: Emulator, query: str) -> None:
    assert fits(emulator.server("GET", f"users?username=u&{query}"))


@pytest.mark.parametrize(
    "date", ["x", "2026-13-45T00:00:00Z", "2026-01-01", "0001-01-01T00:00:00%2B23:59", "9999-12-31T23:59:59Z"]
)
def test_a_hostile_date_is_answered(emulator: Emulator, user: str, date: str) -> None:
    emulator.track(user, "signIn")
    assert fits(emulator.server("GET", f"users/{user}/actions?fromDate={date}"))
