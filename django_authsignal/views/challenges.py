"""Challenges: begin one by JSON, look at one, finish one by JSON; and: will I be asked?"""

import json
import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, JsonResponse, RawPostDataException
from django.utils import timezone
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from .. import addresses, ahead, browser, enforcement, flow, observing, responses, reviews, session, signin, steps
from ..client import ConfigurationError, Sealed
from ..conf import get_settings
from ..decision import Decision, Question, Verdict
from ..flow import Finished
from ..identity import get_user, is_pseudonym
from ..models import Challenge, Kind, Status
from ..policy import get_policy, label_for
from .outcome import already, failed, go_on

REASONS = frozenset(
    {
        "expired",
        "foreign",
        "used",
        "missing_token",
        "not_completed",
        "invalid",
        "wrong_user",
        "inactive",
        "account_changed",
        "signed_out",
        "wrong_tenant",
        "method",
    }
    | {"gone", "unreachable", "failed"}
)
# Refused attempts after which the very same challenge may still be finished.
GO_ON = frozenset({"missing_token", "not_completed", "unreachable", "invalid", "method", ""})


def body_of(request: HttpRequest) -> dict[str, Any]:
    """The JSON object of a request. Raises BadRequest."""
    try:
        found = json.loads(request.body or b"{}")
    except (ValueError, RecursionError, RawPostDataException) as exc:  # the last: a form that was read as one already
        raise BadRequest("The body is not JSON. Send a JSON object.") from exc
    if not isinstance(found, dict):
        raise BadRequest("The body is not a JSON object. Send a JSON object.")
    return found


def known_actions() -> set[str]:
    """The actions that may be named from outside: those of ACTIONS, and the two the package has itself."""
    settings = get_settings()
    return {*settings.ACTIONS, settings.SIGN_IN_ACTION, settings.MANAGE_ACTION, settings.RESET_ACTION}


@csrf_protect
@require_POST
def challenges(request: HttpRequest) -> HttpResponse:
    """POST {"action", "returnTo"?, "request"?}: begins a challenge for the signed-in user.

    `request` is {"method", "path", "fields"}: what the page is about to send, so that the proof is one for that.
    """
    try:
        body = body_of(request)
    except BadRequest as exc:
        return responses.bad(request, str(exc))
    action = body.get("action")
    if not isinstance(action, str):
        return responses.bad(request, "Unknown action. Send one that AUTHSIGNAL['ACTIONS'] lists.")
    if "request" in body:
        return _begin_ahead(request, action, body)
    if action not in known_actions():
        return responses.bad(request, "Unknown action. Send one that AUTHSIGNAL['ACTIONS'] lists.")
    user = enforcement.signed_in_user(request)
    if user is None:
        return responses.problem(request, Decision(Verdict.SIGN_IN, action))
    policy = get_policy(action)
    if policy.single_use:
        return responses.bad(
            request,
            "This action's proof belongs to one request. Send that request; it is answered with a challenge.",
        )
    return _begun(request, replace(enforcement.question_for(request, user, policy), return_to=_back(request, body)))


def _back(request: HttpRequest, body: dict[str, Any]) -> str:
    asked = body.get("returnTo")
    return (addresses.local(request, asked) if isinstance(asked, str) else "") or "/"


def _begun(request: HttpRequest, question: Question) -> HttpResponse:
    decision = steps.run(flow.ask(request, question))
    if decision.passed:
        return as_json(request, {"action": decision.action, "passed": True})
    return responses.problem(request, decision)


def _begin_ahead(request: HttpRequest, action: str, body: dict[str, Any]) -> HttpResponse:
    """Begins the challenge of a request that is not sent yet; nothing is spent: that is for the request itself."""
    try:
        made = ahead.imagined(request, body["request"])
        asked = ahead.requirement_for(made, action)
        if asked is None:
            return responses.bad(request, "That address does not ask for this action. Send what its view asks for.")
        user, policy = enforcement.signed_in_user(request), asked.policy()
        if user is None:
            return responses.problem(request, Decision(Verdict.SIGN_IN, action))
        question = enforcement.question_for(made, user, policy)
    except BadRequest as exc:
        return responses.bad(request, str(exc))
    question = replace(question, return_to=_back(request, body))
    waiting = policy.single_use and flow.proved_ahead(made, question)
    answer = as_json(request, {"action": action, "passed": True}) if waiting else _begun(made, question)
    ahead.hand_back(request, made)
    return answer


@sensitive_variables()
@csrf_protect
@require_http_methods(["GET", "HEAD", "POST"])
def challenge(request: HttpRequest, challenge_id: uuid.UUID) -> HttpResponse:
    """GET: the challenge's page (JSON: its status). POST {"token"}: finishes it, answered in JSON."""
    if request.method == "POST":
        return _finish(request, challenge_id)
    row = Challenge.objects.filter(pk=challenge_id).first()
    page = responses.wants_page(request)
    if row is None or is_pseudonym(row.user_pk):
        return failed(request, "gone") if page else responses.bad(request, "There is no such challenge.", 404)
    if not browser.began(request, row.pk, row.browser):
        # Nothing about it is told to another browser, not even whether it was finished.
        return failed(request, "foreign") if page else responses.bad(request, "There is no such challenge.", 404)
    if row.status == Status.REVIEW:
        released = steps.run(reviews.look_at_review(request, row)) if request.method == "GET" else False
        if released:
            return _released(request, row)
        row.refresh_from_db()
    return _show(request, row) if page else as_json(request, _status_of(request, row))


def _show(request: HttpRequest, row: Challenge) -> HttpResponse:
    decision = flow.challenge_decision(request, row, label=label_for(get_policy(row.action), {}))
    if decision.verdict is Verdict.REVIEW:
        return responses.decided(request, "review", decision, status=200, url=request.path)
    tab = responses.TAB in request.GET
    if _is_proved(request, row):
        about = {"label": decision.label, "action": row.action, "tab": tab, "challenge_id": row.pk}
        return responses.page(request, "proved", {**about, "return_to": already(request, row)})
    if tab:
        session.open_in_tab(request, row.pk)
    reason = request.GET.get("reason", "")
    reason = reason if reason in REASONS else ""
    waiting = decision.verdict is Verdict.CHALLENGE and decision.url and reason in GO_ON
    if not waiting or reason in ("invalid", "method"):
        return failed(request, reason or _closed_reason(row), row)
    back = _way_out(request, row)
    return responses.decided(
        request,
        "challenge",
        decision,
        status=200,
        url=decision.url,
        again=bool(reason),
        reason=reason,
        leave_url=back,
    )


def _is_proved(request: HttpRequest, row: Challenge) -> bool:
    return row.status in (Status.PROVED, Status.SPENT) or _proved_in_another_tab(request, row)


def _proved_in_another_tab(request: HttpRequest, row: Challenge) -> bool:
    """True when a proof made since then answers this question too: the page that asked opens without another one."""
    user = enforcement.signed_in_user(request)
    if row.kind == Kind.SETTINGS or row.status != Status.OPEN or user is None or str(user.pk) != row.user_pk:
        return False
    since = row.created_at
    if row.max_age is not None:
        # The view may ask for a younger proof than the policy does; an older one would only lead back here.
        since = max(since, timezone.now() - timedelta(seconds=row.max_age))
    proofs = Challenge.objects.filter(status=Status.PROVED, proved_at__gte=since, scope=row.scope)
    same = proofs.filter(user_pk=row.user_pk, browser=row.browser, action=row.action)
    # By the row's own scope: what CUSTOM gives is read from the request that asked, and this is another.
    passed = session.find(request, user, get_policy(row.action), scope=row.scope)
    return passed is not None and same.exists()


def _way_out(request: HttpRequest, row: Challenge) -> str:
    """Where "Not now" leads. Not to the page that asked: it would ask again at once, and nobody could leave."""
    if row.signs_in:
        return responses.sign_in_url()
    return responses.start_page(request) if row.return_to == row.path else addresses.local(request, row.return_to)


def _closed_reason(row: Challenge) -> str:
    return {Status.EXPIRED: "expired", Status.FAILED: "failed", Status.DENIED: "failed"}.get(Status(row.status), "gone")


def _released(request: HttpRequest, row: Challenge) -> HttpResponse:
    user = get_user(row.user_pk)
    finished = Finished(True, row=row, return_to=addresses.local(request, row.return_to), user=user)
    if row.signs_in and not row.finish_in_view:
        row.move(Status.SPENT, source=Status.RELEASED, return_to=row.return_to)
    return go_on(request, row, finished)


def _status_of(request: HttpRequest, row: Challenge) -> dict[str, Any]:
    status = Status.PROVED if _is_proved(request, row) else row.status
    if status == Status.OPEN and not row.young(timezone.now()):
        status = Status.EXPIRED  # nobody came to close it
    return {
        "challengeId": str(row.pk),
        "action": row.action,
        "status": status,
        "expiresAt": row.expires_at.isoformat(),
    }


def as_json(request: HttpRequest, body: dict[str, Any], status: int = 200) -> HttpResponse:
    return responses.protect(request, JsonResponse(body, status=status))


def _finish(request: HttpRequest, challenge_id: uuid.UUID) -> HttpResponse:
    try:
        body = body_of(request)
    except BadRequest as exc:
        return responses.bad(request, str(exc))
    token = body.pop("token", None)
    token = Sealed(token) if isinstance(token, str) else None
    finished = steps.run(flow.finish(request, challenge_id, token))
    row = finished.row
    if not finished.ok or row is None:
        reason = finished.reason if finished.reason != "foreign" else "gone"
        status = {"gone": 404, "unreachable": 503, "too_many": 429}.get(reason, 403)
        refused = as_json(request, {"status": "refused", "reason": reason}, status)
        return responses.retry_after(refused, finished.retry_after)
    signs_in = row.signs_in and not row.finish_in_view and not finished.already
    if signs_in and (finished.user is None or not signin.log_in(request, finished.user, row)):
        return as_json(request, {"status": "refused", "reason": "denied"}, 403)
    onward = signin.view_url(row, finished.return_to) if row.finish_in_view else finished.return_to or "/"
    return as_json(request, {"status": "proved", "action": row.action, "returnTo": onward})


@require_GET
def status(request: HttpRequest) -> HttpResponse:
    """GET ?action=…&maxAge=…&path=…: will this user be asked for it now, and how long does their pass last? No network.

    `path` is the page it is about, for an ENFORCE or CUSTOM that looks at it. `asked` False without `passed`: ENFORCE
    stops nobody. What Authsignal would say, an ALLOW or a BLOCK, is not known.
    """
    action, max_age, path = request.GET.get("action", ""), request.GET.get("maxAge"), request.GET.get("path")
    if action not in known_actions():
        return responses.bad(request, "Unknown action. Ask for one that AUTHSIGNAL['ACTIONS'] lists.")
    if max_age is not None and not (max_age.isascii() and max_age.isdigit() and len(max_age) < 11):
        return responses.bad(request, "maxAge is no number. Send whole seconds.")
    try:
        policy = enforcement.policy_of(action, max_age=None if max_age is None else int(max_age))
        user = enforcement.signed_in_user(request)
        page = request if path is None else ahead.imagined(request, {"method": "GET", "path": path})
        question = None if user is None else enforcement.question_for(page, user, policy)
    except (ConfigurationError, BadRequest) as exc:
        return responses.bad(request, str(exc))
    passed, asked = False, True
    left: int | None = 0
    if question is not None:
        passed = flow.peek(page, question.user, policy, question.bound)
        left = flow.seconds_left(page, question.user, policy, question.bound) if passed else 0
        asked = not passed and observing.enforcement(page, question.user, policy) == "on"
    told = {"action": action, "signedIn": question is not None, "passed": passed, "asked": asked}
    return as_json(request, {**told, "secondsLeft": left, "open": _open(request, action)})


def _open(request: HttpRequest, action: str) -> list[str]:
    return [item.id for item in session.open_challenges(request) if item.action == action]
