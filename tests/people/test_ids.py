"""What Authsignal calls a user, and who it means by it."""

import uuid
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from django_authsignal import identity
from django_authsignal.client import ConfigurationError
from django_authsignal.conf import Settings, get_settings
from django_authsignal.identity import authsignal_id, opaque_id, user_from_id
from django_authsignal.models import Challenge, SyncedUser

OPAQUE = "django_authsignal.identity.opaque_id"
SECRET = "not a secret at all, and long enough to pass for one"


@pytest.fixture
def opaque(configure):
    configure(USER_ID=OPAQUE, USER_ID_SECRET=SECRET)


def by_username(user):
    return user.username


def user_of_name(name):
    return get_user_model().objects.filter(username__iexact=name).first()


def asked(user, **values):
    """A row of the ledger."""
    later = timezone.now() + timedelta(minutes=10)
    return Challenge.objects.create(
        user_pk=str(user.pk), authsignal_id=authsignal_id(user), action="pay", expires_at=later, **values
    )


def test_the_primary_key_is_the_id_unless_told_otherwise(ada):
    assert authsignal_id(ada) == str(ada.pk)


def test_the_prefix_comes_before_every_kind_of_id(ada, configure):
    configure(USER_ID_PREFIX="staging-")
    assert authsignal_id(ada) == f"staging-{ada.pk}"
    configure(USER_ID=OPAQUE, USER_ID_SECRET=SECRET)
    assert authsignal_id(ada) == f"staging-{opaque_id(ada)}"


def test_an_opaque_id_shows_nothing_of_the_user_and_differs_between_users(ada, bob, opaque):
    ids = [authsignal_id(user) for user in (ada, bob)]
    assert ids[0] != ids[1]
    assert all(len(one) == 64 and set(one) <= set("0123456789abcdef") for one in ids)


def test_an_opaque_id_survives_a_new_secret_key(ada, opaque, settings):
    before = authsignal_id(ada)
    settings.SECRET_KEY = "another one, as after a leak, and long enough as well"
    assert authsignal_id(ada) == before


def test_another_secret_makes_other_ids(ada, opaque, configure):
    before = authsignal_id(ada)
    configure(USER_ID_SECRET=SECRET[::-1])
    assert authsignal_id(ada) != before


@pytest.mark.parametrize("secret", ["", None])
def test_an_opaque_id_without_a_secret_names_the_fix(ada, configure, secret):
    configure(USER_ID=OPAQUE, USER_ID_SECRET=secret)
    with pytest.raises(ConfigurationError, match=r"USER_ID_SECRET.*token_urlsafe"):
        authsignal_id(ada)


@pytest.mark.parametrize("secret", ["too short", 5, b"x" * 40])
def test_a_secret_that_could_be_guessed_is_refused_and_not_quoted(settings, secret):
    settings.AUTHSIGNAL = {"USER_ID_SECRET": secret}
    with pytest.raises(ConfigurationError, match="USER_ID_SECRET") as caught:
        get_settings()
    assert str(secret) not in str(caught.value)


def test_the_secret_is_in_no_repr():
    assert SECRET not in repr(Settings(USER_ID_SECRET=SECRET))


@pytest.mark.parametrize(("given", "named"), [(b"7", "bytes"), (True, "bool"), (["7"], "list"), (object(), "object")])
def test_what_is_no_id_is_an_error_that_names_its_type(ada, configure, given, named):
    configure(USER_ID=lambda user: given)
    with pytest.raises(ConfigurationError, match=f"gave a {named}"):
        authsignal_id(ada)


@pytest.mark.parametrize("given", [7, "7", uuid.UUID(int=7)])
def test_texts_numbers_and_uuids_are_ids(ada, configure, given):
    configure(USER_ID=lambda user: given)
    assert authsignal_id(ada) == str(given)


def test_a_prefix_counts_towards_the_longest_id(ada, configure):
    configure(USER_ID=lambda user: "a" * 510, USER_ID_PREFIX="abc")
    with pytest.raises(ConfigurationError, match=r"513 characters.*512"):
        authsignal_id(ada)


def test_a_primary_key_leads_back_to_its_user(ada):
    assert user_from_id(str(ada.pk)) == ada


@pytest.mark.parametrize("form", [" {}", "0{}", "+{}", "{}.0", "{}\n", "", "x", "-1", "9" * 40, "9" * 600])
def test_another_writing_of_a_primary_key_is_nobody(ada, form):
    assert user_from_id(form.format(ada.pk)) is None


def test_an_id_without_the_prefix_is_nobody(ada, configure):
    configure(USER_ID_PREFIX="staging-")
    assert user_from_id(f"staging-{ada.pk}") == ada
    assert user_from_id(str(ada.pk)) is None


def test_user_from_id_asks_the_project_s_own_function(ada, configure):
    configure(USER_ID=by_username, USER_FROM_ID=user_of_name, USER_ID_PREFIX="x-")
    assert user_from_id("x-ada") == ada
    assert user_from_id("x-nobody") is None


def test_a_user_whose_own_id_is_another_one_is_not_taken_for_this_one(ada, configure):
    configure(USER_ID=by_username, USER_FROM_ID=user_of_name)
    assert user_from_id("ADA") is None


@pytest.mark.parametrize("id_of", [by_username, OPAQUE])
def test_an_id_that_was_asked_about_leads_back_by_the_ledger(ada, bob, configure, id_of, monkeypatch):
    configure(USER_ID=id_of, USER_ID_SECRET=SECRET)
    monkeypatch.setattr(identity, "user_from_opaque_id", None)  # not needed
    for user in (ada, bob):
        asked(user)
    assert [user_from_id(authsignal_id(user)) for user in (ada, bob)] == [ada, bob]


@pytest.mark.parametrize("id_of", [by_username, OPAQUE])
def test_an_id_that_was_told_leads_back_by_the_register(ada, configure, id_of, monkeypatch):
    configure(USER_ID=id_of, USER_ID_SECRET=SECRET)
    monkeypatch.setattr(identity, "user_from_opaque_id", None)
    SyncedUser.objects.create(user_pk=str(ada.pk), authsignal_id=authsignal_id(ada))
    assert user_from_id(authsignal_id(ada)) == ada


def test_an_opaque_id_that_nobody_noted_is_found_among_all_users(ada, bob, opaque):
    assert user_from_id(authsignal_id(bob)) == bob


@pytest.mark.parametrize("stranger", ["0" * 64, "ada", "é" * 64])
def test_an_opaque_id_of_nobody_is_nobody(ada, opaque, stranger):
    assert user_from_id(stranger) is None


def test_a_custom_id_that_nobody_noted_is_nobody(ada, configure):
    configure(USER_ID=by_username)
    assert user_from_id("ada") is None


def test_a_ledger_row_of_before_the_id_changed_leads_nowhere(ada, configure):
    asked(ada)
    configure(USER_ID=by_username)
    assert user_from_id(str(ada.pk)) is None
