"""Requests in each other's way, on any database and from any process: whoever is in the way is done once more.

A user is deleted while somebody enrols them, or MariaDB ends one of two transactions that wait for each other. The
database rolls the loser back, so nothing of it was answered, and another try meets what the winner left.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from django.core.exceptions import ObjectDoesNotExist
from django.db import DatabaseError, DataError, InternalError, NotSupportedError, OperationalError, ProgrammingError

_TRIES = 6
_PAUSE = 0.01  # seconds, at most, before the second try; doubled before each later one
_LOST = ("40001", "40P01", 1213, 1020)  # PostgreSQL's and MariaDB's names of a deadlock, and of a row that has changed
_FAULTS = (DataError, InternalError, NotSupportedError, ProgrammingError)

T = TypeVar("T")


def again(work: Callable[[], T]) -> T:
    """The result of `work`, which is tried anew when a race undid it. Not inside a transaction.

    Work that loses six times has a fault of its own: its error is raised.
    """
    for attempt in range(_TRIES - 1):
        try:
            return work()
        except (DatabaseError, ObjectDoesNotExist) as exc:
            if not _is_lost(exc):
                raise
        # At random, so that two who met do not meet again.
        time.sleep(random.uniform(0, _PAUSE * 2**attempt))  # noqa: S311  a pause is no secret
    return work()


def _is_lost(exc: Exception) -> bool:
    """True for what another request can cause: a row that went away or came first, or a lock that was taken away."""
    if isinstance(exc, OperationalError):
        return getattr(exc.__cause__, "sqlstate", None) in _LOST or next(iter(exc.args), None) in _LOST
    return not isinstance(exc, _FAULTS)  # DoesNotExist, IntegrityError, and what save() raises when its row is gone
