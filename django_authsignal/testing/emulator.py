"""A real emulator for tests: a process of its own, on a free port, gone when the tests are."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

PATIENCE = 30  # seconds until it must be ready
SECRET = "emulator_secret"  # noqa: S105 - the emulator's own, known to everybody
TENANT = "emulator"


@dataclass(frozen=True)
class RunningEmulator:
    """Where a started emulator answers. `api_url` goes into AUTHSIGNAL["API_URL"]."""

    process: subprocess.Popen[str]
    url: str
    secret: str = SECRET
    tenant: str = TENANT

    @property
    def api_url(self) -> str:
        """The base address of its Server API."""
        return f"{self.url}/v1"

    @property
    def settings(self) -> dict[str, Any]:
        """The keys of AUTHSIGNAL that point at it."""
        return {"EMULATOR": True, "API_URL": self.api_url, "API_SECRET_KEY": self.secret, "TENANT_ID": self.tenant}

    def configure(self, action: str, outcome: str = "CHALLENGE") -> None:
        """Sets what an action's track answers: ALLOW, CHALLENGE, REVIEW or BLOCK."""
        body = {"actionCode": action, "defaultUserActionResult": outcome}
        url = f"{self.api_url}/management/action-configurations"
        requests.post(url, json=body, auth=(self.secret, ""), timeout=PATIENCE).raise_for_status()

    def inbox(self, to: str | None = None) -> list[dict[str, Any]]:
        """The mail it sent, newest first."""
        query = {"to": to} if to else {}
        found: list[dict[str, Any]] = requests.get(f"{self.url}/inbox.json", query, timeout=PATIENCE).json()
        return found

    def stop(self) -> None:
        """Ends it. Safe to call twice."""
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(PATIENCE)
        if self.process.stdout:
            self.process.stdout.close()


def start(directory: Path, *options: str, patience: float = PATIENCE) -> RunningEmulator:
    """Starts an emulator whose database lies in `directory`, ready within `patience` seconds.

    Raises RuntimeError, with what it said, when it fails.
    """
    command = [sys.executable, "-m", "django_authsignal.emulator", "--port", "0", *options]
    with (directory / "emulator.log").open("a") as errors:
        process = subprocess.Popen(command, cwd=directory, stdout=subprocess.PIPE, stderr=errors, text=True)  # noqa: S603  our own command
    watchdog = threading.Timer(patience, process.kill)
    watchdog.start()
    url = ""
    for line in process.stdout or ():
        if "API base" in line:
            url = line.split()[-1].removesuffix("/v1")
        if line.strip() == "Ready":
            break
    watchdog.cancel()
    if not url:
        said = (directory / "emulator.log").read_text()[-2000:]
        raise RuntimeError(f"The emulator did not start. Is django-authsignal[emulator] installed?\n{said}")
    return RunningEmulator(process, url)
