"""Who it is: the user as Authsignal knows them, as they were when a proof began, and where they come from."""

import hashlib
import hmac
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.http import HttpRequest
from django.utils.encoding import force_bytes

from .client import ConfigurationError
from .conf import get_settings, resolve

SALT = "django_authsignal."
MAX_LENGTH = 512  # characters of an id: what the ledger keeps, and a shortened one is somebody else's


def digest(purpose: str, *parts: str) -> str:
    """A keyed hash of the parts, told apart by purpose; lengths are hashed too, so that parts cannot be shifted."""
    message = "".join([f"{len(part)}:{part}" for part in parts])
    return hmac.digest(_key(settings.SECRET_KEY, purpose), message.encode("utf-8", "surrogatepass"), "sha256").hex()


@lru_cache(maxsize=64)
def _key(secret: str | bytes, purpose: str) -> bytes:
    # As django.utils.crypto.salted_hmac derives its keys; kept, because every guarded request needs two of them.
    return hashlib.sha256((SALT + purpose).encode() + force_bytes(secret)).digest()


def same(one: str, other: str) -> bool:
    """Compares two digests in constant time; an empty one equals nothing."""
    return bool(one) and bool(other) and hmac.compare_digest(one.encode(), other.encode())


def authsignal_id(user: AbstractBaseUser) -> str:
    """The userId that Authsignal knows this user by: prefix and primary key, unless USER_ID says otherwise."""
    ours = get_settings()
    make = resolve(ours.USER_ID)
    found = make(user) if make else user.pk
    if found is None or str(found) == "":
        raise ConfigurationError("USER_ID gave no id for a user. Return a stable, non-empty string for every user.")
    made = f"{ours.USER_ID_PREFIX}{found}"
    if len(made) > MAX_LENGTH:
        raise ConfigurationError(
            f"USER_ID gave an id of {len(made)} characters for a user. Return {MAX_LENGTH} at most, with the prefix."
        )
    return made


def get_user(user_pk: str) -> AbstractBaseUser | None:
    """The user of a ledger row as the database has them now, or None."""
    model = get_user_model()
    try:
        found: AbstractBaseUser | None = model._default_manager.filter(pk=model._meta.pk.to_python(user_pk)).first()
    except (ValidationError, ValueError):
        return None
    return found


def user_from_id(found: str) -> AbstractBaseUser | None:
    """The user whom Authsignal knows by this id, or None.

    USER_FROM_ID is given the id without USER_ID_PREFIX; without it the id is the primary key, unless USER_ID makes
    other ones. Whoever is found counts only when `authsignal_id` of them is this very id: a look-up that folds case, or
    an id of another environment, must not make somebody of somebody else.
    """
    ours = get_settings()
    if not found.startswith(ours.USER_ID_PREFIX) or not 0 < len(found) <= MAX_LENGTH or not found.isprintable():
        return None
    bare, read = found.removeprefix(ours.USER_ID_PREFIX), resolve(ours.USER_FROM_ID)
    if read is None and ours.USER_ID is not None:
        return None
    try:
        user: AbstractBaseUser | None = read(bare) if read else get_user(bare)
    except (ObjectDoesNotExist, ValidationError, ValueError):
        return None
    return user if user is not None and authsignal_id(user) == found else None


def fingerprint(user: AbstractBaseUser) -> str:
    """Changes with the user's password, e-mail and active flag: what was proved for the user of before is void."""
    email = getattr(user, user.get_email_field_name(), "") if hasattr(user, "get_email_field_name") else ""
    auth_hash = user.get_session_auth_hash() if hasattr(user, "get_session_auth_hash") else ""
    return digest("user", str(user.pk), auth_hash, str(email or ""), "active" if user.is_active else "inactive")


def client_ip(request: HttpRequest) -> str | None:
    """The visitor's address: REMOTE_ADDR. X-Forwarded-For is the visitor's to write, until CLIENT_IP says who did."""
    read = resolve(get_settings().CLIENT_IP)
    found = read(request) if read else request.META.get("REMOTE_ADDR")
    return str(found) if found else None


def track_attributes(request: HttpRequest, user: AbstractBaseUser, action: str) -> dict[str, Any]:
    """What TRACK_ATTRIBUTES adds to a track call; an `email` or `phone_number` it names counts as verified."""
    read = resolve(get_settings().TRACK_ATTRIBUTES)
    return dict(read(request, user, action) or {}) if read else {}
