"""Push: a phone is asked, its owner answers, and only the page that asked gets the token."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from .conftest import Emulator
from .phone import Phone, challenged, phone_of, refused

PENDING = {"isVerified": False, "isConsumed": False}
OVER = {"isVerified": False, "isConsumed": True}


def ask(emulator: Emulator, token: str, action: str, **body: Any) -> Any:
    return emulator.call("challenge/push", token, {"action": action, **body})


def poll(emulator: Emulator, token: str, challenge_id: str) -> Any:
    return emulator.call("verify/push", token, {"challengeId": challenge_id})


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
