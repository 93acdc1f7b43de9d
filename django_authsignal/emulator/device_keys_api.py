"""The Client API of phones: their keys, what they are asked, and the pages that wait for their answer.

Source: github.com/authsignal/authsignal-ios and -android; for pages, authsignal-browser, src/push.ts and src/qr-code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django_authsignal.emulator import clock, fields
from django_authsignal.emulator.client_api import require_tenant, session_of, session_or_tenant
from django_authsignal.emulator.http import Call, Handler, route
from django_authsignal.emulator.methods import device_challenge, device_key, in_app, push, qr_code
from django_authsignal.emulator.methods.device_challenge import Asker
from django_authsignal.emulator.models import Authenticator, DeviceChallenge
from django_authsignal.emulator.problems import invalid

_PUSH, _QR_CODE = device_key.KINDS["push"], device_key.KINDS["qr-code"]


# Keys.


def _enrol(method: str) -> Handler:
    def handler(call: Call) -> Any:
        done = device_key.enrol(session_of(call, pairs=method), method, call.body)
        answer = _credential(done.authenticator) if done.authenticator else {}
        if done.access_token:
            answer["accessToken"] = done.access_token
        if done.recovery_codes:
            answer["recoveryCodes"] = list(done.recovery_codes)
        return answer

    return handler


def _look_up(method: str) -> Handler:
    return _as_device(method, _credential)


def _remove(method: str) -> Handler:
    def handler(call: Call) -> Any:
        require_tenant(call)
        return {"removedAuthenticatorId": device_key.remove(method, call.body)}

    return handler


def _as_device(method: str, handle: Callable[[Authenticator], Any]) -> Handler:
    """For calls that name the device by its key in the query, and sign nothing."""

    def handler(call: Call) -> Any:
        require_tenant(call)
        return handle(_named(call, method))

    return handler


def _named(call: Call, method: str) -> Authenticator:
    return device_key.find(method, call.query.get("publicKey"), "publicKey")


def _credential(row: Authenticator) -> dict[str, Any]:
    shape = {
        "userAuthenticatorId": str(row.pk),
        "userId": row.user.user_id,
        "verifiedAt": clock.iso(row.verified_at or row.created_at),
    }
    if row.last_verified_at:
        shape["lastVerifiedAt"] = clock.iso(row.last_verified_at)
    if row.expires_at:
        shape["expiresAt"] = clock.iso(row.expires_at)
    return shape


# Push: the page, then the phone.


def challenge_push(call: Call) -> Any:
    session = session_of(call)
    code = fields.text(call.body, "action") or (session.action.code if session.action else "")
    asker = Asker(session, call.address, _agent(call))
    row, results = push.challenge(asker, session, code, fields.text(call.body, "userAuthenticatorId"))
    return {"challengeId": str(row.pk), "deliveryResults": results}


def verify_push(call: Call) -> Any:
    return push.verify(session_of(call), fields.required(call.body, "challengeId"))


def fetch_push(call: Call) -> Any:
    require_tenant(call)
    device = _named(call, _PUSH)
    # Unsigned, whoever has seen the key could read who signs in where.
    device_key.check_fetch(device, call.headers.get("X-Authsignal-Signature", ""))
    row = push.pending(device)
    if row is None:
        return {"userAuthenticatorId": str(device.pk)}
    return {
        "userAuthenticatorId": str(device.pk),
        "challengeId": str(row.pk),
        "userId": device.user.user_id,
        "expiresAt": int(row.expires_at.timestamp()),
        **({"deviceId": row.action.device_id} if row.action and row.action.device_id else {}),
        **_question(row, device),
    }


def answer_push(call: Call) -> Any:
    if fields.text(call.body, "verificationCode"):
        raise invalid("body.verificationCode: this challenge has no number to match.")
    return _answer(call, _PUSH)


def update_push(call: Call) -> Any:
    require_tenant(call)
    row = push.update(call.body)
    shape = _credential(row)
    del shape["verifiedAt"]
    return {**shape, "pushToken": row.push_token} if row.push_token else shape


# QR codes: the page, then the phone.


def challenge_qr_code(call: Call) -> Any:
    asker = Asker(session_or_tenant(call), call.address, _agent(call))
    code = fields.required(call.body, "action")
    row, device_code = qr_code.challenge(asker, code, fields.mapping(call.body, "custom"))
    return {"challengeId": str(row.pk), "expiresAt": clock.iso(row.expires_at), "deviceCode": device_code}


def verify_qr_code(call: Call) -> Any:
    session_or_tenant(call)
    challenge_id, code = fields.required(call.body, "challengeId"), fields.required(call.body, "deviceCode")
    return qr_code.verify(challenge_id, code)


def claim_qr_code(call: Call) -> Any:
    require_tenant(call)
    challenge_id = fields.required(call.body, "challengeId")
    device = device_key.signed_by(_QR_CODE, call.body, challenge_id)
    return {"success": True, **_question(qr_code.claim(device, challenge_id), device)}


def answer_qr_code(call: Call) -> Any:
    return _answer(call, _QR_CODE)


def _answer(call: Call, method: str) -> Any:
    require_tenant(call)
    challenge_id, approved = fields.required(call.body, "challengeId"), fields.flag(call.body, "approved")
    if approved is None:
        raise invalid("body.approved is required.")
    device = device_key.signed_by(method, call.body, challenge_id)
    return {"isVerified": device_challenge.answer(method, device, challenge_id, approved=approved)}


def _question(row: DeviceChallenge, device: Authenticator) -> dict[str, Any]:
    """What the owner is shown before they answer."""
    shown = {
        "actionCode": row.action_code,
        "idempotencyKey": row.idempotency_key,
        "ipAddress": row.ip_address,
        "userAgent": row.user_agent,
        "custom": row.custom,
        "user": {"custom": device.user.custom} if device.user.custom else None,
    }
    return {name: value for name, value in shown.items() if value}


# In-app.


def verify_in_app(call: Call) -> Any:
    require_tenant(call)
    done = in_app.verify(call.body)
    if not done.authenticator:
        raise device_challenge.over()
    user = done.authenticator.user
    shape = {"token": done.access_token, "userId": user.user_id, "userAuthenticatorId": str(done.authenticator.pk)}
    return {**shape, "username": user.username} if user.username else shape


def _agent(call: Call) -> str:
    return call.headers.get("User-Agent", "")[:1024]


def _begin_update(device: Authenticator) -> Any:
    challenge_id, message = push.begin_update(device)
    return {"challengeId": challenge_id, "message": message}


ROUTES = [
    *(
        route(f"client/user-authenticators/{kind}", **handlers)
        for kind, method in device_key.KINDS.items()
        for handlers in [
            {"GET": _look_up(method), "POST": _enrol(method), **({"PATCH": update_push} if kind == "push" else {})}
        ]
    ),
    *(
        route(f"client/user-authenticators/{kind}/remove", POST=_remove(method))
        for kind, method in device_key.KINDS.items()
    ),
    route("client/user-authenticators/push/sign", POST=_as_device(_PUSH, _begin_update)),
    route(
        "client/user-authenticators/push/challenge/sign",
        POST=_as_device(_PUSH, lambda device: {"message": device_key.fetch_message(device)}),
    ),
    route("client/user-authenticators/push/challenge", GET=fetch_push, POST=answer_push),
    route("client/challenge/push", POST=challenge_push),
    route("client/verify/push", POST=verify_push),
    route("client/user-authenticators/qr-code/challenge/claim", POST=claim_qr_code),
    route("client/user-authenticators/qr-code/challenge", POST=answer_qr_code),
    route("client/challenge/qr-code", POST=challenge_qr_code),
    route("client/verify/qr-code", POST=verify_qr_code),
    route("client/verify/in-app", POST=verify_in_app),
]
