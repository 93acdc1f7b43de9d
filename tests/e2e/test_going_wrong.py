"""Links used twice or elsewhere, the Back button, a pass that is gone: a friendly page, and a way on."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.person import PASSWORD, Person

pytestmark = pytest.mark.e2e
People = Callable[..., Person]


def callbacks_of(page: Page) -> list[str]:
    """The addresses with which the page comes back from a proof, as they come."""
    seen: list[str] = []
    page.on("request", lambda request: seen.append(request.url) if "/callback/" in request.url else None)
    return seen


def kept_callback(person: Person, path: str) -> str:
    """A proof is made, and its way back is caught before it arrives."""
    caught: list[str] = []

    def catch(route: Route) -> None:
        caught.append(route.request.url)
        route.fulfill(content_type="text/html", body="<!doctype html><title>caught</title><h1>Caught</h1>")

    person.page.route("**/callback/**", catch)
    person.open(path)
    person.use_passkey()
    expect(person.page.get_by_role("heading", name="Caught")).to_be_visible()
    person.page.unroute("**/callback/**")
    return caught[0]


def test_the_token_is_never_left_in_the_address_bar(ada: Person) -> None:
    seen = callbacks_of(ada.page)
    ada.open("/account/withdraw/")
    ada.use_passkey()
    ada.at_the_bank("/account/withdraw/")
    assert len(seen) == 1
    assert "token=" in seen[0]


@pytest.mark.long
def test_a_replayed_callback_only_leads_on(ada: Person) -> None:
    seen = callbacks_of(ada.page)
    ada.open("/account/withdraw/")
    ada.use_passkey()
    ada.at_the_bank("/account/withdraw/")
    ada.page.goto(seen[0])
    ada.at_the_bank("/account/withdraw/")


def test_a_replayed_sign_in_signs_nobody_in(ada: Person) -> None:
    ada.sign_out()
    seen = callbacks_of(ada.page)
    ada.give_password()
    ada.use_passkey()
    ada.at_the_bank("/account/")
    ada.sign_out()
    ada.page.goto(seen[0])
    expect(ada.page.get_by_role("heading", level=1)).to_be_visible()
    assert not ada.is_signed_in()


def test_a_callback_opened_in_another_browser_gives_nothing_and_stays_good_at_home(ada: Person, person: People) -> None:
    link = kept_callback(ada, "/account/withdraw/")
    stranger = person()
    stranger.page.goto(link)
    stranger.is_told("another browser")
    assert "token=" not in stranger.page.url
    assert not stranger.is_signed_in()
    ada.page.goto(link)
    ada.at_the_bank("/account/withdraw/")


@pytest.mark.long
def test_a_sign_in_proved_by_somebody_else_does_not_sign_in_who_opens_their_link(ada: Person, person: People) -> None:
    ada.sign_out()
    caught: list[str] = []
    ada.page.route("**/callback/**", lambda route: (caught.append(route.request.url), route.abort())[1])
    ada.give_password()
    ada.at_the_proof()
    with ada.page.expect_event("requestfailed", lambda request: "/callback/" in request.url):
        ada.click("Use passkey")
    victim = person()
    victim.page.goto(caught[0])
    victim.is_told("another browser")
    assert not victim.is_signed_in()


@pytest.mark.parametrize("path", ["callback", "challenges"])
def test_an_unknown_challenge_is_a_friendly_page(person: People, path: str) -> None:
    new = person()
    new.open(f"/authsignal/{path}/3f0c2c5e-8a57-4b3c-9f0e-000000000000/?token=made-up")
    new.is_told("not there any more")
    assert "token=" not in new.page.url or path == "challenges"
    new.click("Back to the start page")
    new.at_the_bank("/")


def test_a_forged_token_proves_nothing_and_the_right_one_still_does(ada: Person) -> None:
    link = kept_callback(ada, "/account/withdraw/")
    ada.page.goto(f"{link.partition('token=')[0]}token=e30.e30.e30")
    ada.is_told("not accepted")
    ada.open("/account/")
    ada.page.goto(link)
    ada.at_the_bank("/account/withdraw/")


@pytest.mark.long
def test_back_from_the_proof_leads_to_where_the_person_came_from(ada: Person) -> None:
    ada.click("Withdraw money")
    ada.at_the_proof()
    ada.page.go_back()
    ada.at_the_bank("/account/")


@pytest.mark.long
def test_back_from_a_sign_ins_proof_leads_to_the_sign_in_page(ada: Person) -> None:
    ada.sign_out()
    ada.give_password()
    ada.at_the_proof()
    ada.page.go_back()
    ada.at_the_bank("/sign-in/")


@pytest.mark.long
def test_back_after_a_step_up_does_not_trap(ada: Person) -> None:
    ada.click("Withdraw money")
    ada.use_passkey()
    ada.at_the_bank("/account/withdraw/")
    for _ in range(4):
        ada.page.go_back()
        expect(ada.page.get_by_role("heading", level=1)).to_be_visible()
        if ada.page.url == f"{ada.bank}/account/":
            break
    ada.at_the_bank("/account/")
    assert ada.is_signed_in()


@pytest.mark.long
def test_going_back_to_a_finished_proof_offers_the_way_on(ada: Person) -> None:
    ada.click("Withdraw money")
    ada.use_passkey()
    ada.at_the_bank("/account/withdraw/")
    ada.page.go_back()
    ada.at_the_proof()
    ada.page.reload()
    ada.click("Continue")
    ada.at_the_bank("/account/withdraw/")


@pytest.mark.long
def test_a_form_whose_pass_is_gone_waits_and_is_sent_once(ada: Person) -> None:
    ada.open("/account/withdraw/")
    ada.use_passkey()
    ada.at_the_bank("/account/withdraw/")
    ada.page.context.clear_cookies(name="authsignal_browser")
    ada.withdraw("40")
    for _ in range(2):  # for the sign-in, then for the withdrawal: both passes belonged to that cookie
        ada.use_passkey_in_dialog()
        ada.is_told("Nothing was done")
        ada.click("Send it")
    ada.page.wait_for_url(re.compile("/account/entries/"))
    assert ada.balance() == "210.00"


@pytest.mark.long
def test_a_sign_in_needs_its_browser_until_the_end(ada: Person) -> None:
    ada.sign_out()
    ada.open("/sign-in/")
    ada.page.fill("input[name=username]", ada.name)
    ada.page.fill("input[name=password]", PASSWORD)
    ada.click("Sign in")
    ada.at_the_proof()
    ada.page.context.clear_cookies(name="authsignal_browser")
    ada.use_passkey()
    ada.is_told("another browser")
    assert not ada.is_signed_in()
