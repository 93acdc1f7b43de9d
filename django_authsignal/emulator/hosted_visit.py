"""What every hosted page needs to know of its visitor: the opened token, the way back, and the headers.

The token is the session. No page here reads or sets a cookie, and every form carries the token as a hidden field: a
browser has no authority that another site could borrow, so there is nothing for a cross-site request to forge.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import get_language_from_request, get_supported_language_variant, override
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from django_authsignal.client.types import State
from django_authsignal.emulator import engine, fields, hosted_theme, tokens
from django_authsignal.emulator.engine import Session
from django_authsignal.emulator.hosted_embed import Embed, embed
from django_authsignal.emulator.models import Action
from django_authsignal.emulator.problems import Problem

_STATE_LIMIT = 2048  # characters of a caller's own `state`; longer ones are dropped, not cut

# Forms post here and get a page, or a redirect to another page of ours. The way back to the app is a link or a
# refresh, to any scheme: Chromium holds redirects after a form's POST against form-action, and 'self' would block the
# app's origin.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:{images}; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors {ancestors}"
)


@dataclass(frozen=True)
class Visit:
    """One request to a hosted page. `state` is the caller's, and goes back as it came; `forced`: see `must_enrol`."""

    session: Session
    state: str = ""
    token: str = field(default="", repr=False)
    embed: Embed | None = None
    forced: bool = False

    @property
    def purpose(self) -> str:
        """`withdrawFunds` as "Withdraw funds", for the heading."""
        code = self.session.action.code if self.session.action else ""
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", code).replace("_", " ").replace("-", " ").split()
        return " ".join(words).lower().capitalize()

    @property
    def destination(self) -> str:
        """The host to which the visitor goes back, the name of an app's own scheme, or nothing."""
        parts = urlsplit(self._redirect_url)
        return parts.netloc.rpartition("@")[2] if parts.scheme in ("http", "https") else parts.scheme

    @property
    def cancel_url(self) -> str:
        """Back with the token as it is: validating it tells the app that nothing was proved."""
        return self.return_url(self.token)

    @property
    def can_leave(self) -> bool:
        return bool(self.embed or self.cancel_url)

    @property
    def must_enrol(self) -> bool:
        """True while the application wants no Cancel beside a first enrolment: `force_enrollment=true` in the address.

        It only saves the visitor a way that leads nowhere. Whoever closes the page has enrolled nothing either.
        """
        action = self.session.action
        return bool(self.forced and action and action.state == State.ALLOW and not action.was_enrolled)

    def return_url(self, token: str) -> str:
        """The action's own redirectUrl, its parameters untouched, with the token; "" when it has none.

        It is never taken from the request: a link to this page must not be able to choose where the token goes. The
        `nativeScheme` that React Native's SDK adds is none either: to come back by a scheme, track with it.
        """
        base, mark, fragment = self._redirect_url.partition("#")
        if not base:
            return ""
        added = urlencode({"token": token} | ({"state": self.state} if self.state else {}))
        glue = "" if base.endswith(("?", "&")) else "&" if "?" in base else "?"
        return f"{base}{glue}{added}{mark}{fragment}"

    def link(self, name: str, **extra: str) -> str:
        """Another hosted page, with the token and what else came with the visit."""
        query = {"token": self.token} | ({"state": self.state} if self.state else {}) | extra
        if self.forced:
            query |= {"force_enrollment": "true"}
        if self.embed:
            query |= {"mode": "popup"} | ({"opener": self.embed.opener} if self.embed.opener else {})
        return f"{reverse(name)}?{urlencode(query)}"

    def proved(self, token: str) -> Visit:
        """The same visit with the token that a proof gave."""
        return replace(self, token=token, session=replace(engine.open_token(token), on_page=True))

    @property
    def told_on_leaving(self) -> str:
        """The token for the page that opened this one; a cancelled challenge tells none."""
        proved = self.session.action and self.session.action.state == State.CHALLENGE_SUCCEEDED
        return self.token if proved else ""

    @property
    def _redirect_url(self) -> str:
        url = self.session.action.redirect_url if self.session.action else ""
        return url if fields.leads_back(url) else ""  # never javascript: or data: in a link


View = Callable[[HttpRequest, Visit], HttpResponse]


def hosted(view: View) -> Callable[[HttpRequest], HttpResponse]:
    """Open the token for a view; a bad one is a friendly 401 that leads nowhere, so it cannot loop."""

    @wraps(view)
    def wrapped(request: HttpRequest) -> HttpResponse:
        given = request.POST if request.method == "POST" else request.GET
        token, state, referer = given.get("token", ""), given.get("state", ""), request.headers.get("Referer", "")
        try:
            session = replace(engine.open_token(token), on_page=True)
            if session.action is None:
                raise Problem(401, "unauthorized", "The token is of no action.")
        except Problem as problem:
            action = _expired_action(token) if problem.code == "expired_token" else None
            opened_by = embed(given, referer, action)
            with override(language(request, action)):
                return secured(_invalid(request, opened_by, problem), opened_by)
        opened_by = embed(given, referer, session.action)
        forced = given.get("force_enrollment") == "true"
        visit = Visit(session, state if len(state) <= _STATE_LIMIT else "", session.token, opened_by, forced)
        with override(language(request, session.action)):
            try:
                return secured(view(request, visit), opened_by)
            except Problem as problem:
                return secured(refused(request, visit, problem), opened_by)

    return require_http_methods(["GET", "HEAD", "POST"])(wrapped)


def language(request: HttpRequest, action: Action | None) -> str:
    """Track's locale, else the user's, else what the browser asks for. `pt_br` is written so too."""
    for wish in (action.locale, action.user.locale) if action else ():
        try:
            return get_supported_language_variant(wish.replace("_", "-").lower())
        except (LookupError, ValueError):
            continue
    return get_language_from_request(request)


def page(
    request: HttpRequest, name: str, visit: Visit, context: Mapping[str, Any] | None = None, *, status: int = 200
) -> HttpResponse:
    common = {"visit": visit, "embed": visit.embed, "theme": hosted_theme.context()}
    return render(request, f"emulator/{name}.html", {**common, **(context or {})}, status=status)


def message(
    request: HttpRequest,
    *,
    title: str,
    text: str,
    visit: Visit | None = None,
    opened_by: Embed | None = None,
    code: str = "",
    button: str = "",
    add_url: str = "",
    tone: str = "note",
    icon: str = "note",
    status: int = 200,
) -> HttpResponse:
    """A page that only says something, with one way on. `code`: of an error, for the page that opened this one."""
    words = {"title": title, "text": text, "button": button or _("Go back"), "tone": tone, "icon": icon}
    context = {
        "message": words,
        "visit": visit,
        "url": visit.cancel_url if visit else "",
        "add_url": add_url,
        "embed": visit.embed if visit else opened_by,
        "theme": hosted_theme.context(),
        "failure": {"code": code, "status": status} if code else None,
    }
    return render(request, "emulator/message.html", context, status=status)


def refused(request: HttpRequest, visit: Visit, problem: Problem) -> HttpResponse:
    """The rules said no, outside a form that could show it beside its field."""
    text = _("This cannot be done here and now. Nothing has changed.")
    if problem.status == 429:
        text = _("Too many tries in a short time. Wait ten minutes, then start again.")
    return message(
        request,
        title=_("That did not work"),
        text=text,
        visit=visit,
        tone="bad",
        code=problem.code,
        status=problem.status,
    )


def secured(response: HttpResponse, opened_by: Embed | None = None) -> HttpResponse:
    """The URL holds a credential: keep it out of caches, out of Referer, and the page out of foreign frames."""
    response["Content-Security-Policy"] = _POLICY.format(
        images=hosted_theme.image_sources(), ancestors=opened_by.ancestors if opened_by else "'none'"
    )
    response["Referrer-Policy"] = "no-referrer"
    response["Cache-Control"] = "no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _expired_action(token: str) -> Action | None:
    """Whose page may show that a link is too old. Nothing else of an expired token counts."""
    try:
        tokens.read(token)
    except tokens.TokenExpired as expired:
        number = expired.args[0]["emulator"]["action"]
        return Action.objects.select_related("user").filter(pk=number).first() if number else None
    except tokens.TokenInvalid:
        pass
    return None


def _invalid(request: HttpRequest, opened_by: Embed | None, problem: Problem) -> HttpResponse:
    expired = problem.code == "expired_token"
    return message(
        request,
        title=_("This link has expired") if expired else _("This link does not work"),
        text=_(
            "For your safety a check stays open for ten minutes only. Go back to where you came from and start again."
        )
        if expired
        else _("It is incomplete or was not made here. Go back to where you came from and start again."),
        icon="clock" if expired else "note",
        opened_by=opened_by,
        code=problem.code,
        status=401,
    )
