"""What tells one credential from another, for every kind of authentication class; what cannot be told stays closed."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.urls import path
from rest_framework.authentication import BaseAuthentication, RemoteUserAuthentication, SessionAuthentication
from rest_framework.authtoken.models import Token
from rest_framework.authtoken.views import ObtainAuthToken
from rest_framework.decorators import api_view, authentication_classes
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView
from rest_framework_simplejwt.authentication import JWTAuthentication, JWTStatelessUserAuthentication
from rest_framework_simplejwt.tokens import AccessToken

from django_authsignal import enforcement
from django_authsignal.client import ConfigurationError
from django_authsignal.contrib.rest_framework import ChallengeRequiredMixin, SignInMixin
from django_authsignal.contrib.rest_framework.authtoken import ObtainAuthToken as GuardedObtainAuthToken
from django_authsignal.decorators import challenge_required
from django_authsignal.models import Challenge
from tests.conftest import PASSWORD
from tests.contrib.conftest import ApiClient
from tests.project.urls import urlpatterns as project

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("atomic_requests")]


class ByKey(BaseAuthentication):
    """An API key in a header of its own, looked up in a table: here that of the tokens."""

    def authenticate(self, request):
        found = Token.objects.filter(key=request.headers.get("X-API-Key", "")).first()
        return (found.user, found) if found else None


class SaysNothing(ByKey):
    def authenticate(self, request):
        found = super().authenticate(request)
        return (found[0], None) if found else None


class SaysSo(SaysNothing):
    def authenticate(self, request):
        found = super().authenticate(request)
        if found:
            request.authsignal.set_credential(request.headers["X-API-Key"])
        return found


class BySharedKeys(SaysNothing):
    """Every user has two keys, ending in 1 and 2, and nothing else is known of them."""

    def authenticate(self, request):
        name = request.headers.get("X-API-Key", "")[:-1]
        found = get_user_model().objects.filter(username=name).first()
        return (found, None) if found else None


class Withdraw(ChallengeRequiredMixin, APIView):
    challenge_action = "withdrawFunds"

    def post(self, request):
        return Response("withdrawn")


class ByHook(Withdraw):
    authentication_classes = [BySharedKeys]

    def challenge_credential(self, request):
        return request.headers["X-API-Key"]


class SaysSharedKey(BySharedKeys):
    def authenticate(self, request):
        found = super().authenticate(request)
        if found:
            request.authsignal.set_credential(request.headers["X-API-Key"])
        return found


@api_view(["POST"])
@authentication_classes([SaysSharedKey])
@challenge_required("withdrawFunds")
def below(request):
    return Response("withdrawn")


class Deep(APIView):
    authentication_classes = [SaysSharedKey]

    def post(self, request):
        request.authsignal.require("withdrawFunds")
        return Response("withdrawn")


class Once(Withdraw):
    challenge_action = "deleteAccount"
    authentication_classes = [SaysSharedKey]


class Social(SignInMixin, ObtainAuthToken):
    """Signs in by something that no backend checks."""

    def post(self, request):
        user = get_user_model().objects.get(username=request.data["code"])
        self.require_sign_in(user)
        return Response({"token": Token.objects.get_or_create(user=user)[0].key})


class CarelessSocial(SignInMixin, ObtainAuthToken):
    def post(self, request):
        user = get_user_model().objects.get(username=request.data["code"])
        return Response({"token": Token.objects.get_or_create(user=user)[0].key})


class Obliging(GuardedObtainAuthToken):
    """Answers something that is no success, and asks nobody."""

    serializer_class = Serializer

    def post(self, request):
        return Response({"code": "missing"}, status=400)


urlpatterns = [
    path("key/", Withdraw.as_view(authentication_classes=[ByKey])),
    path("silent/", Withdraw.as_view(authentication_classes=[SaysNothing])),
    path("said/", Withdraw.as_view(authentication_classes=[SaysSharedKey])),
    path("hook/", ByHook.as_view()),
    path("below/", below),
    path("deep/", Deep.as_view()),
    path("once/", Once.as_view()),
    path("stateless/", Withdraw.as_view(authentication_classes=[JWTStatelessUserAuthentication])),
    path("jwt/", Withdraw.as_view(authentication_classes=[JWTAuthentication])),
    path("proxy/", Withdraw.as_view(authentication_classes=[RemoteUserAuthentication])),
    path("session/", Withdraw.as_view(authentication_classes=[SessionAuthentication])),
    path("social/", Social.as_view()),
    path("careless/", CarelessSocial.as_view()),
    path("obliging/", Obliging.as_view()),
    *project,
]


@pytest.fixture(autouse=True)
def _urls(settings, _api):
    settings.ROOT_URLCONF = __name__


class Keyed(ApiClient):
    """Sends its key in a header of its own."""

    def __init__(self, authsignal, key, authorization=""):
        super().__init__(authsignal, authorization)
        self.defaults["HTTP_X_API_KEY"] = key


@pytest.fixture
def keyed(authsignal, ada):
    Token.objects.create(user=ada, key="ada!")
    return lambda key, authorization="": Keyed(authsignal, key, authorization)


BY_KEY = {"named by the class": "said", "named by the view": "hook", "below api_view": "below", "deep": "deep"}


@pytest.mark.parametrize("path", BY_KEY.values(), ids=BY_KEY)
@pytest.mark.parametrize("authorization", ["", "Basic c3RhZ2U6c3RhZ2U="], ids=["", "with the site's own password"])
def test_a_key_in_a_header_of_its_own_holds_a_proof_of_its_own(keyed, path, authorization):
    first, second = keyed("ada!", authorization), keyed("ada?", authorization)
    assert first.prove(f"/{path}/").status_code == 200
    assert first.send(f"/{path}/").status_code == 200
    assert second.send(f"/{path}/").status_code == 401
    assert second.prove(f"/{path}/").status_code == 200


def test_a_key_that_the_class_returns_needs_no_more(keyed, ada, bob):
    assert keyed("ada!").prove("/key/").status_code == 200
    assert keyed("ada!", "Basic c3RhZ2U6c3RhZ2U=").send("/key/").status_code == 200  # the same key


def test_a_class_that_tells_nothing_apart_stays_closed_and_says_what_to_do(keyed, authsignal):
    with pytest.raises(ConfigurationError, match="set_credential"):
        keyed("ada!").send("/silent/")
    assert authsignal.calls == []


def test_a_junk_authorization_header_is_not_the_credential_of_a_key(keyed):
    with pytest.raises(ConfigurationError, match="SaysNothing"):
        keyed("ada!", "Bearer junk").send("/silent/")


def test_a_proof_for_one_request_serves_one_of_its_key(keyed):
    first, second = keyed("ada!"), keyed("ada?")
    token = first.complete(first.send("/once/"))
    assert second.send("/once/", token=token).status_code == 401
    assert first.send("/once/", token=token).status_code == 200
    assert first.send("/once/", token=token).status_code == 401


def test_deep_code_in_a_transaction_that_could_not_spend_a_proof_says_what_to_do(keyed, settings, authsignal):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ACTIONS": {"withdrawFunds": {"MAX_AGE": 0}}}
    client = keyed("ada!")
    if not connection.settings_dict["ATOMIC_REQUESTS"]:
        assert client.prove("/deep/").status_code == 200
        return
    with pytest.raises(ConfigurationError, match="ChallengeRequiredMixin"):
        client.send("/deep/")
    assert authsignal.calls == []


def test_the_key_itself_is_at_rest_nowhere(keyed):
    keyed("ada!").prove("/hook/")
    for row in Challenge.objects.values():
        assert "ada!" not in repr(row)


def test_a_user_made_of_the_token_alone_is_asked_as_the_database_has_them(authsignal, ada):
    client = ApiClient(authsignal, f"Bearer {AccessToken.for_user(ada)}")
    assert client.prove("/stateless/").status_code == 200
    assert client.send("/jwt/").status_code == 200
    get_user_model().objects.filter(pk=ada.pk).update(is_active=False)
    assert client.send("/stateless/").status_code == 401


@pytest.mark.parametrize("path", ["/stateless/", "/jwt/"])
def test_a_user_deleted_between_is_nobody(authsignal, ada, path):
    client = ApiClient(authsignal, f"Bearer {AccessToken.for_user(ada)}")
    token = client.complete(client.send(path))
    ada.delete()
    assert client.send(path, token=token).status_code == 401
    assert Challenge.objects.filter(status="proved").count() == 0


def test_a_proxys_word_is_the_credential_of_its_user(authsignal, ada, bob, settings):
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.RemoteUserBackend"]
    first, second = ApiClient(authsignal), ApiClient(authsignal)
    first.defaults["REMOTE_USER"], second.defaults["REMOTE_USER"] = "ada", "bob"
    assert first.prove("/proxy/").status_code == 200
    assert second.send("/proxy/").status_code == 401


def test_nobody_at_all_is_told_to_sign_in_where_the_framework_has_no_anonymous_user(authsignal, db, settings):
    settings.REST_FRAMEWORK = {"UNAUTHENTICATED_USER": None}
    answer = ApiClient(authsignal).send("/session/")
    assert (answer.status_code, answer.json()["code"]) == (401, "sign_in_required")


# Signing in by what no backend checks


def test_a_view_that_identifies_by_itself_asks_before_it_issues(anonymous_client, ada):
    refused = anonymous_client.send("/social/", {"code": "ada"})
    assert (refused.status_code, refused.json()["code"]) == (401, "challenge_required")
    token = anonymous_client.complete(refused)
    assert anonymous_client.send("/social/", {"code": "ada"}, token=token).json()["token"]
    assert anonymous_client.send("/social/", {"code": "ada"}, token=token).status_code == 401


def test_a_rule_of_signing_in_holds_there_too(anonymous_client, ada, settings):
    settings.AUTHENTICATION_BACKENDS = ["tests.contrib.test_token_views.NotAda"]
    assert anonymous_client.prove("/social/", {"code": "ada"}).status_code == 403
    assert not Token.objects.exists()


def test_a_token_that_came_about_without_the_gate_is_not_handed_out(anonymous_client, ada):
    with pytest.raises(ConfigurationError, match="require_sign_in"):
        anonymous_client.send("/careless/", {"code": "ada"})
    assert anonymous_client.send("/obliging/").status_code == 400


def test_a_backend_without_the_gate_hands_no_token_out(anonymous_client, ada, settings):
    settings.ROOT_URLCONF = "tests.contrib.drf_urls"
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
    with pytest.raises(ConfigurationError, match="AuthsignalBackend"):
        anonymous_client.send("/api/token/", {"username": "ada", "password": PASSWORD})


def test_the_gate_is_not_asked_for_a_credential_without_a_user(rf):
    request = rf.get("/")
    request.user = AnonymousUser()
    enforcement.gate(request).set_credential("a key")
    assert not enforcement.gate(request).passed("withdrawFunds")
