"""Actions as they come, how their states went over time, and what is known of one."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _

from django_authsignal.client.types import State
from django_authsignal.emulator import clock, places, shapes
from django_authsignal.emulator.dashboard import charts
from django_authsignal.emulator.dashboard.guard import back, guarded, live
from django_authsignal.emulator.models import Action, Authenticator, Event
from django_authsignal.emulator.problems import Problem

PAGE = 30
_USUAL = ("http://localhost:9000/v1", "emulator_secret", "emulator")  # django_authsignal.conf looks for these
# What may be done by hand, from which states. Each is one UPDATE that names them: whatever happened since the page was
# shown wins, and no button revives what was blocked.
RESOLUTIONS = {
    "release": ((State.REVIEW_REQUIRED,), State.REVIEW_SUCCEEDED),
    "refuse": ((State.REVIEW_REQUIRED,), State.REVIEW_FAILED),
    "block": (tuple(state for state in State if state != State.BLOCK), State.BLOCK),
}


@guarded
def home(request: HttpRequest) -> HttpResponse:
    found = _filtered(request)
    rows, older = cut(found, request)
    span = request.GET.get("span", "")
    chart = charts.draw(span if span in charts.SPANS else "hour")
    kept = {name: request.GET[name] for name in ("user", "code", "state", "span") if request.GET.get(name)}
    api_url = f"{settings.PUBLIC_URL}/v1"
    context = {
        "api_url": api_url,
        "tenant": settings.TENANT_ID,
        "secrets": settings.API_SECRET_KEYS,
        "django_settings": _django_settings(api_url),
        "curl": f"curl -u {settings.API_SECRET_KEYS[0]}: -X POST {api_url}/users/ada/actions/signIn",
        "is_used": bool(rows or kept or "before" in request.GET),
        "actions": rows,
        "older": f"?{urlencode({**kept, 'before': older})}" if older else "",
        "is_newest": "before" not in request.GET,
        "filters": kept,
        "states": list(State),
        "chart": chart,
        "spans": [
            (name, label, f"?{urlencode({**kept, 'span': name})}") for name, (label, _size) in charts.SPANS.items()
        ],
    }
    shown = [(row.pk, row.state, row.state_updated_at) for row in rows]
    return live(request, "live", context, [*shown, chart.counts], here="home")


def _django_settings(api_url: str) -> str:
    """What a Django project must say to find it; "" where it looks by itself."""
    key, tenant = settings.API_SECRET_KEYS[0], settings.TENANT_ID
    if (api_url, key, tenant) == _USUAL:
        return ""
    lines = {"API_URL": api_url, "API_SECRET_KEY": key, "TENANT_ID": tenant, "EMULATOR": True}
    told = "".join(f"    {json.dumps(name)}: {value!r},\n".replace("'", '"') for name, value in lines.items())
    return f"AUTHSIGNAL = {{\n{told}}}"


def cut(found: QuerySet[Any], request: HttpRequest, size: int = PAGE) -> tuple[list[Any], int | None]:
    """One page, newest first, and the key behind which the next one begins. Cheap however many rows there are."""
    before = request.GET.get("before", "")
    if before.isascii() and before.isdigit() and len(before) < 19:
        found = found.filter(pk__lt=int(before))
    rows = list(found.order_by("-pk")[: size + 1])
    return rows[:size], rows[size - 1].pk if len(rows) > size else None


def _filtered(request: HttpRequest) -> QuerySet[Action]:
    found = Action.objects.select_related("user")
    if user := request.GET.get("user", "").strip():
        found = found.filter(Q(user__user_id=user, user__former_id="") | Q(user__former_id=user))
    if code := request.GET.get("code", "").strip():
        found = found.filter(code=code)
    if state := request.GET.get("state"):
        found = found.filter(state=state)
    return found


@guarded
def action(request: HttpRequest, key: int) -> HttpResponse:
    row = get_object_or_404(Action.objects.select_related("user"), pk=key)
    url = reverse("action", args=[row.pk])
    if request.method == "POST":
        _resolve(row, request.POST.get("resolution", ""))
        return back(url, "resolved")
    verified_by = None
    if row.verified_by:
        verified_by = Authenticator.objects.filter(pk=row.verified_by, user=row.user).first()
    named = shapes.rules(row.rule_ids)
    lost = len(row.rule_ids) - len(named)
    history = _history(row)
    context = {
        "action": row,
        "user_id": row.user.former_id or row.user.user_id,
        "place": places.find(row.ip_address),
        "custom": json.dumps(row.custom, indent=2, ensure_ascii=False) if row.custom else "",
        "rules": named,
        "lost_rules": lost,
        "verified_by": verified_by,
        "history": history,
        "can": [] if row.user.former_id else _possible(row),
    }
    shown = (row.state, row.state_updated_at, len(history))
    return live(request, "action", context, shown, here="home")


def _possible(row: Action) -> list[str]:
    return [name for name, (states, _becomes) in RESOLUTIONS.items() if row.state in states]


def _resolve(row: Action, name: str) -> None:
    if name not in RESOLUTIONS:
        raise Problem(400, "invalid_request", _("Choose what shall become of the action."))
    states, becomes = RESOLUTIONS[name]
    now = clock.now()
    found = Action.objects.filter(pk=row.pk, state__in=states, user__former_id="")
    if not found.update(state=becomes, state_updated_at=now, updated_at=now):
        raise Problem(409, "conflict", _("Meanwhile the action has another state. Nothing was changed."))


def _history(row: Action) -> list[tuple[Any, str, str]]:
    """When, what, and its state: as far as it was written down. Messages carry codes; only that they went is told."""
    entries = [(row.created_at, _("Tracked"), row.outcome)]
    events = Event.objects.filter(created_at__gte=row.created_at, created_at__lte=row.created_at + timedelta(days=1))
    mine = events.filter(
        data__idempotencyKey=row.idempotency_key, data__actionCode=row.code, data__userId=row.user.user_id
    )
    for event in mine.order_by("created_at", "pk")[:50]:
        entries.append((event.created_at, str(event.data.get("type", "")) or event.type, ""))
    if row.state_updated_at != row.created_at or not row.verification_method:
        entries.append((row.state_updated_at, _("Became"), row.state))
    return sorted(entries, key=lambda entry: entry[0])
