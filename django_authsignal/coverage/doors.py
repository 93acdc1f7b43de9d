"""A door, what it asks, and the walk over a urlconf that finds them all."""

import inspect
import re
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.urls import URLPattern
from django.urls.resolvers import LocalePrefixPattern, RegexPattern

from ..binding import SAFE_METHODS
from ..conf import resolve
from ..enforcement import Requirement
from ..policy import Policy

UNSAFE = ("POST", "PUT", "PATCH", "DELETE")
_INSTALLED = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})


@dataclass(frozen=True)
class Asked:
    """What one requirement asks of those who come by one HTTP method. Ages are in seconds."""

    action: str
    by: str  # decorator, mixin, include, admin, login_required, backend, code, or SignInChallengeMiddleware
    max_age: int | None  # None: as long as the session
    methods: tuple[str, ...] | None  # accepted ways of proof; None: any
    bind: tuple[str, ...]
    enforce: str
    on_allow: str
    unenrolled: str
    on_unreachable: str
    sign_in: bool = False  # True for the sign-in's action, which is asked for once a session
    http_methods: tuple[str, ...] = ()  # where the door's own are not known: the ones asked; empty: all

    @property
    def is_step_up(self) -> bool:
        """False where it only asks that the session's sign-in was proved."""
        return not self.sign_in or self.by in ("decorator", "mixin", "include", "code")


@dataclass(frozen=True)
class Door:
    """One way in: a view by one HTTP method, an admin view or action, an operation of an API, a line of code."""

    kind: str  # function, class, rest, ninja, admin, code
    url: str
    name: str  # of the URL pattern, with its namespaces
    methods: tuple[str, ...]  # empty: any
    view: str
    where: str  # file:line of the view; "" when it cannot be told
    asks: tuple[Asked, ...] = ()
    exempt: str = ""  # why nobody is asked, by challenge_not_required or COVERAGE_IGNORE
    fault: str = ""  # why it could not be read
    target: Any = field(default=None, repr=False, compare=False)  # the view itself: a function or a class
    words: tuple[str, ...] = field(default=(), repr=False, compare=False)  # more names to judge it by
    model: Any = field(default=None, repr=False, compare=False)
    namespaces: tuple[str, ...] = field(default=(), repr=False, compare=False)  # app names, outermost first

    @property
    def is_unsafe(self) -> bool:
        """True when it takes a method that changes something, or nobody knows which it takes."""
        return not self.methods or any(method not in SAFE_METHODS for method in self.methods)


@dataclass(frozen=True)
class Pattern:
    """A URL pattern as the walk finds it."""

    url: str
    name: str
    view: Any
    app_names: tuple[str, ...]
    fault: str = ""


def walk(
    patterns: Iterable[Any], url: str = "/", spaces: tuple[str, ...] = (), apps: tuple[str, ...] = ()
) -> Iterator[Pattern]:
    """Every URL pattern below these, in their order; what cannot be read is a pattern with a fault."""
    for one in patterns:
        full = url + text_of(getattr(one, "pattern", one))
        if isinstance(one, URLPattern):
            name = ":".join([*spaces, one.name]) if one.name else ""
            yield Pattern(full, name, one.callback, apps)
            continue
        try:
            inner = list(one.url_patterns)
        except Exception as exc:  # whatever an import of somebody's module raises
            yield Pattern(full, "", None, apps, fault=f"{type(exc).__name__}: {exc}")
            continue
        below = (*spaces, one.namespace) if one.namespace else spaces
        yield from walk(inner, full, below, (*apps, one.app_name) if one.app_name else apps)


def text_of(pattern: Any) -> str:
    """A pattern as a person writes an address: "users/<pk>/"."""
    if isinstance(pattern, LocalePrefixPattern):
        return "<language>/"
    if isinstance(pattern, RegexPattern):
        return _simple(str(pattern))
    return str(pattern)


def _simple(regex: str) -> str:
    text = re.sub(r"^\^|\\A|\\Z|(?<!\\)\$$", "", regex)
    while (found := re.search(r"\((?:\?P<(\w+)>|\?:)?", text)) is not None:
        end = _closing(text, found.end())
        name = found[1] or ("" if found[0] == "(?:" else "value")
        text = text[: found.start()] + (f"<{name}>" if name else text[found.end() : end]) + text[end + 1 :]
    return re.sub(r"\\(.)", r"\1", re.sub(r"(?<!\\)[?*+](?!>)", "", text))


def _closing(text: str, start: int) -> int:
    depth, escaped = 1, False
    for place in range(start, len(text)):
        char = text[place]
        depth += 0 if escaped else {"(": 1, ")": -1}.get(char, 0)
        escaped = char == "\\" and not escaped
        if not depth:
            return place
    return len(text)


# What is asked


def asks_of(requirements: Iterable[Requirement], method: str) -> tuple[Asked, ...]:
    """What these ask of a request by an HTTP method; "": by any."""
    return tuple(asked for one in requirements for asked in _asked(one, method))


def _asked(requirement: Requirement, method: str) -> Iterator[Asked]:
    policy = requirement.policy()
    narrowed = _narrowed(requirement, policy)
    if method and narrowed and method not in narrowed:
        return
    yield describe(policy, requirement.by, () if method else narrowed)


def _narrowed(requirement: Requirement, policy: Policy) -> tuple[str, ...]:
    if requirement.methods is not None:
        return tuple(sorted(requirement.methods - {"HEAD"}))
    return UNSAFE if policy.single_use else ()


def describe(policy: Policy, by: str, http_methods: Sequence[str] = ()) -> Asked:
    """A policy in plain values."""
    return Asked(
        action=policy.action,
        by=by,
        max_age=policy.max_age,
        methods=None if policy.methods is None else tuple(sorted(policy.methods)),
        bind=(name_of(policy.bind),) if callable(policy.bind) else tuple(policy.bind),
        enforce=policy.enforce if isinstance(policy.enforce, str) else name_of(policy.enforce),
        on_allow=policy.on_allow,
        unenrolled=policy.unenrolled,
        on_unreachable=policy.on_unreachable,
        sign_in=policy.sign_in,
        http_methods=tuple(http_methods),
    )


# Names


def name_of(value: Any) -> str:
    """The dotted name of a function or class; else how it shows itself."""
    value = resolve(value) if isinstance(value, str) else value
    value = getattr(value, "func", value)  # functools.partial
    name = getattr(value, "__qualname__", None)
    if name is None:
        return f"{type(value).__module__}.{type(value).__qualname__}" if "object at 0x" in repr(value) else repr(value)
    return f"{value.__module__}.{name}"


def place_of(value: Any) -> str:
    """file:line of a function or class, the file relative to where the command was started."""
    try:
        value = inspect.unwrap(getattr(value, "func", value))
        file, code = inspect.getfile(value), getattr(value, "__code__", None)
        line = code.co_firstlineno if code else lines_of(value)[0]
    except (TypeError, OSError, ValueError):
        return ""
    return f"{short(file)}:{line}"


@lru_cache(maxsize=4096)
def lines_of(value: Any) -> tuple[int, int]:
    """
    First and last line of a function or class. Raises OSError or TypeError where there is no source.

    Remembered: to find a class, Python parses the whole of its file.
    """
    lines, first = inspect.getsourcelines(value)
    return first, first + len(lines) - 1


def short(file: str) -> str:
    """A file as its package or the current folder names it."""
    path = Path(file)
    for folder in (*_INSTALLED, str(Path.cwd())):
        if path.is_relative_to(folder):
            return str(path.relative_to(folder))
    return file


def is_installed(file: str) -> bool:
    """True for a file of a package that was installed, or of Python: not the project's own."""
    return "site-packages" in file or "dist-packages" in file or file.startswith(_INSTALLED)


def is_the_projects(value: Any) -> bool:
    """True when a function or class is written in the project itself."""
    try:
        return not is_installed(inspect.getfile(inspect.unwrap(getattr(value, "func", value))))
    except TypeError:
        return False
