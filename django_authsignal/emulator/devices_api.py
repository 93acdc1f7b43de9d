"""The Server API's devices. Source: docs.authsignal.com, Server API."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.utils.dateparse import parse_datetime

from django_authsignal.emulator import devices, engine, fields, shapes
from django_authsignal.emulator.http import Call, route
from django_authsignal.emulator.models import Device
from django_authsignal.emulator.problems import invalid, not_found
from django_authsignal.emulator.server_api import with_secret


def list_devices(call: Call) -> Any:
    user = engine.find_user(call.ids["user_id"])
    rows = Device.objects.filter(user=user).select_related("user") if user else Device.objects.none()
    return [shapes.device(row) for row in rows.order_by("created_at", "pk")]


def change_device(call: Call) -> Any:
    row = _device(call)
    if "rememberedUntil" in call.body:
        devices.remember(row, _moment(call.body, "rememberedUntil"))
    return shapes.device(row)


def invalidate_device(call: Call) -> Any:
    return shapes.device(devices.invalidate(_device(call)))


def _device(call: Call) -> Device:
    user = engine.find_user(call.ids["user_id"])
    row = Device.objects.filter(user=user, device_id=call.ids["device"]).select_related("user").first()
    if user is None or row is None:
        raise not_found("The device")
    return row


def _moment(body: dict[str, Any], name: str) -> datetime | None:
    value = fields.text(body, name, limit=40)
    if value is None:
        return None
    try:
        moment = parse_datetime(value)
        if moment and moment.tzinfo:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise invalid(f"body.{name} must be an ISO-8601 date and time with a zone, like 2030-01-31T12:00:00.000Z.")


ROUTES = [
    route("users/{user_id}/devices/{device}/invalidate", POST=with_secret(invalidate_device)),
    route("users/{user_id}/devices/{device}", PATCH=with_secret(change_device)),
    route("users/{user_id}/devices", GET=with_secret(list_devices)),
]
