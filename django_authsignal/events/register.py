"""Each event once: a row is inserted before anything is done, and of many deliveries at once one gets in."""

import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from ..client import Event
from ..models import ReceivedEvent

# Longer than handling takes. A worker that dies meanwhile leaves its row behind, and Authsignal, who tries again three
# times, at least 30 s apart each, still comes after that.
LEASE = timedelta(seconds=60)


@dataclass(frozen=True)
class Claim:
    """What one delivery may handle. The rest is done already, or `busy`: another delivery is at it."""

    name: str
    ours: tuple[str, ...]
    busy: bool


def key_of(event: Event) -> str:
    """What the register knows an event by: a hash of tenant and id, so that no database folds or cuts it."""
    return hashlib.sha256(json.dumps([event.tenant_id, event.id]).encode()).hexdigest()


def claim(events: Mapping[str, Event]) -> Claim:
    """Claims those of these events (by their keys) that nobody has handled, nor is handling now."""
    now, name = timezone.now(), uuid.uuid4().hex
    rows = [
        ReceivedEvent(
            key=key,
            event_id=_kept(events[key].id),
            type=_kept(events[key].type),
            received_at=now,
            claimed_by=name,
            claimed_at=now,
        )
        for key in sorted(events)  # in one order, lest two batches wait for each other
    ]
    ReceivedEvent.objects.bulk_create(rows, ignore_conflicts=True)
    known = ReceivedEvent.objects.filter(key__in=list(events))
    unhandled = {row.key: row for row in known if row.handled_at is None}
    if any(row.claimed_by != name and row.claimed_at < now - LEASE for row in unhandled.values()):
        # One UPDATE that names what it saw: of all who find it left behind, it succeeds for one.
        left = known.filter(handled_at=None, claimed_at__lt=now - LEASE)
        left.update(claimed_by=name, claimed_at=now)
        unhandled = {row.key: row for row in known.all() if row.handled_at is None}
    ours = tuple(key for key in events if key in unhandled and unhandled[key].claimed_by == name)
    return Claim(name, ours, len(ours) < len(unhandled))


def settle(claimed: Claim, handled: Iterable[str]) -> None:
    """Writes what was handled, and takes the rest back, so that the sender's next try is handled."""
    done = list(handled)
    own = ReceivedEvent.objects.filter(claimed_by=claimed.name, handled_at=None)
    if done:
        own.filter(key__in=done).update(handled_at=timezone.now())
    if len(done) < len(claimed.ours):
        own.delete()


def _kept(text: str | None) -> str:
    """For people who read the register: without what a database refuses, a NUL or half a character."""
    return "".join(letter for letter in text or "" if letter.isprintable())[:64]
