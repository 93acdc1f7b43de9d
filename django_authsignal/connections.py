"""Connections that stay open, a WebSocket or a stream: who is signed in and what they proved, as of this moment."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from importlib import import_module
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import get_user as user_of_session
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.contrib.sessions.backends.base import UpdateError
from django.db import close_old_connections
from django.http import HttpRequest

from . import channel
from .identity import fingerprint, get_user
from .session import Pass


@contextmanager
def renewed(request: HttpRequest) -> Iterator[None]:
    """Inside, the request knows the session and the user as they are now; what is written to the session is kept."""
    renew(request)
    try:
        yield
    finally:
        _keep(request)


@asynccontextmanager
async def arenewed(request: HttpRequest) -> AsyncIterator[None]:
    """The same for async code."""
    await sync_to_async(renew)(request)
    try:
        yield
    finally:
        await sync_to_async(_keep)(request)


def renew(request: HttpRequest) -> None:
    """Reads again what was read when the connection began: since then somebody may have signed out, or in as another,
    changed their password, been deactivated."""
    close_old_connections()  # minutes may have passed, and the database may have hung up
    channel.introduced(request)
    request.__dict__.pop("_authsignal_identify", None)  # a framework would name the user it read at the start
    before = request.user
    began_as = str(before.pk)
    if channel.credential(request):
        user = get_user(began_as)
        found = user if user is not None and user.is_active else AnonymousUser()
    else:
        store = import_module(settings.SESSION_ENGINE).SessionStore
        request.session = store(request.session.session_key)
        found = user_of_session(request)
    for name in ("_cached_user", "_acached_user"):
        request.__dict__.pop(name, None)
    if _differ(before, found):
        request.__dict__.pop("_authsignal_spent", None)  # whoever proved that was the user of before
    # Whoever else is signed in by now, the code that asks acts for whom it began with.
    request.user = found if str(found.pk) == began_as else AnonymousUser()  # type: ignore[assignment] # any user model


def _differ(before: Any, found: Any) -> bool:
    users = isinstance(before, AbstractBaseUser) and isinstance(found, AbstractBaseUser)
    return users and fingerprint(before) != fingerprint(found)


def take_back(request: HttpRequest, action: str) -> None:
    """A proof for one request serves one act; the request of a connection would go on for ever."""
    before: dict[str, list[Pass]] = getattr(request, "_authsignal_spent", {})
    spent = {holder: [item for item in items if item.action != action] for holder, items in before.items()}
    request._authsignal_spent = spent  # type: ignore[attr-defined] # ours, kept on the request


def _keep(request: HttpRequest) -> None:
    session = getattr(request, "session", None)
    if session is None or not session.modified or not session.session_key:
        return
    with suppress(UpdateError):  # signed out meanwhile: what was begun goes with the session
        session.save()
    close_old_connections()
