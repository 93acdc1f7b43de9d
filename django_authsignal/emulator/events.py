"""What happened, for whoever listens: the one place through which the rules speak to webhooks.

`tell` is for what has happened and is delivered later; `ask` is for what must not happen unless the receiver agrees.
Types and data: docs.authsignal.com, webhooks. The senders are in `webhooks.py`.
"""

from __future__ import annotations

from typing import Any

from django_authsignal.emulator import clock
from django_authsignal.emulator.models import Event


def tell(kind: str, **data: Any) -> Event:
    """Write an event down, in the transaction that made it true. Absent values are left out; texts are best."""
    present = {name: value for name, value in data.items() if value is not None and value != ""}
    return Event.objects.create(type=kind, created_at=clock.now(), data=present)
