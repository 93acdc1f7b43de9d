"""A keyed hash of plain values: no two are taken for one another."""

import pytest

from django_authsignal.identity import digest, hash_of

VALUES = [
    (),
    ("",),
    ("", ""),
    ("a", "b"),
    ("ab",),
    ("a', 'b",),
    ("a\0b",),
    (1,),
    ("1",),
    (True,),
    ("True",),
    (None,),
    ("None",),
    ([],),
    ("[]",),
    (["a", "b"],),
    (["a"], "b"),
    ("é",),
    ("\\xe9",),
    ("\ud800",),
]


def test_values_that_are_not_the_same_have_other_hashes():
    assert len({hash_of("pass", values) for values in VALUES}) == len(VALUES)


def test_the_same_values_have_the_same_hash():
    assert hash_of("pass", ("a", 1, ["b"])) == hash_of("pass", ("a", 1, ["b"]))


def test_another_purpose_and_another_secret_key_give_another_hash(settings):
    before = hash_of("pass", ("a",))
    assert hash_of("user", ("a",)) != before
    settings.SECRET_KEY = "another secret key"
    assert hash_of("pass", ("a",)) != before


@pytest.mark.parametrize("values", VALUES)
def test_it_is_a_whole_hash(values):
    assert len(hash_of("pass", values)) == len(digest("pass"))
