"""The OpenAPI 3.1 document of what the emulator answers, made from its routes; the notes below say what each means.

A shape is written as `name`, `name?` (may be absent), `name:type`, with [type] for a list. A type in capitals is one
of SHAPES. In requests null means absent and unknown fields are ignored; an answer has no other fields than these.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from django_authsignal.client.types import State, VerificationMethod
from django_authsignal.emulator import calls, faults, rules, webhooks
from django_authsignal.emulator.api import ROUTES
from django_authsignal.emulator.http import Route, answer
from django_authsignal.emulator.methods import device_key

Schema = dict[str, Any]
_TEXT: Schema = {"type": "string"}
_TYPES: dict[str, Schema] = {
    "str": _TEXT,
    "int": {"type": "integer"},
    "num": {"type": "number"},
    "bool": {"type": "boolean"},
    "obj": {"type": "object"},
    "any": {},
    "jwt": {"type": "string", "minLength": 1},
    "id": {"type": "string", "minLength": 1, "maxLength": 512},
    "uuid": {"type": "string", "format": "uuid"},
    "time": {"type": "string", "format": "date-time"},
    "url": {"type": "string", "format": "uri"},
    "email": {"type": "string", "format": "email", "maxLength": 320},
    "phone": {"type": "string", "pattern": r"^\+[1-9][0-9]{5,14}$"},
    "code": {"type": "string", "pattern": "^[a-zA-Z0-9_-]{1,64}$"},
    "state": {"enum": [state.value for state in State]},
    "method": {"enum": [method.value for method in VerificationMethod]},
    "outcome": {"enum": list(rules.OUTCOMES)},
    "reason": {"enum": ["CODE_INVALID_OR_EXPIRED", "MAX_ATTEMPTS_EXCEEDED"]},
    "channel": {"enum": ["DEFAULT", "SMS", "WHATSAPP"]},
    "call_channel": {"enum": list(calls.CHANNELS)},
    "call_state": {"enum": list(calls.STATES)},
    "attachment": {"enum": ["platform", "cross-platform"]},
    "fault": {"enum": list(faults.KINDS)},
    "event": {"enum": list(webhooks.TYPES)},
    "priority": {"type": "integer", "minimum": 0, "maximum": 99},
    "minutes": {"type": "integer", "minimum": 1, "maximum": 1440},
    "seconds": {"type": "number", "exclusiveMinimum": 0, "maximum": 300},
    "true": {"const": True},
}

_NARROWING = (
    "verificationMethods?:[method] defaultVerificationMethod?:method promptToEnrollVerificationMethods?:[method]"
)
_CONTACT = "email?:email phoneNumber?:phone username? "
_TRACKED = "ipAddress? userAgent? deviceId? scope? locale? custom?:obj "
_NAMES = "displayName? custom?:obj locale? "
_VERIFIED = "isVerified:bool failureReason?:reason accessToken? "
_TENANT = "disableRecoveryCodes?:bool tokenDurationInMinutes?:minutes hideSuccessScreenOnEnrollment?:bool"

SHAPES = {
    "Error": "error errorCode errorDescription",
    "Success": "success:true",
    "Nothing": "",
    "Tracked": "state:state idempotencyKey:id url:url challengeUrl:url token isEnrolled:bool "
    "allowedVerificationMethods:[method] enrolledVerificationMethods:[method] defaultVerificationMethod?:method "
    "ruleIds:[str]",
    "Validated": "isValid:bool state?:state stateUpdatedAt?:time userId?:id action? actionCode? idempotencyKey?:id "
    "verificationMethod?:method error?",
    "RuleName": "ruleId:uuid name description?",
    "Action": "state:state createdAt:time stateUpdatedAt:time actionCode idempotencyKey:id ruleIds:[str] "
    "rules:[RuleName] verificationMethod?:method output?:obj",
    "ListedAction": "actionCode idempotencyKey:id createdAt:time updatedAt:time state:state stateUpdatedAt:time "
    "verificationMethod?:method verifiedByAuthenticatorId? userAgent? ipAddress? countryCode?",
    "User": f"userId?:id isEnrolled:bool {_CONTACT}emailVerified:bool phoneNumberVerified:bool {_NAMES}"
    "allowedVerificationMethods?:[method] enrolledVerificationMethods?:[method] defaultVerificationMethod?:method",
    "Profile": f"userId:id {_CONTACT}emailVerified:bool phoneNumberVerified:bool {_NAMES}",
    "ListedUser": f"userId:id isEnrolled:bool {_CONTACT}emailVerified:bool phoneNumberVerified:bool displayName? "
    "enrolledVerificationMethods?:[method] createdAt:time",
    "Users": "users:[ListedUser] lastEvaluatedUserId?:id",
    "Credential": "credentialId deviceId? name credentialBackedUp:bool verifiedAt:time aaguid? credentialDeviceType? "
    "authenticatorAttachment?:attachment",
    "Authenticator": "userAuthenticatorId:uuid userId:id verificationMethod:method createdAt:time verifiedAt?:time "
    "lastVerifiedAt?:time email?:email phoneNumber?:phone authenticatorAttachment?:attachment "
    "previousSmsChannel?:channel displayName? isDefault?:bool devicePlatform? expiresAt?:time "
    "webauthnCredential?:Credential",
    "Enrolled": "authenticator:Authenticator recoveryCodes?:[str]",
    "Failure": "userId credentialId errorCode errorDescription",
    "Imported": "total:int succeeded:int failed:int failures:[Failure]",
    "Sent": "challengeId:uuid idempotencyKey:id expiresAt:int",
    "Verified": "isVerified:bool email?:email phoneNumber?:phone verificationMethod?:method failureReason?:reason",
    "Claimed": "token verificationMethod:method",
    "Challenge": "challengeId?:uuid expiresAt?:int verificationMethod?:method smsChannel?:channel action? email?:email "
    "phoneNumber?:phone",
    "Tokens": "accessToken refreshToken",
    "Session": "user:Profile expiresAt:int verificationMethod?:method",
    "Called": "messageId channel:call_channel phoneNumber?:phone email?:email",
    "Device": "userId:id deviceId createdAt:time authenticatedAt?:time invalidatedAt?:time rememberedUntil?:time "
    "lastVerificationMethod?:method",
    "Keys": "keys:[obj]",
    "Contact": "email? phoneNumber?",
    "ChallengeOptions": "token defaultVerificationMethod?:method verificationMethods:[method] user:Contact",
    "Init": "challengeOptions:ChallengeOptions",
    "Token": "token",
    "Begun": "challengeId",
    "Enrolling": "challengeId userAuthenticatorId:uuid userId:id",
    "EnrollingApp": "userAuthenticatorId:uuid userId:id uri:url secret",
    "Ceremony": "challengeId:uuid options:obj",
    "Passkey": "credentialId verifiedAt:time",
    "ClientVerified": f"{_VERIFIED}userAuthenticator?:Authenticator recoveryCodes?:[str]",
    "PasskeyVerified": f"{_VERIFIED}userAuthenticator?:Authenticator recoveryCodes?:[str] userId?:id "
    "userAuthenticatorId?:uuid credentialId? username? userDisplayName?",
    "DeviceKey": "userAuthenticatorId:uuid userId:id verifiedAt:time lastVerifiedAt?:time expiresAt?:time accessToken? "
    "recoveryCodes?:[str]",
    "PushToken": "userAuthenticatorId:uuid userId:id lastVerifiedAt:time pushToken? expiresAt?:time",
    "Removed": "removedAuthenticatorId:uuid",
    "Delivered": "userAuthenticatorId:uuid errorCode?",
    "Pushed": "challengeId:uuid deliveryResults:[Delivered]",
    "Message": "message",
    "MessageOf": "challengeId:uuid message",
    "Waiting": "userAuthenticatorId:uuid challengeId?:uuid userId?:id actionCode? idempotencyKey?:id deviceId? "
    "userAgent? ipAddress? expiresAt?:int custom?:obj user?:obj",
    "Answered": "isVerified:bool",
    "PushVerified": "isVerified:bool isConsumed:bool accessToken?",
    "Shown": "challengeId:uuid expiresAt:time deviceCode",
    "Scanned": "success:true ipAddress? userAgent? actionCode idempotencyKey:id custom?:obj user?:obj",
    "QrCodeVerified": "isClaimed:bool isVerified:bool isConsumed:bool accessToken?",
    "InAppVerified": "token userId:id userAuthenticatorId:uuid username?",
    "ActionConfiguration": f"actionCode:code tenantId defaultUserActionResult:outcome {_NARROWING} "
    "verificationWebhookUrl?:url lastActionCreatedAt?:time",
    "Rule": f"ruleId:uuid tenantId actionCode:code name description? isActive:bool priority:priority type:outcome "
    f"conditions:any {_NARROWING}",
    "Tenant": f"tenantId name {_TENANT}",
    "AuthenticatorConfiguration": "authenticatorId verificationMethod:method isActive:bool isEditableByUser:bool "
    "isHiddenToUser:bool smsChannel?:channel",
    "AppClient": "clientId name customClaims:obj createdAt:time",
    "Webhook": "webhookId:uuid url:url types:[event] isSynchronous:bool isActive:bool createdAt:time",
    "Delivery": "deliveryId eventId:uuid type webhookId?:uuid url:url state attempts:int status?:int problem? "
    "createdAt:time deliveredAt?:time nextAttemptAt?:time body?",
    "Fault": "kind delay?:num path? until?:time",
}


class Note(NamedTuple):
    """What one method of one path does. `request` None: it reads no body."""

    summary: str
    answer: str
    request: str | None = None
    query: str = ""


_CODE = "verificationCode"
_KEY = "publicKey"
_SIGNED = "challengeId publicKey signature"
_ANSWER = f"{_SIGNED} approved:bool verificationCode?"
_WHICH = "userAuthenticatorId?:uuid"
_USER = f"{_CONTACT}emailVerified?:bool phoneNumberVerified?:bool {_NAMES}defaultVerificationMethod?:method"
_RULE = f"name? description? isActive?:bool priority?:priority type?:outcome conditions?:any {_NARROWING}"
_CONFIGURATION = f"defaultUserActionResult?:outcome {_NARROWING} verificationWebhookUrl?:url"
_SWITCHES = "isActive?:bool isEditableByUser?:bool isHiddenToUser?:bool smsChannel?:channel"
_ASKED = "challengeId? userId? action? verificationMethod?:method"

NOTES: dict[str, Note] = {
    # The Server API.
    "POST users/{user_id}/actions/{action}": Note(
        "Track an action",
        "Tracked",
        f"idempotencyKey?:id redirectUrl?:url redirectToSettings?:bool {_TRACKED}{_CONTACT}challengeId? customDomain?",
    ),
    "POST validate": Note("What became of a token's action", "Validated", "token:jwt userId? action?"),
    "GET users/{user_id}/actions/{action}/{key}": Note("Read an action", "Action"),
    "PATCH users/{user_id}/actions/{action}/{key}": Note("Set an action's state", "Action", "state:state"),
    "GET users/{user_id}/actions": Note(
        "A user's actions of the last 30 days", "[ListedAction]", query="codes? fromDate?:time state?:state"
    ),
    "GET users/{user_id}": Note("Read a user; an unknown one is not enrolled", "User"),
    "PATCH users/{user_id}": Note("Change a user, or make one", "Profile", _USER),
    "POST users/{user_id}": Note("The same, as the Ruby and Java SDKs send it", "Profile", _USER),
    "DELETE users/{user_id}": Note("Forget a user", "Success", query="actions?:bool"),
    "GET users": Note(
        "Find users", "Users", query="username? email? phoneNumber? token? limit?:int lastEvaluatedUserId?"
    ),
    "GET users/{user_id}/authenticators": Note("A user's authenticators", "[Authenticator]"),
    "POST users/{user_id}/authenticators": Note(
        "Enrol an authenticator that was verified elsewhere",
        "Enrolled",
        f"verificationMethod:method {_CONTACT}otpUri?:url credentialId? credentialPublicKey? name? isDefault?:bool",
    ),
    "DELETE users/{user_id}/authenticators/{authenticator}": Note("Remove an authenticator", "Success"),
    "POST users/authenticators": Note(
        "Import up to 1000 passkeys; without a list of them, change the user of that id",
        "Imported|Profile",
        f"authenticators?:[obj] {_USER}",
    ),
    "GET users/authenticators": Note("Read the user whose id is `authenticators`", "User"),
    "PATCH users/authenticators": Note("Change the user whose id is `authenticators`", "Profile", _USER),
    "DELETE users/authenticators": Note("Forget the user whose id is `authenticators`", "Success"),
    "GET authenticators": Note("The tenant's authenticators", "[AuthenticatorConfiguration]"),
    "POST challenge": Note(
        "Send a code without a page",
        "Sent",
        f"verificationMethod?:method action?:code challengeId? idempotencyKey?:id userId? {_CONTACT}"
        f"smsChannel?:channel {_TRACKED}",
    ),
    "POST verify": Note("Try that code", "Verified", f"challengeId {_CODE}"),
    "POST claim": Note(
        "Give an anonymous challenge to a user", "Claimed", "challengeId userId skipVerificationCheck?:bool"
    ),
    "GET challenges": Note("The newest challenge that still runs", "Challenge", query=_ASKED),
    "POST challenges": Note("The same, as the Java and .NET SDKs ask", "Challenge", _ASKED, query=_ASKED),
    "POST sessions": Note("Turn a client token into a session", "Tokens", "token:jwt clientId action?"),
    "POST sessions/validate": Note("Whose session it is", "Session", "accessToken:jwt clientIds?:[str]"),
    "POST sessions/refresh": Note("New tokens; the old ones end", "Tokens", "refreshToken:jwt"),
    "POST sessions/revoke": Note("End a session", "Nothing", "accessToken:jwt"),
    "POST sessions/user/revoke": Note("End all sessions of a user", "Nothing", "userId"),
    "POST call/start": Note(
        "Send a message to who calls a contact centre",
        "Called",
        f"referenceId:id {_CONTACT}userId?:id channel?:call_channel country? locale? actionCode?:code",
    ),
    "POST call/finish": Note(
        "How the call ended", "Success", "referenceId:id state:call_state userId?:id payload?:obj"
    ),
    "GET users/{user_id}/devices": Note("A user's devices", "[Device]"),
    "PATCH users/{user_id}/devices/{device}": Note("Remember a device", "Device", "rememberedUntil?:time"),
    "POST users/{user_id}/devices/{device}/invalidate": Note("Forget that a device was proved", "Device", ""),
    # The Client API.
    "POST client/init": Note("What a page of challenges begins with", "Init", ""),
    "POST client/token": Note("Another token that ends with the first", "Token", ""),
    "GET client/user-authenticators": Note("The user's own authenticators", "[Authenticator]"),
    "PATCH client/user-authenticators/{authenticator}": Note(
        "Rename one, or make it the default", "Authenticator", "name? isDefault?:bool"
    ),
    "DELETE client/user-authenticators/{authenticator}": Note("Remove one", "Success"),
    "POST client/challenge": Note(
        "Begin a sign-in whose user is not known", "Begun", "action?:code idempotencyKey?:id"
    ),
    "POST client/user-authenticators/passkey/registration-options": Note(
        "Begin to enrol a passkey", "Ceremony", "username? displayName? authenticatorAttachment?:attachment"
    ),
    "POST client/user-authenticators/passkey": Note(
        "Enrol a passkey",
        "PasskeyVerified",
        "registrationCredential:obj challengeId? deviceId? conditionalCreate?:bool",
    ),
    "GET client/user-authenticators/passkey": Note(
        "Whether one of these passkeys is known", "Passkey", query="credentialIds? credentialId?"
    ),
    "POST client/user-authenticators/passkey/authentication-options": Note(
        "Begin to prove by a passkey", "Ceremony", "challengeId? username?"
    ),
    "POST client/verify/passkey": Note(
        "Prove by a passkey", "PasskeyVerified", "authenticationCredential:obj challengeId? deviceId?"
    ),
    "POST client/user-authenticators/security-key/registration-options": Note("Begin to enrol a key", "obj", ""),
    "POST client/user-authenticators/security-key": Note(
        "Enrol a security key", "PasskeyVerified", "id? response?:obj"
    ),
    "POST client/user-authenticators/security-key/authentication-options": Note("Begin to prove by a key", "obj", ""),
    "POST client/verify/security-key": Note("Prove by a security key", "PasskeyVerified", "id? response?:obj"),
    "POST client/user-authenticators/totp": Note("Begin to enrol an authenticator app", "EnrollingApp", ""),
    "POST client/verify/totp": Note("Try a code of the app", "ClientVerified", _CODE),
    "POST client/user-authenticators/email-otp": Note("Begin to enrol an address", "Enrolling", "email?:email"),
    "POST client/challenge/email-otp": Note("Mail a code", "Begun", _WHICH),
    "POST client/verify/email-otp": Note("Try a mailed code", "ClientVerified", _CODE),
    "POST client/user-authenticators/email-magic-link": Note("Enrol by a mailed link", "Enrolling", "email?:email"),
    "POST client/challenge/email-magic-link": Note("Mail a link", "Begun", _WHICH),
    "POST client/verify/email-magic-link/finalize": Note(
        "Whether the link was confirmed", "ClientVerified", "challengeId?"
    ),
    "POST client/user-authenticators/sms": Note("Begin to enrol a number", "Enrolling", "phoneNumber?:phone"),
    "POST client/challenge/sms": Note("Text a code", "Begun", f"{_WHICH} smsChannel?:channel"),
    "POST client/verify/sms": Note("Try a texted code", "ClientVerified", _CODE),
    "POST client/challenge/whatsapp": Note("Send a code by WhatsApp", "Begun", _WHICH),
    "POST client/verify/whatsapp": Note("Try that code", "ClientVerified", _CODE),
    "POST client/verify/recovery-code": Note("Use a recovery code", "ClientVerified", _CODE),
    "POST client/challenge/push": Note("Ask the user's phones", "Pushed", "action?:code userAuthenticatorId?"),
    "POST client/verify/push": Note("Whether the phone has answered", "PushVerified", "challengeId"),
    "PATCH client/user-authenticators/push": Note(
        "Change a phone's push token",
        "PushToken",
        "challengeId publicKey signature pushToken? resetExpiry?:bool",
    ),
    "POST client/user-authenticators/push/sign": Note("What to sign for that", "MessageOf", "", query=_KEY),
    "POST client/user-authenticators/push/challenge/sign": Note(
        "What to sign to see the push that waits", "Message", "", query=_KEY
    ),
    "GET client/user-authenticators/push/challenge": Note("The push that waits", "Waiting", query=_KEY),
    "POST client/user-authenticators/push/challenge": Note("Approve or reject it", "Answered", _ANSWER),
    "POST client/challenge/qr-code": Note("Show a QR code", "Shown", "action:code custom?:obj"),
    "POST client/verify/qr-code": Note("Whether a phone has answered", "QrCodeVerified", "challengeId deviceCode"),
    "POST client/user-authenticators/qr-code/challenge/claim": Note("Scan a QR code", "Scanned", _SIGNED),
    "POST client/user-authenticators/qr-code/challenge": Note("Approve or reject it", "Answered", _ANSWER),
    "POST client/verify/in-app": Note("Prove by the app that asks", "InAppVerified", _SIGNED),
    "GET client/public/{tenant}/.well-known/jwks": Note("The keys that verify tokens", "Keys"),
    # Management.
    "GET management/action-configurations": Note("All actions", "[ActionConfiguration]"),
    "POST management/action-configurations": Note(
        "Create or replace an action", "ActionConfiguration", f"actionCode:code {_CONFIGURATION}"
    ),
    "GET management/action-configurations/{action}": Note("Read an action", "ActionConfiguration"),
    "PATCH management/action-configurations/{action}": Note("Change an action", "ActionConfiguration", _CONFIGURATION),
    "DELETE management/action-configurations/{action}": Note("Delete an action and its rules", "Success"),
    "GET management/action-configurations/{action}/rules": Note("An action's rules", "[Rule]"),
    "POST management/action-configurations/{action}/rules": Note(
        "Create a rule",
        "Rule",
        f"name description? isActive?:bool priority:priority type:outcome conditions:any {_NARROWING}",
    ),
    "GET management/action-configurations/{action}/rules/{rule}": Note("Read a rule", "Rule"),
    "PATCH management/action-configurations/{action}/rules/{rule}": Note("Change a rule", "Rule", _RULE),
    "DELETE management/action-configurations/{action}/rules/{rule}": Note("Delete a rule", "Success"),
    "GET management/tenant": Note("The tenant", "Tenant"),
    "PATCH management/tenant": Note("Change the tenant", "Tenant", f"name? {_TENANT}"),
    "GET management/theme": Note("The pages' theme", "obj"),
    "PATCH management/theme": Note("Change the theme", "obj", "name? primaryColor? logoUrl? colors?:obj darkMode?:obj"),
    "GET management/authenticator-configurations": Note("All methods", "[AuthenticatorConfiguration]"),
    "POST management/authenticator-configurations": Note(
        "Switch a method on", "AuthenticatorConfiguration", f"verificationMethod:method {_SWITCHES}"
    ),
    "GET management/authenticator-configurations/{authenticator}": Note("A method", "AuthenticatorConfiguration"),
    "PATCH management/authenticator-configurations/{authenticator}": Note(
        "Change a method", "AuthenticatorConfiguration", _SWITCHES
    ),
    "DELETE management/authenticator-configurations/{authenticator}": Note("Switch a method off", "Success"),
    "GET management/app-clients": Note("All app clients", "[AppClient]"),
    "POST management/app-clients": Note("Create an app client", "AppClient", "clientId? name? customClaims?:obj"),
    "GET management/app-clients/{client}": Note("An app client", "AppClient"),
    "PATCH management/app-clients/{client}": Note("Change one", "AppClient", "name? customClaims?:obj"),
    "DELETE management/app-clients/{client}": Note("Delete one and its sessions", "Success"),
    "GET management/webhooks": Note("All webhooks", "[Webhook]"),
    "POST management/webhooks": Note(
        "Create a webhook", "Webhook", "url:url types?:[event] isSynchronous?:bool isActive?:bool"
    ),
    "GET management/webhooks/{webhook}": Note("A webhook", "Webhook"),
    "PATCH management/webhooks/{webhook}": Note(
        "Change one", "Webhook", "url?:url types?:[event] isSynchronous?:bool isActive?:bool"
    ),
    "DELETE management/webhooks/{webhook}": Note("Delete one", "Success"),
    "GET management/deliveries": Note("The newest deliveries", "[Delivery]", query="webhookId? state? type?"),
    "GET management/deliveries/{delivery}": Note("A delivery, with its body", "Delivery"),
    "POST management/deliveries/{delivery}/resend": Note("Send it once more", "Delivery", ""),
    "GET management/faults": Note("The fault that is switched on", "Fault"),
    "PUT management/faults": Note("Switch one on", "Fault", "kind:fault delay?:seconds path? seconds?:seconds"),
    "DELETE management/faults": Note("Switch it off", "Fault"),
}
for _kind in device_key.KINDS:
    NOTES |= {
        f"GET client/user-authenticators/{_kind}": Note("Look a phone's key up", "DeviceKey", query=_KEY),
        f"POST client/user-authenticators/{_kind}": Note(
            "Enrol a phone's key", "DeviceKey", "publicKey deviceName? devicePlatform? pushToken?"
        ),
        f"POST client/user-authenticators/{_kind}/remove": Note("Remove it", "Removed", "publicKey signature"),
    }
NOTES |= {  # with a cookie that ties the ceremony to the browser
    f"{name}/web": NOTES[name]
    for name in (
        "POST client/challenge",
        "POST client/user-authenticators/passkey/registration-options",
        "POST client/user-authenticators/passkey/authentication-options",
    )
}


def operations() -> Iterator[tuple[str, str, str]]:
    """The name in NOTES, the method and the template of everything that is routed."""
    for route in ROUTES:
        template = _template(route)
        for method in route.handlers:
            yield f"{method} {template}", method, template


def mistakes() -> list[str]:
    """What is routed and not described, or described and not routed."""
    routed = {name for name, _, _ in operations()}
    return [f"not described: {name}" for name in sorted(routed - NOTES.keys())] + [
        f"not routed: {name}" for name in sorted(NOTES.keys() - routed)
    ]


@lru_cache(maxsize=1)
def document() -> Schema:
    paths: dict[str, Schema] = {}
    for name, method, template in operations():
        if note := NOTES.get(name):
            # The first route that matches decides.
            paths.setdefault(f"/{template}", {}).setdefault(method.lower(), _operation(name, note, template))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Authsignal emulator",
            "version": "1",
            "description": "What the emulator answers. It is no document of the service that it emulates.",
        },
        "servers": [{"url": f"{settings.PUBLIC_URL}/v1"}],
        "paths": paths,
        "components": {
            "schemas": {name: _shape(text, request=False) for name, text in SHAPES.items()},
            "securitySchemes": {
                "secretKey": {"type": "http", "scheme": "basic", "description": "The secret key as user name."},
                "tenantId": {"type": "http", "scheme": "basic", "description": "The tenant's id as user name."},
                "clientToken": {"type": "http", "scheme": "bearer", "description": "The token that track returned."},
            },
        },
    }


@require_safe
def view(request: HttpRequest) -> HttpResponse:
    response = answer(document())
    response["Access-Control-Allow-Origin"] = "*"  # for pages that show such documents; it holds no secret
    return response


def _operation(name: str, note: Note, template: str) -> Schema:
    operation: Schema = {
        "operationId": "_".join(re.findall(r"[A-Za-z]+", name)).lower(),
        "summary": note.summary,
        "tags": [template.partition("/")[0]],
        "security": _security(template),
        "parameters": [
            {"name": found, "in": "path", "required": True, "schema": _path_type(found)}
            for found in re.findall(r"\{(\w+)\}", template)
        ],
        "responses": {
            "200": {"description": "Done.", "content": _content(_type(note.answer, request=False))},
            "default": {"description": "Refused.", "content": _content(_reference("Error"))},
        },
    }
    operation["parameters"] += [
        {"name": field, "in": "query", "required": False, "schema": _type(kind, request=True)}
        for field, _, kind in _fields(note.query)
    ]
    if note.request is not None:
        operation["requestBody"] = {"required": False, "content": _content(_shape(note.request, request=True))}
    return operation


def _security(template: str) -> list[Schema]:
    if template.startswith("client/public/"):
        return []
    if template.startswith("client/"):
        return [{"clientToken": []}, {"tenantId": []}]
    return [{"secretKey": []}]


def _path_type(name: str) -> Schema:
    return _TYPES["code"] if name == "action" else _TYPES["id"]


def _content(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}


def _reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _fields(shape: str) -> Iterator[tuple[str, bool, str]]:
    """Name, whether it must be there, type."""
    for word in shape.split():
        name, _, kind = word.partition(":")
        yield name.removesuffix("?"), not name.endswith("?"), kind or "str"


def _type(name: str, *, request: bool) -> Schema:
    if name.startswith("["):
        return {"type": "array", "items": _type(name[1:-1], request=request)}
    if "|" in name:
        return {"anyOf": [_type(one, request=request) for one in name.split("|")]}
    if name in SHAPES:
        return _reference(name)
    return {**_TYPES[name], "maxLength": 255} if request and name == "str" else _TYPES[name]


def _shape(text: str, *, request: bool) -> Schema:
    given = list(_fields(text))
    properties = {name: _type(kind, request=request) for name, _, kind in given}
    if request:
        for name, required, _ in given:
            if not required:
                properties[name] = {"anyOf": [properties[name], {"type": "null"}]}
    shape: Schema = {
        "type": "object",
        "properties": properties,
        "required": [n for n, required, _ in given if required],
    }
    return shape if request else {**shape, "additionalProperties": False}


def _template(route: Route) -> str:
    """The pattern with {name} where a group is."""
    return re.sub(r"\(\?P<(\w+)>(?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)", r"{\1}", route.pattern.pattern)
