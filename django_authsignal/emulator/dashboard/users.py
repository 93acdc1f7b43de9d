"""Users: found, looked at, and what they have taken away. What proves who they are is never shown."""

from __future__ import annotations

import uuid
from typing import Any

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _

from django_authsignal.emulator import authenticators, devices, server_api
from django_authsignal.emulator.dashboard.forms import call
from django_authsignal.emulator.dashboard.guard import back, guarded, page
from django_authsignal.emulator.management_api import row_key
from django_authsignal.emulator.models import Action, Authenticator, Device, EmulatedUser, RecoveryCode
from django_authsignal.emulator.problems import Problem

_PAGE = 30
_SHOWN = 20  # of a user's actions and devices


@guarded
def users(request: HttpRequest) -> HttpResponse:
    """By user id. A search finds what begins like this, and the whole e-mail address or phone number."""
    found = EmulatedUser.objects.filter(former_id="")
    wanted = request.GET.get("q", "").strip()
    if wanted:
        found = found.filter(
            Q(user_id__istartswith=wanted)
            | Q(email__istartswith=wanted)
            | Q(phone_number__startswith=wanted)
            | Q(username__istartswith=wanted)
        )
    if after := request.GET.get("after"):
        found = found.filter(user_id__gt=after)
    rows = list(found.order_by("user_id")[: _PAGE + 1])
    methods: dict[Any, list[str]] = {row.pk: [] for row in rows}
    enrolled = Authenticator.objects.filter(user__in=rows, verified_at__isnull=False).order_by("created_at", "pk")
    for owner, method in enrolled.values_list("user", "method"):
        if method not in methods[owner]:
            methods[owner].append(method)
    context = {
        "users": [(row, methods[row.pk]) for row in rows[:_PAGE]],
        "q": wanted,
        "after": rows[_PAGE - 1].user_id if len(rows) > _PAGE else "",
    }
    return page(request, "users", context, here="users")


@guarded
def user(request: HttpRequest, key: uuid.UUID) -> HttpResponse:
    row = get_object_or_404(EmulatedUser, pk=key, former_id="")
    if request.method == "POST":
        return _change(request, row)
    context = {
        "shown_user": row,
        # Named one by one: a secret that a later column holds does not get here by itself.
        "authenticators": Authenticator.objects.filter(user=row).order_by("created_at", "pk"),
        "recovery_codes": RecoveryCode.objects.filter(user=row, used_at__isnull=True).count(),
        "devices": [(one, devices.is_new(one), devices.is_remembered(one)) for one in _devices(row)],
        "actions": Action.objects.filter(user=row).select_related("user").order_by("-pk")[:_SHOWN],
    }
    return page(request, "user", context, here="users")


def _devices(row: EmulatedUser) -> list[Device]:
    return list(Device.objects.filter(user=row).order_by("-created_at", "-pk")[:_SHOWN])


def _change(request: HttpRequest, row: EmulatedUser) -> HttpResponse:
    what, key = request.POST.get("do", ""), request.POST.get("key", "")
    if what == "delete":
        server_api.delete_user(call(request, user_id=row.user_id))
        return back(reverse("users"), "deleted")
    if what == "remove":
        own = Authenticator.objects.filter(user=row, pk=row_key(key, "The authenticator")).select_related("user")
        if one := own.first():
            authenticators.remove(one)
    elif what == "forget":
        device = Device.objects.filter(user=row, pk=key).first() if key.isascii() and key.isdigit() else None
        if device:
            devices.invalidate(device)
    else:
        raise Problem(400, "invalid_request", _("Choose what shall be done."))
    return back(reverse("user", args=[row.pk]), "removed")
