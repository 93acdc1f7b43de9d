"""What one tenant of the emulator remembers. Rules live in `engine.py`, `rules/` and `methods/`, never here."""

from __future__ import annotations

from .challenges import Call, Challenge, DeviceChallenge
from .core import (
    ID_LENGTH,
    Action,
    Authenticator,
    Code,
    EmulatedUser,
    Message,
    RateEvent,
    RecoveryCode,
    SigningKey,
    WebAuthnChallenge,
)
from .events import Delivery, Event, Fault, Webhook
from .sessions import AppClient, AppSession, Device
from .tenant import ActionConfiguration, AuthenticatorConfiguration, Rule, Tenant

__all__ = [
    "ID_LENGTH",
    "Action",
    "ActionConfiguration",
    "AppClient",
    "AppSession",
    "Authenticator",
    "AuthenticatorConfiguration",
    "Call",
    "Challenge",
    "Code",
    "Delivery",
    "Device",
    "DeviceChallenge",
    "EmulatedUser",
    "Event",
    "Fault",
    "Message",
    "RateEvent",
    "RecoveryCode",
    "Rule",
    "SigningKey",
    "Tenant",
    "WebAuthnChallenge",
    "Webhook",
]
