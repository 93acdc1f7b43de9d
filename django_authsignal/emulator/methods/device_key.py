"""Keys that an app keeps on a phone, for push, QR codes and in-app proofs: P-256, and each answer is signed.

A key is public, and so is the tenant's id by which most of these calls come: only a signature makes them a proof.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import uuid
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.crypto import salted_hmac

from django_authsignal.client.types import VerificationMethod
from django_authsignal.emulator import authenticators, clock, engine, enrolment, fields
from django_authsignal.emulator.engine import Session, Verification
from django_authsignal.emulator.models import Authenticator, EmulatedUser
from django_authsignal.emulator.problems import Problem, invalid

KINDS = {
    "push": VerificationMethod.PUSH,
    "qr-code": VerificationMethod.QR_CODE,
    "in-app": VerificationMethod.IN_APP,
}
_PLATFORMS = ("ios", "android", "web")
_WINDOW = 600  # seconds that a message made from the time is signed for
_SEQUENCE = b"\x30"  # the first byte of any key in DER, and no base64 letter


def enrol(session: Session, method: str, body: dict[str, Any]) -> Verification:
    """Add the device's key, or describe anew the one that this user has. It proves nothing: nothing was signed.

    A pairing is good for one key, and gives the phone no token: whoever saw the picture must not go on as the user.
    """
    key = _read_key(fields.required(body, "publicKey", limit=2048), "body.publicKey")
    name = fields.text(body, "deviceName") or ""
    platform = fields.choice(body, "devicePlatform", _PLATFORMS) or ""
    push_token = fields.text(body, "pushToken", limit=4096) or ""
    now = clock.now()
    with transaction.atomic():
        # Locked before it is asked: of two first enrolments that finish at once, the second must see the first.
        EmulatedUser.objects.select_for_update().get(pk=session.user.pk)
        engine.require_enrol(session, method)
        given = {"name": name, "device_platform": platform, "push_token": push_token}
        known = Authenticator.objects.filter(credential_digest=_digest(method, key)).select_related("user").first()
        if known and known.user_id == session.user.pk:
            Authenticator.objects.filter(pk=known.pk).update(**given)
            return Verification(is_verified=True, authenticator=known)
        device = uuid.UUID(session.device) if session.device else uuid.uuid4()
        if Authenticator.objects.filter(pk=device).exists():
            raise _refused("This pairing was used already. Ask for a new one.")
        try:
            with transaction.atomic():
                row = Authenticator.objects.create(
                    pk=device,
                    user=session.user,
                    enrolling_action=session.action,
                    method=method,
                    created_at=now,
                    verified_at=now,
                    public_key=key,
                    credential_digest=_digest(method, key),
                    **given,
                )
        except IntegrityError:
            raise _refused("This key belongs to another user.") from None
        if session.device:
            authenticators.tell("authenticator.created", row)
            return Verification(is_verified=True, authenticator=row)
        return enrolment.complete(session, row, proves=False)


def find(method: str, public_key: str | None, name: str = "body.publicKey") -> Authenticator:
    """The device of this key. Raises Problem invalid_credential; its status 400 lets the iOS SDK read the code."""
    digest = _digest(method, _read_key(public_key or "", name))
    rows = Authenticator.objects.filter(credential_digest=digest, verified_at__isnull=False)
    row = rows.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=clock.now())).select_related("user").first()
    if row is None:
        raise _refused("No device with this key is enrolled.")
    return row


def signed_by(method: str, body: dict[str, Any], *messages: str) -> Authenticator:
    """The device that `body.publicKey` names, once `body.signature` is its own over one of the messages."""
    row = find(method, fields.required(body, "publicKey", limit=2048))
    check(row, fields.required(body, "signature", limit=512), *messages)
    return row


def check(row: Authenticator, signature: str, *messages: str) -> None:
    """Raises Problem invalid_credential unless the device signed one of the messages (ECDSA with SHA-256, DER)."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415  40 ms that a start need not pay
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415  as late, as above
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415  as late, as above

    public: Any = serialization.load_der_public_key(bytes(row.public_key or b""))
    try:
        signed = _decode(signature)
    except ValueError:
        raise _refused("The signature is not base64.") from None
    for message in messages:
        try:
            public.verify(signed, message.encode(), ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            continue
        return
    raise _refused("The signature is not this device's.")


def remove(method: str, body: dict[str, Any]) -> str:
    """Its own signature is the proof, over the number of ten minutes since 1970, printed as SDKs print a double."""
    now = int(clock.timestamp()) // _WINDOW
    row = signed_by(method, body, *(f"{window}.0" for window in (now, now - 1, now + 1)))
    removed = str(row.pk)  # deleting takes it away from the object
    authenticators.remove(row)
    return removed


def fetch_message(row: Authenticator, windows_ago: int = 0) -> str:
    """What the device signs to see its challenges: made from the time, so that no process need remember it."""
    window = int(clock.timestamp()) // _WINDOW - windows_ago
    return salted_hmac("emulator.fetch", f"{row.pk}:{window}", algorithm="sha256").hexdigest()


def check_fetch(row: Authenticator, signature: str) -> None:
    check(row, signature, fetch_message(row), fetch_message(row, 1))


def _read_key(text: str, name: str) -> bytes:
    """A P-256 key as SPKI DER, written in one way: another spelling of a point must not be another device.

    It comes in base64 of either alphabet, in a query sometimes in base64 twice, and with + read as a space.
    """
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415  as late, as above
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415  as late, as above
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415  as late, as above

    try:
        der = _decode(text[:2048])
        if not der.startswith(_SEQUENCE):
            der = _decode(der.decode("ascii"))
        public = serialization.load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm):
        raise invalid(f"{name} must be a public key: SPKI in DER, as base64.") from None
    if not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, ec.SECP256R1):
        raise invalid(f"{name} must be a key of the curve P-256.")
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return public.public_bytes(serialization.Encoding.DER, form)


def _decode(text: str) -> bytes:
    """base64 of either alphabet, padded or not. Raises ValueError."""
    plain = text.strip().translate(str.maketrans("-_ ", "+/+")).rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except binascii.Error as exc:
        raise ValueError("not base64") from exc


def _digest(method: str, key: bytes) -> str:
    return hashlib.sha256(f"{settings.TENANT_ID}:{method}:".encode() + key).hexdigest()


def _refused(description: str) -> Problem:
    return Problem(400, "invalid_credential", description)
