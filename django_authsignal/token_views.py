"""Which views of a urlconf trade a password, or a consent, for a token, and which of them the gate does not guard.

Found by the names of their classes: nothing is imported for it, and what is not installed is not missed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver

OURS = "django_authsignal.contrib.rest_framework"
# What issues tokens, and what stands in its place.
DROP_INS = {
    "rest_framework.authtoken.views.ObtainAuthToken": f"{OURS}.authtoken.ObtainAuthToken",
    "rest_framework_simplejwt.views.TokenObtainPairView": f"{OURS}.simplejwt.TokenObtainPairView",
    "rest_framework_simplejwt.views.TokenObtainSlidingView": f"{OURS}.simplejwt.TokenObtainSlidingView",
    "knox.views.LoginView": f"{OURS}.knox.LoginView",
    "dj_rest_auth.views.LoginView": f"{OURS}.dj_rest_auth.LoginView",
    "djoser.views.TokenCreateView": "",
}
# Serializers that take a password: whatever view has one issues something for it.
PASSWORD_SERIALIZERS = {
    "rest_framework.authtoken.serializers.AuthTokenSerializer",
    "rest_framework_simplejwt.serializers.TokenObtainSerializer",
    "dj_rest_auth.serializers.LoginSerializer",
}
OAUTH_ISSUERS = {
    "oauth2_provider.views.base.TokenView",
    "oauth2_provider.views.device.DeviceAuthorizationView",
}
# Where a person says yes to what those issue.
OAUTH_CONSENTS = {
    "oauth2_provider.views.base.BaseAuthorizationView",
    "oauth2_provider.views.device.DeviceUserCodeView",
    "oauth2_provider.views.device.DeviceConfirmView",
}


@dataclass(frozen=True)
class TokenView:
    """A view that issues tokens without the gate."""

    route: str
    name: str  # of the class that issues
    fix: str


def unguarded(patterns: list[Any], *, sessions_are_asked: bool) -> Iterator[TokenView]:
    """The views among these URL patterns that issue tokens without the gate.

    `sessions_are_asked`: every session must hold a sign-in's proof, so that a consent given in one does.
    """
    found = [(route, view, class_of(view)) for route, view in views_in(patterns)]
    consents = [view for _, view, cls in found if OAUTH_CONSENTS & names_of(cls).keys()]
    by_consent = sessions_are_asked or (bool(consents) and all(map(_is_marked, consents)))
    for route, view, cls in found:
        if _is_marked(view) or _asks(cls):
            continue
        issues = next((name for name in names_of(cls) if name in DROP_INS), None) or _by_password(cls)
        if issues:
            yield TokenView(route, issues, _fix(cls, issues))
        elif OAUTH_ISSUERS & names_of(cls).keys() and not by_consent:
            fix = (
                "It trades what a person allowed. Put django_authsignal.decorators.login_required around "
                "AuthorizationView and the views of the device grant, or SignInChallengeMiddleware in MIDDLEWARE."
            )
            yield TokenView(route, min(OAUTH_ISSUERS & names_of(cls).keys()), fix)


def views_in(patterns: list[Any], prefix: str = "/") -> Iterator[tuple[str, Any]]:
    """Every view of these URL patterns, includes and routers followed, with its route as a person writes it."""
    for one in patterns:
        route = prefix + str(one.pattern).removeprefix("^").removesuffix("$").replace("\\Z", "")
        if isinstance(one, URLResolver):
            yield from views_in(one.url_patterns, route)
        elif isinstance(one, URLPattern):
            yield route, one.callback


def class_of(view: Any) -> type:
    """The class behind a view function: decorators, and functools.partial, are looked through."""
    while view is not None:
        for name in ("cls", "view_class"):
            found = getattr(view, name, None)
            if isinstance(found, type):
                return found
        view = getattr(view, "__wrapped__", None) or getattr(view, "func", None)
    return object


def names_of(cls: type) -> dict[str, None]:
    """The dotted names of a class and its bases, in their order."""
    return dict.fromkeys(f"{one.__module__}.{one.__qualname__}" for one in cls.__mro__)


def _is_marked(view: Any) -> bool:
    return bool(getattr(view, "authsignal_requirements", ()))


def _asks(cls: type) -> bool:
    """True for a view with one of our mixins."""
    return bool({f"{OURS}.views.SignInMixin", f"{OURS}.views.ChallengeRequiredMixin"} & names_of(cls).keys())


def _by_password(cls: type) -> str:
    serializer = getattr(cls, "serializer_class", None)
    names = names_of(serializer) if isinstance(serializer, type) else {}
    taken = next((name for name in names if name in PASSWORD_SERIALIZERS), "")
    return f"{cls.__module__}.{cls.__qualname__} ({taken.rpartition('.')[2]})" if taken else ""


def _fix(cls: type, issues: str) -> str:
    drop_in = DROP_INS.get(issues, "")
    if drop_in and next(iter(names_of(cls))) == issues:
        return f"Use {drop_in} in its place."
    base = f"{drop_in} instead of {issues}" if drop_in else f"{OURS}.SignInMixin before the view"
    return f"Name {base} in the bases of {cls.__qualname__}."
