"""What we do by ourselves about an event. It may revoke, tell the owner, or have us ask Authsignal; it never opens."""

import re
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from django.utils import timezone

from .. import notices, reviews, session, steps
from ..client import Event, EventType
from ..client.types import State
from ..conf import option
from ..identity import digest
from ..models import Challenge, Status, revoke_proofs

SKEW = timedelta(seconds=session.SKEW)
LOOK_BACK = timedelta(days=1)  # an enrolment that was offered longer ago is over
DECIDED = (State.REVIEW_SUCCEEDED, State.REVIEW_FAILED, State.BLOCK)
METHOD = re.compile(r"[A-Z][A-Z_]{0,63}")


def is_about_somebody(event: Event) -> bool:
    """True when what there is to do about events of this type needs the user: whoever looks them up pays for it."""
    return event.type in _ABOUT_SOMEBODY


def react(request: HttpRequest, event: Event, user: AbstractBaseUser | None) -> None:
    """Does it. Again and again is fine: an event may come a second time after a worker died."""
    reaction = _REACTIONS.get(event.type or "")
    if reaction is not None:
        reaction(request, event, user)


def _added(request: HttpRequest, event: Event, user: AbstractBaseUser | None) -> None:
    """The owner hears of it. Nothing is revoked: it makes no older proof worse, and the challenge that enrols it is
    most likely still under way."""
    if user is None or event.user_authenticator_id is None:
        return
    if _heard_at_the_proof(event, user) or notices.was_told(str(user.pk), "added", _credential(event)):
        notices.told(str(user.pk), "added", event.user_authenticator_id)
        return
    notices.seen(None, user, "added", {event.user_authenticator_id: _method(event)})
    # The browser that comes back from it says the same; see `flow`.
    begun = Challenge.objects.filter(user_pk=str(user.pk), enrolls=True, proved_at=None)
    since = timezone.now() - LOOK_BACK
    for pk in begun.filter(created_at__gt=since, created_at__lte=_happened(event) + SKEW).values_list("pk", flat=True):
        notices.told(str(user.pk), "added", notices.by_challenge(pk))


def _heard_at_the_proof(event: Event, user: AbstractBaseUser) -> bool:
    """True when a challenge that enrolled by this method came back already, and its owner was told then.

    Each counts for one event: a second authenticator of the same method is another one.
    """
    made, method = _happened(event, "createdAt"), _method(event)
    proved = Challenge.objects.filter(user_pk=str(user.pk), enrolls=True, verification_method=method)
    proved = proved.filter(created_at__lte=made + SKEW, proved_at__gte=made - SKEW)
    return any(notices.first("event of", str(pk)) for pk in proved.values_list("pk", flat=True))


def _updated(request: HttpRequest, event: Event, user: AbstractBaseUser | None) -> None:
    """Codes may go elsewhere from now on. Told once for each way it looks: Authsignal does not say what changed."""
    if user is None or event.user_authenticator_id is None:
        return
    names = ("userAuthenticatorId", "email", "phoneNumber", "credentialId", "credentialName")
    looks = digest("authenticator", *(str(event.data.get(name, "")) for name in names))
    if notices.was_told(str(user.pk), "updated", looks):
        return
    revoke_proofs(str(user.pk), reason="authenticators_changed", begun_before=_happened(event))
    notices.seen(None, user, "updated", {looks: _method(event)})


def _removed(request: HttpRequest, event: Event, user: AbstractBaseUser | None) -> None:
    """What was proved with it may no longer count, and what waited for it is over."""
    if user is None or event.user_authenticator_id is None:
        return
    revoke_proofs(str(user.pk), reason="authenticators_changed", begun_before=_happened(event, "deletedAt"))
    notices.seen(None, user, "removed", {event.user_authenticator_id: _method(event)})


def _logged(request: HttpRequest, event: Event, user: AbstractBaseUser | None) -> None:
    """A person decided, it says. We ask Authsignal ourselves."""
    if event.state not in DECIDED:
        return
    try:
        key = uuid.UUID(event.idempotency_key or "")
    except ValueError:
        return  # an action that another application tracked
    row = Challenge.objects.filter(pk=key, status__in=[Status.REVIEW, Status.RELEASED]).first()
    if row is None or (row.authsignal_id, row.action) != (event.user_id, event.action):
        return
    if row.tenant == option("TENANT_ID", request):
        steps.run(reviews.look_again(request, row))


_ABOUT_SOMEBODY: dict[str, Callable[[HttpRequest, Event, AbstractBaseUser | None], None]] = {
    EventType.AUTHENTICATOR_CREATED: _added,
    EventType.AUTHENTICATOR_UPDATED: _updated,
    EventType.AUTHENTICATOR_DELETED: _removed,
}
_REACTIONS = {**_ABOUT_SOMEBODY, EventType.ACTION_LOG_CREATED: _logged}


def _method(event: Event) -> str:
    found = event.verification_method or ""
    return found if METHOD.fullmatch(found) else ""


def _credential(event: Event) -> str:
    found = event.data.get("credentialId")
    return found.rstrip("=") if isinstance(found, str) else ""


def _happened(event: Event, name: str = "") -> datetime:
    """When, by our clock's kind of time; not in the future, and not before there was anything to revoke."""
    at, now = event.moment(name) or event.time, timezone.now()
    if at is None:
        return now
    if timezone.is_naive(now):
        at = timezone.make_naive(at)
    return max(min(at, now), now - timedelta(days=3650))
