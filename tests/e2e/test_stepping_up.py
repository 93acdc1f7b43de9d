"""Money behind a step-up, and the ways of proof that open it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.person import AuthenticatorApp, Person

pytestmark = pytest.mark.e2e
People = Callable[..., Person]


def test_a_passkey_steps_up_and_the_receipt_and_balance_say_so(ada: Person) -> None:
    before = ada.balance()
    ada.click("Withdraw money")
    ada.use_passkey()
    ada.withdraw("25")
    ada.page.wait_for_url(re.compile("/account/entries/"))
    ada.is_told("£25.00")
    ada.is_told("£225.00")
    assert (before, ada.balance()) == ("250.00", "225.00")


def test_a_long_purpose_leaves_the_receipts_labels_in_one_piece(ada: Person) -> None:
    ada.click("Withdraw money")
    ada.use_passkey()
    ada.at_the_bank("/account/withdraw/")
    ada.page.fill("input[name=text]", "W" * 40)
    ada.withdraw("5")
    ada.page.wait_for_url(re.compile("/account/entries/"))
    lines = ada.page.locator(".receipt dt").evaluate_all("""all => all.map((one) => {
        const text = document.createRange();
        text.selectNodeContents(one);
        return text.getClientRects().length;
    })""")
    assert lines == [1, 1, 1, 1]


def test_a_fresh_proof_is_not_asked_for_again(ada: Person) -> None:
    ada.open("/account/withdraw/")
    ada.use_passkey()
    ada.withdraw("1")
    ada.open("/account/withdraw/")
    ada.withdraw("2")
    assert ada.balance() == "247.00"


def test_an_authenticator_app_enrolled_by_its_secret_steps_up(bob: tuple[Person, AuthenticatorApp]) -> None:
    person, app = bob
    person.open("/account/withdraw/")
    person.type_code(app.code())
    person.withdraw("10")
    assert person.balance() == "240.00"


def test_a_wrong_code_is_told_and_the_right_one_goes_on(bob: tuple[Person, AuthenticatorApp]) -> None:
    person, app = bob
    person.open("/account/withdraw/")
    right = app.code()
    person.type_code(f"{(int(right) + 1) % 1_000_000:06}")
    expect(person.page.get_by_role("alert")).to_contain_text("wrong")
    person.type_code(right)
    person.at_the_bank("/account/withdraw/")


def test_cancel_does_nothing_and_leaves_a_way_on(ada: Person) -> None:
    ada.open("/account/withdraw/")
    ada.leave_it()
    ada.is_told("not finished")
    assert ada.balance() == "250.00"
    ada.open("/account/withdraw/")
    ada.leave_it()
    ada.click("Continue")
    ada.use_passkey()
    ada.at_the_bank("/account/withdraw/")


def test_not_now_leads_away_and_not_back_into_the_proof(ada: Person) -> None:
    ada.click("Withdraw money")
    ada.leave_it()
    ada.click("Not now")
    ada.at_the_bank("/")


def test_two_tabs_that_share_a_challenge_both_arrive(ada: Person, second_tab: Page) -> None:
    ada.open("/account/withdraw/")
    second_tab.goto(f"{ada.bank}/account/withdraw/")
    assert second_tab.url == ada.page.url
    ada.page.bring_to_front()
    ada.use_passkey()
    ada.at_the_bank("/account/withdraw/")
    second_tab.reload()
    second_tab.get_by_role("link", name="Continue").click()  # proved meanwhile: nothing is left to prove
    second_tab.wait_for_url(f"{ada.bank}/account/withdraw/")
    expect(second_tab.locator("input[name=amount]")).to_be_visible()


def test_two_tabs_with_a_challenge_each_both_arrive(ada: Person, second_tab: Page) -> None:
    ada.open("/account/withdraw/?tab=1")
    second_tab.goto(f"{ada.bank}/account/withdraw/?tab=2")
    ada.page.bring_to_front()
    ada.use_passkey()
    ada.at_the_bank("/account/withdraw/?tab=1")
    assert ada.device is not None
    ada.device.show_to(second_tab)
    second_tab.bring_to_front()
    second_tab.get_by_role("button", name="Use passkey").click()
    second_tab.wait_for_url(f"{ada.bank}/account/withdraw/?tab=2")
    expect(second_tab.locator("input[name=amount]")).to_be_visible()


def test_authenticators_are_listed_added_and_removed_but_for_the_last(ada: Person) -> None:
    ada.open("/authsignal/authenticators/")
    ada.use_passkey()
    ada.at_the_bank("/authsignal/authenticators/")
    ada.is_told("Passkey")
    remove = ada.page.get_by_role("button", name="Remove")
    expect(remove).to_have_count(0)
    ada.click("Add another way")
    ada.at_the_proof()
    ada.click("Add another way")
    app = ada.begin_app()
    ada.type_code(app.code(), "Finish")
    ada.click("Done")
    ada.at_the_bank("/authsignal/authenticators/")
    ada.is_told("Authenticator app")
    expect(remove).to_have_count(2)
    ada.click("Remove Passkey")
    ada.is_told("It was removed")
    expect(remove).to_have_count(0)
    ada.open("/account/withdraw/")
    ada.type_code(app.code())  # what was proved with the passkey no longer counts, the sign-in included
    ada.page.wait_for_url(re.compile("/challenge/"))
    ada.type_code(app.code())
    ada.at_the_bank("/account/withdraw/")


def test_without_javascript_a_password_and_an_authenticator_app_do_it_all(person: People) -> None:
    new = person(script=False)
    new.sign_up()
    app = new.enrol_app()
    new.at_the_bank("/account/")
    new.sign_out()
    new.give_password()
    new.onward()
    new.type_code(app.code())
    new.at_the_bank("/account/")
    new.open("/account/withdraw/")
    new.type_code(app.code())
    new.withdraw("5")
    assert new.balance() == "245.00"


@pytest.mark.parametrize("way", ["passkey", "app"])
def test_the_round_trip_works_truly_cross_site(person: People, way: str) -> None:
    new = person(host="127.0.0.1")
    new.sign_up()
    if way == "passkey":
        new.enrol_passkey()
        new.at_the_bank("/account/")
        new.open("/account/withdraw/")
        new.use_passkey()
    else:
        app = new.enrol_app()
        new.at_the_bank("/account/")
        new.open("/account/withdraw/")
        new.type_code(app.code())
    new.withdraw("1")
    assert new.balance() == "249.00"


def test_the_first_step_up_is_at_most_eight_clicks_from_the_first_page(person: People) -> None:
    ada = person(name="ada")
    ada.open()
    ada.click("Sign in as Ada")
    ada.at_the_bank("/sign-in/?as=ada")
    ada.click("Sign in")
    ada.at_the_proof()
    ada.enrol_passkey()
    ada.at_the_bank("/account/")
    ada.click("Withdraw money")
    ada.use_passkey()
    ada.at_the_bank("/account/withdraw/")
    assert ada.clicks <= 8
