"""Client tokens: who may do what with them, and for how long."""

from __future__ import annotations

import base64
import contextlib
import json
import sqlite3
import time
from typing import Any

import jwt
import pytest
import requests

from .conftest import App, Emulator

TOTP = "user-authenticators/totp"


def _part(data: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(data).encode()).rstrip(b"=").decode()


def signed(emulator: Emulator, claims: dict[str, Any], purpose: str = "token") -> str:
    """The claims, signed by a key of the emulator, as only a mistake of its own could."""
    with contextlib.closing(sqlite3.connect(emulator.clock_file.parent / "authsignal-emulator.sqlite3")) as database:
        query = "SELECT private_key FROM authsignal_emulator_signingkey WHERE purpose = ?"
        (key,) = database.execute(query, (purpose,)).fetchone()
    return jwt.encode(claims, key, algorithm={"token": "ES256", "session": "RS256"}[purpose])


def test_a_token_has_the_claims_that_sdks_read(emulator: Emulator, user: str) -> None:
    tracked = emulator.track(user, "signIn", username="ann", idempotencyKey="k")
    claims = jwt.decode(tracked["token"], options={"verify_signature": False})
    assert claims["sub"] == user
    assert claims["exp"] - claims["iat"] == 600
    assert claims["scope"] == "read:authenticators"
    assert claims["other"] == {
        "tenantId": "emulator",
        "publishableKey": "emulator",
        "userId": user,
        "username": "ann",
        "actionCode": "signIn",
        "idempotencyKey": "k",
    }


def test_a_token_expires_after_ten_minutes(emulator: Emulator, user: str) -> None:
    token = emulator.track(user, "signIn")["token"]
    emulator.advance(601)
    answer = emulator.client("POST", "init", token, {})
    assert (answer.status_code, answer.json()["errorCode"]) == (401, "expired_token")
    assert emulator.validate(token) == {"isValid": False, "error": "Token is expired."}


def test_a_token_says_this_and_nothing_else(emulator: Emulator, user: str) -> None:
    before = int(time.time() + float(emulator.clock_file.read_text()))
    token = emulator.track(user, "signIn")["token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert set(jwt.get_unverified_header(token)) == {"alg", "typ", "kid"}
    assert (claims["aud"], claims["iss"]) == ("emulator", "authsignal-emulator")
    assert set(claims) == {"sub", "iat", "exp", "aud", "iss", "scope", "other", "emulator"}
    assert set(claims["other"]) == {"tenantId", "publishableKey", "userId", "actionCode", "idempotencyKey"}
    assert set(claims["emulator"]) == {"user", "action", "verified"}
    assert claims["emulator"]["verified"] == ""
    assert before <= claims["iat"] <= before + 60


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({}, None),
        ({"iat": 4_000_000_000}, None),  # the clock that made it may have gone ahead
        ({"exp": 1}, "expired_token"),
        ({"exp": None}, "unauthorized"),
        ({"iat": None}, "unauthorized"),
        ({"sub": None}, "unauthorized"),
        ({"aud": None}, "unauthorized"),
        ({"iss": None}, "unauthorized"),
        ({"aud": "another"}, "unauthorized"),
        ({"iss": "another"}, "unauthorized"),
    ],
)
def test_a_signature_alone_makes_no_token(
    emulator: Emulator, user: str, changed: dict[str, Any], error: str | None
) -> None:
    claims = jwt.decode(emulator.track(user, "signIn")["token"], options={"verify_signature": False})
    left = {name: value for name, value in {**claims, **changed}.items() if value is not None}
    answer = emulator.client("POST", "init", signed(emulator, left), {})
    assert answer.json().get("errorCode") == error


def test_the_key_of_sessions_signs_no_client_token(emulator: Emulator, user: str) -> None:
    requests.get(f"{emulator.api}/client/public/emulator/.well-known/jwks", timeout=9)  # makes it
    claims = jwt.decode(emulator.track(user, "signIn")["token"], options={"verify_signature": False})
    answer = emulator.client("POST", "init", signed(emulator, claims, "session"), {})
    assert (answer.status_code, answer.json()["errorCode"]) == (401, "unauthorized")


@pytest.mark.parametrize("path", ["token", "init"])
def test_a_renewed_token_does_not_outlive_the_first(emulator: Emulator, user: str, path: str) -> None:
    first = emulator.track(user, "signIn")["token"]
    emulator.advance(300)
    answer = emulator.call(path, first, {})
    renewed = answer["token"] if path == "token" else answer["challengeOptions"]["token"]
    emulator.advance(301)
    assert emulator.client("POST", "init", renewed, {}).json()["errorCode"] == "expired_token"


@pytest.mark.parametrize("forgery", ["none", "HS256", "claims", "signature"])
def test_a_forged_token_is_refused(emulator: Emulator, user: str, forgery: str) -> None:
    token = emulator.track(user, "signIn")["token"]
    header, payload, signature = token.split(".")
    claims = jwt.decode(token, options={"verify_signature": False})
    forged = {
        "none": f"{_part({'alg': 'none', 'typ': 'JWT'})}.{payload}.",
        "HS256": jwt.encode(claims, emulator.secret * 4, algorithm="HS256"),
        "claims": f"{header}.{_part({**claims, 'sub': 'victim', 'exp': int(time.time()) + 9999})}.{signature}",
        "signature": f"{header}.{payload}.{'A' * len(signature)}",
    }[forgery]
    answer = emulator.client("POST", "init", forged, {})
    assert (answer.status_code, answer.json()["errorCode"]) == (401, "unauthorized")
    assert emulator.validate(forged)["isValid"] is False


def test_an_enrolled_user_enrols_no_more_without_a_proof(emulator: Emulator, user: str, enrol_app: Any) -> None:
    enrol_app(user)
    token = emulator.track(user, emulator.configure("CHALLENGE"))["token"]
    assert emulator.client("POST", TOTP, token).status_code == 403


def test_a_token_from_before_the_first_enrolment_enrols_nothing_after_it(
    emulator: Emulator, user: str, enrol_app: Any
) -> None:
    thief = emulator.track(user, "signIn")["token"]
    app = App(emulator, emulator.call(TOTP, thief)["secret"])
    enrol_app(user)
    thief = emulator.track(user, "signIn")["token"]
    assert emulator.client("POST", TOTP, thief).status_code == 403
    assert emulator.call("verify/totp", thief, {"verificationCode": app.code()})["isVerified"] is False


def test_the_scope_lets_an_enrolled_user_add_but_passes_no_challenge(
    emulator: Emulator, user: str, enrol_app: Any
) -> None:
    enrol_app(user)
    tracked = emulator.track(user, emulator.configure("CHALLENGE"), scope="add:authenticators")
    app = App(emulator, emulator.call(TOTP, tracked["token"])["secret"])
    done = emulator.call("verify/totp", tracked["token"], {"verificationCode": app.code()})
    assert done["isVerified"] is True
    assert emulator.validate(done["accessToken"])["state"] == "CHALLENGE_REQUIRED"


def test_a_proof_lets_its_own_session_add_for_ten_minutes(emulator: Emulator, user: str, enrol_app: Any) -> None:
    app: App = enrol_app(user)
    action = emulator.configure("CHALLENGE")
    token = emulator.track(user, action, idempotencyKey="k")["token"]
    emulator.call("verify/totp", token, {"verificationCode": app.code()})
    other = emulator.track(user, action)["token"]
    assert emulator.client("POST", TOTP, token).status_code == 200
    assert emulator.client("POST", TOTP, other).status_code == 403
    emulator.advance(601)
    again = emulator.track(user, action, idempotencyKey="k")["token"]
    assert emulator.client("POST", TOTP, again).status_code == 403


@pytest.mark.parametrize("state", ["BLOCK", "REVIEW_REQUIRED", "REVIEW_FAILED", "CHALLENGE_FAILED"])
def test_an_action_in_such_a_state_is_never_proved(emulator: Emulator, user: str, enrol_app: Any, state: str) -> None:
    app: App = enrol_app(user)
    action = emulator.configure("CHALLENGE")
    token = emulator.track(user, action, idempotencyKey="k")["token"]
    emulator.server("PATCH", f"users/{user}/actions/{action}/k", {"state": state})
    assert emulator.client("POST", "verify/totp", token, {"verificationCode": app.code()}).status_code == 403
    assert emulator.validate(token)["state"] == state


@pytest.mark.parametrize("tenant", ["ZW11bGF0b3I", "ZW11bGF0b3I=", "ZW11bGF0b3I6", "ZW11bGF0b3I6YW55dGhpbmc="])
def test_the_tenant_is_read_from_every_encoding_of_the_sdks(emulator: Emulator, tenant: str) -> None:
    url = f"{emulator.api}/client/challenge"
    headers = {"Authorization": f"Basic {tenant}"}
    assert requests.post(url, json={"action": "signIn"}, headers=headers, timeout=9).status_code == 200


@pytest.mark.parametrize("header", ["", "Basic", "Basic !!", "Basic b3RoZXI6", "Bearer", "Bearer x", "Digest x"])
def test_a_wrong_authorization_is_unauthorized(emulator: Emulator, header: str) -> None:
    url = f"{emulator.api}/client/verify/passkey"
    answer = requests.post(url, json={}, headers={"Authorization": header}, timeout=9)
    assert (answer.status_code, answer.json()["error"]) == (401, "unauthorized")


def test_a_browser_may_call_from_any_page_without_credentials(emulator: Emulator) -> None:
    headers = {"Origin": "https://app.example", "Access-Control-Request-Headers": "authorization,content-type"}
    preflight = requests.options(f"{emulator.api}/client/init", headers=headers, timeout=9)
    assert preflight.status_code == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == "*"
    assert "authorization" in preflight.headers["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in preflight.headers
    refused = requests.post(f"{emulator.api}/client/init", headers=headers, timeout=9)
    assert refused.headers["Access-Control-Allow-Origin"] == "*"


def test_the_server_api_is_not_for_browsers(emulator: Emulator) -> None:
    answer = requests.get(f"{emulator.api}/users/u", headers={"Origin": "https://app.example"}, timeout=9)
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_init_lists_what_can_be_proved_with(emulator: Emulator, user: str, enrol_app: Any) -> None:
    enrol_app(user)
    token = emulator.track(user, emulator.configure("CHALLENGE"), email="a@b.example")["token"]
    options = emulator.call("init", token, {})["challengeOptions"]
    assert options["verificationMethods"] == ["AUTHENTICATOR_APP"]
    assert options["user"] == {"email": "a@b.example"}
    assert emulator.call("token", options["token"], {})["token"].count(".") == 2
    listed = emulator.client("GET", "user-authenticators", options["token"]).json()
    assert [row["verificationMethod"] for row in listed] == ["AUTHENTICATOR_APP"]
