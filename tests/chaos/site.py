"""The site in gunicorn: a master, its workers, and what they said."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django_authsignal.testing.emulator import RunningEmulator

from .browser import Browser

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120  # seconds until it must answer; other things may be running


@dataclass
class Site:
    """One site on one database. `cache_url`: the Redis that holds the sessions, "": the database does."""

    parent: Path
    emulator: RunningEmulator
    database_url: str = ""
    cache_url: str = ""
    atomic: bool = False
    workers: int = 2
    threads: int = 12
    preload: bool = True  # workers that replace a killed one are forked, not started
    port: int = 0
    folder: Path = field(init=False)

    def __post_init__(self) -> None:
        self.folder = self.parent / f"site{uuid.uuid4().hex[:10]}"
        (self.folder / "workers").mkdir(parents=True)

    @property
    def environment(self) -> dict[str, str]:
        """What its processes run in; also those that judge it."""
        ours = {
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
            "DJANGO_SETTINGS_MODULE": "tests.chaos.settings",
            "CHAOS_FOLDER": str(self.folder),
            "CHAOS_EMULATOR": self.emulator.api_url,
            "CHAOS_ATOMIC": "1" if self.atomic else "",
            "DATABASE_URL": self.database_url or f"sqlite:///{self.folder}/site.sqlite3",
            "CACHE_URL": self.cache_url,
        }
        return {**os.environ, **ours}

    def start(self) -> Site:
        """Makes the tables, starts the workers, and waits until one answers. Raises RuntimeError with what it said."""
        # One process both makes the tables and becomes gunicorn: Django is imported once.
        options = f"-w {self.workers} --threads {self.threads} -c python:tests.chaos.workers --timeout 120".split()
        options += ["--log-level", "warning", *(["--preload"] if self.preload else [])]
        self.log = self.folder / "log"
        with socket.create_server(("127.0.0.1", self.port), backlog=512) as listener, self.log.open("a") as log:
            self.port = listener.getsockname()[1]
            command = [sys.executable, "-m", "tests.chaos.serve", f"--bind=fd://{listener.fileno()}", *options]
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=self.environment, pass_fds=[listener.fileno()], stdout=log, stderr=log
            )
        deadline = time.monotonic() + PATIENCE
        while not self.pids():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"The site did not start.\n{self.said()[-3000:]}")
            time.sleep(0.02)
        return self

    def pids(self) -> list[int]:
        """The workers that live."""
        return sorted(int(one.name) for one in (self.folder / "workers").iterdir())

    def kill(self, pid: int) -> bool:
        """Kills one of them, as nothing can prepare for. False when it was gone already."""
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    def forget(self) -> None:
        """Deletes every session."""
        if Browser(self.port).get("/forget/").status != 200:
            raise RuntimeError(self.said()[-3000:])

    def said(self) -> str:
        """Its log: warnings and worse, of gunicorn and of Django."""
        return self.log.read_text(errors="replace")

    def judge(self) -> dict[str, Any]:
        """What a process of its own finds in database and sessions; see judge.py."""
        command = [sys.executable, "-m", "tests.chaos.judge"]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=120)
        if done.returncode:
            raise RuntimeError(done.stderr[-3000:])
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def stop(self) -> None:
        """Ends it. Safe to call twice."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
