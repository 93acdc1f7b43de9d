"""One delivery, from a good signature to an answer: whose it is, what of it is new, and what became of that."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.contrib.auth.models import AbstractBaseUser
from django.db import DatabaseError
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from .. import signals
from ..client import Event, EventType
from ..conf import option
from ..identity import user_from_id
from . import hooks, reactions, register

logger = logging.getLogger("django_authsignal")

CHUNK = 100  # records that are claimed at once: what is handled well within a claim's time


@dataclass(frozen=True)
class Answer:
    """What the sender is told: a status, and for people a code and a sentence. None of it quotes the event."""

    status: int = 200
    code: str = ""
    title: str = ""


DONE = Answer()
BUSY = Answer(503, "in_progress", "This event is being handled by another delivery. Send it again in a minute.")
FAILED = Answer(500, "not_handled", "The event could not be handled; the log says why. Send it again.")
NO_EVENT = Answer(400, "invalid_request", "This is no event. Send a version 1 envelope with an id and a type.")
FOREIGN = Answer(403, "wrong_tenant", "This event is another tenant's.")


@sensitive_variables()
def receive(request: HttpRequest, event: Event) -> Answer:
    """Handles an event, or the records of a batch, whose signature is good; each once, however often it comes.

    What fails is taken back, so that the sender's next try is handled: 500 then. 503 while another delivery of the
    same is under way.
    """
    if "records" in event.raw:
        return _batch(request, event.records)
    if refusal := _refusal(request, [event]):
        return refusal
    if event.type in hooks.SETTINGS:
        return _ask(request, event)
    return _each(request, [event])


def _refusal(request: HttpRequest, events: Sequence[Event]) -> Answer | None:
    tenant = option("TENANT_ID", request)
    if not all(event.id and event.type for event in events):
        return NO_EVENT
    if tenant and any(event.tenant_id != tenant for event in events):
        return FOREIGN
    return None


def _batch(request: HttpRequest, records: Sequence[Event]) -> Answer:
    if refusal := _refusal(request, records):
        return refusal
    answers = [_each(request, records[start : start + CHUNK]) for start in range(0, len(records), CHUNK)]
    return max(answers, key=_worst, default=DONE)


def _worst(answer: Answer) -> int:
    return (DONE, BUSY, FAILED).index(answer)


@sensitive_variables()
def _each(request: HttpRequest, events: Sequence[Event]) -> Answer:
    """Reactions of ours, then the signal: a receiver that fails must not keep a removed authenticator's proofs."""
    return _once(events, lambda event: _handle(request, event))


def _once(events: Sequence[Event], handle: Callable[[Event], Answer]) -> Answer:
    keyed = {register.key_of(event): event for event in events}
    try:
        claimed = register.claim(keyed)
    except DatabaseError as exc:  # a lock that was waited for in vain, or no table yet
        name = type(exc).__name__
        logger.error("An event could not be written down (%s). Is `manage.py migrate` due? It will come again.", name)
        return BUSY
    answers = dict.fromkeys(claimed.ours, FAILED)
    try:
        for key in claimed.ours:
            answers[key] = handle(keyed[key])
    finally:
        register.settle(claimed, [key for key, answer in answers.items() if answer == DONE])
    return next((answer for answer in answers.values() if answer != DONE), BUSY if claimed.busy else DONE)


@sensitive_variables()
def _handle(request: HttpRequest, event: Event) -> Answer:
    try:
        user = _user_of(event)
        reactions.react(request, event, user)
        signals.event_received.send(_sender(event), event=event, request=request, user=user)
    except Exception as exc:
        _log_failure(event, exc)
        return FAILED
    return DONE


@sensitive_variables()
def _ask(request: HttpRequest, event: Event) -> Answer:
    """A message that we are to deliver, or a question: whether the challenge goes on depends on the answer."""
    hook = hooks.hook_for(event)
    if hook is None:
        # Never a quiet yes: the person would wait for a code that nobody sent. Nothing is written down, so that the
        # same event is handled once there is a hook.
        setting = hooks.SETTINGS[EventType(event.type or "")]
        logger.error("Authsignal asked for %s, and there is no hook. Set AUTHSIGNAL[%r].", event.type, setting)
        return Answer(501, "no_hook", f"There is no {setting} here.")
    return _once([event], lambda one: _ask_hook(request, one, hook))


@sensitive_variables()
def _ask_hook(request: HttpRequest, event: Event, hook: hooks.Hook) -> Answer:
    try:
        agreed = hooks.call(event, hook)
    except Exception as exc:
        _log_failure(event, exc)
        return Answer(502, "hook_failed", "The hook failed; the log says why.")
    if not agreed:
        return Answer(403, "refused", "The hook refused.")
    _tell_all(request, event)
    return DONE


@sensitive_variables()
def _tell_all(request: HttpRequest, event: Event) -> None:
    """The message is out: no receiver can take it back, so none can have it sent again."""
    try:
        user = _user_of(event)
    except Exception as exc:
        _log_failure(event, exc)
        return
    for _, error in signals.event_received.send_robust(_sender(event), event=event, request=request, user=user):
        if error is not None and isinstance(error, Exception):
            _log_failure(event, error)


def _sender(event: Event) -> type[Event] | EventType:
    # Receivers are found by identity, so it must not be the text that came.
    try:
        return EventType(event.type or "")
    except ValueError:
        return Event


def _user_of(event: Event) -> AbstractBaseUser | None:
    heard = reactions.is_about_somebody(event) or signals.event_received.has_listeners(_sender(event))
    return user_from_id(event.user_id, search=False) if heard and event.user_id else None


def _log_failure(event: Event, exc: Exception) -> None:
    """Where it failed. The error's own words, and the variables that reports add, only when no code can be in them."""
    place, trace = "", exc.__traceback__
    while trace is not None:
        place, trace = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}", trace.tb_next
    secret = event.type in hooks.SETTINGS
    name = type(exc).__name__
    logger.error("%s could not be handled: %s at %s", event.type, name, place, exc_info=None if secret else exc)
