"""Enrolling at Authsignal what users prove with already: what `authsignal_import_authenticators` does.

Safe to run again: what a user has at Authsignal is read first, and nothing is enrolled twice.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser

from .. import notices
from ..client import Authenticator, Client, InvalidRequest
from ..client.types import VerificationMethod
from ..identity import authsignal_id
from ..models import SyncedUser
from .patience import Stopped, Weather, patiently, reason
from .sources import APP, PASSKEY, Found, Source
from .walking import shown

logger = logging.getLogger("django_authsignal")

CHUNK = 500  # users whose devices are read at once


class Fate(StrEnum):
    """What becomes of a way of proof."""

    IMPORT = "import"
    THERE = "there already"
    CANNOT = "cannot import"
    SKIP = "skip"
    FAIL = "fail"


@dataclass(frozen=True)
class Item:
    """One way of proof of one user, and what became of it. No secret and no address is in it."""

    fate: Fate
    user: str
    what: str
    detail: str = ""
    new_codes: bool = False  # Authsignal made recovery codes with it, which nobody has seen

    def __str__(self) -> str:
        return f"{self.fate} {self.user}: {self.what}" + (f", {self.detail}" if self.detail else "")


@dataclass(frozen=True)
class _Passkey:
    """A passkey that waits for the next call, which takes many."""

    said: "_Said"
    found: Found


@dataclass(frozen=True)
class _Said:
    user_pk: str
    authsignal_id: str


def import_authenticators(
    client: Client, read: Source, *, users: Sequence[AbstractBaseUser] | None = None, dry_run: bool = False
) -> Iterator[Item]:
    """Enrols, for all users or these, what `read` finds, and says what became of each. `dry_run` only reads.

    Inactive users are skipped. Whoever fails is told of and the rest goes on; raises Stopped when that is no use.
    """
    weather = Weather()
    for chunk in _chunks(users):
        having: dict[Any, list[Found]] = {}
        for found in read([user.pk for user in chunk]):
            having.setdefault(found.user_pk, []).append(found)
        waiting: list[_Passkey] = []
        try:
            for user in chunk:
                if user.pk in having:
                    yield from _user(client, user, having[user.pk], waiting, weather, dry_run)
        except Stopped:
            yield from _not_tried(waiting)
            raise
        yield from _passkeys(client, waiting, weather)


def _not_tried(waiting: Sequence[_Passkey]) -> Iterator[Item]:
    yield from (Item(Fate.FAIL, shown(one.said.user_pk), PASSKEY, "not tried") for one in waiting)


def _chunks(users: Sequence[AbstractBaseUser] | None) -> Iterator[Sequence[AbstractBaseUser]]:
    if users is not None:
        yield users
        return
    rows = get_user_model()._base_manager.order_by("pk")
    chunk = list(rows[:CHUNK])
    while chunk:
        yield chunk
        chunk = list(rows.filter(pk__gt=chunk[-1].pk)[:CHUNK])


def _user(
    client: Client,
    user: AbstractBaseUser,
    all_found: list[Found],
    waiting: list[_Passkey],
    weather: Weather,
    dry_run: bool,
) -> Iterator[Item]:
    name = shown(str(user.pk))
    if not user.is_active:
        yield from (Item(Fate.SKIP, name, found.what, "the user is inactive") for found in all_found)
        return
    importable = [found for found in all_found if not found.obstacle]
    yield from (Item(Fate.CANNOT, name, found.what, found.obstacle) for found in all_found if found.obstacle)
    if not importable:
        return
    try:
        said = _Said(str(user.pk), authsignal_id(user))
        there = patiently(lambda: client.get_authenticators(said.authsignal_id))
        weather.fair()
    except Exception as exc:
        yield from (Item(Fate.FAIL, name, found.what, reason(exc)) for found in importable)
        weather.foul(exc)
        return
    had_app = False
    for found in importable:
        if _is_there(found, there):
            yield Item(Fate.THERE, name, found.what)
        elif found.what == APP and had_app:
            yield Item(Fate.CANNOT, name, found.what, "another one of this user was used later, and one is imported")
        elif dry_run:
            yield Item(Fate.IMPORT, name, found.what)
        elif found.what == PASSKEY:
            waiting.append(_Passkey(said, found))
        else:
            yield from _enroll(client, said, found, weather)
        had_app |= found.what == APP


def _is_there(found: Found, there: Sequence[Authenticator]) -> bool:
    if found.what == APP:
        # Its secret is nobody's to read, so it may be another one. The user set that up: an old one adds nothing.
        return any(one.verification_method == VerificationMethod.AUTHENTICATOR_APP for one in there)
    if found.what == PASSKEY:
        known = [one.webauthn_credential.credential_id.rstrip("=") for one in there if one.webauthn_credential]
        return found.credential_id in known
    return any(one.phone_number == found.phone_number for one in there)


def _enroll(client: Client, said: _Said, found: Found, weather: Weather) -> Iterator[Item]:
    """By a call of its own, which is never made twice: the answer that was lost may have been a yes."""
    name = shown(said.user_pk)
    if found.what == APP:
        label = quote(said.authsignal_id, safe="")  # no name and no address: Authsignal reads the secret alone
        uri = f"otpauth://totp/{label}?secret={found.otp_secret}&algorithm=SHA1&digits=6&period=30"
        given: dict[str, Any] = {"verification_method": VerificationMethod.AUTHENTICATOR_APP.value, "otp_uri": uri}
    else:
        given = {"verification_method": VerificationMethod.SMS.value, "phone_number": found.phone_number}
    try:
        done = patiently(lambda: client.enroll_verified_authenticator(said.authsignal_id, **given))
        weather.fair()
    except Exception as exc:
        yield Item(Fate.FAIL, name, found.what, reason(exc))
        weather.foul(exc)
        return
    _note(said)
    # It is what the user has already, and no news when a webhook tells of it.
    notices.told(said.user_pk, "added", done.authenticator.user_authenticator_id)
    yield Item(Fate.IMPORT, name, found.what, new_codes=bool(done.recovery_codes))


def _passkeys(client: Client, waiting: list[_Passkey], weather: Weather) -> Iterator[Item]:
    """By one call for all. One that is malformed makes Authsignal refuse all, so that the halves are tried apart."""
    if not waiting:
        return
    given = [{"user_id": one.said.authsignal_id, **one.found.passkey} for one in waiting]
    try:
        done = patiently(lambda: client.import_passkeys(given))
        weather.fair()
    except InvalidRequest as exc:
        half = len(waiting) // 2
        if half:
            try:
                yield from _passkeys(client, waiting[:half], weather)
            except Stopped:
                yield from _not_tried(waiting[half:])
                raise
            yield from _passkeys(client, waiting[half:], weather)
            return
        yield Item(Fate.FAIL, shown(waiting[0].said.user_pk), PASSKEY, reason(exc))
        return
    except Exception as exc:
        yield from (Item(Fate.FAIL, shown(one.said.user_pk), PASSKEY, reason(exc)) for one in waiting)
        weather.foul(exc)
        return
    refused = {(one.credential_id or "").rstrip("="): one for one in done.failures}
    for one in waiting:
        failure, name = refused.get(one.found.credential_id), shown(one.said.user_pk)
        if failure is None:
            _note(one.said)
            notices.told(one.said.user_pk, "added", one.found.credential_id)
            yield Item(Fate.IMPORT, name, PASSKEY)
        elif failure.error_code == "conflict":
            yield Item(Fate.FAIL, name, PASSKEY, "it is registered at Authsignal already, for another user")
        else:
            yield Item(Fate.FAIL, name, PASSKEY, f"Authsignal refused it ({failure.error_code})")


def _note(said: _Said) -> None:
    SyncedUser.objects.get_or_create(user_pk=said.user_pk, defaults={"authsignal_id": said.authsignal_id})


__all__ = ["Fate", "Item", "Stopped", "import_authenticators"]
