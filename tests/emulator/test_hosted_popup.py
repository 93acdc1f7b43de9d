"""Popup and window modes: the messages of the client SDK, and who may not hear them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, Frame, Page, expect

from .conftest import App as AuthenticatorApp
from .conftest import Emulator
from .hosted_browser import App

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.sample(2)]
LISTEN = "window.heard = []; addEventListener('message', e => window.heard.push([e.origin, e.data]))"
FRAME = """url => { const frame = document.createElement('iframe'); frame.src = url; frame.name = 'authsignal';
document.body.append(frame) }"""
ELSEWHERE = "https://app.example/back"


@pytest.fixture
def page(browser: Browser, app: App) -> Iterator[Page]:
    """A page of the application that listens."""
    context = browser.new_context()
    context.set_default_timeout(10_000)
    opened = context.new_page()
    opened.goto(app.url)
    opened.evaluate(LISTEN)
    yield opened
    context.close()


@pytest.fixture
def tracked(emulator: Emulator, user: str, user_app: AuthenticatorApp) -> Callable[..., Any]:
    return lambda **attributes: emulator.track(user, emulator.configure("CHALLENGE"), **attributes)


def popup(page: Page, url: str) -> Frame:
    """As the SDK opens it."""
    page.evaluate(FRAME, f"{url}&mode=popup")
    heard(page, "AUTHSIGNAL_READY")  # its script runs: before that nobody hears a press
    return hosted_frame(page)


def hosted_frame(page: Page) -> Frame:
    for _ in range(50):
        found = [frame for frame in page.frames if "/challenge/" in frame.url]
        if found:
            return found[0]
        page.wait_for_timeout(100)
    raise AssertionError([frame.url for frame in page.frames])


def heard(page: Page, event: str) -> Any:
    """The message of this name, once it has come, with the origin that it came from."""
    for _ in range(50):
        for origin, data in page.evaluate("window.heard"):
            if isinstance(data, str) and json.loads(data)["event"] == event:
                return {"origin": origin, **json.loads(data)}
        page.wait_for_timeout(100)
    raise AssertionError(f"{event} was not heard: {page.evaluate('window.heard')}")


def names(page: Page) -> list[str]:
    return [json.loads(data)["event"] for _, data in page.evaluate("window.heard") if isinstance(data, str)]


def prove(frame: Frame | Page, user_app: AuthenticatorApp) -> None:
    frame.locator("#code").fill(user_app.code())
    frame.get_by_role("button", name="Continue", exact=True).click()


def test_a_popup_tells_that_it_is_ready_and_how_high_it_is(
    emulator: Emulator, page: Page, tracked: Callable[..., Any], app: App
) -> None:
    popup(page, tracked(redirectUrl=app.callback)["url"])
    assert heard(page, "AUTHSIGNAL_READY")["origin"] == emulator.url
    page.wait_for_timeout(300)
    heights = [data["height"] for _, data in page.evaluate("window.heard") if isinstance(data, dict)]
    assert heights
    assert 200 < heights[-1] < 1000


@pytest.mark.parametrize("redirects", [True, False], ids=["redirectUrl", "none"])
def test_a_popup_gives_the_proved_token_to_the_application(
    emulator: Emulator,
    page: Page,
    app: App,
    tracked: Callable[..., Any],
    user_app: AuthenticatorApp,
    redirects: bool,
) -> None:
    attributes = {"redirectUrl": app.callback} if redirects else {}
    prove(popup(page, tracked(**attributes)["url"]), user_app)
    token = heard(page, "AUTHSIGNAL_CLOSE_POPUP")["token"]
    assert emulator.validate(token)["state"] == "CHALLENGE_SUCCEEDED"
    assert "/callback/" not in hosted_frame(page).url


def test_a_cancelled_popup_tells_no_token(page: Page, app: App, tracked: Callable[..., Any]) -> None:
    popup(page, tracked(redirectUrl=app.callback)["url"]).get_by_role("link", name="Cancel").click()
    assert set(heard(page, "AUTHSIGNAL_CLOSE_POPUP")) == {"origin", "event"}


def test_a_popup_can_be_cancelled_without_a_redirect_url(page: Page, tracked: Callable[..., Any]) -> None:
    cancel = popup(page, tracked()["url"]).locator("[data-leave]")
    cancel.focus()
    cancel.press("Enter")
    assert "token" not in heard(page, "AUTHSIGNAL_CLOSE_POPUP")


def test_a_window_gives_the_proved_token_to_its_opener(
    emulator: Emulator, page: Page, app: App, tracked: Callable[..., Any], user_app: AuthenticatorApp
) -> None:
    with page.expect_popup() as opened:
        page.evaluate("url => { window.open(url, 'authsignal') }", tracked()["url"] + "&mode=popup")
    prove(opened.value, user_app)
    token = heard(page, "AUTHSIGNAL_CLOSE_POPUP")["token"]
    assert emulator.validate(token)["state"] == "CHALLENGE_SUCCEEDED"


def test_an_expired_popup_tells_the_error_and_does_not_close(
    emulator: Emulator, page: Page, app: App, tracked: Callable[..., Any]
) -> None:
    url = tracked(redirectUrl=app.callback)["url"]
    emulator.advance(601)
    frame = popup(page, url)
    error = heard(page, "AUTHSIGNAL_API_ERROR")
    assert (error["errorCode"], error["statusCode"]) == ("expired_token", 401)
    assert "AUTHSIGNAL_CLOSE_POPUP" not in names(page)
    expect(frame.get_by_role("heading", level=1)).to_have_text("This link has expired")


# Hostile pages. The stranger is on loopback, and the application is elsewhere.


def await_refusal(page: Page) -> None:
    """Waits until the browser shows its own error in the frame instead of the page."""
    for _ in range(200):
        if page.frames[1].url.startswith("chrome-error:"):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"The frame shows {page.frames[1].url!r}.")


def test_a_strangers_page_cannot_frame_the_popup(page: Page, tracked: Callable[..., Any]) -> None:
    page.evaluate(FRAME, tracked(redirectUrl=ELSEWHERE)["url"] + "&mode=popup")
    await_refusal(page)
    assert page.evaluate("window.heard") == []


def test_the_application_itself_cannot_frame_a_page_that_is_no_popup(
    page: Page, app: App, tracked: Callable[..., Any]
) -> None:
    page.evaluate(FRAME, tracked(redirectUrl=app.callback)["url"])
    await_refusal(page)


@pytest.mark.parametrize("claimed", [False, True], ids=["quiet", "claims-to-be-the-opener"])
def test_a_stranger_that_opens_the_window_hears_no_token(
    emulator: Emulator,
    page: Page,
    app: App,
    tracked: Callable[..., Any],
    user_app: AuthenticatorApp,
    claimed: bool,
) -> None:
    made = tracked(redirectUrl=ELSEWHERE)
    url = f"{made['url']}&mode=popup" + (f"&opener={app.url}" if claimed else "")
    with page.expect_popup() as opened:
        page.evaluate("url => { window.open(url, 'authsignal') }", url)
    prove(opened.value, user_app)
    expect(opened.value.get_by_role("heading", level=1)).to_have_text("Thank you, it is you")
    page.wait_for_timeout(500)
    assert page.evaluate("window.heard") == []
    assert emulator.validate(made["token"])["state"] == "CHALLENGE_SUCCEEDED"


def policy(url: str) -> dict[str, str]:
    header = requests.get(url, timeout=10).headers["Content-Security-Policy"]
    return dict(part.strip().partition(" ")[::2] for part in header.split(";"))


@pytest.mark.parametrize(
    "address",
    [
        "https://a.example;script-src'unsafe-inline'/",
        "https://a.example,b.example/",
        "https://*.example/",
        "https://*/",
        "https://ünïcode.example/",
        "myapp://back",
    ],
)
def test_a_hostile_redirect_url_writes_nothing_into_the_policy(emulator: Emulator, user: str, address: str) -> None:
    answer = emulator.server(
        "POST", f"users/{user}/actions/{emulator.configure('CHALLENGE')}", {"redirectUrl": address}
    )
    if answer.status_code == 400:
        return
    found = policy(answer.json()["url"] + "&mode=popup")
    assert found["script-src"] == "'self'"
    loopback = {f"{scheme}://{host}:*" for scheme in ("http", "https") for host in ("localhost", "127.0.0.1")}
    assert set(found["frame-ancestors"].split()) == loopback


def test_only_a_popup_may_be_framed_and_only_by_the_application(emulator: Emulator, user: str) -> None:
    url = emulator.track(user, emulator.configure("CHALLENGE"), redirectUrl="https://u:p@App.example:443/back")["url"]
    assert policy(url)["frame-ancestors"] == "'none'"
    assert policy(url + "&mode=window")["frame-ancestors"] == "'none'"
    assert policy(url + "&mode=popup")["frame-ancestors"] == "https://app.example"


def test_a_made_up_token_lets_no_site_frame_the_page(emulator: Emulator) -> None:
    found = policy(f"{emulator.url}/challenge/?token=x&mode=popup&opener=https://evil.example")
    assert "evil" not in found["frame-ancestors"]
