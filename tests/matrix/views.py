"""One page with every way of sending something, and one guarded view that writes down exactly what arrived."""

import base64
import json
import os

from django.conf import settings
from django.contrib.auth import get_user_model, login, logout
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.debug import sensitive_post_parameters

from django_authsignal.decorators import challenge_required
from django_authsignal.identity import authsignal_id

ORIGIN = settings.EMULATOR_API.removesuffix("/v1")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    f"frame-src {ORIGIN}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def strict_policy(get_response):
    """The strictest Content-Security-Policy there is, but for the emulator's page in our dialog."""

    def middleware(request):
        response = get_response(request)
        response["Content-Security-Policy"] = POLICY
        return response

    return middleware


def enter(request, name):
    """Signs somebody in, made when they are new."""
    user, _ = get_user_model().objects.get_or_create(username=name, email=f"{name}@example.com")
    login(request, user, backend="django_authsignal.backends.AuthsignalBackend")
    return HttpResponse(authsignal_id(user))


def leave(request):
    logout(request)
    return HttpResponse("left")


def page(request):
    context = {"mode": request.GET.get("mode", "dialog"), "htmx": request.GET.get("htmx", "")}
    return render(request, "matrix/page.html", {**context, "in_dialog": "in_dialog" in request.GET})


@challenge_required("matrix")
def do(request, operation):
    return _record(request, operation)


@challenge_required("matrix")
@sensitive_post_parameters("account")
def sensitive(request):
    return _record(request, "sensitive")


@challenge_required("matrixBound", bind=["amount", "payee"])
def bound(request):
    return _record(request, "bound")


def _record(request, operation):
    form = request.method == "POST" and request.content_type in (
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    )
    arrived = {
        "operation": operation,
        "method": request.method,
        "query": [[name, value] for name, values in request.GET.lists() for value in values],
        "fields": [[name, value] for name, values in request.POST.lists() for value in values] if form else [],
        "files": {
            name: [base64.b64encode(one.read()).decode() for one in files] for name, files in request.FILES.lists()
        },
        "body": "" if form else base64.b64encode(request.body).decode(),
        "type": request.content_type,
        "user": request.user.get_username(),
    }
    # One write of one line: what two workers write does not mix.
    handle = os.open(settings.SITE.with_suffix(".arrived"), os.O_APPEND | os.O_CREAT | os.O_WRONLY)
    os.write(handle, json.dumps(arrived).encode() + b"\n")
    os.close(handle)
    return HttpResponse('<p id="arrived">arrived</p>')
