"""The doors of a ModelAdmin: its views, its bulk actions, what the list saves, and what its inlines save."""

import inspect
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from django.http import HttpRequest
from django.utils.module_loading import import_string
from django.views.generic import RedirectView

from ..enforcement import Requirement
from ..guards import requirements_of
from .doors import Asked, Door, Pattern, asks_of, name_of, place_of

STOCK = ("changelist", "add", "change", "delete", "history")


class _Anybody:
    """Somebody who may do everything: what such a person may not, nobody may."""

    is_active = is_staff = is_superuser = is_authenticated = True
    is_anonymous = False
    pk = id = None

    def has_perm(self, *args: Any) -> bool:
        """Everything."""
        return True

    has_perms = has_module_perms = has_perm


def admin_of(view: Any) -> Any:
    """The ModelAdmin behind a view of a URL pattern; None when there is none."""
    found = getattr(view, "model_admin", None) or owner_of(view)
    return found if hasattr(found, "admin_site") and hasattr(found, "opts") else None


def owner_of(view: Any) -> Any:
    """The object whose method is behind a view, decorators looked through; None for a plain function."""
    while view is not None:
        if inspect.ismethod(view):
            return view.__self__
        view = getattr(view, "__wrapped__", None)
    return None


def doors_of(pattern: Pattern) -> Iterator[Door]:
    """The doors behind one URL of a ModelAdmin; none behind the old address of the change form, which only sends on."""
    admin = admin_of(pattern.view)
    if getattr(pattern.view, "view_class", None) is RedirectView:
        return
    for key, method, handler in _keys(admin, _view_name(admin, pattern)):
        if not _may(admin, key, handler):
            continue
        asks = _asks(admin, key, handler, pattern, method)
        yield Door(
            kind="admin",
            url=pattern.url,
            name=pattern.name,
            methods=(method,) if method else (),
            view=f"{name_of(type(admin))}: {key}",
            where=place_of(handler or type(admin)),
            asks=asks,
            exempt=_exempt(admin, key, handler),
            target=type(admin),
            words=(key,),
            model=admin.model,
            namespaces=pattern.app_names,
        )


def _view_name(admin: Any, pattern: Pattern) -> str:
    last = pattern.name.rpartition(":")[2]
    return last.removeprefix(f"{admin.opts.app_label}_{admin.opts.model_name}_") or "change"


def _keys(admin: Any, view: str) -> Iterator[tuple[str, str, Any]]:
    """Each door's key, the HTTP method that opens it, and the function behind it where it has one of its own."""
    if view == "changelist":
        yield "view", "GET", None
        if admin.list_editable:
            yield "list_editable", "POST", None
        yield from ((name, "POST", function) for name, function in _actions(admin).items())
    elif view == "change":
        yield "view", "GET", None
        yield "change", "POST", None
    elif view in ("add", "delete"):
        yield view, "POST", None
    elif view == "history":
        yield view, "GET", None
    else:
        yield view, "", None


def _actions(admin: Any) -> dict[str, Any]:
    if admin.actions is None:
        return {}
    # From Django 6.1 on an object with names, before that a tuple; and there the change form has actions too.
    found = list(admin._get_base_actions())
    options = import_module("django.contrib.admin.options")  # not imported by a project without an admin
    if hasattr(options, "ActionLocation"):
        found += admin._get_base_actions(action_location=options.ActionLocation.CHANGE_FORM)
    pairs = ((one.name, one.func) if hasattr(one, "func") else (one[1], one[0]) for one in found)
    return dict(pairs)


def _may(admin: Any, key: str, handler: Any) -> bool:
    """False for what this ModelAdmin lets nobody do."""
    names = {"delete_selected": "delete", "list_editable": "change", "history": "view"}
    wanted = list(getattr(handler, "allowed_permissions", ())) or [names.get(key, key)]
    request = HttpRequest()
    request.user = _Anybody()  # type: ignore[assignment] # a stand-in
    for name in wanted:
        check = getattr(admin, f"has_{name}_permission", None)
        try:
            if check is not None and check(request):
                return True
        except Exception:  # it wants more of a request than there is: perhaps somebody may
            return True
        if check is None:
            return True
    return False


def _asks(admin: Any, key: str, handler: Any, pattern: Pattern, method: str) -> tuple[Asked, ...]:
    marks = requirements_of(pattern.view)
    own = requirements_of(handler) if handler is not None else ()
    if hasattr(admin, "asked_at"):
        # The mixin's marks are those of the whole view; which of them a door asks, it says itself.
        asked = admin.asked_at(_door(key, handler))
        marks = tuple(one for one in marks if getattr(one, "admin", None) is None)
        own = (*own, *((Requirement(**asked._asdict(), by="admin"),) if asked else ()))
    return asks_of((*marks, *own), method)


def _door(key: str, handler: Any) -> Any:
    doors = "django_authsignal.admin.doors"
    if handler is not None:
        return import_string(f"{doors}.action")(key)
    if key in ("view", "add", "change", "delete", "list_editable", "history"):
        return import_string(f"{doors}.{key.upper()}")
    return import_string(f"{doors}.custom")(key)


def _exempt(admin: Any, key: str, handler: Any) -> str:
    for place in (handler, getattr(type(admin), f"{key}_view", None), type(admin)):
        reason = getattr(place, "authsignal_not_required", "")
        if reason:
            return str(reason)
    return ""


def inline_models(admin: Any) -> list[Any]:
    """The models that the change form saves as well."""
    return [inline.model for inline in getattr(admin, "inlines", ()) if getattr(inline, "model", None)]
