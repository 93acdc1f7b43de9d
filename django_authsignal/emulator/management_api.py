"""The Management API: what the tenant asks of each action."""

from __future__ import annotations

from typing import Any

from django_authsignal.emulator import clock, fields, rules, shapes
from django_authsignal.emulator.http import Call, route
from django_authsignal.emulator.models import ActionConfiguration
from django_authsignal.emulator.problems import invalid, not_found
from django_authsignal.emulator.server_api import with_secret


def list_configurations(call: Call) -> Any:
    return [shapes.configuration(row) for row in ActionConfiguration.objects.order_by("action_code")]


def put_configuration(call: Call) -> Any:
    """Create, or replace all of it."""
    code = fields.check_action(fields.required(call.body, "actionCode"))
    replaced = {
        "default_user_action_result": "ALLOW",
        "verification_methods": None,
        "default_verification_method": "",
    } | _changes(call.body)
    row, _ = ActionConfiguration.objects.update_or_create(
        action_code=code, defaults=replaced, create_defaults={**replaced, "created_at": clock.now()}
    )
    return shapes.configuration(row)


def get_configuration(call: Call) -> Any:
    return shapes.configuration(_configuration(call))


def change_configuration(call: Call) -> Any:
    row = _configuration(call)
    for column, value in _changes(call.body).items():
        setattr(row, column, value)
    row.save()
    return shapes.configuration(row)


def delete_configuration(call: Call) -> Any:
    _configuration(call).delete()
    return {"success": True}


def _configuration(call: Call) -> ActionConfiguration:
    row = ActionConfiguration.objects.filter(action_code=call.ids["action"]).first()
    if row is None:
        raise not_found("The action configuration")
    return row


def _changes(body: dict[str, Any]) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if outcome := fields.choice(body, "defaultUserActionResult", rules.OUTCOMES):
        changes["default_user_action_result"] = outcome
    if "verificationMethods" in body:
        methods = fields.methods(body)
        if methods == []:
            raise invalid("body.verificationMethods must name a method; leave it out to accept all.")
        changes["verification_methods"] = methods
    if "defaultVerificationMethod" in body:
        changes["default_verification_method"] = fields.text(body, "defaultVerificationMethod", limit=32) or ""
    return changes


ROUTES = [
    route(
        "management/action-configurations",
        GET=with_secret(list_configurations),
        POST=with_secret(put_configuration),
    ),
    route(
        "management/action-configurations/{action}",
        GET=with_secret(get_configuration),
        PATCH=with_secret(change_configuration),
        DELETE=with_secret(delete_configuration),
    ),
]
