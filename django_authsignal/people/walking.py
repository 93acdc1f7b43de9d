"""Walking through all users, and setting right what Authsignal knows of them: what `authsignal_sync_users` does."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser

from ..client import CLEAR, Client, User
from ..contact import mask
from ..models import Challenge, SyncedUser
from . import telling
from .patience import Stopped, Weather, patiently, reason
from .telling import Wanted

logger = logging.getLogger("django_authsignal")

CHUNK = 500  # keys in one query


class Outcome(StrEnum):
    """What becomes of a user at Authsignal."""

    CREATE = "create"
    UPDATE = "update"
    REMOVE = "remove"
    UNCHANGED = "unchanged"
    SKIP = "skip"
    FAIL = "fail"


@dataclass(frozen=True)
class Step:
    """One user: their key, what becomes of them, and more in words. No address in it is whole."""

    outcome: Outcome
    user: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.outcome} {self.user}" + (f": {self.detail}" if self.detail else "")


def shown(key: str) -> str:
    """A user's key as it may be printed: a project may have made an address of it."""
    return mask(key) if "@" in key else key


def walk(
    client: Client,
    *,
    users: Sequence[AbstractBaseUser] | None = None,
    everyone: bool = False,
    only_enrolled: bool = False,
    after: Any = None,
    dry_run: bool = False,
) -> Iterator[Step]:
    """Sets right, one by one, what Authsignal knows of users, and says what became of each. `dry_run` only reads.

    `users`: these alone. Otherwise first those who were deleted here, then every user whom Authsignal knows; with
    `everyone` also those it does not; with `only_enrolled` nobody who has no way of proof there; `after` goes on behind
    a primary key. A user who fails is told of, and the walk goes on; when that is no use it raises Stopped, which says
    behind whom to go on.
    """
    weather = Weather()
    if users is None and after is None:
        yield from _removals(client, weather, dry_run)
    done: Any = None
    for pk, known in _keys(users, after):
        if not known and not everyone and users is None:
            done = pk
            continue
        try:
            step = _one(client, pk, known, only_enrolled, dry_run)
            weather.fair()
            done = pk
        except Exception as exc:
            logger.debug("The user %s was not told of.", pk, exc_info=True)
            yield Step(Outcome.FAIL, shown(str(pk)), reason(exc))
            try:
                weather.foul(exc)
            except Stopped as stopped:
                behind = "" if done is None else f" Go on with --after {done}."
                raise Stopped(f"Stopped at the user {shown(str(pk))}: {stopped}{behind}") from exc
            continue
        if step:
            yield step


def _removals(client: Client, weather: Weather, dry_run: bool) -> Iterator[Step]:
    rows = SyncedUser.objects.filter(user_pk=None).order_by("pk").values_list("authsignal_id", flat=True)
    for found in list(dict.fromkeys(rows)):
        name = f"deleted user, {shown(found)} at Authsignal"
        try:
            if telling.taken(found):
                if not dry_run:
                    telling.forget(client, found)
                yield Step(Outcome.SKIP, name, "the id belongs to somebody else now")
                continue
            if not dry_run:
                patiently(lambda found=found: telling.forget(client, found))  # type: ignore[misc] # mypy infers no lambda with a default
            weather.fair()
            yield Step(Outcome.REMOVE, name)
        except Exception as exc:
            yield Step(Outcome.FAIL, name, reason(exc))
            weather.foul(exc)


def _keys(users: Sequence[AbstractBaseUser] | None, after: Any) -> Iterator[tuple[Any, bool]]:
    """Every primary key, in order, and whether Authsignal knows the user. No cursor stays open during the calls."""
    if users is not None:
        yield from ((user.pk, telling.known(str(user.pk))) for user in users)
        return
    rows = get_user_model()._base_manager.order_by("pk").values_list("pk", flat=True)
    keys: list[Any] = list(rows.filter(pk__gt=after)[:CHUNK] if after is not None else rows[:CHUNK])
    while keys:
        texts = [str(key) for key in keys]
        known = set(SyncedUser.objects.filter(user_pk__in=texts).values_list("user_pk", flat=True))
        asked = Challenge.objects.filter(user_pk__in=texts).order_by()
        known |= set(asked.values_list("user_pk", flat=True).distinct())
        yield from ((key, str(key) in known) for key in keys)
        keys = list(rows.filter(pk__gt=keys[-1])[:CHUNK])


def _one(client: Client, pk: Any, known: bool, only_enrolled: bool, dry_run: bool) -> Step | None:
    user = telling.read(pk)
    if user is None:
        return None  # deleted since the chunk was read
    said, name = telling.wanted(user), shown(str(pk))
    there = patiently(lambda: client.get_user(said.authsignal_id))
    if only_enrolled and not there.is_enrolled:
        return Step(Outcome.SKIP, name, "has no way of proof at Authsignal")
    changes = differences(said, there)
    if known and not changes:
        if not dry_run:
            telling.note(said)
        return Step(Outcome.UNCHANGED, name)
    if not dry_run:
        patiently(lambda: telling.tell(client, user))
    return Step(Outcome.UPDATE if known else Outcome.CREATE, name, ", ".join(changes))


def differences(said: Wanted, there: User) -> list[str]:
    """In words, what Authsignal has otherwise than it is to have it."""
    pairs = (
        ("email", said.contact.email, there.email, there.email_verified),
        ("phone", said.contact.phone, there.phone_number, there.phone_number_verified),
    )
    found = []
    for name, ours, theirs, verified in pairs:
        if ours is CLEAR:
            different = bool(theirs)
        else:
            different = ours is not None and ((theirs or "").casefold() != str(ours).casefold() or not verified)
        if different:
            found.append(f"{name} {mask(ours)}")
    return found
