"""The question, the gate's answer, and the two exceptions that carry it out of deep code."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from django.contrib.auth.models import AbstractBaseUser

from .binding import Bound
from .models import Kind
from .policy import Policy


@dataclass(frozen=True)
class Question:
    """May this user do this action, now, in this browser, with these values?"""

    user: AbstractBaseUser
    policy: Policy
    kind: Kind = Kind.STEP_UP
    bound: Bound = field(default_factory=Bound)
    return_to: str = ""
    backend: str = ""
    finish_in_view: bool = False
    password_proved: bool = False
    first_factor: bool = False  # they said who they are a moment ago, in whatever way: a password, a mailed code, …
    finish_at: str = ""  # path of the view that finishes it, where that is not the one that asks
    scopes: str = ""  # asked of Authsignal for managing authenticators; only ever with a pass for MANAGE_ACTION
    anywhere: bool = False  # asked by every page alike: one open challenge serves them all
    release: bool = False  # the view was left: an ALLOW is kept for the one repetition of this request
    resend: Sequence[str] | None = None  # the only fields that a waiting page may show again
    state: str = ""  # the fingerprint of the user as they were stored inside the transaction that asked

    @property
    def signs_in(self) -> bool:
        """True when the answer logs somebody in."""
        return self.kind in (Kind.SIGN_IN, Kind.PASSWORDLESS)


class Verdict(Enum):
    """What the gate decided."""

    PASS = "pass"  # noqa: S105 - not a password
    CHALLENGE = "challenge"
    REVIEW = "review"
    DENY = "deny"
    UNREACHABLE = "unreachable"
    SIGN_IN = "sign_in"  # nobody is signed in: sign in first
    NOT_STARTED = "not_started"  # a proof is needed, and a request like this one never begins it
    REPEAT = "repeat"  # allowed: the same request may come again, once
    TOO_MANY = "too_many"  # over one of LIMITS: nothing was begun


@dataclass(frozen=True)
class Decision:
    """The gate's frozen answer to one question."""

    verdict: Verdict
    action: str
    label: str = ""
    url: str = field(default="", repr=False)  # the hosted page; it holds a token, and is a `Hidden` text
    token: str = field(default="", repr=False)  # for a client SDK
    challenge_id: uuid.UUID | None = None
    expires_at: datetime | None = None
    return_to: str = ""
    reason: str = ""
    hint: str = ""  # for the developer, shown only while the emulator is on
    signs_in: bool = False
    resend: Sequence[str] | None = None  # the only fields that a waiting page may show again
    values: Mapping[str, Any] = field(default_factory=dict, repr=False)  # what is bound, for the person to see
    changed: tuple[str, ...] = ()  # names of bound fields that differ from what was proved for this request
    refused: str = ""  # why the result token that came with the request was no proof
    retry_after: float | None = None  # seconds after which it is worth asking again, where that is known

    @property
    def passed(self) -> bool:
        """True when the action may go on now."""
        return self.verdict is Verdict.PASS


class AuthsignalInterrupt(Exception):
    """Base of the two that the middleware answers.

    Not a PermissionDenied, which `authenticate()` would swallow, and not a DRF APIException, which DRF would.
    """

    def __init__(self, decision: Decision | None = None, question: Question | None = None, message: str = "") -> None:
        self.decision = decision
        self.question = question  # not yet asked: the gate is asked outside the view's transaction
        action = decision.action if decision else question.policy.action if question else ""
        what = f"{action}: {decision.verdict.value if decision else 'not proved yet'}"
        # Read only where nobody caught it, which means that no middleware of ours stood around.
        fix = "AuthsignalMiddleware answers this with a page: add it to MIDDLEWARE, or catch it."
        super().__init__(message or f"{what}. {fix}")


class ChallengeRequired(AuthsignalInterrupt):
    """The action waits: for its proof, a review, a sign-in, or for Authsignal to be reachable again."""


class ActionBlocked(AuthsignalInterrupt):
    """The action is denied; no challenge is offered."""
