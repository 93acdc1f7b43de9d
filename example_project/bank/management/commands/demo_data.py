"""Make the two demo users and their accounts. Running it again changes nothing."""

import uuid
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from example_project.bank.demo_users import DEMO_USERS, DemoUser
from example_project.bank.models import Account
from example_project.bank.services import deposit, open_account, withdraw

STATEMENT = (
    (Decimal("-42.60"), "Quayside Grocer"),
    (Decimal("1840.00"), "Salary, Beacon Works"),
    (Decimal("-615.00"), "Rent"),
    (Decimal("-18.25"), "Ferry tickets"),
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
        for amount, text in STATEMENT:
            if amount > 0:
                deposit(account, amount, text=text)
            else:
                _spend(account, -amount, text)


def _spend(account: Account, amount: Decimal, text: str) -> None:
    withdraw(account, amount, text=text, nonce=uuid.uuid4())
