"""Run by test_two_databases.py with settings of their own."""

import pytest
from django.db import connections
from rest_framework.authtoken.models import Token

from django_authsignal.models import Challenge, Status
from tests.conftest import PASSWORD
from tests.contrib.conftest import ApiClient
from tests.contrib.drf_urls import Pay
from tests.contrib.test_rest_framework import BODY, DOORS

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture
def ada(transactional_db, django_user_model):
    return django_user_model.objects.create_user("ada", "ada@example.com", PASSWORD)


@pytest.fixture
def client(authsignal, ada):
    return ApiClient(authsignal, f"Token {Token.objects.create(user=ada).key}")


@pytest.mark.parametrize(("path", "method"), DOORS.values(), ids=DOORS)
def test_every_door_asks_and_passes(client, path, method):
    assert client.prove(path, BODY, method=method).status_code == 200
    assert Challenge.objects.using("ledger").exists()


@pytest.mark.parametrize("failing", [False, True])
def test_a_handler_runs_in_a_transaction_of_both_and_asking_in_none(client, monkeypatch, authsignal, failing):
    def open_blocks():
        return [bool(connections[alias].in_atomic_block) for alias in ("default", "ledger")]

    seen = {}
    paid, track = Pay.post, authsignal.send

    def post(view, request):
        seen["handler"] = open_blocks()
        return paid(view, request)

    def send(*args, **kwargs):
        seen["call"] = open_blocks()
        return track(*args, **kwargs)

    monkeypatch.setattr(Pay, "post", post)
    monkeypatch.setattr(authsignal, "send", send)
    client.raise_request_exception = False
    body = {**BODY, "fail": True} if failing else BODY
    token = client.complete(client.send("/api/pay/", body))
    assert client.send("/api/pay/", body, token=token).status_code == (500 if failing else 200)
    assert seen == {"call": [False, False], "handler": [True, True]}
    assert Challenge.objects.get().status == Status.SPENT
    assert client.send("/api/pay/", body, token=token).status_code == 401
