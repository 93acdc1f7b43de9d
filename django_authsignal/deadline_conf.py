"""The setting ENROLMENT_DEADLINE: who must have which way of proof, by when."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django.conf import settings as django_settings
from django.utils import timezone
from django.utils.module_loading import import_string

from .client.types import VerificationMethod

KEYS = ("BY", "METHODS", "WHO", "GRACE")
EXAMPLE = 'Write {"BY": "2027-01-31", "METHODS": ["PASSKEY"], "WHO": "staff", "GRACE": 14}.'
MOST_DAYS = 3650
WHO: Mapping[str, Callable[[Any], bool]] = {
    "staff": lambda user: bool(getattr(user, "is_staff", False) or getattr(user, "is_superuser", False)),
    "superusers": lambda user: bool(getattr(user, "is_superuser", False)),
    "everybody": lambda user: True,
}


@dataclass(frozen=True)
class Deadline:
    """ENROLMENT_DEADLINE, read. After `by` the people of `who` need one of `methods`."""

    by: datetime
    methods: frozenset[str]
    who: Callable[[Any], bool]
    grace: timedelta  # for those who joined later

    def for_joined(self, joined: datetime | None) -> datetime:
        """The moment for somebody who joined then."""
        return self.by if joined is None or not self.grace else max(self.by, joined + self.grace)


def read(value: Mapping[str, Any] | None) -> Deadline | None:
    """The deadline of a sound setting; None for none."""
    if not value:
        return None
    who = value.get("WHO", "staff")
    return Deadline(
        by=_moment(value["BY"]),
        methods=frozenset(value.get("METHODS", ["PASSKEY"])),
        who=WHO[who] if who in WHO else who if callable(who) else import_string(who),
        grace=timedelta(days=value.get("GRACE", 0)),
    )


def _moment(by: Any) -> datetime:
    """A day means until it has ended, in the site's time zone."""
    if isinstance(by, str):
        by = date.fromisoformat(by) if len(by) == 10 else datetime.fromisoformat(by)
    if not isinstance(by, datetime):
        by = datetime.combine(by + timedelta(days=1), time())
    if django_settings.USE_TZ:
        return by if timezone.is_aware(by) else timezone.make_aware(by, timezone.get_default_timezone())
    return timezone.make_naive(by, timezone.get_default_timezone()) if timezone.is_aware(by) else by


def fault(value: Any) -> tuple[str, str] | None:
    """What is wrong with a value of the setting, and how to mend it; None when it is sound."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        return f"is {value!r}, not a dict.", EXAMPLE
    for key in value:
        if key not in KEYS:
            close = difflib.get_close_matches(str(key).upper(), KEYS, n=1, cutoff=0.5)
            return f"has an unknown key {key!r}.", f"Did you mean {close[0]!r}?" if close else EXAMPLE
    return (
        _by_fault(value)
        or _methods_fault(value.get("METHODS", ["PASSKEY"]))
        or _who_fault(value.get("WHO", "staff"))
        or _grace_fault(value.get("GRACE", 0))
    )


def _by_fault(value: Mapping[str, Any]) -> tuple[str, str] | None:
    if "BY" not in value:
        return "has no 'BY'.", EXAMPLE
    try:
        _moment(value["BY"])
    except (TypeError, ValueError, AttributeError, OverflowError):
        return f"has no day in 'BY': {value['BY']!r}.", 'Write a date, a datetime, or text such as "2027-01-31".'
    return None


def _methods_fault(methods: Any) -> tuple[str, str] | None:
    sound = isinstance(methods, Sequence | set | frozenset) and not isinstance(methods, str) and methods
    if not sound or not all(isinstance(item, str) for item in methods):
        return f"has {methods!r} in 'METHODS'.", 'List at least one method, such as ["PASSKEY"].'
    for item in methods:
        if item not in VerificationMethod.__members__:
            close = difflib.get_close_matches(item.upper(), list(VerificationMethod.__members__), n=1)
            return f"names an unknown method {item!r}.", f"Did you mean {close[0]!r}?" if close else EXAMPLE
    return None


def _who_fault(who: Any) -> tuple[str, str] | None:
    if callable(who) or (isinstance(who, str) and who in WHO):
        return None
    try:
        if callable(import_string(who)):
            return None
    except (ImportError, TypeError, AttributeError, ValueError):
        pass
    return f"has {who!r} in 'WHO'.", f"Use one of {', '.join(map(repr, WHO))}, or a callable taking the user."


def _grace_fault(grace: Any) -> tuple[str, str] | None:
    if type(grace) is int and 0 <= grace <= MOST_DAYS:
        return None
    return f"has {grace!r} in 'GRACE'.", f"Write whole days, from 0 to {MOST_DAYS}."
