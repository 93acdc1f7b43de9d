"""Calls to a contact centre (Call Connect): who calls is sent a message, and proves elsewhere that it is them.

Only the two requests and their answers are published. The rest is decided here: the call of a user is an action whose
idempotencyKey is the call's reference, its message leads to the hosted page, and finishing the call settles the action.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction

from django_authsignal.client.types import State
from django_authsignal.emulator import clock, engine, fields, limits, messages, tenant, tokens
from django_authsignal.emulator.engine import Session
from django_authsignal.emulator.models import ID_LENGTH, Action, Call, EmulatedUser
from django_authsignal.emulator.problems import Problem, invalid, not_found

Body = dict[str, Any]
CHANNELS = {"EMAIL": "email", "SMS": "sms", "WHATSAPP": "whatsapp"}  # with those of the inbox
STATES = (State.CHALLENGE_SUCCEEDED.value, State.CHALLENGE_FAILED.value)
_ACTION = "callConnect"  # of a call that names none
_SENT = "send:CALL"


def start(body: Body) -> Body:
    """Send the message; again for a call that still runs, because the SDK repeats what was not answered."""
    reference = fields.required(body, "referenceId", limit=ID_LENGTH)
    code = fields.check_action(fields.text(body, "actionCode") or _ACTION)
    email, phone = fields.email(body), fields.phone(body)
    channel = fields.choice(body, "channel", list(CHANNELS))
    given = engine.columns({"locale": body.get("locale")})
    user_id = fields.text(body, "userId", limit=ID_LENGTH)
    user = engine.get_or_create_user(user_id) if user_id else _owner(email, phone)
    if user:
        email, phone = email or user.email, phone or user.phone_number
    channel = channel or (_texts_by() if phone else "EMAIL")
    to = email if channel == "EMAIL" else phone
    if not to:
        raise invalid(f"body.{'email' if channel == 'EMAIL' else 'phoneNumber'} is required, or a user who has one.")
    call, _ = Call.objects.get_or_create(
        reference_id=reference, defaults={"user": user, "action_code": code, "created_at": clock.now()}
    )
    if call.state or call.user != user or call.action_code != code:
        raise Problem(409, "conflict", "There was another call of this referenceId. Start it with one of its own.")
    if limits.take(user, _SENT if user else limits.of_address(_SENT, to), limits.TEXTS) is None:
        raise Problem(429, "too_many_requests", "Too many messages were sent. Try again in ten minutes.")
    action = _action(user, code, reference, given) if user else None
    url = engine.hosted_url(tokens.issue(user, action)) if user and action else ""
    # Not inside a transaction: a webhook may be asked.
    message = messages.deliver(
        CHANNELS[channel],
        to,
        subject="Your call" if channel == "EMAIL" else "",
        body="Prove that it is you, and your call goes on." + (f" Open {url}" if url else ""),
        url=url,
        user=user,
        action=action or Action(code=code, idempotency_key=reference, **given),
    )
    return {"messageId": str(message.pk), "channel": channel, "email" if channel == "EMAIL" else "phoneNumber": to}


def finish(body: Body) -> Body:
    """The contact centre's word on how the call ended, once. What was blocked stays blocked."""
    reference = fields.required(body, "referenceId", limit=ID_LENGTH)
    state, payload = fields.choice(body, "state", STATES), fields.mapping(body, "payload")
    if state is None:
        raise invalid(f"body.state is required: {' or '.join(STATES)}.")
    user_id = fields.text(body, "userId", limit=ID_LENGTH)
    with transaction.atomic():
        call = Call.objects.select_for_update().filter(reference_id=reference).select_related("user").first()
        if call is None:
            raise not_found("The call")
        user = engine.get_or_create_user(user_id) if user_id else call.user
        if call.user and call.user != user:
            raise invalid("body.userId is not the user of the call.")
        if call.state and (call.state, call.user) != (state, user):
            raise Problem(409, "conflict", "The call has been finished otherwise.")
        if not call.state:
            call.user, call.state, call.payload, call.finished_at = user, state, payload, clock.now()
            call.save(update_fields=["user", "state", "payload", "finished_at"])
            if user:
                _settle(user, call, state)
    return {"success": True}


def _owner(email: str | None, phone: str | None) -> EmulatedUser | None:
    """Whose address it is, if it is one user's and they have proved it."""
    rows = EmulatedUser.objects.filter(former_id="")
    if phone:
        rows = rows.filter(phone_number=phone, phone_number_verified=True)
    elif email:
        rows = rows.filter(email=email, email_verified=True)
    else:
        raise invalid("One of userId, phoneNumber or email is required.")
    found = list(rows[:2])
    return found[0] if len(found) == 1 else None


def _texts_by() -> str:
    return "WHATSAPP" if tenant.sms_channel() == "WHATSAPP" else "SMS"


def _action(user: EmulatedUser, code: str, key: str, given: Body) -> Action:
    row = Action.objects.filter(user=user, code=code, idempotency_key=key).first()
    return row or engine.create_action(user, code, key, given)


def _settle(user: EmulatedUser, call: Call, state: str) -> None:
    row = _action(user, call.action_code, call.reference_id, {})
    engine.require_open(Session(user, row))
    now = clock.now()
    Action.objects.filter(pk=row.pk, state=row.state).update(state=state, state_updated_at=now, updated_at=now)
