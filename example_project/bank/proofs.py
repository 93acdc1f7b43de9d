"""Which proof let money out, and what the bank's pages say of it. Read from django-authsignal's ledger."""

import math
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from django_authsignal.models import Challenge, Status
from django_authsignal.signals import challenge_passed

WITHDRAW = "withdrawFunds"
SEND = "sendMoney"
KEY = "bank_proof"  # of the session: the ledger's row of this browser's last proof for a withdrawal

ACTIONS = {
    "signIn": _("Sign in"),
    WITHDRAW: _("Withdraw money"),
    "correctBalance": _("Put a balance right"),
    "manageUsers": _("Manage users"),
    SEND: _("Send money"),
    "manageAuthenticators": _("Manage ways to prove it is you"),
}
WAYS = {
    "PASSKEY": _("a passkey"),
    "SECURITY_KEY": _("a security key"),
    "AUTHENTICATOR_APP": _("an authenticator app"),
    "EMAIL_OTP": _("a code by e-mail"),
    "EMAIL_MAGIC_LINK": _("a link by e-mail"),
    "SMS": _("a code by text message"),
    "WHATSAPP": _("a code by WhatsApp"),
    "PUSH": _("a phone"),
    "RECOVERY_CODE": _("a recovery code"),
}


@dataclass(frozen=True)
class Proof:
    """One proof, in words. `counts_until` is None for one that counts as long as its session."""

    id: uuid.UUID
    action: str
    way: str
    asked_at: datetime
    proved_at: datetime
    counts_until: datetime | None


@receiver(challenge_passed, dispatch_uid="bank.remember")
def remember(request: HttpRequest, challenge: Challenge, **_kwargs: Any) -> None:
    """Keep in the session which proof opened withdrawals: the receipt will name it."""
    if challenge.action == WITHDRAW:
        request.session[KEY] = str(challenge.pk)


def current(request: HttpRequest) -> uuid.UUID | None:
    """The ledger's row of the proof that lets this browser withdraw; None when none was asked."""
    found = request.session.get(KEY)
    return uuid.UUID(found) if found else None


def minutes_left(request: HttpRequest) -> int:
    """Minutes, begun ones counted, for which a withdrawal asks for no new proof; 0: it will ask."""
    return math.ceil((request.authsignal.seconds_left(WITHDRAW) or 0) / 60)  # type: ignore[attr-defined] # the middleware puts it there


def of(user: User, proof: uuid.UUID | None) -> Proof | None:
    """One proof of this user; None when there was none, or the ledger does not keep it any more."""
    row = _proved(user).filter(pk=proof).first() if proof else None
    return _in_words(row) if row else None


def recent(user: User, count: int = 4) -> list[Proof]:
    """The user's last proofs, newest first."""
    return [_in_words(row) for row in _proved(user).order_by("-proved_at")[:count]]


def _proved(user: User) -> Any:
    # The ledger keeps the user's key as text: it outlives the user.
    rows = Challenge.objects.filter(user_pk=str(user.pk), proved_at__isnull=False)
    return rows.filter(status__in=[Status.PROVED, Status.SPENT])


def _in_words(row: Challenge) -> Proof:
    assert row.proved_at is not None
    return Proof(
        id=row.pk,
        action=str(ACTIONS.get(row.action, row.action)),
        way=str(WAYS.get(row.verification_method, _("another way"))),
        asked_at=row.created_at,
        proved_at=row.proved_at,
        counts_until=None if row.max_age is None else row.proved_at + timedelta(seconds=row.max_age),
    )
