"""The script itself: how much it weighs, what it costs a page, and what it does when things go wrong."""

from __future__ import annotations

import gzip
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

import django_authsignal
from tests.emulator.hosted_browser import AXE, RUN_AXE
from tests.matrix.cells import Cell
from tests.matrix.journeys import IN_DIALOG, Journey, Upload
from tests.sdks import install

pytestmark = pytest.mark.e2e
MODULE = Path(django_authsignal.__file__).parent / "static" / "authsignal" / "authsignal.js"
Visit = Callable[..., Any]


def test_it_weighs_three_kilobytes_at_most_minified_and_compressed() -> None:
    if reason := install.install():
        pytest.skip(reason)
    terser = install.MODULES / ".bin" / "terser"
    small = subprocess.run([terser, "--module", "-c", "-m", "--", MODULE], capture_output=True, check=True, timeout=60)
    assert len(gzip.compress(small.stdout, 9)) <= 3 * 1024


def begin(visitor: Any, operation: str, upload: Upload, way: str = "dialog") -> Page:
    Journey(visitor, Cell(operation, way), upload).begin()
    return visitor.page  # type: ignore[no-any-return] # untyped there


def test_escape_leaves_it_gives_the_focus_back_and_does_nothing(visit: Visit, upload: Upload) -> None:
    visitor = visit("gunicorn")
    page = begin(visitor, "json", upload)
    expect(page.locator(f"{IN_DIALOG} iframe")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(IN_DIALOG)).to_have_count(0)
    expect(page.locator("#refused")).to_have_text("401")
    assert page.evaluate("document.activeElement.id") == "json"
    assert visitor.site.arrived(visitor.mark) == []


@pytest.mark.long
def test_escape_leaves_the_dialog_of_a_waiting_form_for_the_link_that_opens_it_again(
    visit: Visit, upload: Upload
) -> None:
    page = begin(visit("gunicorn"), "form", upload)
    expect(page.locator(f"{IN_DIALOG} iframe")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Prove it is you")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(f"{IN_DIALOG} iframe")).to_be_visible()


def test_cancelling_on_the_hosted_page_does_nothing(visit: Visit, upload: Upload) -> None:
    visitor = visit("gunicorn")
    page = begin(visitor, "json", upload)
    page.frame_locator(f"{IN_DIALOG} iframe").get_by_text("Cancel").click()
    expect(page.locator("#refused")).to_have_text("401")
    assert visitor.site.arrived(visitor.mark) == []


def test_a_double_click_sends_one_form_and_asks_once(visit: Visit, upload: Upload) -> None:
    visitor = visit("gunicorn")
    visitor.open("/page/")
    visitor.fill_in()
    page = visitor.page
    page.locator("#marked button").dblclick()
    expect(page.locator(IN_DIALOG)).to_have_count(1)
    visitor.prove_in_dialog()
    expect(page.locator("#arrived")).to_be_visible()
    assert len(visitor.site.arrived(visitor.mark)) == 1


@pytest.mark.long
def test_a_double_click_on_the_waiting_page_sends_once(visit: Visit, upload: Upload) -> None:
    visitor = visit("gunicorn")
    page = begin(visitor, "form", upload)
    visitor.prove_in_dialog()
    page.get_by_role("button", name="Send it").dblclick()
    expect(page.locator("#arrived")).to_be_visible()
    assert len(visitor.site.arrived(visitor.mark)) == 1


@pytest.mark.parametrize("event", ["online", pytest.param("focus", marks=pytest.mark.long)])
def test_going_offline_keeps_the_proof_until_there_is_a_network(visit: Visit, upload: Upload, event: str) -> None:
    visitor = visit("gunicorn")
    page = begin(visitor, "form", upload)
    frame = page.frame_locator(f"{IN_DIALOG} iframe")
    frame.get_by_role("button", name="Send the code").click()
    expect(frame.locator("#code")).to_be_visible()
    frame.locator("#code").fill(visitor.code())
    page.route("**/authsignal/challenges/**", lambda route: route.abort("internetdisconnected"))
    frame.get_by_role("button", name="Continue").click()
    expect(page.locator(f"{IN_DIALOG} [role=status]")).to_contain_text("offline")
    page.unroute("**/authsignal/challenges/**")
    page.evaluate("(name) => dispatchEvent(new Event(name))", event)
    expect(page.locator(IN_DIALOG)).to_have_count(0)
    page.get_by_role("button", name="Send it").click()
    expect(page.locator("#arrived")).to_be_visible()


@pytest.mark.long
def test_an_offline_marked_form_stays_on_its_page(visit: Visit) -> None:
    visitor = visit("gunicorn")
    visitor.open("/page/")
    visitor.fill_in()
    said: list[str] = []
    visitor.page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.accept()))
    visitor.page.context.set_offline(True)
    visitor.page.locator("#marked button").click()
    visitor.page.wait_for_function("1")
    assert visitor.page.locator("#form [name=mark]").input_value() == visitor.mark
    visitor.page.context.set_offline(False)
    assert "nothing is lost" in said[0]


@pytest.mark.long
def test_a_frame_the_sites_own_policy_blocks_leaves_the_way_through_a_tab(visit: Visit, upload: Upload) -> None:
    visitor = visit("gunicorn")
    page = visitor.page
    page.route(
        "**/do/form/",
        lambda route: (
            lambda answer: route.fulfill(
                response=answer,
                headers={**answer.headers, "content-security-policy": "default-src 'self'; frame-src 'none'"},
            )
        )(route.fetch()),
    )
    begin(visitor, "form", upload)
    expect(page.locator(f"{IN_DIALOG} [role=status]")).to_contain_text("new tab")
    with page.expect_popup() as opened:
        page.locator(f"{IN_DIALOG} a").click()
    visitor.complaints.clear()  # the browser says that the policy was kept
    visitor.prove_in_tab(opened.value, script=True)
    page.get_by_role("button", name="Send it").click()
    expect(page.locator("#arrived")).to_be_visible()


@pytest.mark.long
def test_signing_out_in_another_tab_sends_nothing(visit: Visit, upload: Upload) -> None:
    visitor = visit("gunicorn")
    page = begin(visitor, "form", upload)
    visitor.prove_in_dialog()
    other = page.context.new_page()
    other.goto(f"{visitor.site.url}/leave/")
    page.get_by_role("button", name="Send it").click()
    page.wait_for_load_state()
    assert visitor.site.arrived(visitor.mark) == []


def test_another_user_signed_in_meanwhile_sends_nothing(visit: Visit, upload: Upload) -> None:
    visitor = visit("gunicorn")
    page = begin(visitor, "form", upload)
    visitor.prove_in_dialog()
    other = page.context.new_page()
    other.goto(f"{visitor.site.url}/enter/somebody-else/")
    page.get_by_role("button", name="Send it").click()
    page.wait_for_load_state()
    visitor.complaints.clear()  # Django's own page of a failed CSRF check has its style inside
    assert visitor.site.arrived(visitor.mark) == []


@pytest.mark.long
def test_a_page_out_of_the_back_forward_cache_sees_a_proof_made_meanwhile(visit: Visit, upload: Upload) -> None:
    visitor = visit("gunicorn")
    page = begin(visitor, "form", upload)
    page.keyboard.press("Escape")
    href = str(page.locator("[data-authsignal-waiting] a[target=_blank]").get_attribute("href"))
    tab = page.context.new_page()
    tab.goto(visitor.site.url + href)
    visitor.prove(tab)
    expect(tab.get_by_role("main")).to_contain_text("Go back to the tab")
    page.bring_to_front()
    expect(page.get_by_role("button", name="Send it")).to_be_enabled()
    page.get_by_role("button", name="Send it").click()
    expect(page.locator("#arrived")).to_be_visible()


@pytest.mark.long
def test_axe_finds_no_fault_in_the_dialog(visit: Visit, upload: Upload) -> None:
    from axe_playwright_python.sync_playwright import Axe

    visitor = visit("gunicorn")
    page = begin(visitor, "form", upload)
    expect(page.frame_locator(f"{IN_DIALOG} iframe").get_by_role("button", name="Send the code")).to_be_visible()
    found = Axe().run(page).response["violations"]
    assert [fault["id"] for fault in found] == []


STOPS = {
    "Changed since": "form.elements.amount.value = 9999",
    "What was wrong": "form.elements.payee.remove()",
    "fresh proof": """form.elements.amount.value = 7;
        for (const one of "abcdefg")
            form.append(Object.assign(document.createElement("input"), { name: one + "_pin" }));""",
}


@pytest.mark.long
def test_axe_finds_no_fault_in_the_pages_that_stop_a_form(visit: Visit, upload: Upload) -> None:
    visitor = visit("gunicorn")
    page = begin(visitor, "bound", upload)
    visitor.prove_in_dialog()
    faults = []
    for said, change in STOPS.items():
        visitor.open("/page/")
        visitor.fill_in()
        page.evaluate(f"() => {{ const form = document.getElementById('bound'); {change} }}")
        page.locator("#bound button").click()
        page.wait_for_url("**/do/bound/")
        page.keyboard.press("Escape")
        expect(page.locator("main")).to_contain_text(said)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type] # one of those it takes
            page.evaluate(AXE)
            faults += [f"{said}, {scheme}: {fault}" for fault in page.evaluate(RUN_AXE)]
    assert faults == []


@pytest.mark.long
def test_a_blocked_popup_leaves_a_link_to_the_tab(visit: Visit, upload: Upload) -> None:
    visitor = visit("gunicorn")
    page = visitor.page
    page.add_init_script("window.open = () => null")
    begin(visitor, "json", upload, "tab")
    with page.expect_popup() as opened:
        page.locator(f"{IN_DIALOG} a").click()
    visitor.prove_in_tab(opened.value, script=True)
    expect(page.locator("#arrived")).to_be_visible()


@pytest.mark.long
def test_a_challenge_that_expired_meanwhile_is_told_and_nothing_is_sent(visit: Visit, upload: Upload) -> None:
    visitor = visit("gunicorn")
    page = begin(visitor, "json", upload)
    expect(page.locator(f"{IN_DIALOG} iframe")).to_be_visible()
    let_it_expire(visitor)
    page.evaluate("dispatchEvent(new Event('focus'))")
    expect(page.locator(f"{IN_DIALOG} [role=status]")).to_contain_text("Nothing was done")
    page.locator(IN_DIALOG).get_by_role("button").click()
    expect(page.locator("#refused")).to_have_text("401")
    assert visitor.site.arrived(visitor.mark) == []


def let_it_expire(visitor: Any) -> None:
    """Its time passes, and nobody comes to close it."""
    with closing(sqlite3.connect(visitor.site.folder / "site.sqlite3", timeout=20)) as database, database:
        database.execute("update django_authsignal_challenge set expires_at='2020-01-01 00:00:00' where status='open'")


@pytest.mark.long
def test_a_form_whose_challenge_expired_is_sent_to_be_asked_anew(visit: Visit, upload: Upload) -> None:
    visitor = visit("gunicorn")
    page = begin(visitor, "form", upload)
    expect(page.locator(f"{IN_DIALOG} iframe")).to_be_visible()
    let_it_expire(visitor)
    page.keyboard.press("Escape")
    expect(page.get_by_role("status")).to_contain_text("asked anew")
    page.get_by_role("button", name="Send it").click()
    visitor.prove_in_dialog()
    assert visitor.site.arrived(visitor.mark) == []
    page.get_by_role("button", name="Send it").click()
    expect(page.locator("#arrived")).to_be_visible()
    assert len(visitor.site.arrived(visitor.mark)) == 1


@pytest.mark.long
@pytest.mark.parametrize("operation", ["bound", "markedbound"])
def test_the_dialog_says_what_is_signed_over_the_page_that_it_covers(
    visit: Visit, upload: Upload, operation: str
) -> None:
    page = begin(visit("gunicorn"), operation, upload)
    dialog = page.get_by_role("dialog", name="Send 250.00 to Zoë")
    expect(dialog.get_by_role("heading", name="Send 250.00 to Zoë")).to_be_visible()


@pytest.mark.long
def test_back_from_the_proof_to_a_page_that_was_kept_sends_the_form_anew(visit: Visit, upload: Upload) -> None:
    visitor = visit("gunicorn")
    page = visitor.page
    # The browser under test keeps no page: this one never leaves, and is told that it came back.
    page.route("**/challenges/*-*/", lambda route: route.fulfill(status=204))
    with page.expect_response("**/challenges/*-*/"):
        begin(visitor, "markedbound", upload, "redirect")
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    with page.expect_response("**/challenges/*-*/"):
        page.locator("#markedbound button").click()


@pytest.mark.long
def test_calls_at_one_time_open_one_dialog_after_the_other_and_one_proof_serves_both(
    visit: Visit, upload: Upload
) -> None:
    visitor = visit("gunicorn")
    visitor.open("/page/")
    visitor.fill_in()
    page = visitor.page
    page.evaluate("document.getElementById('json').click(); document.getElementById('put').click()")
    with (
        page.expect_response(lambda answer: "/do/json/" in answer.url and answer.ok),
        page.expect_response(lambda answer: "/do/put/" in answer.url and answer.ok),
    ):
        visitor.prove_in_dialog()
    assert sorted(found["operation"] for found in visitor.site.arrived(visitor.mark)) == ["json", "put"]


CALL_THAT_IS_STOPPED = """async (url) => {
    const { stepUp } = await import("/static/authsignal/authsignal.js");
    const csrf = document.querySelector("[name=csrfmiddlewaretoken]").value;
    window.stop = new AbortController();
    const options = { method: "POST", headers: { "X-CSRFToken": csrf }, body: "x", signal: stop.signal };
    stepUp()(url, options).catch((error) => (window.ended = error.name));
}"""


@pytest.mark.long
def test_a_call_that_its_page_aborts_takes_its_dialog_with_it(visit: Visit) -> None:
    visitor = visit("gunicorn")
    visitor.open("/page/")
    page = visitor.page
    page.evaluate(CALL_THAT_IS_STOPPED, "/do/raw/")
    expect(page.locator(IN_DIALOG)).to_have_count(1)
    page.evaluate("stop.abort()")
    expect(page.locator(IN_DIALOG)).to_have_count(0)
    page.wait_for_function("window.ended === 'AbortError'")


@pytest.mark.long
def test_another_sites_answer_to_htmx_opens_no_dialog(visit: Visit) -> None:
    visitor = visit("gunicorn")
    page = visitor.page
    # A site without a policy of its own: that of this one would have stopped the call before.
    page.route("**/page/**", lambda route: route.fulfill(response=route.fetch(), headers={"content-type": "text/html"}))
    visitor.open("/page/?htmx=2")
    headers = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "*"}
    body = {"code": "challenge_required", "challengeId": "1", "url": "https://evil.example/"}
    page.route("https://evil.example/**", lambda route: route.fulfill(status=401, json=body, headers=headers))
    page.evaluate("htmx.config.selfRequestsOnly = false")
    with page.expect_response("https://evil.example/**"):
        page.evaluate("htmx.ajax('GET', 'https://evil.example/', '#out')")
    page.wait_for_timeout(200)
    assert page.locator(IN_DIALOG).count() == 0


@pytest.mark.long
def test_it_stands_beside_the_official_sdk_and_each_hears_its_own_page(visit: Visit, upload: Upload) -> None:
    visitor = visit("gunicorn")
    page = visitor.page
    visitor.open("/page/")
    visitor.fill_in()
    page.add_script_tag(url="/static/htmx/@authsignal/browser/dist/index.min.js")
    asked = page.evaluate("""async () => {
        const csrf = document.querySelector("[name=csrfmiddlewaretoken]").value;
        const headers = { "X-CSRFToken": csrf, "Content-Type": "application/json" };
        return (await fetch("/do/json/?from=sdk", { method: "POST", headers, body: "{}" })).json();
    }""")
    page.evaluate(
        """(url) => {
        const sdk = new window.authsignal.Authsignal({ tenantId: "emulator" });
        window.launched = sdk.launch(url, { mode: "popup" });
    }""",
        asked["url"],
    )
    visitor.prove(page.frame_locator("#__authsignal-popup-iframe"))
    told = page.evaluate("window.launched")
    visitor.complaints.clear()  # the SDK writes a style of its own into the page
    assert told["token"]
    assert page.locator(IN_DIALOG).count() == 0
    page.locator("#json").click()
    visitor.prove_in_dialog()
    expect(page.locator("#arrived")).to_be_visible()
