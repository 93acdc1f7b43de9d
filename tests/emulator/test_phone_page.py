"""The page that plays the phone, and the hosted pages that ask it, in a real browser: the phone is its second tab."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, FrameLocator, Page, expect

from .conftest import App as AuthenticatorApp
from .conftest import Emulator
from .hosted_browser import App, Visitor, visitor
from .phone import challenged

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.sample(4)]
KINDS = {"push": "Push message", "qr-code": "QR code", "in-app": "App on a phone"}
LINK = "Open the emulated phone (in a new tab)"


@dataclass
class PhonePage:
    """A tab with the emulated phone."""

    emulator: Emulator
    visitor: Visitor

    @property
    def page(self) -> Page:
        return self.visitor.page

    def open(self, after: str = "") -> None:
        self.page.goto("about:blank")
        self.page.goto(f"{self.emulator.url}/phone/{after}")
        expect(self.page.locator("#phone")).to_be_visible()

    def press(self, name: str) -> None:
        self.visitor.press(name)

    def scan(self, text: str) -> None:
        self.page.get_by_label("Code or link").fill(text)
        self.press("Open")

    def pair(self, user: str, kind: str, name: str = "Ada's phone", **attributes: Any) -> None:
        """By hand: with a token that the application got for its user."""
        attributes.setdefault("scope", "add:authenticators")
        token = self.emulator.track(user, self.emulator.configure("ALLOW"), **attributes)["token"]
        self.open()
        self.scan(token)
        self.page.get_by_label("To be asked by").select_option(kind)
        self.page.get_by_label("Name of this phone").fill(name)
        self.press("Pair")
        expect(self.said).to_contain_text("Paired.")

    @property
    def said(self) -> Any:
        return self.page.locator("#news")

    @property
    def requests(self) -> Any:
        return self.page.get_by_role("article")


@pytest.fixture
def phone(emulator: Emulator, visit: Visitor) -> Iterator[PhonePage]:
    """In the same browser as the hosted page."""
    tab = visitor(visit.page.context, visit.app)
    yield PhonePage(emulator, tab)
    assert not tab.complaints


@pytest.fixture
def other_phone(emulator: Emulator, browser: Browser, app: App) -> Iterator[PhonePage]:
    """In a browser of its own: it has no key of the first one's."""
    context = browser.new_context()
    yield PhonePage(emulator, visitor(context, app))
    context.close()


def state(emulator: Emulator, token: str) -> str:
    return str(emulator.validate(token)["state"])


def owned(emulator: Emulator, user: str) -> list[str]:
    return [one["verificationMethod"] for one in emulator.server("GET", f"users/{user}/authenticators").json()]


def href(page: Page) -> str:
    return str(page.get_by_role("link", name=LINK).get_attribute("href"))


def begin_pairing(visit: Visitor, url: str, way: str) -> str:
    """Opens the hosted page that pairs, and gives its link."""
    visit.open(url)
    visit.page.get_by_text("More ways").click()
    visit.follow(way)
    return href(visit.page)


def title(visit: Visitor) -> Any:
    return expect(visit.page.get_by_role("heading", level=1))


# Setting up and proving, from the hosted page to the application.


def test_a_phone_is_paired_by_its_link_and_its_first_answer_is_the_proof(
    emulator: Emulator, user: str, visit: Visitor, phone: PhonePage, track: Callable[..., Any]
) -> None:
    tracked = track()
    link = begin_pairing(visit, tracked["url"] + "&state=kept", KINDS["push"])
    phone.open(link.partition("/phone/")[2])
    expect(phone.page.get_by_role("heading", name="Pair this phone?")).to_be_focused()
    expect(phone.page.locator("form.request")).to_contain_text(user)
    assert owned(emulator, user) == []
    phone.press("Pair")
    expect(phone.said).to_contain_text("Paired.")
    title(visit).to_have_text("Look at your phone")
    assert state(emulator, tracked["token"]) == "ALLOW"  # pairing signs nothing
    phone.press("Approve")
    assert len(visit.page.locator("#recovery-codes").inner_text().split()) == 10
    visit.follow("I have saved them")
    back = visit.returned()
    assert (back["next"], back["state"]) == (["/a b"], ["kept"])
    proved = emulator.validate(back["token"][0], userId=user)
    assert (proved["state"], proved["verificationMethod"]) == ("CHALLENGE_SUCCEEDED", "PUSH")


def test_a_phone_is_paired_for_qr_codes_and_proves_by_scanning_the_first(
    emulator: Emulator, user: str, visit: Visitor, phone: PhonePage, track: Callable[..., Any]
) -> None:
    link = begin_pairing(visit, track()["url"], KINDS["qr-code"])
    phone.open(link.partition("/phone/")[2])
    phone.press("Pair")
    title(visit).to_have_text("Scan this with your phone")
    phone.scan(href(visit.page))
    phone.press("See what it asks")
    phone.press("Approve")
    visit.follow("I have saved them")
    proved = emulator.validate(visit.returned()["token"][0], userId=user)
    assert (proved["state"], proved["verificationMethod"]) == ("CHALLENGE_SUCCEEDED", "QR_CODE")


def test_a_push_is_approved_in_the_second_tab(
    emulator: Emulator, user: str, visit: Visitor, phone: PhonePage, track: Callable[..., Any]
) -> None:
    phone.pair(user, "push")
    seen = {"ipAddress": "198.51.100.7", "userAgent": "Agent/1.0 <b>", "custom": {"amount": 5, "to": {"iban": "x"}}}
    visit.open(track(**seen)["url"])
    expect(phone.page.locator("#nothing")).to_be_visible()  # opening the page rings nowhere
    visit.press("Ask my phone")
    expect(phone.said).to_contain_text("Somebody asks")
    for shown in (user, "198.51.100.7", "Agent/1.0 <b>", "amount: 5", 'to: {"iban":"x"}'):
        expect(phone.requests).to_contain_text(shown)
    phone.press("Approve")
    expect(phone.said).to_contain_text("Approved.")
    expect(phone.requests).to_have_count(0)
    proved = emulator.validate(visit.returned()["token"][0], userId=user)
    assert (proved["state"], proved["verificationMethod"]) == ("CHALLENGE_SUCCEEDED", "PUSH")


def test_a_rejected_push_goes_back_refused(
    emulator: Emulator, user: str, visit: Visitor, phone: PhonePage, track: Callable[..., Any]
) -> None:
    phone.pair(user, "push")
    tracked = track()
    visit.open(tracked["url"])
    visit.press("Ask my phone")
    phone.press("Reject")
    expect(phone.said).to_contain_text("Rejected.")
    title(visit).to_have_text("This was rejected")
    visit.follow("Go back")
    assert state(emulator, visit.returned()["token"][0]) == "CHALLENGE_FAILED"


def test_a_scanned_code_says_so_on_the_page_and_is_approved(
    emulator: Emulator, user: str, visit: Visitor, phone: PhonePage, track: Callable[..., Any]
) -> None:
    phone.pair(user, "qr-code")
    visit.open(track()["url"])
    picture = visit.page.get_by_role("img", name="QR code")
    expect(picture).to_be_visible()
    phone.scan(visit.page.locator("#challenge-code").inner_text())
    phone.press("See what it asks")
    expect(phone.requests).to_be_focused()
    expect(visit.page.get_by_text("Your phone has it")).to_be_visible()
    expect(picture).to_be_hidden()
    phone.press("Approve")
    proved = emulator.validate(visit.returned()["token"][0], userId=user)
    assert (proved["state"], proved["verificationMethod"]) == ("CHALLENGE_SUCCEEDED", "QR_CODE")


def test_a_rejected_code_goes_back_refused(
    emulator: Emulator, user: str, visit: Visitor, phone: PhonePage, track: Callable[..., Any]
) -> None:
    phone.pair(user, "qr-code")
    visit.open(track()["url"])
    phone.scan(href(visit.page))
    phone.press("See what it asks")
    phone.press("Reject")
    title(visit).to_have_text("This was rejected")
    visit.follow("Go back")
    assert state(emulator, visit.returned()["token"][0]) == "CHALLENGE_FAILED"


# Without script, too late, and the wrong phone.


@pytest.fixture
def without_script(browser: Browser, app: App) -> Iterator[Visitor]:
    context = browser.new_context(java_script_enabled=False)
    yield visitor(context, app)
    context.close()


def test_the_hosted_page_goes_on_by_a_button_without_script(
    emulator: Emulator, user: str, without_script: Visitor, phone: PhonePage, track: Callable[..., Any]
) -> None:
    phone.pair(user, "push")
    without_script.open(track()["url"])
    without_script.press("Ask my phone")
    without_script.press("I have answered on my phone")
    expect(without_script.page.get_by_role("status")).to_have_text("Your phone has not answered yet.")
    phone.press("Approve")
    expect(phone.said).to_contain_text("Approved.")
    without_script.press("I have answered on my phone")
    assert state(emulator, without_script.returned()["token"][0]) == "CHALLENGE_SUCCEEDED"


def test_without_script_the_phone_says_what_it_needs(emulator: Emulator, without_script: Visitor) -> None:
    without_script.open(f"{emulator.url}/phone/")
    said = without_script.page.locator("noscript p")  # by its place: the tool finds no text in a <noscript>
    expect(said).to_be_visible()
    assert "only JavaScript can make one here" in said.inner_text()
    expect(without_script.page.locator("#phone")).to_be_hidden()


def test_where_no_key_can_be_kept_the_phone_says_so(emulator: Emulator, visit: Visitor) -> None:
    visit.page.add_init_script("Object.defineProperty(window, 'isSecureContext', {value: false})")
    visit.open(f"{emulator.url}/phone/")
    expect(visit.page.get_by_role("alert")).to_contain_text("needs https or localhost")
    expect(visit.page.locator("#phone")).to_be_hidden()


@pytest.mark.parametrize("kind", ["push", "qr-code"])
def test_a_question_that_ends_unanswered_leaves_the_page_and_the_phone_saying_so(
    emulator: Emulator, user: str, visit: Visitor, phone: PhonePage, kind: str
) -> None:
    phone.pair(user, kind)
    action = emulator.configure("CHALLENGE")
    tracked = emulator.track(user, action)
    visit.open(tracked["url"])
    if kind == "push":
        visit.press("Ask my phone")
        title(visit).to_have_text("Look at your phone")
    else:
        phone.scan(href(visit.page))
        phone.press("See what it asks")
    expect(phone.requests).to_have_count(1)
    emulator.advance(601)
    title(visit).to_have_text("This link has expired")  # by itself: the page waits no longer than its token counts
    if kind == "push":
        expect(phone.said).to_contain_text("not in time")
    else:
        phone.press("Approve")
        expect(phone.said).to_contain_text("not in time")
    expect(phone.requests).to_have_count(0)
    again = emulator.track(user, action, idempotencyKey=emulator_key(emulator, user, action))["token"]
    assert state(emulator, again) == "CHALLENGE_REQUIRED"


def emulator_key(emulator: Emulator, user: str, action: str) -> str:
    [row] = emulator.server("GET", f"users/{user}/actions?codes={action}").json()
    return str(row["idempotencyKey"])


def test_the_phone_of_somebody_else_sees_no_push_and_claims_no_code(
    emulator: Emulator, user: str, visit: Visitor, phone: PhonePage, other_phone: PhonePage, track: Callable[..., Any]
) -> None:
    for kind in ("push", "qr-code"):
        phone.pair(user, kind)
        other_phone.pair(f"{user}-mallory", kind)
    visit.open(track()["url"])
    visit.press("Ask my phone")
    expect(phone.requests).to_have_count(1)
    visit.page.get_by_text("Try another way").click()
    visit.follow("QR code")
    other_phone.scan(visit.page.locator("#challenge-code").inner_text())
    other_phone.press("See what it asks")
    expect(other_phone.page.get_by_role("alert").filter(visible=True)).to_contain_text("somebody else's phone")
    expect(other_phone.requests).to_have_count(0)
    expect(visit.page.get_by_role("img", name="QR code")).to_be_visible()


def test_a_page_without_the_key_can_sign_for_nobody(
    emulator: Emulator, user: str, visit: Visitor, phone: PhonePage, other_phone: PhonePage
) -> None:
    """All that another browser may know: the public key. The private one cannot be read even where it is."""
    phone.pair(user, "push")
    stored = phone.page.evaluate(STORED)
    assert (stored["type"], stored["extractable"], stored["usages"], stored["read"]) == (
        "private",
        False,
        ["sign"],
        "InvalidAccessError",
    )
    other_phone.open()
    answer = emulator.anonymous(
        "user-authenticators/push/challenge", {"challengeId": "x", "publicKey": stored["publicKey"], "approved": True}
    )
    assert answer.status_code == 400


STORED = """async () => {
  const database = await new Promise((resolve) => {
    const request = indexedDB.open("emulator-phone", 1);
    request.onsuccess = () => resolve(request.result);
  });
  const [key] = await new Promise((resolve) => {
    const request = database.transaction("keys").objectStore("keys").getAll();
    request.onsuccess = () => resolve(request.result);
  });
  const {type, extractable, usages} = key.privateKey;
  const read = await crypto.subtle.exportKey("pkcs8", key.privateKey).then(() => "read", (error) => error.name);
  return {type, extractable, usages, read, publicKey: key.publicKey};
}"""


# What a link may do, and what it may not.


@pytest.mark.parametrize("answer", ["none", "Cancel"])
def test_a_link_alone_pairs_nothing(
    emulator: Emulator, user: str, visit: Visitor, phone: PhonePage, track: Callable[..., Any], answer: str
) -> None:
    phone.open(begin_pairing(visit, track()["url"], KINDS["push"]).partition("/phone/")[2])
    if answer == "Cancel":
        phone.press("Cancel")
    phone.page.wait_for_timeout(2500)
    assert owned(emulator, user) == []


def test_a_link_alone_claims_nothing(
    emulator: Emulator, user: str, visit: Visitor, phone: PhonePage, track: Callable[..., Any]
) -> None:
    phone.pair(user, "qr-code")
    visit.open(track()["url"])
    phone.open(href(visit.page).partition("/phone/")[2])
    expect(phone.page.get_by_role("heading", name="A code was scanned")).to_be_focused()
    phone.page.wait_for_timeout(2500)
    expect(visit.page.get_by_role("img", name="QR code")).to_be_visible()


def test_the_token_of_a_link_stays_neither_in_the_address_nor_in_the_history(
    emulator: Emulator, visit: Visitor, phone: PhonePage, track: Callable[..., Any]
) -> None:
    phone.open(begin_pairing(visit, track()["url"], KINDS["push"]).partition("/phone/")[2])
    assert phone.page.url == f"{emulator.url}/phone/"
    phone.page.evaluate("() => { location.hash = 'claim=00000000-0000-4000-8000-000000000000' }")
    expect(phone.said).to_contain_text("not paired for QR codes")
    assert phone.page.url == f"{emulator.url}/phone/"


def test_a_link_that_was_used_says_so(
    emulator: Emulator,
    user: str,
    visit: Visitor,
    phone: PhonePage,
    other_phone: PhonePage,
    track: Callable[..., Any],
) -> None:
    link = begin_pairing(visit, track(scope="add:authenticators")["url"], KINDS["push"]).partition("/phone/")[2]
    for tab in (phone, other_phone):
        tab.open(link)
    phone.press("Pair")
    expect(phone.said).to_contain_text("Paired.")
    other_phone.press("Pair")
    expect(other_phone.page.get_by_role("alert").filter(visible=True)).to_contain_text("used already")
    expect(other_phone.page.locator("#no-keys")).to_be_visible()
    assert owned(emulator, user) == ["PUSH"]


@pytest.mark.parametrize(
    "text", ["x", "https://evil.example/#claim=1", "a.b.c", "#pair=push&token=a.b.c", "#claim=' onload=alert(1)"]
)
def test_what_is_no_code_is_told_beside_its_field(phone: PhonePage, text: str) -> None:
    phone.open()
    phone.scan(text)
    field = phone.page.get_by_label("Code or link")
    assert field.get_attribute("aria-invalid") == "true"
    expect(phone.page.locator("#code-error")).to_contain_text("neither a code nor a pairing link")
    expect(field).to_be_focused()


HOSTILE = """"><img src=x onerror="document.title='owned'"><script>document.title='owned'</script>"""


def test_hostile_words_are_only_text(emulator: Emulator, visit: Visitor, phone: PhonePage) -> None:
    user = f"<img src=x onerror=alert(1)>{HOSTILE[:20]}-{time.monotonic_ns()}"
    token = emulator.track(quote(user, safe=""), emulator.configure("ALLOW"), userAgent=HOSTILE)["token"]
    phone.open()
    phone.scan(token)
    expect(phone.page.locator("form.request")).to_contain_text(user)
    phone.page.get_by_label("Name of this phone").fill(HOSTILE)
    phone.press("Pair")
    expect(phone.page.locator("#keys")).to_contain_text(HOSTILE)
    action = emulator.configure("CHALLENGE")
    asked = emulator.track(quote(user, safe=""), action, userAgent=HOSTILE, custom={HOSTILE: HOSTILE})
    emulator.call("challenge/push", asked["token"], {"action": action})
    expect(phone.requests).to_contain_text(f"{HOSTILE}: {HOSTILE}")
    assert phone.page.locator("#phone img, #phone script").count() == 0
    assert "owned" not in phone.page.title()


def test_a_page_that_opened_the_phone_keeps_no_hand_on_it(emulator: Emulator, visit: Visitor) -> None:
    visit.open(visit.app.url)
    with visit.page.expect_popup() as opened:
        visit.page.evaluate("url => { window.phone = window.open(url, 'phone') }", f"{emulator.url}/phone/")
    expect(opened.value.locator("#phone")).to_be_visible()
    assert visit.page.evaluate("window.phone.closed") is True


def test_a_press_that_comes_as_the_question_appears_does_not_answer_it(
    emulator: Emulator, user: str, phone: PhonePage
) -> None:
    phone.pair(user, "push")
    phone.page.evaluate(PRESS_AT_ONCE)
    action, token = challenged(emulator, user)
    emulator.call("challenge/push", token, {"action": action})
    expect(phone.requests).to_have_count(1)
    assert phone.page.evaluate("window.pressed") == 1
    phone.page.wait_for_timeout(1000)
    expect(phone.requests).to_have_count(1)


PRESS_AT_ONCE = """() => {
  window.pressed = 0;
  new MutationObserver(() => {
    const button = document.querySelector("[data-answer=yes]");
    if (button && !window.pressed) { window.pressed = 1; button.click(); }
  }).observe(document.body, {childList: true, subtree: true});
}"""


# The rest of a phone's life.


def test_one_phone_answers_for_two_users(
    emulator: Emulator, user: str, visit: Visitor, phone: PhonePage, track: Callable[..., Any]
) -> None:
    for one in (user, f"{user}-second"):
        phone.pair(one, "qr-code")
    visit.open(track()["url"])
    phone.scan(href(visit.page))
    phone.page.locator("form.request").get_by_label("Account").select_option(label=f"{user} · Ada's phone")
    phone.press("See what it asks")
    phone.press("Approve")
    assert state(emulator, visit.returned()["token"][0]) == "CHALLENGE_SUCCEEDED"


def test_a_code_that_names_nobody_signs_in_whoever_approves(emulator: Emulator, user: str, phone: PhonePage) -> None:
    phone.pair(user, "qr-code")
    action = emulator.configure("ALLOW")
    shown = emulator.anonymous("challenge/qr-code", {"action": action, "custom": {"till": 7}}).json()
    phone.scan(shown["challengeId"])
    phone.press("See what it asks")
    expect(phone.requests).to_contain_text("till: 7")
    phone.press("Approve")
    expect(phone.said).to_contain_text("Approved.")
    body = {"challengeId": shown["challengeId"], "deviceCode": shown["deviceCode"]}
    token = emulator.anonymous("verify/qr-code", body).json()["accessToken"]
    assert emulator.validate(token, userId=user, action=action)["isValid"] is True


def test_the_app_on_the_phone_proves_with_its_own_key(emulator: Emulator, user: str, phone: PhonePage) -> None:
    phone.pair(user, "in-app")
    action = emulator.configure("ALLOW")
    phone.page.get_by_label("Action").fill(action)
    phone.press("Prove it")
    shown = phone.page.locator("#proved-token")
    expect(shown).to_be_focused()
    token = shown.inner_text()
    proved = emulator.validate(token, userId=user, action=action)
    assert (proved["isValid"], proved["verificationMethod"]) == (True, "IN_APP")


def test_a_first_phone_paired_by_a_token_shows_the_recovery_codes(
    emulator: Emulator, user: str, phone: PhonePage
) -> None:
    phone.pair(user, "push")
    codes = phone.page.get_by_label("Recovery codes").inner_text().split()
    assert len(codes) == 10
    phone.scan(emulator.track(user, "signIn", scope="add:authenticators")["token"])
    expect(phone.page.get_by_label("Recovery codes")).to_be_visible()  # nobody can show them again
    phone.press("I have saved them")
    expect(phone.page.get_by_label("Recovery codes")).to_have_count(0)
    _action, token = challenged(emulator, user)
    assert emulator.call("verify/recovery-code", token, {"verificationCode": codes[0]})["isVerified"]


def test_a_key_is_kept_over_a_reload_and_removed_by_its_own_signature(
    emulator: Emulator, user: str, phone: PhonePage
) -> None:
    phone.pair(user, "push")
    # A phone signs the time to remove itself, and the emulator's clock was moved by other tests.
    ahead = float(emulator.clock_file.read_text()) * 1000
    phone.page.add_init_script(f"const now = Date.now; Date.now = () => now() + {ahead}")
    phone.open()
    expect(phone.page.locator("#keys")).to_contain_text(user)
    phone.page.get_by_role("button", name="Remove").click()
    expect(phone.said).to_contain_text("Removed")
    expect(phone.page.locator("#no-keys")).to_be_visible()
    assert owned(emulator, user) == []


def test_a_phone_whose_clock_is_wrong_keeps_its_key(emulator: Emulator, user: str, phone: PhonePage) -> None:
    phone.pair(user, "push")
    phone.page.add_init_script("const now = Date.now; Date.now = () => now() - 86400000")
    phone.open()
    phone.page.get_by_role("button", name="Remove").click()
    expect(phone.page.get_by_role("alert").filter(visible=True)).to_contain_text("Try again")
    expect(phone.page.get_by_role("button", name="Remove")).to_be_visible()
    assert owned(emulator, user) == ["PUSH"]


def test_a_key_that_was_removed_elsewhere_is_told_and_forgotten(
    emulator: Emulator, user: str, phone: PhonePage
) -> None:
    phone.pair(user, "push")
    [mine] = emulator.server("GET", f"users/{user}/authenticators").json()
    emulator.server("DELETE", f"users/{user}/authenticators/{mine['userAuthenticatorId']}")
    expect(phone.page.get_by_text("does not know this key any more").filter(visible=True)).to_be_visible()
    phone.page.get_by_role("button", name="Forget").click()
    expect(phone.page.locator("#no-keys")).to_be_visible()
    phone.open()
    expect(phone.page.locator("#no-keys")).to_be_visible()


def test_an_outage_is_told_and_survived(emulator: Emulator, user: str, phone: PhonePage) -> None:
    phone.pair(user, "push")
    fault = {"kind": "500", "path": "/push/challenge"}
    emulator.server("PUT", "management/faults", fault)
    try:
        expect(phone.said).to_contain_text("does not answer")
        action, token = challenged(emulator, user)
        emulator.call("challenge/push", token, {"action": action})
    finally:
        emulator.server("DELETE", "management/faults")
    phone.press("Approve")
    expect(phone.said).to_contain_text("Approved.")


def test_who_may_not_add_a_way_is_told(
    emulator: Emulator, user: str, phone: PhonePage, user_app: AuthenticatorApp
) -> None:
    _action, token = challenged(emulator, user)
    phone.open()
    phone.scan(token)
    phone.press("Pair")
    expect(phone.page.get_by_role("alert").filter(visible=True)).to_contain_text("needs a proof first")
    assert owned(emulator, user) == ["AUTHENTICATOR_APP"]


def test_a_phone_is_used_by_keyboard_alone(emulator: Emulator, user: str, phone: PhonePage) -> None:
    phone.pair(user, "qr-code")
    phone.open()
    shown = emulator.anonymous("challenge/qr-code", {"action": emulator.configure("ALLOW")}).json()
    keyboard = phone.page.keyboard
    for _ in range(10):
        keyboard.press("Tab")
        if phone.page.evaluate("document.activeElement.id") == "code":
            break
    keyboard.type(shown["challengeId"])
    keyboard.press("Enter")
    expect(phone.page.get_by_role("heading", name="A code was scanned")).to_be_focused()
    keyboard.press("Tab")
    keyboard.press("Enter")
    expect(phone.requests).to_be_focused()
    expect(phone.page.get_by_role("button", name="Approve")).to_be_enabled()
    keyboard.press("Tab")
    assert phone.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    keyboard.press("Enter")
    expect(phone.said).to_contain_text("Approved.")
    expect(phone.page.get_by_role("heading", name="Waiting for your answer")).to_be_focused()


def popup(visit: Visitor, url: str) -> FrameLocator:
    """As the SDK opens it. Press keys in it: Chromium drops clicks on a frame of another site that has just moved."""
    visit.open(visit.app.url)
    visit.page.evaluate("window.heard = []; addEventListener('message', e => window.heard.push(e.data))")
    frame = "url => { const f = document.createElement('iframe'); f.src = url; document.body.append(f) }"
    visit.page.evaluate(frame, f"{url}&mode=popup")
    visit.page.wait_for_function("window.heard.some(m => String(m).includes('AUTHSIGNAL_READY'))")
    return visit.page.frame_locator("iframe")


def test_a_popup_hands_the_token_of_a_push_to_its_page(
    emulator: Emulator, user: str, visit: Visitor, phone: PhonePage, track: Callable[..., Any]
) -> None:
    phone.pair(user, "push")
    hosted = popup(visit, track()["url"])
    hosted.get_by_role("button", name="Ask my phone").press("Enter")
    phone.press("Approve")
    expect(hosted.get_by_role("heading", level=1)).to_have_text("Thank you, it is you")
    closed = "window.heard.filter(m => typeof m === 'string').map(JSON.parse).find(m => m.event.endsWith('_POPUP'))"
    token = visit.page.wait_for_function(closed).json_value()["token"]
    assert state(emulator, token) == "CHALLENGE_SUCCEEDED"


def test_a_rejection_in_a_popup_tells_no_token(
    emulator: Emulator, user: str, visit: Visitor, phone: PhonePage, track: Callable[..., Any]
) -> None:
    phone.pair(user, "push")
    hosted = popup(visit, track()["url"])
    hosted.get_by_role("button", name="Ask my phone").press("Enter")
    phone.press("Reject")
    hosted.get_by_role("link", name="Go back").press("Enter")
    closed = "window.heard.filter(m => typeof m === 'string').map(JSON.parse).find(m => m.event.endsWith('_POPUP'))"
    assert "token" not in visit.page.wait_for_function(closed).json_value()
