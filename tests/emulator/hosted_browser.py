"""A browser, a passkey device and a small app for the tests of the hosted pages."""

from __future__ import annotations

import base64
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import axe_playwright_python
from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, sync_playwright

from .authenticator import SoftwareAuthenticator, decode

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
# WCAG 2.2 AA, and what axe-core calls good practice; or the colours alone, which is all that another scheme changes.
RUN_AXE = """async (colours) => (await axe.run(document, {runOnly: colours
    ? {type: 'rule', values: ['color-contrast']}
    : ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}))
    .violations.map((one) => one.id + ': ' + one.nodes.map((node) => node.html).join(' | '))"""
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--in-process-gpu",  # fewer processes: a tenth less time
    "--renderer-process-limit=1",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def chromium_running() -> Iterator[Browser]:
    """A headless Chromium: the one CHROMIUM names, else the first on the PATH."""
    with sync_playwright() as playwright:
        executable = os.environ.get("CHROMIUM") or shutil.which("chromium")
        running = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield running
        running.close()


class App:
    """The project's side: an address to come back to. On 127.0.0.1, so that coming from localhost is cross-site."""

    def __init__(self) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = b"<!doctype html><title>App</title><h1>Back in the app</h1>"
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.callback = f"{self.url}/callback/?next=%2Fa%20b"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@dataclass
class Visitor:
    """A page that remembers what the browser complained about."""

    page: Page
    app: App
    complaints: list[str] = field(default_factory=list)

    def open(self, url: str) -> None:
        self.page.goto(url)

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def follow(self, name: str) -> None:
        self.page.get_by_role("link", name=name).first.click()

    def type_code(self, code: str, button: str) -> None:
        self.page.locator("#code").fill(code)
        self.press(button)

    def returned(self) -> dict[str, list[str]]:
        """The query with which the browser came back to the app."""
        self.page.wait_for_url(f"{self.app.url}/callback/**")
        return parse_qs(urlsplit(self.page.url).query)


def visitor(context: BrowserContext, app: App) -> Visitor:
    page = context.new_page()
    page.set_default_timeout(10_000)
    made = Visitor(page, app)

    def note(text: str) -> None:
        if "Content Security Policy" in text or "Uncaught" in text:
            made.complaints.append(text)

    page.on("console", lambda message: note(message.text))
    page.on("pageerror", lambda error: made.complaints.append(str(error)))
    return made


@dataclass(frozen=True)
class PasskeyDevice:
    """A device with a screen lock, as one page sees it."""

    session: CDPSession
    id: str

    def become(self, other: PasskeyDevice) -> None:
        """Makes this the same device as another page's: with its passkeys, and as often used, which servers check."""
        self.session.send("WebAuthn.clearCredentials", {"authenticatorId": self.id})
        for passkey in other.session.send("WebAuthn.getCredentials", {"authenticatorId": other.id})["credentials"]:
            self.session.send("WebAuthn.addCredential", {"authenticatorId": self.id, "credential": passkey})

    def take(self, passkey: SoftwareAuthenticator) -> None:
        """Puts this passkey on the device."""
        credential = {
            "credentialId": base64.b64encode(passkey.credential_id).decode(),
            "isResidentCredential": True,
            "rpId": passkey.rp_id,
            "privateKey": base64.b64encode(passkey.private_key).decode(),
            "userHandle": base64.b64encode(decode(passkey.user_handle)).decode(),
            "signCount": passkey.count,
        }
        self.session.send("WebAuthn.addCredential", {"authenticatorId": self.id, "credential": credential})


def add_passkey_device(page: Page, *, knows_its_owner: bool = True) -> PasskeyDevice:
    """A device with a screen lock; it says yes at once, or no when it does not know its owner."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable", {"enableUI": False})
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": knows_its_owner,
        "automaticPresenceSimulation": True,
    }
    added = session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return PasskeyDevice(session, added["authenticatorId"])


def press_until(page: Page, text: str) -> None:
    """Tab on until the focus is on this text, and can be seen there."""
    for _ in range(30):
        page.keyboard.press("Tab")
        focused = page.evaluate(
            "() => [document.activeElement.innerText, getComputedStyle(document.activeElement).outlineStyle]"
        )
        if text in (focused[0] or ""):
            assert focused[1] == "solid"
            return
    raise AssertionError(f"The focus never reached {text}.")
