"""@authsignal/browser in a real browser, on a page of another origin with a strict Content Security Policy."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, FrameLocator, Page, expect

from tests.emulator.conftest import App, Emulator, start, stop
from tests.emulator.hosted_browser import add_passkey_device, chromium_running
from tests.emulator.phone import phone_of

from .page import Application

pytestmark = pytest.mark.e2e
INVALID = "CODE_INVALID_OR_EXPIRED"


@pytest.fixture(scope="module")
def application() -> Iterator[Application]:
    running = Application()
    yield running
    running.close()


@pytest.fixture(scope="module")
def emulator(application: Application, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """One that lets the application's pages use passkeys."""
    running = start(tmp_path_factory.mktemp("emulator"), "--origin", application.url)
    application.emulator = running.url
    yield running
    log = (running.clock_file.parent / "stderr").read_text()
    stop(running)
    assert "Traceback" not in log, log


@pytest.fixture(scope="module")
def chromium(sdks: None) -> Iterator[Browser]:
    with chromium_running() as running:
        yield running


@pytest.fixture
def page(chromium: Browser, application: Application, emulator: Emulator) -> Iterator[Page]:
    """The application's page with a client of the SDK, which nobody has given a token."""
    context = chromium.new_context()
    context.set_default_timeout(10_000)
    complaints: list[str] = []
    context.on("console", lambda one: complaints.append(one.text) if "Content Security Policy" in one.text else None)
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    opened = context.new_page()
    open_page(opened, application, emulator)
    yield opened
    context.close()
    assert complaints == []


def open_page(page: Page, application: Application, emulator: Emulator) -> None:
    page.goto(application.url)
    options = {"tenantId": emulator.tenant, "baseUrl": emulator.api}
    page.evaluate("options => { window.sdk = new authsignal.Authsignal(options) }", options)


@dataclass
class Sdk:
    """Calls the SDK's methods by their names, as `sdk.email.verify({code})`."""

    page: Page

    def __call__(self, method: str, **argument: Any) -> Any:
        """The `data` of an answer that must not be an error."""
        answer = self.raw(method, **argument)
        assert answer.get("errorCode") is None, answer
        return answer["data"]

    def raw(self, method: str, **argument: Any) -> Any:
        holder, _, name = method.rpartition(".")
        return self.page.evaluate(f"argument => sdk.{holder}.{name}(argument)", argument)

    def use(self, token: str) -> None:
        self.page.evaluate("token => sdk.setToken(token)", token)


@pytest.fixture
def sdk(page: Page) -> Sdk:
    return Sdk(page)


@pytest.fixture
def challenged(emulator: Emulator, user: str) -> Callable[..., str]:
    """The token of a new action that must be proved."""
    return lambda **attributes: emulator.track(user, emulator.configure("CHALLENGE"), **attributes)["token"]


@pytest.fixture
def address(user: str) -> str:
    return f"{user}@example.com"


@pytest.fixture
def number() -> str:
    return f"+64{uuid.uuid4().int % 10**10 + 10**10}"


def received(emulator: Emulator, to: str) -> Any:
    return requests.get(f"{emulator.url}/inbox.json", params={"to": to}, timeout=9).json()[0]


def proved_by(emulator: Emulator, token: str) -> str:
    """The method with which the token's action was completed."""
    answer = emulator.validate(token)
    assert (answer["isValid"], answer["state"]) == (True, "CHALLENGE_SUCCEEDED")
    return str(answer["verificationMethod"])


# Passkeys.


@pytest.fixture
def passkey(page: Page, sdk: Sdk, emulator: Emulator, user: str) -> Any:
    """What signing up with a passkey answered."""
    add_passkey_device(page)
    token = emulator.track(user, emulator.configure("CHALLENGE"))["token"]
    return sdk("passkey.signUp", token=token, username=f"{user}@example.com", displayName="Ada")


def test_signing_up_with_a_passkey_proves_the_action(emulator: Emulator, passkey: Any, user: str) -> None:
    assert passkey["userAuthenticator"]["verificationMethod"] == "PASSKEY"
    assert proved_by(emulator, passkey["token"]) == "PASSKEY"


@pytest.mark.parametrize("cookies", [False, True])
def test_a_known_user_signs_in_by_token(
    emulator: Emulator, sdk: Sdk, passkey: Any, challenged: Callable[..., str], cookies: bool
) -> None:
    done = sdk("passkey.signIn", token=challenged(), useCookies=cookies)
    assert done["isVerified"]
    assert proved_by(emulator, done["token"]) == "PASSKEY"


@pytest.mark.parametrize("cookies", [False, True])
def test_somebody_signs_in_by_an_action_alone(
    emulator: Emulator, sdk: Sdk, passkey: Any, user: str, cookies: bool
) -> None:
    emulator.server("PATCH", f"users/{user}", {"displayName": "Ada"})
    action = emulator.configure("CHALLENGE")
    done = sdk("passkey.signIn", action=action, useCookies=cookies)
    assert (done["userId"], done["displayName"]) == (user, "Ada")
    answer = emulator.validate(done["token"], action=action)
    assert (answer["isValid"], answer["userId"]) == (True, user)


def test_autofill_signs_in_who_chooses_the_passkey(emulator: Emulator, sdk: Sdk, passkey: Any, user: str) -> None:
    done = sdk("passkey.signIn", autofill=True)
    assert done["isVerified"]
    assert emulator.validate(done["token"])["userId"] == user


def test_a_passkey_is_signed_up_with_cookies(
    page: Page, sdk: Sdk, emulator: Emulator, challenged: Callable[..., str]
) -> None:
    add_passkey_device(page)
    done = sdk("passkey.signUp", token=challenged(), username="ada", useCookies=True)
    assert proved_by(emulator, done["token"]) == "PASSKEY"


def test_the_device_knows_its_passkey(page: Page, passkey: Any, user: str) -> None:
    available = "userId => sdk.passkey.isAvailableOnDevice({userId})"
    assert page.evaluate(available, user) is True
    assert page.evaluate(available, "somebody else") is False


def test_a_deleted_passkey_is_an_unknown_one(emulator: Emulator, sdk: Sdk, passkey: Any, user: str) -> None:
    key = passkey["userAuthenticator"]["userAuthenticatorId"]
    assert emulator.server("DELETE", f"users/{user}/authenticators/{key}").status_code == 200
    assert sdk.raw("passkey.signIn", action=emulator.configure("CHALLENGE"))["errorCode"] == "unknown_credential"


# Security keys.


def test_a_security_key_is_enrolled_and_proves_another_action(
    page: Page, sdk: Sdk, emulator: Emulator, challenged: Callable[..., str]
) -> None:
    add_security_key(page)
    sdk.use(challenged())
    assert proved_by(emulator, sdk("securityKey.enroll")["token"]) == "SECURITY_KEY"
    sdk.use(challenged())
    done = sdk("securityKey.verify")
    assert done["isVerified"]
    assert proved_by(emulator, done["token"]) == "SECURITY_KEY"


def add_security_key(page: Page) -> None:
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable", {"enableUI": False})
    options = {
        "protocol": "ctap2",
        "transport": "usb",
        "hasResidentKey": False,
        "hasUserVerification": False,
        "automaticPresenceSimulation": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})


# Codes.


def test_an_authenticator_app_is_enrolled_and_proves_another_action(
    sdk: Sdk, emulator: Emulator, user: str, challenged: Callable[..., str]
) -> None:
    sdk.use(challenged())
    made = sdk("totp.enroll")
    assert made["uri"].startswith("otpauth://totp/")
    app = App(emulator, made["secret"])
    done = sdk("totp.verify", code=app.code())
    assert done["userAuthenticator"]["verificationMethod"] == "AUTHENTICATOR_APP"
    assert proved_by(emulator, done["token"]) == "AUTHENTICATOR_APP"
    emulator.advance(60)
    sdk.use(challenged())
    assert sdk("totp.verify", code="000000") == {"isVerified": False, "failureReason": INVALID}
    assert proved_by(emulator, sdk("totp.verify", code=app.code())["token"]) == "AUTHENTICATOR_APP"


def test_a_mailed_code_enrols_and_proves_another_action(
    sdk: Sdk, emulator: Emulator, address: str, challenged: Callable[..., str]
) -> None:
    sdk.use(challenged())
    assert sdk("email.enroll", email=address)["userAuthenticatorId"]
    assert sdk("email.verify", code="x") == {"isVerified": False, "failureReason": INVALID}
    done = sdk("email.verify", code=received(emulator, address)["code"])
    assert proved_by(emulator, done["token"]) == "EMAIL_OTP"
    sdk.use(challenged())
    assert sdk("email.challenge")["challengeId"]
    done = sdk("email.verify", code=received(emulator, address)["code"])
    assert proved_by(emulator, done["token"]) == "EMAIL_OTP"


def test_a_text_enrols_and_proves_another_action(
    sdk: Sdk, emulator: Emulator, number: str, challenged: Callable[..., str]
) -> None:
    sdk.use(challenged())
    assert sdk("sms.enroll", phoneNumber=number)["userAuthenticatorId"]
    assert proved_by(emulator, sdk("sms.verify", code=received(emulator, number)["code"])["token"]) == "SMS"
    sdk.use(challenged())
    assert sdk("sms.challenge")["challengeId"]
    assert sdk("sms.verify", code="x")["failureReason"] == INVALID
    assert proved_by(emulator, sdk("sms.verify", code=received(emulator, number)["code"])["token"]) == "SMS"


def test_a_code_by_whatsapp_proves_an_action(
    sdk: Sdk, emulator: Emulator, number: str, challenged: Callable[..., str]
) -> None:
    sdk.use(challenged(phoneNumber=number))
    assert sdk("whatsapp.challenge")["challengeId"]
    message = received(emulator, number)
    assert message["channel"] == "whatsapp"
    assert proved_by(emulator, sdk("whatsapp.verify", code=message["code"])["token"]) == "WHATSAPP"


# Magic links.


@pytest.mark.parametrize("asks", [True, False], ids=["enrol", "challenge"])
def test_a_magic_link_that_is_confirmed_ends_the_sdk_s_waiting(
    page: Page, sdk: Sdk, emulator: Emulator, address: str, challenged: Callable[..., str], asks: bool
) -> None:
    sdk.use(challenged())
    sdk("emailML.enroll", email=address)
    if not asks:
        confirm(page, emulator, address)
        assert sdk("emailML.checkVerificationStatus")["isVerified"]
        sdk.use(challenged())
        sdk("emailML.challenge")
    page.evaluate("() => { window.waiting = sdk.emailML.checkVerificationStatus() }")
    confirm(page, emulator, address)
    done = page.evaluate("() => window.waiting")["data"]
    assert proved_by(emulator, done["token"]) == "EMAIL_MAGIC_LINK"


def confirm(page: Page, emulator: Emulator, address: str) -> None:
    """In another tab, as a person who has opened the mail does."""
    tab = page.context.new_page()
    tab.goto(received(emulator, address)["url"])
    tab.locator("button[value=confirm]").click()
    tab.wait_for_load_state()
    tab.close()


# Push and QR codes, answered by a phone.


@pytest.mark.parametrize("approved", [True, False], ids=["approved", "rejected"])
def test_a_push_is_polled_until_the_phone_has_answered(sdk: Sdk, emulator: Emulator, user: str, approved: bool) -> None:
    phone = phone_of(emulator, user, "push")
    action = emulator.configure("CHALLENGE")
    sdk.use(emulator.track(user, action)["token"])
    asked = sdk("push.challenge", action=action)["challengeId"]
    waiting = sdk("push.verify", challengeId=asked)
    assert (waiting["isVerified"], waiting["isConsumed"]) == (False, False)
    assert phone.waiting().json()["challengeId"] == asked
    phone.answer(asked, approved)
    done = sdk("push.verify", challengeId=asked)
    assert (done["isVerified"], done["isConsumed"]) == (approved, True)
    if approved:
        assert proved_by(emulator, done["token"]) == "PUSH"


@pytest.mark.parametrize("approved", [True, False], ids=["approved", "rejected"])
@pytest.mark.parametrize("polling", [False, True], ids=["websocket", "polling"])
def test_a_qr_code_tells_what_the_phone_does(
    page: Page, sdk: Sdk, emulator: Emulator, user: str, polling: bool, approved: bool
) -> None:
    phone, action = phone_of(emulator, user, "qr-code"), emulator.configure("CHALLENGE")
    asked = page.evaluate(QR_CODE, {"action": action, "polling": polling, "pollInterval": 200})["data"]["challengeId"]
    assert phone.claim(asked).status_code == 200
    heard(page, 1)
    phone.answer(asked, approved)
    states = heard(page, 2)
    assert [state for state, _ in states] == ["claimed", "approved" if approved else "rejected"]
    if approved:
        answer = emulator.validate(states[1][1], action=action)
        assert (answer["isValid"], answer["userId"], answer["verificationMethod"]) == (True, user, "QR_CODE")
    page.evaluate("() => sdk.qrCode.disconnect()")


# Polling tells the state with every poll, however often the phone's owner lets it; a change is told once.
QR_CODE = """options => {
  window.states = [];
  const told = (state, token) => window.states.at(-1)?.[0] === state || window.states.push([state, token]);
  return sdk.qrCode.challenge({...options, onStateChange: told});
}"""


def heard(page: Page, count: int) -> Any:
    """The states that the SDK told, once there are so many."""
    deadline = time.monotonic() + 10
    while len(states := page.evaluate("() => window.states")) < count:
        assert time.monotonic() < deadline, states
        page.wait_for_timeout(50)
    return states


# The hosted pages, opened by the SDK.


@pytest.fixture
def hosted(emulator: Emulator, application: Application, user: str, enrol_app: Callable[[str], App]) -> Hosted:
    """A challenge of a user with an authenticator app, on the hosted page."""
    app = enrol_app(user)
    return Hosted(emulator.track(user, emulator.configure("CHALLENGE"), redirectUrl=application.url)["url"], app)


@dataclass
class Hosted:
    url: str
    app: App

    def prove(self, place: Page | FrameLocator) -> None:
        place.locator("#code").fill(self.app.code())
        place.get_by_role("button", name="Continue", exact=True).click()


LAUNCH = "([url, options]) => { window.launched = sdk.launch(url, options) }"


def test_launch_goes_to_the_page_and_comes_back_with_the_token(
    page: Page, emulator: Emulator, application: Application, hosted: Hosted
) -> None:
    page.evaluate(LAUNCH, [hosted.url, {"mode": "redirect"}])
    hosted.prove(page)
    page.wait_for_url(f"{application.url}/?token=*")
    assert proved_by(emulator, page.url.partition("token=")[2]) == "AUTHENTICATOR_APP"


def test_launch_in_a_popup_resolves_with_the_token_and_closes_it(
    page: Page, emulator: Emulator, hosted: Hosted
) -> None:
    page.evaluate(LAUNCH, [hosted.url, {"mode": "popup"}])
    hosted.prove(page.frame_locator("#__authsignal-popup-iframe"))
    assert proved_by(emulator, page.evaluate("() => window.launched")["token"]) == "AUTHENTICATOR_APP"
    expect(page.locator("#__authsignal-popup-iframe")).to_have_count(0)


def test_the_popup_is_as_high_as_its_page(page: Page, hosted: Hosted) -> None:
    page.evaluate(LAUNCH, [hosted.url, {"mode": "popup"}])
    frame = page.locator("#__authsignal-popup-iframe")
    expect(frame).to_have_class(re.compile("as-iframe-ready"))
    inside = page.frame_locator("#__authsignal-popup-iframe").locator("#widget_container")
    expect(inside).to_be_visible()
    height = inside.evaluate("element => element.getBoundingClientRect().height")
    page.wait_for_timeout(300)
    assert abs(frame.bounding_box()["height"] - height) <= 2


def test_a_popup_that_is_left_resolves_without_a_token(page: Page, hosted: Hosted) -> None:
    page.evaluate(LAUNCH, [hosted.url, {"mode": "popup"}])
    frame = page.frame_locator("#__authsignal-popup-iframe")
    expect(frame.locator("#code")).to_be_visible()
    frame.get_by_role("link", name="Cancel").click()
    assert page.evaluate("() => window.launched") == {"token": None}


def test_launch_in_a_window_resolves_with_the_token_and_closes_it(
    page: Page, emulator: Emulator, hosted: Hosted
) -> None:
    with page.expect_popup() as opened:
        page.evaluate(LAUNCH, [hosted.url, {"mode": "window"}])
    hosted.prove(opened.value)
    assert proved_by(emulator, page.evaluate("() => window.launched")["token"]) == "AUTHENTICATOR_APP"
    deadline = time.monotonic() + 10
    while not opened.value.is_closed():  # the promise is settled first
        assert time.monotonic() < deadline
        page.wait_for_timeout(50)


# Errors.


def test_an_expired_token_is_told_to_the_application(
    page: Page, sdk: Sdk, emulator: Emulator, challenged: Callable[..., str]
) -> None:
    options = {"tenantId": emulator.tenant, "baseUrl": emulator.api}
    page.evaluate(
        "o => { window.sdk = new authsignal.Authsignal({...o, onTokenExpired: () => { window.expired = true }}) }",
        options,
    )
    sdk.use(challenged())
    emulator.advance(601)
    assert sdk.raw("totp.enroll")["errorCode"] == "expired_token"
    assert page.evaluate("() => window.expired") is True


def test_too_many_mails_are_told_to_the_application(sdk: Sdk, address: str, challenged: Callable[..., str]) -> None:
    sdk.use(challenged())
    codes = {sdk.raw("email.enroll", email=address).get("errorCode") for _ in range(13)}
    assert codes == {None, "too_many_requests"}


def test_a_token_that_is_none_is_an_error_with_a_description(sdk: Sdk) -> None:
    sdk.use("nonsense")
    answer = sdk.raw("email.challenge")
    assert answer["errorCode"] == "unauthorized"
    assert answer["errorDescription"]
