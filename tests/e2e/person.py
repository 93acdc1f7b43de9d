"""Somebody with a browser at the bank."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field, replace
from typing import Any

import pyotp
import requests
from playwright.sync_api import ConsoleMessage, Page, expect

from tests.emulator.authenticator import SoftwareAuthenticator
from tests.emulator.conftest import Api, enrol_passkey
from tests.emulator.hosted_browser import PasskeyDevice, add_passkey_device

PASSWORD = "seven wet harbours"
PASSWORDS = ("password1", "password2")  # the fields that want it at sign-up
STEP = 30  # seconds that a code of an authenticator app lasts


@dataclass
class AuthenticatorApp:
    """An app on a phone that knows the secret; it shows every code once."""

    secret: str
    last_step: int = 0

    def code(self) -> str:
        """A code that was not used yet. The emulator takes codes of the step before, this one and the next."""
        now = time.time()
        # The one before is refused as soon as this one ends, so near its end it is left out.
        step = max(self.last_step + 1, int(now) // STEP - (now % STEP < STEP - 10))
        deadline = time.monotonic() + 2 * STEP
        while step > int(time.time()) // STEP + 1:  # all three are used up: wait until the clock has moved on
            assert time.monotonic() < deadline
            time.sleep(0.2)
        self.last_step = step
        return pyotp.TOTP(self.secret).generate_otp(step)


@dataclass
class Person:
    """Somebody with a browser, who remembers what it complained about and counts the clicks."""

    page: Page
    bank: str
    emulator: str
    name: str
    device: PasskeyDevice | None = None
    clicks: int = 0
    complaints: list[str] = field(default_factory=list)

    def note(self, message: ConsoleMessage) -> None:
        """Remembers what a page does against its own policy, and every other error."""
        # Chromium also writes one line for each page that answers with 4xx, which is no fault of the page.
        a_page = message.text.startswith("Failed to load resource") and "/static/" not in message.location["url"]
        if (message.type == "error" and not a_page) or "Security Policy" in message.text:
            self.complaints.append(f"{message.text} ({message.location['url'].partition('?')[0]})")

    def on(self, tab: Page) -> Person:
        """The same person at another tab of their browser, which `turn_to` gives their passkeys."""
        return replace(self, page=tab, device=add_passkey_device(tab), complaints=[])

    def turn_to(self, other: Person) -> Person:
        """Looks at the other tab, with the device in hand."""
        if other is not self:
            assert self.device is not None
            assert other.device is not None
            other.device.become(self.device)
        other.page.bring_to_front()
        return other

    # Where

    def open(self, path: str = "/") -> None:
        self.page.goto(self.bank + path)

    def at_the_bank(self, path: str = "/") -> None:
        """Waits until the browser is at exactly this page of the bank."""
        self.page.wait_for_url(self.bank + path)

    def at_the_proof(self) -> None:
        self.page.wait_for_url(re.compile(re.escape(self.emulator)))

    def is_told(self, text: str) -> None:
        expect(self.page.get_by_role("main")).to_contain_text(text)

    # What they do

    def click(self, name: str) -> None:
        """One click on the button or link of the page that has this name, or whose name begins with it."""
        self.clicks += 1
        wanted = re.compile(rf"^\s*{re.escape(name)}", re.IGNORECASE)
        inside = self.page.get_by_role("navigation" if name == "Sign out" else "main")
        inside.get_by_role("button", name=wanted).or_(inside.get_by_role("link", name=wanted)).first.click()

    def leave_it(self) -> None:
        """Cancels at the proof; the browser is then at our page again."""
        self.click("Cancel")
        self.page.wait_for_url(re.compile(re.escape(f"{self.bank}/authsignal/challenges/")))

    def onward(self) -> None:
        """Goes on from our challenge page: by itself, or by its link where there is no script."""
        if self.device is None:
            self.click("Continue")
        self.at_the_proof()

    def sign_up(self) -> None:
        """Opens an account; the browser is then at the proof, not yet signed in."""
        self.fill_in_sign_up()
        self.onward()

    def fill_in_sign_up(self) -> None:
        """Opens an account, up to our page that leads on to the proof."""
        self.open("/sign-up/")
        self.page.fill("input[name=username]", self.name)
        self.page.fill("input[name=email]", f"{self.name}@example.com")
        for name in PASSWORDS:
            self.page.fill(f"input[name={name}]", PASSWORD)
        self.click("Open the account")

    # With the same requests, but without the pages: those have tests of their own, and forty tests begin like this.

    def have_passkey(self) -> None:
        """Has an account, is signed in, and has a passkey on this device."""
        challenge, token = self._have_account()
        passkey = SoftwareAuthenticator(origin=self.emulator)
        self._come_back(challenge, enrol_passkey(Api(self.emulator), token, passkey))
        assert self.device is not None
        self.device.take(passkey)

    def have_app(self) -> AuthenticatorApp:
        """Has an account, is signed in, and has an authenticator app."""
        challenge, token = self._have_account()
        api = Api(self.emulator)
        app = AuthenticatorApp(api.call("user-authenticators/totp", token)["secret"])
        self._come_back(challenge, api.call("verify/totp", token, {"verificationCode": app.code()}))
        return app

    def _have_account(self) -> tuple[str, str]:
        """Signs up; returns the id of the challenge that is asked, and the token that begins it."""
        browser = self.page.context.request
        page = browser.get(f"{self.bank}/sign-up/").text()
        form = {"username": self.name, "email": f"{self.name}@example.com"} | dict.fromkeys(PASSWORDS, PASSWORD)
        form["csrfmiddlewaretoken"] = re.findall('name="csrfmiddlewaretoken" value="(.*?)"', page)[0]
        asked = browser.post(f"{self.bank}/sign-up/", form=form, headers={"Accept": "text/html", "Origin": self.bank})
        return asked.url.split("/")[-2], str(re.findall(r"\?token=([\w.-]+)", asked.text())[0])

    def _come_back(self, challenge: str, proved: Any) -> None:
        self.open(f"/authsignal/callback/{challenge}/?token={proved['accessToken']}")
        self.at_the_bank("/account/")

    def give_password(self, password: str = PASSWORD, path: str = "/sign-in/") -> None:
        """Signs in with the password; what comes then is for the caller to say."""
        self.open(path)
        self.page.fill("input[name=username]", self.name)
        self.page.fill("input[name=password]", password)
        self.page.locator("[type=submit]", has_text=re.compile("^Sign in$")).click()

    def give_name(self, name: str = "") -> None:
        """Asks to be signed in without a password."""
        self.open("/authsignal/sign-in/")
        self.page.fill("input[name=username]", name or self.name)
        self.click("Continue")

    def sign_out(self) -> None:
        self.click("Sign out")
        self.at_the_bank("/")

    # Ways of proof

    def enrol_passkey(self) -> None:
        self.click("Passkey")
        self.click("Create passkey")
        expect(self.page.locator("#recovery-codes")).to_be_visible()
        self.click("I have saved them")

    def use_passkey_in_dialog(self, *, asked_again: bool = False) -> None:
        """Proves it in the dialog that our page opens by itself; `asked_again`: the next page opens one of its own."""
        inside = self.page.frame_locator("dialog iframe")
        self.clicks += 1
        inside.get_by_role("button", name="Use passkey").click()
        if not asked_again:
            expect(self.page.locator("dialog")).to_have_count(0)

    def use_passkey(self) -> None:
        self.at_the_proof()
        # Until the page is left, so that a second proof right after this one is not asked of the same page.
        with self.page.expect_event("framenavigated"):
            self.click("Use passkey")

    def begin_app(self) -> AuthenticatorApp:
        """Chooses the authenticator app and types its secret into it."""
        self.click("Authenticator app")
        return AuthenticatorApp(self.page.locator("#secret").inner_text().replace(" ", ""))

    def enrol_app(self) -> AuthenticatorApp:
        app = self.begin_app()
        self.type_code(app.code(), "Finish")
        self.click("I have saved them")
        return app

    def enrol_mail(self) -> None:
        self.click("Code by e-mail")
        expect(self.page.locator("#email")).to_have_value(f"{self.name}@example.com")
        self.click("Send the code")
        self.type_mailed_code("Finish")
        self.click("I have saved them")

    def type_code(self, code: str, button: str = "Continue") -> None:
        self.at_the_proof()
        self.page.locator("#code").fill(code)
        self.click(button)

    def type_mailed_code(self, button: str = "Continue") -> None:
        expect(self.page.locator("#code")).to_be_visible()
        inbox = requests.get(f"{self.emulator}/inbox.json", {"to": f"{self.name}@example.com"}, timeout=10).json()
        self.type_code(str(inbox[0]["code"]), button)

    # Money

    def withdraw(self, amount: str) -> None:
        """Fills in the form and sends it."""
        self.at_the_bank("/account/withdraw/")
        self.page.fill("input[name=amount]", amount)
        self.click("Withdraw")

    def balance(self) -> str:
        """What the account's page says; they must be signed in."""
        self.open("/account/")
        self.at_the_bank("/account/")
        return self.page.locator(".figure").inner_text().rpartition("£")[2]

    def is_signed_in(self) -> bool:
        self.open("/account/")
        return self.page.url == f"{self.bank}/account/"
