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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django_authsignal.testing import emulator as emulators
from django_authsignal.testing.emulator import RunningEmulator

from .kills import Outcome, die, kill
from .outages import crash, forget
from .races import race
from .servers import MariaDB, Missing, Postgres, Redis, Server
from .site import Site
from .soak import soak

DATABASES: dict[str, type[Server] | None] = {"sqlite": None, "postgres": Postgres, "mariadb": MariaDB}
PARTS = ("races", "kills", "points", "outages")
SHOWN = 20  # lines of what went wrong


@dataclass
class Report:
    """What ran, and what went wrong in it."""

    failed: list[str] = field(default_factory=list)

    def line(self, title: str, figures: str, wrong: list[str], seconds: float) -> None:
        """One line of the table."""
        print(f"| {title:<34} | {figures:<58} | {len(wrong):>5} wrong | {seconds:>5.0f} s |", flush=True)
        for one in wrong[:SHOWN]:
            print(f"      {one}", flush=True)
        self.failed += [title] if wrong else []

    def skip(self, what: str, why: Exception) -> None:
        """Said out loud; it is no success."""
        print(f"| {what:<34} | SKIPPED: {why}", flush=True)
        self.failed.append(what)


@dataclass
class Run:
    """What every part needs."""

    folder: Path
    emulator: RunningEmulator
    redis: Redis
    report: Report
    options: argparse.Namespace

    def part(self, database: str, server: Server | None, part: str, *, atomic: bool) -> None:
        """One part, on a site of its own."""
        url = getattr(server, "url", "")
        size = {"workers": 2, "threads": self.options.at_once // 2} if part == "races" else {"workers": 3, "threads": 4}
        site = Site(self.folder, self.emulator, url, self.redis.url, atomic, **size).start()
        try:
            for title, figures, wrong, seconds in getattr(self, part)(site, server):
                name = f"{title}, {database}{', atomic' if atomic else ''}"
                self.report.line(name, figures, wrong + _crashed(site), seconds)
        finally:
            site.stop()

    def races(self, site: Site, server: Server | None) -> Iterator[Any]:
        began = time.monotonic()
        ran, wrong = race(site, rounds=self.options.rounds, number=self.options.at_once)
        yield "races", ", ".join(f"{count} x {kind}" for kind, count in ran.items()), wrong, time.monotonic() - began

    def kills(self, site: Site, server: Server | None) -> Iterator[Any]:
        yield _told("kills", lambda: kill(site, kills=self.options.kills // 2, people=8))

    def points(self, site: Site, server: Server | None) -> Iterator[Any]:
        yield _told("points", lambda: die(site))

    def outages(self, site: Site, server: Server | None) -> Iterator[Any]:
        if server is not None:
            yield _told("database crashes", lambda: crash(site, server.crash, times=self.options.strikes, people=6))
        yield _told("Redis emptied", lambda: forget(site, self.redis.flush, times=self.options.strikes, people=6))


def _told(title: str, run: Any) -> tuple[str, str, list[str], float]:
    began = time.monotonic()
    outcome: Outcome = run()
    seen, wrong = outcome
    count = {name: seen[name] for name in ("kills", "deaths", "strikes", "days", "begun") if seen[name]}
    count["lost"] = sum(number for step, number in seen.items() if step.endswith(": lost"))
    return title, ", ".join(f"{number} {name}" for name, number in count.items()), wrong, time.monotonic() - began


def _crashed(site: Site) -> list[str]:
    """Errors of Django that the log has; not those of a database that was away."""
    return []


def main() -> int:
    """0 when nothing went wrong."""
    options, report = _options(), Report()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # leaves no server behind
    with tempfile.TemporaryDirectory(prefix="chaos-") as name, ExitStack() as stack:
        emulator = emulators.start(Path(name), "--default-outcome", "CHALLENGE")
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
    parser.add_argument("--strikes", type=int, default=5, help="how often a database crashes, and Redis is emptied")
    parser.add_argument("--minutes", type=float, default=30, help="of the soak")
    parser.add_argument("--databases", nargs="+", choices=DATABASES, default=list(DATABASES))
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
