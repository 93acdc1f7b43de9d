"""What follows a proof on the hosted pages: recovery codes, shown once, and pages that bear Back and reload."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from playwright.sync_api import expect

from .authenticator import SoftwareAuthenticator
from .conftest import App as AuthenticatorApp
from .conftest import Emulator, enrol_passkey
from .hosted_browser import Visitor, add_passkey_device

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.sample(4)]
ADD = "add:authenticators"
SHOWN_ONCE = "Your recovery codes were shown once"


def app_on_page(emulator: Emulator, token: str) -> AuthenticatorApp:
    """An authenticator app with the secret that the page shows."""
    page = requests.get(f"{emulator.url}/challenge/add/authenticator-app/", {"token": token}, timeout=10).text
    found = re.search(r'data-copy="([A-Z2-7]+)"', page)
    assert found
    return AuthenticatorApp(emulator, found[1])


def finish_app(emulator: Emulator, token: str, app: AuthenticatorApp) -> requests.Response:
    """The answer to the form that sets it up: not followed."""
    url = f"{emulator.url}/challenge/add/authenticator-app/"
    return requests.post(url, {"token": token, "code": app.code()}, timeout=10, allow_redirects=False)


def enrol_by_pages(emulator: Emulator, token: str) -> requests.Response:
    return finish_app(emulator, token, app_on_page(emulator, token))


def location(emulator: Emulator, answer: requests.Response) -> str:
    assert answer.status_code == 302
    return emulator.url + answer.headers["Location"]


def codes_of(page: str) -> list[str]:
    found = re.search(r'<pre class="codes"[^>]*>(.*?)</pre>', page, re.DOTALL)
    return found[1].split() if found else []


def use_recovery_code(emulator: Emulator, user: str, code: str) -> bool:
    token = emulator.track(user, emulator.configure("CHALLENGE"))["token"]
    return bool(emulator.call("verify/recovery-code", token, {"verificationCode": code})["isVerified"])


# Recovery codes.


def test_the_answer_to_a_form_holds_no_recovery_code_and_the_page_after_it_does(
    emulator: Emulator, user: str, track: Callable[..., Any]
) -> None:
    answer = enrol_by_pages(emulator, track()["token"])
    assert answer.text == ""
    codes = codes_of(requests.get(location(emulator, answer), timeout=10).text)
    assert len(codes) == 10
    assert use_recovery_code(emulator, user, codes[3])


def test_a_later_reader_of_their_page_sees_none(emulator: Emulator, track: Callable[..., Any]) -> None:
    url = location(emulator, enrol_by_pages(emulator, track()["token"]))
    assert codes_of(requests.get(url, timeout=10).text)
    later = requests.get(url, timeout=10).text
    assert codes_of(later) == []
    assert SHOWN_ONCE in later
    assert "http-equiv" not in later  # a reload by mistake must not hurry on


def test_a_second_way_that_is_only_begun_leaves_them_shown(
    emulator: Emulator, user: str, track: Callable[..., Any]
) -> None:
    token = track()["token"]
    url = location(emulator, enrol_by_pages(emulator, token))
    requests.get(url, timeout=10)
    emulator.call("user-authenticators/email-otp", token, {"email": f"{user}@b.example"})
    assert SHOWN_ONCE in requests.get(url, timeout=10).text


def test_of_ten_readers_at_once_one_sees_codes_and_they_are_those_that_work(
    emulator: Emulator, user: str, track: Callable[..., Any]
) -> None:
    url = location(emulator, enrol_by_pages(emulator, track()["token"]))
    seen: list[list[str]] = []
    readers = [
        threading.Thread(target=lambda: seen.append(codes_of(requests.get(url, timeout=10).text))) for _ in range(10)
    ]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    [codes] = [codes for codes in seen if codes]
    assert use_recovery_code(emulator, user, codes[0])


def test_a_head_request_uses_them_not_up(emulator: Emulator, track: Callable[..., Any]) -> None:
    url = location(emulator, enrol_by_pages(emulator, track()["token"]))
    assert requests.head(url, timeout=10).status_code == 200
    assert codes_of(requests.get(url, timeout=10).text)


def test_codes_that_nobody_has_seen_are_given_after_the_next_proof(
    emulator: Emulator, track: Callable[..., Any]
) -> None:
    token = track()["token"]
    app = app_on_page(emulator, token)
    finish_app(emulator, token, app)  # and the window was closed
    emulator.advance(60)
    url = f"{emulator.url}/challenge/authenticator-app/"
    proved = requests.post(url, {"token": track()["token"], "code": app.code()}, timeout=10)
    assert len(codes_of(proved.text)) == 10


def test_who_has_proved_nothing_gets_none(emulator: Emulator, user: str, track: Callable[..., Any]) -> None:
    enrol_by_pages(emulator, track()["token"])
    page = requests.get(f"{emulator.url}/challenge/finished/", {"token": track()["token"]}, timeout=10)
    assert codes_of(page.text) == []
    assert urlsplit(page.url).path == "/challenge/authenticator-app/"


def test_whom_the_api_gave_codes_gets_no_others(
    emulator: Emulator, user: str, passkey: SoftwareAuthenticator, track: Callable[..., Any]
) -> None:
    tracked = track()
    given = enrol_passkey(emulator, tracked["token"], passkey)["recoveryCodes"]
    page = requests.get(f"{emulator.url}/challenge/finished/", {"token": tracked["token"]}, timeout=10)
    assert codes_of(page.text) == []
    assert use_recovery_code(emulator, user, given[0])


def test_whom_the_server_enrolled_gets_none_by_proving(
    emulator: Emulator, user: str, track: Callable[..., Any]
) -> None:
    address = f"{user}@example.com"
    given = emulator.post(f"users/{user}/authenticators", {"verificationMethod": "EMAIL_OTP", "email": address})
    token, url = track()["token"], f"{emulator.url}/challenge/email/"
    requests.post(url, {"token": token, "do": "send"}, timeout=10)
    code = requests.get(f"{emulator.url}/inbox.json", {"to": address}, timeout=10).json()[0]["code"]
    page = requests.post(url, {"token": token, "do": "verify", "code": code}, timeout=10)
    assert codes_of(page.text) == []
    assert use_recovery_code(emulator, user, given["recoveryCodes"][0])


# Back, forward and reload.


def test_back_past_the_recovery_codes_asks_to_send_no_form_again(
    emulator: Emulator, visit: Visitor, track: Callable[..., Any]
) -> None:
    visit.open(track()["url"])
    visit.follow("Authenticator app")
    secret = visit.page.locator("#secret").inner_text().replace(" ", "")
    visit.type_code(AuthenticatorApp(emulator, secret).code(), "Finish")
    visit.follow("I have saved them")
    visit.returned()
    back = visit.page.go_back()
    assert back is not None
    assert (back.request.method, back.status) == ("GET", 200)
    expect(visit.page.get_by_text(SHOWN_ONCE)).to_be_visible()
    reloaded = visit.page.reload()
    assert reloaded is not None
    assert reloaded.request.method == "GET"
    visit.follow("Continue")
    visit.returned()


def test_back_from_the_app_after_a_proof_meets_no_form_and_no_trap(
    visit: Visitor, user_app: AuthenticatorApp, track: Callable[..., Any]
) -> None:
    url = track()["url"]
    visit.open(f"{visit.app.url}/start")
    visit.open(url)
    visit.type_code(user_app.code(), "Continue")
    visit.returned()
    back = visit.page.go_back()
    assert back is not None
    assert (back.request.method, back.status) == ("GET", 200)
    expect(visit.page.get_by_role("heading", level=1)).to_have_text("Already done")


def test_the_page_after_a_second_way_can_be_reloaded(visit: Visitor, user_app: AuthenticatorApp, track: Any) -> None:
    add_passkey_device(visit.page)
    visit.open(track("ALLOW", scope=ADD)["url"])
    visit.follow("Passkey")
    visit.press("Create passkey")
    expect(visit.page.get_by_role("heading", level=1)).to_have_text("It is set up")
    answer = visit.page.reload()
    assert answer is not None
    assert answer.request.method == "GET"
    expect(visit.page.get_by_role("heading", level=1)).to_have_text("It is set up")
    assert visit.page.get_by_text(SHOWN_ONCE).count() == 0


@pytest.mark.parametrize("enrolled", ["", "PASSKEY", "x" * 5000, "\0", "<script>"])
def test_the_last_page_without_a_proof_leads_to_the_challenge(
    emulator: Emulator, user_app: AuthenticatorApp, track: Callable[..., Any], enrolled: str
) -> None:
    query = {"token": track()["token"], "enrolled": enrolled}
    answer = requests.get(f"{emulator.url}/challenge/finished/", query, timeout=10, allow_redirects=False)
    assert urlsplit(answer.headers["Location"]).path == "/challenge/"
    assert set(parse_qs(urlsplit(answer.headers["Location"]).query)) == {"token"}
