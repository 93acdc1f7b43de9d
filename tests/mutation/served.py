"""An emulator that has done everything but serve, and is forked from there for each mutant.

`python -m tests.mutation.served DIRECTORY` is that emulator. It reads orders, one a line, from its standard input.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from .becoming import Unimportable, apply
from .mutants import ROOT, Mutant


class Served:
    """The side that gives the orders."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(exist_ok=True)
        self.directory = directory
        self.clock_file = directory / "clock"

    def __enter__(self) -> Served:
        self.clock_file.write_text("0")
        with (self.directory / "stderr").open("a") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.mutation.served"],
                cwd=self.directory,
                env={**os.environ, "PYTHONPATH": str(ROOT), "CLOCK_FILE": str(self.clock_file)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self.url = self._until("API base").split()[-1].removesuffix("/v1")
        self._until("waiting")
        from tests.emulator import conftest

        conftest.start = self._start
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)

    def _until(self, text: str) -> str:
        assert self._process.stdout
        for line in self._process.stdout:
            if "Trouble" in line:
                break
            if text in line:
                return line
        raise RuntimeError((self.directory / "stderr").read_text()[-3000:])

    def _order(self, **order: Any) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    @contextlib.contextmanager
    def mutant(self, mutant: Mutant) -> Iterator[None]:
        """Meanwhile the emulator is this mutant, with a new database."""
        self.clock_file.write_text("0")
        (self.directory / "stderr").write_text("")  # what an earlier one complained of is not held against this one
        self._order(mutant=asdict(mutant))
        self._until("Ready")
        yield
        self._order(stop=True)
        self._until("waiting")

    @contextlib.contextmanager
    def measured(self, files: list[str]) -> Iterator[Callable[[str], Any]]:
        """Meanwhile the emulator notes which lines run. Gives what says which test it is for."""
        name = self.directory / "test"
        name.write_text("")
        self._order(measure=files)
        self._until("Ready")
        yield name.write_text
        self._order(stop=True)
        self._until("waiting")

    def lines(self) -> Any:
        """What was measured: by test and file, the lines."""
        return json.loads((self.directory / "measured.json").read_text())

    def _start(self, directory: Path, *options: str, clock: bool = True, wrapper: Any = ()) -> Any:
        """Instead of the tests' own: the emulator that they start is this one."""
        from tests.emulator.conftest import Emulator

        assert (options, clock, wrapper) == ((), True, ()), "it is one emulator, as it is"
        (directory / "stderr").write_text("")
        (directory / "clock").symlink_to(self.clock_file)
        gone: Any = SimpleNamespace(poll=lambda: 0, wait=lambda _: 0, stdout=None)
        return Emulator(url=self.url, process=gone, clock_file=self.clock_file)


# The emulator


def _serve() -> int:
    import webauthn
    from cryptography.hazmat.primitives.asymmetric import ec, rsa  # noqa: F401  once, and not for each mutant

    from django_authsignal.emulator import __main__ as emulator
    from django_authsignal.emulator import clock
    from tests.emulator.serve_with_clock import _moved

    del webauthn
    clock.source = _moved
    emulator.asyncio = SimpleNamespace(  # type: ignore[attr-defined] # for this process alone
        **{name: getattr(asyncio, name) for name in ("get_running_loop", "sleep")}, run=_run
    )
    return emulator.main(["--port", "0"])


def _run(coroutine: Any) -> None:
    """Where the emulator would begin to serve: a process for each order does, from a database that is new."""
    from django.db import connections

    from django_authsignal.emulator import urls, webhooks

    assert urls.urlpatterns  # with it, everything is imported
    webhooks.stop()
    _forget_keys()
    connections.close_all()
    database, template = Path("authsignal-emulator.sqlite3"), Path("template")
    shutil.copyfile(database, template)
    while True:
        print("waiting", flush=True)
        order = json.loads(sys.stdin.readline() or "null")
        if order is None:
            os._exit(0)
        for old in Path().glob(f"{database}*"):
            old.unlink()  # its journal too
        shutil.copyfile(template, database)
        pid = os.fork()
        if pid == 0:
            _obey(order, coroutine)
        sys.stdin.readline()
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM if "measure" in order else signal.SIGKILL)
        os.waitpid(pid, 0)


def _obey(order: Any, coroutine: Any) -> None:
    _take_webhooks()
    if "measure" in order:
        _measure(order["measure"], coroutine)
    try:
        apply(Mutant(**order["mutant"]))
        asyncio.run(coroutine)
    except Unimportable:
        pass
    except BaseException:
        traceback.print_exc()
        print("Trouble", flush=True)
    print("Ready", flush=True)  # it is not, and every test will notice
    os._exit(0)


def _take_webhooks() -> None:
    """Their threads were not forked."""
    from django_authsignal.emulator import webhooks

    webhooks._process = 0
    webhooks.start()


def _forget_keys() -> None:
    """They were made at the start, before any test: who breaks how would go unnoticed."""
    from django_authsignal.emulator import tokens
    from django_authsignal.emulator.models import SigningKey

    SigningKey.objects.all().delete()
    tokens.key.cache_clear()


def _measure(files: list[str], coroutine: Any) -> None:
    from django.core.signals import request_started

    from .covering import Measured

    measured, name, last = Measured(files), Path("test"), ""

    def switch(**_: Any) -> None:
        nonlocal last
        test = name.read_text()
        measured.switch(test)
        if test != last:
            last = test
            _forget_keys()

    request_started.connect(switch)
    with contextlib.suppress(BaseException):
        asyncio.run(coroutine)
    Path("measured.json").write_text(json.dumps(measured.stop()))
    os._exit(0)


if __name__ == "__main__":
    sys.exit(_serve())
