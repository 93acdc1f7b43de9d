"""Recovery codes: ten, shown once, each good for one challenge."""

from __future__ import annotations

import secrets

from django.utils.crypto import salted_hmac

from django_authsignal.client.types import VerificationMethod
from django_authsignal.emulator import clock, engine, limits, tenant
from django_authsignal.emulator.engine import Session, Verification
from django_authsignal.emulator.models import Authenticator, EmulatedUser, RecoveryCode

_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that look alike
_METHOD = VerificationMethod.RECOVERY_CODE


def issue(user: EmulatedUser) -> list[str]:
    """Ten new codes of 79 bits; older ones stop working. None when the tenant has no recovery codes."""
    RecoveryCode.objects.filter(user=user).delete()
    if not tenant.is_offered(_METHOD):
        return []
    codes = ["-".join(_letters(4) for _ in range(4)) for _ in range(10)]
    RecoveryCode.objects.bulk_create(
        RecoveryCode(user=user, digest=_digest(user, code), created_at=clock.now()) for code in codes
    )
    return codes


def owed(row: Authenticator) -> list[str]:
    """The codes of a first enrolment by pairing: they belong on the page that paired the phone, not on the phone."""
    begun = row.enrolling_action
    if begun is None or begun.was_enrolled or RecoveryCode.objects.filter(user=row.user).exists():
        return []
    return issue(row.user)


def verify(session: Session, code: str) -> Verification:
    """Spend a code. Ten wrong tries in five minutes refuse even the right one."""
    engine.require_allowed(session, _METHOD)
    attempt = limits.take(session.user, f"try:{_METHOD}", limits.TRIES)
    if attempt is None:
        return engine.TOO_MANY_TRIES
    unused = RecoveryCode.objects.filter(user=session.user, used_at__isnull=True)
    if not unused.filter(digest=_digest(session.user, code)).update(used_at=clock.now()):
        return engine.WRONG_CODE
    limits.give_back(attempt)
    return Verification(is_verified=True, access_token=engine.complete(session, _METHOD, None))


def _letters(count: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(count))


def _digest(user: EmulatedUser, code: str) -> str:
    """Keyed and fast: the code has enough entropy that a slow hash would add nothing."""
    plain = "".join(code.lower().split()).replace("-", "")
    return salted_hmac("emulator.recovery", f"{user.pk}:{plain}", algorithm="sha256").hexdigest()
