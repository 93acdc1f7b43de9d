"""An account, and the lines of its statement."""

import uuid
from datetime import date
from decimal import Decimal

from django.conf import settings
from django.db import models
from django.utils import timezone


class Account(models.Model):
    """One person's money, in pounds. The database itself refuses a balance under zero."""

    owner = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="account")
    balance = models.DecimalField(max_digits=12, decimal_places=2, default=Decimal(0))
    opened_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(balance__gte=0), name="account_balance_not_negative"),
        ]

    def __str__(self) -> str:
        return f"Account {self.number}"

    @property
    def number(self) -> str:
        """The account's number as it is printed on a statement."""
        return f"{40_271_000 + (self.pk or 0):08d}"


class Entry(models.Model):
    """One line of a statement: written once, never changed. Money out is negative."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="entries")
    amount = models.DecimalField(max_digits=12, decimal_places=2)
    balance_after = models.DecimalField(max_digits=12, decimal_places=2)
    text = models.CharField(max_length=60)
    # What the form carried: a second click, or a reload, finds the entry of the first one.
    nonce = models.UUIDField(default=uuid.uuid4, editable=False)
    # The ledger's row of the proof that let it out; empty where none was asked. Not a foreign key: see the ledger.
    proof = models.UUIDField(null=True, editable=False)
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-pk"]
        verbose_name_plural = "entries"
        constraints = [models.UniqueConstraint(fields=["account", "nonce"], name="entry_once_per_form")]

    def __str__(self) -> str:
        return f"{self.text} {self.amount}"

    @property
    def day(self) -> date:
        """The day under which a statement lists it."""
        return timezone.localdate(self.made_at)

    @property
    def reference(self) -> str:
        """What the owner quotes when they ask about it."""
        return f"KW-{self.pk:06d}"

    @property
    def is_withdrawal(self) -> bool:
        """True for money that left the account."""
        return self.amount < 0

    @property
    def magnitude(self) -> Decimal:
        """The amount without its sign."""
        return abs(self.amount)
