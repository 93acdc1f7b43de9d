"""The page on which users look after their own ways of proof, the offer of a passkey, and what a tenant sets."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, expect

from .authenticator import SoftwareAuthenticator
from .conftest import App as AuthenticatorApp
from .conftest import Emulator, enrol_passkey, start, stop
from .hosted_browser import App, Visitor, add_passkey_device, visitor

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.sample(4)]
MANAGE = "add:authenticators update:authenticators remove:authenticators"


def owned(emulator: Emulator, user: str) -> Any:
    return emulator.server("GET", f"users/{user}/authenticators").json()


def post(emulator: Emulator, token: str, **form: str) -> requests.Response:
    """A form of the settings page, as any page of the web could send it."""
    url = f"{emulator.url}/challenge/settings/"
    return requests.post(url, {"token": token, **form}, timeout=10, allow_redirects=False)


# Who may.


def test_a_password_alone_neither_shows_nor_changes_anything(
    emulator: Emulator, user: str, user_app: AuthenticatorApp, track: Callable[..., Any]
) -> None:
    token = track(redirectToSettings=True)["token"]
    shown = requests.get(f"{emulator.url}/challenge/settings/", {"token": token}, timeout=10, allow_redirects=False)
    assert (shown.status_code, shown.headers["Location"][:12]) == (302, "/challenge/?")
    [mine] = owned(emulator, user)
    for do in ("rename", "default", "remove", "really-remove"):
        post(emulator, token, authenticator=mine["userAuthenticatorId"], do=do, name="x")
    assert owned(emulator, user) == [mine]


def test_an_allowed_action_without_scope_may_look_and_not_touch(
    emulator: Emulator, user: str, user_app: AuthenticatorApp, track: Callable[..., Any]
) -> None:
    token = track("ALLOW", redirectToSettings=True)["token"]
    [mine] = owned(emulator, user)
    for do in ("rename", "default", "remove", "really-remove"):
        answer = post(emulator, token, authenticator=mine["userAuthenticatorId"], do=do, name="x")
        assert answer.status_code == 403, do
    assert owned(emulator, user) == [mine]
    page = requests.get(f"{emulator.url}/challenge/settings/", {"token": token}, timeout=10).text
    assert "To change something here, start again" in page
    assert "really-remove" not in page


@pytest.mark.parametrize("outcome", ["BLOCK", "REVIEW"])
def test_a_closed_action_opens_no_settings(
    emulator: Emulator, user: str, user_app: AuthenticatorApp, track: Callable[..., Any], outcome: str
) -> None:
    tracked = track(outcome, redirectToSettings=True, scope=MANAGE)
    assert "Your ways to prove it is you" not in requests.get(tracked["url"], timeout=10).text
    [mine] = owned(emulator, user)
    post(emulator, tracked["token"], authenticator=mine["userAuthenticatorId"], do="really-remove")
    assert owned(emulator, user) == [mine]


def test_nobody_changes_anothers(
    emulator: Emulator,
    user: str,
    user_app: AuthenticatorApp,
    enrol_app: Callable[[str], AuthenticatorApp],
    track: Callable[..., Any],
) -> None:
    other = f"{user}-other"
    enrol_app(other)
    [theirs] = owned(emulator, other)
    token = track("ALLOW", scope=MANAGE)["token"]
    for do in ("rename", "default", "remove", "really-remove"):
        answer = post(emulator, token, authenticator=theirs["userAuthenticatorId"], do=do, name="x")
        assert answer.status_code == 404
    assert owned(emulator, other) == [theirs]


def test_a_get_changes_nothing(
    emulator: Emulator, user: str, user_app: AuthenticatorApp, track: Callable[..., Any]
) -> None:
    [mine] = owned(emulator, user)
    query = {
        "token": track("ALLOW", scope=MANAGE)["token"],
        "authenticator": mine["userAuthenticatorId"],
        "do": "really-remove",
    }
    requests.get(f"{emulator.url}/challenge/settings/", query, timeout=10)
    assert owned(emulator, user) == [mine]


def test_a_form_without_the_token_is_refused_whatever_the_browser_sends(
    emulator: Emulator, user: str, user_app: AuthenticatorApp
) -> None:
    [mine] = owned(emulator, user)
    assert post(emulator, "", authenticator=mine["userAuthenticatorId"], do="really-remove").status_code == 401
    assert owned(emulator, user) == [mine]


def test_the_last_one_stays_without_a_proof(
    emulator: Emulator, user: str, user_app: AuthenticatorApp, track: Callable[..., Any]
) -> None:
    [mine] = owned(emulator, user)
    token = track("ALLOW", scope=MANAGE)["token"]
    assert post(emulator, token, authenticator=mine["userAuthenticatorId"], do="really-remove").status_code == 403
    assert owned(emulator, user) == [mine]


@pytest.mark.parametrize("bad", ["", "x", "../../etc", "\N{NULL}"])
def test_an_id_that_is_none_is_refused(emulator: Emulator, track: Callable[..., Any], bad: str) -> None:
    assert post(emulator, track("ALLOW", scope=MANAGE)["token"], authenticator=bad, do="remove").status_code == 404


HOSTILE = """"><img src=x onerror="document.title='owned'"><script>document.title='owned'</script>"""


def test_a_hostile_name_is_only_text(
    emulator: Emulator, user: str, user_app: AuthenticatorApp, visit: Visitor, track: Callable[..., Any]
) -> None:
    [mine] = owned(emulator, user)
    tracked = track("ALLOW", redirectToSettings=True, scope=MANAGE)
    assert post(emulator, tracked["token"], authenticator=mine["userAuthenticatorId"], do="rename", name=HOSTILE).ok
    visit.open(tracked["url"])
    expect(visit.page.get_by_role("heading", level=2).first).to_have_text(HOSTILE)
    visit.page.locator(".owned summary").click()
    visit.press("Remove")
    expect(visit.page.get_by_role("heading", level=1)).to_contain_text("onerror")
    assert visit.page.locator("main img, main script").count() == 0
    assert "owned" not in visit.page.title()


# What it is for.


def test_settings_follow_the_challenge_and_leaving_goes_back_to_the_app(
    emulator: Emulator, user: str, user_app: AuthenticatorApp, visit: Visitor, track: Callable[..., Any]
) -> None:
    visit.open(track(redirectToSettings=True)["url"] + "&state=kept")
    visit.type_code(user_app.code(), "Continue")
    expect(visit.page.get_by_role("heading", level=1)).to_have_text("Your ways to prove it is you")
    visit.follow("Done")
    back = visit.returned()
    assert back["state"] == ["kept"]
    assert emulator.validate(back["token"][0])["isValid"]


def test_one_is_renamed_made_the_default_added_and_removed(
    emulator: Emulator, user: str, user_app: AuthenticatorApp, visit: Visitor, track: Callable[..., Any]
) -> None:
    add_passkey_device(visit.page)
    visit.open(track("ALLOW", redirectToSettings=True, scope=MANAGE)["url"])
    visit.page.get_by_text("Change Authenticator app").click()
    visit.page.get_by_label("Name").fill("Work phone")
    visit.press("Save the name")
    expect(visit.page.get_by_role("heading", level=2).first).to_have_text("Work phone")
    visit.page.get_by_text("Change Work phone").click()
    visit.press("Ask for this one first")
    expect(visit.page.get_by_role("status")).to_contain_text("asked for this one first")
    assert owned(emulator, user)[0]["isDefault"]

    visit.follow("Passkey")  # no button in between
    visit.press("Create passkey")
    expect(visit.page.get_by_role("heading", level=1)).to_have_text("Your ways to prove it is you")
    assert len(owned(emulator, user)) == 2

    visit.page.get_by_text("Change Passkey").click()
    visit.press("Remove")
    assert len(owned(emulator, user)) == 2
    visit.press("Remove")
    expect(visit.page.get_by_role("status")).to_have_text("It was removed.")
    assert [one["verificationMethod"] for one in owned(emulator, user)] == ["AUTHENTICATOR_APP"]


def test_another_way_not_taken_leads_back_to_the_settings(
    visit: Visitor, user_app: AuthenticatorApp, track: Callable[..., Any]
) -> None:
    visit.open(track("ALLOW", redirectToSettings=True, scope=MANAGE)["url"])
    visit.follow("Passkey")
    visit.follow("Choose another way")
    expect(visit.page.get_by_role("heading", level=1)).to_have_text("Your ways to prove it is you")


@pytest.fixture(scope="module")
def in_november(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    running = start(tmp_path_factory.mktemp("november"))
    running.advance(datetime(2030, 11, 3, 12, tzinfo=UTC).timestamp() - time.time())
    yield running
    stop(running)


@pytest.mark.parametrize(
    ("locale", "day"),
    [
        ("en", "added Nov. 3, 2030"),
        ("de", "3. November 2030"),
        ("fr", "3 novembre 2030"),
        ("es", "3 de noviembre de 2030"),
        ("ja", "2030年11月3日"),
        ("mi", "3 Whiringa-ā-rangi 2030"),
    ],
)
def test_a_date_is_one_that_people_write(in_november: Emulator, user: str, locale: str, day: str) -> None:
    address = f"{user}@example.com"
    in_november.post(f"users/{user}/authenticators", {"verificationMethod": "EMAIL_OTP", "email": address})
    tracked = in_november.track(
        user, in_november.configure("ALLOW"), redirectToSettings=True, scope=MANAGE, locale=locale
    )
    assert day in requests.get(tracked["url"], timeout=10).text


def test_the_first_enrolment_leads_to_the_settings_by_way_of_the_codes(
    emulator: Emulator, visit: Visitor, track: Callable[..., Any]
) -> None:
    visit.open(track(redirectToSettings=True)["url"])
    visit.follow("Authenticator app")
    secret = visit.page.locator("#secret").inner_text().replace(" ", "")
    visit.type_code(AuthenticatorApp(emulator, secret).code(), "Finish")
    visit.follow("I have saved them")
    expect(visit.page.get_by_role("heading", level=1)).to_have_text("Your ways to prove it is you")


# The methods that share their pages.


def message(emulator: Emulator, to: str) -> Any:
    return requests.get(f"{emulator.url}/inbox.json", {"to": to}, timeout=10).json()[0]


@pytest.mark.parametrize("way", ["Code by text message", "Code by WhatsApp"])
def test_a_code_to_the_phone_enrols_and_then_proves(
    emulator: Emulator, user: str, visit: Visitor, track: Callable[..., Any], way: str
) -> None:
    number = f"+6421{int(user[-8:], 16) % 10**7:07}"
    visit.open(track()["url"])
    visit.page.get_by_text("More ways").click()
    visit.follow(way)
    visit.page.get_by_label("Phone number").fill(number)
    visit.press("Send the code")
    visit.type_code(message(emulator, number)["code"], "Finish")
    visit.follow("I have saved them")
    visit.returned()

    visit.open(track()["url"])
    assert number not in visit.page.content()
    visit.press("Send the code")
    visit.type_code(message(emulator, number)["code"], "Continue")
    assert emulator.validate(visit.returned()["token"][0])["isValid"]


def test_a_mistyped_number_is_told_beside_its_field(visit: Visitor, track: Callable[..., Any]) -> None:
    visit.open(track()["url"])
    visit.page.get_by_text("More ways").click()
    visit.follow("Code by text message")
    visit.page.get_by_label("Phone number").fill("12")
    visit.press("Send the code")
    expect(visit.page.get_by_role("alert")).to_contain_text("Check the address or number")


def test_a_security_key_is_enrolled_and_then_proves(
    emulator: Emulator, visit: Visitor, track: Callable[..., Any]
) -> None:
    session = visit.page.context.new_cdp_session(visit.page)
    session.send("WebAuthn.enable", {"enableUI": False})
    options = {"protocol": "ctap2", "transport": "usb", "automaticPresenceSimulation": True}
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    visit.open(track()["url"])
    visit.page.get_by_text("More ways").click()
    visit.follow("Security key")
    visit.press("Add security key")
    visit.follow("I have saved them")
    visit.returned()
    visit.open(track()["url"])
    visit.press("Use security key")
    answer = emulator.validate(visit.returned()["token"][0])
    assert (answer["isValid"], answer["verificationMethod"]) == (True, "SECURITY_KEY")


def test_a_link_opened_in_another_browser_lets_the_first_one_go_on(
    emulator: Emulator, browser: Browser, user: str, visit: Visitor, track: Callable[..., Any]
) -> None:
    address = f"{user}@example.com"
    visit.open(track(email=address)["url"])
    visit.page.get_by_text("More ways").click()
    visit.follow("Link by e-mail")
    visit.press("Send the link")
    elsewhere = browser.new_context()
    other = visitor(elsewhere, visit.app)
    other.open(message(emulator, address)["url"])
    expect(visit.page.get_by_role("heading", level=1)).to_have_text("Check your e-mail")
    other.press("Yes, it was me")
    assert "token=" not in other.page.content()
    elsewhere.close()
    visit.follow("I have saved them")
    assert emulator.validate(visit.returned()["token"][0])["isValid"]

    visit.open(track()["url"])
    visit.press("Send the link")
    link = message(emulator, address)["url"].partition("link=")[2]
    requests.post(f"{emulator.url}/magic-link/", {"link": link, "do": "refuse"}, timeout=10)
    expect(visit.page.get_by_role("alert")).to_contain_text("refused")


def test_ten_methods_leave_a_calm_page(visit: Visitor, track: Callable[..., Any]) -> None:
    visit.open(track()["url"])
    assert visit.page.locator(".way:visible").count() == 3
    visit.page.get_by_text("More ways").click()
    assert visit.page.locator(".way:visible").count() >= 7


# The offer of a passkey.


def offering(emulator: Emulator, user: str, app: App) -> Any:
    action = emulator.configure("CHALLENGE")
    body = {"defaultUserActionResult": "CHALLENGE", "promptToEnrollVerificationMethods": ["PASSKEY"]}
    emulator.server("PATCH", f"management/action-configurations/{action}", body)
    return emulator.track(user, action, redirectUrl=app.callback)


def test_a_passkey_is_offered_after_another_proof(
    emulator: Emulator, user: str, app: App, user_app: AuthenticatorApp, visit: Visitor
) -> None:
    add_passkey_device(visit.page)
    visit.open(offering(emulator, user, app)["url"])
    visit.type_code(user_app.code(), "Continue")
    expect(visit.page.get_by_role("heading", level=1)).to_have_text("Quicker next time")
    visit.follow("Create a passkey")
    visit.press("Create passkey")
    visit.follow("Continue")
    assert emulator.validate(visit.returned()["token"][0])["isValid"]
    assert {one["verificationMethod"] for one in owned(emulator, user)} == {"AUTHENTICATOR_APP", "PASSKEY"}

    visit.open(offering(emulator, user, app)["url"])
    emulator.advance(60)
    visit.type_code(user_app.code(), "Continue")
    assert emulator.validate(visit.returned()["token"][0])["isValid"]


def test_who_wants_none_goes_on_proved(
    emulator: Emulator, user: str, app: App, user_app: AuthenticatorApp, visit: Visitor
) -> None:
    visit.open(offering(emulator, user, app)["url"])
    visit.type_code(user_app.code(), "Continue")
    visit.follow("Not now")
    assert emulator.validate(visit.returned()["token"][0])["isValid"]


# What the tenant sets.


@pytest.fixture
def theme(emulator: Emulator) -> Iterator[Callable[..., None]]:
    def change(**values: Any) -> None:
        assert emulator.server("PATCH", "management/theme", values).status_code == 200

    yield change
    change(primaryColor=None, logoUrl=None, darkMode=None, name=None)


def test_the_success_screen_can_be_hidden(
    emulator: Emulator, user_app: AuthenticatorApp, visit: Visitor, track: Callable[..., Any]
) -> None:
    with emulator.with_tenant(hideSuccessScreenOnEnrollment=True):
        add_passkey_device(visit.page)
        visit.open(track("ALLOW", scope=MANAGE)["url"])
        visit.follow("Passkey")
        visit.press("Create passkey")
        visit.returned()


def light(color: str) -> float:
    """Relative luminance, WCAG 2.2."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", color)[:3]]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)


PAINTED = "element => { const style = getComputedStyle(element); return [style.color, style.backgroundColor] }"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("color", ["#ffe600", "#ffffff", "#000000", "#777777", "#0b5fff", "#f0f", "#12345680"])
def test_any_brand_colour_can_be_read(
    visit: Visitor,
    track: Callable[..., Any],
    theme: Callable[..., None],
    user_app: AuthenticatorApp,
    color: str,
    scheme: Any,
) -> None:
    theme(primaryColor=color)
    visit.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    visit.open(track()["url"])
    button = visit.page.get_by_role("button", name="Continue")
    assert contrast(*button.evaluate(PAINTED)) >= 4.5
    button.hover()
    assert contrast(*button.evaluate(PAINTED)) >= 4.5
    link = visit.page.get_by_role("link", name="Cancel").evaluate(PAINTED)[0]
    card = visit.page.locator(".card").evaluate(PAINTED)[1]
    assert contrast(link, card) >= 4.5


def test_the_brand_colour_is_that_of_the_button(
    visit: Visitor, track: Callable[..., Any], theme: Callable[..., None], user_app: AuthenticatorApp
) -> None:
    theme(primaryColor="#ffe600", darkMode={"primaryColor": "#00aa55"})
    visit.page.emulate_media(color_scheme="light")
    visit.open(track()["url"])
    button = visit.page.get_by_role("button", name="Continue")
    assert button.evaluate(PAINTED) == ["rgb(0, 0, 0)", "rgb(255, 230, 0)"]
    visit.page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    expect(button).to_have_css("background-color", "rgb(0, 170, 85)")


def test_the_logo_and_the_name_are_the_tenants(
    visit: Visitor, track: Callable[..., Any], theme: Callable[..., None], user_app: AuthenticatorApp
) -> None:
    pixel = "data:image/gif;base64,R0lGODlhAQABAAAAACw="
    theme(logoUrl=pixel, name="<b>Kōwhai Bank</b>")
    visit.open(track()["url"])
    expect(visit.page.locator(".brand")).to_have_text("<b>Kōwhai Bank</b>")
    assert visit.page.locator(".brand img").get_attribute("src") == pixel


def test_a_logo_elsewhere_is_allowed_by_its_origin_alone(track: Callable[..., Any], theme: Callable[..., None]) -> None:
    theme(logoUrl="https://cdn.example/logo.png?a=b")
    header = requests.get(track()["url"], timeout=10).headers["Content-Security-Policy"]
    assert "img-src 'self' data: https://cdn.example;" in header


@pytest.mark.parametrize(
    "url", ["https://a.example;script-src'unsafe-inline'/x.png", "https://a.example,b.example/", "https://*/x.png"]
)
def test_a_hostile_logo_writes_nothing_into_the_policy(
    emulator: Emulator, track: Callable[..., Any], theme: Callable[..., None], url: str
) -> None:
    emulator.server("PATCH", "management/theme", {"logoUrl": url})
    header = requests.get(track()["url"], timeout=10).headers["Content-Security-Policy"]
    assert "img-src 'self' data:;" in header
    assert "script-src 'self';" in header


def test_the_default_is_asked_first_on_the_page(
    emulator: Emulator,
    user: str,
    user_app: AuthenticatorApp,
    passkey: SoftwareAuthenticator,
    visit: Visitor,
    track: Callable[..., Any],
) -> None:
    enrol_passkey(emulator, track("ALLOW", scope=MANAGE)["token"], passkey)
    rows = {one["verificationMethod"]: one["userAuthenticatorId"] for one in owned(emulator, user)}
    token = track("ALLOW", scope=MANAGE)["token"]
    post(emulator, token, authenticator=rows["PASSKEY"], do="default")
    visit.open(track()["url"])
    expect(visit.page.get_by_role("heading", level=1)).to_have_text("Use your passkey")
