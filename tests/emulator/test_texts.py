"""Codes by SMS and WhatsApp, delivered to the inbox."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
import requests

from .conftest import Emulator

WRONG = {"isVerified": False, "failureReason": "CODE_INVALID_OR_EXPIRED"}


@pytest.fixture
def phone() -> str:
    return f"+64{uuid.uuid4().int % 10**10 + 10**10}"


def received(emulator: Emulator, phone: str) -> Any:
    return requests.get(f"{emulator.url}/inbox.json", params={"to": phone}, timeout=9).json()[0]


def verify(emulator: Emulator, token: str, code: str, method: str = "sms") -> Any:
    return emulator.call(f"verify/{method}", token, {"verificationCode": code})


def challenged(emulator: Emulator, user: str) -> str:
    return str(emulator.track(user, emulator.configure("CHALLENGE"))["token"])


@pytest.fixture
def enrolled(emulator: Emulator, user: str, phone: str) -> str:
    token = emulator.track(user, emulator.configure("ALLOW"))["token"]
    emulator.call("user-authenticators/sms", token, {"phoneNumber": phone})
    assert verify(emulator, token, received(emulator, phone)["code"])["isVerified"]
    return user


def test_a_text_enrols_and_then_challenges(emulator: Emulator, enrolled: str, phone: str) -> None:
    token = challenged(emulator, enrolled)
    assert set(emulator.call("challenge/sms", token)) == {"challengeId"}
    message = received(emulator, phone)
    assert message["channel"] == "sms"
    done = verify(emulator, token, message["code"])
    assert emulator.validate(done["accessToken"])["verificationMethod"] == "SMS"
    assert verify(emulator, token, message["code"]) == WRONG
    assert emulator.server("GET", f"users/{enrolled}").json()["phoneNumberVerified"] is True


def test_the_number_of_the_user_is_taken_when_none_is_given(emulator: Emulator, user: str, phone: str) -> None:
    token = emulator.track(user, "signIn", phoneNumber=phone)["token"]
    emulator.call("user-authenticators/sms", token)
    assert received(emulator, phone)["code"]


@pytest.mark.parametrize("number", ["021 555", "+0", "x@b.example", "+64 21 000", 1])
def test_what_is_no_number_is_refused(emulator: Emulator, user: str, number: Any) -> None:
    token = emulator.track(user, "signIn")["token"]
    assert emulator.client("POST", "user-authenticators/sms", token, {"phoneNumber": number}).status_code == 400


@pytest.mark.parametrize(
    ("asked", "channel", "told"),
    [("WHATSAPP", "whatsapp", "WHATSAPP"), ("SMS", "sms", "DEFAULT"), (None, "sms", "DEFAULT")],
)
def test_the_channel_is_chosen_and_remembered(
    emulator: Emulator, enrolled: str, phone: str, asked: str | None, channel: str, told: str
) -> None:
    token = challenged(emulator, enrolled)
    emulator.call("challenge/sms", token, {"smsChannel": asked})
    message = received(emulator, phone)
    assert message["channel"] == channel
    assert emulator.client("GET", "user-authenticators", token).json()[0]["previousSmsChannel"] == told
    assert verify(emulator, token, message["code"])["isVerified"] is True


@pytest.mark.parametrize(
    ("asked", "tenants", "channel"),
    [
        (None, "WHATSAPP", "whatsapp"),
        ("DEFAULT", "WHATSAPP", "whatsapp"),
        ("DEFAULT", "SMS", "sms"),
        ("SMS", "WHATSAPP", "sms"),
    ],
)
def test_the_default_channel_is_the_tenants(
    emulator: Emulator, enrolled: str, phone: str, asked: str | None, tenants: str, channel: str
) -> None:
    token = challenged(emulator, enrolled)
    with emulator.having("SMS", smsChannel=tenants), emulator.having("WHATSAPP", smsChannel="SMS"):
        emulator.call("challenge/sms", token, {"smsChannel": asked})
    assert received(emulator, phone)["channel"] == channel


def test_the_authenticator_is_chosen_by_its_id(emulator: Emulator, enrolled: str, phone: str) -> None:
    token = emulator.track(enrolled, "signIn", scope="add:authenticators")["token"]
    newer = f"{phone[:-1]}{(int(phone[-1]) + 1) % 10}"
    emulator.call("user-authenticators/sms", token, {"phoneNumber": newer})
    verify(emulator, token, received(emulator, newer)["code"])
    rows = emulator.client("GET", "user-authenticators", token).json()
    older_id = next(row["userAuthenticatorId"] for row in rows if row["phoneNumber"] == phone)
    token, before = challenged(emulator, enrolled), received(emulator, newer)
    emulator.call("challenge/sms", token, {"userAuthenticatorId": older_id})
    assert received(emulator, newer) == before
    assert verify(emulator, token, received(emulator, phone)["code"])["isVerified"] is True


def test_another_users_authenticator_is_not_texted(emulator: Emulator, enrolled: str, phone: str) -> None:
    row = emulator.client("GET", "user-authenticators", challenged(emulator, enrolled)).json()[0]
    token, before = challenged(emulator, f"{enrolled}-other"), received(emulator, phone)
    body = {"userAuthenticatorId": row["userAuthenticatorId"]}
    assert emulator.client("POST", "challenge/sms", token, body).status_code == 400
    assert received(emulator, phone) == before


def test_the_seventh_text_in_ten_minutes_is_refused(emulator: Emulator, enrolled: str) -> None:
    token = challenged(emulator, enrolled)
    answers = [emulator.client("POST", "challenge/sms", token) for _ in range(6)]
    assert [a.status_code for a in answers] == [200] * 5 + [429]
    assert answers[-1].json()["error"] == "too_many_requests"


def test_after_ten_wrong_codes_the_right_one_is_refused(emulator: Emulator, enrolled: str, phone: str) -> None:
    token = challenged(emulator, enrolled)
    emulator.call("challenge/sms", token)
    code = received(emulator, phone)["code"]
    for _ in range(10):
        assert verify(emulator, token, f"{(int(code) + 1) % 1_000_000:06}") == WRONG
    assert verify(emulator, token, code)["failureReason"] == "MAX_ATTEMPTS_EXCEEDED"


@pytest.mark.parametrize("method", ["email-otp", "whatsapp"])
def test_a_texted_code_does_not_prove_another_method(
    emulator: Emulator, enrolled: str, phone: str, method: str
) -> None:
    token = challenged(emulator, enrolled)
    emulator.call("challenge/sms", token)
    assert verify(emulator, token, received(emulator, phone)["code"], method) == WRONG


def test_an_action_without_texts_sends_none(emulator: Emulator, enrolled: str, phone: str) -> None:
    token, before = (
        emulator.track(enrolled, emulator.configure("CHALLENGE", ["PASSKEY"]))["token"],
        received(emulator, phone),
    )
    assert emulator.client("POST", "challenge/sms", token).status_code == 400
    assert received(emulator, phone) == before


def test_whatsapp_enrols_the_users_own_number_and_then_challenges(emulator: Emulator, user: str, phone: str) -> None:
    for state in ("ALLOW", "CHALLENGE_REQUIRED"):
        tracked = emulator.track(user, emulator.configure("CHALLENGE"), phoneNumber=phone)
        assert tracked["state"] == state
        emulator.call("challenge/whatsapp", tracked["token"])
        message = received(emulator, phone)
        assert message["channel"] == "whatsapp"
        done = verify(emulator, tracked["token"], message["code"], "whatsapp")
        assert emulator.validate(done["accessToken"])["verificationMethod"] == "WHATSAPP"


def test_whatsapp_is_set_up_on_a_page(emulator: Emulator, user: str, phone: str) -> None:
    token = emulator.track(user, emulator.configure("ALLOW"))["token"]
    page = f"{emulator.url}/challenge/add/whatsapp/"
    requests.post(page, {"token": token, "do": "send", "address": phone}, timeout=9)
    message = received(emulator, phone)
    assert message["channel"] == "whatsapp"
    requests.post(page, {"token": token, "do": "verify", "code": message["code"]}, timeout=9)
    (row,) = emulator.server("GET", f"users/{user}/authenticators").json()
    assert (row["verificationMethod"], row["phoneNumber"]) == ("WHATSAPP", phone)


def test_whatsapp_does_not_enrol_past_what_the_user_has(emulator: Emulator, enrolled: str, phone: str) -> None:
    token = challenged(emulator, enrolled)
    assert emulator.client("POST", "challenge/whatsapp", token).status_code == 403


def test_whatsapp_without_a_number_is_refused(emulator: Emulator, user: str) -> None:
    assert emulator.client("POST", "challenge/whatsapp", emulator.track(user, "signIn")["token"]).status_code == 400


def test_whatsapp_challenges_what_is_named_and_enrols_nothing_then(emulator: Emulator, user: str, phone: str) -> None:
    token = emulator.track(user, "signIn", phoneNumber=phone, scope="add:authenticators")["token"]
    emulator.call("challenge/whatsapp", token)
    verify(emulator, token, received(emulator, phone)["code"], "whatsapp")
    emulator.call("user-authenticators/sms", token)
    verify(emulator, token, received(emulator, phone)["code"])
    rows = emulator.client("GET", "user-authenticators", token).json()
    keys = {row["verificationMethod"]: {"userAuthenticatorId": row["userAuthenticatorId"]} for row in rows}
    token, other = challenged(emulator, user), emulator.track(f"{user}-other", "signIn", phoneNumber=phone)["token"]
    for who, method, status in ((token, "WHATSAPP", 200), (token, "SMS", 400), (other, "WHATSAPP", 400)):
        assert emulator.client("POST", "challenge/whatsapp", who, keys[method]).status_code == status
