"""Sessions of app clients, and the keys that verify their tokens."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jwt
import pytest
import requests

from .authenticator import SoftwareAuthenticator
from .conftest import Emulator, enrol_passkey
from .test_codes import mailed

KEYS = {"error", "errorCode", "errorDescription"}


def app_client(emulator: Emulator, **claims: Any) -> str:
    return str(emulator.post("management/app-clients", {"name": "Shop", "customClaims": claims})["clientId"])


def proved(emulator: Emulator, user: str) -> tuple[str, str]:
    """A token of an action that this user has just proved, and the action."""
    action, email = emulator.configure("CHALLENGE"), f"{user}-{uuid.uuid4().hex[:6]}@b.example"
    body = {"verificationMethod": "EMAIL_OTP", "action": action, "email": email}
    challenge = emulator.post("challenge", body)["challengeId"]
    emulator.post("verify", {"challengeId": challenge, "verificationCode": mailed(emulator, email)})
    return emulator.post("claim", {"challengeId": challenge, "userId": user})["token"], action


def begin(emulator: Emulator, user: str, client: str = "") -> Any:
    body = {"token": proved(emulator, user)[0], "clientId": client or app_client(emulator)}
    return emulator.post("sessions", body)


def status(emulator: Emulator, path: str, body: Any) -> int:
    response = emulator.server("POST", path, body)
    assert response.status_code == 200 or set(response.json()) == KEYS
    return response.status_code


def lives(emulator: Emulator, pair: Any) -> bool:
    return status(emulator, "sessions/validate", {"accessToken": pair["accessToken"]}) == 200


def jwks(emulator: Emulator, tenant: str = "emulator") -> requests.Response:
    return requests.get(f"{emulator.api}/client/public/{tenant}/.well-known/jwks", timeout=9)


# Attacks.


def test_only_the_token_of_a_completed_challenge_makes_a_session(emulator: Emulator, user: str, enrol_app: Any) -> None:
    enrol_app(user)
    client = app_client(emulator)
    for outcome in ("CHALLENGE", "ALLOW", "REVIEW", "BLOCK"):
        token = emulator.track(user, emulator.configure(outcome))["token"]
        assert status(emulator, "sessions", {"token": token, "clientId": client}) == 401


def test_a_proof_makes_one_session_whichever_of_its_tokens_is_shown(emulator: Emulator, user: str) -> None:
    token, action = proved(emulator, user)
    key = emulator.validate(token)["idempotencyKey"]
    renewed = emulator.track(user, action, idempotencyKey=key)["token"]
    clients = [app_client(emulator) for _ in range(2)]
    with ThreadPoolExecutor(4) as pool:
        bodies = [{"token": t, "clientId": c} for t in (token, renewed) for c in clients]
        answers = list(pool.map(lambda body: status(emulator, "sessions", body), bodies))
    assert sorted(answers) == [200, 401, 401, 401]


def test_a_session_is_not_made_for_another_action_than_the_given(emulator: Emulator, user: str) -> None:
    token, action = proved(emulator, user)
    client = app_client(emulator)
    assert status(emulator, "sessions", {"token": token, "clientId": client, "action": "other"}) == 401
    assert status(emulator, "sessions", {"token": token, "clientId": client, "action": action}) == 200


def test_an_expired_token_makes_no_session(emulator: Emulator, user: str) -> None:
    token, _ = proved(emulator, user)
    emulator.advance(601)
    assert status(emulator, "sessions", {"token": token, "clientId": app_client(emulator)}) == 401


def test_a_refresh_token_that_comes_back_ends_the_session(emulator: Emulator, user: str) -> None:
    first = begin(emulator, user)
    second = emulator.post("sessions/refresh", {"refreshToken": first["refreshToken"]})
    assert lives(emulator, second)
    assert status(emulator, "sessions/refresh", {"refreshToken": first["refreshToken"]}) == 401
    assert not lives(emulator, second)
    assert status(emulator, "sessions/refresh", {"refreshToken": second["refreshToken"]}) == 401


def test_of_parallel_refreshes_with_one_token_at_most_one_pair_is_given(emulator: Emulator, user: str) -> None:
    pair = begin(emulator, user)
    with ThreadPoolExecutor(4) as pool:
        body = {"refreshToken": pair["refreshToken"]}
        answers = list(pool.map(lambda _: status(emulator, "sessions/refresh", body), range(4)))
    assert sorted(answers) == [200, 401, 401, 401]


def test_a_refresh_ends_the_older_access_token(emulator: Emulator, user: str) -> None:
    first = begin(emulator, user)
    emulator.post("sessions/refresh", {"refreshToken": first["refreshToken"]})
    assert not lives(emulator, first)


@pytest.mark.parametrize("forged", ["none", "HS256"])
def test_the_headers_algorithm_is_not_believed(emulator: Emulator, user: str, forged: str) -> None:
    claims = jwt.decode(begin(emulator, user)["accessToken"], options={"verify_signature": False})
    key = "" if forged == "none" else "k" * 32
    assert not lives(emulator, {"accessToken": jwt.encode(claims, key, algorithm=forged)})


def test_a_client_token_is_no_access_token_and_an_access_token_no_client_token(emulator: Emulator, user: str) -> None:
    token, _ = proved(emulator, user)
    assert not lives(emulator, {"accessToken": token})
    pair = emulator.post("sessions", {"token": token, "clientId": app_client(emulator)})
    assert emulator.client("POST", "init", pair["accessToken"], {}).status_code == 401
    assert emulator.validate(pair["accessToken"])["isValid"] is False


@pytest.mark.parametrize("claim", ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"])
def test_a_custom_claim_cannot_take_the_name_of_a_registered_one(emulator: Emulator, claim: str) -> None:
    assert status(emulator, "management/app-clients", {"customClaims": {claim: "x"}}) == 400
    path = f"management/app-clients/{app_client(emulator)}"
    assert emulator.server("PATCH", path, {"customClaims": {claim: 9}}).status_code == 400


def test_a_session_of_another_app_client_is_refused(emulator: Emulator, user: str) -> None:
    client = app_client(emulator)
    token = begin(emulator, user, client)["accessToken"]
    for wanted, expected in (([client, "x"], 200), (["x"], 401), ([], 401), (None, 200)):
        assert status(emulator, "sessions/validate", {"accessToken": token, "clientIds": wanted}) == expected


def test_a_deleted_users_session_dies(emulator: Emulator, user: str) -> None:
    pair = begin(emulator, user)
    emulator.server("DELETE", f"users/{user}")
    emulator.track(user, "signIn")
    assert not lives(emulator, pair)
    assert status(emulator, "sessions/refresh", {"refreshToken": pair["refreshToken"]}) == 401


# What it is for.


def test_an_access_token_is_verified_by_the_published_key(emulator: Emulator, user: str) -> None:
    client = app_client(emulator, plan="gold")
    pair = begin(emulator, user, client)
    keys = {key["kid"]: key for key in jwks(emulator).json()["keys"]}
    header = jwt.get_unverified_header(pair["accessToken"])
    assert header["alg"] == "RS256"
    key = jwt.PyJWK(keys[header["kid"]])
    options: Any = {"verify_exp": False, "verify_iat": False}
    claims = jwt.decode(pair["accessToken"], key, algorithms=["RS256"], audience=client, options=options)
    assert (claims["sub"], claims["plan"]) == (user, "gold")
    assert uuid.UUID(claims["jti"])
    assert int(pair["refreshToken"], 16)


def test_a_client_token_is_verified_by_the_published_key(emulator: Emulator, user: str) -> None:
    token = emulator.track(user, "signIn")["token"]
    keys = {key["kid"]: key for key in jwks(emulator).json()["keys"]}
    key = jwt.PyJWK(keys[jwt.get_unverified_header(token)["kid"]])
    options: Any = {"verify_exp": False, "verify_iat": False}
    assert jwt.decode(token, key, algorithms=["ES256"], audience="emulator", options=options)["sub"] == user


def test_no_private_key_is_published(emulator: Emulator) -> None:
    response = jwks(emulator)
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert {key["use"] for key in response.json()["keys"]} == {"sig"}
    assert not {"d", "p", "q", "dp", "dq", "qi"} & {name for key in response.json()["keys"] for name in key}


def test_the_keys_are_published_as_standards_name_them(emulator: Emulator) -> None:
    token, session = jwks(emulator).json()["keys"]
    assert set(token) == {"kty", "crv", "x", "y", "kid", "alg", "use"}
    assert (token["kty"], token["crv"], token["alg"]) == ("EC", "P-256", "ES256")
    assert set(session) == {"kty", "n", "e", "kid", "alg", "use"}
    assert (session["kty"], session["e"], session["alg"]) == ("RSA", "AQAB", "RS256")
    assert jwt.PyJWK(session).key.key_size == 2048
    assert len({uuid.UUID(token["kid"]), uuid.UUID(session["kid"])}) == 2


def test_another_tenants_keys_are_not_found(emulator: Emulator) -> None:
    assert jwks(emulator, "other").status_code == 404


def test_validate_tells_the_user_and_when_the_token_ends(emulator: Emulator, user: str) -> None:
    emulator.server("PATCH", f"users/{user}", {"displayName": "Ann"})
    pair = begin(emulator, user)
    found = emulator.post("sessions/validate", {"accessToken": pair["accessToken"]})
    assert (found["user"]["userId"], found["user"]["displayName"]) == (user, "Ann")
    assert found["verificationMethod"] == "EMAIL_OTP"
    assert isinstance(found["expiresAt"], int)
    assert found["expiresAt"] < 2**31


def test_an_access_token_ends_and_is_refreshed(emulator: Emulator, user: str) -> None:
    pair = begin(emulator, user)
    emulator.advance(601)
    response = emulator.server("POST", "sessions/validate", {"accessToken": pair["accessToken"]})
    assert (response.status_code, response.json()["errorCode"]) == (401, "expired_token")
    assert lives(emulator, emulator.post("sessions/refresh", {"refreshToken": pair["refreshToken"]}))


def test_a_session_ends_when_it_is_not_refreshed_for_thirty_days(emulator: Emulator, user: str) -> None:
    pair = begin(emulator, user)
    emulator.advance(30 * 86400 + 1)
    assert status(emulator, "sessions/refresh", {"refreshToken": pair["refreshToken"]}) == 401


@pytest.mark.parametrize("later", [0, 601])
def test_a_revoked_session_is_over_even_when_its_token_had_expired(emulator: Emulator, user: str, later: int) -> None:
    pair = begin(emulator, user)
    emulator.advance(later)
    assert emulator.post("sessions/revoke", {"accessToken": pair["accessToken"]}) == {}
    assert not lives(emulator, pair)
    assert status(emulator, "sessions/refresh", {"refreshToken": pair["refreshToken"]}) == 401


def test_all_sessions_of_a_user_are_revoked_and_no_others(emulator: Emulator, user: str) -> None:
    # The address of the first proof is the user's own; a second address would not be.
    mine, others = begin(emulator, user), begin(emulator, f"{user}-2")
    assert emulator.post("sessions/user/revoke", {"userId": user}) == {}
    assert not lives(emulator, mine)
    assert lives(emulator, others)


def test_a_passkey_sign_in_without_an_action_makes_one_session(
    emulator: Emulator, user: str, passkey: SoftwareAuthenticator
) -> None:
    enrol_passkey(emulator, emulator.track(user, emulator.configure("ALLOW"))["token"], passkey)
    options = emulator.anonymous("user-authenticators/passkey/authentication-options", {}).json()
    credential = {"authenticationCredential": passkey.get(options["options"]), "challengeId": options["challengeId"]}
    body = {"token": emulator.anonymous("verify/passkey", credential).json()["accessToken"]}
    body["clientId"] = app_client(emulator)
    assert [status(emulator, "sessions", body) for _ in range(2)] == [200, 401]


def test_an_app_client_is_made_listed_changed_and_deleted(emulator: Emulator, user: str) -> None:
    client = f"shop-{user}"
    made = emulator.post("management/app-clients", {"clientId": client, "name": "Shop"})
    assert made["clientId"] == client
    assert status(emulator, "management/app-clients", {"clientId": client}) == 409
    path = f"management/app-clients/{client}"
    assert emulator.server("PATCH", path, {"customClaims": {"a": 1}}).json()["customClaims"] == {"a": 1}
    assert emulator.server("GET", path).json()["name"] == "Shop"
    assert client in [one["clientId"] for one in emulator.server("GET", "management/app-clients").json()]
    pair = begin(emulator, user, client)
    assert emulator.server("DELETE", path).json() == {"success": True}
    assert emulator.server("GET", path).status_code == 404
    assert not lives(emulator, pair)


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("sessions", {}, 400),
        ("sessions", {"token": "x", "clientId": "missing"}, 400),
        ("sessions", {"token": 1, "clientId": "x"}, 400),
        ("sessions/validate", None, 400),
        ("sessions/validate", {"accessToken": "a.b.c"}, 401),
        ("sessions/validate", {"accessToken": "x", "clientIds": "one"}, 400),
        ("sessions/validate", {"accessToken": "x", "clientIds": [1]}, 400),
        ("sessions/refresh", {"refreshToken": None}, 400),
        ("sessions/refresh", {"refreshToken": "short"}, 401),
        ("sessions/refresh", {"refreshToken": "0" * 96}, 401),
        ("sessions/revoke", {"accessToken": "é"}, 401),
        ("sessions/user/revoke", {}, 400),
        ("management/app-clients", {"clientId": "a b"}, 400),
        ("management/app-clients", {"customClaims": []}, 400),
    ],
)
def test_what_cannot_be_a_session_is_refused(emulator: Emulator, path: str, body: Any, expected: int) -> None:
    assert status(emulator, path, body) == expected


def test_sessions_need_the_secret(emulator: Emulator) -> None:
    for path in ("sessions", "sessions/validate", "sessions/refresh", "sessions/revoke", "management/app-clients"):
        assert requests.post(f"{emulator.api}/{path}", json={}, timeout=9).status_code == 401
