"""What a client tells its observer, for those who measure and alert."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Called:
    """One call ended."""

    operation: str  # the client's method
    seconds: float  # all of it, with every waiting between attempts
    attempts: int  # how often it was sent; 0: it was not
    outcome: str  # "ok", or the name of the error's class
    status: int | None  # the last answer's, where there was one


@dataclass(frozen=True, slots=True)
class Circuit:
    """The circuit breaker of an API opened or closed, in this process."""

    base_url: str
    state: str  # "open": calls are not made; "closed": they are again


Observer = Callable[[Called | Circuit], object]
