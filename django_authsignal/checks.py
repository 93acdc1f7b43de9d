"""System checks: every fault of the setup, with a stable id and the sentence that mends it."""

import re
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.apps import apps
from django.conf import settings as django_settings
from django.contrib.sessions.backends.signed_cookies import SessionStore as SignedCookies
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured
from django.template import engines
from django.urls import NoReverseMatch, get_resolver, reverse
from django.utils.module_loading import import_string

from . import address_views, limit_conf, lockouts, password_backends, token_views, usernameless
from .backends import AuthsignalBackendMixin
from .client import ConfigurationError
from .conf import (
    EMULATOR_COMMAND,
    EMULATOR_PREFIX,
    SECRET_HINT,
    Settings,
    emulator_command,
    get_settings,
    problems,
    resolve,
)

MIDDLEWARE = "django_authsignal.middleware.AuthsignalMiddleware"
SESSIONS_ASKED = "django_authsignal.middleware.SignInChallengeMiddleware"
SESSION = "django.contrib.sessions.middleware.SessionMiddleware"
AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"
ALLAUTH_STAGE = "django_authsignal.contrib.allauth.stages.AuthsignalStage"
OPAQUE_ID = "django_authsignal.identity.opaque_id"
# Settings of Django's that only a site behind a proxy has.
BEHIND_A_PROXY = ("SECURE_PROXY_SSL_HEADER", "USE_X_FORWARDED_HOST", "USE_X_FORWARDED_PORT")
DEADLINE = "django_authsignal.middleware.EnrolmentDeadlineMiddleware"
MESSAGES = "django.contrib.messages.middleware.MessageMiddleware"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"


def _settings() -> Settings | None:
    try:
        return get_settings()
    except ConfigurationError:
        return None  # check_settings reports it


def check_settings(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E001: a fault in the AUTHSIGNAL dict. E030: a cache that is not there. W001: no secret key."""
    raw = getattr(django_settings, "AUTHSIGNAL", None) or {}
    found: list[CheckMessage] = [Error(item.text, hint=item.hint, id="authsignal.E001") for item in problems(raw)]
    settings = _settings()
    if settings and not settings.API_SECRET_KEY:
        # Not an error: `manage.py test` and image builds run checks without secrets. The first call raises.
        text = "AUTHSIGNAL has no API_SECRET_KEY, so no action can be proved and every guarded view stays closed."
        hint = f"Set it from Authsignal's portal, or use the emulator: {EMULATOR_COMMAND}, with EMULATOR on."
        found.append(Warning(text, hint=hint, id="authsignal.W001"))
    if settings and settings.BREAKER_CACHE and settings.BREAKER_CACHE not in django_settings.CACHES:
        text = f"AUTHSIGNAL['BREAKER_CACHE'] is {settings.BREAKER_CACHE!r}, which CACHES does not have."
        known = ", ".join(map(repr, django_settings.CACHES))
        found.append(Error(text, hint=f"Use one of {known}, or None.", id="authsignal.E030"))
    return found


def check_urls(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E002: our urls are not included."""
    try:
        reverse("authsignal:callback", args=["00000000-0000-0000-0000-000000000000"])
    except NoReverseMatch:
        hint = 'Add path("authsignal/", include("django_authsignal.urls")) to the root urlconf.'
        return [Error("The urls of django_authsignal are not included.", hint=hint, id="authsignal.E002")]
    return []


def check_middleware(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E003: the middleware is missing. E004: it stands before the session, the CSRF check or authentication.

    E021: SignInChallengeMiddleware stands before it.
    """
    middleware = list(django_settings.MIDDLEWARE)
    ours = _position(middleware, MIDDLEWARE)
    if ours is None:
        text = "AuthsignalMiddleware is not in MIDDLEWARE, so a challenge that a sign-in raises has no answer."
        return [Error(text, hint=f"Add {MIDDLEWARE!r} right after {AUTHENTICATION!r}.", id="authsignal.E003")]
    found: list[CheckMessage] = []
    for other in (SESSION, CSRF, AUTHENTICATION):
        place = _position(middleware, other)
        if place is None and "django.contrib.sessions" not in django_settings.INSTALLED_APPS:
            continue  # an API whose clients all bring a credential
        # A forged request that reaches us before the CSRF check could begin a challenge, or spend a waiting proof.
        if (place is None and other != CSRF) or (place or 0) > ours:
            text = f"AuthsignalMiddleware needs {other.rpartition('.')[2]} before it in MIDDLEWARE."
            hint = f"Put {MIDDLEWARE!r} right after {AUTHENTICATION!r}, and {other!r} in front of them."
            if other == AUTHENTICATION:
                hint = f"Put {MIDDLEWARE!r} right after it."
            if place is None:
                hint = f"Add {other!r}, and put {MIDDLEWARE!r} after it."
            found.append(Error(text, hint=hint, id="authsignal.E004"))
    sessions = _position(middleware, SESSIONS_ASKED)
    if sessions is not None and sessions < ours:
        text = "SignInChallengeMiddleware stands before AuthsignalMiddleware, which answers what it asks."
        found.append(Error(text, hint=f"Put {SESSIONS_ASKED!r} after {MIDDLEWARE!r}.", id="authsignal.E021"))
    return found


def _position(middleware: Sequence[str], wanted: str) -> int | None:
    """Where a middleware, or a subclass of it, stands."""
    base = import_string(wanted)
    for place, path in enumerate(middleware):
        try:
            found = import_string(path)
        except ImportError:
            continue  # Django reports it
        if path == wanted or (isinstance(found, type) and issubclass(found, base)):
            return place
    return None


def check_backends(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E005: a backend takes passwords without the gate. W005: no backend is gated."""
    backends = {path: password_backends.class_of(path) for path in django_settings.AUTHENTICATION_BACKENDS}
    gated = [path for path, backend in backends.items() if backend and issubclass(backend, AuthsignalBackendMixin)]
    found: list[CheckMessage] = []
    for path, backend in backends.items():
        if backend is None or not gated:
            continue  # Django reports what cannot be imported
        fault = _in_front_of_gate(backend) if path in gated else _beside(backend)
        if fault:
            found.append(Error(f"The backend {path!r} {fault[0]}", hint=fault[1], id="authsignal.E005"))
    if not gated:
        text = "No authentication backend is gated: a password alone signs in."
        hint = "Put django_authsignal.backends.AuthsignalBackend in AUTHENTICATION_BACKENDS, or silence this."
        found.append(Warning(text, hint=hint, id="authsignal.W005"))
    return found


def check_allauth(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E007: django-allauth signs in past the gate, or the gate past allauth's own rules."""
    if not apps.is_installed("allauth.account"):
        return []
    path = getattr(django_settings, "ACCOUNT_ADAPTER", "allauth.account.adapter.DefaultAccountAdapter")
    adapter = import_string(path)()
    stages = adapter.get_login_stages()
    if getattr(adapter, "authsignal_asks_in_stage", False) and stages[-1:] == [ALLAUTH_STAGE]:
        return []
    text = f"{path} does not ask as the last stage of a login: allauth's logins go past the gate, or past each other."
    hint = (
        'Set ACCOUNT_ADAPTER = "django_authsignal.contrib.allauth.adapter.AccountAdapter", or put its '
        "AccountAdapterMixin first in the bases of your own, and AuthsignalStage last of its get_login_stages()."
    )
    return [Error(text, hint=hint, id="authsignal.E007")]


BESIDE = (
    "signs in with a password and without a challenge, beside a gated one.",
    "Remove it, or put AuthsignalBackendMixin before it in the bases of a class of yours.",
)


def _beside(backend: type) -> tuple[str, str] | None:
    """A way to sign in with a password, beside the gate."""
    taken = password_backends.password_taken(backend)
    if not taken:
        return None
    if any(lockouts.locks_out(base) for base in backend.__mro__):
        # Its `aauthenticate` is ModelBackend's, and lets in whoever has the password: past the lock-out, and past us.
        return BESIDE[0], "Use axes.backends.AxesStandaloneBackend, which only locks out, in its place."
    if taken == password_backends.PASSWORD:
        return BESIDE
    text = f"may sign in with a password ({taken}) and without a challenge, beside a gated one."
    return text, f"{BESIDE[1]} If it takes none, have its signature name what it takes, as token does."


def _in_front_of_gate(backend: type) -> tuple[str, str] | None:
    """A method that a gated backend has in front of the gate: what it returns is signed in without a challenge."""
    for base in backend.__mro__:
        if base is AuthsignalBackendMixin:
            return None
        for name in ("authenticate", "aauthenticate"):
            if name in vars(base):
                text = f"has {base.__name__}.{name}() in front of the gate, so nobody it returns is challenged."
                hint = f"Put it behind AuthsignalBackendMixin: class {base.__name__}Gated(AuthsignalBackendMixin, …)."
                return text, hint
    return None


def replaced_site(site: Any, wanted: type) -> list[CheckMessage]:
    """E009: the default admin site is to be a guarded one, and another app has put its own in its place."""
    if isinstance(site, wanted):
        return []
    text = f"AuthsignalAdminConfig is installed, and admin.site is a {type(site).__name__} that demands nothing."
    hint = "An app has replaced it: with django-unfold name 'unfold.apps.BasicAppConfig', and see docs/admin.md."
    return [Error(text, hint=hint, id="authsignal.E009")]


def unknown_doors(owner: type, keys: Iterable[str], known: Iterable[str]) -> list[CheckMessage]:
    """E006: a key of an admin's `challenge_actions` that opens no door, so that nothing is asked where it was meant."""
    found: list[CheckMessage] = []
    for key in sorted(set(keys) - set(known)):
        close = get_close_matches(key, known, n=1)
        text = f"challenge_actions of {owner.__module__}.{owner.__qualname__} names {key!r}, which is no door of it."
        hint = f"Did you mean {close[0]!r}?" if close else f"Name one of: {', '.join(sorted(set(known)))}."
        found.append(Error(text, hint=hint, obj=owner, id="authsignal.E006"))
    return found


def check_emulator(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W006: the emulator is on, and does not answer, or something else does."""
    settings = _settings()
    if settings is None or not settings.emulator or not isinstance(settings.API_URL, str):
        return []
    heard = _heard_at(settings.API_URL)
    if heard is None:
        text, hint = f"The emulator does not answer at {settings.API_URL}.", f"Start it: {emulator_command(settings)}"
    elif heard and not EMULATORS_HEAD.match(heard):
        text, hint = f"What answers at {settings.API_URL} is not the emulator.", OTHERS_PORT
    else:
        return []
    return [Warning(text, hint=hint, id="authsignal.W006")]


EMULATORS_HEAD = re.compile(rb"HTTP/.*\r\ncontent-type: application/json", re.DOTALL | re.IGNORECASE)
OTHERS_PORT = "Give the emulator a port of its own, by --port, and API_URL with it."
PATIENCE = 0.3  # seconds: this check runs at every start of a development server


def _heard_at(url: str) -> bytes | None:
    """How what answers there begins; b"" where that cannot be told at once, None where nobody answers."""
    parts, ends = urlsplit(url), time.monotonic() + PATIENCE
    is_secure = parts.scheme == "https"
    host, port = parts.hostname or "", parts.port or (443 if is_secure else 80)
    try:
        line = socket.create_connection((host, port), timeout=PATIENCE)
    except OSError:
        return None
    with line:
        left = ends - time.monotonic()
        if is_secure or left <= 0:
            return b""
        try:
            line.settimeout(left)
            line.sendall(f"GET {parts.path.rstrip('/')}/ HTTP/1.0\r\nHost: {parts.netloc}\r\n\r\n".encode())
            return line.recv(8192)
        except OSError:
            return b""


def check_token_views(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W009: a view of the urlconf issues tokens, and the gate does not guard it."""
    sessions_are_asked = _position(list(django_settings.MIDDLEWARE), SESSIONS_ASKED) is not None
    return [
        Warning(f"{found.route} issues tokens without the gate: {found.name}.", hint=found.fix, id="authsignal.W009")
        for found in token_views.unguarded(_patterns(), sessions_are_asked=sessions_are_asked)
    ]


def _patterns() -> list[Any]:
    if not getattr(django_settings, "ROOT_URLCONF", ""):
        return []
    try:
        return get_resolver().url_patterns
    except ImproperlyConfigured:
        return []  # Django reports it


def check_people(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E008: opaque ids without their secret. W015: users are followed without a tenant. W016: an unguarded address."""
    settings = _settings()
    if settings is None:
        return []
    found: list[CheckMessage] = []
    if settings.USER_ID and resolve(settings.USER_ID) is import_string(OPAQUE_ID) and not settings.USER_ID_SECRET:
        text = "USER_ID is opaque_id, and there is no USER_ID_SECRET: no user has an id."
        found.append(Error(text, hint=SECRET_HINT, id="authsignal.E008"))
    if settings.SYNC_USERS and (callable(settings.API_SECRET_KEY) or callable(settings.API_URL)):
        text = "SYNC_USERS is on, and the tenant is chosen by the request: a saved user has none, and is not followed."
        hint = "Turn it off, and run authsignal_sync_users with settings that name one tenant."
        found.append(Warning(text, hint=hint, id="authsignal.W015"))
    if settings.VERIFIED_EMAIL or settings.VERIFIED_PHONE:
        for route, name in address_views.unguarded(_patterns()):
            text = f"{route} changes where Authsignal sends codes, and asks no step-up: {name}."
            found.append(Warning(text, hint=GUARD_IT, id="authsignal.W016"))
    return found


GUARD_IT = (
    "Whoever has the session for a minute could have every later code sent to themselves. Put "
    'challenge_required("changeEmail") around the view, or silence this when it asks in its own code.'
)


PASSKEY_TAG = "authsignal_passkey_autofill"


def check_passkeys(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W008: a template of the project offers passkeys, and the page will show none."""
    settings = _settings()
    fault = usernameless.unavailable(settings.TENANT_ID) if settings else ""
    place = next(_templates_with(PASSKEY_TAG), None) if fault else None
    if place is None:
        return []
    text = f"{place} has {{% {PASSKEY_TAG} %}}, which will show nothing."
    return [Warning(text, hint=fault, id="authsignal.W008")]


def _templates_with(tag: str) -> Iterator[Path]:
    own = Path(__file__).parent
    folders = {Path(folder) for engine in engines.all() for folder in engine.template_dirs}
    for path in (path for folder in sorted(folders) for path in sorted(folder.rglob("*.html"))):
        if own not in path.parents and path.is_file() and tag.encode() in path.read_bytes():
            yield path


def check_deadline(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E020, W020, W021: ENROLMENT_DEADLINE and its middleware."""
    settings = _settings()
    if settings is None:
        return []
    middleware = list(django_settings.MIDDLEWARE)
    ours, gate = _position(middleware, DEADLINE), _position(middleware, MIDDLEWARE)
    if settings.ENROLMENT_DEADLINE is None:
        return []
    if ours is None:
        text = "ENROLMENT_DEADLINE is set, and nothing asks for it."
        return [Warning(text, hint=f"Add {DEADLINE!r} to MIDDLEWARE, after {MESSAGES!r}.", id="authsignal.W020")]
    found: list[CheckMessage] = []
    if gate is not None and ours < gate:
        text = "EnrolmentDeadlineMiddleware stands before AuthsignalMiddleware."
        found.append(Error(text, hint=f"Put {DEADLINE!r} after {MIDDLEWARE!r}.", id="authsignal.E020"))
    if not any(_enrolls(settings, action) for action in (settings.SIGN_IN_ACTION, settings.MANAGE_ACTION)):
        text = "After ENROLMENT_DEADLINE, people without any way of proof are led to a page that refuses them."
        hint = (
            f'Set ACTIONS["{settings.MANAGE_ACTION}"]["UNENROLLED"] to "enroll": it then lets them set one up within '
            "five minutes of giving their password."
        )
        found.append(Warning(text, hint=hint, id="authsignal.W021"))
    return found


def _enrolls(settings: Settings, action: str) -> bool:
    own = settings.ACTIONS.get(action, {})
    if action == settings.SIGN_IN_ACTION and own.get("ENFORCE", settings.ENFORCE) == "observe":
        return False  # nobody is asked, and so nobody is offered to set one up
    rule = own.get("UNENROLLED", settings.UNENROLLED)
    return (rule or ("enroll" if action == settings.SIGN_IN_ACTION else "deny")) in ("enroll", "email")


def check_deployment(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E010 to E013, W013, W014, W022 to W026, only with `check --deploy`: what must not go live, or not unnoticed."""
    settings = _settings()
    return list(_deployment(settings)) if settings else []


def _deployment(settings: Settings) -> Iterator[CheckMessage]:
    key = settings.API_SECRET_KEY
    if not key:
        yield Error("AUTHSIGNAL has no API_SECRET_KEY.", hint="Set it from Authsignal's portal.", id="authsignal.E010")
    if settings.emulator or any(map(_is_emulators, (key, *_listed(settings.API_SECRET_KEY_FALLBACKS)))):
        text = "The emulator, or a key of it, is configured: anybody who reaches it can prove anything."
        hint = "Set Authsignal's own API_SECRET_KEY, EMULATOR to None, and take its keys out of the fallbacks."
        yield Error(text, hint=hint, id="authsignal.E011")
    if isinstance(settings.API_URL, str) and urlsplit(settings.API_URL).scheme != "https":
        text = "API_URL is not https: the secret key would travel in the clear."
        yield Error(text, hint="Use the https address of your Authsignal region.", id="authsignal.E012")
    if settings.PUBLIC_BASE_URL is None:
        text = "PUBLIC_BASE_URL is not set, so the Host header decides where a proof comes back to."
        yield Warning(text, hint='Set it to your origin, such as "https://shop.example".', id="authsignal.W013")
    elif any(origin.startswith("http://") for origin in _listed(settings.PUBLIC_BASE_URL)):
        text = "PUBLIC_BASE_URL is not https: proofs come back in the clear, and any neighbour plants a binding cookie."
        yield Error(text, hint="Serve the site over https, and write its https origin.", id="authsignal.E013")
    if _are_signed_cookies(django_settings.SESSION_ENGINE):
        text = (
            "Sessions are signed cookies: an old cookie brings an old pass back, until its age ends it, and whoever "
            "holds one reads the address of an open challenge."
        )
        yield Warning(text, hint="Use sessions in the database or a cache.", id="authsignal.W014")
    yield from _counting(settings)
    if settings.BREAKER_CACHE and _is_per_process(settings.BREAKER_CACHE):
        text = "BREAKER_CACHE names a cache that is each process's own: none tells another of an outage."
        hint = "Name one that all processes reach, such as Redis, or leave it None."
        yield Warning(text, hint=hint, id="authsignal.W026")
    yield from _lenient(settings)


def _counting(settings: Settings) -> Iterator[CheckMessage]:
    """What keeps LIMITS from counting as they say."""
    if not limit_conf.counts(settings.LIMITS):
        return
    if _is_per_process("default"):
        text = (
            "The default cache is each process's own, so every process counts by itself how often somebody begins a "
            "challenge, brings a false proof, or tries to sign in: LIMITS hold for each of them, or, of a dummy cache, "
            "not at all."
        )
        hint = "Use one that all processes share, such as django.core.cache.backends.redis.RedisCache."
        yield Warning(text, hint=hint, id="authsignal.W022")
    if settings.CLIENT_IP is None and any(getattr(django_settings, name) for name in BEHIND_A_PROXY):
        text = "A proxy stands in front, and CLIENT_IP is not set: whose ADDRESS it is that LIMITS count, nobody knows."
        hint = "Set CLIENT_IP to a callable(request) that reads what your own proxy wrote."
        yield Warning(text, hint=hint, id="authsignal.W025")


def _listed(configured: Any) -> Sequence[str]:
    """What a setting names; nothing for a callable, which only a request can be asked for."""
    if isinstance(configured, str):
        return [configured]
    return [] if callable(configured) else configured or []


def _is_emulators(key: object) -> bool:
    return isinstance(key, str) and key.startswith(EMULATOR_PREFIX)


def _are_signed_cookies(engine: str) -> bool:
    try:
        store = import_string(f"{engine}.SessionStore")
    except ImportError:
        return False  # Django reports it
    return isinstance(store, type) and issubclass(store, SignedCookies)


def _is_per_process(alias: str) -> bool:
    try:
        found = import_string(django_settings.CACHES.get(alias, {}).get("BACKEND", ""))
    except ImportError:
        return False  # Django reports it
    return isinstance(found, type) and issubclass(found, (LocMemCache, DummyCache))


def _lenient(settings: Settings) -> Iterator[CheckMessage]:
    """What lets somebody through without a proof, named, so that it went live because somebody decided it."""
    opening, watching = [], []
    for action in ("", *settings.ACTIONS):
        own = settings.ACTIONS.get(action, {})
        for key, value in (("ON_UNREACHABLE", "allow"), ("UNENROLLED", "allow"), ("ON_ALLOW", "pass")):
            given = own.get(key) if action else getattr(settings, key)
            # At sign-in an ALLOW passes by design: Authsignal's rules decide who is asked.
            if given == value and not (key == "ON_ALLOW" and action == settings.SIGN_IN_ACTION):
                opening.append(f"{_spelt(action, key)} = {value!r}")
        if (own.get("ENFORCE") if action else settings.ENFORCE) == "observe":
            watching.append(_spelt(action, "ENFORCE"))
    if opening:
        text = f"Some policies let people through without a proof: {', '.join(opening)}."
        hint = "Take them out, or silence this check once you have decided so."
        yield Warning(text, hint=hint, id="authsignal.W023")
    if watching:
        text = f"Some policies only observe, and stop nobody: {', '.join(watching)}."
        yield Warning(text, hint='Set them to "on" once you have seen who would be asked.', id="authsignal.W024")


def _spelt(action: str, key: str) -> str:
    return f"ACTIONS[{action!r}][{key!r}]" if action else key
