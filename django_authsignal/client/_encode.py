"""From Python values to the JSON the API reads.

Numbers: the service computes in IEEE doubles, as every JavaScript reader of JSON does. A Decimal or an int
that a double holds exactly is sent as a number, so that rules can compare it; one that it would round is sent
as a text with all its digits, because showing a user 12345678901234567.9 as ...68 would make them approve
another amount than the one that is carried out. NaN and the infinities are no JSON and are refused.

Dates, times and datetimes are sent as ISO 8601, UUIDs and Django's lazy texts as text, enum members as their
value, tuples and sets as lists. None is left out of objects, at any depth; inside a list it stays null, since
leaving it out would move its neighbours. The caller's own objects are never changed, nor are the keys in
them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Set
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from json.encoder import JSONEncoder
from typing import Any, Final
from uuid import UUID


class Clear(Enum):
    """The type of CLEAR."""

    CLEAR = "CLEAR"


CLEAR: Final = Clear.CLEAR
"""Given to `update_user` for an attribute: take its value away. (None leaves it as it is.)"""


class Sealed:
    """A secret that no report shows: error trackers collect the variables of every frame. False when it is empty."""

    __slots__ = ("_text",)

    def __init__(self, text: str | Sealed) -> None:
        # Not a subclass of str: some reporters print texts as they are, without asking for their repr.
        self._text: str = text._text if isinstance(text, Sealed) else text

    def __repr__(self) -> str:
        return "'[hidden]'"

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sealed) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> str:
        raise TypeError("A sealed secret is not pickled or copied. Pass it on as it is.")

    def reveal(self) -> str:
        """The secret. Whoever keeps it in a variable shows it in the report of an error there."""
        return self._text


class Hidden(str):
    """A text for templates, JSON and headers, which the reports of Django and of Sentry do not show: they ask for its
    repr."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'[hidden]'"

    def __reduce__(self) -> tuple[object, ...]:
        return str, (str(self),)  # caches keep sessions pickled, and may outlive this class


_EXACT_INT = 2**53  # the largest magnitude below which every integer is a double

_dump = JSONEncoder(allow_nan=False, separators=(",", ":"), check_circular=False).encode


def encode(attributes: Mapping[str, Any]) -> bytes:
    """The body of a request. Raises TypeError or ValueError, naming the key, for what JSON cannot say."""
    try:
        return _dump(_object(attributes, "")).encode("ascii")
    except RecursionError:
        raise ValueError("The attributes contain themselves, or are nested too deeply. Send a flat object.") from None


def _object(value: Mapping[Any, Any], where: str) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, given in value.items():
        item = _bare(given)
        if not isinstance(key, str):
            raise TypeError(f"{where or 'attributes'} has the key {key!r}, and JSON keys are texts. Use str(key).")
        if item is not None:
            name = str(key.value) if isinstance(key, Enum) else key
            out[name] = _value(item, f"{where}.{name}" if where else name)
    return out


def _bare(value: Any) -> Any:
    """What a member of an enum stands for: it may be None, which is left out."""
    while isinstance(value, Enum) and value is not CLEAR:
        value = value.value
    return value


def _value(value: Any, where: str) -> Any:
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return value
    if value is CLEAR:
        return None
    if isinstance(value, Sealed):
        return value.reveal()
    if isinstance(value, Enum):
        return _value(_bare(value), where)
    if isinstance(value, (int, float, Decimal)):
        return _number(value, where)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Mapping):
        return _object(value, where)
    if isinstance(value, (list, tuple, Set)):
        items = [_value(item, f"{where}[{index}]") for index, item in enumerate(value)]
        # A set has no order of its own; the same set must make the same body when a call is repeated.
        return sorted(items, key=repr) if isinstance(value, Set) else items
    return _text(value, where)


def _number(value: float | Decimal, where: str) -> float | str:
    if isinstance(value, int):
        return int(value) if abs(value) <= _EXACT_INT else str(int(value))
    if not (value.is_finite() if isinstance(value, Decimal) else math.isfinite(value)):
        raise ValueError(f"{where} is {value}, which JSON has no word for. Send None or a text instead.")
    if isinstance(value, float):
        return float(value)
    near = float(value)  # infinite if there is no double as large
    # Through the shortest text of the double, which is what the other side shows: 0.1 is 0.1 there, too.
    if math.isinf(near) or Decimal(repr(near)) != value:
        return str(value)
    return int(near) if near.is_integer() and abs(near) <= _EXACT_INT else near


def _text(value: Any, where: str) -> str:
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, UUID) or _is_lazy(value):
        return str(value)
    raise TypeError(f"{where} is a {type(value).__name__}, which JSON has no word for. Send a text or a number.")


def _is_lazy(value: Any) -> bool:
    """True for gettext_lazy and the like, recognised by name: nothing of this client imports Django."""
    return any(c.__name__ == "Promise" and c.__module__ == "django.utils.functional" for c in type(value).__mro__)
