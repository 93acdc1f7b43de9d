"""Django settings of the emulator's process, read from AUTHSIGNAL_EMULATOR_* variables.

`python -m django_authsignal.emulator` sets the variables from its options; a WSGI or ASGI server may set them itself.
"""

from __future__ import annotations

import hashlib
import os
import resource
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


def _read(name: str, default: str) -> str:
    return os.environ.get(f"AUTHSIGNAL_EMULATOR_{name}") or default


def _plain(origin: str) -> str:
    """Without the port that its scheme implies: no browser names that one in `Origin`."""
    origin = origin.rstrip("/")
    return origin.removesuffix(":443" if origin.startswith("https:") else ":80")


BASE_DIR = Path(__file__).resolve().parent

# The emulator's own settings.
API_SECRET_KEYS = _read("SECRET", "emulator_secret").split()  # all are accepted, and sign webhooks
API_SECRET_KEY = API_SECRET_KEYS[0]
TENANT_ID = _read("TENANT", "emulator")
PUBLIC_URL = _plain(_read("PUBLIC_URL", "http://localhost:9000"))
DEFAULT_OUTCOME = _read("DEFAULT_OUTCOME", "ALLOW")  # of an action that nobody configured
RP_ID = _read("RP_ID", urlsplit(PUBLIC_URL).hostname or "localhost")
RP_NAME = _read("RP_NAME", "Authsignal emulator")
# Pages that may run a passkey ceremony: the hosted ones, and those that embed a client SDK (`--origin`).
ORIGINS = [
    "{0.scheme}://{0.netloc}".format(urlsplit(PUBLIC_URL)),
    *(_plain(origin) for origin in _read("ORIGINS", "").split()),
]
CODE_AGE = 600  # seconds that a mailed code can be used
CEREMONY_AGE = 300  # seconds that a WebAuthn challenge can be answered
ACCEPTS = 16  # connections taken in one turn of the loop
MAX_BODY = 1024 * 1024  # bytes of one request
WEBHOOK_TIMEOUT = float(_read("WEBHOOK_TIMEOUT", "5"))  # seconds for one whole exchange with a receiver
# Of the files that the system gives us. The others are for those who are being turned away, the database and webhooks.
MAX_CONNECTIONS = max(8, min(1000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 5 * ACCEPTS - 80))
MAX_HEADERS = 64 * 1024  # bytes of its line and headers
HEADER_TIMEOUT = 10.0  # seconds for these to arrive
BODY_TIMEOUT = 10.0  # seconds for a request's body to arrive; a wrong Content-Length must not hang a worker

if not all(key.startswith("emulator_") for key in API_SECRET_KEYS):
    # A real secret key must never be typed into something that writes mail into a public inbox.
    raise SystemExit("The emulator's secret must begin with emulator_. Pass --secret emulator_something.")

# Django's.
DEBUG = False
# Keys of stored codes are derived from the first, so the database alone does not give them away.
SECRET_KEY = hashlib.sha256(b"django_authsignal.emulator:" + API_SECRET_KEY.encode()).hexdigest()
_PUBLIC_HOST = urlsplit(PUBLIC_URL).hostname or "localhost"
ALLOWED_HOSTS = sorted(
    {"localhost", "127.0.0.1", "[::1]", f"[{_PUBLIC_HOST}]" if ":" in _PUBLIC_HOST else _PUBLIC_HOST}
    | set(_read("ALLOWED_HOSTS", "").split())
)
INSTALLED_APPS = ["django_authsignal.emulator.apps.EmulatorConfig"]
# No session and no CsrfViewMiddleware: cookies ignore ports, so a cookie of http://localhost:9000 would meet those of
# the project on http://localhost:8000. The API is authorised by a header that no browser adds by itself, and a hosted
# page's form carries the client token, which is its secret against forgery. The dashboard guards itself.
MIDDLEWARE = [
    "django_authsignal.emulator.middleware.SecurityHeadersMiddleware",
    "django_authsignal.emulator.errors.MethodsMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django_authsignal.emulator.middleware.RacesMiddleware",
]
APPEND_SLASH = False
ROOT_URLCONF = "django_authsignal.emulator.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]
STATIC_URL = "/static/"
# Of the dashboard's forms, see dashboard/guard.py. Cookies ignore ports: the name is not the project's.
CSRF_COOKIE_NAME = "emulator_csrf"
CSRF_COOKIE_SAMESITE = "Strict"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SECURE = PUBLIC_URL.startswith("https:")
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]  # behind a proxy that ends TLS
CSRF_FAILURE_VIEW = "django_authsignal.emulator.dashboard.guard.forged"
USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = True
FORMAT_MODULE_PATH = "django_authsignal.emulator.formats"
LANGUAGES = [
    ("en", "English"),
    ("de", "Deutsch"),
    ("fr", "Français"),
    ("es", "Español"),
    ("ja", "日本語"),
    ("mi", "Māori"),
]
LANGUAGE_COOKIE_NAME = "emulator_language"  # not the project's, which the browser sends here too
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}, "nowhere": {"class": "logging.NullHandler"}},
    "loggers": {
        "django": {"handlers": ["console"], "level": "ERROR"},
        # A page that rebound its name to this machine, or a path that climbs, is answered with 400 and its reason, and
        # must not fill the log.
        "django.security": {"handlers": ["nowhere"], "propagate": False},
        "django_authsignal.emulator": {"handlers": ["console"], "level": "WARNING"},
    },
}


def _database(url: str) -> dict[str, Any]:
    """The one database: a SQLite file where the emulator was started, or the one that `--database` names."""
    if url:
        import dj_database_url  # noqa: PLC0415  only who passes --database pays for it

        config: dict[str, Any] = dict(dj_database_url.parse(url))
    else:
        config = {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(Path.cwd() / "authsignal-emulator.sqlite3"),
        }
    # Threads stay (`handler.py`), so connections may; a server's is asked first whether it is still there.
    config |= {"CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": config["ENGINE"] != "django.db.backends.sqlite3"}
    if config["ENGINE"] == "django.db.backends.sqlite3":
        config.setdefault("OPTIONS", {}).update(
            # IMMEDIATE: a transaction that reads a counter and writes it must own the lock from its start.
            transaction_mode="IMMEDIATE",
            timeout=20,
            # A killed process loses nothing that it answered: the write-ahead log is with the kernel by then. NORMAL
            # leaves out the wait for the disk, so a power cut may take the last moments; the file stays whole.
            init_command="PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        )
    return config


DATABASES = {"default": _database(_read("DATABASE", ""))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
