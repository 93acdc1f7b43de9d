"""`AuthsignalAdminSite`: an admin of which every page asks for the sign-in's proof, and a step-up if you like."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.urls import URLPattern, URLResolver, include

from ..client import ConfigurationError
from ..decorators import marked, sign_in_challenge_not_required
from ..enforcement import Requirement
from ..guards import guarded_urls
from ..policy import Policy
from . import doors


@dataclass(frozen=True, eq=False)
class SiteRequirement(Requirement):
    """What a site asks of those whom it lets in; all others are left to its sign-in page."""

    site: Any = None

    def applies(self, request: HttpRequest, policy: Policy) -> bool:
        """True for whoever has the site's permission."""
        return super().applies(request, policy) and bool(self.site.has_permission(request))


class AuthsignalAdminSiteMixin:
    """Put before an AdminSite in the bases: yours, or a theme's."""

    #: A step-up asked of every page, besides the sign-in's proof: an action code, or a dict as in `challenge_actions`.
    challenge_action: str | Mapping[str, Any] | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        order = cls.__mro__
        if AdminSite in order and order.index(AdminSite) < order.index(AuthsignalAdminSiteMixin):
            raise ConfigurationError(f"{cls.__name__}: put AuthsignalAdminSiteMixin before AdminSite in the bases.")
        doors.asked_of(cls.challenge_action, f"{cls.__name__}.challenge_action")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        asked = doors.asked_of(self.challenge_action, "challenge_action")
        step_up = [SiteRequirement(**asked._asdict(), site=self, by="admin")] if asked else []
        self._requirements = [SiteRequirement(action=None, site=self, by="admin"), *step_up]

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Callable[..., Any]:
        """Django's, and what the site asks; for views of your own as well."""
        found: Callable[..., Any] = super().admin_view(view, cacheable)  # type: ignore[misc] # of the class it is put before
        return found if view == self.logout else self._guarded(found)  # type: ignore[attr-defined] # of the class it is put before

    @property
    def urls(self) -> tuple[list[URLPattern | URLResolver], str, str]:
        """Every URL of the site, asked before the view and its transaction begin."""
        patterns, *names = super().urls  # type: ignore[misc] # of the class it is put before
        return ([self._behind(one) for one in patterns], *names)

    def include(self, urlconf: Any, namespace: str | None = None) -> tuple[Any, ...]:
        """Django's `include` for what stands beside the site, such as admindocs: each view is one of the site's."""
        return guarded_urls(include(urlconf, namespace), lambda view: self._guarded(self.admin_view(view)))

    def _guarded(self, view: Any) -> Any:
        for one in reversed(self._requirements):
            view = marked(view, one)
        return view

    def _behind(self, one: URLPattern | URLResolver) -> URLPattern | URLResolver:
        if isinstance(one, URLResolver):
            inner: Any = [self._behind(each) for each in one.url_patterns]
            names = {"app_name": one.app_name, "namespace": one.namespace}
            return URLResolver(one.pattern, inner, one.default_kwargs, **names)
        # Whoever did not prove it must still be able to give up.
        view = _may_leave(one.callback) if one.name in ("login", "logout") else self._guarded(one.callback)
        return URLPattern(one.pattern, view, one.default_args, one.name)


def _may_leave(view: Any) -> Any:
    @wraps(view)
    def inner(*args: Any, **kwargs: Any) -> Any:
        return view(*args, **kwargs)

    return sign_in_challenge_not_required(inner)


class AuthsignalAdminSite(AuthsignalAdminSiteMixin, AdminSite):  # type: ignore[misc] # any view, as Django's
    """Django's AdminSite, of which every page but sign-in and logout demands a proved sign-in.

    However a session was logged in: by `login()` in code, by another site's page, by a backend without the gate.
    """
