"""Sessions and their app clients, and the public keys that verify tokens.

/management/app-clients is our own: the service configures app clients in its portal.
"""

from __future__ import annotations

import re
import secrets
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from django_authsignal.emulator import clock, fields, http, sessions, shapes, tokens
from django_authsignal.emulator.http import Call, route
from django_authsignal.emulator.models import ID_LENGTH, AppClient
from django_authsignal.emulator.problems import Problem, invalid, not_found
from django_authsignal.emulator.server_api import guarded

_CLIENT_ID = re.compile(r"[A-Za-z0-9_.~-]{1,64}")


def create(call: Call) -> Any:
    return sessions.create(
        fields.required(call.body, "token", limit=settings.MAX_BODY),
        fields.required(call.body, "clientId"),
        fields.text(call.body, "action"),
    )


def validate(call: Call) -> Any:
    row, expires = sessions.validate(
        fields.required(call.body, "accessToken", limit=settings.MAX_BODY), _client_ids(call.body)
    )
    answer: dict[str, Any] = {"user": shapes.profile(row.user), "expiresAt": expires}
    return {**answer, "verificationMethod": row.verification_method} if row.verification_method else answer


def refresh(call: Call) -> Any:
    return sessions.refresh(fields.required(call.body, "refreshToken", limit=settings.MAX_BODY))


def revoke(call: Call) -> Any:
    sessions.revoke(fields.required(call.body, "accessToken", limit=settings.MAX_BODY))
    return {}


def revoke_all(call: Call) -> Any:
    sessions.revoke_all(fields.required(call.body, "userId", limit=ID_LENGTH))
    return {}


def jwks(call: Call) -> Any:
    if not http.same(call.ids["tenant"], settings.TENANT_ID):
        raise not_found("The tenant")
    return {"keys": [tokens.public_jwk(purpose) for purpose in tokens.PURPOSES]}


def list_clients(call: Call) -> Any:
    return [_shape(row) for row in AppClient.objects.order_by("client_id")]


def create_client(call: Call) -> Any:
    client_id = fields.text(call.body, "clientId") or secrets.token_hex(16)
    if not _CLIENT_ID.fullmatch(client_id):
        raise invalid("body.clientId must have 1 to 64 letters, digits or _.~-")
    row = AppClient(client_id=client_id, created_at=clock.now(), **_changes(call.body))
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        raise Problem(409, "conflict", "There is an app client of this clientId.") from None
    return _shape(row)


def get_client(call: Call) -> Any:
    return _shape(_client(call))


def change_client(call: Call) -> Any:
    row, changes = _client(call), _changes(call.body)
    for column, value in changes.items():
        setattr(row, column, value)
    if changes:
        row.save(update_fields=list(changes))
    return _shape(row)


def delete_client(call: Call) -> Any:
    """Its sessions end with it."""
    _client(call).delete()
    return {"success": True}


def _client(call: Call) -> AppClient:
    row = AppClient.objects.filter(client_id=call.ids["client"]).first()
    if row is None:
        raise not_found("The app client")
    return row


def _changes(body: dict[str, Any]) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if "name" in body:
        changes["name"] = fields.text(body, "name") or ""
    if "customClaims" in body:
        claims = fields.mapping(body, "customClaims") or {}
        if taken := sessions.RESERVED & claims.keys():
            raise invalid(f"body.customClaims may not hold {min(taken)}: the emulator sets it.")
        changes["custom_claims"] = claims
    return changes


def _shape(row: AppClient) -> dict[str, Any]:
    return {
        "clientId": row.client_id,
        "name": row.name,
        "customClaims": row.custom_claims,
        "createdAt": clock.iso(row.created_at),
    }


def _client_ids(body: dict[str, Any]) -> list[str] | None:
    value = body.get("clientIds")
    if value is not None and not (isinstance(value, list) and all(isinstance(item, str) for item in value)):
        raise invalid("body.clientIds must be a list of strings.")
    return value


ROUTES = [
    guarded("sessions", POST=create),
    guarded("sessions/validate", POST=validate),
    guarded("sessions/refresh", POST=refresh),
    guarded("sessions/revoke", POST=revoke),
    guarded("sessions/user/revoke", POST=revoke_all),
    guarded("management/app-clients", GET=list_clients, POST=create_client),
    guarded("management/app-clients/{client}", GET=get_client, PATCH=change_client, DELETE=delete_client),
    route("client/public/{tenant}/.well-known/jwks", GET=jwks),
]
