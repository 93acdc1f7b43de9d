"""The hosted pages in a real browser. The app is on 127.0.0.1 and the emulator on localhost: every return is
cross-site."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, expect

from .conftest import App as AuthenticatorApp
from .conftest import Emulator
from .hosted_browser import App, Visitor, add_passkey_device, visitor

pytestmark = [pytest.mark.e2e, pytest.mark.sample(2)]


@pytest.fixture
def without_script(browser: Browser, app: App) -> Iterator[Visitor]:
    context = browser.new_context(java_script_enabled=False)
    yield visitor(context, app)
    context.close()


def state(emulator: Emulator, token: str) -> str:
    return str(emulator.validate(token)["state"])


def mailed(emulator: Emulator, to: str) -> str:
    return str(requests.get(f"{emulator.url}/inbox.json", {"to": to}, timeout=10).json()[0]["code"])


def test_a_passkey_is_enrolled_and_then_proves_a_step(
    emulator: Emulator, visit: Visitor, track: Callable[..., Any]
) -> None:
    add_passkey_device(visit.page)
    visit.open(track()["url"] + "&state=kept")
    visit.follow("Passkey")
    visit.press("Create passkey")
    expect(visit.page.locator("#recovery-codes")).to_be_visible()
    visit.follow("I have saved them")
    back = visit.returned()
    assert (back["next"], back["state"]) == (["/a b"], ["kept"])
    assert state(emulator, back["token"][0]) == "CHALLENGE_SUCCEEDED"

    visit.open(track()["url"])
    visit.press("Use passkey")
    assert state(emulator, visit.returned()["token"][0]) == "CHALLENGE_SUCCEEDED"


def test_a_device_that_refuses_leaves_a_friendly_message_and_another_try(
    visit: Visitor, track: Callable[..., Any]
) -> None:
    add_passkey_device(visit.page, knows_its_owner=False)
    visit.open(track()["url"])
    visit.follow("Passkey")
    visit.press("Create passkey")
    expect(visit.page.get_by_role("alert").first).to_contain_text("try again", ignore_case=True)
    expect(visit.page.get_by_role("button", name="Create passkey")).to_be_enabled()


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_an_authenticator_app_is_enrolled_by_the_secret_shown(
    emulator: Emulator, track: Callable[..., Any], request: pytest.FixtureRequest, script: bool
) -> None:
    visit: Visitor = request.getfixturevalue("visit" if script else "without_script")
    visit.open(track()["url"])
    visit.follow("Authenticator app")
    secret = visit.page.locator("#secret").inner_text().replace(" ", "")
    visit.type_code(AuthenticatorApp(emulator, secret).code(), "Finish")
    assert len(visit.page.locator("#recovery-codes").inner_text().split()) == 10
    visit.follow("I have saved them")
    assert state(emulator, visit.returned()["token"][0]) == "CHALLENGE_SUCCEEDED"


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_a_code_of_the_app_proves_a_step(
    emulator: Emulator,
    track: Callable[..., Any],
    user_app: AuthenticatorApp,
    request: pytest.FixtureRequest,
    script: bool,
) -> None:
    visit: Visitor = request.getfixturevalue("visit" if script else "without_script")
    visit.open(track()["url"])
    visit.type_code(user_app.code(), "Continue")
    assert state(emulator, visit.returned()["token"][0]) == "CHALLENGE_SUCCEEDED"


def test_a_wrong_code_is_told_beside_its_field(
    emulator: Emulator, visit: Visitor, track: Callable[..., Any], user_app: AuthenticatorApp
) -> None:
    tracked = track()
    visit.open(tracked["url"])
    visit.type_code("000000", "Continue")
    field = visit.page.locator("#code")
    assert field.get_attribute("aria-invalid") == "true"
    assert "code-error" in (field.get_attribute("aria-describedby") or "")
    expect(visit.page.get_by_role("alert")).to_contain_text("wrong")
    assert state(emulator, tracked["token"]) == "CHALLENGE_REQUIRED"


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_a_mailed_code_enrols_and_then_proves_a_step(
    emulator: Emulator, track: Callable[..., Any], user: str, request: pytest.FixtureRequest, script: bool
) -> None:
    visit: Visitor = request.getfixturevalue("visit" if script else "without_script")
    address = f"{user}@example.com"
    visit.open(track(email=address)["url"])
    visit.follow("Code by e-mail")
    assert visit.page.locator("#email").input_value() == address
    visit.press("Send the code")
    visit.type_code(mailed(emulator, address), "Finish")
    visit.follow("I have saved them")
    visit.returned()

    visit.open(track()["url"])
    assert address not in visit.page.content()
    visit.press("Send the code")
    visit.type_code(mailed(emulator, address), "Continue")
    assert state(emulator, visit.returned()["token"][0]) == "CHALLENGE_SUCCEEDED"


TOLD = {"email": '"a<b>"@c.example', "phoneNumber": "+64211234567"}


@pytest.mark.parametrize(
    ("page", "shown"),
    [
        ("email", 'value="&quot;a&lt;b&gt;&quot;@c.example"'),
        ("magic-link", 'value="&quot;a&lt;b&gt;&quot;@c.example"'),
        ("sms", 'value="+64211234567"'),
        ("whatsapp", 'value="+64211234567"'),
    ],
)
def test_an_address_that_track_told_is_in_the_field_to_be_confirmed(
    emulator: Emulator, track: Callable[..., Any], page: str, shown: str
) -> None:
    query = {"token": track(**TOLD)["token"]}
    assert shown in requests.get(f"{emulator.url}/challenge/add/{page}/", query, timeout=10).text


@pytest.mark.parametrize("page", ["email", "magic-link", "sms", "whatsapp"])
def test_a_password_alone_shows_no_address_of_an_enrolled_user(
    emulator: Emulator, track: Callable[..., Any], user_app: AuthenticatorApp, page: str
) -> None:
    query = {"token": track(**TOLD)["token"]}
    answer = requests.get(f"{emulator.url}/challenge/add/{page}/", query, timeout=10)
    assert answer.status_code == 403
    assert "c.example" not in answer.text
    assert "211234567" not in answer.text


def test_a_recovery_code_proves_a_step_by_another_way(
    emulator: Emulator, visit: Visitor, track: Callable[..., Any]
) -> None:
    visit.open(track()["url"])
    visit.follow("Authenticator app")
    secret = visit.page.locator("#secret").inner_text().replace(" ", "")
    visit.type_code(AuthenticatorApp(emulator, secret).code(), "Finish")
    code = visit.page.locator("#recovery-codes").inner_text().split()[0]

    visit.open(track()["url"])
    visit.page.get_by_text("Try another way").click()
    visit.follow("Recovery code")
    visit.type_code(code, "Continue")
    assert state(emulator, visit.returned()["token"][0]) == "CHALLENGE_SUCCEEDED"


def test_cancel_comes_back_with_nothing_proved(
    emulator: Emulator, visit: Visitor, track: Callable[..., Any], user_app: AuthenticatorApp
) -> None:
    visit.open(track()["url"])
    visit.follow("Cancel")
    assert state(emulator, visit.returned()["token"][0]) == "CHALLENGE_REQUIRED"


@pytest.mark.parametrize("page", ["", "add/", "add/passkey/", "add/authenticator-app/", "add/email/", "add/push/"])
@pytest.mark.parametrize(("forced", "cancels"), [("true", False), ("false", True)])
def test_a_first_enrolment_that_is_forced_has_no_cancel(
    emulator: Emulator, track: Callable[..., Any], page: str, forced: str, cancels: bool
) -> None:
    query = {"token": track()["token"], "force_enrollment": forced}
    answer = requests.get(f"{emulator.url}/challenge/{page}", query, timeout=10)
    assert (answer.status_code, "Cancel" in answer.text) == (200, cancels)


def test_a_forced_enrolment_stays_so_until_it_is_finished(
    emulator: Emulator, visit: Visitor, track: Callable[..., Any], user: str
) -> None:
    cancel, address = visit.page.get_by_role("link", name="Cancel"), f"{user}@example.com"
    visit.open(track(email=address)["url"] + "&force_enrollment=true")
    visit.follow("Code by e-mail")
    visit.press("Send the code")
    visit.type_code("000000", "Finish")
    expect(visit.page.get_by_role("alert")).to_be_visible()
    expect(cancel).to_have_count(0)
    visit.follow("Choose another way")
    expect(cancel).to_have_count(0)
    visit.follow("Code by e-mail")
    visit.press("Send the code")
    visit.type_code(mailed(emulator, address), "Finish")
    visit.follow("I have saved them")
    assert state(emulator, visit.returned()["token"][0]) == "CHALLENGE_SUCCEEDED"


def test_a_forced_enrolment_in_the_settings_has_no_way_out(emulator: Emulator, track: Callable[..., Any]) -> None:
    url = track(redirectToSettings=True, scope="add:authenticators")["url"]
    page = requests.get(f"{url}&force_enrollment=true", timeout=10)
    assert "You have none yet." in page.text
    assert "/callback/" not in page.text


def test_whoever_is_enrolled_can_cancel_what_is_forced(track: Callable[..., Any], user_app: AuthenticatorApp) -> None:
    assert "Cancel" in requests.get(track()["url"] + "&force_enrollment=true", timeout=10).text


@pytest.mark.parametrize("address", ["myapp://cb", "com.app:/cb"])
@pytest.mark.parametrize("proves", [False, True], ids=["cancel", "proof"])
def test_an_app_is_come_back_to_by_a_scheme_of_its_own(
    emulator: Emulator, visit: Visitor, user: str, user_app: AuthenticatorApp, address: str, proves: bool
) -> None:
    visit.open(emulator.track(user, emulator.configure("CHALLENGE"), redirectUrl=address)["url"])
    with visit.page.expect_request(lambda request: request.url.startswith(address)) as back:
        if proves:
            visit.type_code(user_app.code(), "Continue")
        else:
            visit.follow("Cancel")
    token = back.value.url.removeprefix(f"{address}?token=")
    assert state(emulator, token) == ("CHALLENGE_SUCCEEDED" if proves else "CHALLENGE_REQUIRED")


def test_the_address_of_an_app_keeps_its_own_parameters(emulator: Emulator, user: str) -> None:
    url = emulator.track(user, emulator.configure("CHALLENGE"), redirectUrl="com.app:/cb?x=1#part")["url"]
    page = requests.get(f"{url}&state=kept", timeout=10).text
    assert re.search(r'href="com\.app:/cb\?x=1&amp;token=[\w.-]+&amp;state=kept#part"', page)


def test_a_page_that_leads_to_an_app_names_its_scheme_and_keeps_the_link(
    emulator: Emulator, visit: Visitor, user: str, user_app: AuthenticatorApp
) -> None:
    visit.open(emulator.track(user, emulator.configure("CHALLENGE"), redirectUrl="com.app:/cb")["url"])
    visit.type_code(user_app.code(), "Continue")
    expect(visit.page.locator("main")).to_contain_text("We are taking you back to com.app.")
    link = visit.page.get_by_role("link", name="Continue").get_attribute("href")
    assert (link or "").startswith("com.app:/cb?token=")


def test_the_address_of_a_page_chooses_no_scheme_to_come_back_by(
    emulator: Emulator, user: str, user_app: AuthenticatorApp
) -> None:
    url = emulator.track(user, emulator.configure("CHALLENGE"))["url"]
    page = requests.get(f"{url}&nativeScheme=myapp&redirectUrl=myapp://cb", timeout=10)
    assert page.status_code == 200
    assert "myapp" not in page.text


def test_the_scope_lets_an_enrolled_user_add_another_way(
    emulator: Emulator, visit: Visitor, track: Callable[..., Any], user_app: AuthenticatorApp
) -> None:
    add_passkey_device(visit.page)
    visit.open(track("ALLOW", scope="add:authenticators")["url"])
    expect(visit.page.get_by_role("heading", level=1)).to_have_text("Add another way to prove it is you")
    visit.follow("Passkey")
    visit.press("Create passkey")
    expect(visit.page.get_by_role("heading", level=1)).to_have_text("It is set up")
    visit.follow("Continue")
    assert state(emulator, visit.returned()["token"][0]) == "ALLOW"


def test_without_the_scope_an_enrolled_user_adds_nothing(
    emulator: Emulator, visit: Visitor, track: Callable[..., Any], user_app: AuthenticatorApp
) -> None:
    answer = requests.get(f"{emulator.url}/challenge/add/passkey/", {"token": track()["token"]}, timeout=10)
    assert answer.status_code == 403


@pytest.mark.parametrize(("outcome", "title"), [("BLOCK", "This was refused"), ("REVIEW", "This is waiting")])
def test_a_closed_action_says_so_and_leads_back(
    emulator: Emulator, visit: Visitor, track: Callable[..., Any], outcome: str, title: str
) -> None:
    visit.open(track(outcome)["url"])
    expect(visit.page.get_by_role("heading", level=1)).to_contain_text(title)
    visit.follow("Go back")
    assert state(emulator, visit.returned()["token"][0]) in {"BLOCK", "REVIEW_REQUIRED"}


def test_a_finished_action_is_only_sent_on(
    visit: Visitor, track: Callable[..., Any], user_app: AuthenticatorApp
) -> None:
    tracked = track()
    visit.open(tracked["url"])
    visit.type_code(user_app.code(), "Continue")
    visit.returned()
    visit.open(tracked["url"])
    expect(visit.page.get_by_role("heading", level=1)).to_have_text("Already done")
    visit.follow("Continue")
    visit.returned()


@pytest.mark.parametrize("token", ["", "x", "a.b.c"])
def test_a_bad_token_is_a_friendly_401_that_leads_nowhere(emulator: Emulator, token: str) -> None:
    query = {"token": token, "redirectUrl": "https://evil.example/", "state": "https://evil.example/"}
    answer = requests.get(f"{emulator.url}/challenge/", query, timeout=10, allow_redirects=False)
    assert (answer.status_code, "Set-Cookie" in answer.headers) == (401, False)
    assert "This link does not work" in answer.text
    assert "evil.example" not in answer.text


def test_the_pages_carry_their_headers_and_no_cookie(emulator: Emulator, track: Callable[..., Any]) -> None:
    answer = requests.get(track()["url"], timeout=10)
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("path", ["/", "/inbox/"])
def test_the_pages_beside_it_break_no_policy_of_their_own(emulator: Emulator, visit: Visitor, path: str) -> None:
    visit.open(emulator.url + path)
    expect(visit.page.get_by_role("heading", level=1)).to_be_visible()


def test_an_expired_token_is_a_friendly_401(emulator: Emulator, track: Callable[..., Any]) -> None:
    url = track()["url"]
    emulator.advance(601)
    answer = requests.get(url, timeout=10, allow_redirects=False)
    assert answer.status_code == 401
    assert "This link has expired" in answer.text
