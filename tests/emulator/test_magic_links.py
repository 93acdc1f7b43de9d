"""Magic links: confirmed by a button anywhere, collected only by the session that asked."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from .conftest import Emulator

ENROL, ASK, POLL = (
    "user-authenticators/email-magic-link",
    "challenge/email-magic-link",
    "verify/email-magic-link/finalize",
)
WAITING: dict[str, Any] = {"isVerified": False}
OVER = {"isVerified": False, "failureReason": "CODE_INVALID_OR_EXPIRED"}


def address(user: str) -> str:
    return f"{user}@links.example"


def mailed(emulator: Emulator, user: str) -> str:
    inbox = requests.get(f"{emulator.url}/inbox.json", params={"to": address(user)}, timeout=9).json()
    return str(inbox[0]["url"])


def press(url: str, button: str = "confirm") -> requests.Response:
    """What a person does on the page, in a browser that knows nothing else."""
    parts = urlsplit(url)
    data = {"link": parse_qs(parts.query)["link"][0], "do": button}
    return requests.post(f"{parts.scheme}://{parts.netloc}{parts.path}", data=data, timeout=9)


def poll(emulator: Emulator, token: str) -> Any:
    return emulator.call(POLL, token, {})


@pytest.fixture
def enrolled(emulator: Emulator, user: str) -> str:
    token = emulator.track(user, emulator.configure("ALLOW"))["token"]
    emulator.call(ENROL, token, {"email": address(user)})
    press(mailed(emulator, user))
    assert poll(emulator, token)["isVerified"]
    return user


def asked(emulator: Emulator, user: str) -> str:
    token = str(emulator.track(user, emulator.configure("CHALLENGE"))["token"])
    emulator.call(ASK, token)
    return token


def test_a_link_enrols_and_passes_the_first_action(emulator: Emulator, user: str) -> None:
    token = emulator.track(user, emulator.configure("CHALLENGE"))["token"]
    begun = emulator.call(ENROL, token, {"email": address(user)})
    assert set(begun) == {"challengeId", "userAuthenticatorId", "userId"}
    assert poll(emulator, token) == WAITING
    press(mailed(emulator, user))
    done = poll(emulator, token)
    assert done["userAuthenticator"]["userAuthenticatorId"] == begun["userAuthenticatorId"]
    assert len(done["recoveryCodes"]) == 10
    assert emulator.validate(done["accessToken"])["isValid"] is True
    assert emulator.server("GET", f"users/{user}").json()["emailVerified"] is True


def test_a_link_proves_an_action(emulator: Emulator, enrolled: str) -> None:
    token = asked(emulator, enrolled)
    press(mailed(emulator, enrolled))
    done = poll(emulator, token)
    assert emulator.validate(done["accessToken"])["verificationMethod"] == "EMAIL_MAGIC_LINK"
    assert "recoveryCodes" not in done


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_opening_the_link_confirms_nothing(emulator: Emulator, enrolled: str, method: str) -> None:
    token = asked(emulator, enrolled)
    url = mailed(emulator, enrolled)
    for _ in range(3):
        assert requests.request(method, url, params={"do": "confirm"}, timeout=9).status_code == 200
    assert poll(emulator, token) == WAITING
    press(url)
    assert poll(emulator, token)["isVerified"] is True


def test_pressing_the_button_gives_its_browser_no_token(emulator: Emulator, enrolled: str) -> None:
    token = asked(emulator, enrolled)
    page = press(mailed(emulator, enrolled))
    done = poll(emulator, token)
    assert done["accessToken"] not in page.text
    assert "eyJ" not in page.text
    assert not page.cookies


def test_another_session_of_the_same_user_gets_nothing(emulator: Emulator, enrolled: str) -> None:
    token = asked(emulator, enrolled)
    press(mailed(emulator, enrolled))
    other = emulator.track(enrolled, emulator.configure("CHALLENGE"))["token"]
    assert poll(emulator, other) == OVER
    assert poll(emulator, token)["isVerified"] is True


def test_another_user_gets_nothing(emulator: Emulator, enrolled: str) -> None:
    asked(emulator, enrolled)
    press(mailed(emulator, enrolled))
    assert poll(emulator, emulator.track(f"{enrolled}-other", "signIn")["token"]) == OVER


def test_a_link_is_collected_once(emulator: Emulator, enrolled: str) -> None:
    token = asked(emulator, enrolled)
    press(mailed(emulator, enrolled))
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: poll(emulator, token)["isVerified"], range(6)))
    assert answers.count(True) == 1


def test_a_link_can_be_pressed_once(emulator: Emulator, enrolled: str) -> None:
    asked(emulator, enrolled)
    url = mailed(emulator, enrolled)
    assert [press(url).status_code, press(url).status_code] == [200, 410]


def test_a_link_expires(emulator: Emulator, enrolled: str) -> None:
    action = emulator.configure("CHALLENGE")
    emulator.call(ASK, emulator.track(enrolled, action, idempotencyKey="k")["token"])
    emulator.advance(601)
    assert press(mailed(emulator, enrolled)).status_code == 410
    assert poll(emulator, emulator.track(enrolled, action, idempotencyKey="k")["token"]) == OVER


def test_a_confirmation_expires_with_its_link(emulator: Emulator, enrolled: str) -> None:
    action = emulator.configure("CHALLENGE")
    emulator.call(ASK, emulator.track(enrolled, action, idempotencyKey="k")["token"])
    press(mailed(emulator, enrolled))
    emulator.advance(601)
    assert poll(emulator, emulator.track(enrolled, action, idempotencyKey="k")["token"]) == OVER


def test_a_newer_link_replaces_the_older(emulator: Emulator, enrolled: str) -> None:
    token = asked(emulator, enrolled)
    older = mailed(emulator, enrolled)
    emulator.call(ASK, token)
    assert press(older).status_code == 410
    assert poll(emulator, token) == WAITING


def test_a_refused_link_is_dead(emulator: Emulator, enrolled: str) -> None:
    token = asked(emulator, enrolled)
    url = mailed(emulator, enrolled)
    assert press(url, "refuse").status_code == 200
    assert press(url).status_code == 410
    assert poll(emulator, token) == OVER


def test_a_form_without_the_button_confirms_nothing(emulator: Emulator, enrolled: str) -> None:
    token = asked(emulator, enrolled)
    press(mailed(emulator, enrolled), "")
    assert poll(emulator, token) == OVER


def test_a_link_is_no_client_token_and_a_client_token_no_link(emulator: Emulator, enrolled: str) -> None:
    token = asked(emulator, enrolled)
    link = parse_qs(urlsplit(mailed(emulator, enrolled)).query)["link"][0]
    assert emulator.client("POST", POLL, link, {}).status_code == 401
    assert press(f"{emulator.url}/magic-link/?link={token}").status_code == 410


@pytest.mark.parametrize("pressed", [True, False])
def test_an_action_blocked_meanwhile_is_not_passed(emulator: Emulator, enrolled: str, pressed: bool) -> None:
    action = emulator.configure("CHALLENGE")
    token = emulator.track(enrolled, action, idempotencyKey="k")["token"]
    emulator.call(ASK, token)
    if pressed:
        press(mailed(emulator, enrolled))
    emulator.server("PATCH", f"users/{enrolled}/actions/{action}/k", {"state": "BLOCK"})
    assert emulator.client("POST", POLL, token, {}).status_code == 403
    assert emulator.validate(token)["state"] == "BLOCK"


def test_an_enrolment_by_link_needs_its_right_when_it_ends_too(emulator: Emulator, user: str, enrol_app: Any) -> None:
    token = emulator.track(user, emulator.configure("ALLOW"))["token"]
    emulator.call(ENROL, token, {"email": address(user)})
    press(mailed(emulator, user))
    enrol_app(user)
    assert emulator.client("POST", POLL, token, {}).status_code == 403
    methods = [row["verificationMethod"] for row in emulator.client("GET", "user-authenticators", token).json()]
    assert methods == ["AUTHENTICATOR_APP"]


def test_the_thirteenth_link_in_ten_minutes_is_refused(emulator: Emulator, enrolled: str) -> None:
    token = emulator.track(enrolled, emulator.configure("CHALLENGE"))["token"]
    answers = [emulator.client("POST", ASK, token) for _ in range(12)]
    assert [a.status_code for a in answers] == [200] * 11 + [429]


def test_the_page_says_who_is_confirmed_and_for_what(emulator: Emulator, enrolled: str) -> None:
    code = emulator.configure("CHALLENGE")
    token = emulator.track(enrolled, code, ipAddress="203.0.113.9")["token"]
    emulator.call(ASK, token)
    page = requests.get(mailed(emulator, enrolled), timeout=9)
    assert address(enrolled) in page.text
    assert "203.0.113.9" in page.text
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]


def test_the_mail_says_what_its_link_is_good_for(emulator: Emulator, enrolled: str) -> None:
    asked(emulator, enrolled)
    mail = requests.get(f"{emulator.url}/inbox.json", params={"to": address(enrolled)}, timeout=9).json()[0]
    assert (mail["channel"], mail["subject"]) == ("email", "Your sign-in link")
    assert mail["body"] == f"Open this link to go on: {mail['url']}\nIt works once, for 10 minutes."
    assert mail["url"].startswith(f"{emulator.url}/magic-link/?link=")


@pytest.mark.parametrize(("named", "collected"), [("own", True), ("", True), ("another's", False), ("x", False)])
def test_a_link_is_collected_by_its_challenge_if_one_is_named(
    emulator: Emulator, enrolled: str, named: str, collected: bool
) -> None:
    token = str(emulator.track(enrolled, emulator.configure("CHALLENGE"))["token"])
    ids = {"own": emulator.call(ASK, token)["challengeId"]}
    press(mailed(emulator, enrolled))
    ids["another's"] = emulator.call(ASK, emulator.track(enrolled, "signIn")["token"])["challengeId"]
    assert emulator.call(POLL, token, {"challengeId": ids.get(named, named)})["isVerified"] is collected


def test_a_link_of_another_authenticator_is_not_mailed(emulator: Emulator, enrolled: str) -> None:
    token = emulator.track(enrolled, emulator.configure("CHALLENGE"))["token"]
    assert emulator.client("POST", ASK, token, {"userAuthenticatorId": "x"}).status_code == 400


def test_pressing_one_link_confirms_no_other(emulator: Emulator, enrolled: str) -> None:
    token, other = asked(emulator, enrolled), asked(emulator, enrolled)
    press(mailed(emulator, enrolled))
    assert poll(emulator, token) == WAITING
    assert poll(emulator, other)["isVerified"] is True


@pytest.mark.parametrize("end", ["replaced", "refused", "pressed", "old"])
def test_a_link_that_is_over_shows_no_question(emulator: Emulator, enrolled: str, end: str) -> None:
    token = asked(emulator, enrolled)
    url = mailed(emulator, enrolled)
    if end == "replaced":
        emulator.call(ASK, token)
    elif end == "old":
        emulator.advance(601)
    else:
        press(url, "refuse" if end == "refused" else "confirm")
    assert requests.get(url, timeout=9).status_code == 410


@pytest.mark.parametrize("button", ["confirm", "refuse"])
def test_a_page_waits_until_its_link_was_answered(emulator: Emulator, enrolled: str, button: str) -> None:
    def waits() -> Any:
        return requests.post(f"{emulator.url}/challenge/magic-link/waits/", {"token": token}, timeout=9).json()

    token = asked(emulator, enrolled)
    assert waits() == {"waits": True}
    press(mailed(emulator, enrolled), button)
    assert waits() == {"waits": False}


@pytest.mark.parametrize("query", ["", "?link=", "?link=%00", "?link=" + "x" * 5000, "?link=%ff"])
def test_a_broken_link_is_a_page(emulator: Emulator, query: str) -> None:
    assert requests.get(f"{emulator.url}/magic-link/{query}", timeout=9).status_code == 410
