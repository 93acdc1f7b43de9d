"""The dashboard in a real browser: axe-core, narrow screens, a keyboard alone, and lists that stay current."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from .conftest import Emulator, start, stop
from .hosted_browser import AXE, RUN_AXE, press_until
from .receiver import receiving

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.sample(4)]
HOSTILE = "a" * 120 + " <script>alert(1)</script>"
# WCAG 2.2 criterion 2.5.8 leaves out links inside a sentence.
SMALL = """() => [...document.querySelectorAll('button, summary, a.row-main, .nav a, .pills a, .pager a')].filter(one =>
one.checkVisibility()).filter(one => { const box = one.getBoundingClientRect(); return Math.min(box.width, box.height)
< 24 }).map(one => one.outerHTML)"""


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    running = start(tmp_path_factory.mktemp("empty"))
    yield running
    stop(running)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """One that has been used: every state, rules, a receiver that fails, messages, a fault."""
    running = start(tmp_path_factory.mktemp("full"))
    with receiving() as receiver:
        receiver.answers = [500] * 500
        _use(running, receiver.url)
        yield running
    stop(running)


def _use(emulator: Emulator, hook: str) -> None:
    def manage(method: str, path: str, body: Any) -> None:
        answer = emulator.server(method, f"management/{path}", body)
        assert answer.ok, answer.text

    for code, outcome in (("signIn", "CHALLENGE"), ("look", "ALLOW"), ("ask", "REVIEW"), ("never", "BLOCK")):
        manage("POST", "action-configurations", {"actionCode": code, "defaultUserActionResult": outcome})
    rule = {"name": HOSTILE, "priority": 0, "type": "BLOCK", "conditions": {"==": [{"var": "ip.countryCode"}, "NZ"]}}
    manage("POST", "action-configurations/signIn/rules", rule)
    manage("POST", "action-configurations/signIn/rules", {**rule, "name": "off", "priority": 1, "isActive": False})
    manage("POST", "webhooks", {"url": f"{hook}/hook"})
    for number in range(35):
        user = f"user-{number:02}"
        emulator.post(f"users/{user}/authenticators", {"verificationMethod": "EMAIL_OTP", "email": f"{user}@e.example"})
        emulator.track(user, ("signIn", "look", "ask", "never")[number % 4], custom={"note": "x" * 200})
    emulator.call("challenge/email-otp", emulator.track("user-00", "signIn")["token"], {})
    emulator.track(HOSTILE[:100], "look", userAgent="u" * 300, ipAddress="203.0.113.200", deviceId="d" * 90)
    manage("PUT", "faults", {"kind": "slow", "delay": 0.1, "path": "nowhere"})


def first(emulator: Emulator, page: str, pattern: str) -> str:
    found = re.search(f'href="({pattern})"', requests.get(emulator.url + page, timeout=10).text)
    assert found, page
    return found[1]


EMPTY = ["/", "/?span=week", "/users/", "/rules/", "/settings/", "/webhooks/", "/faults/", "/inbox/", "/rules/none/"]
FULL: dict[str, Callable[[Emulator], str]] = {
    **{path: (lambda _, path=path: path) for path in [*EMPTY[:8], "/users/?q=nobody", "/?state=BLOCK"]},  # type: ignore[misc] # mypy infers no lambda with a default
    "an action": lambda emulator: first(emulator, "/?state=REVIEW_REQUIRED", r"/actions/\d+/"),
    "an older action": lambda emulator: first(emulator, "/?code=look", r"/actions/\d+/"),
    "a user": lambda emulator: first(emulator, "/users/?q=user-00", r"/users/[0-9a-f-]{36}/"),
    "rules of an action": lambda _: "/rules/signIn/",
    "a trial": lambda _: "/rules/signIn/?try=1&ip=192.0.2.1#trial",
    "a refused trial": lambda _: "/rules/signIn/?try=1&custom=no#trial",
    "a rule": lambda emulator: first(emulator, "/rules/signIn/", r"/rules/signIn/[0-9a-f-]{36}/"),
    "a delivery": lambda emulator: first(emulator, "/webhooks/", r"/webhooks/deliveries/\d+/"),
}


def inspect(browser: Browser, url: str) -> None:
    context = browser.new_context(reduced_motion="reduce", color_scheme="light")
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if "Security Policy" in said.text else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    for width in (320, 1280):
        page.set_viewport_size({"width": width, "height": 700})
        page.goto(url)
        for summary in page.locator("summary").all():
            if summary.is_visible() and not summary.evaluate("one => one.parentElement.open"):
                summary.click()
        page.evaluate(AXE)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type] # one of those it takes
            assert page.evaluate(RUN_AXE, scheme == "dark") == [], (width, scheme)
        assert page.evaluate(SMALL) == [], width
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert complaints == []
    context.close()


@pytest.mark.parametrize("path", EMPTY)
def test_an_unused_page_is_for_everybody(browser: Browser, empty: Emulator, path: str) -> None:
    inspect(browser, empty.url + path)


@pytest.mark.parametrize("name", FULL)
def test_a_used_page_is_for_everybody(browser: Browser, full: Emulator, name: str) -> None:
    inspect(browser, full.url + FULL[name](full))


# Live.


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(locale="de-DE", timezone_id="Pacific/Auckland")
    context.set_default_timeout(10_000)
    yield context.new_page()
    context.close()


def test_the_first_action_shows_up_by_itself_with_its_chart_and_table(
    page: Page, tmp_path_factory: pytest.TempPathFactory
) -> None:
    fresh = start(tmp_path_factory.mktemp("fresh"))
    page.goto(f"{fresh.url}/")
    expect(page.get_by_text("Track one, and it shows up by itself.")).to_be_visible()
    expect(page.locator("summary", has_text="The same as a table")).to_be_hidden()
    fresh.track("ada", fresh.configure("ALLOW"))
    expect(page.locator(".row", has_text="ada")).to_be_visible()
    expect(page.get_by_text("Track one, and it shows up by itself.")).to_be_hidden()
    expect(page.locator("svg.chart")).to_be_visible()
    page.locator("summary", has_text="The same as a table").click()
    expect(page.locator("tbody td")).to_have_text("1")
    stop(fresh)


def test_the_way_to_older_ones_appears_with_them(page: Page, emulator: Emulator, user: str) -> None:
    action = emulator.configure("ALLOW")
    page.goto(f"{emulator.url}/?code={action}")
    expect(page.get_by_role("link", name="Older")).to_have_count(0)
    for number in range(31):
        emulator.track(f"{user}-{number}", action)
    page.get_by_role("link", name="Older").click()
    expect(page.locator(".row")).to_have_count(1)


def test_what_is_paused_stays_as_it_is(page: Page, emulator: Emulator, user: str) -> None:
    action = emulator.configure("ALLOW")
    page.goto(f"{emulator.url}/?code={action}")
    page.get_by_role("button", name="Pause").click()
    emulator.track(user, action)
    page.wait_for_timeout(3000)
    expect(page.locator(".row")).to_have_count(0)
    page.get_by_role("button", name="Go on").click()
    expect(page.locator(".row")).to_have_count(1)


def test_times_are_the_readers_own_and_name_utc_on_demand(page: Page, emulator: Emulator, user: str) -> None:
    action = emulator.configure("ALLOW")
    emulator.track(user, action)
    page.goto(f"{emulator.url}/?code={action}")
    told = page.locator(".row time")
    expect(told).to_have_attribute("title", re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$"))
    assert told.inner_text() == told.evaluate(
        """one => new Date(one.dateTime).toLocaleString('de-DE', {timeZone: 'Pacific/Auckland', timeStyle: 'medium',
        ...(new Date(one.dateTime).toDateString() !== new Date().toDateString() && {dateStyle: 'medium'})})"""
    )


def test_without_javascript_everything_is_there_in_utc(browser: Browser, emulator: Emulator, user: str) -> None:
    action = emulator.configure("REVIEW")
    emulator.track(user, action)
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{emulator.url}/?code={action}")
    expect(page.locator(".row time")).to_contain_text("UTC")
    expect(page.get_by_role("link", name="Reload")).to_be_visible()
    page.get_by_role("link", name=action).click()
    page.get_by_role("button", name="Release").click()
    expect(page.get_by_role("status").first).to_have_text("The action has its new state.")
    context.close()


# A keyboard alone.


def test_a_keyboard_alone_skips_the_navigation_and_releases_a_review(page: Page, emulator: Emulator, user: str) -> None:
    action = emulator.configure("REVIEW")
    tracked = emulator.track(user, action)
    page.goto(f"{emulator.url}/?code={action}")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    press_until(page, action)
    page.keyboard.press("Enter")
    page.wait_for_url("**/actions/*/")
    press_until(page, "Release")
    page.keyboard.press("Enter")
    page.wait_for_url("**/actions/*/?done=resolved")
    assert emulator.validate(tracked["token"])["state"] == "REVIEW_SUCCEEDED"


def test_the_way_to_connect_is_open_until_the_first_action(page: Page, empty: Emulator, full: Emulator) -> None:
    page.goto(f"{empty.url}/")
    expect(page.locator("code", has_text=f"{empty.url}/v1")).to_be_visible()
    page.goto(f"{full.url}/")
    expect(page.locator("code", has_text=f"{full.url}/v1")).to_be_hidden()


def test_the_commands_that_it_names_work(page: Page, emulator: Emulator) -> None:
    text = requests.get(f"{emulator.url}/", timeout=10).text
    curl = re.search(r"curl -u (\S+): -X POST (\S+)</pre>", text)
    assert curl
    assert requests.post(curl[2], auth=(curl[1], ""), timeout=10).json()["state"] == "ALLOW"
    named = re.search(r"<pre class=\"snippet\">(AUTHSIGNAL = .*?)</pre>", text, re.DOTALL)
    assert named
    settings: dict[str, Any] = {}
    exec(named[1].replace("&quot;", '"'), settings)
    assert settings["AUTHSIGNAL"]["API_URL"] == f"{emulator.url}/v1"
