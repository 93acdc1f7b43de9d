"""Six digits by mail, into the inbox of the emulator."""

from __future__ import annotations

import secrets
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils.crypto import salted_hmac

from django_authsignal.client.types import VerificationMethod
from django_authsignal.emulator import clock, engine, enrolment, fields, limits, messages
from django_authsignal.emulator.engine import Session, Verification
from django_authsignal.emulator.models import Authenticator, Code, EmulatedUser
from django_authsignal.emulator.problems import Problem, invalid

_METHOD = VerificationMethod.EMAIL_OTP


def enrol(session: Session, email: str | None = None) -> Authenticator:
    """Begin an enrolment and mail its code. Without an address, the user's own."""
    engine.require_enrol(session, _METHOD)
    address = fields.email({"email": email}) or session.user.email
    if not address:
        raise invalid("body.email is required.")
    _take_send(session)
    pending = Authenticator.objects.create(
        user=session.user,
        enrolling_action=session.action,
        method=_METHOD,
        email=address,
        created_at=clock.now(),
    )
    _send(session, pending, "enrol")
    return pending


def challenge(session: Session) -> Code:
    """Mail a code to the user's newest verified address; older codes of this action die."""
    engine.require_allowed(session, _METHOD)
    verified = Authenticator.objects.filter(user=session.user, method=_METHOD, verified_at__isnull=False)
    newest = verified.order_by("-created_at", "-pk").first()
    if newest is None:
        raise invalid("The user has no EMAIL_OTP authenticator.")
    _take_send(session)
    return _send(session, newest, "challenge")


def verify(session: Session, code: str) -> Verification:
    """Check the newest code of this action. Ten wrong tries in five minutes refuse even the right one."""
    engine.require_open(session)
    attempt = limits.take(session.user, f"try:{_METHOD}", limits.TRIES)
    if attempt is None:
        return engine.TOO_MANY_TRIES
    with transaction.atomic():
        # Locked: of two first enrolments that finish at once, the second must see the first.
        EmulatedUser.objects.select_for_update().get(pk=session.user.pk)
        live = Code.objects.filter(
            user=session.user, action=session.action, used_at__isnull=True, expires_at__gt=clock.now()
        )
        row = live.filter(digest=_digest(session.user, code)).select_related("authenticator").first()
        if row is None:
            return engine.WRONG_CODE
        if row.purpose == "enrol":
            engine.require_enrol(session, _METHOD)
        else:
            engine.require_allowed(session, _METHOD)
        if not live.filter(pk=row.pk).update(used_at=clock.now()):
            return engine.WRONG_CODE
        limits.give_back(attempt)
        return _verified(session, row)


def _verified(session: Session, row: Code) -> Verification:
    authenticator, now = row.authenticator, clock.now()
    authenticator.last_verified_at = now
    if row.purpose == "challenge":
        authenticator.save(update_fields=["last_verified_at"])
        token = engine.complete(session, _METHOD, authenticator)
        return Verification(is_verified=True, access_token=token, authenticator=authenticator)
    authenticator.verified_at = now
    authenticator.save(update_fields=["verified_at", "last_verified_at"])
    if authenticator.email == session.user.email or not session.user.email:
        users = EmulatedUser.objects.filter(pk=session.user.pk)
        users.update(email=authenticator.email, email_verified=True)
    return enrolment.complete(session, authenticator)


def _take_send(session: Session) -> None:
    if limits.take(session.user, f"send:{_METHOD}", limits.SENDS) is None:
        raise Problem(429, "too_many_requests", "Too many mails were sent. Try again in ten minutes.")


def _send(session: Session, authenticator: Authenticator, purpose: str) -> Code:
    number = f"{secrets.randbelow(1_000_000):06}"
    now = clock.now()
    with transaction.atomic():
        older = Code.objects.filter(user=session.user, action=session.action, used_at__isnull=True)
        older.update(used_at=now)
        row = Code.objects.create(
            user=session.user,
            action=session.action,
            authenticator=authenticator,
            purpose=purpose,
            digest=_digest(session.user, number),
            created_at=now,
            expires_at=now + timedelta(seconds=settings.CODE_AGE),
        )
        messages.deliver(
            "email",
            authenticator.email,
            subject="Your verification code",
            body=f"Your verification code is {number}. It works for {settings.CODE_AGE // 60} minutes.",
            code=number,
            method=_METHOD,
            user=session.user,
            action=session.action,
        )
    return row


def _digest(user: EmulatedUser, code: str) -> str:
    plain = "".join(code.split())
    return salted_hmac("emulator.email", f"{user.pk}:{plain}", algorithm="sha256").hexdigest()
