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
    "query",
    ["limit=-1", "limit=x", "limit=9" + "9" * 30, "email=%00", "email=%ff", "email=a&limit=0", "a=1&" * 1100],
)
def test_a_hostile_query_is_answered(emulator: Emulator, query: str) -> None:
    assert fits(emulator.server("GET", f"users?username=u&{query}"))


@pytest.mark.parametrize(
    "date",
    [
        "x",
        "2026-13-45T00:00:00Z",
        "2026-01-01",
        "0001-01-01T00:00:00%2B23:59",
        "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59-14:00",
    ],
)
def test_a_hostile_date_is_answered(emulator: Emulator, user: str, date: str) -> None:
    emulator.track(user, "signIn")
    assert fits(emulator.server("GET", f"users/{user}/actions?fromDate={date}"))


@pytest.mark.parametrize("depth", [63, 64, 900, 940, 950, 960, 970, 5000])
def test_a_deeply_nested_body_is_answered_and_leaves_the_user_readable(
    emulator: Emulator, user: str, depth: int
) -> None:
    raw = '{"custom":{"a":' + "[" * depth + "]" * depth + "}}"
    assert fits(emulator.server("PATCH", f"users/{user}", data=raw))
    assert emulator.server("GET", f"users/{user}").status_code == 200


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "Infinity"])
def test_a_number_that_json_cannot_write_is_refused(emulator: Emulator, user: str, number: str) -> None:
    answer = emulator.server("POST", f"users/{user}/actions/signIn", data=f'{{"custom":{{"a":{number}}}}}')
    assert answer.status_code == 400


@pytest.mark.parametrize("escape", ["\\u0000", "\\ud800", "\\udc00", "\\ude00\\ud83d"])
@pytest.mark.parametrize("body", ['{"custom":{"a":"%s"}}', '{"custom":{"%s":"a"}}', '{"custom":{"a":[["%s"]]}}'])
def test_what_no_database_can_store_is_refused(emulator: Emulator, user: str, body: str, escape: str) -> None:
    assert emulator.server("PATCH", f"users/{user}", data=body % escape).status_code == 400


@pytest.mark.parametrize("text", [r"\u0000", r"\ud800", r"C:\\u0000", "\U0001f600", "\u202eabc", "\u2028", "\x7f"])
def test_text_that_only_looks_hostile_comes_back_as_it_was_given(emulator: Emulator, user: str, text: str) -> None:
    emulator.server("PATCH", f"users/{user}", {"displayName": text, "custom": {text: text}})
    found = emulator.server("GET", f"users/{user}").json()
    assert (found["displayName"], found["custom"]) == (text, {text: text})


@pytest.mark.parametrize("uri", ["digits=8", "period=60", "algorithm=SHA256"])
def test_an_authenticator_app_whose_codes_could_not_be_checked_is_refused(
    emulator: Emulator, user: str, uri: str
) -> None:
    body = {"verificationMethod": "AUTHENTICATOR_APP", "otpUri": f"otpauth://totp/x?secret=MZXW6YTBOI&{uri}"}
    assert emulator.server("POST", f"users/{user}/authenticators", body).status_code == 400


@pytest.mark.parametrize("url", ["http:foo", "https://", "http:///path", "//b.example", "a", "http://evil\\@b"])
def test_a_redirect_url_that_leads_nowhere_is_refused(emulator: Emulator, user: str, url: str) -> None:
    assert emulator.server("POST", f"users/{user}/actions/signIn", {"redirectUrl": url}).status_code == 400


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JavaScript://a.example/%0aalert(1)",
        "java\tscript:alert(1)",
        "\x01javascript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "blob:https://a.example/b",
        "file:///etc/passwd",
        "about:blank",
    ],
)
def test_a_redirect_url_that_a_browser_would_run_or_read_is_refused(emulator: Emulator, user: str, url: str) -> None:
    assert emulator.server("POST", f"users/{user}/actions/signIn", {"redirectUrl": url}).status_code == 400
