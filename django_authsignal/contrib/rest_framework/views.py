"""Views of Django REST framework that ask the gate: after authentication, permissions and throttles.

They ask outside the transaction of ATOMIC_REQUESTS and open it around the handler alone: a call to Authsignal must hold
no lock, and a failing handler must not give a spent proof back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from asgiref.sync import iscoroutinefunction
from django.contrib.auth.models import AbstractBaseUser
from django.db import connections, transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import patch_cache_control
from django.utils.decorators import classonlymethod
from django.views.decorators.debug import sensitive_variables
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request, is_form_media_type
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet, ViewSetMixin

from ... import channel, enforcement, flow, guards, responses, signin, steps
from ...binding import SAFE_METHODS, UnreadableFields
from ...client import ConfigurationError
from ...decision import ActionBlocked, AuthsignalInterrupt, ChallengeRequired, Verdict
from ...decorators import HTTP_METHODS, SIGNED_IN, requirement
from ...enforcement import Requirement
from ...policy import Bind
from .credentials import came_by_credential, credential_of, identify

# Actions that are asked for by the name of another one, where their own is not named. PATCH does by `partial_update`
# what PUT does by `update`: who guards one must not leave the other open. The others are adrf's for async viewsets.
ALSO = {
    "partial_update": ("update",),
    "alist": ("list",),
    "acreate": ("create",),
    "aretrieve": ("retrieve",),
    "aupdate": ("update",),
    "partial_aupdate": ("partial_update", "aupdate", "update"),
    "adestroy": ("destroy",),
}


def _stands_before_view(cls: type, mixin: type) -> None:
    """Raises ConfigurationError for a view whose bases name the mixin too late: it would guard nothing."""
    if APIView in cls.__mro__ and cls.__mro__.index(APIView) < cls.__mro__.index(mixin):
        raise ConfigurationError(f"{cls.__name__}: put {mixin.__name__} before the view in the bases.")


class _Answered(Exception):
    """Carries the gate's answer out of `initial()`, which can return none."""

    def __init__(self, response: HttpResponseBase) -> None:
        super().__init__("The gate answered instead of the view.")
        self.response = response


# For the type checker a view, so that the mixins go before any view of the framework's; else only what stands here.
if TYPE_CHECKING:
    _View = APIView
else:
    _View = object


class _Asking(_View):
    """What both mixins share: standing outside the transaction, and answering as the gate says."""

    @classonlymethod
    def as_view(cls, *args: Any, **initkwargs: Any) -> Any:
        """The view, taken out of ATOMIC_REQUESTS."""
        view: Any = super().as_view(*args, **initkwargs)
        if iscoroutinefunction(view):
            return view  # Django refuses those under ATOMIC_REQUESTS, and is to say so
        for alias in connections:
            view = transaction.non_atomic_requests(using=alias)(view)
        return view

    _initial_ran = False  # of this very request: the framework makes a view for each

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """The framework's. An `initial()` of a subclass that does not call ours is an error: nothing would be asked."""
        initial = self.initial

        def checked(request: Request, *args: Any, **kwargs: Any) -> None:
            initial(request, *args, **kwargs)
            if not self._initial_ran:
                raise ConfigurationError(
                    f"initial() of {type(self).__name__} does not call super().initial(…), so nothing was asked. Do so."
                )

        self.initial = checked  # type: ignore[method-assign] # put before the framework's own, of this one view
        return super().initialize_request(request, *args, **kwargs)

    def challenge_credential(self, request: Request) -> str:
        """Override for authentication of your own: what tells this credential from any other; "": a session."""
        return credential_of(request)

    def handle_exception(self, exc: Exception) -> Any:
        """The gate's answer, where the gate was asked; all else as the framework does."""
        if isinstance(exc, _Answered):
            return exc.response
        if isinstance(exc, AuthsignalInterrupt):
            if exc.decision is None and steps.in_transaction():
                raise exc  # the middleware asks, outside
            return steps.run(enforcement.answer(self.request._request, exc))
        if isinstance(exc, UnreadableFields):
            return responses.invalid_request(self.request._request, exc)
        return super().handle_exception(exc)

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        """The view's answer; one that rests on a proof is kept in no cache, `cache_page` on `dispatch` among them."""
        finished = super().finalize_response(request, response, *args, **kwargs)
        private = enforcement.gate(getattr(request, "_request", request)).private
        if private and finished.get("Cache-Control") != "no-store":
            patch_cache_control(finished, private=True)
        return finished

    def _ask(self, request: Request, asked: Requirement) -> None:
        if asked.bind:
            request.data  # noqa: B018 - a form is parsed once, for the gate and the view; what is none is a 4xx here
        answer = steps.run(enforcement.check(request._request, asked))
        if answer is not None:
            raise _Answered(answer)


class ChallengeRequiredMixin(_Asking):
    """Lets a view, or single actions of a viewset, run only with a pass. Put it before the view in the bases.

    Each credential needs a proof of its own: a browser's does not count for a token of the same user, nor the reverse.
    """

    challenge_action: str = ""
    #: Action codes by viewset action ("destroy", the name of an @action) or HTTP method ("delete"); None: not asked.
    challenge_actions: Mapping[str, str | None] = {}
    challenge_max_age: int | None = None  # seconds; narrows the policy's
    challenge_bind: Bind = ()
    challenge_methods: Sequence[str] | None = None  # HTTP methods that challenge_action is asked for
    challenge_requirements: tuple[Requirement, ...] = ()  # what decorators around the view add

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _stands_before_view(cls, ChallengeRequiredMixin)

    @classonlymethod
    def as_view(cls, *args: Any, **initkwargs: Any) -> Any:
        """The view. Raises ConfigurationError when it asks for nothing, or for what its policy does not allow."""
        made = cls(**initkwargs)
        codes = [code for code in (made.challenge_action, *made.challenge_actions.values()) if code]
        if not codes and not made.challenge_requirements:
            raise ConfigurationError(f"{cls.__name__} has no challenge_action. Set it to an action code.")
        for name in made.challenge_actions:
            _opens_something(cls, name)
        for code in codes:
            made._requirement(code, made.challenge_methods)
        return super().as_view(*args, **initkwargs)

    def _requirement(self, code: str, methods: Sequence[str] | None) -> Requirement:
        asked = requirement(code, max_age=self.challenge_max_age, bind=self.challenge_bind, methods=methods)
        return replace(asked, by="mixin")

    def get_challenge_requirements(self, method: str, action: str | None = None) -> tuple[Requirement, ...]:
        """What is asked of an HTTP method, or of a viewset's action. Nothing begins."""
        # HEAD runs what GET runs.
        keys = (
            action,
            *ALSO.get(action or "", ()),
            method.lower(),
            method.upper(),
            *(("get", "GET") if method == "HEAD" else ()),
        )
        named = next((key for key in keys if key in self.challenge_actions), None)
        if named is None:
            code, methods = self.challenge_action, self.challenge_methods
        else:  # named, it is asked, whatever is asked of other methods
            code, methods = self.challenge_actions[named] or "", [method]
        return (*self.challenge_requirements, *((self._requirement(code, methods),) if code else ()))

    @sensitive_variables()  # the framework's BasicAuthentication, below it, has the password in a variable
    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Authenticates, checks permissions and throttles, then asks.

        OPTIONS does nothing and is not asked, nor is a method that the view does not have: the answer is 405, which the
        browsable API renders as the page of its forms.
        """
        method = request.method or ""
        # A method override of the project's own is known to the framework's request alone, and it picks what runs.
        request._request.method = method
        asked = self.get_challenge_requirements(method, getattr(self, "action", None))
        if method == "OPTIONS":
            asked = tuple(one for one in asked if one.methods and method in one.methods)
        elif method.lower() not in self.http_method_names or not hasattr(self, method.lower()):
            asked = ()
        if any(one.bind for one in asked):
            _keep_body(request)
        super().initial(request, *args, **kwargs)
        if asked:
            identify(request, request._request, self)
        for one in asked:
            self._ask(request, one)
        self._initial_ran = True
        self._open_transaction(method.lower())

    def _open_transaction(self, name: str) -> None:
        """Around the handler: what ATOMIC_REQUESTS would have opened around the whole view."""
        handler = getattr(self, name, None)
        if handler is None or iscoroutinefunction(handler):
            return
        aside = getattr(type(self).dispatch, "_non_atomic_requests", ())
        for alias, options in connections.settings.items():
            if options.get("ATOMIC_REQUESTS") and alias not in aside:
                handler = transaction.atomic(using=alias)(handler)
        setattr(self, name, handler)


def _opens_something(cls: type, name: str) -> None:
    """Raises ConfigurationError for a key of `challenge_actions` by which nothing would ever be asked."""
    if name in (name.lower(), name.upper()) and name.upper() in HTTP_METHODS:
        return
    is_viewset = issubclass(cls, ViewSetMixin)
    # What the framework itself has, beside its actions, is called inside of them: `perform_destroy`, `get_queryset`.
    inner = hasattr(GenericViewSet, name) or name.startswith("perform_")
    if is_viewset and callable(getattr(cls, name, None)) and not inner:
        return
    what, fix = "no action, for it is no viewset,", "Name HTTP methods, such as 'delete'."
    if is_viewset:
        what, fix = "no action of it", "Correct the name; actions are called as 'destroy' is."
    raise ConfigurationError(
        f"challenge_actions of {cls.__name__} names {name!r}, which is {what} and no HTTP method, so nothing would be "
        f"guarded. {fix}"
    )


def _keep_body(request: Request) -> None:
    """Keeps what both the gate and the view read: a parser, or a permission that looks at the data, uses it up."""
    if not is_form_media_type(request.content_type):
        request._request.body  # noqa: B018 - Django keeps it once it was read


class SignInMixin(_Asking):
    """For views that trade a password (or another credential) for a token: the sign-in is asked for, and proved, there.

    The client gets 401 with a challenge, completes it, and sends the same request again with `Authsignal-Token`. A
    proof serves one request, except where the client came by a credential of its own (Basic, a session): there it
    counts as any sign-in's. The view runs outside ATOMIC_REQUESTS. Put it before the view in the bases.

    Of a password the gated backend asks. Where `authenticate()` checks none (a social login, a mailed code), call
    `require_sign_in(user)` before the token is made: a token that came about without either is not handed out.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _stands_before_view(cls, SignInMixin)

    @sensitive_variables()
    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Authenticates, then asks whoever came signed in; of a password in the body the backend asks."""
        super().initial(request, *args, **kwargs)
        self._initial_ran = True
        if request.method in ("OPTIONS", "HEAD"):
            return
        if came_by_credential(request):
            identify(request, request._request, self)
            self._ask(request, SIGNED_IN)
        else:
            channel.expect_sign_in(request._request)

    def require_sign_in(self, user: AbstractBaseUser) -> None:
        """Asks for the proof of a user whom the view itself identified. Returns, or raises what answers the client."""
        if steps.in_transaction():
            raise ConfigurationError(
                "require_sign_in() was called inside a transaction, whose locks the call would hold. Call it before."
            )
        request = self.request._request
        backend = signin.default_backend()
        decision = steps.run(flow.ask(request, enforcement.sign_in_question(request, user, backend)))
        if not decision.passed:
            raise (ActionBlocked if decision.verdict is Verdict.DENY else ChallengeRequired)(decision)
        if not signin.allowed(request, user, backend):
            raise PermissionDenied
        channel.sign_in_answered(request)

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        """The view's answer, unless it gives a token away that nobody was asked for."""
        finished = super().finalize_response(request, response, *args, **kwargs)
        inner = getattr(request, "_request", request)
        unsafe = request.method not in SAFE_METHODS
        if unsafe and response.status_code < 400 and channel.signs_in_unasked(inner):
            raise ConfigurationError(
                f"{type(self).__name__} signed somebody in without the gate: no gated backend checked a password. "
                "Put AuthsignalBackend in AUTHENTICATION_BACKENDS, or call self.require_sign_in(user) before the token "
                "is made."
            )
        return finished


def requirements_of(view: APIView, method: str) -> tuple[Requirement, ...]:
    """What is asked of one HTTP method of a view, by its mixin and by decorators on its handler. Nothing begins."""
    name = getattr(view, "action", None) or method.lower()
    handler = getattr(view, name, None)
    asked = guards.requirements_of(handler)
    for cell in getattr(handler, "__closure__", None) or ():  # @api_view keeps its function there
        asked += guards.requirements_of(cell.cell_contents)
    if isinstance(view, ChallengeRequiredMixin):
        asked = (*view.get_challenge_requirements(method, getattr(view, "action", None)), *asked)
    return tuple(dict.fromkeys(asked))


def guarded(view: Any, asked: Requirement) -> Any:
    """A view of the framework, asked for one thing more, where who comes is known: inside.

    Raises ConfigurationError when another decorator stands between: made anew from its class, the view would lose it.
    """
    if asked in getattr(view.cls, "challenge_requirements", ()):
        return view  # a mixin's `as_view` guards what it makes, and is asked again for the class that is made here
    inner = getattr(view, "__wrapped__", None)
    if inner is None or hasattr(inner, "__wrapped__"):  # csrf_exempt, which the framework puts there, is the only one
        raise ConfigurationError(
            f"challenge_required must stand directly on {view.cls.__name__}, right above @api_view or as_view(): "
            "another decorator is between them. Put that one above."
        )
    names = {"challenge_requirements": (asked, *getattr(view.cls, "challenge_requirements", ()))}
    about = {name: getattr(view.cls, name) for name in ("__module__", "__doc__", "__qualname__")}
    bases = (view.cls,) if issubclass(view.cls, ChallengeRequiredMixin) else (ChallengeRequiredMixin, view.cls)
    made: Any = type(view.cls.__name__, bases, {**about, **names})
    actions = getattr(view, "actions", None)
    again = made.as_view(actions, **view.initkwargs) if actions else made.as_view(**view.initkwargs)
    for name, value in vars(view).items():  # what was written on it: names, exemptions of others
        if name not in vars(again):
            setattr(again, name, value)
    return again
