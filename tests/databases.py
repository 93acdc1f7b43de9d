"""New databases on the server that the suite runs on, for processes of their own: an emulator, a site in gunicorn."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

POSTGRES = os.environ.get("EMULATOR_POSTGRES", "postgres://postgres@127.0.0.1:5432")
MARIADB = os.environ.get("EMULATOR_MARIADB", "mysql://root@127.0.0.1:3306")


def postgres() -> Any:
    try:
        return psycopg.connect(f"{POSTGRES}/postgres", autocommit=True, connect_timeout=3)
    except psycopg.OperationalError:
        pytest.skip(f"no PostgreSQL answers at {POSTGRES}")


def mariadb() -> Any:
    driver = pytest.importorskip("MySQLdb", reason="mysqlclient is not installed: it needs libmariadb-dev to build")
    try:
        return driver.connect(host="127.0.0.1", port=3306, user="root", connect_timeout=3)
    except driver.OperationalError:
        pytest.skip(f"no MariaDB answers at {MARIADB}")


# The database that the rest of the suite runs on.
SCHEME = os.environ.get("DATABASE_URL", "sqlite:").partition(":")[0]
KIND = {"postgres": "postgres", "postgresql": "postgres", "mysql": "mariadb"}.get(SCHEME, "sqlite")


@contextmanager
def new_database(kind: str, directory: Path) -> Iterator[str]:
    """The URL of a new, empty database."""
    name = f"tests_{uuid.uuid4().hex[:12]}"
    if kind == "sqlite":
        yield f"sqlite:///{directory}/{name}.sqlite3"
        return
    on_postgres = kind == "postgres"
    server = postgres() if on_postgres else mariadb()
    options = "" if on_postgres else " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
    server.cursor().execute(f"CREATE DATABASE {name}{options}")
    yield f"{POSTGRES if on_postgres else MARIADB}/{name}"
    server.cursor().execute(f"DROP DATABASE {name}{' WITH (FORCE)' if on_postgres else ''}")
    server.close()
