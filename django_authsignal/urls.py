"""`path("authsignal/", include("django_authsignal.urls"))`: the pages between your site and Authsignal's."""

from collections.abc import Callable
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.urls import path

from . import views

app_name = "authsignal"


def _outside_transactions(view: Callable[..., Any]) -> Callable[..., Any]:
    # Under ATOMIC_REQUESTS a call to Authsignal would otherwise hold the database's locks while it waits.
    for alias in settings.DATABASES:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view


def _open(view: Callable[..., Any]) -> Callable[..., Any]:
    # These pages decide by themselves who may see them; Django's LoginRequiredMiddleware would lock out who signs in.
    return _outside_transactions(login_not_required(view))


urlpatterns = [
    path("sign-in/", _open(views.sign_in), name="sign-in"),
    path("sign-in/passkey/", _open(views.passkey), name="passkey"),
    path("challenges/", _open(views.challenges), name="challenges"),
    path("challenges/<uuid:challenge_id>/", _open(views.challenge), name="challenge"),
    path("callback/<uuid:challenge_id>/", _open(views.callback), name="callback"),
    path("status/", _open(views.status), name="status"),
    path("authenticators/", _open(views.authenticators), name="authenticators"),
    path("webhook/", _open(views.webhook), name="webhook"),
    path("break-glass/<uuid:link_id>/", _open(views.break_glass), name="break-glass"),
]

if apps.is_installed("allauth.account"):
    from .contrib.allauth.views import login

    urlpatterns.append(path("allauth/", _open(login), name="allauth"))

if apps.is_installed("allauth.headless"):
    from .contrib.allauth.headless import ChallengeView

    for client in ("app", "browser"):
        view = ChallengeView.as_api_view(client=client)
        urlpatterns.append(path(f"allauth/{client}/", _outside_transactions(view), name=f"allauth-{client}"))
