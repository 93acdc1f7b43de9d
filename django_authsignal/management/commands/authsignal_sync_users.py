"""`manage.py authsignal_sync_users`: sets right what Authsignal knows of the users."""

from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from django_authsignal.client import ConfigurationError
from django_authsignal.conf import background_client, get_settings
from django_authsignal.people.patience import Stopped
from django_authsignal.people.walking import Outcome, walk

DONE = {Outcome.CREATE: "created", Outcome.UPDATE: "updated", Outcome.REMOVE: "removed", Outcome.UNCHANGED: "unchanged"}
QUIET = (Outcome.UNCHANGED, Outcome.SKIP)


class Command(BaseCommand):
    """A line for each user who changes, and a summary. No address is printed whole."""

    help = (
        "Tells Authsignal the verified addresses of the users it knows, and makes it forget those who were deleted. "
        "Safe to run again: what is right there is left alone. Ends with an error when somebody could not be told of."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whom, and whether for good."""
        parser.add_argument("--dry-run", action="store_true", help="only read, and say what would be done")
        parser.add_argument(
            "--user", action="append", metavar="USER", help="this one alone, by name or primary key; may be given again"
        )
        parser.add_argument("--only-enrolled", action="store_true", help="leave out who has no way of proof there")
        parser.add_argument("--all", action="store_true", help="also users that Authsignal does not know yet")
        parser.add_argument("--after", metavar="KEY", help="go on behind this primary key, where a run stopped")

    def handle(self, *args: Any, **options: Any) -> None:
        """Walks."""
        count: Counter[str] = Counter()
        stopped = ""
        try:
            if not (get_settings().VERIFIED_EMAIL or get_settings().VERIFIED_PHONE):
                self.stderr.write(
                    "Neither VERIFIED_EMAIL nor VERIFIED_PHONE is set, so there are no addresses to tell."
                )
            for step in walk(
                background_client(),
                users=[find_user(name) for name in options["user"]] if options["user"] else None,
                everyone=options["all"],
                only_enrolled=options["only_enrolled"],
                after=_key(options["after"]),
                dry_run=options["dry_run"],
            ):
                count[step.outcome] += 1
                if step.outcome not in QUIET or options["verbosity"] > 1:
                    (self.stderr if step.outcome == Outcome.FAIL else self.stdout).write(str(step))
        except ConfigurationError as exc:
            raise CommandError(str(exc)) from exc
        except Stopped as exc:
            stopped = f" {exc}"
        said = ", ".join(f"{count[outcome]} {word}" for outcome, word in DONE.items())
        said += f", {count[Outcome.SKIP]} skipped, {count[Outcome.FAIL]} failed."
        self.stdout.write(f"Nothing was changed. It would be: {said}" if options["dry_run"] else said)
        if count[Outcome.FAIL]:
            raise CommandError(f"{count[Outcome.FAIL]} failed. Run it again when it is mended.{stopped}")


def find_user(name: str) -> AbstractBaseUser:
    """A user by the name they sign in with, or by primary key. Raises CommandError for nobody."""
    model = get_user_model()
    for lookup in (model.USERNAME_FIELD, "pk"):
        try:
            found: AbstractBaseUser | None = model._base_manager.filter(**{lookup: name}).first()
        except (ValidationError, ValueError):
            continue
        if found is not None:
            return found
    raise CommandError(f"There is no user {name!r}. Give their {model.USERNAME_FIELD}, or their primary key.")


def _key(text: str | None) -> Any:
    try:
        return None if text is None else get_user_model()._meta.pk.to_python(text)
    except ValidationError:
        raise CommandError(f"--after: {text!r} is no primary key of a user.") from None
