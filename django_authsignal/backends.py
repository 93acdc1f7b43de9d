"""Authentication backends: a right password is the first half; the gate asks for the second before `login()`."""

import logging
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from . import channel, enforcement, flow, session, signin, steps
from .client import ConfigurationError, Sealed
from .decision import ActionBlocked, ChallengeRequired, Decision, Question, Verdict
from .flow import Finished
from .guards import unwrapped
from .models import Kind
from .steps import Steps, Unseen

logger = logging.getLogger("django_authsignal")

NO_REQUEST = (
    "authenticate() was called without a request that has a session, so nobody can be challenged. "
    "Pass the request: authenticate(request, username=…, password=…). A serializer that calls it takes "
    'context={"request": request}; a view that issues tokens takes SignInMixin.'
)


class AuthsignalBackendMixin:
    """Puts the gate on any backend (ModelBackend, LDAP, your own): list it before the backend in the bases.

    `authenticate` raises ChallengeRequired or ActionBlocked where the backend alone would have returned the user;
    AuthsignalMiddleware answers them. `aauthenticate` is gated the same: a backend's native one would slip past.
    """

    def sign_in_allowed(self, request: HttpRequest, user: AbstractBaseUser) -> bool:
        """Override: rules of your own, asked right before `login()`, when the proof is there."""
        return bool(user.is_active)

    @sensitive_variables()
    def authenticate(
        self, request: HttpRequest | None, *args: Any, authsignal_token: str | Sealed | None = None, **credentials: Any
    ) -> AbstractBaseUser | None:
        """The user, once proved. With `authsignal_token`, finishes the sign-in this browser began.

        Raises ChallengeRequired or ActionBlocked.
        """
        request = unwrapped(request)
        if authsignal_token is not None:
            token, authsignal_token = Sealed(authsignal_token), None
            return _proved(request, steps.run(_finishing(request, token)))
        user = super().authenticate(request, *args, **credentials)  # type: ignore[misc] # of the class it is put before
        return user if user is None else self._gated(request, user, _password(credentials))

    @sensitive_variables()
    async def aauthenticate(
        self, request: HttpRequest | None, *args: Any, authsignal_token: str | Sealed | None = None, **credentials: Any
    ) -> AbstractBaseUser | None:
        """`authenticate` for async code."""
        request = unwrapped(request)
        if authsignal_token is not None:
            token, authsignal_token = Sealed(authsignal_token), None
            finishing = await sync_to_async(Unseen(_finishing, request, token))()
            return await sync_to_async(_proved)(request, await steps.arun(finishing))
        # The sync form of the backend, so that both colours walk one path.
        user = await sync_to_async(Unseen(super().authenticate, request, *args, **credentials))()  # type: ignore[misc] # of the class it is put before
        if user is None:
            return None
        question = await sync_to_async(Unseen(self._question, request, user, _password(credentials)))()
        if question is None:
            return user  # type: ignore[no-any-return] # of the class it is put before
        decision = await steps.arun(flow.ask(question[0], question[1]))
        return await sync_to_async(self._conclude)(question[0], question[1], decision)

    @sensitive_variables()
    def _gated(self, request: HttpRequest | None, user: AbstractBaseUser, password: Sealed | None) -> AbstractBaseUser:
        asked = self._question(request, user, password)
        if asked is None:
            return user
        return self._conclude(*asked, steps.run(flow.ask(*asked)))

    def _conclude(self, request: HttpRequest, question: Question, decision: Decision) -> AbstractBaseUser:
        if not decision.passed:
            raise (ActionBlocked if decision.verdict is Verdict.DENY else ChallengeRequired)(decision)
        self._let_in(request, question.user)
        return question.user

    def _let_in(self, request: HttpRequest, user: AbstractBaseUser) -> None:
        """Whoever is returned gets a session, or a token, from our caller: the site's own rules are asked now."""
        if not self.sign_in_allowed(request, user):
            raise PermissionDenied  # and no other backend is asked
        channel.sign_in_answered(request)

    @sensitive_variables()
    def _question(
        self, request: HttpRequest | None, user: AbstractBaseUser, password: Sealed | None
    ) -> tuple[HttpRequest, Question] | None:
        """What to ask of the gate; None when a SignInMixin view asks after its form's checks, or nobody is stopped."""
        api = request is not None and (channel.signs_in_once(request) or channel.note_password(request, password))
        if request is None or not (api or hasattr(request, "session")):
            logger.error(NO_REQUEST)  # an API client is only told 401, and its developer nothing
            raise ChallengeRequired(Decision(Verdict.NOT_STARTED, enforcement.sign_in_action()), message=NO_REQUEST)
        if getattr(request, "_authsignal_view_asks", False):
            return None
        question = enforcement.sign_in_question(request, user, signin.backend_path(type(self)))
        if self._confirms(request, user):
            session.password_proved(request)
        if steps.in_transaction() and not flow.peek(request, question.user, question.policy, question.bound):
            if enforcement.gate(request).lets_go_on(question):
                self._let_in(request, user)
                return None
            raise ChallengeRequired(question=replace(question, release=api))
        return request, question

    def _confirms(self, request: HttpRequest, user: AbstractBaseUser) -> bool:
        """True when the signed-in user only confirms their password."""
        # An API client's password stands in the request itself; DRF's request.user may be asked for by that very call.
        return not channel.is_api(request) and bool(getattr(getattr(request, "user", None), "pk", None) == user.pk)


def _password(credentials: Mapping[str, Any]) -> Sealed | None:
    return Sealed(credentials["password"]) if isinstance(credentials.get("password"), str) else None


@sensitive_variables()
def _finishing(request: HttpRequest | None, token: Sealed) -> Steps[Finished]:
    """The steps that finish the sign-in this browser began; without one PermissionDenied, which ends authenticate()."""
    challenge_id = _candidate(request, token) if request else None
    if request is None or challenge_id is None:
        raise PermissionDenied
    if steps.in_transaction():
        raise ConfigurationError(
            "authenticate(authsignal_token=…) was called inside a transaction, where the call to Authsignal would hold "
            "its locks and a rollback take the ledger's word back. Put @transaction.non_atomic_requests on the view."
        )
    return flow.finish(request, challenge_id, token)


def _proved(request: HttpRequest | None, finished: Finished) -> AbstractBaseUser:
    row = finished.row
    if request is None or row is None or finished.user is None:  # refused, or taken in before
        raise PermissionDenied  # and no other backend is asked
    # A sign-in that its own view finishes has rules there, which a token must not skip.
    if row.finish_in_view or not signin.allowed(request, finished.user, row.backend):
        raise PermissionDenied
    request._authsignal_proved = row  # type: ignore[attr-defined] # its pass is written by login()
    return finished.user


def _candidate(request: HttpRequest, token: Sealed) -> uuid.UUID | None:
    """The sign-in of this session that the token says it is for, or the only one; the token is not believed."""
    kinds = (str(Kind.SIGN_IN), str(Kind.PASSWORDLESS))
    ids = [item.id for item in session.open_challenges(request) if item.kind in kinds]
    claimed = channel.claimed(token)
    if claimed:
        ids = [item for item in ids if item == claimed]
    return uuid.UUID(ids[0]) if len(ids) == 1 else None


class AuthsignalBackend(AuthsignalBackendMixin, ModelBackend):  # type: ignore[misc] # keywords are passed on
    """Django's ModelBackend with the gate; name it in AUTHENTICATION_BACKENDS instead of Django's."""
