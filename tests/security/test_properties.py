"""What holds for every input: ids in paths, values in hashes, return addresses, webhooks, settings."""

import json
import re
from base64 import b64encode
from datetime import UTC, date, datetime
from decimal import Decimal
from hmac import digest as hmac_digest
from pathlib import Path
from unicodedata import normalize
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from django.test import RequestFactory, override_settings
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

import django_authsignal
from django_authsignal import addresses, conf
from django_authsignal.binding import canonical
from django_authsignal.client import Client, ConfigurationError, SignatureError
from django_authsignal.client.http import segment
from django_authsignal.client.webhooks import Event, verify
from django_authsignal.identity import digest
from django_authsignal.policy import get_policy, label_for
from django_authsignal.testing.fake import FakeAuthsignal

pytestmark = pytest.mark.security
ALWAYS = {"deadline": None, "derandomize": True, "database": None, "suppress_health_check": [*HealthCheck]}
every = settings(max_examples=100, **ALWAYS)
many = settings(max_examples=300, **ALWAYS)
HOSTILE_TEXT = st.one_of(
    st.text(max_size=40),
    st.lists(st.sampled_from(["/", "..", ".", "%2F", "%2e", "\\", "?", "#", "a", ";", "%", "//", " "])).map("".join),
)


# Ids in paths


@every
@given(HOSTILE_TEXT)
def test_an_id_is_one_segment_of_a_path_and_comes_back_the_same(text):
    try:
        made = segment("user_id", text)
    except ValueError:
        assert text in ("", ".", "..") or "\0" in text or re.search("[\ud800-\udfff]", text)
        return
    assert not set(made) & set("/?#\\ \r\n")
    assert made not in (".", "..")
    assert unquote(made) == text


@every
@given(HOSTILE_TEXT)
def test_an_id_reaches_authsignal_as_itself_at_its_own_place(text):
    fake = FakeAuthsignal()
    try:
        Client("key", transport=fake).track(text, "withdrawFunds", idempotency_key="k")
    except ValueError:
        assert fake.calls == []
        return
    (call,) = fake.calls
    assert (call.operation, call.user_id, call.action) == ("track", text, "withdrawFunds")
    assert call.path.count("/") == len(["", "v1", "users", "ID", "actions", "CODE"]) - 1


# Values in hashes

NUMBERS = st.one_of(
    st.integers(-(10**30), 10**30),
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20, places=6),
    st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15),
)
WORDS = st.text(st.characters(codec="utf-8"), max_size=12)


@every
@given(NUMBERS)
def test_a_number_is_hashed_the_same_in_every_spelling(number):
    exact = Decimal(str(number))
    plain = format(exact, "f")
    spellings = {canonical(item) for item in (number, exact, exact + Decimal("0E-9"), plain, f" {plain} ")}
    assert spellings == {canonical(exact)}


@every
@given(NUMBERS, NUMBERS)
@example(Decimal("1.10"), Decimal("1.01"))
@example(10**29 + 1, 10**29 + 2)
def test_two_numbers_are_hashed_alike_only_when_they_are_equal(one, other):
    assert (canonical(one) == canonical(other)) == (Decimal(str(one)) == Decimal(str(other)))


@every
@given(WORDS, WORDS)
@example("Zoe\u0308", "Zo\u00eb")
@example("a", "a\u200b")
@example("\uff21", "A")
def test_two_texts_are_hashed_alike_only_when_a_person_reads_the_same(one, other):
    read = [normalize("NFC", text.replace("\r\n", "\n")).strip() for text in (one, other)]
    number = re.compile(r"-?([1-9][0-9]*|0)?\.?[0-9]*")
    assume(not all(number.fullmatch(text) for text in read))  # numbers have a test of their own
    assert (canonical(one) == canonical(other)) == (read[0] == read[1])


@every
@given(st.dates(), st.dates(), st.datetimes(timezones=st.just(UTC)))
def test_dates_are_hashed_by_what_they_say(one, other, moment):
    assert (canonical(one) == canonical(other)) == (one == other)
    assert canonical(one) == canonical(one.isoformat())
    assert canonical(moment) == canonical(moment.isoformat())
    assert canonical(moment) != canonical(moment.date())


NESTED = st.recursive(
    st.one_of(
        st.booleans(), st.integers(-99, 99), WORDS, st.just(date(2026, 1, 2)), st.just(datetime(2026, 1, 2, tzinfo=UTC))
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)


@every
@given(NESTED, NESTED)
@example(["a", "b"], ["a,1:b"])
@example({"a": "1,1:b=2"}, {"a": "1", "b": "2"})
def test_no_value_takes_the_shape_of_another(one, other):
    assert (digest("x", canonical(one)) == digest("x", canonical(other))) == (flat(one) == flat(other))


def flat(value):
    """What a value says, told apart by type: the test's own reading."""
    if isinstance(value, bool):
        return ("truth", value)
    if isinstance(value, dict):
        return ("map", sorted((key, flat(item)) for key, item in value.items()))
    if isinstance(value, list):
        return ("list", [flat(item) for item in value])
    text = value.isoformat() if isinstance(value, date) else str(value)
    text = normalize("NFC", text.replace("\r\n", "\n")).strip()
    if re.fullmatch(r"-?(0|[1-9][0-9]*|(?=\.[0-9]))(\.[0-9]*)?", text):
        return ("number", Decimal(text) + 0)
    return ("text", text)


# Return addresses

PARTS = [
    "/", "//", "\\", "\\\\", "/\\", "http:", "https:", "HTTPS:", "javascript:", "data:", "evil.example", "@", ":", "?",
    "#", "%2f", "%5c", "%0d%0a", "\t", "\n", "\r", " ", "\x00", "\u3002", "\uff0f", "\u2044", "\uff20", "testserver",
    "testserver.evil.example", "testserver@evil.example", "..", ".", ";", "a", "[", "]", "::1", "\u00ad", "\u200b",
    "\x7f",
]  # fmt: skip


def where_a_browser_goes(target):
    """As the URL standard has it: controls and spaces at the ends go, tabs and line breaks go, a backslash is a slash.
    Returns the scheme and host it ends at, from a page of http://testserver/."""
    text = re.sub(r"[\t\r\n]", "", target.strip("".join(map(chr, range(33)))))
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", text)
    name = scheme[1].lower() if scheme else "http"
    if scheme and name not in ("http", "https"):
        return name, ""
    rest = text[scheme.end() :] if scheme else text
    head = re.match(r"[^?#]*", rest)[0].replace("\\", "/")
    if scheme and name == "https":
        head = "//" + head.lstrip("/")  # a special scheme needs no slashes, and takes any number
    elif scheme and head.startswith("//"):
        head = "//" + head.lstrip("/")
    if not head.startswith("//"):
        return name, "testserver"
    authority = head.lstrip("/").partition("/")[0].rpartition("@")[2]
    return name, normalize("NFKC", authority.lower()).replace("\u3002", ".").replace("\u00ad", "")


@many
@given(st.lists(st.sampled_from(PARTS), max_size=7).map("".join))
@example("/\t/evil.example")
@example("https:evil.example")
@example("http:///evil.example")
@example("//testserver@evil.example")
@example("http://testserver\\@evil.example/")
def test_a_return_address_that_counts_as_local_never_leaves_the_site(target):
    kept = addresses.local(RequestFactory().get("/"), target)
    if not kept:
        return
    assert kept == target
    assert where_a_browser_goes(kept) in (("http", "testserver"), ("https", "testserver"))
    assert urlsplit(urljoin("http://testserver/page/", kept)).hostname == "testserver"
    assert not re.search(r"[\x00-\x1f\x7f]", kept)


@every
@given(st.text(max_size=30), st.lists(st.sampled_from(PARTS), max_size=6).map("".join))
def test_a_referer_is_reduced_to_a_path_of_ours(text, hostile):
    for url in (text, hostile, f"http://testserver/{text}", f"http://testserver{hostile}"):
        path = addresses.own_path(RequestFactory().get("/"), url)
        assert path == "" or where_a_browser_goes(path) == ("http", "testserver")


# Webhooks

NOW = 1_800_000_000


def signed(body, at=NOW, key=b"key"):
    return b64encode(hmac_digest(key, f"{at}.".encode() + body, "sha256")).decode().rstrip("=")


HEADERS = st.one_of(
    st.none(),
    st.text(max_size=60),
    st.lists(st.sampled_from([f"t={NOW}", "t=", "t=\u0661", "t=-1", "v2=", "v2=x", "v1=x", ",", "=", "v2=\ud800"])).map(
        ",".join
    ),
)


@every
@pytest.mark.security(45)
@given(st.binary(max_size=200), HEADERS)
def test_nothing_but_a_sound_signature_is_believed_and_nothing_else_is_raised(body, header):
    with pytest.raises(SignatureError):
        verify(body, header, secrets=["key"], now=NOW)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["id", "type", "time", "tenantId", "version", "data", "record", "records", "source"]), inner
    ),
    max_leaves=8,
)  # fmt: skip


@every
@pytest.mark.security(45)
@given(st.one_of(st.binary(max_size=100), JSON.map(lambda data: json.dumps(data).encode())))
@example(b"[" * 100_000)
@example(b'{"time": "0001-01-01T00:00:00+23:59"}')
@example(b'{"x": ' + b"9" * 5000 + b"}")
def test_a_signed_body_is_an_event_or_a_signature_error(body):
    header = f"t={NOW},v2={signed(body)}"
    try:
        event = verify(body, header, secrets=["old", "key"], now=NOW)
    except SignatureError:
        return
    assert isinstance(event, Event)
    assert event.id is None or isinstance(event.id, str)
    assert all(isinstance(item, Event) for item in event.records)


@every
@pytest.mark.security(45)
@given(st.integers(-5000, 5000), st.integers(0, 19), st.sampled_from(["body", "time", "signature", "key", "none"]))
def test_a_webhook_of_another_time_key_or_byte_is_refused(seconds, place, changed):
    body = b'{"id": "evt_1234567"}'
    at, key = NOW + seconds, b"other" if changed == "key" else b"key"
    signature = signed(body, at, key)
    if changed == "body":
        body = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
    if changed == "signature":
        signature = signature[:place] + ("A" if signature[place] != "A" else "B") + signature[place + 1 :]
    header = f"t={at + 1 if changed == 'time' else at},v2={signature}"
    if changed == "none" and abs(seconds) <= 300:
        assert verify(body, header, secrets=["key"], now=NOW).id == "evt_1234567"
        return
    with pytest.raises(SignatureError):
        verify(body, header, secrets=["key"], now=NOW)


WRITERS = {"break_glass.py", "flow.py", "ledger.py", "receivers.py", "reviews.py", "signin.py", "testing/client.py"}


@pytest.mark.security(46)
def test_only_the_gate_writes_a_pass():
    """A webhook, a view, a command: whatever else is there has no way to."""
    folder = Path(django_authsignal.__file__).parent
    names = "grant|grant_at_login|sign_in_proved|let_through"
    writes = re.compile(rf"(?<!def )\b({names})\(|\.({names})\b|import .*\b({names})\b")
    found = {str(file.relative_to(folder)) for file in folder.rglob("*.py") if writes.search(file.read_text())}
    assert found == WRITERS


# Settings

ODD = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-3, 2**40),
        st.floats(),
        st.text(max_size=12),
        st.binary(max_size=4),
        st.sampled_from([
            "deny", "allow", "pass", "enroll", "PASSKEY", "https://x.example", "https://x:port", "http://[::1",
            "django_authsignal.identity.opaque_id", "no.such.thing", ".a.b", "a..b", "{", "{0}", "{a!z}", "{a.b}",
            "signIn", "2026-01-01", object(), len, print,
        ]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.tuples(inner),
        st.dictionaries(st.text(max_size=5) | st.integers() | st.sampled_from(conf.POLICY_KEYS), inner, max_size=3),
    ),
    max_leaves=4,
)  # fmt: skip
ACTIONS = st.dictionaries(
    st.one_of(st.sampled_from(["a", "signIn", "with space", 7]), st.text(max_size=3)),
    st.one_of(ODD, st.dictionaries(st.sampled_from(conf.POLICY_KEYS), ODD, max_size=3)),
    max_size=2,
)
DEADLINES = st.dictionaries(
    st.sampled_from(["AT", "AFTER", "METHODS", "WHO", "FROM", "GRACE", "DEADLINE", "USERS"]) | st.text(max_size=4), ODD
)
WRITTEN = st.one_of(
    ODD,
    st.dictionaries(st.one_of(st.sampled_from(sorted(conf.KEYS)), st.text(max_size=4)), ODD, max_size=4),
    st.fixed_dictionaries({"ACTIONS": ACTIONS}),
    st.fixed_dictionaries({"ENROLMENT_DEADLINE": DEADLINES}),
)


@every
@given(WRITTEN)
def test_whatever_is_written_in_the_settings_is_taken_or_is_a_configuration_error(written):
    with override_settings(AUTHSIGNAL=written):
        try:
            found = conf.get_settings()
            policies = [get_policy(action) for action in (*found.ACTIONS, found.SIGN_IN_ACTION, "another")]
        except ConfigurationError:
            return
    assert conf.problems(written or {}) == []
    assert all(isinstance(label_for(policy, {"amount": "5"}), str) for policy in policies)
