"""How the pages look and behave: watch.js, which runs in every page of every test here, complains of broken policies,
of pages wider than the screen and of faint text; these walks show it all pages."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.person import AuthenticatorApp, Person

pytestmark = pytest.mark.e2e
People = Callable[..., Person]


def lightness(page: Page) -> int:
    """Of the page's ground, from 0 to 255."""
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return max(int(part) for part in re.findall(r"\d+", colour)[:3])


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("width", [320, 1280], ids=["phone", "desktop"])
def test_no_page_of_the_walk_complains(person: People, scheme: str, width: int) -> None:
    new = person(scheme=scheme, width=width)
    for path in (
        "/",
        "/sign-in/",
        "/authsignal/sign-in/",
        "/authsignal/challenges/3f0c2c5e-8a57-4b3c-9f0e-000000000000/",
    ):
        new.open(path)
        assert (lightness(new.page) < 60) is (scheme == "dark")
    new.sign_up()
    assert (lightness(new.page) < 60) is (scheme == "dark")
    for way in ("Code by e-mail", "Authenticator app"):
        new.click(way)
        new.page.go_back()
    new.enrol_passkey()
    new.at_the_bank("/account/")
    new.click("Withdraw money")
    new.leave_it()
    new.click("Continue")
    new.use_passkey()
    new.withdraw("999")
    new.is_told("more than you have")
    new.withdraw("1.25")
    new.is_told("on its way")
    new.open("/authsignal/authenticators/")
    new.use_passkey()
    new.at_the_bank("/authsignal/authenticators/")
    new.open("/account/withdraw/")
    new.page.context.clear_cookies(name="authsignal_browser")
    new.withdraw("2")
    new.is_told("nothing was done")
    for path in ("/", "/inbox/"):
        new.page.goto(new.emulator + path)


def test_a_code_is_asked_for_without_a_complaint(bob: tuple[Person, AuthenticatorApp]) -> None:
    person, _ = bob
    person.open("/account/withdraw/")
    person.type_code("000000")
    expect(person.page.get_by_role("alert")).to_be_visible()


def test_the_watch_itself_sees_what_is_wrong(person: People) -> None:
    new = person()
    new.open("/")
    new.page.evaluate("""() => {
        const wrong = document.createElement("p");
        wrong.innerHTML = "<span style='color: red'>x</span>";
        document.body.append(wrong);
    }""")
    new.page.wait_for_function("true")  # the complaint has come before this answer
    assert any("style-src" in complaint for complaint in new.complaints)
    new.complaints.clear()


def test_a_strict_policy_is_on_every_page_of_the_bank(ada: Person) -> None:
    for path in ("/", "/account/", "/authsignal/sign-in/", "/admin/login/"):
        answer = ada.page.goto(ada.bank + path)
        assert answer is not None
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
