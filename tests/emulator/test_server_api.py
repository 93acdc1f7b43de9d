"""What an application sees with its secret key."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from .conftest import App, Emulator

KEYS = {"error", "errorCode", "errorDescription"}


def test_a_user_without_authenticators_is_allowed_and_said_to_be_unenrolled(emulator: Emulator, user: str) -> None:
    tracked = emulator.track(user, emulator.configure("CHALLENGE"))
    assert (tracked["state"], tracked["isEnrolled"]) == ("ALLOW", False)


@pytest.mark.parametrize(("outcome", "state"), [("BLOCK", "BLOCK"), ("REVIEW", "REVIEW_REQUIRED")])
def test_blocks_and_reviews_reach_unenrolled_users(emulator: Emulator, user: str, outcome: str, state: str) -> None:
    assert emulator.track(user, emulator.configure(outcome))["state"] == state


def test_an_enrolled_user_is_challenged(emulator: Emulator, user: str, enrol_app: Any) -> None:
    enrol_app(user)
    tracked = emulator.track(user, emulator.configure("CHALLENGE"))
    assert (tracked["state"], tracked["isEnrolled"]) == ("CHALLENGE_REQUIRED", True)
    assert tracked["enrolledVerificationMethods"] == ["AUTHENTICATOR_APP"]
    assert "?" in tracked["url"]


def test_a_method_that_the_action_does_not_accept_does_not_count_as_enrolled(
    emulator: Emulator, user: str, enrol_app: Any
) -> None:
    enrol_app(user)
    tracked = emulator.track(user, emulator.configure("CHALLENGE", ["PASSKEY"]))
    assert (tracked["state"], tracked["isEnrolled"]) == ("ALLOW", False)


def test_an_unconfigured_action_has_the_default_outcome(emulator: Emulator, user: str) -> None:
    emulator.track(user, "neverSeenBefore")
    response = emulator.server("GET", "management/action-configurations/neverSeenBefore")
    assert response.json()["defaultUserActionResult"] == "ALLOW"


def test_tracking_a_known_key_again_returns_that_action(emulator: Emulator, user: str) -> None:
    action = emulator.configure("REVIEW")
    emulator.track(user, action, idempotencyKey="one")
    emulator.server("PATCH", f"users/{user}/actions/{action}/one", {"state": "REVIEW_SUCCEEDED"})
    assert emulator.track(user, action, idempotencyKey="one")["state"] == "REVIEW_SUCCEEDED"


@pytest.mark.parametrize(
    "user_id",
    ["a@b.example", "auth0|x", "a:b", "a+b", "a b", "a/b", "a%2Fb", "a%252Fb", "..", "ü", "x/actions/y", "x" * 300],
)
def test_a_user_id_survives_percent_encoding_once(emulator: Emulator, user_id: str) -> None:
    from urllib.parse import quote

    token = emulator.post(f"users/{quote(user_id, safe='').replace('.', '%2E')}/actions/signIn")["token"]
    assert emulator.validate(token)["userId"] == user_id


def test_a_raw_slash_belongs_to_the_user_id(emulator: Emulator) -> None:
    assert emulator.validate(emulator.post("users/a/b/c/actions/signIn")["token"])["userId"] == "a/b/c"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "users//actions/signIn"),
        ("POST", "users/actions/signIn"),
        ("GET", "users/x/actions/signIn/"),
        ("DELETE", "users/x/authenticators/"),
        ("POST", "users/x/devices/d/mistyped"),
    ],
)
def test_a_path_of_another_operation_is_not_taken_for_a_users_id(emulator: Emulator, method: str, path: str) -> None:
    emulator.post("users/x/actions/signIn", {})
    assert emulator.server(method, path).status_code == 404


@pytest.mark.parametrize("user_id", ["actions", "authenticators", "a%2Factions%2Fb", "my/transactions"])
def test_a_user_may_be_named_like_an_operation(emulator: Emulator, user_id: str) -> None:
    emulator.track(user_id, "signIn")
    assert emulator.server("GET", f"users/{user_id}").json()["userId"] == user_id.replace("%2F", "/")


def test_the_php_sdk_writes_a_space_as_a_plus(emulator: Emulator) -> None:
    response = emulator.server("POST", "users/a+b/actions/signIn", headers={"User-Agent": "authsignal-php"})
    assert emulator.validate(response.json()["token"])["userId"] == "a b"


def test_validate_tells_an_open_challenge_from_a_passed_one(emulator: Emulator, user: str, enrol_app: Any) -> None:
    app: App = enrol_app(user)
    action = emulator.configure("CHALLENGE")
    tracked = emulator.track(user, action, idempotencyKey="k")
    before = emulator.validate(tracked["token"], userId=user, action=action)
    assert (before["isValid"], before["state"]) == (False, "CHALLENGE_REQUIRED")
    done = emulator.call("verify/totp", tracked["token"], {"verificationCode": app.code()})
    after = emulator.validate(done["accessToken"], userId=user, action=action)
    assert after["isValid"] is True
    assert after["state"] == "CHALLENGE_SUCCEEDED"
    assert after["action"] == after["actionCode"] == action
    assert (after["userId"], after["idempotencyKey"]) == (user, "k")
    assert after["verificationMethod"] == "AUTHENTICATOR_APP"
    assert after["stateUpdatedAt"].endswith("Z")


def test_validate_names_the_wrong_user_and_the_wrong_action(emulator: Emulator, user: str) -> None:
    token = emulator.track(user, "signIn")["token"]
    assert emulator.validate(token, userId="other") == {"isValid": False, "error": "User is invalid."}
    assert emulator.validate(token, action="other") == {"isValid": False, "error": "Action is invalid."}


@pytest.mark.parametrize("token", ["", "x", "a.b.c", None, "é" * 10, "x" * 20_000])
def test_a_malformed_token_is_answered_not_refused(emulator: Emulator, token: Any) -> None:
    assert emulator.post("validate", {"token": token})["isValid"] is False


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "users/u/actions/bad code", {}, 400),
        ("POST", "users/u/actions/signIn", {"email": 1}, 400),
        ("POST", "users/u/actions/signIn", {"redirectUrl": "javascript:alert(1)"}, 400),
        ("POST", "users/u/actions/signIn", {"scope": "root"}, 400),
        ("POST", "users/u/actions/signIn", {"custom": []}, 400),
        ("POST", "users/u/actions/signIn", [], 400),
        ("POST", "users/u/actions/signIn", {"email": "\ud800@x"}, 400),
        ("POST", "users/u/actions/signIn", {"idempotencyKey": "a\0b"}, 400),
        ("POST", "users/a%00b/actions/signIn", {}, 400),
        ("POST", "users/a%ffb/actions/signIn", {}, 400),
        ("POST", f"users/{'x' * 513}/actions/signIn", {}, 400),
        ("GET", "users/u/actions/signIn/missing", None, 404),
        ("PATCH", "users/u/actions/signIn/missing", {"state": "ALLOW"}, 404),
        ("DELETE", "users/u/authenticators/nonsense", None, 404),
        ("GET", "users", None, 400),
        ("GET", "nowhere", None, 404),
        ("DELETE", "users/u/actions/signIn", None, 405),
        ("GET", "validate", None, 405),
        ("POST", "management/action-configurations", {"actionCode": "x", "defaultUserActionResult": "MAYBE"}, 400),
    ],
)
def test_bad_input_is_refused_with_all_three_keys(
    emulator: Emulator, method: str, path: str, body: Any, status: int
) -> None:
    response = emulator.server(method, path, body)
    assert (response.status_code, set(response.json())) == (status, KEYS)
    assert response.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("raw", [b"{", b"\xff", b"NaN", b'{"a":' * 5000, b'"x"', b"1" * 5000])
def test_a_body_that_is_no_object_is_refused(emulator: Emulator, raw: bytes) -> None:
    response = requests.post(f"{emulator.api}/users/u/actions/a", data=raw, auth=(emulator.secret, ""), timeout=9)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


def test_a_huge_body_is_413(emulator: Emulator) -> None:
    body = json.dumps({"custom": {"a": "x" * 2_000_000}})
    url = f"{emulator.api}/users/u/actions/signIn"
    response = requests.post(url, data=body, auth=(emulator.secret, ""), timeout=9)
    assert (response.status_code, set(response.json())) == (413, KEYS)


@pytest.mark.parametrize("secret", ["emulator_wrong", "", "emulator", "é"])
def test_a_wrong_secret_is_unauthorized(emulator: Emulator, secret: str) -> None:
    url = f"{emulator.api}/users/u/actions/signIn"
    response = requests.post(url, auth=(secret.encode(), b""), timeout=9)
    assert (response.status_code, response.json()["errorCode"]) == (401, "unauthorized")


def test_nulls_and_unknown_fields_are_accepted(emulator: Emulator, user: str) -> None:
    assert emulator.track(user, "signIn", redirectToSettings=None, email=None, surprise=1)["state"] == "ALLOW"


def test_an_unknown_user_is_a_user_without_authenticators(emulator: Emulator, user: str) -> None:
    assert emulator.server("GET", f"users/{user}").json()["isEnrolled"] is False


@pytest.mark.parametrize("method", ["PATCH", "POST"])
def test_a_user_is_changed_by_either_method_and_cleared_by_null(emulator: Emulator, user: str, method: str) -> None:
    emulator.server(method, f"users/{user}", {"email": "a@b.example", "emailVerified": True, "username": "ann"})
    emulator.server(method, f"users/{user}", {"username": None})
    found = emulator.server("GET", f"users/{user}").json()
    assert found["email"] == "a@b.example"
    assert found["emailVerified"] is True
    assert "username" not in found


def test_users_are_found_by_email_page_by_page(emulator: Emulator, user: str) -> None:
    for name in ("a", "b", "c"):
        emulator.server("PATCH", f"users/{user}{name}", {"email": f"{user}@b.example"})
    query = f"users?email={user}@b.example&limit=2"
    first = emulator.server("GET", query).json()
    rest = emulator.server("GET", f"{query}&lastEvaluatedUserId={first['lastEvaluatedUserId']}").json()
    assert [u["userId"] for u in first["users"] + rest["users"]] == [f"{user}a", f"{user}b", f"{user}c"]


def test_a_deleted_users_token_dies_even_when_the_id_comes_back(emulator: Emulator, user: str) -> None:
    token = emulator.track(user, "signIn")["token"]
    assert emulator.server("DELETE", f"users/{user}").json() == {"success": True}
    emulator.track(user, "signIn")
    assert emulator.client("POST", "init", token, {}).status_code == 401
    assert emulator.validate(token)["isValid"] is False


def test_the_server_enrols_and_removes_a_verified_address(emulator: Emulator, user: str) -> None:
    body = {"verificationMethod": "EMAIL_OTP", "email": "a@b.example"}
    made = emulator.post(f"users/{user}/authenticators", body)
    assert len(made["recoveryCodes"]) == 10
    listed = emulator.server("GET", f"users/{user}/authenticators").json()
    assert [a["email"] for a in listed] == ["a@b.example"]
    path = f"users/{user}/authenticators/{made['authenticator']['userAuthenticatorId']}"
    assert emulator.server("DELETE", path.replace(user, "someone-else")).status_code == 404
    assert emulator.server("DELETE", path).json() == {"success": True}
    assert emulator.server("GET", f"users/{user}/authenticators").json() == []


def test_actions_are_listed_by_code_and_state(emulator: Emulator, user: str) -> None:
    action = emulator.configure("BLOCK")
    emulator.track(user, action, idempotencyKey="b1")
    emulator.track(user, "signIn")
    found = emulator.server("GET", f"users/{user}/actions?codes={action}&state=BLOCK").json()
    assert [row["idempotencyKey"] for row in found] == ["b1"]


def test_a_configuration_is_replaced_changed_and_deleted(emulator: Emulator) -> None:
    code = emulator.configure("CHALLENGE", ["PASSKEY"])
    path = f"management/action-configurations/{code}"
    changed = emulator.server("PATCH", path, {"defaultUserActionResult": "BLOCK"}).json()
    assert (changed["defaultUserActionResult"], changed["verificationMethods"]) == ("BLOCK", ["PASSKEY"])
    emulator.post("management/action-configurations", {"actionCode": code})
    assert "verificationMethods" not in emulator.server("GET", path).json()
    emulator.server("DELETE", path)
    assert emulator.server("GET", path).status_code == 404


def test_the_official_python_sdk_works(emulator: Emulator, user: str) -> None:
    from authsignal.client import AuthsignalClient

    sdk = AuthsignalClient(api_secret_key=emulator.secret, api_url=emulator.api)
    tracked = sdk.track(user_id=user, action="signIn", attributes={"redirectUrl": "https://app.example/cb"})
    assert tracked["state"] == "ALLOW"
    assert sdk.validate_challenge({"token": tracked["token"]})["is_valid"] is False
    assert sdk.get_user(user_id=user)["is_enrolled"] is False
    assert sdk.get_authenticators(user_id=user) == []
    sdk.session.close()


def test_the_recovery_codes_go_with_the_last_authenticator(emulator: Emulator, user: str) -> None:
    body = {"verificationMethod": "EMAIL_OTP", "email": "a@b.example"}
    made = emulator.post(f"users/{user}/authenticators", body)
    path = f"users/{user}/authenticators/{made['authenticator']['userAuthenticatorId']}"
    emulator.server("DELETE", path)
    token = emulator.track(user, emulator.configure("CHALLENGE"))["token"]
    answer = emulator.call("verify/recovery-code", token, {"verificationCode": made["recoveryCodes"][0]})
    assert answer["isVerified"] is False


def test_an_unenrolled_user_cannot_pass_by_enrolling_a_method_that_the_action_refuses(
    emulator: Emulator, user: str
) -> None:
    token = emulator.track(user, emulator.configure("CHALLENGE", ["PASSKEY"]))["token"]
    assert emulator.client("POST", "user-authenticators/totp", token).status_code == 400
