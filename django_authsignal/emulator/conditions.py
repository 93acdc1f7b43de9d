"""JsonLogic conditions: refused when they are saved, or bounded when they are evaluated.

The evaluator is datalogic-py. A pure Python one (panzi-json-logic) could not stop a condition that doubles a text with
each step; this one counts what it does and stops, and names the place of what it cannot run.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django_authsignal.emulator import equality
from django_authsignal.emulator.problems import Problem, invalid

if TYPE_CHECKING:
    from collections.abc import Callable

    from datalogic_py import Engine, Rule

_SIZE = 16 * 1024  # characters of a condition as JSON
_DEPTH = 32
_WORK = 20_000  # operations of one evaluation: about a millisecond
# What a condition may read; names of `user` and `custom` are the tenant's own.
KNOWN: dict[str, tuple[str, ...] | None] = {
    "ip": ("isAnonymous", "countryCode", "countryCodeInOfacList", "impossibleTravel", "atypicalTravel"),
    "device": ("isNew", "isBot", "isRemembered"),
    "user": None,
    "custom": None,
}
Names = frozenset[tuple[str, ...]]  # ("ip", "countryCode"); ("ip",) is all of ip, () is everything


class CannotEvaluate(Exception):
    """The condition has no answer for this data. The text holds none of the data."""


def check(conditions: Any, name: str = "body.conditions") -> None:
    """Raises Problem 400, naming the place, for what could not be evaluated or would silently never match."""
    if not isinstance(conditions, dict) or len(conditions) != 1:
        example = '{"==": [{"var": "ip.countryCode"}, "NZ"]}'
        raise invalid(f"{name} must be an object with one operator, like {example}.")
    text = json.dumps(conditions)
    if len(text) > _SIZE:
        raise invalid(f"{name} must be at most {_SIZE} characters.")
    if place := _deepest(conditions):
        raise invalid(f"{name}{place[:200]} is nested more than {_DEPTH} deep.")
    from datalogic_py import DataLogicError  # noqa: PLC0415  as in _engine

    try:
        problems = [found for found in _engine().check(conditions) if found["severity"] == "error"]
        if problems:
            raise invalid(f"{name}{problems[0]['pointer'][:200]}: {problems[0]['message'][:200]}.")
        names = _compiled(text)[1]
    except DataLogicError as exc:
        raise invalid(f"{name} is not JsonLogic: {str(exc)[:200]}.") from None
    for path in sorted(names):
        _check_name(path, name)


def matches(conditions: Any, read: Callable[[Names], dict[str, Any]]) -> bool:
    """True when they hold for what `read` returns of the names they ask for. Raises CannotEvaluate."""
    from datalogic_py import DataLogicError  # noqa: PLC0415  as in _engine

    try:
        rule, names = _checked(json.dumps(conditions))
        return rule.evaluate(_present(read(names))) is True
    except Problem as exc:
        raise CannotEvaluate(exc.description) from None
    except DataLogicError as exc:
        raise CannotEvaluate(exc.error_type) from None


@lru_cache(maxsize=1)
def _engine() -> Engine:
    from datalogic_py import Engine  # noqa: PLC0415  a start need not load it

    # No families: dates, errors and templates are not JsonLogic. A text compared with a number is simply not equal.
    return Engine(config={"ops_budget": _WORK, "loose_equality_errors": False}, families=[])


@lru_cache(maxsize=256)
def _checked(text: str) -> tuple[Rule, Names]:
    check(json.loads(text))  # again: a row need not have been saved by the API
    return _compiled(text)


def _compiled(text: str) -> tuple[Rule, Names]:
    rule = _engine().compile({"!!": [equality.javascript(json.loads(text))]})
    facts = rule.facts()
    names = [tuple(path) for path in facts["reads"]]
    return rule, frozenset(names if facts["reads_complete"] else [*names, ()])


def _present(data: dict[str, Any]) -> dict[str, Any]:
    """Without what nobody sent: `missing` finds it, and a `var` has its default for it."""
    return {
        group: {name: value for name, value in values.items() if value is not None} for group, values in data.items()
    }


def _check_name(path: tuple[str, ...], name: str) -> None:
    if not path:
        return
    if path[0] not in KNOWN:
        raise invalid(
            f"{name} reads {'.'.join(path)[:200]}; it may read ip, device, user and custom. "
            "What track sends as custom is custom.<name>."
        )
    known = KNOWN[path[0]]
    if known and len(path) > 1 and path[1] not in known:
        raise invalid(f"{name} reads {'.'.join(path)[:200]}; {path[0]} has: {', '.join(known)}.")


def _deepest(conditions: Any) -> str:
    """The place of the first value that is nested too deep. Without recursion, which such a value would exhaust."""
    level = [("", conditions)]
    for _ in range(_DEPTH):
        level = [
            (f"{place}/{key}", child)
            for place, value in level
            if isinstance(value, dict | list)
            for key, child in (value.items() if isinstance(value, dict) else enumerate(value))
        ]
    return next((place for place, value in level if isinstance(value, dict | list)), "")
