"""How often a user may be sent a mail or try a code. Source: docs.authsignal.com, FAQ on rate limits."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.utils.crypto import salted_hmac

from django_authsignal.emulator import clock, tenant
from django_authsignal.emulator.models import EmulatedUser, RateEvent, Tenant

Limit = tuple[int, timedelta]
MAILS: Limit = (12, timedelta(minutes=10))
TEXTS: Limit = (6, timedelta(minutes=10))
TRIES: Limit = (10, timedelta(minutes=5))


def take(user: EmulatedUser | None, kind: str, limit: Limit) -> RateEvent | None:
    """One place under the limit, or None when it is reached. Parallel callers never get more than there are.

    Without a user, `kind` names who it is for.
    """
    count, window = limit
    with transaction.atomic():
        # The lock makes counting and adding one step; on SQLite the IMMEDIATE transaction does.
        if user:
            EmulatedUser.objects.select_for_update().get(pk=user.pk)
        else:
            Tenant.objects.select_for_update().get(pk=tenant.settings().pk)
        events = RateEvent.objects.filter(user=user, kind=kind)
        events.filter(created_at__lte=clock.now() - window).delete()
        if events.count() >= count:
            return None
        return events.create(user=user, kind=kind, created_at=clock.now())


def of_address(kind: str, address: str) -> str:
    """The kind of what counts for an address, whoever's it is; as a hash, because addresses are longer than kinds."""
    return f"{kind}:{salted_hmac('emulator.address', address.lower(), algorithm='sha256').hexdigest()[:32]}"


def give_back(event: RateEvent) -> None:
    """A right code was no guess. Only its own place is given back: a success must not clear an attacker's count."""
    RateEvent.objects.filter(pk=event.pk).delete()
