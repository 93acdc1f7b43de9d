"""Recovery codes: ten, shown once, each good for one challenge."""

from __future__ import annotations

import secrets

from django.db import transaction
from django.utils.crypto import salted_hmac

from django_authsignal.client.types import State, VerificationMethod
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


def give_owed(session: Session) -> list[str]:
    """The codes that a first enrolment on a page earned, once its user has proved something; [] ever after.

    They are made when a page shows them and not before, so what nobody has seen is kept nowhere.
    """
    with transaction.atomic():
        # Locked before it is asked: of two pages that ask at once, one gets them.
        user = EmulatedUser.objects.select_for_update().filter(pk=session.user.pk).first()
        return issue(user) if user and _are_owed(session) else []


def were_given(session: Session) -> bool:
    """True when the user's only way was set up in this session, and its codes were shown already."""
    rows = list(Authenticator.objects.filter(user=session.user, verified_at__isnull=False))
    only = len(rows) == 1 and rows[0].enrolling_action_id == (session.action.pk if session.action else None)
    return only and RecoveryCode.objects.filter(user=session.user).exists()


def _are_owed(session: Session) -> bool:
    row = session.action
    if row is None or row.state != State.CHALLENGE_SUCCEEDED or RecoveryCode.objects.filter(user=row.user).exists():
        return False
    mine = Authenticator.objects.filter(user=row.user, verified_at__isnull=False)
    # Whoever has two was given them, or was enrolled by the server, which answers with them itself.
    rows = list(mine.select_related("enrolling_action"))
    begun = rows[0].enrolling_action if len(rows) == 1 else None
    return begun is not None and (begun == row or not begun.was_enrolled)


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
