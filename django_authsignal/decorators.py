"""View decorators: `challenge_required` and `login_required`, for sync and async views."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps
from inspect import isawaitable
from typing import Any, TypeVar, overload

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.contrib.auth.decorators import login_required as django_login_required
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views import View
from django.views.generic.edit import DeletionMixin, ProcessFormView

from . import enforcement, steps
from .client import ConfigurationError
from .conf import is_sound
from .enforcement import Requirement
from .guards import adopt, guarded_urls, inside, mark, ninja_guard, rest_framework_guard
from .policy import Bind, check_action

Guarded = TypeVar("Guarded", bound=Callable[..., Any])
# An anonymous visitor is left to Django's own check around it, which knows its login_url.
SIGNED_IN = Requirement(action=None, anonymous_passes=True, by="login_required")
HTTP_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"})


def challenge_required(
    action: str,
    *,
    max_age: int | None = None,
    bind: Bind = (),
    methods: Sequence[str] | None = None,
    resend: Sequence[str] | None = None,
) -> Callable[[Guarded], Guarded]:
    """Lets the view run only with a pass for the action. Put around `include(…)`, every view of that urlconf.

    `max_age` (seconds; 0: one request) narrows the policy's. `bind` names the form or JSON fields that are proved.
    `methods` are the HTTP methods asked for; None: all, or the unsafe ones when `bind` is given or max_age is 0.
    `resend` lists the fields that may be shown again on a waiting page. Raises ConfigurationError, at import, for an
    action code Authsignal would not take and for arguments that widen the policy.
    """
    asked = requirement(action, max_age=max_age, bind=bind, methods=methods, resend=resend)
    return lambda view: marked(view, asked)


def requirement(
    action: str,
    *,
    max_age: int | None = None,
    bind: Bind = (),
    methods: Sequence[str] | None = None,
    resend: Sequence[str] | None = None,
) -> Requirement:
    """What `challenge_required` asks, checked. Raises ConfigurationError, where the line is."""
    if callable(action):
        raise ConfigurationError('Name the action: @challenge_required("withdrawFunds").')
    if isinstance(bind, str):
        raise ConfigurationError(f'bind is a list of field names. Write bind=["{bind}"].')
    asked = Requirement(
        action=action,
        max_age=max_age,
        bind=bind if callable(bind) else tuple(bind),
        methods=_http_methods(methods),
        resend=resend,
    )
    check_action(action)
    if is_sound():  # else the check that names the fault (E001) must not end here; a request raises all the same
        asked.policy()
    return asked


def _http_methods(methods: Sequence[str] | None) -> frozenset[str] | None:
    if methods is None:
        return None
    names = frozenset(str(method).upper() for method in ([methods] if isinstance(methods, str) else methods))
    if not names or not names <= HTTP_METHODS:
        raise ConfigurationError(f"methods={methods!r}: list HTTP methods, such as ['POST', 'DELETE'].")
    # HEAD runs what GET runs: a view that is guarded for GET is not to be run by asking for its headers.
    return names | {"HEAD"} if "GET" in names else names


def marked(view: Guarded, requirement: Requirement) -> Guarded:
    """The view, marked for the middleware, and asking the gate by itself where the middleware did not."""
    if isinstance(view, type):
        raise ConfigurationError(
            f"A decorator for views was put on the class {view.__name__}, and guards nothing there. Use "
            '@method_decorator(…, name="dispatch"), or ChallengeRequiredMixin (LoginRequiredMixin) in its bases.'
        )
    if isinstance(view, tuple):
        included = replace(requirement, by="include")
        return guarded_urls(view, lambda one: marked(one, included))
    requirement = _with_twins(view, requirement)
    for guard in (rest_framework_guard, ninja_guard):
        by_framework = guard(view, requirement)
        if by_framework is not None:
            return by_framework  # type: ignore[no-any-return] # of the kind that was decorated

    @wraps(view)
    async def aguarded(request: Any, *args: Any, **kwargs: Any) -> Any:
        actual = _request(request, args)
        own = enforcement.gate(actual)
        if requirement not in own.answered:
            answer = await steps.arun(enforcement.check(actual, requirement))
            if answer is not None:
                return answer
        found = call(request, *args, **kwargs)
        while isawaitable(found):  # twice where a sync decorator, run in a thread, hands on what an async view gave
            found = await found
        return _kept_private(found) if own.private else found

    @wraps(view)
    def guarded(request: Any, *args: Any, **kwargs: Any) -> Any:
        actual = request if isinstance(request, HttpRequest) else _request(request, args)
        own = enforcement.gate(actual)
        if requirement not in own.answered:
            if _in_event_loop():  # called by an async view, as `dispatch` is: it awaits what this returns
                return aguarded(request, *args, **kwargs)
            answer = steps.run(enforcement.check(actual, requirement))
            if answer is not None:
                return answer
        response = view(request, *args, **kwargs)
        return _kept_private(response) if own.private else response

    call: Callable[..., Any] = view
    made: Any = aguarded if iscoroutinefunction(view) or _dispatches_async(view) else guarded
    if made is guarded and any(iscoroutinefunction(one) for one in inside(view)):
        # A sync decorator around an async view: it runs in a thread, and what it returns is awaited.
        call, made = sync_to_async(view), aguarded
    mark(made, requirement)
    return made  # type: ignore[no-any-return] # of the kind that was decorated


def _with_twins(view: Any, requirement: Requirement) -> Requirement:
    """The requirement, asked for by every method by which Django's own views do the same: a form's PUT is its POST,
    and a deletion's DELETE, too. Whoever lists one must not leave the other open."""
    methods, cls = requirement.methods, getattr(view, "view_class", None)
    if methods is None or not isinstance(cls, type):
        return requirement
    twins = {"POST", "PUT"} if issubclass(cls, ProcessFormView) else set()
    twins |= {"POST", "DELETE"} if issubclass(cls, DeletionMixin) else set()
    return replace(requirement, methods=methods | twins) if methods & twins else requirement


def _kept_private(response: Any) -> Any:
    """What a pass let through, kept out of every cache: one between this and the middleware would give it to others."""
    if isinstance(response, HttpResponseBase):
        enforcement.keep_private(response)
    return response


def _dispatches_async(view: Any) -> bool:
    """True for `dispatch` of a class whose methods are async: it is no coroutine itself, and what it returns is one."""
    owner = getattr(getattr(view, "func", None), "__self__", None)  # method_decorator hands a bound method on like this
    return isinstance(owner, View) and getattr(view, "__name__", "") == "dispatch" and bool(owner.view_is_async)


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _request(first: Any, args: tuple[Any, ...]) -> HttpRequest:
    for one in (first, *args[:1]):  # a function's request, or, behind `self`, a method's
        if isinstance(one, HttpRequest):
            return one
        wrapped = getattr(one, "_request", None)  # a REST framework's, below @api_view
        if isinstance(wrapped, HttpRequest):
            adopt(one, wrapped)
            return wrapped
    raise ConfigurationError(
        "challenge_required was put on something that is not a view. On a method of a class-based view use "
        '@method_decorator(challenge_required("…"), name="dispatch") or ChallengeRequiredMixin.'
    )


@overload
def login_required(function: Guarded, redirect_field_name: str = ..., login_url: str | None = ...) -> Guarded: ...
@overload
def login_required(
    function: None = ..., redirect_field_name: str = ..., login_url: str | None = ...
) -> Callable[[Guarded], Guarded]: ...
def login_required(function: Any = None, redirect_field_name: str = "next", login_url: str | None = None) -> Any:
    """Django's `login_required`, and: the session holds a sign-in pass, however it was logged in."""

    def decorate(view: Any) -> Any:
        inner = marked(view, SIGNED_IN)
        return django_login_required(inner, redirect_field_name=redirect_field_name, login_url=login_url)

    return decorate if function is None else decorate(function)


def sign_in_challenge_not_required(view: Guarded) -> Guarded:
    """Exempts a view from SignInChallengeMiddleware: a status page, a webhook, a view that ends an impersonation.

    A view that Django's `login_not_required` marks is exempt already.
    """
    if isinstance(view, tuple):
        return guarded_urls(view, sign_in_challenge_not_required)
    view.authsignal_sign_in_required = False  # type: ignore[attr-defined] # a mark on the view
    return view


def enrolment_deadline_not_required(view: Guarded) -> Guarded:
    """Exempts a view from EnrolmentDeadlineMiddleware: a help page, the way to a new device.

    A view that Django's `login_not_required` marks is exempt already.
    """
    if isinstance(view, tuple):
        return guarded_urls(view, enrolment_deadline_not_required)
    view.authsignal_enrolment_required = False  # type: ignore[attr-defined] # a mark on the view
    return view


def challenge_not_required(*, reason: str) -> Callable[[Guarded], Guarded]:
    """Says why a view that looks sensitive asks nothing, for `authsignal_policies --coverage`. It changes nothing else.

    For functions, classes, single methods, and around `include(…)`. Raises ConfigurationError without a reason.
    """
    if not str(reason or "").strip():
        raise ConfigurationError('Say why: @challenge_not_required(reason="only lists what is public").')

    def decorate(view: Guarded) -> Guarded:
        if isinstance(view, tuple):
            return guarded_urls(view, decorate)
        view.authsignal_not_required = reason  # type: ignore[attr-defined] # a mark on the view
        return view

    return decorate
