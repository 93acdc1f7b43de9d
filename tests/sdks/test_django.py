"""@authsignal/browser on a page of a Django project: it is given our idempotencyKey, and we take in what it proves.

Version 1.21 names to Authsignal the key that signIn() is given; 1.16, the newest of some registries, leaves it out. For
that one the tests put the key into its call, where the newer one has it, and show that without it nobody is signed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Route

from tests.e2e.conftest import ada, demo, person, shell, state
from tests.e2e.person import Person
from tests.emulator.hosted_browser import chromium_running

from .page import SDK

__all__ = ["ada", "demo", "person", "shell", "state"]
pytestmark = pytest.mark.e2e

SIGN_IN = """async (options) => {
    PublicKeyCredential.isConditionalMediationAvailable = async () => true;
    const given = await (await fetch('/authsignal/sign-in/passkey/')).json();
    const sdk = new authsignal.Authsignal({tenantId: given.tenantId, baseUrl: given.baseUrl});
    if (options.named) await nameTheKey(given.idempotencyKey);
    const {data} = await sdk.passkey.signIn({
        action: given.action, idempotencyKey: given.idempotencyKey, ...options.how,
    });
    return {...given, token: data.token, ...options.given};
}"""
BRING = """async ({finishUrl, token, nonce, next}) => {
    const form = document.querySelector('main form');
    const answer = await fetch(finishUrl, {
        method: 'POST',
        headers: {
            'Content-Type': 'application/json',
            'X-CSRFToken': form.elements.csrfmiddlewaretoken.value,
        },
        body: JSON.stringify({token, nonce, next}),
    });
    return [answer.status, await answer.json()];
}"""


# Not for the session: playwright's event loop would then stay in the thread in which other tests use the database.
@pytest.fixture(scope="module")
def chromium(sdks: None) -> Iterator[Browser]:
    with chromium_running() as running:
        yield running


def name_the_key(route: Route, keys: list[str]) -> None:
    """What version 1.21 does by itself."""
    body = route.request.post_data_json
    route.continue_(post_data={"idempotencyKey": keys[-1], **body} if body and keys else None)


@pytest.fixture
def customer(ada: Person) -> Person:
    """Ada, signed out, on the bank's sign-in page with the SDK on it."""
    ada.sign_out()
    keys: list[str] = []
    ada.page.expose_function("nameTheKey", lambda key: keys.append(key))
    ada.page.route("**/v1/client/challenge", lambda route: name_the_key(route, keys))
    ada.page.route("**/sdk.js", lambda route: route.fulfill(path=SDK, content_type="text/javascript"))
    with_sdk(ada)
    return ada


def with_sdk(person: Person) -> None:
    person.open("/sign-in/")
    person.page.add_script_tag(url="/sdk.js")


def proved(person: Person, **how: Any) -> Any:
    return person.page.evaluate(SIGN_IN, {"how": how, "given": {"next": "/account/"}, "named": True})


@pytest.mark.parametrize(
    "how", [pytest.param({"autofill": True}, marks=pytest.mark.long), {}], ids=["autofill", "dialog"]
)
def test_the_sdk_proves_what_we_began_and_signs_in(customer: Person, how: dict[str, Any]) -> None:
    given = proved(customer, **how)
    status, answer = customer.page.evaluate(BRING, given)
    assert (status, answer) == (200, {"status": "proved", "action": "signIn", "returnTo": "/account/"})
    assert customer.is_signed_in()


def test_the_challenge_of_the_ledger_is_the_key_that_the_sdk_was_given(
    customer: Person, shell: Callable[[str], str]
) -> None:
    given = proved(customer)
    customer.page.evaluate(BRING, given)
    lines = "from django_authsignal.models import Challenge; row = Challenge.objects.get(pk={key!r}); print(row.status)"
    assert shell(lines.format(key=given["idempotencyKey"])) == "proved"


@pytest.mark.security
def test_a_proof_of_the_sdk_signs_in_once(customer: Person) -> None:
    given = proved(customer)
    customer.page.evaluate(BRING, given)
    customer.open("/account/")
    customer.sign_out()
    with_sdk(customer)
    status, answer = customer.page.evaluate(BRING, given)
    assert (status, answer["status"]) == (200, "proved")  # the same browser is sent on
    assert not customer.is_signed_in()


@pytest.mark.security
def test_a_proof_without_our_key_is_refused(customer: Person) -> None:
    given = customer.page.evaluate(SIGN_IN.replace("idempotencyKey: given.idempotencyKey,", ""), {})
    status, answer = customer.page.evaluate(BRING, {**given, "next": ""})
    assert (status, answer) == (403, {"status": "refused", "reason": "invalid"})
    assert not customer.is_signed_in()
    customer.complaints.clear()
