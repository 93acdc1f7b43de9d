"""The bank's two forms; signing in is Django's own."""

import uuid
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm, BaseUserCreationForm
from django.contrib.auth.models import User

from example_project.bank.services import WITHDRAWAL_LIMIT

# WithdrawForm's amounts as <input pattern> has it: something from 0.01 to WITHDRAWAL_LIMIT.
AMOUNT = r"\s*(?=.*[1-9])0*([0-9]{1,3}([.][0-9]{0,2})?|[.][0-9]{1,2}|1000([.]0{0,2})?)\s*"


class SignInForm(AuthenticationForm):
    """Django's form; the demo users' public passwords may be filled in beforehand."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""
        self.fields["username"].widget.attrs["autocomplete"] = "username webauthn"
        if self.initial.get("password"):
            self.fields["password"].widget.render_value = True


class SignUpForm(BaseUserCreationForm):  # type: ignore[type-arg]  # generic in the stubs only
    """A username, an e-mail address for codes, and a password."""

    email = forms.EmailField(label="E-mail", help_text="For codes. They go to the inbox of the emulator, nowhere else.")

    class Meta(BaseUserCreationForm.Meta):
        model = User
        fields = ("username", "email")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, label_suffix="", **kwargs)
        self.fields["email"].widget.attrs["autocomplete"] = "email"
        self.fields["username"].help_text = ""
        self.fields["password1"].help_text = "Eight characters or more."
        self.fields["password2"].help_text = ""
        self.fields["password2"].label = "Password again"


class WithdrawForm(forms.Form):
    """How much, and a few words for the statement."""

    amount = forms.DecimalField(
        min_value=Decimal("0.01"),
        max_value=WITHDRAWAL_LIMIT,
        decimal_places=2,
        label="Amount in pounds",
        help_text=f"Up to £{WITHDRAWAL_LIMIT:,.0f} at a time.",
        template_name="bank/amount_field.html",
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off", "autofocus": True}),
        error_messages={
            "required": "Write how much you want to take out.",
            "invalid": "Write the amount in digits, for example 25 or 25.50.",
            "min_value": "The smallest amount is one penny, £0.01.",
            "max_value": f"£{WITHDRAWAL_LIMIT:,.0f} is the most you can take out at a time.",
            "max_decimal_places": "Pounds have two decimals at most, for example 25.50.",
        },
    )
    text = forms.CharField(
        max_length=60,
        required=False,
        label="What it is for (optional)",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    nonce = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        self.initial.setdefault("nonce", uuid.uuid4())

    def renew(self) -> None:
        """Give the form, shown again with an error, a nonce of its own."""
        self.data = {name: self.data[name] for name in self.data} | {"nonce": str(uuid.uuid4())}


class SendForm(WithdrawForm):
    """How much, and to whom. Both are bound: the proof is for exactly these."""

    payee = forms.CharField(max_length=40, label="To", widget=forms.TextInput(attrs={"autocomplete": "off"}))
    field_order = ("payee", "amount", "text")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The proof comes before our own look at the form, so the browser refuses what would be proved for nothing.
        self.fields["amount"].widget.attrs.update(pattern=AMOUNT, title="From 0.01 to 1000, for example 25 or 25.50.")
