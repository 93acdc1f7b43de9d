"""Users: how they go, what is imported for them, what the tenant offers them."""

from __future__ import annotations

import base64
import os
from typing import Any

import pytest

from .authenticator import SoftwareAuthenticator
from .conftest import Emulator, enrol_passkey
from .test_server_api import KEYS


def imported(user: str, **other: Any) -> dict[str, Any]:
    credential = base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode()
    return {
        "userId": user,
        "verificationMethod": "PASSKEY",
        "credentialId": credential,
        "credentialPublicKey": base64.urlsafe_b64encode(b"key").decode(),
        **other,
    }


def import_all(emulator: Emulator, *items: Any) -> Any:
    return emulator.post("users/authenticators", {"authenticators": list(items)})


# A deleted user and the history.


def test_a_deleted_users_proof_is_not_one_of_the_next_user_of_that_id(emulator: Emulator, user: str) -> None:
    action = emulator.configure("REVIEW")
    token = emulator.track(user, action, idempotencyKey="k")["token"]
    emulator.server("PATCH", f"users/{user}/actions/{action}/k", {"state": "CHALLENGE_SUCCEEDED"})
    emulator.server("DELETE", f"users/{user}")
    assert emulator.track(user, action, idempotencyKey="k")["state"] == "REVIEW_REQUIRED"
    assert emulator.server("GET", f"users/{user}/actions/{action}/k").json()["state"] == "REVIEW_REQUIRED"
    assert emulator.validate(token)["isValid"] is False


def test_history_is_kept_and_cannot_be_changed(emulator: Emulator, user: str) -> None:
    action = emulator.configure("BLOCK")
    emulator.track(user, action, idempotencyKey="k")
    assert emulator.server("DELETE", f"users/{user}").json() == {"success": True}
    path = f"users/{user}/actions/{action}/k"
    assert emulator.server("GET", path).json()["state"] == "BLOCK"
    assert [row["state"] for row in emulator.server("GET", f"users/{user}/actions").json()] == ["BLOCK"]
    assert emulator.server("PATCH", path, {"state": "ALLOW"}).status_code == 404
    assert emulator.server("GET", f"users/{user}").json()["isEnrolled"] is False
    assert "userId" not in emulator.server("GET", f"users/{user}").json()


def test_history_goes_when_asked_for_even_later(emulator: Emulator, user: str) -> None:
    for flag in ("false", "true"):
        emulator.track(user, "signIn")
        assert emulator.server("DELETE", f"users/{user}?actions={flag}").status_code == 200
    assert emulator.server("GET", f"users/{user}/actions").json() == []


def test_the_row_that_holds_the_history_is_no_user(emulator: Emulator, user: str) -> None:
    emulator.track(user, "signIn", email=f"{user}@b.example")
    emulator.server("DELETE", f"users/{user}")
    assert emulator.server("GET", f"users?email={user}@b.example").json() == {"users": []}


def test_an_unclear_wish_about_the_history_deletes_nothing(emulator: Emulator, user: str) -> None:
    emulator.track(user, "signIn")
    assert emulator.server("DELETE", f"users/{user}?actions=perhaps").status_code == 400
    assert emulator.server("GET", f"users/{user}").json()["userId"] == user


def test_an_id_token_is_refused_and_not_believed(emulator: Emulator) -> None:
    response = emulator.server("GET", "users?token=eyJ.e30.x&email=a@b.example")
    assert (response.status_code, set(response.json())) == (400, KEYS)
    assert "id token" in response.json()["errorDescription"]


# The import of passkeys.


def test_an_import_never_takes_a_passkey_from_its_user(
    emulator: Emulator, user: str, passkey: SoftwareAuthenticator
) -> None:
    enrol_passkey(emulator, emulator.track(user, emulator.configure("ALLOW"))["token"], passkey)
    taken = base64.urlsafe_b64encode(passkey.credential_id).rstrip(b"=").decode()
    done = import_all(emulator, imported(f"{user}-2", credentialId=taken), imported(f"{user}-3"))
    assert (done["total"], done["succeeded"], done["failed"]) == (2, 1, 1)
    assert {**done["failures"][0], "errorDescription": ""} == {
        "userId": f"{user}-2",
        "credentialId": taken,
        "errorCode": "conflict",
        "errorDescription": "",
    }
    assert emulator.server("GET", f"users/{user}-2/authenticators").json() == []
    assert emulator.server("GET", f"users/{user}-3").json()["enrolledVerificationMethods"] == ["PASSKEY"]


def test_a_passkey_twice_in_one_import_is_taken_once(emulator: Emulator, user: str) -> None:
    item = imported(user, name="Key", transports=["usb", "smoke"], aaguid="00000000-0000-0000-0000-00000000000A")
    done = import_all(emulator, item, {**item, "credentialId": item["credentialId"] + "="})
    assert (done["succeeded"], done["failed"]) == (1, 1)
    found = emulator.server("GET", f"users/{user}/authenticators").json()
    assert [one["webauthnCredential"]["name"] for one in found] == ["Key"]


def test_a_malformed_item_stops_the_whole_import(emulator: Emulator, user: str) -> None:
    body = {"authenticators": [imported(user), imported(user, credentialPublicKey="!")]}
    response = emulator.server("POST", "users/authenticators", body)
    assert response.status_code == 400
    assert "authenticators[1]" in response.json()["errorDescription"]
    assert emulator.server("GET", f"users/{user}/authenticators").json() == []


@pytest.mark.parametrize("given", [None, [], {}, "x", [1], [{}], [{"userId": "u"}]])
def test_what_is_no_import_is_refused(emulator: Emulator, given: Any) -> None:
    assert emulator.server("POST", "users/authenticators", {"authenticators": given}).status_code == 400


@pytest.mark.long
def test_a_thousand_are_imported_and_one_more_is_not(emulator: Emulator, user: str) -> None:
    items = [imported(user) for _ in range(1001)]
    assert emulator.server("POST", "users/authenticators", {"authenticators": items}).status_code == 400
    assert import_all(emulator, *items[:1000])["succeeded"] == 1000


def test_a_user_named_authenticators_can_be_changed_by_either_method(emulator: Emulator) -> None:
    for method, name in (("POST", "one"), ("PATCH", "two")):
        assert emulator.server(method, "users/authenticators", {"username": name}).json()["username"] == name
    assert emulator.server("POST", "users/authenticators", {}).status_code == 400
    assert emulator.server("DELETE", "users/authenticators").json() == {"success": True}


# Methods.


@pytest.mark.parametrize(
    ("method", "detail"),
    [
        ("EMAIL_OTP", {"email": "a@b.example"}),
        ("EMAIL_MAGIC_LINK", {"email": "a@b.example"}),
        ("SMS", {"phoneNumber": "+64210000000"}),
        ("WHATSAPP", {"phoneNumber": "+64210000000"}),
    ],
)
@pytest.mark.parametrize("named", ["verificationMethod", "oobChannel"])
def test_the_server_enrols_every_method_that_sends(
    emulator: Emulator, user: str, method: str, detail: dict[str, str], named: str
) -> None:
    assert emulator.server("POST", f"users/{user}/authenticators", {named: method}).status_code == 400
    made = emulator.post(f"users/{user}/authenticators", {named: method, **detail})["authenticator"]
    assert detail.items() <= made.items()
    assert emulator.track(user, emulator.configure("CHALLENGE"))["enrolledVerificationMethods"] == [method]


def test_the_tenants_authenticators_are_listed(emulator: Emulator) -> None:
    found = emulator.server("GET", "authenticators").json()
    assert {"PASSKEY", "EMAIL_OTP", "SMS"} <= {one["verificationMethod"] for one in found}
    assert all({"authenticatorId", "isActive"} <= one.keys() for one in found)
