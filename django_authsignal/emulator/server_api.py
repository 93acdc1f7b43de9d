"""The Server API: what an application asks with its secret key. Source: docs.authsignal.com, Server API."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils.dateparse import parse_datetime

from django_authsignal.client.types import State, VerificationMethod
from django_authsignal.emulator import authenticators, challenges, clock, engine, fields, http, shapes, tenant
from django_authsignal.emulator.http import Call, Handler, Route, route
from django_authsignal.emulator.methods import authenticator_app, recovery_code
from django_authsignal.emulator.models import ID_LENGTH, Action, Authenticator, EmulatedUser
from django_authsignal.emulator.problems import Problem, invalid, not_found

_TOTP = {"digits": "6", "period": "30", "algorithm": "SHA1"}  # what authenticator apps assume
_BATCH = 1000
_AAGUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_TRANSPORTS = ("usb", "nfc", "ble", "smart-card", "hybrid", "internal", "cable")
_OLDEST = timedelta(days=30)  # of the actions that a query returns
_USER_FIELDS: dict[str, Callable[[dict[str, Any], str], str | None]] = {
    "email": fields.email,
    "phoneNumber": fields.phone,
    "username": fields.text,
    "displayName": fields.text,
    "locale": lambda body, name: fields.text(body, name, limit=35),
    "defaultVerificationMethod": lambda body, name: fields.choice(body, name, list(VerificationMethod)),
}
_COLUMNS = {
    "email": "email",
    "phoneNumber": "phone_number",
    "username": "username",
    "displayName": "display_name",
    "locale": "locale",
    "defaultVerificationMethod": "default_method",
}


def with_secret(handler: Handler) -> Handler:
    """The handler, for callers that know the secret key."""

    def guarded(call: Call) -> Any:
        given = http.basic_user(call.authorization)
        if not any(http.same(given, key) for key in settings.API_SECRET_KEYS):
            raise Problem(401, "unauthorized", "The request is unauthorized. Check the API secret key and the URL.")
        return handler(call)

    return guarded


def track(call: Call) -> Any:
    if call.body.get("challengeId") is not None:
        return challenges.track(call.ids["user_id"], call.ids["action"], call.body)
    return engine.track(call.ids["user_id"], call.ids["action"], call.body)[1]


def validate(call: Call) -> Any:
    return engine.validate(
        fields.text(call.body, "token", limit=settings.MAX_BODY) or "",
        fields.text(call.body, "userId", limit=16384),
        fields.text(call.body, "action"),
    )


def get_action(call: Call) -> Any:
    return shapes.action(_action(call))


def update_action(call: Call) -> Any:
    row, state = _action(call, living=True), fields.choice(call.body, "state", list(State))
    if state is None:
        raise invalid("body.state is required.")
    row.state, row.state_updated_at, row.updated_at = state, clock.now(), clock.now()
    row.save(update_fields=["state", "state_updated_at", "updated_at"])
    return shapes.action(row)


def query_actions(call: Call) -> Any:
    rows = _actions_of(call).filter(created_at__gte=_from_date(call.query.get("fromDate")))
    if codes := call.query.get("codes"):
        rows = rows.filter(code__in=codes.split(","))
    if state := call.query.get("state"):
        rows = rows.filter(state=state)
    return [shapes.listed_action(row) for row in rows.order_by("-created_at", "-pk")]


def get_user(call: Call) -> Any:
    return shapes.user(engine.find_user(call.ids["user_id"]))


def update_user(call: Call) -> Any:
    """Change what is given; null clears; an unknown user is made."""
    changes: dict[str, Any] = {}
    for name, read in _USER_FIELDS.items():
        if name in call.body:
            changes[_COLUMNS[name]] = read(call.body, name) or ""
    for name, column in (("emailVerified", "email_verified"), ("phoneNumberVerified", "phone_number_verified")):
        if name in call.body:
            changes[column] = fields.flag(call.body, name) or False
    if "custom" in call.body:
        changes["custom"] = fields.mapping(call.body, "custom")
    with transaction.atomic():
        user = engine.get_or_create_user(call.ids["user_id"])
        # Locked, and only what was named is saved: two changes at once must not undo each other, nor a deletion.
        user = EmulatedUser.objects.select_for_update().get(pk=user.pk)
        if "email" in changes and changes["email"] != user.email:
            changes.setdefault("email_verified", False)
        if "phone_number" in changes and changes["phone_number"] != user.phone_number:
            changes.setdefault("phone_number_verified", False)
        for column, value in changes.items():
            setattr(user, column, value)
        user.save(update_fields=list(changes))
        if changes.get("email_verified") and user.email:
            _sync_addresses(user)
    return shapes.profile(user)


def _sync_addresses(user: EmulatedUser) -> None:
    """Only what was verified: an unfinished enrolment mailed its code elsewhere."""
    by_mail = (VerificationMethod.EMAIL_OTP, VerificationMethod.EMAIL_MAGIC_LINK)
    rows = Authenticator.objects.filter(user=user, method__in=by_mail, verified_at__isnull=False)
    for row in rows.exclude(email=user.email).select_related("user"):
        row.email = user.email
        row.save(update_fields=["email"])
        authenticators.tell("authenticator.updated", row)


def delete_user(call: Call) -> Any:
    """Forget the user. The actions stay as history, apart from a later user of this id, unless `actions=true`."""
    flag = call.query.get("actions", "false")
    if flag not in ("true", "false"):
        raise invalid("actions must be true or false.")
    with transaction.atomic():
        if flag == "true":
            EmulatedUser.objects.filter(former_id=fields.check_user_id(call.ids["user_id"])).delete()
        # Locked: whoever writes about the user meanwhile waits, and then finds nobody.
        rows = EmulatedUser.objects.select_for_update()
        if user := rows.filter(user_id=fields.check_user_id(call.ids["user_id"]), former_id="").first():
            actions = Action.objects.filter(user=user)
            if flag == "false" and actions.exists():
                # A row of its own: every token and session names the old one, and dies with it.
                now = clock.now()
                kept = EmulatedUser.objects.create(user_id=uuid.uuid4().hex, former_id=user.user_id, created_at=now)
                actions.update(user=kept)
            for row in Authenticator.objects.filter(user=user, verified_at__isnull=False).select_related("user"):
                authenticators.tell("authenticator.deleted", row, deletedAt=clock.iso(clock.now()))
            user.delete()
    return {"success": True}


def query_users(call: Call) -> Any:
    if call.query.get("token"):
        raise invalid("token: an Apple or Google id token cannot be verified here. Query by username, email or phone.")
    filters = {
        column: call.query[name]
        for name, column in (("username", "username"), ("email", "email"), ("phoneNumber", "phone_number"))
        if call.query.get(name)
    }
    if not filters:
        raise invalid("One of username, email or phoneNumber is required.")
    limit = call.query.get("limit") or "100"
    if not (limit.isascii() and limit.isdigit() and len(limit) < 6 and int(limit)):
        raise invalid("limit must be a whole number above 0.")
    rows = EmulatedUser.objects.filter(**filters, former_id="").order_by("user_id")
    if after := call.query.get("lastEvaluatedUserId"):
        rows = rows.filter(user_id__gt=after)
    page = list(rows[: int(limit) + 1])
    answer: dict[str, Any] = {"users": [shapes.listed_user(row) for row in page[: int(limit)]]}
    if len(page) > int(limit):
        answer["lastEvaluatedUserId"] = page[int(limit) - 1].user_id
    return answer


def list_authenticators(call: Call) -> Any:
    user = engine.find_user(call.ids["user_id"])
    rows = Authenticator.objects.filter(user=user, verified_at__isnull=False).select_related("user")
    return [shapes.authenticator(row) for row in rows.order_by("created_at", "pk")]


def enrol_authenticator(call: Call) -> Any:
    """Enrol what the application has verified itself."""
    named = "verificationMethod" if call.body.get("verificationMethod") is not None else "oobChannel"  # the old name
    method = fields.choice(call.body, named, list(_DETAILS))
    if method is None:
        raise invalid("body.verificationMethod is required.")
    details = _DETAILS[method](call.body)
    with transaction.atomic():
        user = engine.get_or_create_user(call.ids["user_id"])
        EmulatedUser.objects.select_for_update().get(pk=user.pk)
        if details.get("secret") and authenticator_app.has(user, details["secret"]):
            # What the service does is not known. As with passkeys: a 200 would say that there is one more, or that a
            # name or a default was taken over, and a second row would let a code pass twice.
            raise Problem(409, "conflict", "The user has an authenticator app of this secret already.")
        first = not Authenticator.objects.filter(user=user, verified_at__isnull=False).exists()
        now = clock.now()
        try:
            with transaction.atomic():
                row = Authenticator.objects.create(user=user, method=method, created_at=now, verified_at=now, **details)
        except IntegrityError:
            raise Problem(409, "conflict", "The credential is registered already.") from None
        if fields.flag(call.body, "isDefault"):
            user.default_method = method
            user.save(update_fields=["default_method"])
        answer: dict[str, Any] = {"authenticator": shapes.authenticator(row)}
        authenticators.tell("authenticator.created", row)
        if first and (codes := recovery_code.issue(user)):
            answer["recoveryCodes"] = codes
    return answer


def delete_authenticator(call: Call) -> Any:
    user = engine.find_user(call.ids["user_id"])
    try:
        key = uuid.UUID(call.ids["authenticator"])
    except ValueError:
        raise not_found("The authenticator") from None
    row = Authenticator.objects.filter(pk=key, user=user).select_related("user").first() if user else None
    if row is None:
        raise not_found("The authenticator")
    authenticators.remove(row)
    return {"success": True}


def import_passkeys(call: Call) -> Any:
    """Enrol up to 1,000 passkeys of many users. One that is registered already fails alone; a malformed one, all."""
    if "authenticators" not in call.body and call.body:  # Java and Ruby change a user, here one of that name, by POST
        return update_user(_named_authenticators(call))
    given = call.body.get("authenticators")
    if not isinstance(given, list) or not 1 <= len(given) <= _BATCH:
        raise invalid(f"body.authenticators must be a list of 1 to {_BATCH}.")
    items = [_imported(item, f"body.authenticators[{place}]") for place, item in enumerate(given)]
    failures = []
    with transaction.atomic():
        for user_id, details in items:
            try:
                with transaction.atomic():
                    now = clock.now()
                    row = Authenticator.objects.create(
                        user=engine.get_or_create_user(user_id),
                        method=VerificationMethod.PASSKEY,
                        created_at=now,
                        verified_at=now,
                        **details,
                    )
                    authenticators.tell("authenticator.created", row)
            except IntegrityError:
                failures.append(
                    {
                        "userId": user_id,
                        "credentialId": details["credential_id"],
                        "errorCode": "conflict",
                        "errorDescription": "The credential is registered already.",
                    }
                )
    return {
        "total": len(items),
        "succeeded": len(items) - len(failures),
        "failed": len(failures),
        "failures": failures,
    }


def _imported(item: Any, place: str) -> tuple[str, dict[str, Any]]:
    if not isinstance(item, dict):
        raise invalid(f"{place} must be an object.")
    try:
        if fields.choice(item, "verificationMethod", [VerificationMethod.PASSKEY.value]) is None:
            raise invalid("body.verificationMethod is required.")
        return fields.check_user_id(fields.required(item, "userId", limit=ID_LENGTH)), _passkey_details(item)
    except Problem as problem:
        raise invalid(f"{place}: {problem.description.removeprefix('body.')}") from None


def _named_authenticators(call: Call) -> Call:
    return replace(call, ids={"user_id": "authenticators"})


def list_configured(call: Call) -> Any:
    """What the tenant offers."""
    return [shapes.authenticator_configuration(row) for row in tenant.authenticator_configurations()]


def _actions_of(call: Call) -> QuerySet[Action]:
    """Those of the user, and of deleted ones of the same id."""
    user_id = fields.check_user_id(call.ids["user_id"])
    return Action.objects.filter(Q(user__user_id=user_id, user__former_id="") | Q(user__former_id=user_id))


def _action(call: Call, *, living: bool = False) -> Action:
    """The newest of the path. History is read and never changed: `living` leaves it out."""
    rows = _actions_of(call).filter(code=call.ids["action"], idempotency_key=call.ids["key"])
    if living:
        rows = rows.filter(user__former_id="")
    row = rows.order_by("-pk").first()
    if row is None:
        raise not_found("The action")
    return row


def _from_date(value: str | None) -> datetime:
    oldest = clock.now() - _OLDEST
    if not value:
        return oldest
    try:
        moment = parse_datetime(value.replace(" ", "+"))
        if moment and moment.tzinfo:
            moment = moment.astimezone(UTC)  # the last evening of 9999 west of Greenwich does not fit
    except (ValueError, OverflowError):
        moment = None
    if moment is None:
        raise invalid("fromDate must be an ISO-8601 date and time.")
    return max(oldest, moment.replace(tzinfo=UTC))


def _email_details(body: dict[str, Any]) -> dict[str, Any]:
    fields.required(body, "email", limit=320)
    return {"email": fields.email(body)}


def _phone_details(body: dict[str, Any]) -> dict[str, Any]:
    fields.required(body, "phoneNumber", limit=32)
    return {"phone_number": fields.phone(body)}


def _app_details(body: dict[str, Any]) -> dict[str, Any]:
    uri = fields.required(body, "otpUri", limit=2048)
    try:
        given = {name: values[0].upper() for name, values in parse_qs(urlsplit(uri).query).items()}
        secret = given.get("secret", "").rstrip("=")
        raw = base64.b32decode(secret + "=" * (-len(secret) % 8))
    except (ValueError, binascii.Error):
        given, raw = {}, b""
    if not uri.startswith("otpauth://totp/") or not raw or len(secret) > 128:
        raise invalid("body.otpUri must be an otpauth://totp/ URI with a base32 secret.")
    if any(given.get(name, usual) != usual for name, usual in _TOTP.items()):
        raise invalid("body.otpUri must ask for six digits, 30 seconds and SHA1: other codes are not checked here.")
    return {"secret": base64.b32encode(raw).decode().rstrip("=")}  # its last letter has several spellings


def _passkey_details(body: dict[str, Any]) -> dict[str, Any]:
    raw_id = _base64url(body, "credentialId", 1364)
    plain = base64.urlsafe_b64encode(raw_id).rstrip(b"=").decode()
    transports = body.get("transports") or []
    if not isinstance(transports, list) or not all(isinstance(item, str) for item in transports):
        raise invalid("body.transports must be a list of strings.")
    aaguid = fields.text(body, "aaguid", limit=36) or ""
    if aaguid and not _AAGUID.fullmatch(aaguid):
        raise invalid("body.aaguid must be a UUID.")
    return {
        "transports": [item for item in transports if item in _TRANSPORTS],
        "aaguid": aaguid.lower(),
        "credential_id": plain,
        "credential_digest": hashlib.sha256(plain.encode()).hexdigest(),
        "public_key": _base64url(body, "credentialPublicKey", 4096),
        "name": fields.text(body, "name") or "Passkey",
    }


def _base64url(body: dict[str, Any], name: str, limit: int) -> bytes:
    value = fields.required(body, name, limit=limit).rstrip("=")
    try:
        return base64.b64decode(value + "=" * (-len(value) % 4), altchars="-_", validate=True)
    except ValueError:
        raise invalid(f"body.{name} must be base64url.") from None


_DETAILS = {
    VerificationMethod.PASSKEY.value: _passkey_details,
    VerificationMethod.AUTHENTICATOR_APP.value: _app_details,
    VerificationMethod.EMAIL_OTP.value: _email_details,
    VerificationMethod.EMAIL_MAGIC_LINK.value: _email_details,
    VerificationMethod.SMS.value: _phone_details,
    VerificationMethod.WHATSAPP.value: _phone_details,
}


def guarded(template: str, **handlers: Handler) -> Route:
    return route(template, **{method: with_secret(handler) for method, handler in handlers.items()})


ROUTES = [
    guarded("validate", POST=validate),
    guarded("authenticators", GET=list_configured),
    guarded("users", GET=query_users),
    guarded(
        "users/authenticators",
        POST=import_passkeys,
        GET=lambda call: get_user(_named_authenticators(call)),
        PATCH=lambda call: update_user(_named_authenticators(call)),
        DELETE=lambda call: delete_user(_named_authenticators(call)),
    ),
    guarded("users/{user_id}/actions/{action}/{key}", GET=get_action, PATCH=update_action),
    guarded("users/{user_id}/actions/{action}", POST=track),
    guarded("users/{user_id}/actions", GET=query_actions),
    guarded("users/{user_id}/authenticators/{authenticator}", DELETE=delete_authenticator),
    guarded("users/{user_id}/authenticators", GET=list_authenticators, POST=enrol_authenticator),
    guarded("users/{user_id}", GET=get_user, PATCH=update_user, POST=update_user, DELETE=delete_user),
]
