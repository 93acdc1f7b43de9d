"""QR codes by polling: one phone claims, its owner answers, and who has the deviceCode collects."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from .authenticator import SoftwareAuthenticator
from .conftest import Emulator, enrol_passkey
from .phone import Phone, challenged, phone_of, refused

UNCLAIMED = {"isClaimed": False, "isVerified": False, "isConsumed": False}
CLAIMED = {**UNCLAIMED, "isClaimed": True}
REJECTED = {**CLAIMED, "isConsumed": True}


def show(emulator: Emulator, action: str, **body: Any) -> Any:
    """What a page that knows no user shows."""
    response = emulator.anonymous("challenge/qr-code", {"action": action, **body})
    assert response.status_code == 200, response.text
    return response.json()


def poll(emulator: Emulator, shown: Any, **other: str) -> Any:
    body = {"challengeId": shown["challengeId"], "deviceCode": shown["deviceCode"], **other}
    return emulator.anonymous("verify/qr-code", body).json()


@pytest.fixture
def phone(emulator: Emulator, user: str) -> Phone:
    return phone_of(emulator, user, "qr-code")


def test_whoever_approves_is_signed_in(emulator: Emulator, user: str, phone: Phone) -> None:
    action = emulator.configure("ALLOW")
    shown = show(emulator, action, custom={"till": 7})
    assert isinstance(shown["expiresAt"], str)
    assert poll(emulator, shown) == UNCLAIMED
    claimed = phone.claim(shown["challengeId"]).json()
    assert (claimed["success"], claimed["actionCode"], claimed["custom"]) == (True, action, {"till": 7})
    assert claimed["ipAddress"] == "127.0.0.1"
    assert "python-requests" in claimed["userAgent"]
    assert poll(emulator, shown) == CLAIMED
    assert phone.answer(shown["challengeId"]).json() == {"isVerified": True}
    done = poll(emulator, shown)
    proved = emulator.validate(done["accessToken"], userId=user, action=action)
    assert (proved["isValid"], proved["verificationMethod"]) == (True, "QR_CODE")
    assert proved["idempotencyKey"] == claimed["idempotencyKey"]


def test_a_token_names_whose_phone_is_asked(emulator: Emulator, user: str, phone: Phone) -> None:
    action, token = challenged(emulator, user)
    shown = emulator.call("challenge/qr-code", token, {"action": action})
    mallory = phone_of(emulator, f"{user}-mallory", "qr-code")
    assert refused(mallory.claim(shown["challengeId"])) == "invalid_request"
    phone.claim(shown["challengeId"])
    phone.answer(shown["challengeId"])
    assert emulator.validate(poll(emulator, shown)["accessToken"], action=action)["isValid"] is True


def test_a_rejected_code_fails_its_action(emulator: Emulator, user: str, phone: Phone) -> None:
    action, token = challenged(emulator, user)
    shown = emulator.call("challenge/qr-code", token, {"action": action})
    phone.claim(shown["challengeId"])
    assert phone.answer(shown["challengeId"], approved=False).json() == {"isVerified": False}
    assert poll(emulator, shown) == REJECTED
    assert emulator.validate(token)["state"] == "CHALLENGE_FAILED"


def test_a_rejected_sign_in_leaves_a_failed_action_with_its_user(emulator: Emulator, user: str, phone: Phone) -> None:
    action = emulator.configure("ALLOW")
    shown = show(emulator, action)
    key = phone.claim(shown["challengeId"]).json()["idempotencyKey"]
    phone.answer(shown["challengeId"], approved=False)
    assert poll(emulator, shown) == REJECTED
    assert emulator.server("GET", f"users/{user}/actions/{action}/{key}").json()["state"] == "CHALLENGE_FAILED"


def test_of_phones_that_claim_in_parallel_one_has_it(emulator: Emulator, user: str, phone: Phone) -> None:
    phones = [phone, *(phone_of(emulator, f"{user}-{number}", "qr-code") for number in range(3))]
    shown = show(emulator, emulator.configure("ALLOW"))
    with ThreadPoolExecutor(4) as pool:
        claims = list(pool.map(lambda one: one.claim(shown["challengeId"]), phones))
    assert [claim.status_code for claim in claims].count(200) == 1
    for one, claim in zip(phones, claims, strict=True):
        if claim.status_code != 200:
            assert refused(one.answer(shown["challengeId"])) == "invalid_request"
    assert poll(emulator, shown) == CLAIMED


def test_a_second_phone_of_the_user_cannot_answer_for_the_first(emulator: Emulator, user: str, phone: Phone) -> None:
    second = phone_of(emulator, user, "qr-code")
    shown = show(emulator, emulator.configure("ALLOW"))
    phone.claim(shown["challengeId"])
    assert refused(second.answer(shown["challengeId"])) == "invalid_request"


def test_what_nobody_claimed_cannot_be_approved(emulator: Emulator, phone: Phone) -> None:
    shown = show(emulator, emulator.configure("ALLOW"))
    assert refused(phone.answer(shown["challengeId"])) == "invalid_request"


def test_of_answers_in_parallel_one_counts_and_of_polls_one_collects(emulator: Emulator, phone: Phone) -> None:
    shown = show(emulator, emulator.configure("ALLOW"))
    phone.claim(shown["challengeId"])
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda _: phone.answer(shown["challengeId"]), range(5)))
        assert [answer.status_code for answer in answers].count(200) == 1
        polls = list(pool.map(lambda _: poll(emulator, shown), range(5)))
    assert sum("accessToken" in one for one in polls) == 1


@pytest.mark.parametrize("code", ["", "x", "é", "another's"])
def test_without_its_device_code_nothing_is_told_or_collected(emulator: Emulator, phone: Phone, code: str) -> None:
    shown = show(emulator, emulator.configure("ALLOW"))
    if code == "another's":
        code = show(emulator, emulator.configure("ALLOW"))["deviceCode"]
    phone.claim(shown["challengeId"])
    phone.answer(shown["challengeId"])
    assert poll(emulator, shown, deviceCode=code)["errorCode"] == "invalid_request"
    assert "accessToken" in poll(emulator, shown)


@pytest.mark.parametrize("until", ["shown", "claimed", "approved"])
def test_a_code_that_is_too_old_proves_nothing(emulator: Emulator, phone: Phone, until: str) -> None:
    shown = show(emulator, emulator.configure("ALLOW"))
    if until != "shown":
        phone.claim(shown["challengeId"])
    if until == "approved":
        phone.answer(shown["challengeId"])
    emulator.advance(601)
    assert refused(phone.claim(shown["challengeId"])) == "invalid_request"
    assert refused(phone.answer(shown["challengeId"])) == "invalid_request"
    assert poll(emulator, shown) == {**UNCLAIMED, "isClaimed": until != "shown", "isConsumed": True}


def test_a_blocked_action_is_not_signed_in_to(emulator: Emulator, phone: Phone) -> None:
    shown = show(emulator, emulator.configure("BLOCK"))
    phone.claim(shown["challengeId"])
    assert refused(phone.answer(shown["challengeId"])) == "forbidden"
    assert poll(emulator, shown) == REJECTED


def test_a_phone_that_pushes_only_does_not_claim(emulator: Emulator, user: str) -> None:
    pusher = phone_of(emulator, user, "push")
    shown = show(emulator, emulator.configure("ALLOW"))
    body = pusher.signed(shown["challengeId"])
    answer = emulator.anonymous("user-authenticators/qr-code/challenge/claim", body)
    assert refused(answer) == "invalid_credential"


def test_a_wrong_tenant_shows_and_polls_nothing(emulator: Emulator) -> None:
    for path in ("challenge/qr-code", "verify/qr-code", "verify/in-app", "user-authenticators/push/challenge"):
        answer = requests.post(f"{emulator.api}/client/{path}", json={"action": "a"}, auth=("other", ""), timeout=9)
        assert answer.status_code == 401


def test_a_tenant_that_has_switched_codes_off_shows_none(emulator: Emulator) -> None:
    with emulator.having("QR_CODE", isActive=False):
        answer = emulator.anonymous("challenge/qr-code", {"action": "signIn"})
    assert (answer.status_code, refused(answer)) == (400, "invalid_request")
    assert answer.json()["errorDescription"] == "The tenant has switched off QR_CODE."


@pytest.mark.parametrize("named", ["x", "00000000-0000-0000-0000-000000000001"])
def test_a_code_that_was_never_shown_is_not_polled(emulator: Emulator, named: str) -> None:
    shown = show(emulator, emulator.configure("ALLOW"))
    assert poll(emulator, shown, challengeId=named)["errorCode"] == "invalid_request"


def test_a_claimed_code_is_nobody_elses(emulator: Emulator, user: str, phone: Phone) -> None:
    mallory = phone_of(emulator, f"{user}-mallory", "qr-code")
    shown = show(emulator, emulator.configure("ALLOW"))
    assert phone.claim(shown["challengeId"]).status_code == 200
    assert refused(mallory.claim(shown["challengeId"])) == "invalid_request"
    assert refused(mallory.answer(shown["challengeId"])) == "invalid_request"
    phone.answer(shown["challengeId"])
    assert emulator.validate(poll(emulator, shown)["accessToken"])["userId"] == user


def test_a_phone_is_told_what_the_page_says_or_else_what_the_action_says(
    emulator: Emulator, user: str, phone: Phone
) -> None:
    seen = {"ipAddress": "198.51.100.7", "userAgent": "Browser/1"}
    action, token = challenged(emulator, user, custom={"amount": 5}, **seen)
    for given, told in (({"custom": {"till": 7}}, {"till": 7}), ({}, {"amount": 5}), ({"custom": {}}, None)):
        shown = emulator.call("challenge/qr-code", token, {"action": action, **given})
        claimed = phone.claim(shown["challengeId"]).json()
        assert claimed.get("custom") == told
        assert {name: claimed[name] for name in seen} == seen


def test_an_action_that_is_blocked_after_its_approval_is_not_collected(
    emulator: Emulator, user: str, phone: Phone
) -> None:
    action = emulator.configure("CHALLENGE")
    tracked = emulator.track(user, action)
    shown = emulator.call("challenge/qr-code", tracked["token"], {"action": action})
    phone.claim(shown["challengeId"])
    assert phone.answer(shown["challengeId"]).json() == {"isVerified": True}
    emulator.server("PATCH", f"users/{user}/actions/{action}/{tracked['idempotencyKey']}", {"state": "BLOCK"})
    assert poll(emulator, shown)["errorCode"] == "forbidden"
    assert emulator.validate(tracked["token"])["state"] == "BLOCK"


def test_a_token_that_named_no_action_asks_for_one(
    emulator: Emulator, user: str, phone: Phone, passkey: SoftwareAuthenticator
) -> None:
    enrol_passkey(emulator, emulator.track(user, "signIn", scope="add:authenticators")["token"], passkey)
    begun = emulator.anonymous("user-authenticators/passkey/authentication-options", {}).json()
    body = {"authenticationCredential": passkey.get(begun["options"])}
    token = emulator.anonymous("verify/passkey", body).json()["accessToken"]
    action = emulator.configure("ALLOW")
    shown = emulator.call("challenge/qr-code", token, {"action": action})
    claimed = phone.claim(shown["challengeId"]).json()
    assert (claimed["actionCode"], claimed["ipAddress"]) == (action, "127.0.0.1")
    assert "python-requests" in claimed["userAgent"]
    row = emulator.server("GET", f"users/{user}/actions/{action}/{claimed['idempotencyKey']}").json()
    assert row["state"] == "CHALLENGE_REQUIRED"
    phone.answer(shown["challengeId"])
    proved = emulator.validate(poll(emulator, shown)["accessToken"], userId=user, action=action)
    assert (proved["isValid"], proved["verificationMethod"]) == (True, "QR_CODE")


@pytest.mark.parametrize("action", ["", "a b", "x" * 65])
def test_what_is_no_action_is_not_asked_for(emulator: Emulator, action: str) -> None:
    assert refused(emulator.anonymous("challenge/qr-code", {"action": action})) == "invalid_request"


def test_what_was_asked_is_forgotten_a_day_after_its_end(emulator: Emulator) -> None:
    def ask() -> dict[str, str]:
        options = emulator.anonymous("user-authenticators/passkey/authentication-options", {}).json()
        shown = show(emulator, "signIn")
        return {"devicechallenge": shown["challengeId"], "webauthnchallenge": options["challengeId"]}

    asked = ask()
    for seconds, kept in ((86_100, [1, 1]), (1_000, [0, 0])):  # they end after ten minutes, and after five
        emulator.advance(seconds)
        ask()
        counted = "SELECT count(*) FROM authsignal_emulator_{} WHERE id = ?"
        assert [emulator.query(counted.format(name), key.replace("-", ""))[0][0] for name, key in asked.items()] == kept


@pytest.mark.parametrize(("accepted", "status"), [("QR_CODE", 200), ("PASSKEY", 400)])
def test_a_code_is_shown_where_it_is_accepted(
    emulator: Emulator, user: str, phone: Phone, accepted: str, status: int
) -> None:
    action = emulator.configure("CHALLENGE", [accepted])
    token = emulator.track(user, action)["token"]
    assert emulator.client("POST", "challenge/qr-code", token, {"action": action}).status_code == status


def test_two_sign_ins_are_two_actions(emulator: Emulator, phone: Phone) -> None:
    action = emulator.configure("ALLOW")
    claims = [phone.claim(show(emulator, action)["challengeId"]).json() for _ in range(2)]
    assert len({claim["idempotencyKey"] for claim in claims}) == 2


def test_a_blocked_sign_in_can_be_rejected(emulator: Emulator, phone: Phone) -> None:
    shown = show(emulator, emulator.configure("BLOCK"))
    phone.claim(shown["challengeId"])
    assert phone.answer(shown["challengeId"], approved=False).json() == {"isVerified": False}
    assert poll(emulator, shown) == REJECTED


def test_what_is_switched_off_meanwhile_is_neither_approved_nor_failed(
    emulator: Emulator, user: str, phone: Phone
) -> None:
    action, token = challenged(emulator, user)
    shown = emulator.call("challenge/qr-code", token, {"action": action})
    phone.claim(shown["challengeId"])
    with emulator.having("QR_CODE", isActive=False):
        assert refused(phone.answer(shown["challengeId"])) == "invalid_request"
    assert poll(emulator, shown) == REJECTED
    assert emulator.validate(token)["state"] == "CHALLENGE_REQUIRED"


def test_an_approval_is_not_collected_while_codes_are_switched_off(emulator: Emulator, user: str, phone: Phone) -> None:
    action, token = challenged(emulator, user)
    shown = emulator.call("challenge/qr-code", token, {"action": action})
    phone.claim(shown["challengeId"])
    phone.answer(shown["challengeId"])
    with emulator.having("QR_CODE", isActive=False):
        assert poll(emulator, shown)["errorCode"] == "invalid_request"
    assert emulator.validate(token)["state"] == "CHALLENGE_REQUIRED"
    assert poll(emulator, shown)["isVerified"] is True
    (row,) = emulator.server("GET", f"users/{user}/actions?codes={action}").json()
    assert row["verifiedByAuthenticatorId"] == phone.look_up().json()["userAuthenticatorId"]


def test_what_was_collected_stays_so_when_its_time_is_over(emulator: Emulator, phone: Phone) -> None:
    shown = show(emulator, emulator.configure("ALLOW"))
    phone.claim(shown["challengeId"])
    phone.answer(shown["challengeId"])
    assert "accessToken" in poll(emulator, shown)
    emulator.advance(601)
    assert poll(emulator, shown) == {"isClaimed": True, "isVerified": True, "isConsumed": True}


def test_what_a_webhook_refused_is_rejected(emulator: Emulator, user: str, phone: Phone) -> None:
    action, token = challenged(emulator, user)
    body = {"defaultUserActionResult": "CHALLENGE", "verificationWebhookUrl": "http://127.0.0.1:9/"}
    emulator.server("PATCH", f"management/action-configurations/{action}", body)
    shown = emulator.call("challenge/qr-code", token, {"action": action})
    phone.claim(shown["challengeId"])
    phone.answer(shown["challengeId"])
    assert poll(emulator, shown)["errorCode"] == "challenge_refused"
    assert poll(emulator, shown) == REJECTED
