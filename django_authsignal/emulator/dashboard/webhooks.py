"""Webhooks and what became of their deliveries."""

from __future__ import annotations

import json
from urllib.parse import urlencode

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _

from django_authsignal.emulator import webhooks as sender
from django_authsignal.emulator import webhooks_api
from django_authsignal.emulator.dashboard.forms import Field, Form, call
from django_authsignal.emulator.dashboard.guard import back, guarded, live
from django_authsignal.emulator.dashboard.live import cut
from django_authsignal.emulator.models import Delivery, Webhook
from django_authsignal.emulator.problems import Problem

STATES = (sender.WAITING, sender.SENDING, sender.DELIVERED, sender.FAILED)


@guarded
def webhooks(request: HttpRequest) -> HttpResponse:
    form = _form()
    if request.method == "POST":
        form.read(request.POST)
        try:
            return _change(request, form)
        except Problem as problem:
            if "url" not in request.POST:
                raise
            form.refuse(problem)
    found = Delivery.objects.select_related("event").defer("body")
    kept = {name: request.GET[name] for name in ("state", "type") if request.GET.get(name)}
    narrowed = {"state": "state", "type": "event__type"}
    found = found.filter(Q(**{narrowed[name]: value for name, value in kept.items()}))
    rows, older = cut(found, request)
    hooks = list(Webhook.objects.order_by("created_at", "pk"))
    context = {
        "webhooks": hooks,
        "deliveries": rows,
        "older": f"?{urlencode({**kept, 'before': older})}" if older else "",
        "is_newest": "before" not in request.GET,
        "filters": kept,
        "states": STATES,
        "types": (*sender.TYPES, sender.VERIFY),
        "form": form,
    }
    shown = [(row.pk, row.state, row.attempts) for row in rows]
    response = live(request, "webhooks", context, [*shown, *((h.pk, h.is_active) for h in hooks)], here="webhooks")
    if form.is_open:
        response.status_code = 400
    return response


def _change(request: HttpRequest, form: Form) -> HttpResponse:
    what, key = request.POST.get("do", ""), request.POST.get("key", "")
    done = "saved"
    if what == "add":
        body = {"url": form.text("url"), "types": form.many("types"), "isSynchronous": form.flag("isSynchronous")}
        webhooks_api.create_webhook(call(request, body))
        done = "added"
    elif what in ("on", "off"):
        webhooks_api.change_webhook(call(request, {"isActive": what == "on"}, webhook=key))
    elif what == "remove":
        webhooks_api.delete_webhook(call(request, webhook=key))
        done = "removed"
    else:
        raise Problem(400, "invalid_request", _("Choose what shall be done."))
    return back(reverse("webhooks"), done)


@guarded
def delivery(request: HttpRequest, key: int) -> HttpResponse:
    row = get_object_or_404(Delivery.objects.select_related("event", "webhook"), pk=key)
    if request.method == "POST":
        again = webhooks_api.resend(call(request, delivery=row.pk))
        return back(reverse("delivery", args=[again["deliveryId"]]), "resent")
    try:
        body = json.dumps(json.loads(row.body), indent=2, ensure_ascii=False)
    except ValueError:
        body = row.body
    context = {"delivery": row, "body": body, "can_resend": row.event.type != sender.VERIFY}
    return live(request, "delivery", context, (row.state, row.attempts, row.next_at), here="webhooks")


def _form() -> Form:
    return Form(
        [
            Field("url", _("Address"), type="url", required=True, help=_("http or https, of your application.")),
            Field(
                "types",
                _("Events"),
                "checks",
                [],
                help=_("None chosen: all of them."),
                choices=[(kind, kind) for kind in sender.TYPES],
            ),
            Field(
                "isSynchronous",
                _("Ask it first"),
                "check",
                False,
                help=_("A message goes out only when it answers 2xx in time."),
            ),
        ]
    )
