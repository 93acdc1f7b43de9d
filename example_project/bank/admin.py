"""Staff see accounts and statements. What moves money, or says who may, is proved first."""

import uuid
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.http import HttpRequest

from django_authsignal.admin import ChallengeRequiredAdminMixin, ResetAuthenticatorsMixin
from example_project.bank import services
from example_project.bank.models import Account, Entry

admin.site.site_header = admin.site.site_title = "Kittiwake Bank: behind the counter"

CORRECT = "correctBalance"
MANAGE = "manageUsers"


class CorrectionForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """A balance is put right by an entry, never by hand."""

    amount = forms.DecimalField(
        max_digits=12, decimal_places=2, label="Correction in pounds", help_text="-5.00 takes five pounds away."
    )
    reason = forms.CharField(max_length=60, help_text="The owner of the account reads it.")
    nonce = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)

    class Meta:
        model = Account
        fields = ()

    @property
    def changed_data(self) -> list[str]:
        """What the history tells: the nonce is nobody's business."""
        return [name for name in super().changed_data if name != "nonce"]

    def clean_amount(self) -> Decimal:
        """Something, and not more than there is."""
        amount: Decimal = self.cleaned_data["amount"]
        # The admin has begun its transaction: the balance stays as it is until the entry is written.
        balance = Account.objects.select_for_update().get(pk=self.instance.pk).balance
        if amount == 0 or balance + amount < 0:
            raise forms.ValidationError(f"The account holds £{balance:,.2f}. Take away no more, and not nothing.")
        return amount

    def clean(self) -> dict[str, Any]:
        """A form that is sent twice corrects once; with another amount or reason it is another correction."""
        found: dict[str, Any] = super().clean() or {}
        same = Entry.objects.filter(account=self.instance, nonce=found.get("nonce"))
        complete = {"amount", "reason"} <= found.keys()
        if complete and same.exclude(amount=found["amount"], text=found["reason"]).exists():
            raise forms.ValidationError("This form was sent before, with another amount or reason. Open it again.")
        return found


class EntryInline(admin.TabularInline):  # type: ignore[type-arg]  # generic in the stubs only
    """The statement, to be read: an entry is written once."""

    model = Entry
    fields = readonly_fields = ("made_at", "text", "amount", "balance_after")
    verbose_name_plural = "statement"

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """By nobody's hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """By nobody's hand."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """By nobody's hand."""
        return False


@admin.register(Account)
class AccountAdmin(ChallengeRequiredAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg] # at run time it takes none
    """Accounts and what they hold. The form asks for a proof when it is opened; the admin's log names it."""

    challenge_action = CORRECT
    form = CorrectionForm
    fields = ("owner", "balance", "amount", "reason", "nonce")
    readonly_fields = ("owner", "balance")
    inlines = (EntryInline,)
    list_display = ("number", "owner", "balance", "opened_at")
    list_select_related = ("owner",)
    search_fields = ("owner__username",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Accounts open at sign-up."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """A statement is kept."""
        return False

    def save_model(self, request: HttpRequest, obj: Account, form: Any, change: bool) -> None:
        """Write the entry that puts the balance right, and which proof let it."""
        wanted, proof = form.cleaned_data, request.authsignal.challenges.get(CORRECT)  # type: ignore[attr-defined] # the middleware puts it there
        services.correct(
            obj,
            wanted["amount"],
            text=wanted["reason"],
            nonce=wanted["nonce"],
            proof=uuid.UUID(proof) if proof else None,
        )


@admin.register(Entry)
class EntryAdmin(admin.ModelAdmin):  # type: ignore[type-arg] # at run time it takes none
    """Every line of every statement: look, do not touch."""

    list_display = ("made_at", "account", "text", "amount", "balance_after")
    list_select_related = ("account",)
    date_hierarchy = "made_at"
    search_fields = ("account__owner__username", "text")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """An entry is written by what moves the money."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """An entry is written once."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """An entry is kept."""
        return False


admin.site.unregister(User)


@admin.register(User)
class PersonAdmin(ChallengeRequiredAdminMixin, ResetAuthenticatorsMixin, UserAdmin):
    """Who is staff, and whose password is what: the same power as the money.

    Somebody lost their phone: their ways of proof can be reset, which asks for a proof of its own.
    """

    challenge_action = MANAGE
    challenge_actions = {"reset_authenticators": None}
