"""`challenge_required` and `signs_in` for operations. Without AuthsignalMiddleware, functions ask by themselves."""

import inspect
from collections.abc import Callable, Sequence
from functools import partial, wraps
from typing import Any, TypeVar

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest
from ninja.operation import Operation
from ninja.signature.utils import get_typed_signature
from ninja.utils import contribute_operation_callback

from ... import enforcement, steps
from ...decorators import requirement
from ...enforcement import Requirement
from ...guards import mark, requirements_of
from ...policy import Bind
from .doors import SIGNS_IN, equip, expect_sign_in, introduce, path_view_of

Target = TypeVar("Target", bound=Callable[..., Any])
PROBLEM = {"application/problem+json": {"schema": {"type": "object"}}}
ANSWERS = {
    401: {"description": "A proof is needed: `code` is challenge_required or sign_in_required.", "content": PROBLEM},
    403: {
        "description": "Denied or held: `code` is action_blocked or review_required.",
        "content": PROBLEM,
    },
    429: {"description": "Over a limit until `Retry-After`: `code` is too_many_tries.", "content": PROBLEM},
    503: {"description": "Authsignal cannot be asked: `code` is authsignal_unreachable.", "content": PROBLEM},
}


def challenge_required(
    action: str, *, max_age: int | None = None, bind: Bind = (), methods: Sequence[str] | None = None
) -> Callable[[Target], Target]:
    """Lets an operation run only with a pass for the action: above or below `@api.post(…)`, or in `decorate_view`.

    For a router or an API: `router.add_decorator(challenge_required("…"))`. `max_age` (seconds; 0: one request) narrows
    the policy's, `bind` names the form or JSON fields that are proved, `methods` the HTTP methods asked for. Raises
    ConfigurationError, at import, for what the policy does not allow.
    """
    asked = requirement(action, max_age=max_age, bind=bind, methods=methods)
    return lambda target: guarded(target, asked)


def guarded(target: Any, asked: Requirement) -> Any:
    """What was given, guarded: an operation's function, its bound `run`, or a view that ninja made."""
    run = getattr(inspect.unwrap(target), "__self__", None)
    if isinstance(run, Operation):
        if asked not in requirements_of(run.view_func):  # a clone is decorated anew
            run.view_func = _guarded_function(run.view_func, asked)
            _describe(asked, run)
        return target
    if path_view_of(target) is not None:
        return _guarded_view(target, asked)
    made = _guarded_function(target, asked)
    operation = getattr(target, "_ninja_operation", None)
    if operation is None:
        contribute_operation_callback(made, partial(_describe, asked))
        return made
    # Above @api.post: ninja has the function already, in every operation that it was registered for.
    _mark_all(target, asked)
    if operation.view_func is target:
        operation.view_func = made
    _describe(asked, operation)
    return made


def signs_in(function: Target) -> Target:
    """For operations that trade a password (or another credential) for a token: put right on the function.

    The client gets 401 with a challenge, completes it, and sends the same request again with `Authsignal-Token`. A
    proof serves one request. The function runs outside ATOMIC_REQUESTS.
    """

    def before(request: HttpRequest) -> None:
        introduce(request)
        expect_sign_in(request)

    made = _before(function, before)
    setattr(made, SIGNS_IN, True)
    return made  # type: ignore[no-any-return] # of the kind that was decorated


def _mark_all(function: Any, asked: Requirement) -> None:
    while function is not None:
        mark(function, asked)
        function = getattr(function, "__wrapped__", None)


def _guarded_view(view: Any, asked: Requirement) -> Any:
    """A view of ninja's in an included urlconf: its operations ask, and what all of them ask is written on it."""
    path_view = path_view_of(view)
    assert path_view is not None
    equip(path_view)

    @wraps(view)
    def handed_on(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return view(request, *args, **kwargs)

    @wraps(view)
    async def handed_on_async(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return await view(request, *args, **kwargs)

    made = handed_on_async if path_view.is_async else handed_on
    mark(made, asked)
    return made


def _guarded_function(function: Any, asked: Requirement) -> Any:
    made = _asking(function, asked)
    mark(made, asked)
    return made


def _asking(function: Any, asked: Requirement) -> Any:
    """The function, asking by itself where no door did: without AuthsignalMiddleware."""

    def plain(request: HttpRequest, *args: Any, **values: Any) -> Any:
        introduce(request)
        answered = asked in enforcement.gate(request).answered
        answer = None if answered else steps.run(enforcement.check(request, asked))
        return function(request, *args, **values) if answer is None else answer

    async def coroutine(request: HttpRequest, *args: Any, **values: Any) -> Any:
        introduce(request)
        answered = asked in enforcement.gate(request).answered
        answer = None if answered else await steps.arun(enforcement.check(request, asked))
        return await function(request, *args, **values) if answer is None else answer

    # A stream's answer has begun before its function runs: too late for another one, so that it breaks off.
    def stream(request: HttpRequest, *args: Any, **values: Any) -> Any:
        introduce(request)
        if asked not in enforcement.gate(request).answered:
            enforcement.gate(request).require(asked.policy().action, max_age=asked.max_age, bind=asked.bind)
        yield from function(request, *args, **values)

    async def async_stream(request: HttpRequest, *args: Any, **values: Any) -> Any:
        introduce(request)
        if asked not in enforcement.gate(request).answered:
            await enforcement.gate(request).arequire(asked.policy().action, max_age=asked.max_age, bind=asked.bind)
        async for item in function(request, *args, **values):
            yield item

    if iscoroutinefunction(function):
        return _as(function, coroutine)
    if inspect.isasyncgenfunction(function):
        return _as(function, async_stream)
    return _as(function, stream if inspect.isgeneratorfunction(function) else plain)


def _before(function: Any, call: Callable[[HttpRequest], None]) -> Any:
    def plain(request: HttpRequest, *args: Any, **values: Any) -> Any:
        call(request)
        return function(request, *args, **values)

    async def coroutine(request: HttpRequest, *args: Any, **values: Any) -> Any:
        call(request)
        return await function(request, *args, **values)

    return _as(function, coroutine if iscoroutinefunction(function) else plain)


def _as(function: Any, made: Any) -> Any:
    wraps(function)(made)
    # ninja resolves annotations written as text in the module of what it is given: ours, which knows none of them.
    made.__signature__ = get_typed_signature(function)
    return made


def _describe(asked: Requirement, operation: Operation) -> None:
    """Adds to the API's document what the operation may be answered by the gate."""
    extra = dict(operation.openapi_extra or {})
    extra["responses"] = {**ANSWERS, **extra.get("responses", {})}
    extra["x-authsignal-action"] = asked.policy().action
    operation.openapi_extra = extra
