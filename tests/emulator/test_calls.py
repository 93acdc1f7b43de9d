"""Call Connect: a caller is sent a message, proves who they are, and the contact centre hears of it."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from .conftest import App, Emulator
from .receiver import receiving


@pytest.fixture
def reference() -> str:
    return f"call-{uuid.uuid4().hex}"


@pytest.fixture
def phone() -> str:
    """A number that no other test has."""
    return f"+64{uuid.uuid4().int % 10**10:010}".replace("+640", "+641")


def sent_to(emulator: Emulator, to: str) -> list[Any]:
    found: list[Any] = requests.get(f"{emulator.url}/inbox.json", {"to": to}, timeout=9).json()
    return found


def state(emulator: Emulator, user: str, action: str, reference: str) -> str:
    return str(emulator.server("GET", f"users/{user}/actions/{action}/{reference}").json()["state"])


def finish(emulator: Emulator, reference: str, outcome: str = "CHALLENGE_SUCCEEDED", **more: Any) -> requests.Response:
    return emulator.server("POST", "call/finish", {"referenceId": reference, "state": outcome, **more})


def test_a_caller_proves_who_they_are_by_the_link_of_the_message(
    emulator: Emulator, user: str, reference: str, phone: str, enrol_app: Any
) -> None:
    app: App = enrol_app(user)
    action = emulator.configure("CHALLENGE")
    body = {"referenceId": reference, "userId": user, "phoneNumber": phone, "actionCode": action}
    started = emulator.post("call/start", body)
    (message,) = sent_to(emulator, phone)
    assert started == {"messageId": started["messageId"], "channel": "SMS", "phoneNumber": phone}
    token = parse_qs(urlsplit(message["url"]).query)["token"][0]
    proof = emulator.call("verify/totp", token, {"verificationCode": app.code()})["accessToken"]
    assert emulator.validate(proof)["idempotencyKey"] == reference
    assert finish(emulator, reference).json() == {"success": True}
    assert state(emulator, user, action, reference) == "CHALLENGE_SUCCEEDED"


@pytest.mark.parametrize("outcome", ["CHALLENGE_SUCCEEDED", "CHALLENGE_FAILED"])
def test_the_contact_centre_says_how_the_call_ended(
    emulator: Emulator, user: str, reference: str, phone: str, outcome: str
) -> None:
    emulator.post("call/start", {"referenceId": reference, "userId": user, "phoneNumber": phone})
    assert finish(emulator, reference, outcome, payload={"queue": 7}).status_code == 200
    assert state(emulator, user, "callConnect", reference) == outcome


def test_what_is_repeated_is_the_same_call(emulator: Emulator, user: str, reference: str, phone: str) -> None:
    body = {"referenceId": reference, "userId": user, "phoneNumber": phone}
    for _ in range(2):
        emulator.post("call/start", body)
    assert len(sent_to(emulator, phone)) == 2
    assert len(emulator.server("GET", f"users/{user}/actions").json()) == 1
    assert [finish(emulator, reference).status_code for _ in range(2)] == [200, 200]
    assert finish(emulator, reference, "CHALLENGE_FAILED").status_code == 409
    assert state(emulator, user, "callConnect", reference) == "CHALLENGE_SUCCEEDED"
    assert emulator.server("POST", "call/start", body).status_code == 409


def test_a_reference_is_one_callers(emulator: Emulator, user: str, reference: str, phone: str) -> None:
    emulator.post("call/start", {"referenceId": reference, "userId": user, "phoneNumber": phone})
    other = {"referenceId": reference, "userId": f"{user}-b", "phoneNumber": phone}
    assert emulator.server("POST", "call/start", other).status_code == 409
    assert finish(emulator, reference, userId=f"{user}-b").status_code == 400


def test_an_unknown_caller_is_named_when_the_call_ends(
    emulator: Emulator, user: str, reference: str, phone: str
) -> None:
    emulator.post("call/start", {"referenceId": reference, "phoneNumber": phone})
    (message,) = sent_to(emulator, phone)
    assert "url" not in message  # there is nobody yet who could prove anything
    assert finish(emulator, reference, userId=user).status_code == 200
    assert state(emulator, user, "callConnect", reference) == "CHALLENGE_SUCCEEDED"


@pytest.mark.parametrize(("proved", "known"), [(True, True), (False, False)], ids=["proved", "typed"])
def test_a_number_names_its_user_once_they_have_proved_it(
    emulator: Emulator, user: str, reference: str, phone: str, proved: bool, known: bool
) -> None:
    emulator.post(f"users/{user}", {"phoneNumber": phone, "phoneNumberVerified": proved})
    emulator.post("call/start", {"referenceId": reference, "phoneNumber": phone})
    assert bool(emulator.server("GET", f"users/{user}/actions").json()) is known


def test_the_address_of_the_user_is_used_when_none_is_given(emulator: Emulator, user: str, reference: str) -> None:
    emulator.post(f"users/{user}", {"email": f"{user}@example.com"})
    started = emulator.post("call/start", {"referenceId": reference, "userId": user})
    assert (started["channel"], started["email"]) == ("EMAIL", f"{user}@example.com")
    assert sent_to(emulator, f"{user}@example.com")


def test_a_blocked_action_is_not_passed_by_a_call(emulator: Emulator, user: str, reference: str, phone: str) -> None:
    action = emulator.configure("BLOCK")
    body = {"referenceId": reference, "userId": user, "phoneNumber": phone, "actionCode": action}
    emulator.post("call/start", body)
    assert finish(emulator, reference).status_code == 403
    assert state(emulator, user, action, reference) == "BLOCK"


def test_the_seventh_message_in_ten_minutes_is_refused(emulator: Emulator, phone: str) -> None:
    bodies = [{"referenceId": uuid.uuid4().hex, "phoneNumber": phone} for _ in range(7)]
    statuses = [emulator.server("POST", "call/start", body).status_code for body in bodies]
    assert statuses == [200] * 6 + [429]


def test_a_synchronous_webhook_is_asked_and_may_refuse(
    emulator: Emulator, user: str, reference: str, phone: str
) -> None:
    with receiving() as receiver:
        body = {"url": receiver.url, "types": ["sms.created"], "isSynchronous": True}
        made = emulator.post("management/webhooks", body)
        try:
            receiver.answers = [500]
            call = {"referenceId": reference, "userId": user, "phoneNumber": phone}
            answer = emulator.server("POST", "call/start", call)
        finally:
            emulator.server("DELETE", f"management/webhooks/{made['webhookId']}")
    assert (answer.status_code, answer.json()["errorCode"]) == (400, "webhook_failed")
    assert sent_to(emulator, phone) == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"referenceId": ""},
        {"referenceId": 1, "userId": "u"},
        {"referenceId": "r"},
        {"referenceId": "r", "userId": "nobody-has-an-address"},
        {"referenceId": "r", "phoneNumber": "12"},
        {"referenceId": "r", "phoneNumber": "+64215550100", "channel": "FAX"},
        {"referenceId": "r", "phoneNumber": "+64215550100", "channel": "EMAIL"},
        {"referenceId": "r", "email": "a@b.example", "channel": "SMS"},
        {"referenceId": "r", "email": "a@b.example", "actionCode": "not one"},
    ],
)
def test_what_cannot_be_a_call_is_refused(emulator: Emulator, body: Any) -> None:
    answer = emulator.server("POST", "call/start", body)
    assert (answer.status_code, answer.json()["errorCode"]) == (400, "invalid_request")


def test_an_unknown_call_is_not_finished(emulator: Emulator, reference: str) -> None:
    assert finish(emulator, reference).status_code == 404


@pytest.mark.parametrize("outcome", ["ALLOW", "", None, 1])
def test_a_call_ends_in_one_of_two_ways(emulator: Emulator, reference: str, outcome: Any) -> None:
    assert finish(emulator, reference, outcome).status_code == 400


@pytest.mark.parametrize("path", ["/call/start", "/v1/call/start"])
def test_it_is_found_without_a_version_too_and_needs_the_key(
    emulator: Emulator, reference: str, phone: str, path: str
) -> None:
    body = {"referenceId": reference, "phoneNumber": phone}
    assert requests.post(emulator.url + path, json=body, timeout=9).status_code == 401
    answer = requests.post(emulator.url + path, json=body, auth=(emulator.secret, ""), timeout=9)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
