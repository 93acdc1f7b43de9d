"""Reviews: a person at Authsignal's dashboard decides; we look, and release one request."""

import logging
from datetime import timedelta
from functools import partial

from django.http import HttpRequest
from django.utils import timezone

from . import channel, ledger, session
from .client import AuthsignalError
from .client.types import State
from .conf import get_client
from .decision import Question
from .models import Challenge, Channel, Kind, Status
from .steps import Steps

logger = logging.getLogger("django_authsignal")

REVIEW_INTERVAL = timedelta(seconds=5)  # between two looks at a review


def look_at_review(request: HttpRequest, row: Challenge) -> Steps[bool]:
    """Asks Authsignal, at most every 5 s per row, whether a person released it; True when it is released now.

    Only REVIEW_SUCCEEDED releases: a challenge never completes by looking, else whoever tricked a victim into
    proving would only have to poll.
    """
    now = timezone.now()
    if not row.young(now):
        row.move(Status.EXPIRED, source=Status.REVIEW, reason="expired", return_to=row.return_to)
        return False
    stale = Challenge.objects.filter(pk=row.pk, status=Status.REVIEW).exclude(checked_at__gt=now - REVIEW_INTERVAL)
    if not stale.update(checked_at=now):
        return False
    try:
        action = yield partial(get_client(request).get_action, row.authsignal_id, row.action, str(row.pk))
    except AuthsignalError as exc:
        logger.warning("Authsignal could not be asked about a review: %s", exc)
        return False
    session.reload(request)
    return _reviewed(request, row, str(action.state))


def _reviewed(request: HttpRequest, row: Challenge, state: str) -> bool:
    if state in (State.REVIEW_FAILED, State.BLOCK):
        if row.move(Status.DENIED, source=Status.REVIEW, state=state, reason="review_failed"):
            ledger.failed(request, row, "review_failed")
        return False
    user = ledger.user_of(request, row)
    if state != State.REVIEW_SUCCEEDED or isinstance(user, str) or not channel.began(request, row):
        return False
    if not row.move(Status.RELEASED, source=Status.REVIEW, state=state):
        return False
    session.forget(request, row.pk)
    if row.kind == Kind.STEP_UP:
        ledger.grant(request, user, row, at=timezone.now(), one_request=True)
    return True


def look_again(request: HttpRequest, row: Challenge) -> Steps[None]:
    """Asks Authsignal, because an event says that a person decided. What was decided against is closed here and now.

    Nothing is released: that is for the browser, or the credential, that began it. It may look at once, without
    waiting for its interval. Raises AuthsignalError when there is no usable answer.
    """
    action = yield partial(get_client(request).get_action, row.authsignal_id, row.action, str(row.pk))
    state = str(action.state)
    if state not in (State.REVIEW_FAILED, State.BLOCK):
        Challenge.objects.filter(pk=row.pk, status=Status.REVIEW).update(checked_at=None)
    elif row.status == Status.RELEASED and row.state == State.REVIEW_SUCCEEDED:
        row.move(Status.REVOKED, source=Status.RELEASED, state=state, reason="review_failed")
    else:
        _reviewed(request, row, state)


def use_release(request: HttpRequest, question: Question, row: Challenge) -> bool:
    """A released sign-in, used where it is asked again: the session's pass, now or by the `login()` that follows."""
    if not row.move(Status.SPENT, source=Status.RELEASED):
        return False
    if row.channel == Channel.API:
        pass  # for this request
    elif getattr(request.user, "pk", None) == question.user.pk:
        ledger.sign_in_proved(request, question.user, row)
    else:
        request._authsignal_proved = row  # type: ignore[attr-defined] # ours, kept on the request
    return True
