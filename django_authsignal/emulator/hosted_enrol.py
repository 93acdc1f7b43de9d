"""The hosted pages that set up a way of proof: the first, or another one."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import timedelta

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from django_authsignal.client.types import VerificationMethod as Method
from django_authsignal.emulator import engine
from django_authsignal.emulator import hosted_ways as ways
from django_authsignal.emulator.hosted import (
    choose_page,
    code_error,
    finished,
    passkey_error,
    posted_credential,
    send_error,
)
from django_authsignal.emulator.hosted_visit import Visit, hosted, page
from django_authsignal.emulator.methods import authenticator_app, email_otp, passkey
from django_authsignal.emulator.problems import Problem

_REUSED = timedelta(minutes=5)  # half of a pending secret's life, so that one shown again can still be used


@hosted
def choose(request: HttpRequest, visit: Visit) -> HttpResponse:
    engine.require_open(visit.session)
    return choose_page(request, visit)


@hosted
def enrol_passkey(request: HttpRequest, visit: Visit) -> HttpResponse:
    engine.require_enrol(visit.session, Method.PASSKEY)
    error = ""
    if request.method == "POST":
        try:
            return finished(request, visit, passkey.register(visit.session, *posted_credential(request)))
        except Problem as problem:
            error = passkey_error(problem)
    context = {"options_url": "/v1/client/user-authenticators/passkey/registration-options", "error": error}
    return _enrol(request, visit, "enrol_passkey", context)


@hosted
def enrol_app(request: HttpRequest, visit: Visit) -> HttpResponse:
    engine.require_enrol(visit.session, Method.AUTHENTICATOR_APP)
    error = ""
    if request.method == "POST":
        result = authenticator_app.verify(visit.session, request.POST.get("code", ""))
        if result.is_verified:
            return finished(request, visit, result)
        error = code_error(result)
    secret = _secret_on_show(visit, typed=request.method == "POST")
    uri = authenticator_app.otpauth_uri(visit.session.user, secret)
    picture = base64.b64encode(authenticator_app.qr_svg(uri).encode()).decode()
    groups = " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))
    context = {"secret": secret, "secret_groups": groups, "qr": f"data:image/svg+xml;base64,{picture}", "error": error}
    return _enrol(request, visit, "enrol_app", context)


@hosted
def enrol_email(request: HttpRequest, visit: Visit) -> HttpResponse:
    """A GET never sends mail."""
    engine.require_enrol(visit.session, Method.EMAIL_OTP)
    address, error = visit.session.user.email, ""
    sent = request.GET.get("sent") == "1" and bool(ways.newest_address(visit, verified=False))
    if request.method == "POST" and request.POST.get("do") == "send":
        address = request.POST.get("email", "").strip()
        try:
            email_otp.enrol(visit.session, address)
            return HttpResponseRedirect(visit.link("enrol-email", sent="1"))
        except Problem as problem:
            error = send_error(problem)
    elif request.method == "POST":
        sent = True
        result = email_otp.verify(visit.session, request.POST.get("code", ""))
        if result.is_verified:
            return finished(request, visit, result)
        error = code_error(result)
    # Shown in full: the visitor has just typed it, and must be able to see a slip.
    shown = ways.newest_address(visit, verified=False)
    context = {"sent": sent, "masked": shown, "email": address, "error": error, "again_url": visit.link("enrol-email")}
    return _enrol(request, visit, "enrol_email", context)


def _enrol(request: HttpRequest, visit: Visit, template: str, context: Mapping[str, object]) -> HttpResponse:
    return page(request, template, visit, {**context, "action_url": request.path, "choose_url": visit.link("enrol")})


def _secret_on_show(visit: Visit, *, typed: bool) -> str:
    """After a reload or a wrong code the same secret, which may be in the app by now."""
    age = authenticator_app.PENDING if typed else _REUSED
    secret = authenticator_app.pending_secret(visit.session, younger_than=age)
    return secret or str(authenticator_app.enrol(visit.session)["secret"])
