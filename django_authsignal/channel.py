"""Which channel a request comes by, and so who may finish what it begins: a browser, or an API client's credential.

A browser is known by its binding cookie, an API client by a keyed hash of what it authenticated with. Neither can
finish, or use, what the other began.
"""

import base64
import binascii
import json
import uuid
from collections.abc import Callable

from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest

from . import browser
from .client import Sealed
from .identity import digest, same
from .models import Challenge, Channel

TOKEN_HEADER = "Authsignal-Token"  # noqa: S105 - the header's name
_META = "HTTP_AUTHSIGNAL_TOKEN"


def set_credential(request: HttpRequest, value: str) -> None:
    """Says what this request authenticated with, where that is not the Authorization header; "": its session."""
    request._authsignal_credential = digest("credential", value) if value else ""  # type: ignore[attr-defined] # ours, kept on the request


def credential(request: HttpRequest) -> str:
    """The keyed hash of the credential an API client came with; "" for a browser, and for nobody."""
    named: str | None = getattr(request, "_authsignal_credential", None)
    if named is not None:
        return named
    if not may_present(request):
        return ""  # most requests: the lazy request.user costs more than all of this
    user = getattr(request, "user", None)
    return presented(request) if user is not None and user.is_authenticated else ""


def known(request: HttpRequest) -> str:
    """The same, before the view, which may be the one that authenticates."""
    named: str | None = getattr(request, "_authsignal_credential", None)
    return presented(request) if named is None else named


def presented(request: HttpRequest) -> str:
    """The same, before anybody was authenticated by it. A session wins: browsers send Authorization by themselves."""
    header = getattr(request, "_authsignal_expected", "") or request.META.get("HTTP_AUTHORIZATION", "")
    return "" if not header or has_session(request) else digest("credential", header)


def has_session(request: HttpRequest) -> bool:
    """True for a request that brings a session somebody is signed in with."""
    return hasattr(request, "session") and bool(request.session.get(SESSION_KEY))


def may_present(request: HttpRequest) -> bool:
    """False for most requests: nothing came that a client could be known by."""
    own = vars(request)
    return "HTTP_AUTHORIZATION" in request.META or "_authsignal_expected" in own or "_authsignal_credential" in own


def expect_credential(request: HttpRequest, value: str) -> None:
    """Says what the view will authenticate by, where that is not the Authorization header."""
    request._authsignal_expected = value  # type: ignore[attr-defined] # ours, kept on the request


def identify_by(request: HttpRequest, call: Callable[[], None]) -> None:
    """Has a framework say who it found to come, once the gate needs to know: see `introduced`."""
    request._authsignal_identify = call  # type: ignore[attr-defined] # ours, kept on the request


def introduced(request: HttpRequest) -> HttpRequest:
    """The request, once a framework that authenticates by itself has put its user and credential on it."""
    identify: Callable[[], None] | None = getattr(request, "_authsignal_identify", None)
    if identify is not None:
        identify()
    return request


def is_introduced(request: HttpRequest) -> bool:
    """True when a framework has taken it upon itself to say who comes."""
    return hasattr(request, "_authsignal_identify")


def assume(request: HttpRequest, found: str) -> None:
    """Says that this is the credential, before the view authenticates by it: something of it is waiting to be used."""
    request._authsignal_credential = found  # type: ignore[attr-defined] # ours, kept on the request


def holder(request: HttpRequest) -> str:
    """Whose passes count for this request: the credential's, or the browser's."""
    return credential(request) or browser.current(request)


def began(request: HttpRequest, row: Challenge) -> bool:
    """True when this request comes from where the challenge began."""
    if row.channel == Channel.API:
        return same(row.credential, credential(request))
    return not credential(request) and browser.began(request, row.pk, row.browser)


# Passwords that come with the request itself


def note_password(request: HttpRequest, password: Sealed | None) -> bool:
    """True when the password just proved came in this request's Basic header, which then is its credential.

    A browser behind a proxy's own Basic password sends that header too: it must not turn a sign-in form into an API.
    """
    header = request.META.get("HTTP_AUTHORIZATION", "")
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic" or password is None:
        return False
    try:
        _, _, given = base64.b64decode(value.strip(), validate=True).partition(b":")
    except (ValueError, binascii.Error):
        return False
    if given not in (password.reveal().encode(), password.reveal().encode("latin-1", "ignore")):
        return False
    set_credential(request, header)
    request._authsignal_password = True  # type: ignore[attr-defined] # ours, kept on the request
    return True


def is_basic(request: HttpRequest) -> bool:
    """True for HTTP Basic, which browsers keep and send to whoever asks, other sites' forms included."""
    return str(request.META.get("HTTP_AUTHORIZATION", ""))[:6].lower() == "basic "


def gave_password(request: HttpRequest) -> bool:
    """True when this API request proved a password by itself."""
    return hasattr(request, "_authsignal_password")


def expect_sign_in(request: HttpRequest) -> None:
    """Says that this request trades a password for a token: its proof is asked for, and used, by it alone."""
    request._authsignal_signs_in = True  # type: ignore[attr-defined] # ours, kept on the request
    # There is no credential yet; whoever comes again with the password is who began it.
    set_credential(request, f"sign-in {request.path}")


def signs_in_once(request: HttpRequest) -> bool:
    """True for a request that trades a password for a token."""
    return hasattr(request, "_authsignal_signs_in")


def sign_in_answered(request: HttpRequest) -> None:
    """Says that the gate was asked for the sign-in of this request, and let it pass."""
    request._authsignal_sign_in_answered = True  # type: ignore[attr-defined] # ours, kept on the request


def signs_in_unasked(request: HttpRequest) -> bool:
    """True for a request that trades something for a token, and whose sign-in the gate was never asked for."""
    return signs_in_once(request) and not hasattr(request, "_authsignal_sign_in_answered")


def is_api(request: HttpRequest) -> bool:
    """True for a request whose answer is JSON whatever it accepts: no person sees it."""
    return bool(credential(request))


# The result token of a native client


def token_of(request: HttpRequest) -> Sealed:
    """The result token that came with this request and was not taken yet; False when there is none."""
    hidden: Sealed | None = getattr(request, "_authsignal_result_token", None)
    return hidden or Sealed(request.META.get(_META, ""))


def hide_token(request: HttpRequest) -> None:
    """The middleware's: what fails before the gate is asked reports no header with the token."""
    if _META in request.META:
        request._authsignal_result_token = take_token(request)  # type: ignore[attr-defined] # ours, kept on the request


def take_token(request: HttpRequest) -> Sealed:
    """The result token, taken out of the request: whoever logs or reports it later does not find it there."""
    token = Sealed(request.META.pop(_META, ""))
    if token:
        request.__dict__.pop("headers", None)  # Django's cached view of META
        scope = getattr(request, "scope", None)
        if scope:
            name = TOKEN_HEADER.lower().encode()
            scope["headers"] = [pair for pair in scope.get("headers", ()) if pair[0].lower() != name]
    return request.__dict__.pop("_authsignal_result_token", None) or token


def claimed(token: Sealed) -> str:
    """The challenge a token says it is for. Not believed: it only picks which row to ask Authsignal about."""
    try:
        part = token.reveal().split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        return str(uuid.UUID(str(claims["other"]["idempotencyKey"])))
    except (IndexError, KeyError, TypeError, ValueError, RecursionError, binascii.Error):
        return ""
