"""The inbox, which shows what the emulator would have mailed, and the emulator's first page."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from django_authsignal.emulator import clock
from django_authsignal.emulator.hosted_visit import secured
from django_authsignal.emulator.models import Message

_SHOWN = 50  # messages, newest first


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """What this is. The key is shown because it is the emulator's own; the address is loopback by nature."""
    context = {"api_url": f"{settings.PUBLIC_URL}/v1", "tenant": settings.TENANT_ID, "secret": settings.API_SECRET_KEY}
    return secured(render(request, "emulator/home.html", context))


@require_safe
def inbox(request: HttpRequest) -> HttpResponse:
    return secured(render(request, "emulator/inbox.html", {"messages": _messages(request)}))


@require_safe
def inbox_json(request: HttpRequest) -> HttpResponse:
    """The same for tests: a list, newest first; `?to=` keeps one address."""
    lines = [
        {
            "to": one.to,
            "channel": one.channel,
            "subject": one.subject,
            "body": one.body,
            "code": one.code,
            **({"url": one.url} if one.url else {}),
            "createdAt": clock.iso(one.created_at),
        }
        for one in _messages(request)
    ]
    return secured(JsonResponse(lines, safe=False))


def _messages(request: HttpRequest) -> list[Message]:
    found = Message.objects.order_by("-created_at", "-pk")
    if to := request.GET.get("to"):
        found = found.filter(to__iexact=to)
    return list(found[:_SHOWN])
