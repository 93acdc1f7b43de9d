"""Bring the database up to date, one process after another: those that start together would make each table twice."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from django.core.management import call_command
from django.db import OperationalError, connection

_NAME = "authsignal_emulator"
_KEY = 1635085428  # PostgreSQL's locks are numbers, of one database
_PATIENCE = 60  # seconds; whoever dies lets go at once


def migrate() -> None:
    """Raises DatabaseError when it cannot be done, or when another process does it for more than a minute."""
    with _alone():
        call_command("migrate", verbosity=0, interactive=False)


@contextmanager
def _alone() -> Iterator[None]:
    if connection.vendor == "sqlite":
        with _folder_locked(Path(connection.settings_dict["NAME"]).absolute().parent):
            yield
        return
    if connection.vendor == "postgresql":
        _ask(f"SET lock_timeout = '{_PATIENCE}s'")
        _ask("SELECT pg_advisory_lock(%s)", _KEY)
    elif connection.vendor == "mysql" and _ask("SELECT GET_LOCK(CONCAT(%s, DATABASE()), %s)", _NAME, _PATIENCE) != 1:
        raise OperationalError("another process has been migrating it for a minute")
    yield
    if connection.vendor == "postgresql":
        _ask("SELECT pg_advisory_unlock(%s)", _KEY)
        _ask("SET lock_timeout = DEFAULT")
    elif connection.vendor == "mysql":
        _ask("SELECT RELEASE_LOCK(CONCAT(%s, DATABASE()))", _NAME)


@contextmanager
def _folder_locked(folder: Path) -> Iterator[None]:
    """Not the file itself: SQLite loses its own locks when another descriptor of it is closed."""
    descriptor = -1
    with suppress(OSError):  # no such folder: opening the database says so
        descriptor = os.open(folder, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _ask(sql: str, *values: str | int) -> object:
    """The first value of the answer, if there is one."""
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchone()[0] if cursor.description else None
