"""The demo as real processes, one Chromium, and people with a passkey device."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pyotp
import pytest
import requests
from playwright.sync_api import Browser, Page

from tests.emulator.hosted_browser import add_passkey_device, chromium_running
from tests.example.test_demo import Demo

PASSWORD = "seven wet harbours"


@dataclass
class Person:
    """Somebody with a browser, who remembers what it complained about and counts their clicks."""

    page: Page
    bank: str
    emulator: str
    name: str
    scriptless: bool = False
    clicks: int = 0
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str = "/") -> None:
        self.page.goto(self.bank + path)

    def click(self, name: str) -> None:
        """One click on a button or link of this name."""
        self.clicks += 1
        wanted = re.compile(re.escape(name), re.IGNORECASE)
        either = self.page.get_by_role("button", name=wanted).or_(self.page.get_by_role("link", name=wanted))
        either.first.click()

    def at_the_bank(self, path: str = "") -> None:
        self.page.wait_for_url(re.compile(re.escape(self.bank + path)))

    def at_the_proof(self) -> None:
        self.page.wait_for_url(re.compile(re.escape(self.emulator)))

    def type_code(self, code: str, button: str) -> None:
        self.page.locator("#code").fill(code)
        self.click(button)

    def sign_up(self) -> None:
        """Opens an account; the browser is then at the proof, not yet signed in."""
        self.open("/sign-up/")
        self.page.fill("input[name=username]", self.name)
        self.page.fill("input[name=email]", f"{self.name}@example.com")
        self.page.fill("input[name=password1]", PASSWORD)
        self.page.fill("input[name=password2]", PASSWORD)
        self.click("Open the account")
        self.onward()

    def onward(self) -> None:
        """Goes on from our challenge page by hand where there is no script."""
        if self.scriptless:
            self.page.locator("#authsignal-continue").click()
        self.at_the_proof()

    def enrol_passkey(self) -> None:
        self.click("Passkey")
        self.click("Create passkey")
        self.click("I have saved them")
        self.at_the_bank()

    def enrol_app(self) -> pyotp.TOTP:
        self.click("Authenticator app")
        app = pyotp.TOTP(self.page.locator("#secret").inner_text().replace(" ", ""))
        self.type_code(app.now(), "Finish")
        self.click("I have saved them")
        self.at_the_bank()
        return app

    def mailed(self) -> str:
        inbox = requests.get(f"{self.emulator}/inbox.json", {"to": f"{self.name}@example.com"}, timeout=10).json()
        return str(inbox[0]["code"])

    def withdraw(self, amount: str) -> None:
        self.page.fill("input[name=amount]", amount)
        self.page.get_by_role("main").get_by_role("button", name="Withdraw").click()

    def is_signed_in(self) -> bool:
        self.open("/account/")
        return self.page.url == f"{self.bank}/account/"

    def balance(self) -> str:
        self.open("/account/")
        found = re.search(r"£([\d,.]+)", self.page.get_by_role("main").inner_text())
        assert found
        return found[1]


def note(person: Person, text: str) -> None:
    """Remembers what a page did against its own policy."""
    if "Security Policy" in text:
        person.complaints.append(text)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    running = Demo(tmp_path_factory.mktemp("demo"))
    try:
        running.wait_until_open()
        yield running
    finally:
        running.clean_up()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with chromium_running() as running:
        yield running


@pytest.fixture
def person(demo: Demo, chromium: Browser) -> Iterator[Callable[..., Person]]:
    """Makes people; every one has a browser of their own. At the end no page may have broken its own policy."""
    made: list[Person] = []

    def make(*, host: str = "localhost", script: bool = True, name: str = "", width: int = 390) -> Person:
        context = chromium.new_context(
            viewport={"width": width, "height": 800}, java_script_enabled=script, color_scheme="dark"
        )
        page = context.new_page()
        page.set_default_timeout(10_000)
        if script:
            add_passkey_device(page)
        new = Person(
            page,
            f"http://{host}:{demo.port}",
            f"http://localhost:{demo.emulator_port}",
            name or f"p{uuid.uuid4().hex[:10]}",
            scriptless=not script,
        )
        page.on("console", lambda message: note(new, message.text))
        page.on("pageerror", lambda error: new.complaints.append(str(error)))
        made.append(new)
        return new

    yield make
    for one in made:
        one.page.context.close()
        assert one.complaints == []
