"""The setting LIMITS: how often somebody may begin a challenge, bring a false proof, or try without a password."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# More than any honest person needs. START counts what is begun and never given back: each may be a text message that
# you pay for. CALLBACK counts what comes back and is no proof. PASSWORDLESS counts tries; its USER is the name given.
DEFAULTS: Mapping[str, Mapping[str, int]] = {
    "START": {"SESSION": 30, "USER": 30, "ADDRESS": 300, "WINDOW": 600},
    "CALLBACK": {"SESSION": 20, "ADDRESS": 100, "WINDOW": 300},
    "PASSWORDLESS": {"SESSION": 20, "USER": 5, "ADDRESS": 20, "WINDOW": 300},
}
MOST_TRIES = 1_000_000
LONGEST = 86_400  # seconds
EXAMPLE = 'Write {"START": {"USER": 10, "ADDRESS": 100, "WINDOW": 600}}.'


@dataclass(frozen=True)
class Limit:
    """How many tries count in `window` seconds, by each of SESSION, USER and ADDRESS that is limited."""

    window: int
    most: Mapping[str, int]


def read(value: Mapping[str, Any] | None, kind: str) -> Limit | None:
    """One limit of a sound setting; None when nothing of it is limited. What is left out keeps its default."""
    own = {} if value is None else value.get(kind, {})
    if value is None or own is None:
        return None
    whole = {**DEFAULTS[kind], **own}
    most = {by: whole[by] for by in DEFAULTS[kind] if by != "WINDOW" and whole[by]}
    return Limit(whole["WINDOW"], most) if most else None


def counts(value: Mapping[str, Any] | None) -> bool:
    """True when anything is limited."""
    return any(read(value, kind) for kind in DEFAULTS)


def fault(value: Any) -> tuple[str, str] | None:
    """What is wrong with a value of the setting, and how to mend it; None when it is sound."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        return f"is {value!r}, not a dict.", f"{EXAMPLE} None limits nothing."
    for kind, own in value.items():
        if kind not in DEFAULTS:
            return f"has an unknown key {kind!r}.", _meant(kind, tuple(DEFAULTS))
        found = None if own is None else _fault_of(kind, own)
        if found:
            return found
    return None


def _fault_of(kind: str, own: Any) -> tuple[str, str] | None:
    if not isinstance(own, Mapping):
        return f"has {own!r} for {kind!r}, which is no dict.", f"{EXAMPLE} None switches {kind} off."
    for by, most in own.items():
        if by not in DEFAULTS[kind]:
            return f"has an unknown key {by!r} in {kind!r}.", _meant(by, tuple(DEFAULTS[kind]))
        if by == "WINDOW":
            if type(most) is not int or not 1 <= most <= LONGEST:
                return f"has {most!r} for 'WINDOW' in {kind!r}.", f"Write whole seconds, from 1 to {LONGEST}."
        elif most is not None and (type(most) is not int or not 0 <= most <= MOST_TRIES):
            hint = f"Write how many tries count in a window, {MOST_TRIES} at most. None or 0 counts nothing by it."
            return f"has {most!r} for {by!r} in {kind!r}.", hint
    return None


def _meant(key: Any, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(str(key).upper(), known, n=1, cutoff=0.5)
    return f"Did you mean {close[0]!r}?" if close else f"It knows: {', '.join(known)}."
