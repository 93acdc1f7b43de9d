"""`manage.py authsignal_prune`: for a daily job, so that the ledger holds what is needed and no more."""

from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from django_authsignal.client import ConfigurationError
from django_authsignal.pruning import prune

DAYS = 180


class Command(BaseCommand):
    """Says what it did, in one line."""

    help = (
        "Closes challenges that ran out and deletes closed rows of the ledger that are older than so many days. What "
        "waits for its proof, and proofs that still count, are never touched."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """How old, and whether to delete."""
        parser.add_argument("--days", type=_days, default=DAYS, help=f"keep rows that long (default: {DAYS})")
        parser.add_argument("--pseudonymise", action="store_true", help="keep old rows, without anybody's name in them")
        parser.add_argument("--dry-run", action="store_true", help="count only, change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Prunes."""
        dry, pseudonymise = options["dry_run"], options["pseudonymise"]
        try:
            done = prune(days=options["days"], pseudonymise=pseudonymise, dry_run=dry)
        except ConfigurationError as exc:
            raise CommandError(str(exc)) from exc
        verb = "took the names out of" if pseudonymise else "deleted"
        said = f"Closed {done.expired} that ran out, {verb} {done.old} older than {options['days']} days, "
        said += f"kept {done.counting} that old whose proof still counts."
        said += f" Events forgotten: {done.events}." if done.events else ""
        self.stdout.write(f"Nothing was changed. It would be: {said}" if dry else said)


def _days(text: str) -> int:
    try:
        days = int(text)
    except ValueError:
        days = 0
    if not 1 <= days <= 36_500:
        raise ArgumentTypeError(f"{text!r}: give whole days, from 1 to 36500")
    return days
