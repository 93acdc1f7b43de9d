"""Codes of an authenticator app. RFC 6238; one step of clock drift each way, and no step twice."""

from __future__ import annotations

import hmac
from datetime import timedelta
from typing import Any

import pyotp
from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet

from django_authsignal.client.types import VerificationMethod
from django_authsignal.emulator import clock, engine, enrolment, limits
from django_authsignal.emulator.engine import Session, Verification
from django_authsignal.emulator.models import Authenticator, EmulatedUser

_METHOD = VerificationMethod.AUTHENTICATOR_APP
_STEP = 30  # seconds
PENDING = timedelta(minutes=10)  # how long a new secret waits for its first code


def enrol(session: Session) -> dict[str, Any]:
    """Begin an enrolment: userAuthenticatorId, userId, uri (otpauth://) and secret (base32)."""
    engine.require_enrol(session, _METHOD)
    secret = pyotp.random_base32()
    pending = Authenticator.objects.create(
        user=session.user,
        enrolling_action=session.action,
        method=_METHOD,
        secret=secret,
        created_at=clock.now(),
    )
    return {
        "userAuthenticatorId": str(pending.pk),
        "userId": session.user.user_id,
        "uri": otpauth_uri(session.user, secret),
        "secret": secret,
    }


def pending_secret(session: Session, *, younger_than: timedelta) -> str | None:
    """The secret of the newest enrolment that this action began and did not finish."""
    begun = _pending(session).filter(created_at__gt=clock.now() - younger_than)
    return begun.values_list("secret", flat=True).first()


def otpauth_uri(user: EmulatedUser, secret: str) -> str:
    """What an app reads from the QR code."""
    name = user.username or user.email or user.user_id
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=settings.RP_NAME)


def verify(session: Session, code: str) -> Verification:
    """Check a code against this action's pending enrolment, else against the user's apps."""
    engine.require_allowed(session, _METHOD)  # before the code is looked at: the answer must not depend on it
    attempt = limits.take(session.user, f"try:{_METHOD}", limits.TRIES)
    if attempt is None:
        return engine.TOO_MANY_TRIES
    with transaction.atomic():
        # Locked: of two first enrolments that finish at once, the second must see the first.
        EmulatedUser.objects.select_for_update().get(pk=session.user.pk)
        result = _proof(session, code)
        if result:
            limits.give_back(attempt)
    return result or engine.WRONG_CODE


def has(user: EmulatedUser, secret: str) -> bool:
    """True when one of the user's apps has this secret."""
    return _verified(user).filter(secret=secret).exists()


def _proof(session: Session, code: str) -> Verification | None:
    """What the code proves: that an enrolment is finished, else who the user is."""
    row = _spend([*_waiting(session), *_verified(session.user)], code)
    if row is None:
        return None
    row.last_verified_at = clock.now()
    if row.verified_at is None:
        row.verified_at = row.last_verified_at
        row.save(update_fields=["verified_at", "last_verified_at"])
        return enrolment.complete(session, row)
    row.save(update_fields=["last_verified_at"])
    token = engine.complete(session, _METHOD, row)
    return Verification(is_verified=True, access_token=token, authenticator=row)


def _waiting(session: Session) -> QuerySet[Authenticator]:
    """Those of this action's enrolments that a first code may finish now."""
    if session.action is None or not engine.may_enrol(session):
        return Authenticator.objects.none()
    return _pending(session).filter(created_at__gt=clock.now() - PENDING)[:5]


def _pending(session: Session) -> QuerySet[Authenticator]:
    """The unfinished enrolments that this action began, newest first."""
    begun = Authenticator.objects.filter(user=session.user, method=_METHOD, enrolling_action=session.action)
    return begun.filter(verified_at__isnull=True).order_by("-created_at", "-pk")


def _verified(user: EmulatedUser) -> QuerySet[Authenticator]:
    apps = Authenticator.objects.filter(user=user, method=_METHOD, verified_at__isnull=False)
    return apps.order_by("created_at", "pk")


def _spend(rows: list[Authenticator], code: str) -> Authenticator | None:
    """The first app that shows this code, when none that does has used its step, or a later one, before.

    A secret may be in two rows, spelt in two ways. So it is spent in each: what one of them takes, no other takes.
    """
    shown = [(row, step) for row in rows if (step := _step_of(row, code)) is not None]
    spent = 0
    for row, step in shown:
        unused = Authenticator.objects.filter(Q(last_used_step__isnull=True) | Q(last_used_step__lt=step), pk=row.pk)
        spent += unused.update(last_used_step=step)
    return shown[0][0] if shown and spent == len(shown) else None


def _step_of(row: Authenticator, code: str) -> int | None:
    """The step at which the app shows this code, within one of now."""
    plain = "".join(code.split())
    step_now = int(clock.timestamp()) // _STEP
    totp = pyotp.TOTP(row.secret)
    for step in (step_now, step_now - 1, step_now + 1):
        if hmac.compare_digest(totp.generate_otp(step).encode(), plain.encode()):
            return step
    return None
