"""Finishing a sign-in: Django's `login()`, and the pass that says it was proved."""

import uuid
from datetime import timedelta
from urllib.parse import urlencode

from django.conf import settings as django_settings
from django.contrib.auth import load_backend, login
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest, HttpResponse
from django.shortcuts import resolve_url
from django.utils import timezone
from django.utils.module_loading import import_string

from . import addresses, browser, ledger, lockouts, responses
from .models import Challenge, Kind, Status

UNFINISHED_AGE = 300  # seconds in which a sign-in view finishes what was proved
FINISH = "authsignal"  # query parameter: the proved challenge that a sign-in view is to finish


def allowed(request: HttpRequest, user: AbstractBaseUser, backend: str) -> bool:
    """What the backend's hook `sign_in_allowed(request, user)` says; False for a backend no longer in use, and for
    whoever was locked out meanwhile.
    """
    if backend not in django_settings.AUTHENTICATION_BACKENDS or lockouts.is_locked_out(request, user.get_username()):
        return False
    check = getattr(load_backend(backend), "sign_in_allowed", None)
    return bool(check(request, user)) if check else bool(user.is_active)


def backend_path(backend: type) -> str:
    """The path by which AUTHENTICATION_BACKENDS names a backend's class."""
    for path in django_settings.AUTHENTICATION_BACKENDS:
        if import_string(path) is backend:
            return path
    return f"{backend.__module__}.{backend.__qualname__}"


def default_backend() -> str:
    """The first gated backend: who signs somebody in that gave no password."""
    for path in django_settings.AUTHENTICATION_BACKENDS:
        if hasattr(import_string(path), "sign_in_allowed"):
            return path
    return django_settings.AUTHENTICATION_BACKENDS[0]


def destination(request: HttpRequest, next_page: str = "") -> str:
    """Where somebody goes after signing in: the asked page if local, else the admin's index or LOGIN_REDIRECT_URL."""
    asked = addresses.local(request, next_page) or addresses.local(
        request, request.POST.get("next") or request.GET.get("next")
    )
    if asked:
        return asked
    return responses.admin_index(request) or resolve_url(django_settings.LOGIN_REDIRECT_URL)


def log_in(request: HttpRequest, user: AbstractBaseUser, row: Challenge) -> bool:
    """Logs the user of a proved row in, or, when they are signed in already, adds the pass. False when not allowed."""
    if not allowed(request, user, row.backend):
        return False
    if getattr(request.user, "pk", None) != user.pk:
        _login(request, user, row.backend)
    ledger.sign_in_proved(request, user, row)
    return True


def _login(request: HttpRequest, user: AbstractBaseUser, backend: str) -> None:
    login(request, user, backend=backend)  # type: ignore[arg-type] # any user model, not only Django's own


def log_in_without_proof(request: HttpRequest, user: AbstractBaseUser, backend: str) -> None:
    """Logs a user in who used a link made for them. The pass, a marked one, is the caller's to write."""
    if getattr(request.user, "pk", None) != user.pk:
        _login(request, user, backend)


def view_url(row: Challenge, next_page: str) -> str:
    """Where the sign-in view that began a challenge finishes it."""
    query = urlencode({FINISH: str(row.pk), "next": next_page})
    return f"{row.path}{'&' if '?' in row.path else '?'}{query}"


def unfinished(request: HttpRequest) -> Challenge | None:
    """The sign-in that this page is asked to finish: named in the query, and begun by this browser in this view."""
    try:
        challenge_id = uuid.UUID(request.GET.get(FINISH, ""))
    except ValueError:
        return None
    row = Challenge.objects.filter(pk=challenge_id, finish_in_view=True, kind=Kind.SIGN_IN).first()
    # This browser, and this very view: a proof for one sign-in page does not finish another, with other rules.
    here = request.get_full_path().partition("?")[0]  # escaped, as the row has it
    if row is None or row.path.partition("?")[0] != here or not browser.began(request, row.pk, row.browser):
        return None
    return row


def take(row: Challenge) -> bool:
    """Takes a proof to finish a sign-in with, once. False for one that was left lying: whoever uses this browser next
    must not be signed in by it."""
    since = row.proved_at or row.checked_at  # proved, or seen to be released
    fresh = since is not None and timezone.now() < since + timedelta(seconds=UNFINISHED_AGE)
    return fresh and row.move(Status.SPENT, source=(Status.PROVED, Status.RELEASED))


def finish_late(request: HttpRequest, user: AbstractBaseUser, backend: str, return_to: str) -> HttpResponse:
    """Signs in somebody whom the gate let in without a proof after their sign-in view was left already."""
    if not allowed(request, user, backend):
        return responses.page(request, "blocked", {"reason": "denied"}, status=403)
    if getattr(request.user, "pk", None) != user.pk:
        _login(request, user, backend)
    return responses.go(request, destination(request, return_to))
