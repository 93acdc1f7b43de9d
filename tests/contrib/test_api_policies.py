"""Every policy key, for API clients: what it means where there is no session and nobody to send to a page."""

from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import AsyncClient
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from rest_framework.authentication import TokenAuthentication
from rest_framework.authtoken.models import Token
from rest_framework.response import Response

from django_authsignal.client import ConfigurationError
from django_authsignal.contrib.rest_framework import ChallengeRequiredMixin
from django_authsignal.decorators import challenge_required
from django_authsignal.models import Challenge, Status
from tests.conftest import newest
from tests.contrib.conftest import ApiClient, basic
from tests.contrib.drf_urls import Base
from tests.contrib.drf_urls import urlpatterns as drf

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("atomic_requests")]

BODY = {"amount": "250.00", "payee": "Zoë"}
ONCE = {"bound": ("/api/pay/", BODY), "one request": ("/api/delete/", None)}


class Narrow(ChallengeRequiredMixin, Base):
    challenge_action = "withdrawFunds"
    challenge_max_age = 60

    def post(self, request):
        return Response("withdrawn")


# Django's own views, by a bearer token that a middleware of the project's own reads.


def by_bearer(get_response):
    """The whole of what such a middleware needs: who comes. The Authorization header is the credential."""

    def middleware(request):
        _, _, key = request.headers.get("Authorization", "").partition(" ")
        found = Token.objects.filter(key=key.strip()).first() if key else None
        if found:
            request.user = found.user
        return get_response(request)

    return middleware


def by_key(get_response):
    """A key in a header of its own is named."""

    def middleware(request):
        found = Token.objects.filter(key=request.headers.get("X-API-Key", "")).first()
        if found:
            request.user = found.user
            request.authsignal.set_credential(found.key)
        return get_response(request)

    return middleware


@csrf_exempt
@challenge_required("withdrawFunds")
def plain(request):
    return HttpResponse("plain")


@transaction.non_atomic_requests  # Django runs no async view under ATOMIC_REQUESTS otherwise
@csrf_exempt
@challenge_required("withdrawFunds")
async def plain_async(request):
    return HttpResponse("plain")


@csrf_exempt
@challenge_required("deleteAccount")
def once(request):
    return HttpResponse("once")


@transaction.non_atomic_requests  # Django runs no async view under ATOMIC_REQUESTS otherwise
@csrf_exempt
@challenge_required("deleteAccount")
async def once_async(request):
    return HttpResponse("once")


@csrf_exempt
def deep(request):
    request.authsignal.require("deleteAccount")
    return HttpResponse("deep")


@transaction.non_atomic_requests  # Django runs no async view under ATOMIC_REQUESTS otherwise
@csrf_exempt
async def deep_async(request):
    await request.authsignal.arequire("deleteAccount")
    return HttpResponse("deep")


@csrf_exempt
@challenge_required("payInvoice", bind=["amount"])
def pay(request):
    return HttpResponse(request.authsignal.bound["amount"])


urlpatterns = [
    path("plain-pay/", pay),
    path("narrow/", Narrow.as_view()),
    path("plain/", plain),
    path("async/plain/", plain_async),
    path("once/", once),
    path("async/once/", once_async),
    path("deep/", deep),
    path("async/deep/", deep_async),
    *drf,
]


@pytest.fixture(autouse=True)
def _urls(settings, _api):
    settings.ROOT_URLCONF = __name__


class AsgiApiClient(ApiClient):
    """The same client through the ASGI handler."""

    def __init__(self, authsignal, authorization=""):
        super().__init__(authsignal, authorization)
        self._over_asgi = AsyncClient(enforce_csrf_checks=True, headers={"Accept": "application/json"})

    def generic(self, method, path, data="", *args, **kwargs):
        """Every kind of request ends here."""
        self._over_asgi.raise_request_exception = self.raise_request_exception
        kwargs = {key: value for key, value in kwargs.items() if key != "query_params" or value}
        headers = {**self.defaults_as_headers(), **(kwargs.pop("headers", None) or {})}

        async def send():
            return await self._over_asgi.generic(method, path, data, *args, headers=headers, **kwargs)

        return async_to_sync(send)()

    def defaults_as_headers(self):
        return {key[5:].replace("_", "-"): value for key, value in self.defaults.items() if key.startswith("HTTP_")}


@pytest.fixture(params=[ApiClient, AsgiApiClient], ids=["wsgi", "asgi"])
def make_client(request, authsignal):
    return lambda user: request.param(authsignal, f"Token {Token.objects.get_or_create(user=user)[0].key}")


@pytest.fixture
def client(make_client, ada):
    return make_client(ada)


@pytest.fixture
def policy(settings):
    """Sets the policy of an action."""

    def give(action, **keys):
        actions = {**settings.AUTHSIGNAL["ACTIONS"], action: {**settings.AUTHSIGNAL["ACTIONS"].get(action, {}), **keys}}
        settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ACTIONS": actions}

    return give


def statuses(action="withdrawFunds"):
    return list(Challenge.objects.filter(action=action).order_by("created_at").values_list("status", flat=True))


# ENFORCE


def test_observing_lets_a_client_through_and_writes_what_would_have_been_asked(client, policy):
    policy("withdrawFunds", ENFORCE="observe")
    assert client.send("/api/withdraw/").status_code == 200
    assert newest().reason.startswith("observed: challenge")


def off_for_services(request, user, action):
    return "off" if user.username.startswith("service-") else "on"


def test_a_callable_exempts_service_accounts_and_nobody_else(make_client, ada, authsignal, policy):
    policy("withdrawFunds", ENFORCE=off_for_services)
    service = get_user_model().objects.create_user("service-billing")
    assert make_client(service).send("/api/withdraw/").status_code == 200
    assert authsignal.calls == []
    assert make_client(ada).send("/api/withdraw/").status_code == 401


# ON_UNREACHABLE, ON_ALLOW


def test_an_outage_that_may_pass_lets_one_request_through_marked(client, authsignal, policy):
    policy("withdrawFunds", ON_UNREACHABLE="allow")
    authsignal.fail("timeout")
    assert client.send("/api/withdraw/").status_code == 200
    assert set(statuses()) <= {Status.DEGRADED, Status.SPENT}
    authsignal.fail(None)
    assert client.send("/api/withdraw/").status_code == 401


@pytest.mark.parametrize(("path", "body"), ONCE.values(), ids=ONCE)
def test_an_outage_never_stands_in_for_a_proof_of_one_request(client, authsignal, policy, path, body):
    policy("payInvoice", ON_UNREACHABLE="allow")
    policy("deleteAccount", ON_UNREACHABLE="allow")
    authsignal.fail("timeout")
    assert client.send(path, body).status_code == 503


def test_an_allow_that_may_pass_lets_one_request_through(client, authsignal, policy):
    policy("withdrawFunds", ON_ALLOW="pass")
    authsignal.allow()
    assert client.send("/api/withdraw/").status_code == 200
    authsignal.challenge()
    assert client.send("/api/withdraw/").status_code == 401


def test_an_allow_lets_one_request_with_a_password_through(authsignal, ada):
    authsignal.allow()
    assert ApiClient(authsignal, basic(ada)).send("/api/plain/").status_code == 200
    assert set(statuses("signIn")) <= {Status.ALLOWED, Status.SPENT}


def test_an_allow_is_denied_by_default(client, authsignal):
    authsignal.allow()
    refused = client.send("/api/withdraw/")
    assert (refused.status_code, refused.json()["reason"]) == (403, "denied")


# Reviews


@pytest.mark.parametrize("path", ["/api/withdraw/", "/api/accounts/7/freeze/", "/api/above/", "/plain/"])
def test_a_review_releases_one_request_of_its_credential(make_client, client, ada, authsignal, settings, path):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.by_bearer"]
    authsignal.review()
    held = client.send(path)
    assert (held.status_code, held.json()["code"]) == (403, "review_required")
    again = client.send(path)
    assert again.json()["challengeId"] == held.json()["challengeId"]
    authsignal.complete(held.json()["challengeId"], state="REVIEW_SUCCEEDED")
    Challenge.objects.update(checked_at=None)
    other = ApiClient(authsignal, f"{client.authorization} ")
    assert other.send(path).status_code == 403
    assert client.send(path).status_code == 200
    assert client.send(path).status_code == 403


def test_a_review_that_is_refused_denies(client, authsignal):
    authsignal.review()
    held = client.send("/api/withdraw/")
    authsignal.complete(held.json()["challengeId"], state="REVIEW_FAILED")
    refused = client.send("/api/withdraw/")
    assert refused.status_code == 403
    assert Status.DENIED in statuses()


# UNENROLLED


def test_an_un_enrolled_client_is_denied_a_step_up(client, authsignal):
    authsignal.unenrolled()
    refused = client.send("/api/withdraw/")
    assert (refused.status_code, refused.json()["reason"]) == (403, "not_enrolled")


def test_an_un_enrolled_client_may_be_let_through(client, authsignal, policy):
    policy("withdrawFunds", UNENROLLED="allow")
    authsignal.unenrolled()
    assert client.send("/api/withdraw/").status_code == 200


def test_a_token_does_not_let_somebody_enrol(client, authsignal, policy):
    policy("withdrawFunds", UNENROLLED="enroll")
    authsignal.unenrolled()
    assert client.send("/api/withdraw/").json()["reason"] == "not_enrolled"


def test_a_password_that_comes_with_the_request_lets_somebody_enrol(authsignal, ada, policy):
    policy("withdrawFunds", UNENROLLED="enroll")
    authsignal.allow("signIn")
    authsignal.unenrolled()
    client = ApiClient(authsignal, basic(ada))
    assert client.send("/api/withdraw/").json()["code"] == "challenge_required"


def verified(request, user, action):
    return {"email": user.email}


def test_a_verified_address_is_enrolled_and_asked(client, authsignal, policy, settings):
    policy("withdrawFunds", UNENROLLED="email")
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "TRACK_ATTRIBUTES": verified}
    authsignal.unenrolled()
    assert client.prove("/api/withdraw/", method="post").status_code == 200
    assert "enroll_verified_authenticator" in [call.operation for call in authsignal.calls]


# METHODS, MAX_AGE, CUSTOM, tenants


def test_a_proof_by_another_method_is_told_why_and_does_not_count(client, authsignal, policy):
    policy("withdrawFunds", METHODS=["PASSKEY"])
    refused = client.send("/api/withdraw/")
    token = authsignal.complete(refused.json()["challengeId"], method="SMS")
    answer = client.send("/api/withdraw/", token=token)
    assert (answer.status_code, answer.json()["reason"]) == (401, "method")


def test_a_view_may_ask_for_a_younger_proof(client, authsignal):
    client.prove("/api/withdraw/")
    assert client.send("/narrow/").status_code == 200
    row = Challenge.objects.get(action="withdrawFunds")
    row.proved_at = row.proved_at - timedelta(seconds=90)
    row.save(update_fields=["proved_at"])
    assert client.send("/api/withdraw/").status_code == 200
    assert client.send("/narrow/").status_code == 401


def test_a_view_may_not_ask_for_an_older_one():
    with pytest.raises(ConfigurationError, match="wider"):
        type("Wide", (Narrow,), {"challenge_max_age": 10_000}).as_view()


def device(request):
    return {"device": request.headers.get("X-Device", "")}


def test_a_proof_is_for_the_custom_values_it_was_asked_with(client, policy):
    policy("withdrawFunds", CUSTOM=device)
    client.defaults["HTTP_X_DEVICE"] = "phone"
    client.prove("/api/withdraw/")
    assert client.send("/api/withdraw/").status_code == 200
    client.defaults["HTTP_X_DEVICE"] = "laptop"
    assert client.send("/api/withdraw/").status_code == 401


def tenant(request):
    return request.headers.get("X-Tenant", "one")


def test_a_proof_of_one_tenant_counts_in_no_other(client, settings):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "TENANT_ID": tenant}
    token = client.complete(client.send("/api/withdraw/"))
    client.defaults["HTTP_X_TENANT"] = "two"
    refused = client.send("/api/withdraw/", token=token)
    assert (refused.status_code, refused.json()["reason"]) == (401, "wrong_tenant")
    del client.defaults["HTTP_X_TENANT"]
    assert client.send("/api/withdraw/", token=token).status_code == 200
    client.defaults["HTTP_X_TENANT"] = "two"
    assert client.send("/api/withdraw/").status_code == 401


# What stands around the view


@pytest.fixture
def _django_views(settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.by_bearer", f"{__name__}.by_key"]


@pytest.fixture
def atomic():
    return connection.settings_dict["ATOMIC_REQUESTS"]


@pytest.mark.usefixtures("_django_views")
@pytest.mark.parametrize("path", ["/plain/", "/async/plain/"])
def test_djangos_own_views_ask_a_bearer_token_that_a_middleware_reads(client, path):
    assert client.prove(path).content == b"plain"
    assert client.send(path).content == b"plain"


@pytest.mark.usefixtures("_django_views")
@pytest.mark.parametrize("path", ["/once/", "/async/once/", "/deep/", "/async/deep/"])
@pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
def test_djangos_own_views_spend_a_proof_once_for_any_kind_of_credential(client, ada, authsignal, path, header):
    if header == "X-API-Key":
        client.defaults["HTTP_X_API_KEY"], client.authorization = Token.objects.get(user=ada).key, ""
    token = client.complete(client.send(path))
    assert client.send(path, token=token).status_code == 200
    assert client.send(path, token=token).status_code == 401


@pytest.mark.usefixtures("_django_views")
def test_djangos_own_views_tell_a_client_what_cannot_be_bound(client, authsignal):
    refused = client.send("/plain-pay/", {"payee": "Zo"})
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request")
    assert "'amount'" in refused.json()["title"]
    assert authsignal.calls == []
    assert client.prove("/plain-pay/", {"amount": "1"}).content == b"1"


PURE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django_authsignal.middleware.AuthsignalMiddleware",
]


@pytest.mark.parametrize("path", ["/api/withdraw/", "/api/pay/", "/api/delete/", "/api/deep/", "/api/deep-once/"])
def test_an_api_without_sessions_asks_and_passes(client, settings, path):
    settings.MIDDLEWARE = PURE
    assert client.prove(path, BODY).status_code == 200


@pytest.mark.parametrize("path", ["/api/token/", "/api/pair/", "/api/knox/"])
def test_an_api_without_sessions_issues_tokens_for_a_proof(authsignal, ada, settings, path):
    settings.MIDDLEWARE = PURE
    client = ApiClient(authsignal, basic(ada) if "knox" in path else "")
    assert client.prove(path, {"username": "ada", "password": "correct horse battery staple"}).status_code == 200


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("path", ["/api/withdraw/", "/api/above/", "/api/below/", "/included/plain/"])
def test_without_our_middleware_views_still_ask(client, settings, path, method):
    settings.MIDDLEWARE = [one for one in settings.MIDDLEWARE if "authsignal" not in one]
    if path == "/included/plain/" and method == "get":
        assert client.send(path, method=method).status_code == 405
        return
    assert client.prove(path, method=method).status_code == 200


@pytest.mark.parametrize(("path", "body"), ONCE.values(), ids=ONCE)
def test_without_our_middleware_a_proof_of_one_request_is_spent_once(client, settings, path, body):
    settings.MIDDLEWARE = [one for one in settings.MIDDLEWARE if "authsignal" not in one]
    token = client.complete(client.send(path, body))
    assert client.send(path, body, token=token).status_code == 200
    assert client.send(path, body, token=token).status_code == 401


def test_without_our_middleware_the_handler_answers_for_a_password(authsignal, ada, settings, atomic):
    settings.MIDDLEWARE = [one for one in settings.MIDDLEWARE if "authsignal" not in one]
    settings.REST_FRAMEWORK = {
        "EXCEPTION_HANDLER": "django_authsignal.contrib.rest_framework.exception_handler",
    }
    client = ApiClient(authsignal, basic(ada))
    if not atomic:
        assert client.prove("/api/plain/").status_code == 200


def test_authentication_of_a_view_that_never_asks_costs_nothing(client, authsignal, django_assert_num_queries):
    with django_assert_num_queries(1):  # the token
        assert TokenAuthentication().authenticate_credentials(client.authorization.split()[1])
    assert client.send("/api/plain/").status_code == 200
    assert authsignal.calls == []
