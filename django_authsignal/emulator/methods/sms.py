"""Six digits by SMS, or on the same number by WhatsApp."""

from __future__ import annotations

from django_authsignal.client.types import VerificationMethod
from django_authsignal.emulator import limits
from django_authsignal.emulator.engine import Session
from django_authsignal.emulator.methods.codes import Sender
from django_authsignal.emulator.models import AuthenticatorConfiguration, Code

CHANNELS = ("DEFAULT", "SMS", "WHATSAPP")
_SENDER = Sender(VerificationMethod.SMS, "sms", limits.TEXTS)
enrol = _SENDER.enrol
verify = _SENDER.verify


def challenge(session: Session, authenticator_id: str | None = None, channel: str | None = None) -> Code:
    """`channel`: SMS or WHATSAPP; DEFAULT or none is the tenant's."""
    if channel in (None, "DEFAULT"):
        rows = AuthenticatorConfiguration.objects.filter(verification_method=VerificationMethod.SMS)
        channel = rows.values_list("sms_channel", flat=True).first()
    return _SENDER.challenge(session, authenticator_id, "whatsapp" if channel == "WHATSAPP" else "sms")
