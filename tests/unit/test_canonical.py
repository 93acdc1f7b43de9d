"""One value, one spelling: what a person sees alike hashes alike, and nothing else does."""

import hashlib
import hmac
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_authsignal.binding import canonical
from django_authsignal.identity import digest


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("250", "250.00"),
        ("250", 250),
        (250, Decimal("250.0")),
        (250.5, "250.50"),
        ("-0", "0"),
        ("1000", Decimal("1E+3")),
        ("Zo\u00eb", "Zoe\u0308"),
        ("a\r\nb", "a\nb"),
        (" a ", "a"),
        ({"a": 1, "b": 2}, {"b": "2", "a": "1.0"}),
        (date(2026, 1, 2), "2026-01-02"),
        (UUID(int=1), str(UUID(int=1))),
    ],
)
def test_equal_values_agree(one, other):
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("250", "2500"),
        ("250", "25.0"),
        ("1_000", "1000"),
        ("1e3", "1000"),
        ("\u0661\u0662", "12"),
        ("a", "A"),
        (True, 1),
        (True, "True"),
        (["a", "b"], ["ab"]),
        (["a", "b"], ["b", "a"]),
        ({"a": "1,1:b=2"}, {"a": "1", "b": "2"}),
        ("", "0"),
        ("1.2.3", "12.3"),
        ("--1", "1"),
        (datetime(2026, 1, 2, tzinfo=UTC), date(2026, 1, 2)),
    ],
)
def test_different_values_differ(one, other):
    assert canonical(one) != canonical(other)


@given(st.decimals(min_value=-(10**300), max_value=10**300, places=2))
def test_a_decimal_and_its_text_agree(value):
    assert canonical(value) == canonical(format(value, "f"))


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_parts_of_a_digest_cannot_be_shifted(one, other):
    assert (digest("x", *one) == digest("x", *other)) == (one == other)


def test_a_digest_is_hmac_sha256_under_a_key_of_its_purpose_and_the_same_each_time(settings):
    key = hashlib.sha256(b"django_authsignal.x" + settings.SECRET_KEY.encode()).digest()
    expected = hmac.digest(key, b"1:a2:bc", "sha256").hex()
    assert [digest("x", "a", "bc") for _ in range(3)] == [expected] * 3
    assert digest("y", "a", "bc") != expected
