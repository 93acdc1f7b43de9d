"""A software authenticator: what a phone or a security key does, without a browser. W3C WebAuthn Level 3, section 6."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import struct
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

PRESENT, VERIFIED, ELIGIBLE, BACKED_UP, ATTESTED = 0x01, 0x04, 0x08, 0x10, 0x40


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class SoftwareAuthenticator:
    """One passkey, or a security key: one that is not discoverable names no user.

    `origin` is what the browser would report; tests set it, the counter and the flags wrong.
    """

    origin: str
    algorithm: str = "ES256"
    verifies_user: bool = True
    asks_user: bool = True
    discoverable: bool = True
    count: int = 0
    credential_id: bytes = field(default_factory=lambda: os.urandom(32))
    user_handle: str = ""
    rp_id: str = ""
    key: Any = None
    backup: int = 0  # the flags that say whether it may be, and is, backed up
    remark: str = ""  # Chrome adds one now and then, so that nobody compares the data with a template

    def __post_init__(self) -> None:
        elliptic = self.algorithm == "ES256"
        self.key = ec.generate_private_key(ec.SECP256R1()) if elliptic else ed25519.Ed25519PrivateKey.generate()

    @property
    def private_key(self) -> bytes:
        """PKCS #8."""
        return bytes(self.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))

    def create(self, options: dict[str, Any]) -> dict[str, Any]:
        """RegistrationResponseJSON."""
        self.user_handle, self.rp_id = options["user"]["id"], options["rp"]["id"]
        attested = bytes(16) + struct.pack(">H", len(self.credential_id)) + self.credential_id + self._cose()
        data = self._data(self.rp_id, ATTESTED) + attested
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        response = {
            "clientDataJSON": encode(self._client_data("webauthn.create", options)),
            "attestationObject": encode(attestation),
            "transports": ["internal" if self.discoverable else "usb"],
        }
        return self._credential(response)

    def get(self, options: dict[str, Any]) -> dict[str, Any]:
        """AuthenticationResponseJSON."""
        client_data = self._client_data("webauthn.get", options)
        data = self._data(options["rpId"])
        signed = data + hashlib.sha256(client_data).digest()
        if self.algorithm == "ES256":
            signature = self.key.sign(signed, ec.ECDSA(hashes.SHA256()))
        else:
            signature = self.key.sign(signed)
        response = {
            "clientDataJSON": encode(client_data),
            "authenticatorData": encode(data),
            "signature": encode(signature),
        }
        if self.discoverable:
            response["userHandle"] = self.user_handle
        return self._credential(response)

    def _credential(self, response: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": encode(self.credential_id),
            "rawId": encode(self.credential_id),
            "type": "public-key",
            "response": response,
            "clientExtensionResults": {},
            "authenticatorAttachment": "platform" if self.discoverable else "cross-platform",
        }

    def _client_data(self, kind: str, options: dict[str, Any]) -> bytes:
        data = {"type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": False}
        return json.dumps(data | ({"remark": self.remark} if self.remark else {})).encode()

    def _data(self, rp_id: str, flags: int = 0) -> bytes:
        flags |= self.backup | (PRESENT if self.asks_user else 0) | (VERIFIED if self.verifies_user else 0)
        return hashlib.sha256(rp_id.encode()).digest() + struct.pack(">BI", flags, self.count)

    def _cose(self) -> bytes:
        public = self.key.public_key()
        if self.algorithm == "ES256":
            point = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
            return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: point[1:33], -3: point[33:]})
        return cbor2.dumps({1: 1, 3: -8, -1: 6, -2: public.public_bytes(Encoding.Raw, PublicFormat.Raw)})
