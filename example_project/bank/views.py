"""The bank's pages."""

import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import authenticate, login
from django.contrib.auth.views import LoginView
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from django_authsignal.decorators import challenge_required, login_required
from example_project.bank import proofs, services
from example_project.bank.demo_users import DEMO_USERS
from example_project.bank.forms import SendForm, SignInForm, SignUpForm, WithdrawForm
from example_project.bank.models import Account, Entry

STATEMENT_LINES = 20


def home(request: HttpRequest) -> HttpResponse:
    """What this demo is, whom to sign in as and what to try."""
    context = {"demo_users": _demo_users(), "emulator_url": settings.EMULATOR_URL}
    return render(request, "bank/home.html", context)


@never_cache
@sensitive_post_parameters("password1", "password2")
def sign_up(request: HttpRequest) -> HttpResponse:
    """Make a user with an account, then sign in as anybody does: the backend asks for the proof."""
    form = SignUpForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return render(request, "bank/sign_up.html", {"form": form})
    user = form.save()
    services.open_account(user)
    # Outside any transaction: authenticate() raises ChallengeRequired, which must not take the new user back.
    authenticated = authenticate(request, username=user.get_username(), password=form.cleaned_data["password1"])
    if authenticated is None:
        return redirect("sign-in")
    login(request, authenticated)
    return redirect(settings.LOGIN_REDIRECT_URL)


class SignInView(LoginView):
    """Django's own LoginView. The challenge comes from AUTHENTICATION_BACKENDS, not from here."""

    template_name = "bank/sign_in.html"
    authentication_form = SignInForm

    def get_initial(self) -> dict[str, Any]:
        """Fill in a demo user named by ?as=ada."""
        initial = super().get_initial()
        for person in _demo_users():
            if person.username == self.request.GET.get("as"):
                initial.update(username=person.username, password=person.password)
        return initial

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Name the demo users beside the form."""
        return super().get_context_data(demo_users=_demo_users(), **kwargs)


@never_cache
@login_required
def account(request: HttpRequest) -> HttpResponse:
    """The balance, the statement a page at a time, and how the account is protected."""
    mine = _account_of(request)
    today = timezone.localdate()
    context = {
        "account": mine,
        "entries": Paginator(mine.entries.all(), STATEMENT_LINES).get_page(request.GET.get("page")),
        "today": today,
        "yesterday": today - timedelta(days=1),
        "minutes_left": proofs.minutes_left(request),
        "proofs": proofs.recent(mine.owner),
    }
    return render(request, "bank/account.html", context)


@never_cache
@login_required
@challenge_required(proofs.WITHDRAW)
def withdraw(request: HttpRequest) -> HttpResponse:
    """Take money out. The form opens after the proof, and sending it needs the proof as well."""
    mine, proof = _account_of(request), proofs.current(request)
    form = WithdrawForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        wanted = form.cleaned_data
        text = wanted["text"] or "Withdrawal"
        try:
            entry = services.withdraw(mine, wanted["amount"], text=text, nonce=wanted["nonce"], proof=proof)
        except services.InsufficientFundsError as error:
            form.add_error("amount", f"That is more than you have. Your balance is £{error.balance:,.2f}.")
        except services.FormAlreadyUsedError as error:
            form.renew()
            form.add_error(None, _already_done(error.entry))
        else:
            return redirect("receipt", pk=entry.pk)
    context = {
        "form": form,
        "account": mine,
        "minutes_left": proofs.minutes_left(request),
        "proof": proofs.of(mine.owner, proof),
    }
    return render(request, "bank/withdraw.html", context)


@never_cache
@login_required
@challenge_required(proofs.SEND, bind=["amount", "payee"])
def send(request: HttpRequest) -> HttpResponse:
    """Send money to somebody: each payment is proved by itself, for its amount and payee, before the form is sent."""
    mine, form = _account_of(request), SendForm(request.POST or None)
    if request.method == "POST":
        # What was proved, not a parse of our own: between two readings of one body there is room for a trick.
        form = SendForm({**request.POST.dict(), **request.authsignal.bound})  # type: ignore[attr-defined] # the middleware puts it there
    if request.method == "POST" and form.is_valid():
        wanted = form.cleaned_data
        text = f"To {wanted['payee']}" + (f": {wanted['text']}" if wanted["text"] else "")
        proof = request.authsignal.challenges.get(proofs.SEND)  # type: ignore[attr-defined] # the middleware puts it there
        try:
            entry = services.withdraw(
                mine, wanted["amount"], text=text[:60], nonce=wanted["nonce"], proof=proof and uuid.UUID(proof)
            )
        except services.InsufficientFundsError as error:
            form.add_error("amount", f"That is more than you have. Your balance is £{error.balance:,.2f}.")
        except services.FormAlreadyUsedError as error:
            form.renew()
            form.add_error(None, _already_done(error.entry))
        else:
            return redirect("receipt", pk=entry.pk)
    return render(request, "bank/send.html", {"form": form, "account": mine})


@never_cache
@login_required
def receipt(request: HttpRequest, pk: int) -> HttpResponse:
    """One line of the own statement, and how it was proved; anybody else's is not found."""
    mine = _account_of(request)
    entry = get_object_or_404(mine.entries, pk=pk)
    return render(request, "bank/receipt.html", {"entry": entry, "proof": proofs.of(mine.owner, entry.proof)})


def _already_done(entry: Entry) -> str:
    done = f"This form was sent before: £{entry.magnitude:,.2f}, “{entry.text}”."
    return f"{done} Send it again if you want this as well."


def _account_of(request: HttpRequest) -> Account:
    """The account of who is signed in; a user made in the admin or a shell gets one now."""
    found = Account.objects.select_related("owner").filter(owner_id=request.user.pk).first()
    return found or services.open_account(request.user)  # type: ignore[arg-type] # signed in, so not AnonymousUser


def _demo_users() -> tuple[Any, ...]:
    return DEMO_USERS if settings.SHOW_DEMO_USERS else ()
