"""Log records: every action, and every step of a challenge, in batches once the token's lifetime is over.

A record tells how the action ended, so it goes out when nothing about it can change any more. At least once: the ids
of the records stay the same. Fields: docs.authsignal.com, webhooks; authsignal-go, webhook tests.
"""

from __future__ import annotations

import json
import uuid
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from django_authsignal.emulator import clock, places, shapes, tenant, webhooks
from django_authsignal.emulator.models import Action, Delivery, EmulatedUser, Event, Webhook

_ACTIONS, _CHALLENGES = webhooks.LOGS
_STEP = "challenge.step"  # of the rows that wait to become records
_SIZE = 500  # records of one batch
_NAMES = uuid.UUID("c1d4a3a2-9a8e-4a3c-8d3e-0f0f6d0b8a51")  # of the records' ids


def tell(kind: str, method: str, user: EmulatedUser | None, action: Action | None, **more: Any) -> None:
    """Remember a step of a challenge, like EMAIL_OTP_SENT, if somebody wants to hear of such."""
    rows = Webhook.objects.filter(is_active=True)
    if not any(webhooks.wants(row, _CHALLENGES) for row in rows):
        return
    now = clock.now()
    record = {
        "userId": user.user_id if user else None,
        "actionCode": action.code if action else None,
        "idempotencyKey": action.idempotency_key if action else None,
        "createdAt": clock.iso(now),
        "type": f"{method}_{kind}",
        "verificationMethod": method,
        **more,
    }
    Event.objects.create(type=_STEP, created_at=now, data={key: value for key, value in record.items() if value})


def collect() -> None:
    """Make batches of what has come of age, for each webhook that wants them and by whichever process is first."""
    ripe = clock.now() - timedelta(minutes=tenant.settings().token_duration_in_minutes)
    for row in Webhook.objects.filter(is_active=True, logged_until__lt=ripe):
        kinds = [kind for kind in webhooks.LOGS if webhooks.wants(row, kind)]
        if kinds and (ripe - row.logged_until > timedelta(seconds=5)):
            with transaction.atomic():
                seen = Webhook.objects.filter(pk=row.pk, logged_until=row.logged_until)
                if seen.update(logged_until=ripe):
                    for kind in kinds:
                        _write(row, kind, row.logged_until, ripe)


def _write(webhook: Webhook, kind: str, after: datetime, until: datetime) -> None:
    rows = _actions(after, until) if kind == _ACTIONS else _steps(after, until)
    batch: list[dict[str, Any]] = []
    for row in rows.iterator(_SIZE):
        batch.append(_action(row) if isinstance(row, Action) else _challenge(row))
        if len(batch) == _SIZE:
            _queue(webhook, kind, batch)
            batch = []
    if batch:
        _queue(webhook, kind, batch)


def _queue(webhook: Webhook, kind: str, records: list[dict[str, Any]]) -> None:
    now = clock.now()
    Delivery.objects.create(
        webhook=webhook,
        event=Event.objects.create(type=kind, created_at=now, data={"records": str(len(records))}),
        url=webhook.url,
        body=json.dumps({"records": records}),
        state=webhooks.WAITING,
        next_at=now,
        created_at=now,
    )


def _actions(after: datetime, until: datetime) -> QuerySet[Action]:
    rows = Action.objects.filter(created_at__gt=after, created_at__lte=until)
    return rows.select_related("user").order_by("created_at", "pk")


def _steps(after: datetime, until: datetime) -> QuerySet[Event]:
    rows = Event.objects.filter(type=_STEP, created_at__gt=after, created_at__lte=until)
    return rows.order_by("created_at", "pk")


def _action(row: Action) -> dict[str, Any]:
    record = {
        "userId": row.user.user_id,
        "actionCode": row.code,
        "idempotencyKey": row.idempotency_key,
        "createdAt": clock.iso(row.created_at),
        "updatedAt": clock.iso(row.updated_at),
        "state": row.state,
        "stateUpdatedAt": clock.iso(row.state_updated_at),
        "outcome": row.outcome,
        "verificationMethod": row.verification_method,
        "allowedVerificationMethods": row.allowed_methods,
        "rules": shapes.rules(row.rule_ids),
        "priorityRuleId": next(iter(row.rule_ids), None),
        "ipAddress": row.ip_address,
        "countryCode": places.country(row.ip_address),
        "email": row.user.email,
        "phoneNumber": row.user.phone_number,
        "deviceId": row.device_id,
        "customVariables": row.custom,
    }
    return _enveloped(_ACTIONS, uuid.uuid5(_NAMES, str(row.pk)), row.created_at, record)


def _challenge(row: Event) -> dict[str, Any]:
    return _enveloped(_CHALLENGES, row.pk, row.created_at, row.data)


def _enveloped(kind: str, key: uuid.UUID, moment: datetime, record: dict[str, Any]) -> dict[str, Any]:
    """The key is `record` here, and `data` everywhere else."""
    whole = webhooks.envelope(kind, key, moment, record={})
    present = {name: value for name, value in record.items() if value not in (None, "", [])}
    return whole | {"record": {"tenantId": whole["tenantId"], **present}}
