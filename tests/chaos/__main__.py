"""`make chaos` and `make soak`: prints a table, and exits with 1 when something went wrong.

Servers are our own: PostgreSQL, MariaDB and Redis on free ports. What is not installed is said to be skipped.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from django_authsignal.testing import emulator as emulators

from .own_databases import MariaDB, Postgres
from .parts import PARTS, Report, Run
from .servers import Missing, Redis, Server
from .site import PATIENCE, Site
from .soak import soak

DATABASES: dict[str, type[Server] | None] = {"sqlite": None, "postgres": Postgres, "mariadb": MariaDB}


def main() -> int:
    """0 when nothing went wrong."""
    options, report = _options(), Report()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # leaves no server behind
    with tempfile.TemporaryDirectory(prefix="chaos-") as name, ExitStack() as stack:
        emulator = emulators.start(Path(name), "--default-outcome", "CHALLENGE", patience=PATIENCE)
        stack.callback(emulator.stop)
        try:
            redis = stack.enter_context(_running(Redis))
            run = Run(Path(name), emulator, redis, report, options)
            _soak(run) if options.what == "soak" else _chaos(run)
        except Missing as exc:
            report.skip("everything", exc)
    print(f"failed: {', '.join(report.failed)}" if report.failed else "nothing went wrong")
    return 1 if report.failed else 0


def _chaos(run: Run) -> None:
    for database in run.options.databases:
        kind = DATABASES[database]
        try:
            with _running(kind) as server:
                for part in run.options.parts:
                    for atomic in (False, True):
                        run.part(database, server, part, atomic=atomic)
        except Missing as exc:
            run.report.skip(database, exc)


def _soak(run: Run) -> None:
    with _running(Postgres) as postgres:
        site = Site(run.folder, run.emulator, postgres.url, run.redis.url, threads=4, preload=False).start()
        began = time.monotonic()
        try:
            figures, (_, wrong) = soak(site, minutes=run.options.minutes, people=4)
        finally:
            site.stop()
    for name, value in figures.items():
        print(f"| {name:<34} | {value:>12,.1f} |")
    run.report.line("soak", "2 gunicorn workers, PostgreSQL, Redis", wrong, time.monotonic() - began)


@contextmanager
def _running(kind: type[Server] | None) -> Iterator[Any]:
    if kind is None:
        yield None
        return
    kind.check()
    server = kind()
    try:
        yield server
    finally:
        server.stop()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("what", choices=("chaos", "soak"))
    parser.add_argument("--rounds", type=int, default=20, help="of each race")
    parser.add_argument("--at-once", type=int, default=100, help="requests of a race")
    parser.add_argument("--kills", type=int, default=200, help="on each database, half of them under ATOMIC_REQUESTS")
    parser.add_argument("--deaths", type=int, help="at so many points by chance, not at each")
    parser.add_argument("--strikes", type=int, default=5, help="how often a database crashes, and Redis is emptied")
    parser.add_argument("--minutes", type=float, default=30, help="of the soak")
    parser.add_argument("--databases", nargs="+", choices=DATABASES, default=list(DATABASES))
    parser.add_argument("--sessions", choices=("redis", "database"), default="redis", help="where they are kept")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
