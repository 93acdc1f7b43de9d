"""From the first page to a completed step-up without a mouse, and with the focus in sight at every stop."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.person import PASSWORD, Person

pytestmark = pytest.mark.e2e


def look_at_focus(page: Page) -> None:
    """Complains when what has the focus is not marked, in the light or in the dark, or is off the screen."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type] # one of those it takes
        ring = page.evaluate("document.activeElement === document.body ? null : focusRing()")
        if ring is None:
            return
        assert ring["drawn"], f"nobody sees that {ring['element']} has the focus"
        assert ring["onScreen"], f"{ring['element']} has the focus and is off the screen"
        assert ring["contrast"] >= 3, f"{scheme}: the ring around {ring['element']} is faint"  # WCAG 2.2, 1.4.11


def tab_to(page: Page, name: str) -> None:
    """Presses Tab until the control of the page whose name begins like this has the focus, which is seen everywhere."""
    main, words = page.get_by_role("main"), re.compile(f"^{name}")
    wanted = main.get_by_role("button", name=words).or_(main.get_by_role("link", name=words))
    wanted = wanted.or_(main.get_by_label(name, exact=True)).first
    expect(wanted).to_be_visible()
    for _ in range(30):
        look_at_focus(page)
        if wanted.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"Tab never reaches {name}")


def test_the_keyboard_alone_goes_from_the_first_page_to_a_receipt(person: Callable[..., Person]) -> None:
    new = person()
    page, keys = new.page, new.page.keyboard

    def press(name: str) -> None:
        tab_to(page, name)
        keys.press("Enter")

    new.open()
    press("open an account of your own")
    new.at_the_bank("/sign-up/")
    for label, text in (
        ("Username", new.name),
        ("E-mail", f"{new.name}@example.com"),
        ("Password", PASSWORD),
        ("Password again", PASSWORD),
    ):
        tab_to(page, label)
        keys.type(text)
    press("Open the account")
    new.at_the_proof()
    press("Passkey")
    press("Create passkey")
    press("I have saved them")
    new.at_the_bank("/account/")
    press("Withdraw money")
    new.at_the_proof()
    press("Use passkey")
    new.at_the_bank("/account/withdraw/")
    tab_to(page, "Amount in pounds")
    keys.type("12.50")
    press("Withdraw")
    page.wait_for_url(re.compile("/account/entries/"))
    press("Back to the account")
    new.at_the_bank("/account/")
    new.is_told("£237.50")


def test_the_first_stop_of_a_page_skips_to_its_content(person: Callable[..., Person]) -> None:
    new = person()
    new.open()
    new.page.keyboard.press("Tab")
    expect(new.page.get_by_role("link", name="Skip to content")).to_be_focused()
    new.page.keyboard.press("Enter")
    new.page.keyboard.press("Tab")
    expect(new.page.get_by_role("link", name="Sign in as Ada Finch")).to_be_focused()
