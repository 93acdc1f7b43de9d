"""What is written wrongly is an error at start that names the place and ends with the fix."""

import json
import re
from contextlib import suppress

import pytest
from django.core.checks import Error, run_checks
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler

from django_authsignal.binding import UnreadableFields, read
from django_authsignal.client import ConfigurationError
from django_authsignal.decorators import challenge_required
from django_authsignal.policy import get_policy

pytestmark = pytest.mark.django_db  # Django's own checks ask the database, from 6.1 on


async def answers_later(*args):
    return "off"


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
    "an ENFORCE that is async": ({"ENFORCE": f"{__name__}.answers_later"}, "ENFORCE", "plain function"),
    "a USER_ID that is async": ({"USER_ID": f"{__name__}.answers_later"}, "USER_ID", "plain function"),
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


@pytest.mark.parametrize("handler", [WSGIHandler, ASGIHandler])
def test_and_an_error_when_a_server_starts(settings, handler):
    settings.AUTHSIGNAL = {"ENFROCE": "on"}
    with pytest.raises(ConfigurationError, match="Did you mean 'ENFORCE'"):
        handler()


@pytest.mark.parametrize("code", ["with draw", "", "a" * 65, "zahlen€", "a/b"])
def test_a_decorator_with_a_code_that_does_not_fit_is_an_error_at_import(code):
    with pytest.raises(ConfigurationError, match="not an action code"):
        challenge_required(code)(lambda request: None)


ROUND = {}
ROUND["a"] = ROUND
GIVEN = {
    "a key that is none": ({"API_SECRET_KEY": lambda request: None}, "API_SECRET_KEY is a callable.* Return a string"),
    "a tenant that is none": ({"TENANT_ID": lambda request: 7}, "TENANT_ID is a callable.* Return a string"),
    "a tenant that is too long": (
        {"TENANT_ID": lambda request: "t" * 129},
        "TENANT_ID is a callable.* Copy the tenant",
    ),
    "an origin that is none": ({"PUBLIC_BASE_URL": lambda request: "javascript:x"}, "what it gave .* Write an origin"),
    "an attribute that nobody knows": ({"TRACK_ATTRIBUTES": lambda *args: {"colour": 1}}, "gave colour.* custom"),
    "attributes that are none": ({"TRACK_ATTRIBUTES": lambda *args: 7}, "gave a int. Return a dict"),
}


@pytest.mark.parametrize(("written", "words"), GIVEN.values(), ids=GIVEN)
def test_what_a_callable_gives_wrongly_is_an_error_that_names_it(adas, settings, written, words):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, **written}
    with pytest.raises(ConfigurationError, match=words):
        adas.get("/withdraw/")


VALUES = {
    "nothing": (None, "gave a NoneType. Return a dict."),
    "a number": (5, "gave a int. Return a dict."),
    "a text": ("zzz", "gave a str. Return a dict."),
    "keys that are no texts": ({1: 2, "b": 3}, "gave what cannot be sent. .* Use str\\(key\\)."),
    "bytes": ({"a": b"x"}, "gave what cannot be sent. a is a bytes.* Send a text or a number."),
    "an object": ({"a": {"b": object()}}, "gave what cannot be sent. a.b is a object.* Send a text or a number."),
}
SAID = {
    "no number": ({"a": float("nan")}, "a is nan.* Send None or a text instead."),
    "itself": (ROUND, "Send a flat object."),
}


@pytest.mark.parametrize(("given", "words"), VALUES.values(), ids=VALUES)
def test_a_custom_that_gives_what_cannot_be_sent_is_an_error_that_names_it(adas, settings, given, words):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ACTIONS": {"withdrawFunds": {"CUSTOM": lambda request: given}}}
    with pytest.raises(ConfigurationError, match=rf"ACTIONS\['withdrawFunds'\]\['CUSTOM'\] {words}$"):
        adas.get("/withdraw/")


@pytest.mark.parametrize("kind", ["nothing", "keys that are no texts", "bytes", "an object"])
def test_a_bind_that_gives_what_cannot_be_sent_is_an_error_that_names_it(rf, kind):
    given, words = VALUES[kind]
    policy = get_policy("withdrawFunds").narrowed(bind=lambda request: given)
    with pytest.raises(ConfigurationError, match=f"bind of withdrawFunds {words}$"):
        read(rf.post("/"), policy)


BODIES = ["5", '"zzz"', '[["amount", "5"]]', '{"a": "\\ud800"}', '{"a": NaN}', "{", '{"a\\u0000": 1}']


def nested(levels):
    return '{"a":' * levels + "1" + "}" * levels


@pytest.mark.parametrize("body", [*BODIES, nested(100_000)])
def test_what_a_bind_reads_of_a_body_that_nobody_can_prove_is_told_whoever_sent_it(rf, body):
    policy = get_policy("withdrawFunds").narrowed(bind=lambda request: json.loads(request.body))
    with pytest.raises(UnreadableFields, match=r"withdrawFunds .* (Send|need)"):
        read(rf.post("/", body, content_type="application/json"), policy)


@pytest.mark.parametrize(("given", "words"), SAID.values(), ids=SAID)
def test_what_a_request_says_and_nobody_can_prove_is_told_whoever_sent_it(adas, settings, given, words):
    """A form with "nan" in it must not be a fault of the site."""
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ACTIONS": {"withdrawFunds": {"CUSTOM": lambda request: given}}}
    answer = adas.fetch("/withdraw/")
    assert answer.status_code == 400
    assert re.search(words, answer.content.decode())


@pytest.mark.parametrize("levels", range(100, 1000, 50))
def test_a_body_nested_however_deeply_is_no_crash(rf, levels):
    """Each way of reading it has a limit of its own, and every Python another."""
    policy = get_policy("withdrawFunds").narrowed(bind=lambda request: json.loads(request.body))
    with suppress(UnreadableFields):
        read(rf.post("/", nested(levels), content_type="application/json"), policy)


ATTRIBUTES = {
    "a custom that is a list": ({"custom": [1]}, "gave a list for custom. Return a dict there."),
    "a custom that is a text": ({"custom": "x"}, "gave a str for custom. Return a dict there."),
    "a custom of numbers": ({"custom": {1: 2}}, "gave what cannot be sent. custom has the key 1.* Use str\\(key\\)."),
    "an object": ({"locale": object()}, "gave what cannot be sent. locale is a object.* Send a text or a number."),
    "keys that are no texts": ({1: 2, "locale": "en"}, "gave what cannot be sent. .* Use str\\(key\\)."),
}


@pytest.mark.parametrize(("given", "words"), ATTRIBUTES.values(), ids=ATTRIBUTES)
def test_attributes_that_cannot_be_sent_are_an_error_that_names_them(adas, settings, given, words):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "TRACK_ATTRIBUTES": lambda *args: given}
    with pytest.raises(ConfigurationError, match=f"TRACK_ATTRIBUTES {words}$"):
        adas.get("/withdraw/")


@pytest.mark.parametrize("given", ["a\ud800", "a\0"])
def test_an_id_that_is_no_text_is_an_error_that_says_so(adas, settings, given):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "USER_ID": lambda user: given}
    with pytest.raises(ConfigurationError, match=r"USER_ID gave an id .* Return one without NUL"):
        adas.get("/withdraw/")


def test_a_request_without_a_session_is_an_error_that_says_so(rf, ada, authsignal):
    request = rf.get("/withdraw/")
    request.user = ada
    with pytest.raises(ConfigurationError, match=r"no session.* SessionMiddleware"):
        challenge_required("withdrawFunds")(lambda request: None)(request)
