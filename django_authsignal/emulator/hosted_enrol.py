"""The hosted pages that set up a way of proof: the first, or another one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from django_authsignal.client.types import VerificationMethod as Method
from django_authsignal.emulator import engine, pictures
from django_authsignal.emulator import hosted_ways as ways
from django_authsignal.emulator.hosted import (
    answer_of,
    choose_page,
    code_error,
    finished,
    key_error,
    lands_in_settings,
    posted,
    send_error,
)
from django_authsignal.emulator.hosted_visit import Visit, hosted, page
from django_authsignal.emulator.methods import authenticator_app
from django_authsignal.emulator.problems import Problem

_REUSED = timedelta(minutes=5)  # half of a pending secret's life, so that one shown again can still be used


@hosted
def choose(request: HttpRequest, visit: Visit) -> HttpResponse:
    engine.require_open(visit.session)
    return choose_page(request, visit)


def enrol_key(key: ways.Key) -> Callable[[HttpRequest], HttpResponse]:
    @hosted
    def view(request: HttpRequest, visit: Visit) -> HttpResponse:
        engine.require_enrol(visit.session, key.method)
        error = ""
        if request.method == "POST":
            try:
                result = key.module.register(visit.session, *posted(request, key))
                return finished(visit, result, enrolled=key.method)
            except Problem as problem:
                error = key_error(problem)
        options = f"/v1/client/user-authenticators/{key.path}/registration-options"
        return enrol_page(request, visit, "enrol_key", {"key": key, "options_url": options, "error": error})

    return view


@hosted
def enrol_app(request: HttpRequest, visit: Visit) -> HttpResponse:
    engine.require_enrol(visit.session, Method.AUTHENTICATOR_APP)
    error = ""
    if request.method == "POST":
        result = authenticator_app.verify(visit.session, request.POST.get("code", ""))
        if result.is_verified:
            return finished(visit, result, enrolled=Method.AUTHENTICATOR_APP)
        error = code_error(result)
    secret = _secret_on_show(visit, typed=request.method == "POST")
    uri = authenticator_app.otpauth_uri(visit.session.user, secret)
    groups = " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))
    context = {"secret": secret, "secret_groups": groups, "qr": pictures.qr(uri), "error": error}
    return enrol_page(request, visit, "enrol_app", context)


def enrol_sending(sending: ways.Sending) -> Callable[[HttpRequest], HttpResponse]:
    """A GET never sends."""
    name = f"enrol-{ways.PAGES[sending.method]}"

    @hosted
    def view(request: HttpRequest, visit: Visit) -> HttpResponse:
        engine.require_enrol(visit.session, sending.method)
        user, error = visit.session.user, ""
        address = user.email if sending.by_mail else user.phone_number
        shown = ways.newest_address(visit, sending.method, verified=False)
        sent = request.GET.get("sent") == "1" and bool(shown)
        if request.method == "POST" and request.POST.get("do") == "send":
            address = request.POST.get("address", "").strip()
            try:
                sending.module.enrol(visit.session, address)
                return HttpResponseRedirect(visit.link(name, sent="1"))
            except Problem as problem:
                error = send_error(problem)
        elif request.method == "POST":
            sent = True
            result = answer_of(sending, request, visit)
            if result.is_verified:
                return finished(visit, result, enrolled=sending.method)
            error = code_error(result, link=sending.is_link)
        context = {
            "sending": sending,
            "sent": sent,
            "lead": sending.sent % {"to": shown},  # in full: the visitor has just typed it, and must see a slip
            "address": address,
            "error": error,
            "again_url": visit.link(name),
        }
        return enrol_page(request, visit, "enrol_sent", context)

    return view


def enrol_page(request: HttpRequest, visit: Visit, template: str, context: Mapping[str, object]) -> HttpResponse:
    choose_url = visit.link("settings" if lands_in_settings(visit) else "enrol")
    return page(request, template, visit, {**context, "action_url": request.path, "choose_url": choose_url})


def _secret_on_show(visit: Visit, *, typed: bool) -> str:
    """After a reload or a wrong code the same secret, which may be in the app by now."""
    age = authenticator_app.PENDING if typed else _REUSED
    secret = authenticator_app.pending_secret(visit.session, younger_than=age)
    return secret or str(authenticator_app.enrol(visit.session)["secret"])
