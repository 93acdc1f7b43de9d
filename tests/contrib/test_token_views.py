"""Views that trade a password for a token: the sign-in's proof belongs to the trade, and nothing stretches it."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import AllowAllUsersModelBackend
from django.test import Client
from rest_framework.authtoken.models import Token
from rest_framework.authtoken.views import ObtainAuthToken
from rest_framework_simplejwt.settings import api_settings as jwt_settings

from django_authsignal.backends import AuthsignalBackend, AuthsignalBackendMixin
from django_authsignal.client import ConfigurationError
from django_authsignal.contrib.rest_framework import SignInMixin
from django_authsignal.models import Challenge, Kind, Status
from tests.conftest import PASSWORD, newest
from tests.contrib.conftest import ApiClient, basic

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("atomic_requests")]

CREDENTIALS = {"username": "ada", "password": PASSWORD}
TOKENS = {"authtoken": "/api/token/", "simplejwt": "/api/pair/", "sliding": "/api/sliding/"}
issuing = pytest.mark.parametrize("path", TOKENS.values(), ids=TOKENS)


class NotAda(AuthsignalBackend):
    """A rule of a site's own."""

    def sign_in_allowed(self, request, user):
        return user.username != "ada"


class Everybody(AuthsignalBackendMixin, AllowAllUsersModelBackend):
    """Lets inactive users give their password."""


@issuing
def test_a_token_is_issued_for_password_and_proof_together(anonymous_client, ada, path):
    refused = anonymous_client.send(path, CREDENTIALS)
    assert (refused.status_code, refused.json()["code"]) == (401, "challenge_required")
    answer = anonymous_client.send(path, CREDENTIALS, token=anonymous_client.complete(refused))
    assert answer.status_code == 200
    assert "token" in answer.json() or "access" in answer.json()


@issuing
def test_the_proof_of_a_sign_in_issues_one_token(anonymous_client, ada, path):
    token = anonymous_client.complete(anonymous_client.send(path, CREDENTIALS))
    assert anonymous_client.send(path, CREDENTIALS, token=token).status_code == 200
    assert anonymous_client.send(path, CREDENTIALS, token=token).status_code == 401
    assert anonymous_client.send(path, CREDENTIALS).status_code == 401


@issuing
def test_the_proof_alone_issues_no_token(anonymous_client, ada, path):
    token = anonymous_client.complete(anonymous_client.send(path, CREDENTIALS))
    refused = anonymous_client.send(path, {"username": "ada", "password": "wrong"}, token=token)
    assert refused.status_code in (400, 401)
    assert newest().status == Status.OPEN


@issuing
def test_a_proof_of_somebody_else_issues_no_token(anonymous_client, ada, bob, path):
    token = anonymous_client.complete(anonymous_client.send(path, {"username": "bob", "password": PASSWORD}))
    refused = anonymous_client.send(path, CREDENTIALS, token=token)
    assert (refused.status_code, refused.json()["reason"]) == (401, "changed")


@pytest.mark.parametrize("other", [{"tenant": "elsewhere"}, {"kind": Kind.STEP_UP}], ids=str)
def test_a_proof_that_waits_for_something_else_issues_no_token(anonymous_client, ada, other):
    token = anonymous_client.complete(anonymous_client.send("/api/pair/", CREDENTIALS))
    Challenge.objects.update(status=Status.PROVED, **other)
    assert anonymous_client.send("/api/pair/", CREDENTIALS, token=token).status_code == 401


def test_a_proof_for_one_endpoint_issues_no_token_at_another(anonymous_client, ada):
    token = anonymous_client.complete(anonymous_client.send("/api/token/", CREDENTIALS))
    refused = anonymous_client.send("/api/pair/", CREDENTIALS, token=token)
    assert (refused.status_code, refused.json()["reason"]) == (401, "gone")


@issuing
def test_a_blocked_sign_in_issues_no_token(anonymous_client, ada, authsignal, failures, path):
    authsignal.block()
    refused = anonymous_client.send(path, CREDENTIALS)
    assert (refused.status_code, refused.json()["code"]) == (403, "action_blocked")
    assert failures == [{"username": "ada"}]


@issuing
def test_an_outage_issues_no_token(anonymous_client, ada, authsignal, path):
    authsignal.fail("timeout")
    assert anonymous_client.send(path, CREDENTIALS).status_code == 503


@issuing
def test_a_released_review_issues_one_token(anonymous_client, ada, authsignal, path):
    authsignal.review()
    held = anonymous_client.send(path, CREDENTIALS)
    assert (held.status_code, held.json()["code"]) == (403, "review_required")
    authsignal.complete(str(newest().pk), state="REVIEW_SUCCEEDED")
    assert anonymous_client.send(path, CREDENTIALS).status_code == 200
    assert anonymous_client.send(path, CREDENTIALS).status_code == 403


@issuing
def test_an_allow_issues_a_token_by_itself(anonymous_client, ada, authsignal, path):
    authsignal.allow()
    assert anonymous_client.send(path, CREDENTIALS).status_code == 200
    assert newest().status == Status.ALLOWED


@issuing
def test_a_failed_proof_counts_as_one_failed_login(anonymous_client, ada, failures, path):
    refused = anonymous_client.send(path, CREDENTIALS)
    token = anonymous_client.complete(refused, state="CHALLENGE_FAILED")
    again = anonymous_client.send(path, CREDENTIALS, token=token)
    assert (again.status_code, again.json()["reason"]) == (401, "failed")
    assert failures == [{"username": "ada"}]
    assert anonymous_client.send(path, CREDENTIALS, token=token).status_code == 401
    assert failures == [{"username": "ada"}]


@issuing
@pytest.mark.parametrize("outcome", ["allow", "challenge"])
def test_a_sites_own_rule_of_signing_in_holds(anonymous_client, ada, bob, authsignal, settings, path, outcome):
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.NotAda"]
    send = anonymous_client.prove if outcome == "challenge" else anonymous_client.send
    getattr(authsignal, outcome)()
    assert send(path, CREDENTIALS).status_code in (400, 401)
    assert not Token.objects.exists()
    assert send(path, {"username": "bob", "password": PASSWORD}).status_code == 200


def test_a_sites_own_rule_holds_for_every_request_with_a_password(authsignal, ada, settings):
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.NotAda"]
    client = ApiClient(authsignal, basic(ada))
    assert client.prove("/api/plain/").status_code == 401
    assert client.send("/api/plain/").status_code == 401


@issuing
@pytest.mark.parametrize("backend", [AuthsignalBackend, Everybody], ids=["usual", "takes inactive users"])
def test_an_inactive_user_gets_no_token(anonymous_client, ada, settings, path, backend):
    settings.AUTHENTICATION_BACKENDS = [f"{backend.__module__}.{backend.__name__}"]
    get_user_model().objects.filter(pk=ada.pk).update(is_active=False)
    refused = anonymous_client.send(path, CREDENTIALS)
    if refused.status_code == 401 and "challengeId" in refused.json():
        refused = anonymous_client.send(path, CREDENTIALS, token=anonymous_client.complete(refused))
    assert refused.status_code in (400, 401)
    assert "access" not in refused.json()
    assert not Token.objects.exists()


@issuing
@pytest.mark.parametrize("change", [{"is_active": False}, {"email": "thief@example.com"}])
def test_a_user_changed_while_proving_gets_no_token(anonymous_client, ada, path, change):
    token = anonymous_client.complete(anonymous_client.send(path, CREDENTIALS))
    get_user_model().objects.filter(pk=ada.pk).update(**change)
    assert anonymous_client.send(path, CREDENTIALS, token=token).status_code in (400, 401)
    assert Challenge.objects.filter(status=Status.SPENT).count() == 0


@issuing
def test_asking_what_the_endpoint_takes_asks_nobody(anonymous_client, authsignal, ada, path):
    assert anonymous_client.send(path, method="options").status_code == 200
    assert authsignal.calls == []


# Refreshing


def access_of(client):
    """Signs in at simplejwt's endpoint; both tokens."""
    return client.prove("/api/pair/", CREDENTIALS).json()


def test_a_refreshed_token_holds_no_proof_of_the_old_one(anonymous_client, authsignal, ada):
    tokens = access_of(anonymous_client)
    client = ApiClient(authsignal, f"Bearer {tokens['access']}")
    client.prove("/api/withdraw/")
    assert client.send("/api/withdraw/").status_code == 200
    access = anonymous_client.send("/api/refresh/", {"refresh": tokens["refresh"]}).json()["access"]
    refreshed = ApiClient(authsignal, f"Bearer {access}")
    assert refreshed.send("/api/withdraw/").status_code == 401
    assert refreshed.prove("/api/withdraw/").status_code == 200


def test_a_rotated_refresh_token_asks_nobody_and_proves_nothing(anonymous_client, authsignal, ada, monkeypatch):
    monkeypatch.setattr(jwt_settings, "ROTATE_REFRESH_TOKENS", True)
    tokens = access_of(anonymous_client)
    calls = len(authsignal.calls)
    rotated = anonymous_client.send("/api/refresh/", {"refresh": tokens["refresh"]}).json()
    again = anonymous_client.send("/api/refresh/", {"refresh": rotated["refresh"]}).json()
    assert len(authsignal.calls) == calls
    for access in (rotated["access"], again["access"]):
        assert ApiClient(authsignal, f"Bearer {access}").send("/api/withdraw/").status_code == 401


def test_a_refresh_token_is_no_result_token(anonymous_client, authsignal, ada):
    tokens = access_of(anonymous_client)
    client = ApiClient(authsignal, f"Bearer {tokens['access']}")
    refused = client.send("/api/withdraw/", token=tokens["refresh"])
    assert (refused.status_code, refused.json()["reason"]) == (401, "gone")


def test_a_refresh_does_not_lengthen_a_proof(anonymous_client, authsignal, ada):
    tokens = access_of(anonymous_client)
    client = ApiClient(authsignal, f"Bearer {tokens['access']}")
    client.prove("/api/withdraw/")
    anonymous_client.send("/api/refresh/", {"refresh": tokens["refresh"]})
    Challenge.objects.filter(action="withdrawFunds").update(proved_at="2026-01-01T00:00:00Z")
    assert client.send("/api/withdraw/").status_code == 401


# knox


def test_knox_issues_its_token_after_the_sign_in_is_proved(authsignal, ada):
    client = ApiClient(authsignal, basic(ada))
    assert client.prove("/api/knox/").json()["token"]


def test_knox_issues_no_token_to_a_session_without_a_proof(page_browser, ada):
    page_browser.force_login(ada)
    assert page_browser.fetch("/api/knox/", "post").status_code == 401
    page_browser.prove()
    assert page_browser.fetch("/api/knox/", "post").json()["token"]


# dj-rest-auth


def test_dj_rest_auths_sign_in_asks_first(anonymous_client, ada, settings):
    settings.ROOT_URLCONF = "tests.contrib.dj_rest_auth_urls"
    refused = anonymous_client.send("/sign-in/", CREDENTIALS)
    assert (refused.status_code, refused.json()["code"]) == (401, "challenge_required")
    token = anonymous_client.complete(refused)
    issued = anonymous_client.post(
        "/sign-in/", CREDENTIALS, content_type="application/json", headers={"Authsignal-Token": token}
    )
    assert issued.json() == {"key": Token.objects.get(user=ada).key}
    # It also logs its session in, which holds no proof: that was the token's.
    assert anonymous_client.get("/members/", headers={"Accept": "application/json"}).status_code == 401


# Mistakes


def test_a_mixin_after_the_view_is_refused():
    with pytest.raises(ConfigurationError, match="put SignInMixin before"):
        type("Late", (ObtainAuthToken, SignInMixin), {})


def test_a_serializer_without_its_request_says_what_to_pass(caplog, ada):
    backend = AuthsignalBackend()
    with pytest.raises(Exception, match="context="):
        backend.authenticate(None, username="ada", password=PASSWORD)
    assert "SignInMixin" in caplog.text


def test_a_view_of_the_frameworks_own_issues_no_token_without_a_proof(ada, authsignal, settings):
    settings.ROOT_URLCONF = "tests.contrib.unguarded_urls"
    answer = Client().post("/token/", CREDENTIALS, headers={"Accept": "application/json"})
    assert answer.status_code == 401
    assert not Token.objects.exists()
