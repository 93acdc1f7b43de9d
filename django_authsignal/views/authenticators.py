"""A user's own authenticators: see them, add one, remove one; each behind a proof for MANAGE_ACTION."""

import logging
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_http_methods

from .. import addresses, deadlines, enforcement, flow, notices, responses, session, steps
from ..authenticators import is_last, remove
from ..authenticators import of as authenticators_of
from ..client import AuthsignalError
from ..client.types import Authenticator
from ..conf import get_settings
from ..decision import Decision, Question, Verdict
from ..decorators import HTTP_METHODS
from ..enforcement import Requirement
from ..methods import label_of
from ..models import Kind
from ..policy import get_policy

logger = logging.getLogger("django_authsignal")

SCOPES = "read:authenticators add:authenticators update:authenticators remove:authenticators"


@dataclass(frozen=True)
class Line:
    """One authenticator as the page shows it."""

    id: str
    label: str
    method: str
    created_at: datetime | None
    last_verified_at: datetime | None
    removable: bool


@csrf_protect
@require_http_methods(["GET", "HEAD", "POST"])
def authenticators(request: HttpRequest) -> HttpResponseBase:
    """GET lists them, or with `remove=<id>` asks whether that one is to go; POST `remove=<id>` removes it.

    POST `add=1` goes to Authsignal's own page to add one.
    """
    # Every method is named: with a MAX_AGE of 0 a requirement would ask of unsafe methods only, and GET lists them.
    requirement = Requirement(action=get_settings().MANAGE_ACTION, methods=HTTP_METHODS)
    refused = steps.run(enforcement.check(request, requirement))
    if refused is not None:
        return refused
    try:
        if request.method == "POST" and "add" in request.POST:
            return _add(request)
        if request.method == "POST":
            return _remove(request, request.POST["remove"]) if request.POST.get("remove") else _list(request)
        return _ask_to_remove(request, request.GET["remove"]) if request.GET.get("remove") else _list(request)
    except AuthsignalError as exc:
        logger.error("Authsignal could not be asked about authenticators: %s", exc)
        return responses.unanswered(request, exc, retry_url=_here(request))


def _list(request: HttpRequest, notice: str = "", *, error: str = "", status: int = 200) -> HttpResponse:
    user = request.user
    found = authenticators_of(request, user)  # type: ignore[arg-type] # signed in, so not AnonymousUser
    methods = {item.user_authenticator_id: item.verification_method for item in found}
    added, gone = session.authenticators_seen(request, methods)
    notices.seen(request, user, "added", added)  # type: ignore[arg-type] # signed in, so not AnonymousUser
    notices.seen(request, user, "removed", gone)  # type: ignore[arg-type] # signed in, so not AnonymousUser
    lines = [_line(item, removable=not is_last(found, item)) for item in found]
    can_remove = any(line.removable for line in lines)
    due = deadlines.note(request, user, methods.values())  # type: ignore[arg-type] # signed in, so not AnonymousUser
    context = {
        "authenticators": lines,
        "notice": notice,
        "error": error,
        "can_remove": can_remove,
        "due": due,
        "return_to": _next(request),
    }
    return responses.page(request, "authenticators", context, status=status)


def _next(request: HttpRequest) -> str:
    """Where somebody was led here from."""
    return addresses.local(request, request.GET.get("next"))


def _here(request: HttpRequest) -> str:
    here, onward = reverse("authsignal:authenticators"), _next(request)
    return f"{here}?{urlencode({'next': onward})}" if onward else here


def _line(item: Authenticator, *, removable: bool) -> Line:
    return Line(
        id=item.user_authenticator_id,
        label=label_of(item.verification_method),
        method=item.verification_method,
        created_at=item.created_at,
        last_verified_at=item.last_verified_at,
        removable=removable,
    )


def _ask_to_remove(request: HttpRequest, authenticator_id: str) -> HttpResponse:
    """A page that asks once more: it needs no script, and a slip of the finger removes nothing."""
    own = authenticators_of(request, request.user)  # type: ignore[arg-type] # signed in, so not AnonymousUser
    chosen = next((item for item in own if item.user_authenticator_id == authenticator_id), None)
    if chosen is None or is_last(own, chosen):
        return _not_removed(request, "last" if chosen else "unknown")
    context = {"authenticator": _line(chosen, removable=True), "list_url": _here(request)}
    return responses.page(request, "authenticator_remove", context)


def _not_removed(request: HttpRequest, reason: str) -> HttpResponse:
    text, status = {
        "unknown": (gettext("That was not among your ways to prove it is you. Nothing was removed."), 404),
        "last": (gettext("This is the last way you have. Add another one first."), 409),
        "busy": (gettext("Another one is just being removed. Nothing was done; try again in a minute."), 409),
        "refused": (gettext("It could not be removed. Try again in a minute."), 502),
    }[reason]
    return _list(request, error=text, status=status)


def _remove(request: HttpRequest, authenticator_id: str) -> HttpResponse:
    removal = remove(request, request.user, authenticator_id)  # type: ignore[arg-type] # signed in, so not AnonymousUser
    if removal.reason:
        return _not_removed(request, removal.reason)
    said = gettext("Removed: %(name)s. What was proved with it no longer counts.")
    return _list(request, said % {"name": label_of(removal.method)})


def _add(request: HttpRequest) -> HttpResponse:
    # An outage opens no page of Authsignal's, so there is nothing that it could allow.
    policy = replace(get_policy(get_settings().MANAGE_ACTION), on_unreachable="deny")
    question = Question(
        user=request.user,  # type: ignore[arg-type] # signed in, so not AnonymousUser
        policy=policy,
        kind=Kind.SETTINGS,
        return_to=_here(request),
        scopes=SCOPES,
    )
    decision: Decision = steps.run(flow.ask_settings(request, question))
    if decision.verdict is Verdict.CHALLENGE:
        return responses.go(request, responses.challenge_path(decision))
    return responses.respond(request, decision)
