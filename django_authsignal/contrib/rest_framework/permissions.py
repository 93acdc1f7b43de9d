"""A permission that only reads: rendering the browsable API or answering OPTIONS asks nobody for anything."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from ... import enforcement
from ...client import ConfigurationError
from ...policy import check_action
from .credentials import came_by_credential, identify


class HasPassed(BasePermission):
    """True while the client holds a pass for `action`; no network, nothing begins, nothing is spent.

    For views that only show more to who has proved it. To ask for a proof use ChallengeRequiredMixin.
    """

    action: str = ""
    max_age: int | None = None
    message = _("Prove it is you first.")
    code = "challenge_required"

    def has_permission(self, request: Request, view: Any) -> bool:
        """What DRF asks."""
        if not self.action:
            raise ConfigurationError(f'{type(self).__name__} names no action. Use has_passed("withdrawFunds").')
        if not came_by_credential(request):
            return False
        identify(request, request._request, view)
        return enforcement.gate(request._request).passed(self.action, self.max_age)


def has_passed(action: str, *, max_age: int | None = None) -> type[HasPassed]:
    """HasPassed for one action, to be listed in `permission_classes`."""
    check_action(action)
    return type("HasPassed", (HasPassed,), {"action": action, "max_age": max_age})
