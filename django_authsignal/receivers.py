"""What Django's own sign-in and sign-out mean for passes and open challenges."""

from typing import Any

from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest

from . import channel, deadlines, ledger, session
from .enforcement import forget_shared
from .models import revoke_open, revoke_proofs
from .people import following


def setting_changed(sender: Any, *, setting: str, **kwargs: Any) -> None:
    """In tests: what was sealed under another key is looked at again."""
    if setting in ("SECRET_KEY", "SECRET_KEY_FALLBACKS"):
        session.forget_known()


def logged_in(sender: Any, *, request: HttpRequest | None = None, user: AbstractBaseUser, **kwargs: Any) -> None:
    """Writes the sign-in pass that this very request earned; any other login leaves the session without one."""
    request = getattr(request, "_request", request)  # a REST framework's wrapper
    if request is not None:
        forget_shared(request)
    if request is None or not hasattr(request, "session"):
        return
    if request.session.get(SESSION_KEY) != user._meta.pk.value_to_string(user):
        return  # a token was issued: nobody was logged in to this session
    api = bool(channel.credential(request))  # no browser, and given no cookie
    if request.META and not api and not _taken_over(request, user):  # without META: force_login()
        session.logged_in(request)
    ledger.grant_at_login(request, user)


def _taken_over(request: HttpRequest, user: AbstractBaseUser) -> bool:
    """True when somebody else was signed in until now: staff who log in as a user are not to enrol for them."""
    # Django keeps here whom the session named; `login()` has replaced request.user already.
    before = [getattr(request, name, None) for name in ("_cached_user", "_acached_user")]
    return any(one is not None and one.is_authenticated and one != user for one in before)


def authenticators_changed(sender: Any, *, request: HttpRequest | None = None, **kwargs: Any) -> None:
    """What this session remembers of somebody's ways of proof is out of date."""
    if request is not None:
        deadlines.forget(request)


def logged_out(
    sender: Any, *, request: HttpRequest | None = None, user: AbstractBaseUser | None = None, **kwargs: Any
) -> None:
    """Closes the user's open challenges. The session's passes went with the session."""
    if request is not None:
        forget_shared(getattr(request, "_request", request))
    if user is not None:
        revoke_open(str(user.pk), reason="logged_out")


def user_saved(
    sender: Any, *, instance: Any, using: str, created: bool = False, raw: bool = False, **kwargs: Any
) -> None:
    """Authsignal is told after the commit, where SYNC_USERS says so. Fixtures tell nothing: they are loaded by hand.

    What was open for somebody who is deactivated, and what their API clients proved, is void, should they come back.
    """
    if not raw and issubclass(sender, get_user_model()):
        if not created and not instance.is_active:
            revoke_proofs(str(instance.pk), reason="deactivated")
        following.saved(instance.pk, using=using, created=created, update_fields=kwargs.get("update_fields"))


def user_deleted(sender: Any, *, instance: Any, using: str, **kwargs: Any) -> None:
    """The ledger keeps its rows without the name; Authsignal forgets the user after the commit."""
    # Of a model that extends the user's, the user itself is deleted too and comes here, or is meant to stay.
    if sender._meta.concrete_model is get_user_model()._meta.concrete_model:
        following.deleted(instance, using=using)


def address_saved(sender: Any, *, instance: Any, using: str, raw: bool = False, **kwargs: Any) -> None:
    """django-allauth verified an address, or dropped one; the user's own row need not have changed."""
    if not raw:
        following.saved(instance.user_id, using=using)
