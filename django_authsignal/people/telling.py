"""Telling Authsignal of one user, and making it forget one. Decides nothing about when."""

import logging
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.utils import timezone

from .. import contact
from ..client import CLEAR, Client, NotFound
from ..client._encode import Clear
from ..contact import Contact
from ..identity import authsignal_id, digest, user_from_id
from ..models import Challenge, SyncedUser

logger = logging.getLogger("django_authsignal")

REPEATS = 3  # times that a user who changes meanwhile is told again


class NotDeleted(Exception):
    """Authsignal answered, and did not say that the user is gone."""


@dataclass(frozen=True)
class Wanted:
    """What Authsignal is to know of a user."""

    user_pk: str
    authsignal_id: str
    contact: Contact

    @property
    def told(self) -> str:
        """A keyed hash of it, to tell later whether anything changed. "" for nothing."""
        if self.contact == Contact():
            return ""
        return digest("told", *[_text(part) for part in (self.contact.email, self.contact.phone)])

    @property
    def attributes(self) -> dict[str, Any]:
        """As `Client.update_user` takes it."""
        named: dict[str, Any] = {}
        for name, value in (("email", self.contact.email), ("phone_number", self.contact.phone)):
            if value is not None:
                named |= {name: value, f"{name}_verified": value is not CLEAR}
        return named


def _text(value: str | Clear | None) -> str:
    return "CLEAR" if isinstance(value, Clear) else value or ""


def wanted(user: AbstractBaseUser) -> Wanted:
    """What Authsignal is to know of this user. Raises ConfigurationError for an id that cannot be."""
    return Wanted(str(user.pk), authsignal_id(user), contact.of(user))


def known(user_pk: str) -> bool:
    """True for a user that Authsignal was told of, or asked about."""
    told = SyncedUser.objects.filter(user_pk=user_pk)
    return told.exists() or Challenge.objects.filter(user_pk=user_pk).exists()


def read(user_pk: Any, using: str | None = None) -> AbstractBaseUser | None:
    """The user as the database has them now, inactive ones too."""
    found: AbstractBaseUser | None = get_user_model()._base_manager.using(using).filter(pk=user_pk).first()
    return found


def tell(client: Client, user: AbstractBaseUser, using: str | None = None) -> None:
    """Tells Authsignal of a user and notes what was told. Raises AuthsignalError.

    Reads the user again afterwards: whoever saved them meanwhile may have been faster, and then an old address would
    stay there for good; and whoever deleted them meanwhile would find them there again.
    """
    for _ in range(REPEATS):
        said = wanted(user)
        client.update_user(said.authsignal_id, **said.attributes)
        note(said)
        now = read(user.pk, using)
        if now is None:
            SyncedUser.objects.filter(user_pk=said.user_pk).update(user_pk=None)
            forget(client, said.authsignal_id)
            return
        if wanted(now) == said:
            return
        user = now


def note(said: Wanted) -> None:
    """Writes down that Authsignal was told."""
    before = SyncedUser.objects.filter(user_pk=said.user_pk).values_list("authsignal_id", flat=True).first()
    if before not in (None, said.authsignal_id):
        logger.warning(
            "The user %s had another id at Authsignal. Their authenticators stay with that one: see USER_ID, "
            "USER_ID_PREFIX and USER_ID_SECRET.",
            said.user_pk,
        )
    told = {"authsignal_id": said.authsignal_id, "told": said.told, "told_at": timezone.now()}
    SyncedUser.objects.update_or_create(user_pk=said.user_pk, defaults=told)


def forget(client: Client, found: str) -> bool:
    """Makes Authsignal forget an id whose user is gone. False when it belongs to somebody again, who keeps it.

    Raises AuthsignalError, and NotDeleted for an answer that does not say so; the id then stays noted.
    """
    waiting = SyncedUser.objects.filter(authsignal_id=found, user_pk=None)
    if taken(found):
        waiting.delete()
        return False
    if not waiting.exists():
        SyncedUser.objects.create(authsignal_id=found)
    try:
        done = client.delete_user(found)
    except NotFound:
        done = True
    if not done:
        raise NotDeleted("Authsignal did not delete the user. Ask again later.")
    waiting.delete()
    return True


def taken(found: str) -> bool:
    """True when a user of today has this id: a name may be given to somebody else after its owner left."""
    return (
        SyncedUser.objects.filter(authsignal_id=found, user_pk__isnull=False).exists()
        or Challenge.objects.filter(authsignal_id=found).exists()
        or user_from_id(found, search=False) is not None
    )
