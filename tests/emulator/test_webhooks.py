"""Webhooks, received by a real server that verifies what it gets as our own client and the official SDKs do."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from django_authsignal.client import errors, webhooks

from .authenticator import SoftwareAuthenticator
from .conftest import App, Emulator, enrol_passkey, start, stop
from .receiver import Receiver, eventually, official_sdk_accepts, receiving

UNKNOWN = "8c0f5d3e-1b7a-4d0e-9a6b-2f4c81d7e950"
KEYS = ("emulator_new", "emulator_old")
ASYNCHRONOUS = ["authenticator.created", "authenticator.updated", "authenticator.deleted"]


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """Of its own: with two keys, and receivers that must not hear of other tests."""
    directory = tmp_path_factory.mktemp("webhooks")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTHSIGNAL_EMULATOR_WEBHOOK_TIMEOUT", "1")
        running = start(directory, "--secret", KEYS[0], "--secret", KEYS[1])
        running.secret = KEYS[0]
        yield running
    log = (directory / "stderr").read_text()
    stop(running)
    assert "Traceback" not in log, log


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture
def hook(emulator: Emulator, receiver: Receiver) -> Iterator[Callable[..., Any]]:
    """Sets up a webhook to the receiver, which is gone after the test."""
    made = []

    def create(*types: str, **more: Any) -> Any:
        made.append(emulator.post("management/webhooks", {"url": f"{receiver.url}/hook", "types": types, **more}))
        return made[-1]

    yield create
    for webhook in made:
        emulator.server("DELETE", f"management/webhooks/{webhook['webhookId']}")


def now(emulator: Emulator) -> float:
    return time.time() + float(emulator.clock_file.read_text())


def deliveries(emulator: Emulator, **query: str) -> list[Any]:
    found: list[Any] = emulator.server("GET", "management/deliveries", params=query).json()
    return found


def enrol(emulator: Emulator, user: str) -> None:
    """By the Server API: one call, one event, and the clock stays where it is."""
    emulator.post(f"users/{user}/authenticators", {"verificationMethod": "EMAIL_OTP", "email": "a@b.example"})


def enrol_email(emulator: Emulator, user: str) -> str:
    """An enrolled address; returns it."""
    token = emulator.track(user, emulator.configure("ALLOW"))["token"]
    address = f"{user}@hooks.example"
    emulator.call("user-authenticators/email-otp", token, {"email": address})
    assert verify(emulator, token, code_of(emulator, address))["isVerified"]
    return address


def inbox(emulator: Emulator, address: str) -> list[Any]:
    found: list[Any] = requests.get(f"{emulator.url}/inbox.json", params={"to": address}, timeout=9).json()
    return found


def code_of(emulator: Emulator, address: str) -> str:
    return str(inbox(emulator, address)[0]["code"])


def verify(emulator: Emulator, token: str, code: str) -> Any:
    return emulator.call("verify/email-otp", token, {"verificationCode": code})


# Signature and envelope.


def test_our_client_and_the_official_algorithm_accept_it(
    emulator: Emulator, receiver: Receiver, hook: Any, user: str
) -> None:
    hook("authenticator.created")
    enrol(emulator, user)
    (got,) = receiver.wait("authenticator.created", user)
    header = got.headers["X-Signature-V2"]
    event = webhooks.verify(got.body, header, secrets=[KEYS[0]], now=now(emulator))
    assert event.type == "authenticator.created"
    assert event.data["verificationMethod"] == "EMAIL_OTP"
    assert official_sdk_accepts(got.body, header, KEYS[0])
    with pytest.raises(errors.SignatureError):
        webhooks.verify(got.body + b" ", header, secrets=[KEYS[0]], now=now(emulator))


def test_the_official_python_library_accepts_it(emulator: Emulator, receiver: Receiver, hook: Any, user: str) -> None:
    official = pytest.importorskip("authsignal.webhook", reason="this release of the SDK has no webhooks")
    hook("authenticator.created")
    enrol(emulator, user)
    (got,) = receiver.wait("authenticator.created", user)
    event = official.Webhook(KEYS[0]).construct_event(got.body.decode(), got.headers["X-Signature-V2"])
    assert event["type"] == "authenticator.created"


def test_every_active_key_signs_without_padding(emulator: Emulator, receiver: Receiver, hook: Any, user: str) -> None:
    hook("authenticator.created")
    enrol(emulator, user)
    (got,) = receiver.wait("authenticator.created", user)
    header = got.headers["X-Signature-V2"]
    assert header.count("v2=") == 2
    assert header.count("=") == 3
    for key in KEYS:
        webhooks.verify(got.body, header, secrets=[key], now=now(emulator))
        assert official_sdk_accepts(got.body, header, key)
    assert not official_sdk_accepts(got.body, header, "emulator_other")


def test_the_envelope_is_the_documented_one(emulator: Emulator, receiver: Receiver, hook: Any, user: str) -> None:
    hook("authenticator.created")
    enrol(emulator, user)
    (got,) = receiver.wait("authenticator.created", user)
    envelope = got.json
    assert set(envelope) == {"version", "id", "source", "time", "tenantId", "type", "data"}
    assert (envelope["version"], envelope["source"], envelope["tenantId"]) == (1, "https://authsignal.com", "emulator")
    assert uuid.UUID(envelope["id"])
    assert envelope["time"].endswith("Z")
    assert got.headers["Content-Type"] == "application/json"


def test_every_value_of_the_data_is_a_text(emulator: Emulator, receiver: Receiver, hook: Any, user: str) -> None:
    """Java and .NET read a map of texts."""
    hook()
    enrol(emulator, user)
    (got,) = receiver.wait("authenticator.created", user)
    assert all(isinstance(value, str) for value in got.json["data"].values())


@pytest.mark.parametrize("key", KEYS)
def test_each_key_opens_the_server_api(emulator: Emulator, key: str) -> None:
    assert requests.get(f"{emulator.api}/users/u", auth=(key, ""), timeout=9).status_code == 200


@pytest.mark.parametrize("key", ["emulator_", " ".join(KEYS), "emulator_new emulator_new", ""])
def test_no_other_key_does(emulator: Emulator, key: str) -> None:
    assert requests.get(f"{emulator.api}/users/u", auth=(key, ""), timeout=9).status_code == 401


# Asynchronous events.


def test_authenticators_tell_when_they_come_change_and_go(
    emulator: Emulator, receiver: Receiver, hook: Any, user: str, passkey: SoftwareAuthenticator
) -> None:
    hook(*ASYNCHRONOUS)
    token = emulator.track(user, emulator.configure("ALLOW"))["token"]
    enrolled = enrol_passkey(emulator, token, passkey)
    key = enrolled["userAuthenticator"]["userAuthenticatorId"]
    token = enrolled["accessToken"]
    assert emulator.client("PATCH", f"user-authenticators/{key}", token, {"name": "Blue"}).status_code == 200
    assert emulator.client("DELETE", f"user-authenticators/{key}", token).status_code == 200
    created, changed, deleted = (receiver.wait(kind, user)[0].json["data"] for kind in ASYNCHRONOUS)
    assert created["userAuthenticatorId"] == changed["userAuthenticatorId"] == deleted["userAuthenticatorId"] == key
    assert changed["credentialName"] == "Blue"
    assert deleted["deletedAt"]
    assert "credentialPublicKey" not in deleted


def test_the_authenticators_of_a_deleted_user_tell_that_they_are_gone(
    emulator: Emulator, receiver: Receiver, hook: Any, user: str
) -> None:
    enrol(emulator, user)
    emulator.post(f"users/{user}/authenticators", {"verificationMethod": "SMS", "phoneNumber": "+64211234567"})
    emulator.call("user-authenticators/totp", emulator.track(user, "a", scope="add:authenticators")["token"])
    hook("authenticator.deleted")
    assert emulator.server("DELETE", f"users/{user}").status_code == 200
    told = eventually(lambda: len(receiver.requests) > 1 and receiver.requests)
    data = [one.json["data"] for one in told]
    assert sorted(one["verificationMethod"] for one in data) == ["EMAIL_OTP", "SMS"]  # the app was never verified
    assert all(one["deletedAt"] and one["userId"] == user for one in data)


def test_an_address_that_changes_with_its_user_is_told(
    emulator: Emulator, receiver: Receiver, hook: Any, user: str
) -> None:
    enrol(emulator, user)
    made = hook("authenticator.updated")
    for _ in range(2):  # the second changes nothing
        emulator.post(f"users/{user}", {"email": "new@b.example", "emailVerified": True})
    (got,) = receiver.wait("authenticator.updated", user)
    assert got.json["data"]["email"] == "new@b.example"
    assert len(deliveries(emulator, webhookId=made["webhookId"])) == 1


def test_a_webhook_gets_only_the_types_it_asked_for(
    emulator: Emulator, receiver: Receiver, hook: Any, user: str
) -> None:
    hook("authenticator.deleted")
    hook("authenticator.created")
    enrol(emulator, user)
    receiver.wait("authenticator.created", user)
    assert [one.json["type"] for one in receiver.requests] == ["authenticator.created"]


def test_a_webhook_that_is_switched_off_hears_nothing(
    emulator: Emulator, receiver: Receiver, hook: Any, user: str
) -> None:
    hook("authenticator.created", isActive=False)
    hook("authenticator.created", url=f"{receiver.url}/on")
    enrol(emulator, user)
    receiver.wait("authenticator.created", user)
    assert {one.path for one in receiver.requests} == {"/on"}


def test_a_failed_delivery_is_tried_four_times_thirty_seconds_apart_with_one_body(
    emulator: Emulator, receiver: Receiver, hook: Any, user: str
) -> None:
    key = hook("authenticator.created")["webhookId"]
    receiver.answers = [500] * 9
    enrol(emulator, user)
    for attempt in range(1, 5):
        eventually(lambda attempt=attempt: deliveries(emulator, webhookId=key)[0].get("attempts") == attempt)
        assert len(receiver.requests) == attempt
        emulator.advance(25)
        time.sleep(1.3 if attempt == 1 else 0)  # longer than a look at what is due
        assert len(receiver.requests) == attempt
        emulator.advance(6)
    time.sleep(1.3)
    assert len(receiver.requests) == 4
    assert len({one.body for one in receiver.requests}) == 1
    assert len({one.headers["X-Signature-V2"] for one in receiver.requests}) == 4  # signed anew: the time is checked
    (row,) = deliveries(emulator, webhookId=key)
    assert (row["state"], row["status"], row["attempts"]) == ("failed", 500, 4)


@pytest.mark.long
def test_a_delivery_that_succeeds_at_last_is_not_sent_again(
    emulator: Emulator, receiver: Receiver, hook: Any, user: str
) -> None:
    key = hook("authenticator.created")["webhookId"]
    receiver.answers = [503]
    enrol(emulator, user)
    eventually(lambda: deliveries(emulator, webhookId=key)[0].get("attempts") == 1)
    emulator.advance(31)
    eventually(lambda: deliveries(emulator, webhookId=key)[0]["state"] == "delivered")
    emulator.advance(600)
    time.sleep(1.3)
    assert len(receiver.requests) == 2


def test_one_event_has_one_id_in_every_attempt_and_resend(
    emulator: Emulator, receiver: Receiver, hook: Any, user: str
) -> None:
    key = hook("authenticator.created")["webhookId"]
    enrol(emulator, user)
    (row,) = eventually(lambda: deliveries(emulator, webhookId=key, state="delivered"))
    again = emulator.post(f"management/deliveries/{row['deliveryId']}/resend")
    assert again["deliveryId"] != row["deliveryId"]
    receiver.wait("authenticator.created", user, count=2)
    assert {one.json["id"] for one in receiver.requests} == {row["eventId"]}


def test_a_receiver_that_never_answers_is_left_after_the_timeout(
    emulator: Emulator, receiver: Receiver, hook: Any, user: str
) -> None:
    key = hook("authenticator.created")["webhookId"]
    receiver.stall = 3
    enrol(emulator, user)
    row = eventually(lambda: next((r for r in deliveries(emulator, webhookId=key) if r["attempts"]), None))
    assert row["problem"] == "no answer within 1 seconds"
    assert "status" not in row


def test_an_answer_that_drips_is_left_after_the_timeout(
    emulator: Emulator, receiver: Receiver, hook: Any, user: str
) -> None:
    key = hook("authenticator.created")["webhookId"]
    receiver.answers, receiver.drip, receiver.text = [500], 0.3, "x" * 100
    began = time.monotonic()
    enrol(emulator, user)
    eventually(lambda: next((r for r in deliveries(emulator, webhookId=key) if r["attempts"]), None))
    assert time.monotonic() - began < 5


def test_a_yes_needs_no_end_of_its_text(emulator: Emulator, receiver: Receiver, hook: Any, user: str) -> None:
    key = hook("authenticator.created")["webhookId"]
    receiver.drip, receiver.text = 0.5, "x" * 10
    enrol(emulator, user)
    row = eventually(lambda: next((r for r in deliveries(emulator, webhookId=key) if r["attempts"]), None))
    assert row["state"] == "delivered"
    assert time.monotonic() - receiver.requests[0].at < 0.9


def test_a_receiver_that_is_not_there_is_a_sentence(
    emulator: Emulator, hook: Any, receiver: Receiver, user: str
) -> None:
    key = hook("authenticator.created", url="http://127.0.0.1:1/")["webhookId"]
    enrol(emulator, user)
    row = eventually(lambda: next((r for r in deliveries(emulator, webhookId=key) if r["attempts"]), None))
    assert row["problem"] == "connection refused"


def test_a_redirect_is_not_followed(emulator: Emulator, receiver: Receiver, hook: Any, user: str) -> None:
    key = hook("authenticator.created")["webhookId"]
    receiver.answers, receiver.location = [307], f"{receiver.url}/elsewhere"
    enrol(emulator, user)
    row = eventually(lambda: next((r for r in deliveries(emulator, webhookId=key) if r["attempts"]), None))
    assert row["status"] == 307
    assert row["state"] == "waiting"
    assert [one.path for one in receiver.requests] == ["/hook"]


def test_of_a_long_answer_only_the_beginning_is_kept(
    emulator: Emulator, receiver: Receiver, hook: Any, user: str
) -> None:
    key = hook("authenticator.created")["webhookId"]
    receiver.answers, receiver.text = [400], "why\0 " + "x" * 100_000
    enrol(emulator, user)
    row = eventually(lambda: next((r for r in deliveries(emulator, webhookId=key) if r["attempts"]), None))
    assert row["problem"].startswith("it answered 400: why xxx")
    assert len(row["problem"]) < 255


def test_a_hanging_receiver_does_not_hold_up_another(
    emulator: Emulator, receiver: Receiver, hook: Any, user: str, enrol_app: Any
) -> None:
    with receiving() as slow:
        slow.stall = 2
        hook("authenticator.created", url=slow.url)
        hook("authenticator.created")
        enrol_app(user)
        receiver.wait("authenticator.created", user)
        assert receiver.requests[0].at - slow.wait("authenticator.created", user)[0].at < 0.8


@pytest.mark.long
def test_a_changed_address_gets_what_is_still_to_be_tried(
    emulator: Emulator, receiver: Receiver, hook: Any, user: str
) -> None:
    key = hook("authenticator.created", url=f"{receiver.url}/typo")["webhookId"]
    receiver.answers = [404]
    enrol(emulator, user)
    eventually(lambda: deliveries(emulator, webhookId=key)[0].get("attempts") == 1)
    emulator.server("PATCH", f"management/webhooks/{key}", {"url": f"{receiver.url}/right"})
    emulator.advance(31)
    eventually(lambda: [one.path for one in receiver.requests] == ["/typo", "/right"])


def test_a_deleted_webhook_gets_nothing_more(emulator: Emulator, receiver: Receiver, hook: Any, user: str) -> None:
    key = hook("authenticator.created")["webhookId"]
    receiver.answers = [500]
    enrol(emulator, user)
    (row,) = eventually(lambda: [r for r in deliveries(emulator, webhookId=key) if r["attempts"]])
    emulator.server("DELETE", f"management/webhooks/{key}")
    emulator.advance(61)
    time.sleep(1.3)
    assert len(receiver.requests) == 1
    assert emulator.server("GET", f"management/deliveries/{row['deliveryId']}").json()["state"] == "failed"


# Several processes, and the end of one.


@pytest.mark.long
def test_two_emulators_on_one_database_send_each_attempt_once(tmp_path: Path, receiver: Receiver) -> None:
    database = f"sqlite:///{tmp_path}/shared.sqlite3"
    both = [start(tmp_path, "--database", database) for _ in range(2)]
    first, second = both
    first.post("management/webhooks", {"url": receiver.url, "types": ["authenticator.created"]})
    receiver.answers = [500] * 20
    users = [f"u{number}" for number in range(20)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: enrol(both[number % 2], users[number]), range(20)))
    # Written down, and not only sent: what is written after the clock moved is due 30 seconds later than the rest.
    eventually(lambda: [row["attempts"] for row in deliveries(first)] == [1] * 20)
    second.advance(31)  # all of them are due again, for both
    eventually(lambda: len(receiver.requests) >= 40)
    time.sleep(1.5)
    sent = [one.json["data"]["userId"] for one in receiver.requests]
    stop(first)
    stop(second)
    assert sorted(sent) == sorted(users * 2)


@pytest.mark.long
def test_what_a_killed_process_was_sending_is_sent_by_the_next(tmp_path: Path, receiver: Receiver) -> None:
    first = start(tmp_path)
    first.post("management/webhooks", {"url": receiver.url, "types": ["authenticator.created"]})
    receiver.stall = 3
    enrol(first, "u")
    receiver.wait("authenticator.created")
    first.process.kill()
    stop(first)
    receiver.stall = 0
    second = start(tmp_path)
    (row,) = deliveries(second)
    assert row["state"] == "sending"
    second.advance(60)
    receiver.wait("authenticator.created", count=2)
    eventually(lambda: deliveries(second)[0]["state"] == "delivered")
    stop(second)


@pytest.mark.long
def test_an_event_is_not_lost_when_the_process_is_killed_before_sending(tmp_path: Path) -> None:
    """The receiver comes up only after the restart."""
    first = start(tmp_path)
    with receiving() as receiver:
        hook = first.post("management/webhooks", {"url": receiver.url, "types": ["authenticator.created"]})
        first.server("PATCH", f"management/webhooks/{hook['webhookId']}", {"url": "http://127.0.0.1:1/"})
        enrol(first, "u")
        first.process.kill()
        stop(first)
        second = start(tmp_path)
        second.server("PATCH", f"management/webhooks/{hook['webhookId']}", {"url": receiver.url})
        eventually(lambda: second.advance(31) or receiver.of("authenticator.created", "u"))
        stop(second)


# Synchronous messages.


def test_a_synchronous_webhook_is_asked_before_the_mail_goes_out(
    emulator: Emulator, receiver: Receiver, hook: Any, user: str
) -> None:
    address = enrol_email(emulator, user)
    before = len(inbox(emulator, address))
    hook("email.created", isSynchronous=True)
    seen: list[int] = []
    receiver.during = lambda _: seen.append(len(inbox(emulator, address)))
    tracked = emulator.track(user, emulator.configure("CHALLENGE"), locale="de", userAgent="UA", ipAddress="192.0.2.1")
    emulator.call("challenge/email-otp", tracked["token"])
    (got,) = receiver.of("email.created", user)
    data = got.json["data"]
    assert seen == [before]
    assert data["to"] == address
    assert data["code"] == code_of(emulator, address)
    assert (data["locale"], data["userAgent"], data["ipAddress"]) == ("de", "UA", "192.0.2.1")
    assert data["idempotencyKey"] == tracked["idempotencyKey"]
    assert data["verificationMethod"] == "EMAIL_OTP"
    webhooks.verify(got.body, got.headers["X-Signature-V2"], secrets=[KEYS[1]], now=now(emulator))
    assert verify(emulator, tracked["token"], data["code"])["isVerified"]


@pytest.mark.parametrize("status", [500, 404, 302])
def test_a_refused_mail_fails_the_call_and_is_not_in_the_inbox(
    emulator: Emulator, receiver: Receiver, hook: Any, user: str, status: int
) -> None:
    address = enrol_email(emulator, user)
    before = inbox(emulator, address)
    hook("email.created", isSynchronous=True)
    receiver.answers, receiver.text = [status], "the provider's secret"
    token = emulator.track(user, emulator.configure("CHALLENGE"))["token"]
    answer = emulator.client("POST", "challenge/email-otp", token)
    assert answer.status_code == 400
    assert answer.json()["errorCode"] == "webhook_failed"
    assert "secret" not in answer.text
    assert receiver.url not in answer.text
    assert inbox(emulator, address) == before
    code = receiver.of("email.created", user)[0].json["data"]["code"]
    assert not verify(emulator, token, code)["isVerified"]


def test_a_receiver_that_times_out_refuses_in_bounded_time(
    emulator: Emulator, receiver: Receiver, hook: Any, user: str
) -> None:
    address = enrol_email(emulator, user)
    before = inbox(emulator, address)
    hook("email.created", isSynchronous=True)
    receiver.stall = 3
    token = emulator.track(user, emulator.configure("CHALLENGE"))["token"]
    began = time.monotonic()
    assert emulator.client("POST", "challenge/email-otp", token).json()["errorCode"] == "webhook_failed"
    assert time.monotonic() - began < 2.5
    assert inbox(emulator, address) == before


def test_a_refused_message_is_asked_for_once_and_never_retried(
    emulator: Emulator, receiver: Receiver, hook: Any, user: str
) -> None:
    enrol_email(emulator, user)
    key = hook("email.created", isSynchronous=True)["webhookId"]
    receiver.answers = [500]
    token = emulator.track(user, emulator.configure("CHALLENGE"))["token"]
    emulator.client("POST", "challenge/email-otp", token)
    emulator.advance(61)
    time.sleep(1.3)
    assert len(receiver.requests) == 1
    (row,) = deliveries(emulator, webhookId=key)
    assert (row["state"], row["attempts"], row["type"]) == ("failed", 1, "email.created")


def test_texts_are_asked_for_too(emulator: Emulator, receiver: Receiver, hook: Any, user: str) -> None:
    hook("sms.created", isSynchronous=True)
    receiver.answers = [500]
    token = emulator.track(user, emulator.configure("ALLOW"))["token"]
    phone = f"+64{uuid.uuid4().int % 10**10 + 10**10}"
    refused = emulator.client("POST", "user-authenticators/sms", token, {"phoneNumber": phone})
    assert refused.json()["errorCode"] == "webhook_failed"
    assert inbox(emulator, phone) == []
    assert emulator.client("POST", "user-authenticators/sms", token, {"phoneNumber": phone}).status_code == 200
    data = receiver.of("sms.created", user)[1].json["data"]
    assert (data["to"], data["code"]) == (phone, code_of(emulator, phone))


def test_a_magic_link_travels_as_its_url(emulator: Emulator, receiver: Receiver, hook: Any, user: str) -> None:
    hook("email.created", isSynchronous=True)
    token = emulator.track(user, emulator.configure("ALLOW"))["token"]
    emulator.call("user-authenticators/email-magic-link", token, {"email": f"{user}@hooks.example"})
    data = receiver.of("email.created", user)[0].json["data"]
    assert data["url"] == inbox(emulator, f"{user}@hooks.example")[0]["url"]
    assert "code" not in data


def test_a_stand_alone_challenge_is_asked_for_too(emulator: Emulator, receiver: Receiver, hook: Any) -> None:
    hook("email.created", isSynchronous=True)
    receiver.answers = [500]
    address = f"{uuid.uuid4().hex}@hooks.example"
    body = {"verificationMethod": "EMAIL_OTP", "action": "signIn", "email": address}
    assert emulator.server("POST", "challenge", body).json()["errorCode"] == "webhook_failed"
    assert inbox(emulator, address) == []
    assert emulator.server("POST", "challenge", body).status_code == 200
    assert len(inbox(emulator, address)) == 1


def test_a_webhook_that_is_not_synchronous_hears_of_a_mail_and_cannot_stop_it(
    emulator: Emulator, receiver: Receiver, hook: Any, user: str
) -> None:
    address = enrol_email(emulator, user)
    before = len(inbox(emulator, address))
    hook("email.created")
    receiver.answers = [500]
    token = emulator.track(user, emulator.configure("CHALLENGE"))["token"]
    emulator.call("challenge/email-otp", token)
    assert len(inbox(emulator, address)) == before + 1
    receiver.wait("email.created", user)


def test_others_can_write_while_a_receiver_takes_its_time(
    emulator: Emulator, receiver: Receiver, hook: Any, user: str
) -> None:
    """On SQLite one open transaction would make them wait; here the receiver itself calls back."""
    enrol_email(emulator, user)
    hook("email.created", isSynchronous=True)
    answers: list[Any] = []
    receiver.during = lambda _: answers.append(emulator.track(f"{user}-other", "anything")["state"])
    token = emulator.track(user, emulator.configure("CHALLENGE"))["token"]
    emulator.call("challenge/email-otp", token)
    assert answers == ["ALLOW"]


# action.verify.


@pytest.fixture
def gate(emulator: Emulator, receiver: Receiver) -> str:
    """An action whose proofs the receiver has to agree to."""
    code = f"act-{uuid.uuid4().hex[:12]}"
    body = {
        "actionCode": code,
        "defaultUserActionResult": "CHALLENGE",
        "verificationWebhookUrl": f"{receiver.url}/verify",
    }
    emulator.post("management/action-configurations", body)
    return code


def state(emulator: Emulator, user: str, tracked: Any, action: str) -> str:
    found = emulator.server("GET", f"users/{user}/actions/{action}/{tracked['idempotencyKey']}").json()
    return str(found["state"])


def prove(emulator: Emulator, app: App, token: str) -> requests.Response:
    return emulator.client("POST", "verify/totp", token, {"verificationCode": app.code()})


def test_a_receiver_that_agrees_lets_the_proof_pass(
    emulator: Emulator, receiver: Receiver, gate: str, user: str, enrol_app: Any
) -> None:
    app = enrol_app(user)
    tracked = emulator.track(user, gate)
    receiver.during = lambda _: states.append(state(emulator, user, tracked, gate))
    states: list[str] = []
    done = prove(emulator, app, tracked["token"]).json()
    (got,) = receiver.of("action.verify", user)
    data = got.json["data"]
    assert states == ["CHALLENGE_REQUIRED"]
    assert emulator.validate(done["accessToken"])["isValid"]
    assert (data["action"], data["idempotencyKey"]) == (gate, tracked["idempotencyKey"])
    assert (data["state"], data["verificationMethod"]) == ("CHALLENGE_SUCCEEDED", "AUTHENTICATOR_APP")
    assert data["verifiedAt"]
    assert data["userAuthenticatorId"] == done["userAuthenticator"]["userAuthenticatorId"]
    webhooks.verify(got.body, got.headers["X-Signature-V2"], secrets=[KEYS[0]], now=now(emulator))


@pytest.mark.parametrize("status", [500, 403, 302])
def test_a_receiver_that_refuses_leaves_the_action_unproved(
    emulator: Emulator, receiver: Receiver, gate: str, user: str, enrol_app: Any, status: int
) -> None:
    app = enrol_app(user)
    tracked = emulator.track(user, gate)
    receiver.answers = [status]
    refused = prove(emulator, app, tracked["token"])
    assert refused.status_code == 403
    assert refused.json()["errorCode"] == "challenge_refused"
    assert "oken" not in refused.text
    assert state(emulator, user, tracked, gate) == "CHALLENGE_REQUIRED"
    assert not emulator.validate(tracked["token"])["isValid"]


def test_a_receiver_that_is_silent_refuses(
    emulator: Emulator, receiver: Receiver, gate: str, user: str, enrol_app: Any
) -> None:
    app = enrol_app(user)
    tracked = emulator.track(user, gate)
    receiver.stall = 3
    assert prove(emulator, app, tracked["token"]).json()["errorCode"] == "challenge_refused"
    assert state(emulator, user, tracked, gate) == "CHALLENGE_REQUIRED"


def test_a_refused_code_stays_spent(
    emulator: Emulator, receiver: Receiver, gate: str, user: str, enrol_app: Any
) -> None:
    app = enrol_app(user)
    tracked = emulator.track(user, gate)
    receiver.answers = [500]
    code = app.code()
    body = {"verificationCode": code}
    assert emulator.client("POST", "verify/totp", tracked["token"], body).status_code == 403
    assert not emulator.call("verify/totp", tracked["token"], body)["isVerified"]
    emulator.advance(60)
    assert prove(emulator, app, tracked["token"]).json()["isVerified"]


def test_one_code_asks_and_passes_once_however_many_try_it(
    emulator: Emulator, receiver: Receiver, gate: str, user: str, enrol_app: Any
) -> None:
    app = enrol_app(user)
    tokens = [emulator.track(user, gate)["token"] for _ in range(6)]
    body = {"verificationCode": app.code()}
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda token: emulator.call("verify/totp", token, body)["isVerified"], tokens))
    assert answers.count(True) == 1
    assert len(receiver.of("action.verify", user)) == 1


def test_a_block_that_arrives_while_the_receiver_thinks_wins(
    emulator: Emulator, receiver: Receiver, gate: str, user: str, enrol_app: Any
) -> None:
    app = enrol_app(user)
    tracked = emulator.track(user, gate)
    path = f"users/{user}/actions/{gate}/{tracked['idempotencyKey']}"
    receiver.during = lambda _: emulator.server("PATCH", path, {"state": "BLOCK"})
    assert prove(emulator, app, tracked["token"]).status_code == 403
    assert state(emulator, user, tracked, gate) == "BLOCK"


def test_passkeys_ask_too(
    emulator: Emulator, receiver: Receiver, gate: str, user: str, passkey: SoftwareAuthenticator
) -> None:
    token = emulator.track(user, emulator.configure("ALLOW"))["token"]
    enrol_passkey(emulator, token, passkey)
    tracked = emulator.track(user, gate)
    receiver.answers = [500]
    for expected in (403, 200):
        options = emulator.call("user-authenticators/passkey/authentication-options", tracked["token"], {})
        body = {"authenticationCredential": passkey.get(options["options"]), "challengeId": options["challengeId"]}
        assert emulator.client("POST", "verify/passkey", tracked["token"], body).status_code == expected
    assert state(emulator, user, tracked, gate) == "CHALLENGE_SUCCEEDED"


def test_a_refused_first_enrolment_is_undone_so_that_its_recovery_codes_are_not_lost(
    emulator: Emulator, receiver: Receiver, gate: str, user: str
) -> None:
    tracked = emulator.track(user, gate)
    app = App(emulator, emulator.call("user-authenticators/totp", tracked["token"])["secret"])
    receiver.answers = [500]
    assert prove(emulator, app, tracked["token"]).status_code == 403
    assert emulator.server("GET", f"users/{user}").json()["isEnrolled"] is False
    app = App(emulator, emulator.call("user-authenticators/totp", tracked["token"])["secret"])
    done = prove(emulator, app, tracked["token"]).json()
    assert len(done["recoveryCodes"]) == 10
    assert state(emulator, user, tracked, gate) == "CHALLENGE_SUCCEEDED"


def test_the_hosted_page_tells_of_a_refusal(
    emulator: Emulator, receiver: Receiver, gate: str, user: str, enrol_app: Any
) -> None:
    app = enrol_app(user)
    tracked = emulator.track(user, gate)
    receiver.answers = [500]
    form = {"token": tracked["token"], "code": app.code()}
    page = requests.post(f"{emulator.url}/challenge/authenticator-app/", data=form, timeout=9)
    assert page.status_code == 403
    assert state(emulator, user, tracked, gate) == "CHALLENGE_REQUIRED"


def test_a_verification_is_not_resent(
    emulator: Emulator, receiver: Receiver, gate: str, user: str, enrol_app: Any
) -> None:
    prove(emulator, enrol_app(user), emulator.track(user, gate)["token"])
    (row, *_) = deliveries(emulator, type="action.verify")
    assert emulator.server("POST", f"management/deliveries/{row['deliveryId']}/resend").status_code == 400


# Log records.


def test_actions_are_logged_once_their_token_is_over_as_they_ended(
    emulator: Emulator, receiver: Receiver, hook: Any, user: str, enrol_app: Any
) -> None:
    app = enrol_app(user)
    hook("action.log_created")
    code = emulator.configure("CHALLENGE")
    tracked = emulator.track(user, code, custom={"amount": 7}, ipAddress="192.0.2.1")
    prove(emulator, app, tracked["token"])
    emulator.advance(300)
    time.sleep(1.3)
    assert receiver.records("action.log_created") == []
    emulator.advance(360)
    (one,) = eventually(lambda: receiver.records("action.log_created"))
    record = one["record"]
    assert "data" not in one
    assert (record["userId"], record["actionCode"], record["tenantId"]) == (user, code, "emulator")
    assert (record["state"], record["outcome"]) == ("CHALLENGE_SUCCEEDED", "CHALLENGE")
    assert (record["verificationMethod"], record["countryCode"]) == ("AUTHENTICATOR_APP", "NZ")
    assert record["customVariables"] == {"amount": 7}
    emulator.advance(600)
    time.sleep(1.3)
    assert len(receiver.records("action.log_created")) == 1


def test_a_batch_is_signed_and_our_client_reads_its_records(
    emulator: Emulator, receiver: Receiver, hook: Any, user: str
) -> None:
    hook("action.log_created")
    emulator.track(user, "signIn")
    emulator.advance(660)
    eventually(lambda: receiver.records("action.log_created"))
    (got,) = receiver.requests
    event = webhooks.verify(got.body, got.headers["X-Signature-V2"], secrets=[KEYS[0]], now=now(emulator))
    assert [one.data["userId"] for one in event.records] == [user]


@pytest.mark.long
def test_a_batch_holds_at_most_five_hundred_records(emulator: Emulator, receiver: Receiver, hook: Any) -> None:
    hook("action.log_created")
    prefix = uuid.uuid4().hex
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda number: emulator.track(f"{prefix}-{number}", "many"), range(501)))
    emulator.advance(660)
    eventually(lambda: len(receiver.records("action.log_created")) >= 501)
    sizes = sorted(len(one.json["records"]) for one in receiver.requests)
    users = [one["record"]["userId"] for one in receiver.records("action.log_created")]
    assert sizes == [1, 500]
    assert sorted(users) == sorted(f"{prefix}-{number}" for number in range(501))


def test_the_steps_of_a_challenge_are_logged(emulator: Emulator, receiver: Receiver, hook: Any, user: str) -> None:
    address = enrol_email(emulator, user)
    hook("challenge.log_created")
    token = emulator.track(user, emulator.configure("CHALLENGE"))["token"]
    emulator.call("challenge/email-otp", token)
    code = code_of(emulator, address)
    verify(emulator, token, f"{(int(code) + 1) % 1_000_000:06}")
    verify(emulator, token, code)
    emulator.advance(660)
    records = [one["record"] for one in eventually(lambda: receiver.records("challenge.log_created"))]
    assert [record["type"] for record in records] == [
        "EMAIL_OTP_SENT",
        "EMAIL_OTP_CODE_INVALID_OR_EXPIRED",
        "EMAIL_OTP_CODE_VALID",
    ]
    assert records[0]["email"] == address
    assert all(record["userId"] == user for record in records)
    assert code not in str(records)


def test_the_steps_of_a_stand_alone_challenge_are_logged(
    emulator: Emulator, receiver: Receiver, hook: Any, user: str
) -> None:
    address, action = f"{user}@hooks.example", emulator.configure("CHALLENGE")
    hook("challenge.log_created")
    body = {"verificationMethod": "EMAIL_OTP", "action": action, "email": address}
    sent = emulator.post("challenge", {**body, "userId": user, "idempotencyKey": "k"})["challengeId"]
    code = code_of(emulator, address)
    for typed in ["x"] * 10 + [code]:
        emulator.post("verify", {"challengeId": sent, "verificationCode": typed})
    anonymous = emulator.post("challenge", {**body, "email": f"other-{address}"})["challengeId"]
    emulator.post("verify", {"challengeId": anonymous, "verificationCode": code_of(emulator, f"other-{address}")})
    emulator.advance(660)
    records = [one["record"] for one in eventually(lambda: receiver.records("challenge.log_created"))]
    wrong = ["EMAIL_OTP_CODE_INVALID_OR_EXPIRED"] * 10
    mine = [record for record in records if record.get("userId") == user]
    assert [record["type"] for record in mine] == ["EMAIL_OTP_SENT", *wrong, "EMAIL_OTP_CODE_MAX_ATTEMPTS_EXCEEDED"]
    assert {(record["actionCode"], record["idempotencyKey"], record["email"]) for record in mine} == {
        (action, "k", address)
    }
    others = [record for record in records if "userId" not in record]
    assert [record["type"] for record in others] == ["EMAIL_OTP_SENT", "EMAIL_OTP_CODE_VALID"]
    assert {record["email"] for record in others} == {f"other-{address}"}


def test_a_stand_alone_challenge_that_was_not_sent_is_logged_with_its_reason(
    emulator: Emulator, receiver: Receiver, hook: Any, user: str
) -> None:
    hook("challenge.log_created")
    refusing = hook("sms.created", isSynchronous=True, url="http://127.0.0.1:9/")
    body = {"verificationMethod": "SMS", "action": "pay", "phoneNumber": "+64219876543"}
    statuses = [emulator.server("POST", "challenge", body).status_code for _ in range(7)]
    emulator.server("DELETE", f"management/webhooks/{refusing['webhookId']}")
    assert statuses == [400] * 6 + [429]
    emulator.advance(660)
    records = eventually(lambda: receiver.records("challenge.log_created"))
    failed = ["SMS_SEND_DOWNSTREAM_FAILED"] * 6
    assert [one["record"]["type"] for one in records] == [*failed, "SMS_RATE_LIMIT_EXCEEDED"]
    assert records[0]["record"]["phoneNumber"] == "+64219876543"


def test_a_new_webhook_hears_nothing_of_the_past(emulator: Emulator, receiver: Receiver, hook: Any, user: str) -> None:
    emulator.track(user, "before")
    time.sleep(0.01)
    hook("action.log_created")
    emulator.track(user, "after")
    emulator.advance(660)
    eventually(lambda: receiver.records("action.log_created"))
    assert [one["record"]["actionCode"] for one in receiver.records("action.log_created")] == ["after"]


# Management.


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"url": ""},
        {"url": "ftp://x/"},
        {"url": "file:///etc/passwd"},
        {"url": "http://"},
        {"url": "http://x/\nHost: y"},
        {"url": 1},
        {"url": "http://x/", "types": "email.created"},
        {"url": "http://x/", "types": ["action.verify"]},
        {"url": "http://x/", "types": [{}]},
        {"url": "http://x/", "isSynchronous": "yes"},
    ],
)
def test_a_webhook_needs_an_http_address_and_known_types(emulator: Emulator, body: Any) -> None:
    answer = emulator.server("POST", "management/webhooks", body)
    assert answer.status_code == 400
    assert answer.json()["errorCode"] == "invalid_request"


def test_a_webhook_is_listed_changed_and_deleted(emulator: Emulator) -> None:
    made = emulator.post("management/webhooks", {"url": "http://x.example/"})
    path = f"management/webhooks/{made['webhookId']}"
    assert (made["types"], made["isSynchronous"], made["isActive"]) == ([], False, True)
    changed = emulator.server("PATCH", path, {"types": ["sms.created"], "isActive": False}).json()
    assert changed == {**made, "types": ["sms.created"], "isActive": False}
    assert emulator.server("GET", path).json() == changed
    assert changed in emulator.server("GET", "management/webhooks").json()
    assert emulator.server("PATCH", path, {"url": ""}).status_code == 400
    assert emulator.server("DELETE", path).status_code == 200
    assert emulator.server("GET", path).status_code == 404


@pytest.mark.parametrize("path", ["webhooks", "webhooks/1", "deliveries", "deliveries/1", "faults"])
def test_management_needs_a_secret_key(emulator: Emulator, path: str) -> None:
    assert requests.get(f"{emulator.api}/management/{path}", timeout=9).status_code == 401


@pytest.mark.parametrize("path", ["webhooks/1", f"webhooks/{UNKNOWN}", "deliveries/x", "deliveries/9" + "9" * 30])
def test_what_does_not_exist_is_not_found(emulator: Emulator, path: str) -> None:
    assert emulator.server("GET", f"management/{path}").status_code == 404


def test_the_body_of_a_delivery_is_shown_as_it_was_sent(
    emulator: Emulator, receiver: Receiver, hook: Any, user: str
) -> None:
    key = hook("authenticator.created")["webhookId"]
    enrol(emulator, user)
    (row,) = eventually(lambda: deliveries(emulator, webhookId=key, state="delivered"))
    assert "body" not in row
    shown = emulator.server("GET", f"management/deliveries/{row['deliveryId']}").json()
    assert shown["body"].encode() == receiver.requests[0].body


def test_several_keys_may_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "from django_authsignal.emulator import settings; print(settings.API_SECRET_KEYS, settings.API_SECRET_KEY)"
    environment = {**os.environ, "AUTHSIGNAL_EMULATOR_SECRET": "emulator_a  emulator_b"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.stdout.strip() == "['emulator_a', 'emulator_b'] emulator_a", done.stderr
    environment["AUTHSIGNAL_EMULATOR_SECRET"] = "emulator_a real"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert "emulator_" in done.stderr
    assert done.returncode != 0
