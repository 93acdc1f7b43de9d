"""The line to write, so that a door asks."""

from typing import Any

from . import sensitive
from .doors import Door, is_the_projects


def line_for(door: Door) -> str:
    """What to write, with an action code to begin with."""
    if sensitive.resets_a_password(door):
        return 'Add "django_authsignal.middleware.SignInChallengeMiddleware" to MIDDLEWARE, after AuthsignalMiddleware.'
    code = sensitive.action_for(door)
    if door.kind == "admin":
        return _admin(door, code)
    if not is_the_projects(door.target):
        return _around(door, code)
    if door.kind == "rest":
        return _rest(door, code)
    if isinstance(door.target, type):
        return f'class {_bases(door.target, "ChallengeRequiredMixin")}: challenge_action = "{code}"'
    return f'@challenge_required("{code}")  # above def {door.target.__name__}'


def _bases(target: type, mixin: str) -> str:
    names = [base.__name__ for base in target.__bases__ if base is not object]
    has_it = mixin in {one.__name__ for one in target.__mro__}
    return f"{target.__name__}({', '.join(names if has_it else [mixin, *names])})"


def _around(door: Door, code: str) -> str:
    target: Any = door.target
    name = getattr(target, "__name__", None) or door.view.rpartition(".")[2]
    view = f"{name}.as_view()" if isinstance(target, type) else name
    if door.view.startswith("django.contrib.admin.sites."):
        view = f"admin.site.admin_view(admin.site.{name})"
    kept = f', name="{door.name}"' if door.name and ":" not in door.name else ""
    return f'path("{door.url.lstrip("/")}", challenge_required("{code}")({view}){kept}),  # before what includes it now'


def _rest(door: Door, code: str) -> str:
    if not isinstance(door.target, type):
        return f'@challenge_required("{code}")  # right above @api_view of {door.target.__name__}'
    key = door.words[0] if door.words else door.methods[0].lower()
    return f'class {_bases(door.target, "ChallengeRequiredMixin")}: challenge_actions = {{"{key}": "{code}"}}'


def _admin(door: Door, code: str) -> str:
    own = f'challenge_action = "{code}"'
    if is_the_projects(door.target):
        return f"class {_bases(door.target, 'ChallengeRequiredAdminMixin')}: {own}"
    name, model = door.target.__name__, door.model.__name__
    mine = f"@admin.register({model}) class My{name}(ChallengeRequiredAdminMixin, {name})"
    return f"admin.site.unregister({model}); {mine}: {own}"
