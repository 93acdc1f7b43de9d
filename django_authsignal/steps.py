"""Walking the gate's steps: one logic for sync and async callers.

The gate is a generator that yields every call to Authsignal instead of making it. None of it runs while a call is
under way, so no lock and no write transaction of ours waits for the network.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.db import connections

from .client import AuthsignalError

T = TypeVar("T")
Steps = Generator[Callable[[], Any], Any, T]
# What the gate is told of, to decide: a call without a usable answer, and an id that no call can carry.
FAILURES = (AuthsignalError, ValueError)


def run(steps: Steps[T]) -> T:
    """Walks the steps, making each call here and now."""
    outcome = _advance(steps, None, None)
    while not outcome.done:
        try:
            result, error = outcome.value(), None
        except FAILURES as exc:
            result, error = None, exc
        outcome = _advance(steps, result, error)
    return outcome.value  # type: ignore[no-any-return] # StopIteration does not say of what


async def arun(steps: Steps[T]) -> T:
    """The same for async callers: database and session in Django's own thread, calls beside it."""
    advance = sync_to_async(_advance, thread_sensitive=True)
    outcome = await advance(steps, None, None)
    while not outcome.done:
        try:
            result, error = await sync_to_async(Unseen(outcome.value), thread_sensitive=False)(), None
        except FAILURES as exc:
            result, error = None, exc
        outcome = await advance(steps, result, error)
    return outcome.value  # type: ignore[no-any-return] # StopIteration does not say of what


class Unseen:
    """A call that is made in another thread, and whose arguments no error report shows.

    Django's `sensitive_variables` hides nothing in the frames of asgiref that hand a call over.
    """

    def __init__(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        self._call = partial(call, *args, **kwargs)

    def __call__(self) -> Any:
        """Makes the call."""
        return self._call()


@dataclass(frozen=True)
class _Step:
    done: bool
    value: Any = field(repr=False)  # a call's arguments: a token among them


def _advance(steps: Steps[Any], result: Any, error: Exception | None) -> _Step:
    # StopIteration must not cross a thread's future, so the end of the steps is a value.
    try:
        return _Step(False, steps.throw(error) if error else steps.send(result))
    except StopIteration as stop:
        return _Step(True, stop.value)


def opens_transactions() -> bool:
    """True when views run inside a transaction (ATOMIC_REQUESTS of any database)."""
    return any(options.get("ATOMIC_REQUESTS") for options in connections.settings.values())


def in_transaction() -> bool:
    """True inside an `atomic` block of any database, those of Django's TestCase excepted.

    A call made there would hold its locks for as long as the call takes, and a rollback would take the ledger's row.
    """
    return any(
        not getattr(block, "_from_testcase", False)
        for connection in connections.all(initialized_only=True)
        for block in connection.atomic_blocks
    )
