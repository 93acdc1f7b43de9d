"""Every operation of @authsignal/node. Its own defect that shows here: ids are written into the path as they are."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import requests

from tests.emulator.receiver import receiving

from .conftest import App, Emulator, Node, NodeError


def test_track_answers_a_challenge_for_an_enrolled_user(
    node: Node, emulator: Emulator, user: str, enrol_app: Callable[[str], App]
) -> None:
    enrol_app(user)
    attributes = {"redirectUrl": "https://a.example/b", "ipAddress": "192.0.2.1", "custom": {"amount": 1.5}}
    answer = node("track", userId=user, action=emulator.configure("CHALLENGE"), attributes=attributes)
    assert answer["state"] == "CHALLENGE_REQUIRED"
    assert answer["isEnrolled"] is True
    assert answer["enrolledVerificationMethods"] == ["AUTHENTICATOR_APP"]
    assert "?" in answer["url"]


def test_track_without_attributes_allows_by_default(node: Node, user: str) -> None:
    answer = node("track", userId=user, action="signIn")
    assert (answer["state"], answer["isEnrolled"]) == ("ALLOW", False)


@pytest.mark.parametrize("user_id", ["auth0|a+b@x:1", "a b", "a/b", "é", "a%2Fb"])
def test_an_id_that_is_written_raw_reaches_its_user(node: Node, user_id: str) -> None:
    user_id = f"{uuid.uuid4().hex}{user_id}"
    token = node("track", userId=user_id, action="signIn")["token"]
    # What was percent-encoded before the SDK is decoded once: its own ids are not encoded at all.
    assert node("validateChallenge", token=token)["userId"] == user_id.replace("%2F", "/")


def test_validate_challenge_tells_success(
    node: Node, emulator: Emulator, user: str, enrol_app: Callable[[str], App]
) -> None:
    app, action = enrol_app(user), emulator.configure("CHALLENGE")
    token = node("track", userId=user, action=action, attributes={"idempotencyKey": "k"})["token"]
    opened = node("validateChallenge", token=token)
    assert (opened["isValid"], opened["state"]) == (False, "CHALLENGE_REQUIRED")
    proof = emulator.call("verify/totp", token, {"verificationCode": app.code()})["accessToken"]
    answer = node("validateChallenge", token=proof, userId=user, action=action)
    assert answer.pop("stateUpdatedAt").endswith("Z")
    assert answer == {
        "action": action,
        "isValid": True,
        "state": "CHALLENGE_SUCCEEDED",
        "userId": user,
        "idempotencyKey": "k",
        "verificationMethod": "AUTHENTICATOR_APP",
    }


def test_users_are_updated_read_queried_and_deleted(node: Node, user: str) -> None:
    email = f"{user}@example.com"
    assert node("getUser", userId=user)["isEnrolled"] is False
    assert node("updateUser", userId=user, attributes={"email": email, "displayName": None})["email"] == email
    assert node("getUser", userId=user)["email"] == email
    assert [found["userId"] for found in node("queryUsers", email=email)["users"]] == [user]
    assert node("deleteUser", userId=user) is None
    assert node("queryUsers", email=email)["users"] == []


def test_a_query_is_read_in_pages(node: Node) -> None:
    name = f"n{uuid.uuid4().hex}"
    for number in range(3):
        node("updateUser", userId=f"{name}{number}", attributes={"username": name})
    first = node("queryUsers", username=name, limit=2)
    rest = node("queryUsers", username=name, limit=2, lastEvaluatedUserId=first["lastEvaluatedUserId"])
    assert [found["userId"] for found in first["users"] + rest["users"]] == [f"{name}{number}" for number in range(3)]
    assert "lastEvaluatedUserId" not in rest


def test_authenticators_are_enrolled_listed_and_deleted(node: Node, user: str) -> None:
    attributes = {"verificationMethod": "EMAIL_OTP", "email": "ada@example.com"}
    made = node("enrollVerifiedAuthenticator", userId=user, attributes=attributes)
    key = made["authenticator"]["userAuthenticatorId"]
    (listed,) = node("getAuthenticators", userId=user)
    assert (listed["userAuthenticatorId"], listed["verificationMethod"]) == (key, "EMAIL_OTP")
    assert node("deleteAuthenticator", userId=user, userAuthenticatorId=key) is None
    assert node("getAuthenticators", userId=user) == []


def test_an_action_is_read_resolved_and_queried(node: Node, emulator: Emulator, user: str) -> None:
    action = emulator.configure("REVIEW")
    node("track", userId=user, action=action, attributes={"idempotencyKey": "k"})
    named = {"userId": user, "action": action, "idempotencyKey": "k"}
    assert node("getAction", **named)["state"] == "REVIEW_REQUIRED"
    assert node("updateAction", **named, attributes={"state": "REVIEW_SUCCEEDED"})["state"] == "REVIEW_SUCCEEDED"
    (found,) = node("queryUserActions", userId=user, actionCodes=[action, "other"], state="REVIEW_SUCCEEDED")
    assert (found["actionCode"], found["idempotencyKey"]) == (action, "k")
    assert node("queryUserActions", userId=user, actionCodes=["other"]) == []


def test_an_error_carries_status_code_and_description(node: Node, user: str) -> None:
    with pytest.raises(NodeError) as caught:
        node("track", userId=user, action="not an action")
    assert (caught.value.status, caught.value.code) == (400, "invalid_request")
    assert caught.value.description


def test_a_wrong_key_is_unauthorized(sdks: None, emulator: Emulator) -> None:
    stranger = Node(emulator.api, "emulator_wrong")
    with pytest.raises(NodeError) as caught:
        stranger("getUser", userId="u")
    stranger.close()
    assert (caught.value.status, caught.value.code) == (401, "unauthorized")


def test_a_webhook_of_the_emulator_is_read(node: Node, emulator: Emulator, user: str) -> None:
    with receiving() as receiver:
        made = emulator.post("management/webhooks", {"url": receiver.url, "types": ["authenticator.created"]})
        emulator.post(f"users/{user}/authenticators", {"verificationMethod": "EMAIL_OTP", "email": "a@b.example"})
        (got,) = receiver.wait("authenticator.created", user)
        emulator.server("DELETE", f"management/webhooks/{made['webhookId']}")
    event = node("constructEvent", payload=got.body.decode(), signature=got.headers["X-Signature-V2"])
    assert event["data"]["userId"] == user


# Codes without a page.


def received(emulator: Emulator, to: str) -> str:
    return str(requests.get(f"{emulator.url}/inbox.json", params={"to": to}, timeout=9).json()[0]["code"])


def test_a_challenge_is_sent_found_and_verified(node: Node, emulator: Emulator, user: str) -> None:
    email, action = f"{user}@example.com", emulator.configure("CHALLENGE")
    sent = node("challenge", verificationMethod="EMAIL_OTP", action=action, userId=user, email=email)
    assert time.time() < sent["expiresAt"] < time.time() + 86400
    assert node("getChallenge", userId=user)["challengeId"] == sent["challengeId"]
    wrong = node("verify", challengeId=sent["challengeId"], verificationCode="x")
    assert wrong == {"isVerified": False, "failureReason": "CODE_INVALID_OR_EXPIRED"}
    done = node("verify", challengeId=sent["challengeId"], verificationCode=received(emulator, email))
    assert done == {"isVerified": True, "verificationMethod": "EMAIL_OTP", "email": email}


def test_an_anonymous_challenge_is_claimed(node: Node, emulator: Emulator, user: str) -> None:
    email, action = f"{user}@example.com", emulator.configure("CHALLENGE")
    sent = node("challenge", verificationMethod="EMAIL_OTP", action=action, email=email)
    node("verify", challengeId=sent["challengeId"], verificationCode=received(emulator, email))
    claimed = node("claimChallenge", challengeId=sent["challengeId"], userId=user)
    assert claimed["verificationMethod"] == "EMAIL_OTP"
    assert node("validateChallenge", token=claimed["token"], userId=user)["userId"] == user
    with pytest.raises(NodeError) as caught:
        node("claimChallenge", challengeId=sent["challengeId"], userId="somebody else")
    assert caught.value.status == 401


def test_a_call_is_started_and_finished(node: Node, emulator: Emulator, user: str) -> None:
    reference, phone = f"call-{user}", "+64215550100"
    started = node("startCall", referenceId=reference, userId=user, phoneNumber=phone, channel="WHATSAPP")
    assert (started["channel"], started["phoneNumber"]) == ("WHATSAPP", phone)
    assert node("finishCall", referenceId=reference, state="CHALLENGE_SUCCEEDED") == {"success": True}
    named = {"userId": user, "action": "callConnect", "idempotencyKey": reference}
    assert node("getAction", **named)["state"] == "CHALLENGE_SUCCEEDED"


# Sessions.


@pytest.fixture
def session(node: Node, emulator: Emulator, user: str, enrol_app: Callable[[str], App]) -> Any:
    """What createSession answered for a user who has just proved an action."""
    emulator.server("POST", "management/app-clients", {"clientId": "app"})
    app, token = enrol_app(user), emulator.track(user, emulator.configure("CHALLENGE"))["token"]
    proof = emulator.call("verify/totp", token, {"verificationCode": app.code()})["accessToken"]
    return node("createSession", token=proof, clientId="app")


def test_a_session_is_validated(node: Node, user: str, session: Any) -> None:
    answer = node("validateSession", accessToken=session["accessToken"], clientIds=["app"])
    assert answer["user"]["userId"] == user
    assert answer["verificationMethod"] == "AUTHENTICATOR_APP"
    assert answer["expiresAt"] > time.time()


def test_a_refreshed_session_ends_the_old_tokens(node: Node, session: Any) -> None:
    new = node("refreshSession", refreshToken=session["refreshToken"])
    assert node("validateSession", accessToken=new["accessToken"])["user"]
    assert refused(node, "validateSession", accessToken=session["accessToken"]) == 401
    assert refused(node, "refreshSession", refreshToken=session["refreshToken"]) == 401


def test_a_revoked_session_is_over(node: Node, session: Any) -> None:
    assert node("revokeSession", accessToken=session["accessToken"]) in (None, {})
    assert refused(node, "validateSession", accessToken=session["accessToken"]) == 401


def test_all_sessions_of_a_user_are_revoked(node: Node, user: str, session: Any) -> None:
    assert node("revokeUserSessions", userId=user) in (None, {})
    assert refused(node, "validateSession", accessToken=session["accessToken"]) == 401


def refused(node: Node, method: str, **argument: Any) -> int:
    with pytest.raises(NodeError) as caught:
        node(method, **argument)
    return caught.value.status
