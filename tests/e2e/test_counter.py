"""Staff behind the counter: the admin's forms and bulk actions, in a real browser, with real proofs."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.e2e.person import PASSWORD, Person
from tests.e2e.test_signing_in import made_by_django

pytestmark = pytest.mark.e2e
People = Callable[..., Person]
Shell = Callable[[str], str]


@pytest.fixture
def staff(person: People, shell: Shell) -> Person:
    """A member of staff, signed in with a passkey; an account of theirs is open."""
    new = person(width=1000, scheme="light")
    opened = "from example_project.bank.services import open_account; print(open_account(user).pk)"
    new.account = shell(f"{made_by_django(new.name, staff=True)}\n{opened}")  # type: ignore[attr-defined] # of this test alone
    new.open("/admin/")
    new.page.fill("input[name=username]", new.name)
    new.page.fill("input[name=password]", PASSWORD)
    new.page.get_by_role("button", name="Log in").click()
    new.at_the_proof()
    new.enrol_passkey()
    new.at_the_bank("/admin/")
    return new


@pytest.mark.long
def test_a_balance_is_put_right_after_a_proof_that_its_history_names(staff: Person) -> None:
    here = f"/admin/bank/account/{staff.account}/"  # type: ignore[attr-defined] # of this test alone
    staff.open(f"{here}change/")
    staff.use_passkey()
    staff.at_the_bank(f"{here}change/")
    staff.page.fill("input[name=amount]", "-25.50")
    staff.page.fill("input[name=reason]", "Our mistake")
    staff.page.get_by_role("button", name="Save and continue editing").click()
    expect(staff.page.get_by_role("main")).to_contain_text("was changed successfully")
    expect(staff.page.get_by_role("main")).to_contain_text("224.50")
    staff.open(f"{here}history/")
    expect(staff.page.get_by_role("table", name="What was proved")).to_contain_text("Passkey")
    staff.page.get_by_role("link", name="Put a balance right").click()
    expect(staff.page.get_by_text("PASSKEY").first).to_be_visible()


@pytest.mark.long
def test_a_bulk_action_waits_for_its_proof_and_is_sent_by_one_click(staff: Person, shell: Shell) -> None:
    shell(made_by_django(f"{staff.name}-guest"))
    staff.open(f"/admin/auth/user/?q={staff.name}-guest")
    staff.page.get_by_label("Select this object for an action").check()
    staff.page.get_by_label("Action:").select_option("delete_selected")
    staff.page.get_by_role("button", name="Run").or_(staff.page.get_by_role("button", name="Go")).click()
    expect(staff.page.get_by_role("main")).to_contain_text("Manage users")
    staff.use_passkey_in_dialog()
    staff.click("Send it")
    expect(staff.page.get_by_role("heading", name="Delete multiple objects")).to_be_visible()
    staff.page.get_by_role("button", name=re.compile(r"Yes, I.m sure")).click()
    expect(staff.page.get_by_text("Successfully deleted 1 user")).to_be_visible()
