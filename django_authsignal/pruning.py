"""Keeping the ledger no longer than it is needed: rows that ran out are closed, old ones go, or lose their names."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings as django_settings
from django.db.models import Q, QuerySet
from django.utils import timezone

from .conf import get_settings, valid_action
from .identity import PSEUDONYM, pseudonym
from .ledger import kept_for
from .models import Challenge, Channel, ReceivedEvent, Status
from .policy import get_policy

BATCH = 500  # rows in one statement: no long lock, and what SQLite takes
WAITING = (Status.OPEN, Status.REVIEW)


@dataclass(frozen=True)
class Pruned:
    """How many rows: closed because they ran out, deleted (or without names now), kept because they still count.

    `events`: how many of Authsignal's events are no longer known by their ids.
    """

    expired: int
    old: int
    counting: int
    events: int = 0


def prune(*, days: int, pseudonymise: bool = False, dry_run: bool = False) -> Pruned:
    """Closes what ran out, then deletes closed rows older than so many days, or takes the names out of them.

    Never a row that waits for its proof or its release, and never one whose proof may still be used.
    """
    now = timezone.now()
    late = Challenge.objects.filter(status__in=WAITING, expires_at__lt=now)
    expired = late.count() if dry_run else _expire(late, now)
    old = counting = 0
    for rows in _batches(now - timedelta(days=days), pseudonymise):
        ids = [row.pk for row in rows if not counts(row, now)]
        counting += len(rows) - len(ids)
        old += len(ids) if dry_run else _let_go(ids, pseudonymise)
    received = ReceivedEvent.objects.filter(received_at__lt=now - timedelta(days=days))
    return Pruned(expired, old, counting, received.count() if dry_run else received.delete()[0])


def counts(row: Challenge, now: datetime) -> bool:
    """True while a pass that rests on this row may still be used."""
    if row.status not in (Status.PROVED, Status.RELEASED):
        return False
    since = row.proved_at or row.checked_at or row.created_at
    return now < since + timedelta(seconds=_age(row))


def _age(row: Challenge) -> int:
    ours = get_settings()
    if row.single_use or row.status == Status.RELEASED:  # for one request, which may come as late as a proof may
        challenge_age = get_policy(row.action).challenge_age if valid_action(row.action) else ours.CHALLENGE_AGE
        return max(row.max_age or 0, challenge_age, ours.CHALLENGE_AGE)
    # None: as long as the session; without one, as any other proof.
    lasting = ours.MAX_AGE if row.channel == Channel.API else django_settings.SESSION_COOKIE_AGE
    now = kept_for(row) if valid_action(row.action) else row.max_age
    # Settings may have been others when it was asked for.
    return max(lasting if age is None else age for age in (now, row.max_age))


def _expire(late: QuerySet[Challenge], now: datetime) -> int:
    return late.update(status=Status.EXPIRED, reason="expired", closed_at=now, return_to="")


def _batches(before: datetime, pseudonymise: bool) -> Iterator[list[Challenge]]:
    closed = Challenge.objects.filter(created_at__lt=before).exclude(status__in=WAITING)
    if pseudonymise:
        closed = closed.exclude(user_pk__startswith=PSEUDONYM)
    closed = closed.order_by("created_at", "pk")
    rows = list(closed[:BATCH])
    while rows:
        yield rows
        last = rows[-1]
        after = Q(created_at__gt=last.created_at) | Q(created_at=last.created_at, pk__gt=last.pk)
        rows = list(closed.filter(after)[:BATCH])


def _let_go(ids: list[uuid.UUID], pseudonymise: bool) -> int:
    rows = Challenge.objects.filter(pk__in=ids).exclude(status__in=WAITING)
    if not pseudonymise:
        return rows.delete()[0]
    done = 0
    for pk, user_pk in list(rows.values_list("pk", "user_pk")):
        done += Challenge.objects.filter(pk=pk).update(**pseudonym(user_pk))
    return done
