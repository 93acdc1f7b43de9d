"""The settings dict: its schema, its errors, read live."""

from dataclasses import fields
from types import MappingProxyType

import pytest
from django.views.debug import ExceptionReporter

from django_authsignal.client import ConfigurationError
from django_authsignal.conf import (
    KEYS,
    LONGEST_TENANT,
    Settings,
    get_client,
    get_settings,
    problems,
    settings_for,
)
from django_authsignal.models import Challenge
from django_authsignal.policy import get_policy, label_for


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ({"MAX_AEG": 3}, "MAX_AGE"),
        ({"api_secret_key": "x"}, "API_SECRET_KEY"),
        ({"ACTIONS": {"withdraw": {"METHOD": []}}}, "METHODS"),
        ({"ACTIONS": {"with draw": {}}}, "action code"),
        ({"ACTIONS": {"a" * 65: {}}}, "action code"),
        ({"ACTIONS": {"a\n": {}}}, "action code"),
        ({"ACTIONS": []}, "not a dict"),
        ({"ACTIONS": {"a": None}}, "not a dict"),
        ({"ON_ALLOW": "yes"}, "'deny', 'pass'"),
        ({"UNENROLLED": "enrol"}, "'enroll'"),
        ({"ENFORCE": "off"}, "observe"),
        ({"ENFORCE": "no.such.callable"}, "observe"),
        ({"TIMEOUT": 0}, "seconds"),
        ({"RETRIES": -1}, "Use a whole number from 0 to 10."),
        ({"RETRIES": 1.5}, "Use a whole number from 0 to 10."),
        ({"RETRIES": True}, "Use a whole number from 0 to 10."),
        ({"BREAKER_FAILURES": -1}, "Use a whole number from 0 to 1000."),
        ({"BREAKER_PAUSE": 0}, "number of seconds"),
        ({"BREAKER_PAUSE": float("nan")}, "number of seconds"),
        ({"MAX_CALLS": 0}, "Use a whole number from 1 to 100000."),
        ({"MAX_CALLS": None}, "Use a whole number from 1 to 100000."),
        ({"BREAKER_CACHE": ""}, "Name one of CACHES"),
        ({"BREAKER_CACHE": 1}, "Name one of CACHES"),
        ({"TIMEOUT": "5"}, "seconds"),
        ({"MAX_AGE": -1}, "seconds"),
        ({"MAX_AGE": True}, "seconds"),
        ({"MAX_AGE": None}, "seconds"),
        ({"MAX_AGE": 1.5}, "whole"),
        ({"MAX_AGE": 2**31}, "2147483647"),
        ({"ACTIONS": {"pay": {"MAX_AGE": None}}}, "seconds"),
        ({"ACTIONS": {"signIn": {"MAX_AGE": 0.5}}}, "whole"),
        ({"CHALLENGE_AGE": float("inf")}, "seconds"),
        ({"REVIEW_MAX_AGE": 10**12}, "seconds"),
        ({"TIMEOUT": float("inf")}, "seconds"),
        ({"TIMEOUT": float("nan")}, "seconds"),
        ({"METHODS": "PASSKEY"}, "list"),
        ({"METHODS": ["PASKEY"]}, "PASSKEY"),
        ({"METHODS": []}, "nothing could ever pass"),
        ({"HOSTED_HOSTS": "x"}, "list"),
        ({"HOSTED_HOSTS": ["https://auth.shop.example"]}, "without scheme"),
        ({"HOSTED_HOSTS": ["auth.shop.example:8443"]}, "without scheme"),
        ({"HOSTED_HOSTS": ["auth.shop.example", "*.shop.example"]}, ".shop.example"),
        ({"API_URL": "https://eu.api.authsignal.com"}, "'https://eu.api.authsignal.com/v1'"),
        ({"API_URL": "http://localhost:9001/"}, "'http://localhost:9001/v1'"),
        ({"API_URL": "https://x/v1?a=1"}, "holds a user name, a query, a fragment or a space"),
        ({"API_URL": "https://x/v1#f"}, "holds a user name, a query, a fragment or a space"),
        ({"API_URL": "https://u:p@x/v1"}, "holds a user name, a query, a fragment or a space"),
        ({"API_URL": "http://a b"}, "holds a user name, a query, a fragment or a space"),
        ({"API_URL": "http://%zz/v1"}, "is not an http or https URL"),
        ({"API_SECRET_KEY": "abc\n"}, "Copy the key alone"),
        ({"API_SECRET_KEY": "   "}, "Copy the key alone"),
        ({"API_SECRET_KEY": "kéy"}, "Copy the key alone"),
        ({"API_SECRET_KEY": "key:"}, "Copy the key alone"),
        ({"API_SECRET_KEY_FALLBACKS": ["fine", " old"]}, "Copy the key alone"),
        ({"TENANT_ID": "t" * 129}, "Copy the tenant id alone"),
        ({"TENANT_ID": "t\ud800"}, "Copy the tenant id alone"),
        ({"USER_ID_PREFIX": "staging\udfff"}, "Write a short prefix"),
        ({"ACTIONS": {"pay": {"LABEL": "Pay \ud83d"}}}, "Write plain words"),
        ({"PUBLIC_BASE_URL": "shop.example"}, "origin"),
        ({"PUBLIC_BASE_URL": "https://shop.example/path"}, "origin"),
        ({"USER_ID": "no.such.function"}, "dotted path"),
        ({"API_SECRET_KEY": 5}, "callable"),
        ({"EMULATOR": "yes"}, "None, True or False"),
        ({"SIGN_IN_ACTION": "sign in"}, "action code"),
        ({"ACTIONS": {"signIn": {"MAX_AGE": 0}}}, "no sign-in would ever count"),
        ({"LIMITS": 5}, "None limits nothing"),
        ({"LIMITS": {"STRAT": {}}}, "'START'"),
        ({"LIMITS": {"start": {}}}, "'START'"),
        ({"LIMITS": {"x": {}}}, "START, CALLBACK, PASSWORDLESS"),
        ({"LIMITS": {"START": 5}}, "None switches START off"),
        ({"LIMITS": {"START": {"USR": 5}}}, "'USER'"),
        ({"LIMITS": {"CALLBACK": {"USER": 5}}}, "SESSION, ADDRESS, WINDOW"),
        ({"LIMITS": {"START": {"USER": -1}}}, "1000000 at most"),
        ({"LIMITS": {"START": {"USER": True}}}, "1000000 at most"),
        ({"LIMITS": {"START": {"USER": "5"}}}, "1000000 at most"),
        ({"LIMITS": {"START": {"WINDOW": 0}}}, "whole seconds, from 1 to 86400"),
        ({"LIMITS": {"START": {"WINDOW": None}}}, "whole seconds, from 1 to 86400"),
        ([], "not a dict"),
    ],
)
def test_a_fault_is_an_error_that_names_the_fix(settings, raw, says):
    settings.AUTHSIGNAL = raw or [1]
    with pytest.raises(ConfigurationError, match=None) as caught:
        get_settings()
    assert says in str(caught.value)


@pytest.mark.parametrize("key", ["hush\n", "hush:", "húsh"])
def test_a_key_with_a_fault_is_not_quoted(key):
    assert not any("sh" in found.text.partition("]")[2] for found in problems({"API_SECRET_KEY": key}))
    assert problems({"API_SECRET_KEY": key})


def test_an_address_with_a_fault_is_not_quoted():
    assert "hush" not in problems({"API_URL": "https://me:hush@x/v1"})[0].text


@pytest.mark.parametrize(
    "raw",
    [
        {"HOSTED_HOSTS": [".shop.example", "auth.bücher.example", "localhost"]},
        {"API_URL": "https://proxy.shop.example"},
        {"API_URL": "http://localhost:9001/v1/"},
        {"API_URL": "HTTPS://API.AUTHSIGNAL.COM/v1/"},
        {"API_URL": "https://bücher.example/v1"},
        {"API_SECRET_KEY": "", "API_SECRET_KEY_FALLBACKS": []},
        {"TENANT_ID": "t" * 128, "USER_ID_PREFIX": "é", "ACTIONS": {"pay": {"LABEL": "Pay 😀"}}},
        {"LIMITS": None},
        {"LIMITS": {"START": None, "CALLBACK": {"SESSION": 0, "ADDRESS": None}, "PASSWORDLESS": {"WINDOW": 86_400}}},
    ],
)
def test_what_may_be_meant_so_is_left_alone(raw):
    assert problems(raw) == []


def test_a_sound_dict_has_no_problems():
    assert problems({"API_SECRET_KEY": "x", "PUBLIC_BASE_URL": ["https://a.example"], "METHODS": ["PASSKEY"]}) == []


def test_reading_is_live_even_for_a_mapping_that_is_no_dict(settings):
    policy = {}
    settings.AUTHSIGNAL = {"API_SECRET_KEY": "x", "ACTIONS": MappingProxyType({"pay": policy})}
    assert get_settings().ACTIONS["pay"].get("METHODS") is None
    policy["METHODS"] = ["PASSKEY"]
    assert get_settings().ACTIONS["pay"]["METHODS"] == ["PASSKEY"]


def test_reading_is_live_even_for_a_dict_changed_in_place(settings):
    settings.AUTHSIGNAL = {"API_SECRET_KEY": "x", "ACTIONS": {"a": {"MAX_AGE": 5}}}
    assert get_policy("a").max_age == 5
    settings.AUTHSIGNAL["ACTIONS"]["a"]["MAX_AGE"] = 6
    assert get_policy("a").max_age == 6


def test_the_same_settings_are_built_once(settings):
    settings.AUTHSIGNAL = {"API_SECRET_KEY": "x"}
    assert get_settings() is get_settings()


def test_a_request_is_served_under_the_settings_of_its_beginning(settings, rf):
    settings.AUTHSIGNAL = {"API_SECRET_KEY": "x", "TENANT_ID": "one"}
    first = rf.get("/")
    assert settings_for(first) is get_settings()
    settings.AUTHSIGNAL["TENANT_ID"] = "two"
    assert (settings_for(first).TENANT_ID, settings_for(rf.get("/")).TENANT_ID) == ("one", "two")


def test_secrets_are_in_no_repr():
    assert "hush" not in repr(Settings(API_SECRET_KEY="hush", API_SECRET_KEY_FALLBACKS=["hush"]))


def test_secrets_are_in_no_error(settings):
    settings.AUTHSIGNAL = {"API_SECRET_KEY": "hush", "API_SECRET_KEY_FALLBACKS": "hush"}
    with pytest.raises(ConfigurationError) as caught:
        get_settings()
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("fault", [{"MAX_AEG": 1}, {"API_URL": 5}, {"API_URL": "no address"}, {"ACTIONS": {"a b": {}}}])
def test_secrets_are_in_no_frame_that_an_error_report_shows(settings, rf, fault, debug):
    settings.DEBUG = debug  # a debug page hides no variable of a frame
    settings.AUTHSIGNAL = {"API_SECRET_KEY": "hush", **fault}
    request = rf.get("/")
    with pytest.raises(ConfigurationError) as caught:
        get_policy("a") and get_client(request)
    frames = ExceptionReporter(request, caught.type, caught.value, caught.tb).get_traceback_frames()
    ours = [frame for frame in frames if "/django_authsignal/" in frame["filename"]]
    assert ours
    assert [frame["function"] for frame in ours if "hush" in str(frame["vars"])] == []


def test_what_an_unset_variable_gives_is_as_if_left_out(settings):
    settings.AUTHSIGNAL = {"API_SECRET_KEY": None, "TENANT_ID": None, "API_URL": None}
    found = get_settings()
    assert (found.API_SECRET_KEY, found.TENANT_ID, found.API_URL) == ("", "", "https://api.authsignal.com/v1")


@pytest.mark.parametrize(
    ("debug", "key", "asked", "on"),
    [
        (True, "", None, True),
        (True, "secret", None, False),
        (False, "", None, False),
        (False, "", True, True),
        (True, "", False, False),
    ],
)
def test_the_emulator_stands_in_under_debug_without_a_key(settings, debug, key, asked, on):
    settings.DEBUG = debug
    settings.AUTHSIGNAL = {"API_SECRET_KEY": key, "EMULATOR": asked}
    found = get_settings()
    assert found.emulator is on
    assert (found.API_URL == "http://localhost:9000/v1") is on


def test_the_longest_tenant_is_what_the_ledger_keeps():
    assert Challenge._meta.get_field("tenant").max_length == LONGEST_TENANT


def test_every_key_has_a_field():
    assert set(KEYS) == {item.name for item in fields(Settings)}


def test_an_own_policy_key_beats_the_general_one(settings):
    settings.AUTHSIGNAL = {"MAX_AGE": 60, "ACTIONS": {"a": {"MAX_AGE": 5}}}
    assert (get_policy("a").max_age, get_policy("b").max_age) == (5, 60)


def test_a_sign_in_lasts_as_long_as_the_session_unless_its_own_policy_says_otherwise(settings):
    settings.AUTHSIGNAL = {"MAX_AGE": 60}
    assert get_policy("signIn").max_age is None
    settings.AUTHSIGNAL = {"ACTIONS": {"signIn": {"MAX_AGE": 60}}}
    assert get_policy("signIn").max_age == 60


@pytest.mark.parametrize("wider", [901, 10_000, -1, True, 1.5])
def test_an_age_may_be_narrowed_never_widened(settings, wider):
    settings.AUTHSIGNAL = {}
    assert get_policy("a").narrowed(max_age=10).max_age == 10
    with pytest.raises(ConfigurationError):
        get_policy("a").narrowed(max_age=wider)


def test_a_label_is_filled_with_plain_values_only(settings):
    settings.AUTHSIGNAL = {"ACTIONS": {"a": {"LABEL": "Pay {amount} to {payee.__class__} {missing} {amount!r:>9}"}}}
    assert label_for(get_policy("a"), {"amount": "5"}).startswith("Pay 5 to … …")


def test_an_action_without_a_label_is_put_into_words(settings):
    settings.AUTHSIGNAL = {}
    assert label_for(get_policy("withdrawFunds"), {}) == "Withdraw funds"
