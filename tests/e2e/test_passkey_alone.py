"""A passkey alone, in a real browser: in the autofill of the name's field, and by the button.

Where a person would choose a passkey from the field's list, the virtual device answers at once: the list itself
cannot be driven without a window.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
import requests
from playwright.sync_api import Route, expect

from tests.e2e.person import PASSWORD, Person

pytestmark = pytest.mark.e2e
BUTTON = "Sign in with a passkey"
# The device of `person` answers a pending autofill by itself; these tests say when it may.
ALLOW = "if (window.PublicKeyCredential) PublicKeyCredential.isConditionalMediationAvailable = async () => true"
# Counts the autofills that wait, and those that were ended. No device here has a passkey, so none answers.
WATCH_ABORTS = """;
window.pending = window.aborted = 0;
navigator.credentials.get = ({signal, mediation}) => new Promise((resolve, reject) => {
    window.mediation = mediation;
    window.pending += 1;
    signal.addEventListener('abort', () => { window.pending -= 1; window.aborted += 1; reject(signal.reason); });
})"""


def wait_until(person: Person, condition: str) -> None:
    deadline = time.monotonic() + 10  # not wait_for_function, which a strict policy stops
    while not person.page.evaluate(condition):
        assert time.monotonic() < deadline, condition
        time.sleep(0.05)


@pytest.fixture
def autofill(ada: Person) -> Person:
    """Ada, signed out, whose browser offers passkeys in the field."""
    ada.sign_out()
    ada.page.context.add_init_script(ALLOW)
    return ada


@pytest.mark.parametrize("path", ["/sign-in/", "/authsignal/sign-in/"])
def test_who_chooses_their_passkey_in_the_field_is_signed_in(autofill: Person, path: str) -> None:
    autofill.open(path)
    autofill.at_the_bank("/account/")
    assert autofill.is_signed_in()


@pytest.mark.long
def test_a_sign_in_by_autofill_ends_at_the_page_it_was_asked_for(autofill: Person) -> None:
    autofill.open("/sign-in/?next=/account/%3Fpage%3D1")
    autofill.at_the_bank("/account/?page=1")


@pytest.mark.parametrize("path", ["/sign-in/", "/authsignal/sign-in/"])
def test_the_button_signs_in(ada: Person, path: str) -> None:
    ada.sign_out()
    ada.open(path)
    ada.click(BUTTON)
    ada.at_the_bank("/account/")


@pytest.mark.long
def test_the_proof_is_written_down_and_is_none_for_a_withdrawal(ada: Person, shell: Callable[[str], str]) -> None:
    ada.sign_out()
    ada.open("/sign-in/?next=/account/withdraw/")
    ada.click(BUTTON)
    ada.at_the_proof()
    ada.use_passkey()
    ada.at_the_bank("/account/withdraw/")
    lines = f"""
from django_authsignal.models import Challenge
from django.contrib.auth.models import User
user = str(User.objects.get(username={ada.name!r}).pk)
print(*[(row.kind, row.status, row.verification_method) for row in Challenge.objects.filter(user_pk=user)[:2]])
"""
    assert shell(lines) == "('step_up', 'proved', 'PASSKEY') ('passwordless', 'proved', 'PASSKEY')"


@pytest.mark.long
def test_the_keyboard_alone_signs_in(ada: Person) -> None:
    ada.sign_out()
    ada.open("/sign-in/")
    ada.page.get_by_role("button", name=BUTTON).focus()
    ada.page.keyboard.press("Enter")
    ada.at_the_bank("/account/")


def test_somebody_without_a_passkey_is_told_so_and_may_try_again(person: Callable[..., Person]) -> None:
    new = person()
    new.open("/sign-in/")
    new.click(BUTTON)
    expect(new.page.get_by_role("status")).to_contain_text("No passkey was used")
    expect(new.page.get_by_role("button", name=BUTTON)).to_be_focused()
    expect(new.page.get_by_role("button", name=BUTTON)).to_be_enabled()


@pytest.mark.long
def test_an_outage_of_authsignal_is_told_when_the_button_was_pressed(ada: Person) -> None:
    ada.sign_out()
    ada.page.route(re.compile("/v1/client/"), lambda route: route.abort())
    ada.open("/sign-in/")
    ada.click(BUTTON)
    expect(ada.page.get_by_role("status")).to_contain_text("That did not work")
    ada.page.unroute_all()
    ada.click(BUTTON)
    ada.at_the_bank("/account/")
    ada.complaints.clear()  # the browser's own line about the calls that were cut off


@pytest.mark.long
def test_a_passkey_that_was_removed_at_authsignal_is_an_unknown_one(ada: Person, shell: Callable[[str], str]) -> None:
    ada.sign_out()
    key = shell(f"from django.contrib.auth.models import User; print(User.objects.get(username={ada.name!r}).pk)")
    api, auth = f"{ada.emulator}/v1/users/{key}/authenticators", ("emulator_secret", "")
    for one in requests.get(api, auth=auth, timeout=10).json():
        requests.delete(f"{api}/{one['userAuthenticatorId']}", auth=auth, timeout=10).raise_for_status()
    ada.open("/sign-in/")
    ada.click(BUTTON)
    expect(ada.page.get_by_role("status")).to_contain_text("not known here any more")
    assert not ada.is_signed_in()


@pytest.mark.long
def test_autofill_that_always_fails_does_not_go_round_for_ever(autofill: Person) -> None:
    asked: list[str] = []

    def refuse(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(
            json={"error": "invalid_credential", "errorCode": "invalid_credential"},
            headers={"Access-Control-Allow-Origin": autofill.bank},
        )

    autofill.page.route("**/v1/client/verify/passkey", refuse)
    autofill.open("/sign-in/")
    expect(autofill.page.get_by_role("status")).to_contain_text("That did not work")
    autofill.page.wait_for_timeout(1500)
    assert len(asked) == 3


@pytest.mark.long
def test_sending_the_password_s_form_ends_the_autofill(person: Callable[..., Person]) -> None:
    new = person()
    new.page.context.add_init_script(ALLOW + WATCH_ABORTS)
    new.open("/sign-in/")
    wait_until(new, "window.pending === 1")
    new.page.evaluate("addEventListener('submit', (event) => event.preventDefault())")
    new.page.fill("input[name=username]", new.name)
    new.page.fill("input[name=password]", PASSWORD)
    new.page.locator("[type=submit]", has_text=re.compile("^Sign in$")).click()
    wait_until(new, "window.aborted === 1")
    wait_until(new, "window.pending === 1")  # the form was not sent after all


@pytest.mark.long
def test_a_page_that_comes_back_offers_the_autofill_again(person: Callable[..., Person]) -> None:
    new = person()
    new.page.context.add_init_script(ALLOW + WATCH_ABORTS)
    new.open("/sign-in/")
    wait_until(new, "window.pending === 1")
    new.page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}))")
    wait_until(new, "window.pending === 0")
    new.page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    wait_until(new, "window.pending === 1 && window.mediation === 'conditional'")


@pytest.mark.long
def test_a_page_left_open_is_prepared_anew_before_its_time_is_over(person: Callable[..., Person]) -> None:
    new = person()
    new.page.context.add_init_script(ALLOW + WATCH_ABORTS)
    new.page.clock.install()
    new.open("/sign-in/")
    wait_until(new, "window.pending === 1")
    with new.page.expect_response("**/authsignal/sign-in/passkey/"):
        new.page.clock.fast_forward(241_000)
    wait_until(new, "window.aborted === 1 && window.pending === 1")


def test_without_script_no_button_is_shown_that_would_do_nothing(person: Callable[..., Person]) -> None:
    new = person(script=False)
    new.open("/sign-in/")
    expect(new.page.get_by_role("button", name=BUTTON)).to_be_hidden()
    expect(new.page.get_by_role("link", name="Sign in without a password")).to_be_visible()


@pytest.mark.long
def test_a_browser_without_passkeys_shows_no_button(person: Callable[..., Person]) -> None:
    new = person()
    new.page.context.add_init_script("delete window.PublicKeyCredential")
    new.open("/sign-in/")
    expect(new.page.get_by_role("button", name=BUTTON)).to_be_hidden()


@pytest.mark.long
def test_a_page_at_an_address_without_passkeys_says_nothing_by_itself(person: Callable[..., Person]) -> None:
    new = person(host="127.0.0.1")
    new.page.context.add_init_script(ALLOW)
    with new.page.expect_response("**/authentication-options"):
        new.open("/sign-in/")
    new.page.wait_for_timeout(300)
    expect(new.page.get_by_role("status")).to_have_text("")


@pytest.mark.security
def test_a_thiefs_proof_sent_from_the_victims_own_page_signs_them_in_nowhere(
    ada: Person, person: Callable[..., Person]
) -> None:
    ada.sign_out()
    ada.open("/sign-in/")
    brought = re.compile("/authsignal/sign-in/passkey/")
    ada.page.route(brought, lambda route: route.abort() if route.request.method == "POST" else route.continue_())
    with ada.page.expect_request(
        lambda request: request.method == "POST" and bool(brought.search(request.url))
    ) as sent:
        ada.click(BUTTON)
    proof = dict(re.findall(r'name="(\w+)"\r\n\r\n(.+?)\r\n', sent.value.post_data or ""))
    victim = person()
    victim.open("/sign-in/")
    plant = """proof => {
        const form = document.querySelector('[data-authsignal-passkey]');
        for (const name of ['token', 'nonce']) {
            form.insertAdjacentHTML('beforeend', `<input type="hidden" name="${name}">`);
            form.elements[name].value = proof[name];
        }
        form.submit();
    }"""
    victim.page.evaluate(plant, proof)
    victim.is_told("This began in another browser")
    assert not victim.is_signed_in()
    ada.complaints.clear()  # of the request that was held back
