"""A person at the bank, in a real browser, with real proofs."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pyotp
import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import PASSWORD, Person

pytestmark = pytest.mark.e2e
People = Callable[..., Person]


def next_code(app: pyotp.TOTP) -> str:
    """A code whose step was not used yet: the next one, which the emulator takes half a minute early."""
    return app.at(int(time.time()) + 30)


@pytest.fixture
def ada(person: People) -> Person:
    """Somebody new, signed in with a passkey."""
    new = person()
    new.sign_up()
    new.enrol_passkey()
    return new


@pytest.fixture
def bob(person: People) -> tuple[Person, pyotp.TOTP]:
    """Somebody new, signed in with an authenticator app."""
    new = person()
    new.sign_up()
    return new, new.enrol_app()


def test_a_passkey_signs_in_and_steps_up(ada: Person) -> None:
    assert ada.is_signed_in()
    before = ada.balance()
    ada.click("Withdraw money")
    ada.click("Use passkey")
    ada.at_the_bank("/account/withdraw/")
    ada.withdraw("25")
    expect(ada.page.get_by_role("main")).to_contain_text("£25.00")
    assert (before, ada.balance()) == ("250.00", "225.00")


def test_a_second_sign_in_asks_for_the_passkey(ada: Person) -> None:
    ada.click("Sign out")
    ada.open("/sign-in/")
    ada.page.fill("input[name=username]", ada.name)
    ada.page.fill("input[name=password]", PASSWORD)
    ada.page.get_by_role("main").get_by_role("button", name="Sign in", exact=True).click()
    ada.at_the_proof()
    ada.click("Use passkey")
    ada.at_the_bank("/account/")


def test_an_authenticator_app_enrolled_by_its_secret_steps_up(bob: tuple[Person, pyotp.TOTP]) -> None:
    person, app = bob
    person.open("/account/withdraw/")
    person.type_code(next_code(app), "Continue")
    person.at_the_bank("/account/withdraw/")
    person.withdraw("10")
    assert person.balance() == "240.00"


def test_a_wrong_code_is_told_and_the_right_one_goes_on(bob: tuple[Person, pyotp.TOTP]) -> None:
    person, app = bob
    person.open("/account/withdraw/")
    person.type_code("000000", "Continue")
    expect(person.page.get_by_role("alert")).to_be_visible()
    person.type_code(next_code(app), "Continue")
    person.at_the_bank("/account/withdraw/")


def test_a_mailed_code_from_the_inbox_signs_in(person: People) -> None:
    new = person()
    new.sign_up()
    new.click("Code by e-mail")
    new.page.fill("#email", f"{new.name}@example.com")
    new.click("Send the code")
    expect(new.page.locator("#code")).to_be_visible()
    new.type_code(new.mailed(), "Finish")
    new.click("I have saved them")
    new.at_the_bank()
    assert new.is_signed_in()


def test_cancel_does_nothing_and_leaves_a_way_on(ada: Person) -> None:
    ada.open("/account/withdraw/")
    ada.click("Cancel")
    ada.at_the_bank("/authsignal/")
    expect(ada.page.get_by_role("main")).to_contain_text("not finished")
    ada.click("Continue")
    ada.click("Use passkey")
    ada.at_the_bank("/account/withdraw/")
    assert ada.balance() == "250.00"


def test_somebody_who_abandons_the_enrolment_is_not_signed_in(person: People) -> None:
    new = person()
    new.sign_up()
    new.click("Cancel")
    new.at_the_bank("/authsignal/")
    assert not new.is_signed_in()
    new.open("/account/withdraw/")
    assert "/sign-in/" in new.page.url


def test_two_tabs_are_proved_one_after_the_other(ada: Person) -> None:
    first = ada.page
    first.goto(f"{ada.bank}/account/withdraw/?tab=1")
    second = first.context.new_page()
    second.goto(f"{ada.bank}/account/withdraw/?tab=2")
    for tab in (first, second):
        tab.goto(tab.url)
    first.get_by_role("button", name="Use passkey").click()
    first.wait_for_url(f"{ada.bank}/account/withdraw/?tab=1")
    second.goto(f"{ada.bank}/account/withdraw/?tab=2")
    expect(second.locator("input[name=amount]")).to_be_visible()


def test_a_callback_used_again_or_elsewhere_is_a_friendly_page(ada: Person, person: People) -> None:
    seen: list[str] = []
    ada.page.on("request", lambda request: seen.append(request.url) if "/callback/" in request.url else None)
    ada.open("/account/withdraw/")
    ada.click("Use passkey")
    ada.at_the_bank("/account/withdraw/")
    assert len(seen) == 1
    assert "token=" not in ada.page.url
    ada.page.goto(seen[0])
    ada.at_the_bank("/account/withdraw/")
    stranger = person()
    stranger.page.goto(seen[0])
    expect(stranger.page.get_by_role("main")).to_contain_text("another browser")
    assert not stranger.is_signed_in()


def test_a_name_and_a_passkey_sign_in_without_a_password(ada: Person) -> None:
    ada.click("Sign out")
    ada.open("/authsignal/sign-in/")
    ada.page.fill("input[name=username]", ada.name)
    ada.page.keyboard.press("Enter")
    ada.at_the_proof()
    ada.click("Use passkey")
    ada.at_the_bank("/account/")
    assert ada.is_signed_in()


def test_an_unknown_name_is_told_nothing(person: People) -> None:
    new = person()
    new.open("/authsignal/sign-in/")
    new.page.fill("input[name=username]", "nobody-at-all")
    new.page.keyboard.press("Enter")
    expect(new.page.get_by_role("main")).to_contain_text("We cannot sign you in this way")


def test_authenticators_are_listed_added_and_removed_but_for_the_last(ada: Person) -> None:
    ada.open("/authsignal/authenticators/")
    ada.click("Use passkey")
    ada.at_the_bank("/authsignal/authenticators/")
    expect(ada.page.get_by_role("button", name="Remove")).to_have_count(0)
    ada.click("Add another way")
    ada.at_the_proof()
    ada.click("Authenticator app")
    app = pyotp.TOTP(ada.page.locator("#secret").inner_text().replace(" ", ""))
    ada.type_code(app.now(), "Finish")
    ada.at_the_bank("/authsignal/authenticators/")
    expect(ada.page.get_by_role("button", name="Remove")).to_have_count(2)
    ada.click("Remove")
    expect(ada.page.get_by_role("button", name="Remove")).to_have_count(0)


def test_the_admin_is_behind_the_proof(person: People) -> None:
    grace = person(name="grace", width=1000)
    grace.open("/admin/")
    grace.page.fill("input[name=username]", "grace")
    grace.page.fill("input[name=password]", "northern-tide-4")
    grace.click("Log in")
    grace.at_the_proof()
    grace.enrol_passkey()
    grace.open("/admin/django_authsignal/challenge/")
    expect(grace.page.get_by_role("heading", name="Select challenge to view")).to_be_visible()


def test_without_javascript_an_authenticator_app_signs_in_and_steps_up(person: People) -> None:
    new = person(script=False)
    new.sign_up()
    app = new.enrol_app()
    new.open("/account/withdraw/")
    new.type_code(next_code(app), "Continue")
    new.at_the_bank("/account/withdraw/")
    new.withdraw("5")
    assert new.balance() == "245.00"


def test_the_round_trip_works_truly_cross_site(person: People) -> None:
    new = person(host="127.0.0.1")
    new.sign_up()
    new.enrol_passkey()
    new.open("/account/withdraw/")
    new.click("Use passkey")
    new.at_the_bank("/account/withdraw/")
    new.withdraw("1")
    assert new.balance() == "249.00"


def test_a_form_whose_pass_is_gone_is_stopped_and_leads_back(ada: Person) -> None:
    ada.open("/account/withdraw/")
    ada.click("Use passkey")
    ada.at_the_bank("/account/withdraw/")
    ada.page.context.clear_cookies(name="authsignal_browser")
    ada.withdraw("40")
    expect(ada.page.get_by_role("main")).to_contain_text("nothing was done")
    ada.click("Prove it is you")
    for _ in ("the sign-in", "the withdrawal"):  # both passes belonged to that cookie
        ada.at_the_proof()
        ada.click("Use passkey")
    ada.at_the_bank("/account/withdraw/")
    assert ada.balance() == "250.00"


def test_the_first_step_up_is_eight_clicks_from_the_first_page(person: People) -> None:
    ada = person(name="ada")
    ada.open()
    ada.click("Sign in as Ada")
    ada.clicks += 1
    ada.page.get_by_role("main").get_by_role("button", name="Sign in", exact=True).click()
    ada.at_the_proof()
    ada.enrol_passkey()
    ada.click("Withdraw money")
    ada.click("Use passkey")
    ada.at_the_bank("/account/withdraw/")
    assert ada.clicks <= 8


@pytest.mark.parametrize("path", ["/", "/sign-in/", "/sign-up/", "/authsignal/sign-in/"])
def test_no_page_is_wider_than_a_small_phone(person: People, path: str) -> None:
    new = person(width=320)
    new.open(path)
    assert new.page.evaluate("document.documentElement.scrollWidth") <= 320


def test_a_strict_policy_is_on_every_page_of_the_bank(ada: Person) -> None:
    for path in ("/", "/account/", "/authsignal/sign-in/"):
        answer = ada.page.goto(ada.bank + path)
        assert answer is not None
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert not re.search("unsafe|data: *;? *script", policy)
