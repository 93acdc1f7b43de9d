"""The Management API: what the tenant's people set up. Shapes: authsignal-management-go."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from django.db import IntegrityError, transaction
from django.db.models import Model

from django_authsignal.client.types import VerificationMethod
from django_authsignal.emulator import clock, conditions, fields, rules, shapes, tenant
from django_authsignal.emulator.http import Call, Handler, Route, route
from django_authsignal.emulator.models import ActionConfiguration, AuthenticatorConfiguration, Rule
from django_authsignal.emulator.problems import Problem, invalid, not_found
from django_authsignal.emulator.server_api import with_secret

Body = dict[str, Any]
_PROMPTED = (VerificationMethod.PASSKEY.value,)  # the one method that pages offer after a challenge
_SMS_CHANNELS = ("DEFAULT", "SMS", "WHATSAPP")
_LONGEST_TOKEN = 24 * 60  # minutes
_COLOR = re.compile(r"#([0-9a-fA-F]{3,4}|[0-9a-fA-F]{6}|[0-9a-fA-F]{8})")
_NAME = re.compile(r"[a-zA-Z]{1,64}")
_IMAGE = re.compile(r"data:image/(png|jpeg|gif|webp|svg\+xml|x-icon);base64,[A-Za-z0-9+/]+={0,2}")
_IMAGE_SIZE = 256 * 1024  # characters of a picture in the theme
_PIXELS = 64  # of a border


# Actions.


def list_configurations(call: Call) -> Any:
    return [shapes.configuration(row) for row in ActionConfiguration.objects.order_by("action_code")]


def put_configuration(call: Call) -> Any:
    """Create, or replace all of it but its rules."""
    code = fields.check_action(fields.required(call.body, "actionCode"))
    replaced: Body = {
        "default_user_action_result": "ALLOW",
        "verification_methods": None,
        "default_verification_method": "",
        "prompt_to_enroll_verification_methods": [],
        "verification_webhook_url": "",
    } | _configuration_changes(call.body)
    with transaction.atomic():
        row, _ = ActionConfiguration.objects.update_or_create(
            action_code=code, defaults=replaced, create_defaults={**replaced, "created_at": clock.now()}
        )
        _check_configuration(row)
    return shapes.configuration(row)


def get_configuration(call: Call) -> Any:
    return shapes.configuration(_configuration(call))


def change_configuration(call: Call) -> Any:
    row = _configuration(call)
    with transaction.atomic():
        _change(row, _configuration_changes(call.body))
        _check_configuration(row)
    return shapes.configuration(row)


def delete_configuration(call: Call) -> Any:
    _configuration(call).delete()
    return {"success": True}


def _configuration(call: Call) -> ActionConfiguration:
    row = ActionConfiguration.objects.filter(action_code=call.ids["action"]).first()
    if row is None:
        raise not_found("The action configuration")
    return row


def _configuration_changes(body: Body) -> Body:
    changes = _method_changes(body)
    if outcome := fields.choice(body, "defaultUserActionResult", rules.OUTCOMES):
        changes["default_user_action_result"] = outcome
    if "verificationWebhookUrl" in body:
        changes["verification_webhook_url"] = web_url(body, "verificationWebhookUrl")
    return changes


def _method_changes(body: Body) -> Body:
    """What actions and rules say alike."""
    changes: Body = {}
    if "verificationMethods" in body:
        methods = fields.methods(body)
        if methods == []:
            raise invalid("body.verificationMethods must name a method; leave it out to accept all.")
        changes["verification_methods"] = methods
    if "defaultVerificationMethod" in body:
        method = fields.choice(body, "defaultVerificationMethod", list(VerificationMethod))
        changes["default_verification_method"] = method or ""
    if "promptToEnrollVerificationMethods" in body:
        prompted = fields.methods(body, "promptToEnrollVerificationMethods") or []
        if set(prompted) - set(_PROMPTED):
            raise invalid(f"body.promptToEnrollVerificationMethods may only hold: {', '.join(_PROMPTED)}.")
        changes["prompt_to_enroll_verification_methods"] = prompted
    return changes


def _check_default(row: ActionConfiguration | Rule, allowed: list[str] | None) -> None:
    default = row.default_verification_method
    if default and allowed is not None and default not in allowed:
        raise invalid(f"body.defaultVerificationMethod must be one of: {', '.join(allowed)}.")


def _check_configuration(row: ActionConfiguration) -> None:
    """Rolls the change back when a rule of the action would accept what the action no longer does."""
    _check_default(row, row.verification_methods)
    for rule in row.rules.all():
        methods = rule.verification_methods or []
        if row.verification_methods and set(methods) - set(row.verification_methods):
            raise invalid(
                f'body.verificationMethods must hold those of the rule "{rule.name}": {", ".join(methods)}. '
                "Change the rule first."
            )


# Rules.


def list_rules(call: Call) -> Any:
    rows = _configuration(call).rules.select_related("configuration").order_by("priority")
    return [shapes.rule(row) for row in rows]


def create_rule(call: Call) -> Any:
    row = Rule(configuration=_configuration(call), created_at=clock.now())
    for name in ("name", "type"):
        fields.required(call.body, name)
    for name in ("priority", "conditions"):
        if call.body.get(name) is None:
            raise invalid(f"body.{name} is required.")
    return _save_rule(row, call.body)


def get_rule(call: Call) -> Any:
    return shapes.rule(_rule(call))


def change_rule(call: Call) -> Any:
    return _save_rule(_rule(call), call.body)


def delete_rule(call: Call) -> Any:
    _rule(call).delete()
    return {"success": True}


def _rule(call: Call) -> Rule:
    rows = Rule.objects.filter(
        configuration__action_code=call.ids["action"], rule_id=row_key(call.ids["rule"], "The rule")
    )
    row = rows.select_related("configuration").first()
    if row is None:
        raise not_found("The rule")
    return row


def _save_rule(row: Rule, body: Body) -> Any:
    changes = _method_changes(body)
    if name := fields.text(body, "name"):
        changes["name"] = name
    if "description" in body:
        changes["description"] = fields.text(body, "description", limit=2048) or ""
    if (active := fields.flag(body, "isActive")) is not None:
        changes["is_active"] = active
    if body.get("priority") is not None:
        changes["priority"] = _number(body, "priority", 0, 99)
    if outcome := fields.choice(body, "type", rules.OUTCOMES):
        changes["type"] = outcome
    if body.get("conditions") is not None:
        conditions.check(body["conditions"])
        changes["conditions"] = body["conditions"]
    try:
        with transaction.atomic():
            # Before the rule is written: on MariaDB, writing it holds a lock that this one would wait for.
            action = ActionConfiguration.objects.select_for_update().get(pk=row.configuration.pk)
            _change(row, changes)
            if action.verification_methods and set(row.verification_methods or ()) - set(action.verification_methods):
                allowed = ", ".join(action.verification_methods)
                raise invalid(f"body.verificationMethods may only hold what the action accepts: {allowed}.")
            _check_default(row, row.verification_methods or action.verification_methods)
    except IntegrityError:
        raise Problem(409, "conflict", f"Another rule of the action has the priority {row.priority}.") from None
    except ActionConfiguration.DoesNotExist:
        raise not_found("The action configuration") from None
    return shapes.rule(row)


# The tenant.


def get_tenant(call: Call) -> Any:
    return shapes.tenant(tenant.settings())


def change_tenant(call: Call) -> Any:
    changes: Body = {}
    if (name := fields.text(call.body, "name")) is not None:
        if not name.strip():
            raise invalid("body.name must not be empty.")
        changes["name"] = name
    for field, column in (
        ("disableRecoveryCodes", "disable_recovery_codes"),
        ("hideSuccessScreenOnEnrollment", "hide_success_screen_on_enrollment"),
    ):
        if (flag := fields.flag(call.body, field)) is not None:
            changes[column] = flag
    if call.body.get("tokenDurationInMinutes") is not None:
        changes["token_duration_in_minutes"] = _number(call.body, "tokenDurationInMinutes", 1, _LONGEST_TOKEN)
    row = tenant.settings()
    _change(row, changes)
    return shapes.tenant(row)


def get_theme(call: Call) -> Any:
    return tenant.settings().theme


def change_theme(call: Call) -> Any:
    """What is given replaces what was there; null removes it."""
    changes = _theme(call.body, "body", depth=1)
    with transaction.atomic():
        row = type(tenant.settings()).objects.select_for_update().get()
        row.theme = {name: value for name, value in {**row.theme, **changes}.items() if value is not None}
        row.save(update_fields=["theme"])
    return row.theme


def _theme(body: Body, place: str, *, depth: int = 0) -> Body:
    """Only what is known and harmless: it is written into the style of pages that strangers open."""
    read: dict[str, Callable[[Any, str], Any]] = {
        "name": _theme_name,
        "primaryColor": _color,
        "logoUrl": _picture,
        "faviconUrl": _picture,
        "watermarkUrl": _picture,
        "colors": lambda value, at: _each(value, at, _color),
        "borders": lambda value, at: _each(value, at, _pixels),
        "pageBackground": _background,
    }
    if depth:
        read["darkMode"] = lambda value, at: _theme(_object(value, at), at)
    return {
        name: None if body[name] is None else check(body[name], f"{place}.{name}")
        for name, check in read.items()
        if name in body
    }


def _object(value: Any, place: str) -> Body:
    if not isinstance(value, dict):
        raise invalid(f"{place} must be an object.")
    return value


def _each(value: Any, place: str, check: Callable[[Any, str], Any]) -> Body:
    found = {}
    for name, item in list(_object(value, place).items())[:100]:
        if not _NAME.fullmatch(name):
            raise invalid(f"{place} may only have names of letters.")
        if item is not None:
            found[name] = check(item, f"{place}.{name}")
    return found


def _background(value: Any, place: str) -> Body:
    given, found = _object(value, place), {}
    if given.get("backgroundColor") is not None:
        found["backgroundColor"] = _color(given["backgroundColor"], f"{place}.backgroundColor")
    if given.get("backgroundImageUrl") is not None:
        found["backgroundImageUrl"] = _picture(given["backgroundImageUrl"], f"{place}.backgroundImageUrl")
    return found


def _theme_name(value: Any, place: str) -> str:
    if not isinstance(value, str) or len(value) > 255:
        raise invalid(f"{place} must be a string of at most 255 characters.")
    return value


def _color(value: Any, place: str) -> str:
    if not isinstance(value, str) or not _COLOR.fullmatch(value):
        raise invalid(f"{place} must be a colour like #0b5fff.")
    return value


def _pixels(value: Any, place: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _PIXELS:
        raise invalid(f"{place} must be a whole number of pixels from 0 to {_PIXELS}.")
    return value


def _picture(value: Any, place: str) -> str:
    good = isinstance(value, str) and (
        (len(value) <= 2048 and _is_web_url(value)) or (len(value) <= _IMAGE_SIZE and _IMAGE.fullmatch(value))
    )
    if not good:
        raise invalid(f"{place} must be an http or https URL, or a picture as data:image/...;base64,.")
    return str(value)


# Methods.


def list_authenticators(call: Call) -> Any:
    return [shapes.authenticator_configuration(row) for row in tenant.authenticator_configurations()]


def put_authenticator(call: Call) -> Any:
    """Switch a method on, or change it."""
    method = fields.choice(call.body, "verificationMethod", [m.value for m in tenant.METHODS])
    if method is None:
        raise invalid("body.verificationMethod is required.")
    changes = {"is_active": True} | _authenticator_changes(call.body)
    row, _ = AuthenticatorConfiguration.objects.update_or_create(verification_method=method, defaults=changes)
    return shapes.authenticator_configuration(row)


def get_authenticator(call: Call) -> Any:
    return shapes.authenticator_configuration(_authenticator(call))


def change_authenticator(call: Call) -> Any:
    row = _authenticator(call)
    _change(row, _authenticator_changes(call.body))
    return shapes.authenticator_configuration(row)


def delete_authenticator(call: Call) -> Any:
    """Switch the method off."""
    _change(_authenticator(call), {"is_active": False})
    return {"success": True}


def _authenticator(call: Call) -> AuthenticatorConfiguration:
    row = AuthenticatorConfiguration.objects.filter(pk=row_key(call.ids["authenticator"], "The configuration")).first()
    if row is None:
        raise not_found("The authenticator configuration")
    return row


def _authenticator_changes(body: Body) -> Body:
    changes: Body = {}
    for field, column in (
        ("isActive", "is_active"),
        ("isEditableByUser", "is_editable_by_user"),
        ("isHiddenToUser", "is_hidden_to_user"),
    ):
        if (flag := fields.flag(body, field)) is not None:
            changes[column] = flag
    if "smsChannel" in body:
        changes["sms_channel"] = fields.choice(body, "smsChannel", _SMS_CHANNELS) or ""
    return changes


# Shared.


def _change(row: Model, changes: Body) -> None:
    """Save only what was named: two changes at once must not undo each other."""
    for column, value in changes.items():
        setattr(row, column, value)
    if row._state.adding:
        row.save(force_insert=True)
    elif changes:
        row.save(update_fields=list(changes))


def _number(body: Body, name: str, least: int, most: int) -> int:
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise invalid(f"body.{name} must be a whole number from {least} to {most}.")
    return value


def web_url(body: Body, name: str) -> str:
    value = fields.text(body, name, limit=2048)
    if value and not _is_web_url(value):
        raise invalid(f"body.{name} must be an http or https URL.")
    return value or ""


def _is_web_url(value: str) -> bool:
    """Without what would end an attribute or a url() of a stylesheet."""
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False
    return good and not any(letter <= " " or letter in "\"'()<>\\\x7f" for letter in value)


def row_key(value: str, what: str) -> uuid.UUID:
    try:
        return uuid.UUID(value)
    except ValueError:
        raise not_found(what) from None


def _guarded(path: str, **handlers: Handler) -> Route:
    return route(f"management/{path}", **{method: with_secret(handler) for method, handler in handlers.items()})


ROUTES = [
    _guarded("action-configurations", GET=list_configurations, POST=put_configuration),
    _guarded("action-configurations/{action}/rules", GET=list_rules, POST=create_rule),
    _guarded("action-configurations/{action}/rules/{rule}", GET=get_rule, PATCH=change_rule, DELETE=delete_rule),
    _guarded(
        "action-configurations/{action}",
        GET=get_configuration,
        PATCH=change_configuration,
        DELETE=delete_configuration,
    ),
    _guarded("tenant", GET=get_tenant, PATCH=change_tenant),
    _guarded("theme", GET=get_theme, PATCH=change_theme),
    _guarded("authenticator-configurations", GET=list_authenticators, POST=put_authenticator),
    _guarded(
        "authenticator-configurations/{authenticator}",
        GET=get_authenticator,
        PATCH=change_authenticator,
        DELETE=delete_authenticator,
    ),
]
