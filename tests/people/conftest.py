"""Fixtures for what Authsignal is told of people."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from django_authsignal.identity import authsignal_id
from django_authsignal.models import Challenge

FIELD = "django_authsignal.contact.email_field"


@pytest.fixture
def following(configure):
    """SYNC_USERS is on, and the user model's field is verified."""
    configure(SYNC_USERS=True, VERIFIED_EMAIL=FIELD)


@pytest.fixture
def ask():
    """Makes a row of the ledger: the user was asked for something at Authsignal."""

    def asked(user, **values):
        later = timezone.now() + timedelta(minutes=10)
        values = {"id": uuid.uuid4(), "action": "pay", "expires_at": later, "kind": "step_up", **values}
        return Challenge.objects.create(user_pk=str(user.pk), authsignal_id=authsignal_id(user), **values)

    return asked


@pytest.fixture
def commit(django_capture_on_commit_callbacks):
    """What is saved inside it is committed at its end."""
    return lambda: django_capture_on_commit_callbacks(execute=True)


@pytest.fixture
def told(authsignal):
    """What Authsignal was told of users since the test began: pairs of an operation and an id or e-mail address."""

    def calls():
        wanted = ("update_user", "delete_user")
        return [
            (call.operation.removesuffix("_user"), (call.json or {}).get("email", call.user_id))
            for call in authsignal.calls
            if call.operation in wanted
        ]

    return calls
