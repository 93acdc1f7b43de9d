"""What looks as if it should ask: judged by names of URLs, views and models, and by well-known classes.

A guess, made so that a person decides: either it asks, or somebody wrote down why not.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model

from . import admin_doors
from .doors import Door

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^A-Za-z0-9]+")
_PARAMETER = re.compile(r"<[^>]*>")

CHANGING = {"change", "update", "edit", "set", "add", "new", "remove", "replace", "primary", "move"}


class Rule(NamedTuple):
    """What it looks like, and the words of a name that say so."""

    reason: str
    words: frozenset[str]
    also: frozenset[str] = frozenset()  # when given: one of these must be there as well
    unless: frozenset[str] = frozenset()  # none of these may be there
    reads: bool = False  # looking is sensitive already

    def found(self, words: set[str]) -> str:
        """The word that says it, or ""."""
        fits = self.words & words and (not self.also or self.also & words) and not self.unless & words
        return min(self.words & words) if fits else ""


def _rule(reason: str, words: str, also: Iterable[str] = (), *, unless: str = "", reads: bool = False) -> Rule:
    return Rule(reason, frozenset(words.split()), frozenset(also), frozenset(unless.split()), reads)


RULES = (
    _rule("changes how somebody proves who they are", "mfa 2fa otp totp webauthn passkey authenticator twofactor"),
    _rule("changes how somebody proves who they are", "factor", ["two", "second", "remove", "delete", "add"]),
    _rule("gives out recovery codes", "recovery backup", ["code"], reads=True),
    _rule("changes a password", "password passwd passphrase pin"),
    _rule("changes where messages to somebody go", "email mail phone mobile username", CHANGING),
    _rule(
        "moves money",
        "pay payment payout paid withdraw withdrawal transfer refund charge payee beneficiary iban wire",
    ),
    _rule(
        "moves money",
        "checkout purchase donate topup disburse remit invoice",
        ["pay", "new", "send", "approve", "settle", "create"],
    ),
    _rule(
        "gives out a credential", "token apikey secret credential", unless="refresh verify blacklist introspect csrf"
    ),
    _rule("gives out a credential", "key", ["api", "access", "ssh", "private", "signing", "deploy"]),
    _rule("hands out data", "export takeout dump backup", reads=True),
    _rule("hands out data", "download", ["data", "archive", "user", "customer", "all", "report"], reads=True),
    _rule("lets somebody act as another", "impersonate hijack su sudo loginas masquerade", unless="release stop end"),
    _rule("changes who may do what", "permission role privilege grant revoke superuser promote"),
    _rule(
        "changes who may do what",
        "group user member staff admin",
        CHANGING | {"create", "delete", "deactivate", "invite"},
    ),
    _rule("closes an account", "deactivate deregister unregister"),
    _rule("closes an account", "account", ["close", "closing", "delete", "cancel", "remove"]),
    _rule("deletes", "delete destroy remove erase purge wipe truncate"),
)

# Well-known classes: what they do, and the code to ask with. Named by their package, however it is cut into modules.
KNOWN = {
    "django:PasswordChangeView": ("changes a password", "changePassword"),
    "django:DeleteView": ("deletes", ""),
    "allauth:PasswordChangeView": ("changes a password", "changePassword"),
    "allauth:PasswordSetView": ("changes a password", "changePassword"),
    "allauth:EmailView": ("changes where messages to somebody go", "changeEmail"),
    "allauth:ConnectionsView": ("changes how somebody signs in", "manageConnections"),
}
HARMLESS = {
    "django:LoginView",
    "django:LogoutView",
    "django:PasswordChangeDoneView",
    "django:PasswordResetDoneView",
    "django:PasswordResetCompleteView",
    "django:RedirectView",
    "rest_framework:APIRootView",
    "knox:LogoutView",
    "knox:LogoutAllView",
}
HARMLESS_FUNCTIONS = (
    "django.contrib.admin.sites.AdminSite.password_change_done",
    "django.contrib.contenttypes.",
    "django.views.",
)
# Views of people who are not signed in yet, or who prove it there and then.
SIGNING_IN = {"login", "logout", "signin", "signout", "signup", "register", "authenticate", "reauthenticate"}
AUTH_MODELS = {
    "auth.Group": "changes who may do what",
    "auth.Permission": "changes who may do what",
    "authtoken.Token": "gives out a credential",
    "authtoken.TokenProxy": "gives out a credential",
    "knox.AuthToken": "gives out a credential",
    "oauth2_provider.Application": "gives out a credential",
    "oauth2_provider.AccessToken": "gives out a credential",
    "oauth2_provider.RefreshToken": "gives out a credential",
    "token_blacklist.OutstandingToken": "gives out a credential",
    "sessions.Session": "ends or reads sessions",
    "account.EmailAddress": "changes where messages to somebody go",
    "socialaccount.SocialAccount": "changes how somebody signs in",
    "socialaccount.SocialApp": "changes how somebody signs in",
    "mfa.Authenticator": "changes how somebody proves who they are",
    "otp_totp.TOTPDevice": "changes how somebody proves who they are",
    "otp_static.StaticDevice": "changes how somebody proves who they are",
}
MONEY_AND_KEYS = tuple(rule for rule in RULES if rule.reason in ("moves money", "gives out a credential"))
WRITES = ("change", "delete", "add", "delete_selected", "list_editable")


def reason(door: Door) -> str:
    """Why a door looks sensitive; "" when it does not."""
    if door.kind == "code" or "authsignal" in door.namespaces:
        return ""
    return _admin_reason(door) if door.kind == "admin" else _view_reason(door)


def bases_of(target: Any) -> set[str]:
    """The names of a class and its bases, dotted and as "package:Class"; of anything else none."""
    mro = target.__mro__ if isinstance(target, type) else ()
    dotted = {f"{one.__module__}.{one.__qualname__}" for one in mro}
    return dotted | {f"{one.__module__.partition('.')[0]}:{one.__qualname__}" for one in mro}


def resets_a_password(door: Door) -> bool:
    """True for the views of a forgotten password, whose visitors nobody can ask."""
    if door.kind == "admin" or not door.is_unsafe or HARMLESS & bases_of(door.target):
        return False
    words = words_of(door)
    return "password" in words and bool({"reset", "forgot", "forgotten", "lost", "request"} & words)


def _is_harmless(door: Door) -> bool:
    bases = bases_of(door.target)
    own = getattr(door.target, "__name__", "").replace("_", "").lower().removesuffix("view")
    return bool(HARMLESS & bases) or own in SIGNING_IN or (not bases and door.view.startswith(HARMLESS_FUNCTIONS))


def _view_reason(door: Door) -> str:
    if _is_harmless(door):
        return ""
    if resets_a_password(door):
        return "sets a new password for whoever reads somebody's mail"
    bases, words = bases_of(door.target), words_of(door)
    known = next((about for name, about in KNOWN.items() if name in bases), None)
    if known and door.is_unsafe:
        return _with_model(known[0], door)
    for rule in RULES:
        word = rule.found(words) if door.is_unsafe or rule.reads else ""
        if word:
            return f"{_with_model(rule.reason, door)} (it says {word!r})"
    if door.is_unsafe and door.kind == "rest" and door.methods == ("DELETE",):
        return _with_model("deletes", door)
    return _model_reason(door.model) if door.is_unsafe and door.model is not None else ""


def _admin_reason(door: Door) -> str:
    key = door.words[0]
    if key in ("view", "history", "autocomplete"):
        return ""
    of_model = _model_reason(door.model)
    if key in WRITES:
        return of_model or (_inline_reason(door) if key in ("change", "add") else "")
    words = _split(key)
    said = next(((rule, rule.found(words)) for rule in RULES if rule.found(words)), None)
    return f"{said[0].reason} (it says {said[1]!r})" if said else of_model


def _inline_reason(door: Door) -> str:
    for model in admin_doors.inline_models(door.target):
        found = _model_reason(model)
        if found:
            return f"{found}, by an inline"
    return ""


def _model_reason(model: Any) -> str:
    label = model._meta.label
    if issubclass(model, get_user_model()):
        return "changes who may do what (users)"
    if label in AUTH_MODELS:
        return f"{AUTH_MODELS[label]} ({label})"
    words = _split(model.__name__)
    found = next((rule for rule in MONEY_AND_KEYS if rule.found(words)), None)
    return f"{found.reason} ({label})" if found else ""


def _with_model(text: str, door: Door) -> str:
    return f"{text}: {door.model._meta.verbose_name}" if door.model is not None else text


def words_of(door: Door) -> set[str]:
    """The words of everything a door is called: its address, its name, its view."""
    view = door.view.rpartition(".")
    own = [view[2], view[0].rpartition(".")[2]] if door.kind in ("class", "rest") else [view[2]]
    methods = {"get", "post", "put", "patch", "delete", "list", "create", "update", "retrieve"}
    names = [_PARAMETER.sub(" ", door.url), door.name, *door.words, *(one for one in own if one not in methods)]
    return {word for name in names for word in _split(name)}


def _split(name: str) -> set[str]:
    return set(_words(name))


def _words(name: str) -> Iterator[str]:
    pieces = [piece.lower() for piece in _CAMEL.split(name) if piece]
    for piece in pieces:
        yield piece
        if piece.endswith("ies"):
            yield f"{piece[:-3]}y"
        elif piece.endswith("s") and len(piece) > 3:
            yield piece[:-1]
    # "pass-word", "e-mail", "api_key", "2_fa": as one word, too.
    yield from ("".join(pair) for pair in pairwise(pieces))


def action_for(door: Door) -> str:
    """An action code to begin with, made of the door's own name."""
    known = next((about[1] for name, about in KNOWN.items() if name in bases_of(door.target) and about[1]), "")
    model = door.model.__name__ if door.model is not None else ""
    if known or door.view == "django.contrib.admin.sites.AdminSite.password_change":
        return known or "changePassword"
    if door.kind == "admin":
        return _code(["manage", model])
    name = str(getattr(door.target, "__name__", "")).removesuffix("View")
    if door.kind == "rest" and door.words:
        verbs = {"destroy": "delete", "partial_update": "change", "update": "change", "create": "add"}
        verb = verbs.get(door.words[0], "")
        return _code([verb, model or name.removesuffix("Set")]) if verb else _code([door.words[0]])
    is_generic = getattr(door.target, "__module__", "").startswith("django.views.generic")
    return _code([name, model if is_generic else ""])


def _code(parts: list[str]) -> str:
    words = [word for part in parts for word in _CAMEL.split(part) if word]
    first, *rest = words or ["sensitive", "action"]
    return (first[:1].lower() + first[1:] + "".join(word[:1].upper() + word[1:] for word in rest))[:64]
