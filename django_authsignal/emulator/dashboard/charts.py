"""How many actions are in which state, by when they were tracked: numbers for a table and a drawing of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Case, Count, IntegerField, Value, When
from django.utils.translation import gettext_lazy as _

from django_authsignal.client.types import State
from django_authsignal.emulator import clock
from django_authsignal.emulator.models import Action

_BARS = 24
_MOST = 20_000  # actions that are counted: the page is asked for every two seconds
_WIDTH, _HEIGHT = 720, 160
SPANS: dict[str, tuple[Any, timedelta]] = {
    "hour": (_("Last hour"), timedelta(minutes=2, seconds=30)),
    "day": (_("Last day"), timedelta(hours=1)),
    "week": (_("Last week"), timedelta(hours=7)),
}
# From what needs nobody, over what is open, to what was refused.
_ORDER = (
    State.ALLOW,
    State.CHALLENGE_SUCCEEDED,
    State.REVIEW_SUCCEEDED,
    State.CHALLENGE_REQUIRED,
    State.REVIEW_REQUIRED,
    State.CHALLENGE_FAILED,
    State.REVIEW_FAILED,
    State.BLOCK,
)


@dataclass(frozen=True)
class Bar:
    x: float
    y: float
    height: float
    state: str


@dataclass(frozen=True)
class Chart:
    span: str
    total: int
    most: int  # in one column
    starts: datetime
    ends: datetime
    states: Sequence[tuple[str, int]]  # those that occur, with their sums
    counts: Sequence[tuple[datetime, Sequence[int]]]  # one row for each column that is not empty
    bars: Sequence[Bar]
    is_cut: bool

    width, height, column = _WIDTH, _HEIGHT, _WIDTH / _BARS * 0.72


def draw(span: str) -> Chart:
    size = SPANS[span][1]
    # On the clock's own marks, so that columns stay where they are while time passes.
    step = int(size.total_seconds() * 1000)
    newest = int(clock.now().timestamp() * 1000) // step
    edges = [datetime.fromtimestamp((newest - _BARS + 1 + place) * step / 1000, UTC) for place in range(_BARS + 1)]
    found = _count(edges)
    states = [state for state in _ORDER if any(state in column for column in found[0])]
    most = max((sum(column.values()) for column in found[0]), default=0)
    bars = []
    for place, column in enumerate(found[0]):
        top = float(_HEIGHT)
        for state in states:
            if number := column.get(state, 0):
                height = _HEIGHT * number / most
                top -= height
                bars.append(Bar(round((place + 0.14) * _WIDTH / _BARS, 2), round(top, 2), round(height, 2), state))
    counts = [
        (edges[place], [column.get(state, 0) for state in states]) for place, column in enumerate(found[0]) if column
    ]
    sums = [(state.value, sum(column.get(state, 0) for column in found[0])) for state in states]
    total = sum(number for _state, number in sums)
    return Chart(span, total, most, edges[0], edges[-1], sums, counts, bars, found[1])


def _count(edges: Sequence[datetime]) -> tuple[list[dict[str, int]], bool]:
    """For each column the number of actions by state, and whether there were too many to count them all."""
    newest = Action.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    places = [When(created_at__gte=edges[i], created_at__lt=edges[i + 1], then=Value(i)) for i in range(_BARS)]
    rows = Action.objects.filter(pk__gt=newest - _MOST, created_at__gte=edges[0], created_at__lt=edges[-1])
    counted = rows.annotate(place=Case(*places, output_field=IntegerField())).values("place", "state")
    columns: list[dict[str, int]] = [{} for _place in range(_BARS)]
    for row in counted.annotate(number=Count("pk")).order_by():
        columns[row["place"]][row["state"]] = row["number"]
    older = Action.objects.filter(pk__lte=newest - _MOST).order_by("-pk").values_list("created_at", flat=True).first()
    return columns, bool(older and older >= edges[0])
