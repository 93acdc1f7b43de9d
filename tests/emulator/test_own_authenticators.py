"""A user's own authenticators through the Client API: list, rename, prefer, remove."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from .authenticator import SoftwareAuthenticator
from .conftest import App, Emulator, enrol_passkey

LIST = "user-authenticators"
UPDATE, REMOVE = "update:authenticators", "remove:authenticators"


def rows(emulator: Emulator, token: str) -> dict[str, Any]:
    """The user's authenticators by method."""
    return {row["verificationMethod"]: row for row in emulator.client("GET", LIST, token).json()}


def told(emulator: Emulator, kind: str, authenticator: str) -> list[dict[str, Any]]:
    """The data of the events of this kind, read where the senders read them."""
    with contextlib.closing(sqlite3.connect(emulator.clock_file.parent / "authsignal-emulator.sqlite3")) as database:
        found = database.execute("SELECT data FROM authsignal_emulator_event WHERE type = ?", (kind,)).fetchall()
    return [one for (data,) in found if (one := json.loads(data))["userAuthenticatorId"] == authenticator]


@pytest.fixture
def app(user: str, enrol_app: Any) -> App:
    made: App = enrol_app(user)
    return made


@pytest.fixture
def two(emulator: Emulator, user: str, app: App, passkey: SoftwareAuthenticator) -> str:
    """A user with an app and a passkey."""
    token = emulator.track(user, "signIn", scope="add:authenticators")["token"]
    assert enrol_passkey(emulator, token, passkey)["isVerified"]
    return user


def own(emulator: Emulator, user: str, method: str = "AUTHENTICATOR_APP") -> str:
    token = emulator.track(user, "signIn")["token"]
    return f"{LIST}/{rows(emulator, token)[method]['userAuthenticatorId']}"


def proved(emulator: Emulator, user: str, app: App) -> str:
    """The token of a session that has just answered a challenge, as it was before."""
    token = str(emulator.track(user, emulator.configure("CHALLENGE"))["token"])
    assert emulator.call("verify/totp", token, {"verificationCode": app.code()})["isVerified"]
    return token


@pytest.mark.parametrize(
    ("method", "body"), [("PATCH", {"name": "x"}), ("PATCH", {"isDefault": True}), ("DELETE", None)]
)
@pytest.mark.parametrize("scope", [None, "read:authenticators add:authenticators"])
def test_nothing_is_changed_without_the_scope_or_a_proof(
    emulator: Emulator, two: str, method: str, body: Any, scope: str | None
) -> None:
    token = emulator.track(two, emulator.configure("CHALLENGE"), scope=scope)["token"]
    before = rows(emulator, token)
    assert emulator.client(method, own(emulator, two), token, body).status_code == 403
    assert rows(emulator, token) == before


@pytest.mark.parametrize(("scope", "method"), [(REMOVE, "PATCH"), (UPDATE, "DELETE")])
def test_one_scope_does_not_stand_for_the_other(emulator: Emulator, two: str, scope: str, method: str) -> None:
    token = emulator.track(two, "signIn", scope=scope)["token"]
    assert emulator.client(method, own(emulator, two), token, {"name": "x"}).status_code == 403


def test_the_tenants_id_changes_nothing(emulator: Emulator, two: str) -> None:
    for method in ("PATCH", "DELETE"):
        url = f"{emulator.api}/client/{own(emulator, two)}"
        answer = requests.request(method, url, json={"name": "x"}, auth=(emulator.tenant, ""), timeout=9)
        assert answer.status_code == 401


def test_another_users_authenticator_is_not_found(emulator: Emulator, two: str) -> None:
    token = emulator.track(f"{two}-other", "signIn", scope=f"{UPDATE} {REMOVE}")["token"]
    for method in ("PATCH", "DELETE"):
        assert emulator.client(method, own(emulator, two), token, {"name": "x"}).status_code == 404


@pytest.mark.parametrize("key", ["8c0f5d3e-1b7a-4d0e-9a6b-2f4c81d7e950", "1", "nothing", "%00"])
def test_an_unknown_authenticator_is_not_found(emulator: Emulator, user: str, key: str) -> None:
    token = emulator.track(user, "signIn", scope=f"{UPDATE} {REMOVE}")["token"]
    assert emulator.client("DELETE", f"{LIST}/{key}", token).status_code == 404


def test_a_proof_lasts_ten_minutes_for_its_own_session(emulator: Emulator, two: str, app: App) -> None:
    action = emulator.configure("CHALLENGE")
    token = emulator.track(two, action, idempotencyKey="k")["token"]
    emulator.call("verify/totp", token, {"verificationCode": app.code()})
    path = own(emulator, two)
    assert emulator.client("PATCH", path, token, {"name": "x"}).status_code == 200
    other = emulator.track(two, action)["token"]
    assert emulator.client("PATCH", path, other, {"name": "x"}).status_code == 403
    emulator.advance(601)
    later = emulator.track(two, action, idempotencyKey="k")["token"]
    assert emulator.client("PATCH", path, later, {"name": "x"}).status_code == 403


def test_a_passkey_is_renamed(emulator: Emulator, two: str) -> None:
    token = emulator.track(two, "signIn", scope=UPDATE)["token"]
    path = own(emulator, two, "PASSKEY")
    shown = emulator.client("PATCH", path, token, {"name": "My laptop ☃"}).json()
    assert shown["webauthnCredential"]["name"] == "My laptop ☃"
    (event,) = told(emulator, "authenticator.updated", path.rpartition("/")[2])
    assert (event["userId"], event["credentialName"]) == (two, "My laptop ☃")


def test_a_method_is_preferred_and_no_longer(emulator: Emulator, two: str) -> None:
    token = emulator.track(two, "signIn", scope=UPDATE)["token"]
    path = own(emulator, two, "PASSKEY")
    assert emulator.client("PATCH", path, token, {"isDefault": True}).json()["isDefault"] is True
    assert emulator.track(two, "signIn")["defaultVerificationMethod"] == "PASSKEY"
    assert "isDefault" not in emulator.client("PATCH", path, token, {"isDefault": False}).json()
    assert emulator.track(two, "signIn")["defaultVerificationMethod"] == "AUTHENTICATOR_APP"


@pytest.mark.parametrize("body", [{}, None, {"name": 1}, {"isDefault": "yes"}, {"name": "x" * 256}, {"name": None}])
def test_a_change_that_says_nothing_is_refused(emulator: Emulator, two: str, body: Any) -> None:
    token = emulator.track(two, "signIn", scope=UPDATE)["token"]
    assert emulator.client("PATCH", own(emulator, two), token, body).status_code == 400


def test_one_of_two_is_removed_with_the_scope(emulator: Emulator, two: str) -> None:
    token = emulator.track(two, "signIn", scope=REMOVE)["token"]
    path = own(emulator, two)
    assert emulator.client("DELETE", path, token).json() == {"success": True}
    assert list(rows(emulator, token)) == ["PASSKEY"]
    (event,) = told(emulator, "authenticator.deleted", path.rpartition("/")[2])
    assert event["deletedAt"].endswith("Z")
    assert event["verificationMethod"] == "AUTHENTICATOR_APP"


def test_the_last_one_is_not_removed_by_a_scope_alone(emulator: Emulator, user: str, app: App) -> None:
    token = emulator.track(user, "signIn", scope=REMOVE)["token"]
    assert emulator.client("DELETE", own(emulator, user), token).status_code == 403
    assert list(rows(emulator, token)) == ["AUTHENTICATOR_APP"]


def test_of_two_removed_at_once_by_a_scope_one_is_left(emulator: Emulator, two: str) -> None:
    token = emulator.track(two, "signIn", scope=REMOVE)["token"]
    paths = [own(emulator, two), own(emulator, two, "PASSKEY")]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda path: emulator.client("DELETE", path, token), paths))
    assert len(rows(emulator, token)) == 1


def test_the_last_one_is_removed_after_a_proof(emulator: Emulator, user: str, app: App) -> None:
    token = proved(emulator, user, app)
    assert emulator.client("DELETE", own(emulator, user), token).status_code == 200
    assert emulator.track(user, "signIn")["isEnrolled"] is False


def test_with_the_last_one_the_recovery_codes_go(emulator: Emulator, user: str) -> None:
    tracked = emulator.track(user, emulator.configure("CHALLENGE"))
    app = App(emulator, emulator.call(f"{LIST}/totp", tracked["token"])["secret"])
    codes = emulator.call("verify/totp", tracked["token"], {"verificationCode": app.code()})["recoveryCodes"]
    assert emulator.client("DELETE", own(emulator, user), tracked["token"]).status_code == 200
    token = emulator.track(user, emulator.configure("CHALLENGE"))["token"]
    assert emulator.call("verify/recovery-code", token, {"verificationCode": codes[0]})["isVerified"] is False


def test_a_removed_passkey_is_unknown(emulator: Emulator, two: str, passkey: SoftwareAuthenticator) -> None:
    token = emulator.track(two, "signIn", scope=REMOVE)["token"]
    assert emulator.client("DELETE", own(emulator, two, "PASSKEY"), token).status_code == 200
    options = emulator.anonymous("user-authenticators/passkey/authentication-options", {}).json()["options"]
    body = {"authenticationCredential": passkey.get(options)}
    assert emulator.anonymous("verify/passkey", body).json()["errorCode"] == "unknown_credential"


def test_an_enrolment_is_told(emulator: Emulator, two: str) -> None:
    (event,) = told(emulator, "authenticator.created", own(emulator, two, "PASSKEY").rpartition("/")[2])
    assert event["userId"] == two
    assert event["credentialId"]
    assert "publicKey" not in json.dumps(event)


def test_an_unfinished_enrolment_is_neither_told_nor_changed(emulator: Emulator, user: str) -> None:
    token = emulator.track(user, "signIn", scope=f"{UPDATE} {REMOVE}")["token"]
    pending = emulator.call(f"{LIST}/totp", token)["userAuthenticatorId"]
    assert told(emulator, "authenticator.created", pending) == []
    assert emulator.client("DELETE", f"{LIST}/{pending}", token).status_code == 404


@pytest.mark.parametrize(
    ("method", "name", "address"),
    [
        ("SMS", "phoneNumber", "+6421000001"),
        ("WHATSAPP", "phoneNumber", "+6421000002"),
        ("EMAIL_MAGIC_LINK", "email", "a@b.example"),
    ],
)
def test_what_the_server_enrols_and_removes_is_told_too(
    emulator: Emulator, user: str, method: str, name: str, address: str
) -> None:
    body = {"verificationMethod": method, name: address}
    key = emulator.post(f"users/{user}/authenticators", body)["authenticator"]["userAuthenticatorId"]
    assert emulator.server("POST", f"users/{user}/authenticators", {"verificationMethod": method}).status_code == 400
    emulator.server("DELETE", f"users/{user}/authenticators/{key}")
    for kind in ("created", "deleted"):
        (event,) = told(emulator, f"authenticator.{kind}", key)
        assert (event["verificationMethod"], event[name]) == (method, address)


def test_what_the_tenant_fixed_is_not_changed_by_users(emulator: Emulator, two: str) -> None:
    token = emulator.track(two, "signIn", scope=f"{UPDATE} {REMOVE}")["token"]
    with emulator.having("PASSKEY", isEditableByUser=False):
        assert emulator.client("DELETE", own(emulator, two, "PASSKEY"), token).status_code == 403
    assert emulator.client("DELETE", own(emulator, two, "PASSKEY"), token).status_code == 200
