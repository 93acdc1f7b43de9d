"""What we ask of one action: declared once in `AUTHSIGNAL["ACTIONS"]`, narrowed by callers, never widened."""

import re
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext

from .client import ConfigurationError
from .conf import ACTION_HINT, Settings, get_settings, resolve, valid_action

Bind = Sequence[str] | Callable[[HttpRequest], Mapping[str, Any]]


@dataclass(frozen=True)
class Policy:
    """The policy of one action, every key resolved. Ages are in seconds."""

    action: str
    max_age: int | None  # None: as long as the session, which only a sign-in may be
    on_allow: str
    unenrolled: str
    on_unreachable: str
    methods: frozenset[str] | None
    enforce: Any
    challenge_age: int
    review_max_age: int
    label: str
    custom: Callable[[HttpRequest], Mapping[str, Any]] | None
    tenant: str | Callable[[HttpRequest], str] = ""  # TENANT_ID: where it has to be proved
    sign_in: bool = False
    bind: Bind = ()

    @cached_property
    def single_use(self) -> bool:
        """True when a proof is spent by the first request it serves."""
        return bool(self.bind) or self.max_age == 0

    @property
    def strict(self) -> bool:
        """True when only a real proof will do: no ALLOW and no outage can stand in for it."""
        return self.single_use or self.methods is not None

    def narrowed(self, *, max_age: int | None = None, bind: Bind = ()) -> "Policy":
        """This policy, asked for more strictly. Raises ConfigurationError when it would ask for less."""
        if max_age is None and not bind:
            return self
        if self.sign_in and (max_age == 0 or bind):
            raise ConfigurationError(
                f"{self.action!r} signs in, and its proof is kept for the session: asked of one request alone it would "
                "never count. Give max_age in seconds, or ask for another action."
            )
        if max_age is not None:
            _check_age(self, max_age)
        return replace(self, max_age=self.max_age if max_age is None else max_age, bind=bind or self.bind)

    def accepts(self, method: str | None) -> bool:
        """True when a proof given by this verification method counts."""
        return self.methods is None or (method is not None and method in self.methods)


def _check_age(policy: Policy, max_age: int) -> None:
    if type(max_age) is not int or max_age < 0:
        raise ConfigurationError(f"max_age={max_age!r} for {policy.action!r}: give whole seconds, 0 or more.")
    if policy.max_age is not None and max_age > policy.max_age:
        raise ConfigurationError(
            f"max_age={max_age} for {policy.action!r} is wider than its policy's {policy.max_age} s. "
            f'Lower it, or raise AUTHSIGNAL["ACTIONS"]["{policy.action}"]["MAX_AGE"].'
        )


def get_policy(action: str) -> Policy:
    """The policy in force for an action. Raises ConfigurationError for a code Authsignal would not take."""
    return policy_in(get_settings(), action)


def check_action(action: str) -> None:
    """Raises ConfigurationError for a code Authsignal would not take."""
    if not valid_action(action):
        raise ConfigurationError(f"{action!r} is not an action code. {ACTION_HINT}")


@lru_cache(maxsize=512)
def policy_in(settings: Settings, action: str) -> Policy:
    """The policy of an action under these settings. Raises ConfigurationError as `get_policy` does."""
    check_action(action)
    sign_in = action == settings.SIGN_IN_ACTION
    own = settings.ACTIONS.get(action, {})

    def get(key: str) -> Any:
        return own.get(key, getattr(settings, key))

    methods = get("METHODS")
    # Observing how others would be asked must not leave the removal of authenticators open.
    enforce = "on" if action in (settings.MANAGE_ACTION, settings.RESET_ACTION) else get("ENFORCE")
    return Policy(
        action=action,
        max_age=own.get("MAX_AGE") if sign_in else int(get("MAX_AGE")),
        on_allow=get("ON_ALLOW") or ("pass" if sign_in else "deny"),
        unenrolled=get("UNENROLLED") or ("enroll" if sign_in else "deny"),
        on_unreachable=get("ON_UNREACHABLE"),
        methods=None if methods is None else frozenset(methods),
        enforce=enforce if enforce in ("on", "observe") else resolve(enforce),
        challenge_age=int(get("CHALLENGE_AGE")),
        review_max_age=int(get("REVIEW_MAX_AGE")),
        label=own.get("LABEL", ""),
        custom=resolve(own.get("CUSTOM")),
        tenant=settings.TENANT_ID,
        sign_in=sign_in,
    )


def passwordless(policy: Policy) -> Policy:
    """The sign-in policy for somebody who gave no password: the proof is all there is, so nothing may stand in."""
    accepted = frozenset(get_settings().PASSWORDLESS_METHODS)
    if policy.methods is not None:
        accepted &= policy.methods
    # Nor is it observed: this proof is not asked on top of anything, and without it nobody is signed in.
    return replace(policy, methods=accepted, on_allow="deny", unenrolled="deny", on_unreachable="deny", enforce="on")


class _Values(dict[str, Any]):
    def __getitem__(self, key: str) -> Any:
        return shown(super().__getitem__(key))

    def __missing__(self, key: str) -> str:
        return "…"


class _Plain(string.Formatter):
    """Replaces {name} and nothing else: no attribute, no index, no format spec can be smuggled into a LABEL."""

    def get_field(self, field_name: str, args: Any, kwargs: Any) -> Any:
        return kwargs[field_name], field_name


def label_for(policy: Policy, values: Mapping[str, Any]) -> str:
    """The action in plain words for a person: its LABEL filled with what is to be proved. Unescaped text."""
    if policy.sign_in and not policy.label:
        return gettext("Sign in")
    text = str(policy.label) or words(policy.action)
    try:
        return _Plain().vformat(text, (), _Values(values))
    except ValueError:  # a translation with a brace too few; the setting itself was checked
        return text


_TURNS = re.compile("[\u202a-\u202e\u2066-\u2069]")


def shown(value: Any) -> str:
    """A value as a person is to see it, before it is escaped: what would turn the text around it is made visible."""
    return _TURNS.sub("\ufffd", str(value))


def words(code: str) -> str:
    """An action code, or a field's name, as words for a person: "withdrawFunds" is "Withdraw funds"."""
    spaced = (
        "".join(f" {char.lower()}" if char.isupper() else char for char in code).replace("_", " ").replace("-", " ")
    )
    words = " ".join(spaced.split())
    return words[:1].upper() + words[1:]
