"""Passkeys, verified by py_webauthn. W3C Web Authentication Level 3, sections 7.1 and 7.2.

Every ceremony spends one random challenge, which is bound to its purpose and to the token's user and action: an old
registration cannot be played again, and a challenge asked for one thing does not prove another.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import secrets
import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from django_authsignal.client.types import State, VerificationMethod
from django_authsignal.emulator import clock, engine, enrolment, fields
from django_authsignal.emulator.engine import Session, Verification
from django_authsignal.emulator.models import Action, Authenticator, EmulatedUser, WebAuthnChallenge
from django_authsignal.emulator.problems import Problem, invalid

_METHOD = VerificationMethod.PASSKEY
# What py_webauthn and what it stands on raise for bytes that are no key: a short COSE key is an IndexError.
_UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError)
_BINARY = ("clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle")


def registration_options(
    session: Session,
    *,
    username: str | None = None,
    display_name: str | None = None,
    attachment: str | None = None,
) -> dict[str, Any]:
    """challengeId and PublicKeyCredentialCreationOptionsJSON. `attachment`: "platform", "cross-platform" or any."""
    import webauthn  # noqa: PLC0415  90 ms that a start need not pay
    from webauthn.helpers import cose, structs  # noqa: PLC0415

    engine.require_enrol(session, _METHOD)
    user = session.user
    name = username or user.username or user.email or user.user_id
    row = _new_challenge("register", session=session)
    options = webauthn.generate_registration_options(
        rp_id=settings.RP_ID,
        rp_name=settings.RP_NAME,
        user_id=user.pk.bytes,  # on the wire its base64url text, which iOS reads as plain text
        user_name=name,
        user_display_name=display_name or user.display_name or name,
        challenge=_decode(row.challenge),
        timeout=settings.CEREMONY_AGE * 1000,
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            authenticator_attachment=structs.AuthenticatorAttachment(attachment) if attachment else None,
            resident_key=structs.ResidentKeyRequirement.REQUIRED,
            require_resident_key=True,
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=_descriptors(user),
        supported_pub_key_algs=[
            cose.COSEAlgorithmIdentifier.EDDSA,
            cose.COSEAlgorithmIdentifier.ECDSA_SHA_256,
            cose.COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
        ],
    )
    wire = json.loads(webauthn.options_to_json(options))
    wire.setdefault("excludeCredentials", [])  # Android's SDK requires the key
    wire["extensions"] = {"credProps": True}
    return {"challengeId": str(row.pk), "options": wire}


def register(
    session: Session, credential: dict[str, Any], challenge_id: str | None = None, device_id: str | None = None
) -> Verification:
    """Verify a RegistrationResponseJSON and enrol its passkey. Raises Problem invalid_credential."""
    import webauthn  # noqa: PLC0415
    from webauthn.helpers.exceptions import WebAuthnException  # noqa: PLC0415

    engine.require_enrol(session, _METHOD)
    credential = _normalised(credential)
    challenge = _spend("register", credential, challenge_id, session=session)
    properties = credential["clientExtensionResults"].get("credProps")
    if isinstance(properties, dict) and properties.get("rk") is False:
        raise _refused("The passkey must be discoverable.")
    try:
        verified = webauthn.verify_registration_response(
            credential=credential,
            expected_challenge=_decode(challenge.challenge),
            expected_rp_id=settings.RP_ID,
            expected_origin=settings.ORIGINS,
            require_user_verification=True,
        )
    except (WebAuthnException, *_UNREADABLE) as exc:
        raise _refused(f"The passkey was refused: {exc}") from exc
    with transaction.atomic():
        # Locked, and asked again: of two first enrolments that finish at once, the second must see the first.
        EmulatedUser.objects.select_for_update().get(pk=session.user.pk)
        engine.require_enrol(session, _METHOD)
        row = _store(session, credential, verified, device_id)
        return enrolment.complete(session, row)


def sign_in_challenge(action: str, idempotency_key: str | None = None) -> str:
    """The id of a challenge for a sign-in whose user is not known yet: a discoverable passkey will name them."""
    row = _new_challenge("authenticate", action_code=action, idempotency_key=idempotency_key or str(uuid.uuid4()))
    return str(row.pk)


def authentication_options(session: Session | None, challenge_id: str | None = None) -> dict[str, Any]:
    """challengeId and PublicKeyCredentialRequestOptionsJSON; for no session, any discoverable passkey."""
    import webauthn  # noqa: PLC0415
    from webauthn.helpers import structs  # noqa: PLC0415

    if session:
        engine.require_allowed(session, _METHOD)
    if challenge_id and not session:
        row = _open_challenge("authenticate", None, challenge_id, session=None)
    else:
        row = _new_challenge("authenticate", session=session)
    options = webauthn.generate_authentication_options(
        rp_id=settings.RP_ID,
        challenge=_decode(row.challenge),
        timeout=settings.CEREMONY_AGE * 1000,
        allow_credentials=_descriptors(session.user) if session else [],
        user_verification=structs.UserVerificationRequirement.REQUIRED,
    )
    wire = json.loads(webauthn.options_to_json(options))
    wire.setdefault("allowCredentials", [])
    return {"challengeId": str(row.pk), "options": wire}


def authenticate(session: Session | None, credential: dict[str, Any], challenge_id: str | None = None) -> Verification:
    """Verify an AuthenticationResponseJSON. Raises Problem unknown_credential or invalid_credential."""
    import webauthn  # noqa: PLC0415
    from webauthn.helpers.exceptions import WebAuthnException  # noqa: PLC0415

    if session:
        engine.require_allowed(session, _METHOD)
    credential = _normalised(credential)
    challenge = _spend("authenticate", credential, challenge_id, session=session)
    row = Authenticator.objects.filter(
        credential_digest=_digest(credential["id"]), method=_METHOD, verified_at__isnull=False
    ).first()
    if row is None or (session and row.user_id != session.user.pk):
        raise Problem(400, "unknown_credential", "This passkey is not known for this user.")
    handle = credential["response"].get("userHandle")
    if not _names(handle, row.user) and (handle or session is None):
        raise _refused("The passkey names another user.")
    try:
        verified = webauthn.verify_authentication_response(
            credential=credential,
            expected_challenge=_decode(challenge.challenge),
            expected_rp_id=settings.RP_ID,
            expected_origin=settings.ORIGINS,
            credential_public_key=bytes(row.public_key or b""),
            credential_current_sign_count=row.sign_count,  # a count that goes back is a cloned key
            require_user_verification=True,
        )
    except (WebAuthnException, *_UNREADABLE) as exc:
        raise _refused(f"The passkey was refused: {exc}") from exc
    with transaction.atomic():
        unchanged = Authenticator.objects.filter(pk=row.pk, sign_count=row.sign_count)
        if not unchanged.update(
            sign_count=verified.new_sign_count,
            backed_up=verified.credential_backed_up,
            last_verified_at=clock.now(),
        ):
            raise _refused("The passkey was used elsewhere at the same time.")
        signed_in = session or _sign_in_session(row.user, challenge)
        token = engine.complete(signed_in, _METHOD, row)
    row.refresh_from_db()
    return Verification(is_verified=True, access_token=token, authenticator=row)


def _sign_in_session(user: EmulatedUser, challenge: WebAuthnChallenge) -> Session:
    """The session of a sign-in that began without a user; its action is made now, unless it named none."""
    if not challenge.action_code:
        return Session(user, None, frozenset(), "")
    key = challenge.idempotency_key
    row = Action.objects.filter(user=user, code=challenge.action_code, idempotency_key=key).first()
    row = row or engine.create_action(user, challenge.action_code, key, {})
    session = Session(user, row, frozenset(), "")
    engine.require_allowed(session, _METHOD)
    # The proof was asked for here, whatever the outcome would have been for a track.
    Action.objects.filter(pk=row.pk, state=State.ALLOW).update(state=State.CHALLENGE_REQUIRED)
    return session


def _new_challenge(
    purpose: str, *, session: Session | None = None, action_code: str = "", idempotency_key: str = ""
) -> WebAuthnChallenge:
    now = clock.now()
    WebAuthnChallenge.objects.filter(expires_at__lt=now - timedelta(days=1)).delete()
    return WebAuthnChallenge.objects.create(
        challenge=_encode(secrets.token_bytes(32)),
        purpose=purpose,
        user=session.user if session else None,
        action=session.action if session else None,
        action_code=action_code,
        idempotency_key=idempotency_key,
        created_at=now,
        expires_at=now + timedelta(seconds=settings.CEREMONY_AGE),
    )


def _open_challenge(
    purpose: str, signed: str | None, challenge_id: str | None, *, session: Session | None
) -> WebAuthnChallenge:
    """The challenge that this caller may use, by its id or by the bytes that were signed."""
    rows = WebAuthnChallenge.objects.filter(
        purpose=purpose,
        used_at__isnull=True,
        expires_at__gt=clock.now(),
        user=session.user if session else None,
        action=session.action if session else None,
    )
    if signed is not None:
        rows = rows.filter(challenge=signed)
    if challenge_id:
        try:
            rows = rows.filter(pk=uuid.UUID(challenge_id))
        except ValueError:
            rows = rows.none()
    row = rows.first()
    if row is None:
        raise _refused("The passkey challenge is unknown, used or expired. Ask for new options.")
    return row


def _spend(
    purpose: str, credential: dict[str, Any], challenge_id: str | None, *, session: Session | None
) -> WebAuthnChallenge:
    """Use the challenge up before anything is verified: a failed try must not leave it for another."""
    row = _open_challenge(purpose, _signed_challenge(credential), challenge_id, session=session)
    if not WebAuthnChallenge.objects.filter(pk=row.pk, used_at__isnull=True).update(used_at=clock.now()):
        raise _refused("The passkey challenge was used already. Ask for new options.")
    return row


def _signed_challenge(credential: dict[str, Any]) -> str:
    try:
        data = json.loads(_decode(credential["response"]["clientDataJSON"]))
        return _encode(_decode(data["challenge"]))
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        raise _refused("The passkey's clientDataJSON cannot be read.") from exc


def _store(session: Session, credential: dict[str, Any], verified: Any, device_id: str | None) -> Authenticator:
    transports = credential["response"].get("transports")
    attachment = credential.get("authenticatorAttachment")
    now = clock.now()
    try:
        with transaction.atomic():
            return Authenticator.objects.create(
                user=session.user,
                method=_METHOD,
                created_at=now,
                verified_at=now,
                last_verified_at=now,
                credential_id=_encode(verified.credential_id),
                credential_digest=_digest(_encode(verified.credential_id)),
                public_key=verified.credential_public_key,
                sign_count=verified.sign_count,
                transports=_transports(transports),
                aaguid=verified.aaguid,
                backed_up=verified.credential_backed_up,
                device_type=_device_type(verified),
                attachment=attachment if attachment in ("platform", "cross-platform") else "",
                name="Passkey",
                device_id=fields.text({"deviceId": device_id}, "deviceId") or "",
            )
    except IntegrityError as exc:
        raise _refused("This passkey is registered already.") from exc


def _transports(given: Any) -> list[str]:
    from webauthn.helpers import structs  # noqa: PLC0415

    known = {transport.value for transport in structs.AuthenticatorTransport}
    return [name for name in given if isinstance(name, str) and name in known] if isinstance(given, list) else []


def _device_type(verified: Any) -> str:
    return "multiDevice" if verified.credential_device_type.value == "multi_device" else "singleDevice"


def _descriptors(user: EmulatedUser) -> list[Any]:
    from webauthn.helpers import structs  # noqa: PLC0415

    rows = Authenticator.objects.filter(user=user, method=_METHOD, verified_at__isnull=False)
    return [
        structs.PublicKeyCredentialDescriptor(
            id=_decode(row.credential_id),
            transports=[structs.AuthenticatorTransport(known) for known in row.transports],
        )
        for row in rows
    ]


def _names(handle: Any, user: EmulatedUser) -> bool:
    """True when a userHandle is this user's: its bytes, or their base64url text as iOS stores it."""
    if not isinstance(handle, str) or not handle:
        return False
    return _decode(handle) in (user.pk.bytes, _encode(user.pk.bytes).encode())


def _normalised(credential: Any) -> dict[str, Any]:
    """The credential with every binary field as base64url without padding: iOS sends standard base64 for one."""
    if not isinstance(credential, dict) or not isinstance(credential.get("response"), dict):
        raise invalid("The credential must be the JSON form of a PublicKeyCredential.")
    try:
        response = dict(credential["response"])
        for name in _BINARY:
            if response.get(name) is not None:
                response[name] = _encode(_decode(response[name]))
        raw_id = _encode(_decode(credential.get("rawId") or credential["id"]))
        if raw_id != _encode(_decode(credential["id"])):
            raise _refused("The passkey's id and rawId differ.")
    except (ValueError, KeyError, TypeError) as exc:
        raise _refused("The credential holds a field that is not base64url.") from exc
    extensions = credential.get("clientExtensionResults")
    return {
        **credential,
        "id": raw_id,
        "rawId": raw_id,
        "type": credential.get("type", "public-key"),
        "response": response,
        "clientExtensionResults": extensions if isinstance(extensions, dict) else {},
    }


def _decode(value: Any) -> bytes:
    """base64 of either alphabet, padded or not. Raises ValueError."""
    if not isinstance(value, str):
        raise ValueError("not a string")
    plain = value.translate(str.maketrans("+/", "-_")).rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), altchars="-_", validate=True)
    except binascii.Error as exc:
        raise ValueError("not base64") from exc


def _encode(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _digest(credential_id: str) -> str:
    return hashlib.sha256(credential_id.encode()).hexdigest()


def _refused(description: str) -> Problem:
    return Problem(400, "invalid_credential", description)
