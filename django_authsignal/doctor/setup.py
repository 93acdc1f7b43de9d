"""This side: settings, tables, sessions, cache, hosts, mail."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings as django_settings
from django.core import checks as django_checks
from django.core import mail
from django.core.cache import caches
from django.db import DatabaseError, connections, router
from django.db.migrations.executor import MigrationExecutor

from ..conf import get_settings
from ..models import Challenge
from .findings import ERROR, NOTE, OK, WARNING, Finding

OF_ONE_PROCESS = ("django.core.cache.backends.locmem.LocMemCache", "django.core.cache.backends.dummy.DummyCache")
PROBE = "authsignal:doctor"


def checks() -> Iterator[Finding]:
    """What `manage.py check` says of this app, those of `--deploy` too where DEBUG is off."""
    live = not django_settings.DEBUG
    found = [
        one
        for one in django_checks.run_checks(include_deployment_checks=live)
        if str(one.id).startswith("authsignal.") and not one.is_silenced()
    ]
    for one in found:
        level = ERROR if one.level >= django_checks.ERROR else WARNING
        yield Finding(level, f"{one.msg} ({one.id})", one.hint or "")
    if not found:
        yield Finding(OK, f"The system checks find nothing{', those for deployment included' if live else ''}.")


def surroundings() -> Iterator[Finding]:
    """What the gate relies on and no check looks at."""
    yield from _tables()
    yield from _sessions()
    yield from _cache()
    yield from _hosts()
    yield from _mail()


def _tables() -> Iterator[Finding]:
    alias = router.db_for_write(Challenge)
    try:
        executor = MigrationExecutor(connections[alias])
        ours = [node for node in executor.loader.graph.leaf_nodes() if node[0] == "django_authsignal"]
        missing = [str(migration.name) for migration, _ in executor.migration_plan(ours)]
    except DatabaseError as exc:
        yield Finding(ERROR, f"The database {alias!r} does not answer ({type(exc).__name__}).", "Check DATABASES.")
        return
    if missing:
        text = f"The ledger's table is behind: {', '.join(missing)}."
        yield Finding(ERROR, text, f"python manage.py migrate django_authsignal --database {alias}")
    else:
        yield Finding(OK, "The ledger's table is there.")


def _sessions() -> Iterator[Finding]:
    engine = django_settings.SESSION_ENGINE.rpartition(".")[2]
    backend = _cache_backend(django_settings.SESSION_CACHE_ALIAS)
    if engine == "cache" and backend in OF_ONE_PROCESS:
        text = f"Sessions are in {backend.rpartition('.')[2]}, which no other process sees: passes come and go."
        yield Finding(_live(ERROR), text, "Use cached_db, or a cache that all processes share.")
    elif engine == "signed_cookies":
        text = "Sessions are signed cookies: whoever keeps an old one has its passes until their age ends."
        yield Finding(_live(WARNING), text, "Use sessions in the database or a shared cache.")
    else:
        yield Finding(OK, f"Sessions are kept by {engine}.")
    origin = get_settings().PUBLIC_BASE_URL
    origins = [origin] if isinstance(origin, str) else [] if origin is None or callable(origin) else list(origin)
    if any(one.startswith("https://") for one in origins) and not django_settings.SESSION_COOKIE_SECURE:
        text = "The site is https, and SESSION_COOKIE_SECURE is off: a plain request sends the session along."
        yield Finding(WARNING, text, "Set SESSION_COOKIE_SECURE = True.")


def _cache_backend(alias: str) -> str:
    return str(django_settings.CACHES.get(alias, {}).get("BACKEND", ""))


def _live(level: str) -> str:
    return NOTE if django_settings.DEBUG else level


def _cache() -> Iterator[Finding]:
    backend = _cache_backend("default")
    try:
        caches["default"].set(PROBE, "1", 10)
        kept = caches["default"].get(PROBE)
    except Exception as exc:  # each backend has errors of its own
        text = f"The cache does not answer ({type(exc).__name__}): sign-in without a password cannot count tries."
        yield Finding(ERROR, text, "Check CACHES.")
        return
    if backend in OF_ONE_PROCESS or kept is None:
        text = f"The cache is {backend.rpartition('.')[2]}: each process counts the tries at a sign-in for itself."
        yield Finding(_live(WARNING), text, "Give CACHES a cache that all processes share, such as Redis.")
    else:
        yield Finding(OK, "The cache answers.")


def _hosts() -> Iterator[Finding]:
    for host in get_settings().HOSTED_HOSTS:
        bare = host.lstrip(".")
        if "." not in bare and bare != "localhost":
            text = f"HOSTED_HOSTS has {host!r}: people may be sent to every site below it."
            yield Finding(ERROR, text, 'Write the whole host, such as ".authsignal.com" or "mfa.shop.example".')


def _mail() -> Iterator[Finding]:
    try:
        found: Any = mail.mailers["default"] if getattr(django_settings, "MAILERS", None) else _connection()
    except Exception as exc:  # a backend that cannot be imported, or wants more options
        text = f"Mail to the owners of accounts cannot be sent ({type(exc).__name__}: {exc})."
        yield Finding(WARNING, text, "Check Django's e-mail settings.")
        return
    if hasattr(found, "timeout") and found.timeout is None:
        text = "The mail server is waited for without end, inside the request that changed a way of proof."
        yield Finding(_live(WARNING), text, "Set EMAIL_TIMEOUT (in MAILERS: OPTIONS, timeout) to some seconds.")


def _connection() -> Any:
    return mail.get_connection()
