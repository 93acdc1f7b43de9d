"""Where a person is reached: an address leaves this house only when VERIFIED_EMAIL or VERIFIED_PHONE calls it verified.

Authsignal mails and texts codes to what it is told. An address that its owner has not shown to be theirs would send the
proofs of one user to somebody else.
"""

import logging
import re
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from .client import CLEAR
from .client._encode import Clear
from .conf import get_settings, resolve

logger = logging.getLogger("django_authsignal")

LONGEST_EMAIL = 320  # characters: 64 before the @, 255 behind it (RFC 5321)
E164 = re.compile(r"\+[1-9][0-9]{6,14}")


@dataclass(frozen=True)
class Contact:
    """A user's verified addresses. None: nothing to tell. CLEAR: what was told before is to be taken away."""

    email: str | Clear | None = None
    phone: str | Clear | None = None

    def __repr__(self) -> str:
        return f"<Contact {mask(self.email)} {mask(self.phone)}>"


def of(user: AbstractBaseUser) -> Contact:
    """What VERIFIED_EMAIL and VERIFIED_PHONE say of this user. What is no address counts as none, and is logged."""
    ours = get_settings()
    return Contact(
        email=_read("VERIFIED_EMAIL", resolve(ours.VERIFIED_EMAIL), user),
        phone=_read("VERIFIED_PHONE", resolve(ours.VERIFIED_PHONE), user),
    )


def for_track(user: AbstractBaseUser) -> dict[str, str | None]:
    """The attributes of a track call that these settings decide: None for an address that is not verified."""
    ours, told = get_settings(), {}
    known = of(user) if ours.VERIFIED_EMAIL or ours.VERIFIED_PHONE else Contact()
    if ours.VERIFIED_EMAIL:
        told["email"] = known.email if isinstance(known.email, str) else None
    if ours.VERIFIED_PHONE:
        told["phone_number"] = known.phone if isinstance(known.phone, str) else None
    return told


def _read(setting: str, read: Any, user: AbstractBaseUser) -> str | Clear | None:
    found = read(user) if read else None
    if isinstance(found, Clear):
        return found
    if found is None or found == "":
        return None  # never a removal: whoever empties a field must not end what its owner proves by
    # django-phonenumber-field's values are objects that know their own international form.
    text = str(getattr(found, "as_e164", found) or "")
    if (_is_email if setting == "VERIFIED_EMAIL" else E164.fullmatch)(text):
        return text
    fix = "an e-mail address" if setting == "VERIFIED_EMAIL" else "a number as +6421123456"
    logger.error("%s gave something else for the user %s. Return %s, or None.", setting, user.pk, fix)
    return None


def _is_email(text: str) -> bool:
    try:
        validate_email(text)
    except ValidationError:
        return False
    return len(text) <= LONGEST_EMAIL


def email_field(user: AbstractBaseUser) -> str | None:
    """`VERIFIED_EMAIL = "django_authsignal.contact.email_field"`: the user model's e-mail field, as it is.

    Only for sites where nothing unverified ever gets into it: whoever can change the field receives the codes.
    """
    name = user.get_email_field_name() if hasattr(user, "get_email_field_name") else ""
    found: str | None = getattr(user, name, None) if name else None
    return found or None


def allauth_email(user: AbstractBaseUser) -> str | None:
    """`VERIFIED_EMAIL = "django_authsignal.contact.allauth_email"`: the address that django-allauth has verified.

    The primary one, else the one that was verified first; None while there is none. A new address that waits for its
    confirmation changes nothing.
    """
    from allauth.account.models import EmailAddress  # noqa: PLC0415 - an app of the project's, if it has it

    rows = EmailAddress.objects.filter(user_id=user.pk, verified=True).order_by("-primary", "pk")
    found: str | None = rows.values_list("email", flat=True).first()
    return found


def allauth_phone(user: AbstractBaseUser) -> str | None:
    """`VERIFIED_PHONE = "django_authsignal.contact.allauth_phone"`: the number that django-allauth has verified."""
    from allauth.account.adapter import get_adapter  # noqa: PLC0415 - an app of the project's, if it has it

    number, verified = get_adapter().get_phone(user) or (None, False)
    return number if verified else None


def mask(address: object) -> str:
    """An address as it may be printed: a***@e***.com, +64***56."""
    if address is CLEAR:
        return "(removed)"
    if not isinstance(address, str) or not address:
        return "-"
    name, at, host = address.rpartition("@")
    if not at:
        return f"{address[:3]}***{address[-2:]}"
    return f"{name[:1]}***@{host[:1]}***.{host.rpartition('.')[2]}"
