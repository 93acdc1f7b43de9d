"""Every hosted page for everybody: axe-core, a keyboard alone, a narrow screen, little motion, light and dark."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from .authenticator import SoftwareAuthenticator
from .conftest import App as AuthenticatorApp
from .conftest import Emulator, enrol_passkey
from .hosted_browser import AXE, RUN_AXE, App, add_passkey_device, press_until
from .phone import phone_of

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.sample(4)]
# What is too small to be pressed, WCAG 2.2 criterion 2.5.8.
SMALL = """() => [...document.querySelectorAll('button, a, summary')].filter(one => one.checkVisibility()).filter(one =>
{ const box = one.getBoundingClientRect(); return Math.min(box.width, box.height) < 24 }).map(one => one.outerHTML)"""
MANAGE = "add:authenticators update:authenticators remove:authenticators"


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 320, "height": 640}, reduced_motion="reduce")
    context.set_default_timeout(10_000)
    yield context.new_page()
    context.close()


class Tour:
    """The ways to each page; `user` has an authenticator of every method, `fresh` none."""

    def __init__(self, emulator: Emulator, user: str, app: AuthenticatorApp, page: Page) -> None:
        self.emulator, self.user, self.app, self.page = emulator, user, app, page

    def open(self, path: str, user: str, outcome: str = "CHALLENGE", **attributes: Any) -> str:
        attributes.setdefault("redirectUrl", "http://127.0.0.1:1/back")
        token = str(self.emulator.track(user, self.emulator.configure(outcome), **attributes)["token"])
        self.page.goto(f"{self.emulator.url}/challenge/{path}{'&' if '?' in path else '?'}token={token}")
        return token

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def prove(self) -> None:
        self.page.locator("#code").fill(self.app.code())
        self.press("Continue")

    def choose(self) -> None:
        self.open("", f"{self.user}-fresh")
        self.page.get_by_text("More ways").click()

    def enrol(self, way: str) -> None:
        self.open(f"add/{way}/", f"{self.user}-fresh", email="a@example.com", phoneNumber="+64211234567")

    def enrol_sent(self, way: str) -> None:
        self.enrol(way)
        self.press("Send the link" if way == "magic-link" else "Send the code")
        expect(self.page.get_by_role("heading", level=1)).to_contain_text("Check")

    def enrol_error(self) -> None:
        self.open("add/sms/", f"{self.user}-fresh")
        self.page.locator("#phone").fill("12")
        self.press("Send the code")

    def challenge(self, way: str) -> None:
        self.open(f"{way}/", self.user)
        self.page.get_by_text("Try another way").click()

    def challenge_sent(self, way: str) -> None:
        self.open(f"{way}/", self.user)
        self.press("Send the link" if way == "magic-link" else "Send the code")
        expect(self.page.get_by_role("heading", level=1)).to_contain_text("Check")

    def asked(self, early: bool = False) -> None:
        self.open("push/", self.user)
        self.press("Ask my phone")
        expect(self.page.get_by_role("heading", level=1)).to_have_text("Look at your phone")
        if early:
            self.press("I have answered on my phone")
            expect(self.page.get_by_role("status")).to_contain_text("not answered yet")

    def scanned(self) -> None:
        self.open("qr-code/", self.user)
        phone = phone_of(self.emulator, self.user, "qr-code")
        phone.claim(self.page.locator("#challenge-code").inner_text())
        expect(self.page.get_by_text("Your phone has it")).to_be_visible()

    def rejected(self) -> None:
        self.open("qr-code/", self.user)
        phone, shown = phone_of(self.emulator, self.user, "qr-code"), self.page.locator("#challenge-code").inner_text()
        phone.claim(shown)
        phone.answer(shown, approved=False)
        expect(self.page.get_by_role("heading", level=1)).to_have_text("This was rejected")

    def phone(self, then: str = "") -> None:
        """The page that plays one, up to a step: "pairing", "paired", "scanned", "asked", "told" or "proved"."""
        self.page.goto(f"{self.emulator.url}/phone/")
        expect(self.page.locator("#phone")).to_be_visible()
        for kind in {"pairing": ["push"], "": []}.get(then, ["push", "qr-code", "in-app"]):
            self.scan(self.emulator.track(self.user, self.emulator.configure("ALLOW"), scope=MANAGE)["token"])
            self.page.get_by_label("To be asked by").select_option(kind)
            if then != "pairing":
                self.press("Pair")
                expect(self.page.locator("#news")).to_contain_text("Paired.")
        if then in ("scanned", "told"):
            body = {"action": self.emulator.configure("ALLOW"), "custom": {"amount": 5}}
            self.scan(self.emulator.anonymous("challenge/qr-code", body).json()["challengeId"])
        if then == "told":
            self.press("See what it asks")
            self.press("Reject")
        if then == "asked":
            action = self.emulator.configure("CHALLENGE")
            token = self.emulator.track(self.user, action, userAgent="Agent/1.0", custom={"amount": 5})["token"]
            self.emulator.call("challenge/push", token, {"action": action})
            expect(self.page.get_by_role("button", name="Approve")).to_be_enabled()
        if then == "proved":
            self.press("Prove it")
            expect(self.page.locator("#proved")).to_be_visible()

    def scan(self, text: str) -> None:
        self.page.get_by_label("Code or link").fill(text)
        self.press("Open")

    def wrong_code(self) -> None:
        self.open("authenticator-app/", self.user)
        self.page.locator("#code").fill("000000")
        self.press("Continue")

    def closed(self, outcome: str) -> None:
        self.open("", self.user, outcome)

    def broken(self) -> None:
        self.page.goto(f"{self.emulator.url}/challenge/?token=x")

    def popup(self) -> None:
        self.open("authenticator-app/?mode=popup", self.user)

    def settings(self) -> None:
        self.open("settings/", self.user, "ALLOW", scope=MANAGE)
        for summary in self.page.locator("summary").all():
            summary.click()

    def remove(self) -> None:
        self.settings()
        self.page.get_by_role("button", name="Remove").first.click()
        expect(self.page.get_by_role("heading", level=1)).to_contain_text("Remove")

    def uplift(self) -> None:
        action = self.emulator.configure("CHALLENGE")
        body = {"defaultUserActionResult": "CHALLENGE", "promptToEnrollVerificationMethods": ["PASSKEY"]}
        self.emulator.server("PATCH", f"management/action-configurations/{action}", body)
        for one in self.emulator.server("GET", f"users/{self.user}/authenticators").json():
            if one["verificationMethod"] == "PASSKEY":
                path = f"users/{self.user}/authenticators/{one['userAuthenticatorId']}"
                self.emulator.server("DELETE", path)
        token = self.emulator.track(self.user, action)["token"]
        self.page.goto(f"{self.emulator.url}/challenge/authenticator-app/?token={token}")
        self.prove()
        expect(self.page.get_by_role("heading", level=1)).to_have_text("Quicker next time")

    def recovery_codes(self) -> None:
        self.open("add/authenticator-app/", f"{self.user}-fresh")
        secret = self.page.locator("#secret").inner_text().replace(" ", "")
        self.page.locator("#code").fill(AuthenticatorApp(self.emulator, secret).code())
        self.press("Finish")
        expect(self.page.locator("#recovery-codes")).to_be_visible()

    def done(self) -> None:
        add_passkey_device(self.page)
        self.open("add/passkey/", self.user, "ALLOW", scope=MANAGE)
        self.press("Create passkey")
        expect(self.page.get_by_role("heading", level=1)).to_have_text("It is set up")

    def landing(self) -> None:
        self.challenge_sent("magic-link")
        to = f"{self.user}@example.com"
        sent = requests.get(f"{self.emulator.url}/inbox.json", {"to": to}, timeout=10).json()
        self.page.goto(next(one["url"] for one in sent if one["url"]))


PAGES: dict[str, Callable[[Tour], None]] = {
    "choose": Tour.choose,
    **{
        f"enrol-{way}": lambda tour, way=way: tour.enrol(way)  # type: ignore[misc] # mypy infers no lambda with a default
        for way in ("passkey", "security-key", "authenticator-app", "email", "magic-link", "sms", "whatsapp")
    },
    "enrol-email-sent": lambda tour: tour.enrol_sent("email"),
    "enrol-magic-link-sent": lambda tour: tour.enrol_sent("magic-link"),
    "enrol-error": Tour.enrol_error,
    **{
        f"challenge-{way}": lambda tour, way=way: tour.challenge(way)  # type: ignore[misc] # mypy infers no lambda with a default
        for way in ("passkey", "authenticator-app", "email", "magic-link", "sms", "recovery-code")
    },
    "challenge-email-sent": lambda tour: tour.challenge_sent("email"),
    "challenge-magic-link-sent": lambda tour: tour.challenge_sent("magic-link"),
    "enrol-push": lambda tour: tour.enrol("push"),
    "enrol-qr-code": lambda tour: tour.enrol("qr-code"),
    "challenge-push": lambda tour: tour.challenge("push"),
    "challenge-push-asked": Tour.asked,
    "challenge-push-early": lambda tour: tour.asked(early=True),
    "challenge-qr-code": lambda tour: tour.challenge("qr-code"),
    "challenge-qr-code-scanned": Tour.scanned,
    "rejected": Tour.rejected,
    **{
        f"phone-{then or 'empty'}": lambda tour, then=then: tour.phone(then)  # type: ignore[misc] # mypy infers no lambda with a default
        for then in ("", "pairing", "paired", "scanned", "asked", "told", "proved")
    },
    "wrong-code": Tour.wrong_code,
    "blocked": lambda tour: tour.closed("BLOCK"),
    "review": lambda tour: tour.closed("REVIEW"),
    "nothing-to-do": lambda tour: tour.closed("ALLOW"),
    "broken": Tour.broken,
    "popup": Tour.popup,
    "settings": Tour.settings,
    "settings-remove": Tour.remove,
    "uplift": Tour.uplift,
    "recovery-codes": Tour.recovery_codes,
    "done": Tour.done,
    "magic-link-landing": Tour.landing,
}


@pytest.fixture
def tour(
    emulator: Emulator,
    user: str,
    page: Page,
    enrol_app: Callable[[str], AuthenticatorApp],
    passkey: SoftwareAuthenticator,
) -> Tour:
    app = enrol_app(user)
    enrol_passkey(emulator, emulator.track(user, emulator.configure("ALLOW"), scope=MANAGE)["token"], passkey)
    for method in ("EMAIL_OTP", "EMAIL_MAGIC_LINK"):
        emulator.post(f"users/{user}/authenticators", {"verificationMethod": method, "email": f"{user}@example.com"})
    emulator.post(f"users/{user}/authenticators", {"verificationMethod": "SMS", "phoneNumber": "+64211234567"})
    for kind in ("push", "qr-code"):
        phone_of(emulator, user, kind)
    return Tour(emulator, user, app, page)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_no_fault_that_axe_finds_and_fits_320_pixels(tour: Tour, page: Page, name: str) -> None:
    PAGES[name](tour)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type] # one of those it takes
        page.evaluate(AXE)
        assert page.evaluate(RUN_AXE, scheme == "dark") == [], scheme
        if folder := os.environ.get("SCREENSHOTS"):
            page.set_viewport_size({"width": 390, "height": 780})
            page.screenshot(path=f"{folder}/{name}-{scheme}.png", full_page=True)
            page.set_viewport_size({"width": 320, "height": 640})
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 320
    small = page.evaluate(SMALL)
    assert small == []


def test_a_keyboard_alone_chooses_another_way_and_proves(tour: Tour, page: Page) -> None:
    app = App()
    token = tour.open("passkey/", tour.user, redirectUrl=app.callback)
    press_until(page, "Try another way")
    page.keyboard.press("Enter")
    press_until(page, "Authenticator app")
    page.keyboard.press("Enter")
    expect(page.locator("#code")).to_be_focused()
    page.keyboard.type(tour.app.code())
    page.keyboard.press("Enter")
    page.wait_for_url(f"{app.url}/callback/**")
    app.close()
    assert tour.emulator.validate(token)["isValid"]


def test_a_keyboard_alone_renames_in_the_settings(tour: Tour, page: Page) -> None:
    tour.open("settings/", tour.user, "ALLOW", scope=MANAGE)
    press_until(page, "Change")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("By keyboard")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="By keyboard")).to_be_visible()


def test_little_motion_is_none(tour: Tour, page: Page) -> None:
    tour.open("authenticator-app/", tour.user)
    button = page.get_by_role("button", name="Continue")
    expect(button).to_have_css("transition-property", "none")
    page.emulate_media(reduced_motion="no-preference")
    expect(button).to_have_css("transition-property", "background-color")
