"""What Authsignal leaves to us while somebody waits: delivering a code, or agreeing to a proof."""

from collections.abc import Callable
from typing import Any

from asgiref.sync import async_to_sync, iscoroutinefunction
from django.views.decorators.debug import sensitive_variables

from ..client import ConfigurationError, Event, EventType
from ..conf import get_settings, resolve
from . import mailer

Hook = Callable[[Event], Any]

SETTINGS = {
    EventType.EMAIL_CREATED: "EMAIL_HOOK",
    EventType.SMS_CREATED: "SMS_HOOK",
    EventType.PUSH_CREATED: "PUSH_HOOK",
    EventType.ACTION_VERIFY: "VERIFY_HOOK",
}


def hook_for(event: Event) -> Hook | None:
    """The project's callable for this type of event; None when it has none."""
    configured = getattr(get_settings(), SETTINGS[EventType(event.type or "")])
    if configured is True:
        return mailer.send_code
    found: Hook | None = resolve(configured) if configured else None
    return found


@sensitive_variables()
def call(event: Event, hook: Hook) -> bool:
    """Whether it was delivered, or agreed to. A delivery fails by an exception or by False; a proof needs a True."""
    answer = async_to_sync(hook)(event) if iscoroutinefunction(hook) else hook(event)
    if event.type != EventType.ACTION_VERIFY:
        if answer is False:
            raise RuntimeError("The hook said that it could not deliver.")
        return True
    if not isinstance(answer, bool):
        # A hook that forgets to return must not agree to everything.
        raise ConfigurationError(f"VERIFY_HOOK gave a {type(answer).__name__}. Return True or False.")
    return answer
