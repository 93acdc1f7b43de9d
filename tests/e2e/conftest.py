"""The demo as real processes, one Chromium, and people with a browser and a user name of their own."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.e2e.person import AuthenticatorApp, Person
from tests.emulator.hosted_browser import add_passkey_device, chromium_running
from tests.example.test_demo import ROOT, Demo, environment

WATCH = Path(__file__).with_name("watch.js").read_text()


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the demo keeps its databases."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="session")
def demo(state: Path) -> Iterator[Demo]:
    running = Demo(state)
    try:
        running.wait_until_open()
        yield running
    finally:
        running.clean_up()
    assert "Traceback" not in running.text


# Not for the session: playwright's event loop would then stay in the thread in which other tests use the database.
@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    with chromium_running() as running:
        yield running


@pytest.fixture
def shell(demo: Demo, state: Path) -> Callable[[str], str]:
    """Runs lines of Python in the bank's `manage.py shell`, returns what they print."""

    def run(lines: str) -> str:
        ran = subprocess.run(
            [sys.executable, "-m", "example_project.manage", "shell", "--no-startup", "-v", "0", "-c", lines],
            cwd=ROOT,
            env={**environment(state), "DJANGO_SETTINGS_MODULE": "example_project.settings"},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()

    return run


@contextmanager
def crowd(demo: Demo, chromium: Browser) -> Iterator[Callable[..., Person]]:
    """Makes people. At the end no page that any of them saw may have complained."""
    made: list[Person] = []

    def make(
        *, host: str = "localhost", script: bool = True, name: str = "", width: int = 320, scheme: Any = "dark"
    ) -> Person:
        context = chromium.new_context(
            viewport={"width": width, "height": 700}, java_script_enabled=script, color_scheme=scheme
        )
        context.set_default_timeout(10_000)
        context.add_init_script(WATCH)
        # The virtual device answers a pending autofill by itself, and who means to type would be signed in already.
        context.add_init_script(
            "if (window.PublicKeyCredential) PublicKeyCredential.isConditionalMediationAvailable = async () => false"
        )
        page = context.new_page()
        new = Person(
            page,
            f"http://{host}:{demo.port}",
            f"http://localhost:{demo.emulator_port}",
            name or f"p{uuid.uuid4().hex[:10]}",
            device=add_passkey_device(page) if script else None,
        )
        context.on("console", new.note)
        context.on("weberror", lambda error: new.complaints.append(str(error.error)))
        made.append(new)
        return new

    yield make
    for one in made:
        one.page.context.close()
    assert [complaint for one in made for complaint in one.complaints] == []


@pytest.fixture
def person(demo: Demo, chromium: Browser) -> Iterator[Callable[..., Person]]:
    """Makes people."""
    with crowd(demo, chromium) as make:
        yield make


@pytest.fixture
def ada(person: Callable[..., Person]) -> Person:
    """Somebody new, signed in with a passkey."""
    new = person()
    new.have_passkey()
    return new


@pytest.fixture
def bob(person: Callable[..., Person]) -> tuple[Person, AuthenticatorApp]:
    """Somebody new, signed in with an authenticator app."""
    new = person()
    return new, new.have_app()


@pytest.fixture
def second_tab(ada: Person) -> Page:
    """Another tab of Ada's browser."""
    return ada.page.context.new_page()
