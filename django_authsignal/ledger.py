"""Writing down: rows of the ledger, the passes and open challenges that go with them, and who is told."""

import inspect
import ipaddress
import logging
import re
import uuid
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from . import addresses, browser, channel, lockouts, session, signals
from .binding import Bound, request_scope
from .client import AuthsignalError, Client, ConfigurationError, Unreachable
from .client.types import State
from .conf import option
from .decision import Decision, Question, Verdict
from .hints import emulator_hint
from .identity import authsignal_id, client_ip, digest, fingerprint, get_user, same, track_attributes
from .limits import Tried
from .models import Challenge, Channel, Kind, Status
from .policy import Policy, get_policy, label_for

logger = logging.getLogger("django_authsignal")

USER_AGENT_LENGTH = 512
DEVICE_ID = re.compile(r"[A-Za-z0-9._~:-]{1,64}")  # a cookie of Authsignal's script, and the visitor's to write
MAX_CUSTOM = 65_536  # characters of all that is to be proved
# What a proof is checked by, where it comes back to, and what lets somebody add authenticators without a challenge.
GATES_OWN = {"user_id", "action", "idempotency_key", "redirect_url", "scope", "redirect_to_settings"}
TRACKED = inspect.signature(Client.track).parameters.keys() - {"self"}
REPEAT_AGE = 60  # seconds in which a request that was released comes again
MAX_REPEATS = 3  # releases of one request that may wait at once: two tabs do that, a loop does more


def new_row(request: HttpRequest, question: Question) -> Challenge:
    """The row to be, not yet in the database: its id goes to Authsignal first."""
    policy, now, credential = question.policy, timezone.now(), channel.credential(request)
    return Challenge(
        id=uuid.uuid4(),
        kind=question.kind,
        channel=Channel.API if credential else Channel.BROWSER,
        action=policy.action,
        user_pk=str(question.user.pk),
        authsignal_id=authsignal_id(question.user),
        tenant=option("TENANT_ID", request),
        backend=question.backend,
        browser="" if credential else browser.ensure(request),
        credential=credential,
        fingerprint=fingerprint(question.user),
        scope=question.bound.scope,
        bound=dict(question.bound.hashes),
        method=_method(request),
        path=addresses.local(request, question.finish_at) or _path(request),
        return_to=addresses.local(request, question.return_to),
        single_use=policy.single_use,
        finish_in_view=question.finish_in_view,
        password_at=now if question.password_proved else None,
        methods=None if policy.methods is None else sorted(policy.methods),
        max_age=policy.max_age,
        ip_address=address_of(request),
        user_agent=user_agent_of(request),
        created_at=now,
        expires_at=now + timedelta(seconds=policy.challenge_age),
    )


def _method(request: HttpRequest) -> str:
    return (request.method or "")[:10]


def _path(request: HttpRequest) -> str:
    return addresses.local(request, request.get_full_path()) or addresses.local(request, request.path)


def is_for(request: HttpRequest, row: Challenge) -> bool:
    """True when the row was begun by a request of this method to this path; what was sent with it is not looked at."""
    return (row.method, row.path) == (_method(request), _path(request))


def sent_to(request: HttpRequest) -> str:
    """Which request this is, by method and path alone: as a pass for one request names it."""
    return _sent_to(_method(request), _path(request))


def _sent_to(method: str, path: str) -> str:
    return digest("sent_to", method, path)


def address_of(request: HttpRequest) -> str | None:
    """The visitor's address, where it is one."""
    found = client_ip(request)
    return found if found and _is_address(found) else None


def _is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return "%" not in value  # a zone ("fe80::1%eth0") is any text, and PostgreSQL refuses it


def user_agent_of(request: HttpRequest) -> str:
    """What the visitor's browser calls itself, cut to what the ledger holds, and printable: it is theirs to write."""
    return "".join(char for char in request.headers.get("User-Agent", "")[:USER_AGENT_LENGTH] if char.isprintable())


def track_call(request: HttpRequest, question: Question, row: Challenge) -> dict[str, Any]:
    callback, device = reverse("authsignal:callback", args=[row.pk]), request.COOKIES.get("__as_aid", "")
    attributes: dict[str, Any] = {
        "user_id": authsignal_id(question.user),
        "action": question.policy.action,
        "idempotency_key": str(row.pk),
        "redirect_url": addresses.public_origin(request) + callback,
        "ip_address": row.ip_address,
        "user_agent": row.user_agent or None,
        "device_id": device if DEVICE_ID.fullmatch(device) else None,
    }
    if question.scopes:
        attributes |= {"scope": question.scopes, "redirect_to_settings": True}
    theirs = track_attributes(request, question.user, question.policy.action)
    if GATES_OWN & theirs.keys():
        named = ", ".join(sorted(GATES_OWN & theirs.keys()))
        raise ConfigurationError(f"TRACK_ATTRIBUTES gave {named}, which the gate sets by itself. Leave it out.")
    unknown = sorted(theirs.keys() - TRACKED)
    if unknown:
        raise ConfigurationError(
            f"TRACK_ATTRIBUTES gave {', '.join(map(str, unknown))}, which track does not take. It takes "
            f"{', '.join(sorted(TRACKED - GATES_OWN))}; what is your own goes into custom."
        )
    # What is to be proved is told as it is, whatever else is told.
    custom = {**(theirs.get("custom") or {}), **question.bound.custom}
    size = len(repr(custom))
    if size > MAX_CUSTOM:
        # A body that takes longer than TIMEOUT to send looks like an outage, and ON_UNREACHABLE may let those through.
        raise ValueError(f"bind and CUSTOM give {size} characters. Give what a person can read, {MAX_CUSTOM} at most.")
    return attributes | theirs | {"custom": custom or None}


def remember(request: HttpRequest, question: Question, row: Challenge, *, url: str, token: str) -> None:
    kept = session.OpenChallenge(
        id=str(row.pk),
        action=row.action,
        kind=str(row.kind),
        user=row.user_pk,
        scope=scope_of(request, question.policy, question.bound),
        url=url,
        token=token,
        expires=row.expires_at.timestamp(),
    )
    pushed = session.remember(request, kept)
    if pushed:
        Challenge.objects.filter(pk__in=pushed, status=Status.OPEN).update(
            status=Status.EXPIRED, reason="pushed_out", closed_at=timezone.now(), return_to=""
        )


def close(question: Question, row: Challenge, status: Status, verdict: Verdict) -> Decision:
    row.status, row.closed_at, row.return_to = status, timezone.now(), ""
    row.save(force_insert=True)
    return decide(question, verdict, row)


def deny(request: HttpRequest, question: Question, row: Challenge, reason: str) -> Decision:
    row.reason = reason
    decision = close(question, row, Status.DENIED, Verdict.DENY)
    signals.action_blocked.send(Challenge, request=request, user=question.user, challenge=row, reason=reason)
    if question.signs_in:
        login_failed(request, question.user)
    return decision


def too_many(request: HttpRequest, question: Question, tried: Tried) -> Decision:
    """Over a limit: nothing is begun. The first in a window is written and told, so that a flood fills no table."""
    logger.warning("%s was not begun: too many by this %s. See LIMITS.", question.policy.action, tried.over.lower())
    decision = decide(question, Verdict.TOO_MANY)
    if tried.is_first:
        row = new_row(request, question)
        row.reason = "too_many"
        decision = close(question, row, Status.DENIED, Verdict.TOO_MANY)
        signals.action_blocked.send(Challenge, request=request, user=question.user, challenge=row, reason=row.reason)
    return replace(decision, reason="too_many", challenge_id=None, retry_after=tried.retry_after)


def let_through(request: HttpRequest, question: Question, row: Challenge, status: Status) -> Decision:
    """Lets this request (at sign-in: this session) through without a proof."""
    if question.release and question.finish_in_view:
        # The sign-in view was left: it has logic of its own, and is to finish this one itself.
        row.status, row.checked_at = Status.RELEASED, timezone.now()
        row.max_age = session.DEGRADED_AGE if status == Status.DEGRADED else row.max_age
        row.save(force_insert=True)
        return decide(question, Verdict.PASS, row)
    if question.release and (not question.signs_in or row.channel == Channel.API):
        if _came_again(row):
            return deny(request, question, row, "not_kept")
        row.status, row.scope = Status.RELEASED, scope_of(request, question.policy, question.bound)
        row.save(force_insert=True)
        degraded = status == Status.DEGRADED
        grant(request, question.user, row, at=timezone.now(), one_request=True, degraded=degraded)
        return decide(question, Verdict.REPEAT, row)
    decision = close(question, row, status, Verdict.PASS)
    if question.signs_in:
        degraded = status == Status.DEGRADED
        if row.channel == Channel.API:
            pass  # for this request: there is no session to keep it in
        elif getattr(request.user, "pk", None) == question.user.pk:
            _keep_let_in(request, question.user, row, degraded=degraded)
        else:
            request._authsignal_let_in = (row, degraded)  # type: ignore[attr-defined] # kept by login()
    return decision


def _came_again(row: Challenge) -> bool:
    """True when what was released for this very request a moment ago was not taken up: it would come again for ever."""
    waiting = Challenge.objects.filter(
        user_pk=row.user_pk,
        action=row.action,
        status=Status.RELEASED,
        browser=row.browser,
        credential=row.credential,
        method=row.method,
        path=row.path,
        created_at__gt=timezone.now() - timedelta(seconds=REPEAT_AGE),
    )
    if waiting.count() < MAX_REPEATS:
        return False
    logger.error(
        "%s was allowed, but the request that came again did not match. Have CUSTOM give equal values for equal "
        "requests, and keep sessions where they fit (not in a cookie).",
        row.action,
    )
    return True


def give_back_releases(request: HttpRequest, user: AbstractBaseUser) -> None:
    """Where a view was left: what an ALLOW, or an outage, released for its request and this time was spent for nothing.

    Never a proof and never a review's release: the view may have done its work before it was left.
    """
    by_holder: dict[str, list[session.Pass]] = getattr(request, "_authsignal_spent", {})
    for item in chain.from_iterable(by_holder.values()):
        spent = Challenge.objects.filter(pk=item.id, status=Status.SPENT, proved_at=None, single_use=False)
        row = spent.exclude(state=State.REVIEW_SUCCEEDED).first()
        if row and row.move(Status.RELEASED, source=Status.SPENT, closed_at=None):
            grant(request, user, row, at=timezone.now(), one_request=True, degraded=item.degraded)


def unreachable(request: HttpRequest, question: Question, row: Challenge, error: AuthsignalError) -> Decision:
    """What UNANSWERED means. Only an outage may let somebody through: too many calls can be one person's doing."""
    policy = question.policy
    logger.error("Authsignal could not be asked about %s: %s", policy.action, error)
    row.reason = type(error).__name__
    if policy.on_unreachable == "allow" and not policy.strict and isinstance(error, Unreachable):
        decision = let_through(request, question, row, Status.DEGRADED)
    else:
        decision = close(question, row, Status.UNREACHABLE, Verdict.UNREACHABLE)
    signals.authsignal_unreachable.send(Challenge, request=request, user=question.user, challenge=row, error=error)
    return replace(decision, hint=emulator_hint(error), retry_after=error.retry_after)


def unchanged(row: Challenge, user: AbstractBaseUser) -> bool:
    """True when the user is active and as they were when the challenge began."""
    return bool(user.is_active) and same(row.fingerprint, fingerprint(user))


def enrolled_unseen(row: Challenge) -> Challenge | None:
    """The enrolment that was offered and never came back to us, for the first proof after it.

    Whoever has only the password could enrol on Authsignal's page, close it, and begin anew with what they enrolled:
    the owner would never hear of it.
    """
    own = Challenge.objects.filter(user_pk=row.user_pk, created_at__lt=row.created_at)
    offered = own.filter(enrolls=True).order_by("-created_at").first()
    if offered is None or offered.proved_at is not None:
        return None
    proved_since = own.filter(proved_at__isnull=False, created_at__gt=offered.created_at)
    return None if proved_since.exists() else offered


def user_of(request: HttpRequest, row: Challenge) -> AbstractBaseUser | str:
    """The row's user, read afresh after the slow call: active, unchanged and, unless this signs them in, signed in.

    A string is the reason why not. It tells of somebody's account: only to who began the row, and proved or was let in.
    """
    user = get_user(row.user_pk)
    if user is None:
        return "gone"
    if not unchanged(row, user):
        return "account_changed" if user.is_active else "inactive"
    # A sign-in without a password behind it was asked of somebody signed in already: it may not sign anybody in anew,
    # unless a view finishes it that holds whom it lets in by rules of its own.
    # An API client has no session: its credential, checked already, is the row's.
    needs_session = row.channel == Channel.BROWSER and (
        not row.signs_in or (row.kind == Kind.SIGN_IN and row.password_at is None and not row.finish_in_view)
    )
    if needs_session and str(getattr(request.user, "pk", None)) != row.user_pk:
        return "wrong_user" if request.user.is_authenticated else "signed_out"
    return user


def grant(
    request: HttpRequest,
    user: AbstractBaseUser,
    row: Challenge,
    *,
    at: datetime,
    one_request: bool,
    degraded: bool = False,
) -> None:
    if row.channel == Channel.API:
        return  # its row is its pass
    session.grant(
        request,
        user,
        id=row.pk,
        action=row.action,
        at=at,
        max_age=session.DEGRADED_AGE if degraded else kept_for(row),
        scope=row.scope,
        method=row.verification_method,
        tenant=row.tenant,
        one_request=one_request,
        degraded=degraded,
        bind=row.bound,
        sent_to=_sent_to(row.method, row.path) if one_request else "",
    )


def kept_for(row: Challenge) -> int | None:
    """Seconds that the proof of a row is kept; None: as long as the session.

    As the action's policy says: a view that asks for a younger one looks at its age by itself, and must not shorten
    what others are content with. An ALLOW, a review or a link is no proof, and is kept as long as it was asked for.
    """
    if row.proved_at is None or row.single_use or row.status == Status.RELEASED:
        return row.max_age
    return get_policy(row.action).max_age


def grant_at_login(request: HttpRequest, user: AbstractBaseUser) -> None:
    """After `login()`: writes the sign-in pass of somebody who proved it in this request, or was let in."""
    proved = getattr(request, "_authsignal_proved", None)
    if proved is not None and proved.user_pk == str(user.pk):
        sign_in_proved(request, user, proved)
        del request._authsignal_proved  # type: ignore[attr-defined] # of the class it is put before
    row, degraded = getattr(request, "_authsignal_let_in", (None, False))
    if row is not None and row.user_pk == str(user.pk):
        _keep_let_in(request, user, row, degraded=degraded)
        del request._authsignal_let_in  # type: ignore[attr-defined] # of the class it is put before


def _keep_let_in(request: HttpRequest, user: AbstractBaseUser, row: Challenge, *, degraded: bool) -> None:
    grant(request, user, row, at=timezone.now(), one_request=False, degraded=degraded)
    _keep_password_age(request, row)


def sign_in_proved(request: HttpRequest, user: AbstractBaseUser, row: Challenge) -> None:
    """After `login()`: writes the sign-in pass for a proved (or released) row."""
    at = row.proved_at or timezone.now()
    grant(request, user, row, at=at, one_request=False)
    _keep_password_age(request, row)


def _keep_password_age(request: HttpRequest, row: Challenge) -> None:
    if row.password_at and row.channel == Channel.BROWSER:
        session.password_proved(request, row.password_at.timestamp())


def failed(request: HttpRequest, row: Challenge, reason: str) -> None:
    user = get_user(row.user_pk)
    signals.challenge_failed.send(Challenge, request=request, user=user, challenge=row, reason=reason)
    if row.signs_in and user is not None:
        login_failed(request, user)


def login_failed(request: HttpRequest, user: AbstractBaseUser) -> None:
    lockouts.login_failed(request, user.get_username())


def scope_of(request: HttpRequest, policy: Policy, bound: Bound) -> str:
    """What a pass for this one request must match: its method, path and query, and what is bound."""
    return bound.scope if policy.single_use else request_scope(request, bound.scope)


def changed(request: HttpRequest, action: str, bound: Bound) -> tuple[str, ...]:
    """Names of the bound fields that differ from what this browser proved for the same form and has not used."""
    holder = browser.current(request)
    proved = Challenge.objects.filter(
        status=Status.PROVED, single_use=True, browser=holder, action=action, method=request.method or ""
    )
    path = addresses.local(request, request.get_full_path())
    row = proved.filter(path=path, expires_at__gt=timezone.now()).order_by("-created_at").first() if holder else None
    if row is None or not isinstance(row.bound, dict):
        return ()
    return tuple(name for name, value in bound.hashes.items() if row.bound.get(name) != value)


def decide(question: Question, verdict: Verdict, row: Challenge | None = None, **values: Any) -> Decision:
    return Decision(
        verdict=verdict,
        action=question.policy.action,
        label=label_for(question.policy, question.bound.custom),
        challenge_id=row.pk if row else None,
        expires_at=row.expires_at if row else None,
        return_to=question.return_to,
        reason=row.reason if row else "",
        signs_in=question.signs_in,
        **values,
    )
