"""ENFORCE "observe": what would have been asked is asked of Authsignal and written down, and nobody is stopped.

Nothing that goes wrong here reaches the request: an outage, a wrong key, a body that cannot be read, a bug.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from django.utils import timezone

from . import channel, ledger, responses, session, signals
from .binding import Bound, request_scope
from .client import UNANSWERED, AuthsignalError
from .client.types import Tracked
from .conf import get_client, get_settings
from .decision import Question
from .identity import stored
from .models import Challenge, Channel, Kind, Status
from .policy import Policy
from .steps import Steps

logger = logging.getLogger("django_authsignal")

KEY = "authsignal_observed"  # in the session: what was observed, and when
MAX_KEPT = 32
UNREADABLE = Bound(scope="unreadable")  # what is bound could not be read; no pass matches it
PREFIX = "observed: "

Foresee = Callable[[Question, Tracked], str]


def enforcement(request: HttpRequest, user: AbstractBaseUser, policy: Policy) -> str:
    """What ENFORCE says: "on", "observe" or "off". A callable is asked once a request; what else it says is "on"."""
    if not callable(policy.enforce):
        return policy.enforce if policy.enforce == "observe" else "on"
    said: dict[tuple[str, str], str] = request.__dict__.setdefault("_authsignal_enforce", {})
    key = (str(user.pk), policy.action)
    if key not in said:
        said[key] = _ask_callable(request, user, policy)
    return said[key]


def _ask_callable(request: HttpRequest, user: AbstractBaseUser, policy: Policy) -> str:
    try:
        answer = policy.enforce(request, user, policy.action)
    except Exception:  # unknown states end closed, and a bug in a rollout is no reason for a 500
        logger.exception("ENFORCE raised for %s, so it is enforced.", policy.action)
        return "on"
    return answer if answer in ("observe", "off") else "on"


def observe(request: HttpRequest, question: Question, *, foresee: Foresee) -> Steps[None]:
    """Asks Authsignal and writes a row whose reason is "observed: …". Never raises.

    Once for what one proof would have served: a reload begins nothing new, as it would not if it were enforced.
    """
    try:
        if not _seen(request, question):
            user = stored(question.user)
            if user is not None:
                yield from _observe(request, replace(question, user=user), foresee)
    except Exception:
        logger.exception("%s could not be observed. Nobody was stopped.", question.policy.action)


def _observe(request: HttpRequest, question: Question, foresee: Foresee) -> Steps[None]:
    row = ledger.new_row(request, question)
    outcome = ""
    if question.bound is UNREADABLE:
        outcome = "unreadable"
    elif question.kind == Kind.STEP_UP and responses.refuse_forged(request):
        outcome = "forged"  # another site's page must not have calls made for somebody
    else:
        try:
            tracked = yield partial(get_client(request).track, **ledger.track_call(request, question, row))
        except UNANSWERED as exc:
            logger.error("Authsignal could not be asked about %s: %s", question.policy.action, exc)
            outcome = "unreachable"
        except (AuthsignalError, ValueError) as exc:
            logger.error("Authsignal refused to track %s: %s", question.policy.action, exc)
            outcome = "refused"
        else:
            row.state = str(tracked.state)[:64]
            outcome = foreseen(question.policy, foresee(question, tracked))
    session.reload(request)
    row.reason, row.status = f"{PREFIX}{outcome}", Status.ALLOWED
    row.closed_at, row.return_to, row.scope = timezone.now(), "", _scope(request, question)
    row.save(force_insert=True)
    _note(request, question)
    signals.action_observed.send(Challenge, request=request, user=question.user, challenge=row, outcome=outcome)


def foreseen(policy: Policy, move: str) -> str:
    """What a move of the gate's table would have meant: challenge, enroll, review, pass or deny."""
    if move == "on_allow":
        return "pass" if policy.on_allow == "pass" and not policy.strict else "deny"
    if move == "unenrolled":
        means = {"enroll": "enroll", "email": "enroll", "allow": "deny" if policy.strict else "pass"}
        return means.get(policy.unenrolled, "deny")
    return move


# Once for each


def _scope(request: HttpRequest, question: Question) -> str:
    """What one proof would have served: a single request, or all that are equal in what is bound."""
    if question.bound is UNREADABLE:
        return request_scope(request)
    return question.bound.scope


def _age(policy: Policy) -> int | None:
    # A proof for one request, asked for again by a reload, would be the one that is open already.
    return policy.challenge_age if policy.single_use else policy.max_age


def _seen(request: HttpRequest, question: Question) -> bool:
    if channel.signs_in_once(request) or _signs_in_now(request, question):
        return False
    age = _age(question.policy)
    if channel.credential(request):
        return _written(request, question, get_settings().MAX_AGE if age is None else age)
    at = _kept(request).get(_name(request, question))
    return isinstance(at, int | float) and (age is None or 0 <= time.time() - at < age)


def _signs_in_now(request: HttpRequest, question: Question) -> bool:
    """True for a sign-in form, each of which counts; not for somebody signed in who confirms their password."""
    form = question.password_proved and not channel.gave_password(request)
    return form and getattr(getattr(request, "user", None), "pk", None) != question.user.pk


def _written(request: HttpRequest, question: Question, seconds: int) -> bool:
    """An API client has no session to note it in: the ledger says it, by one indexed query."""
    rows = Challenge.objects.filter(channel=Channel.API, credential=channel.credential(request))
    rows = rows.filter(action=question.policy.action, user_pk=str(question.user.pk), reason__startswith=PREFIX)
    since = timezone.now() - timedelta(seconds=seconds)
    return rows.filter(scope=_scope(request, question), created_at__gt=since).exists()


def _note(request: HttpRequest, question: Question) -> None:
    if channel.credential(request) or not hasattr(request, "session"):
        return  # its rows say it
    kept = {key: at for key, at in _kept(request).items() if key != _name(request, question)}
    newest = list(kept.items())[-(MAX_KEPT - 1) :]
    request.session[KEY] = {**dict(newest), _name(request, question): int(time.time())}


def _kept(request: HttpRequest) -> Mapping[str, Any]:
    found = request.session.get(KEY) if hasattr(request, "session") else None
    return found if isinstance(found, dict) else {}


def _name(request: HttpRequest, question: Question) -> str:
    return f"{question.user.pk} {question.policy.action} {_scope(request, question)}"
