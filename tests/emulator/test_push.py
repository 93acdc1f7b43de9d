"""Push: a phone is asked, its owner answers, and only the page that asked gets the token."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from .authenticator import SoftwareAuthenticator
from .conftest import Emulator, enrol_passkey
from .phone import Phone, challenged, phone_of, refused
from .receiver import receiving

PENDING = {"isVerified": False, "isConsumed": False}
OVER = {"isVerified": False, "isConsumed": True}


def ask(emulator: Emulator, token: str, action: str, **body: Any) -> Any:
    return emulator.call("challenge/push", token, {"action": action, **body})


def poll(emulator: Emulator, token: str, challenge_id: str) -> Any:
    return emulator.call("verify/push", token, {"challengeId": challenge_id})


@contextlib.contextmanager
def told(emulator: Emulator, url: str) -> Iterator[None]:
    """Meanwhile a receiver is asked before a push is sent."""
    hook = {"url": url, "types": ["push.created"], "isSynchronous": True}
    made = emulator.post("management/webhooks", hook)["webhookId"]
    yield
    emulator.server("DELETE", f"management/webhooks/{made}")


@pytest.fixture
def phone(emulator: Emulator, user: str) -> Phone:
    return phone_of(emulator, user, "push")


def test_an_approved_push_proves_the_action_for_the_page_that_asked(
    emulator: Emulator, user: str, phone: Phone
) -> None:
    action, token = challenged(emulator, user)
    asked = ask(emulator, token, action)
    assert asked["deliveryResults"] == [{"userAuthenticatorId": phone.look_up().json()["userAuthenticatorId"]}]
    assert poll(emulator, token, asked["challengeId"]) == PENDING
    assert phone.answer(asked["challengeId"]).json() == {"isVerified": True}
    assert emulator.validate(token)["state"] == "CHALLENGE_REQUIRED"  # nobody has collected it yet
    done = poll(emulator, token, asked["challengeId"])
    assert (done["isVerified"], done["isConsumed"]) == (True, True)
    proved = emulator.validate(done["accessToken"], userId=user, action=action)
    assert (proved["isValid"], proved["verificationMethod"]) == (True, "PUSH")
    assert "lastVerifiedAt" in phone.look_up().json()


def test_the_phone_is_told_who_asks_for_what(emulator: Emulator, user: str, phone: Phone) -> None:
    seen = {"ipAddress": "198.51.100.7", "userAgent": "Evil/1.0", "custom": {"amount": 5}, "deviceId": "d1"}
    action, token = challenged(emulator, user, **seen)
    asked = ask(emulator, token, action)
    waiting = phone.waiting().json()
    assert {name: waiting[name] for name in seen} == seen
    assert (waiting["challengeId"], waiting["actionCode"], waiting["userId"]) == (asked["challengeId"], action, user)
    assert isinstance(waiting["expiresAt"], int)


def test_a_phone_with_nothing_to_answer_is_told_only_its_own_id(phone: Phone) -> None:
    assert set(phone.waiting().json()) == {"userAuthenticatorId"}


@pytest.mark.parametrize("signature", ["", "AAAA", "another key's", "an older message"])
def test_what_waits_is_shown_only_to_who_signs_for_it(
    emulator: Emulator, user: str, phone: Phone, signature: str
) -> None:
    message = phone.ask("POST", "/challenge/sign", params={"publicKey": phone.public_key}).json()["message"]
    if signature == "another key's":
        signature = Phone(emulator, "push").sign(message)
    elif signature == "an older message":
        signature = phone.sign(message)
        emulator.advance(1201)
    assert refused(phone.waiting(signature)) == "invalid_credential"


def test_what_a_phone_signs_to_see_what_waits_is_good_into_the_next_ten_minutes(
    emulator: Emulator, phone: Phone
) -> None:
    message = phone.ask("POST", "/challenge/sign", params={"publicKey": phone.public_key}).json()["message"]
    assert re.fullmatch("[0-9a-f]{64}", message)
    signature = phone.sign(message)
    for status in (200, 200, 400):
        assert phone.waiting(signature).status_code == status
        emulator.advance(600)


def test_a_rejected_push_fails_the_action(emulator: Emulator, user: str, phone: Phone) -> None:
    action, token = challenged(emulator, user)
    challenge = ask(emulator, token, action)["challengeId"]
    assert phone.answer(challenge, approved=False).json() == {"isVerified": False}
    assert poll(emulator, token, challenge) == OVER
    assert emulator.validate(token)["state"] == "CHALLENGE_FAILED"
    # And nothing can prove it any more.
    assert refused(emulator.client("POST", "challenge/push", token, {"action": action})) == "forbidden"


def test_of_answers_in_parallel_one_counts(emulator: Emulator, user: str, phone: Phone) -> None:
    action, token = challenged(emulator, user)
    challenge = ask(emulator, token, action)["challengeId"]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda number: phone.answer(challenge, approved=number % 2 == 0), range(6)))
    counted = [answer for answer in answers if answer.status_code == 200]
    assert len(counted) == 1
    assert poll(emulator, token, challenge)["isVerified"] is counted[0].json()["isVerified"]


def test_of_polls_in_parallel_one_gets_the_token(emulator: Emulator, user: str, phone: Phone) -> None:
    action, token = challenged(emulator, user)
    challenge = ask(emulator, token, action)["challengeId"]
    phone.answer(challenge)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: poll(emulator, token, challenge), range(6)))
    assert sum("accessToken" in answer for answer in answers) == 1
    assert all(answer["isVerified"] for answer in answers)


def test_another_users_phone_cannot_answer(emulator: Emulator, user: str, phone: Phone) -> None:
    mallory = phone_of(emulator, f"{user}-mallory", "push")
    action, token = challenged(emulator, user)
    challenge = ask(emulator, token, action)["challengeId"]
    assert "challengeId" not in mallory.waiting().json()
    assert refused(mallory.answer(challenge)) == "invalid_request"
    assert poll(emulator, token, challenge) == PENDING


def test_a_signature_over_another_challenge_is_refused(emulator: Emulator, user: str, phone: Phone) -> None:
    (first, one), (second, two) = challenged(emulator, user), challenged(emulator, user)
    approved, other = ask(emulator, one, first)["challengeId"], ask(emulator, two, second)["challengeId"]
    replayed = phone.signed(approved) | {"challengeId": other, "approved": True}
    assert refused(phone.ask("POST", "/challenge", json=replayed)) == "invalid_credential"


def test_another_users_or_actions_token_does_not_collect(emulator: Emulator, user: str, phone: Phone) -> None:
    action, token = challenged(emulator, user)
    challenge = ask(emulator, token, action)["challengeId"]
    phone.answer(challenge)
    for other in (challenged(emulator, user)[1], emulator.track(f"{user}-mallory", "signIn")["token"]):
        body = {"challengeId": challenge}
        assert refused(emulator.client("POST", "verify/push", other, body)) == "invalid_request"
    assert "accessToken" in poll(emulator, token, challenge)


@pytest.mark.parametrize("answered", [False, True])
def test_a_push_that_is_too_late_proves_nothing(emulator: Emulator, user: str, phone: Phone, answered: bool) -> None:
    action = emulator.configure("CHALLENGE")
    token = emulator.track(user, action)["token"]
    challenge = ask(emulator, token, action)["challengeId"]
    if answered:
        phone.answer(challenge)
    emulator.advance(590)  # the token still counts, however slow the machine
    late = emulator.track(user, action, idempotencyKey=emulator.validate(token)["idempotencyKey"])["token"]
    emulator.advance(11)
    if not answered:
        assert refused(phone.answer(challenge)) == "invalid_request"
    assert poll(emulator, late, challenge) == OVER


def test_a_newer_push_ends_the_older_one_of_the_action(emulator: Emulator, user: str, phone: Phone) -> None:
    action, token = challenged(emulator, user)
    older, newer = (ask(emulator, token, action)["challengeId"] for _ in range(2))
    assert refused(phone.answer(older)) == "invalid_request"
    assert phone.answer(newer).status_code == 200


def test_a_push_to_one_phone_is_not_answered_by_another(emulator: Emulator, user: str, phone: Phone) -> None:
    second = phone_of(emulator, user, "push")
    action, token = challenged(emulator, user)
    chosen = phone.look_up().json()["userAuthenticatorId"]
    asked = ask(emulator, token, action, userAuthenticatorId=chosen)
    assert asked["deliveryResults"] == [{"userAuthenticatorId": chosen}]
    assert "challengeId" not in second.waiting().json()
    assert refused(second.answer(asked["challengeId"])) == "invalid_request"
    assert phone.answer(asked["challengeId"]).status_code == 200


def test_a_push_to_all_phones_is_answered_by_the_first(emulator: Emulator, user: str, phone: Phone) -> None:
    second = phone_of(emulator, user, "push")
    action, token = challenged(emulator, user)
    asked = ask(emulator, token, action)
    assert len(asked["deliveryResults"]) == 2
    assert second.answer(asked["challengeId"]).status_code == 200
    assert refused(phone.answer(asked["challengeId"])) == "invalid_request"


def test_pushes_are_limited_so_that_nobody_is_worn_down(emulator: Emulator, user: str, phone: Phone) -> None:
    for _ in range(6):
        action, token = challenged(emulator, user)
        ask(emulator, token, action)
    answer = emulator.client("POST", "challenge/push", token, {"action": action})
    assert (answer.status_code, refused(answer)) == (429, "too_many_requests")


def test_a_push_is_in_the_inbox(emulator: Emulator, user: str, phone: Phone) -> None:
    action, token = challenged(emulator, user)
    ask(emulator, token, action)
    message = requests.get(f"{emulator.url}/inbox.json", {"to": user}, timeout=9).json()[0]
    assert (message["channel"], message["subject"]) == ("push", "Is this you?")
    assert action in message["body"]


def test_a_push_without_a_phone_or_for_another_action_is_refused(emulator: Emulator, user: str, phone: Phone) -> None:
    _action, token = challenged(emulator, user)
    answer = emulator.client("POST", "challenge/push", token, {"action": "another"})
    assert refused(answer) == "invalid_request"
    other = emulator.track(f"{user}-other", "signIn")["token"]
    assert refused(emulator.client("POST", "challenge/push", other, {"action": "signIn"})) == "invalid_request"


def test_an_action_that_does_not_accept_push_is_not_asked_for(emulator: Emulator, user: str, phone: Phone) -> None:
    action = emulator.configure("CHALLENGE", ["PASSKEY"])
    token = emulator.track(user, action)["token"]
    assert refused(emulator.client("POST", "challenge/push", token, {"action": action})) == "invalid_request"


def test_what_is_not_asked_is_not_counted(emulator: Emulator, user: str, phone: Phone) -> None:
    unfit = emulator.configure("CHALLENGE", ["PASSKEY"])
    token = emulator.track(user, unfit)["token"]
    for _ in range(6):
        assert refused(emulator.client("POST", "challenge/push", token, {"action": unfit})) == "invalid_request"
    action, token = challenged(emulator, user)
    assert emulator.client("POST", "challenge/push", token, {"action": action}).status_code == 200


def test_an_action_blocked_meanwhile_is_not_approved(emulator: Emulator, user: str, phone: Phone) -> None:
    action = emulator.configure("CHALLENGE")
    tracked = emulator.track(user, action)
    challenge = ask(emulator, tracked["token"], action)["challengeId"]
    emulator.server("PATCH", f"users/{user}/actions/{action}/{tracked['idempotencyKey']}", {"state": "BLOCK"})
    assert refused(phone.answer(challenge)) == "forbidden"
    assert poll(emulator, tracked["token"], challenge) == OVER
    assert emulator.validate(tracked["token"])["state"] == "BLOCK"


def test_a_number_that_was_never_shown_is_refused(emulator: Emulator, user: str, phone: Phone) -> None:
    action, token = challenged(emulator, user)
    challenge = ask(emulator, token, action)["challengeId"]
    assert refused(phone.answer(challenge, verificationCode="12")) == "invalid_request"
    assert phone.answer(challenge, verificationCode=None).status_code == 200


def test_the_question_about_a_push_token_is_no_proof(emulator: Emulator, user: str, phone: Phone) -> None:
    question = phone.ask("POST", "/sign", params={"publicKey": phone.public_key}).json()
    assert refused(phone.answer(question["challengeId"])) == "invalid_request"


def test_a_removed_phone_takes_its_answer_along(emulator: Emulator, user: str, phone: Phone) -> None:
    phone_of(emulator, user, "push")
    action, token = challenged(emulator, user)
    challenge = ask(emulator, token, action)["challengeId"]
    phone.answer(challenge)
    phone.remove()
    assert refused(emulator.client("POST", "verify/push", token, {"challengeId": challenge})) == "invalid_request"


def test_a_receiver_is_told_of_a_push(emulator: Emulator, user: str, phone: Phone) -> None:
    seen = {"ipAddress": "198.51.100.7", "userAgent": "Browser/1", "locale": "mi", "idempotencyKey": "k"}
    action, token = challenged(emulator, user, **seen)
    with receiving() as receiver, told(emulator, receiver.url):
        asked = ask(emulator, token, action)
        (got,) = receiver.of("push.created", user)
    expected = {**seen, "userId": user, "actionCode": action, "verificationMethod": "PUSH"}
    assert got.json["data"] == {**expected, "challengeId": asked["challengeId"]}


def test_a_push_that_was_not_sent_is_not_answered(emulator: Emulator, user: str, phone: Phone) -> None:
    action, token = challenged(emulator, user)
    with receiving() as receiver, told(emulator, receiver.url):
        receiver.answers = [500]
        assert refused(emulator.client("POST", "challenge/push", token, {"action": action})) == "webhook_failed"
        (got,) = receiver.of("push.created", user)
    assert "challengeId" not in phone.waiting().json()
    assert refused(phone.answer(got.json["data"]["challengeId"])) == "invalid_request"


def test_the_message_names_the_action_and_goes_to_the_user(emulator: Emulator, user: str) -> None:
    long = user + "x" * 320
    phone_of(emulator, long, "push")
    action, token = challenged(emulator, long)
    ask(emulator, token, action)
    (message,) = requests.get(f"{emulator.url}/inbox.json", {"to": long[:320]}, timeout=9).json()
    assert message["body"] == f"Somebody asks for {action}. Open your phone to approve or reject it."


@pytest.mark.parametrize("named", ["x", "somebody else's", "an app's"])
def test_a_phone_that_the_user_does_not_have_is_not_asked(
    emulator: Emulator, user: str, phone: Phone, named: str
) -> None:
    if named == "somebody else's":
        named = phone_of(emulator, f"{user}-other", "push").look_up().json()["userAuthenticatorId"]
    elif named == "an app's":
        named = phone_of(emulator, user, "qr-code").look_up().json()["userAuthenticatorId"]
    action, token = challenged(emulator, user)
    body = {"action": action, "userAuthenticatorId": named}
    answer = emulator.client("POST", "challenge/push", token, body)
    assert answer.status_code == 400
    assert answer.json()["errorDescription"] == "The user has no such PUSH authenticator."
    assert "challengeId" not in phone.waiting().json()


def test_a_phone_is_shown_the_newest_of_its_questions_and_answers_all(
    emulator: Emulator, user: str, phone: Phone
) -> None:
    asked = []
    for _ in range(5):
        action, token = challenged(emulator, user)
        asked.append((token, ask(emulator, token, action)["challengeId"]))
    assert phone.waiting().json()["challengeId"] == asked[-1][1]
    for token, challenge in asked:
        assert phone.answer(challenge).status_code == 200
        assert poll(emulator, token, challenge)["isVerified"]


def test_the_newest_phone_is_named_first(emulator: Emulator, user: str, phone: Phone) -> None:
    phones = [*reversed([phone_of(emulator, user, "push") for _ in range(3)]), phone]
    action, token = challenged(emulator, user)
    named = [one["userAuthenticatorId"] for one in ask(emulator, token, action)["deliveryResults"]]
    assert named == [one.look_up().json()["userAuthenticatorId"] for one in phones]


def test_an_approved_push_outlives_a_newer_question(emulator: Emulator, user: str, phone: Phone) -> None:
    action, token = challenged(emulator, user)
    approved = ask(emulator, token, action)["challengeId"]
    phone.answer(approved)
    ask(emulator, token, action)
    assert "accessToken" in poll(emulator, token, approved)


@pytest.mark.parametrize("kind", ["x", "of a push token", "of a QR code"])
def test_what_is_no_question_to_a_phone_is_not_collected(
    emulator: Emulator, user: str, phone: Phone, kind: str
) -> None:
    action, token = challenged(emulator, user)
    challenge = kind
    if kind == "of a push token":
        challenge = phone.ask("POST", "/sign", params={"publicKey": phone.public_key}).json()["challengeId"]
    elif kind == "of a QR code":
        challenge = emulator.call("challenge/qr-code", token, {"action": action})["challengeId"]
    assert refused(emulator.client("POST", "verify/push", token, {"challengeId": challenge})) == "invalid_request"


def test_an_approval_of_one_action_is_not_collected_for_another(emulator: Emulator, user: str, phone: Phone) -> None:
    (first, one), (second, two) = challenged(emulator, user), challenged(emulator, user)
    approved, waiting = ask(emulator, one, first)["challengeId"], ask(emulator, two, second)["challengeId"]
    phone.answer(approved)
    assert poll(emulator, two, waiting) == PENDING
    assert emulator.validate(two)["state"] == "CHALLENGE_REQUIRED"
    assert "accessToken" in poll(emulator, one, approved)


@pytest.mark.parametrize("approved", [True, False])
def test_a_push_that_was_answered_waits_no_longer(emulator: Emulator, user: str, phone: Phone, approved: bool) -> None:
    action, token = challenged(emulator, user)
    challenge = ask(emulator, token, action)["challengeId"]
    assert phone.waiting().json()["challengeId"] == challenge
    phone.answer(challenge, approved)
    assert "challengeId" not in phone.waiting().json()


def test_no_push_is_sent_for_an_action_that_does_not_accept_it(emulator: Emulator, user: str, phone: Phone) -> None:
    action = emulator.configure("CHALLENGE", ["SMS"])
    token = emulator.track(user, action)["token"]
    answer = emulator.client("POST", "challenge/push", token, {"action": action})
    assert answer.json()["errorDescription"] == "The action does not accept PUSH."


def test_a_push_is_not_answered_by_a_phone_that_scans(emulator: Emulator, user: str, phone: Phone) -> None:
    scanner = phone_of(emulator, user, "qr-code")
    action, token = challenged(emulator, user)
    challenge = ask(emulator, token, action)["challengeId"]
    assert refused(scanner.answer(challenge)) == "invalid_request"
    assert poll(emulator, token, challenge) == PENDING


# A new push token.


def change(phone: Phone, **more: Any) -> requests.Response:
    question = phone.ask("POST", "/sign", params={"publicKey": phone.public_key}).json()
    assert set(question) == {"challengeId", "message"}
    signed = {"challengeId": question["challengeId"], "publicKey": phone.public_key}
    return phone.ask("PATCH", "", json={**signed, "signature": phone.sign(question["message"]), **more})


def test_a_phone_that_sends_no_push_token_keeps_it(emulator: Emulator, user: str, phone: Phone) -> None:
    assert "pushToken" not in change(phone).json()
    assert change(phone, pushToken="first").json()["pushToken"] == "first"
    kept = change(phone).json()
    assert (kept["pushToken"], kept["userId"]) == ("first", user)
    assert set(kept) == {"userAuthenticatorId", "userId", "lastVerifiedAt", "pushToken"}
    assert "pushToken" not in change(phone, pushToken="").json()


def test_the_push_token_of_an_enrolment_is_kept_until_another_enrolment(emulator: Emulator, user: str) -> None:
    phone = Phone(emulator, "push")
    for given in ("first", "second", ""):
        token = emulator.track(user, "signIn", scope="add:authenticators")["token"]
        assert phone.enrol(token, pushToken=given).status_code == 200
        assert change(phone).json().get("pushToken", "") == given


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"pushToken": "x" * 4096}, 200),
        ({"pushToken": "x" * 4097}, 400),
        ({"pushToken": 1}, 400),
        ({"resetExpiry": False}, 200),
        ({"resetExpiry": "yes"}, 400),
        ({"challengeId": "x"}, 400),
        ({"challengeId": None}, 400),
    ],
)
def test_what_is_no_push_token_is_refused(phone: Phone, given: dict[str, Any], status: int) -> None:
    assert change(phone, **given).status_code == status


def test_a_question_about_a_push_token_waits_five_minutes(emulator: Emulator, phone: Phone) -> None:
    question = phone.ask("POST", "/sign", params={"publicKey": phone.public_key}).json()
    emulator.advance(280)
    body = {"challengeId": question["challengeId"], "publicKey": phone.public_key}
    body["signature"] = phone.sign(question["message"])
    assert phone.ask("PATCH", "", json=body).status_code == 200
    emulator.advance(5)
    assert change(phone).json()["lastVerifiedAt"] > phone.look_up().json()["verifiedAt"]


def test_what_was_signed_for_one_question_about_a_push_token_answers_no_other(phone: Phone) -> None:
    first, second = (phone.ask("POST", "/sign", params={"publicKey": phone.public_key}).json() for _ in range(2))
    assert first["message"] != second["message"]
    body = {"challengeId": second["challengeId"], "publicKey": phone.public_key}
    body["signature"] = phone.sign(first["message"])
    assert phone.ask("PATCH", "", json=body | {"pushToken": "stolen"}).status_code in (400, 401, 403)


def test_of_two_questions_about_a_push_token_each_is_good_for_one_answer(emulator: Emulator, phone: Phone) -> None:
    questions = [phone.ask("POST", "/sign", params={"publicKey": phone.public_key}).json() for _ in range(2)]
    for question in questions:
        assert re.fullmatch("[0-9a-f]{64}", question["message"])
        body = {"challengeId": question["challengeId"], "publicKey": phone.public_key}
        body["signature"] = phone.sign(question["message"])
        assert phone.ask("PATCH", "", json=body).status_code == 200
        assert refused(phone.ask("PATCH", "", json=body | {"pushToken": "stolen"})) == "invalid_request"


# What others may not.


def test_a_token_without_an_action_collects_nothing_of_another_user(
    emulator: Emulator, user: str, phone: Phone, passkey: SoftwareAuthenticator
) -> None:
    enrol_passkey(emulator, emulator.track(f"{user}-mallory", "signIn")["token"], passkey)
    begun = emulator.anonymous("user-authenticators/passkey/authentication-options", {}).json()
    body = {"authenticationCredential": passkey.get(begun["options"])}
    mallory = emulator.anonymous("verify/passkey", body).json()["accessToken"]
    action, token = challenged(emulator, user)
    challenge = ask(emulator, token, action)["challengeId"]
    phone.answer(challenge)
    assert refused(emulator.client("POST", "verify/push", mallory, {"challengeId": challenge})) == "invalid_request"
    assert "accessToken" in poll(emulator, token, challenge)


@pytest.mark.parametrize(("year", "status"), [(2000, 400), (2500, 200)])
def test_a_phone_whose_key_has_expired_is_not_asked(
    emulator: Emulator, user: str, phone: Phone, year: int, status: int
) -> None:
    key = uuid.UUID(phone.look_up().json()["userAuthenticatorId"])
    file = emulator.clock_file.parent / "authsignal-emulator.sqlite3"
    with contextlib.closing(sqlite3.connect(file, timeout=15)) as database:
        query = "UPDATE authsignal_emulator_authenticator SET expires_at = ? WHERE id = ?"
        assert database.execute(query, (f"{year}-01-01 00:00:00", key.hex)).rowcount == 1
        database.commit()
    action, token = challenged(emulator, user)
    assert emulator.client("POST", "challenge/push", token, {"action": action}).status_code == status


def test_a_push_leaves_a_scanned_code_of_the_action_alive(emulator: Emulator, user: str, phone: Phone) -> None:
    scanner = phone_of(emulator, user, "qr-code")
    action, token = challenged(emulator, user)
    shown = emulator.call("challenge/qr-code", token, {"action": action})["challengeId"]
    assert scanner.claim(shown).status_code == 200
    ask(emulator, token, action)
    assert scanner.answer(shown).status_code == 200
