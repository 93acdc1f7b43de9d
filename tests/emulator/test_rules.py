"""Rules: what they read, which one decides, and that a bad one opens nothing."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from django_authsignal.emulator import places

from .authenticator import SoftwareAuthenticator
from .conftest import ROOT, App, Emulator, enrol_passkey

MANUAL = ROOT / "docs" / "emulator.md"
ALWAYS = {"==": [1, 1]}
NEVER = {"==": [1, 2]}
AUCKLAND, WELLINGTON, NEW_YORK, TOKYO = "192.0.2.1", "192.0.2.70", "198.51.100.1", "203.0.113.70"
VPN, EMBARGOED = "203.0.113.130", "203.0.113.200"

Enrol = Callable[[str], App]


def add_rule(emulator: Emulator, action: str, type_: str, conditions: Any, priority: int = 0, **more: Any) -> str:
    body = {"name": f"{type_} {priority}", "type": type_, "conditions": conditions, "priority": priority, **more}
    return str(emulator.post(f"management/action-configurations/{action}/rules", body)["ruleId"])


def refused(emulator: Emulator, conditions: Any) -> str:
    action = emulator.configure("ALLOW")
    body = {"name": "n", "type": "BLOCK", "conditions": conditions, "priority": 0}
    response = emulator.server("POST", f"management/action-configurations/{action}/rules", body)
    assert response.status_code == 400, response.text
    assert response.json()["errorCode"] == "invalid_request"
    return str(response.json()["errorDescription"])


def blocks(emulator: Emulator, user: str, conditions: Any, **attributes: Any) -> bool:
    """True when a rule of these conditions matches the user's action."""
    action = emulator.configure("ALLOW")
    add_rule(emulator, action, "BLOCK", conditions)
    return bool(emulator.track(user, action, **attributes)["state"] == "BLOCK")


def reads(name: str, value: Any = True) -> Any:
    return {"===": [{"var": name}, value]}


# A condition is refused when it is saved.


def test_an_unknown_operator_is_refused_with_its_place(emulator: Emulator) -> None:
    assert "body.conditions/and/1: unknown operator `eval`" in refused(emulator, {"and": [ALWAYS, {"eval": ["1"]}]})


@pytest.mark.parametrize("operator", ["now", "throw", "try", "upper", "keys"])
def test_an_operator_that_is_not_jsonlogic_is_refused(emulator: Emulator, operator: str) -> None:
    assert "unknown operator" in refused(emulator, {operator: ["x"]})


@pytest.mark.parametrize("conditions", [{}, [], [ALWAYS], "x", True, 1, {"==": [1, 1], "!=": [1, 2]}])
def test_conditions_must_be_one_operator(emulator: Emulator, conditions: Any) -> None:
    assert "body.conditions must be an object with one operator" in refused(emulator, conditions)


def test_a_wrong_number_of_arguments_is_refused(emulator: Emulator) -> None:
    assert "body.conditions/!: `map` takes exactly 2 arguments" in refused(emulator, {"!": {"map": [1]}})


def test_deep_conditions_are_refused_with_their_place(emulator: Emulator) -> None:
    deep: Any = ALWAYS
    for _ in range(33):
        deep = {"!": deep}
    assert f"body.conditions{'/!' * 32} is nested more than 32 deep" in refused(emulator, deep)


def test_long_conditions_are_refused(emulator: Emulator) -> None:
    assert "at most 16384 characters" in refused(emulator, {"in": [{"var": "custom.a"}, "x" * 20_000]})


def test_a_number_that_does_not_fit_is_refused(emulator: Emulator) -> None:
    assert "is not JsonLogic" in refused(emulator, {"==": [{"var": "custom.a"}, 10**40]})


@pytest.mark.parametrize("name", ["ip.country", "device.isnew", "amount", "ip.countryCodes.0", "0"])
def test_a_name_that_would_never_have_a_value_is_refused(emulator: Emulator, name: str) -> None:
    assert f"body.conditions reads {name}" in refused(emulator, {"!!": {"var": name}})


# A rule that cannot be evaluated closes.

TYPE_ERROR = {">": [{"var": "custom.amount"}, 100]}


def test_an_allow_rule_that_cannot_be_evaluated_opens_nothing(emulator: Emulator, user: str) -> None:
    action = emulator.configure("BLOCK")
    add_rule(emulator, action, "ALLOW", TYPE_ERROR)
    assert emulator.track(user, action, custom={"amount": "lots"})["state"] == "BLOCK"
    assert emulator.track(user, action, custom={"amount": 101})["state"] == "ALLOW"


def test_a_block_rule_is_not_switched_off_by_data_it_did_not_expect(emulator: Emulator, user: str) -> None:
    action = emulator.configure("ALLOW")
    rule = add_rule(emulator, action, "BLOCK", TYPE_ERROR)
    assert emulator.track(user, action, custom={"amount": 99})["state"] == "ALLOW"
    answer = emulator.track(user, action, custom={"amount": "lots"})
    assert answer["state"] == "BLOCK"
    assert answer["ruleIds"] == [rule]


def test_a_broken_rule_does_not_weaken_one_that_matches(emulator: Emulator, user: str) -> None:
    action = emulator.configure("ALLOW")
    add_rule(emulator, action, "REVIEW", TYPE_ERROR, priority=0)
    add_rule(emulator, action, "BLOCK", ALWAYS, priority=1)
    assert emulator.track(user, action, custom={"amount": "lots"})["state"] == "BLOCK"


def test_a_broken_rule_behind_the_one_that_matches_decides_nothing(emulator: Emulator, user: str) -> None:
    action = emulator.configure("BLOCK")
    add_rule(emulator, action, "ALLOW", ALWAYS, priority=0)
    add_rule(emulator, action, "BLOCK", TYPE_ERROR, priority=1)
    assert emulator.track(user, action, custom={"amount": "lots"})["state"] == "ALLOW"


@pytest.mark.parametrize(
    "step",
    [
        {"cat": [{"var": "accumulator"}, {"var": "accumulator"}]},
        {"merge": [{"var": "accumulator"}, {"var": "accumulator"}]},
    ],
)
def test_a_condition_that_doubles_its_work_is_stopped_in_time(emulator: Emulator, user: str, step: Any) -> None:
    bomb = {"!!": {"reduce": [list(range(60)), step, {"var": "custom.seed"}]}}
    started = time.monotonic()
    assert blocks(emulator, user, bomb, custom={"seed": ["x" * 100]})
    assert time.monotonic() - started < 2


def test_large_custom_data_cannot_make_a_condition_slow(emulator: Emulator, user: str) -> None:
    names = [{"in": [f"{'y' * 30}{number}", {"var": "custom.text"}]} for number in range(200)]
    started = time.monotonic()
    assert blocks(emulator, user, {"or": names}, custom={"text": "y" * 900_000})
    assert time.monotonic() - started < 2


def test_data_that_a_condition_does_not_read_cannot_break_it(emulator: Emulator, user: str) -> None:
    assert not blocks(emulator, user, reads("custom.a", 1), custom={"a": 2, "b": 10**40})


# Which rule decides.


@pytest.mark.parametrize(
    ("outcome", "enrolled_state", "unenrolled_state"),
    [
        ("ALLOW", "ALLOW", "ALLOW"),
        ("CHALLENGE", "CHALLENGE_REQUIRED", "ALLOW"),
        ("REVIEW", "REVIEW_REQUIRED", "REVIEW_REQUIRED"),
        ("BLOCK", "BLOCK", "BLOCK"),
    ],
)
def test_a_rule_gives_each_outcome_to_enrolled_and_unenrolled_users(
    emulator: Emulator, user: str, enrol_app: Enrol, outcome: str, enrolled_state: str, unenrolled_state: str
) -> None:
    action = emulator.configure("BLOCK" if outcome != "BLOCK" else "ALLOW")
    rule = add_rule(emulator, action, outcome, ALWAYS)
    enrol_app(user)
    first, second = emulator.track(user, action), emulator.track(f"{user}-new", action)
    assert (first["state"], first["isEnrolled"], first["ruleIds"]) == (enrolled_state, True, [rule])
    assert (second["state"], second["isEnrolled"], second["ruleIds"]) == (unenrolled_state, False, [rule])


def test_no_match_leaves_the_configured_outcome(emulator: Emulator, user: str) -> None:
    action = emulator.configure("REVIEW")
    add_rule(emulator, action, "ALLOW", NEVER)
    answer = emulator.track(user, action)
    assert (answer["state"], answer["ruleIds"]) == ("REVIEW_REQUIRED", [])


def test_the_lowest_priority_that_matches_decides_and_all_matches_are_named(emulator: Emulator, user: str) -> None:
    action = emulator.configure("ALLOW")
    second = add_rule(emulator, action, "BLOCK", ALWAYS, priority=7)
    add_rule(emulator, action, "ALLOW", NEVER, priority=0)
    first = add_rule(emulator, action, "REVIEW", ALWAYS, priority=3)
    answer = emulator.track(user, action)
    assert (answer["state"], answer["ruleIds"]) == ("REVIEW_REQUIRED", [first, second])


def test_an_inactive_rule_decides_nothing(emulator: Emulator, user: str) -> None:
    action = emulator.configure("ALLOW")
    add_rule(emulator, action, "BLOCK", ALWAYS, isActive=False)
    assert emulator.track(user, action)["state"] == "ALLOW"


def test_a_rule_of_another_action_decides_nothing(emulator: Emulator, user: str) -> None:
    add_rule(emulator, emulator.configure("ALLOW"), "BLOCK", ALWAYS)
    assert emulator.track(user, emulator.configure("ALLOW"))["state"] == "ALLOW"


def test_an_action_keeps_what_was_decided_when_it_was_tracked(emulator: Emulator, user: str) -> None:
    action, key = emulator.configure("ALLOW"), str(uuid.uuid4())
    assert emulator.track(user, action, idempotencyKey=key)["state"] == "ALLOW"
    add_rule(emulator, action, "BLOCK", ALWAYS)
    assert emulator.track(user, action, idempotencyKey=key)["state"] == "ALLOW"


def test_get_action_names_the_rules(emulator: Emulator, user: str) -> None:
    action = emulator.configure("ALLOW")
    first = add_rule(emulator, action, "REVIEW", ALWAYS, description="Look at all")
    second = add_rule(emulator, action, "BLOCK", ALWAYS, priority=1)
    key = emulator.track(user, action)["idempotencyKey"]
    path = f"users/{user}/actions/{action}/{key}"
    answer = emulator.server("GET", path).json()
    assert answer["ruleIds"] == [first, second]
    assert answer["rules"] == [
        {"ruleId": first, "name": "REVIEW 0", "description": "Look at all"},
        {"ruleId": second, "name": "BLOCK 1"},
    ]
    emulator.server("DELETE", f"management/action-configurations/{action}/rules/{first}")
    assert [rule["ruleId"] for rule in emulator.server("GET", path).json()["rules"]] == [second]


def test_a_rule_narrows_the_methods_and_chooses_the_first(
    emulator: Emulator, user: str, enrol_app: Enrol, passkey: SoftwareAuthenticator
) -> None:
    app = enrol_app(user)
    token = emulator.track(user, emulator.configure("ALLOW"), scope="add:authenticators")["token"]
    enrol_passkey(emulator, token, passkey)
    action = emulator.configure("CHALLENGE")
    add_rule(emulator, action, "CHALLENGE", reads("custom.high"), verificationMethods=["PASSKEY"])
    add_rule(emulator, action, "CHALLENGE", reads("custom.low"), priority=1, defaultVerificationMethod="PASSKEY")

    assert emulator.track(user, action)["defaultVerificationMethod"] == "AUTHENTICATOR_APP"
    assert emulator.track(user, action, custom={"low": True})["defaultVerificationMethod"] == "PASSKEY"
    narrowed = emulator.track(user, action, custom={"high": True})
    assert narrowed["allowedVerificationMethods"] == ["PASSKEY"]
    assert narrowed["state"] == "CHALLENGE_REQUIRED"
    refused = emulator.client("POST", "verify/totp", narrowed["token"], {"verificationCode": app.code()})
    assert refused.status_code == 400
    assert emulator.validate(narrowed["token"])["state"] == "CHALLENGE_REQUIRED"


# JsonLogic compares as JavaScript does, and what was not sent is absent.

COMPARED = [
    (None, False, False),
    (None, 0, False),
    (None, "", False),
    (None, None, True),
    (0, None, False),
    (False, None, False),
    (1, "1", True),
    (1, True, True),
    ("1", True, True),
    ("0", False, True),
    ("", False, True),
    (0, False, True),
    ("true", True, False),
    ("false", False, False),
    ("a", True, False),
    (2, True, False),
]


def written(value: Any) -> str:
    return json.dumps(value)


@pytest.mark.parametrize("turned", [False, True], ids=["as written", "turned"])
@pytest.mark.parametrize(("sent", "compared", "equal"), COMPARED, ids=written)
def test_values_are_equal_as_in_javascript(
    emulator: Emulator, user: str, sent: Any, compared: Any, equal: bool, turned: bool
) -> None:
    pair = [compared, {"var": "custom.a"}] if turned else [{"var": "custom.a"}, compared]
    custom = {} if sent is None else {"a": sent}
    assert blocks(emulator, user, {"==": pair}, custom=custom) is equal
    assert blocks(emulator, user, {"!=": pair}, custom=custom) is not equal


@pytest.mark.parametrize(
    ("custom", "equal"), [({}, True), ({"a": 0}, False), ({"b": False}, False), ({"a": 1, "b": "1"}, True)], ids=written
)
def test_two_values_that_were_sent_are_compared(emulator: Emulator, user: str, custom: Any, equal: bool) -> None:
    both = {"and": [{"==": [{"var": "custom.a"}, {"var": "custom.b"}]}, True]}
    assert blocks(emulator, user, both, custom=custom) is equal


def test_an_address_that_was_not_sent_is_not_one_that_is_not_anonymous(emulator: Emulator, user: str) -> None:
    action = emulator.configure("BLOCK")
    add_rule(emulator, action, "ALLOW", {"==": [{"var": "ip.isAnonymous"}, False]})
    assert emulator.track(user, action)["state"] == "BLOCK"
    assert emulator.track(user, action, ipAddress=AUCKLAND)["state"] == "ALLOW"


@pytest.mark.parametrize("name", ["custom.a", "user.a", "ip.countryCode", "device.isBot"])
def test_what_was_not_sent_is_missing_and_has_the_default(emulator: Emulator, user: str, name: str) -> None:
    assert blocks(emulator, user, {"missing": [name]})
    assert blocks(emulator, user, {"missing_some": [1, [name, "custom.b"]]})
    assert blocks(emulator, user, {"==": [{"var": [name, 7]}, 7]})
    sent: Any = {"ipAddress": AUCKLAND, "userAgent": "Firefox", "custom": {"a": 1}}
    emulator.post(f"users/{user}", {"custom": {"a": 1}})
    assert not blocks(emulator, user, {"missing": [name]}, **sent)
    assert not blocks(emulator, user, {"==": [{"var": [name, 7]}, 7]}, **sent)


def test_a_comparison_within_a_comparison_is_no_slower_for_being_deep(emulator: Emulator, user: str) -> None:
    deep: Any = {"var": "custom.a"}
    for _ in range(7):
        deep = {"==": [{"if": [deep, 1]}, {"var": "custom.b"}]}
    began = time.monotonic()
    blocks(emulator, user, deep, custom={"a": 1})
    assert time.monotonic() - began < 2


# What conditions read.


@pytest.mark.parametrize(
    ("address", "country"),
    [
        (AUCKLAND, "NZ"),
        ("::ffff:192.0.2.1", "NZ"),
        ("2001:db8:4::1", "GB"),
        (TOKYO, "JP"),
        ("127.0.0.1", None),
        ("2001:db8::1", None),
        ("not an address", None),
        ("192.0.2.1/24", None),
    ],
)
def test_the_country_of_an_address(emulator: Emulator, user: str, address: str, country: str | None) -> None:
    assert blocks(emulator, user, reads("ip.countryCode", country), ipAddress=address)
    listed = emulator.server("GET", f"users/{user}/actions").json()[0]
    assert listed.get("countryCode") == country


@pytest.mark.parametrize(
    ("name", "yes", "no"),
    [("ip.isAnonymous", VPN, AUCKLAND), ("ip.countryCodeInOfacList", EMBARGOED, NEW_YORK)],
)
def test_lists_of_addresses(emulator: Emulator, user: str, name: str, yes: str, no: str) -> None:
    assert blocks(emulator, user, reads(name), ipAddress=yes)
    assert blocks(emulator, user, reads(name, False), ipAddress=no)
    assert blocks(emulator, user, reads(name, None))


def test_travel_faster_than_an_airliner_is_impossible(emulator: Emulator, user: str) -> None:
    emulator.track(user, emulator.configure("ALLOW"), ipAddress=AUCKLAND)
    emulator.advance(3600)
    travel = reads("ip.impossibleTravel")
    assert not blocks(emulator, user, travel, ipAddress=WELLINGTON)
    assert blocks(emulator, f"{user}-b", {"!": [{"var": "ip.impossibleTravel"}]}, ipAddress=NEW_YORK)
    assert blocks(emulator, user, travel, ipAddress=NEW_YORK)


def test_travel_at_the_speed_of_an_airliner_is_possible(emulator: Emulator, user: str) -> None:
    emulator.track(user, emulator.configure("ALLOW"), ipAddress=AUCKLAND)
    emulator.advance(20 * 3600)
    assert not blocks(emulator, user, reads("ip.impossibleTravel"), ipAddress=NEW_YORK)


def test_a_blocked_try_does_not_make_the_next_one_possible(emulator: Emulator, user: str) -> None:
    """Else whoever holds the password tries twice: the second try is compared with the first."""
    emulator.track(user, emulator.configure("ALLOW"), ipAddress=AUCKLAND)
    for _ in range(2):
        assert blocks(emulator, user, reads("ip.impossibleTravel"), ipAddress=NEW_YORK)


def test_a_challenge_left_alone_does_not_make_the_next_one_possible(
    emulator: Emulator, user: str, enrol_app: Enrol
) -> None:
    enrol_app(user)
    emulator.track(user, emulator.configure("ALLOW"), ipAddress=AUCKLAND)
    emulator.track(user, emulator.configure("CHALLENGE"), ipAddress=NEW_YORK)
    assert blocks(emulator, user, reads("ip.impossibleTravel"), ipAddress=NEW_YORK)


def test_an_action_without_a_place_is_skipped_when_travel_is_judged(emulator: Emulator, user: str) -> None:
    emulator.track(user, emulator.configure("ALLOW"), ipAddress=AUCKLAND)
    emulator.track(user, emulator.configure("ALLOW"), ipAddress="127.0.0.1")
    assert blocks(emulator, user, reads("ip.impossibleTravel"), ipAddress=NEW_YORK)


def test_a_country_that_the_user_was_not_in_for_a_month_is_atypical(emulator: Emulator, user: str) -> None:
    atypical = reads("ip.atypicalTravel")
    assert not blocks(emulator, user, atypical, ipAddress=AUCKLAND)
    emulator.advance(3600)
    assert not blocks(emulator, user, atypical, ipAddress=WELLINGTON)
    assert blocks(emulator, user, atypical, ipAddress=TOKYO)
    emulator.advance(31 * 24 * 3600)
    assert not blocks(emulator, user, atypical, ipAddress=TOKYO)


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        ("Mozilla/5.0 (compatible; Googlebot/2.1)", True),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/140.0", True),
        ("curl/8.5.0", True),
        ("python-requests/2.32", True),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", False),
        ("Mozilla/5.0 (Linux; Android 15; CUBOT X) Chrome/140.0 Mobile Safari/537.36", False),
        (None, None),
    ],
)
def test_bots_are_known_by_their_user_agent(emulator: Emulator, user: str, agent: str, expected: bool) -> None:
    assert blocks(emulator, user, reads("device.isBot", expected), userAgent=agent)


def test_a_user_has_verified_once_a_challenge_succeeded(emulator: Emulator, user: str, enrol_app: Enrol) -> None:
    assert blocks(emulator, user, reads("user.hasPreviouslyVerified", False))
    enrol_app(user)
    assert blocks(emulator, user, reads("user.hasPreviouslyVerified"))


def test_custom_data_of_the_user_cannot_claim_a_verification(emulator: Emulator, user: str) -> None:
    emulator.post(f"users/{user}", {"custom": {"hasPreviouslyVerified": True, "tier": "gold"}})
    assert blocks(emulator, user, reads("user.hasPreviouslyVerified", False))
    assert blocks(emulator, user, reads("user.tier", "gold"))


def test_custom_data_of_the_action_stands_over_that_of_the_user(emulator: Emulator, user: str) -> None:
    emulator.post(f"users/{user}", {"custom": {"tier": "gold", "risk": 1}})
    both = {"and": [reads("custom.tier", "none"), reads("custom.risk", 1)]}
    assert blocks(emulator, user, both, custom={"tier": "none"})


def test_a_list_in_custom_data_can_be_searched(emulator: Emulator, user: str) -> None:
    found = {"some": [{"var": "custom.payees"}, {"==": [{"var": "country"}, "KP"]}]}
    assert blocks(emulator, user, found, custom={"payees": [{"country": "NZ"}, {"country": "KP"}]})
    assert not blocks(emulator, user, found, custom={"payees": [{"country": "NZ"}]})


def test_a_computed_name_reads_what_it_names(emulator: Emulator, user: str) -> None:
    computed = {"==": [{"var": {"cat": ["ip.", {"var": "custom.which"}]}}, "NZ"]}
    assert blocks(emulator, user, computed, custom={"which": "countryCode"}, ipAddress=AUCKLAND)


def test_the_manual_lists_every_address_that_has_a_place() -> None:
    listed = re.findall(r"^\| `([0-9a-f.:]+/\d+)` \| (.+), ([A-Z]{2})\b", MANUAL.read_text(), re.MULTILINE)
    assert listed == [(str(network), place.city, place.country) for network, place in places.TABLE.items()]
