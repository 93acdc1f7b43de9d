"""Clients of an API: each credential proves for itself, every door asks, and no token endpoint is a way around."""

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations

import pytest
from asgiref.sync import async_to_sync
from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.checks import run_checks
from django.db import connections
from django.http import HttpResponse
from django.test import AsyncClient
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt
from knox.models import AuthToken
from rest_framework.authentication import SessionAuthentication
from rest_framework.authtoken.models import Token
from rest_framework.decorators import action, api_view, authentication_classes
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.routers import DefaultRouter
from rest_framework.viewsets import ViewSet
from rest_framework_simplejwt.tokens import AccessToken

from django_authsignal.contrib.rest_framework import ChallengeRequiredMixin
from django_authsignal.decorators import challenge_required
from django_authsignal.models import Challenge, Status
from tests.conftest import PASSWORD, Browser, newest
from tests.contrib.conftest import ApiClient
from tests.contrib.drf_urls import WAYS, Base
from tests.contrib.drf_urls import urlpatterns as drf

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.security, pytest.mark.urls(__name__)]

effects = []


def close_account(request):
    """The effect, shared by every door of its own; it asks by itself."""
    request.authsignal.require("closeAccount")
    effects.append(request.method)


def close_guarded():
    effects.append("closed")


@csrf_exempt
@challenge_required("closeAccount")
def page(request):
    close_guarded()
    return HttpResponse("closed")


@challenge_required("closeAccount")
@api_view(["GET", "POST", "PUT", "PATCH", "DELETE"])
@authentication_classes(WAYS)
def function(request):
    close_guarded()
    return Response("closed")


class Accounts(ChallengeRequiredMixin, ViewSet):
    authentication_classes = WAYS
    permission_classes = [IsAuthenticated]
    challenge_action = "closeAccount"

    def list(self, request, **kwargs):
        close_guarded()
        return Response("closed")

    create = retrieve = update = partial_update = destroy = list

    @action(detail=True, methods=["post"])
    def close(self, request, pk, **kwargs):
        return self.list(request)

    @close.mapping.delete
    def close_at_once(self, request, pk, **kwargs):
        return self.list(request)


class Forgotten(Base):
    """A door whose own guard was forgotten: the code behind it asks."""

    def post(self, request):
        close_account(request)
        return Response("closed")

    get = put = patch = delete = post


class OnlyDelete(ChallengeRequiredMixin, Base):
    challenge_actions = {"delete": "closeAccount"}

    def delete(self, request):
        close_guarded()
        return Response("closed")

    def post(self, request):
        return Response("written")


class BySession(ChallengeRequiredMixin, Base):
    authentication_classes = [SessionAuthentication]
    challenge_action = "withdrawFunds"

    def post(self, request):
        return Response("withdrawn")


router = DefaultRouter()
router.register("accounts", Accounts, basename="closing")

urlpatterns = [
    path("page/", page),
    path("function/", function),
    path("forgotten/", Forgotten.as_view()),
    path("only-delete/", OnlyDelete.as_view()),
    path("by-session/", BySession.as_view()),
    path("v1/", include(router.urls)),
    *drf,
]


@pytest.fixture(autouse=True)
def _no_effects():
    effects.clear()


@pytest.fixture
def ada(transactional_db):
    return get_user_model().objects.create_user("ada", "ada@example.com", PASSWORD)


def basic(user):
    return "Basic " + base64.b64encode(f"{user.username}:{PASSWORD}".encode()).decode()


WAYS_IN = {
    "basic": basic,
    "token": lambda user: f"Token {Token.objects.get_or_create(user=user)[0].key}",
    "jwt": lambda user: f"Bearer {AccessToken.for_user(user)}",
    "another jwt": lambda user: f"Bearer {AccessToken.for_user(user)}",
    "knox": lambda user: f"Knox {AuthToken.objects.create(user)[1]}",
    "session": None,
}


class InBrowser:
    """A browser's session, asking as fetch does."""

    def __init__(self, authsignal):
        self.browser = Browser(authsignal)
        self.browser.sign_in()
        self.complete = lambda refused: authsignal.complete(refused.json()["challengeId"])

    def send(self, where, data=None, *, method="post", token=""):
        headers = {"Authsignal-Token": token} if token else {}
        return self.browser.fetch(where, method, data=data or {}, headers=headers)

    def prove(self, where, data=None, *, method="post"):
        self.send(where, data, method=method)
        self.browser.prove()
        return self.send(where, data, method=method)


@pytest.fixture
def by(authsignal, ada, monkeypatch):
    """Makes clients of ada's, by the way's name; their sign-in is proved."""
    monkeypatch.setattr("knox.auth.knox_settings.AUTH_HEADER_PREFIX", "Knox", raising=False)

    def make(way):
        if way == "session":
            return InBrowser(authsignal)
        client = ApiClient(authsignal, WAYS_IN[way](ada))
        if way == "basic":
            assert client.prove("/api/plain/").status_code == 200
        return client

    return make


@pytest.fixture
def client(by):
    return by("token")


# 36: other doors to one effect

DOORS = [
    ("/page/", "get", {}),
    ("/page/", "post", {}),
    ("/function/", "get", {}),
    ("/function/", "put", {}),
    ("/function/", "patch", {}),
    ("/function/", "delete", {}),
    ("/v1/accounts/", "get", {}),
    ("/v1/accounts/", "post", {}),
    ("/v1/accounts/7/", "get", {}),
    ("/v1/accounts/7/", "put", {}),
    ("/v1/accounts/7/", "patch", {}),
    ("/v1/accounts/7/", "delete", {}),
    ("/v1/accounts/7/close/", "post", {}),
    ("/v1/accounts/7/close/", "delete", {}),
    ("/v1/accounts.json", "get", {}),
    ("/v1/accounts/7.json", "delete", {}),
    ("/forgotten/", "get", {}),
    ("/forgotten/", "post", {}),
    ("/forgotten/", "put", {}),
    ("/forgotten/", "patch", {}),
    ("/forgotten/", "delete", {}),
    ("/only-delete/", "delete", {"X-HTTP-Method-Override": "POST"}),
    ("/only-delete/", "delete", {"X-HTTP-Method": "POST"}),
    ("/only-delete/?_method=POST", "delete", {}),
]


@pytest.mark.security(36)
@pytest.mark.parametrize(("where", "method", "headers"), DOORS)
def test_every_other_door_to_an_effect_asks(client, where, method, headers):
    answer = client.generic(
        method.upper(), where, "{}", content_type="application/json", headers={**headers, **authorized(client)}
    )
    assert answer.status_code == 401
    assert effects == []


def authorized(client):
    return {"Authorization": client.authorization}


@pytest.mark.security(36)
@pytest.mark.parametrize("where", ["/page/", "/function/", "/v1/accounts/", "/v1/accounts/7/", "/forgotten/"])
@pytest.mark.parametrize("method", ["head", "options", "trace"])
def test_a_method_that_only_looks_does_nothing_and_begins_nothing(client, authsignal, where, method):
    client.generic(method.upper(), where, headers=authorized(client))
    assert effects == []
    assert authsignal.calls == []


@pytest.mark.security(36)
@pytest.mark.parametrize("where", ["/only-delete/", "/only-delete/?_method=DELETE"])
@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_a_method_hidden_in_a_header_or_a_field_runs_nothing_unasked(client, where, header):
    body = json.dumps({"_method": "DELETE"})
    headers = {header: "DELETE", **authorized(client)}
    answer = client.generic("POST", where, body, content_type="application/json", headers=headers)
    assert answer.json() == "written"
    assert effects == []


# 37: the middleware


@pytest.mark.security(37)
@pytest.mark.parametrize("where", ["/function/", "/v1/accounts/", "/v1/accounts/7/close/", "/only-delete/"])
def test_without_the_middleware_an_api_still_asks(client, settings, where):
    settings.MIDDLEWARE = [one for one in settings.MIDDLEWARE if "authsignal" not in one]
    method = "delete" if where == "/only-delete/" else "post"
    assert client.send(where, method=method).status_code == 401
    assert effects == []
    assert client.prove(where, method=method).status_code == 200


@pytest.mark.security(37)
def test_without_the_middleware_deep_code_runs_nothing(client, settings):
    settings.MIDDLEWARE = [one for one in settings.MIDDLEWARE if "authsignal" not in one]
    client.raise_request_exception = False
    assert client.send("/forgotten/").status_code == 500
    assert effects == []


# 38: each credential for itself


@pytest.mark.security(38)
@pytest.mark.parametrize(("proved", "asked"), [*permutations(WAYS_IN, 2)], ids=str)
def test_a_proof_of_one_way_in_counts_for_no_other_of_the_same_user(by, proved, asked):
    other = by(asked)
    assert by(proved).prove("/api/withdraw/").status_code == 200
    assert other.send("/api/withdraw/").status_code == 401


def test_a_session_beside_a_token_lends_it_no_proof(by, authsignal, ada):
    browser = by("session").browser
    browser.get("/withdraw/")
    browser.prove()
    both = {"Authorization": WAYS_IN["token"](ada), "Accept": "application/json"}
    assert browser.post("/api/withdraw/", headers=both).status_code == 401
    assert browser.post("/by-session/", headers={"Accept": "application/json"}).status_code == 200


def test_a_token_beside_a_session_lends_it_no_proof(by, client):
    assert client.prove("/api/withdraw/").status_code == 200
    browser = by("session").browser
    both = {**authorized(client), "Accept": "application/json", "Sec-Fetch-Mode": "cors"}
    assert browser.post("/by-session/", headers=both).status_code == 401


def test_a_header_that_nobody_authenticated_by_lends_a_session_no_proof_and_takes_none(by):
    browser = by("session").browser
    browser.get("/withdraw/")
    browser.prove()
    junk = {"Authorization": "Bearer junk", "Accept": "application/json"}
    assert browser.post("/by-session/", headers=junk).status_code == 200


# 39: endpoints that issue tokens

ISSUING = {"authtoken": "/api/token/", "simplejwt": "/api/pair/", "sliding": "/api/sliding/", "knox": "/api/knox/"}


@pytest.mark.security(39)
@pytest.mark.parametrize("where", ISSUING.values(), ids=ISSUING)
def test_no_endpoint_issues_a_token_for_a_password_alone(authsignal, ada, where):
    client = ApiClient(authsignal, basic(ada) if where == "/api/knox/" else "")
    refused = client.send(where, {"username": "ada", "password": PASSWORD})
    assert (refused.status_code, refused.json()["code"]) == (401, "challenge_required")
    assert not Token.objects.exists()
    assert not AuthToken.objects.exists()


@pytest.mark.security(39)
def test_an_endpoint_without_the_gate_is_reported(settings):
    settings.ROOT_URLCONF = "tests.contrib.unguarded_urls"
    assert "authsignal.W009" in {item.id for item in run_checks()}


@pytest.mark.security(39)
def test_a_refresh_extends_no_step_up(authsignal, ada):
    anonymous = ApiClient(authsignal)
    tokens = anonymous.prove("/api/pair/", {"username": "ada", "password": PASSWORD}).json()
    assert ApiClient(authsignal, f"Bearer {tokens['access']}").prove("/api/withdraw/").status_code == 200
    access = anonymous.send("/api/refresh/", {"refresh": tokens["refresh"]}).json()["access"]
    assert ApiClient(authsignal, f"Bearer {access}").send("/api/withdraw/").status_code == 401


# 61: who began it


@pytest.mark.security(61)
def test_a_browsers_challenge_is_not_finished_by_a_header(by, client, authsignal):
    browser = by("session").browser
    browser.get("/withdraw/")
    row = newest()
    token = authsignal.complete(str(row.pk))
    assert client.send("/api/withdraw/", token=token).status_code == 401
    row.refresh_from_db()
    assert row.status == Status.OPEN
    assert by("session").send("/api/withdraw/", token=token).status_code == 401


@pytest.mark.security(61)
@pytest.mark.parametrize("door", ["callback", "challenge"])
def test_an_api_clients_challenge_is_not_finished_by_a_browser(by, client, authsignal, door):
    refused = client.send("/api/withdraw/")
    row, token = newest(), client.complete(refused)
    browser = by("session").browser
    if door == "callback":
        browser.callback(row, token=token)
    else:
        where = f"/authsignal/challenges/{row.pk}/"
        browser.post(where, json.dumps({"token": token}), content_type="application/json")
    row.refresh_from_db()
    assert row.status == Status.OPEN
    assert browser.fetch("/by-session/", "post").status_code == 401
    assert client.send("/api/withdraw/", token=token).status_code == 200


@pytest.mark.security(61)
def test_another_credential_of_the_same_user_does_not_finish_it(by, client):
    token = client.complete(client.send("/api/withdraw/"))
    refused = by("jwt").send("/api/withdraw/", token=token)
    assert (refused.status_code, refused.json()["reason"]) == (401, "gone")


def test_another_user_does_not_finish_it(client, authsignal, bob):
    token = client.complete(client.send("/api/withdraw/"))
    bobs = ApiClient(authsignal, WAYS_IN["token"](bob))
    assert bobs.send("/api/withdraw/", token=token).status_code == 401
    assert bobs.send("/api/withdraw/").status_code == 401


def test_a_proof_of_one_action_does_not_serve_another(client):
    token = client.complete(client.send("/api/withdraw/"))
    refused = client.send("/api/delete/", token=token)
    assert (refused.status_code, refused.json()["action"]) == (401, "deleteAccount")


def test_a_challenge_of_another_client_cannot_be_looked_at(by, client):
    row = (client.send("/api/withdraw/"), newest())[1]
    answer = by("session").browser.fetch(f"/authsignal/challenges/{row.pk}/")
    assert "token" not in answer.content.decode()
    assert "url" not in (answer.json() if "json" in answer["Content-Type"] else {})


# What is kept, what is sent


@pytest.mark.security(21)
@pytest.mark.parametrize("way", [way for way in WAYS_IN if way != "session"])
def test_a_credential_and_a_result_token_are_at_rest_nowhere(by, way, authsignal, caplog):
    client = by(way)
    refused = client.send("/api/withdraw/")
    secrets = [client.authorization, refused.json()["token"], refused.json()["url"], client.complete(refused)]
    assert client.send("/api/withdraw/", token=secrets[-1]).status_code == 200
    kept = repr([list(model.objects.values()) for model in apps.get_models() if model not in (Token, AuthToken)])
    assert [one for one in secrets if one in kept or one in caplog.text] == []


GARBAGE = [
    "junk",
    "a.b.c",
    "..",
    "a.e30.c",
    "a." + base64.urlsafe_b64encode(b'{"other": {"idempotencyKey": "not-a-uuid"}}').decode() + ".c",
    "a." + base64.urlsafe_b64encode(b'{"other": []}').decode() + ".c",
    "a." + base64.urlsafe_b64encode(b"[" * 5000).decode() + ".c",
    "a.\xff\xfe.c",
    "x" * 20_000,
]


@pytest.mark.parametrize("token", GARBAGE, ids=range(len(GARBAGE)))
def test_a_header_of_garbage_is_no_proof_and_no_crash(client, authsignal, token):
    refused = client.send("/api/withdraw/", token=token)
    assert (refused.status_code, refused.json()["reason"]) == (401, "gone")
    assert {call.operation for call in authsignal.calls} == {"track"}


# 5, 12: many at once


def at_once(send):
    """Twenty threads; what they were answered."""

    def one(_):
        try:
            return send()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(20) as pool:
        return list(pool.map(one, range(20)))


@pytest.mark.usefixtures("validated_together")
@pytest.mark.parametrize("where", ["/api/delete/", "/api/pay/"])
def test_of_twenty_parallel_requests_with_one_token_exactly_one_runs(client, authsignal, where):
    body = {"amount": "1", "payee": "Zo"}
    token = client.complete(client.send(where, body))

    def send():
        return ApiClient(authsignal, client.authorization).send(where, body, token=token).status_code

    assert sorted(at_once(send)) == [200] + [401] * 19
    assert Challenge.objects.filter(status=Status.SPENT).count() == 1


def test_of_twenty_parallel_requests_over_asgi_exactly_one_runs(client, authsignal):
    token = client.complete(client.send("/api/delete/"))
    headers = {**authorized(client), "Authsignal-Token": token, "Accept": "application/json"}

    def send():
        return async_to_sync(AsyncClient().post)("/api/delete/", headers=headers).status_code

    assert sorted(at_once(send)) == [200] + [401] * 19


def test_of_twenty_parallel_sign_ins_with_one_token_exactly_one_is_issued(authsignal, ada):
    credentials = {"username": "ada", "password": PASSWORD}
    first = ApiClient(authsignal)
    token = first.complete(first.send("/api/pair/", credentials))

    def send():
        return ApiClient(authsignal).send("/api/pair/", credentials, token=token).status_code

    assert sorted(at_once(send)) == [200] + [401] * 19
