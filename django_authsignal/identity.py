"""Who it is: the user as Authsignal knows them, as they were when a proof began, and where they come from."""

import hashlib
import hmac
from collections.abc import Mapping
from functools import lru_cache
from inspect import getattr_static
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db.models import Model
from django.http import HttpRequest
from django.utils.encoding import force_bytes
from django.utils.functional import LazyObject

from . import contact
from .client import ConfigurationError
from .client._encode import encode
from .conf import NO_TEXT, SECRET_HINT, get_settings, resolve
from .models import Challenge, SyncedUser

SALT = "django_authsignal."
PSEUDONYM = "pseudonym-"
MAX_LENGTH = 512  # characters of an id: what the ledger keeps, and a shortened one is somebody else's


def digest(purpose: str, *parts: str) -> str:
    """A keyed hash of the parts, told apart by purpose; lengths are hashed too, so that parts cannot be shifted."""
    return _hash(settings.SECRET_KEY, purpose, "".join([f"{len(part)}:{part}" for part in parts]))


def hash_of(purpose: str, values: tuple[Any, ...], key: str | bytes | None = None) -> str:
    """A keyed hash of plain values (texts, numbers, truths, None, lists of them), told apart by purpose and by type.

    By SECRET_KEY, or the key given.
    """
    return _hash(
        settings.SECRET_KEY if key is None else key, purpose, ascii(values)
    )  # quotes are escaped: no value can be taken for two


def _hash(secret: str | bytes, purpose: str, message: str) -> str:
    mac = _keyed(secret, purpose).copy()
    mac.update(message.encode("utf-8", "surrogatepass"))
    return mac.hexdigest()


@lru_cache(maxsize=64)
def _keyed(secret: str | bytes, purpose: str) -> hmac.HMAC:
    # As django.utils.crypto.salted_hmac derives its keys; kept, because every guarded request needs two of them. Only
    # ever copied: what was hashed once stays hashed.
    key = hashlib.sha256((SALT + purpose).encode() + force_bytes(secret)).digest()
    return hmac.new(key, digestmod="sha256")


def same(one: str, other: str) -> bool:
    """Compares two digests in constant time; an empty one equals nothing."""
    return bool(one and other) and one.isascii() and other.isascii() and hmac.compare_digest(one, other)


def authsignal_id(user: AbstractBaseUser) -> str:
    """The userId that Authsignal knows this user by: prefix and primary key, unless USER_ID says otherwise.

    Raises ConfigurationError, naming the fix, for an id that is none, is no text, or is longer than MAX_LENGTH.
    """
    ours = get_settings()
    make = resolve(ours.USER_ID)
    found = make(user) if make else user.pk
    if found is None or str(found) == "":
        raise ConfigurationError("USER_ID gave no id for a user. Return a stable, non-empty string for every user.")
    if make and (isinstance(found, bool) or not isinstance(found, str | int | UUID)):
        # str() of bytes or of an object is a text too, but nobody's id.
        raise ConfigurationError(f"USER_ID gave a {type(found).__name__} for a user. Return a string.")
    made = f"{ours.USER_ID_PREFIX}{found}"
    if len(made) > MAX_LENGTH:
        raise ConfigurationError(
            f"USER_ID gave an id of {len(made)} characters for a user. Return {MAX_LENGTH} at most, with the prefix."
        )
    if NO_TEXT.search(made):
        raise ConfigurationError(
            "USER_ID gave an id for a user that is no text. Return one without NUL and halves of characters."
        )
    return made


def opaque_id(user: AbstractBaseUser) -> str:
    """`USER_ID = "django_authsignal.identity.opaque_id"`: a keyed hash of the primary key, 64 hexadecimal digits.

    Keyed by USER_ID_SECRET and not by SECRET_KEY: that one is changed now and then, and a user with a new id is
    somebody new to Authsignal, without their authenticators. Raises ConfigurationError without such a secret.
    """
    secret = get_settings().USER_ID_SECRET
    if not secret:
        raise ConfigurationError(f"USER_ID is opaque_id, and there is no USER_ID_SECRET. {SECRET_HINT}")
    return _opaque(secret, user.pk)


def _opaque(secret: str, pk: Any) -> str:
    return _hash(secret, "opaque_id", str(pk))


def user_from_id(found: str, *, search: bool = True) -> AbstractBaseUser | None:
    """The user whom Authsignal knows by this id, as the database has them now, or None.

    USER_FROM_ID is given the id without USER_ID_PREFIX. Without it the id is the primary key; where USER_ID makes other
    ones, whoever Authsignal was given this id for. Whoever is found counts only when `authsignal_id` of them is this
    very id: a look-up that folds case, " 42" or "042", or an id of another environment, must not make somebody of
    somebody else. `search` False: no opaque id is compared with that of every user.
    """
    ours = get_settings()
    if not found.startswith(ours.USER_ID_PREFIX) or not 0 < len(found) <= MAX_LENGTH or not found.isprintable():
        return None
    bare, read, make = found.removeprefix(ours.USER_ID_PREFIX), resolve(ours.USER_FROM_ID), resolve(ours.USER_ID)
    user: AbstractBaseUser | None
    try:
        if read or make is None:
            user = read(bare) if read else get_user(bare)
        else:
            user = _known_by(found) or (user_from_opaque_id(bare) if search and make is opaque_id else None)
    except (ObjectDoesNotExist, ValidationError, ValueError):
        return None
    return user if user is not None and authsignal_id(user) == found else None


def user_from_opaque_id(found: str) -> AbstractBaseUser | None:
    """Whose `opaque_id` this is: a hash cannot be reversed, so every user's is made until one fits.

    Seconds for each million users. `user_from_id` comes here only for an id that neither the ledger nor the register
    of users knows.
    """
    secret = get_settings().USER_ID_SECRET
    if not secret or len(found) != 64:
        return None
    for pk in get_user_model()._base_manager.order_by().values_list("pk", flat=True).iterator(chunk_size=10_000):
        if _opaque(secret, pk) == found:
            return get_user(str(pk))
    return None


def _known_by(found: str) -> AbstractBaseUser | None:
    """Who was told to Authsignal, or asked there, under this id; the latest, should two users have had it."""
    told = SyncedUser.objects.filter(authsignal_id=found, user_pk__isnull=False)
    asked = Challenge.objects.filter(authsignal_id=found).exclude(user_pk="").order_by("-created_at")
    for rows in (told, asked):
        pk = rows.values_list("user_pk", flat=True).first()
        user = get_user(pk) if pk else None
        if user is not None:
            return user
    return None


def get_user(user_pk: str) -> AbstractBaseUser | None:
    """The user of a ledger row as the database has them now, or None."""
    model = get_user_model()
    try:
        found: AbstractBaseUser | None = model._default_manager.filter(pk=model._meta.pk.to_python(user_pk)).first()
    except (ValidationError, ValueError):
        return None
    return found


def stored(user: AbstractBaseUser) -> AbstractBaseUser | None:
    """The user as the database has them now, or None when it does not; whoever is no row of any comes back as given.

    Of their own class, which may be a proxy, and from the database they come from: a replica may not know yet who just
    signed up. What was put on the user beside its fields is there as well, for USER_ID or TRACK_ATTRIBUTES to read.
    """
    user = unwrapped(user)
    cls: Any = type(user)
    if not issubclass(cls, Model) or user._state.adding:
        return user
    found: AbstractBaseUser | None = cls._base_manager.using(user._state.db).filter(pk=user.pk).first()
    if found is not None:
        fields = {field.attname for field in cls._meta.concrete_fields}
        vars(found).update({name: kept for name, kept in vars(user).items() if _is_beside(cls, name, fields)})
    return found


def _is_beside(cls: type, name: str, fields: set[str]) -> bool:
    # What the class knows, a cached property of any kind, may be an unsaved field in other words; and what begins with
    # an underscore is Django's: the raw password.
    return name not in fields and not name.startswith("_") and getattr_static(cls, name, None) is None


def unwrapped(user: Any) -> Any:
    """The user behind every wrapper that fetches them when they are asked for; django-otp puts one around Django's."""
    while isinstance(user, LazyObject):
        bool(user)  # has the wrapper fetch them
        user = object.__getattribute__(user, "_wrapped")
    return user


def pseudonym(user_pk: str) -> dict[str, Any]:
    """The values that take a user's name out of their rows of the ledger; the rows still belong together."""
    name = PSEUDONYM + digest("pseudonym", user_pk)[:32]
    emptied = ("user_agent", "path", "return_to", "browser", "credential", "fingerprint", "scope")
    gone: dict[str, Any] = dict.fromkeys(emptied, "")
    return gone | {"user_pk": name, "authsignal_id": name, "ip_address": None, "bound": {}}


def is_pseudonym(user_pk: str) -> bool:
    """True for the rows whose names were taken out: nothing in them tells any more where they began."""
    return user_pk.startswith(PSEUDONYM)


def fingerprint(user: AbstractBaseUser) -> str:
    """Changes with the user's password, e-mail and active flag: what was proved for the user of before is void."""
    return digest("user", *state(user))


def state(user: AbstractBaseUser) -> tuple[str, str, str, str]:
    """What a proof depends on of its user. To be hashed, never kept: the hash of their password is in it."""
    pk_field, email_field, hashes_password_alone = _shape(user.__class__)  # type() would give a lazy user's wrapper
    # In one expression: the report of an error that a user model raises shows no variable with the password's hash.
    return (
        str(getattr(user, pk_field)),
        # The field itself, or every guarded request would make Django's hash of it anew.
        str(user.password) if hashes_password_alone else _session_hash(user),
        str(getattr(user, email_field, None) or ""),
        "active" if user.is_active else "inactive",
    )


def _session_hash(user: AbstractBaseUser) -> str:
    return user.get_session_auth_hash() if hasattr(user, "get_session_auth_hash") else ""


@lru_cache(maxsize=64)
def _shape(cls: Any) -> tuple[str, str, bool]:
    """A user model's fields of primary key and e-mail address ("": none); True when the password is all that ends a
    session: `get_session_auth_hash` is Django's own, where another one may put more into it.
    """
    names = ("get_session_auth_hash", "_get_session_auth_hash")
    own = all(getattr(cls, name, None) is getattr(AbstractBaseUser, name) for name in names)
    # A model without addresses may say so by EMAIL_FIELD = None.
    email = cls.get_email_field_name() if hasattr(cls, "get_email_field_name") else None
    return cls._meta.pk.attname if hasattr(cls, "_meta") else "pk", email or "", own


def client_ip(request: HttpRequest) -> str | None:
    """The visitor's address: REMOTE_ADDR. X-Forwarded-For is the visitor's to write, until CLIENT_IP says who did."""
    read = resolve(get_settings().CLIENT_IP)
    found = read(request) if read else request.META.get("REMOTE_ADDR")
    return str(found) if found else None


def track_attributes(request: HttpRequest, user: AbstractBaseUser, action: str) -> dict[str, Any]:
    """What a track call tells besides: TRACK_ATTRIBUTES, and the addresses that are verified.

    Where VERIFIED_EMAIL or VERIFIED_PHONE is set it alone names the address. Where it is not, an `email` or
    `phone_number` of TRACK_ATTRIBUTES counts as verified.
    """
    read = resolve(get_settings().TRACK_ATTRIBUTES)
    told = (read(request, user, action) or {}) if read else {}
    if not isinstance(told, Mapping):
        raise ConfigurationError(f"TRACK_ATTRIBUTES gave a {type(told).__name__}. Return a dict.")
    custom = told.get("custom")
    if custom is not None and not isinstance(custom, Mapping):
        raise ConfigurationError(f"TRACK_ATTRIBUTES gave a {type(custom).__name__} for custom. Return a dict there.")
    try:
        encode(told)  # as the client will: there it would be an error that names no setting
    except TypeError as exc:
        raise ConfigurationError(f"TRACK_ATTRIBUTES gave what cannot be sent. {exc}") from exc
    return dict(told) | contact.for_track(user)
