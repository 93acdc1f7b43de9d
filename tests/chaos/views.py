"""A bank: `pay` takes a proof for each payment, `look` one for a while."""

import time
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import include, path
from django.views.decorators.http import require_POST

from django_authsignal.decorators import challenge_required, login_required
from django_authsignal.identity import authsignal_id
from django_authsignal.mixins import SignInMixin
from django_authsignal.models import Challenge
from django_authsignal.signals import challenge_passed

from . import PASSWORD, kept
from .models import Effect


class OwnSignIn(SignInMixin, LoginView):
    """A sign-in with logic of its own: the view finishes it, not the callback."""


def make(request: HttpRequest, name: str) -> HttpResponse:
    """Makes a user; answers with their id at Authsignal."""
    users = get_user_model().objects
    user = users.filter(username=name).first() or users.create_user(name, f"{name}@example.com", PASSWORD)
    return HttpResponse(authsignal_id(user))


def forget(request: HttpRequest) -> HttpResponse:
    """Every session is gone."""
    kept.forget()
    return HttpResponse()


def session(request: HttpRequest) -> JsonResponse:
    """What this browser's session holds, and what time it is here: for a complaint."""
    holds = request.session.get("authsignal", {})
    return JsonResponse({"now": time.time(), "open": list(holds.get("open", {})), "passes": holds.get("passes")})


def who(request: HttpRequest) -> JsonResponse:
    """Whom the session names, guarded by nothing."""
    return JsonResponse({"user": request.user.get_username()})


@login_required
def members(request: HttpRequest) -> JsonResponse:
    """Only with a proved sign-in."""
    return JsonResponse({"user": request.user.get_username()})


@challenge_required("look")
def look(request: HttpRequest) -> JsonResponse:
    """A page behind a proof that counts for a while."""
    return JsonResponse({"user": request.user.get_username()})


def _done(request: HttpRequest) -> JsonResponse:
    asked = request.POST["asked"]
    challenge = request.authsignal.challenges["pay"]  # type: ignore[attr-defined] # the middleware puts it there
    Effect.objects.create(kind="pay", user_pk=request.user.pk, asked=asked, challenge=challenge)
    return JsonResponse({"done": asked})


@require_POST
@challenge_required("pay")
def pay(request: HttpRequest) -> JsonResponse:
    """Pays: a row for each payment, with the proof that let it through."""
    return _done(request)


@require_POST
def pay_deep(request: HttpRequest) -> JsonResponse:
    """The same, asked for inside the view and, with CHAOS_ATOMIC, inside its transaction."""
    request.authsignal.require("pay")  # type: ignore[attr-defined] # the middleware puts it there
    return _done(request)


def count_proof(sender: Any, challenge: Challenge, **kwargs: Any) -> None:
    """Each proof that the gate took for one."""
    Effect.objects.create(kind="proved", user_pk=challenge.user_pk, challenge=str(challenge.pk))


challenge_passed.connect(count_proof)

urlpatterns = [
    path("authsignal/", include("django_authsignal.urls")),
    path("login/", LoginView.as_view()),
    path("own-login/", OwnSignIn.as_view()),
    path("logout/", LogoutView.as_view()),
    path("make/<name>/", make),
    path("forget/", forget),
    path("session/", session),
    path("who/", who),
    path("members/", members),
    path("look/", look),
    path("pay/", pay),
    path("pay-deep/", pay_deep),
]
