"""Mail to the owner of an account when its ways of proof change."""

import logging

from django.contrib.auth.models import AbstractBaseUser
from django.core.mail import send_mail
from django.utils.translation import gettext

logger = logging.getLogger("django_authsignal")


def enrolled(user: AbstractBaseUser) -> None:
    """Tells the owner that a way of proof was added. Never fails the request.

    Whoever has only the password may enrol first; the owner must not be the last to know.
    """
    body = gettext(
        "A new way to prove it is you was just added to your account. If that was not you, change your password now "
        "and contact support."
    )
    _tell(user, gettext("A new way to prove it is you was added"), body)


def removed(user: AbstractBaseUser) -> None:
    """Tells the owner that a way of proof was removed. Never fails the request."""
    body = gettext(
        "A way to prove it is you was just removed from your account. If that was not you, change your password now "
        "and contact support."
    )
    _tell(user, gettext("A way to prove it is you was removed"), body)


def _tell(user: AbstractBaseUser, subject: str, body: str) -> None:
    name = user.get_email_field_name() if hasattr(user, "get_email_field_name") else ""
    address = getattr(user, name, "") if name else ""
    if not address:
        return
    try:
        send_mail(subject, body, None, [address])
    except Exception as exc:
        logger.error(
            "The owner could not be told by mail of a changed way of proof (%s: %s). Check Django's e-mail settings.",
            type(exc).__name__,
            exc,
        )
