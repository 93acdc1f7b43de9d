"""What happened, for whoever listens: the one place through which the rules speak to webhooks.

`tell` is for what has happened and is delivered later; `ask` is for what must not happen unless the receiver agrees.
Types and data: docs.authsignal.com, webhooks. The senders are in `webhooks.py`, the batches of records in `logs.py`.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction

from django_authsignal.emulator import clock, webhooks
from django_authsignal.emulator.models import Event
from django_authsignal.emulator.problems import Problem


def tell(kind: str, **data: Any) -> Event:
    """Write an event down, in the transaction that made it true. Absent values are left out; texts are best."""
    with transaction.atomic():
        event = _write(kind, data)
        webhooks.queue(event)
    return event


def ask(kind: str, **data: Any) -> Event:
    """Ask every synchronous webhook of this kind, then tell the others. Raises Problem 400 when one does not agree.

    Never inside a transaction: the receiver may take seconds, and on SQLite everybody else would wait for it.
    """
    with transaction.atomic(durable=True):
        event = _write(kind, data)
    for receiver in webhooks.asked(kind):
        if not webhooks.ask(event, receiver.url, receiver):
            # Neither its address nor its words: this goes to the end user.
            raise Problem(400, "webhook_failed", f"The webhook for {kind} did not accept it, so nothing was sent.")
    webhooks.queue(event)
    return event


def ask_at(url: str, kind: str, **data: Any) -> bool:
    """Whether the one receiver at this address agrees. Never inside a transaction."""
    with transaction.atomic(durable=True):
        event = _write(kind, data)
    return webhooks.ask(event, url)


def _write(kind: str, data: dict[str, Any]) -> Event:
    present = {name: value for name, value in data.items() if value is not None and value != ""}
    return Event.objects.create(type=kind, created_at=clock.now(), data=present)
