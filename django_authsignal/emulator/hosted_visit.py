"""What every hosted page needs to know of its visitor: the opened token, the way back, and the headers.

The token is the session. No page here reads or sets a cookie, and every form carries the token as a hidden field: a
browser has no authority that another site could borrow, so there is nothing for a cross-site request to forge.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from django_authsignal.emulator import engine
from django_authsignal.emulator.engine import Session
from django_authsignal.emulator.problems import Problem

_STATE_LIMIT = 2048  # characters of a caller's own `state`; longer ones are dropped, not cut

# Forms post here and get a page, or a redirect to another page of ours. The way back to the app is a link or a
# refresh: Chromium holds redirects after a form's POST against form-action, and 'self' would block the app's origin.
FRAME_ANCESTORS = "'none'"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    f"base-uri 'none'; form-action 'self'; frame-ancestors {FRAME_ANCESTORS}"
)


@dataclass(frozen=True)
class Visit:
    """One request to a hosted page. `state` is the caller's, and goes back as it came."""

    session: Session
    state: str = ""
    token: str = field(default="", repr=False)

    @property
    def purpose(self) -> str:
        """`withdrawFunds` as "Withdraw funds", for the heading."""
        code = self.session.action.code if self.session.action else ""
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", code).replace("_", " ").replace("-", " ").split()
        return " ".join(words).lower().capitalize()

    @property
    def destination(self) -> str:
        """The host to which the visitor goes back, or nothing."""
        return urlsplit(self._redirect_url).netloc.rpartition("@")[2]

    @property
    def cancel_url(self) -> str:
        """Back with the token as it is: validating it tells the app that nothing was proved."""
        return self.return_url(self.token)

    def return_url(self, token: str) -> str:
        """The action's own redirectUrl, its parameters untouched, with the token; "" when it has none.

        It is never taken from the request: a link to this page must not be able to choose where the token goes.
        """
        base, mark, fragment = self._redirect_url.partition("#")
        if not base:
            return ""
        added = urlencode({"token": token} | ({"state": self.state} if self.state else {}))
        glue = "" if base.endswith(("?", "&")) else "&" if "?" in base else "?"
        return f"{base}{glue}{added}{mark}{fragment}"

    def link(self, name: str, **extra: str) -> str:
        """Another hosted page, with the token and the state."""
        query = {"token": self.token} | ({"state": self.state} if self.state else {}) | extra
        return f"{reverse(name)}?{urlencode(query)}"

    @property
    def _redirect_url(self) -> str:
        url = self.session.action.redirect_url if self.session.action else ""
        return url if urlsplit(url).scheme in {"http", "https"} else ""  # never javascript: or data: in a link


View = Callable[[HttpRequest, Visit], HttpResponse]


def hosted(view: View) -> Callable[[HttpRequest], HttpResponse]:
    """Open the token for a view; a bad one is a friendly 401 that leads nowhere, so it cannot loop."""

    @wraps(view)
    def wrapped(request: HttpRequest) -> HttpResponse:
        given = request.POST if request.method == "POST" else request.GET
        state = given.get("state", "")
        try:
            session = engine.open_token(given.get("token", ""))
        except Problem as problem:
            return secured(_invalid(request, expired=problem.code == "expired_token"))
        if session.action is None:
            return secured(_invalid(request, expired=False))
        visit = Visit(session, state if len(state) <= _STATE_LIMIT else "", session.token)
        try:
            return secured(view(request, visit))
        except Problem as problem:
            return secured(refused(request, visit, problem))

    return require_http_methods(["GET", "HEAD", "POST"])(wrapped)


def page(
    request: HttpRequest, name: str, visit: Visit, context: Mapping[str, Any] | None = None, *, status: int = 200
) -> HttpResponse:
    return render(request, f"emulator/{name}.html", {"visit": visit, **(context or {})}, status=status)


def message(
    request: HttpRequest,
    *,
    title: str,
    text: str,
    url: str = "",
    button: str = "",
    add_url: str = "",
    tone: str = "note",
    icon: str = "note",
    status: int = 200,
) -> HttpResponse:
    """A page that only says something, with one way on."""
    words = {"title": title, "text": text, "button": button or _("Go back"), "tone": tone, "icon": icon}
    context = {"message": words, "url": url, "add_url": add_url}
    return render(request, "emulator/message.html", context, status=status)


def refused(request: HttpRequest, visit: Visit, problem: Problem) -> HttpResponse:
    """The rules said no, outside a form that could show it beside its field."""
    text = _("This cannot be done here and now. Nothing has changed.")
    if problem.status == 429:
        text = _("Too many tries in a short time. Wait ten minutes, then start again.")
    return message(
        request, title=_("That did not work"), text=text, url=visit.cancel_url, tone="bad", status=problem.status
    )


def secured(response: HttpResponse) -> HttpResponse:
    """The URL holds a credential: keep it out of caches, out of Referer, and the page out of foreign frames."""
    response["Content-Security-Policy"] = _POLICY
    response["Referrer-Policy"] = "no-referrer"
    response["Cache-Control"] = "no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _invalid(request: HttpRequest, *, expired: bool) -> HttpResponse:
    return message(
        request,
        title=_("This link has expired") if expired else _("This link does not work"),
        text=_(
            "For your safety a check stays open for ten minutes only. Go back to where you came from and start again."
        )
        if expired
        else _("It is incomplete or was not made here. Go back to where you came from and start again."),
        icon="clock" if expired else "note",
        status=401,
    )
