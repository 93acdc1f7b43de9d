"""Which authentication backends take a password: what their code does not rule out counts as one."""

import inspect
from collections.abc import Iterator
from typing import Any

from django.utils.module_loading import import_string

from . import lockouts

PASSWORD = "password"  # noqa: S105  a name, no secret
# Last words of parameters that are none: `remote_user`, `access_token`, `max_age`.
NO_PASSWORDS = frozenset(
    {"request", "user", "username", "name", "email", "phone", "number", "id", "backend", "service", "scope", "age"}
    | {"token", "ticket", "code", "key", "assertion", "link", "sesame"}
)
# Methods that take none, though they name one, or do not say. By name: what is not installed is not missed.
KNOWN = {
    ("django.contrib.auth.backends", "BaseBackend.authenticate"),  # for permissions alone: signs nobody in
    ("django.contrib.auth.backends", "BaseBackend.aauthenticate"),  # asks the class's authenticate()
    ("guardian.backends", "ObjectPermissionBackend.authenticate"),
    ("rules.permissions", "ObjectPermissionBackend.authenticate"),
    ("graphql_jwt.backends", "JSONWebTokenBackend.authenticate"),
    ("oauth2_provider.backends", "OAuth2Backend.authenticate"),
    ("social_core.backends.base", "BaseAuth.authenticate"),
}


def class_of(path: str) -> type | None:
    """The class that Django asks under a path of AUTHENTICATION_BACKENDS; None for one that names nothing.

    A function is called, as Django calls it at every sign-in; one that fails is of its own class, which says nothing.
    """
    try:
        found: Any = import_string(path)
    except Exception:  # whatever a project's module raises: Django meets it too, and reports it
        return None
    if isinstance(found, type):
        return found
    try:
        return type(found())
    except Exception:  # as above
        return type(found)


def password_taken(backend: type) -> str:
    """What the backend takes that may be a password: "password", or in words what leaves it open; "" for nothing."""
    if lockouts.locks_out(backend):
        return ""
    if not callable(getattr(backend, "authenticate", None)):
        return "what its class does not say"  # an instance may bring the method
    taken = [*_taken(backend, "authenticate"), *_taken(backend, "aauthenticate")]
    return PASSWORD if PASSWORD in taken else next(iter(taken), "")


def _taken(backend: type, name: str) -> Iterator[str]:
    method = getattr(backend, name, None)
    if method is None or (getattr(method, "__module__", ""), getattr(method, "__qualname__", "")) in KNOWN:
        return
    try:
        parameters = inspect.signature(method).parameters.values()
    except (TypeError, ValueError):  # of a method written in C, or of what is no method
        yield f"what {name}() does not say"
        return
    alone = isinstance(inspect.getattr_static(backend, name), staticmethod | classmethod)
    first = 1 if alone else 2  # the request; `self` before it
    positional = [one for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    for one in parameters:
        if one.kind is one.VAR_KEYWORD:
            yield f"**{one.name}"
        elif one.kind is not one.VAR_POSITIONAL and one not in positional[:first] and not _is_none(one.name):
            yield one.name


def _is_none(name: str) -> bool:
    return name.rpartition("_")[2] in NO_PASSWORDS
