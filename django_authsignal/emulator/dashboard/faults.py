"""The switch for faults, so that an integrator sees their app under outage."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from django_authsignal.emulator import faults as switch
from django_authsignal.emulator import webhooks_api
from django_authsignal.emulator.dashboard.forms import Field, Form, call
from django_authsignal.emulator.dashboard.guard import back, guarded, page
from django_authsignal.emulator.problems import Problem


@guarded
def faults(request: HttpRequest) -> HttpResponse:
    form, status = _form(), 200
    if request.method == "POST" and request.POST.get("do") == "stop":
        webhooks_api.clear_fault(call(request))
        return back(reverse("faults"), "healthy")
    if request.method == "POST":
        form.read(request.POST)
        try:
            body = {
                "kind": form.text("kind") or None,
                "delay": form.number("delay"),
                "path": form.text("path"),
                "seconds": form.number("seconds"),
            }
            webhooks_api.put_fault(call(request, body))
            return back(reverse("faults"), "fault")
        except Problem as problem:
            form.refuse(problem)
            status = problem.status
    return page(request, "faults", {"form": form}, here="faults", status=status)


def _form() -> Form:
    now = switch.read()
    kinds = (
        ("slow", _("Slow: answers come late")),
        ("500", _("500: the service fails")),
        ("429", _("429: too many requests")),
        ("garbage", _("Garbage: 200 with half of a JSON document")),
        ("drop", _("Drop: the connection closes without an answer")),
    )
    delay = f"{now.delay:g}" if now.is_on else "5"
    return Form(
        [
            Field("kind", _("What goes wrong"), "radios", now.kind if now.is_on else "", choices=kinds),
            Field("delay", _("Seconds"), value=delay, help=_("How late an answer is, or the Retry-After of a 429.")),
            Field(
                "path",
                _("Only paths that hold"),
                value=now.path if now.is_on else "",
                help=_("Like /client/ or validate. Empty: the whole API but /v1/management/."),
            ),
            Field("seconds", _("Seconds it stays"), help=_("Empty: until it is switched off.")),
        ]
    )
