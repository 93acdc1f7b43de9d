"""Whether a webhook is Authsignal's, and what it says."""

from __future__ import annotations

import hmac
import time
from base64 import b64encode
from contextlib import nullcontext
from datetime import UTC, datetime
from json import dumps, loads
from typing import Any

import pytest

from django_authsignal.client import ConfigurationError, Event, SignatureError, verify

BODY = b'{"version":1,"type":"sms.created","id":"e1","data":{"to":"+6421000000","code":"123456"}}'
AT = 1_700_000_000
KEY = "test_secret_key"


def signature(body: bytes = BODY, key: str = KEY, at: int | str = AT) -> str:
    return b64encode(hmac.digest(key.encode(), f"{at}.".encode() + body, "sha256")).decode().rstrip("=")


HEADER = f"t={AT},v2={signature()}"


def test_a_signature_made_by_the_official_libraries_is_accepted() -> None:
    body = b'{"version":1,"type":"sms.created","data":{"to":"+6421000000","code":"123456"}}'
    header = "t=1700000000,v2=/PGOi65edtBwRffQonIGyoC/yyIXSTvExK9LF54Iu8o"
    assert verify(body, header, secrets=[KEY], now=AT).type == "sms.created"


def test_any_of_several_keys_will_do() -> None:
    assert verify(BODY, HEADER, secrets=["new", KEY], now=AT).id == "e1"


@pytest.mark.parametrize("signatures", [("other", KEY), (KEY, "other")], ids=["last", "first"])
def test_any_of_several_signatures_will_do(signatures: tuple[str, str]) -> None:
    one, two = (signature(key=key) for key in signatures)
    assert verify(BODY, f"t={AT},v2={one},v2={two}", secrets=[KEY], now=AT).id == "e1"


def test_a_signature_may_be_padded() -> None:
    assert verify(BODY, f"{HEADER}=", secrets=[KEY], now=AT).id == "e1"


def test_what_stands_beyond_8192_characters_of_a_header_is_not_read() -> None:
    longest = f"t={AT}".ljust(8192 - len(f"v2={signature()}"), ",") + f"v2={signature()}"
    assert verify(BODY, longest, secrets=[KEY], now=AT).id == "e1"
    with pytest.raises(SignatureError):
        verify(BODY, f",{longest}", secrets=[KEY], now=AT)


@pytest.mark.parametrize("shift", [-300, 300])
def test_a_time_within_the_tolerance_is_accepted(shift: int) -> None:
    assert verify(BODY, HEADER, secrets=[KEY], now=AT + shift).id == "e1"


@pytest.mark.parametrize("shift", [0, 400])
def test_without_a_time_it_is_the_present(shift: int) -> None:
    at = int(time.time()) - shift
    header = f"t={at},v2={signature(at=at)}"
    with pytest.raises(SignatureError, match="tolerance") if shift else nullcontext():
        verify(BODY, header, secrets=[KEY])


@pytest.mark.parametrize("shift", [301, -301], ids=["old", "from the future"])
def test_a_time_outside_the_tolerance_is_refused(shift: int) -> None:
    with pytest.raises(SignatureError, match="tolerance"):
        verify(BODY, HEADER, secrets=[KEY], now=AT + shift)


@pytest.mark.parametrize(
    ("body", "header"),
    [
        (BODY + b" ", HEADER),
        (BODY, f"t={AT + 1},v2={signature()}"),
        (BODY, f"t={AT},v2={signature(key='other')}"),
        (BODY, f"t={AT},v2=é"),
        (BODY, f"t={AT},v2=\ud800"),
        (BODY, f"t={AT},v2={signature()[:-1]}"),
        (BODY, f"t={AT},v2={signature()}X"),
    ],
    ids=["body", "time", "key", "text", "surrogate", "short", "long"],
)
def test_what_was_not_signed_is_refused(body: bytes, header: str) -> None:
    with pytest.raises(SignatureError, match="mismatch"):
        verify(body, header, secrets=[KEY], now=AT)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "t",
        "t=",
        "t=abc,v2=x",
        f"t={AT}",
        f"t={AT},v2=",
        f"t={AT},v1={signature()}",
        f"v2={signature()}",
        f"t={AT},t={AT},v2={signature()}",
        f"t=-{AT},v2=x",
        "t=\u0663,v2=x",
        f"t={'9' * 5000},v2=x",
        "," * 9999,
    ],
)
def test_a_malformed_header_is_refused(header: str | None) -> None:
    with pytest.raises(SignatureError, match="format"):
        verify(BODY, header, secrets=[KEY], now=AT)


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"not json", b"\xff", b"[" * 9999], ids=repr)
def test_a_signed_body_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(SignatureError, match="JSON object"):
        verify(body, f"t={AT},v2={signature(body)}", secrets=[KEY], now=AT)


@pytest.mark.parametrize("secrets", [[], [""], [" "], [None]])
def test_no_key_is_no_verification(secrets: list[Any]) -> None:
    header = f"t={AT},v2={signature(key='')}"
    with pytest.raises(ConfigurationError):
        verify(BODY, header, secrets=secrets, now=AT)


@pytest.mark.parametrize(
    ("body", "secrets", "remedy"),
    [
        ("text", [KEY], "raw request.body"),
        (BODY, KEY, "list of secret keys"),
        (BODY, KEY.encode(), "list of secret keys"),
        (BODY, [KEY.encode()], "the keys as texts"),
    ],
)
def test_a_body_or_keys_of_another_type_are_a_mistake(body: Any, secrets: Any, remedy: str) -> None:
    with pytest.raises(TypeError, match=remedy):
        verify(body, HEADER, secrets=secrets, now=AT)


@pytest.mark.parametrize("header", [HEADER.encode(), b"", 5])
def test_a_header_that_is_no_text_is_a_mistake(header: Any) -> None:
    with pytest.raises(TypeError, match=r"as request\.headers has it\.$"):
        verify(BODY, header, secrets=[KEY], now=AT)


def test_no_text_of_an_event_shows_a_code() -> None:
    assert "123456" not in repr(verify(BODY, HEADER, secrets=[KEY], now=AT))


def test_a_batch_is_read_record_by_record() -> None:
    body = b'{"records": [{"id": "1", "record": {"a": 1}}, {"id": "2", "record": {}}]}'
    event = verify(body, f"t={AT},v2={signature(body)}", secrets=[KEY], now=AT)
    assert [(one.id, dict(one.data)) for one in event.records] == [("1", {"a": 1}), ("2", {})]
    assert event.raw == loads(body)


def signed(**envelope: Any) -> Event:
    body = dumps(envelope).encode()
    return verify(body, f"t={AT},v2={signature(body)}", secrets=[KEY], now=AT)


def received(**data: Any) -> Event:
    return signed(id="1", type="x", data=data)


def test_what_stands_around_the_data_of_an_event_is_read() -> None:
    envelope = {"version": 1, "time": "2026-01-02T03:04:05Z", "tenantId": "t", "source": "s", "id": "1", "type": "x"}
    event = signed(**envelope)
    assert (event.version, event.time) == (1, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert (event.tenant_id, event.source, event.id, event.type) == ("t", "s", "1", "x")
    assert event.raw == envelope


@pytest.mark.parametrize("version", [None, True, "1", 1.0])
def test_a_version_that_is_no_number_is_none(version: Any) -> None:
    assert signed(version=version).version is None


@pytest.mark.parametrize("data", [None, "text", ["a"], 7])
def test_data_that_is_no_object_is_empty(data: Any) -> None:
    assert signed(data=data).data == {}


@pytest.mark.parametrize(
    ("name", "wire"),
    [
        ("user_id", "userId"),
        ("action", "actionCode"),
        ("action", "action"),
        ("idempotency_key", "idempotencyKey"),
        ("state", "state"),
        ("verification_method", "verificationMethod"),
        ("user_authenticator_id", "userAuthenticatorId"),
        ("to", "to"),
        ("code", "code"),
        ("url", "url"),
        ("locale", "locale"),
    ],
)
def test_what_most_events_have_is_a_property_and_none_where_it_is_no_text(name: str, wire: str) -> None:
    assert getattr(received(**{wire: "given"}), name) == "given"
    for other in (None, 7, ["given"], {}):
        assert getattr(received(**{wire: other}), name) is None
    assert getattr(received(), name) is None


def test_a_time_in_an_event_is_read() -> None:
    event = received(deletedAt="2026-01-02T03:04:05Z", createdAt="yesterday")
    assert event.moment("deletedAt") == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert event.moment("createdAt") is None
    assert event.moment("updatedAt") is None
