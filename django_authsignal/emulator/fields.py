"""What a request's fields may hold: read by name, refused with the name.

Unknown fields are ignored and null means absent, as the SDKs expect (some of them send nulls).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from django_authsignal.client.types import VerificationMethod
from django_authsignal.emulator.models import ID_LENGTH
from django_authsignal.emulator.problems import invalid

Body = dict[str, Any]
_ACTION = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_PHONE = re.compile(r"\+[1-9][0-9]{5,14}")
_SCRIPTS = {"javascript", "data", "vbscript", "blob", "file", "about"}
SCOPES = {"read:authenticators", "add:authenticators", "update:authenticators", "remove:authenticators"}


def text(body: Body, name: str, *, limit: int = 255) -> str | None:
    """The string, or None when absent or null. Raises Problem for another type or one longer than limit."""
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise invalid(f"body.{name} must be a string.")
    if len(value) > limit:
        raise invalid(f"body.{name} must be at most {limit} characters.")
    return value


def required(body: Body, name: str, *, limit: int = 255) -> str:
    value = text(body, name, limit=limit)
    if not value:
        raise invalid(f"body.{name} is required.")
    return value


def flag(body: Body, name: str) -> bool | None:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise invalid(f"body.{name} must be true or false.")
    return value


def mapping(body: Body, name: str) -> dict[str, Any] | None:
    value = body.get(name)
    if value is not None and not isinstance(value, dict):
        raise invalid(f"body.{name} must be an object.")
    return value


def email(body: Body, name: str = "email") -> str | None:
    value = text(body, name, limit=320)
    if value:
        try:
            validate_email(value)
        except ValidationError:
            raise invalid(f"body.{name} must be an email address.") from None
    return value


def phone(body: Body, name: str = "phoneNumber") -> str | None:
    value = text(body, name, limit=32)
    if value and not _PHONE.fullmatch(value):
        raise invalid(f"body.{name} must be a phone number in E.164 format, like +64210000000.")
    return value


def redirect_url(body: Body, name: str = "redirectUrl") -> str | None:
    """An absolute URL, of an app's own scheme too, but never one that a browser runs."""
    value = text(body, name, limit=4096)
    if value and not leads_back(value):
        raise invalid(f"body.{name} must be an absolute URL.")
    return value


def leads_back(url: str) -> bool:
    """True for what `redirect_url` takes; a page asks it of each link that it makes."""
    try:
        parts = urlsplit(url)
        leads = bool(parts.hostname) if parts.scheme in ("http", "https") else bool(parts.scheme)
    except ValueError:
        return False
    return leads and parts.scheme not in _SCRIPTS and not any(ord(letter) <= 32 or letter == "\\" for letter in url)


def scope(body: Body, name: str = "scope") -> str | None:
    value = text(body, name)
    if value and (unknown := set(value.split()) - SCOPES):
        raise invalid(f"body.{name} holds {min(unknown)}; it may hold: {', '.join(sorted(SCOPES))}.")
    return value


def choice(body: Body, name: str, allowed: Collection[str]) -> str | None:
    value = text(body, name)
    if value is not None and value not in allowed:
        raise invalid(f"body.{name} must be one of: {', '.join(allowed)}.")
    return value


def methods(body: Body, name: str = "verificationMethods") -> list[str] | None:
    value = body.get(name)
    if value is None:
        return None
    known = [method.value for method in VerificationMethod]
    if not isinstance(value, list) or not all(isinstance(item, str) and item in known for item in value):
        raise invalid(f"body.{name} must be a list of: {', '.join(known)}.")
    return list(dict.fromkeys(value))


def check_user_id(value: str) -> str:
    if not value or len(value) > ID_LENGTH:
        raise invalid(f"userId must have 1 to {ID_LENGTH} characters.")
    return value


def check_action(value: str) -> str:
    if not _ACTION.fullmatch(value):
        raise invalid("action must match ^[a-zA-Z0-9_-]{1,64}$.")
    return value
