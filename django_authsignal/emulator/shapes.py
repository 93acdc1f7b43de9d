"""Rows as the API writes them: camelCase, absent rather than null. Source: types.ts of authsignal-node."""

from __future__ import annotations

from typing import Any

from django_authsignal.emulator import clock, engine
from django_authsignal.emulator.models import Action, ActionConfiguration, Authenticator, EmulatedUser


def _present(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None and value != ""}


def user(row: EmulatedUser | None) -> dict[str, Any]:
    """One that nobody has tracked is not an error: it is a user without authenticators."""
    if row is None:
        return {"isEnrolled": False, "emailVerified": False, "phoneNumberVerified": False}
    session = engine.Session(row, None, frozenset(), "")
    enrolled = engine.enrolled_methods(session)
    return {
        "isEnrolled": bool(enrolled),
        **profile(row),
        **_present(
            allowedVerificationMethods=engine.allowed_methods(session),
            enrolledVerificationMethods=enrolled,
            defaultVerificationMethod=engine.default_method(session),
        ),
    }


def profile(row: EmulatedUser) -> dict[str, Any]:
    return {
        "userId": row.user_id,
        "emailVerified": row.email_verified,
        "phoneNumberVerified": row.phone_number_verified,
        **_present(
            email=row.email,
            phoneNumber=row.phone_number,
            username=row.username,
            displayName=row.display_name,
            custom=row.custom,
            locale=row.locale,
        ),
    }


def listed_user(row: EmulatedUser) -> dict[str, Any]:
    full = user(row)
    for name in ("custom", "locale", "allowedVerificationMethods", "defaultVerificationMethod"):
        full.pop(name, None)
    return {**full, "createdAt": clock.iso(row.created_at)}


def action(row: Action) -> dict[str, Any]:
    return {
        "state": row.state,
        "createdAt": clock.iso(row.created_at),
        "stateUpdatedAt": clock.iso(row.state_updated_at),
        "actionCode": row.code,
        "idempotencyKey": row.idempotency_key,
        "ruleIds": row.rule_ids,
        "rules": [],
        **_present(verificationMethod=row.verification_method),
    }


def listed_action(row: Action) -> dict[str, Any]:
    return {
        "actionCode": row.code,
        "idempotencyKey": row.idempotency_key,
        "createdAt": clock.iso(row.created_at),
        "updatedAt": clock.iso(row.updated_at),
        "state": row.state,
        "stateUpdatedAt": clock.iso(row.state_updated_at),
        **_present(
            verificationMethod=row.verification_method,
            verifiedByAuthenticatorId=row.verified_by,
            userAgent=row.user_agent,
            ipAddress=row.ip_address,
        ),
    }


def authenticator(row: Authenticator) -> dict[str, Any]:
    shape = {
        "userAuthenticatorId": str(row.pk),
        "userId": row.user.user_id,
        "verificationMethod": row.method,
        "createdAt": clock.iso(row.created_at),
        **_present(
            verifiedAt=clock.iso(row.verified_at) if row.verified_at else None,
            lastVerifiedAt=clock.iso(row.last_verified_at) if row.last_verified_at else None,
            email=row.email,
            phoneNumber=row.phone_number,
            authenticatorAttachment=row.attachment,
            previousSmsChannel=row.sms_channel,
            displayName="" if row.credential_id else row.name,
        ),
    }
    if row.user.default_method == row.method:
        shape["isDefault"] = True
    if row.credential_id and row.verified_at:
        shape["webauthnCredential"] = {
            "credentialId": row.credential_id,
            "deviceId": row.device_id,
            "name": row.name,
            "credentialBackedUp": row.backed_up,
            "verifiedAt": clock.iso(row.verified_at),
            **_present(
                aaguid=row.aaguid,
                credentialDeviceType=row.device_type,
                authenticatorAttachment=row.attachment,
            ),
        }
    return shape


def configuration(row: ActionConfiguration) -> dict[str, Any]:
    return {
        "actionCode": row.action_code,
        "defaultUserActionResult": row.default_user_action_result,
        **_present(
            verificationMethods=row.verification_methods,
            defaultVerificationMethod=row.default_verification_method,
            lastActionCreatedAt=(clock.iso(row.last_action_created_at) if row.last_action_created_at else None),
        ),
    }
