"""The hosted pages that pair a phone and ask it, by HTTP alone: as a browser without script, and as an attacker."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
import requests

from .conftest import App as AuthenticatorApp
from .conftest import Emulator
from .phone import Phone, phone_of, refused

KINDS = ["push", "qr-code"]
METHODS = {"push": "PUSH", "qr-code": "QR_CODE"}
MANAGE = "add:authenticators update:authenticators remove:authenticators"


class Pages:
    """The hosted pages, with one token, in a browser that runs no script."""

    def __init__(self, emulator: Emulator, token: str) -> None:
        self.emulator, self.token = emulator, token

    def get(self, path: str, **query: str) -> requests.Response:
        return requests.get(f"{self.emulator.url}/challenge/{path}", {"token": self.token, **query}, timeout=15)

    def post(self, path: str, **form: str) -> requests.Response:
        return requests.post(f"{self.emulator.url}/challenge/{path}", {"token": self.token, **form}, timeout=15)

    def waits(self, path: str, **form: str) -> Any:
        return self.post(f"{path}waits/", **form).json()


def link_of(page: requests.Response) -> dict[str, str]:
    """What the page's link to the phone says behind the #."""
    found = re.search(r'href="[^"]*/phone/#([^"]+)"', page.text)
    assert found, page.text
    return {name: values[0] for name, values in parse_qs(unescape(found[1])).items()}


def heading(page: requests.Response) -> str:
    found = re.search(r"<h1>(.*?)</h1>", page.text, re.DOTALL)
    assert found, page.text
    return unescape(found[1])


def field(page: requests.Response, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page.text)
    assert found, page.text
    return unescape(found[1])


@pytest.fixture
def pages(emulator: Emulator, user: str) -> Callable[..., Pages]:
    """Those of a new action of the user."""

    def made(outcome: str = "CHALLENGE", methods: list[str] | None = None, **attributes: Any) -> Pages:
        return Pages(emulator, emulator.track(user, emulator.configure(outcome, methods), **attributes)["token"])

    return made


def state(pages: Pages) -> str:
    return str(pages.emulator.validate(pages.token)["state"])


def owned(emulator: Emulator, user: str) -> list[str]:
    return [one["verificationMethod"] for one in emulator.server("GET", f"users/{user}/authenticators").json()]


def inbox(emulator: Emulator, user: str) -> Any:
    return requests.get(f"{emulator.url}/inbox.json", {"to": user}, timeout=10).json()


def ask(visitor: Pages, kind: str) -> None:
    """So that a question waits for the phone."""
    if kind == "push":
        visitor.post("push/", do="ask")
    else:
        visitor.get("qr-code/")


def question(visitor: Pages, kind: str, phone: Phone) -> str:
    """Its id; a shown code is claimed."""
    if kind == "push":
        return str(phone.waiting().json()["challengeId"])
    shown = link_of(visitor.get("qr-code/"))["claim"]
    assert phone.claim(shown).status_code == 200
    return shown


# Pairing.


@pytest.mark.parametrize("kind", KINDS)
def test_a_pairing_adds_one_key_and_its_first_answer_is_the_proof(
    emulator: Emulator, user: str, pages: Callable[..., Pages], kind: str
) -> None:
    visitor = pages()
    shown = visitor.get(f"add/{kind}/")
    link, pairing = link_of(shown), field(shown, "pairing")
    assert (link["pair"], owned(emulator, user)) == (kind, [])
    assert visitor.waits(f"add/{kind}/", pairing=pairing) == {"waits": True}
    assert "No phone has been paired yet" in visitor.post(f"add/{kind}/", pairing=pairing).text

    phone = Phone(emulator, kind)
    paired = phone.enrol(link["token"]).json()
    assert set(paired) == {"userAuthenticatorId", "userId", "verifiedAt"}  # no token, and no recovery codes
    assert owned(emulator, user) == [METHODS[kind]]
    assert visitor.waits(f"add/{kind}/", pairing=pairing) == {"waits": False}
    assert state(visitor) == "ALLOW"

    next_page = visitor.post(f"add/{kind}/", pairing=pairing)
    assert heading(next_page) in {"Look at your phone", "Scan this with your phone"}
    phone.answer(question(visitor, kind, phone))
    done = visitor.post(f"{kind}/", do="collect")
    assert heading(done) == "Save your recovery codes"
    assert state(visitor) == "CHALLENGE_SUCCEEDED"


def test_the_recovery_codes_of_a_pairing_are_given_once(
    emulator: Emulator, user: str, pages: Callable[..., Pages]
) -> None:
    phone = Phone(emulator, "push")
    # Left before the first proof: the codes are owed until there is one.
    phone.enrol(link_of(pages().get("add/push/"))["token"])
    headings = []
    for _ in range(2):
        visitor = pages()
        ask(visitor, "push")
        phone.answer(question(visitor, "push", phone))
        headings.append(heading(visitor.post("push/", do="collect")))
    assert headings == ["Save your recovery codes", "Thank you, it is you"]


@pytest.mark.parametrize("kind", KINDS)
def test_who_comes_back_to_a_paired_phone_is_asked_there(
    emulator: Emulator, user: str, pages: Callable[..., Pages], kind: str
) -> None:
    visitor = pages()
    Phone(emulator, kind).enrol(link_of(visitor.get(f"add/{kind}/"))["token"])
    assert heading(visitor.get("")) in {"Approve it on your phone", "Scan this with your phone"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_first_phone_that_says_no_proves_nothing(
    emulator: Emulator, user: str, pages: Callable[..., Pages], kind: str
) -> None:
    phone, visitor = Phone(emulator, kind), pages()
    phone.enrol(link_of(visitor.get(f"add/{kind}/"))["token"])
    ask(visitor, kind)
    phone.answer(question(visitor, kind, phone), approved=False)
    assert heading(visitor.post(f"{kind}/", do="collect")) == "This was rejected"
    assert state(visitor) == "CHALLENGE_FAILED"


def test_a_verification_webhook_that_refuses_leaves_the_action_open(emulator: Emulator, user: str) -> None:
    phone, action = phone_of(emulator, user, "push"), emulator.configure("CHALLENGE")
    body = {"defaultUserActionResult": "CHALLENGE", "verificationWebhookUrl": "http://127.0.0.1:9/"}
    emulator.server("PATCH", f"management/action-configurations/{action}", body)
    visitor = Pages(emulator, emulator.track(user, action)["token"])
    ask(visitor, "push")
    phone.answer(question(visitor, "push", phone))
    page = visitor.post("push/", do="collect")
    assert (page.status_code, heading(page)) == (403, "That did not work")
    assert state(visitor) == "CHALLENGE_REQUIRED"
    assert "was not accepted" in visitor.post("push/", do="collect").text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "client/init"),
        ("POST", "client/token"),
        ("GET", "client/user-authenticators"),
        ("POST", "client/user-authenticators/qr-code"),
        ("POST", "client/user-authenticators/in-app"),
        ("POST", "client/user-authenticators/totp"),
        ("POST", "client/user-authenticators/passkey/registration-options"),
        ("POST", "client/challenge/push"),
        ("POST", "client/challenge/qr-code"),
        ("POST", "client/verify/push"),
    ],
)
def test_a_pairing_is_good_for_nothing_else(
    emulator: Emulator, pages: Callable[..., Pages], method: str, path: str
) -> None:
    token = link_of(pages().get("add/push/"))["token"]
    phone = Phone(emulator, "push")
    body = {"publicKey": phone.public_key, "action": "signIn", "challengeId": str(uuid.uuid4())}
    answer = requests.request(
        method, f"{emulator.api}/{path}", json=body, headers={"Authorization": f"Bearer {token}"}, timeout=10
    )
    assert (answer.status_code, answer.json()["errorCode"]) == (401, "unauthorized")


def test_a_pairing_says_no_more_than_its_picture_can_hold(
    emulator: Emulator, user: str, pages: Callable[..., Pages]
) -> None:
    visitor = pages()
    shown = visitor.get("add/push/")
    whole = jwt.decode(visitor.token, options={"verify_signature": False})
    claims = jwt.decode(link_of(shown)["token"], options={"verify_signature": False})
    assert set(claims) == {"sub", "iat", "exp", "aud", "iss", "scope", "emulator"}
    assert (claims["sub"], claims["exp"], claims["scope"]) == (user, whole["exp"], "")
    pairing = {"pairs": "PUSH", "device": field(shown, "pairing")}
    assert claims["emulator"] == {**whole["emulator"], "verified": "", **pairing}


def test_a_pairing_opens_no_page_and_is_no_proof(emulator: Emulator, pages: Callable[..., Pages]) -> None:
    token = link_of(pages().get("add/push/"))["token"]
    for path in ("", "settings/", "add/push/", "push/"):
        assert Pages(emulator, token).get(path).status_code == 401
    assert emulator.validate(token) == {"isValid": False, "error": "Token is invalid."}


def test_of_phones_that_scan_one_pairing_one_is_added(
    emulator: Emulator, user: str, pages: Callable[..., Pages]
) -> None:
    token = link_of(pages(scope=MANAGE).get("add/push/"))["token"]
    phones = [Phone(emulator, "push") for _ in range(5)]
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda phone: phone.enrol(token), phones))
    assert [answer.status_code for answer in answers].count(200) == 1
    late = [answer for answer in answers if answer.status_code != 200]
    assert {refused(answer) for answer in late} == {"invalid_credential"}
    assert all("used already" in answer.json()["errorDescription"] for answer in late)
    assert owned(emulator, user) == ["PUSH"]


def test_a_pairing_that_was_used_says_so_and_is_told_once(
    emulator: Emulator, user: str, pages: Callable[..., Pages]
) -> None:
    token = link_of(pages(scope=MANAGE).get("add/push/"))["token"]
    key = Phone(emulator, "push").enrol(token).json()["userAuthenticatorId"]
    answer = Phone(emulator, "push").enrol(token).json()
    assert answer["errorDescription"] == "This pairing was used already. Ask for a new one."
    told = "SELECT count(*) FROM authsignal_emulator_event WHERE type = 'authenticator.created' AND data LIKE ?"
    assert emulator.query(told, f"%{key}%") == [(1,)]


def test_a_pairing_that_is_sent_twice_is_one(emulator: Emulator, user: str, pages: Callable[..., Pages]) -> None:
    token, phone = link_of(pages(scope=MANAGE).get("add/push/"))["token"], Phone(emulator, "push")
    assert phone.enrol(token).json() == phone.enrol(token).json()
    assert owned(emulator, user) == ["PUSH"]


def test_a_pairing_ends_with_the_page_that_shows_it(emulator: Emulator, user: str, pages: Callable[..., Pages]) -> None:
    visitor = pages()
    emulator.advance(300)
    token = link_of(visitor.get("add/push/"))["token"]
    emulator.advance(301)
    assert refused(Phone(emulator, "push").enrol(token)) == "expired_token"
    assert owned(emulator, user) == []


def test_a_pairing_of_who_had_nothing_ends_when_they_have_something(
    emulator: Emulator, user: str, pages: Callable[..., Pages], enrol_app: Callable[[str], AuthenticatorApp]
) -> None:
    token = link_of(pages().get("add/push/"))["token"]
    enrol_app(user)
    assert refused(Phone(emulator, "push").enrol(token)) == "forbidden"
    assert owned(emulator, user) == ["AUTHENTICATOR_APP"]


def test_a_password_alone_pairs_no_phone(
    emulator: Emulator, user: str, pages: Callable[..., Pages], user_app: AuthenticatorApp
) -> None:
    page = pages().get("add/push/")
    assert page.status_code == 403
    assert "/phone/#" not in page.text


def test_an_action_that_is_blocked_meanwhile_pairs_nothing(emulator: Emulator, user: str) -> None:
    action = emulator.configure("CHALLENGE")
    tracked = emulator.track(user, action)
    token = link_of(Pages(emulator, tracked["token"]).get("add/push/"))["token"]
    emulator.server("PATCH", f"users/{user}/actions/{action}/{tracked['idempotencyKey']}", {"state": "BLOCK"})
    assert refused(Phone(emulator, "push").enrol(token)) == "forbidden"


@pytest.mark.parametrize("pairing", ["", "x", "../../etc", "\N{NULL}", "somebody else's", "an earlier one"])
def test_an_id_that_this_page_did_not_pair_is_no_pairing(
    emulator: Emulator, user: str, pages: Callable[..., Pages], pairing: str
) -> None:
    if pairing == "somebody else's":
        pairing = phone_of(emulator, f"{user}-other", "push").look_up().json()["userAuthenticatorId"]
    elif pairing == "an earlier one":
        pairing = phone_of(emulator, user, "push").look_up().json()["userAuthenticatorId"]
    visitor = pages("ALLOW", scope=MANAGE)
    assert visitor.waits("add/push/", pairing=pairing) == {"waits": True}
    assert heading(visitor.post("add/push/", pairing=pairing)) == "Pair your phone"


def test_opening_the_page_that_pairs_changes_nothing(
    emulator: Emulator, user: str, pages: Callable[..., Pages]
) -> None:
    visitor = pages()
    for kind in KINDS:
        visitor.get(f"add/{kind}/")
    assert owned(emulator, user) == []
    assert inbox(emulator, user) == []


def test_a_reload_keeps_the_pairing(pages: Callable[..., Pages]) -> None:
    visitor = pages()
    first = visitor.get("add/push/")
    again = requests.get(first.url, timeout=10)
    assert field(first, "pairing") == field(again, "pairing")


def test_a_second_way_is_paired_without_being_a_proof(
    emulator: Emulator, user: str, pages: Callable[..., Pages], user_app: AuthenticatorApp
) -> None:
    visitor = pages("ALLOW", scope="add:authenticators", redirectUrl="https://app.example/")
    shown = visitor.get("add/qr-code/")
    Phone(emulator, "qr-code").enrol(link_of(shown)["token"])
    assert heading(visitor.post("add/qr-code/", pairing=field(shown, "pairing"))) == "It is set up"
    assert state(visitor) == "ALLOW"
    assert owned(emulator, user) == ["AUTHENTICATOR_APP", "QR_CODE"]


def test_who_may_only_scan_is_offered_it_although_dotnet_must_not_hear_of_it(
    emulator: Emulator, user: str, pages: Callable[..., Pages]
) -> None:
    action = emulator.configure("CHALLENGE", ["QR_CODE"])
    tracked = emulator.track(user, action)
    assert "QR_CODE" not in tracked["allowedVerificationMethods"]
    page = Pages(emulator, tracked["token"]).get("")
    assert "/challenge/add/qr-code/" in page.text
    assert "/challenge/add/passkey/" not in page.text


# Proving.


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_without_script_asks_waits_and_collects(
    emulator: Emulator, user: str, pages: Callable[..., Pages], kind: str
) -> None:
    phone = phone_of(emulator, user, kind)
    visitor = pages(redirectUrl="https://app.example/back")
    ask(visitor, kind)
    early = visitor.post(f"{kind}/", do="collect")
    assert "Your phone has not answered yet" in early.text
    phone.answer(question(visitor, kind, phone))
    assert state(visitor) == "CHALLENGE_REQUIRED"  # until the page that asked collects it
    visitor.get(f"{kind}/")
    assert state(visitor) == "CHALLENGE_REQUIRED"
    done = visitor.post(f"{kind}/", do="collect")
    found = re.search(r'href="https://app.example/back\?token=([^"&]+)"', done.text)
    assert found
    proved = emulator.validate(found[1], userId=user)
    assert (proved["state"], proved["verificationMethod"]) == ("CHALLENGE_SUCCEEDED", METHODS[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_a_rejection_ends_the_action_and_says_so(
    emulator: Emulator, user: str, pages: Callable[..., Pages], kind: str
) -> None:
    phone, visitor = phone_of(emulator, user, kind), pages()
    ask(visitor, kind)
    phone.answer(question(visitor, kind, phone), approved=False)
    assert visitor.waits(f"{kind}/")["waits"] is False
    page = visitor.post(f"{kind}/", do="collect")
    assert (page.status_code, heading(page)) == (403, "This was rejected")
    assert state(visitor) == "CHALLENGE_FAILED"
    assert heading(visitor.post(f"{kind}/", do="ask")) == "This was rejected"


@pytest.mark.parametrize("kind", KINDS)
def test_a_rejection_stays_one_when_its_time_is_over(emulator: Emulator, user: str, kind: str) -> None:
    phone, action = phone_of(emulator, user, kind), emulator.configure("CHALLENGE")
    tracked = emulator.track(user, action)
    visitor = Pages(emulator, tracked["token"])
    ask(visitor, kind)
    phone.answer(question(visitor, kind, phone), approved=False)
    emulator.advance(590)
    late = Pages(emulator, emulator.track(user, action, idempotencyKey=tracked["idempotencyKey"])["token"])
    emulator.advance(11)
    assert late.waits(f"{kind}/") == {"waits": False, "state": "rejected"}


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_waiting_page_asks_gives_no_token_away(
    emulator: Emulator, user: str, pages: Callable[..., Pages], kind: str
) -> None:
    phone, visitor = phone_of(emulator, user, kind), pages()
    ask(visitor, kind)
    phone.answer(question(visitor, kind, phone))
    assert visitor.waits(f"{kind}/") == {"waits": False, "state": "approved"}
    assert state(visitor) == "CHALLENGE_REQUIRED"


@pytest.mark.parametrize("kind", KINDS)
def test_another_action_does_not_ride_on_an_approval(
    emulator: Emulator, user: str, pages: Callable[..., Pages], kind: str
) -> None:
    phone, visitor, thief = phone_of(emulator, user, kind), pages(), pages()
    ask(visitor, kind)
    phone.answer(question(visitor, kind, phone))
    thief.post(f"{kind}/", do="collect")
    assert (state(visitor), state(thief)) == ("CHALLENGE_REQUIRED", "CHALLENGE_REQUIRED")
    visitor.post(f"{kind}/", do="collect")
    assert (state(visitor), state(thief)) == ("CHALLENGE_SUCCEEDED", "CHALLENGE_REQUIRED")


@pytest.mark.parametrize("kind", KINDS)
def test_of_pages_that_collect_in_parallel_one_has_the_token(
    emulator: Emulator, user: str, pages: Callable[..., Pages], kind: str
) -> None:
    phone, visitor = phone_of(emulator, user, kind), pages()
    ask(visitor, kind)
    phone.answer(question(visitor, kind, phone))
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda _: visitor.post(f"{kind}/", do="collect"), range(5)))
    assert {answer.status_code for answer in answers} == {200}
    assert [heading(answer) for answer in answers].count("Thank you, it is you") == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("answered", [False, True], ids=["unanswered", "approved"])
def test_an_answer_that_is_too_late_proves_nothing(emulator: Emulator, user: str, kind: str, answered: bool) -> None:
    phone, action = phone_of(emulator, user, kind), emulator.configure("CHALLENGE")
    tracked = emulator.track(user, action)
    visitor = Pages(emulator, tracked["token"])
    ask(visitor, kind)
    asked = question(visitor, kind, phone)
    if answered:
        phone.answer(asked)
    emulator.advance(590)
    late = Pages(emulator, emulator.track(user, action, idempotencyKey=tracked["idempotencyKey"])["token"])
    emulator.advance(11)
    page = late.post(f"{kind}/", do="collect")
    assert "It was not answered in time" in page.text
    assert state(late) == "CHALLENGE_REQUIRED"
    assert refused(phone.answer(asked)) == "invalid_request"


def test_opening_the_page_rings_nowhere(emulator: Emulator, user: str, pages: Callable[..., Pages]) -> None:
    phone, visitor = phone_of(emulator, user, "push"), pages()
    assert heading(visitor.get("")) == "Approve it on your phone"
    visitor.get("push/", do="ask")
    assert inbox(emulator, user) == []
    assert "challengeId" not in phone.waiting().json()


def test_asking_too_often_is_told_on_the_page(emulator: Emulator, user: str, pages: Callable[..., Pages]) -> None:
    phone_of(emulator, user, "push")
    visitor = pages()
    for _ in range(6):
        visitor.post("push/", do="ask")
    assert "asked too often" in visitor.post("push/", do="ask").text
    assert len(inbox(emulator, user)) == 6


def test_a_push_that_a_webhook_refuses_is_told_on_the_page(
    emulator: Emulator, user: str, pages: Callable[..., Pages]
) -> None:
    phone_of(emulator, user, "push")
    nobody = {"url": "http://127.0.0.1:9/", "types": ["push.created"], "isSynchronous": True}
    hook = emulator.post("management/webhooks", nobody)
    page = pages().post("push/", do="ask")
    emulator.server("DELETE", f"management/webhooks/{hook['webhookId']}")
    assert "We could not ask your phone" in page.text
    assert inbox(emulator, user) == []


def test_a_code_survives_a_reload_and_a_new_one_ends_it(
    emulator: Emulator, user: str, pages: Callable[..., Pages]
) -> None:
    phone, visitor = phone_of(emulator, user, "qr-code"), pages()
    first, again = (link_of(visitor.get("qr-code/"))["claim"] for _ in range(2))
    assert first == again
    newer = link_of(visitor.post("qr-code/", do="ask"))["claim"]
    assert refused(phone.claim(first)) == "invalid_request"
    assert phone.claim(newer).status_code == 200
    assert visitor.waits("qr-code/") == {"waits": True, "state": "claimed"}


def test_a_code_leaves_the_push_of_its_action_and_the_code_of_another_alive(
    emulator: Emulator, user: str, pages: Callable[..., Pages]
) -> None:
    phone, scanner = phone_of(emulator, user, "push"), phone_of(emulator, user, "qr-code")
    visitor, other = pages(), pages()
    ask(visitor, "push")
    pushed = question(visitor, "push", phone)
    shown = link_of(other.get("qr-code/"))["claim"]
    assert scanner.claim(link_of(visitor.get("qr-code/"))["claim"]).status_code == 200
    visitor.post("qr-code/", do="ask")
    assert scanner.claim(shown).status_code == 200
    assert phone.answer(pushed).status_code == 200


def test_a_code_that_was_approved_outlives_a_newer_one(emulator: Emulator, user: str) -> None:
    phone, action = phone_of(emulator, user, "qr-code"), emulator.configure("CHALLENGE")
    token = emulator.track(user, action)["token"]
    shown = emulator.call("challenge/qr-code", token, {"action": action})
    phone.claim(shown["challengeId"])
    phone.answer(shown["challengeId"])
    Pages(emulator, token).post("qr-code/", do="ask")
    body = {"challengeId": shown["challengeId"], "deviceCode": shown["deviceCode"]}
    assert emulator.call("verify/qr-code", token, body)["isVerified"] is True


def test_another_users_phone_cannot_claim_the_code(emulator: Emulator, user: str, pages: Callable[..., Pages]) -> None:
    phone_of(emulator, user, "qr-code")
    mallory, visitor = phone_of(emulator, f"{user}-mallory", "qr-code"), pages()
    shown = link_of(visitor.get("qr-code/"))["claim"]
    assert refused(mallory.claim(shown)) == "invalid_request"
    assert visitor.waits("qr-code/") == {"waits": True, "state": "unclaimed"}


def test_a_phone_shows_what_the_application_said_of_its_visitor(
    emulator: Emulator, user: str, pages: Callable[..., Pages]
) -> None:
    phone = phone_of(emulator, user, "qr-code")
    shown = link_of(pages(ipAddress="198.51.100.7", custom={"till": 7}).get("qr-code/"))["claim"]
    asked = phone.claim(shown).json()
    assert (asked["ipAddress"], asked["custom"]) == ("198.51.100.7", {"till": 7})
    assert "python-requests" in asked["userAgent"]  # the application said nothing of it: what we see


@pytest.mark.parametrize("kind", KINDS)
def test_a_method_that_is_not_accepted_here_leads_elsewhere(
    emulator: Emulator, user: str, pages: Callable[..., Pages], kind: str, user_app: AuthenticatorApp
) -> None:
    phone_of(emulator, user, kind)
    visitor = pages(methods=["AUTHENTICATOR_APP"])
    assert heading(visitor.get(f"{kind}/")) == "Enter the code from your app"
    assert heading(visitor.post(f"{kind}/", do="ask")) == "Enter the code from your app"
    assert inbox(emulator, user) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_blocked_action_is_neither_asked_for_nor_collected(emulator: Emulator, user: str, kind: str) -> None:
    phone, action = phone_of(emulator, user, kind), emulator.configure("CHALLENGE")
    tracked = emulator.track(user, action)
    visitor = Pages(emulator, tracked["token"])
    ask(visitor, kind)
    phone.answer(question(visitor, kind, phone))
    emulator.server("PATCH", f"users/{user}/actions/{action}/{tracked['idempotencyKey']}", {"state": "BLOCK"})
    for do in ("collect", "ask"):
        assert heading(visitor.post(f"{kind}/", do=do)) == "This was refused"
    assert state(visitor) == "BLOCK"


# Settings and the choice.


def test_the_default_is_asked_first(
    emulator: Emulator, user: str, pages: Callable[..., Pages], user_app: AuthenticatorApp
) -> None:
    phone = phone_of(emulator, user, "push")
    assert heading(pages().get("")) == "Enter the code from your app"
    mine = phone.look_up().json()["userAuthenticatorId"]
    pages("ALLOW", scope=MANAGE).post("settings/", authenticator=mine, do="default")
    page = pages().get("")
    assert heading(page) == "Approve it on your phone"
    assert "/challenge/authenticator-app/" in page.text


@pytest.mark.parametrize(
    ("kind", "name"), [("push", "Push message"), ("qr-code", "QR code"), ("in-app", "App on a phone")]
)
def test_a_phone_is_renamed_and_removed_in_the_settings(
    emulator: Emulator, user: str, pages: Callable[..., Pages], user_app: AuthenticatorApp, kind: str, name: str
) -> None:
    phone, visitor = phone_of(emulator, user, kind), pages("ALLOW", scope=MANAGE)
    assert name in visitor.get("settings/").text
    mine = phone.look_up().json()["userAuthenticatorId"]
    assert "Work phone" in visitor.post("settings/", authenticator=mine, do="rename", name="Work phone").text
    visitor.post("settings/", authenticator=mine, do="really-remove")
    assert refused(phone.look_up()) == "invalid_credential"


# The phone's page, as the server sends it.


def test_the_phone_page_is_only_its_text(emulator: Emulator, user: str) -> None:
    phone_of(emulator, user, "push")
    page = requests.get(f"{emulator.url}/phone/", {"user": user, "token": "x"}, timeout=10)
    assert page.status_code == 200
    assert user not in page.text
    assert page.text == requests.get(f"{emulator.url}/phone/", timeout=10).text
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert page.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert "Set-Cookie" not in page.headers
    assert requests.post(f"{emulator.url}/phone/", timeout=10).status_code == 405


@pytest.mark.parametrize(
    ("accepted", "title"),
    [
        ("de", "Ihr Handy"),
        ("fr-CA", "Votre téléphone"),
        ("es", "Su teléfono"),
        ("ja", "あなたのスマートフォン"),
        ("mi", "Tō waea"),
    ],
)
def test_the_phone_speaks_the_browsers_language(emulator: Emulator, accepted: str, title: str) -> None:
    page = requests.get(f"{emulator.url}/phone/", headers={"Accept-Language": accepted}, timeout=10)
    assert heading(page) == title


def test_the_dashboard_and_the_inbox_lead_to_the_phone(
    emulator: Emulator, user: str, pages: Callable[..., Pages]
) -> None:
    phone_of(emulator, user, "push")
    ask(pages(), "push")
    assert 'href="/phone/"' in requests.get(emulator.url, timeout=10).text
    assert "Open the emulated phone" in requests.get(f"{emulator.url}/inbox/", {"to": user}, timeout=10).text
