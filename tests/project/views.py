"""Small views, one for each way of asking, each in both colours. What they did is what they answer."""

from django.contrib.auth.views import LoginView
from django.core.exceptions import ValidationError
from django.http import HttpResponse, JsonResponse
from django.views import View
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from django_authsignal.decorators import challenge_required, login_required
from django_authsignal.mixins import ChallengeRequiredMixin, SignInMixin


def home(request):
    return HttpResponse(f"home of {request.user}")


@challenge_required("withdrawFunds")
def withdraw(request):
    return HttpResponse("withdrawn")


@challenge_required("withdrawFunds")
async def withdraw_async(request):
    return HttpResponse("withdrawn")


class Transfer(ChallengeRequiredMixin, View):
    challenge_action = "withdrawFunds"

    def get(self, request):
        return HttpResponse("transferred")

    def post(self, request):
        return HttpResponse("transferred")


@challenge_required("payInvoice", bind=["amount", "payee"])
def pay(request):
    if request.method == "POST":
        return JsonResponse({"paid": dict(request.authsignal.bound)})
    return HttpResponse("pay form")


@challenge_required("payInvoice", bind=["amount", "payee"])
async def pay_async(request):
    if request.method == "POST":
        return JsonResponse({"paid": dict(request.authsignal.bound)})
    return HttpResponse("pay form")


@challenge_required("deleteAccount")
def delete(request):
    if request.method == "POST" and request.POST.get("fail"):
        raise RuntimeError("it failed after its effect")
    return HttpResponse("deleted" if request.method == "POST" else "delete form")


@challenge_required("deleteAccount")
async def delete_async(request):
    return HttpResponse("deleted" if request.method == "POST" else "delete form")


@login_required
def members(request):
    return HttpResponse("members")


@login_required
async def members_async(request):
    return HttpResponse("members")


def deep(request):
    request.authsignal.require("withdrawFunds")
    return HttpResponse("deep")


async def deep_async(request):
    await request.authsignal.arequire("withdrawFunds")
    return HttpResponse("deep")


def deep_twice(request):
    request.authsignal.require("withdrawFunds")
    request.authsignal.require("closeAccount")
    return HttpResponse("deep")


def deep_callable(request):
    request.authsignal.require("payInvoice", bind=lambda request: {"amount": request.POST.get("amount")})
    return HttpResponse("deep")


@challenge_required("deleteAccount")
@csrf_protect
def inner_csrf(request):
    return HttpResponse("deleted")


inner_csrf.csrf_exempt = True


@csrf_exempt
@challenge_required("withdrawFunds")
def exempt(request):
    return HttpResponse("exempt")


def _plain(view):
    def inner(request):  # forgets functools.wraps, so the middleware cannot see the mark
        return view(request)

    return inner


unmarked = _plain(withdraw)


class OwnLoginView(SignInMixin, LoginView):
    template_name = "admin/login.html"

    def get_form_class(self):
        class Form(super().get_form_class()):
            def confirm_login_allowed(self, user):
                super().confirm_login_allowed(user)
                if user.get_username().startswith("unverified"):
                    raise ValidationError("Verify your address first.")

        return Form

    def form_valid(self, form):
        response = super().form_valid(form)
        response["X-Own-Logic"] = "ran"
        return response
