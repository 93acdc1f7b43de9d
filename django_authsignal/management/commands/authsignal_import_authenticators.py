"""`manage.py authsignal_import_authenticators --from …`: users bring along what they prove with today."""

from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from django_authsignal.client import ConfigurationError
from django_authsignal.conf import background_client
from django_authsignal.management.commands.authsignal_sync_users import find_user
from django_authsignal.people.importing import Fate, import_authenticators
from django_authsignal.people.patience import Stopped
from django_authsignal.people.sources import SOURCES, source


class Command(BaseCommand):
    """A line for each that is not imported, and a table. No secret and no address is printed."""

    help = (
        "Enrols at Authsignal the confirmed authenticator apps, passkeys and phone numbers that users have in another "
        "library. Safe to run again. Nothing is changed in that library."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """From where, for whom, and whether for good."""
        parser.add_argument("--from", required=True, choices=sorted(SOURCES), dest="source", help="the library")
        parser.add_argument("--dry-run", action="store_true", help="only read, and say what would be done")
        parser.add_argument(
            "--user", action="append", metavar="USER", help="this one alone, by name or primary key; may be given again"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Imports."""
        count: Counter[tuple[str, str]] = Counter()
        codes, stopped = 0, ""
        try:
            for item in import_authenticators(
                background_client(),
                source(options["source"]),
                users=[find_user(name) for name in options["user"]] if options["user"] else None,
                dry_run=options["dry_run"],
            ):
                count[item.what, item.fate] += 1
                codes += item.new_codes
                if item.fate in (Fate.CANNOT, Fate.FAIL) or options["verbosity"] > 1:
                    (self.stderr if item.fate == Fate.FAIL else self.stdout).write(str(item))
        except ConfigurationError as exc:
            raise CommandError(str(exc)) from exc
        except Stopped as exc:
            stopped = f" Stopped: {exc}"
        self._table(count)
        if options["dry_run"]:
            self.stdout.write("Nothing was changed.")
        if codes:
            self.stdout.write(
                f"Authsignal made recovery codes for {codes} users, which nobody has seen. Users get new ones where "
                "they manage their ways of proof."
            )
        failed = sum(number for (_, fate), number in count.items() if fate == Fate.FAIL)
        if failed or stopped:
            raise CommandError(f"{failed} failed. Run it again when it is mended.{stopped}")

    def _table(self, count: Counter[tuple[str, str]]) -> None:
        head = ["", *Fate]
        rows = [[what, *(str(count[what, fate]) for fate in Fate)] for what in sorted({what for what, _ in count})]
        if not rows:
            self.stdout.write("There is nothing to import.")
            return
        widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
        for row in [head, *rows]:
            cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
            self.stdout.write("  ".join([row[0].ljust(widths[0]), *cells[1:]]).rstrip())
