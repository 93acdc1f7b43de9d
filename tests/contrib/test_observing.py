"""API clients under ENFORCE "observe": nobody is stopped, and a proof's age is one observation."""

import pytest

from django_authsignal.models import Challenge
from tests.conftest import PASSWORD, newest
from tests.contrib.test_rest_framework import BODY, DOORS

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("atomic_requests")]


@pytest.fixture(autouse=True)
def _observing(settings):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ENFORCE": "observe"}


@pytest.mark.parametrize("failure", [None, "timeout", "401", "500"])
@pytest.mark.parametrize(("path", "method"), DOORS.values(), ids=DOORS)
def test_no_client_is_stopped(client_of, ada, authsignal, path, method, failure):
    client = client_of(ada)
    authsignal.block().fail(failure)
    assert client.send(path, BODY, method=method).status_code in (200, 204)


def test_a_client_that_asks_often_is_observed_once(client_of, ada, authsignal):
    client = client_of(ada)
    for _ in range(5):
        assert client.send("/api/withdraw/").status_code == 200
    assert [call.action for call in authsignal.calls if call.action == "withdrawFunds"] == ["withdrawFunds"]
    assert newest().reason == "observed: challenge"


def test_another_credential_of_the_same_user_is_another_client(client_of, ada):
    first, second = client_of(ada), client_of(ada)
    second.authorization += " "  # another header value is another credential
    first.send("/api/withdraw/")
    second.send("/api/withdraw/")
    assert Challenge.objects.filter(action="withdrawFunds").count() == 2


def test_each_token_that_is_issued_is_one(anonymous_client, ada, authsignal):
    for _ in range(2):
        answer = anonymous_client.send("/api/token/", {"username": "ada", "password": PASSWORD})
        assert "token" in answer.json()
    assert Challenge.objects.filter(reason="observed: challenge", action="signIn").count() == 2
