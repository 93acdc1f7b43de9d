"""The tenant's settings."""

from __future__ import annotations

from django_authsignal.client.types import VerificationMethod
from django_authsignal.emulator.models import AuthenticatorConfiguration, Tenant
from django_authsignal.emulator.remembered import remember

# What a user can enrol here, in the order in which it is offered.
METHODS = (
    VerificationMethod.PASSKEY,
    VerificationMethod.SECURITY_KEY,
    VerificationMethod.AUTHENTICATOR_APP,
    VerificationMethod.EMAIL_OTP,
    VerificationMethod.EMAIL_MAGIC_LINK,
    VerificationMethod.SMS,
    VerificationMethod.WHATSAPP,
    VerificationMethod.PUSH,
    VerificationMethod.QR_CODE,
    VerificationMethod.IN_APP,
)
# The .NET SDK fails on a name that it does not know, so these are only told of users who have enrolled them.
_UNKNOWN_TO_DOTNET = (VerificationMethod.QR_CODE, VerificationMethod.IN_APP)


def settings() -> Tenant:
    """The one row, made on first use, as it is now."""
    return Tenant.objects.get_or_create(pk=1)[0]


def token_minutes() -> int:
    return remember(("tenant",), settings).token_duration_in_minutes


def is_offered(method: str) -> bool:
    """False for a method that somebody has switched off."""
    if method == VerificationMethod.RECOVERY_CODE:
        return not settings().disable_recovery_codes
    return method not in _switched_off()


def is_announced(method: str, enrolled: list[str]) -> bool:
    """False for what an answer should not name, although the user may enrol it."""
    return method not in _UNKNOWN_TO_DOTNET or method in enrolled


def sms_channel() -> str:
    """What DEFAULT means for a text."""
    rows = AuthenticatorConfiguration.objects.filter(verification_method=VerificationMethod.SMS)
    return rows.values_list("sms_channel", flat=True).first() or "SMS"


def authenticator_configurations() -> list[AuthenticatorConfiguration]:
    """One for each method, in the order of METHODS."""
    return [AuthenticatorConfiguration.objects.get_or_create(verification_method=m.value)[0] for m in METHODS]


def offered_methods() -> list[str]:
    """The methods that nobody has switched off."""
    off = _switched_off()
    return [method.value for method in METHODS if method.value not in off]


def _switched_off() -> frozenset[str]:
    def read() -> frozenset[str]:
        rows = AuthenticatorConfiguration.objects.filter(is_active=False)
        return frozenset(rows.values_list("verification_method", flat=True))

    return remember(("off",), read)
