"""What Django's own sign-in and sign-out mean for passes and open challenges."""

from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest

from . import ledger, session
from .models import revoke_open


def logged_in(sender: Any, *, request: HttpRequest | None = None, user: AbstractBaseUser, **kwargs: Any) -> None:
    """Writes the sign-in pass that this very request earned; any other login leaves the session without one."""
    if request is not None and hasattr(request, "session"):
        session.logged_in(request)
        ledger.grant_at_login(request, user)


def logged_out(sender: Any, *, user: AbstractBaseUser | None = None, **kwargs: Any) -> None:
    """Closes the user's open challenges. The session's passes went with the session."""
    if user is not None:
        revoke_open(str(user.pk))
