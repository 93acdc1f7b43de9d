"""Following Django's users: what a save or a deletion means for Authsignal, after it is committed.

Nothing here ever breaks a save. What fails is logged, signalled by `user_sync_failed`, and repaired by
`manage.py authsignal_sync_users`.
"""

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.db import router, transaction

from .. import signals
from ..client import UNANSWERED, ConfigurationError
from ..conf import background_client, get_settings
from ..identity import authsignal_id, pseudonym
from ..models import Challenge, SyncedUser, revoke_open
from . import telling
from .patience import reason

logger = logging.getLogger("django_authsignal")

LIMIT = 20  # calls after one commit; the rest is for the command
# Fields that no address is read from: Django itself saves the first at every login, alone.
UNRELATED = frozenset({"last_login", "password"})


@dataclass
class Batch:
    """What one transaction asks for: each user once, not too many, and no more after an outage."""

    started: bool = False
    seen: set[str] = field(default_factory=set)
    calls: int = 0
    stopped: bool = False
    left: int = 0


@dataclass
class AfterCommit:
    """A callback for `on_commit`: does its work once for each user of its batch, whatever goes wrong."""

    batch: Batch
    operation: str
    user_pk: str
    subject: str  # the same work for the same subject is done once
    work: Callable[[], bool]  # True when a call was made
    postpone: Callable[[], object] | None = None  # instead of the work, when there is too much of it

    def __call__(self) -> None:
        """Never raises."""
        self.batch.started = True
        if self.subject in self.batch.seen:
            return
        self.batch.seen.add(self.subject)
        try:
            if self.batch.stopped or self.batch.calls >= LIMIT:
                self._postponed()
            elif self.work():
                self.batch.calls += 1
        except Exception as exc:
            # A time-out for each of a thousand users would hold the request for an hour.
            self.batch.stopped |= isinstance(exc, (*UNANSWERED, ConfigurationError))
            if self.postpone:
                self.postpone()
            failed(self.user_pk, self.operation, exc)

    def _postponed(self) -> None:
        if self.postpone:
            self.postpone()
        self.batch.left += 1
        if self.batch.left == 1:
            logger.warning(
                "Authsignal was not told of every user that one transaction changed: %s. "
                "Run manage.py authsignal_sync_users.",
                "it did not answer" if self.batch.stopped else f"they are more than {LIMIT}",
            )


def failed(user_pk: str, operation: str, error: Exception) -> None:
    """Logs and signals what could not be told. Receivers that fail are logged by Django."""
    logger.error(
        "Authsignal could not be told of the user %s (%s): %s. Run manage.py authsignal_sync_users when it is mended.",
        user_pk,
        operation,
        reason(error),
    )
    signals.user_sync_failed.send_robust(get_user_model(), user_pk=user_pk, operation=operation, error=error)


def saved(user_pk: Any, *, using: str, created: bool = False, update_fields: Collection[str] | None = None) -> None:
    """A user was saved, or something that says which of their addresses is verified."""
    mode = _mode()
    if not mode or (created and mode != "all") or (update_fields is not None and UNRELATED.issuperset(update_fields)):
        return
    batch = _batch(using)

    def work() -> bool:
        return _tell(user_pk, using, new_ones=mode == "all")

    _after_commit(AfterCommit(batch, "update", str(user_pk), f"update {user_pk}", work), using=using)


def _tell(user_pk: Any, using: str, *, new_ones: bool) -> bool:
    ours = get_settings()
    if not (new_ones or ours.VERIFIED_EMAIL or ours.VERIFIED_PHONE):
        return False  # there is nothing to tell of anybody
    user = telling.read(user_pk, using)
    if user is None:
        return False
    said, row = telling.wanted(user), SyncedUser.objects.filter(user_pk=str(user_pk)).first()
    if row is not None and (row.told, row.authsignal_id) == (said.told, said.authsignal_id):
        return False
    if not new_ones and (not said.told or not telling.known(said.user_pk)):
        return False
    telling.tell(background_client(), user, using)
    return True


def deleted(user: AbstractBaseUser, *, using: str) -> None:
    """A user is deleted: their rows of the ledger lose the name now, and Authsignal forgets them after the commit."""
    user_pk, ids, mode = str(user.pk), _ids(user), _mode()
    batch = _batch(using)

    def leave() -> bool:
        _leave(user_pk, ids)
        return False

    if router.db_for_write(Challenge) == using:
        leave()  # in the deletion's own transaction: rolled back with it
    else:
        _after_commit(AfterCommit(batch, "delete", user_pk, f"leave {user_pk}", leave, leave), using=using)
    for found in sorted(ids) if mode else ():
        _after_commit(_forgetting(batch, user_pk, found), using=using)


def _forgetting(batch: Batch, user_pk: str, found: str) -> AfterCommit:
    def work() -> bool:
        return telling.forget(background_client(), found)

    def postpone() -> None:
        if not SyncedUser.objects.filter(authsignal_id=found, user_pk=None).exists():
            SyncedUser.objects.create(authsignal_id=found)

    return AfterCommit(batch, "delete", user_pk, f"forget {found}", work, postpone)


def _ids(user: AbstractBaseUser) -> set[str]:
    """Every id under which Authsignal may know the user, former ones too; none of another environment's."""
    user_pk = str(user.pk)
    ids = set(SyncedUser.objects.filter(user_pk=user_pk).values_list("authsignal_id", flat=True))
    ids |= set(Challenge.objects.filter(user_pk=user_pk).order_by().values_list("authsignal_id", flat=True).distinct())
    try:
        prefix = get_settings().USER_ID_PREFIX
        ids.add(authsignal_id(user))
    except Exception as exc:
        # Nobody is kept from leaving by a setting; a USER_ID of the project's own may raise anything.
        logger.error("The id at Authsignal of the deleted user %s cannot be told: %s", user_pk, exc)
        prefix = ""
    return {found for found in ids if found.startswith(prefix)}


def _leave(user_pk: str, ids: set[str]) -> None:
    """Takes the names out of the ledger; what Authsignal still has to forget stays noted, and nothing else."""
    revoke_open(user_pk, reason="user_deleted")
    had = Challenge.objects.filter(user_pk=user_pk).update(**pseudonym(user_pk))
    told = SyncedUser.objects.filter(user_pk=user_pk)
    if told.exists() or had:
        told.delete()
        SyncedUser.objects.bulk_create([SyncedUser(authsignal_id=found) for found in sorted(ids)])


def _after_commit(callback: AfterCommit, *, using: str) -> None:
    try:
        transaction.on_commit(callback, using=using)
    except transaction.TransactionManagementError as exc:
        # Autocommit was turned off by hand, so nobody can say when it is committed.
        if callback.postpone:
            callback.postpone()
        failed(callback.user_pk, callback.operation, exc)


def _mode() -> bool | str:
    try:
        return get_settings().SYNC_USERS
    except ConfigurationError:
        return False  # a fault of the settings is the checks' to report, and no reason to lose a save


def _batch(using: str) -> Batch:
    connection = transaction.get_connection(using)
    for _, callback, *_ in reversed(connection.run_on_commit if connection.in_atomic_block else []):
        if isinstance(callback, AfterCommit):
            return Batch() if callback.batch.started else callback.batch
    return Batch()
