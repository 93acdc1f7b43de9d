"""The hosted pages that ask for a proof: where a browser goes with the `url` of a tracked action."""

from __future__ import annotations

import json
from collections.abc import Mapping

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _

from django_authsignal.client.types import State
from django_authsignal.client.types import VerificationMethod as Method
from django_authsignal.emulator import hosted_ways as ways
from django_authsignal.emulator import tokens
from django_authsignal.emulator.engine import Verification
from django_authsignal.emulator.hosted_visit import Visit, hosted, message, page
from django_authsignal.emulator.methods import authenticator_app, email_otp, passkey, recovery_code
from django_authsignal.emulator.problems import Problem, invalid


@hosted
def entry(request: HttpRequest, visit: Visit) -> HttpResponse:
    """Choose the page that this visit is for."""
    if closed := _closed(request, visit):
        return closed
    if tokens.ADD in visit.session.scopes or not ways.has_any(visit):
        return choose_page(request, visit)
    methods = ways.usable(visit)
    if not methods:
        return _no_way(request, visit)
    return HttpResponseRedirect(visit.link(f"challenge-{ways.PAGES[Method(methods[0])]}"))


@hosted
def with_passkey(request: HttpRequest, visit: Visit) -> HttpResponse:
    error = ""
    if closed := _closed(request, visit):
        return closed
    if request.method == "POST":
        try:
            result = passkey.authenticate(visit.session, *posted_credential(request))
            return finished(request, visit, result)
        except Problem as problem:
            error = passkey_error(problem)
    context = {"options_url": "/v1/client/user-authenticators/passkey/authentication-options", "error": error}
    return _challenge(request, visit, "challenge_passkey", Method.PASSKEY, context)


@hosted
def with_app(request: HttpRequest, visit: Visit) -> HttpResponse:
    error = ""
    if closed := _closed(request, visit):
        return closed
    if request.method == "POST":
        result = authenticator_app.verify(visit.session, request.POST.get("code", ""))
        if result.is_verified:
            return finished(request, visit, result)
        error = code_error(result)
    return _challenge(request, visit, "challenge_app", Method.AUTHENTICATOR_APP, {"error": error})


@hosted
def with_email(request: HttpRequest, visit: Visit) -> HttpResponse:
    """A GET never sends mail: link scanners and reloads must not."""
    error, sent = "", request.GET.get("sent") == "1"
    if closed := _closed(request, visit):
        return closed
    if request.method == "POST" and request.POST.get("do") == "send":
        try:
            email_otp.challenge(visit.session)
            return HttpResponseRedirect(visit.link("challenge-email", sent="1"))
        except Problem as problem:
            error = send_error(problem)
    elif request.method == "POST":
        sent = True
        result = email_otp.verify(visit.session, request.POST.get("code", ""))
        if result.is_verified:
            return finished(request, visit, result)
        error = code_error(result)
    context = {"error": error, "sent": sent, "masked": ways.masked(ways.newest_address(visit, verified=True))}
    return _challenge(request, visit, "challenge_email", Method.EMAIL_OTP, context)


@hosted
def with_recovery_code(request: HttpRequest, visit: Visit) -> HttpResponse:
    error = ""
    if closed := _closed(request, visit):
        return closed
    if request.method == "POST":
        result = recovery_code.verify(visit.session, request.POST.get("code", ""))
        if result.is_verified:
            return finished(request, visit, result)
        error = code_error(result)
    return _challenge(request, visit, "challenge_recovery", Method.RECOVERY_CODE, {"error": error, "recovery": True})


def choose_page(request: HttpRequest, visit: Visit) -> HttpResponse:
    """The list of ways to set up."""
    offered = ways.to_enrol(visit)
    if not offered:
        return _no_way(request, visit)
    return page(request, "choose", visit, {"ways": offered, "first": not ways.has_any(visit)})


def finished(request: HttpRequest, visit: Visit, result: Verification) -> HttpResponse:
    """The way back with the new token; after a first enrolment, by way of the recovery codes."""
    url = visit.return_url(result.access_token or visit.token)
    if result.recovery_codes:
        return page(request, "recovery_codes", visit, {"codes": "\n".join(result.recovery_codes), "url": url})
    return page(request, "done", visit, {"url": url})


def posted_credential(request: HttpRequest) -> tuple[dict[str, object], str | None]:
    """What the script put into the form. Raises Problem."""
    try:
        credential = json.loads(request.POST.get("credential", ""))
    except (ValueError, RecursionError):
        raise invalid("The credential is not JSON.") from None
    if not isinstance(credential, dict):
        raise invalid("The credential must be an object.")
    return credential, request.POST.get("challengeId") or None


def passkey_error(problem: Problem) -> str:
    if problem.code == "unknown_credential":
        return _("This passkey does not belong to this account. Try another, or choose another way.")
    return _("The passkey was not accepted. Try again, or choose another way.")


def code_error(result: Verification) -> str:
    if result.failure_reason == "MAX_ATTEMPTS_EXCEEDED":
        return _("That was the tenth wrong code. Wait five minutes, then try again.")
    return _("This code is wrong, used or too old. Check it and try again.")


def send_error(problem: Problem) -> str:
    if problem.status == 429:
        return _("Twelve mails in ten minutes are the limit. Wait a little, then ask again.")
    return _("We could not send a code there. Check the address.")


def _challenge(
    request: HttpRequest, visit: Visit, template: str, method: Method, context: Mapping[str, object]
) -> HttpResponse:
    if method not in ways.usable(visit):
        return HttpResponseRedirect(visit.link("challenge"))
    common = {"action_url": request.path, "ways": ways.to_prove(visit, besides=method)}
    return page(request, template, visit, {**context, **common})


def _closed(request: HttpRequest, visit: Visit) -> HttpResponse | None:
    """The page for an action that cannot, or need not, be proved; a state nobody knows counts as blocked."""
    action = visit.session.action
    state = action.state if action else ""
    adding = tokens.ADD in visit.session.scopes and request.path == reverse("challenge")
    if state == State.CHALLENGE_REQUIRED:
        return None
    if adding and state in (State.ALLOW, State.CHALLENGE_SUCCEEDED):
        return None
    if state == State.ALLOW and action and not action.was_enrolled:
        return None
    back = visit.cancel_url
    if state in (State.ALLOW, State.CHALLENGE_SUCCEEDED, State.REVIEW_SUCCEEDED):
        return message(
            request,
            title=_("Already done"),
            text=_("There is nothing left to prove here."),
            url=back,
            button=_("Continue"),
            add_url=visit.link("enrol") if state == State.CHALLENGE_SUCCEEDED and ways.to_enrol(visit) else "",
            tone="good",
            icon="check",
        )
    if state == State.REVIEW_REQUIRED:
        title, text, icon = (
            _("This is waiting for a review"),
            _("Somebody has to look at it first. You need not do anything here."),
            "clock",
        )
        return message(request, title=title, text=text, url=back, icon=icon)
    text = _("This cannot go on. Nothing was done.")
    return message(request, title=_("This was refused"), text=text, url=back, tone="bad", status=403)


def _no_way(request: HttpRequest, visit: Visit) -> HttpResponse:
    return message(
        request,
        title=_("None of your ways fits here"),
        text=_("This step accepts only ways of proof that you have not set up."),
        url=visit.cancel_url,
        status=403,
    )
