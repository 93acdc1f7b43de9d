"""Addresses that django-allauth has verified, and only those."""

import pytest

pytest.importorskip("allauth.account", reason="django-allauth is not installed")

from django.urls import path

from django_authsignal import address_views, contact
from django_authsignal.decorators import challenge_required

from .libraries import installed

EMAIL = "django_authsignal.contact.allauth_email"
PHONE = "django_authsignal.contact.allauth_phone"


@pytest.fixture(scope="module", autouse=True)
def _libraries(django_db_setup, django_db_blocker):
    with installed(django_db_blocker):
        yield


@pytest.fixture
def add(ada):
    """Adds an address to Ada's."""
    from allauth.account.models import EmailAddress

    return lambda email, **values: EmailAddress.objects.create(user=ada, email=email, **values)


class PhoneAdapter:
    """allauth's adapter of a project that keeps numbers."""

    verified = True

    def __init__(self, request=None):
        pass

    def get_phone(self, user):
        return ("+6421123456", self.verified) if user.username == "ada" else None


def test_only_the_verified_address_is_named(ada, add):
    assert contact.allauth_email(ada) is None
    add("new@example.com", primary=True)
    assert contact.allauth_email(ada) is None
    old = add("old@example.com", verified=True)
    assert contact.allauth_email(ada) == "old@example.com"
    old.delete()
    assert contact.allauth_email(ada) is None


def test_the_primary_address_comes_first(ada, add):
    add("first@example.com", verified=True)
    add("primary@example.com", verified=True, primary=True)
    assert contact.allauth_email(ada) == "primary@example.com"


def test_a_confirmation_is_told_and_a_new_address_that_waits_for_one_is_not(
    ada, add, ask, configure, commit, authsignal, told
):
    configure(SYNC_USERS=True, VERIFIED_EMAIL=EMAIL)
    ask(ada)
    with commit():
        old = add("old@example.com", primary=True)
    assert told() == []
    with commit():
        assert old.set_verified()
    assert told() == [("update", "old@example.com")]
    with commit():
        new = add("thief@example.com")
        ada.email = "thief@example.com"
        ada.save()
    assert told() == [("update", "old@example.com")]
    with commit():
        new.set_verified()
        new.set_as_primary()
    assert told()[1:] == [("update", "thief@example.com")]


def test_removing_an_address_leaves_what_authsignal_has(ada, add, ask, configure, commit, authsignal, told):
    configure(SYNC_USERS=True, VERIFIED_EMAIL=EMAIL)
    ask(ada)
    with commit():
        address = add("old@example.com", primary=True, verified=True)
    with commit():
        address.remove()
    assert told() == [("update", "old@example.com")]


@pytest.mark.parametrize(("verified", "number"), [(True, "+6421123456"), (False, None)])
def test_only_a_verified_number_is_named(ada, bob, configure, settings, monkeypatch, verified, number):
    settings.ACCOUNT_ADAPTER = f"{__name__}.PhoneAdapter"
    monkeypatch.setattr(PhoneAdapter, "verified", verified)
    configure(VERIFIED_PHONE=PHONE)
    assert contact.of(ada).phone == number
    assert contact.of(bob).phone is None


def test_the_views_that_change_an_address_are_named_unless_they_ask():
    from allauth.account import views

    page, number = views.EmailView.as_view(), views.ChangePhoneView.as_view()
    asking = challenge_required("changeEmail")(views.EmailView.as_view())
    patterns = [path("email/", page), path("phone/", number), path("asking/", asking)]
    assert [route for route, _ in address_views.unguarded(patterns)] == ["/email/", "/phone/"]


def test_the_views_of_its_headless_api_are_known():
    from allauth.headless.account import views

    for view in (views.ManageEmailView, views.ManagePhoneView):
        assert address_views.is_known(view)
