"""Codes by mail and by text, one table for both: what is sent, told, counted and kept."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import requests

from .conftest import App, Emulator
from .receiver import receiving

WRONG = {"isVerified": False, "failureReason": "CODE_INVALID_OR_EXPIRED"}
LIMIT = {"isVerified": False, "failureReason": "MAX_ATTEMPTS_EXCEEDED"}
ADD = "add:authenticators"


@dataclass
class Way:
    """A method, with an address of its own, and the user who has it."""

    emulator: Emulator
    user: str
    path: str  # of the API
    method: str
    field: str  # of the address
    address: str

    def token(self, outcome: str = "CHALLENGE", **attributes: Any) -> str:
        return str(self.emulator.track(self.user, self.emulator.configure(outcome), **attributes)["token"])

    def begin(self, token: str, address: str | None = None) -> None:
        self.emulator.call(f"user-authenticators/{self.path}", token, {self.field: address or self.address})

    def send(self, token: str, **body: Any) -> requests.Response:
        return self.emulator.client("POST", f"challenge/{self.path}", token, body)

    def message(self, address: str = "") -> Any:
        query = {"to": address or self.address}
        return requests.get(f"{self.emulator.url}/inbox.json", query, timeout=9).json()[0]

    def sent(self, address: str = "") -> str:
        return str(self.message(address)["code"])

    def verify(self, token: str, code: str) -> Any:
        return self.emulator.call(f"verify/{self.path}", token, {"verificationCode": code})

    def enrol(self) -> None:
        token = self.token("ALLOW")
        self.begin(token)
        assert self.verify(token, self.sent())["isVerified"]

    def profile(self) -> Any:
        return self.emulator.server("GET", f"users/{self.user}").json()


def other(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


def addresses() -> dict[str, str]:
    return {"email": f"{uuid.uuid4().hex}@b.example", "phoneNumber": f"+64{uuid.uuid4().int % 10**10 + 10**10}"}


@pytest.fixture(params=["email-otp", "sms"])
def way(request: pytest.FixtureRequest, emulator: Emulator, user: str) -> Way:
    field = "email" if request.param == "email-otp" else "phoneNumber"
    method = {"email-otp": "EMAIL_OTP", "sms": "SMS"}[request.param]
    return Way(emulator, user, request.param, method, field, addresses()[field])


@pytest.fixture
def hook(emulator: Emulator) -> Iterator[Callable[..., None]]:
    """Sets up a webhook, which is gone after the test."""
    made = []

    def create(kind: str, url: str, **more: Any) -> None:
        made.append(emulator.post("management/webhooks", {"url": url, "types": [kind], **more})["webhookId"])

    yield create
    for webhook in made:
        emulator.server("DELETE", f"management/webhooks/{webhook}")


def steps(emulator: Emulator, user: str) -> list[Any]:
    """What is remembered of a user's challenges until it is logged, read where the logs read it."""
    with contextlib.closing(sqlite3.connect(emulator.clock_file.parent / "authsignal-emulator.sqlite3")) as database:
        query = "SELECT data FROM authsignal_emulator_event WHERE type = 'challenge.step' ORDER BY created_at"
        rows = [json.loads(data) for (data,) in database.execute(query)]
    return [row for row in rows if row["userId"] == user]


# What is sent.


def test_six_digits_are_sent_in_words_that_say_how_long_they_work(way: Way) -> None:
    way.begin(way.token("ALLOW"))
    message = way.message()
    assert re.fullmatch("[0-9]{6}", message["code"])
    assert message["body"] == f"Your verification code is {message['code']}. It works for 10 minutes."
    assert message["subject"] == ("Your verification code" if way.field == "email" else "")


def test_a_receiver_is_told_who_is_sent_what_for_which_action(way: Way, hook: Callable[..., None]) -> None:
    action = way.emulator.configure("ALLOW")
    attributes = {"idempotencyKey": "k", "userAgent": "Browser/1", "ipAddress": "192.0.2.1", "locale": "mi"}
    token = way.emulator.track(way.user, action, **attributes)["token"]
    kind = "email.created" if way.field == "email" else "sms.created"
    with receiving() as receiver:
        hook(kind, f"{receiver.url}/hook", isSynchronous=True)
        way.begin(token)
        (told,) = receiver.of(kind, way.user)
    assert told.json["data"] == {
        **attributes,
        "to": way.address,
        "code": way.sent(),
        "userId": way.user,
        "actionCode": action,
        "verificationMethod": way.method,
    }


def test_a_code_that_was_not_sent_proves_nothing(way: Way, hook: Callable[..., None]) -> None:
    token = way.token("ALLOW")
    with receiving() as receiver:
        receiver.answers = [500]
        hook("email.created" if way.field == "email" else "sms.created", receiver.url, isSynchronous=True)
        path = f"user-authenticators/{way.path}"
        answer = way.emulator.client("POST", path, token, {way.field: way.address})
        (told,) = receiver.requests
    assert (answer.status_code, answer.json()["errorCode"]) == (400, "webhook_failed")
    assert way.verify(token, told.json["data"]["code"]) == WRONG


def test_each_step_is_remembered_for_the_logs(way: Way, hook: Callable[..., None]) -> None:
    hook("challenge.log_created", "http://127.0.0.1:9/")
    action = way.emulator.configure("ALLOW")
    token = way.emulator.track(way.user, action, idempotencyKey="k")["token"]
    way.begin(token)
    for code in (other(way.sent()), way.sent()):
        way.verify(token, code)
    found = steps(way.emulator, way.user)
    assert all(row.pop("createdAt").endswith("Z") for row in found)
    told = {"userId": way.user, "actionCode": action, "idempotencyKey": "k", "verificationMethod": way.method}
    assert found == [
        {**told, "type": f"{way.method}_SENT", way.field: way.address},
        {**told, "type": f"{way.method}_CODE_INVALID_OR_EXPIRED"},
        {**told, "type": f"{way.method}_CODE_VALID", way.field: way.address},
    ]


def test_each_refusal_is_remembered_for_the_logs(way: Way, hook: Callable[..., None]) -> None:
    way.enrol()
    hook("challenge.log_created", "http://127.0.0.1:9/")
    action = way.emulator.configure("CHALLENGE")
    token = way.emulator.track(way.user, action, idempotencyKey="k")["token"]
    while way.send(token).status_code == 200:
        pass
    for _ in range(11):
        way.verify(token, "x")
    hook("email.created" if way.field == "email" else "sms.created", "http://127.0.0.1:9/", isSynchronous=True)
    way.emulator.advance(599)
    way.emulator.advance(2)
    token = way.emulator.track(way.user, action, idempotencyKey="k")["token"]
    assert way.send(token).status_code == 400
    found = [row for row in steps(way.emulator, way.user) if not row["type"].endswith(("_SENT", "_EXPIRED"))]
    assert all(row.pop("createdAt") for row in found)
    told = {"userId": way.user, "actionCode": action, "idempotencyKey": "k", "verificationMethod": way.method}
    assert found == [
        {**told, "type": f"{way.method}_RATE_LIMIT_EXCEEDED"},
        {**told, "type": f"{way.method}_CODE_MAX_ATTEMPTS_EXCEEDED"},
        {**told, "type": f"{way.method}_SEND_DOWNSTREAM_FAILED", way.field: way.address},
    ]


# To whom.


def test_without_an_address_it_is_said_which_one_is_missing(way: Way) -> None:
    answer = way.emulator.client("POST", f"user-authenticators/{way.path}", way.token("ALLOW"), {})
    assert (answer.status_code, answer.json()["errorDescription"]) == (400, f"body.{way.field} is required.")


def test_the_address_of_the_user_is_taken_when_none_is_given(way: Way) -> None:
    token = way.token("ALLOW", **{way.field: way.address})
    way.emulator.call(f"user-authenticators/{way.path}", token)
    assert way.verify(token, way.sent())["userAuthenticator"][way.field] == way.address


def test_the_newest_of_two_is_asked_when_none_is_named(way: Way) -> None:
    way.enrol()
    token, newer = way.token(scope=ADD), addresses()[way.field]
    way.begin(token, newer)
    assert way.verify(token, way.sent(newer))["isVerified"]
    before, token = way.sent(), way.token()
    assert way.send(token).status_code == 200
    assert way.verify(token, way.sent(newer))["isVerified"]
    assert way.sent() == before


@pytest.mark.parametrize("named", [None, "x", "2b0d4a52-8c0e-4d5f-9f43-6a1c5b7f9e10"])
def test_what_was_never_proved_is_not_asked(way: Way, enrol_app: Callable[[str], App], named: str | None) -> None:
    enrol_app(way.user)
    token = way.token(scope=ADD)
    way.begin(token)
    answer = way.send(token, userAuthenticatorId=named)
    problem = f"The user has no such {way.method} authenticator."
    assert (answer.status_code, answer.json()["errorDescription"]) == (400, problem)


def test_what_the_action_does_not_accept_is_neither_sent_nor_enrolled(way: Way) -> None:
    way.enrol()
    token = way.emulator.track(way.user, way.emulator.configure("CHALLENGE", ["PASSKEY"]), scope=ADD)["token"]
    before = way.sent()
    assert way.send(token).status_code == 400
    answer = way.emulator.client("POST", f"user-authenticators/{way.path}", token, {way.field: way.address})
    assert answer.status_code == 400
    assert way.sent() == before


# What a code proves.


def test_a_code_may_be_typed_with_spaces(way: Way) -> None:
    token = way.token("ALLOW")
    way.begin(token)
    code = way.sent()
    assert way.verify(token, f" {code[:3]} {code[3:]}\n")["isVerified"]


def test_what_another_user_was_sent_proves_nothing(way: Way) -> None:
    mine, foreign = way.token("ALLOW"), replace(way, user=f"{way.user}-other")
    way.begin(mine)
    token = foreign.token("ALLOW")
    assert foreign.verify(token, way.sent()) == WRONG
    assert way.verify(mine, way.sent())["isVerified"]


def test_an_enrolment_that_somebody_overtook_is_refused(way: Way, enrol_app: Callable[[str], App]) -> None:
    thief = way.token("ALLOW")
    way.begin(thief)
    enrol_app(way.user)
    answer = way.emulator.client("POST", f"verify/{way.path}", thief, {"verificationCode": way.sent()})
    assert (answer.status_code, answer.json()["errorCode"]) == (403, "forbidden")
    assert way.profile()["enrolledVerificationMethods"] == ["AUTHENTICATOR_APP"]


@pytest.mark.parametrize("right", [True, False])
def test_an_action_blocked_meanwhile_tells_nothing_of_its_codes(way: Way, right: bool) -> None:
    way.enrol()
    action = way.emulator.configure("CHALLENGE")
    token = way.emulator.track(way.user, action, idempotencyKey="k")["token"]
    way.send(token)
    way.emulator.server("PATCH", f"users/{way.user}/actions/{action}/k", {"state": "BLOCK"})
    code = way.sent() if right else other(way.sent())
    answer = way.emulator.client("POST", f"verify/{way.path}", token, {"verificationCode": code})
    assert (answer.status_code, answer.json()["errorCode"]) == (403, "forbidden")


def test_a_code_of_a_method_that_was_switched_off_meanwhile_proves_nothing(way: Way) -> None:
    way.enrol()
    token = way.token()
    way.send(token)
    with way.emulator.having(way.method, isActive=False):
        body = {"verificationCode": way.sent()}
        assert way.emulator.client("POST", f"verify/{way.path}", token, body).status_code == 400
    assert way.emulator.validate(token)["state"] == "CHALLENGE_REQUIRED"


def test_a_newer_code_leaves_those_of_other_actions_alive(way: Way) -> None:
    way.enrol()
    tokens = [way.token(), way.token()]
    codes = [(way.send(token), way.sent())[1] for token in tokens]
    for token, code in zip(tokens, codes, strict=True):
        assert way.verify(token, code)["isVerified"]


def test_a_code_works_for_almost_ten_minutes(way: Way) -> None:
    way.enrol()
    action = way.emulator.configure("CHALLENGE")
    way.send(way.emulator.track(way.user, action, idempotencyKey="k")["token"])
    way.emulator.advance(570)
    token = way.emulator.track(way.user, action, idempotencyKey="k")["token"]
    assert way.verify(token, way.sent())["isVerified"]


def test_a_right_code_is_no_try(way: Way) -> None:
    way.enrol()
    token = way.token()
    way.send(token)
    for _ in range(9):
        assert way.verify(token, "x") == WRONG
    assert way.verify(token, way.sent())["isVerified"]
    assert way.verify(token, "x") == WRONG
    assert way.verify(token, "x") == LIMIT


def test_enrolments_count_as_sends(way: Way) -> None:
    token, path, body = way.token("ALLOW"), f"user-authenticators/{way.path}", {way.field: way.address}
    most = 12 if way.field == "email" else 6
    answers = [way.emulator.client("POST", path, token, body) for _ in range(most + 1)]
    assert [one.status_code for one in answers] == [200] * most + [429]
    assert answers[-1].json()["errorCode"] == "too_many_requests"


def test_a_code_by_another_way_leaves_it_alive(way: Way) -> None:
    way.enrol()
    path, field = ("sms", "phoneNumber") if way.path == "email-otp" else ("email-otp", "email")
    token = way.token(scope=ADD)
    way.send(token)
    way.emulator.call(f"user-authenticators/{path}", token, {field: addresses()[field]})
    assert way.verify(token, way.sent())["isVerified"]


# What is kept.


def test_a_proof_names_the_authenticator(way: Way) -> None:
    way.enrol()
    action = way.emulator.configure("CHALLENGE")
    token = way.emulator.track(way.user, action)["token"]
    way.send(token)
    assert way.verify(token, way.sent())["isVerified"]
    (row,) = way.emulator.server("GET", f"users/{way.user}/authenticators").json()
    (done,) = way.emulator.server("GET", f"users/{way.user}/actions", params={"codes": action}).json()
    assert done["verifiedByAuthenticatorId"] == row["userAuthenticatorId"]


def test_a_page_gives_the_recovery_codes_that_a_code_earned(way: Way) -> None:
    token = way.token("ALLOW", **{way.field: way.address})
    page = f"{way.emulator.url}/challenge/add/{way.path.removesuffix('-otp')}/"
    for form in ({"do": "send"}, {"do": "verify"}):
        code = way.sent() if form["do"] == "verify" else ""
        answer = requests.post(page, {"token": token, "code": code, **form}, timeout=9)
    assert len(re.findall("[a-z2-9]{4}(?:-[a-z2-9]{4}){3}", answer.text)) >= 10


def test_when_it_was_last_proved_is_told(way: Way) -> None:
    way.enrol()
    path = f"users/{way.user}/authenticators"
    (first,) = way.emulator.server("GET", path).json()
    assert first["lastVerifiedAt"] == first["verifiedAt"]
    way.emulator.advance(60)
    token = way.token()
    way.send(token)
    assert way.verify(token, way.sent())["isVerified"]
    (later,) = way.emulator.server("GET", path).json()
    assert later["lastVerifiedAt"] > first["lastVerifiedAt"]
    assert later["verifiedAt"] == first["verifiedAt"]


@pytest.mark.parametrize("known", ["none", "the same", "another"])
def test_the_address_that_was_proved_is_the_users_unless_they_have_another(way: Way, known: str) -> None:
    own = {"none": "", "the same": way.address, "another": addresses()[way.field]}[known]
    token = way.token("ALLOW", **({way.field: own} if own else {}))
    way.begin(token)
    done = way.verify(token, way.sent())
    assert done["userAuthenticator"][way.field] == way.address
    profile, others = way.profile(), {"email": "phoneNumber", "phoneNumber": "email"}[way.field]
    assert profile[way.field] == (own or way.address)
    assert profile[f"{way.field}Verified"] is (known != "another")
    assert others not in profile
    assert profile[f"{others}Verified"] is False
