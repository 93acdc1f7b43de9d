"""The same at a real emulator: what it knows of a user follows the user, and so do the codes that it mails."""

import uuid

import pytest
import requests
from django.core.management import call_command

from django_authsignal.client import Client
from django_authsignal.identity import authsignal_id


@pytest.fixture
def emulator(authsignal_emulator, configure):
    """A real emulator, where this test's users are nobody else's."""
    prefix = f"{uuid.uuid4().hex[:8]}-"
    verified = "django_authsignal.contact.email_field"
    configure(**authsignal_emulator.settings, USER_ID_PREFIX=prefix, SYNC_USERS=True, VERIFIED_EMAIL=verified)
    authsignal_emulator.configure("signIn")
    return authsignal_emulator


@pytest.fixture
def client(emulator):
    return Client(emulator.secret, api_url=emulator.api_url)


def mailed(emulator, client, user):
    """The addresses that a code for the user goes to."""
    before = len(emulator.inbox())
    token = client.track(authsignal_id(user), "signIn").token
    url = f"{emulator.api_url}/client/challenge/email-otp"
    requests.post(url, headers={"Authorization": f"Bearer {token}"}, timeout=15).raise_for_status()
    new = emulator.inbox()[: len(emulator.inbox()) - before]
    return [message["to"] for message in new]


def test_the_codes_follow_a_verified_change_and_no_other(ada, ask, emulator, client, configure, commit):
    ask(ada)
    old, new = (f"{uuid.uuid4().hex}@example.com" for _ in range(2))
    client.enroll_verified_authenticator(authsignal_id(ada), verification_method="EMAIL_OTP", email=old)
    configure(VERIFIED_EMAIL=lambda user: user.email if user.first_name == "verified" else None)
    with commit():
        ada.email = new
        ada.save()
    assert mailed(emulator, client, ada) == [old]
    with commit():
        ada.first_name = "verified"
        ada.save()
    there = client.get_user(authsignal_id(ada))
    assert (there.email, there.email_verified) == (new, True)
    assert mailed(emulator, client, ada) == [new]


def test_a_deleted_user_is_unknown_there(ada, ask, emulator, client, commit):
    ask(ada)
    found = authsignal_id(ada)
    client.enroll_verified_authenticator(found, verification_method="EMAIL_OTP", email="ada@example.com")
    assert client.get_user(found).is_enrolled
    with commit():
        ada.delete()
    assert not client.get_user(found).is_enrolled
    assert client.get_user(found).email is None


def test_the_command_sets_right_and_then_finds_nothing_to_do(ada, ask, emulator, client, capsys):
    ask(ada)
    client.update_user(authsignal_id(ada), email="portal@example.com")
    call_command("authsignal_sync_users", "--dry-run")
    assert client.get_user(authsignal_id(ada)).email == "portal@example.com"
    call_command("authsignal_sync_users")
    there = client.get_user(authsignal_id(ada))
    assert (there.email, there.email_verified) == ("ada@example.com", True)
    capsys.readouterr()
    call_command("authsignal_sync_users")
    assert "0 updated, 0 removed, 1 unchanged" in capsys.readouterr().out
