"""Webhooks, their deliveries, and faults: management of our own, where Authsignal has its portal."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import transaction

from django_authsignal.emulator import clock, faults, fields, webhooks
from django_authsignal.emulator.http import Call
from django_authsignal.emulator.management_api import Body, row_key, web_url
from django_authsignal.emulator.models import Delivery, Webhook
from django_authsignal.emulator.problems import invalid, not_found
from django_authsignal.emulator.server_api import guarded

_SHOWN = 100  # deliveries, newest first


# Webhooks.


def list_webhooks(call: Call) -> Any:
    return [_webhook_shape(row) for row in Webhook.objects.order_by("created_at", "pk")]


def create_webhook(call: Call) -> Any:
    now = clock.now()
    row = Webhook(created_at=now, logged_until=now)
    fields.required(call.body, "url", limit=2048)
    for name, value in _changes(call.body).items():
        setattr(row, name, value)
    row.save()
    return _webhook_shape(row)


def get_webhook(call: Call) -> Any:
    return _webhook_shape(_webhook(call))


def change_webhook(call: Call) -> Any:
    with transaction.atomic():
        row = _webhook(call)
        logged = row.is_active and any(webhooks.wants(row, kind) for kind in webhooks.LOGS)
        changes = _changes(call.body)
        for name, value in changes.items():
            setattr(row, name, value)
        if not logged:
            row.logged_until = clock.now()  # from now on, and not all that it did not want to hear
            changes["logged_until"] = row.logged_until
        row.save(update_fields=list(changes))
        if "url" in changes:  # what is still to be tried goes where the receiver is now
            row.deliveries.filter(state__in=(webhooks.WAITING, webhooks.SENDING)).update(url=row.url)
    return _webhook_shape(row)


def delete_webhook(call: Call) -> Any:
    """Nothing more is sent to it; what was sent stays in the list of deliveries."""
    with transaction.atomic():
        row = _webhook(call)
        waiting = row.deliveries.filter(state__in=(webhooks.WAITING, webhooks.SENDING))
        waiting.update(state=webhooks.FAILED, next_at=None, problem="the webhook was deleted")
        row.delete()
    return {"success": True}


def _webhook(call: Call) -> Webhook:
    row = Webhook.objects.filter(pk=row_key(call.ids["webhook"], "The webhook")).first()
    if row is None:
        raise not_found("The webhook")
    return row


def _changes(body: Body) -> Body:
    changes: Body = {}
    if body.get("url") is not None:
        changes["url"] = web_url(body, "url")
        if not changes["url"]:
            raise invalid("body.url must be an http or https URL.")
    if "types" in body:
        types = body["types"] or []
        if not isinstance(types, list) or not all(kind in webhooks.TYPES for kind in types):
            raise invalid(f"body.types must be a list of: {', '.join(webhooks.TYPES)}.")
        changes["types"] = list(dict.fromkeys(types))
    for name, column in (("isSynchronous", "is_synchronous"), ("isActive", "is_active")):
        if (value := fields.flag(body, name)) is not None:
            changes[column] = value
    return changes


def _webhook_shape(row: Webhook) -> Body:
    return {
        "webhookId": str(row.pk),
        "url": row.url,
        "types": row.types,
        "isSynchronous": row.is_synchronous,
        "isActive": row.is_active,
        "createdAt": clock.iso(row.created_at),
    }


# Deliveries.


def list_deliveries(call: Call) -> Any:
    rows = Delivery.objects.select_related("event").order_by("-created_at", "-pk")
    if webhook := call.query.get("webhookId"):
        rows = rows.filter(webhook=row_key(webhook, "The webhook"))
    if state := call.query.get("state"):
        rows = rows.filter(state=state)
    if kind := call.query.get("type"):
        rows = rows.filter(event__type=kind)
    return [_delivery_shape(row) for row in rows.defer("body")[:_SHOWN]]


def get_delivery(call: Call) -> Any:
    row = _delivery(call)
    return {**_delivery_shape(row), "body": row.body}


def resend(call: Call) -> Any:
    row = _delivery(call)
    if row.event.type == webhooks.VERIFY:
        raise invalid("action.verify is a question; nobody waits for its answer any more.")
    return _delivery_shape(webhooks.resend(row))


def _delivery(call: Call) -> Delivery:
    number = call.ids["delivery"]
    known = number.isascii() and number.isdigit() and len(number) < 19
    row = Delivery.objects.select_related("event", "webhook").filter(pk=number).first() if known else None
    if row is None:
        raise not_found("The delivery")
    return row


def _delivery_shape(row: Delivery) -> Body:
    shape = {
        "deliveryId": str(row.pk),
        "eventId": str(row.event_id),
        "type": row.event.type,
        "webhookId": str(row.webhook_id) if row.webhook_id else None,
        "url": row.url,
        "state": row.state,
        "attempts": row.attempts,
        "status": row.status,
        "problem": row.problem or None,
        "createdAt": clock.iso(row.created_at),
        "deliveredAt": clock.iso(row.delivered_at) if row.delivered_at else None,
        "nextAttemptAt": clock.iso(row.next_at) if row.next_at and row.state == webhooks.WAITING else None,
    }
    return {name: value for name, value in shape.items() if value is not None}


# Faults.


def get_fault(call: Call) -> Any:
    return _fault_shape(faults.read())


def put_fault(call: Call) -> Any:
    """Replace it. `seconds`: how long it stays, for ever without."""
    kind = fields.choice(call.body, "kind", faults.KINDS)
    if kind is None:
        raise invalid(f"body.kind is required: {', '.join(faults.KINDS)}.")
    delay = _seconds(call.body, "delay", faults.LONGEST)
    lasts = _seconds(call.body, "seconds", 86400)
    until = None if lasts is None else clock.now() + timedelta(seconds=lasts)
    path = fields.text(call.body, "path", limit=64) or ""
    return _fault_shape(faults.write(faults.State(kind, faults.State.delay if delay is None else delay, path, until)))


def clear_fault(call: Call) -> Any:
    return _fault_shape(faults.write(faults.State()))


def _seconds(body: Body, name: str, limit: float) -> float | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= limit:
        raise invalid(f"body.{name} must be a number of seconds above 0, at most {limit:g}.")
    return float(value)


def _fault_shape(state: faults.State) -> Body:
    if not state.is_on:
        return {"kind": "none"}
    shape: Body = {"kind": state.kind}
    if state.kind in ("slow", "429"):
        shape["delay"] = state.delay
    if state.path:
        shape["path"] = state.path
    if state.until:
        shape["until"] = clock.iso(state.until)
    return shape


ROUTES = [
    guarded("management/webhooks", GET=list_webhooks, POST=create_webhook),
    guarded("management/webhooks/{webhook}", GET=get_webhook, PATCH=change_webhook, DELETE=delete_webhook),
    guarded("management/deliveries", GET=list_deliveries),
    guarded("management/deliveries/{delivery}/resend", POST=resend),
    guarded("management/deliveries/{delivery}", GET=get_delivery),
    guarded("management/faults", GET=get_fault, PUT=put_fault, DELETE=clear_fault),
]
