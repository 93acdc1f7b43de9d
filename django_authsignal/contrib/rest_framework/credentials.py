"""Which credential a request of the framework was authenticated with, so that each needs a proof of its own."""

from typing import Any

from django.http import HttpRequest
from django.utils.module_loading import import_string
from rest_framework.authentication import RemoteUserAuthentication, SessionAuthentication
from rest_framework.request import ForcedAuthentication, Request

from ... import channel, enforcement
from ...client import ConfigurationError

# Here the user is all there is: a proxy's word, or a test's.
BY_USER = (RemoteUserAuthentication, ForcedAuthentication)
STATELESS = "rest_framework_simplejwt.models.TokenUser"


def credential_of(request: Request) -> str:
    """What the request was authenticated with: "" for a session, else the Authorization header or what stands for it.

    Raises ConfigurationError when the authentication class gives nothing to tell two of its credentials apart.
    """
    authenticator = request.successful_authenticator
    if authenticator is None or isinstance(authenticator, SessionAuthentication):
        return ""
    if hasattr(authenticator, "get_session_token"):  # django-allauth's; by this form all our doors know it
        return f"X-Session-Token: {authenticator.get_session_token(request)}"
    header = str(request.META.get("HTTP_AUTHORIZATION", ""))
    if header and _scheme(header) == _scheme(_scheme_read_by(authenticator, request)):
        return header
    name = f"{type(authenticator).__module__}.{type(authenticator).__qualname__}"
    if request.auth is None and isinstance(authenticator, BY_USER):
        return f"{name} {request.user.pk}"
    found = getattr(request.auth, "pk", request.auth)
    if found is None or type(found).__str__ is object.__str__:
        raise ConfigurationError(
            f"{name} leaves nothing that tells two credentials of one user apart. Have authenticate() return the key, "
            "or its record, as request.auth; or call request.authsignal.set_credential(key) there; or name the scheme "
            "of the Authorization header it reads in authenticate_header(); or override challenge_credential()."
        )
    return f"{name} {found}"


def _scheme_read_by(authenticator: Any, request: Request) -> str:
    """The scheme of the Authorization header that this authenticator asks for; "" when it reads another header."""
    asks = getattr(authenticator, "authenticate_header", None)
    return str((asks(request) if asks else "") or "")


def _scheme(text: str) -> str:
    return text.partition(" ")[0].lower()


def came_by_credential(request: Request) -> bool:
    """True when the framework found somebody to come, by whatever credential; a session is one."""
    user = getattr(request, "user", None)  # None, where UNAUTHENTICATED_USER says so
    return user is not None and bool(user.is_authenticated)


def identify(request: Request, inner: HttpRequest, view: Any = None) -> None:
    """Tells the gate who the framework found to come, and by which credential."""
    if not came_by_credential(request):
        return
    if STATELESS in {f"{one.__module__}.{one.__qualname__}" for one in type(request.user).__mro__}:
        # Made of the token alone. A proof is given by a person as the database has them now.
        authentication = import_string("rest_framework_simplejwt.authentication.JWTAuthentication")
        inner.user = authentication().get_user(request.auth)
    if not enforcement.gate(inner).credential_named:
        own = getattr(view, "challenge_credential", None)
        channel.set_credential(inner, own(request) if own else credential_of(request))
