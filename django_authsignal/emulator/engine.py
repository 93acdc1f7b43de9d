"""The rules of actions, users and client tokens, without HTTP. Raises Problem where the API answers an error."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from django_authsignal.client.types import State, VerificationMethod
from django_authsignal.emulator import clock, devices, events, fields, rules, tenant, tokens, webhooks
from django_authsignal.emulator.compiled import Compiled
from django_authsignal.emulator.inputs import Inputs
from django_authsignal.emulator.models import ID_LENGTH, Action, Authenticator, EmulatedUser, RecoveryCode
from django_authsignal.emulator.problems import Problem, invalid

__all__ = ["Problem", "Session", "allowed_methods", "complete", "default_method", "enrolled_methods", "may_enrol"]

_RECENT = timedelta(minutes=10)  # how long a completed challenge lets its session enrol more
_USER = Compiled(EmulatedUser.objects.all, "user_id", "former_id")
_ACTION = Compiled(Action.objects.all, "user_id", "code", "idempotency_key")
_METHODS = Compiled(
    lambda: Authenticator.objects.filter(verified_at__isnull=False).order_by("created_at", "pk").values_list("method"),
    "user_id",
)


@dataclass(frozen=True)
class Session:
    """What a client token means. The token is a credential, so no repr shows it."""

    user: EmulatedUser
    action: Action | None
    scopes: frozenset[str] = frozenset()
    token: str = field(default="", repr=False)
    expires: int | None = None  # Unix seconds; None when it came from no token
    device: str = ""  # of a pairing: the id that the phone's key will have
    on_page: bool = False  # of a hosted page, which gives recovery codes on a page of their own


@dataclass(frozen=True)
class Verification:
    """What came of a try. `recovery_codes` are shown here once, after a user's first enrolment."""

    is_verified: bool
    failure_reason: str | None = None
    access_token: str | None = field(default=None, repr=False)
    authenticator: Authenticator | None = None
    recovery_codes: tuple[str, ...] = field(default=(), repr=False)


WRONG_CODE = Verification(is_verified=False, failure_reason="CODE_INVALID_OR_EXPIRED")
TOO_MANY_TRIES = Verification(is_verified=False, failure_reason="MAX_ATTEMPTS_EXCEEDED")


# Actions, as the server tracks and asks.


def get_or_create_user(user_id: str) -> EmulatedUser:
    if user := find_user(user_id):
        return user
    user, _ = EmulatedUser.objects.get_or_create(user_id=user_id, former_id="", defaults={"created_at": clock.now()})
    return user


def find_user(user_id: str) -> EmulatedUser | None:
    return _USER.first(fields.check_user_id(user_id), "")


def track(user_id: str, action: str, attributes: dict[str, Any]) -> tuple[Action, dict[str, Any]]:
    """Record that a user is about to do something, and answer with its state, `url` and `token`.

    A known idempotencyKey returns that action in its present state, with a new token.
    """
    fields.check_action(action)
    given = columns(attributes)
    key = fields.text(attributes, "idempotencyKey", limit=ID_LENGTH)
    offered = tenant.offered_methods()
    rules.prepare(action)
    with transaction.atomic():
        user = get_or_create_user(user_id)
        _describe(user, attributes)
        row = _ACTION.first(user.pk, action, key) if key else None
        enrolled = _enrolled(user)
        if row is None:
            row = _create_action(user, action, key or str(uuid.uuid4()), given, offered, enrolled)
    token = tokens.issue(user, row, scope=row.scope or tokens.READ)
    allowed = [m for m in offered if _permits(row.allowed_methods, m) and tenant.is_announced(m, enrolled)]
    usable = [method for method in enrolled if method in allowed]
    url = hosted_url(token)
    answer = {
        "state": row.state,
        "idempotencyKey": row.idempotency_key,
        "url": url,
        "challengeUrl": url,  # its old name, which older integrations read
        "token": token,
        "isEnrolled": bool(usable),
        "allowedVerificationMethods": allowed,
        "enrolledVerificationMethods": enrolled,
        "ruleIds": row.rule_ids,
    }
    if default := _default(user, row, usable):
        answer["defaultVerificationMethod"] = default
    return row, answer


def create_action(user: EmulatedUser, code: str, key: str, given: dict[str, Any]) -> Action:
    """A new action in the state that its configuration and rules give it. `given`: columns that track was told."""
    return _create_action(user, code, key, given, tenant.offered_methods(), _enrolled(user))


def _create_action(
    user: EmulatedUser, code: str, key: str, given: dict[str, Any], offered: list[str], enrolled: list[str]
) -> Action:
    if not offered:
        raise Problem(400, "AUTHENTICATOR_NOT_FOUND", "Every authenticator of the tenant is switched off.")
    configured = rules.configuration(code)
    now = clock.now()
    rules.tracked(configured)
    address, agent = given.get("ip_address", ""), given.get("user_agent", "")
    device = devices.seen(user, given.get("device_id", ""), agent)
    decision = rules.decide(configured, Inputs(user, device, address, agent, given.get("custom")))
    usable = [m for m in enrolled if m in offered and _permits(decision.methods, m)]
    try:
        with transaction.atomic():
            return Action.objects.create(
                user=user,
                code=code,
                idempotency_key=key,
                state=rules.first_state(decision.outcome, enrolled=bool(usable)),
                outcome=decision.outcome,
                was_enrolled=bool(enrolled),
                created_at=now,
                updated_at=now,
                state_updated_at=now,
                allowed_methods=decision.methods,
                default_method=decision.default_method,
                prompt_to_enroll_methods=decision.prompt_to_enroll,
                rule_ids=decision.rule_ids,
                **given,
            )
    except IntegrityError:  # the same key, tracked at the same moment
        return Action.objects.get(user=user, code=code, idempotency_key=key)


def hosted_url(token: str) -> str:
    """Where a browser goes. It holds a `?` already, because SDKs append `&mode=popup`."""
    return f"{settings.PUBLIC_URL}/challenge/?{urlencode({'token': token})}"


def validate(token: str, user_id: str | None = None, action: str | None = None) -> dict[str, Any]:
    """What became of the token's action. A bad token is an answer, never an error."""
    try:
        session, proved_by = _open(token)
    except Problem as problem:
        expired = problem.code == "expired_token"
        return {"isValid": False, "error": "Token is expired." if expired else "Token is invalid."}
    code = session.action.code if session.action else None
    if user_id is not None and user_id != session.user.user_id:
        return {"isValid": False, "error": "User is invalid."}
    if action is not None and action != code:
        return {"isValid": False, "error": "Action is invalid."}
    answer: dict[str, Any] = {"isValid": False, "userId": session.user.user_id}
    if session.action is None:  # a passkey sign-in that named no action: the token itself is the proof
        if proved_by:
            answer |= {"isValid": True, "state": State.CHALLENGE_SUCCEEDED, "verificationMethod": proved_by}
        return answer
    row = session.action
    answer |= {
        "isValid": row.state == State.CHALLENGE_SUCCEEDED,
        "state": row.state,
        "stateUpdatedAt": clock.iso(row.state_updated_at),
        "action": row.code,
        "actionCode": row.code,
        "idempotencyKey": row.idempotency_key,
    }
    if row.verification_method:
        answer["verificationMethod"] = row.verification_method
    return answer


def columns(body: dict[str, Any]) -> dict[str, Any]:
    """What track tells of the action itself, as its columns."""
    return {
        "redirect_url": fields.redirect_url(body) or "",
        "redirect_to_settings": fields.flag(body, "redirectToSettings") or False,
        "ip_address": fields.text(body, "ipAddress", limit=64) or "",
        "user_agent": fields.text(body, "userAgent", limit=4096) or "",
        "device_id": fields.text(body, "deviceId") or "",
        "scope": fields.scope(body) or "",
        "locale": fields.text(body, "locale", limit=35) or "",
        "custom": fields.mapping(body, "custom"),
    }


def _describe(user: EmulatedUser, body: dict[str, Any]) -> None:
    """Track's email, phoneNumber and username are written to the user."""
    given = {
        "email": fields.email(body),
        "phone_number": fields.phone(body),
        "username": fields.text(body, "username"),
    }
    changed: dict[str, str | bool] = {
        name: value for name, value in given.items() if value and value != getattr(user, name)
    }
    if "email" in changed:
        changed["email_verified"] = False
    if "phone_number" in changed:
        changed["phone_number_verified"] = False
    for name, value in changed.items():
        setattr(user, name, value)
    if changed:
        user.save(update_fields=list(changed))


# Client tokens.


def open_token(token: str, *, pairs: str = "") -> Session:
    """Raises Problem 401: expired_token, or unauthorized for anything that is not a living user's token of ours.

    `pairs`: a token that only pairs a phone for this method will do here too.
    """
    return _open(token, pairs)[0]


def pairing_token(session: Session, method: str, device: str) -> str:
    """A token that enrols one key for this method, as the authenticator `device`, while the session may, and no more.

    It ends with the session's own token.
    """
    scope = tokens.ADD if tokens.ADD in session.scopes else ""
    return tokens.issue(session.user, session.action, scope=scope, expires=session.expires, pairs=method, device=device)


def _open(token: str, pairs: str = "") -> tuple[Session, str]:
    """The session, and the method that proved a token without an action."""
    try:
        claims = tokens.read(token)
    except tokens.TokenExpired:
        raise Problem(401, "expired_token", "The token has expired. Track the action again.") from None
    except tokens.TokenInvalid:
        raise Problem(401, "unauthorized", "The token is not valid.") from None
    ours = claims["emulator"]
    if ours.get("pairs", "") not in ("", pairs):
        raise Problem(401, "unauthorized", f"The token only pairs a phone for {ours['pairs']}.")
    user = EmulatedUser.objects.filter(pk=ours["user"]).first()
    action = Action.objects.filter(pk=ours["action"], user=user).first() if user and ours["action"] else None
    if user is None or (ours["action"] and action is None):
        raise Problem(401, "unauthorized", "The token's user was deleted.")
    scopes = frozenset(claims.get("scope", "").split())
    return Session(user, action, scopes, token, claims["exp"], ours.get("device", "")), ours["verified"]


def renew(session: Session) -> str:
    """Another token that means the same and ends with the first: a stolen one must not be kept alive for ever."""
    scope = " ".join(sorted(session.scopes))
    return tokens.issue(session.user, session.action, scope=scope, expires=session.expires)


def require_open(session: Session) -> None:
    """Raises Problem when the session's action is blocked, under review or has failed: nothing can be proved for it."""
    open_states = {State.ALLOW, State.CHALLENGE_REQUIRED, State.CHALLENGE_SUCCEEDED}
    if session.action and session.action.state not in open_states:
        raise Problem(403, "forbidden", f"The action is {session.action.state}; it cannot be challenged.")


def require_allowed(session: Session, method: str) -> None:
    """Raises Problem when the action is not open or does not accept the method."""
    require_open(session)
    if session.action and not _permits(session.action.allowed_methods, method):
        raise invalid(f"The action does not accept {method}.")
    if not tenant.is_offered(method):
        raise invalid(f"The tenant has switched off {method}.")


def may_enrol(session: Session) -> bool:
    """The first authenticator freely; more only with the scope, or when this session's action was just proved.

    Another action's proof does not count: whoever knows only the password must not ride on the victim's.
    """
    if not Authenticator.objects.filter(user=session.user, verified_at__isnull=False).exists():
        return True
    if tokens.ADD in session.scopes:
        return True
    return recently_proved(session)


def recently_proved(session: Session) -> bool:
    """True when this session's own action was proved in the last ten minutes."""
    row = session.action
    if row is None:  # a token without an action that may change things comes from a passkey sign-in alone
        return tokens.REMOVE in session.scopes
    return row.state == State.CHALLENGE_SUCCEEDED and clock.now() - row.state_updated_at <= _RECENT


def require_enrol(session: Session, method: str) -> None:
    """Raises Problem unless the session may enrol an authenticator of this method now."""
    require_allowed(session, method)
    if not may_enrol(session):
        raise Problem(403, "forbidden", "Complete a challenge first, or track with the scope add:authenticators.")


def allowed_methods(session: Session) -> list[str]:
    """What the action accepts, of what can be enrolled here; recovery codes: see `recovery_allowed`."""
    return _allowed(session.user, session.action)


def accepted_methods(session: Session) -> list[str]:
    """The same with those that answers do not name before a user has them: pages are not read by SDKs."""
    row = session.action
    return [m for m in tenant.offered_methods() if row is None or _permits(row.allowed_methods, m)]


def enrolled_methods(session: Session) -> list[str]:
    """What the user has, in the order of enrolment."""
    return _enrolled(session.user)


def default_method(session: Session) -> str | None:
    """What a page starts with: the action's, else the user's, else the first enrolled that the action accepts."""
    allowed = _allowed(session.user, session.action)
    return _default(session.user, session.action, [m for m in _enrolled(session.user) if m in allowed])


def recovery_allowed(session: Session) -> bool:
    """True while the user has an unused recovery code and the action accepts one."""
    accepted = session.action is None or _permits(session.action.allowed_methods, VerificationMethod.RECOVERY_CODE)
    accepted = accepted and tenant.is_offered(VerificationMethod.RECOVERY_CODE)
    return accepted and RecoveryCode.objects.filter(user=session.user, used_at__isnull=True).exists()


def sign_in(user: EmulatedUser, code: str, key: str, method: str, given: dict[str, Any]) -> Session:
    """The session of a proof that began without a user: its action is made now, unless none was named."""
    if not code:
        return Session(user, None)
    row = Action.objects.filter(user=user, code=code, idempotency_key=key).first()
    row = row or create_action(user, code, key, given)
    session = Session(user, row)
    require_allowed(session, method)
    # The proof was asked for here, whatever the outcome would have been for a track.
    Action.objects.filter(pk=row.pk, state=State.ALLOW).update(state=State.CHALLENGE_REQUIRED)
    return session


def fail(action: Action) -> None:
    """The user said no on their own device. What another method has proved already stays proved."""
    now = clock.now()
    waiting = Action.objects.filter(pk=action.pk, state__in=[State.CHALLENGE_REQUIRED, State.ALLOW])
    waiting.update(state=State.CHALLENGE_FAILED, state_updated_at=now, updated_at=now)


def complete(
    session: Session, method: str, authenticator: Authenticator | None, *, undo: Callable[[], None] | None = None
) -> str:
    """Mark the session's action as proved, if it may be, and return the access token (ten minutes).

    CHALLENGE_REQUIRED becomes CHALLENGE_SUCCEEDED; ALLOW only for a user who had nothing enrolled when it was
    tracked. No other state does. When the action's configuration names a receiver for action.verify, it is asked once
    the caller's transaction is over, and its no is a Problem then, after `undo`: the token must not leave before.
    """
    if session.action:
        verified_by = str(authenticator.pk) if authenticator else ""
        receiver = rules.configuration(session.action.code).verification_webhook_url
        if receiver and _passable(session.action).exists():
            # What was spent is written down first, so a refused code cannot be tried again; and while the receiver
            # takes its time, no transaction is open that everybody else would wait for.
            transaction.on_commit(partial(_ask_and_pass, session, method, verified_by, receiver, undo))
        else:
            _pass(session, method, verified_by)
    return tokens.issue(session.user, session.action, scope=tokens.MANAGE, verified=method)


def _passable(action: Action) -> QuerySet[Action]:
    unenrolled = Q(state=State.ALLOW, was_enrolled=False)
    return Action.objects.filter(Q(state=State.CHALLENGE_REQUIRED) | unenrolled, pk=action.pk)


def _pass(session: Session, method: str, verified_by: str) -> None:
    if session.action is None:
        return
    now = clock.now()
    # One UPDATE that names the state it leaves: a block that arrives meanwhile wins.
    _passable(session.action).update(
        state=State.CHALLENGE_SUCCEEDED,
        state_updated_at=now,
        updated_at=now,
        verification_method=method,
        verified_by=verified_by,
    )
    session.action.refresh_from_db()
    require_open(session)
    devices.authenticated(session.user, session.action.device_id, method)


def _ask_and_pass(
    session: Session, method: str, verified_by: str, receiver: str, undo: Callable[[], None] | None
) -> None:
    if session.action is None:
        return
    agreed = events.ask_at(
        receiver,
        webhooks.VERIFY,
        userId=session.user.user_id,
        action=session.action.code,
        idempotencyKey=session.action.idempotency_key,
        verifiedAt=clock.iso(clock.now()),
        state=State.CHALLENGE_SUCCEEDED,
        verificationMethod=method,
        userAuthenticatorId=verified_by,
    )
    if not agreed:
        if undo:
            undo()
        raise Problem(403, "challenge_refused", "The action's verification webhook refused the challenge.")
    with transaction.atomic():
        _pass(session, method, verified_by)


def _permits(allowed: list[str] | None, method: str) -> bool:
    return allowed is None or method in allowed


def _allowed(user: EmulatedUser, action: Action | None) -> list[str]:
    enrolled = _enrolled(user)
    permitted = [m for m in tenant.offered_methods() if action is None or _permits(action.allowed_methods, m)]
    return [m for m in permitted if tenant.is_announced(m, enrolled)]


def _enrolled(user: EmulatedUser) -> list[str]:
    return list(dict.fromkeys(method for (method,) in _METHODS.tuples(user.pk)))


def _default(user: EmulatedUser, action: Action | None, usable: list[str]) -> str | None:
    wished = [action.default_method if action else "", user.default_method]
    return next((method for method in [*wished, *usable] if method in usable), None)
