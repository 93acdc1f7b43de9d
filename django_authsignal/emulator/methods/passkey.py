"""Passkeys: discoverable, with the user verified; with a client token, or as a sign-in whose user is not known yet."""

from __future__ import annotations

import uuid
from typing import Any

from django_authsignal.client.types import VerificationMethod
from django_authsignal.emulator import engine
from django_authsignal.emulator.engine import Session, Verification
from django_authsignal.emulator.methods import ceremony
from django_authsignal.emulator.models import Authenticator, EmulatedUser, WebAuthnChallenge

_KIND = ceremony.Kind(VerificationMethod.PASSKEY, name="Passkey", purpose="")


def registration_options(
    session: Session,
    *,
    username: str | None = None,
    display_name: str | None = None,
    attachment: str | None = None,
    browser: str = "",
) -> dict[str, Any]:
    """challengeId and options."""
    return ceremony.creation_options(
        _KIND, session, username=username, display_name=display_name, attachment=attachment, browser=browser
    )


def register(
    session: Session,
    credential: dict[str, Any],
    challenge_id: str | None = None,
    *,
    device_id: str = "",
    conditional: bool = False,
    browser: str = "",
) -> Verification:
    """Enrol what navigator.credentials.create() gave."""
    return ceremony.register(
        _KIND, session, credential, challenge_id, device_id=device_id, conditional=conditional, browser=browser
    )


def sign_in_challenge(action: str, idempotency_key: str | None = None, *, browser: str = "") -> str:
    """The id of a challenge for a sign-in whose user is not known yet: a discoverable passkey will name them."""
    key = idempotency_key or str(uuid.uuid4())
    row = ceremony.new_challenge(_KIND, "authenticate", action_code=action, idempotency_key=key, browser=browser)
    return str(row.pk)


def authentication_options(
    session: Session | None, challenge_id: str | None = None, *, username: str = "", browser: str = ""
) -> dict[str, Any]:
    """challengeId and options; for no session, any discoverable passkey, or `username`'s only.

    A name lists nobody's passkeys: whoever asks with a tenant's id, which is public, must not learn who is enrolled.
    """
    if session:
        engine.require_allowed(session, VerificationMethod.PASSKEY)
    if challenge_id and not session:
        row = ceremony.open_challenge(_KIND, "authenticate", challenge_id, session=None, browser=None)
        if username:
            row.username = username
            row.save(update_fields=["username"])
    else:
        named = {} if session else {"username": username}
        row = ceremony.new_challenge(_KIND, "authenticate", session=session, browser=browser, **named)
    return ceremony.request_options(_KIND, row, session.user if session else None)


def authenticate(
    session: Session | None,
    credential: dict[str, Any],
    challenge_id: str | None = None,
    *,
    device_id: str = "",
    browser: str = "",
) -> Verification:
    """Verify what navigator.credentials.get() gave."""

    def sign_in(user: EmulatedUser, challenge: WebAuthnChallenge) -> Session:
        return _sign_in(user, challenge, device_id)

    return ceremony.authenticate(_KIND, session, credential, challenge_id, browser=browser, sign_in=sign_in)


def find(credential_ids: list[str]) -> Authenticator | None:
    """The first enrolled passkey of these."""
    return ceremony.find(_KIND, credential_ids)


def _sign_in(user: EmulatedUser, challenge: WebAuthnChallenge, device_id: str) -> Session:
    given = {"device_id": device_id}
    return engine.sign_in(user, challenge.action_code, challenge.idempotency_key, VerificationMethod.PASSKEY, given)
