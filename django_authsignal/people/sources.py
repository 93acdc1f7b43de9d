"""Reading what users prove with today: django-otp, django-two-factor-auth, django-allauth.

Nothing of theirs is changed, and none of them is needed: models are looked up among the installed apps.
"""

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db.models import Model

from ..client import ConfigurationError
from ..contact import E164

APP, PASSKEY, PHONE, RECOVERY, OTHER = "authenticator app", "passkey", "phone number", "recovery codes", "other device"
LONGEST_SECRET = 80  # bytes: 128 characters of base32
NOT_DISCLOSED = "Authsignal makes recovery codes of its own, and takes none from elsewhere"
# Other kinds of django-otp's devices, by model; what is not named here is a kind of somebody's own.
PHONES, WEBAUTHN = ("phonenumber.PhoneDevice", "two_factor.PhoneDevice"), "two_factor_webauthn.WebauthnDevice"
READ = ("otp_totp.TOTPDevice", *PHONES, WEBAUTHN)
NO_YUBIKEY = "Authsignal knows no one-time codes of a Yubikey; it can be set up as a passkey"
OBSTACLES = {
    "otp_static.StaticDevice": (RECOVERY, NOT_DISCLOSED),
    "otp_hotp.HOTPDevice": (OTHER, "its codes are counted, and Authsignal's follow the clock"),
    "otp_email.EmailDevice": (OTHER, "its address may be unproved: VERIFIED_EMAIL names those that are verified"),
    "otp_yubikey.YubikeyDevice": (OTHER, NO_YUBIKEY),
    "otp_yubikey.RemoteYubikeyDevice": (OTHER, NO_YUBIKEY),
}


@dataclass(frozen=True)
class Found:
    """One way of proof of a user: what Authsignal needs of it, or why it cannot be imported."""

    user_pk: Any
    what: str
    obstacle: str = ""
    otp_secret: str = field(default="", repr=False)  # base32
    phone_number: str = field(default="", repr=False)
    credential_id: str = ""
    passkey: Mapping[str, Any] = field(default_factory=dict, repr=False)  # as Client.import_passkeys takes it


Source = Callable[[Sequence[Any]], Iterator[Found]]  # from primary keys of users to what they have


def source(name: str) -> Source:
    """The reader for --from. Raises ConfigurationError when its app is not installed."""
    needed, read = SOURCES[name]
    if not apps.is_installed(needed):
        raise ConfigurationError(f"{needed} is not in INSTALLED_APPS: there is nothing to read. Give another --from.")
    return read


def _rows(model: type[Model] | None, pks: Sequence[Any], **where: Any) -> Iterator[Any]:
    if model is not None:
        yield from model._default_manager.filter(user_id__in=pks, **where).order_by("pk")


def _model(label: str) -> type[Model] | None:
    try:
        return apps.get_model(label)
    except LookupError:
        return None


def _django_otp(pks: Sequence[Any]) -> Iterator[Found]:
    from django_otp.models import Device  # noqa: PLC0415 - an app of the project's, if it has it

    # Of several apps the one that proved last: Authsignal's list does not tell them apart.
    rows = _rows(_model("otp_totp.TOTPDevice"), pks, confirmed=True)
    for row in sorted(rows, key=lambda row: row.last_t, reverse=True):
        yield _app(row.user_id, _of_hex(row.key), digits=row.digits, period=row.step, start=row.t0, drift=row.drift)
    for model in apps.get_models():
        if issubclass(model, Device) and model._meta.label not in READ and not model._meta.proxy:
            what, obstacle = OBSTACLES.get(model._meta.label, (OTHER, f"{model._meta.label} is of a kind of its own"))
            for row in _rows(model, pks, confirmed=True):
                yield Found(row.user_id, what, obstacle)


def _two_factor(pks: Sequence[Any]) -> Iterator[Found]:
    yield from _django_otp(pks)
    for label in PHONES:
        for row in _rows(_model(label), pks, confirmed=True):
            yield _phone(row)
    for row in _rows(_model(WEBAUTHN), pks, confirmed=True):
        yield _passkey(row.user_id, row.key_handle, row.public_key, name=row.name)


def _phone(row: Any) -> Found:
    number = str(getattr(row.number, "as_e164", row.number))
    if row.method != "sms":
        return Found(row.user_id, PHONE, "its codes were spoken, and Authsignal sends texts")
    if not E164.fullmatch(number):
        return Found(row.user_id, PHONE, "it is no international number")
    return Found(row.user_id, PHONE, phone_number=number)


def _allauth(pks: Sequence[Any]) -> Iterator[Found]:
    for row in _rows(_model("mfa.Authenticator"), pks):
        if row.type == "totp":
            yield _allauth_app(row)
        elif row.type == "webauthn":
            yield _allauth_passkey(row)
        elif row.type == "recovery_codes":
            yield Found(row.user_id, RECOVERY, NOT_DISCLOSED)
        else:
            yield Found(row.user_id, OTHER, f"{row.type!r} is of a kind of its own")


def _allauth_app(row: Any) -> Found:
    from allauth.mfa import app_settings  # noqa: PLC0415 - an app of the project's, if it has it
    from allauth.mfa.utils import decrypt  # noqa: PLC0415  as above

    try:
        secret = base64.b32decode(decrypt(row.data["secret"]), casefold=True)
    except Exception:
        secret = b""  # the project's adapter may raise anything, and quote the secret
    return _app(row.user_id, secret, digits=app_settings.TOTP_DIGITS, period=app_settings.TOTP_PERIOD)


def _allauth_passkey(row: Any) -> Found:
    try:
        data = row.wrap().authenticator_data
        credential = data.credential_data
        verified = data.is_user_verified()
        # The key as it was registered: what follows its id, the id's length and the model's id.
        key = bytes(credential)[18 + len(credential.credential_id) :]
        transports = row.data["credential"]["response"].get("transports")
        aaguid = str(UUID(bytes=bytes(credential.aaguid)))
    except Exception:
        return Found(row.user_id, PASSKEY, "its registration cannot be read")
    if not verified:
        return Found(row.user_id, PASSKEY, "it did not verify its user when it was registered, as passkeys must")
    return _passkey(
        row.user_id,
        base64.urlsafe_b64encode(credential.credential_id).decode(),
        base64.urlsafe_b64encode(key).decode(),
        name=str(row.data.get("name") or ""),
        transports=[item for item in transports if isinstance(item, str)] if isinstance(transports, list) else None,
        aaguid=aaguid if UUID(aaguid).int else None,
    )


def _of_hex(key: str) -> bytes:
    try:
        return binascii.unhexlify(key)
    except ValueError:
        return b""


def _app(user_pk: Any, secret: bytes, *, digits: int, period: int, start: int = 0, drift: int = 0) -> Found:
    obstacle = ""
    if not 0 < len(secret) <= LONGEST_SECRET:
        obstacle = "its secret cannot be read"
    elif digits != 6:
        obstacle = f"its codes have {digits} digits, and Authsignal's have 6"
    elif (period, start) != (30, 0):
        obstacle = "its codes do not change every 30 seconds of the clock, as Authsignal's do"
    elif abs(drift) > 1:
        obstacle = f"its clock is {abs(drift) * period} seconds off, which Authsignal may refuse"
    if obstacle:
        return Found(user_pk, APP, obstacle)
    return Found(user_pk, APP, otp_secret=base64.b32encode(secret).decode().rstrip("="))


def _passkey(user_pk: Any, credential_id: str, public_key: str, *, name: str, **more: Any) -> Found:
    parts = [text.rstrip("=") for text in (credential_id, public_key)]
    if not all(_is_base64url(text) for text in parts):
        return Found(user_pk, PASSKEY, "its registration cannot be read")
    given = {"credential_id": parts[0], "credential_public_key": parts[1], "name": name or None, **more}
    passkey = {key: value for key, value in given.items() if value is not None}
    return Found(user_pk, PASSKEY, credential_id=parts[0], passkey=passkey)


def _is_base64url(text: str) -> bool:
    try:
        return bool(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except ValueError:
        return False


SOURCES: dict[str, tuple[str, Source]] = {
    "django-otp": ("django_otp", _django_otp),
    "two-factor": ("two_factor", _two_factor),
    "allauth": ("allauth.mfa", _allauth),
}
