"""Every operation of the official Python SDK.

Its own defects that show here: keys of answers are decamelised and those of requests are not; delete_* return None.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import authsignal.client as official
import pytest

from .conftest import App, Emulator

ActionState = official.ActionState


@pytest.fixture
def client(emulator: Emulator) -> Any:
    made = official.AuthsignalClient(emulator.secret, api_url=emulator.api)
    yield made
    made.session.close()


def test_track_answers_a_challenge_for_an_enrolled_user(
    client: Any, emulator: Emulator, user: str, enrol_app: Callable[[str], App]
) -> None:
    enrol_app(user)
    answer = client.track(user, emulator.configure("CHALLENGE"), {"idempotencyKey": "k", "redirectUrl": "https://a/b"})
    assert ActionState(answer["state"]) is ActionState.CHALLENGE_REQUIRED
    assert answer["idempotency_key"] == "k"
    assert answer["is_enrolled"] is True
    assert answer["enrolled_verification_methods"] == ["AUTHENTICATOR_APP"]
    assert answer["default_verification_method"] == "AUTHENTICATOR_APP"
    assert answer["url"].startswith(emulator.url)
    assert answer["token"].count(".") == 2


@pytest.mark.parametrize("user_id", ["auth0|a+b@x:1", "a b", "a/b", "é", "a%2Fb", "a?b#c", "9", "ünï/cødé|x@y.z"])
def test_an_id_arrives_as_it_was_given(client: Any, user_id: str) -> None:
    user_id = f"{uuid.uuid4().hex}{user_id}"
    client.update_user(user_id, {"username": "ada"})
    assert client.get_user(user_id)["user_id"] == user_id
    assert client.track(user_id, "signIn")["state"] == "ALLOW"


def test_a_decimal_is_accepted_as_the_sdk_writes_it(client: Any, user: str) -> None:
    # It makes a list of it: a defect of its own.
    assert client.track(user, "pay", {"custom": {"amount": Decimal("1.50")}})["state"] == "ALLOW"


def test_validate_challenge_tells_success_with_both_names_of_the_action(
    client: Any, emulator: Emulator, user: str, enrol_app: Callable[[str], App]
) -> None:
    app, action = enrol_app(user), emulator.configure("CHALLENGE")
    token = client.track(user, action, {"idempotencyKey": "k"})["token"]
    proof = emulator.call("verify/totp", token, {"verificationCode": app.code()})["accessToken"]
    answer = client.validate_challenge({"token": proof, "userId": user, "action": action})
    assert answer.pop("state_updated_at").endswith("Z")
    assert answer == {
        "is_valid": True,
        "state": "CHALLENGE_SUCCEEDED",
        "user_id": user,
        "action": action,
        "action_code": action,
        "idempotency_key": "k",
        "verification_method": "AUTHENTICATOR_APP",
    }


def test_validate_challenge_of_another_user_is_not_valid(client: Any, user: str) -> None:
    token = client.track(user, "signIn")["token"]
    answer = client.validate_challenge({"token": token, "userId": "somebody else"})
    assert answer == {"is_valid": False, "error": "User is invalid."}


def test_get_user_answers_for_an_unknown_user(client: Any, user: str) -> None:
    assert client.get_user(user)["is_enrolled"] is False


def test_update_user_answers_the_user(client: Any, user: str) -> None:
    given = {"email": "ada@example.com", "emailVerified": True, "displayName": "Ada", "custom": {"plan": "gold"}}
    answer = client.update_user(user, given)
    assert answer["user_id"] == user
    assert answer["email"] == "ada@example.com"
    assert answer["email_verified"] is True
    assert client.get_user(user)["custom"] == {"plan": "gold"}


def test_delete_user_leaves_an_unknown_user(client: Any, user: str) -> None:
    client.update_user(user, {"email": "ada@example.com"})
    assert client.delete_user(user) is None
    assert "email" not in client.get_user(user)


def test_authenticators_are_enrolled_listed_and_deleted(client: Any, user: str) -> None:
    made = client.enroll_verified_authenticator(user, {"verificationMethod": "EMAIL_OTP", "email": "ada@example.com"})
    assert len(made["recovery_codes"]) > 1
    key = made["authenticator"]["user_authenticator_id"]
    (listed,) = client.get_authenticators(user)
    assert (listed["user_authenticator_id"], listed["email"]) == (key, "ada@example.com")
    assert listed["verification_method"] == "EMAIL_OTP"
    assert client.delete_authenticator(user, key) is None
    assert client.get_authenticators(user) == []


def test_an_action_is_read_and_resolved(client: Any, emulator: Emulator, user: str) -> None:
    action = emulator.configure("REVIEW")
    client.track(user, action, {"idempotencyKey": "k"})
    read = client.get_action(user, action, "k")
    assert read["state"] == "REVIEW_REQUIRED"
    assert read["created_at"].endswith("Z")
    assert client.update_action(user, action, "k", {"state": "REVIEW_FAILED"})["state"] == "REVIEW_FAILED"
    assert client.get_action(user, action, "k")["state"] == "REVIEW_FAILED"


@pytest.mark.skipif(not hasattr(official.AuthsignalClient, "query_users"), reason="this release cannot query users")
def test_query_users_finds_by_email(client: Any, user: str) -> None:
    client.update_user(user, {"email": f"{user}@example.com"})
    (found,) = client.query_users(email=f"{user}@example.com")["users"]
    assert found["user_id"] == user


def test_a_wrong_key_is_an_api_exception_with_the_code(emulator: Emulator) -> None:
    client = official.AuthsignalClient("emulator_wrong", api_url=emulator.api)
    with pytest.raises(official.ApiException) as caught:
        client.get_user("u")
    client.session.close()
    assert (caught.value.status_code, caught.value.error_code) == (401, "unauthorized")
    assert "key" in caught.value.error_description


def test_a_refused_field_is_an_api_exception_with_its_name(client: Any, user: str) -> None:
    with pytest.raises(official.ApiException) as caught:
        client.track(user, "signIn", {"email": "nobody"})
    assert (caught.value.status_code, caught.value.error_code) == (400, "invalid_request")
    assert "email" in caught.value.error_description
