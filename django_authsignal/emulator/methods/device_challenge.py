"""A question that a device answers once, and whose proof is collected once, by whoever asked.

The answer only marks the question; the action is proved when the asker collects it. What has no asker any more, such
as a closed page, proves nothing.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet

from django_authsignal.emulator import clock, engine, fields
from django_authsignal.emulator.engine import Session
from django_authsignal.emulator.models import Action, Authenticator, DeviceChallenge
from django_authsignal.emulator.problems import Problem, invalid

UNCLAIMED, CLAIMED, APPROVED, REJECTED = "unclaimed", "claimed", "approved", "rejected"
OVER = "expired"  # what `state` tells of one that nobody can answer or collect any more


@dataclass(frozen=True)
class Asker:
    """Whose browser asks, as the device will show it. Without a session the device's user is who signs in."""

    session: Session | None
    address: str = ""
    agent: str = field(default="", repr=False)


def asking(asker: Asker) -> tuple[Session, Action]:
    """Who asks, and for which action. A hosted page has both."""
    if asker.session is None or asker.session.action is None:
        raise over()
    return asker.session, asker.session.action


def create(
    method: str,
    asker: Asker,
    code: str,
    state: str,
    *,
    device: Authenticator | None = None,
    custom: dict[str, Any] | None = None,
    device_code_digest: str = "",
) -> DeviceChallenge:
    """A new question. `code`: the action; with a session it must be the session's own."""
    fields.check_action(code)
    now = clock.now()
    DeviceChallenge.objects.filter(expires_at__lt=now - timedelta(days=1)).delete()
    session, key = asker.session, str(uuid.uuid4())
    if session and session.action is None:  # a token that a sign-in without an action gave
        session = engine.sign_in(session.user, code, key, method, _seen(asker))
    if session and session.action and session.action.code != code:
        raise invalid("body.action is not the action of the token.")
    if session:
        engine.require_allowed(session, method)
    action = session.action if session else None
    return DeviceChallenge.objects.create(
        method=method,
        user=session.user if session else None,
        action=action,
        action_code=code,
        idempotency_key=action.idempotency_key if action else key,
        authenticator=device,
        device_code_digest=device_code_digest,
        state=state,
        custom=custom if custom is not None else action.custom if action else None,
        # What the application said of its visitor; else what we see, which may be the application's own server.
        ip_address=(action.ip_address if action else "") or asker.address,
        user_agent=(action.user_agent if action else "") or asker.agent,
        created_at=now,
        expires_at=now + timedelta(seconds=settings.CODE_AGE),
    )


def live(method: str, device: Authenticator, state: str) -> QuerySet[DeviceChallenge]:
    """What this device may answer: its user's or nobody's yet, and not another device's."""
    ours = Q(user=device.user_id) | Q(user__isnull=True)
    mine = Q(authenticator=device) | Q(authenticator__isnull=True)
    rows = DeviceChallenge.objects.filter(ours, mine, method=method, state=state, expires_at__gt=clock.now())
    return rows.select_related("action", "user")


def open_for(method: str, device: Authenticator, challenge_id: str, state: str) -> DeviceChallenge:
    row = live(method, device, state).filter(pk=as_uuid(challenge_id)).first()
    if row is None:
        raise over()
    return row


def answer(method: str, device: Authenticator, challenge_id: str, *, approved: bool) -> bool:
    """The device's word, once: of an approval and a rejection that come together, one counts."""
    problem = None
    with transaction.atomic():
        row = open_for(method, device, challenge_id, CLAIMED)
        session = None
        try:
            session = _session(row, device)
            if approved:
                engine.require_allowed(session, method)
        except Problem as refusal:  # kept, and answered below: the refused action must not be rolled back
            problem = refusal
        yes = approved and problem is None
        action = session.action if session else None
        if not DeviceChallenge.objects.filter(pk=row.pk, state=CLAIMED).update(
            state=APPROVED if yes else REJECTED, user=device.user_id, authenticator=device, action=action
        ):
            raise over()
        if yes:
            Authenticator.objects.filter(pk=device.pk).update(last_verified_at=clock.now())
        elif action and not approved:
            engine.fail(action)
    if approved and problem:
        raise problem
    return approved


def newest(method: str, session: Session) -> DeviceChallenge | None:
    """The last question that was asked for this session's action, whatever has become of it."""
    if session.action is None:
        return None
    rows = DeviceChallenge.objects.filter(method=method, action=session.action)
    return rows.order_by("-created_at", "-pk").first()


def is_live(row: DeviceChallenge) -> bool:
    """True while its device may answer it, or has approved it and nobody has collected that."""
    return row.consumed_at is None and state(row) not in (REJECTED, OVER)


def state(row: DeviceChallenge) -> str:
    ended = row.consumed_at is None and row.state != REJECTED and row.expires_at <= clock.now()
    return OVER if ended else row.state


def collect(row: DeviceChallenge) -> str | None:
    """The access token of an approval, for the first who asks; None when it was given already."""
    with transaction.atomic():
        approved = DeviceChallenge.objects.filter(pk=row.pk, state=APPROVED, consumed_at__isnull=True)
        if not approved.filter(expires_at__gt=clock.now()).update(consumed_at=clock.now()):
            return None
        row = DeviceChallenge.objects.select_related("user", "action", "authenticator").get(pk=row.pk)
        if row.user is None or row.action is None:
            raise over()
        session = Session(row.user, row.action)
        engine.require_allowed(session, row.method)
        return engine.complete(session, row.method, row.authenticator, undo=partial(_refuse, row))


def over() -> Problem:
    return invalid("The challenge is unknown, answered or expired, or it is not for this device.")


def as_uuid(value: str) -> uuid.UUID:
    """The id, or one that no challenge has."""
    try:
        return uuid.UUID(value)
    except ValueError:
        return uuid.UUID(int=0)


def _session(row: DeviceChallenge, device: Authenticator) -> Session:
    if row.action:
        return Session(device.user, row.action)
    given = {"ip_address": row.ip_address, "user_agent": row.user_agent, "custom": row.custom}
    return engine.sign_in(device.user, row.action_code, row.idempotency_key, row.method, given)


def _seen(asker: Asker) -> dict[str, Any]:
    return {"ip_address": asker.address, "user_agent": asker.agent}


def _refuse(row: DeviceChallenge) -> None:
    DeviceChallenge.objects.filter(pk=row.pk).update(state=REJECTED)
