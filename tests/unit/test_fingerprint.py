"""What voids a proof: the state of the user as it is kept beside each proof."""

import pytest
from django.contrib.auth.models import User
from django.utils.functional import SimpleLazyObject

from django_authsignal.identity import fingerprint


class Versioned(User):
    """A user whose sessions are ended by a number, as projects do that sign people out everywhere."""

    class Meta:
        proxy = True
        app_label = "tests"

    version = 1

    def get_session_auth_hash(self):
        return f"{super().get_session_auth_hash()}:{self.version}"


def person(model=User, **changes):
    return model(**{"pk": 7, "username": "ada", "email": "ada@example.com", "password": "hash"} | changes)


@pytest.mark.parametrize("change", [{"pk": 8}, {"email": "b@example.com"}, {"password": "other"}, {"is_active": False}])
def test_a_change_of_the_user_is_another_fingerprint(change):
    assert fingerprint(person(**change)) != fingerprint(person())


def test_a_name_is_no_part_of_it():
    assert fingerprint(person(username="lovelace")) == fingerprint(person())


def test_a_lazy_user_has_the_fingerprint_of_the_one_inside():
    assert fingerprint(SimpleLazyObject(person)) == fingerprint(person())


def test_it_is_keyed_by_the_secret_key(settings):
    before = fingerprint(person())
    settings.SECRET_KEY = "another"
    assert fingerprint(person()) != before


def test_a_model_that_ends_sessions_in_its_own_way_voids_proofs_by_it_too():
    before = fingerprint(person(Versioned))
    changed = person(Versioned)
    changed.version = 2
    assert fingerprint(changed) != before


def test_so_does_a_password_of_such_a_model():
    assert fingerprint(person(Versioned, password="other")) != fingerprint(person(Versioned))
