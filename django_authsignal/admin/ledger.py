"""The ledger in the admin: to be read, never to be written."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest

from ..models import Challenge

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Challenge]
else:
    _ModelAdmin = admin.ModelAdmin


class ChallengeAdmin(_ModelAdmin):
    """Nobody edits the audit trail, superusers included."""

    list_display = (
        "created_at",
        "action",
        "kind",
        "user_pk",
        "status",
        "verification_method",
        "reason",
        "ip_address",
    )
    # Not a date_hierarchy: it is an error on a MySQL or MariaDB that was not given the time zones.
    list_filter = ("created_at", "action", "status", "kind", "channel")
    search_fields = ("=user_pk", "=authsignal_id", "=id")
    fields = (
        ("action", "kind", "channel"),
        ("status", "state", "reason"),
        ("user_pk", "authsignal_id", "tenant", "backend"),
        ("verification_method", "methods", "max_age", "single_use"),
        ("method", "path"),
        ("ip_address", "user_agent"),
        ("created_at", "expires_at", "proved_at", "closed_at"),
    )
    readonly_fields = tuple(name for row in fields for name in row)
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False
