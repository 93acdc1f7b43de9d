"""The devices that a user was seen on. A device is known once a challenge was completed for an action of it."""

from __future__ import annotations

from datetime import datetime

from django_authsignal.emulator import clock
from django_authsignal.emulator.compiled import Compiled
from django_authsignal.emulator.models import Device, EmulatedUser
from django_authsignal.emulator.problems import Problem

_DEVICE = Compiled(Device.objects.all, "user_id", "device_id")


def seen(user: EmulatedUser, device_id: str, user_agent: str) -> Device | None:
    """The user's device of this id, which may be seen for the first time. None when track gave none."""
    if not device_id:
        return None
    row, made = _DEVICE.first(user.pk, device_id), False
    if row is None:
        given = {"created_at": clock.now(), "user_agent": user_agent}
        row, made = Device.objects.get_or_create(user=user, device_id=device_id, defaults=given)
    if not made and user_agent and user_agent != row.user_agent:
        row.user_agent = user_agent
        row.save(update_fields=["user_agent"])
    return row


def authenticated(user: EmulatedUser, device_id: str, method: str) -> None:
    """A challenge was completed on the device. An invalidated one is known again; what remembered it stays deleted."""
    if not device_id:
        return
    now = clock.now()
    proof = {"authenticated_at": now, "last_verification_method": method, "invalidated_at": None}
    Device.objects.update_or_create(
        user=user, device_id=device_id, defaults=proof, create_defaults={**proof, "created_at": now}
    )


def is_new(device: Device | None) -> bool:
    """A device that nobody named is new: a rule that lets known ones in must not let it in."""
    return device is None or device.authenticated_at is None or device.invalidated_at is not None


def is_remembered(device: Device | None) -> bool:
    if device is None or device.invalidated_at or device.remembered_until is None:
        return False
    return device.remembered_until > clock.now()


def remember(device: Device, until: datetime | None) -> Device:
    """Raises Problem for an invalidated device: it would be remembered once it is known again."""
    rows = Device.objects.filter(pk=device.pk, invalidated_at__isnull=True)  # one statement: an invalidation wins
    if not rows.update(remembered_until=until) and until is not None:
        raise Problem(409, "conflict", "The device was invalidated; it must complete a challenge first.")
    device.refresh_from_db()
    return device


def invalidate(device: Device) -> Device:
    device.invalidated_at, device.remembered_until = clock.now(), None
    device.save(update_fields=["invalidated_at", "remembered_until"])
    return device
