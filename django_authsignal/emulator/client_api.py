"""The Client API: what browsers and apps ask with a client token, or with the tenant's id.

Source: github.com/authsignal/authsignal-browser, src/api/.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import uuid
from collections.abc import Callable
from typing import Any

from django.conf import settings

from django_authsignal.emulator import authenticators, clock, engine, fields, http, shapes
from django_authsignal.emulator.engine import Session, Verification
from django_authsignal.emulator.http import Call, Handler, Reply, Route, route
from django_authsignal.emulator.methods import (
    authenticator_app,
    email_magic_link,
    email_otp,
    passkey,
    recovery_code,
    security_key,
    sms,
    whatsapp,
)
from django_authsignal.emulator.models import ID_LENGTH, Authenticator, Code
from django_authsignal.emulator.problems import Problem, invalid, not_found

_Verify = Callable[[Session, str], Verification]
_COOKIE = re.compile(r"[A-Za-z0-9_-]{43}")


def init(call: Call) -> Any:
    session = session_of(call)
    options: dict[str, Any] = {
        "token": engine.renew(session),
        "verificationMethods": [
            method for method in engine.enrolled_methods(session) if method in engine.allowed_methods(session)
        ],
    }
    if default := engine.default_method(session):
        options["defaultVerificationMethod"] = default
    user = {"email": session.user.email, "phoneNumber": session.user.phone_number}
    options["user"] = {name: value for name, value in user.items() if value}
    return {"challengeOptions": options}


def renew_token(call: Call) -> Any:
    return {"token": engine.renew(session_of(call))}


def list_authenticators(call: Call) -> Any:
    session = session_of(call)
    rows = Authenticator.objects.filter(user=session.user, verified_at__isnull=False).select_related("user")
    return [shapes.authenticator(row) for row in rows.order_by("created_at", "pk")]


# The service publishes no paths for these two; they are ours.


def update_authenticator(call: Call) -> Any:
    session = session_of(call)
    name, default = fields.text(call.body, "name"), fields.flag(call.body, "isDefault")
    if name is None and default is None:
        raise invalid("body.name or body.isDefault is required.")
    return shapes.authenticator(authenticators.change(session, _own(session, call), name=name, default=default))


def delete_authenticator(call: Call) -> Any:
    session = session_of(call)
    authenticators.remove_own(session, _own(session, call))
    return {"success": True}


def _own(session: Session, call: Call) -> Authenticator:
    rows = Authenticator.objects.filter(user=session.user, verified_at__isnull=False).select_related("user")
    row = rows.filter(pk=uuid.UUID(call.ids["authenticator"])).first()
    if row is None:
        raise not_found("The authenticator")
    return row


# Passkeys. A `/web` call ties its challenge to the browser by a cookie. The cookie names no user and authorises
# nothing: whoever has it alone, or can make a browser send it, has nothing.


def _web(handler: Callable[[Call, str], Any]) -> Handler:
    def with_cookie(call: Call) -> Any:
        # The one that the browser has already: a challenge of another tab must not be lost.
        value = call.cookie if _COOKIE.fullmatch(call.cookie) else secrets.token_urlsafe(32)
        return Reply(handler(call, _digest(value)), cookie=value)

    return with_cookie


def _browser(call: Call) -> str:
    return _digest(call.cookie) if call.cookie else ""


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()


def passkey_registration_options(call: Call, browser: str = "") -> Any:
    attachment = "platform"  # the browser SDK's default; an explicit null means any
    if "authenticatorAttachment" in call.body:
        attachment = fields.choice(call.body, "authenticatorAttachment", ("platform", "cross-platform")) or ""
    return passkey.registration_options(
        session_of(call),
        username=fields.text(call.body, "username"),
        display_name=fields.text(call.body, "displayName"),
        attachment=attachment or None,
        browser=browser,
    )


def register_passkey(call: Call) -> Any:
    done = passkey.register(
        session_of(call),
        fields.mapping(call.body, "registrationCredential") or {},
        fields.text(call.body, "challengeId"),
        device_id=fields.text(call.body, "deviceId") or "",
        conditional=fields.flag(call.body, "conditionalCreate") or False,
        browser=_browser(call),
    )
    return _passkey_answer(done, enrolled=True)


def start_challenge(call: Call, browser: str = "") -> Any:
    require_tenant(call)
    # Without an action the proof is for none: an app that only wants to know who is there.
    action = fields.check_action(code) if (code := fields.text(call.body, "action")) else ""
    key = fields.text(call.body, "idempotencyKey", limit=ID_LENGTH)
    return {"challengeId": passkey.sign_in_challenge(action, key, browser=browser)}


def passkey_authentication_options(call: Call, browser: str = "") -> Any:
    return passkey.authentication_options(
        session_or_tenant(call),
        fields.text(call.body, "challengeId"),
        username=fields.text(call.body, "username") or "",
        browser=browser,
    )


def verify_passkey(call: Call) -> Any:
    done = passkey.authenticate(
        session_or_tenant(call),
        fields.mapping(call.body, "authenticationCredential") or {},
        fields.text(call.body, "challengeId"),
        device_id=fields.text(call.body, "deviceId") or "",
        browser=_browser(call),
    )
    return _passkey_answer(done, enrolled=False)


def find_passkey(call: Call) -> Any:
    require_tenant(call)
    ids = (call.query.get("credentialIds") or call.query.get("credentialId") or "").split(",")[:100]
    row = passkey.find(ids)
    if row is None or row.verified_at is None:
        raise Problem(404, "invalid_credential", "There is no such passkey.")
    return {"credentialId": row.credential_id, "verifiedAt": clock.iso(row.verified_at)}


# Security keys: bare WebAuthn objects, both ways.


def security_key_registration_options(call: Call) -> Any:
    return security_key.registration_options(session_of(call))


def register_security_key(call: Call) -> Any:
    return _passkey_answer(security_key.register(session_of(call), call.body), enrolled=True)


def security_key_authentication_options(call: Call) -> Any:
    return security_key.authentication_options(session_of(call))


def verify_security_key(call: Call) -> Any:
    return _passkey_answer(security_key.authenticate(session_of(call), call.body), enrolled=False)


# Codes and links.


def enrol_app(call: Call) -> Any:
    return authenticator_app.enrol(session_of(call))


def enrol_email(call: Call) -> Any:
    return _enrolling(*email_otp.enrol(session_of(call), fields.email(call.body)))


def enrol_sms(call: Call) -> Any:
    return _enrolling(*sms.enrol(session_of(call), fields.phone(call.body)))


def enrol_magic_link(call: Call) -> Any:
    return _enrolling(*email_magic_link.enrol(session_of(call), fields.email(call.body)))


def challenge_sms(call: Call) -> Any:
    channel = fields.choice(call.body, "smsChannel", sms.CHANNELS)
    return {"challengeId": str(sms.challenge(session_of(call), _which(call), channel).pk)}


def _challenge(send: Callable[[Session, str | None], Code]) -> Handler:
    return lambda call: {"challengeId": str(send(session_of(call), _which(call)).pk)}


def finalize_magic_link(call: Call) -> Any:
    return _answer(email_magic_link.finalize(session_of(call), fields.text(call.body, "challengeId")))


def _which(call: Call) -> str | None:
    return fields.text(call.body, "userAuthenticatorId")


def _enrolling(row: Authenticator, code: Code) -> dict[str, Any]:
    return {"challengeId": str(code.pk), "userAuthenticatorId": str(row.pk), "userId": row.user.user_id}


def _verify_code(verify: _Verify) -> Handler:
    def handler(call: Call) -> Any:
        session = session_of(call)
        return _answer(verify(session, fields.required(call.body, "verificationCode", limit=64)))

    return handler


def _answer(done: Verification) -> dict[str, Any]:
    answer: dict[str, Any] = {"isVerified": done.is_verified}
    if done.failure_reason:
        answer["failureReason"] = done.failure_reason
    if done.access_token:
        answer["accessToken"] = done.access_token
    if done.authenticator:
        answer["userAuthenticator"] = shapes.authenticator(done.authenticator)
    if done.recovery_codes:
        answer["recoveryCodes"] = list(done.recovery_codes)
    return answer


def _passkey_answer(done: Verification, *, enrolled: bool) -> dict[str, Any]:
    answer = _answer(done)
    if row := done.authenticator:
        answer |= {"userId": row.user.user_id, "userAuthenticatorId": str(row.pk)}
        if enrolled:
            answer["credentialId"] = row.credential_id
        else:
            del answer["userAuthenticator"]
            if row.user.username:
                answer["username"] = row.user.username
            if row.user.display_name:
                answer["userDisplayName"] = row.user.display_name
    return answer


# Who calls.


def session_of(call: Call, *, pairs: str = "") -> Session:
    """`pairs`: see `engine.open_token`."""
    token = http.bearer(call.authorization)
    if token is None:
        raise Problem(401, "unauthorized", "Send the client token as a Bearer authorization.")
    return engine.open_token(token, pairs=pairs)


def require_tenant(call: Call) -> None:
    if not http.same(http.basic_user(call.authorization), settings.TENANT_ID):
        raise Problem(401, "unauthorized", "Send the tenant id as a Basic authorization.")


def session_or_tenant(call: Call) -> Session | None:
    if http.bearer(call.authorization) is not None:
        return session_of(call)
    require_tenant(call)
    return None


ROUTES = [
    route("client/init", POST=init),
    route("client/token", POST=renew_token),
    route("client/challenge", POST=start_challenge),
    route("client/challenge/web", POST=_web(start_challenge)),
    route("client/user-authenticators", GET=list_authenticators),
    route("client/user-authenticators/passkey/registration-options", POST=passkey_registration_options),
    route("client/user-authenticators/passkey/authentication-options", POST=passkey_authentication_options),
    route("client/user-authenticators/passkey/registration-options/web", POST=_web(passkey_registration_options)),
    route("client/user-authenticators/passkey/authentication-options/web", POST=_web(passkey_authentication_options)),
    route("client/user-authenticators/passkey", POST=register_passkey, GET=find_passkey),
    route("client/verify/passkey", POST=verify_passkey),
    route("client/user-authenticators/security-key/registration-options", POST=security_key_registration_options),
    route("client/user-authenticators/security-key/authentication-options", POST=security_key_authentication_options),
    route("client/user-authenticators/security-key", POST=register_security_key),
    route("client/verify/security-key", POST=verify_security_key),
    route("client/user-authenticators/totp", POST=enrol_app),
    route("client/verify/totp", POST=_verify_code(authenticator_app.verify)),
    route("client/user-authenticators/email-otp", POST=enrol_email),
    route("client/challenge/email-otp", POST=_challenge(email_otp.challenge)),
    route("client/verify/email-otp", POST=_verify_code(email_otp.verify)),
    route("client/user-authenticators/email-magic-link", POST=enrol_magic_link),
    route("client/challenge/email-magic-link", POST=_challenge(email_magic_link.challenge)),
    route("client/verify/email-magic-link/finalize", POST=finalize_magic_link),
    route("client/user-authenticators/sms", POST=enrol_sms),
    route("client/challenge/sms", POST=challenge_sms),
    route("client/verify/sms", POST=_verify_code(sms.verify)),
    route("client/challenge/whatsapp", POST=_challenge(whatsapp.challenge)),
    route("client/verify/whatsapp", POST=_verify_code(whatsapp.verify)),
    # The path of the service is not published; this one is ours.
    route("client/verify/recovery-code", POST=_verify_code(recovery_code.verify)),
    # Only an id: the paths of other methods are words.
    Route(
        re.compile(
            "client/user-authenticators/(?P<authenticator>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})"
        ),
        {"PATCH": update_authenticator, "DELETE": delete_authenticator},
    ),
]
