"""What an action's outcome is: that of the first rule that matches, or the configured one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.conf import settings

from django_authsignal.client.types import State
from django_authsignal.emulator import clock, conditions
from django_authsignal.emulator.models import ActionConfiguration, Rule
from django_authsignal.emulator.remembered import remember

logger = logging.getLogger(__name__)
_EVERY = timedelta(seconds=1)
OUTCOMES = ("ALLOW", "CHALLENGE", "REVIEW", "BLOCK")  # the later, the stricter
_STATES = {
    "ALLOW": State.ALLOW,
    "CHALLENGE": State.CHALLENGE_REQUIRED,
    "REVIEW": State.REVIEW_REQUIRED,
    "BLOCK": State.BLOCK,
}


@dataclass(frozen=True)
class Decision:
    """What the configuration and its rules make of one action. `methods` None means all."""

    outcome: str
    methods: list[str] | None = None
    default_method: str = ""
    prompt_to_enroll: list[str] = field(default_factory=list)
    rule_ids: list[str] = field(default_factory=list)


def configuration(code: str) -> ActionConfiguration:
    """The action's configuration; an unknown code gets one, with the default outcome."""

    def read() -> ActionConfiguration:
        defaults = {"default_user_action_result": settings.DEFAULT_OUTCOME, "created_at": clock.now()}
        return ActionConfiguration.objects.get_or_create(action_code=code, defaults=defaults)[0]

    return remember(("action", code), read)


def prepare(code: str) -> None:
    """Read what `decide` will, outside the transaction, where it can be remembered."""
    _rules(configuration(code))


def tracked(configured: ActionConfiguration) -> None:
    """Note when its last action was, to the second: on other databases all its tracks would wait for the one row."""
    now, last = clock.now(), configured.last_action_created_at
    if last is None or not timedelta() <= now - last < _EVERY:
        configured.last_action_created_at = now
        ActionConfiguration.objects.filter(pk=configured.pk).update(last_action_created_at=now)


def decide(configured: ActionConfiguration, read: Callable[[conditions.Names], dict[str, Any]]) -> Decision:
    """The first active rule that matches decides; `rule_ids` names all that match, by priority.

    A rule that cannot be evaluated does not match, and yet it may only close: when it stands before the one that
    decides and is stricter, it decides. A BLOCK must not be switched off by data that its condition did not expect,
    and an ALLOW not switched on.
    """
    matched: list[Rule] = []
    broken: list[Rule] = []
    for rule in _rules(configured):
        try:
            if conditions.matches(rule.conditions, read):
                matched.append(rule)
        except conditions.CannotEvaluate as reason:
            logger.warning("Rule %s of %s cannot be evaluated: %s", rule.rule_id, configured.action_code, reason)
            if not matched:
                broken.append(rule)
    decider = matched[0] if matched else None
    if broken:
        closing = max(broken, key=_strictness)
        if _strictness(closing) > (_strictness(decider) if decider else _default_strictness(configured)):
            matched, decider = [closing, *matched], closing
    return Decision(
        outcome=decider.type if decider else configured.default_user_action_result,
        # A rule's methods are some of the action's: the Management API sees to it.
        methods=(decider and decider.verification_methods) or configured.verification_methods,
        default_method=(decider and decider.default_verification_method) or configured.default_verification_method,
        prompt_to_enroll=(
            (decider and decider.prompt_to_enroll_verification_methods)
            or configured.prompt_to_enroll_verification_methods
        ),
        rule_ids=[str(rule.rule_id) for rule in matched],
    )


def _rules(configured: ActionConfiguration) -> list[Rule]:
    def read() -> list[Rule]:
        return list(Rule.objects.filter(configuration=configured, is_active=True).order_by("priority"))

    return remember(("rules", str(configured.pk)), read)


def first_state(outcome: str, *, enrolled: bool) -> State:
    """The state of a new action.

    Who has nothing to prove with is never challenged: the answer is ALLOW, as the service has it. Reviews and blocks
    do not depend on it.
    """
    if outcome == "CHALLENGE" and not enrolled:
        return State.ALLOW
    return _STATES[outcome]


def _strictness(rule: Rule) -> tuple[int, bool]:
    return OUTCOMES.index(rule.type), bool(rule.verification_methods)


def _default_strictness(configured: ActionConfiguration) -> tuple[int, bool]:
    return OUTCOMES.index(configured.default_user_action_result), False
