"""Money behind a step-up, and the ways of proof that open it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import requests
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


@pytest.mark.long
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
    assert set(lines) == {1}


@pytest.mark.long
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


@pytest.mark.long
def test_not_now_leads_away_and_not_back_into_the_proof(ada: Person) -> None:
    ada.click("Withdraw money")
    ada.leave_it()
    ada.click("Not now")
    ada.at_the_bank("/")


@pytest.mark.long
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


@pytest.mark.parametrize(
    "order", [pytest.param((1, 2), marks=pytest.mark.long), (2, 1)], ids=["in order", "the later first"]
)
def test_two_tabs_with_a_challenge_each_both_arrive(ada: Person, second_tab: Page, order: tuple[int, int]) -> None:
    tabs = {1: ada, 2: ada.on(second_tab)}
    for number, tab in tabs.items():
        tab.open(f"/account/withdraw/?tab={number}")
        tab.at_the_proof()
    now = ada
    for number in order:
        now = now.turn_to(tabs[number])
        now.use_passkey()
        now.at_the_bank(f"/account/withdraw/?tab={number}")
        expect(now.page.locator("input[name=amount]")).to_be_visible()


@pytest.mark.long
def test_two_tabs_that_sign_in_both_arrive_the_later_first(ada: Person, second_tab: Page) -> None:
    ada.sign_out()
    now, tabs = ada, {1: ada, 2: ada.on(second_tab)}
    for number, tab in tabs.items():
        tab.give_password(path=f"/sign-in/?next=/account/%3Ftab={number}")
        tab.at_the_proof()
    for number in (2, 1):
        now = now.turn_to(tabs[number])
        now.use_passkey()
        now.at_the_bank(f"/account/?tab={number}")


def test_a_proof_in_one_tab_opens_the_other_when_it_is_reloaded(ada: Person, second_tab: Page) -> None:
    other = ada.on(second_tab)
    other.open("/account/")
    other.is_told("Locked")
    ada.open("/account/withdraw/")
    ada.use_passkey()
    ada.at_the_bank("/account/withdraw/")
    second_tab.reload()
    other.is_told("Open for 5 more minutes")
    other.click("Withdraw money")
    other.at_the_bank("/account/withdraw/")


@pytest.mark.long
def test_a_tab_that_left_its_proof_is_led_on_once_another_has_given_it(ada: Person, second_tab: Page) -> None:
    other = ada.on(second_tab)
    other.open("/account/withdraw/?tab=2")
    other.leave_it()
    other.is_told("not finished")
    ada.page.bring_to_front()
    ada.open("/account/withdraw/?tab=1")
    ada.use_passkey()
    ada.at_the_bank("/account/withdraw/?tab=1")
    second_tab.reload()
    other.is_told("that proves it is you")
    other.click("Go on")
    other.at_the_bank("/account/withdraw/?tab=2")


@pytest.mark.long
def test_the_receipt_says_what_was_proved_how_and_in_which_order(ada: Person) -> None:
    ada.click("Withdraw money")
    ada.use_passkey()
    ada.withdraw("25")
    ada.page.wait_for_url(re.compile("/account/entries/"))
    ada.is_told("You proved it with a passkey")
    ada.is_told("“Withdraw money”")
    times = ada.page.locator(".steps time").evaluate_all("all => all.map((one) => one.dateTime)")
    assert len(times) == 3
    assert times == sorted(times)
    ada.open("/account/")
    expect(ada.page.locator(".statement li").first).to_contain_text("Proved")


@pytest.mark.long
def test_a_review_that_somebody_releases_opens_the_page_that_waits(ada: Person, second_tab: Page) -> None:
    manage = f"{ada.emulator}/v1/management/action-configurations"
    asking = {"actionCode": "withdrawFunds", "defaultUserActionResult": "CHALLENGE"}
    ada.page.clock.install()
    try:
        held = {**asking, "defaultUserActionResult": "REVIEW"}
        requests.post(manage, json=held, auth=("emulator_secret", ""), timeout=10).raise_for_status()
        ada.open("/account/withdraw/")
        ada.is_told("Somebody has to look at this first")
        second_tab.goto(f"{ada.emulator}/?state=REVIEW_REQUIRED")
        second_tab.locator("main a[href*='/actions/']").first.click()
        second_tab.get_by_role("button", name="Release").click()
        ada.page.bring_to_front()
        ada.page.clock.fast_forward(6_000)
        expect(ada.page.locator("input[name=amount]")).to_be_visible()
    finally:
        requests.post(manage, json=asking, auth=("emulator_secret", ""), timeout=10).raise_for_status()


def test_authenticators_are_listed_added_and_removed_but_for_the_last(ada: Person) -> None:
    ada.open("/authsignal/authenticators/")
    ada.use_passkey()
    ada.at_the_bank("/authsignal/authenticators/")
    ada.is_told("Passkey")
    remove = ada.page.get_by_role("link", name="Remove")
    expect(remove).to_have_count(0)
    ada.click("Add another way")
    ada.at_the_proof()
    app = ada.begin_app()
    ada.type_code(app.code(), "Finish")
    ada.click("Done")
    ada.at_the_bank("/authsignal/authenticators/")
    ada.is_told("Authenticator app")
    expect(remove).to_have_count(2)
    ada.click("Remove Passkey")
    ada.click("Keep it")
    expect(remove).to_have_count(2)
    ada.click("Remove Passkey")
    ada.click("Remove")
    ada.is_told("Removed: Passkey")
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


@pytest.mark.long
def test_without_javascript_a_proof_can_be_left_and_ways_added_and_removed(person: People) -> None:
    new = person(script=False)
    new.sign_up()
    new.enrol_mail()
    new.at_the_bank("/account/")
    new.open("/authsignal/authenticators/")
    new.leave_it()
    new.is_told("not finished")
    new.click("Continue")
    new.click("Send the code")
    new.type_mailed_code()
    new.at_the_bank("/authsignal/authenticators/")
    new.click("Add another way")
    new.onward()
    app = new.begin_app()
    new.type_code(app.code(), "Finish")
    new.click("Done")
    new.at_the_bank("/authsignal/authenticators/")
    new.click("Remove Code by e-mail")
    new.click("Remove")
    new.is_told("Removed: Code by e-mail")


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
