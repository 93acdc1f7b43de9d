"""Staff see accounts and statements; nobody edits money by hand."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.http import HttpRequest

from django_authsignal.admin import ResetAuthenticatorsMixin
from example_project.bank.models import Account, Entry

admin.site.site_header = admin.site.site_title = "Kittiwake Bank: behind the counter"


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """Look, do not touch."""

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Accounts open at sign-up."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """An entry is written once."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """An entry is kept."""
        return False


admin.site.unregister(User)


@admin.register(User)
class PersonAdmin(ResetAuthenticatorsMixin, UserAdmin):
    """Somebody lost their phone: their ways of proof can be reset, once whoever does it has proved who they are."""


@admin.register(Account)
class AccountAdmin(ReadOnlyAdmin):
    """Accounts and what they hold."""

    list_display = ("number", "owner", "balance", "opened_at")
    search_fields = ("owner__username",)


@admin.register(Entry)
class EntryAdmin(ReadOnlyAdmin):
    """Every line of every statement."""

    list_display = ("made_at", "account", "text", "amount", "balance_after")
    list_select_related = ("account",)
    date_hierarchy = "made_at"
    search_fields = ("account__owner__username", "text")
