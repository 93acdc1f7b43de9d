"""Signing in without a password, username first."""

import logging
import uuid

from django import forms
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from .. import addresses, enforcement, flow, limits, lockouts, responses, signin, steps
from ..client import AuthsignalError, User
from ..conf import get_client
from ..decision import Question, Verdict
from ..identity import authsignal_id
from ..models import Kind
from ..policy import passwordless

logger = logging.getLogger("django_authsignal")


class UsernameForm(forms.Form):
    """The name, and nothing else."""

    username = forms.CharField(
        label=gettext_lazy("Username"),
        max_length=254,
        widget=forms.TextInput(
            attrs={"autocomplete": "username webauthn", "autocapitalize": "none", "autofocus": True}
        ),
    )


@csrf_protect
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters()
def sign_in(request: HttpRequest) -> HttpResponse:
    """GET: asks for the name. POST: a challenge for those who enrolled a way that PASSWORDLESS_METHODS accepts.

    Unknown, inactive and un-enrolled names get one same answer, after the same work: one look-up at Authsignal.
    """
    form = UsernameForm(request.POST if request.method == "POST" else None)
    if request.method != "POST" or not form.is_valid():
        return _form(request, form)
    name = form.cleaned_data["username"]
    tried = limits.count(request, "PASSWORDLESS", user=name.strip().lower(), apart="name")
    if tried.over:
        text = gettext("Too many tries. Wait a few minutes, or use your password.")
        return responses.retry_after(_form(request, form, text, status=429), tried.retry_after)
    if lockouts.is_locked_out(request, name):
        lockouts.login_failed(request, name)  # as `authenticate()` does, so that the lock-out's own middleware answers
        return _same_answer(request, form)
    user = _find(name)
    try:
        enrolled = _has_accepted_method(request, user)
    except AuthsignalError as exc:
        logger.error("Authsignal could not be asked who is enrolled: %s", exc)
        return responses.unanswered(request, exc, retry_url=request.get_full_path())
    if user is None or not enrolled:
        return _same_answer(request, form)
    return _ask(request, form, user)


def _ask(request: HttpRequest, form: UsernameForm, user: AbstractBaseUser) -> HttpResponse:
    policy = passwordless(enforcement.policy_of(None))
    question = Question(
        user=user,
        policy=policy,
        kind=Kind.PASSWORDLESS,
        return_to=signin.destination(request),
        backend=signin.default_backend(),
    )
    decision = steps.run(flow.ask(request, question))
    if decision.passed and enforcement.signed_in_user(request) == user:
        return responses.go(request, question.return_to)
    if decision.verdict in (Verdict.CHALLENGE, Verdict.UNREACHABLE, Verdict.TOO_MANY):
        return responses.respond(request, decision)
    # An ALLOW, a BLOCK, a review: none of them is a proof, and without a password a proof is all there is.
    return _same_answer(request, form)


def _find(name: str) -> AbstractBaseUser | None:
    model = get_user_model()
    try:
        user: AbstractBaseUser = model._default_manager.get_by_natural_key(name)
    except (model.DoesNotExist, model.MultipleObjectsReturned, ValueError):
        return None
    return user if user.is_active else None


def _has_accepted_method(request: HttpRequest, user: AbstractBaseUser | None) -> bool:
    # A name nobody has is looked up too, under an id nobody has: the same call, the same time.
    known = _look_up(request, user)
    accepted = passwordless(enforcement.policy_of(None)).methods or frozenset()
    return (
        user is not None
        and known is not None
        and known.is_enrolled is True
        and bool(accepted & set(known.enrolled_verification_methods or ()))
    )


def _look_up(request: HttpRequest, user: AbstractBaseUser | None) -> User | None:
    try:
        return get_client(request).get_user(authsignal_id(user) if user else f"nobody-{uuid.uuid4()}")
    except ValueError as exc:
        logger.error("Authsignal could not be asked who is enrolled: %s", exc)
        return None  # an id that no call can carry


def _same_answer(request: HttpRequest, form: UsernameForm) -> HttpResponse:
    text = gettext("We cannot sign you in this way. Use your password, or check the name.")
    return _form(request, form, text)


def _form(request: HttpRequest, form: UsernameForm, error: str = "", *, status: int = 200) -> HttpResponse:
    asked = addresses.local(request, request.POST.get("next") or request.GET.get("next"))
    context = {"form": form, "next": asked, "error": error, "password_url": responses.sign_in_url(asked)}
    return responses.page(request, "sign_in", context, status=status)
