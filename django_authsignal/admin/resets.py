"""`ResetAuthenticatorsMixin`: an action of the user admin that takes a user's ways of proof away, behind a step-up."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.conf import settings as django_settings
from django.contrib import admin, messages
from django.contrib.auth import get_permission_codename
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext, gettext_lazy

from .. import authenticators, enforcement, steps
from ..client import AuthsignalError
from ..conf import get_settings
from ..decorators import HTTP_METHODS
from ..enforcement import Requirement
from ..methods import labels_of
from ..resets import Reset, reset
from . import history
from .options import ChallengeRequiredAdminMixin

MAX_USERS = 20  # of one reset: each is several calls, and one page lists them


@dataclass(frozen=True)
class Candidate:
    """One user as the page shows them: what would be removed, or why nothing may be."""

    user: AbstractBaseUser
    labels: Sequence[str] = ()
    refusal: str = ""


class ResetAuthenticatorsMixin:
    """Put before your UserAdmin in the bases: offers "Reset ways of proof" for the users ticked, on any AdminSite.

    It needs the permission `django_authsignal.reset_authenticators` and the one to change the user, and a step-up for
    RESET_ACTION. Nobody resets themselves by it, and only superusers reset superusers.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.actions is not None:  # type: ignore[has-type] # None: no actions at all
            self.actions = [*self.actions, reset_authenticators]  # type: ignore[has-type] # see above

    def get_urls(self) -> list[Any]:
        """Django's, and the page that asks."""
        view: Callable[..., Any] = self.admin_site.admin_view(self.reset_authenticators_view)  # type: ignore[attr-defined] # of the class it is put before
        for alias in django_settings.DATABASES:
            # Under ATOMIC_REQUESTS the calls to Authsignal would otherwise hold the database's locks.
            view = transaction.non_atomic_requests(using=alias)(view)
        name = f"{self.opts.app_label}_{self.opts.model_name}_reset_authenticators"  # type: ignore[attr-defined] # of the class it is put before
        return [path("reset-authenticators/", view, name=name), *super().get_urls()]  # type: ignore[misc] # of the class it is put before

    def has_reset_authenticators_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether this member of staff may take anybody's ways of proof."""
        codename = "django_authsignal.reset_authenticators"
        change = f"{self.opts.app_label}.{get_permission_codename('change', self.opts)}"  # type: ignore[attr-defined] # of the class it is put before
        return request.user.has_perm(codename) and request.user.has_perm(change)

    def reset_authenticators_view(self, request: HttpRequest) -> HttpResponseBase:
        """GET lists whom it is about and what would go; POST does it, and says what came of it for each."""
        return _page(self, request)


@admin.action(description=gettext_lazy("Reset ways of proof"), permissions=["reset_authenticators"])
def reset_authenticators(modeladmin: Any, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
    # Asked here already: the redirect below comes of a form's POST, and where `form-action 'self'` stands no browser
    # would follow it on to Authsignal's page.
    enforcement.gate(request).require(get_settings().RESET_ACTION)
    keys = list(queryset.values_list("pk", flat=True)[: MAX_USERS + 1])
    if len(keys) > MAX_USERS:
        text = gettext("Choose at most %(most)d users: each of them is asked about at Authsignal.")
        modeladmin.message_user(request, text % {"most": MAX_USERS}, messages.ERROR)
        return None
    return HttpResponseRedirect(f"{_url(modeladmin, 'reset_authenticators')}?{urlencode({'id': keys}, doseq=True)}")


def _url(modeladmin: Any, page: str) -> str:
    site, opts = modeladmin.admin_site, modeladmin.opts
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_{page}", current_app=site.name)


def _page(modeladmin: Any, request: HttpRequest) -> HttpResponseBase:
    if not modeladmin.has_reset_authenticators_permission(request):
        raise PermissionDenied
    requirement = Requirement(action=get_settings().RESET_ACTION, methods=HTTP_METHODS)
    refused = steps.run(enforcement.check(request, requirement))
    if refused is not None:
        return refused
    users = _users(modeladmin, request)
    if not users:
        modeladmin.message_user(request, gettext("There is no such user."), messages.ERROR)
        return HttpResponseRedirect(_url(modeladmin, "changelist"))
    if request.method == "POST":
        return _reset(modeladmin, request, users)
    return _ask(modeladmin, request, users)


def _users(modeladmin: Any, request: HttpRequest) -> list[Any]:
    given = request.POST if request.method == "POST" else request.GET
    keys = []
    for text in given.getlist("id")[:MAX_USERS]:
        try:
            keys.append(modeladmin.opts.pk.to_python(text))
        except ValidationError:
            continue
    return list(modeladmin.get_queryset(request).filter(pk__in=keys).order_by("pk"))


def _refusal(modeladmin: Any, request: HttpRequest, user: Any) -> str:
    if user.pk == request.user.pk:
        return gettext("This is you. Manage your own on the page of your ways to prove it is you.")
    if getattr(user, "is_superuser", False) and not getattr(request.user, "is_superuser", False):
        return gettext("Only a superuser resets a superuser.")
    if not modeladmin.has_change_permission(request, user):
        return gettext("You may not change this user.")
    return ""


def _ask(modeladmin: Any, request: HttpRequest, users: Sequence[Any]) -> HttpResponseBase:
    candidates, unreachable = [], False
    for user in users:
        refusal, labels = _refusal(modeladmin, request, user), []
        if not refusal and not unreachable:
            try:
                labels = labels_of(one.verification_method for one in authenticators.of(request, user))
            except AuthsignalError:
                unreachable = True  # nor would it answer for the next: nobody is kept waiting for each
        candidates.append(Candidate(user, labels, refusal))
    context = {
        **modeladmin.admin_site.each_context(request),
        "title": gettext("Reset ways of proof"),
        "opts": modeladmin.opts,
        "candidates": candidates,
        "unreachable": unreachable,
        "any": any(one.labels for one in candidates),
        "changelist_url": _url(modeladmin, "changelist"),
    }
    request.current_app = modeladmin.admin_site.name
    status = 503 if unreachable else 200
    return TemplateResponse(request, "authsignal/admin/reset_authenticators.html", context, status=status)


def _reset(modeladmin: Any, request: HttpRequest, users: Sequence[Any]) -> HttpResponseBase:
    unreachable = False
    for user in users:
        refusal = _refusal(modeladmin, request, user)
        if refusal:
            modeladmin.message_user(
                request,
                gettext("Nothing was removed for %(user)s. %(why)s") % {"user": user, "why": refusal},
                messages.ERROR,
            )
        elif unreachable:
            text = gettext("Not tried for %(user)s, because Authsignal did not answer.") % {"user": user}
            modeladmin.message_user(request, text, messages.ERROR)
        else:
            done = reset(request, user, by=request.user)  # type: ignore[arg-type] # signed in, so not AnonymousUser
            unreachable = done.unreachable
            text, level = _report(done)
            modeladmin.message_user(request, text, level)
            _log(modeladmin, request, done, text)
    return HttpResponseRedirect(_url(modeladmin, "changelist"))


def _report(done: Reset) -> tuple[str, int]:
    """What came of it, in one sentence, and how bad that is."""
    names = {
        "user": str(done.user),
        "gone": ", ".join(labels_of(done.removed)),
        "left": ", ".join(labels_of(done.left)),
    }
    if done.complete and not done.removed:
        return gettext("Nothing was removed for %(user)s: there was no way of proof.") % names, messages.WARNING
    if done.complete:
        return gettext("Removed for %(user)s: %(gone)s.") % names, messages.SUCCESS
    if not done.removed and not done.left:
        return gettext("Nothing was removed for %(user)s: Authsignal did not answer.") % names, messages.ERROR
    if not done.removed:
        return gettext("Nothing was removed for %(user)s. Still there: %(left)s. Try again.") % names, messages.ERROR
    text = gettext("Removed for %(user)s: %(gone)s, but not all. Perhaps still there: %(left)s. Try again.")
    return text % names, messages.ERROR


def _log(modeladmin: Any, request: HttpRequest, done: Reset, text: str) -> None:
    if not isinstance(modeladmin, ChallengeRequiredAdminMixin):  # which names the proof by itself
        text = history.with_challenges(request, text)
    modeladmin.log_change(request, done.user, text)
