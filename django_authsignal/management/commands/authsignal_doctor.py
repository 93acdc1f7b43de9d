"""`manage.py authsignal_doctor`: what is wrong with the setup here, at Authsignal, and on the way between."""

import os
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ...doctor import ERROR, NOTE, OK, WARNING, Finding, examine

KEY = "AUTHSIGNAL_MANAGEMENT_KEY"


class Command(BaseCommand):
    """Changes nothing, prints no secret; exit code 1 when there is an error."""

    help = (
        "Examines settings, key, region, clock, the outcome of every action, the way back, sessions and cache, and "
        f"says how to mend what is wrong. Reads Authsignal's Management API key from the environment, {KEY}."
    )
    requires_system_checks = ()  # it runs them itself, and says more

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What to look at, and what counts as failure."""
        parser.add_argument("--offline", action="store_true", help="ask nothing over the network")
        parser.add_argument("--fail-level", choices=("ERROR", "WARNING"), default="ERROR", help="what exits with 1")

    def handle(self, *args: Any, **options: Any) -> None:
        """Prints each finding as it comes."""
        count = dict.fromkeys((OK, NOTE, WARNING, ERROR), 0)
        for finding in examine(offline=options["offline"], management_key=os.environ.get(KEY, "")):
            count[finding.level] += 1
            self._say(finding)
        said = ", ".join(f"{count[one]} {one}{'' if count[one] == 1 else 's'}" for one in (ERROR, WARNING, NOTE)) + "."
        if count[ERROR] or (options["fail_level"] == "WARNING" and count[WARNING]):
            raise CommandError(said)
        self.stdout.write(said)

    def _say(self, finding: Finding) -> None:
        style: dict[str, Callable[[str], str]] = {
            OK: self.style.SUCCESS,
            NOTE: str,
            WARNING: self.style.WARNING,
            ERROR: self.style.ERROR,
        }
        self.stdout.write(f"{style[finding.level](finding.level.ljust(7))} {finding.text}")
        if finding.fix:
            self.stdout.write(f"        Fix: {finding.fix}" if finding.level != NOTE else f"        {finding.fix}")
