"""What stands before every page of the dashboard.

Nobody signs in here, so the browser's place is all the authority there is, and any page that the developer has open
could borrow it. A change must come from a page of this very origin: the port counts too, because another server on
localhost is the same site, and gets SameSite cookies sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_http_methods

from django_authsignal.emulator import faults
from django_authsignal.emulator.problems import Problem, invalid

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: with it browsers send `Origin: null`, and a form of ours would look like somebody else's.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
# What a redirect may ask the next page to say: a known word, so that no link can put a sentence here.
_DONE = {
    "added": gettext_lazy("Added."),
    "saved": gettext_lazy("Saved."),
    "removed": gettext_lazy("Removed."),
    "deleted": gettext_lazy("The user was deleted. The actions stay as history."),
    "resolved": gettext_lazy("The action has its new state."),
    "resent": gettext_lazy("Sent once more, as a delivery of its own."),
    "fault": gettext_lazy("The fault is switched on."),
    "healthy": gettext_lazy("No fault is switched on any more."),
}
View = Callable[..., HttpResponse]


def guarded(view: View) -> View:
    """A page of the dashboard: GET shows, POST changes and must come from here."""
    protected = csrf_protect(view)

    @wraps(view)
    def wrapped(request: HttpRequest, **ids: Any) -> HttpResponse:
        try:
            _check_text(request)
            if request.method == "POST":
                _check_origin(request)
            response = protected(request, **ids)
        except Problem as problem:
            response = failed(request, problem)
        except Http404:
            response = failed(request, Problem(404, "not_found", _("It was removed, or was never here.")))
        return secured(response)

    return require_http_methods(["GET", "HEAD", "POST"])(wrapped)


def secured(response: HttpResponse) -> HttpResponse:
    for name, value in _HEADERS.items():
        response[name] = value
    return response


def page(
    request: HttpRequest, name: str, context: Mapping[str, Any] | None = None, *, here: str = "", status: int = 200
) -> HttpResponse:
    """A template of the dashboard. `here` is its place in the navigation."""
    fault = faults.read()
    shared = {
        "here": here,
        "fault": fault if fault.is_on else None,
        "done": _DONE.get(request.GET.get("done", "")),
        "pages": _PAGES,
    }
    return render(request, f"emulator/dashboard/{name}.html", {**shared, **(context or {})}, status=status)


def live(
    request: HttpRequest, name: str, context: Mapping[str, Any], shown: Iterable[object], *, here: str
) -> HttpResponse:
    """A page that the script keeps up to date. `shown`: what it is made of; without a change there, the answer is 204.

    Asked for again and again, and never held open: a page costs no connection, and any worker can answer.
    """
    state = faults.read()
    seen = sha256(repr([state, state.is_on, *shown]).encode()).hexdigest()
    if request.headers.get("X-Seen") == seen:
        return HttpResponse(status=204)
    return page(request, name, {**context, "version": seen}, here=here)


def back(url: str, done: str) -> HttpResponse:
    """After a change: a page that can be reloaded."""
    response = HttpResponseRedirect(f"{url}?done={done}")
    response.status_code = 303
    return response


def failed(request: HttpRequest, problem: Problem) -> HttpResponse:
    context = {"text": problem.description.replace("body.", ""), "status": problem.status}
    return page(request, "failed", context, status=problem.status)


def forged(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django's CSRF_FAILURE_VIEW: the cookie or the form's token is missing or wrong."""
    problem = Problem(403, "forbidden", _("The page was too old, or cookies are off. Reload it and try again."))
    return secured(failed(request, problem))


def _check_origin(request: HttpRequest) -> None:
    """Raises Problem 403 unless a page of ours sent the form. Every browser tells; who does not tell is refused."""
    given = request.headers.get("Origin", "")
    # The public URL beside what this request came to: behind a proxy that ends TLS, they differ. Not settings.ORIGINS,
    # which are the pages of apps.
    own = (f"{request.scheme}://{request.get_host()}", settings.PUBLIC_URL)
    from_here = any(constant_time_compare(given, origin) for origin in own)
    if not from_here or request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        raise Problem(403, "forbidden", _("No page of this dashboard sent the request, so nothing was done."))


def _check_text(request: HttpRequest) -> None:
    """Refuse what PostgreSQL can neither store nor search for."""
    given = (*request.GET.lists(), *request.POST.lists())
    if any("\0" in value for _name, values in given for value in values):
        raise invalid("The request holds a NUL character.")


_PAGES = (
    ("home", gettext_lazy("Live")),
    ("users", gettext_lazy("Users")),
    ("rules", gettext_lazy("Rules")),
    ("dashboard-settings", gettext_lazy("Settings")),
    ("webhooks", gettext_lazy("Webhooks")),
    ("inbox", gettext_lazy("Inbox")),
    ("phone", gettext_lazy("Phone")),
    ("faults", gettext_lazy("Faults")),
)
