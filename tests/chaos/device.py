"""What somebody proves with: a passkey, used at the emulator as the hosted page does it."""

from __future__ import annotations

import base64
import json
from typing import Any

import requests

from django_authsignal.testing.emulator import RunningEmulator
from tests.emulator.authenticator import SoftwareAuthenticator

PASSKEY = "user-authenticators/passkey"
PATIENCE = 60  # seconds


class Device:
    """The passkey of one user, enrolled when it is made."""

    def __init__(self, emulator: RunningEmulator, user: str) -> None:
        self._emulator = emulator
        self._passkey = SoftwareAuthenticator(emulator.url)
        self._http = requests.Session()
        url = f"{emulator.api_url}/users/{user}/actions/enrol"
        token = self._http.post(url, json={}, auth=(emulator.secret, ""), timeout=PATIENCE).json()["token"]
        options = self._call(f"{PASSKEY}/registration-options", token, {})
        self._call(PASSKEY, token, {"registrationCredential": self._passkey.create(options["options"]), **_id(options)})

    def prove(self, token: str) -> str:
        """Does a challenge. Where Authsignal sends the browser then."""
        options = self._call(f"{PASSKEY}/authentication-options", token, {})
        signed = self._passkey.get(options["options"])
        done = self._call("verify/passkey", token, {"authenticationCredential": signed, **_id(options)})
        result = str(done["accessToken"])
        return f"/authsignal/callback/{challenge_of(result)}/?token={result}"

    def _call(self, path: str, token: str, body: dict[str, Any]) -> dict[str, Any]:
        url, headers = f"{self._emulator.api_url}/client/{path}", {"Authorization": f"Bearer {token}"}
        response = self._http.post(url, json=body, headers=headers, timeout=PATIENCE)
        response.raise_for_status()
        return dict(response.json())


def _id(options: dict[str, Any]) -> dict[str, Any]:
    return {"challengeId": options["challengeId"]}


def challenge_of(token: str) -> str:
    """The ledger's row that a token is about."""
    middle = token.split(".")[1]
    said = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    return str(said["other"]["idempotencyKey"])
