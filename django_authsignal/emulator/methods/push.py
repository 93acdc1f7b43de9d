"""Push: the user's phone is asked, and its owner says yes or no."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils.crypto import salted_hmac

from django_authsignal.client.types import VerificationMethod
from django_authsignal.emulator import clock, engine, fields, limits, messages
from django_authsignal.emulator.engine import Session
from django_authsignal.emulator.methods import device_challenge, device_key
from django_authsignal.emulator.methods.device_challenge import APPROVED, CLAIMED, OVER, REJECTED, Asker
from django_authsignal.emulator.models import Authenticator, DeviceChallenge
from django_authsignal.emulator.problems import Problem, invalid

_METHOD = VerificationMethod.PUSH
_UPDATE = "update"  # the state of a question about the push token, which is no proof
_UPDATE_AGE = timedelta(minutes=5)


def challenge(asker: Asker, session: Session, code: str, authenticator_id: str | None) -> tuple[DeviceChallenge, Any]:
    """Ask all of the user's phones, or the one that is named; an older question of this action dies."""
    engine.require_allowed(session, _METHOD)
    devices = _devices(session, authenticator_id)
    # Somebody who knows the password must not ask until the owner, tired of it, says yes.
    if limits.take(session.user, f"send:{_METHOD}", limits.TEXTS) is None:
        raise Problem(429, "too_many_requests", "Too many pushes were sent. Try again in ten minutes.")
    with transaction.atomic():
        row = device_challenge.create(_METHOD, asker, code, CLAIMED, device=devices[0] if authenticator_id else None)
        older = DeviceChallenge.objects.filter(method=_METHOD, action=row.action, state=CLAIMED).exclude(pk=row.pk)
        older.update(expires_at=clock.now())
    try:
        messages.deliver(
            "push",
            session.user.user_id[:320],
            subject="Is this you?",
            body=f"Somebody asks for {row.action_code}. Open your phone to approve or reject it.",
            method=_METHOD,
            user=session.user,
            action=row.action,
            challenge_id=str(row.pk),
        )
    except Problem:
        DeviceChallenge.objects.filter(pk=row.pk).update(expires_at=clock.now())
        raise
    return row, [{"userAuthenticatorId": str(device.pk)} for device in devices]


def ask(asker: Asker) -> None:
    """Ask all of the user's phones for the session's own action."""
    session, action = device_challenge.asking(asker)
    challenge(asker, session, action.code, None)


def verify(session: Session, challenge_id: str) -> dict[str, Any]:
    """What the page that asked polls: pending, rejected (or too late), or approved, once with the token."""
    rows = DeviceChallenge.objects.filter(pk=device_challenge.as_uuid(challenge_id), method=_METHOD, user=session.user)
    if session.action:
        rows = rows.filter(action=session.action)
    row = rows.exclude(state=_UPDATE).first()
    if row is None:
        raise device_challenge.over()
    token = device_challenge.collect(row)
    row.refresh_from_db()
    state = device_challenge.state(row)
    done = {"isVerified": state == APPROVED, "isConsumed": state in (APPROVED, REJECTED, OVER)}
    return {**done, "accessToken": token} if token else done


def pending(device: Authenticator) -> DeviceChallenge | None:
    """The newest question for this phone."""
    return device_challenge.live(_METHOD, device, CLAIMED).order_by("-created_at", "-pk").first()


# A phone's new address for pushes. The signature does not cover it, so each question for it is good for one answer.


def begin_update(device: Authenticator) -> tuple[str, str]:
    """The id of a question, and the message to be signed."""
    now = clock.now()
    row = DeviceChallenge.objects.create(
        method=_METHOD,
        user=device.user,
        authenticator=device,
        state=_UPDATE,
        created_at=now,
        expires_at=now + _UPDATE_AGE,
    )
    return str(row.pk), _update_message(str(row.pk))


def update(body: dict[str, Any]) -> Authenticator:
    """Take the phone's new push token."""
    challenge_id = str(device_challenge.as_uuid(fields.required(body, "challengeId")))
    device = device_key.signed_by(_METHOD, body, _update_message(challenge_id))
    push_token = fields.text(body, "pushToken", limit=4096)
    fields.flag(body, "resetExpiry")  # read only to be refused when it is none: these keys do not expire
    asked = DeviceChallenge.objects.filter(pk=challenge_id, state=_UPDATE, authenticator=device)
    with transaction.atomic():
        if not asked.filter(expires_at__gt=clock.now(), consumed_at__isnull=True).update(consumed_at=clock.now()):
            raise device_challenge.over()
        device.last_verified_at = clock.now()
        if push_token is not None:
            device.push_token = push_token
        device.save(update_fields=["last_verified_at", "push_token"])
    return device


def _update_message(challenge_id: str) -> str:
    return salted_hmac("emulator.push_token", challenge_id, algorithm="sha256").hexdigest()


def _devices(session: Session, authenticator_id: str | None) -> list[Authenticator]:
    rows = Authenticator.objects.filter(user=session.user, method=_METHOD, verified_at__isnull=False)
    rows = rows.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=clock.now()))
    if authenticator_id:
        rows = rows.filter(pk=device_challenge.as_uuid(authenticator_id))
    if not rows:
        raise invalid(f"The user has no such {_METHOD} authenticator.")
    return list(rows.order_by("-created_at", "-pk"))
