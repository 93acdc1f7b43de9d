"""Puts `request.authsignal` on every request, and the gate in front of marked views."""

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import ResolverMatch

from . import arrivals, browser, channel, deadlines, enforcement, flow, resend, responses, steps
from .binding import UnreadableFields
from .conf import get_settings
from .decision import AuthsignalInterrupt
from .decorators import SIGNED_IN
from .guards import requirements_of, take_over

# Packages and their classes that sign out, by name: what is not installed is not missed. allauth marks its own.
SIGN_OUTS = {("django", "LogoutView"), ("dj_rest_auth", "LogoutView")}
GetResponse = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]


class _EitherColour:
    """A middleware for sync and async stacks alike: a subclass gives `process_view` in both colours."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.process_view: Callable[..., Any] = self._process_view
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)
            self.process_view = self._aprocess_view

    def __call__(self, request: HttpRequest) -> Any:
        """Nothing of its own before the view is known."""
        return self.get_response(request)

    def _process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponseBase | None:
        raise NotImplementedError

    async def _aprocess_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponseBase | None:
        raise NotImplementedError


class AuthsignalMiddleware(_EitherColour):
    """Stands around the view: outside its transaction, after Django's session, CSRF and authentication.

    `process_view` asks the gate for views that a decorator or mixin marked; `process_exception` answers a
    ChallengeRequired or ActionBlocked that came from deep code, `authenticate()` included.
    """

    def __init__(self, get_response: GetResponse) -> None:
        # A fault of AUTHSIGNAL is an error at start, under servers that run no checks as well.
        get_settings()
        super().__init__(get_response)

    def __call__(self, request: HttpRequest) -> Any:
        if iscoroutinefunction(self):
            return self.__acall__(request)
        self._attach(request)
        response = self.get_response(request)
        for question in enforcement.gate(request).to_observe:
            steps.run(flow.ask(request, question))
        return self._send(request, response)

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        self._attach(request)
        response = await self.get_response(request)  # type: ignore[misc] # awaited in the async colour only
        for question in enforcement.gate(request).to_observe:
            await steps.arun(flow.ask(request, question))
        return self._send(request, response)

    def _attach(self, request: HttpRequest) -> None:
        arrivals.hide(request)
        channel.hide_token(request)
        request.authsignal = enforcement.RequestGate(request)  # type: ignore[attr-defined] # ours, kept on the request
        request.authsignal.guarded = True  # type: ignore[attr-defined] # ours, kept on the request

    def _send(self, request: HttpRequest, response: Any) -> HttpResponseBase:
        own = enforcement.gate(request)
        if response.streaming:
            own.stays_open = True
        if browser.apply(request, response) or own.private:
            enforcement.keep_private(response)
        return response  # type: ignore[no-any-return] # in either colour

    def _process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponseBase | None:
        resend.hide_fields(request, view)
        asks_inside = take_over(request, view)
        if enforcement.needs_preparing(request):
            steps.run(enforcement.prepare(request))
        for requirement in () if asks_inside else requirements_of(view):
            if enforcement.lets_through(request, requirement):
                continue
            answer = steps.run(enforcement.check(request, requirement))
            if answer is not None:
                return answer
        enforcement.share_user(request)
        return None

    async def _aprocess_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponseBase | None:
        resend.hide_fields(request, view)
        asks_inside = take_over(request, view)
        if enforcement.needs_preparing(request):
            await steps.arun(enforcement.prepare(request))
        for requirement in () if asks_inside else requirements_of(view):
            answer = await steps.arun(enforcement.check(request, requirement))
            if answer is not None:
                return answer
        enforcement.share_user(request)
        return None

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        """The answer to the gate's own exceptions; None for all others."""
        if isinstance(exception, UnreadableFields):
            return responses.invalid_request(request, exception)
        if not isinstance(exception, AuthsignalInterrupt):
            return None
        return steps.run(enforcement.answer(request, exception))


class _BeforeViews(_EitherColour):
    """A middleware that may answer instead of a view, and does nothing else."""

    def _process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponseBase | None:
        return steps.run(self._asking(request, view))

    async def _aprocess_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponseBase | None:
        return await steps.arun(self._asking(request, view))

    def _asking(self, request: HttpRequest, view: Callable[..., Any]) -> steps.Steps[HttpResponseBase | None]:
        raise NotImplementedError


def _is_left_alone(request: HttpRequest, view: Callable[..., Any]) -> bool:
    """True for pages that whoever is stopped elsewhere must reach: to sign in, to prove, to enrol, and to leave."""
    match = request.resolver_match
    return (
        getattr(view, "login_required", True) is False
        or (match is not None and "authsignal" in match.app_names)
        or _signs_out(match, view)
    )


def _signs_out(match: ResolverMatch | None, view: Callable[..., Any]) -> bool:
    """True for what ends a session: Django's, any admin's, dj-rest-auth's."""
    if match is not None and "admin" in match.app_names and match.url_name == "logout":
        return True
    cls = getattr(view, "view_class", None) or getattr(view, "cls", None)
    bases = cls.__mro__ if isinstance(cls, type) else ()
    return any((one.__module__.partition(".")[0], one.__name__) in SIGN_OUTS for one in bases)


class SignInChallengeMiddleware(_BeforeViews):
    """Every authenticated session must hold a sign-in pass, however it was logged in; after AuthsignalMiddleware.

    Social login, password reset with `post_reset_login`, RemoteUser, `login()` in code: each is asked for its proof at
    the next page. Exempt are views that Django's `login_not_required` or our `sign_in_challenge_not_required` marks,
    our own urls, and LogoutView. Clients of an API have no session and are asked where they sign in.
    """

    def _asking(self, request: HttpRequest, view: Callable[..., Any]) -> steps.Steps[HttpResponseBase | None]:
        if SIGNED_IN in requirements_of(view) or not self.must_be_proved(request, view):
            return None
        return (yield from enforcement.check(request, SIGNED_IN))

    def must_be_proved(self, request: HttpRequest, view: Callable[..., Any]) -> bool:
        """Override: rules of your own, for what no decorator reaches. False exempts this request."""
        marked = getattr(view, "authsignal_sign_in_required", True) is False
        return not marked and not _is_left_alone(request, view)


class EnrolmentDeadlineMiddleware(_BeforeViews):
    """Has people set up a way of proof by ENROLMENT_DEADLINE: reminds them until then, and leads them there after it.

    After AuthsignalMiddleware and Django's MessageMiddleware. Exempt are views that Django's `login_not_required` or
    our `enrolment_deadline_not_required` marks, our own urls, and whatever signs out. Sessions only: clients of an API
    are not concerned, nor are sign-ins that no proof stands behind (break glass, an outage).
    """

    def _asking(self, request: HttpRequest, view: Callable[..., Any]) -> steps.Steps[HttpResponseBase | None]:
        if get_settings().ENROLMENT_DEADLINE is None or not self.must_be_enrolled(request, view):
            return None
        return (yield from deadlines.check(request))

    def must_be_enrolled(self, request: HttpRequest, view: Callable[..., Any]) -> bool:
        """Override: rules of your own, for what no decorator reaches. False exempts this request."""
        match = request.resolver_match
        texts = match is not None and "admin" in match.app_names and match.url_name == "jsi18n"
        marked = getattr(view, "authsignal_enrolment_required", True) is False
        return not marked and not texts and not _is_left_alone(request, view)
