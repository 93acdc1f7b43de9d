"""Break glass: a link made in the shell that signs one user in once, for the day of a lost phone or an outage.

It stands in for no proof: the pass it gives is marked, ends within the hour, and satisfies neither a step-up nor a
policy with METHODS. Only a keyed hash of its secret is kept.
"""

import secrets
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlencode

from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from . import ledger, notices, session, signin
from .client import Sealed
from .conf import get_settings, option
from .identity import authsignal_id, digest, fingerprint, get_user, same
from .models import Challenge, Kind, Status
from .policy import Policy, get_policy

LINK_AGE = 600  # seconds in which the link may be used
PASS_AGE = 3600  # seconds that the sign-in counts
MAX_REASON = 500  # characters

NEVER = (
    "The sign-in action accepts only the ways of proof that its METHODS list, and a link is none of them. Reset the "
    "user's authenticators in the admin instead, or take METHODS away while the outage lasts."
)


class Forbidden(Exception):
    """No link can be made for this user; the message says why, and what to do instead."""


@dataclass(frozen=True)
class Link:
    """A link that was just made. `url` is the secret itself: show it once, keep it nowhere."""

    url: str = field(repr=False)
    expires_in: int  # seconds
    mailed: bool  # whether the owner could be told


@sensitive_variables()
def make_link(user: AbstractBaseUser, *, origin: str, reason: str = "", by: str = "") -> Link:
    """Makes the one-time link and tells the owner; an earlier one of the user that was not used ends.

    `origin` as "https://shop.example"; `by` is who made it, for the ledger. Raises Forbidden.
    """
    policy = get_policy(get_settings().SIGN_IN_ACTION)
    if policy.methods is not None:
        raise Forbidden(NEVER)
    if not user.is_active:
        raise Forbidden("This user is deactivated, so no link would sign them in. Activate them first.")
    now, secret = timezone.now(), Sealed(secrets.token_urlsafe(32))
    row = Challenge(
        id=uuid.uuid4(),
        kind=Kind.BREAK_GLASS,
        action=policy.action,
        user_pk=str(user.pk),
        authsignal_id=authsignal_id(user),
        backend=signin.default_backend(),
        fingerprint=fingerprint(user),
        scope=_hash(secret),
        path=f"manage.py authsignal_break_glass ({by}): {reason[:MAX_REASON]}",
        reason="break_glass",
        max_age=_age(policy),
        created_at=now,
        expires_at=now + timedelta(seconds=LINK_AGE),
    )
    Challenge.objects.filter(user_pk=row.user_pk, kind=Kind.BREAK_GLASS, status=Status.OPEN).update(
        status=Status.REVOKED, reason="replaced", closed_at=now
    )
    row.save(force_insert=True)
    mailed = notices.tell(None, user, "break_glass", {"reason": reason, "minutes": LINK_AGE // 60}, own_words=False)
    path = reverse("authsignal:break-glass", args=[row.pk])
    return Link(f"{origin.rstrip('/')}{path}?{urlencode({'token': secret.reveal()})}", LINK_AGE, mailed)


def _hash(secret: Sealed) -> str:
    return digest("break_glass", secret.reveal())


def _age(policy: Policy) -> int:
    return PASS_AGE if policy.max_age is None else min(PASS_AGE, policy.max_age)


@sensitive_variables()
def hold(request: HttpRequest, link_id: uuid.UUID, secret: Sealed) -> None:
    """Keeps in this browser's session that it came with the link, so that the secret can leave the address."""
    row = _row(link_id)
    if row is not None and same(row.scope, _hash(secret)):
        session.hold_link(request, link_id, row.scope)


def held(request: HttpRequest, link_id: uuid.UUID) -> tuple[Challenge | None, AbstractBaseUser | None, str]:
    """The link this browser came with, whom it signs in, and why it does not any more ("" when it does)."""
    row = _row(link_id)
    if row is None or not same(row.scope, session.held_link(request, link_id)):
        return None, None, "gone"
    if row.status != Status.OPEN:
        return None, None, "used" if row.status == Status.SPENT else "gone"
    if not row.young(timezone.now()):
        row.move(Status.EXPIRED, reason="expired")
        return None, None, "expired"
    user = get_user(row.user_pk)
    # A new password, another address or a deactivated user: whoever the link was made for is not that user any more.
    if user is None or not ledger.unchanged(row, user):
        return None, None, "gone"
    return row, user, ""


def use(request: HttpRequest, link_id: uuid.UUID) -> str:
    """Signs in by a link that this browser holds; of many callers one wins. Returns why not, "" when it did."""
    row, user, reason = held(request, link_id)
    if row is None or user is None:
        return reason
    policy = get_policy(row.action)
    if policy.methods is not None or row.action != get_settings().SIGN_IN_ACTION:
        return "denied"
    if not signin.allowed(request, user, row.backend):
        return "denied"
    tenant = option("TENANT_ID", request)
    if not row.move(
        Status.SPENT, tenant=tenant, ip_address=ledger.address_of(request), user_agent=ledger.user_agent_of(request)
    ):
        return "used"
    signin.log_in_without_proof(request, user, row.backend)
    session.grant(
        request,
        user,
        id=row.pk,
        action=row.action,
        at=timezone.now(),
        max_age=_age(policy),
        tenant=tenant,
        degraded=True,
    )
    notices.tell(request, user, "break_glass_used", {}, own_words=True)
    return ""


def _row(link_id: uuid.UUID) -> Challenge | None:
    return Challenge.objects.filter(pk=link_id, kind=Kind.BREAK_GLASS).first()
