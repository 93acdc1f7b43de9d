"""Money sent: each payment proved by itself, in a dialog over its form."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.person import Person

pytestmark = pytest.mark.e2e


def fill_in(person: Person, amount: str, payee: str) -> None:
    person.open("/account/send/")
    person.page.fill("input[name=payee]", payee)
    person.page.fill("input[name=amount]", amount)
    person.click("Send")


def test_a_payment_is_proved_in_the_dialog_and_goes_through_by_itself(ada: Person) -> None:
    fill_in(ada, "25", "Zoë")
    ada.use_passkey_in_dialog()
    ada.page.wait_for_url(re.compile("/account/entries/"))
    ada.is_told("To Zoë")
    assert ada.balance() == "225.00"


@pytest.mark.long
def test_the_next_payment_is_proved_anew(ada: Person) -> None:
    fill_in(ada, "1", "Zoë")
    ada.use_passkey_in_dialog()
    ada.page.wait_for_url(re.compile("/account/entries/"))
    fill_in(ada, "1", "Zoë")
    expect(ada.page.locator("dialog iframe")).to_be_visible()
    assert ada.balance() == "249.00"


@pytest.mark.long
def test_an_amount_changed_after_its_proof_is_stopped_and_named(ada: Person) -> None:
    ada.open("/account/send/")
    ada.page.route(
        "**/account/send/",
        lambda route: (
            route.continue_(post_data=(route.request.post_data or "").replace("amount=5", "amount=249"))
            if route.request.method == "POST"
            else route.continue_()
        ),
    )
    ada.page.fill("input[name=payee]", "Zoë")
    ada.page.fill("input[name=amount]", "5")
    ada.click("Send")
    ada.use_passkey_in_dialog(asked_again=True)
    ada.is_told("Changed since: Amount.")
    ada.page.unroute("**/account/send/")
    assert ada.balance() == "250.00"


@pytest.mark.long
def test_no_proof_is_asked_of_an_amount_that_cannot_be_sent(ada: Person) -> None:
    fill_in(ada, "9999", "Zoë")
    assert ada.page.locator("input[name=amount]:invalid").count() == 1
    expect(ada.page.locator("dialog")).to_have_count(0)


def test_without_a_script_the_form_waits(person, demo) -> None:  # type: ignore[no-untyped-def] # fixtures, as in the files beside it
    new = person(script=False)
    new.sign_up()
    app = new.enrol_app()
    new.at_the_bank("/account/")
    fill_in(new, "7", "Zoë & Söhne")
    new.is_told("Send £7 to Zoë & Söhne")
    with new.page.expect_popup() as opened:
        new.page.get_by_role("link", name="Prove it is you").click()
    tab = opened.value
    tab.get_by_role("link", name="Continue").click()
    tab.locator("#code").fill(app.code())
    tab.get_by_role("button", name="Continue").click()
    expect(tab.get_by_role("main")).to_contain_text("Go back to the tab")
    new.page.bring_to_front()
    new.click("Send it")
    new.page.wait_for_url(re.compile("/account/entries/"))
    assert new.balance() == "243.00"
