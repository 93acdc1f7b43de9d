"""The hosted pages of what a phone proves, by push or by scanning a picture, and those that pair a phone.

Pairing alone proves nothing, because nothing is signed by it. Whoever has nothing else yet is asked at once, on the
phone that they have just paired: its first answer is the proof that ends the enrolment.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.utils.translation import gettext as _

from django_authsignal.client.types import State
from django_authsignal.emulator import engine, pictures
from django_authsignal.emulator import hosted_ways as ways
from django_authsignal.emulator.engine import Verification
from django_authsignal.emulator.hosted import challenge_page, closed, finished
from django_authsignal.emulator.hosted_enrol import enrol_page
from django_authsignal.emulator.hosted_visit import Visit, hosted
from django_authsignal.emulator.methods import device_challenge, qr_code
from django_authsignal.emulator.methods.device_challenge import CLAIMED, UNCLAIMED, Asker
from django_authsignal.emulator.models import Authenticator, DeviceChallenge
from django_authsignal.emulator.problems import Problem

_View = Callable[[HttpRequest], HttpResponse]


def with_phone(phone: ways.Phone) -> _View:
    name = f"challenge-{ways.PAGES[phone.method]}"

    @hosted
    def view(request: HttpRequest, visit: Visit) -> HttpResponse:
        error = ""
        if over := closed(request, visit):
            return over
        if phone.method not in ways.usable(visit):
            return HttpResponseRedirect(visit.link("challenge"))
        asked, do = device_challenge.newest(phone.method, visit.session), request.POST.get("do")
        if do == "collect":
            if done := _collected(asked):
                return finished(visit, done)
            error = _ended(asked)
        if do == "ask" or (phone.on_sight and not _is_live(asked)):
            try:
                phone.module.ask(_asker(request, visit))
            except Problem as problem:
                error = _ask_error(problem)
            else:
                if do == "ask":
                    return HttpResponseRedirect(visit.link(name))  # a reload must not ask once more
                asked = device_challenge.newest(phone.method, visit.session)
        live = asked if _is_live(asked) else None
        context = {
            "method": phone.method,
            "asked": live,
            "early": do == "collect" and live is not None and not error,
            "error": error,
            "waits_url": f"{request.path}waits/",
            "phone_url": f"{settings.PUBLIC_URL}/phone/",
        }
        if live and phone.on_sight:
            link = qr_code.content(str(live.pk))
            context |= {"qr": pictures.qr(link), "phone_url": link}
        return challenge_page(request, visit, phone.template, phone.method, context)

    return view


def phone_waits(phone: ways.Phone) -> _View:
    """What the waiting page asks, until the phone has answered. It gives no token away."""

    @hosted
    def view(request: HttpRequest, visit: Visit) -> HttpResponse:
        asked = device_challenge.newest(phone.method, visit.session)
        state = device_challenge.state(asked) if asked else ""
        return JsonResponse({"waits": state in (UNCLAIMED, CLAIMED), "state": state})

    return view


def enrol_phone(phone: ways.Phone) -> _View:
    """The page has a pairing of its own, which a reload keeps: the id that the phone's key will have."""
    name = f"enrol-{ways.PAGES[phone.method]}"

    @hosted
    def view(request: HttpRequest, visit: Visit) -> HttpResponse:
        pairing = _pairing(request)
        if _paired(visit, phone, pairing):
            return _go_on(request, visit, phone)
        engine.require_enrol(visit.session, phone.method)
        if pairing is None:
            return HttpResponseRedirect(visit.link(name, pairing=str(uuid.uuid4())))
        token = engine.pairing_token(visit.session, phone.method, str(pairing))
        # Behind the #: neither a log nor a Referer has it.
        pair = urlencode({"pair": ways.PAGES[phone.method], "token": token})
        link = f"{settings.PUBLIC_URL}/phone/#{pair}"
        context = {
            "phone": phone,
            "pairing": pairing,
            "phone_url": link,
            "qr": pictures.qr(link, error="l"),
            "early": request.method == "POST",
            "waits_url": f"{request.path}waits/",
        }
        return enrol_page(request, visit, "enrol_phone", context)

    return view


def pairing_waits(phone: ways.Phone) -> _View:
    @hosted
    def view(request: HttpRequest, visit: Visit) -> HttpResponse:
        return JsonResponse({"waits": not _paired(visit, phone, _pairing(request))})

    return view


def _collected(asked: DeviceChallenge | None) -> Verification | None:
    """The proof, for the first page that asks for it."""
    token = device_challenge.collect(asked) if asked else None
    if asked is None or token is None:
        return None
    return Verification(True, access_token=token, authenticator=asked.authenticator)


def _go_on(request: HttpRequest, visit: Visit, phone: ways.Phone) -> HttpResponse:
    action = visit.session.action
    if action and action.state == State.ALLOW and not action.was_enrolled:
        if request.method == "POST" and not phone.on_sight:
            with suppress(Problem):  # asked too often: the next page has the button, and says so
                phone.module.ask(_asker(request, visit))
        return HttpResponseRedirect(visit.link(f"challenge-{ways.PAGES[phone.method]}"))
    return finished(visit, Verification(is_verified=True), enrolled=phone.method)


def _paired(visit: Visit, phone: ways.Phone, pairing: uuid.UUID | None) -> bool:
    if pairing is None:
        return False
    rows = Authenticator.objects.filter(pk=pairing, user=visit.session.user, method=phone.method)
    return rows.filter(enrolling_action=visit.session.action, verified_at__isnull=False).exists()


def _pairing(request: HttpRequest) -> uuid.UUID | None:
    given = request.POST if request.method == "POST" else request.GET
    try:
        return uuid.UUID(given.get("pairing", ""))
    except ValueError:
        return None


def _is_live(asked: DeviceChallenge | None) -> bool:
    return asked is not None and device_challenge.is_live(asked)


def _asker(request: HttpRequest, visit: Visit) -> Asker:
    return Asker(visit.session, request.META.get("REMOTE_ADDR") or "", request.headers.get("User-Agent", "")[:1024])


def _ended(asked: DeviceChallenge | None) -> str:
    if asked is None or device_challenge.is_live(asked):
        return ""
    if device_challenge.state(asked) == device_challenge.OVER:
        return _("It was not answered in time. Nothing was done: try again, or choose another way.")
    return _("The answer of your phone was not accepted. Try again, or choose another way.")


def _ask_error(problem: Problem) -> str:
    if problem.status == 429:
        return _("Your phone was asked too often in ten minutes. Wait a little, then ask again.")
    return _("We could not ask your phone. Try again, or choose another way.")
