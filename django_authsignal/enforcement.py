"""`request.authsignal`, and how a marked view asks the gate. Shared by the middleware, decorators and mixins."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_cache_control
from django.utils.functional import LazyObject

from . import (
    addresses,
    bearer,
    browser,
    channel,
    connections,
    deadlines,
    flow,
    ledger,
    observing,
    responses,
    session,
    signin,
    steps,
)
from .binding import NOTHING, SAFE_METHODS, Bound, UnreadableFields
from .binding import read as read_bound
from .client import ConfigurationError
from .conf import Settings, get_settings, settings_for
from .decision import ActionBlocked, AuthsignalInterrupt, ChallengeRequired, Decision, Question, Verdict
from .identity import fingerprint, get_user, unwrapped
from .models import Challenge, Kind, Status
from .policy import Bind, Policy, label_for, policy_in
from .steps import Steps

EMPTY: Mapping[str, Any] = {}
ADD = "Add 'django_authsignal.middleware.AuthsignalMiddleware' to MIDDLEWARE."
logger = logging.getLogger("django_authsignal")


@dataclass(frozen=True, eq=False)
class Requirement:
    """What one decorator asks of one view; found on the view by the middleware."""

    action: str | None  # None: the sign-in action, whatever it is called
    max_age: int | None = None
    bind: Bind = ()
    methods: frozenset[str] | None = None  # HTTP methods; None: see `applies`
    resend: Sequence[str] | None = None
    anonymous_passes: bool = False  # another check, around this one, turns anonymous visitors away
    by: str = "decorator"  # who declares it, for those who list it: decorator, mixin, include, admin, login_required

    def policy(self) -> Policy:
        """The action's policy, narrowed by this requirement. Raises ConfigurationError when it would be widened."""
        return _policy(get_settings(), self)

    def policy_in(self, settings: Settings) -> Policy:
        """The same under these settings; for subclasses to say otherwise. It is asked for once."""
        return policy_of(self.action, max_age=self.max_age, bind=self.bind, settings=settings)

    def applies(self, request: HttpRequest, policy: Policy) -> bool:
        """True when this request's method is asked for; a single-use proof is asked of unsafe methods only."""
        return self.applies_to(request.method, policy)

    def applies_to(self, method: str | None, policy: Policy) -> bool:
        """The same for an HTTP method that nobody sent yet."""
        if self.methods is not None:
            return method in self.methods
        return method not in SAFE_METHODS or not policy.single_use


@lru_cache(maxsize=512)
def _policy(settings: Settings, requirement: Requirement) -> Policy:
    return requirement.policy_in(settings)


def policy_of(
    action: str | None, *, max_age: int | None = None, bind: Bind = (), settings: Settings | None = None
) -> Policy:
    """The policy of an action, narrowed. Raises ConfigurationError when it would be widened."""
    settings = settings or get_settings()
    return policy_in(settings, settings.SIGN_IN_ACTION if action is None else action).narrowed(
        max_age=max_age, bind=bind
    )


def sign_in_action() -> str:
    """The code of the sign-in action."""
    return get_settings().SIGN_IN_ACTION


class RequestGate:
    """`request.authsignal`: the gate, for deep code. Made on first use; costs nothing until asked."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request
        self.answered: list[Requirement] = []  # what was asked, and let this request in
        self.to_observe: list[Question] = []  # asked by the middleware, once the view and its transaction are over
        self.private = False  # True when the answer rests on a pass: no cache may give it again
        self.guarded = False  # True when the middleware stands around the view
        self.stays_open = False  # True once the answer has begun: a stream, or a WebSocket
        self.credential_named = False  # True when code of the project's own said who came by what
        self.prepared_for = ""  # the credential whose waiting proofs were spent before the view
        #: What the user has to set up by ENROLMENT_DEADLINE, and by when; None: nothing. EnrolmentDeadlineMiddleware's.
        self.enrolment_due: deadlines.EnrolmentDue | None = None
        #: The values that were proved for this request. A view reads these, never its own parse.
        self.bound: Mapping[str, Any] = EMPTY
        #: What let this request in: the ids of the ledger's rows, by action. A record of yours can name them.
        self.challenges: dict[str, str] = {}

    def require(
        self, action: str, *, max_age: int | None = None, bind: Bind = (), resend: Sequence[str] | None = None
    ) -> None:
        """Returns when the user has a pass for the action; else raises ChallengeRequired or ActionBlocked.

        The arguments are those of `challenge_required`.
        """
        policy = policy_of(action, max_age=max_age, bind=bind)
        with connections.renewed(self._request) if self.stays_open else nullcontext():
            self._require(policy, resend)

    def _require(self, policy: Policy, resend: Sequence[str] | None) -> None:
        question = self._question(policy, resend)
        if question is None:
            raise ChallengeRequired(_anonymous(self._request, policy))
        known = self._known(question)
        decision = known if known is not None else steps.run(flow.ask(self._request, question))
        self._conclude(question, decision)

    async def arequire(
        self, action: str, *, max_age: int | None = None, bind: Bind = (), resend: Sequence[str] | None = None
    ) -> None:
        """The same for async code."""
        policy = policy_of(action, max_age=max_age, bind=bind)
        async with connections.arenewed(self._request) if self.stays_open else nullcontext():
            await self._arequire(policy, resend)

    async def _arequire(self, policy: Policy, resend: Sequence[str] | None) -> None:
        question = await sync_to_async(self._question)(policy, resend)
        if question is None:
            raise ChallengeRequired(_anonymous(self._request, policy))
        known = await sync_to_async(self._known)(question)
        decision = known if known is not None else await steps.arun(flow.ask(self._request, question))
        await sync_to_async(self._conclude)(question, decision)
        share_user(self._request)

    def passed(self, action: str, max_age: int | None = None) -> bool:
        """True while the user has a pass for the action; no network, nothing is spent."""
        if self.stays_open:
            connections.renew(self._request)
        policy, user = policy_of(action, max_age=max_age), signed_in_user(self._request)
        found = user is not None and flow.peek(self._request, user, policy, read_bound(self._request, policy))
        self.private = self.private or found
        return found

    async def apassed(self, action: str, max_age: int | None = None) -> bool:
        """The same for async code."""
        return await sync_to_async(self.passed)(action, max_age)

    def set_credential(self, value: str) -> None:
        """Says what this request authenticated with, where that is not the Authorization header; "": its session.

        For authentication of your own (an `X-API-Key`): call it where you authenticate, before the gate is asked. Only
        a keyed hash is kept, and a proof counts for this credential alone.
        """
        channel.set_credential(self._request, value)
        self.credential_named = True

    def seconds_left(self, action: str) -> int | None:
        """Seconds the action's pass still counts; 0 without one, None for as long as the session."""
        policy, user = policy_of(action), signed_in_user(self._request)
        bound = read_bound(self._request, policy)
        return flow.seconds_left(self._request, user, policy, bound) if user else 0

    def _question(self, policy: Policy, resend: Sequence[str] | None = None) -> Question | None:
        user = signed_in_user(self._request)
        return None if user is None else replace(question_for(self._request, user, policy), resend=resend)

    def _known(self, question: Question) -> Decision | None:
        """What needs no call: a pass, a forgery, or, in a transaction, that the middleware must ask outside it."""
        passed = flow.peek(self._request, question.user, question.policy, question.bound)
        if passed or self.lets_go_on(question):
            return Decision(Verdict.PASS, question.policy.action)
        if observing.enforcement(self._request, question.user, question.policy) == "observe":
            return None
        if flow.pass_as_stored(self._request, question):
            return Decision(Verdict.PASS, question.policy.action)
        if self.stays_open and not channel.holder(self._request):
            # The binding cookie cannot be set any more, and without it nobody could finish.
            return Decision(Verdict.NOT_STARTED, question.policy.action)
        if responses.refuse_forged(self._request):
            label = label_for(question.policy, {})
            return Decision(Verdict.DENY, question.policy.action, label=label, reason="forged")
        if steps.in_transaction():
            _must_be_guarded(self.guarded, question.policy)
            _must_be_spendable_ahead(question.policy)
            self._must_be_known_ahead(question.policy)
            raise ChallengeRequired(question=_left(question))
        return None

    def _must_be_known_ahead(self, policy: Policy) -> None:
        credential = channel.credential(self._request)
        # A session beside the credential is the client's doing, and no reason to crash.
        known = credential in ("", self.prepared_for) or channel.has_session(self._request)
        if policy.single_use and not known:
            raise ConfigurationError(
                f"{policy.action!r}, whose proof serves one request, was asked for inside a transaction, by a client "
                "that only the view knew: its proof cannot be spent before. Name the client in a middleware "
                "(request.authsignal.set_credential), or use ChallengeRequiredMixin of contrib.rest_framework."
            )

    def _conclude(self, question: Question, decision: Decision) -> None:
        if decision.passed:
            passed = _answered_by(self._request, question)
            self.note(None, question.policy, question.bound, passed, decision)
            if self.stays_open:
                connections.take_back(self._request, question.policy.action)
            return
        if decision.verdict is Verdict.DENY:
            raise ActionBlocked(decision)
        raise ChallengeRequired(_for_the_page(self._request, decision, question.bound, question.resend))

    def lets_go_on(self, question: Question) -> bool:
        """True when ENFORCE stops nobody and this can be said now: "off", or "observe" inside a transaction.

        There a call has to wait until it is over, and a request must not come again only to be observed.
        """
        enforce = observing.enforcement(self._request, question.user, question.policy)
        if enforce == "observe" and steps.in_transaction():
            if self.guarded:
                self.to_observe.append(question)
            else:
                logger.warning("%s was asked inside a transaction and is not observed. %s", question.policy.action, ADD)
            return True
        return enforce == "off"

    def note(
        self,
        requirement: Requirement | None,
        policy: Policy,
        bound: Bound,
        by: session.Pass | None,
        decided: Decision | None,
    ) -> None:
        """Writes that a question was answered: by a pass, or by the gate's decision to let the request through.

        With the requirement that asked it, which is then asked no more; code of the project's own has none.
        """
        if requirement is not None:
            self.answered.append(requirement)
        self.private = True
        # Where a framework asks inside a view, `cache_page` around it would give the answer to whoever comes next.
        self._request._cache_update_cache = False  # type: ignore[attr-defined] # Django's own mark that the page is private
        self.bound = bound.values or self.bound
        if by is not None:
            self.challenges[policy.action] = by.id
        elif decided is not None and decided.challenge_id:
            self.challenges[policy.action] = str(decided.challenge_id)

    def spend_ahead(self) -> None:
        """Spends, before the view and its transaction begin, every one-request pass that was given for this request.

        Code inside the view that asks for the same action then finds it spent for this request. Were it spent in
        there, a view that fails after its effect would hand it back (one proof, many payments).
        """
        waiting = session.one_request_passes(self._request)
        if waiting:
            # By method and path first: of any other request neither the body nor the form's token is touched.
            sent_to = ledger.sent_to(self._request)
            waiting = [item for item in waiting if item.sent_to == sent_to]
        user = signed_in_user(self._request) if waiting else None
        if user and responses.refuse_forged(self._request):
            return  # a forged form must not cost the person their proof
        for item in waiting if user else ():
            question = self._spendable(item, user)
            if question:
                flow.spend(self._request, question)

    def take_in(self, credential: str) -> Steps[None]:
        """The same for an API client, and before it: the proof that comes with this very request is finished."""
        yield from flow.take_in(self._request, credential, ahead=True)
        for row in bearer.one_request_passes(self._request, credential):
            channel.assume(self._request, credential)  # the view will authenticate by it
            user = get_user(row.user_pk)
            question = self._spendable(bearer.as_pass(row), user) if user and user.is_active else None
            if question and not responses.refuse_forged(self._request):
                flow.spend(self._request, question)

    def _spendable(self, item: session.Pass, user: AbstractBaseUser | None) -> Question | None:
        try:
            # A decorator or a call may have narrowed the policy to one request; the pass says so, settings do not.
            once = 0 if item.max_age == 0 else None
            policy = policy_of(item.action, max_age=once, bind=item.bind)
            return None if user is None else question_for(self._request, user, policy)
        except Exception:  # a body that cannot be read now matches no pass; the view's own requirement reports it
            return None


def _must_be_guarded(guarded: bool, policy: Policy) -> None:
    if not guarded:
        raise ConfigurationError(
            f"{policy.action!r} was asked for inside a transaction, where a call would hold its locks and a rollback "
            f"give a spent proof back. {ADD}"
        )


def _must_be_spendable_ahead(policy: Policy) -> None:
    if callable(policy.bind):
        raise ConfigurationError(
            f"{policy.action!r} is bound by a callable and was asked for inside a transaction, where nobody can tell "
            "before the view which proof to spend. Bind field names, or put challenge_required outermost on the view."
        )


def gate(request: HttpRequest) -> RequestGate:
    """`request.authsignal`, made here when no middleware did: a missing middleware must not open a view."""
    found = getattr(request, "authsignal", None)
    if not isinstance(found, RequestGate):
        found = RequestGate(request)
        request.authsignal = found  # type: ignore[attr-defined] # ours, kept on the request
    return found


def keep_private(response: HttpResponseBase) -> None:
    """Keeps an answer that rests on a pass, or brings a new binding cookie, out of every cache.

    Django's cache middleware answers before any view is asked for, and so before its guard; and two browsers must not
    be handed one binding cookie.
    """
    try:
        said = response.headers["Cache-Control"]
    except KeyError:
        response.headers["Cache-Control"] = "private"  # what patching does, without its parsing
        return
    if said not in ("private", "no-store"):
        patch_cache_control(response, private=True)


def signed_in_user(request: HttpRequest) -> AbstractBaseUser | None:
    """The signed-in user, or None."""
    user: AbstractBaseUser | None = getattr(channel.introduced(request), "user", None)
    if user and isinstance(user, LazyObject):  # to ask whether there is one has the wrapper fetch them
        # Each attribute read through Django's wrapper costs as much as a call of ours; this one goes past it.
        user = object.__getattribute__(user, "_wrapped")
        user = unwrapped(user) if isinstance(user, LazyObject) else user
    return user if user and user.is_authenticated else None


def share_user(request: HttpRequest) -> None:
    """Has `await request.auser()` give whom the gate has read as `request.user`, without another query.

    Not where a middleware, or `login()`, has put somebody else there; a later sign-in or sign-out takes it back.
    """
    own = vars(request)
    read = own.get("_cached_user")  # Django's name for whom it has read
    if read is None or "_acached_user" in own or not isinstance(own.get("user"), LazyObject):
        return
    # Most are behind one wrapper; every guarded request comes here.
    if object.__getattribute__(own["user"], "_wrapped") is read or unwrapped(own["user"]) is unwrapped(read):
        request._acached_user = request._authsignal_shared = read  # type: ignore[attr-defined] # Django's name, and ours


def forget_shared(request: HttpRequest) -> None:
    """Has `await request.auser()` read the session again: somebody signs in, or out."""
    own = getattr(request, "__dict__", {})  # whoever sends the signal may give anything
    if own.get("_acached_user") is own.pop("_authsignal_shared", request):
        del own["_acached_user"]


def question_for(request: HttpRequest, user: AbstractBaseUser, policy: Policy) -> Question:
    """The question that this request asks of a policy. Raises UnreadableFields for a bound field."""
    kind = Kind.SIGN_IN if policy.sign_in else Kind.STEP_UP
    bound = bound_of(request, user, policy)
    return Question(
        user=user,
        policy=policy,
        kind=kind,
        bound=bound,
        return_to=return_to(request),
        backend=_backend(request, kind),
        anywhere=policy.sign_in,
    )


def bound_of(request: HttpRequest, user: AbstractBaseUser, policy: Policy) -> Bound:
    """What this request binds. Raises UnreadableFields when it cannot be read, but not where ENFORCE stops nobody."""
    try:
        return read_bound(request, policy)
    except Exception:
        if observing.enforcement(request, user, policy) == "on":
            raise
        return observing.UNREADABLE


def _backend(request: HttpRequest, kind: Kind) -> str:
    session = getattr(request, "session", None)
    return str(session.get("_auth_user_backend", "")) if session is not None and kind == Kind.SIGN_IN else ""


def prepare(request: HttpRequest) -> Steps[None]:
    """Before the view and its transaction: what only there can be finished, or spent."""
    own = gate(request)
    if browser.is_known(request):
        own.spend_ahead()
    credential = own.prepared_for = channel.known(request)
    if credential and (channel.token_of(request) or steps.opens_transactions()):
        yield from own.take_in(credential)


def needs_preparing(request: HttpRequest) -> bool:
    """False for most requests: those of browsers without a binding cookie and of nobody's credential.

    Asks no PUBLIC_BASE_URL, which may query: async code comes here from its event loop.
    """
    return browser.may_be_known(request) or channel.may_present(request)


def sign_in_question(
    request: HttpRequest, user: AbstractBaseUser, backend: str, *, finish_in_view: bool = False
) -> Question:
    """The question that somebody asks who has just given the right password."""
    policy = policy_of(None)
    return Question(
        user=user,
        policy=policy,
        kind=Kind.SIGN_IN,
        bound=bound_of(request, user, policy),
        return_to=signin.destination(request),
        backend=backend,
        finish_in_view=finish_in_view,
        password_proved=True,
    )


def return_to(request: HttpRequest) -> str:
    """Where a person comes back to: this page, or, for what no link can open, the page it came from."""
    if responses.is_htmx(request):
        return addresses.own_path(request, request.headers.get("HX-Current-URL")) or "/"
    own = addresses.local(request, request.get_full_path())
    if request.method in SAFE_METHODS and responses.wants_page(request):
        return own
    return addresses.own_path(request, request.headers.get("Referer")) or own


def _anonymous(request: HttpRequest, policy: Policy) -> Decision:
    return Decision(Verdict.SIGN_IN, policy.action, return_to=return_to(request))


def lets_through(request: HttpRequest, requirement: Requirement) -> bool:
    """True when a fresh pass answers what a view's decorator asks: the way most requests go, before any step is walked.

    False says nothing yet: `check` decides.
    """
    policy = _policy(settings_for(request), requirement)
    if policy.single_use or policy.custom is not None:
        return False  # what is bound has to be read
    if requirement.methods is not None and request.method not in requirement.methods:
        return False
    user = signed_in_user(request)
    passed = session.find(request, user, policy) if user is not None else None
    if passed is None:
        return False
    gate(request).note(requirement, policy, NOTHING, passed, None)
    return True


def check(request: HttpRequest, requirement: Requirement) -> Steps[HttpResponseBase | None]:
    """Asks the gate what a view's decorator asks; None when the view may run, else the answer to give instead."""
    own = gate(request)
    policy = requirement.policy()
    if not requirement.applies(request, policy):
        return None
    user = signed_in_user(request)
    if user is None:
        if requirement.anonymous_passes or responses.is_sign_in_page(request):
            return None
        return responses.respond(request, _anonymous(request, policy))
    try:
        bound = bound_of(request, user, policy)
    except UnreadableFields as exc:
        return responses.invalid_request(request, exc)
    passed = flow.pass_for(request, user, policy, bound)
    if passed:
        own.note(requirement, policy, bound, passed, None)
        return None
    question = question_for(request, user, policy)
    if observing.enforcement(request, user, policy) != "on":
        own.note(requirement, policy, bound, None, None)
        if not own.lets_go_on(question):
            yield from flow.ask(request, question)
        return None
    passed = flow.pass_as_stored(request, question)
    if passed:
        own.note(requirement, policy, bound, passed, None)
        return None
    if steps.in_transaction():
        if own.guarded:
            # The middleware did not see this decorator: it asks, and spends, once the transaction is left.
            _must_be_spendable_ahead(policy)
            raise ChallengeRequired(question=_left(replace(question, resend=requirement.resend)))
        if policy.single_use:
            _must_be_guarded(own.guarded, policy)
    forged = responses.refuse_forged(request)
    if forged:
        return forged
    decision = yield from flow.ask(request, question)
    if not decision.passed:
        return responses.respond(request, _for_the_page(request, decision, bound, requirement.resend))
    own.note(requirement, policy, bound, _answered_by(request, question), decision)
    return None


def _answered_by(request: HttpRequest, question: Question) -> session.Pass | None:
    """The pass that the gate has just let this request through by, if it was one."""
    found = flow.pass_for(request, question.user, question.policy, question.bound)
    if found is None and observing.enforcement(request, question.user, question.policy) == "on":
        found = flow.pass_as_stored(request, question)
    return found


def _left(question: Question) -> Question:
    """The question of a view that is left, with the user as they are stored inside its transaction."""
    inside = flow.as_stored_or_none(question)
    return replace(question, release=True, state=fingerprint(inside.user) if inside else "")


def _for_the_page(
    request: HttpRequest, decision: Decision, bound: Bound, resend: Sequence[str] | None = None
) -> Decision:
    """The decision with what only a page that keeps the form needs: the values, and which of them were changed."""
    if request.method in SAFE_METHODS or decision.verdict is Verdict.DENY:
        return decision
    changed = ledger.changed(request, decision.action, bound) if bound.hashes else ()
    return replace(decision, resend=resend, values=bound.values, changed=changed)


def answer(request: HttpRequest, exc: AuthsignalInterrupt) -> Steps[HttpResponseBase]:
    """The answer to a ChallengeRequired or ActionBlocked; asks the gate now when it could not be asked before."""
    decision = exc.decision
    if decision is None and exc.question is not None:
        forged = responses.refuse_forged(request)
        if forged:
            return forged
        question = flow.as_stored(exc.question)
        if question is None:  # made by the transaction that was left
            return responses.respond(request, flow.nobody(exc.question))
        if _was_saved_first(request, question):
            return responses.respond(request, _asked_after_its_effect(question))
        ledger.give_back_releases(request, question.user)
        decision = yield from flow.ask(request, question)
        if decision.passed:
            return _passed_late(request, question, decision)
        decision = _for_the_page(request, decision, exc.question.bound, exc.question.resend)
    return responses.respond(request, decision or Decision(Verdict.DENY, ""))


def _was_saved_first(request: HttpRequest, question: Question) -> bool:
    """True when the view had stored somebody else, for whom the pass that there is does not count: it never would."""
    saved = question.state not in ("", fingerprint(question.user))
    return saved and flow.peek(request, question.user, question.policy, question.bound)


def _asked_after_its_effect(question: Question) -> Decision:
    hint = (
        f"{question.policy.action} was asked for after another password or address of its user was saved, for whom no "
        "proof counts; to check a password may save a new hash of it. Call request.authsignal.require(…) before that."
    )
    logger.error(hint)
    return Decision(Verdict.DENY, question.policy.action, reason="denied", hint=hint)


def _released(decision: Decision) -> Challenge | None:
    released = Challenge.objects.filter(status=Status.RELEASED)
    return released.filter(pk=decision.challenge_id).first() if decision.challenge_id else None


def _passed_late(request: HttpRequest, question: Question, decision: Decision) -> HttpResponse:
    """The gate let through a request whose view was left already: sign in now, or have the request come again."""
    if not question.signs_in or channel.is_api(request):
        return responses.respond(request, Decision(Verdict.REPEAT, question.policy.action))
    row = _released(decision) if question.finish_in_view else None
    if row is not None:
        return responses.go(request, signin.view_url(row, question.return_to))
    return signin.finish_late(request, question.user, question.backend, question.return_to)
