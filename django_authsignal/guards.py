"""Marks on views, and how they reach an included urlconf and a REST framework's views."""

import inspect
import sys
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, cast

from django.http import HttpRequest
from django.urls import URLPattern, URLResolver
from django.utils.module_loading import import_string

from . import channel
from .enforcement import Requirement

Decorate = Callable[[Any], Any]


def mark(view: Any, requirement: Requirement) -> None:
    """Writes a requirement on a view, in front of those it has, once."""
    others = (one for one in requirements_of(view) if one is not requirement)
    view.authsignal_requirements = (requirement, *others)


def requirements_of(view: Any) -> tuple[Requirement, ...]:
    """What decorators and mixins ask of a view, outermost first."""
    found: tuple[Requirement, ...] = getattr(view, "authsignal_requirements", ())
    return found


def inside(view: Any) -> Iterator[Any]:
    """What decorators were put around, from the outside in."""
    while (view := getattr(view, "__wrapped__", None)) is not None:
        yield view


class GuardedURLs:
    """An included urlconf whose every view is decorated; read when it is first resolved, as Django does."""

    def __init__(self, urlconf: Any, decorate: Decorate) -> None:
        self._urlconf = urlconf
        self._decorate = decorate

    @cached_property
    def urlpatterns(self) -> list[URLPattern | URLResolver]:
        """The patterns, each view decorated."""
        return [self._guarded(one) for one in getattr(self._urlconf, "urlpatterns", self._urlconf)]

    def _guarded(self, one: URLPattern | URLResolver) -> URLPattern | URLResolver:
        if isinstance(one, URLPattern):
            return URLPattern(one.pattern, self._decorate(one.callback), one.default_args, one.name)
        inner = GuardedURLs(one.urlconf_module, self._decorate)
        return URLResolver(
            one.pattern, cast("Any", inner), one.default_kwargs, app_name=one.app_name, namespace=one.namespace
        )


def guarded_urls(included: tuple[Any, ...], decorate: Decorate) -> tuple[Any, ...]:
    """What `include()` (or `admin.site.urls`) gave, every view of it decorated."""
    urlconf, *names = included
    return (GuardedURLs(urlconf, decorate), *names)


def rest_framework_guard(view: Any, requirement: Requirement) -> Any:
    """The view of a REST framework, asking in its own idiom: who comes is known there only inside. Else None."""
    api_view = getattr(sys.modules.get("rest_framework.views"), "APIView", None)
    cls = getattr(view, "cls", None)
    if api_view is None or not isinstance(cls, type) or not issubclass(cls, api_view):
        return None
    return import_string("django_authsignal.contrib.rest_framework.views.guarded")(view, requirement)


def ninja_guard(target: Any, requirement: Requirement) -> Any:
    """An operation of django-ninja, or a view it made, asking in its own idiom: there, too. Else None."""
    if "ninja.operation" not in sys.modules or not _is_ninjas(target):
        return None
    return import_string("django_authsignal.contrib.ninja.decorators.guarded")(target, requirement)


def _is_ninjas(target: Any) -> bool:
    # An operation's function below `@api.post` is not known to be one yet: that is wrapped as any function.
    bound = getattr(inspect.unwrap(target), "__self__", None)
    return (
        hasattr(target, "_ninja_operation")
        or isinstance(bound, sys.modules["ninja.operation"].Operation)
        or import_string("django_authsignal.contrib.ninja.doors.path_view_of")(target) is not None
    )


def take_over(request: HttpRequest, view: Any) -> bool:
    """Before the view: True when a framework is to ask what is asked of it, knowing only inside who comes."""
    if "ninja.operation" not in sys.modules:
        return False
    return bool(import_string("django_authsignal.contrib.ninja.doors.take_over")(request, view))


def unwrapped(request: Any) -> Any:
    """Django's own request inside a REST framework's, which its serializers hand to `authenticate()`."""
    inner = getattr(request, "_request", None)
    return inner if isinstance(inner, HttpRequest) else request


def adopt(wrapper: Any, request: HttpRequest) -> None:
    """Takes over who a REST framework found to come, and by which credential."""
    if "rest_framework.views" in sys.modules:
        import_string("django_authsignal.contrib.rest_framework.credentials.identify")(wrapper, request)
    elif wrapper.user.is_authenticated:
        channel.set_credential(request, request.META.get("HTTP_AUTHORIZATION", ""))
