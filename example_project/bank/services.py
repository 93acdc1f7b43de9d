"""What the bank does with money. Each function is one transaction."""

import uuid
from decimal import Decimal

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import F

from example_project.bank.models import Account, Entry

OPENING_BALANCE = Decimal("250.00")
WITHDRAWAL_LIMIT = Decimal("1000.00")


class InsufficientFundsError(Exception):
    """The account holds less than was asked for. `balance` is what it holds."""

    def __init__(self, balance: Decimal) -> None:
        super().__init__(f"The account holds {balance}.")
        self.balance = balance


class FormAlreadyUsedError(Exception):
    """The same form was sent before, for another amount or text. `entry` is what it did then."""

    def __init__(self, entry: Entry) -> None:
        super().__init__("This form was sent before.")
        self.entry = entry


@transaction.atomic
def open_account(owner: User, *, balance: Decimal = OPENING_BALANCE, text: str = "Welcome gift") -> Account:
    """Open the owner's account with a first entry of `balance` pounds."""
    account = Account.objects.create(owner=owner, balance=balance)
    account.entries.create(amount=balance, balance_after=balance, text=text)
    return account


@transaction.atomic
def deposit(account: Account, amount: Decimal, *, text: str) -> Entry:
    """Pay `amount` pounds in."""
    return _move(account, amount, text=text, nonce=uuid.uuid4())


def withdraw(
    account: Account, amount: Decimal, *, text: str, nonce: uuid.UUID, proof: uuid.UUID | None = None
) -> Entry:
    """Take `amount` pounds out, once for each nonce; the same call again returns the same entry.

    `proof` is the ledger's row of the proof that let it out, if there was one.

    Raises InsufficientFundsError, and FormAlreadyUsedError when the nonce stands for another amount or text.
    """
    return _once(account, -amount, text=text, nonce=nonce, proof=proof)


def correct(account: Account, amount: Decimal, *, text: str, nonce: uuid.UUID, proof: uuid.UUID | None = None) -> Entry:
    """Put a balance right by `amount` pounds, under zero to take some away; else as `withdraw`."""
    return _once(account, amount, text=text, nonce=nonce, proof=proof)


def _once(account: Account, amount: Decimal, *, text: str, nonce: uuid.UUID, proof: uuid.UUID | None) -> Entry:
    before = account.entries.filter(nonce=nonce).first()
    if before is None:
        try:
            with transaction.atomic():
                return _move(account, amount, text=text, nonce=nonce, proof=proof)
        except (IntegrityError, InsufficientFundsError):
            # A double click: the other request wrote this nonce meanwhile, and ours was rolled back whole.
            before = account.entries.filter(nonce=nonce).first()
            if before is None:
                raise
    # The text as well: it says whom the money went to.
    if (before.amount, before.text) != (amount, text):
        raise FormAlreadyUsedError(before)
    return before


def _move(account: Account, amount: Decimal, *, text: str, nonce: uuid.UUID, proof: uuid.UUID | None = None) -> Entry:
    """Change the balance and write the entry; the caller holds the transaction."""
    # One conditional UPDATE, not a read and then a write: two withdrawals at once cannot both find the money.
    enough = Account.objects.filter(pk=account.pk, balance__gte=-amount)
    moved = enough.update(balance=F("balance") + amount)
    account.refresh_from_db(fields=["balance"])
    if not moved:
        raise InsufficientFundsError(account.balance)
    return account.entries.create(amount=amount, balance_after=account.balance, text=text, nonce=nonce, proof=proof)
