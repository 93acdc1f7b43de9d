"""API clients, each by its own way of authentication, with the proofs of that way."""

import base64

import pytest
from django.db import connection
from django.test import Client
from knox.models import AuthToken
from rest_framework.authtoken.models import Token
from rest_framework_simplejwt.tokens import AccessToken

from tests.conftest import PASSWORD, Browser


@pytest.fixture(autouse=True)
def _api(settings):
    settings.ROOT_URLCONF = "tests.contrib.drf_urls"


@pytest.fixture(params=[False, True], ids=["plain", "atomic"])
def atomic_requests(request, monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", request.param)


class ApiClient(Client):
    """A native client: it keeps no cookie, and speaks JSON."""

    def __init__(self, authsignal, authorization=""):
        super().__init__(enforce_csrf_checks=True, headers={"Accept": "application/json"})
        self.authsignal = authsignal
        self.authorization = authorization

    def send(self, path, data=None, *, method="post", token="", follow=True):
        headers = {"Authorization": self.authorization} if self.authorization else {}
        headers |= {"Authsignal-Token": token} if token else {}
        body = {} if method == "get" else {"data": data or {}, "content_type": "application/json"}
        answer = getattr(self, method)(path, headers=headers, **body)
        assert not answer.cookies, "an API client is given no cookie"
        if follow and answer.status_code == 307:
            return self.send(answer["Location"], data, method=method, token=token, follow=False)
        return answer

    def complete(self, refused, **how):
        """Answers the challenge of a refusal; what the SDK hands back."""
        return self.authsignal.complete(refused.json()["challengeId"], **how)

    def prove(self, path, data=None, *, method="post", **how):
        """Sends, completes the challenge, and sends again with its result token."""
        refused = self.send(path, data, method=method)
        assert refused.status_code == 401, refused.content
        return self.send(path, data, method=method, token=self.complete(refused, **how))


def basic(user):
    return "Basic " + base64.b64encode(f"{user.username}:{PASSWORD}".encode()).decode()


AUTHORIZATIONS = {
    "basic": basic,
    "token": lambda user: f"Token {Token.objects.get_or_create(user=user)[0].key}",
    "jwt": lambda user: f"Bearer {AccessToken.for_user(user)}",
    "knox": lambda user: f"Token {AuthToken.objects.create(user)[1]}",
}


@pytest.fixture(params=AUTHORIZATIONS)
def client_of(request, authsignal, monkeypatch):
    """Makes API clients of a user, by each way of authentication; a Basic one has proved its sign-in already."""
    if request.param == "knox":
        monkeypatch.setattr("knox.auth.knox_settings.AUTH_HEADER_PREFIX", "Knox", raising=False)

    def make(user):
        client = ApiClient(authsignal, AUTHORIZATIONS[request.param](user))
        if request.param == "knox":
            client.authorization = client.authorization.replace("Token", "Knox")
        if request.param == "basic" and client.send("/api/plain/").status_code == 401:
            assert client.prove("/api/plain/").status_code == 200
            authsignal.calls.clear()
        return client

    return make


@pytest.fixture
def anonymous_client(authsignal):
    return ApiClient(authsignal)


@pytest.fixture
def page_browser(authsignal):
    return Browser(authsignal)
