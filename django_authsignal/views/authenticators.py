"""A user's own authenticators: see them, add one, remove one; each behind a proof for MANAGE_ACTION."""

import logging
from dataclasses import dataclass, replace
from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_http_methods

from .. import enforcement, flow, notices, responses, session, steps
from ..client import AuthsignalError
from ..client.types import Authenticator
from ..conf import get_client, get_settings
from ..decision import Decision, Question, Verdict
from ..decorators import HTTP_METHODS
from ..enforcement import Requirement
from ..hints import emulator_hint
from ..identity import authsignal_id
from ..models import Kind, revoke_proofs
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
    """GET lists them; POST `remove=<id>` removes one, POST `add=1` goes to Authsignal's own page to add one."""
    # Every method is named: with a MAX_AGE of 0 a requirement would ask of unsafe methods only, and GET lists them.
    requirement = Requirement(action=get_settings().MANAGE_ACTION, methods=HTTP_METHODS)
    refused = steps.run(enforcement.check(request, requirement))
    if refused is not None:
        return refused
    try:
        if request.method == "POST" and "add" in request.POST:
            return _add(request)
        notice = _remove(request, request.POST["remove"]) if request.POST.get("remove") else ""
        return _list(request, notice)
    except AuthsignalError as exc:
        logger.error("Authsignal could not be asked about authenticators: %s", exc)
        here = reverse("authsignal:authenticators")
        return responses.page(request, "unreachable", {"retry_url": here, "hint": emulator_hint(exc)}, status=503)


def _own(request: HttpRequest) -> list[Authenticator]:
    return list(get_client(request).get_authenticators(authsignal_id(request.user)))  # type: ignore[arg-type]


def _list(request: HttpRequest, notice: str) -> HttpResponse:
    found = _own(request)
    if session.authenticators_seen(request, [item.user_authenticator_id for item in found]):
        notices.enrolled(request.user)  # type: ignore[arg-type]
    lines = [_line(item, removable=len(found) > 1) for item in found]
    context = {"authenticators": lines, "notice": notice, "can_remove": len(found) > 1}
    return responses.page(request, "authenticators", context)


def _line(item: Authenticator, *, removable: bool) -> Line:
    names = {
        "PASSKEY": gettext("Passkey"),
        "AUTHENTICATOR_APP": gettext("Authenticator app"),
        "EMAIL_OTP": gettext("Code by e-mail"),
        "EMAIL_MAGIC_LINK": gettext("Link by e-mail"),
        "SMS": gettext("Code by text message"),
        "WHATSAPP": gettext("Code by WhatsApp"),
        "PUSH": gettext("Your phone"),
        "SECURITY_KEY": gettext("Security key"),
        "RECOVERY_CODE": gettext("Recovery codes"),
    }
    label = names.get(item.verification_method) or item.verification_method.replace("_", " ").capitalize()
    return Line(
        id=item.user_authenticator_id,
        label=label,
        method=item.verification_method,
        created_at=item.created_at,
        last_verified_at=item.last_verified_at,
        removable=removable,
    )


def _remove(request: HttpRequest, authenticator_id: str) -> str:
    own = _own(request)
    chosen = next((item for item in own if item.user_authenticator_id == authenticator_id), None)
    if chosen is None:
        return gettext("That was not among your ways to prove it is you. Nothing was removed.")
    if len(own) < 2:
        return gettext("This is the last way you have. Add another one first.")
    get_client(request).delete_authenticator(authsignal_id(request.user), authenticator_id)  # type: ignore[arg-type]
    # What was proved with it may no longer count, and what waits for a proof must not be finished with it.
    revoke_proofs(str(request.user.pk))
    session.drop(request)
    notices.removed(request.user)  # type: ignore[arg-type]
    removed = _line(chosen, removable=False).label
    return gettext("Removed: %(name)s. What was proved with it no longer counts.") % {"name": removed}


def _add(request: HttpRequest) -> HttpResponse:
    # An outage opens no page of Authsignal's, so there is nothing that it could allow.
    policy = replace(get_policy(get_settings().MANAGE_ACTION), on_unreachable="deny")
    question = Question(
        user=request.user,  # type: ignore[arg-type]
        policy=policy,
        kind=Kind.SETTINGS,
        return_to=reverse("authsignal:authenticators"),
        scopes=SCOPES,
    )
    decision: Decision = steps.run(flow.ask_settings(request, question))
    if decision.verdict is Verdict.CHALLENGE:
        return responses.go(request, responses.challenge_path(decision))
    return responses.respond(request, decision)
