"""Which doors of a ModelAdmin a request opens, what each asks, and whom it asks.

A door is one way to see or change objects: a view, a bulk action, a save from the list. Each has a key of
`challenge_actions`. The guard stands around every URL of the ModelAdmin, whatever a subclass overrides behind it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, NamedTuple

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.contrib.admin import options
from django.contrib.admin.actions import delete_selected
from django.contrib.admin.utils import unquote
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest
from django.urls import URLPattern, URLResolver, reverse
from django.utils.inspect import get_func_args
from django.views.generic import RedirectView

from .. import enforcement, flow
from ..binding import SAFE_METHODS
from ..client import ConfigurationError
from ..decorators import marked, requirement
from ..enforcement import Requirement
from ..policy import Bind, Policy

# Django 6.1 offers actions on the change form, too.
_CHANGE_FORM = getattr(getattr(options, "ActionLocation", None), "CHANGE_FORM", None)
_KEYWORDS = ("action", "max_age", "bind", "resend")


class Asked(NamedTuple):
    """What one door asks: `challenge_required`'s arguments."""

    action: str
    max_age: int | None = None
    bind: Bind = ()
    resend: Sequence[str] | None = None


class Door(NamedTuple):
    """One way in. `instead` is the key whose answer counts where this one is not named."""

    key: str
    permission: str  # "add", "change", "delete", "view"; "action": it is offered; "": the site's own
    instead: str = ""
    changes: bool = True  # False: `challenge_action` is not asked for looking


VIEW = Door("view", "view", changes=False)
ADD = Door("add", "add")
CHANGE = Door("change", "change")
DELETE = Door("delete", "delete")
LIST_EDITABLE = Door("list_editable", "change", "change")
HISTORY = Door("history", "view", "view", changes=False)
AUTOCOMPLETE = Door("autocomplete", "view", "view", changes=False)
KEYS = frozenset({"view", "add", "change", "delete", "list_editable", "history", "autocomplete"})
_STOCK_DOORS = {
    "add": [ADD],
    "change": [VIEW, CHANGE, ADD],
    "changelist": [VIEW, CHANGE, LIST_EDITABLE],
    "delete": [VIEW, DELETE],
    "history": [HISTORY],
}


def action(name: str) -> Door:
    """An admin action's door. An action that is called as a door is (`delete`) asks what changing asks."""
    instead = "delete" if name == "delete_selected" else "change"
    return Door(instead if name in KEYS else name, f"action {name}", instead)


def custom(name: str) -> Door:
    """The door of a URL of the ModelAdmin's own. Nobody knows what it does: it asks what changing asks."""
    return Door("change" if name in KEYS else name, "", "change")


def asked_of(value: Any, where: str) -> Asked | None:
    """An entry of `challenge_actions`, checked. Raises ConfigurationError, naming the place."""
    if value is None or value == "":
        return None
    given = {"action": value} if isinstance(value, str) else value
    if not isinstance(given, Mapping) or "action" not in given or not set(given) <= set(_KEYWORDS):
        raise ConfigurationError(
            f"{where} is {value!r}. Give an action code, None, or a dict with 'action' and any of "
            f"{', '.join(repr(name) for name in _KEYWORDS[1:])}."
        )
    try:
        checked = requirement(**given)
    except ConfigurationError as exc:
        raise ConfigurationError(f"{where}: {exc}") from exc
    return Asked(str(checked.action), checked.max_age, checked.bind, checked.resend)


@dataclass(frozen=True, eq=False)
class DoorRequirement(Requirement):
    """What the doors of one view ask, asked only of those who may pass them.

    Somebody without the permission is left to the view's own 403: no step-up costs or tells them anything.
    """

    admin: Any = None
    view: str = ""

    def applies(self, request: HttpRequest, policy: Policy) -> bool:
        """True when this request opens one of its doors and the user has the permission for it."""
        if not super().applies(request, policy) or not self.admin.admin_site.has_permission(request):
            return False
        doors = [door for door in opened(self.admin, self.view, request) if self.admin.asked_at(door) == self.asked]
        if policy.single_use:
            # Nothing happens yet: the proof would be spent by the page that asks "Are you sure?".
            doors = [door for door in doors if not _only_confirms(self.admin, door, request)]
        elif doors and _passed(request, policy):
            return True  # before a query for the object
        return any(may(self.admin, door, request) for door in doors)

    @property
    def asked(self) -> Asked:
        """The same as an entry."""
        return Asked(str(self.action), self.max_age, self.bind, self.resend)


def _passed(request: HttpRequest, policy: Policy) -> bool:
    user = enforcement.signed_in_user(request)
    return user is not None and flow.peek(request, user, policy, enforcement.bound_of(request, user, policy))


def opened(admin: Any, view: str, request: HttpRequest) -> Iterator[Door]:
    """The doors that a request to one of the ModelAdmin's views opens."""
    if view == "add":
        yield ADD
    elif view == "change":
        yield VIEW
        # As ModelAdmin.changeform_view reads it, whatever `save_as` says.
        yield ADD if request.method == "POST" and "_saveasnew" in request.POST else CHANGE
        yield from _actions(request, f"{_CHANGE_FORM.value}-action" if _CHANGE_FORM else None)
    elif view == "delete":
        yield from (VIEW, DELETE)
    elif view == "history":
        yield HISTORY
    elif view == "changelist":
        yield VIEW
        yield from _of_list(request)
    else:
        if view not in admin.challenge_actions:
            yield VIEW
        yield custom(view)


def _of_list(request: HttpRequest) -> Iterator[Door]:
    if request.method in SAFE_METHODS:
        return
    # Two menus may name two actions, and `index` says which counts. Both are asked: nothing rests on how it is read.
    yield from _actions(request, "action")
    if "_save" in request.POST:
        yield LIST_EDITABLE
    elif "action" not in request.POST:
        yield CHANGE  # something of a subclass's own


def _actions(request: HttpRequest, field: str | None) -> Iterator[Door]:
    names = request.POST.getlist(field) if field and request.method == "POST" else []
    return (action(name) for name in dict.fromkeys(names) if name)


def possible(admin: Any, view: str) -> list[Asked]:
    """All that a view may ask, in the order of asking: looking first."""
    doors = _STOCK_DOORS.get(view)
    if doors is None:
        doors = [custom(view)] if view in admin.challenge_actions else [VIEW, custom(view)]
    elif view == "changelist" or (view == "change" and _CHANGE_FORM):
        doors = [*doors, *(action(key) for key in ("delete_selected", *admin.challenge_actions) if key not in KEYS)]
    return list(filter(None, dict.fromkeys(map(admin.asked_at, doors))))


def may(admin: Any, door: Door, request: HttpRequest) -> bool:
    """True when the user may pass the door, as the view behind it will decide."""
    if not door.permission:
        return True
    if door.permission == "add":
        return bool(admin.has_add_permission(request))
    if door.permission in ("change", "delete"):
        return bool(getattr(admin, f"has_{door.permission}_permission")(request, _object(admin, request)))
    name = door.permission.removeprefix("action ")
    offers = door.permission == "view" or name in offered(admin, request)
    return offers and bool(admin.has_view_or_change_permission(request, _object(admin, request)))


def _object(admin: Any, request: HttpRequest) -> Any:
    """The object that the address names; None when it names none that is there."""
    match = request.resolver_match
    object_id = match.kwargs.get("object_id") if match else None
    if object_id is None:
        return None
    field = request.POST.get(options.TO_FIELD_VAR, request.GET.get(options.TO_FIELD_VAR))
    if field and not admin.to_field_allowed(request, field):
        return None
    return admin.get_object(request, unquote(object_id), field)


def offered(admin: Any, request: HttpRequest) -> dict[str, Any]:
    """The actions that Django would run for this user, by name."""
    found: dict[str, Any] = dict(admin.get_actions(request))
    if _CHANGE_FORM and "action_location" in get_func_args(admin.get_actions):
        found |= admin.get_actions(request, action_location=_CHANGE_FORM)
    return found


def _only_confirms(admin: Any, door: Door, request: HttpRequest) -> bool:
    if door.permission != "action delete_selected" or request.POST.get("post"):
        return False
    found = offered(admin, request).get("delete_selected")
    function = getattr(found, "func", None) or (found[0] if found else None)
    return function is delete_selected


# URLs


def guarded(admin: Any, patterns: Sequence[URLPattern | URLResolver]) -> list[URLPattern | URLResolver]:
    """The ModelAdmin's URLs, each view behind what its doors ask."""
    return [_guarded(admin, pattern) for pattern in patterns]


def _guarded(admin: Any, pattern: URLPattern | URLResolver) -> URLPattern | URLResolver:
    if isinstance(pattern, URLResolver):
        inner: Any = guarded(admin, pattern.url_patterns)
        names = {"app_name": pattern.app_name, "namespace": pattern.namespace}
        return URLResolver(pattern.pattern, inner, pattern.default_kwargs, **names)
    if pattern.name is None and getattr(pattern.callback, "view_class", None) is RedirectView:
        return pattern  # the old address of the change form, which only sends on
    name = view_name(admin, pattern)
    return URLPattern(pattern.pattern, _view(admin, name, pattern.callback), pattern.default_args, pattern.name)


def view_name(admin: Any, pattern: URLPattern) -> str:
    """The pattern's name without the model's: "change", "password_change"."""
    return (pattern.name or "").removeprefix(f"{admin.opts.app_label}_{admin.opts.model_name}_")


def _view(admin: Any, name: str, view: Any) -> Any:
    found = possible(admin, name)
    requirements = [DoorRequirement(**asked._asdict(), admin=admin, view=name, by="admin") for asked in found]
    if requirements and name not in _STOCK_DOORS:
        # Whoever is asked for a step-up must be somebody whom the site lets in.
        view = _for_staff(admin.admin_site, view)
    if not iscoroutinefunction(view):
        view = _vouching(admin, name, view, requirements)
    for one in reversed(requirements):
        view = marked(view, one)
    return view


def _for_staff(site: Any, view: Any) -> Any:
    if not iscoroutinefunction(view):
        return site.admin_view(view)

    @wraps(view)
    async def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:  # admin_view takes no async views
        if await sync_to_async(site.has_permission)(request):
            return await view(request, *args, **kwargs)
        return redirect_to_login(request.get_full_path(), reverse("admin:login", current_app=site.name))

    return inner


def _vouching(admin: Any, name: str, view: Any, requirements: list[DoorRequirement]) -> Any:
    """The view, telling `demand` that the guard has asked all that this request's doors ask."""

    @wraps(view)
    def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        own = enforcement.gate(request)
        answered = {one.asked for one in requirements if one in own.answered}
        if all(admin.asked_at(door) in (None, *answered) for door in opened(admin, name, request)):
            request._authsignal_vouched = {*getattr(request, "_authsignal_vouched", ()), admin}  # type: ignore[attr-defined] # ours, kept on the request
        return view(request, *args, **kwargs)

    return inner


def demand(admin: Any, door: Door, request: HttpRequest) -> None:
    """Asks deep inside a view what a door asks, unless the guard has. Raises ChallengeRequired or ActionBlocked.

    For effects that come by another way than the ModelAdmin's own URLs, and for those the guard took for forbidden.
    """
    asked = admin.asked_at(door)
    if asked and admin not in getattr(request, "_authsignal_vouched", ()):
        enforcement.gate(request).require(**asked._asdict())
