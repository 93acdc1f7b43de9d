"""WebAuthn, verified by py_webauthn: what passkeys and security keys share.

Every ceremony spends one random challenge, which is bound to its purpose and kind and to the token's user and action:
an old registration cannot be played again, and a challenge asked for one thing does not prove another. One that a
`/web` call asked for is bound to that browser's cookie too. W3C Web Authentication Level 3, sections 7.1 and 7.2.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from django_authsignal.client.types import VerificationMethod
from django_authsignal.emulator import clock, engine, enrolment
from django_authsignal.emulator.engine import Session, Verification
from django_authsignal.emulator.models import Authenticator, EmulatedUser, WebAuthnChallenge
from django_authsignal.emulator.problems import Problem, invalid

METHODS = (VerificationMethod.PASSKEY, VerificationMethod.SECURITY_KEY)
# What py_webauthn and what it stands on raise for bytes that are no key: a short COSE key is an IndexError.
_UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError)
_BINARY = ("clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle")


@dataclass(frozen=True)
class Kind:
    """Which of the two, and what it must be able to do."""

    method: VerificationMethod
    name: str  # as texts call it, and a new one's own name
    purpose: str  # before the step's name in a challenge: one kind's must not be spent on the other
    discoverable: bool = True
    verifies_user: bool = True


def creation_options(
    kind: Kind,
    session: Session,
    *,
    username: str | None = None,
    display_name: str | None = None,
    attachment: str | None = None,
    browser: str = "",
) -> dict[str, Any]:
    """challengeId and PublicKeyCredentialCreationOptionsJSON. `attachment`: "platform", "cross-platform" or any."""
    import webauthn  # noqa: PLC0415  90 ms that a start need not pay
    from webauthn.helpers import cose, structs  # noqa: PLC0415  as late as `webauthn` above

    engine.require_enrol(session, kind.method)
    user = session.user
    name = username or user.username or user.email or user.user_id
    row = new_challenge(kind, "register", session=session, browser=browser)
    resident = structs.ResidentKeyRequirement
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
            resident_key=resident.REQUIRED if kind.discoverable else resident.DISCOURAGED,
            require_resident_key=kind.discoverable,
            user_verification=_user_verification(kind),
        ),
        exclude_credentials=_descriptors(user, METHODS),
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
    kind: Kind,
    session: Session,
    credential: dict[str, Any],
    challenge_id: str | None = None,
    *,
    device_id: str = "",
    conditional: bool = False,
    browser: str = "",
) -> Verification:
    """Verify a RegistrationResponseJSON and enrol it. Raises Problem invalid_credential.

    `conditional`: the browser made it by itself, so nobody was asked. It is enrolled, and proves nothing.
    """
    import webauthn  # noqa: PLC0415  as late as `webauthn` above
    from webauthn.helpers.exceptions import WebAuthnException  # noqa: PLC0415  as late as `webauthn` above

    engine.require_enrol(session, kind.method)
    credential = _normalised(credential)
    challenge = _spend(kind, "register", credential, challenge_id, session=session, browser=browser)
    properties = credential["clientExtensionResults"].get("credProps")
    if kind.discoverable and isinstance(properties, dict) and properties.get("rk") is False:
        raise _refused(f"The {kind.name.lower()} must be discoverable.")
    try:
        verified = webauthn.verify_registration_response(
            credential=credential,
            expected_challenge=_decode(challenge.challenge),
            expected_rp_id=settings.RP_ID,
            expected_origin=settings.ORIGINS,
            require_user_presence=not conditional,
            require_user_verification=kind.verifies_user and not conditional,
        )
    except (WebAuthnException, *_UNREADABLE) as exc:
        raise _refused(f"The {kind.name.lower()} was refused: {exc}") from exc
    with transaction.atomic():
        # Locked, and asked again: of two first enrolments that finish at once, the second must see the first.
        EmulatedUser.objects.select_for_update().get(pk=session.user.pk)
        engine.require_enrol(session, kind.method)
        row = _store(kind, session, credential, verified, device_id)
        return enrolment.complete(session, row, proves=not conditional)


def request_options(kind: Kind, row: WebAuthnChallenge, allowed: EmulatedUser | None) -> dict[str, Any]:
    """challengeId and PublicKeyCredentialRequestOptionsJSON for a challenge; `allowed` None: any discoverable one."""
    import webauthn  # noqa: PLC0415  as late as `webauthn` above

    options = webauthn.generate_authentication_options(
        rp_id=settings.RP_ID,
        challenge=_decode(row.challenge),
        timeout=settings.CEREMONY_AGE * 1000,
        allow_credentials=_descriptors(allowed, (kind.method,)) if allowed else [],
        user_verification=_user_verification(kind),
    )
    wire = json.loads(webauthn.options_to_json(options))
    wire.setdefault("allowCredentials", [])
    return {"challengeId": str(row.pk), "options": wire}


def authenticate(
    kind: Kind,
    session: Session | None,
    credential: dict[str, Any],
    challenge_id: str | None = None,
    *,
    browser: str = "",
    sign_in: Callable[[EmulatedUser, WebAuthnChallenge], Session] | None = None,
) -> Verification:
    """Verify an AuthenticationResponseJSON. Raises Problem unknown_credential or invalid_credential.

    Without a session, `sign_in` makes the one of whoever the credential names.
    """
    import webauthn  # noqa: PLC0415  as late as `webauthn` above
    from webauthn.helpers.exceptions import WebAuthnException  # noqa: PLC0415  as late as `webauthn` above

    if session:
        engine.require_allowed(session, kind.method)
    credential = _normalised(credential)
    challenge = _spend(kind, "authenticate", credential, challenge_id, session=session, browser=browser)
    row = find(kind, [credential["id"]])
    if (
        row is None
        or (session and row.user_id != session.user.pk)
        or (challenge.username and row.user.username != challenge.username)
    ):
        raise Problem(400, "unknown_credential", f"This {kind.name.lower()} is not known for this user.")
    handle = credential["response"].get("userHandle")
    # One that was imported names its user as the service did where it was made, and nobody told us how.
    imported = row.enrolling_action_id is None
    if not _names(handle, row.user) and (handle or session is None) and not (imported and handle):
        raise _refused(f"The {kind.name.lower()} names another user.")
    try:
        verified = webauthn.verify_authentication_response(
            credential=credential,
            expected_challenge=_decode(challenge.challenge),
            expected_rp_id=settings.RP_ID,
            expected_origin=settings.ORIGINS,
            credential_public_key=bytes(row.public_key or b""),
            credential_current_sign_count=row.sign_count,  # a count that goes back is a cloned key
            require_user_verification=kind.verifies_user,
        )
    except (WebAuthnException, *_UNREADABLE) as exc:
        raise _refused(f"The {kind.name.lower()} was refused: {exc}") from exc
    with transaction.atomic():
        unchanged = Authenticator.objects.filter(pk=row.pk, sign_count=row.sign_count)
        if not unchanged.update(
            sign_count=verified.new_sign_count,
            backed_up=verified.credential_backed_up,
            last_verified_at=clock.now(),
        ):
            raise _refused(f"The {kind.name.lower()} was used elsewhere at the same time.")
        proved = session or (sign_in(row.user, challenge) if sign_in else None)
        if proved is None:
            raise _refused(f"The {kind.name.lower()} needs a client token.")
        token = engine.complete(proved, kind.method, row)
    return Verification(is_verified=True, access_token=token, authenticator=row)


def find(kind: Kind, credential_ids: list[str]) -> Authenticator | None:
    """The first enrolled one of these."""
    rows = Authenticator.objects.filter(method=kind.method, verified_at__isnull=False)
    return rows.filter(credential_digest__in=[_digest(one) for one in credential_ids]).select_related("user").first()


def _user_verification(kind: Kind) -> Any:
    from webauthn.helpers.structs import UserVerificationRequirement  # noqa: PLC0415  as late as `webauthn` above

    return UserVerificationRequirement.REQUIRED if kind.verifies_user else UserVerificationRequirement.PREFERRED


def new_challenge(
    kind: Kind, step: str, *, session: Session | None = None, browser: str = "", **anonymous: str
) -> WebAuthnChallenge:
    """`anonymous`: the action_code, idempotency_key and username of a sign-in whose user is not known yet."""
    now = clock.now()
    WebAuthnChallenge.objects.filter(expires_at__lt=now - timedelta(days=1)).delete()
    return WebAuthnChallenge.objects.create(
        challenge=_encode(secrets.token_bytes(32)),
        purpose=kind.purpose + step,
        user=session.user if session else None,
        action=session.action if session else None,
        browser=browser,
        created_at=now,
        expires_at=now + timedelta(seconds=settings.CEREMONY_AGE),
        **anonymous,
    )


def open_challenge(
    kind: Kind,
    step: str,
    challenge_id: str | None,
    *,
    session: Session | None,
    browser: str | None,
    signed: str | None = None,
) -> WebAuthnChallenge:
    """The challenge that this caller may use, by its id or by the bytes that were signed; `browser` None: in any."""
    rows = WebAuthnChallenge.objects.filter(
        purpose=kind.purpose + step,
        used_at__isnull=True,
        expires_at__gt=clock.now(),
        user=session.user if session else None,
        action=session.action if session else None,
    )
    if browser is not None:
        rows = rows.filter(browser__in=["", browser])
    if signed is not None:
        rows = rows.filter(challenge=signed)
    if challenge_id:
        try:
            rows = rows.filter(pk=uuid.UUID(challenge_id))
        except ValueError:
            rows = rows.none()
    row = rows.first()
    if row is None:
        raise _refused(
            f"The {kind.name.lower()} challenge is unknown, used or expired, or another browser's. Ask for new options."
        )
    return row


def _spend(
    kind: Kind,
    step: str,
    credential: dict[str, Any],
    challenge_id: str | None,
    *,
    session: Session | None,
    browser: str,
) -> WebAuthnChallenge:
    """Use the challenge up before anything is verified: a failed try must not leave it for another."""
    signed = _signed_challenge(credential)
    row = open_challenge(kind, step, challenge_id, session=session, browser=browser, signed=signed)
    if not WebAuthnChallenge.objects.filter(pk=row.pk, used_at__isnull=True).update(used_at=clock.now()):
        raise _refused("The challenge was used already. Ask for new options.")
    return row


def _signed_challenge(credential: dict[str, Any]) -> str:
    try:
        data = json.loads(_decode(credential["response"]["clientDataJSON"]))
        return _encode(_decode(data["challenge"]))
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        raise _refused("The credential's clientDataJSON cannot be read.") from exc


def _store(kind: Kind, session: Session, credential: dict[str, Any], verified: Any, device_id: str) -> Authenticator:
    transports = credential["response"].get("transports")
    attachment = credential.get("authenticatorAttachment")
    now = clock.now()
    try:
        with transaction.atomic():
            return Authenticator.objects.create(
                user=session.user,
                enrolling_action=session.action,
                method=kind.method,
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
                name=kind.name,
                device_id=device_id,
            )
    except IntegrityError as exc:
        raise _refused(f"This {kind.name.lower()} is registered already.") from exc


def _transports(given: Any) -> list[str]:
    from webauthn.helpers import structs  # noqa: PLC0415  as late as `webauthn` above

    known = {transport.value for transport in structs.AuthenticatorTransport}
    return [name for name in given if isinstance(name, str) and name in known] if isinstance(given, list) else []


def _device_type(verified: Any) -> str:
    return "multiDevice" if verified.credential_device_type.value == "multi_device" else "singleDevice"


def _descriptors(user: EmulatedUser, methods: tuple[VerificationMethod, ...]) -> list[Any]:
    from webauthn.helpers import structs  # noqa: PLC0415  as late as `webauthn` above

    rows = Authenticator.objects.filter(user=user, method__in=methods, verified_at__isnull=False)
    return [
        structs.PublicKeyCredentialDescriptor(
            id=_decode(row.credential_id),
            transports=[structs.AuthenticatorTransport(known) for known in row.transports],
        )
        for row in rows
    ]


def _names(handle: Any, user: EmulatedUser) -> bool:
    """True when a userHandle is this user's: its bytes, or their base64url text as iOS stores it."""
    return bool(handle) and _decode(handle) in (user.pk.bytes, _encode(user.pk.bytes).encode())


def _normalised(credential: dict[str, Any]) -> dict[str, Any]:
    """The credential with every binary field as base64url without padding: iOS sends standard base64 for one."""
    if not isinstance(credential.get("response"), dict):
        raise invalid("The credential must be the JSON form of a PublicKeyCredential.")
    try:
        response = dict(credential["response"])
        for name in _BINARY:
            if response.get(name) is not None:
                response[name] = _encode(_decode(response[name]))
        raw_id = _encode(_decode(credential.get("rawId") or credential["id"]))
        if raw_id != _encode(_decode(credential["id"])):
            raise _refused("The credential's id and rawId differ.")
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
