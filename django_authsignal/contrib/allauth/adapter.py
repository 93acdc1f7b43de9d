"""The account adapter: adds the stage, and leaves the asking to it."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest

from ... import session
from ...checks import ALLAUTH_STAGE


class AccountAdapterMixin:
    """For an adapter of your own: list it before `DefaultAccountAdapter` in the bases."""

    authsignal_asks_in_stage = True

    def get_login_stages(self) -> list[str]:
        """allauth's stages, and ours behind them: by then it has verified the e-mail address, and asked its own MFA."""
        return [*super().get_login_stages(), ALLAUTH_STAGE]  # type: ignore[misc] # of the class it is put before

    def authenticate(self, request: HttpRequest, **credentials: Any) -> AbstractBaseUser | None:
        """Checks the password and asks for nothing: allauth goes on to its stages, the last of which asks, once."""
        before = getattr(request, "_authsignal_view_asks", False)
        request._authsignal_view_asks = True  # type: ignore[attr-defined] # ours, kept on the request
        try:
            user: AbstractBaseUser | None = super().authenticate(request, **credentials)  # type: ignore[misc] # of the class it is put before
        finally:
            request._authsignal_view_asks = before  # type: ignore[attr-defined] # ours, kept on the request
        if user is not None and request.user.is_authenticated and request.user.pk == user.pk:
            session.password_proved(request)  # they only confirm it
        return user


class AccountAdapter(AccountAdapterMixin, DefaultAccountAdapter):
    """allauth's own adapter with the stage: name it in ACCOUNT_ADAPTER."""
