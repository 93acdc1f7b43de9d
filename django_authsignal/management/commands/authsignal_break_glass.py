"""`manage.py authsignal_break_glass USER`: a one-time link for somebody who cannot prove that it is them."""

import getpass
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from django_authsignal import break_glass
from django_authsignal.client import ConfigurationError
from django_authsignal.conf import get_settings, origin_fault


class Command(BaseCommand):
    """Prints the link on stdout and everything else on stderr."""

    help = (
        "Prints a link that signs one user in once, within ten minutes, without a proof. The owner is mailed, the "
        "ledger keeps who made it and why, and step-ups still ask."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """USER, and what goes with it."""
        parser.add_argument("user", help="the name the user signs in with")
        parser.add_argument("--reason", default="", help="why, for the ledger and the mail to the owner")
        parser.add_argument("--base-url", help="where your site is, as https://shop.example, if not PUBLIC_BASE_URL")

    def handle(self, *args: Any, **options: Any) -> None:
        """Makes the link."""
        reason = " ".join(options["reason"].split())
        if len(reason) > break_glass.MAX_REASON or not reason.isprintable():
            raise CommandError(f"--reason: give one line of at most {break_glass.MAX_REASON} characters.")
        user = _user(options["user"])
        try:
            origin = _origin(options["base_url"])
            link = break_glass.make_link(user, origin=origin, reason=reason, by=_who())
        except (break_glass.Forbidden, ConfigurationError) as exc:
            raise CommandError(str(exc)) from exc
        minutes = link.expires_in // 60
        self.stderr.write(f"Signs {user.get_username()} in once, within {minutes} minutes. Hand it over by a safe way:")
        self.stdout.write(link.url)
        if not link.mailed:
            self.stderr.write(
                self.style.WARNING(f"{user.get_username()} could not be mailed about it: tell them yourself.")
            )


def _origin(given: str | None) -> str:
    if given is not None:
        fault = origin_fault(given)
        if fault:
            raise CommandError(f"--base-url {fault[0]} {fault[1]}")
        return given
    configured = get_settings().PUBLIC_BASE_URL
    if isinstance(configured, str):
        return configured
    if configured is None or callable(configured):
        raise CommandError("Where is your site? Give --base-url https://shop.example, or set PUBLIC_BASE_URL to it.")
    return configured[0]


def _user(name: str) -> Any:
    model = get_user_model()
    try:
        return model._default_manager.get_by_natural_key(name)
    except (model.DoesNotExist, ValueError) as exc:
        raise CommandError(f"There is no user {name!r}. Give their {model.USERNAME_FIELD}, as they sign in.") from exc


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return "unknown"
