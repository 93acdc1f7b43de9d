"""Servers of our own, on free ports, so that they may be killed, started again and emptied."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import closing
from pathlib import Path

PATIENCE = 60  # seconds


class Missing(Exception):
    """What is needed is not installed."""


def program(name: str) -> str:
    """The path of a program. Raises Missing."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which(name, path=os.pathsep.join([os.environ["PATH"], "/usr/sbin", *map(str, places)]))
    if found is None:
        raise Missing(f"{name} is not installed")
    return found


def free_port() -> int:
    """One that nobody listens on."""
    with closing(socket.socket()) as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


class Server:
    """A server process with a folder of its own."""

    account = ""  # whom root runs it as
    farewell = signal.SIGTERM

    def __init__(self) -> None:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="chaos-"))
        self.user: str | None = None
        if os.geteuid() == 0 and self.account:
            self.user = self.account
            shutil.chown(self.folder, self.account)
        self.prepare()
        self.start()

    @classmethod
    def check(cls) -> None:
        """Raises Missing."""
        try:
            if os.geteuid() == 0 and cls.account:
                pwd.getpwnam(cls.account)
        except KeyError:
            raise Missing(f"there is no user {cls.account}, and root may not run it") from None

    def command(self) -> list[str]:
        """What starts it."""
        raise NotImplementedError

    def prepare(self) -> None:
        """What must be done once before it starts."""

    def ready(self) -> None:
        """Raises while it does not serve yet."""
        raise NotImplementedError

    def run(self, *command: str) -> None:
        """Runs a program that ends, as its user."""
        with (self.folder / "log").open("ab") as log:
            subprocess.run(command, check=True, stdout=log, stderr=log, user=self.user, cwd=self.folder)

    def start(self) -> None:
        """Starts it and waits until it serves."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, user=self.user, cwd=self.folder)
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return self.ready()
            except Exception:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise RuntimeError((self.folder / "log").read_text()[-3000:]) from None
                time.sleep(0.05)

    def crash(self, how: int = signal.SIGKILL) -> None:
        """Ends it in the middle of everything, and starts it again."""
        self.process.send_signal(how)
        self.process.wait(PATIENCE)
        self.start()

    def stop(self) -> None:
        """Ends it, and removes what it left."""
        self.process.send_signal(self.farewell)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class Redis(Server):
    """Redis: sessions in memory alone."""

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        return [program("redis-server"), "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]

    def ready(self) -> None:
        import redis

        with redis.Redis(port=self.port) as client:
            client.ping()

    def flush(self) -> None:
        """Empties it: every session is gone."""
        import redis

        with redis.Redis(port=self.port) as client:
            client.flushall()
