"""Ready-made callables for ENFORCE: whom, and where, the gate stops while it is being introduced.

from django_authsignal import rollout

AUTHSIGNAL = {"ENFORCE": rollout.percentage(10)}

Each answers "on" for those it names and `otherwise` for all others: "observe" (asked, written down, not stopped) or
"off". `any_of`, `all_of` and `exempt` put them together. Safe to import in settings.py.
"""

import hashlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django.http import HttpRequest

__all__ = ["Rule", "all_of", "any_of", "exempt", "group", "paths", "percentage", "staff", "views"]

Enforce = Callable[[Any, Any, str], str]
STRENGTH = {"off": 0, "observe": 1, "on": 2}


class Rule:
    """A callable for ENFORCE that shows how it was written."""

    def __init__(self, written: str, decide: Enforce) -> None:
        self._written = written
        self._decide = decide

    def __call__(self, request: "HttpRequest", user: Any, action: str) -> str:
        """ "on", "observe" or "off"."""
        return self._decide(request, user, action)

    def __repr__(self) -> str:
        return f"rollout.{self._written}"


def percentage(percent: float, *, salt: str = "", otherwise: str = "observe") -> Rule:
    """This share of the users, 0 to 100: the same ones at every request, and still in it when the share grows.

    Another `salt` picks other people. Raises ValueError for a share that is none.
    """
    if type(percent) not in (int, float) or not 0 <= percent <= 100:
        raise ValueError(f"percentage({percent!r}): give a number from 0 to 100.")
    written = f"percentage({percent!r}{f', salt={salt!r}' if salt else ''}"
    return _rule(written, lambda request, user, action: _point(salt, str(user.pk)) < percent, otherwise)


def _point(salt: str, key: str) -> float:
    """Where on a line from 0 to 100 a user stands, always."""
    found = hashlib.sha256(f"{len(salt)}:{salt}{key}".encode()).digest()
    return int.from_bytes(found[:8], "big") * 100 / 2**64


def group(*names: str, otherwise: str = "observe") -> Rule:
    """Members of any of these groups. One query a request."""
    wanted = _texts("group", names)
    written = f"group({', '.join(map(repr, names))}"
    return _rule(written, lambda request, user, action: user.groups.filter(name__in=wanted).exists(), otherwise)


def staff(*, otherwise: str = "observe") -> Rule:
    """Users who may enter the admin."""
    return _rule("staff(", lambda request, user, action: bool(user.is_staff), otherwise)


def paths(*prefixes: str, otherwise: str = "observe") -> Rule:
    """Requests for these paths and all below them: "/pay" is "/pay", "/pay/" and "/pay/7/", and not "/payments/"."""
    wanted = _texts("paths", prefixes)
    for prefix in wanted:
        if not prefix.startswith("/"):
            raise ValueError(f"paths({prefix!r}): begin with a slash, as the address does.")
    stems = tuple(prefix.rstrip("/") for prefix in wanted)
    written = f"paths({', '.join(map(repr, prefixes))}"

    def found(request: Any, user: Any, action: str) -> bool:
        path = request.path_info
        return any(path == stem or path.startswith(f"{stem}/") for stem in stems)

    return _rule(written, found, otherwise)


def views(*names: str, otherwise: str = "observe") -> Rule:
    """Requests for these views, by the name that `reverse()` knows: "shop:pay". Whatever language prefix they have."""
    wanted = _texts("views", names)

    def found(request: Any, user: Any, action: str) -> bool:
        match = request.resolver_match
        return match is not None and match.view_name in wanted

    return _rule(f"views({', '.join(map(repr, names))}", found, otherwise)


def any_of(*rules: Enforce) -> Rule:
    """The strictest of what these say: "on" before "observe" before "off". Takes callables of your own as well."""
    return _together("any_of", rules, max)


def all_of(*rules: Enforce) -> Rule:
    """The mildest of what these say: "on" only where all of them say it."""
    return _together("all_of", rules, min)


def exempt(rule: Enforce) -> Rule:
    """ "off" where this rule says "on", "on" elsewhere: for service accounts. Put it into `all_of` with the others."""
    _callables("exempt", [rule])

    def decide(request: Any, user: Any, action: str) -> str:
        return "off" if rule(request, user, action) == "on" else "on"

    return Rule(f"exempt({_name(rule)})", decide)


def _rule(written: str, matches: Callable[[Any, Any, str], bool], otherwise: str) -> Rule:
    if otherwise not in ("observe", "off"):
        raise ValueError(f'otherwise={otherwise!r}: use "observe" or "off".')
    inner, more = written.partition("(")[2], "" if otherwise == "observe" else f"otherwise={otherwise!r}"
    text = f"{written}{', ' if inner and more else ''}{more})"
    return Rule(text, lambda request, user, action: "on" if matches(request, user, action) else otherwise)


def _together(name: str, rules: Iterable[Enforce], choose: Callable[..., str]) -> Rule:
    found = _callables(name, list(rules))

    def decide(request: Any, user: Any, action: str) -> str:
        said = (rule(request, user, action) for rule in found)
        # What nobody knows ends closed, as everywhere.
        return choose((one if one in STRENGTH else "on" for one in said), key=STRENGTH.__getitem__)

    return Rule(f"{name}({', '.join(map(_name, found))})", decide)


def _callables(name: str, rules: list[Enforce]) -> list[Enforce]:
    if not rules or not all(callable(rule) for rule in rules):
        raise ValueError(f"{name}() takes callables(request, user, action), such as percentage(10).")
    return rules


def _name(rule: Enforce) -> str:
    return str(getattr(rule, "__qualname__", None) or repr(rule))


def _texts(name: str, values: tuple[Any, ...]) -> tuple[str, ...]:
    if not values or not all(isinstance(value, str) and value for value in values):
        raise ValueError(f"{name}() takes one or more strings.")
    return values
