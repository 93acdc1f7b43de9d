"""Rows as the API writes them: camelCase, absent rather than null. Source: types.ts of authsignal-node."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings

from django_authsignal.emulator import clock, engine, places
from django_authsignal.emulator.models import (
    Action,
    ActionConfiguration,
    Authenticator,
    AuthenticatorConfiguration,
    Device,
    EmulatedUser,
    Rule,
    Tenant,
)


def _present(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None and value != ""}


def user(row: EmulatedUser | None) -> dict[str, Any]:
    """One that nobody has tracked is not an error: it is a user without authenticators."""
    if row is None:
        return {"isEnrolled": False, "emailVerified": False, "phoneNumberVerified": False}
    session = engine.Session(row, None)
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
        "rules": rules(row.rule_ids),
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
            countryCode=places.country(row.ip_address),
        ),
    }


def rules(rule_ids: list[str]) -> list[dict[str, Any]]:
    """In the order of the ids; a rule that was deleted since has no name any more."""
    found = {str(row.rule_id): row for row in Rule.objects.filter(rule_id__in=rule_ids)} if rule_ids else {}
    return [
        {"ruleId": key, "name": found[key].name, **_present(description=found[key].description)}
        for key in rule_ids
        if key in found
    ]


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
            devicePlatform=row.device_platform.upper(),
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


def device(row: Device) -> dict[str, Any]:
    return {
        "userId": row.user.user_id,
        "deviceId": row.device_id,
        "createdAt": clock.iso(row.created_at),
        **_present(
            authenticatedAt=_time(row.authenticated_at),
            invalidatedAt=_time(row.invalidated_at),
            rememberedUntil=_time(row.remembered_until),
            lastVerificationMethod=row.last_verification_method,
        ),
    }


def configuration(row: ActionConfiguration) -> dict[str, Any]:
    return {
        "actionCode": row.action_code,
        "tenantId": settings.TENANT_ID,
        "defaultUserActionResult": row.default_user_action_result,
        "promptToEnrollVerificationMethods": row.prompt_to_enroll_verification_methods,
        **_present(
            verificationMethods=row.verification_methods,
            defaultVerificationMethod=row.default_verification_method,
            verificationWebhookUrl=row.verification_webhook_url,
            lastActionCreatedAt=_time(row.last_action_created_at),
        ),
    }


def rule(row: Rule) -> dict[str, Any]:
    return {
        "ruleId": str(row.rule_id),
        "tenantId": settings.TENANT_ID,
        "actionCode": row.configuration.action_code,
        "name": row.name,
        "isActive": row.is_active,
        "priority": row.priority,
        "type": row.type,
        "conditions": row.conditions,
        "promptToEnrollVerificationMethods": row.prompt_to_enroll_verification_methods,
        **_present(
            description=row.description,
            verificationMethods=row.verification_methods,
            defaultVerificationMethod=row.default_verification_method,
        ),
    }


def tenant(row: Tenant) -> dict[str, Any]:
    return {
        "tenantId": settings.TENANT_ID,
        "name": row.name,
        "disableRecoveryCodes": row.disable_recovery_codes,
        "tokenDurationInMinutes": row.token_duration_in_minutes,
        "hideSuccessScreenOnEnrollment": row.hide_success_screen_on_enrollment,
    }


def authenticator_configuration(row: AuthenticatorConfiguration) -> dict[str, Any]:
    return {
        "authenticatorId": str(row.pk),
        "verificationMethod": row.verification_method,
        "isActive": row.is_active,
        "isEditableByUser": row.is_editable_by_user,
        "isHiddenToUser": row.is_hidden_to_user,
        **_present(smsChannel=row.sms_channel),
    }


def _time(moment: datetime | None) -> str | None:
    return clock.iso(moment) if moment else None
