"""Codes without a page: sent, checked and claimed by the Server API.

A challenge has a user from its start, or is anonymous until one user claims it, once. For a user who has
authenticators the address must be theirs already: the proof of a stranger's address would pass their action.
"""

from __future__ import annotations

import hmac
import secrets
import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.crypto import salted_hmac

from django_authsignal.client.types import State, VerificationMethod
from django_authsignal.emulator import clock, engine, fields, limits, logs, messages, tenant, tokens
from django_authsignal.emulator.engine import Session
from django_authsignal.emulator.models import ID_LENGTH, Action, Authenticator, Challenge, EmulatedUser
from django_authsignal.emulator.problems import Problem, invalid

Body = dict[str, Any]
METHODS = (VerificationMethod.EMAIL_OTP.value, VerificationMethod.SMS.value, VerificationMethod.WHATSAPP.value)
SMS_CHANNELS = ("DEFAULT", "SMS", "WHATSAPP")
_MAIL = {VerificationMethod.EMAIL_OTP.value, VerificationMethod.EMAIL_MAGIC_LINK.value}
_TEXT = {VerificationMethod.SMS.value, VerificationMethod.WHATSAPP.value}
_WRONG = {"isVerified": False, "failureReason": "CODE_INVALID_OR_EXPIRED"}
_TOO_MANY = {"isVerified": False, "failureReason": "MAX_ATTEMPTS_EXCEEDED"}


def send(body: Body) -> Challenge:
    """Begin a challenge, or send another code for the one that `challengeId` names."""
    if body.get("challengeId") is not None:
        return _resend(body)
    method = fields.choice(body, "verificationMethod", METHODS)
    if method is None:
        raise invalid("body.verificationMethod is required.")
    code = fields.check_action(fields.required(body, "action"))
    given = engine.columns(body)
    key = fields.text(body, "idempotencyKey", limit=ID_LENGTH) or str(uuid.uuid4())
    email, phone = fields.email(body), fields.phone(body)
    channel = fields.choice(body, "smsChannel", SMS_CHANNELS)
    if not tenant.is_offered(method):
        raise invalid(f"The tenant has switched off {method}.")
    user = action = None
    if user_id := fields.text(body, "userId", limit=ID_LENGTH):
        user = engine.get_or_create_user(user_id)
        email, phone = _own(user, method, email, phone)
    if not (email if method in _MAIL else phone):
        raise invalid(f"body.{'email' if method in _MAIL else 'phoneNumber'} is required.")
    if user:
        action = _action(user, code, key, given)
        engine.require_allowed(Session(user, action), method)
    row = Challenge(
        user=user,
        action=action,
        action_code=code,
        idempotency_key=key,
        method=method,
        email=email or "" if method in _MAIL else "",
        phone_number=phone or "" if method in _TEXT else "",
        sms_channel="" if method in _MAIL else _channel(method, channel),
        attributes=given,
        created_at=clock.now(),
    )
    _deliver(row)
    return row


def verify(challenge_id: str, code: str) -> Body:
    """Try a code. With a user, the right one proves the action; an unknown challenge is a wrong code."""
    row = _find(challenge_id)
    if row is None:
        return dict(_WRONG)
    attempt = limits.take(row.user, _kind("try", row), limits.TRIES)
    if attempt is None:
        _log(row, "CODE_MAX_ATTEMPTS_EXCEEDED")
        return dict(_TOO_MANY)
    with transaction.atomic():
        row = Challenge.objects.select_for_update().get(pk=row.pk)
        right = hmac.compare_digest(row.digest, _digest(row, code))
        if not right or row.verified_at or row.expires_at <= clock.now():
            _log(row, "CODE_INVALID_OR_EXPIRED")
            return dict(_WRONG)
        _log(row, "CODE_VALID")
        row.verified_at = clock.now()
        row.save(update_fields=["verified_at"])
        limits.give_back(attempt)
        if row.user and row.action:
            _prove(row, row.user, row.action)
    return {"isVerified": True, "verificationMethod": row.method, **_address(row)}


def claim(challenge_id: str, user_id: str, *, unverified: bool = False) -> Body:
    """Give an anonymous challenge to a user, once, and a client token for its action.

    `unverified`: its code may still come; until then it has proved nothing.
    """
    fields.check_user_id(user_id)
    with transaction.atomic():
        row = _claimable(challenge_id)
        if not row.verified_at and not unverified:
            raise invalid("The challenge was not verified. Verify it first, or pass skipVerificationCheck.")
        user = engine.get_or_create_user(user_id)
        _own(user, row.method, row.email, row.phone_number)
        action = _action(user, row.action_code, row.idempotency_key, row.attributes)
        _bind(row, user, action)
        session = Session(user, action)
        blocked = _refusal(session, row.method)
        if row.verified_at and not blocked:
            token = _prove(row, user, action)
        else:
            token = tokens.issue(user, action, scope=action.scope or tokens.READ)
    if blocked:  # after the transaction: the refused action is kept, and the challenge is used up
        raise blocked
    return {"token": token, "verificationMethod": row.method}


def track(user_id: str, code: str, body: Body) -> Body:
    """Track, and claim the verified challenge that the body names. Its proof counts for its own action alone."""
    with transaction.atomic():
        row = _claimable(fields.required(body, "challengeId"))
        if not row.verified_at:
            raise Problem(401, "unauthorized", "The challenge was not verified.")
        if row.action_code != code:
            raise invalid("body.challengeId belongs to another action.")
        action, answer = engine.track(
            user_id, code, {**body, "idempotencyKey": body.get("idempotencyKey") or row.idempotency_key}
        )
        _own(action.user, row.method, row.email, row.phone_number)
        _bind(row, action.user, action)
        if not _refusal(Session(action.user, action), row.method):
            _prove(row, action.user, action)
    action.refresh_from_db()  # after the transaction: the proof may have waited for its end
    return {**answer, "state": action.state}


def find(given: Body) -> Challenge | None:
    """The newest challenge that still runs, of what is asked for."""
    rows = Challenge.objects.filter(expires_at__gt=clock.now())
    challenge_id, user_id = fields.text(given, "challengeId"), fields.text(given, "userId", limit=ID_LENGTH)
    if not challenge_id and not user_id:
        raise invalid("One of challengeId or userId is required.")
    if challenge_id:
        rows = rows.filter(pk=_uuid(challenge_id))
    if user_id:
        rows = rows.filter(user__user_id=user_id)
        if not challenge_id:
            rows = rows.filter(verified_at__isnull=True)
    if action := fields.text(given, "action"):
        rows = rows.filter(action_code=action)
    if method := fields.choice(given, "verificationMethod", list(VerificationMethod)):
        rows = rows.filter(method=method)
    return rows.order_by("-created_at", "-pk").first()


def shape(row: Challenge) -> Body:
    """As GET /challenges writes it."""
    found = {
        "challengeId": str(row.pk),
        "expiresAt": expires_at(row),
        "verificationMethod": row.method,
        "action": row.action_code,
        **_address(row),
    }
    return {**found, "smsChannel": row.sms_channel} if row.sms_channel else found


def expires_at(row: Challenge) -> int:
    """Unix seconds: .NET reads it into 32 bits."""
    return int(row.expires_at.timestamp())


def _resend(body: Body) -> Challenge:
    row = _find(fields.required(body, "challengeId"))
    if row is None or row.verified_at or row.expires_at <= clock.now():
        raise invalid("The challenge is unknown, verified or expired. Begin another, without a challengeId.")
    stored = {
        "verificationMethod": row.method,
        "action": row.action_code,
        "idempotencyKey": row.idempotency_key,
        "userId": row.user.user_id if row.user else None,
        "email": row.email,
        "phoneNumber": row.phone_number,
    }
    for name, value in stored.items():
        # Another address under the same challenge would turn the old one's claim into a proof of the new.
        if fields.text(body, name, limit=ID_LENGTH) not in (None, "", value):
            raise invalid(f"body.{name} is not that of the challenge.")
    if row.user and row.action:
        engine.require_allowed(Session(row.user, row.action), row.method)
    if row.method in _TEXT and (channel := fields.choice(body, "smsChannel", SMS_CHANNELS)):
        row.sms_channel = _channel(row.method, channel)
    _deliver(row)
    return row


def _deliver(row: Challenge) -> None:
    """Send a new code; the older one dies."""
    mail = row.method in _MAIL
    limit = limits.MAILS if mail else limits.TEXTS
    if limits.take(row.user, _kind("send", row), limit) is None:
        _log(row, "RATE_LIMIT_EXCEEDED")
        raise Problem(429, "too_many_requests", "Too many messages were sent. Try again in ten minutes.")
    number = f"{secrets.randbelow(1_000_000):06}"
    row.digest = _digest(row, number)
    row.expires_at = clock.now() + timedelta(seconds=settings.CODE_AGE)
    if row._state.adding:
        row.save(force_insert=True)
    else:  # only these: what was verified or claimed meanwhile stays so
        row.save(update_fields=["digest", "expires_at", "sms_channel"])
    # Not inside a transaction: a webhook may be asked. What it refuses to send nobody knows.
    try:
        messages.deliver(
            "email" if mail else "whatsapp" if row.sms_channel == "WHATSAPP" else "sms",
            row.email or row.phone_number,
            subject="Your verification code" if mail else "",
            body=f"Your verification code is {number}. It works for {settings.CODE_AGE // 60} minutes.",
            code=number,
            method=row.method,
            user=row.user,
            action=_asked_for(row),
        )
    except Problem:
        _log(row, "SEND_DOWNSTREAM_FAILED")
        raise
    _log(row, "SENT")


def _asked_for(row: Challenge) -> Action:
    """Not saved when the challenge is anonymous: it has no action yet, but messages and records say what it is for."""
    return row.action or Action(code=row.action_code, idempotency_key=row.idempotency_key, **row.attributes)


def _log(row: Challenge, kind: str) -> None:
    logs.tell(kind, row.method, row.user, _asked_for(row), **_address(row))


def _find(challenge_id: str) -> Challenge | None:
    return Challenge.objects.filter(pk=_uuid(challenge_id)).select_related("user", "action").first()


def _claimable(challenge_id: str) -> Challenge:
    """The anonymous challenge, locked: of two who claim it, one does."""
    row = Challenge.objects.select_for_update().filter(pk=_uuid(challenge_id)).first()
    if row is None or row.user_id or row.claimed_at or row.expires_at <= clock.now():
        raise Problem(401, "unauthorized", "The challenge is unknown, claimed or expired.")
    return row


def _bind(row: Challenge, user: EmulatedUser, action: Action) -> None:
    row.user, row.action, row.claimed_at = user, action, clock.now()
    row.save(update_fields=["user", "action", "claimed_at"])


def _prove(row: Challenge, user: EmulatedUser, action: Action) -> str:
    """Mark the action as proved by the challenge. Raises Problem when it is blocked, or does not take the method."""
    session = Session(user, action)
    engine.require_allowed(session, row.method)
    # The proof was asked for here, whatever the outcome would have been for a track.
    Action.objects.filter(pk=action.pk, state=State.ALLOW).update(state=State.CHALLENGE_REQUIRED)
    same = {"email": row.email} if row.method in _MAIL else {"phone_number": row.phone_number}
    authenticators = Authenticator.objects.filter(user=user, method=row.method, verified_at__isnull=False, **same)
    authenticator = authenticators.first()
    if authenticator:
        authenticator.last_verified_at = clock.now()
        authenticator.save(update_fields=["last_verified_at"])
    users = EmulatedUser.objects.filter(pk=user.pk)
    if row.email and user.email in ("", row.email):
        users.update(email=row.email, email_verified=True)
    if row.phone_number and user.phone_number in ("", row.phone_number):
        users.update(phone_number=row.phone_number, phone_number_verified=True)
    return engine.complete(session, row.method, authenticator)


def _refusal(session: Session, method: str) -> Problem | None:
    try:
        engine.require_allowed(session, method)
    except Problem as problem:
        return problem
    return None


def _own(user: EmulatedUser, method: str, email: str | None, phone: str | None) -> tuple[str | None, str | None]:
    """The address to prove: the given one, if it may be this user's, else theirs. Raises Problem 403."""
    mail = method in _MAIL
    given, column = (email, "email") if mail else (phone, "phone_number")
    verified = Authenticator.objects.filter(user=user, verified_at__isnull=False)
    newest_first = verified.filter(method__in=_MAIL if mail else _TEXT).order_by("-created_at", "-pk")
    known = list(newest_first.values_list(column, flat=True))
    if getattr(user, f"{column}_verified"):
        known.append(getattr(user, column))
    if verified.exists():
        if given and given not in known:
            raise Problem(403, "forbidden", "The address is not one that this enrolled user has verified.")
        address = given or next(iter(known), None)
    else:
        address = given or getattr(user, column) or None
    return (address, None) if mail else (None, address)


def _action(user: EmulatedUser, code: str, key: str, given: Body) -> Action:
    row = Action.objects.filter(user=user, code=code, idempotency_key=key).first()
    return row or engine.create_action(user, code, key, given)


def _channel(method: str, given: str | None) -> str:
    """DEFAULT or WHATSAPP: .NET knows no other."""
    if given in (None, "DEFAULT") and method == VerificationMethod.SMS:
        given = tenant.sms_channel()
    return "WHATSAPP" if method == VerificationMethod.WHATSAPP or given == "WHATSAPP" else "DEFAULT"


def _kind(what: str, row: Challenge) -> str:
    """What a send or a try counts against: the user's own count, or the address's, whatever challenge it is of."""
    kind = f"{what}:{row.method}"
    return kind if row.user else limits.of_address(kind, row.email or row.phone_number)


def _address(row: Challenge) -> Body:
    return {"email": row.email} if row.email else {"phoneNumber": row.phone_number}


def _digest(row: Challenge, code: str) -> str:
    plain = "".join(code.split())
    return salted_hmac("emulator.challenge", f"{row.pk}:{plain}", algorithm="sha256").hexdigest()


def _uuid(value: str) -> uuid.UUID:
    """The id, or one that no challenge has."""
    try:
        return uuid.UUID(value)
    except ValueError:
        return uuid.UUID(int=0)
