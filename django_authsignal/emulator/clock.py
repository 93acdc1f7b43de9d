"""The one place that asks what time it is, so that a test can answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

source: Callable[[], float] = time.time


def timestamp() -> float:
    """Unix seconds."""
    return source()


def now() -> datetime:
    """The same, aware and in UTC."""
    return datetime.fromtimestamp(source(), UTC)


def iso(moment: datetime) -> str:
    """ISO-8601 with milliseconds and Z, as the API writes times."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
