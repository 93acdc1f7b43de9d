"""Six digits by WhatsApp."""

from __future__ import annotations

from django_authsignal.client.types import VerificationMethod
from django_authsignal.emulator import engine, limits
from django_authsignal.emulator.engine import Session
from django_authsignal.emulator.methods.codes import Sender
from django_authsignal.emulator.models import Code

_SENDER = Sender(VerificationMethod.WHATSAPP, "whatsapp", limits.TEXTS)
enrol = _SENDER.enrol
verify = _SENDER.verify


def challenge(session: Session, authenticator_id: str | None = None) -> Code:
    """The SDKs have no call that enrols: for who has none yet, this begins it with the user's own number."""
    if not authenticator_id and VerificationMethod.WHATSAPP not in engine.enrolled_methods(session):
        return _SENDER.enrol(session)[1]
    return _SENDER.challenge(session, authenticator_id)
