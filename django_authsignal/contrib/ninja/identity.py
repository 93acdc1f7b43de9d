"""Who ninja found to come, and by which credential: it says so in `request.auth`, and nowhere else."""

from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from ninja.operation import Operation
from ninja.security.apikey import APIKeyBase
from ninja.security.http import HttpAuthBase

from ... import channel, enforcement
from ...client import ConfigurationError


def sent(request: HttpRequest, operation: Operation) -> str:
    """What the client sent for this operation's own authentication to read; "" when that is the session, or nothing.

    All of it together: whoever changes any of it is another credential.
    """
    found = dict(filter(all, (_read(request, one) for one in operation.auth_callbacks)))
    if list(found) == ["Authorization"]:
        return found["Authorization"]
    return "\n".join(f"{name}: {found[name]}" for name in sorted(found))


def _read(request: HttpRequest, way: Any) -> tuple[str, str]:
    if isinstance(way, HttpAuthBase):
        name = str(getattr(way, "header", "Authorization"))
        return name.title(), request.headers.get(name, "")
    if hasattr(way, "get_session_token"):  # django-allauth's
        return "X-Session-Token", str(way.get_session_token(request) or "")
    if type(way).__module__.startswith("allauth.headless"):  # its JSON web tokens
        return "Authorization", request.headers.get("Authorization", "")
    if not isinstance(way, APIKeyBase):
        return "", ""
    place = str(getattr(way, "openapi_in", ""))
    if place == "cookie" and way.param_name == settings.SESSION_COOKIE_NAME:
        return "", ""
    places: dict[str, Any] = {"header": request.headers, "query": request.GET, "cookie": request.COOKIES}
    return f"{place} {way.param_name}", str(places.get(place, {}).get(way.param_name, ""))


def identify(request: HttpRequest, operation: Operation | None) -> None:
    """Tells the gate who came: `request.auth` when it is a user or has one, else the user that `authenticate()` set.

    Raises ConfigurationError when that leaves nobody, or nothing to tell two credentials apart: to ask the session's
    user instead would let one person prove for another.
    """
    if not hasattr(request, "auth"):
        return  # no authentication of ninja's, or not yet
    user = _user_in(request.auth)
    value = sent(request, operation) if operation else ""
    of_session = _is_sessions(request, user)
    if of_session and (user is request.user or not value):
        return
    if user is None:
        if not value:
            return
        user = None if _is_sessions(request, _user_in(request.user)) else _user_in(request.user)
    if user is None or not user.is_authenticated:
        raise ConfigurationError(
            "request.auth names no user, so nobody can be asked. Have authenticate() return the user, or an object "
            "with a `user`, or set request.user in it."
        )
    if not enforcement.gate(request).credential_named:
        value = value or request.META.get("HTTP_AUTHORIZATION", "")
        if not value and user is request.user:
            return
        if not value:
            raise ConfigurationError(
                "Nothing tells this operation's credentials apart. Call request.authsignal.set_credential(key) in the "
                "function that authenticates, or make it one of ninja's classes."
            )
        channel.set_credential(request, value)
    request.user = user  # type: ignore[assignment] # any user model


def _user_in(found: Any) -> AbstractBaseUser | None:
    for one in (found, getattr(found, "user", None)):
        if isinstance(one, get_user_model()):
            return one
    return None


def _is_sessions(request: HttpRequest, user: AbstractBaseUser | None) -> bool:
    session = getattr(request, "session", None)
    if user is None or session is None:
        return False
    return bool(session.get(SESSION_KEY) == user._meta.pk.value_to_string(user))
