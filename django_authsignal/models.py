"""The ledger: one row for each question asked of Authsignal, the audit trail and the register of single use."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.db import models, router
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

_Row = TypeVar("_Row", bound=models.Model)


class Channel(models.TextChoices):
    """Who may finish a challenge."""

    BROWSER = "browser", _("browser")
    API = "api", _("API client")


class Kind(models.TextChoices):
    """What a proof is for."""

    SIGN_IN = "sign_in", _("sign-in")
    PASSWORDLESS = "passwordless", _("sign-in without a password")
    STEP_UP = "step_up", _("step-up")
    SETTINGS = "settings", _("managing authenticators")
    REMOVAL = "removal", _("removing an authenticator")
    RESET = "reset", _("removing a user's authenticators")
    BREAK_GLASS = "break_glass", _("one-time sign-in link")


class Status(models.TextChoices):
    """Where a challenge stands. Only OPEN leads to PROVED; only those two and RELEASED count for anything.

    A proof goes PROVED, SPENT and never back. What an ALLOW released may return from SPENT to RELEASED, unproved.
    """

    OPEN = "open", _("waiting for its proof")
    PROVED = "proved", _("proved")
    REVIEW = "review", _("waiting for a review")
    RELEASED = "released", _("released for one request")
    SPENT = "spent", _("proved and used")
    ALLOWED = "allowed", _("allowed without a challenge")
    DEGRADED = "degraded", _("allowed while Authsignal was unreachable")
    DENIED = "denied", _("denied")
    FAILED = "failed", _("failed")
    EXPIRED = "expired", _("expired")
    REVOKED = "revoked", _("revoked")
    UNREACHABLE = "unreachable", _("denied while Authsignal was unreachable")


class WhereWritten(models.Manager[_Row]):
    """Reads rows where they are written: on a replica that is behind, a challenge begun just now is not there."""

    def get_queryset(self) -> models.QuerySet[_Row]:
        """Every row."""
        found = super().get_queryset()
        return found if self._db else found.using(router.db_for_write(self.model))


class Ledger(WhereWritten["Challenge"]):
    """Every question that was asked."""


class Challenge(models.Model):
    """One tracked action; its id is the idempotencyKey that Authsignal was given.

    Holds no secret: the hosted page's url and token live in the server-side session, of a body only keyed hashes
    are kept, and the browser, the credential and the user's state are HMACs. It keeps the user's key as text, not
    as a foreign key, so that the trail outlives the user and follows any user model and database.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(_("kind"), max_length=16, choices=Kind.choices)
    channel = models.CharField(_("channel"), max_length=8, choices=Channel.choices, default=Channel.BROWSER)
    status = models.CharField(_("status"), max_length=12, choices=Status.choices, default=Status.OPEN)
    action = models.CharField(_("action"), max_length=64)
    user_pk = models.CharField(_("user's primary key"), max_length=255)
    authsignal_id = models.CharField(_("user at Authsignal"), max_length=512)
    tenant = models.CharField(_("tenant"), max_length=128, blank=True)
    backend = models.CharField(_("authentication backend"), max_length=255, blank=True)
    browser = models.CharField(_("browser"), max_length=64, blank=True, editable=False)
    credential = models.CharField(_("credential"), max_length=64, blank=True, editable=False)
    fingerprint = models.CharField(max_length=64, blank=True, editable=False)
    scope = models.CharField(max_length=64, blank=True, editable=False)  # keyed hash of what the proof is bound to
    bound = models.JSONField(_("bound fields"), default=dict, blank=True, editable=False)
    method = models.CharField(_("HTTP method"), max_length=10, blank=True)
    path = models.CharField(_("path"), max_length=2048, blank=True)
    return_to = models.CharField(max_length=2048, blank=True, editable=False)
    single_use = models.BooleanField(_("for one request"), default=False)
    enrolls = models.BooleanField(_("adds a first authenticator"), default=False)
    finish_in_view = models.BooleanField(default=False, editable=False)
    password_at = models.DateTimeField(null=True, editable=False)
    methods = models.JSONField(_("accepted methods"), null=True, blank=True)
    max_age = models.PositiveIntegerField(_("seconds its proof counts"), null=True, blank=True)
    state = models.CharField(_("state at Authsignal"), max_length=64, blank=True)
    verification_method = models.CharField(_("proved by"), max_length=64, blank=True)
    reason = models.CharField(_("reason"), max_length=64, blank=True)
    ip_address = models.GenericIPAddressField(_("IP address"), null=True, blank=True)
    user_agent = models.CharField(_("user agent"), max_length=512, blank=True)
    created_at = models.DateTimeField(_("asked"), default=timezone.now)
    expires_at = models.DateTimeField(_("expires"))
    proved_at = models.DateTimeField(_("proved at"), null=True, blank=True)
    checked_at = models.DateTimeField(null=True, editable=False)
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True)

    objects = Ledger()

    class Meta:
        verbose_name = _("challenge")
        verbose_name_plural = _("challenges")
        ordering = ("-created_at",)
        indexes = (
            models.Index(fields=["user_pk", "action", "status"], name="authsignal_user_action"),
            models.Index(fields=["browser", "status"], name="authsignal_browser"),
            models.Index(fields=["created_at"], name="authsignal_created"),
            models.Index(fields=["authsignal_id"], name="authsignal_known_as"),
            models.Index(fields=["credential", "action"], name="authsignal_credential"),
        )
        # The ledger is read in the admin, never written there.
        default_permissions = ("view",)
        permissions = (("reset_authenticators", _("Can remove other users' authenticators")),)

    def __str__(self) -> str:
        return f"{self.action} {self.user_pk} {self.status}"

    def __repr__(self) -> str:
        return f"<Challenge {self.pk} {self.action} {self.status}>"

    def refresh_from_db(self, using: str | None = None, *args: Any, **kwargs: Any) -> None:
        """Reads the row again, from where it is written; Django's own goes around the manager."""
        super().refresh_from_db(using or router.db_for_write(type(self)), *args, **kwargs)

    @property
    def signs_in(self) -> bool:
        """True when its proof logs the user in."""
        return self.kind in (Kind.SIGN_IN, Kind.PASSWORDLESS)

    def young(self, now: datetime) -> bool:
        """True while it may still receive its proof."""
        return now < self.expires_at

    def move(self, to: Status, *, source: Status | Sequence[Status] = Status.OPEN, **values: object) -> bool:
        """Moves the row by one UPDATE that only one caller can win; True for the winner.

        The register of single use: of a hundred parallel callbacks or submits exactly one sees True.
        """
        if to not in (Status.PROVED, Status.RELEASED):
            values.setdefault("closed_at", timezone.now())
            values.setdefault("return_to", "")
        sources = [source] if isinstance(source, Status) else list(source)
        won = Challenge.objects.filter(pk=self.pk, status__in=sources).update(status=to, **values)
        if won:
            self.status = to
            for name, value in values.items():
                setattr(self, name, value)
        return won == 1

    def note(self, reason: str, *, state: str = "") -> None:
        """Writes why an attempt to finish it was refused; the row stays as it is, a closed one altogether."""
        values = {"reason": reason[:64], **({"state": state[:64]} if state else {})}
        waiting = Challenge.objects.filter(pk=self.pk, status__in=[Status.OPEN, Status.REVIEW])
        if waiting.update(**values):
            self.reason = reason


class Register(WhereWritten["SyncedUser"]):
    """Every user that Authsignal was told of."""


class SyncedUser(models.Model):
    """A user as Authsignal was last told of them: the register behind `SYNC_USERS` and `authsignal_sync_users`.

    Holds no address, only a keyed hash of what was told, so that a save which changes nothing costs no call. When the
    user is deleted, the key goes and the row waits until the user is gone at Authsignal, too.
    """

    user_pk = models.CharField(max_length=255, unique=True, null=True)  # noqa: DJ001 - many may have none
    authsignal_id = models.CharField(max_length=512)
    told = models.CharField(max_length=64, blank=True)
    told_at = models.DateTimeField(null=True)

    objects = Register()

    class Meta:
        indexes = (models.Index(fields=["authsignal_id"], name="authsignal_synced_id"),)
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.user_pk or 'deleted'}"


class Events(WhereWritten["ReceivedEvent"]):
    """Every event that arrived."""


class ReceivedEvent(models.Model):
    """An event of Authsignal's that arrived: the register by which each is handled once.

    Inserted before it is handled; of many deliveries at once one gets in. Holds nothing of what the event says.
    """

    key = models.CharField(primary_key=True, max_length=64)  # a hash of tenant and id: any length, any letters
    event_id = models.CharField(max_length=64, blank=True)
    type = models.CharField(max_length=64, blank=True)
    received_at = models.DateTimeField()
    claimed_by = models.CharField(max_length=32)  # the delivery that handles it
    claimed_at = models.DateTimeField()
    handled_at = models.DateTimeField(null=True)

    objects = Events()

    class Meta:
        indexes = (models.Index(fields=["received_at"], name="authsignal_received"),)
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"


def revoke_open(user_pk: str, *, reason: str) -> int:
    """Closes every open challenge of a user: a logout, a deleted user. Returns how many.

    A link of break glass stays: it began in no browser, and a sign-out is how somebody gets ready to use it.
    """
    return _revoke_waiting(Challenge.objects.filter(user_pk=user_pk), reason)


def _revoke_waiting(rows: models.QuerySet[Challenge], reason: str) -> int:
    waiting = rows.filter(status__in=[Status.OPEN, Status.REVIEW]).exclude(kind=Kind.BREAK_GLASS)
    return _revoke(waiting, reason)


def _revoke(rows: models.QuerySet[Challenge], reason: str) -> int:
    return rows.update(status=Status.REVOKED, reason=reason, closed_at=timezone.now(), return_to="")


def revoke_proofs(user_pk: str, *, reason: str, begun_before: datetime | None = None) -> int:
    """Voids what a user's API clients have proved, and what is open: a way of proof is gone, a user is deactivated.
    Returns how many.

    `begun_before`: only what was begun until then, where it is heard of late. A visit to the settings of the
    authenticators stays in that case: it may be the very one, it proves nothing, and it has yet to come back.
    """
    rows = Challenge.objects.filter(user_pk=user_pk)
    if begun_before is not None:
        rows = rows.filter(created_at__lte=begun_before).exclude(kind=Kind.SETTINGS)
    proved = rows.filter(channel=Channel.API, status__in=[Status.PROVED, Status.RELEASED])
    return _revoke_waiting(rows, reason) + _revoke(proved, reason)


def lifetime(seconds: int) -> datetime:
    """The moment that is so many seconds from now."""
    return timezone.now() + timedelta(seconds=seconds)
