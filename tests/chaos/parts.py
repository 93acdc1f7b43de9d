"""The parts of `make chaos`, each on a site of its own, and the table that they fill."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django_authsignal.testing.emulator import RunningEmulator

from .kills import Outcome, die, kill
from .outages import crash, forget
from .races import race
from .servers import Redis, Server
from .site import Site

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
        sessions = self.redis.url if self.options.sessions == "redis" else ""
        site = Site(self.folder, self.emulator, url, sessions, atomic, **size).start()
        try:
            for title, figures, wrong, seconds in getattr(self, part)(site, server):
                name = f"{title}, {database}{', atomic' if atomic else ''}"
                self.report.line(name, figures, wrong, seconds)
        finally:
            site.stop()

    def races(self, site: Site, server: Server | None) -> Iterator[Any]:
        began = time.monotonic()
        ran, wrong = race(site, rounds=self.options.rounds, number=self.options.at_once)
        yield "races", ", ".join(f"{count} x {kind}" for kind, count in ran.items()), wrong, time.monotonic() - began

    def kills(self, site: Site, server: Server | None) -> Iterator[Any]:
        yield _told("kills", lambda: kill(site, kills=self.options.kills // 2, people=8))

    def points(self, site: Site, server: Server | None) -> Iterator[Any]:
        yield _told("points", lambda: die(site, deaths=self.options.deaths))

    def outages(self, site: Site, server: Server | None) -> Iterator[Any]:
        if server is not None:
            yield _told("database crashes", lambda: crash(site, server.crash, times=self.options.strikes, people=6))
        empty = self.redis.flush if site.cache_url else site.forget
        yield _told("sessions emptied", lambda: forget(site, empty, times=self.options.strikes, people=6))


def _told(title: str, run: Any) -> tuple[str, str, list[str], float]:
    began = time.monotonic()
    outcome: Outcome = run()
    seen, wrong = outcome
    count = {name: seen[name] for name in ("kills", "deaths", "strikes", "days", "begun") if seen[name]}
    count["lost"] = sum(number for step, number in seen.items() if step.endswith(": lost"))
    return title, ", ".join(f"{number} {name}" for name, number in count.items()), wrong, time.monotonic() - began
