"""The configuration that every track reads, remembered for a moment.

A change made by this process is seen at once, one made by another on the same database within FRESH seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from django.db import connection, transaction
from django.db.models.signals import post_delete, post_save

from django_authsignal.emulator.models import ActionConfiguration, AuthenticatorConfiguration, Rule, Tenant

FRESH = 0.5  # seconds
_MOST = 1000  # values; an action's code is whatever a caller sends

_T = TypeVar("_T")
_values: dict[tuple[str, ...], tuple[float, Any]] = {}
_changes = 0


def remember(key: tuple[str, ...], read: Callable[[], _T]) -> _T:
    """What `read` returns, or returned a moment ago. For reading only: others hold the same object."""
    ends, value = _values.get(key, (0.0, None))
    if time.monotonic() < ends:
        found: _T = value
        return found
    before = _changes
    found = read()
    # What a transaction reads it may undo, and what was read before a change is not what came of it.
    if before == _changes and not connection.in_atomic_block:
        if len(_values) >= _MOST:
            _values.clear()
        _values[key] = time.monotonic() + FRESH, found
    return found


def forget(**_: Any) -> None:
    """Forget everything: something was changed, or is being changed."""
    global _changes
    _changes += 1
    _values.clear()


def _changed(**_: Any) -> None:
    forget()
    transaction.on_commit(forget)  # another thread may have read, meanwhile, what was before


for _model in (ActionConfiguration, AuthenticatorConfiguration, Rule, Tenant):
    for _signal in (post_save, post_delete):
        _signal.connect(_changed, sender=_model, dispatch_uid=f"{__name__}.{_model.__name__}")
