"""The bank's app."""

from django.apps import AppConfig


class BankConfig(AppConfig):
    """Accounts, what was paid in and what was taken out."""

    name = "example_project.bank"
    verbose_name = "Kittiwake Bank"

    def ready(self) -> None:
        """Listen for proofs."""
        from example_project.bank import proofs  # noqa: F401, PLC0415 -- its receiver needs the ledger's model
