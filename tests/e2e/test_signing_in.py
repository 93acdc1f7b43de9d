"""Signing in at the bank, in a real browser, with real proofs."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.e2e.person import PASSWORD, AuthenticatorApp, Person

pytestmark = pytest.mark.e2e
People = Callable[..., Person]
Shell = Callable[[str], str]

NEW_USER = """
from django.contrib.auth.models import User
user = User.objects.create_user({name!r}, "", {password!r}, is_staff={staff}, is_superuser={staff})
"""
# What force_login() leaves in a session: a user, and nothing of ours.
SESSION = """
from importlib import import_module
from django.conf import settings
session = import_module(settings.SESSION_ENGINE).SessionStore()
session.update({{
    "_auth_user_id": str(user.pk),
    "_auth_user_backend": settings.AUTHENTICATION_BACKENDS[0],
    "_auth_user_hash": user.get_session_auth_hash(),
}})
session.save()
print(session.session_key)
"""


def made_by_django(name: str, *, staff: bool = False) -> str:
    return NEW_USER.format(name=name, password=PASSWORD, staff=staff)


def test_a_new_customer_is_signed_in_only_after_setting_up_a_passkey(person: People) -> None:
    new = person()
    new.sign_up()
    tab = new.page.context.new_page()
    tab.goto(f"{new.bank}/account/")
    assert "/sign-in/" in tab.url
    tab.close()
    new.page.bring_to_front()  # a passkey is made for the tab in front only
    new.enrol_passkey()
    new.at_the_bank("/account/")
    assert new.is_signed_in()


def test_a_password_alone_signs_nobody_in(ada: Person) -> None:
    ada.sign_out()
    ada.give_password()
    ada.at_the_proof()
    assert not ada.is_signed_in()
    ada.give_password()
    ada.use_passkey()
    ada.at_the_bank("/account/")
    assert ada.is_signed_in()


def test_a_wrong_password_never_reaches_the_proof(ada: Person) -> None:
    ada.sign_out()
    ada.give_password("not the password")
    ada.is_told("Please enter a correct username and password")


def test_a_sign_in_ends_at_the_page_it_was_asked_for(ada: Person) -> None:
    ada.sign_out()
    ada.open("/account/withdraw/")
    assert "/sign-in/?next=" in ada.page.url
    ada.give_password(path="/sign-in/?next=/account/withdraw/")
    ada.use_passkey()
    ada.use_passkey()  # the sign-in's proof is none for the withdrawal
    ada.at_the_bank("/account/withdraw/")


def test_a_mailed_code_from_the_inbox_signs_in_and_steps_up(person: People) -> None:
    new = person()
    new.sign_up()
    new.enrol_mail()
    new.at_the_bank("/account/")
    new.open("/account/withdraw/")
    new.click("Send the code")
    new.type_mailed_code()
    new.at_the_bank("/account/withdraw/")


def test_somebody_who_abandons_the_enrolment_is_not_signed_in(person: People) -> None:
    new = person()
    new.sign_up()
    new.leave_it()
    new.is_told("not finished")
    assert not new.is_signed_in()
    new.open("/account/withdraw/")
    assert "/sign-in/" in new.page.url


def test_an_unenrolled_user_made_by_django_is_not_signed_in_by_the_password(person: People, shell: Shell) -> None:
    new = person()
    shell(made_by_django(new.name))
    new.give_password()
    new.at_the_proof()
    expect(new.page.get_by_role("link", name=re.compile("^Passkey"))).to_be_visible()
    assert not new.is_signed_in()


@pytest.mark.long
def test_a_session_that_django_made_opens_no_page_of_the_bank(person: People, shell: Shell) -> None:
    new = person()
    key = shell(made_by_django(new.name) + SESSION.format())
    new.page.context.add_cookies([{"name": "bank_session", "value": key, "url": new.bank}])
    for path in ("/account/", "/account/withdraw/"):
        new.open(path)
        new.is_told("nothing to prove it with")
    # Nor by a form of its own making, sent past the page that would ask.
    answer = new.page.evaluate("""() => fetch("/account/withdraw/", {
        method: "POST",
        headers: {"X-CSRFToken": document.querySelector("[name=csrfmiddlewaretoken]").value},
        body: new URLSearchParams({amount: "5", nonce: "3f0c2c5e-8a57-4b3c-9f0e-000000000001"}),
    }).then((answer) => answer.status)""")
    assert answer == 403
    taken = f"Entry.objects.filter(account__owner__username={new.name!r}).count()"
    assert shell(f"from example_project.bank.models import Entry; print({taken})") == "0"


@pytest.mark.long
def test_who_has_nothing_that_counts_is_shown_where_to_add_it_but_not_in_a_circle(person: People, shell: Shell) -> None:
    new = person()
    key = shell(made_by_django(new.name) + SESSION.format())
    new.page.context.add_cookies([{"name": "bank_session", "value": key, "url": new.bank}])
    way = new.page.get_by_role("main").get_by_role("link", name="Ways to prove it is you")
    new.open("/account/")
    expect(way).to_have_attribute("href", "/authsignal/authenticators/")
    way.click()
    new.at_the_bank("/authsignal/authenticators/")
    new.is_told("nothing to prove it with")
    expect(way).to_have_count(0)


def test_a_name_and_a_passkey_sign_in_without_a_password(ada: Person) -> None:
    ada.sign_out()
    ada.give_name()
    ada.use_passkey()
    ada.at_the_bank("/account/")
    assert ada.is_signed_in()


@pytest.mark.long
def test_leaving_the_passkey_signs_nobody_in(ada: Person) -> None:
    ada.sign_out()
    ada.give_name()
    ada.at_the_proof()
    ada.leave_it()
    assert not ada.is_signed_in()


@pytest.mark.long
def test_without_a_password_unknown_and_unenrolled_names_see_one_same_page(
    person: People, bob: tuple[Person, AuthenticatorApp]
) -> None:
    unenrolled = person()
    unenrolled.sign_up()
    other_way = bob[0].name  # enrolled, but by no way that counts without a password
    asking = person()
    pages = []
    for name in ("nobody-at-all", unenrolled.name, other_way):
        asking.give_name(name)
        asking.is_told("We cannot sign you in this way")
        text = re.sub(r'(csrfmiddlewaretoken" value=)"\w+"', r"\1", asking.page.content())
        pages.append(text.replace(name, "NAME"))
    assert pages[0] == pages[1] == pages[2]


@pytest.mark.long
def test_the_admin_is_behind_the_proof(person: People, shell: Shell) -> None:
    staff = person(width=1000)
    shell(made_by_django(staff.name, staff=True))
    staff.open("/admin/")
    staff.page.fill("input[name=username]", staff.name)
    staff.page.fill("input[name=password]", PASSWORD)
    staff.page.get_by_role("button", name="Log in").click()
    staff.at_the_proof()
    staff.open("/admin/")
    expect(staff.page.get_by_role("button", name="Log in")).to_be_visible()
    staff.page.fill("input[name=username]", staff.name)
    staff.page.fill("input[name=password]", PASSWORD)
    staff.page.get_by_role("button", name="Log in").click()
    staff.at_the_proof()
    staff.enrol_passkey()
    staff.at_the_bank("/admin/")
    staff.open("/admin/django_authsignal/challenge/")
    expect(staff.page.get_by_role("heading", name="Select challenge to view")).to_be_visible()
    staff.page.locator("#result_list tbody a").first.click()
    expect(staff.page.get_by_text("PASSKEY").first).to_be_visible()
