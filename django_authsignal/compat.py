"""The names of django-otp, django-two-factor-auth and django-sudo, asking the gate: change the import, keep the code.

from django_otp.decorators import otp_required          ->  from django_authsignal.compat import otp_required
from two_factor.views.mixins import OTPRequiredMixin    ->  from django_authsignal.compat import OTPRequiredMixin
from sudo.decorators import sudo_required               ->  from django_authsignal.compat import sudo_required
from sudo.mixins import SudoMixin                       ->  from django_authsignal.compat import SudoMixin

What they ask is named in the settings: OTP_ACTION (as it comes, the sign-in's action) and SUDO_ACTION.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar, overload

from django.conf import settings as django_settings
from django.contrib.auth.decorators import login_required as django_login_required
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import classonlymethod

from .conf import Settings
from .decorators import marked
from .enforcement import Requirement, policy_of
from .mixins import stands_before_view
from .policy import Policy

__all__ = ["OTPRequiredMixin", "SudoMixin", "otp_required", "sudo_required"]

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True, eq=False)
class NamedInSettings(Requirement):
    """Asks for the action that a setting names, read at each request as all settings are."""

    setting: str = ""
    if_configured: bool = False

    def policy_in(self, settings: Settings) -> Policy:
        """The action's policy; with `if_configured` one that lets users through who have nothing to prove it with."""
        policy = policy_of(getattr(settings, self.setting) or None, settings=settings)
        if not self.if_configured:
            return policy
        # Not as a sign-in: what is let through is this request. A session that was, would open the other views too.
        return replace(policy, sign_in=False, unenrolled="allow")


OTP = NamedInSettings(None, anonymous_passes=True, by="otp_required", setting="OTP_ACTION")
OTP_IF_CONFIGURED = replace(OTP, if_configured=True)
SUDO = NamedInSettings(None, by="sudo_required", setting="SUDO_ACTION")


@overload
def otp_required(
    view: View, redirect_field_name: str = ..., login_url: str | None = ..., if_configured: bool = ...
) -> View: ...
@overload
def otp_required(
    view: None = ..., redirect_field_name: str = ..., login_url: str | None = ..., if_configured: bool = ...
) -> Callable[[View], View]: ...
def otp_required(
    view: Any = None, redirect_field_name: str = "next", login_url: str | None = None, if_configured: bool = False
) -> Any:
    """django-otp's decorator: the user is signed in, and proved it.

    Visitors are sent to `login_url` (else OTP_LOGIN_URL, else LOGIN_URL); whoever is signed in without a proof is
    asked for it, and comes back. `if_configured` lets users through who have nothing to prove it with.
    """
    where = login_url or getattr(django_settings, "OTP_LOGIN_URL", None)

    def decorate(function: Any) -> Any:
        inner = marked(function, OTP_IF_CONFIGURED if if_configured else OTP)
        return django_login_required(inner, redirect_field_name=redirect_field_name, login_url=where)

    return decorate if view is None else decorate(view)


def sudo_required(func: View) -> View:
    """django-sudo's decorator: the user has just proved who they are; it counts for the MAX_AGE of SUDO_ACTION."""
    return marked(func, SUDO)


class SudoMixin:
    """django-sudo's mixin, for class-based views."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        stands_before_view(cls, SudoMixin)

    @classonlymethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., Any]:
        """The view, guarded as a whole."""
        return sudo_required(super().as_view(**initkwargs))  # type: ignore[misc,no-any-return] # of the class it is put before


class OTPRequiredMixin:
    """django-two-factor-auth's mixin. Whoever is signed in without a proof is asked for it, on every setting of it."""

    raise_anonymous = False
    login_url: Any = None
    redirect_field_name = "next"
    raise_unverified = False  # these two said what to answer the unproved: the gate asks them now
    verification_url: Any = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        stands_before_view(cls, OTPRequiredMixin)

    @classonlymethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., Any]:
        """The view, guarded as a whole."""
        return marked(super().as_view(**initkwargs), OTP)  # type: ignore[misc,no-any-return] # of the class it is put before

    def get_login_url(self) -> str:
        """Where visitors are sent."""
        return str(self.login_url or getattr(django_settings, "OTP_LOGIN_URL", None) or django_settings.LOGIN_URL)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Turns visitors away; the gate has asked everybody else."""
        if request.user.is_authenticated:
            return super().dispatch(request, *args, **kwargs)  # type: ignore[misc,no-any-return] # of the class it is put before
        if self.raise_anonymous:
            raise PermissionDenied
        return redirect_to_login(request.get_full_path(), self.get_login_url(), self.redirect_field_name)
