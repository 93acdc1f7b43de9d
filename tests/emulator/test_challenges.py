"""Codes without a page: /challenge, /verify, /claim and /challenges."""

from __future__ import annotations

import contextlib
import sqlite3
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from .conftest import Emulator
from .test_codes import LIMIT, WRONG, mailed, other

EMAIL = {"verificationMethod": "EMAIL_OTP"}
SMS = {"verificationMethod": "SMS"}


@pytest.fixture
def email(user: str) -> str:
    return f"{user}@b.example"


@pytest.fixture
def phone() -> str:
    return f"+6421{uuid.uuid4().int % 10**9:09}"


def begin(emulator: Emulator, action: str = "signIn", **body: Any) -> Any:
    return emulator.post("challenge", {**EMAIL, "action": action, **body})


def verify(emulator: Emulator, challenge: Any, code: str) -> Any:
    return emulator.post("verify", {"challengeId": challenge["challengeId"], "verificationCode": code})


def begun_and_verified(emulator: Emulator, email: str, action: str = "signIn") -> Any:
    challenge = begin(emulator, action, email=email)
    assert verify(emulator, challenge, mailed(emulator, email))["isVerified"]
    return challenge


def state(emulator: Emulator, user: str, action: str, challenge: Any) -> Any:
    return emulator.server("GET", f"users/{user}/actions/{action}/{challenge['idempotencyKey']}").json()["state"]


def enrol(emulator: Emulator, user: str, email: str) -> None:
    emulator.post(f"users/{user}/authenticators", {"verificationMethod": "EMAIL_OTP", "email": email})


# Attacks.


def test_a_strangers_address_cannot_prove_an_enrolled_users_action(emulator: Emulator, user: str, email: str) -> None:
    enrol(emulator, user, email)
    body = {**EMAIL, "action": "signIn", "userId": user, "email": f"thief-{email}"}
    assert emulator.server("POST", "challenge", body).status_code == 403


def test_a_strangers_verified_challenge_cannot_be_claimed_for_an_enrolled_user(
    emulator: Emulator, user: str, email: str
) -> None:
    enrol(emulator, user, email)
    challenge = begun_and_verified(emulator, f"thief-{email}")
    body = {"challengeId": challenge["challengeId"], "userId": user}
    assert emulator.server("POST", "claim", body).status_code == 403
    assert emulator.server("POST", f"users/{user}/actions/signIn", body).status_code == 403


def test_an_address_that_the_user_only_typed_is_not_an_enrolled_users_own(
    emulator: Emulator, user: str, email: str, enrol_app: Any
) -> None:
    enrol_app(user)
    emulator.track(user, "signIn", email=email)
    body = {**EMAIL, "action": "signIn", "userId": user, "email": email}
    assert emulator.server("POST", "challenge", body).status_code == 403


def test_a_challenge_is_claimed_once_even_by_two_at_once(emulator: Emulator, user: str, email: str) -> None:
    challenge = begun_and_verified(emulator, email)

    def claim(number: int) -> int:
        body = {"challengeId": challenge["challengeId"], "userId": f"{user}-{number}"}
        return emulator.server("POST", "claim", body).status_code

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(claim, range(4))) == [200, 401, 401, 401]


def test_an_unverified_challenge_is_not_claimed_unless_asked_for(emulator: Emulator, user: str, email: str) -> None:
    action = emulator.configure("CHALLENGE")
    challenge = begin(emulator, action, email=email)
    body = {"challengeId": challenge["challengeId"], "userId": user}
    assert emulator.server("POST", "claim", body).status_code == 400
    token = emulator.post("claim", {**body, "skipVerificationCheck": True})["token"]
    assert emulator.validate(token)["isValid"] is False
    assert verify(emulator, challenge, mailed(emulator, email))["isVerified"]
    assert emulator.validate(token)["isValid"] is True


def test_an_expired_challenge_is_neither_verified_nor_claimed_nor_sent_again(
    emulator: Emulator, user: str, email: str
) -> None:
    open_one, verified = begin(emulator, email=email), begun_and_verified(emulator, f"x-{email}")
    code = mailed(emulator, email)
    emulator.advance(601)
    assert verify(emulator, open_one, code) == WRONG
    claim = {"challengeId": verified["challengeId"], "userId": user}
    assert emulator.server("POST", "claim", claim).status_code == 401
    assert emulator.server("POST", f"users/{user}/actions/signIn", claim).status_code == 401
    assert emulator.server("POST", "challenge", {"challengeId": open_one["challengeId"]}).status_code == 400


def test_a_challenge_proves_no_action_that_is_blocked(emulator: Emulator, user: str, email: str) -> None:
    action = emulator.configure("BLOCK")
    body = {**EMAIL, "action": action, "userId": user, "email": email}
    assert emulator.server("POST", "challenge", body).status_code == 403
    challenge = begun_and_verified(emulator, email, action)
    claim = {"challengeId": challenge["challengeId"], "userId": user}
    assert emulator.server("POST", "claim", claim).status_code == 403
    assert state(emulator, user, action, challenge) == "BLOCK"


def test_a_block_that_comes_after_the_code_was_sent_wins(emulator: Emulator, user: str, email: str) -> None:
    action = emulator.configure("CHALLENGE")
    challenge = begin(emulator, action, userId=user, email=email)
    path = f"users/{user}/actions/{action}/{challenge['idempotencyKey']}"
    emulator.server("PATCH", path, {"state": "BLOCK"})
    body = {"challengeId": challenge["challengeId"], "verificationCode": mailed(emulator, email)}
    assert emulator.server("POST", "verify", body).status_code == 403
    assert state(emulator, user, action, challenge) == "BLOCK"


def test_an_action_that_refuses_the_method_is_not_proved_by_it(emulator: Emulator, user: str, email: str) -> None:
    action = emulator.configure("CHALLENGE", ["PASSKEY"])
    body = {**EMAIL, "action": action, "userId": user, "email": email}
    assert emulator.server("POST", "challenge", body).status_code == 400


def test_a_challenge_proves_its_own_action_alone(emulator: Emulator, user: str, email: str) -> None:
    challenge = begun_and_verified(emulator, email, "view")
    body = {"challengeId": challenge["challengeId"]}
    assert emulator.server("POST", f"users/{user}/actions/pay", body).status_code == 400


def test_a_resend_cannot_change_the_address(emulator: Emulator, email: str) -> None:
    challenge = begin(emulator, email=email)
    body = {"challengeId": challenge["challengeId"], "email": f"thief-{email}"}
    assert emulator.server("POST", "challenge", body).status_code == 400


def test_ten_wrong_tries_refuse_the_right_code_of_every_challenge_of_the_address(
    emulator: Emulator, email: str
) -> None:
    challenge = begin(emulator, email=email)
    wrong = other(mailed(emulator, email))
    assert [verify(emulator, challenge, wrong) for _ in range(10)] == [WRONG] * 10
    assert verify(emulator, challenge, mailed(emulator, email)) == LIMIT
    again = begin(emulator, email=email.upper())
    assert verify(emulator, again, mailed(emulator, email.upper())) == LIMIT
    emulator.advance(301)
    assert verify(emulator, again, mailed(emulator, email.upper()))["isVerified"]


@pytest.mark.parametrize(("method", "most"), [("EMAIL_OTP", 12), ("SMS", 6), ("WHATSAPP", 6)])
@pytest.mark.parametrize("named", [True, False])
def test_messages_are_limited_for_users_and_for_addresses(
    emulator: Emulator, user: str, email: str, phone: str, method: str, most: int, named: bool
) -> None:
    body = {"verificationMethod": method, "action": "signIn", "email": email, "phoneNumber": phone}
    if named:
        body["userId"] = user
    answers = [emulator.server("POST", "challenge", body) for _ in range(most + 1)]
    assert [answer.status_code for answer in answers] == [200] * most + [429]
    assert answers[-1].json()["errorCode"] == "too_many_requests"


def test_a_code_works_once(emulator: Emulator, email: str) -> None:
    challenge = begun_and_verified(emulator, email)
    assert verify(emulator, challenge, mailed(emulator, email)) == WRONG


def test_a_code_is_stored_as_a_keyed_hash(emulator: Emulator, email: str) -> None:
    begin(emulator, email=email)
    with contextlib.closing(sqlite3.connect(emulator.clock_file.parent / "authsignal-emulator.sqlite3")) as database:
        rows = database.execute("SELECT * FROM authsignal_emulator_challenge WHERE email = ?", (email,)).fetchall()
    assert mailed(emulator, email) not in [str(value) for value in rows[0]]


@pytest.mark.parametrize("asked", [{}, {"action": "signIn"}, {"verificationMethod": "EMAIL_OTP"}])
def test_a_challenge_is_not_found_without_naming_it_or_its_user(emulator: Emulator, asked: dict[str, str]) -> None:
    assert emulator.server("GET", "challenges", params=asked).status_code == 400


# What it is for.


def test_a_verified_challenge_of_a_user_proves_the_action(emulator: Emulator, user: str, email: str) -> None:
    action = emulator.configure("CHALLENGE")
    challenge = begin(emulator, action, userId=user, email=email)
    assert state(emulator, user, action, challenge) != "CHALLENGE_SUCCEEDED"
    done = verify(emulator, challenge, mailed(emulator, email))
    assert done == {"isVerified": True, "verificationMethod": "EMAIL_OTP", "email": email}
    assert state(emulator, user, action, challenge) == "CHALLENGE_SUCCEEDED"


def test_an_enrolled_users_own_address_is_used_when_none_is_given(emulator: Emulator, user: str, email: str) -> None:
    enrol(emulator, user, email)
    challenge = begin(emulator, userId=user)
    assert verify(emulator, challenge, mailed(emulator, email))["email"] == email


def test_a_claim_gives_a_token_of_the_proved_action(emulator: Emulator, user: str, email: str) -> None:
    action = emulator.configure("CHALLENGE")
    challenge = begun_and_verified(emulator, email, action)
    claimed = emulator.post("claim", {"challengeId": challenge["challengeId"], "userId": user})
    assert claimed["verificationMethod"] == "EMAIL_OTP"
    validated = emulator.validate(claimed["token"], userId=user, action=action)
    assert (validated["isValid"], validated["idempotencyKey"]) == (True, challenge["idempotencyKey"])


def test_track_claims_a_verified_challenge_once(emulator: Emulator, user: str, email: str) -> None:
    action = emulator.configure("CHALLENGE")
    challenge = begun_and_verified(emulator, email, action)
    tracked = emulator.track(user, action, challengeId=challenge["challengeId"])
    assert tracked["state"] == "CHALLENGE_SUCCEEDED"
    assert emulator.validate(tracked["token"])["isValid"] is True
    again = emulator.server("POST", f"users/{user}/actions/{action}", {"challengeId": challenge["challengeId"]})
    assert again.status_code == 401


def test_track_does_not_claim_what_was_not_verified(emulator: Emulator, user: str, email: str) -> None:
    challenge = begin(emulator, email=email)
    body = {"challengeId": challenge["challengeId"]}
    assert emulator.server("POST", f"users/{user}/actions/signIn", body).status_code == 401


@pytest.mark.parametrize(
    ("body", "channel"),
    [({}, "sms"), ({"smsChannel": "WHATSAPP"}, "whatsapp"), ({"verificationMethod": "WHATSAPP"}, "whatsapp")],
)
def test_a_text_goes_by_its_channel(emulator: Emulator, phone: str, body: dict[str, str], channel: str) -> None:
    challenge = begin(emulator, phoneNumber=phone, **{**SMS, **body})
    with contextlib.closing(sqlite3.connect(emulator.clock_file.parent / "authsignal-emulator.sqlite3")) as database:
        rows = database.execute('SELECT channel FROM authsignal_emulator_message WHERE "to" = ?', (phone,)).fetchall()
    assert rows == [(channel,)]
    assert verify(emulator, challenge, mailed(emulator, phone))["phoneNumber"] == phone


def test_a_resend_keeps_the_challenge_and_ends_the_older_code(emulator: Emulator, email: str) -> None:
    challenge = begin(emulator, email=email)
    older = mailed(emulator, email)
    again = emulator.post("challenge", {"challengeId": challenge["challengeId"]})
    while mailed(emulator, email) == older:
        emulator.post("challenge", {"challengeId": challenge["challengeId"]})
    assert again["challengeId"] == challenge["challengeId"]
    assert again["idempotencyKey"] == challenge["idempotencyKey"]
    assert verify(emulator, challenge, older) == WRONG
    assert verify(emulator, challenge, mailed(emulator, email))["isVerified"]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("by", ["challengeId", "userId"])
def test_a_running_challenge_is_found(emulator: Emulator, user: str, email: str, method: str, by: str) -> None:
    challenge = begin(emulator, userId=user, email=email)
    asked = {by: {**challenge, "userId": user}[by], "action": "signIn", "verificationMethod": "EMAIL_OTP"}
    found = emulator.server(method, "challenges", params=asked).json()
    assert found == {
        "challengeId": challenge["challengeId"],
        "expiresAt": challenge["expiresAt"],
        "verificationMethod": "EMAIL_OTP",
        "action": "signIn",
        "email": email,
    }


def test_no_running_challenge_is_an_empty_object(emulator: Emulator, user: str) -> None:
    assert emulator.server("GET", "challenges", params={"userId": user}).json() == {}


def test_the_time_of_expiry_is_whole_seconds(emulator: Emulator, email: str) -> None:
    expires = begin(emulator, email=email)["expiresAt"]
    assert isinstance(expires, int)
    assert expires < 2**31


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("challenge", {}),
        ("challenge", {"action": "signIn"}),
        ("challenge", {**EMAIL, "action": "signIn"}),
        ("challenge", {**EMAIL, "action": "not one", "email": "a@b.example"}),
        ("challenge", {**EMAIL, "action": "signIn", "email": 1}),
        ("challenge", {**SMS, "action": "signIn", "phoneNumber": "021"}),
        ("challenge", {**SMS, "action": "signIn", "phoneNumber": "+64211111111", "smsChannel": "PIGEON"}),
        ("challenge", {"verificationMethod": "PASSKEY", "action": "signIn", "email": "a@b.example"}),
        ("challenge", {"challengeId": "nonsense"}),
        ("challenge", {"challengeId": 7}),
        ("verify", None),
        ("verify", {"challengeId": "x", "verificationCode": 123456}),
        ("claim", {}),
        ("claim", {"challengeId": "x", "userId": None}),
        ("claim", {"challengeId": "x", "userId": "u", "skipVerificationCheck": "yes"}),
    ],
)
def test_what_cannot_be_a_challenge_is_refused(emulator: Emulator, path: str, body: Any) -> None:
    response = emulator.server("POST", path, body)
    assert (response.status_code, response.json()["errorCode"]) == (400, "invalid_request")


@pytest.mark.parametrize("challenge_id", ["nonsense", "8c0f5d3e-1b7a-4d0e-9a6b-2f4c81d7e950"])
def test_an_unknown_challenge_is_a_wrong_code_and_cannot_be_claimed(emulator: Emulator, challenge_id: str) -> None:
    assert verify(emulator, {"challengeId": challenge_id}, "123456") == WRONG
    assert emulator.server("POST", "claim", {"challengeId": challenge_id, "userId": "u"}).status_code == 401


def test_nulls_and_unknown_fields_of_a_challenge_are_accepted(emulator: Emulator, email: str) -> None:
    assert begin(emulator, email=email, challengeId=None, userId=None, custom=None, surprise=[1])["challengeId"]
