"""The door of each operation: ninja authenticates and validates, the gate is asked, then the function runs.

ninja makes its views itself, so they are equipped when they are first asked for: taken out of ATOMIC_REQUESTS, because
a call to Authsignal must hold no lock, and given the transaction back around what runs after the asking.
"""

import inspect
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import wraps
from threading import Lock
from typing import Any

from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from ninja import NinjaAPI
from ninja.operation import Operation, PathView

from ... import channel, enforcement, guards, responses, steps
from ...client import ConfigurationError
from ...decision import AuthsignalInterrupt
from ...decorators import SIGNED_IN
from ...enforcement import Requirement
from .identity import identify, sent

SIGNS_IN = "authsignal_signs_in"  # the mark of a function that trades a password for a token
_UNKNOWN = object()
_equipping = Lock()


def operations_of(view: Callable[..., Any]) -> tuple[Operation, ...]:
    """The operations behind a view of a URL pattern; () when the view is not ninja's.

    What an operation asks is `authsignal_requirements` on its `view_func`, and on the view when all of them do.
    """
    path_view = path_view_of(view)
    return tuple(path_view.operations) if path_view else ()


def path_view_of(view: Any) -> PathView | None:
    """What ninja put behind a view of a URL pattern; None for a view that is not ninja's."""
    known = getattr(view, "_authsignal_ninja", _UNKNOWN)
    if known is _UNKNOWN:
        cells = getattr(inspect.unwrap(view), "__closure__", None) or ()
        known = next((cell.cell_contents for cell in cells if isinstance(cell.cell_contents, PathView)), None)
        with suppress(AttributeError):  # a method of an object holds nothing
            view._authsignal_ninja = known
    return known  # type: ignore[return-value] # what is no PathView is None


def take_over(request: HttpRequest, view: Any) -> bool:
    """Before the view: True when it is ninja's. Its operation then asks, for only in there is known who comes."""
    path_view = path_view_of(view)
    if path_view is None:
        return False
    operation = _operation(path_view, request)
    if operation is None:  # ninja answers 405
        return True
    _expect(request, operation)
    if guards.requirements_of(view) or any(map(_is_guarded, path_view.operations)):
        equip(path_view)
        if not path_view.is_async:
            _take_out(request, view)
    return True


def _operation(path_view: PathView, request: HttpRequest) -> Operation | None:
    return next((one for one in path_view.operations if request.method in one.methods), None)


def _is_guarded(operation: Operation) -> bool:
    function = operation.view_func
    return bool(guards.requirements_of(function)) or hasattr(function, SIGNS_IN)


def _expect(request: HttpRequest, operation: Operation | None) -> None:
    """The gate asks ninja who came, once it needs to know; before, what came is all that can be known."""
    channel.identify_by(request, lambda: identify(request, operation))
    value = sent(request, operation) if operation else ""
    if value and value != request.META.get("HTTP_AUTHORIZATION"):
        channel.expect_credential(request, value)


def introduce(request: HttpRequest) -> None:
    """Has the gate ask ninja who came, also where no middleware of ours stands."""
    if "SERVER_NAME" not in request.META:
        raise ConfigurationError(
            "The gate was asked by ninja's TestClient, whose requests come from no host and have no session. Use "
            "Django's test client."
        )
    if not channel.is_introduced(request):
        match = request.resolver_match
        path_view = path_view_of(match.func) if match else None
        _expect(request, _operation(path_view, request) if path_view else None)


# Transactions


def _take_out(request: HttpRequest, view: Any) -> None:
    aside: set[str] = getattr(view, "_non_atomic_requests", set())
    own = getattr(view, "_authsignal_aside", None)
    if own is None:
        own = view._authsignal_aside = frozenset(aside)  # what the project itself took out stays out
    for alias in connections:
        transaction.non_atomic_requests(using=alias)(view)
    request._authsignal_atomic = [  # type: ignore[attr-defined] # ours, kept on the request
        alias for alias, options in connections.settings.items() if options.get("ATOMIC_REQUESTS") and alias not in own
    ]


def _begin(request: HttpRequest) -> None:
    """Opens what ATOMIC_REQUESTS would have opened around the whole view."""
    stack: ExitStack | None = getattr(request, "_authsignal_stack", None)
    if stack is not None:
        for alias in getattr(request, "_authsignal_atomic", ()):
            stack.enter_context(transaction.atomic(using=alias))


# Doors


def equip(path_view: PathView) -> None:
    """Puts a door in front of each operation, once."""
    with _equipping:
        for operation in path_view.operations:
            if not hasattr(operation, "_authsignal_equipped"):
                operation._authsignal_equipped = True  # type: ignore[attr-defined] # ours, kept on it
                _handle_exceptions(operation.api)
                (_put_async_door if operation.is_async else _put_door)(operation)


def _asked(request: HttpRequest, operation: Operation) -> list[Requirement]:
    match = request.resolver_match
    around = guards.requirements_of(match.func) if match else ()
    asked = list(dict.fromkeys((*around, *guards.requirements_of(operation.view_func))))
    if hasattr(operation.view_func, SIGNS_IN) and hasattr(request, "auth"):
        asked.append(SIGNED_IN)
    return asked


def _prepare(request: HttpRequest, operation: Operation) -> None:
    if hasattr(operation.view_func, SIGNS_IN):
        expect_sign_in(request)
    else:
        _begin(request)


def expect_sign_in(request: HttpRequest) -> None:
    """Whoever is known by no credential yet is asked for the sign-in's proof by `authenticate()`, for this request."""
    if not hasattr(request, "auth"):
        channel.expect_sign_in(request)


def _put_door(operation: Operation) -> None:
    run, function = operation.run, operation.view_func

    def ask(request: HttpRequest) -> HttpResponseBase | None:
        for one in _asked(request, operation):
            answer = steps.run(enforcement.check(request, one))
            if answer is not None:
                return answer
        return None

    @wraps(function)
    def asking(request: HttpRequest, **values: Any) -> Any:
        answer = ask(request)
        if answer is not None:
            return answer
        _prepare(request, operation)
        return function(request, **values)

    @wraps(run)
    def door(request: HttpRequest, **values: Any) -> HttpResponseBase:
        with ExitStack() as stack:
            request._authsignal_stack = stack  # type: ignore[attr-defined] # ours, kept on the request
            response = run(request, **values)
            # Nothing of a stream has run yet: it is read after this.
            answer = ask(request) if operation.stream_format and response.streaming else None
            return answer or response

    if not operation.stream_format:
        operation.view_func = asking
    operation.run = door  # type: ignore[method-assign] # a door is put in its place


def _put_async_door(operation: Operation) -> None:
    run, function = operation.run, operation.view_func

    async def ask(request: HttpRequest) -> HttpResponseBase | None:
        for one in _asked(request, operation):
            answer = await steps.arun(enforcement.check(request, one))
            if answer is not None:
                return answer
        return None

    @wraps(function)
    async def asking(request: HttpRequest, **values: Any) -> Any:
        answer = await ask(request)
        if answer is not None:
            return answer
        _prepare(request, operation)
        return await function(request, **values)

    @wraps(run)
    async def door(request: HttpRequest, **values: Any) -> HttpResponseBase:
        response = await run(request, **values)  # type: ignore[misc] # of an async operation it is awaited
        answer = await ask(request) if operation.stream_format and response.streaming else None
        return answer or response

    if not operation.stream_format:
        operation.view_func = asking
    operation.run = door  # type: ignore[method-assign,assignment] # a door is put in its place


# Exceptions


def add_exception_handler(api: NinjaAPI) -> None:
    """Has the API leave ChallengeRequired and ActionBlocked to AuthsignalMiddleware, which answers outside of it all.

    Guarded operations see to it themselves. An API that only asks by `request.authsignal.require` needs it: under
    DEBUG, ninja answers every exception it has no handler for by a traceback.
    """
    api.add_exception_handler(AuthsignalInterrupt, _answer)


def _handle_exceptions(api: NinjaAPI) -> None:
    if AuthsignalInterrupt not in api._exception_handlers:
        add_exception_handler(api)


def _answer(request: HttpRequest, exc: Any) -> HttpResponse:
    if enforcement.gate(request).guarded or exc.decision is None:
        raise exc
    return responses.respond(request, exc.decision)
