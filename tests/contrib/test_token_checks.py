"""Endpoints that issue tokens without the gate are found, wherever a urlconf has them, with the view to use instead."""

import pytest
from django.core.checks import Warning, run_checks
from django.urls import include, path
from django.views import View
from rest_framework.authtoken.serializers import AuthTokenSerializer
from rest_framework.authtoken.views import ObtainAuthToken, obtain_auth_token
from rest_framework.generics import GenericAPIView
from rest_framework.routers import DefaultRouter
from rest_framework.viewsets import ViewSet

from django_authsignal import token_views
from django_authsignal.checks import check_token_views
from django_authsignal.contrib.rest_framework import ChallengeRequiredMixin, SignInMixin
from django_authsignal.decorators import challenge_required, login_required

pytestmark = pytest.mark.django_db  # Django's own checks ask the database, from 6.1 on

OURS = "django_authsignal.contrib.rest_framework"


def found(settings, urlconf):
    settings.ROOT_URLCONF = urlconf
    return [item for item in run_checks() if item.id == "authsignal.W009"]


def unguarded(*patterns, sessions_are_asked=False):
    return list(token_views.unguarded(list(patterns), sessions_are_asked=sessions_are_asked))


def named(dotted, base=View):
    """A class as another package would have it, which need not be installed."""
    module, _, name = dotted.rpartition(".")
    return type(name, (base,), {"__module__": module})


@pytest.mark.parametrize(
    ("route", "drop_in"),
    [
        ("/token/", f"{OURS}.authtoken.ObtainAuthToken"),
        ("/pair/", f"{OURS}.simplejwt.TokenObtainPairView"),
        ("/knox/", f"{OURS}.knox.LoginView"),
        ("/api/sliding/", f"{OURS}.simplejwt.TokenObtainSlidingView"),
        (r"/api/renamed/(?P<version>v\d+)/", f"{OURS}.authtoken.ObtainAuthToken"),
    ],
)
def test_an_endpoint_that_issues_tokens_without_the_gate_is_a_warning(settings, route, drop_in):
    item = next(item for item in found(settings, "tests.contrib.unguarded_urls") if item.msg.startswith(f"{route} "))
    assert isinstance(item, Warning)
    assert drop_in in item.hint


def test_what_the_gate_guards_or_what_only_refreshes_is_not_reported(settings):
    assert len(found(settings, "tests.contrib.unguarded_urls")) == 5
    assert found(settings, "tests.contrib.drf_urls") == []
    assert found(settings, "tests.contrib.dj_rest_auth_urls") == []


def test_a_project_without_a_urlconf_is_left_to_django(settings):
    settings.ROOT_URLCONF = ""
    assert check_token_views(None) == []


def test_a_class_of_ones_own_is_told_which_base_to_change():
    class Mine(ObtainAuthToken):
        pass

    assert "in the bases of" in unguarded(path("mine/", Mine.as_view()))[0].fix


def test_a_view_behind_decorators_is_seen():
    def decorated(view):
        def inner(*args, **kwargs):
            return view(*args, **kwargs)

        inner.__wrapped__ = view
        return inner

    assert [one.route for one in unguarded(path("in/", decorated(obtain_auth_token)))] == ["/in/"]


def test_a_view_of_ones_own_that_takes_a_password_for_a_token_is_seen():
    class Own(GenericAPIView):
        serializer_class = type("OwnSerializer", (AuthTokenSerializer,), {})

    reported = unguarded(path("own/", Own.as_view()))
    assert "AuthTokenSerializer" in reported[0].name
    assert f"{OURS}.SignInMixin" in reported[0].fix


def test_a_viewset_of_a_router_is_seen():
    class Sessions(ViewSet):
        serializer_class = AuthTokenSerializer

        def create(self, request):
            """Issues."""

    router = DefaultRouter()
    router.register("sessions", Sessions, basename="session")
    reported = unguarded(path("v1/", include((router.urls, "api"))))
    assert any("sessions" in one.route for one in reported)


@pytest.mark.parametrize("mixin", [SignInMixin, ChallengeRequiredMixin])
def test_a_view_with_a_mixin_of_ours_is_guarded(mixin):
    cls = type("Guarded", (mixin, ObtainAuthToken), {"challenge_action": "issueToken"})
    assert unguarded(path("in/", cls.as_view())) == []


def test_a_view_that_a_decorator_guards_is_guarded():
    assert unguarded(path("in/", challenge_required("issueToken")(obtain_auth_token))) == []


def test_djosers_view_is_told_what_to_put_before_it():
    reported = unguarded(path("in/", named("djoser.views.TokenCreateView").as_view()))
    assert f"{OURS}.SignInMixin" in reported[0].fix


TOKEN = named("oauth2_provider.views.base.TokenView")
DEVICE = named("oauth2_provider.views.device.DeviceAuthorizationView")
AUTHORIZE = named(
    "oauth2_provider.views.base.AuthorizationView", named("oauth2_provider.views.base.BaseAuthorizationView")
)
CONFIRM = named("oauth2_provider.views.device.DeviceConfirmView")


@pytest.mark.parametrize("cls", [TOKEN, DEVICE])
def test_the_endpoints_of_oauth_toolkit_are_reported_until_the_consent_is_guarded(cls):
    issuing = path("o/token/", cls.as_view())
    plain, guarded = path("o/authorize/", AUTHORIZE.as_view()), path("o/ok/", login_required(AUTHORIZE.as_view()))
    assert "SignInChallengeMiddleware" in unguarded(issuing)[0].fix
    assert [one.route for one in unguarded(issuing, plain)] == ["/o/token/"]
    assert unguarded(issuing, guarded) == []
    assert unguarded(issuing, plain, sessions_are_asked=True) == []
    assert unguarded(issuing, guarded, path("o/confirm/", CONFIRM.as_view())) != []


def test_a_middleware_that_asks_every_session_guards_the_consent(settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django_authsignal.middleware.SignInChallengeMiddleware"]
    assert found(settings, "tests.contrib.oauth_urls") == []
    settings.MIDDLEWARE = settings.MIDDLEWARE[:-1]
    assert len(found(settings, "tests.contrib.oauth_urls")) == 1
