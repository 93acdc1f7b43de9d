"""Where a browser comes back from Authsignal with its token."""

import uuid

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_GET

from .. import addresses, arrivals, browser, flow, responses, session, steps
from ..client import Sealed
from .outcome import as_page, too_many

BOUNCED = "bounced"  # query parameter: this navigation began on our own page
TOKEN_COOKIE = "authsignal_token"  # noqa: S105 - the cookie's name
TOKEN_AGE = 60  # seconds


@sensitive_variables()  # hides those of every frame below too
@require_GET
def callback(request: HttpRequest, challenge_id: uuid.UUID) -> HttpResponse:
    """Finishes a challenge. The token leaves the address bar by a redirect, whatever comes of it."""
    bounced = BOUNCED in request.GET
    token = arrivals.take(request)
    if not bounced and _session_was_held_back(request):
        return _bounce(request, token)
    if bounced:
        token = Sealed(request.COOKIES.pop(TOKEN_COOKIE, ""))
        request.META.pop("HTTP_COOKIE", None)  # it holds the token, and error reports show it
    kept = session.open_challenge(request, challenge_id)
    finished = steps.run(flow.finish(request, challenge_id, token))
    if finished.reason != "too_many":
        response = as_page(request, challenge_id, finished, tab=kept is not None and kept.tab)
    elif token and not bounced:
        response = responses.go(request, request.path)  # too many still, and without the token in its address
    else:
        response = too_many(request, finished)
    if bounced:
        response.delete_cookie(TOKEN_COOKIE, path=request.path, samesite="Strict")
    return response


def _session_was_held_back(request: HttpRequest) -> bool:
    """True when the browser kept a SameSite=Strict session to itself, because it comes from another site."""
    strict = settings.SESSION_COOKIE_SAMESITE == "Strict"
    return strict and settings.SESSION_COOKIE_NAME not in request.COOKIES and browser.is_known(request)


def _bounce(request: HttpRequest, token: Sealed | None) -> HttpResponse:
    """A page that comes here again: a navigation begun on this site brings the session. A redirect would not.

    The token waits in a cookie for this one address, so that it stands in no second one.
    """
    response = responses.page(request, "bounce", {"url": f"{request.path}?{BOUNCED}=1"})
    if token:
        response.set_cookie(
            TOKEN_COOKIE,
            token.reveal(),
            max_age=TOKEN_AGE,
            path=request.path,
            secure=addresses.is_https(request),
            httponly=True,
            samesite="Strict",
        )
    return response
