"""The bank's app."""

from django.apps import AppConfig


class BankConfig(AppConfig):
    """Accounts, what was paid in and what was taken out."""

    name = "example_project.bank"
    verbose_name = "Kittiwake Bank"
