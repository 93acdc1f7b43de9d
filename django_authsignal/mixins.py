"""Class-based twins of the decorators, and the mixin for a sign-in view with logic of its own."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from django.contrib.auth.mixins import LoginRequiredMixin as DjangoLoginRequiredMixin
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import classonlymethod
from django.views import View

from . import enforcement, flow, ledger, responses, session, signin, steps
from .client import ConfigurationError
from .decision import ChallengeRequired
from .decorators import SIGNED_IN, marked, requirement
from .identity import get_user
from .models import Challenge
from .policy import Bind


def stands_before_view(cls: type, mixin: type) -> None:
    """Raises ConfigurationError for a view whose bases name the mixin too late: it would guard nothing."""
    if View in cls.__mro__ and cls.__mro__.index(View) < cls.__mro__.index(mixin):
        raise ConfigurationError(f"{cls.__name__}: put {mixin.__name__} before the view in the bases.")


class ChallengeRequiredMixin:
    """Lets a class-based view run only with a pass for `challenge_action`. Sync and async views."""

    challenge_action: str = ""
    challenge_max_age: int | None = None  # seconds; narrows the policy's
    challenge_bind: Bind = ()
    challenge_methods: Sequence[str] | None = None  # HTTP methods

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        stands_before_view(cls, ChallengeRequiredMixin)

    @classonlymethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., Any]:
        """The view, marked and guarded as a whole: a method a subclass overrides cannot slip past."""
        if hasattr(cls, "initialize_request"):
            raise ConfigurationError(
                f"{cls.__name__} is a view of Django REST framework, which knows only inside who comes. Take "
                "ChallengeRequiredMixin from django_authsignal.contrib.rest_framework."
            )
        action = initkwargs.get("challenge_action", cls.challenge_action)
        if not action:
            raise ConfigurationError(f"{cls.__name__} has no challenge_action. Set it to an action code.")
        asked = requirement(
            action,
            max_age=initkwargs.get("challenge_max_age", cls.challenge_max_age),
            bind=initkwargs.get("challenge_bind", cls.challenge_bind),
            methods=initkwargs.get("challenge_methods", cls.challenge_methods),
        )
        return marked(super().as_view(**initkwargs), replace(asked, by="mixin"))  # type: ignore[misc,no-any-return] # of the class it is put before


class LoginRequiredMixin(DjangoLoginRequiredMixin):
    """Django's `LoginRequiredMixin`, and: the session holds a sign-in pass."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        stands_before_view(cls, LoginRequiredMixin)

    @classonlymethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., Any]:
        """The view, asked for a sign-in pass around Django's own check."""
        return marked(super().as_view(**initkwargs), SIGNED_IN)  # type: ignore[misc,no-any-return] # of the class it is put before


class SignInMixin:
    """For a LoginView with logic of its own, put before LoginView in the bases.

    Asks after the form's checks (`confirm_login_allowed` among them) and finishes through the view: its `form_valid`
    runs once, when the proof is there, with a form whose `get_user()` is the proved user. The form then holds no
    password: none is kept while the person is away.
    """

    request: HttpRequest

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        stands_before_view(cls, SignInMixin)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Checks the form, then asks the gate; the form's user is signed in only with its answer."""
        form = self.get_form()  # type: ignore[attr-defined] # of the class it is put before
        # The backend leaves the asking to this method, and only here: a `post` that overrides it is still asked.
        request._authsignal_view_asks = True  # type: ignore[attr-defined] # ours, kept on the request
        try:
            valid = form.is_valid()
        finally:
            request._authsignal_view_asks = False  # type: ignore[attr-defined] # ours, kept on the request
        if not valid:
            return self.form_invalid(form)  # type: ignore[attr-defined,no-any-return] # of the class it is put before
        user = form.get_user()
        question = enforcement.sign_in_question(request, user, user.backend, finish_in_view=True)
        goes_on = flow.peek(request, user, question.policy, question.bound) or enforcement.gate(request).lets_go_on(
            question
        )
        if not goes_on and steps.in_transaction():
            raise ChallengeRequired(question=replace(question, release=True))
        decision = None if goes_on else steps.run(flow.ask(request, question))
        if decision is not None and not decision.passed:
            return responses.respond(request, decision)
        if not signin.allowed(request, user, user.backend):
            return responses.page(request, "blocked", {"reason": "denied"}, status=403)
        session.password_proved(request)
        return self.form_valid(form)  # type: ignore[attr-defined,no-any-return] # of the class it is put before

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Shows the form, or finishes a proved sign-in."""
        row = signin.unfinished(request)
        if row is None:
            return super().get(request, *args, **kwargs)  # type: ignore[misc,no-any-return] # of the class it is put before
        return self._finish(request, row)

    def _finish(self, request: HttpRequest, row: Challenge) -> HttpResponseBase:
        user = get_user(row.user_pk)
        fresh = signin.take(row)
        if (
            not fresh
            or user is None
            or not ledger.unchanged(row, user)
            or not signin.allowed(request, user, row.backend)
        ):
            return responses.page(request, "failed", failed_context(request, "used"), status=403)
        user.backend = row.backend
        request._authsignal_proved = row  # type: ignore[attr-defined] # its pass is written by login()
        return self.form_valid(self.proved_form(user))  # type: ignore[attr-defined,no-any-return] # of the class it is put before

    def proved_form(self, user: AbstractBaseUser) -> Any:
        """The form given to `form_valid` at the end: unbound, its user proved."""
        form = self.get_form_class()(self.request)  # type: ignore[attr-defined] # of the class it is put before
        form.user_cache = user
        form.cleaned_data = {"username": user.get_username()}
        return form


def failed_context(request: HttpRequest, reason: str) -> dict[str, Any]:
    """What failed.html needs when there is nothing more to say than the reason."""
    return {"reason": reason, "retry_url": responses.sign_in_url()}
