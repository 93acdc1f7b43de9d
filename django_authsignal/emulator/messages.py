"""Sending: every mail, text and push goes to the inbox, and beyond it only by webhooks that somebody set up."""

from __future__ import annotations

from django_authsignal.emulator import clock, events
from django_authsignal.emulator.models import Action, EmulatedUser, Message

_EVENTS = {"email": "email.created", "sms": "sms.created", "whatsapp": "sms.created", "push": "push.created"}


def deliver(
    channel: str,
    to: str,
    *,
    subject: str = "",
    body: str,
    code: str = "",
    url: str = "",
    method: str = "",
    user: EmulatedUser | None = None,
    action: Action | None = None,
    challenge_id: str = "",
) -> Message:
    """Put a message into the inbox. Raises Problem, and does not, when a synchronous webhook refuses it.

    Never inside a transaction: see `events.ask`.
    """
    events.ask(
        _EVENTS[channel],
        to=to if channel != "push" else None,
        code=code,
        url=url,
        challengeId=challenge_id,
        userId=user.user_id if user else None,
        actionCode=action.code if action else None,
        idempotencyKey=action.idempotency_key if action else None,
        verificationMethod=method,
        userAgent=action.user_agent if action else None,
        ipAddress=action.ip_address if action else None,
        locale=(action.locale if action else "") or (user.locale if user else ""),
    )
    return Message.objects.create(
        created_at=clock.now(), channel=channel, to=to, subject=subject, body=body, code=code, url=url
    )
