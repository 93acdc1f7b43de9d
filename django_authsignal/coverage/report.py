"""The whole picture: every door with what it asks, and what a build may fail for."""

import inspect
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

from django.conf import settings as django_settings
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import get_resolver
from django.utils.module_loading import import_string

from .. import token_views
from ..backends import AuthsignalBackendMixin
from ..conf import CODES, get_settings
from ..enforcement import policy_of
from ..middleware import SignInChallengeMiddleware
from . import code, remedies, sensitive
from .doors import Door, describe, lines_of, short, walk
from .views import doors_of

SIGN_IN_MIXINS = {"django_authsignal.mixins.SignInMixin", f"{token_views.OURS}.views.SignInMixin"}
TOKENS = {*token_views.DROP_INS, *token_views.OAUTH_ISSUERS, *token_views.OAUTH_CONSENTS}


@dataclass(frozen=True)
class Gap:
    """Doors that look sensitive and ask nothing: why, and the one line to write for all of them."""

    doors: tuple[Door, ...]
    reason: str
    line: str


@dataclass(frozen=True)
class Report:
    """Every door of a project, and what there is to say of them."""

    doors: tuple[Door, ...]
    gaps: tuple[Gap, ...]
    unused: tuple[str, ...]  # actions that ACTIONS declares and nothing asks
    unknown: tuple[str, ...]  # actions that are asked and ACTIONS does not declare
    ignored_in_vain: tuple[str, ...]  # entries of COVERAGE_IGNORE that fit no door

    @property
    def faults(self) -> tuple[Door, ...]:
        """What could not be read, so that nobody knows whether it asks."""
        return tuple(door for door in self.doors if door.fault)

    @property
    def misspelt(self) -> dict[str, str]:
        """Actions that are asked and not declared, and the declared one that nothing asks and is spelt almost alike.

        What it says of age and methods then counts for nothing.
        """
        found = {name: get_close_matches(name, self.unused, n=1, cutoff=0.8) for name in self.unknown}
        return {name: close[0] for name, close in found.items() if close}

    @property
    def fails(self) -> bool:
        """True when a build should stop: a sensitive-looking door asks nothing, or one could not be read, or asks for
        an action that is misspelt."""
        return bool(self.gaps or self.faults or self.misspelt)


def read(urlconf: Any = None) -> Report:
    """Reads the urlconf (None: ROOT_URLCONF), the admin and the code. Raises ConfigurationError for faulty settings."""
    settings = get_settings()
    patterns, fault = _patterns(urlconf)
    calls = code.calls()
    found = _distinct(door for pattern in walk(patterns) for door in doors_of(pattern))
    found = [_with_code(door, calls) for door in map(_with_sign_in, found)]
    ignore = ignored(settings.COVERAGE_IGNORE)
    doors = [replace(door, exempt=door.exempt or _ignored(door, ignore)) for door in found]
    if fault:
        doors.append(Door("function", "/", "", (), "", "", fault=fault))
    doors += _in_code(calls)
    asked = {asked.action for door in doors for asked in door.asks}
    own = {getattr(settings, name) for name in CODES}
    named = code.literals()
    return Report(
        doors=tuple(doors),
        gaps=tuple(_gaps(doors, patterns)),
        unused=tuple(sorted(name for name in settings.ACTIONS if name not in asked | own | named)),
        unknown=tuple(sorted(asked - own - set(settings.ACTIONS))),
        ignored_in_vain=tuple(key for key in ignore if not any(_fits(door, key) for door in found)),
    )


def _patterns(urlconf: Any) -> tuple[list[Any], str]:
    try:
        return list(get_resolver(urlconf).url_patterns), ""
    except Exception as exc:  # whatever an import of somebody's module raises
        name = urlconf or django_settings.ROOT_URLCONF
        return [], f"the urlconf {name!r} cannot be imported: {type(exc).__name__}: {exc}"


def _distinct(doors: Iterable[Door]) -> list[Door]:
    """Each once: ninja gives one view a URL pattern for each of its operations."""
    return list({(door.url, door.methods, door.view, door.fault): door for door in doors}.values())


# The sign-in


def _with_sign_in(door: Door) -> Door:
    """The door, with what asks for the sign-in's proof there."""
    if door.fault or any(asked.action == get_settings().SIGN_IN_ACTION for asked in door.asks):
        return door
    by = _signs_in_by(door) or ("SignInChallengeMiddleware" if _is_asked_by_middleware(door) else "")
    return replace(door, asks=(*door.asks, describe(policy_of(None), by))) if by else door


def _signs_in_by(door: Door) -> str:
    if not door.is_unsafe:
        return ""
    if SIGN_IN_MIXINS & sensitive.bases_of(door.target):
        return "mixin"
    is_login = isinstance(door.target, type) and issubclass(door.target, LoginView)
    is_admins = "admin" in door.namespaces and door.name.rpartition(":")[2] == "login"
    return "backend" if (is_login or is_admins) and _is_gated() else ""


def _is_gated() -> bool:
    """True when whoever gives a password is asked; `check` names a backend beside it that is not gated."""
    return _any_is(django_settings.AUTHENTICATION_BACKENDS, AuthsignalBackendMixin)


def _sessions_are_asked() -> bool:
    return _any_is(django_settings.MIDDLEWARE, SignInChallengeMiddleware)


def _any_is(paths: Iterable[str], base: type) -> bool:
    for path in paths:
        with suppress(ImportError):  # Django reports it
            found = import_string(path)
            if isinstance(found, type) and issubclass(found, base):
                return True
    return False


def _is_asked_by_middleware(door: Door) -> bool:
    return (
        _sessions_are_asked()
        and getattr(door.target, "login_required", True) is not False
        and getattr(door.target, "authsignal_sign_in_required", True) is not False
        and "authsignal" not in door.namespaces
        and not (isinstance(door.target, type) and issubclass(door.target, (LoginView, LogoutView)))
        and not ("admin" in door.namespaces and door.name.rpartition(":")[2] == "logout")
    )


# Deep code


def _with_code(door: Door, calls: Iterable[code.Call]) -> Door:
    file, first, last = _extent(door.target)
    inside = [call for call in calls if file and call.file == file and first <= call.line <= last]
    inside = [call for call in inside if _runs(door, call)]
    asks = [describe(policy_of(name), "code") for name in dict.fromkeys(call.action for call in inside)]
    return replace(door, asks=(*door.asks, *asks)) if asks else door


def _extent(target: Any) -> tuple[str, int, int]:
    if target is None:
        return "", 0, 0
    try:
        return str(inspect.getfile(target)), *lines_of(target)
    except (OSError, TypeError):
        return "", 0, 0


def _runs(door: Door, call: code.Call) -> bool:
    """False for a call in a method of the class that another HTTP method runs."""
    if not isinstance(door.target, type):
        return True
    names = [*(("get", "post", "put", "patch", "delete") if door.kind != "admin" else ()), *_actions_of(door.target)]
    for name in names:
        _, first, last = _extent(getattr(door.target, name, None))
        if first <= call.line <= last:
            return name in (door.view.rpartition(".")[2], *door.words)
    return True


def _actions_of(target: type) -> list[str]:
    stock = ["list", "create", "retrieve", "update", "partial_update", "destroy"]
    get = getattr(target, "get_extra_actions", None)
    return [*(name for name in stock if hasattr(target, name)), *(one.__name__ for one in get())] if get else []


def _in_code(calls: Iterable[code.Call]) -> Iterator[Door]:
    for call in calls:
        where = f"{short(call.file)}:{call.line}"
        asks = (describe(policy_of(call.action), "code"),)
        yield Door("code", "", "", (), f"request.authsignal.require({call.action!r})", where, asks=asks)


# Gaps


def ignored(value: Any) -> dict[str, str]:
    """COVERAGE_IGNORE as patterns and reasons."""
    return (
        {str(key): str(why) for key, why in value.items()} if isinstance(value, Mapping) else dict.fromkeys(value, "")
    )


def _ignored(door: Door, ignore: Mapping[str, str]) -> str:
    return next((why or f"COVERAGE_IGNORE: {key}" for key, why in ignore.items() if _fits(door, key)), "")


def _fits(door: Door, pattern: str) -> bool:
    return any(text and fnmatchcase(text, pattern) for text in (door.url, door.name, door.view))


def _gaps(doors: list[Door], patterns: list[Any]) -> Iterator[Gap]:
    found: dict[str, Gap] = {}
    for gap in (*_token_gaps(doors, patterns), *_looks(doors)):
        before = found.get(gap.line)
        found[gap.line] = replace(before, doors=(*before.doors, *gap.doors)) if before else gap
    yield from found.values()


def _looks(doors: Iterable[Door]) -> Iterator[Gap]:
    for door in doors:
        if door.exempt or door.fault or _is_covered(door) or _issues_tokens(door):
            continue
        reason = sensitive.reason(door)
        if reason:
            yield Gap((door,), reason, remedies.line_for(door))


def _is_covered(door: Door) -> bool:
    if sensitive.resets_a_password(door):
        return _sessions_are_asked()  # whoever is logged in by it is asked at their next page
    # Where nobody knows which methods a function takes, what is asked of some of them was chosen by its author.
    return any(asked.is_step_up or asked.by == "backend" for asked in door.asks)


def _issues_tokens(door: Door) -> bool:
    return bool(TOKENS & sensitive.bases_of(door.target))


def _token_gaps(doors: list[Door], patterns: list[Any]) -> Iterator[Gap]:
    try:
        found = list(token_views.unguarded(patterns, sessions_are_asked=_sessions_are_asked()))
    except Exception:  # a pattern that cannot be read is a fault already
        return
    for one in found:
        door = next((door for door in doors if door.url == one.route and door.is_unsafe), None)
        door = door or Door("rest", one.route, "", ("POST",), one.name, "")
        if not door.exempt:
            yield Gap((door,), f"issues tokens without the gate ({one.name})", one.fix)
