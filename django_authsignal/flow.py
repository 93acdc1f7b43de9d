"""The gate: the only place that decides.

Two doors lead in: `ask` (may this user do this, now?) and `finish` (a proof came back). Both are generators that
yield every call to Authsignal instead of making it, so that one piece of logic serves sync and async callers, and
none of it runs while a call is under way: no lock, no write transaction waits for the network.
"""

import ipaddress
import logging
import uuid
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.signals import user_login_failed
from django.db import connections
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from . import addresses, browser, session, signals
from .binding import Bound, request_scope
from .client import AuthsignalError, Refused, Unreachable
from .client.types import State, Tracked, Validated, VerificationMethod
from .conf import EMULATOR_COMMAND, get_client, get_settings, option
from .decision import Decision, Verdict
from .identity import authsignal_id, client_ip, fingerprint, get_user, same, track_attributes
from .models import Challenge, Channel, Kind, Status, revoke_open
from .notices import enrolled_at_step_up
from .policy import Policy, label_for

logger = logging.getLogger("django_authsignal")

REVIEW_INTERVAL = timedelta(seconds=5)  # between two looks at a review
USER_AGENT_LENGTH = 512

T = TypeVar("T")
Steps = Generator[Callable[[], Any], Any, T]


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
    scopes: str = ""  # asked of Authsignal for managing authenticators; only ever with a pass for MANAGE_ACTION
    release: bool = False  # the view was left: an ALLOW is kept for the one repetition of this request

    @property
    def signs_in(self) -> bool:
        """True when the answer logs somebody in."""
        return self.kind in (Kind.SIGN_IN, Kind.PASSWORDLESS)


# The drivers


def run(steps: Steps[T]) -> T:
    """Walks the steps, making each call here and now."""
    outcome = _advance(steps, None, None)
    while not outcome.done:
        try:
            result, error = outcome.value(), None
        except AuthsignalError as exc:
            result, error = None, exc
        outcome = _advance(steps, result, error)
    return outcome.value  # type: ignore[no-any-return]


async def arun(steps: Steps[T]) -> T:
    """The same for async callers: database and session in Django's own thread, calls beside it."""
    advance = sync_to_async(_advance, thread_sensitive=True)
    outcome = await advance(steps, None, None)
    while not outcome.done:
        try:
            result, error = await sync_to_async(outcome.value, thread_sensitive=False)(), None
        except AuthsignalError as exc:
            result, error = None, exc
        outcome = await advance(steps, result, error)
    return outcome.value  # type: ignore[no-any-return]


@dataclass(frozen=True)
class _Step:
    done: bool
    value: Any


def _advance(steps: Steps[Any], result: Any, error: AuthsignalError | None) -> _Step:
    # StopIteration must not cross a thread's future, so the end of the steps is a value.
    try:
        return _Step(False, steps.throw(error) if error else steps.send(result))
    except StopIteration as stop:
        return _Step(True, stop.value)


def in_transaction() -> bool:
    """True inside an `atomic` block of any database, those of Django's TestCase excepted.

    A call made there would hold its locks for as long as the call takes, and a rollback would take the ledger's row.
    """
    return any(
        not getattr(block, "_from_testcase", False)
        for connection in connections.all(initialized_only=True)
        for block in connection.atomic_blocks
    )


# Asking


def ask(request: HttpRequest, question: Question) -> Steps[Decision]:
    """Decides. No network and no query while a pass is fresh; else one call to Authsignal (`track`)."""
    if peek(request, question):
        return _decision(question, Verdict.PASS)
    if question.policy.single_use and spend(request, question):
        return _decision(question, Verdict.PASS)
    enforce = _enforcement(request, question)
    if enforce == "off":
        return _decision(question, Verdict.PASS)
    if not may_start(request):
        return _decision(question, Verdict.NOT_STARTED)
    waiting = _reuse(request, question) if enforce == "on" else None
    if waiting:
        return (yield from _waiting(request, question, waiting))
    decision = yield from _track(request, question, observing=enforce == "observe")
    return replace(decision, verdict=Verdict.PASS) if enforce == "observe" else decision


def ask_settings(request: HttpRequest, question: Question) -> Steps[Decision]:
    """Opens Authsignal's own page for managing authenticators, for somebody who has a pass for MANAGE_ACTION."""
    if not peek(request, question):
        return _decision(question, Verdict.DENY)
    return (yield from _track(request, question))


def peek(request: HttpRequest, question: Question) -> bool:
    """True when a pass answers the question already; reads the session and the request, nothing else."""
    scope, once = question.bound.scope, _request_scope(request, question)
    fits = partial(session.fits, request, question.user, question.policy, scope=scope, request_scope=once)
    spent: list[session.Pass] = getattr(request, "_authsignal_spent", [])
    if any(item.action == question.policy.action and fits(item) for item in spent):
        return True
    if question.policy.single_use:
        return False
    found = session.find(request, question.user, question.policy, scope=scope)
    return found is not None and not found.one_request


def spend(request: HttpRequest, question: Question) -> bool:
    """Spends the pass for this one request, by one UPDATE that only one request can win.

    To be called outside the view's transaction: inside, a view that fails would give a spent proof back.
    """
    found = session.find(
        request,
        question.user,
        question.policy,
        scope=question.bound.scope,
        request_scope=_request_scope(request, question),
    )
    if not found or not found.one_request:
        return False
    row = Challenge.objects.filter(pk=found.id).first()
    won = row is not None and row.move(Status.SPENT, source=(Status.PROVED, Status.RELEASED))
    session.drop(request, found.id)
    if won:
        request._authsignal_spent = [*getattr(request, "_authsignal_spent", []), found]  # type: ignore[attr-defined]
    return won


def may_start(request: HttpRequest) -> bool:
    """False for requests that no person waits for: HEAD, OPTIONS, prefetch and prerender never begin a challenge."""
    purpose = f"{request.headers.get('Sec-Purpose', '')} {request.headers.get('Purpose', '')}".lower()
    return request.method not in ("HEAD", "OPTIONS", "TRACE") and "prefetch" not in purpose and "preview" not in purpose


def _request_scope(request: HttpRequest, question: Question) -> str:
    return question.bound.scope if question.policy.single_use else request_scope(request, question.bound.scope)


def _enforcement(request: HttpRequest, question: Question) -> str:
    enforce = question.policy.enforce
    if callable(enforce):
        enforce = enforce(request, question.user, question.policy.action)
    return enforce if enforce in ("observe", "off") else "on"


def _reuse(request: HttpRequest, question: Question) -> Challenge | None:
    wanted = (
        question.policy.action,
        str(question.kind),
        str(question.user.pk),
        _request_scope(request, question),
    )
    for item in session.open_challenges(request):
        if (item.action, item.kind, item.user, item.scope) != wanted:
            continue
        row = Challenge.objects.filter(pk=item.id, status__in=[Status.OPEN, Status.REVIEW]).first()
        if row and row.young(timezone.now()) and _still_theirs(request, row, question.user):
            return row
        session.forget(request, uuid.UUID(item.id))
    return None


def _still_theirs(request: HttpRequest, row: Challenge, user: AbstractBaseUser) -> bool:
    return (
        browser.began(request, row.pk, row.browser)
        and row.user_pk == str(user.pk)
        and same(row.fingerprint, fingerprint(user))
        and row.tenant == option("TENANT_ID", request)
    )


def _waiting(request: HttpRequest, question: Question, row: Challenge) -> Steps[Decision]:
    if row.status == Status.REVIEW:
        released = yield from look_at_review(request, row)
        if released and (_use_release(request, question, row) if row.signs_in else spend(request, question)):
            return _decision(question, Verdict.PASS)
    return challenge_decision(request, row, label=label_for(question.policy, question.bound.custom))


def _use_release(request: HttpRequest, question: Question, row: Challenge) -> bool:
    """A released sign-in, used where it is asked again: the session's pass, now or by the `login()` that follows."""
    if not row.move(Status.SPENT, source=Status.RELEASED):
        return False
    if getattr(request.user, "pk", None) == question.user.pk:
        sign_in_proved(request, question.user, row)
    else:
        request._authsignal_proved = row  # type: ignore[attr-defined]
    return True


def challenge_decision(request: HttpRequest, row: Challenge, *, label: str) -> Decision:
    """What an open row still asks for; its page's address comes from this session alone."""
    kept = session.open_challenge(request, row.pk)
    verdicts = {Status.OPEN: Verdict.CHALLENGE, Status.REVIEW: Verdict.REVIEW}
    verdict = verdicts.get(Status(row.status), Verdict.DENY)
    if verdict is Verdict.CHALLENGE and not kept:
        verdict = Verdict.DENY
    return Decision(
        verdict=verdict,
        action=row.action,
        label=label,
        url=kept.url if kept else "",
        token=kept.token if kept else "",
        challenge_id=row.pk,
        expires_at=row.expires_at,
        return_to=row.return_to,
        reason=row.reason,
        signs_in=row.signs_in,
    )


def _decision(question: Question, verdict: Verdict, row: Challenge | None = None, **values: Any) -> Decision:
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


def _track(
    request: HttpRequest, question: Question, *, observing: bool = False, enrolling: bool = True
) -> Steps[Decision]:
    row = _new_row(request, question)
    try:
        tracked = yield partial(get_client(request).track, **_attributes(request, question, row))
    except Unreachable as exc:
        session.reload(request)
        return _unreachable(request, question, row, exc)
    except Refused as exc:
        # Never an outage: a wrong key or region must be seen, not failed open.
        logger.error("Authsignal refused to track %s: %s", question.policy.action, exc)
        return _deny(request, question, row, "refused")
    session.reload(request)
    row.state = str(tracked.state)[:64]
    move = TABLE.get((str(tracked.state), _enrolled(tracked, question.policy)), "deny")
    if question.kind == Kind.SETTINGS and move in ("on_allow", "unenrolled"):
        move = "challenge"  # nothing is let through by it: it opens a page, and its return gives no pass
    if observing:
        row.reason = f"observed: {move}"[:64]
        return _closed(request, question, row, Status.ALLOWED, Verdict.PASS)
    if move == "unenrolled" and question.policy.unenrolled == "email" and enrolling:
        return (yield from _enroll_by_email(request, question, row))
    return _MOVES[move](request, question, row, tracked)


def _enrolled(tracked: Tracked, policy: Policy) -> str:
    """ "yes", "no", or "otherwise": enrolled, but by no method that the policy accepts."""
    if tracked.is_enrolled is not True:
        return "no"
    known = tracked.enrolled_verification_methods
    if policy.methods is None or known is None or policy.methods & set(known):
        return "yes"
    return "otherwise"


# The gate's table: (state from track, enrolled?) -> what happens. What is not in it is denied: BLOCK, every *_FAILED
# and *_SUCCEEDED (a proof enters through finish alone), and every state nobody knows yet.
TABLE: Mapping[tuple[str, str], str] = {
    (State.ALLOW, "yes"): "on_allow",
    (State.ALLOW, "otherwise"): "unenrolled",
    (State.ALLOW, "no"): "unenrolled",  # ALLOW is what the API says of a user it cannot challenge
    (State.CHALLENGE_REQUIRED, "yes"): "challenge",
    (State.CHALLENGE_REQUIRED, "otherwise"): "unenrolled",
    (State.CHALLENGE_REQUIRED, "no"): "challenge",
    (State.REVIEW_REQUIRED, "yes"): "review",
    (State.REVIEW_REQUIRED, "otherwise"): "review",
    (State.REVIEW_REQUIRED, "no"): "review",
}


def _new_row(request: HttpRequest, question: Question) -> Challenge:
    """The row to be, not yet in the database: its id goes to Authsignal first."""
    policy, now = question.policy, timezone.now()
    return Challenge(
        id=uuid.uuid4(),
        kind=question.kind,
        channel=Channel.BROWSER,
        action=policy.action,
        user_pk=str(question.user.pk),
        authsignal_id=authsignal_id(question.user)[:512],
        tenant=option("TENANT_ID", request)[:128],
        backend=question.backend,
        browser=browser.ensure(request),
        fingerprint=fingerprint(question.user),
        scope=question.bound.scope,
        bound=dict(question.bound.hashes),
        method=(request.method or "")[:10],
        path=addresses.local(request, request.get_full_path()),
        return_to=addresses.local(request, question.return_to),
        single_use=policy.single_use,
        finish_in_view=question.finish_in_view,
        password_at=now if question.password_proved else None,
        methods=None if policy.methods is None else sorted(policy.methods),
        max_age=policy.max_age,
        ip_address=_address(request),
        user_agent=_user_agent(request),
        created_at=now,
        expires_at=now + timedelta(seconds=policy.challenge_age),
    )


def _address(request: HttpRequest) -> str | None:
    found = client_ip(request)
    return found if found and _is_address(found) else None


def _is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def _user_agent(request: HttpRequest) -> str:
    return request.headers.get("User-Agent", "").replace("\0", "")[:USER_AGENT_LENGTH]


def _attributes(request: HttpRequest, question: Question, row: Challenge) -> dict[str, Any]:
    callback = reverse("authsignal:callback", args=[row.pk])
    attributes: dict[str, Any] = {
        "user_id": authsignal_id(question.user),
        "action": question.policy.action,
        "idempotency_key": str(row.pk),
        "redirect_url": addresses.public_origin(request) + callback,
        "ip_address": row.ip_address,
        "user_agent": row.user_agent or None,
        "device_id": request.COOKIES.get("__as_aid", "")[:64] or None,
        "custom": dict(question.bound.custom) or None,
    }
    if question.scopes:
        attributes |= {"scope": question.scopes, "redirect_to_settings": True}
    return attributes | track_attributes(request, question.user, question.policy.action)


# What the table's words do


def _challenge(request: HttpRequest, question: Question, row: Challenge, tracked: Tracked) -> Decision:
    if not addresses.hosted(tracked.url):
        logger.error(
            "track answered with a page that HOSTED_HOSTS does not list, so nobody is sent there. "
            "Add its host to AUTHSIGNAL['HOSTED_HOSTS'] if it is yours."
        )
        return _deny(request, question, row, "foreign_page")
    row.save(force_insert=True)
    _remember(request, question, row, url=str(tracked.url), token=tracked.token or "")
    browser.remember_start(request, row.pk)
    signals.challenge_started.send(Challenge, request=request, user=question.user, challenge=row)
    return _decision(question, Verdict.CHALLENGE, row, url=str(tracked.url), token=tracked.token or "")


def _remember(request: HttpRequest, question: Question, row: Challenge, *, url: str, token: str) -> None:
    kept = session.OpenChallenge(
        id=str(row.pk),
        action=row.action,
        kind=str(row.kind),
        user=row.user_pk,
        scope=_request_scope(request, question),
        url=url,
        token=token,
        expires=row.expires_at.timestamp(),
    )
    pushed = session.remember(request, kept)
    if pushed:
        Challenge.objects.filter(pk__in=pushed, status=Status.OPEN).update(
            status=Status.EXPIRED, reason="pushed_out", closed_at=timezone.now(), return_to=""
        )


def _on_allow(request: HttpRequest, question: Question, row: Challenge, tracked: Tracked) -> Decision:
    policy = question.policy
    if policy.on_allow == "pass" and not policy.strict:
        return _let_through(request, question, row, Status.ALLOWED)
    logger.warning(
        "Authsignal answered ALLOW for %s, which proves nothing, so it is denied. Set the action's outcome to "
        "CHALLENGE in Authsignal's portal (an action nobody configured there is ALLOW for everybody)%s.",
        policy.action,
        "" if policy.strict else ", or its ON_ALLOW to 'pass'",
    )
    return _deny(request, question, row, "allow_is_no_proof")


def _unenrolled(request: HttpRequest, question: Question, row: Challenge, tracked: Tracked) -> Decision:
    rule = question.policy.unenrolled
    if rule == "allow" and not question.policy.strict:
        return _let_through(request, question, row, Status.ALLOWED)
    if rule == "enroll" and (question.kind == Kind.SIGN_IN or session.password_is_recent(request)):
        row.reason = "enroll"
        return _challenge(request, question, row, tracked)
    return _deny(request, question, row, "not_enrolled")


def _enroll_by_email(request: HttpRequest, question: Question, row: Challenge) -> Steps[Decision]:
    """Enrols the verified address by the Server API, then tracks again under a new id."""
    email = track_attributes(request, question.user, question.policy.action).get("email")
    method = VerificationMethod.EMAIL_OTP
    if not email or not question.policy.accepts(method):
        return _deny(request, question, row, "not_enrolled")
    row.reason = "enrolled_by_email"
    _closed(request, question, row, Status.EXPIRED, Verdict.CHALLENGE)
    client = get_client(request)
    try:
        yield partial(
            client.enroll_verified_authenticator,
            row.authsignal_id,
            verification_method=str(method),
            email=str(email),
        )
    except Unreachable as exc:
        return _unreachable(request, question, _new_row(request, question), exc)
    except Refused as exc:
        logger.error("Authsignal refused to enrol an e-mail address: %s", exc)
        return _deny(request, question, _new_row(request, question), "not_enrolled")
    return (yield from _track(request, question, enrolling=False))


def _review(request: HttpRequest, question: Question, row: Challenge, tracked: Tracked) -> Decision:
    row.status = Status.REVIEW
    row.expires_at = timezone.now() + timedelta(seconds=question.policy.review_max_age)
    if not question.signs_in:
        row.scope = _request_scope(request, question)  # it may release this one request, no other
    row.save(force_insert=True)
    _remember(request, question, row, url="", token="")
    browser.remember_start(request, row.pk)
    signals.review_required.send(Challenge, request=request, user=question.user, challenge=row)
    return _decision(question, Verdict.REVIEW, row)


def _block(request: HttpRequest, question: Question, row: Challenge, tracked: Tracked) -> Decision:
    known = tracked.state in (State.BLOCK, State.CHALLENGE_FAILED, State.REVIEW_FAILED)
    return _deny(request, question, row, "blocked" if known else "unexpected_state")


_MOVES = {
    "challenge": _challenge,
    "on_allow": _on_allow,
    "unenrolled": _unenrolled,
    "review": _review,
    "deny": _block,
}


def _let_through(request: HttpRequest, question: Question, row: Challenge, status: Status) -> Decision:
    """Lets this request (at sign-in: this session) through without a proof."""
    if question.release and not question.signs_in:
        row.status, row.scope = Status.RELEASED, _request_scope(request, question)
        row.save(force_insert=True)
        _grant(request, question.user, row, at=timezone.now(), one_request=True)
        return _decision(question, Verdict.REPEAT, row)
    decision = _closed(request, question, row, status, Verdict.PASS)
    if question.signs_in:
        degraded = status == Status.DEGRADED
        request._authsignal_let_in = (row, degraded)  # type: ignore[attr-defined] # its pass is written by login()
    return decision


def _closed(request: HttpRequest, question: Question, row: Challenge, status: Status, verdict: Verdict) -> Decision:
    row.status, row.closed_at, row.return_to = status, timezone.now(), ""
    row.save(force_insert=True)
    return _decision(question, verdict, row)


def _deny(request: HttpRequest, question: Question, row: Challenge, reason: str) -> Decision:
    row.reason = reason
    decision = _closed(request, question, row, Status.DENIED, Verdict.DENY)
    signals.action_blocked.send(Challenge, request=request, user=question.user, challenge=row, reason=reason)
    if question.signs_in:
        _login_failed(request, question.user)
    return decision


def _unreachable(request: HttpRequest, question: Question, row: Challenge, error: Unreachable) -> Decision:
    policy = question.policy
    logger.error("Authsignal could not be asked about %s: %s", policy.action, error)
    row.reason = type(error).__name__
    if policy.on_unreachable == "allow" and not policy.strict:
        decision = _let_through(request, question, row, Status.DEGRADED)
    else:
        decision = _closed(request, question, row, Status.UNREACHABLE, Verdict.UNREACHABLE)
    signals.authsignal_unreachable.send(Challenge, request=request, user=question.user, challenge=row, error=error)
    return replace(decision, hint=emulator_hint())


def emulator_hint() -> str:
    """In development, the command that mends an emulator that does not answer; "" otherwise."""
    settings = get_settings()
    if not settings.emulator:
        return ""
    return f"The emulator does not answer at {settings.API_URL}. Start it: {EMULATOR_COMMAND}"


def _login_failed(request: HttpRequest, user: AbstractBaseUser) -> None:
    # As django.contrib.auth sends it, so that lock-outs count a failed proof as a failed login.
    credentials = {get_user_model().USERNAME_FIELD: user.get_username()}
    user_login_failed.send(sender=__name__, credentials=credentials, request=request)


def _grant(
    request: HttpRequest,
    user: AbstractBaseUser,
    row: Challenge,
    *,
    at: datetime,
    one_request: bool,
    degraded: bool = False,
) -> None:
    session.grant(
        request,
        user,
        id=row.pk,
        action=row.action,
        at=at,
        max_age=session.DEGRADED_AGE if degraded else row.max_age,
        scope=row.scope,
        method=row.verification_method,
        tenant=row.tenant,
        one_request=one_request,
        degraded=degraded,
        bind=row.bound,
    )


def unchanged(row: Challenge, user: AbstractBaseUser) -> bool:
    """True when the user is active and as they were when the challenge began."""
    return bool(user.is_active) and same(row.fingerprint, fingerprint(user))


def grant_at_login(request: HttpRequest, user: AbstractBaseUser) -> None:
    """After `login()`: writes the sign-in pass of somebody who proved it in this request, or was let in."""
    proved = getattr(request, "_authsignal_proved", None)
    if proved is not None and proved.user_pk == str(user.pk):
        sign_in_proved(request, user, proved)
        del request._authsignal_proved  # type: ignore[attr-defined]
    row, degraded = getattr(request, "_authsignal_let_in", (None, False))
    if row is not None and row.user_pk == str(user.pk):
        _grant(request, user, row, at=timezone.now(), one_request=False, degraded=degraded)
        _keep_password_age(request, row)
        del request._authsignal_let_in  # type: ignore[attr-defined]


# Finishing


@dataclass(frozen=True)
class Finished:
    """What became of a proof: `ok`, or the reason why not. `row` is None when there is no such challenge."""

    ok: bool
    reason: str = ""
    row: Challenge | None = None
    return_to: str = ""
    already: bool = False  # it was finished before: the browser is only sent on
    user: AbstractBaseUser | None = None


def finish(request: HttpRequest, challenge_id: uuid.UUID, token: str | None) -> Steps[Finished]:
    """Takes a proof in. Cookie and row first, then one call (`validate`), then one UPDATE that one caller wins.

    Every refusal before that UPDATE leaves the row open (a cancel, a time-out, a link scanner), and writes why.
    """
    row = Challenge.objects.filter(pk=challenge_id).first()
    if row is None:
        return Finished(False, "gone")
    refusal = _refused_before(request, row)
    if refusal:
        return refusal
    if row.kind == Kind.SETTINGS:
        return _returned(request, row)
    if not token:
        return _refuse(row, "missing_token")
    try:
        validated = yield partial(
            get_client(request).validate_challenge, token, user_id=row.authsignal_id, action=row.action
        )
    except Unreachable as exc:
        # Finishing never fails open, whatever ON_UNREACHABLE says.
        logger.error("Authsignal could not be asked to validate %s: %s", row.action, exc)
        signals.authsignal_unreachable.send(Challenge, request=request, user=None, challenge=row, error=exc)
        return _refuse(row, "unreachable")
    except (Refused, ValueError) as exc:
        logger.error("Authsignal refused to validate %s: %s", row.action, exc)
        return _refuse(row, "invalid")
    session.reload(request)
    return _conclude(request, row, validated)


def _refused_before(request: HttpRequest, row: Challenge) -> Finished | None:
    if row.channel != Channel.BROWSER or not browser.began(request, row.pk, row.browser):
        return _refuse(row, "foreign")
    if row.tenant != option("TENANT_ID", request):
        return _refuse(row, "wrong_tenant")
    if row.status in (Status.PROVED, Status.SPENT):
        return Finished(True, row=row, return_to="", already=True)
    if row.status != Status.OPEN:
        return Finished(False, "expired" if row.status == Status.EXPIRED else "gone", row)
    if not row.young(timezone.now()):
        if row.move(Status.EXPIRED, reason="expired"):
            _failed(request, row, "expired")
        session.forget(request, row.pk)
        return Finished(False, "expired", row)
    return None


def _returned(request: HttpRequest, row: Challenge) -> Finished:
    """Back from managing authenticators: no pass comes of it, and what else was open began with the old ones."""
    user, return_to = _user_of(request, row), addresses.local(request, row.return_to)
    if user is None:
        return _refuse(row, "wrong_user")
    row.move(Status.SPENT, reason="returned")
    session.forget(request, row.pk)
    revoke_open(row.user_pk)
    return Finished(True, row=row, return_to=return_to, user=user)


def _refuse(row: Challenge, reason: str, *, state: str = "") -> Finished:
    row.note(reason, state=state)
    return Finished(False, reason, row)


def _conclude(request: HttpRequest, row: Challenge, validated: Validated) -> Finished:
    user = _user_of(request, row)
    if user is None:
        return _refuse(row, "wrong_user")
    reason = refusal_of(row, validated)
    if reason == "failed":
        if row.move(Status.FAILED, reason="failed", state=str(validated.state)[:64]):
            _failed(request, row, "failed")
        session.forget(request, row.pk)
        return Finished(False, "failed", row)
    if reason:
        return _refuse(row, reason, state=str(validated.state or ""))
    at = proof_time(validated.state_updated_at)
    enrolled_now, return_to = row.reason == "enroll", addresses.local(request, row.return_to)
    won = row.move(
        Status.PROVED,
        proved_at=at,
        state=str(validated.state),
        verification_method=str(validated.verification_method or "")[:64],
        reason="",
    )
    if not won:
        return Finished(True, row=row, already=True)
    session.forget(request, row.pk)
    if enrolled_now and row.kind == Kind.STEP_UP:
        enrolled_at_step_up(request, user)
    if row.kind == Kind.STEP_UP:
        _grant(request, user, row, at=at, one_request=row.single_use)
    signals.challenge_passed.send(Challenge, request=request, user=user, challenge=row)
    return Finished(True, row=row, return_to=return_to, user=user)


def _user_of(request: HttpRequest, row: Challenge) -> AbstractBaseUser | None:
    """The row's user, read afresh after the slow call: active, unchanged and, unless this signs them in, signed in."""
    user = get_user(row.user_pk)
    if user is None or not unchanged(row, user):
        return None
    if not row.signs_in and str(getattr(request.user, "pk", None)) != row.user_pk:
        return None
    return user


def refusal_of(row: Challenge, validated: Validated) -> str:
    """Why this answer of `validate` is no proof for this row; "" when it is one. Pure."""
    state = validated.state
    if validated.error and not validated.is_valid and state is None:
        return "invalid"
    names = (validated.user_id, validated.action, validated.idempotency_key)
    if names != (row.authsignal_id, row.action, str(row.pk)):
        return "invalid"
    if state == State.CHALLENGE_FAILED:
        return "failed"
    if validated.is_valid is not True or state != State.CHALLENGE_SUCCEEDED:
        return "not_completed"
    if row.methods is not None and validated.verification_method not in row.methods:
        return "method"
    return ""


def proof_time(updated: datetime | None) -> datetime:
    """When it was proved: the earlier of now and what Authsignal says, ignored when over 60 s in the future."""
    now = timezone.now()
    if updated is None or updated > now + timedelta(seconds=session.SKEW):
        return now
    return min(now, updated)


def _failed(request: HttpRequest, row: Challenge, reason: str) -> None:
    user = get_user(row.user_pk)
    signals.challenge_failed.send(Challenge, request=request, user=user, challenge=row, reason=reason)
    if row.signs_in and user is not None:
        _login_failed(request, user)


def sign_in_proved(request: HttpRequest, user: AbstractBaseUser, row: Challenge) -> None:
    """After `login()`: writes the sign-in pass for a proved (or released) row."""
    at = row.proved_at or timezone.now()
    _grant(request, user, row, at=at, one_request=False)
    _keep_password_age(request, row)


def _keep_password_age(request: HttpRequest, row: Challenge) -> None:
    if row.password_at:
        session.password_proved(request, row.password_at.timestamp())


# Reviews


def look_at_review(request: HttpRequest, row: Challenge) -> Steps[bool]:
    """Asks Authsignal, at most every 5 s per row, whether a person released it; True when it is released now.

    Only REVIEW_SUCCEEDED releases: a challenge never completes by looking, else whoever tricked a victim into
    proving would only have to poll.
    """
    now = timezone.now()
    if not row.young(now):
        row.move(Status.EXPIRED, source=Status.REVIEW, reason="expired")
        return False
    stale = Challenge.objects.filter(pk=row.pk, status=Status.REVIEW).exclude(checked_at__gt=now - REVIEW_INTERVAL)
    if not stale.update(checked_at=now):
        return False
    try:
        action = yield partial(get_client(request).get_action, row.authsignal_id, row.action, str(row.pk))
    except AuthsignalError as exc:
        logger.warning("Authsignal could not be asked about a review: %s", exc)
        return False
    session.reload(request)
    return _reviewed(request, row, str(action.state))


def _reviewed(request: HttpRequest, row: Challenge, state: str) -> bool:
    if state in (State.REVIEW_FAILED, State.BLOCK):
        if row.move(Status.DENIED, source=Status.REVIEW, state=state, reason="review_failed"):
            _failed(request, row, "review_failed")
        return False
    user = _user_of(request, row)
    if state != State.REVIEW_SUCCEEDED or user is None or not browser.began(request, row.pk, row.browser):
        return False
    if not row.move(Status.RELEASED, source=Status.REVIEW, state=state):
        return False
    session.forget(request, row.pk)
    if row.kind == Kind.STEP_UP:
        _grant(request, user, row, at=timezone.now(), one_request=True)
    return True
