"""For commands, which may wait where a request may not: a call that is told to slow down is made again."""

import time
from collections.abc import Callable
from typing import TypeVar

from ..client import AuthsignalError, ConfigurationError, Forbidden, RateLimited, Refused, Unauthorized, Unreachable

T = TypeVar("T")

TRIES = 6
LONGEST = 120.0  # seconds between two of them
OUTAGES = 3  # in a row, until it is no use to go on


class Stopped(Exception):
    """It is no use to go on: every further call would fail as the last ones did."""


def patiently(call: Callable[[], T]) -> T:
    """The call's answer. After a 429 it waits as long as Authsignal says, or 1, 2, 4… s, and calls again."""
    for attempt in range(TRIES - 1):
        try:
            return call()
        except RateLimited as exc:
            asked = exc.retry_after if exc.retry_after is not None else float(2**attempt)
            if asked > LONGEST:
                raise
            time.sleep(max(asked, 0.1))
    return call()


class Weather:
    """Counts outages in a row."""

    def __init__(self) -> None:
        self._outages = 0

    def fair(self) -> None:
        """A call was answered."""
        self._outages = 0

    def foul(self, error: Exception) -> None:
        """A call failed. Raises Stopped when the next one would, too."""
        if isinstance(error, Unauthorized | Forbidden | ConfigurationError | RateLimited):
            raise Stopped(reason(error)) from error
        if isinstance(error, Unreachable):
            self._outages += 1
        if self._outages >= OUTAGES:
            raise Stopped(f"{OUTAGES} times in a row: {reason(error)}") from error


def reason(error: Exception) -> str:
    """Why a call failed, fit to be printed: a refusal may quote the address or the secret that it refuses."""
    if isinstance(error, Refused):
        return f"Authsignal answered {error.status}" + (f" ({error.code})" if error.code else "")
    # What a project's own function raises may quote anything.
    return str(error) if isinstance(error, AuthsignalError | ConfigurationError) else type(error).__name__
