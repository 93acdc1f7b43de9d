"""The hosted pages that ask for a proof: where a browser goes with the `url` of a tracked action."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from django_authsignal.client.types import State
from django_authsignal.client.types import VerificationMethod as Method
from django_authsignal.emulator import engine, tenant, tokens
from django_authsignal.emulator import hosted_ways as ways
from django_authsignal.emulator.engine import Verification
from django_authsignal.emulator.hosted_visit import Visit, hosted, message, page
from django_authsignal.emulator.methods import authenticator_app, email_magic_link, recovery_code
from django_authsignal.emulator.problems import Problem, invalid

_MANAGES = {tokens.ADD, tokens.UPDATE, tokens.REMOVE}
_OPEN = {State.ALLOW, State.CHALLENGE_REQUIRED, State.CHALLENGE_SUCCEEDED}
_CLIENT = "/v1/client/user-authenticators"


@hosted
def entry(request: HttpRequest, visit: Visit) -> HttpResponse:
    """Choose the page that this visit is for."""
    if lands_in_settings(visit):
        return HttpResponseRedirect(visit.link("settings"))
    if over := closed(request, visit):
        return over
    if tokens.ADD in visit.session.scopes or not ways.has_any(visit):
        return choose_page(request, visit)
    methods = ways.usable(visit)
    if not methods:
        return _no_way(request, visit)
    return HttpResponseRedirect(visit.link(f"challenge-{ways.PAGES[Method(methods[0])]}"))


def with_key(key: ways.Key) -> Callable[[HttpRequest], HttpResponse]:
    @hosted
    def view(request: HttpRequest, visit: Visit) -> HttpResponse:
        error = ""
        if over := closed(request, visit):
            return over
        if request.method == "POST":
            try:
                return finished(visit, key.module.authenticate(visit.session, *posted(request, key)))
            except Problem as problem:
                error = key_error(problem)
        context = {"key": key, "options_url": f"{_CLIENT}/{key.path}/authentication-options", "error": error}
        return challenge_page(request, visit, "challenge_key", key.method, context)

    return view


@hosted
def with_app(request: HttpRequest, visit: Visit) -> HttpResponse:
    error = ""
    if over := closed(request, visit):
        return over
    if request.method == "POST":
        result = authenticator_app.verify(visit.session, request.POST.get("code", ""))
        if result.is_verified:
            return finished(visit, result)
        error = code_error(result)
    return challenge_page(request, visit, "challenge_app", Method.AUTHENTICATOR_APP, {"error": error})


def with_sending(sending: ways.Sending) -> Callable[[HttpRequest], HttpResponse]:
    """A GET never sends: link scanners and reloads must not."""
    name = f"challenge-{ways.PAGES[sending.method]}"

    @hosted
    def view(request: HttpRequest, visit: Visit) -> HttpResponse:
        error, sent = "", request.GET.get("sent") == "1"
        if over := closed(request, visit):
            return over
        if request.method == "POST" and request.POST.get("do") == "send":
            try:
                sending.module.challenge(visit.session)
                return HttpResponseRedirect(visit.link(name, sent="1"))
            except Problem as problem:
                error = send_error(problem)
        elif request.method == "POST":
            sent = True
            result = answer_of(sending, request, visit)
            if result.is_verified:
                return finished(visit, result)
            error = code_error(result, link=sending.is_link)
        to = {"to": ways.masked(ways.newest_address(visit, sending.method, verified=True))}
        context = {
            "sending": sending,
            "error": error,
            "sent": sent,
            "lead": (sending.sent if sent else sending.will_send) % to,
        }
        return challenge_page(request, visit, "challenge_sent", sending.method, context)

    return view


@hosted
def with_recovery_code(request: HttpRequest, visit: Visit) -> HttpResponse:
    error = ""
    if over := closed(request, visit):
        return over
    if request.method == "POST":
        result = recovery_code.verify(visit.session, request.POST.get("code", ""))
        if result.is_verified:
            return finished(visit, result)
        error = code_error(result)
    return challenge_page(request, visit, "challenge_recovery", Method.RECOVERY_CODE, {"error": error})


@hosted
def link_waits(request: HttpRequest, visit: Visit) -> HttpResponse:
    """What the page that sent a link asks, until the link was answered somewhere. It gives no token away."""
    return JsonResponse({"waits": email_magic_link.waits(visit.session)})


def answer_of(sending: ways.Sending, request: HttpRequest, visit: Visit) -> Verification:
    if sending.is_link:
        return email_magic_link.finalize(visit.session)
    result: Verification = sending.module.verify(visit.session, request.POST.get("code", ""))
    return result


def choose_page(request: HttpRequest, visit: Visit) -> HttpResponse:
    """The list of ways to set up."""
    offered = ways.to_choose_from(visit)
    if not offered["ways"]:
        return _no_way(request, visit)
    return page(request, "choose", visit, {**offered, "first": not ways.has_any(visit)})


def finished(visit: Visit, result: Verification, *, enrolled: str = "") -> HttpResponse:
    """The way on after a proof, as a page that can be reloaded and come back to. `enrolled`: the method set up now."""
    visit = visit.proved(result.access_token or visit.token)
    return HttpResponseRedirect(visit.link("finished", **({"enrolled": enrolled} if enrolled else {})))


@hosted
def what_follows(request: HttpRequest, visit: Visit) -> HttpResponse:
    """After a proof: recovery codes, the offer of a passkey, the settings, and at last the way back."""
    action, enrolled = visit.session.action, ways.set_up_here(visit, request.GET.get("enrolled", ""))
    if not enrolled and (action is None or action.state != State.CHALLENGE_SUCCEEDED):
        return HttpResponseRedirect(visit.link("challenge"))
    next_url = visit.link("settings") if lands_in_settings(visit) else ""
    codes = recovery_code.give_owed(visit.session) if request.method == "GET" else []
    if codes:
        return page(request, "recovery_codes", visit, {"codes": "\n".join(codes), "next_url": next_url})
    if not enrolled and _wants_passkey(visit):
        return page(request, "uplift", visit, {"next_url": next_url, "enrol_url": visit.link("enrol-passkey")})
    if next_url:
        return HttpResponseRedirect(next_url)
    # Who reloads the page of the codes, or comes back to it, is told, and not hurried on.
    given = recovery_code.were_given(visit.session)
    stays = given or (bool(enrolled) and not tenant.settings().hide_success_screen_on_enrollment)
    context = {"stays": stays, "enrolled": ways.NAMES.get(enrolled, ""), "codes_given": given}
    return page(request, "done", visit, context)


def lands_in_settings(visit: Visit) -> bool:
    """True when the visitor goes to the settings before they leave."""
    action = visit.session.action
    return bool(action and action.redirect_to_settings and _lets_into_settings(visit))


def posted(request: HttpRequest, key: ways.Key) -> list[object]:
    """What the script put into the form: the credential, and for a passkey its challenge's id. Raises Problem."""
    try:
        credential = json.loads(request.POST.get("credential", ""))
    except (ValueError, RecursionError):
        raise invalid("The credential is not JSON.") from None
    if not isinstance(credential, dict):
        raise invalid("The credential must be an object.")
    return [credential, request.POST.get("challengeId") or None] if key.method == Method.PASSKEY else [credential]


def key_error(problem: Problem) -> str:
    if problem.code == "unknown_credential":
        return _("This key does not belong to this account. Try another, or choose another way.")
    return _("The key was not accepted. Try again, or choose another way.")


def code_error(result: Verification, *, link: bool = False) -> str:
    if result.failure_reason == "MAX_ATTEMPTS_EXCEEDED":
        return _("That was the tenth wrong code. Wait five minutes, then try again.")
    if link and result.failure_reason:
        return _("This link was refused or is too old. Ask for a new one.")
    if link:
        return _("The link was not opened yet.")
    return _("This code is wrong, used or too old. Check it and try again.")


def send_error(problem: Problem) -> str:
    if problem.status == 429:
        return _("Too many messages were asked for in ten minutes. Wait a little, then ask again.")
    return _("We could not send anything there. Check the address or number.")


def challenge_page(
    request: HttpRequest, visit: Visit, template: str, method: Method, context: Mapping[str, object]
) -> HttpResponse:
    if method not in ways.usable(visit):
        return HttpResponseRedirect(visit.link("challenge"))
    common = {"action_url": request.path, "ways": ways.to_prove(visit, besides=method)}
    return page(request, template, visit, {**context, **common})


def closed(request: HttpRequest, visit: Visit) -> HttpResponse | None:
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
    if state in (State.ALLOW, State.CHALLENGE_SUCCEEDED, State.REVIEW_SUCCEEDED):
        return message(
            request,
            title=_("Already done"),
            text=_("There is nothing left to prove here."),
            visit=visit,
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
        return message(request, title=title, text=text, visit=visit, icon=icon)
    if state == State.CHALLENGE_FAILED:
        text = _("The answer was no, so nothing was done. If that was a mistake, go back and start again.")
        return message(request, title=_("This was rejected"), text=text, visit=visit, tone="bad", status=403)
    text = _("This cannot go on. Nothing was done.")
    return message(request, title=_("This was refused"), text=text, visit=visit, tone="bad", status=403)


def _lets_into_settings(visit: Visit) -> bool:
    if visit.session.action and visit.session.action.state not in _OPEN:
        return False
    return bool(_MANAGES & visit.session.scopes) or engine.recently_proved(visit.session)


def _wants_passkey(visit: Visit) -> bool:
    action = visit.session.action
    return (
        action is not None
        and Method.PASSKEY in action.prompt_to_enroll_methods
        and Method.PASSKEY not in engine.enrolled_methods(visit.session)
        and Method.PASSKEY in engine.allowed_methods(visit.session)
        and engine.may_enrol(visit.session)
    )


def _no_way(request: HttpRequest, visit: Visit) -> HttpResponse:
    return message(
        request,
        title=_("None of your ways fits here"),
        text=_("This step accepts only ways of proof that you have not set up."),
        visit=visit,
        status=403,
    )
