"""What ships for the tests of applications that have an API."""

import base64

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from knox.models import AuthToken
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient, APIRequestFactory, APITestCase, force_authenticate
from rest_framework_simplejwt.tokens import AccessToken

from django_authsignal.testing.unittest import AuthsignalTestMixin
from tests.conftest import PASSWORD
from tests.contrib.drf_urls import Withdraw

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.contrib.drf_urls")]


def basic(user):
    return "Basic " + base64.b64encode(f"{user.username}:{PASSWORD}".encode()).decode()


HEADERS = {
    "token": lambda user: f"Token {Token.objects.create(user=user).key}",
    "jwt": lambda user: f"Bearer {AccessToken.for_user(user)}",
    "basic": basic,
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_a_client_with_credentials_holds_what_it_is_given(authsignal, ada, header, settings):
    settings.REST_FRAMEWORK = {
        "DEFAULT_AUTHENTICATION_CLASSES": [
            "rest_framework.authentication.TokenAuthentication",
            "rest_framework_simplejwt.authentication.JWTAuthentication",
        ]
    }
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=header(ada))
    client.pass_challenge("signIn")
    assert client.post("/api/withdraw/").status_code == 401
    client.pass_challenge("withdrawFunds")
    assert client.post("/api/withdraw/").status_code == 200
    assert [call.operation for call in authsignal.calls] == ["track"]


def test_a_client_that_only_a_view_could_tell_is_told_to_say_whose_it_is(authsignal, ada, monkeypatch):
    monkeypatch.setattr("knox.auth.knox_settings.AUTH_HEADER_PREFIX", "Knox", raising=False)
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Knox {AuthToken.objects.create(ada)[1]}")
    with pytest.raises(ValueError, match="user="):
        client.pass_challenge("withdrawFunds")
    client.pass_challenge("withdrawFunds", user=ada)
    assert client.post("/api/withdraw/").status_code == 200
    assert authsignal.calls == []


@pytest.mark.parametrize("token", [None, "a token"])
def test_a_client_that_is_forced_holds_what_it_is_given(authsignal, ada, bob, token):
    client = APIClient()
    client.force_authenticate(ada, token=token)
    client.pass_challenge("withdrawFunds")
    assert client.post("/api/withdraw/").status_code == 200
    client.force_authenticate(bob, token=token)
    assert client.post("/api/withdraw/").status_code == 401
    assert [call.user_id for call in authsignal.calls] == [str(bob.pk)]


def test_a_client_that_logs_in_comes_by_its_session(authsignal, ada):
    client = APIClient()
    client.force_login(ada)
    assert client.get("/api/withdraw/").status_code == 401
    client.pass_challenge("withdrawFunds")
    assert client.get("/api/withdraw/").status_code == 200


def test_a_forced_client_completes_a_challenge_of_one_request(authsignal, ada):
    client = APIClient()
    client.force_authenticate(ada)
    with pytest.raises(ValueError, match="one request"):
        client.pass_challenge("deleteAccount")
    refused = client.post("/api/delete/")
    token = authsignal.complete(refused.json()["challengeId"])
    assert client.post("/api/delete/", headers={"Authsignal-Token": token}).status_code == 200
    assert client.post("/api/delete/", headers={"Authsignal-Token": token}).status_code == 401


def test_a_view_that_is_called_by_itself_asks_and_passes(authsignal, ada):
    view, factory = Withdraw.as_view(), APIRequestFactory()

    def call():
        request = factory.post("/api/withdraw/")
        force_authenticate(request, ada)
        return view(request)

    assert call().status_code == 401
    client = APIClient()
    client.force_authenticate(ada)
    client.pass_challenge("withdrawFunds")
    assert call().status_code == 200


def test_djangos_own_client_with_a_header_holds_what_it_is_given(authsignal, ada):
    client = Client(headers={"Authorization": f"Token {Token.objects.create(user=ada).key}"})
    client.pass_challenge("withdrawFunds", user=ada)
    assert client.post("/api/withdraw/").status_code == 200


def test_a_credential_of_the_projects_own_is_named(authsignal, ada, settings):
    settings.ROOT_URLCONF = "tests.contrib.test_credentials"
    client = APIClient(headers={"X-API-Key": "ada1"})
    with pytest.raises(ValueError, match="credential="):
        client.pass_challenge("withdrawFunds", user=ada)
    client.pass_challenge("withdrawFunds", user=ada, credential="ada1")
    assert client.post("/hook/").status_code == 200
    assert APIClient(headers={"X-API-Key": "ada2"}).post("/hook/").status_code == 401


class ApiTests(AuthsignalTestMixin, APITestCase):
    """The same for unittest."""

    def test_the_mixin_goes_before_the_frameworks_test_case(self):
        self.client.force_authenticate(get_user_model().objects.create_user("ada"))
        self.client.pass_challenge("withdrawFunds")
        assert self.client.post("/api/withdraw/").status_code == 200
        assert self.authsignal.calls == []
