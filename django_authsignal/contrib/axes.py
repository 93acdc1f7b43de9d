"""django-axes in async code: its backend has no `aauthenticate`, so that Django's would fail."""

from typing import Any

from asgiref.sync import sync_to_async
from axes.backends import AxesStandaloneBackend as _AxesStandaloneBackend
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from ..steps import Unseen


class AxesStandaloneBackend(_AxesStandaloneBackend):
    """axes' own, for sync and async code. First in AUTHENTICATION_BACKENDS; it signs nobody in."""

    @sensitive_variables()
    async def aauthenticate(
        self, request: HttpRequest, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> None:
        """Raises PermissionDenied for whoever is locked out."""
        await sync_to_async(Unseen(self.authenticate, request, username=username, password=password, **kwargs))()
