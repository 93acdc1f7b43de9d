"""A real emulator in a real process, spoken to by HTTP only."""

from __future__ import annotations

import contextlib
import itertools
import os
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyotp
import pytest
import requests
from playwright.sync_api import Browser

from .authenticator import SoftwareAuthenticator
from .hosted_browser import App as WebApp
from .hosted_browser import Visitor, chromium_running, visitor

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60  # seconds for an answer, of a machine that has much to do


@dataclass
class Api:
    """An emulator, spoken to, whoever has started it."""

    url: str
    secret: str = "emulator_secret"
    tenant: str = "emulator"
    http: requests.Session = field(default_factory=requests.Session)

    @property
    def api(self) -> str:
        return f"{self.url}/v1"

    def server(self, method: str, path: str, body: Any = None, **kwargs: Any) -> requests.Response:
        return self.http.request(
            method, f"{self.api}/{path}", json=body, auth=(self.secret, ""), timeout=PATIENCE, **kwargs
        )

    def post(self, path: str, body: Any = None) -> Any:
        """The answer of a Server API call that must succeed."""
        response = self.server("POST", path, body)
        assert response.status_code == 200, response.text
        return response.json()

    def client(self, method: str, path: str, token: str, body: Any = None) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{self.api}/client/{path}"
        return requests.request(method, url, json=body, headers=headers, timeout=PATIENCE)

    def call(self, path: str, token: str, body: Any = None) -> Any:
        """The answer of a Client API POST that must succeed."""
        response = self.client("POST", path, token, body)
        assert response.status_code == 200, response.text
        return response.json()

    def anonymous(self, path: str, body: Any = None) -> requests.Response:
        return requests.post(f"{self.api}/client/{path}", json=body, auth=(self.tenant, ""), timeout=PATIENCE)

    def configure(self, outcome: str, methods: list[str] | None = None) -> str:
        """A new action code with this outcome."""
        code = f"act-{uuid.uuid4().hex[:12]}"
        body = {"actionCode": code, "defaultUserActionResult": outcome, "verificationMethods": methods}
        self.post("management/action-configurations", body)
        return code

    def track(self, user: str, action: str, **attributes: Any) -> Any:
        return self.post(f"users/{user}/actions/{action}", attributes)

    def validate(self, token: str, **expected: str) -> Any:
        return self.post("validate", {"token": token, **expected})

    @contextlib.contextmanager
    def having(self, method: str, **changes: Any) -> Iterator[None]:
        """Meanwhile the tenant's configuration of the method is changed."""
        rows = self.server("GET", "management/authenticator-configurations").json()
        (row,) = (one for one in rows if one["verificationMethod"] == method)
        with self._changed(f"management/authenticator-configurations/{row['authenticatorId']}", row, changes):
            yield

    def with_tenant(self, **changes: Any) -> contextlib.AbstractContextManager[None]:
        """Meanwhile the tenant itself is changed."""
        path = "management/tenant"
        return self._changed(path, self.server("GET", path).json(), changes)

    @contextlib.contextmanager
    def _changed(self, path: str, before: dict[str, Any], changes: dict[str, Any]) -> Iterator[None]:
        assert self.server("PATCH", path, changes).status_code == 200
        try:
            yield
        finally:
            assert self.server("PATCH", path, {name: before.get(name) for name in changes}).status_code == 200


@dataclass(kw_only=True)
class Emulator(Api):
    """One that the tests have started: its clock and its database are at hand."""

    process: subprocess.Popen[str]
    clock_file: Path

    def query(self, query: str, *values: Any) -> Any:
        """What its database answers."""
        file = self.clock_file.parent / "authsignal-emulator.sqlite3"
        with contextlib.closing(sqlite3.connect(file, timeout=15)) as database:
            return database.execute(query, values).fetchall()

    def advance(self, seconds: float) -> None:
        """Move the emulator's clock ahead, for good."""
        moved = self.clock_file.with_suffix(".new")
        moved.write_text(str(float(self.clock_file.read_text()) + seconds))
        moved.replace(self.clock_file)  # in one step: the emulator reads it at any moment


@dataclass
class App:
    """A user's authenticator app. A step works once, so the clock moves on before each code."""

    emulator: Emulator
    secret: str

    def code(self, steps: int = 0) -> str:
        now = time.time() + float(self.emulator.clock_file.read_text())
        return pyotp.TOTP(self.secret).at(int(now) + 30 * steps)


def start(directory: Path, *options: str, clock: bool = True, wrapper: Sequence[str] = ()) -> Emulator:
    """An emulator on a free port, with its database in the directory; by a command that becomes it, if one is given."""
    clock_file = directory / "clock"
    if not clock_file.exists():
        clock_file.write_text("0")
    module = "tests.emulator.serve_with_clock" if clock else "django_authsignal.emulator"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CLOCK_FILE": str(clock_file)}
    with (directory / "stderr").open("a") as errors:
        process = subprocess.Popen(
            [*wrapper, sys.executable, "-m", module, "--port", "0", *options],
            cwd=directory,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    watchdog = threading.Timer(30, process.kill)
    watchdog.start()
    url = ""
    assert process.stdout
    for line in process.stdout:
        if "API base" in line:
            url = line.split()[-1].removesuffix("/v1")
        if line.strip() == "Ready":
            break
    watchdog.cancel()
    assert url, (directory / "stderr").read_text()
    return Emulator(url=url, process=process, clock_file=clock_file)


def stop(emulator: Emulator) -> None:
    emulator.http.close()
    if emulator.process.poll() is None:
        emulator.process.terminate()
    emulator.process.wait(10)
    if emulator.process.stdout:
        emulator.process.stdout.close()


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    running = start(tmp_path_factory.mktemp("emulator"))
    yield running
    log = (running.clock_file.parent / "stderr").read_text()
    stop(running)
    assert "Traceback" not in log, log


_numbers = itertools.count(1)


@pytest.fixture
def user() -> str:
    """A user id that no other test has."""
    return f"user-{next(_numbers)}-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def passkey(emulator: Emulator) -> SoftwareAuthenticator:
    return SoftwareAuthenticator(origin=emulator.url)


@pytest.fixture
def enrol_app(emulator: Emulator) -> Callable[[str], App]:
    """Enrols an authenticator app for a user, as their first."""

    def enrol(user: str) -> App:
        token = emulator.track(user, emulator.configure("ALLOW"))["token"]
        app = App(emulator, emulator.call("user-authenticators/totp", token)["secret"])
        assert emulator.call("verify/totp", token, {"verificationCode": app.code()})["isVerified"]
        emulator.advance(60)
        return app

    return enrol


def enrol_passkey(emulator: Api, token: str, authenticator: SoftwareAuthenticator) -> Any:
    options = emulator.call("user-authenticators/passkey/registration-options", token, {})
    body = {"registrationCredential": authenticator.create(options["options"]), "challengeId": options["challengeId"]}
    return emulator.call("user-authenticators/passkey", token, body)


# The hosted pages in a browser. The application is on 127.0.0.1 and the emulator on localhost: truly cross-site.


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium_running() as running:
        yield running


@pytest.fixture
def app() -> Iterator[WebApp]:
    running = WebApp()
    yield running
    running.close()


@pytest.fixture
def visit(browser: Browser, app: WebApp) -> Iterator[Visitor]:
    context = browser.new_context()
    made = visitor(context, app)
    yield made
    context.close()
    assert not made.complaints


@pytest.fixture
def track(emulator: Emulator, user: str, app: WebApp) -> Callable[..., Any]:
    """Tracks a new action of the user that comes back to the app."""

    def tracked(outcome: str = "CHALLENGE", **attributes: Any) -> Any:
        action = emulator.configure(outcome)
        return emulator.track(user, action, redirectUrl=app.callback, **attributes)

    return tracked


@pytest.fixture
def user_app(enrol_app: Callable[[str], App], user: str) -> App:
    return enrol_app(user)
