"""Removing ways of proof, so that nobody is left without one: not by a slip, and not by two requests at once."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from django.utils import timezone

from . import ledger, notices, session
from .client import NotFound, Unreachable
from .client.types import Authenticator
from .conf import get_client, get_settings
from .decision import Question
from .identity import authsignal_id
from .methods import is_a_way_in
from .models import Challenge, Kind, Status, revoke_proofs
from .policy import get_policy


@dataclass(frozen=True)
class Removal:
    """What became of one removal: `reason` is "" when it was done, else "last", "unknown", "busy" or "refused"."""

    reason: str = ""
    method: str = ""


def of(request: HttpRequest, user: AbstractBaseUser) -> list[Authenticator]:
    """A user's authenticators. Raises AuthsignalError."""
    return list(get_client(request).get_authenticators(authsignal_id(user)))


def is_last(own: Sequence[Authenticator], chosen: Authenticator) -> bool:
    """True when nothing that this user could sign in with would be left without it.

    What the sign-in's METHODS do not accept is no way in, and neither are recovery codes, which run out.
    """
    accepted = get_policy(get_settings().SIGN_IN_ACTION).methods
    left = [item for item in own if item.user_authenticator_id != chosen.user_authenticator_id]
    return not any(is_a_way_in(item.verification_method, accepted) for item in left)


def remove(request: HttpRequest, user: AbstractBaseUser, authenticator_id: str) -> Removal:
    """Removes one of the user's own, unless it is the last; voids what was proved, and tells the owner.

    One removal at a time for each user. Raises AuthsignalError when Authsignal has no usable answer.
    """
    with _turn(request, user) as row:
        if row is None:
            return Removal("busy")
        own = of(request, user)
        chosen = next((item for item in own if item.user_authenticator_id == authenticator_id), None)
        if chosen is None:
            return _refused(row, "unknown")
        if is_last(own, chosen):
            return _refused(row, "last", chosen.verification_method)
        try:
            done = get_client(request).delete_authenticator(authsignal_id(user), authenticator_id)
        except NotFound:
            return _refused(row, "unknown")
        if not done:
            return _refused(row, "refused", chosen.verification_method)
        row.reason = f"removed {chosen.verification_method}"[:64]
    # What was proved with it may no longer count, and what waits for a proof must not be finished with it.
    revoke_proofs(str(user.pk), reason="authenticators_changed")
    session.drop(request)
    notices.seen(request, user, "removed", {chosen.user_authenticator_id: chosen.verification_method})
    return Removal(method=chosen.verification_method)


def _refused(row: Challenge, reason: str, method: str = "") -> Removal:
    row.status, row.reason = Status.DENIED, f"{reason} {method}".strip()[:64]
    return Removal(reason, method)


@contextmanager
def _turn(request: HttpRequest, user: AbstractBaseUser) -> Iterator[Challenge | None]:
    """The user's one removal under way, as a row of the ledger; None when there is another.

    Two removals that both count two authenticators would take both. Each writes its row first and looks for others
    then: of two at once at least one sees the other and leaves off. No lock is held while Authsignal is asked.
    """
    policy = get_policy(get_settings().MANAGE_ACTION)
    row = ledger.new_row(request, Question(user=user, policy=policy, kind=Kind.REMOVAL))
    row.status, row.reason = Status.SPENT, "removing"
    # Longer than both calls may take; a process that dies meanwhile holds nobody up for long.
    row.expires_at = timezone.now() + timedelta(seconds=60 + 2 * get_settings().TIMEOUT)
    row.save(force_insert=True)
    under_way = Challenge.objects.filter(
        user_pk=row.user_pk, action=row.action, status=Status.SPENT, kind=Kind.REMOVAL, closed_at=None
    )
    if under_way.filter(expires_at__gt=timezone.now()).exclude(pk=row.pk).exists():
        _refused(row, "busy")
        _close(row)
        yield None
        return
    try:
        yield row
    except Unreachable as exc:
        # Whether it is gone nobody knows: the turn is kept until it runs out, lest the next one count it.
        Challenge.objects.filter(pk=row.pk).update(reason=type(exc).__name__)
        raise
    except BaseException:
        row.reason = "error"
        _close(row)
        raise
    _close(row)


def _close(row: Challenge) -> None:
    closing = {"status": row.status, "reason": row.reason, "closed_at": timezone.now()}
    Challenge.objects.filter(pk=row.pk).update(**closing)
