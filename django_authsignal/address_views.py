"""Which views of a urlconf change an address that Authsignal sends codes to, and ask no step-up for it.

Found by the names of their classes and by their forms: nothing is imported for it, and what is not installed is not
missed. A view that asks in its own code, by `request.authsignal.require`, cannot be seen.
"""

from collections.abc import Iterator
from typing import Any

from django.contrib.auth import get_user_model
from django.forms import ModelForm
from django.views.generic.edit import ModelFormMixin

from .token_views import class_of, names_of, views_in

# Packages and names of classes in them: their modules move from one version to the next.
KNOWN = {
    ("allauth.account", "EmailView"),
    ("allauth.account", "ChangePhoneView"),
    ("allauth.headless", "ManageEmailView"),
    ("allauth.headless", "ManagePhoneView"),
    ("djoser", "UserViewSet"),
}
ASKING = {
    "django_authsignal.mixins.ChallengeRequiredMixin",
    "django_authsignal.contrib.rest_framework.views.ChallengeRequiredMixin",
}


def unguarded(patterns: list[Any]) -> Iterator[tuple[str, str]]:
    """The route and the name of each view among these URL patterns that changes an address and asks nothing."""
    for route, view in views_in(patterns):
        cls = class_of(view)
        asks = getattr(view, "authsignal_requirements", ()) or getattr(cls, "authsignal_requirements", ())
        if asks or ASKING & names_of(cls).keys():
            continue
        if is_known(cls) or _has_the_field(cls, getattr(view, "view_initkwargs", {})):
            yield route, f"{cls.__module__}.{cls.__qualname__}"


def is_known(cls: type) -> bool:
    """True for a view of a library that changes an address, and for one made from it."""
    return any(
        one.__module__.startswith(f"{package}.") and one.__qualname__ == name
        for one in cls.__mro__
        for package, name in KNOWN
    )


def _has_the_field(cls: type, given: dict[str, Any]) -> bool:
    """True for a view whose form changes the user model's own e-mail field. One that makes users is a sign-up."""
    if not issubclass(cls, ModelFormMixin) or "CreateView" in {one.__name__ for one in cls.__mro__}:
        return False
    user = get_user_model()
    field = user.get_email_field_name() if hasattr(user, "get_email_field_name") else ""
    form = given.get("form_class") or cls.form_class
    about: Any
    if isinstance(form, type) and issubclass(form, ModelForm):
        about, fields = form._meta.model, set(form.base_fields)
    else:
        about = given.get("model") or cls.model or getattr(given.get("queryset", cls.queryset), "model", None)
        named = given.get("fields") or cls.fields or ()
        fields = {named} if isinstance(named, str) else set(named)
    return isinstance(about, type) and issubclass(about, user) and bool(fields & {field, "__all__"})
