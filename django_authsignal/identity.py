"""Who it is: the user as Authsignal knows them, as they were when a proof began, and where they come from."""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare, salted_hmac

from .client import ConfigurationError
from .conf import get_settings, resolve

SALT = "django_authsignal."


def digest(purpose: str, *parts: str) -> str:
    """A keyed hash of the parts, told apart by purpose; lengths are hashed too, so that parts cannot be shifted."""
    message = "".join(f"{len(part)}:{part}" for part in parts)
    return salted_hmac(SALT + purpose, message, algorithm="sha256").hexdigest()


def same(one: str, other: str) -> bool:
    """Compares two digests in constant time; an empty one equals nothing."""
    return bool(one) and bool(other) and constant_time_compare(one, other)


def authsignal_id(user: AbstractBaseUser) -> str:
    """The userId that Authsignal knows this user by: prefix and primary key, unless USER_ID says otherwise."""
    settings = get_settings()
    make = resolve(settings.USER_ID)
    found = make(user) if make else user.pk
    if found is None or str(found) == "":
        raise ConfigurationError("USER_ID gave no id for a user. Return a stable, non-empty string for every user.")
    return f"{settings.USER_ID_PREFIX}{found}"


def get_user(user_pk: str) -> AbstractBaseUser | None:
    """The user of a ledger row as the database has them now, or None."""
    model = get_user_model()
    try:
        found: AbstractBaseUser | None = model._default_manager.filter(pk=model._meta.pk.to_python(user_pk)).first()
    except (ValidationError, ValueError):
        return None
    return found


def fingerprint(user: AbstractBaseUser) -> str:
    """Changes with the user's password, e-mail and active flag: what was proved for the user of before is void."""
    email = getattr(user, user.get_email_field_name(), "") if hasattr(user, "get_email_field_name") else ""
    auth_hash = user.get_session_auth_hash() if hasattr(user, "get_session_auth_hash") else ""
    return digest("user", str(user.pk), auth_hash, str(email or ""), str(bool(user.is_active)))


def client_ip(request: HttpRequest) -> str | None:
    """The visitor's address: REMOTE_ADDR. X-Forwarded-For is the visitor's to write, until CLIENT_IP says who did."""
    read = resolve(get_settings().CLIENT_IP)
    found = read(request) if read else request.META.get("REMOTE_ADDR")
    return str(found) if found else None


def track_attributes(request: HttpRequest, user: AbstractBaseUser, action: str) -> dict[str, Any]:
    """What TRACK_ATTRIBUTES adds to a track call; an `email` or `phone_number` it names counts as verified."""
    read = resolve(get_settings().TRACK_ATTRIBUTES)
    return dict(read(request, user, action) or {}) if read else {}
