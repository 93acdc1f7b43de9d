"""The hosted page on which users look after their own ways of proof: `redirectToSettings`."""

from __future__ import annotations

import uuid

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from django_authsignal.client.types import State
from django_authsignal.emulator import authenticators, engine, fields, tokens
from django_authsignal.emulator import hosted_ways as ways
from django_authsignal.emulator.hosted_visit import Visit, hosted, page
from django_authsignal.emulator.models import Authenticator
from django_authsignal.emulator.problems import Problem, not_found


@hosted
def settings(request: HttpRequest, visit: Visit) -> HttpResponse:
    """A GET changes nothing. Removing asks once more; who may do what is decided where the Client API does."""
    engine.require_open(visit.session)
    action = visit.session.action
    scopes = visit.session.scopes
    if action and action.state == State.CHALLENGE_REQUIRED and not scopes & {tokens.UPDATE, tokens.REMOVE, tokens.ADD}:
        return HttpResponseRedirect(visit.link("challenge"))  # a password alone must not list what else there is
    if request.method != "POST":
        return _list(request, visit)
    row, do = _own(visit, request.POST.get("authenticator", "")), request.POST.get("do")
    if do == "remove":
        authenticators.require_manage(visit.session, row, tokens.REMOVE)
        return page(request, "settings_remove", visit, {"line": _line(visit, row), "settings_url": request.path})
    if do == "really-remove":
        authenticators.remove_own(visit.session, row)
    elif do == "default":
        authenticators.change(visit.session, row, name=None, default=True)
    elif do == "rename":
        name = fields.text({"name": request.POST.get("name", "").strip()}, "name")
        authenticators.change(visit.session, row, name=name, default=None)
    return HttpResponseRedirect(visit.link("settings", changed=do if do in _CHANGED else ""))


_CHANGED = {"really-remove", "default", "rename"}


def _list(request: HttpRequest, visit: Visit) -> HttpResponse:
    rows = Authenticator.objects.filter(user=visit.session.user, verified_at__isnull=False).select_related("user")
    lines = [_line(visit, row) for row in rows.order_by("created_at", "pk")]
    changed = request.GET.get("changed", "")
    context = {
        "lines": lines,
        "changed": changed if changed in _CHANGED else "",
        **ways.to_choose_from(visit),
        "settings_url": request.path,
        "fixed": bool(lines) and not any(line["may_change"] or line["may_remove"] for line in lines),
    }
    return page(request, "settings", visit, context)


def _line(visit: Visit, row: Authenticator) -> dict[str, object]:
    method = ways.NAMES.get(row.method, row.method)
    return {
        "row": row,
        "method": method,
        "name": row.name or ways.masked(row.email or row.phone_number) or method,
        "is_default": row.user.default_method == row.method,
        "may_change": _may(visit, row, tokens.UPDATE),
        "may_remove": _may(visit, row, tokens.REMOVE),
    }


def _may(visit: Visit, row: Authenticator, scope: str) -> bool:
    try:
        authenticators.require_manage(visit.session, row, scope)
    except Problem:
        return False
    return True


def _own(visit: Visit, authenticator_id: str) -> Authenticator:
    rows = Authenticator.objects.filter(user=visit.session.user, verified_at__isnull=False).select_related("user")
    try:
        row = rows.filter(pk=uuid.UUID(authenticator_id)).first()
    except ValueError:
        row = None
    if row is None:
        raise not_found("The authenticator")
    return row
