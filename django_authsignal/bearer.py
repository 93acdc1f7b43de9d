"""What an API client has proved: read from the ledger, because it has no session. One indexed query."""

import uuid
from collections.abc import Iterable

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from . import channel
from .binding import Bound
from .client import Sealed
from .conf import get_settings
from .identity import fingerprint, same
from .ledger import is_for, kept_for, scope_of
from .models import Challenge, Channel, Status
from .policy import Policy
from .session import MAX_OPEN, Pass

MAX_READ = 16  # rows of one credential and action that may still count


def _rows(credential: str) -> QuerySet[Challenge]:
    return Challenge.objects.filter(channel=Channel.API, credential=credential)


def passes(credential: str, action: str) -> list[Pass]:
    """The proofs of this credential for an action that are not spent, newest first; their age is not looked at."""
    counting = Q(status=Status.PROVED) | Q(status=Status.RELEASED)
    found = _rows(credential).filter(counting, action=action).order_by("-created_at")
    return [as_pass(row) for row in found[:MAX_READ]]


def was_given(credential: str, user: AbstractBaseUser, found: Pass) -> bool:
    """True when one of `passes` was given to this user, as they are now."""
    return same(found.seal, credential + fingerprint(user))


def one_request_passes(request: HttpRequest, credential: str) -> list[Challenge]:
    """The proofs of this credential that were given for this one request and are not spent."""
    once = Q(status=Status.PROVED, single_use=True) | Q(status=Status.RELEASED)
    found = _rows(credential).filter(once).order_by("-created_at")[:MAX_READ]
    return [row for row in found if row.signs_in or is_for(request, row)]  # a sign-in may be finished elsewhere


def as_pass(row: Challenge) -> Pass:
    """A row of the ledger as what it lets its credential do."""
    released = row.status == Status.RELEASED
    since = row.proved_at or row.checked_at or row.created_at
    return Pass(
        id=str(row.pk),
        action=row.action,
        user=row.user_pk,
        at=since.timestamp(),
        # A sign-in's proof lasts as long as the session; without one, as any other proof.
        max_age=get_settings().MAX_AGE if (age := kept_for(row)) is None else age,
        scope=row.scope,
        method=row.verification_method,
        tenant=row.tenant,
        one_request=row.single_use or released,
        degraded=released and not row.state,  # nobody answered
        bind=tuple(row.bound),
        seal=row.credential + row.fingerprint,
    )


def begun(credential: str, token: Sealed) -> Challenge | None:
    """The challenge that this token says it is for, if this credential began it."""
    claimed = channel.claimed(token)
    return _rows(credential).filter(pk=uuid.UUID(claimed)).first() if claimed else None


def review_of(request: HttpRequest, user: AbstractBaseUser, policy: Policy, bound: Bound) -> Challenge | None:
    """The review that this very request waits for already."""
    waiting = _rows(channel.credential(request)).filter(
        action=policy.action, user_pk=str(user.pk), status=Status.REVIEW, expires_at__gt=timezone.now()
    )
    # A sign-in's release serves the sign-in, whichever request asks for it; any other, the one request it was held for.
    scope = bound.scope if policy.sign_in else scope_of(request, policy, bound)
    return waiting.filter(scope=scope).order_by("-created_at").first()


def push_out(row: Challenge) -> None:
    """Closes what this credential has waiting beyond eight, oldest first."""
    waiting = _rows(row.credential).filter(user_pk=row.user_pk, status=Status.OPEN).order_by("-created_at", "-pk")
    _close(list(waiting.values_list("pk", flat=True)[MAX_OPEN : MAX_OPEN + 50]))


def _close(ids: Iterable[uuid.UUID]) -> None:
    Challenge.objects.filter(pk__in=list(ids), status=Status.OPEN).update(
        status=Status.EXPIRED, reason="pushed_out", closed_at=timezone.now(), return_to=""
    )
