"""Security keys: a second factor on a key ring. They need not be discoverable, nor know their user by a finger.

The SDK sends bare WebAuthn objects and no challengeId: the token and the signed bytes name the challenge.
"""

from __future__ import annotations

from typing import Any

from django_authsignal.client.types import VerificationMethod
from django_authsignal.emulator import engine
from django_authsignal.emulator.engine import Session, Verification
from django_authsignal.emulator.methods import ceremony

_KIND = ceremony.Kind(
    VerificationMethod.SECURITY_KEY, name="Security key", purpose="key-", discoverable=False, verifies_user=False
)


def registration_options(session: Session) -> Any:
    """PublicKeyCredentialCreationOptionsJSON."""
    return ceremony.creation_options(_KIND, session, attachment="cross-platform")["options"]


def register(session: Session, credential: dict[str, Any]) -> Verification:
    return ceremony.register(_KIND, session, credential)


def authentication_options(session: Session) -> Any:
    """PublicKeyCredentialRequestOptionsJSON: only the user's own keys."""
    engine.require_allowed(session, _KIND.method)
    row = ceremony.new_challenge(_KIND, "authenticate", session=session)
    return ceremony.request_options(_KIND, row, session.user)["options"]


def authenticate(session: Session, credential: dict[str, Any]) -> Verification:
    return ceremony.authenticate(_KIND, session, credential)
