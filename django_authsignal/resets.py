"""Staff take all ways of proof from a user who lost them: through the API, written down, and told to the owner."""

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from django.utils import timezone

from . import authenticators, ledger, notices
from .client import AuthsignalError, NotFound, Unreachable
from .client.types import Authenticator
from .conf import get_client, get_settings, option
from .identity import authsignal_id, fingerprint
from .models import Challenge, Kind, Status, revoke_proofs

logger = logging.getLogger("django_authsignal")


@dataclass(frozen=True)
class Reset:
    """What became of one user's reset: the methods that are gone, and those that could not be removed."""

    user: AbstractBaseUser
    removed: Sequence[str] = ()
    left: Sequence[str] = ()
    unreachable: bool = False  # Authsignal did not answer; what else there is may not be known

    @property
    def complete(self) -> bool:
        """True when nothing is left, as far as Authsignal says."""
        return not self.left and not self.unreachable


def reset(request: HttpRequest, user: AbstractBaseUser, *, by: AbstractBaseUser) -> Reset:
    """Removes every authenticator of a user, as far as Authsignal lets us; says truthfully how far that was.

    Never raises for what Authsignal answers. Asked outside transactions only: each removal is a call.
    """
    try:
        own = authenticators.of(request, user)
    except AuthsignalError as exc:
        logger.error("Authsignal could not be asked about authenticators to reset: %s", exc)
        done = Reset(user, unreachable=True)
    else:
        done = _remove(request, user, own)
    _write(request, done, by)
    if done.removed:
        # What was proved with them may no longer count, and what waits must not be finished with what they had.
        revoke_proofs(str(user.pk), reason="authenticators_changed")
        notices.changed(request, user, "reset", done.removed, by=by)
    return done


def _remove(request: HttpRequest, user: AbstractBaseUser, own: Sequence[Authenticator]) -> Reset:
    done, client = Reset(user), get_client(request)
    for place, item in enumerate(own):
        method = item.verification_method
        try:
            gone = client.delete_authenticator(authsignal_id(user), item.user_authenticator_id)
        except NotFound:
            gone = True
        except Unreachable as exc:
            logger.error("Authsignal did not answer while authenticators were reset: %s", exc)
            left = [one.verification_method for one in own[place:]]
            return replace(done, left=[*done.left, *left], unreachable=True)
        except AuthsignalError as exc:
            logger.error("Authsignal refused to remove an authenticator: %s", exc)
            gone = False
        if gone:
            done = replace(done, removed=[*done.removed, method])
            notices.told(str(user.pk), "removed", item.user_authenticator_id)  # not once more, when a session misses it
        else:
            done = replace(done, left=[*done.left, method])
    return done


def _write(request: HttpRequest, done: Reset, by: AbstractBaseUser) -> None:
    now, user = timezone.now(), done.user
    said = "reset" if done.complete else "reset in part" if done.removed else "not reset"
    Challenge.objects.create(
        id=uuid.uuid4(),
        kind=Kind.RESET,
        status=Status.SPENT if done.complete else Status.FAILED,
        action=get_settings().RESET_ACTION,
        user_pk=str(user.pk),
        authsignal_id=authsignal_id(user),
        tenant=option("TENANT_ID", request),
        fingerprint=fingerprint(user),
        method=(request.method or "")[:10],
        path=request.path[:2048],
        reason=f"{said} by {by.pk}"[:64],
        ip_address=ledger.address_of(request),
        user_agent=ledger.user_agent_of(request),
        created_at=now,
        expires_at=now,
        closed_at=now,
    )
