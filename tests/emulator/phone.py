"""A phone with keys of its own: what the iOS and Android SDKs sign and send."""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass, field
from typing import Any

import requests
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .conftest import PATIENCE, Emulator


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass
class Phone:
    emulator: Emulator
    kind: str  # push, qr-code or in-app
    key: Any = field(default_factory=_new_key)

    @property
    def public_key(self) -> str:
        der = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(der).decode()

    def sign(self, message: str) -> str:
        return base64.b64encode(self.key.sign(message.encode(), ec.ECDSA(hashes.SHA256()))).decode()

    def enrol(self, token: str, **more: Any) -> requests.Response:
        body = {"publicKey": self.public_key, "deviceName": "Ada's phone", "devicePlatform": "ios", **more}
        return self.emulator.client("POST", f"user-authenticators/{self.kind}", token, body)

    def ask(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        url = f"{self.emulator.api}/client/user-authenticators/{self.kind}{path}"
        return requests.request(method, url, auth=(self.emulator.tenant, ""), timeout=PATIENCE, **kwargs)

    def look_up(self) -> requests.Response:
        return self.ask("GET", "", params={"publicKey": self.public_key})

    def waiting(self, signature: str | None = None) -> requests.Response:
        """The push that waits for this phone."""
        params = {"publicKey": self.public_key}
        if signature is None:
            signature = self.sign(self.ask("POST", "/challenge/sign", params=params).json()["message"])
        return self.ask("GET", "/challenge", params=params, headers={"X-Authsignal-Signature": signature})

    def claim(self, challenge_id: str) -> requests.Response:
        return self.ask("POST", "/challenge/claim", json=self.signed(challenge_id))

    def answer(self, challenge_id: str, approved: bool = True, **more: Any) -> requests.Response:
        return self.ask("POST", "/challenge", json=self.signed(challenge_id) | {"approved": approved} | more)

    def remove(self, windows: int = 0) -> requests.Response:
        now = time.time() + float(self.emulator.clock_file.read_text())
        message = f"{now // 600 + windows}"  # a double, as SDKs print it
        return self.ask("POST", "/remove", json={"publicKey": self.public_key, "signature": self.sign(message)})

    def signed(self, challenge_id: str) -> dict[str, Any]:
        return {"challengeId": challenge_id, "publicKey": self.public_key, "signature": self.sign(challenge_id)}


def phone_of(emulator: Emulator, user: str, kind: str) -> Phone:
    phone = Phone(emulator, kind)
    token = emulator.track(user, emulator.configure("ALLOW"), scope="add:authenticators")["token"]
    response = phone.enrol(token)
    assert response.status_code == 200, response.text
    return phone


def challenged(emulator: Emulator, user: str, **attributes: Any) -> tuple[str, str]:
    """An action that asks for a proof: its code, and its token."""
    action = emulator.configure("CHALLENGE")
    tracked = emulator.track(user, action, **attributes)
    assert tracked["state"] == "CHALLENGE_REQUIRED"
    return action, tracked["token"]


def refused(response: requests.Response) -> Any:
    assert response.status_code in (400, 401, 403, 429), response.text
    return response.json()["errorCode"]
