"""Lock-outs of django-axes, for sign-ins that begin or end without `authenticate()`, which asks it by itself."""

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.signals import user_login_failed
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.utils.module_loading import import_string

# By name: what is not installed is not missed.
AXES = ("axes.backends", "AxesStandaloneBackend")


def locks_out(backend: Any) -> bool:
    """True for a backend that signs nobody in, and only says who may not."""
    bases = backend.__mro__ if isinstance(backend, type) and not issubclass(backend, ModelBackend) else ()
    return any((one.__module__, one.__qualname__) == AXES for one in bases)


def is_locked_out(request: HttpRequest, username: str) -> bool:
    """True when whoever comes may not sign in by this name now, as a lock-out among AUTHENTICATION_BACKENDS has it."""
    for path in settings.AUTHENTICATION_BACKENDS:
        backend = import_string(path)
        try:
            if locks_out(backend):
                backend().authenticate(request, username=username)
        except PermissionDenied:
            return True
    return False


def login_failed(request: HttpRequest, username: str) -> None:
    """Tells of a failed login as django.contrib.auth does, so that lock-outs count it, and answer what is locked."""
    looked_at = str(getattr(settings, "AXES_USERNAME_FORM_FIELD", "username"))
    names = {get_user_model().USERNAME_FIELD, "username", looked_at}
    user_login_failed.send(sender=__name__, credentials=dict.fromkeys(sorted(names), username), request=request)
