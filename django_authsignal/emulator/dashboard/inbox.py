"""The inbox, which shows what the emulator would have sent."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from django_authsignal.emulator import clock
from django_authsignal.emulator.dashboard.guard import guarded, live, secured
from django_authsignal.emulator.dashboard.live import cut
from django_authsignal.emulator.models import Message

_SHOWN = 50  # messages, newest first


@guarded
def inbox(request: HttpRequest) -> HttpResponse:
    rows, older = cut(_messages(request), request, _SHOWN)
    context = {
        "messages": rows,
        "to": request.GET.get("to", ""),
        "older": older,
        "is_newest": "before" not in request.GET,
    }
    return live(request, "inbox", context, [row.pk for row in rows], here="inbox")


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
        for one in _messages(request).order_by("-created_at", "-pk")[:_SHOWN]
    ]
    return secured(JsonResponse(lines, safe=False))


def _messages(request: HttpRequest) -> QuerySet[Message]:
    found = Message.objects.all()
    if to := request.GET.get("to"):
        found = found.filter(to__iexact=to)
    return found
