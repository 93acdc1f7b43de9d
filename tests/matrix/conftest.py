"""Sites in gunicorn and uvicorn, one emulator, one Chromium, and somebody new for each cell."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, FrameLocator, Page, expect

from tests.emulator.conftest import Emulator
from tests.emulator.conftest import start as start_emulator
from tests.emulator.conftest import stop as stop_emulator
from tests.emulator.hosted_browser import chromium_running
from tests.matrix.site import Site
from tests.matrix.table import table
from tests.sdks import install


@pytest.fixture(scope="package")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    running = start_emulator(tmp_path_factory.mktemp("emulator"), "--default-outcome", "CHALLENGE", clock=False)
    yield running
    stop_emulator(running)


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    with chromium_running() as running:
        yield running


@pytest.fixture(scope="package")
def sites(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Site]]:
    """Starts sites, each once: sites("gunicorn"), sites("uvicorn", host="127.0.0.1", samesite="Strict")."""
    if reason := install.install():
        pytest.skip(reason)
    running: dict[tuple[str, str, str], Site] = {}

    def site(server: str, host: str = "localhost", samesite: str = "Lax") -> Site:
        key = (server, host, samesite)
        if key not in running:
            folder = tmp_path_factory.mktemp("-".join(key)) / "site"
            made = Site(folder, emulator.url, host=host, environment={"MATRIX_SAMESITE": samesite})
            made.start(server)
            running[key] = made
        return running[key]

    yield site
    for one in running.values():
        one.stop()


@dataclass
class Visitor:
    """Somebody signed in at a site, who proves by mailed codes, and remembers what the browser complained about."""

    page: Page
    site: Site
    emulator: Emulator
    name: str
    mark: str = field(default_factory=lambda: f"m4rk{uuid.uuid4().hex}")
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        self.page.goto(self.site.url + path)

    def fill_in(self) -> None:
        """Gives every field of the page that is this visit's own its mark."""
        for box in self.page.locator("[name=mark]:visible").all():
            box.fill(self.mark)
        for box in self.page.locator("[name=account]:visible").all():
            box.fill(f"{self.mark}-account")
        for box in self.page.locator("[name=payee]:visible").all():
            box.fill(f"Zoë {self.mark}")  # bound: it goes to Authsignal, and rests here no more than the others
        for box in self.page.locator("[name=password]:visible").all():
            box.fill(f"{self.mark}-password")

    def code(self) -> str:
        inbox = requests.get(f"{self.emulator.url}/inbox.json", {"to": f"{self.name}@example.com"}, timeout=10).json()
        return str(inbox[0]["code"])

    def prove(self, where: Page | FrameLocator) -> None:
        """Has a code mailed, and types it."""
        where.get_by_role("button", name="Send the code").click()
        expect(where.locator("#code")).to_be_visible()
        where.locator("#code").fill(self.code())
        where.get_by_role("button", name=re.compile("^Continue")).click()

    def prove_in_dialog(self) -> None:
        self.prove(self.page.frame_locator("dialog.authsignal-dialog iframe"))
        expect(self.page.locator("dialog.authsignal-dialog")).to_have_count(0)

    def prove_in_tab(self, tab: Page, *, script: bool) -> None:
        """Proves it in a new tab; with a script that tab closes itself."""
        if not script:
            tab.get_by_role("link", name="Continue").click()
        self.prove(tab)
        if not script:
            expect(tab.get_by_role("main")).to_contain_text("Go back to the tab")
            tab.close()
            self.page.bring_to_front()


@pytest.fixture
def visit(sites: Callable[..., Site], emulator: Emulator, chromium: Browser) -> Iterator[Callable[..., Visitor]]:
    """Makes visitors who are signed in and can prove it; at the end no page may have complained."""
    made: list[Visitor] = []

    def make(server: str, *, script: bool = True, host: str = "localhost", samesite: str = "Lax") -> Visitor:
        site = sites(server, host, samesite)
        context = chromium.new_context(java_script_enabled=script)
        context.set_default_timeout(15_000)
        name = f"v{uuid.uuid4().hex[:10]}"
        new = Visitor(context.new_page(), site, emulator, name)
        context.on("console", lambda one: "Security Policy" in one.text and new.complaints.append(one.text))
        context.on("weberror", lambda error: new.complaints.append(str(error.error)))
        new.open(f"/enter/{name}/")
        pk = new.page.locator("body").inner_text()
        enrolled = {"verificationMethod": "EMAIL_OTP", "email": f"{name}@example.com"}
        emulator.server("POST", f"users/{pk}/authenticators", enrolled).raise_for_status()
        made.append(new)
        return new

    yield make
    for one in made:
        one.page.context.close()
    assert [complaint for one in made for complaint in one.complaints] == []


@pytest.fixture
def upload(tmp_path: Path) -> Callable[[str], Path]:
    """Makes a file with a mark and every byte in it."""

    def make(mark: str) -> Path:
        made = tmp_path / "statement.bin"
        made.write_bytes(mark.encode() + bytes(range(256)))
        return made

    return make


# The table of the docs


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--matrix-rounds", type=int, default=1, help="walk every cell so many times")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "round_" in metafunc.fixturenames:
        metafunc.parametrize("round_", range(metafunc.config.getoption("--matrix-rounds", 1)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Writes the table of what was walked into the file that MATRIX_TABLE names; not if a cell failed."""
    target = os.environ.get("MATRIX_TABLE")
    passed = terminalreporter.stats.get("passed", [])
    walked = [value for report in passed for name, value in report.user_properties if name == "cell"]
    if target and walked and not any(terminalreporter.stats.get(bad) for bad in ("failed", "error")):
        Path(target).write_text(table([(str(server), str(cell)) for server, cell in walked]))
