"""The admin's own log, and the ledger's rows behind it."""

import json
import re
import uuid
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.template.loader import get_template, select_template
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse

from .. import enforcement, methods
from ..models import Challenge
from ..policy import get_policy, label_for

if TYPE_CHECKING:
    from django.contrib.admin.models import LogEntry

KEY = "authsignal"  # of an item of a change message; Django's own rendering knows nothing of it and leaves it out
_TEXT = re.compile(r"\[authsignal ([0-9a-f, -]+)\]$")
BATCH = 500  # entries written at once


def _used(request: HttpRequest) -> dict[str, str]:
    """The challenges that let this request in: the step-ups', else the sign-in's."""
    found = enforcement.gate(request).challenges
    steps = {action: pk for action, pk in found.items() if action != enforcement.sign_in_action()}
    return steps or dict(found)


def with_challenges(request: HttpRequest, message: Any) -> Any:
    """A change message that names them."""
    used = _used(request)
    if not used:
        return message
    if isinstance(message, list):
        return [*message, {KEY: used}]
    return f"{message} [authsignal {', '.join(used.values())}]".lstrip()


def add_challenges(request: HttpRequest, entries: Any) -> Any:
    """Entries already written, which then name them."""
    written = [entries] if hasattr(entries, "pk") else list(entries or ())
    used = _used(request)
    if not used or not written:
        return entries
    for entry in written:
        entry.change_message = json.dumps([{KEY: used}])
    model = type(written[0])
    if all(entry.pk for entry in written):
        model._default_manager.bulk_update(written, ["change_message"], batch_size=BATCH)
    else:  # a database that does not say which rows it has just written
        for entry in written:
            same = {name: getattr(entry, name) for name in ("user_id", "object_id", "action_flag", "action_time")}
            model._default_manager.filter(**same).update(change_message=entry.change_message)
    return entries


def challenge_ids(entry: "LogEntry") -> list[uuid.UUID]:
    """The ledger's rows that a log entry names: what was proved for it. Whether they are there, the ledger says."""
    text = entry.change_message or ""
    found = _TEXT.search(text)
    if found:
        return _ids(found[1].split(", "))
    try:
        items = json.loads(text) if text.startswith("[") else []
    except (ValueError, RecursionError):
        return []
    items = [item.get(KEY) for item in items if isinstance(item, Mapping)]
    return _ids(pk for item in items if isinstance(item, Mapping) for pk in item.values())


def _ids(texts: Iterable[Any]) -> list[uuid.UUID]:
    found = []
    for text in texts:
        try:
            found.append(uuid.UUID(str(text)))
        except ValueError:
            continue
    return found


def with_links(request: HttpRequest, response: Any, site: AdminSite) -> Any:
    """The history page with a list of what was proved, and links to the ledger for those who may read it."""
    context = getattr(response, "context_data", None) or {}
    if not isinstance(response, TemplateResponse) or "action_list" not in context:
        return response
    proofs = _proofs(request, list(context["action_list"]), site)
    if proofs:
        names = response.template_name
        base = select_template(list(names)) if isinstance(names, list | tuple) else get_template(str(names))
        context |= {"authsignal_proofs": proofs, "authsignal_base": base}
        response.context_data = context
        response.template_name = "authsignal/admin/object_history.html"
    return response


def _proofs(request: HttpRequest, entries: list[Any], site: AdminSite) -> list[dict[str, Any]]:
    named = {entry: challenge_ids(entry) for entry in entries}
    rows = Challenge.objects.in_bulk({pk for ids in named.values() for pk in ids})
    found = []
    for entry, ids in named.items():
        # A message is text that code wrote, a person's words perhaps in it: it cannot borrow somebody else's proof.
        own = [rows[pk] for pk in ids if pk in rows and rows[pk].user_pk == str(entry.user_id)]
        found += [{"entry": entry, "challenge": row, **_words(row), "url": _url(request, row, site)} for row in own]
    return found


def _words(row: Challenge) -> dict[str, str]:
    way = methods.label_of(row.verification_method) if row.verification_method else ""
    return {"label": label_for(get_policy(row.action), {}), "way": way}


def _url(request: HttpRequest, row: Challenge, site: AdminSite) -> str:
    if not site.is_registered(Challenge) or not site.get_model_admin(Challenge).has_view_permission(request, row):
        return ""
    try:
        return reverse(f"{site.name}:django_authsignal_challenge_change", args=[row.pk], current_app=site.name)
    except NoReverseMatch:
        return ""
