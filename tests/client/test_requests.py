"""What the server really receives: paths, headers, bodies."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import pytest
from django.utils.functional import SimpleLazyObject
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy

from django_authsignal import __version__
from django_authsignal.client import CLEAR, Client

from .conftest import SECRET, Server


class Colour(StrEnum):
    RED = "red"


class Level(Enum):
    HIGH = 3
    UNKNOWN = None


# Paths

IDS = [
    "a/b",
    "../validate",
    "../../management",
    "a/../b",
    "/",
    "//host/x",
    "%2F",
    "%2e%2e",
    "%252e",
    "a?b#c",
    "?",
    "#",
    "a+b",
    "a b",
    " ",
    "a;b=c",
    "a\\b",
    "auth0|5f",
    "ada@example.com",
    "é漢😀",
    "x" * 300,
    "...",
    "\r\nX-Injected: 1",
]


@pytest.mark.parametrize("user_id", IDS)
def test_a_user_id_reaches_the_server_as_one_segment(client: Client, server: Server, user_id: str) -> None:
    client.track(user_id, "signIn")
    parts = server.seen[0].path.split("/")
    assert [unquote(part) for part in parts] == ["", "v1", "users", user_id, "actions", "signIn"]
    assert "x-injected" not in server.seen[0].headers


@pytest.mark.parametrize("key", ["a/b", "..%2F", "a?b", "é"])
def test_every_other_id_reaches_the_server_as_one_segment(client: Client, server: Server, key: str) -> None:
    client.get_action("1", "signIn", key)
    client.delete_authenticator("1", key)
    assert [unquote(seen.path.rpartition("/")[2]) for seen in server.seen] == [key, key]


@pytest.mark.parametrize("user_id", ["", ".", "..", "a\0b", "\ud800", "a\udfff"])
def test_an_id_no_path_can_carry_is_refused_before_sending(client: Client, server: Server, user_id: str) -> None:
    with pytest.raises(ValueError, match="Use another id"):
        client.track(user_id, "signIn")
    assert server.seen == []


@pytest.mark.parametrize("user_id", [None, 1, UUID(int=1), b"1", gettext_lazy("ada")])
def test_an_id_that_is_no_text_is_refused(client: Client, user_id: Any) -> None:
    with pytest.raises(TypeError, match="ids are texts"):
        client.get_user(user_id)


@pytest.mark.parametrize("action", ["", "a/b", "a b", "é", "x" * 65, "a\n", ".."])
def test_an_action_that_is_no_code_is_refused(client: Client, server: Server, action: str) -> None:
    with pytest.raises(ValueError, match="action code"):
        client.track("1", action)
    assert server.seen == []


@pytest.mark.parametrize("action", [None, 1, b"a"])
def test_an_action_that_is_no_text_is_refused(client: Client, action: Any) -> None:
    with pytest.raises(TypeError, match=r"action codes are texts\. Give its code\.$"):
        client.track("1", action)


def test_an_idempotency_key_that_is_empty_is_refused_before_sending(client: Client, server: Server) -> None:
    with pytest.raises(ValueError, match=r"idempotency_key is empty.* or leave it out\.$"):
        client.track("1", "a", idempotency_key="")
    assert server.seen == []


@pytest.mark.parametrize("day", [date(2020, 1, 1), "2020-01-01", 5])
def test_a_from_date_that_is_no_datetime_is_refused(client: Client, day: Any) -> None:
    with pytest.raises(TypeError, match=r"from_date is a \w+\. Give a datetime\.$"):
        client.query_user_actions("1", from_date=day)


def test_a_from_date_that_utc_does_not_have_is_refused(client: Client) -> None:
    at = datetime.max.replace(tzinfo=timezone(-timedelta(hours=1)))
    with pytest.raises(ValueError, match=r"Give one of the last 30 days\.$"):
        client.query_user_actions("1", from_date=at)


def test_a_slash_at_the_end_of_the_url_is_not_doubled(server: Server) -> None:
    Client(SECRET, api_url=f"{server.url}/").track("1", "a")
    assert server.seen[0].path == "/v1/users/1/actions/a"


# Headers


def test_the_key_is_sent_as_a_user_name_without_password(client: Client, server: Server) -> None:
    client.track("1", "a")
    assert server.seen[0].headers["authorization"] == "Basic YS12ZXJ5LXNlY3JldC1rZXk6"


def test_the_version_that_is_named_is_the_packages(client: Client, server: Server) -> None:
    client.track("1", "a")
    headers = server.seen[0].headers
    assert (headers["user-agent"], headers["x-authsignal-version"]) == (
        f"django-authsignal/{__version__}",
        __version__,
    )


def test_no_cookie_is_kept(client: Client, server: Server) -> None:
    server.answers({"state": "ALLOW"}, headers={"Set-Cookie": "a=b"})
    client.track("1", "a")
    client.track("1", "a")
    assert "cookie" not in server.seen[1].headers


# Bodies


def sent(client: Client, server: Server, value: object) -> Any:
    client.track("1", "a", custom={"value": value})
    return server.seen[0].json["custom"].get("value", "left out")


@pytest.mark.parametrize(
    ("value", "wire"),
    [
        (Decimal("1.50"), 1.5),
        (Decimal("0.10"), 0.1),
        (Decimal("12345678901234567890.12"), "12345678901234567890.12"),
        (Decimal("1E+1000000"), "1E+1000000"),
        (2**53, 2**53),
        (2**53 + 1, str(2**53 + 1)),
        (10**400, str(10**400)),
        (True, True),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (date(2026, 1, 2), "2026-01-02"),
        (time(3, 4, 5), "03:04:05"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05+00:00"),
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (Level.UNKNOWN, "left out"),
        ([Level.UNKNOWN], [None]),
        (gettext_lazy("amount"), "amount"),
        (SimpleLazyObject(lambda: "ada"), "ada"),
        (mark_safe("<b>"), "<b>"),
        ("é\ud800", "é\ud800"),
        ((1, None, 2), [1, None, 2]),
        ({3, 1, 2}, [1, 2, 3]),
        (None, "left out"),
        ({"deep": {"none": None, "kept": ""}}, {"deep": {"kept": ""}}),
        ([{"none": None, "kept": False}], [{"kept": False}]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_is_sent_as_what_it_says(client: Client, server: Server, value: object, wire: object) -> None:
    assert sent(client, server, value) == wire


@pytest.mark.parametrize(
    "value", [float("nan"), float("-inf"), Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), [[float("nan")]]]
)
def test_a_number_that_is_none_is_refused_by_name(client: Client, server: Server, value: object) -> None:
    with pytest.raises(ValueError, match=r"custom\.value.* JSON has no word for"):
        sent(client, server, value)
    assert server.seen == []


@pytest.mark.parametrize("value", [b"bytes", object(), 1j, SimpleLazyObject(object)])
def test_a_value_json_cannot_say_is_refused_by_name(client: Client, value: object, server: Server) -> None:
    with pytest.raises(TypeError, match=r"custom\.value is a"):
        sent(client, server, value)


def test_a_key_that_is_no_text_is_refused(client: Client) -> None:
    with pytest.raises(TypeError, match="JSON keys are texts"):
        client.track("1", "a", custom={1: "x"})  # type: ignore[dict-item] # what must be refused


def test_attributes_that_contain_themselves_are_refused(client: Client) -> None:
    custom: dict[str, Any] = {}
    custom["self"] = custom
    with pytest.raises(ValueError, match="contain themselves"):
        client.track("1", "a", custom=custom)


def test_the_callers_keys_are_sent_as_they_are(client: Client, server: Server) -> None:
    custom = {"userID": 1, "some-Key": 2, "someFeature.isNew": 3, "snake_case": 4}
    client.track("1", "a", custom=custom)
    assert server.seen[0].json["custom"] == custom


def test_the_callers_dictionaries_are_not_changed(client: Client) -> None:
    custom = {"none": None, "deep": {"none": None, "list": [None, Decimal(1)]}}
    before = repr(custom)
    client.track("1", "a", custom=custom)
    assert repr(custom) == before


def test_an_attribute_that_is_none_is_left_out_and_the_length_still_fits(client: Client, server: Server) -> None:
    client.track("1", "a", email=None, locale="en")
    assert server.seen[0].body == b'{"locale":"en"}'


def test_clear_takes_a_value_away(client: Client, server: Server) -> None:
    server.answers({"userId": "1"})
    client.update_user("1", phone_number=CLEAR, email=None, display_name="Ada")
    assert json.loads(server.seen[0].body) == {"phoneNumber": None, "displayName": "Ada"}


def test_the_client_imports_no_django() -> None:
    code = "import sys, django_authsignal.client; sys.exit('django' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("passkeys", "says"),
    [
        ([], "There are 0 passkeys"),
        ([{"user_id": "1", "credential_id": "c", "credential_public_key": "k"}] * 1001, "There are 1001 passkeys"),
        ([{"user_id": "1", "credential_id": "c"}], "no credential_public_key"),
        ([{"user_id": "1", "credentialId": "c"}], "no 'credentialId'. It knows: user_id"),
    ],
)
def test_passkeys_that_cannot_be_imported_are_refused_before_anything_is_sent(
    client: Client, server: Server, passkeys: list[dict[str, str]], says: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        client.import_passkeys(passkeys)
    assert server.seen == []
