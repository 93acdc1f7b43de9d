"""The matrix' site in a real server, what arrived there, and what rests there."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from django.contrib.sessions.backends.db import SessionStore
from django.core import signing

ROOT = Path(__file__).resolve().parent.parent.parent
KEY = "tests only, and long enough for every algorithm that asks"
COMMANDS = {
    "gunicorn": "gunicorn -w 2 --threads 4 -b {host}:{port} --access-logfile - tests.matrix.wsgi",
    "uvicorn": "uvicorn --host {host} --port {port} --lifespan off tests.matrix.asgi:application",
}


def free_port() -> int:
    with closing(socket.socket()) as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@dataclass
class Site:
    """A running server. `arrived` lists what the guarded view wrote down."""

    folder: Path
    emulator: str
    host: str = "localhost"
    environment: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def start(self, server: str) -> None:
        """Makes the database, starts the server and waits until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "DJANGO_SETTINGS_MODULE": "tests.matrix.settings",
            "MATRIX_SITE": str(self.folder),
            "MATRIX_EMULATOR": f"{self.emulator}/v1",
            **self.environment,
        }
        run = {"cwd": ROOT, "env": self._environment}
        subprocess.run([sys.executable, "-m", "django", "migrate", "-v0"], check=True, timeout=60, **run)
        command = COMMANDS[server].format(host="127.0.0.1", port=self.port).split()
        self._log = (self.folder / "server.log").open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", *command], stdout=self._log, stderr=subprocess.STDOUT, **run
        )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                requests.get(f"http://127.0.0.1:{self.port}/leave/", timeout=2)
                return
            except requests.RequestException:
                assert self._process.poll() is None, (self.folder / "server.log").read_text()
                time.sleep(0.1)
        raise AssertionError("the server did not answer within 30 s")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(20)
        self._log.close()

    @property
    def log(self) -> str:
        return (self.folder / "server.log").read_text()

    def arrived(self, mark: str) -> list[dict[str, Any]]:
        """Everything the guarded view was given with this mark, in the order of coming."""
        written = self.folder.with_suffix(".arrived")
        lines = written.read_text().splitlines() if written.exists() else []
        return [found for found in map(json.loads, lines) if mark in _text(found)]

    def at_rest(self) -> Iterator[tuple[str, str]]:
        """Every text this server keeps: its log, each cell of its database, its sessions read, its cache."""
        yield "log", self.log
        with closing(sqlite3.connect(self.folder / "site.sqlite3", timeout=20)) as connection:
            tables = [row[0] for row in connection.execute("select name from sqlite_master where type='table'")]
            for table in tables:
                for row in connection.execute(f'select * from "{table}"'):
                    yield table, repr(row)
                    if table == "django_session":
                        yield "session", repr(_session(row[1]))
        for file in (self.folder / "cache").rglob("*") if (self.folder / "cache").exists() else ():
            if file.is_file():
                yield "cache", file.read_bytes().decode("latin-1")


def _session(data: str) -> Any:
    # As django.contrib.sessions reads it.
    store = SessionStore()
    return signing.loads(data, key=KEY, salt=store.key_salt, serializer=store.serializer)


def _text(found: dict[str, Any]) -> str:
    import base64

    return json.dumps(found) + base64.b64decode(found["body"]).decode("latin-1")
