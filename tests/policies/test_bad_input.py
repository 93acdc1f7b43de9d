"""What is written wrongly is an error at start that names the place and ends with the fix."""

import pytest
from django.core.checks import Error, run_checks

from django_authsignal.client import ConfigurationError
from django_authsignal.decorators import challenge_required
from django_authsignal.policy import get_policy

pytestmark = pytest.mark.django_db  # Django's own checks ask the database, from 6.1 on

FAULTS = {
    "an action code that Authsignal would not take": ({"ACTIONS": {"with draw": {}}}, "['with draw']", "letters"),
    "one that is too long": ({"ACTIONS": {"a" * 65: {}}}, "a" * 65, "1 to 64"),
    "one that is no text": ({"ACTIONS": {7: {}}}, "[7]", "letters"),
    "a sign-in's action": ({"SIGN_IN_ACTION": "sign in"}, "SIGN_IN_ACTION", "letters"),
    "an unknown policy key": ({"ACTIONS": {"pay": {"MAX_AEG": 1}}}, "['pay']", "MAX_AGE"),
    "an unknown key": ({"ENFROCE": "on"}, "ENFROCE", "ENFORCE"),
    "an ENFORCE that nobody knows": ({"ENFORCE": "sometimes"}, "ENFORCE", "callable"),
    "an ENFORCE that cannot be imported": (
        {"ACTIONS": {"pay": {"ENFORCE": "no.such"}}},
        "['pay']['ENFORCE']",
        "callable",
    ),
    "a CUSTOM that cannot be imported": (
        {"ACTIONS": {"pay": {"CUSTOM": "no.such"}}},
        "['pay']['CUSTOM']",
        "dotted path",
    ),
    "a CLIENT_IP that cannot be imported": ({"CLIENT_IP": "no.such"}, "CLIENT_IP", "dotted path"),
    "an excuse without words": ({"COVERAGE_IGNORE": {"/x/": 1}}, "COVERAGE_IGNORE", "reason"),
    "a policy that is no dict": ({"ACTIONS": {"pay": 300}}, "['pay']", "MAX_AGE"),
}


@pytest.mark.parametrize(("written", "place", "fix"), FAULTS.values(), ids=FAULTS)
def test_a_fault_of_the_settings_is_an_error_of_checks(settings, written, place, fix):
    settings.AUTHSIGNAL = written
    (found,) = [item for item in run_checks() if item.id == "authsignal.E001"]
    assert isinstance(found, Error)
    assert place in found.msg.replace('"', "'")
    assert fix in found.hint


@pytest.mark.parametrize(("written", "place", "fix"), FAULTS.values(), ids=FAULTS)
def test_and_an_error_where_it_is_first_read(settings, written, place, fix):
    settings.AUTHSIGNAL = written
    with pytest.raises(ConfigurationError) as raised:
        get_policy("pay")
    assert fix in str(raised.value)


@pytest.mark.parametrize("code", ["with draw", "", "a" * 65, "zahlen€", "a/b"])
def test_a_decorator_with_a_code_that_does_not_fit_is_an_error_at_import(code):
    with pytest.raises(ConfigurationError, match="not an action code"):
        challenge_required(code)(lambda request: None)
