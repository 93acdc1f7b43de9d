"""What an action's outcome is. The outcome of conditions (rules) will be added here."""

from __future__ import annotations

from django.conf import settings

from django_authsignal.client.types import State
from django_authsignal.emulator import clock
from django_authsignal.emulator.models import ActionConfiguration

OUTCOMES = ("ALLOW", "CHALLENGE", "REVIEW", "BLOCK")
_STATES = {
    "ALLOW": State.ALLOW,
    "CHALLENGE": State.CHALLENGE_REQUIRED,
    "REVIEW": State.REVIEW_REQUIRED,
    "BLOCK": State.BLOCK,
}


def configuration(code: str) -> ActionConfiguration:
    """The action's configuration; an unknown code gets one, with the default outcome."""
    defaults = {"default_user_action_result": settings.DEFAULT_OUTCOME, "created_at": clock.now()}
    found, _ = ActionConfiguration.objects.get_or_create(action_code=code, defaults=defaults)
    return found


def first_state(outcome: str, *, enrolled: bool) -> State:
    """The state of a new action.

    Who has nothing to prove with is never challenged: the answer is ALLOW, as the service has it. Reviews and blocks
    do not depend on it.
    """
    if outcome == "CHALLENGE" and not enrolled:
        return State.ALLOW
    return _STATES[outcome]
