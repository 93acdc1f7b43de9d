"""Who would have been asked, while ENFORCE only observes: counted from the ledger."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from django.db.models import Count

from ..models import Challenge
from ..observing import PREFIX


class Observation(NamedTuple):
    """What would have happened, how often, and to how many people."""

    action: str
    outcome: str
    times: int
    users: int


def observations(*, since: datetime | None = None, actions: Iterable[str] = ()) -> list[Observation]:
    """By action and outcome, the most frequent outcome of each action first."""
    rows = Challenge.objects.filter(reason__startswith=PREFIX).order_by()
    rows = rows.filter(created_at__gte=since) if since else rows
    rows = rows.filter(action__in=list(actions)) if actions else rows
    counted = rows.values("action", "reason").annotate(times=Count("pk"), users=Count("user_pk", distinct=True))
    found = [
        Observation(row["action"], row["reason"].removeprefix(PREFIX), row["times"], row["users"]) for row in counted
    ]
    return sorted(found, key=lambda one: (one.action, -one.times, one.outcome))
