"""The Client API: what browsers and apps ask with a client token, or with the tenant's id.

Source: github.com/authsignal/authsignal-browser, src/api/.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings

from django_authsignal.emulator import clock, engine, fields, http, shapes
from django_authsignal.emulator.engine import Session, Verification
from django_authsignal.emulator.http import Call, Handler, route
from django_authsignal.emulator.methods import authenticator_app, email_otp, passkey, recovery_code
from django_authsignal.emulator.models import ID_LENGTH, Authenticator
from django_authsignal.emulator.problems import Problem

_Verify = Callable[[Session, str], Verification]


def init(call: Call) -> Any:
    session = _session(call)
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
    return {"token": engine.renew(_session(call))}


def list_authenticators(call: Call) -> Any:
    session = _session(call)
    rows = Authenticator.objects.filter(user=session.user, verified_at__isnull=False).select_related("user")
    return [shapes.authenticator(row) for row in rows.order_by("created_at", "pk")]


# Passkeys.


def passkey_registration_options(call: Call) -> Any:
    attachment = "platform"  # the browser SDK's default; an explicit null means any
    if "authenticatorAttachment" in call.body:
        attachment = fields.choice(call.body, "authenticatorAttachment", ("platform", "cross-platform")) or ""
    return passkey.registration_options(
        _session(call),
        username=fields.text(call.body, "username"),
        display_name=fields.text(call.body, "displayName"),
        attachment=attachment or None,
    )


def register_passkey(call: Call) -> Any:
    done = passkey.register(
        _session(call),
        fields.mapping(call.body, "registrationCredential") or {},
        fields.text(call.body, "challengeId"),
        fields.text(call.body, "deviceId"),
    )
    return _passkey_answer(done, enrolled=True)


def start_challenge(call: Call) -> Any:
    _require_tenant(call)
    action = fields.check_action(fields.required(call.body, "action"))
    key = fields.text(call.body, "idempotencyKey", limit=ID_LENGTH)
    return {"challengeId": passkey.sign_in_challenge(action, key)}


def passkey_authentication_options(call: Call) -> Any:
    return passkey.authentication_options(_session_or_tenant(call), fields.text(call.body, "challengeId"))


def verify_passkey(call: Call) -> Any:
    done = passkey.authenticate(
        _session_or_tenant(call),
        fields.mapping(call.body, "authenticationCredential") or {},
        fields.text(call.body, "challengeId"),
    )
    return _passkey_answer(done, enrolled=False)


def find_passkey(call: Call) -> Any:
    _require_tenant(call)
    ids = (call.query.get("credentialIds") or call.query.get("credentialId") or "").split(",")[:100]
    row = Authenticator.objects.filter(credential_id__in=[i for i in ids if i], verified_at__isnull=False).first()
    if row is None or row.verified_at is None:
        raise Problem(404, "invalid_credential", "There is no such passkey.")
    return {"credentialId": row.credential_id, "verifiedAt": clock.iso(row.verified_at)}


# Codes.


def enrol_app(call: Call) -> Any:
    return authenticator_app.enrol(_session(call))


def enrol_email(call: Call) -> Any:
    session = _session(call)
    pending = email_otp.enrol(session, fields.email(call.body))
    return {"userAuthenticatorId": str(pending.pk), "userId": session.user.user_id}


def challenge_email(call: Call) -> Any:
    return {"challengeId": str(email_otp.challenge(_session(call)).pk)}


def _verify_code(verify: _Verify) -> Handler:
    def handler(call: Call) -> Any:
        session = _session(call)
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


def _session(call: Call) -> Session:
    token = http.bearer(call.authorization)
    if token is None:
        raise Problem(401, "unauthorized", "Send the client token as a Bearer authorization.")
    return engine.open_token(token)


def _require_tenant(call: Call) -> None:
    if not http.same(http.basic_user(call.authorization), settings.TENANT_ID):
        raise Problem(401, "unauthorized", "Send the tenant id as a Basic authorization.")


def _session_or_tenant(call: Call) -> Session | None:
    if http.bearer(call.authorization) is not None:
        return _session(call)
    _require_tenant(call)
    return None


ROUTES = [
    route("client/init", POST=init),
    route("client/token", POST=renew_token),
    route("client/challenge", POST=start_challenge),
    route("client/user-authenticators", GET=list_authenticators),
    route("client/user-authenticators/passkey/registration-options", POST=passkey_registration_options),
    route("client/user-authenticators/passkey/authentication-options", POST=passkey_authentication_options),
    route("client/user-authenticators/passkey", POST=register_passkey, GET=find_passkey),
    route("client/verify/passkey", POST=verify_passkey),
    route("client/user-authenticators/totp", POST=enrol_app),
    route("client/verify/totp", POST=_verify_code(authenticator_app.verify)),
    route("client/user-authenticators/email-otp", POST=enrol_email),
    route("client/challenge/email-otp", POST=challenge_email),
    route("client/verify/email-otp", POST=_verify_code(email_otp.verify)),
    # The path of the service is not published; this one is ours.
    route("client/verify/recovery-code", POST=_verify_code(recovery_code.verify)),
]
