"""Make the two demo users and their accounts. Running it again changes nothing."""

import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from example_project.bank.demo_users import DEMO_USERS, DemoUser
from example_project.bank.models import Account, Entry
from example_project.bank.services import deposit, open_account, withdraw

# Days ago, pounds, words.
WELCOME = 12
STATEMENT = (
    (9, Decimal("-42.60"), "Quayside Grocer"),
    (6, Decimal("1840.00"), "Salary, Beacon Works"),
    (6, Decimal("-615.00"), "Rent"),
    (1, Decimal("-18.25"), "Ferry tickets"),
)


class Command(BaseCommand):
    """`manage.py demo_data`: only where SHOW_DEMO_USERS is set, because the passwords are public."""

    help = "Make the two demo users and their accounts. Running it again changes nothing."

    def handle(self, *args: Any, **options: Any) -> None:
        """Make what is missing and print how to sign in."""
        if not settings.SHOW_DEMO_USERS:
            raise CommandError(
                "The demo users' passwords are public. Set SHOW_DEMO_USERS = True on a computer of your own."
            )
        for person in DEMO_USERS:
            _make(person)
            self.stdout.write(f"{person.username}  {person.password}  {person.role}")


@transaction.atomic
def _make(person: DemoUser) -> None:
    given, family = person.name.split(" ", 1)
    user, _ = get_user_model().objects.get_or_create(
        username=person.username,
        defaults={
            "email": person.email,
            "first_name": given,
            "last_name": family,
            "is_staff": person.staff,
            "is_superuser": person.staff,
        },
    )
    if not user.check_password(person.password):
        user.set_password(person.password)
        user.save(update_fields=["password"])
    if not Account.objects.filter(owner=user).exists():
        account = open_account(user)
        _date(account.entries.get(), WELCOME)
        for days_ago, amount, text in STATEMENT:
            _date(_entry(account, amount, text), days_ago)


def _entry(account: Account, amount: Decimal, text: str) -> Entry:
    if amount > 0:
        return deposit(account, amount, text=text)
    return withdraw(account, -amount, text=text, nonce=uuid.uuid4())


def _date(entry: Entry, days_ago: int) -> None:
    """Put an entry of this very moment into the past, as if the account had been in use."""
    Entry.objects.filter(pk=entry.pk).update(made_at=entry.made_at - timedelta(days=days_ago))
