"""Sending: every mail and text goes to the inbox, and nowhere else."""

from __future__ import annotations

from django_authsignal.emulator import clock, events
from django_authsignal.emulator.models import Action, EmulatedUser, Message

_EVENTS = {"email": "email.created", "sms": "sms.created", "whatsapp": "sms.created"}


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
) -> Message:
    """Put a message into the inbox, and tell the webhooks of it."""
    events.tell(
        _EVENTS[channel],
        to=to,
        code=code,
        url=url,
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
