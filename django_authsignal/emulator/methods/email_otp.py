"""Six digits by mail, into the inbox of the emulator."""

from __future__ import annotations

from django_authsignal.client.types import VerificationMethod
from django_authsignal.emulator import limits
from django_authsignal.emulator.methods.codes import Sender

_SENDER = Sender(VerificationMethod.EMAIL_OTP, "email", limits.MAILS)
enrol = _SENDER.enrol
challenge = _SENDER.challenge
verify = _SENDER.verify
