"""The gate: the only place that decides.

Two doors lead in: `ask` (may this user do this, now?) and `finish` (a proof came back).
"""

import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from django.contrib.auth.models import AbstractBaseUser
from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import HttpRequest
from django.utils import timezone

from . import (
    addresses,
    bearer,
    browser,
    channel,
    ledger,
    limits,
    lockouts,
    notices,
    observing,
    reviews,
    session,
    signals,
)
from .binding import Bound
from .client import UNANSWERED, EnrolledAuthenticator, Refused, Sealed
from .client.types import State, Tracked, Validated, VerificationMethod
from .conf import get_client, option
from .decision import Decision, Question, Verdict
from .hints import emulator_hint
from .identity import fingerprint, is_pseudonym, same, stored, track_attributes
from .models import Challenge, Channel, Kind, Status, revoke_proofs
from .policy import Policy, label_for
from .steps import Steps

logger = logging.getLogger("django_authsignal")


def ask(request: HttpRequest, question: Question) -> Steps[Decision]:
    """Decides. No network and no query while a pass is fresh; else one call to Authsignal (`track`)."""
    if _passes(request, question):
        return ledger.decide(question, Verdict.PASS)
    enforce = observing.enforcement(request, question.user, question.policy)
    if enforce == "observe" and may_start(request):
        yield from observing.observe(request, question, foresee=move_of)
    if enforce != "on":
        return ledger.decide(question, Verdict.PASS)
    theirs = as_stored(question)
    if theirs is None:
        return nobody(question)
    if fingerprint(theirs.user) != fingerprint(question.user) and _passes(request, theirs):
        return ledger.decide(question, Verdict.PASS)
    question = theirs
    refused = ""
    if channel.is_api(request):
        finished = yield from take_in(request, channel.credential(request))
        if finished and _now_passes(request, question, finished):
            return ledger.decide(question, Verdict.PASS)
        refused = _why_not(finished)
        if finished and refused in _WAIT:
            return ledger.decide(question, _WAIT[refused], retry_after=finished.retry_after)
    if not may_start(request):
        return ledger.decide(question, Verdict.NOT_STARTED)
    waiting = _reuse(request, question)
    if waiting:
        return (yield from _waiting(request, question, waiting))
    return replace((yield from _start(request, question)), refused=refused)


def _passes(request: HttpRequest, question: Question) -> bool:
    """True when a pass answers: one that is fresh, or the one for this request, which is spent."""
    if peek(request, question.user, question.policy, question.bound):
        return True
    return question.policy.single_use and spend(request, question)


def as_stored(question: Question) -> Question | None:
    """The question, of its user as the database has them; None when it does not have them.

    A form that was checked has written its values into the user, and a transaction that was left took back what it
    wrote: a new address, which nobody proved, must not be where the code is sent.
    """
    if question.kind == Kind.PASSWORDLESS:  # whom somebody named was read just now
        return question
    user = stored(question.user)
    return None if user is None else replace(question, user=user)


def as_stored_or_none(question: Question) -> Question | None:
    """The same inside of a view, where a transaction may be broken; nothing opens by None."""
    try:
        return as_stored(question)
    except DatabaseError:
        return None


def nobody(question: Question) -> Decision:
    """What a question about a user is answered whom the database does not have, or no more."""
    hint = (
        "The user is not in the database. When authenticate() creates users, take its view out of ATOMIC_REQUESTS: put "
        "@transaction.non_atomic_requests on it."
    )
    logger.error("%s was not begun. %s", question.policy.action, hint)
    return replace(ledger.decide(question, Verdict.DENY), hint=hint, reason="denied")


def take_in(request: HttpRequest, credential: str, *, ahead: bool = False) -> Steps["Finished | None"]:
    """Finishes the challenge whose result token came with an API client's request, for the credential that began it.

    None when no token came. `ahead` of the view, which alone may know the credential: a token that this one did not
    begin is then left for it. Asked twice, it answers the same.
    """
    if not channel.token_of(request):
        return getattr(request, "_authsignal_taken_in", None)
    row = bearer.begun(credential, channel.token_of(request))
    if row is None and ahead:
        return None
    finished = Finished(False, "gone")
    if row is not None:
        finished = yield from finish(request, row.pk, channel.take_token(request), by=Channel.API)
    channel.take_token(request)
    request._authsignal_taken_in = finished  # type: ignore[attr-defined] # ours, kept on the request
    return finished


def _why_not(finished: "Finished | None") -> str:
    if finished is None:
        return ""
    if finished.reason:
        return finished.reason
    return "used" if finished.already else "changed"  # proved, but for another question


def _now_passes(request: HttpRequest, question: Question, finished: "Finished") -> bool:
    """True when what was just finished answers this question; a proof for one request is spent by it."""
    row = finished.row
    if not finished.ok or row is None or (row.user_pk, row.action) != (str(question.user.pk), question.policy.action):
        return False
    if channel.signs_in_once(request):
        return row.signs_in and row.move(Status.SPENT, source=Status.PROVED)
    return peek(request, question.user, question.policy, question.bound) or spend(request, question)


def ask_settings(request: HttpRequest, question: Question) -> Steps[Decision]:
    """Opens Authsignal's own page for managing authenticators, for somebody who has a pass for MANAGE_ACTION."""
    if not peek(request, question.user, question.policy, question.bound):
        return ledger.decide(question, Verdict.DENY)
    return (yield from _start(request, question))


def peek(request: HttpRequest, user: AbstractBaseUser, policy: Policy, bound: Bound) -> bool:
    """True when a pass answers already: the way most requests go, by the session and the request alone."""
    return pass_for(request, user, policy, bound) is not None


def pass_as_stored(request: HttpRequest, question: Question) -> session.Pass | None:
    """The pass that answers already, of the user as they are stored; where `pass_for` has found none.

    A form that was checked has written its values into the user, and nobody stored them. For this, one query, where
    there is a pass that does not fit; never for a page that only looks.
    """
    theirs = as_stored_or_none(question) if _holds_others(request, question) else None
    return None if theirs is None else pass_for(request, theirs.user, theirs.policy, theirs.bound)


def _holds_others(request: HttpRequest, question: Question) -> bool:
    credential, action = channel.credential(request), question.policy.action
    if not credential:
        return session.holds_others(request, question.user, action)
    return any(not bearer.was_given(credential, question.user, item) for item in bearer.passes(credential, action))


def pass_for(request: HttpRequest, user: AbstractBaseUser, policy: Policy, bound: Bound) -> session.Pass | None:
    """The pass that answers already, if there is one; for a proof of one request, the one that this request spent."""
    spent: dict[str, list[session.Pass]] = getattr(request, "_authsignal_spent", {})
    for item in spent.get(channel.holder(request), ()) if spent else ():
        # Looked at when this request spent it. The view may have changed its user since, as it is meant to.
        theirs = item.user == str(user.pk)
        if theirs and session.counts(request, policy, item, bound.scope, ledger.scope_of(request, policy, bound)):
            return item
    return None if policy.single_use else _find(request, user, policy, bound.scope)


def _find(
    request: HttpRequest, user: AbstractBaseUser, policy: Policy, scope: str, request_scope: str = ""
) -> session.Pass | None:
    found = session.find(request, user, policy, scope, request_scope)
    if found is not None or not channel.may_present(request) or channel.signs_in_once(request):
        return found  # for a request that signs in there is none: only the proof that comes with it counts
    credential = channel.credential(request)
    passes = bearer.passes(credential, policy.action) if credential else ()
    counting = (item for item in passes if session.counts(request, policy, item, scope, request_scope))
    return next((item for item in counting if bearer.was_given(credential, user, item)), None)


def spend(request: HttpRequest, question: Question) -> bool:
    """Spends the pass for this one request, by one UPDATE that only one request can win.

    To be called outside the view's transaction: inside, a view that fails would give a spent proof back.
    """
    once = ledger.scope_of(request, question.policy, question.bound)
    found = _find(request, question.user, question.policy, question.bound.scope, once)
    if not found or not found.one_request:
        return False
    row = Challenge.objects.filter(pk=found.id).first()
    won = row is not None and row.move(Status.SPENT, source=(Status.PROVED, Status.RELEASED))
    session.drop(request, found.id)
    if won:
        holder, spent = channel.holder(request), getattr(request, "_authsignal_spent", {})
        request._authsignal_spent = {**spent, holder: [*spent.get(holder, ()), found]}  # type: ignore[attr-defined] # ours, kept on the request
    return won


def proved_ahead(request: HttpRequest, question: Question) -> bool:
    """True when a proof for this one request waits already; nothing is spent."""
    return _find(request, question.user, question.policy, question.bound.scope) is not None


def may_start(request: HttpRequest) -> bool:
    """False for requests that no person waits for: HEAD, OPTIONS, prefetch, prerender, and images or beacons.

    Those (mode no-cors) are answered to nobody: any page of a sibling site could begin challenges without end by them.
    """
    if request.headers.get("Sec-Fetch-Mode") == "no-cors":
        return False
    names = ("Sec-Purpose", "Purpose", "X-Purpose", "X-Moz")
    purpose = " ".join(request.headers.get(name, "") for name in names).lower()
    return request.method not in ("HEAD", "OPTIONS", "TRACE") and "prefetch" not in purpose and "preview" not in purpose


def seconds_left(request: HttpRequest, user: AbstractBaseUser, policy: Policy, bound: Bound) -> int | None:
    """Whole seconds the pass for this still counts; 0 without one, None: as long as the session."""
    found = _find(request, user, policy, bound.scope)
    return session.seconds_left(found, policy) if found else 0


def _reuse(request: HttpRequest, question: Question) -> Challenge | None:
    """What is open already for this very question, so that a reload begins nothing new."""
    if channel.is_api(request):  # a challenge's token is kept nowhere for it, so only a review can be found again
        return bearer.review_of(request, question.user, question.policy, question.bound)
    wanted = (question.policy.action, str(question.kind), str(question.user.pk))
    scope = ledger.scope_of(request, question.policy, question.bound)
    for item in session.open_challenges(request):
        if (item.action, item.kind, item.user) != wanted or not (question.anywhere or item.scope == scope):
            continue
        row = Challenge.objects.filter(pk=item.id, status__in=[Status.OPEN, Status.REVIEW]).first()
        if row and row.young(timezone.now()) and _still_theirs(request, row, question):
            return row
        session.forget(request, uuid.UUID(item.id))
    return None


def _still_theirs(request: HttpRequest, row: Challenge, question: Question) -> bool:
    return (
        channel.began(request, row)
        and row.user_pk == str(question.user.pk)
        and (question.anywhere or row.return_to == addresses.local(request, question.return_to))
        and same(row.fingerprint, fingerprint(question.user))
        and row.tenant == option("TENANT_ID", request)
        and (not row.enrolls or _may_enroll(request, question))
    )


def _waiting(request: HttpRequest, question: Question, row: Challenge) -> Steps[Decision]:
    if row.status == Status.REVIEW:
        released = yield from reviews.look_at_review(request, row)
        if released and question.release and not row.signs_in:
            return ledger.decide(question, Verdict.REPEAT, row)  # which spends it: the view was left
        if released and (reviews.use_release(request, question, row) if row.signs_in else spend(request, question)):
            return ledger.decide(question, Verdict.PASS)
    return challenge_decision(request, row, label=label_for(question.policy, question.bound.custom))


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


def _start(request: HttpRequest, question: Question) -> Steps[Decision]:
    """Begins anew, unless too much was begun already: each may be a text message, and somebody's phone that rings."""
    if question.signs_in and lockouts.is_locked_out(request, question.user.get_username()):
        return ledger.deny(request, question, ledger.new_row(request, question), "locked_out")
    tried = limits.count(request, "START", user=_starter(question))
    if tried.over:
        return ledger.too_many(request, question, tried)
    begun = False
    try:
        decision = yield from _track(request, question)
        begun = decision.verdict in (Verdict.CHALLENGE, Verdict.REVIEW)
        return decision
    finally:
        if not begun:  # an ALLOW asks each time, and an outage is nobody's doing
            tried.give_back()


def _starter(question: Question) -> str:
    """Whose counter it is. Nobody's for whoever only gave a name: any stranger could use up that of its owner."""
    if question.kind == Kind.PASSWORDLESS:
        return ""
    # Apart: who has the password alone keeps nobody from the step-ups of a session that they have.
    return f"{'sign-in' if question.signs_in else 'step-up'} {question.user.pk}"


def _track(request: HttpRequest, question: Question, *, enrolling: bool = True) -> Steps[Decision]:
    row = ledger.new_row(request, question)
    try:
        tracked = yield partial(get_client(request).track, **ledger.track_call(request, question, row))
    except UNANSWERED as exc:
        session.reload(request)
        return ledger.unreachable(request, question, row, exc)
    except (Refused, ValueError) as exc:
        # Never an outage: a wrong key or region, or an id that cannot be sent, must be seen, not failed open.
        logger.error("Authsignal refused to track %s: %s", question.policy.action, exc)
        return replace(ledger.deny(request, question, row, "refused"), hint=emulator_hint(exc))
    session.reload(request)
    row.state = str(tracked.state)[:64]
    move = move_of(question, tracked)
    if move == "unenrolled" and question.policy.unenrolled == "email" and enrolling:
        return (yield from _enroll_by_email(request, question, row))
    return _MOVES[move](request, question, row, tracked)


def move_of(question: Question, tracked: Tracked) -> str:
    """What the gate's table says of an answer, a key of `_MOVES`. Pure."""
    enrolled = _enrolled(tracked, question.policy)
    move = TABLE.get((str(tracked.state), enrolled), "deny")
    if question.kind == Kind.SETTINGS and move in ("on_allow", "unenrolled"):
        return "challenge"  # nothing is let through by it: it opens a page, and its return gives no pass
    if question.kind == Kind.PASSWORDLESS and (move, enrolled) != ("challenge", "yes"):
        return "deny"  # somebody who only gave a name: no review may release them, and they may not enrol
    return move


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


def _challenge(request: HttpRequest, question: Question, row: Challenge, tracked: Tracked) -> Decision:
    if not addresses.hosted(tracked.url):
        logger.error(
            "track answered with a page that HOSTED_HOSTS does not list, so nobody is sent there. "
            "Add its host to AUTHSIGNAL['HOSTED_HOSTS'] if it is yours."
        )
        return ledger.deny(request, question, row, "foreign_page")
    row.enrolls |= not tracked.is_enrolled  # whatever the state is called, their page then offers to enrol
    row.save(force_insert=True)
    _remember(request, question, row, url=tracked.url or "", token=tracked.token or "")
    signals.challenge_started.send(Challenge, request=request, user=question.user, challenge=row)
    return ledger.decide(question, Verdict.CHALLENGE, row, url=tracked.url or "", token=tracked.token or "")


def _remember(request: HttpRequest, question: Question, row: Challenge, *, url: str = "", token: str = "") -> None:
    """Keeps what a browser needs to go on. An API client is given it once, and it is kept nowhere."""
    if row.channel == Channel.API:
        bearer.push_out(row)
        return
    ledger.remember(request, question, row, url=url, token=token)
    browser.remember_start(request, row.pk)


def _on_allow(request: HttpRequest, question: Question, row: Challenge, tracked: Tracked) -> Decision:
    policy = question.policy
    if policy.on_allow == "pass" and not policy.strict:
        return ledger.let_through(request, question, row, Status.ALLOWED)
    logger.warning(
        "Authsignal answered ALLOW for %s, which proves nothing, so it is denied. Set the action's outcome to "
        "CHALLENGE in Authsignal's portal (an action nobody configured there is ALLOW for everybody)%s.",
        policy.action,
        "" if policy.strict else ", or its ON_ALLOW to 'pass'",
    )
    return ledger.deny(request, question, row, "allow_is_no_proof")


def _unenrolled(request: HttpRequest, question: Question, row: Challenge, tracked: Tracked) -> Decision:
    rule = question.policy.unenrolled
    if rule == "allow" and not question.policy.strict:
        return ledger.let_through(request, question, row, Status.ALLOWED)
    if rule == "enroll" and _may_enroll(request, question):
        row.enrolls = True
        return _challenge(request, question, row, tracked)
    return ledger.deny(request, question, row, "not_enrolled")


def _may_enroll(request: HttpRequest, question: Question) -> bool:
    """True when somebody without a way of proof may set one up now: a stolen session or a left desk must not do."""
    if channel.is_api(request):
        return question.password_proved or question.first_factor or channel.gave_password(request)
    if question.kind == Kind.SIGN_IN:
        # A password just given; or a session logged in just now without one (social login, a password reset).
        return question.password_proved or question.first_factor or session.login_is_recent(request)
    return session.password_is_recent(request)


def _enroll_by_email(request: HttpRequest, question: Question, row: Challenge) -> Steps[Decision]:
    """Enrols the verified address by the Server API, then tracks again under a new id."""
    email = track_attributes(request, question.user, question.policy.action).get("email")
    method = VerificationMethod.EMAIL_OTP
    if not email or not question.policy.accepts(method):
        return ledger.deny(request, question, row, "not_enrolled")
    row.reason = "enrolled_by_email"
    ledger.close(question, row, Status.EXPIRED, Verdict.CHALLENGE)
    client = get_client(request)
    try:
        enrolled: EnrolledAuthenticator = yield partial(
            client.enroll_verified_authenticator,
            row.authsignal_id,
            verification_method=str(method),
            email=str(email),
        )
    except UNANSWERED as exc:
        return ledger.unreachable(request, question, ledger.new_row(request, question), exc)
    except (Refused, ValueError) as exc:
        logger.error("Authsignal refused to enrol an e-mail address: %s", exc)
        return ledger.deny(request, question, ledger.new_row(request, question), "not_enrolled")
    notices.seen(request, question.user, "added", {enrolled.authenticator.user_authenticator_id: str(method)})
    return (yield from _track(request, question, enrolling=False))


def _review(request: HttpRequest, question: Question, row: Challenge, tracked: Tracked) -> Decision:
    row.status = Status.REVIEW
    row.expires_at = timezone.now() + timedelta(seconds=question.policy.review_max_age)
    if not question.signs_in:  # it may release this one request, no other
        row.scope = ledger.scope_of(request, question.policy, question.bound)
    row.save(force_insert=True)
    _remember(request, question, row)
    signals.review_required.send(Challenge, request=request, user=question.user, challenge=row)
    return ledger.decide(question, Verdict.REVIEW, row)


def _block(request: HttpRequest, question: Question, row: Challenge, tracked: Tracked) -> Decision:
    known = tracked.state in (State.BLOCK, State.CHALLENGE_FAILED, State.REVIEW_FAILED)
    return ledger.deny(request, question, row, "blocked" if known else "unexpected_state")


_MOVES = {
    "challenge": _challenge,
    "on_allow": _on_allow,
    "unenrolled": _unenrolled,
    "review": _review,
    "deny": _block,
}


@dataclass(frozen=True)
class Finished:
    """What became of a proof: `ok`, or the reason why not. `row` is None when there is no such challenge."""

    ok: bool
    reason: str = ""
    row: Challenge | None = None
    return_to: str = ""
    already: bool = False  # it was finished before: the browser is only sent on
    user: AbstractBaseUser | None = None  # whose proof this call took in; None when it took none in
    retry_after: float | None = None  # seconds after which it is worth trying again, where that is known


# Reasons that say nothing about the proof: it may be brought again.
_WAIT = {"unreachable": Verdict.UNREACHABLE, "too_many": Verdict.TOO_MANY}


def finish(
    request: HttpRequest, challenge_id: uuid.UUID, token: Sealed | None, *, by: Channel = Channel.BROWSER
) -> Steps[Finished]:
    """Takes a proof in. Cookie (or credential) and row first, then one call (`validate`), then one UPDATE.

    Of many callers one wins it. Every refusal before leaves the row open (a cancel, a time-out, a link scanner), and
    writes why. Tries are limited; those that end well, or were finished before, are free.
    """
    row = Challenge.objects.filter(pk=challenge_id).first()
    began = row is not None and _began(request, row, by)
    # Strangers apart: whoever shares an address with them, and began what is brought back, is not stopped by them.
    client = row.credential if row is not None and began else ""  # which the view may still have to authenticate
    tried = limits.count(request, "CALLBACK", session=client, apart="" if began else "foreign")
    if tried.over:
        logger.warning("A proof was not looked at: too many false ones by this %s. See LIMITS.", tried.over.lower())
        return Finished(False, "too_many", row if began else None, retry_after=tried.retry_after)
    try:
        finished = yield from _finish(request, row, token, by)
    except (OperationalError, InterfaceError):  # a database that is away says nothing about the proof
        tried.give_back()
        raise
    if finished.ok or finished.reason == "unreachable":
        tried.give_back()
    return finished


def _began(request: HttpRequest, row: Challenge, by: Channel) -> bool:
    return row.channel == by and (by == Channel.API or browser.began(request, row.pk, row.browser))


def _finish(request: HttpRequest, row: Challenge | None, token: Sealed | None, by: Channel) -> Steps[Finished]:
    if row is None:
        return Finished(False, "gone")
    refusal = _refused_before(request, row, by)
    if refusal:
        return refusal
    if row.kind == Kind.SETTINGS:
        return _returned(request, row)
    if not token:
        return _refuse(row, "missing_token")
    validated = yield from validate(request, token, user_id=row.authsignal_id, action=row.action, row=row)
    if isinstance(validated, str):
        again = getattr(request, "_authsignal_retry_after", None) if validated == "unreachable" else None
        return replace(_refuse(row, validated), retry_after=again)
    return _conclude(request, row, validated)


def validate(
    request: HttpRequest, token: Sealed, *, user_id: str | None, action: str, row: Challenge | None = None
) -> Steps[Validated | str]:
    """Asks Authsignal what a token proves; a string is the reason why nobody can tell. It opens nothing by itself."""
    try:
        validated: Validated = yield partial(
            get_client(request).validate_challenge, token, user_id=user_id, action=action
        )
    except UNANSWERED as exc:
        # Finishing never fails open, whatever ON_UNREACHABLE says.
        logger.error("Authsignal could not be asked to validate %s: %s", action, exc)
        request._authsignal_retry_after = exc.retry_after  # type: ignore[attr-defined] # ours, kept on the request
        signals.authsignal_unreachable.send(Challenge, request=request, user=None, challenge=row, error=exc)
        return "unreachable"
    except (Refused, ValueError) as exc:
        logger.error("Authsignal refused to validate %s: %s", action, exc)
        return "invalid"
    session.reload(request)
    return validated


def _refused_before(request: HttpRequest, row: Challenge, by: Channel) -> Finished | None:
    if not _began(request, row, by):
        # Its user was deleted, and with them the browser it began in: to all it is gone, the right one among them.
        return Finished(False, "gone") if is_pseudonym(row.user_pk) else _refuse(row, "foreign")
    if row.tenant != option("TENANT_ID", request):
        return _refuse(row, "wrong_tenant")
    if row.status in (Status.PROVED, Status.SPENT):
        return Finished(True, row=row, already=True)
    if row.status != Status.OPEN:
        return Finished(False, "expired" if row.status == Status.EXPIRED else "gone", row)
    if not row.young(timezone.now()):
        # Kept, so that a sign-in or a form that came too late still leads to where it was to lead.
        if row.move(Status.EXPIRED, reason="expired", return_to=row.return_to):
            ledger.failed(request, row, "expired")
        session.forget(request, row.pk)
        return Finished(False, "expired", row)
    return None


def _returned(request: HttpRequest, row: Challenge) -> Finished:
    """Back from managing authenticators: no pass comes of it, and what else was open began with the old ones."""
    user, return_to = ledger.user_of(request, row), addresses.local(request, row.return_to)
    if isinstance(user, str):
        return _refuse(row, user)
    row.move(Status.SPENT, reason="returned")
    session.forget(request, row.pk)
    revoke_proofs(row.user_pk, reason="authenticators_changed")
    return Finished(True, row=row, return_to=return_to, user=user)


def _refuse(row: Challenge, reason: str, *, state: str = "") -> Finished:
    row.note(reason, state=state)
    return Finished(False, reason, row)


def _conclude(request: HttpRequest, row: Challenge, validated: Validated) -> Finished:
    reason = refusal_of(row, validated)
    if reason == "failed":
        if row.move(Status.FAILED, reason="failed", state=str(validated.state)[:64]):
            ledger.failed(request, row, "failed")
        session.forget(request, row.pk)
        return Finished(False, "failed", row)
    if reason == "invalid":
        return _refuse(row, reason)  # its state is that of whatever challenge its bearer chose
    if reason:
        return _refuse(row, reason, state=str(validated.state or ""))
    # Only now: whoever began it with a name alone, and proved nothing, hears nothing of what became of the account.
    user = ledger.user_of(request, row)
    if isinstance(user, str):
        return _refuse(row, user)
    at = proof_time(validated.state_updated_at)
    return_to = addresses.local(request, row.return_to)
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
    enrolling = row if row.enrolls else ledger.enrolled_unseen(row)
    if enrolling:  # a webhook may have told the owner already
        method = row.verification_method if row.enrolls else ""
        notices.seen(request, user, "added", {notices.by_challenge(enrolling.pk): method})
    if row.kind == Kind.STEP_UP:
        ledger.grant(request, user, row, at=at, one_request=row.single_use)
    signals.challenge_passed.send(Challenge, request=request, user=user, challenge=row)
    return Finished(True, row=row, return_to=return_to, user=user)


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
    """When it was proved: the earlier of now and what Authsignal says, so that no proof is younger than now."""
    now = timezone.now()
    return now if updated is None else min(now, updated)
