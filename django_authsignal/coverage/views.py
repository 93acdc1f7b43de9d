"""From a URL pattern to its doors: functions, class-based views, Django REST framework's, ninja's."""

import inspect
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from ..enforcement import Requirement, policy_of
from ..guards import requirements_of
from . import admin_doors
from .doors import Door, Pattern, asks_of, describe, name_of, place_of

EXEMPT = "authsignal_not_required"  # the mark of challenge_not_required


def doors_of(pattern: Pattern) -> Iterator[Door]:
    """The doors behind a URL pattern. What cannot be read is a door with a fault."""
    if pattern.fault:
        yield _door(pattern, "function", "", fault=pattern.fault)
        return
    try:
        exempt = _exempt(pattern.view)
        yield from [replace(one, exempt=one.exempt or exempt) for one in _read(pattern)]
    except Exception as exc:  # somebody's view answers questions about itself by an error
        kind = type(pattern.view)
        yield _door(pattern, "function", f"{kind.__module__}.{kind.__qualname__}", fault=f"{type(exc).__name__}: {exc}")


def _read(pattern: Pattern) -> Iterable[Door]:
    view = pattern.view
    if admin_doors.admin_of(view) is not None:
        return admin_doors.doors_of(pattern)
    operations = _operations(view)
    if operations:
        return _of_ninja(pattern, operations)
    cls = getattr(view, "cls", None)
    if isinstance(cls, type) and hasattr(cls, "initialize_request"):
        return _of_rest(pattern, cls)
    cls = getattr(view, "view_class", None)
    if isinstance(cls, type):
        return _of_class(pattern, cls)
    return _of_function(pattern)


def _door(pattern: Pattern, kind: str, view: str, **values: Any) -> Door:
    given = {"methods": (), "where": "", **values}
    return Door(kind=kind, url=pattern.url, name=pattern.name, view=view, namespaces=pattern.app_names, **given)


def _exempt(*places: Any) -> str:
    for place in places:
        owner = getattr(place, "view_class", None) or getattr(place, "cls", None)
        # A subclass does other things than its parent: it is not excused with it.
        reason = getattr(place, EXEMPT, "") or (vars(owner).get(EXEMPT) if isinstance(owner, type) else "")
        if reason:
            return str(reason)
    return ""


# Functions


def _of_function(pattern: Pattern) -> Iterator[Door]:
    view = pattern.view
    target = inspect.unwrap(getattr(view, "func", view))
    methods = methods_of_function(view)
    asked = requirements_of(view)
    about: dict[str, Any] = {"where": place_of(view), "target": target}
    for method in methods or [""]:
        asks = asks_of(asked, method)
        yield _door(pattern, "function", name_of(target), methods=(method,) if method else (), asks=asks, **about)


def methods_of_function(view: Any) -> list[str]:
    """The HTTP methods that `require_http_methods` lets through; [] when nothing says."""
    while view is not None:
        code = getattr(view, "__code__", None)
        if code and "request_method_list" in code.co_freevars:
            cell = view.__closure__[code.co_freevars.index("request_method_list")]
            return [method for method in cell.cell_contents if method not in ("HEAD", "OPTIONS")]
        view = getattr(view, "__wrapped__", None)
    return []


# Class-based views


def handlers_of(cls: type, names: Iterable[str]) -> list[str]:
    """The HTTP methods a class answers by itself, HEAD and OPTIONS left out."""
    return [name.upper() for name in names if name not in ("head", "options", "trace") and hasattr(cls, name)]


def _of_class(pattern: Pattern, cls: type) -> Iterator[Door]:
    initkwargs = getattr(pattern.view, "view_initkwargs", {})
    names = initkwargs.get("http_method_names", getattr(cls, "http_method_names", ()))
    whole = requirements_of(pattern.view)
    for method in handlers_of(cls, names):
        handler = getattr(cls, method.lower())
        own = [one for one in requirements_of(handler) if one not in whole]
        yield _door(
            pattern,
            "class",
            f"{name_of(cls)}.{method.lower()}",
            methods=(method,),
            where=place_of(cls),
            asks=asks_of([*whole, *own], method),
            exempt=_exempt(handler),
            target=cls,
            model=_model_of(cls, initkwargs),
        )


def _model_of(cls: type, initkwargs: Any = ()) -> Any:
    values = dict(initkwargs)
    model = values.get("model") or getattr(cls, "model", None)
    queryset = values.get("queryset")
    queryset = getattr(cls, "queryset", None) if queryset is None else queryset
    form = getattr(getattr(cls, "form_class", None), "_meta", None)
    serializer = getattr(getattr(cls, "serializer_class", None), "Meta", None)
    found = (model, getattr(queryset, "model", None), getattr(form, "model", None), getattr(serializer, "model", None))
    return next((one for one in found if hasattr(one, "_meta")), None)


# Django REST framework


def _of_rest(pattern: Pattern, cls: type) -> Iterator[Door]:
    view = pattern.view
    actions = dict(getattr(view, "actions", None) or {})
    names = actions or dict.fromkeys(getattr(cls, "http_method_names", ()))
    made = cls(**getattr(view, "initkwargs", {}))
    whole = requirements_of(view)
    for method in handlers_of(cls, names) if not actions else [name.upper() for name in actions]:
        action = actions.get(method.lower())
        if method in ("HEAD", "OPTIONS"):
            continue
        handler = getattr(cls, action or method.lower(), None)
        function = _function_of_api_view(handler)
        own = [*_mixins(made, method, action), *requirements_of(handler), *requirements_of(function)]
        about = function or cls
        yield _door(
            pattern,
            "rest",
            name_of(function) if function else f"{name_of(cls)}.{action or method.lower()}",
            methods=(method,),
            where=place_of(about),
            asks=asks_of([*whole, *(one for one in own if one not in whole)], method),
            exempt=_exempt(handler, function),
            target=about if function is None else inspect.unwrap(function),
            words=(action,) if action else (),
            model=_model_of(cls),
        )


def _mixins(made: Any, method: str, action: str | None) -> tuple[Requirement, ...]:
    get = getattr(made, "get_challenge_requirements", None)
    return tuple(get(method, action)) if get else ()


def _function_of_api_view(handler: Any) -> Any:
    """What stands below @api_view: its class only calls it."""
    code = getattr(handler, "__code__", None)
    if code is None or code.co_freevars != ("func",) or code.co_name != "handler":
        return None
    return handler.__closure__[0].cell_contents


# django-ninja


def _operations(view: Any) -> list[Any]:
    cells = getattr(inspect.unwrap(view), "__closure__", None) or ()
    for cell in cells:
        try:
            held = cell.cell_contents
        except ValueError:  # an empty cell
            continue
        if type(held).__module__.startswith("ninja.") and hasattr(held, "operations"):
            return list(held.operations)
    return []


def _of_ninja(pattern: Pattern, operations: Iterable[Any]) -> Iterator[Door]:
    whole = requirements_of(pattern.view)
    for operation in operations:
        function = operation.view_func
        own = [*whole, *(one for one in requirements_of(function) if one not in whole)]
        for method in operation.methods:
            asks = asks_of(own, method)
            if hasattr(function, "authsignal_signs_in"):  # it trades a password for a token, and asks of it
                asks = (*asks, describe(policy_of(None), "decorator"))
            yield _door(
                pattern,
                "ninja",
                name_of(inspect.unwrap(function)),
                methods=(method,),
                where=place_of(function),
                asks=asks,
                exempt=_exempt(function),
                target=inspect.unwrap(function),
            )
