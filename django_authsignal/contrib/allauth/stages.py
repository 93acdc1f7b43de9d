"""The stage in which a login of allauth waits for its proof. Until it is there nobody is signed in."""

import time
import uuid
from dataclasses import replace
from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from allauth.account.internal.flows.login import get_authentication_records
from allauth.account.internal.stagekit import stash_login
from allauth.account.stages import LoginStage
from allauth.core.internal.httpkit import headed_redirect_response, is_headless_request
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.module_loading import import_string

from ... import browser, channel, enforcement, flow, ledger, signin, steps
from ...client import ConfigurationError
from ...decision import Decision, Question, Verdict
from ...identity import same
from ...models import Challenge
from ...session import PASSWORD_AGE

KEY = "authsignal"
URLNAME = "authsignal:allauth"
CLOCKS = 1.0  # seconds between a login's own start and its first record, at most


class AuthsignalStage(LoginStage):
    """Behind allauth's own stages: the e-mail address is verified, and its MFA passed, before anything is asked."""

    key = KEY
    urlname = URLNAME

    def handle(self) -> tuple[HttpResponseBase | None, bool]:
        """What allauth asks: (None, True) lets the login go on, a response holds it."""
        if self.login.user is None:  # allauth only pretends, so as not to tell who has an account
            return None, True
        if self.controller.get_stages()[-1].key != self.key:
            raise ConfigurationError(
                "AuthsignalStage is not the last of the adapter's get_login_stages(), so that its proof would be there "
                "before the rest. Put it last."
            )
        self._note()
        if is_headless_request(self.request):
            return _headless().held(self)  # type: ignore[no-any-return] # untyped there
        # A page of ours asks, outside ATOMIC_REQUESTS: the view that is running may have made the user just now.
        return headed_redirect_response(URLNAME), True

    def is_resumable(self, request: HttpRequest) -> bool:
        """False: whoever goes back to the sign-in page instead may sign in anew."""
        return False

    def _note(self) -> None:
        """Keeps what is known only now: the user is read again from the database when the login is resumed."""
        self.state.setdefault("backend", backend_of(self.login.user))
        records = get_authentication_records(self.request, self.login.user)
        since = self.login.initiated_at - CLOCKS
        by_password = any(one.get("method") == "password" and one.get("at", 0) >= since for one in records)
        self.state.setdefault("password", by_password)
        if is_headless_request(self.request) != "app":
            self.state.setdefault("browser", browser.ensure(self.request))

    def is_here(self) -> bool:
        """False in another browser: a copied session cookie is not to prove, or to enrol, for who is signing in."""
        known = self.state.get("browser")
        return known is None or same(str(known), browser.current(self.request))

    # Asking and finishing

    def question(self) -> Question:
        """May this user sign in, now?"""
        asked = enforcement.sign_in_question(
            self.request, self.login.user, self.state.get("backend", ""), finish_in_view=True
        )
        recent = time.time() - self.login.initiated_at < PASSWORD_AGE
        return replace(
            asked,
            password_proved=recent and bool(self.state.get("password")),
            first_factor=recent,
            finish_at=reverse(URLNAME),
        )

    def ask(self) -> Decision:
        """Asks the gate. What it begins is remembered with the login, and finishes no other."""
        question = self.question()
        decision = steps.run(flow.ask(self.request, question))
        if decision.passed and not signin.allowed(self.request, question.user, question.backend):
            return replace(decision, verdict=Verdict.DENY, reason="denied")
        if decision.verdict in (Verdict.CHALLENGE, Verdict.REVIEW):
            self.state["challenge"] = str(decision.challenge_id)
            stash_login(self.request, self.login)
        return decision

    def challenge_id(self) -> uuid.UUID | None:
        """The challenge that this login waits for."""
        known = self.state.get("challenge")
        return uuid.UUID(known) if isinstance(known, str) else None

    def goes_by(self, row: Challenge) -> bool:
        """True when this proof is this login's and nothing speaks against it; the login may then be resumed."""
        user = self.login.user
        if row.pk != self.challenge_id() or user is None or row.user_pk != str(user.pk):
            return False
        return ledger.unchanged(row, user) and signin.allowed(self.request, user, row.backend)

    def name_backend(self) -> None:
        """Has allauth sign in by the backend that checked who it is; it would take its own."""
        self.login.user.backend = self.state["backend"]

    def resume(self, row: Challenge | None = None) -> HttpResponseBase:
        """Lets allauth sign in. The pass of a proved row is written when it does."""
        self.request._authsignal_proved = row
        self.name_backend()
        response = self.exit()
        if row is not None and channel.credential(self.request):
            _headless().follow(self.request, row)
        return response  # type: ignore[no-any-return] # untyped there


def backend_of(user: AbstractBaseUser) -> str:
    """The backend that checked who it is; where none did (a social login) the one that allauth prefers."""
    named: str | None = getattr(user, "backend", None)
    if named in settings.AUTHENTICATION_BACKENDS:
        return str(named)
    found = {path: import_string(path) for path in settings.AUTHENTICATION_BACKENDS}
    own = [path for path, backend in found.items() if issubclass(backend, AuthenticationBackend)]
    return (own or [path for path, backend in found.items() if hasattr(backend, "get_user")])[0]


def _headless() -> Any:
    # Imported only where allauth's headless API is installed.
    return import_string("django_authsignal.contrib.allauth.headless")
