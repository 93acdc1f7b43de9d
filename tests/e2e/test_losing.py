"""A lost phone, in a browser: the help desk resets, and a link of break glass lets somebody in."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.e2e.person import Person
from tests.e2e.test_pages import Tour

pytestmark = pytest.mark.e2e
People = Callable[..., Person]
Shell = Callable[[str], str]


@pytest.fixture
def link(ada: Person, shell: Shell) -> str:
    """A one-time link for Ada."""
    options = f"{ada.name!r}, base_url={ada.bank!r}"
    said = shell(f"from django.core.management import call_command; call_command('authsignal_break_glass', {options})")
    return re.findall(r"^http\S+$", said, re.M)[-1]


def test_a_link_signs_in_after_one_click_and_leaves_no_secret_behind(ada: Person, person: People, link: str) -> None:
    elsewhere = person()
    elsewhere.page.goto(link)
    assert "token" not in elsewhere.page.url
    elsewhere.is_told(f"Sign in as {ada.name}?")
    elsewhere.click("Sign in")
    elsewhere.at_the_bank("/account/")
    assert elsewhere.clicks == 1
    elsewhere.open("/account/withdraw/")
    elsewhere.at_the_proof()  # a step-up still asks


@pytest.mark.long
def test_a_link_works_without_script(person: People, link: str) -> None:
    elsewhere = person(script=False)
    elsewhere.page.goto(link)
    elsewhere.click("Sign in")
    elsewhere.at_the_bank("/account/")


@pytest.mark.long
def test_the_page_of_a_link_has_no_fault(ada: Person, person: People, link: str) -> None:
    elsewhere = person()
    elsewhere.page.goto(link)
    tour = Tour(elsewhere, ada.emulator)
    tour.look("one-time link")
    assert (tour.seen["one-time link"].faults, tour.seen["one-time link"].overflows) == ([], [])


@pytest.mark.long
def test_the_help_desk_resets_somebody_behind_a_proof(ada: Person, person: People, shell: Shell) -> None:
    desk = person(width=1280)
    desk.sign_up()
    desk.enrol_passkey()
    desk.at_the_bank("/account/")
    found = f"User.objects.filter(username={desk.name!r})"
    shell(f"from django.contrib.auth.models import User; {found}.update(is_staff=True, is_superuser=True)")
    desk.open(f"/admin/auth/user/?q={ada.name}")
    desk.page.get_by_role("checkbox", name=re.compile(ada.name)).or_(
        desk.page.locator("input[name=_selected_action]")
    ).first.check()
    desk.page.locator("select[name=action]").first.select_option(label="Reset ways of proof")
    desk.page.get_by_role("button", name=re.compile("^(Go|Run)")).first.click()
    desk.use_passkey_in_dialog()  # the list's form-action allows no way to Authsignal's page but this
    desk.click("Send it")
    desk.page.wait_for_url(re.compile("/reset-authenticators/"))
    expect(desk.page.get_by_role("row", name=ada.name)).to_contain_text("Passkey")
    desk.page.get_by_role("button", name="Reset ways of proof").click()
    expect(desk.page.locator(".messagelist")).to_contain_text(f"Removed for {ada.name}: Passkey.")
    ada.sign_out()
    ada.give_password()
    ada.onward()
    expect(ada.page.get_by_role("link", name=re.compile("^Passkey"))).to_be_visible()  # a new one may be set up
