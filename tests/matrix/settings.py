"""A site of its own in real servers: the matrix drives it in a browser. SITE names its folder, EMULATOR its API."""

import os
from pathlib import Path

from tests.served_settings import *  # noqa: F403  as settings are shared

SITE = Path(os.environ["MATRIX_SITE"])
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
ROOT_URLCONF = "tests.matrix.urls"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": SITE / "site.sqlite3",
        "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE", "init_command": "PRAGMA synchronous=OFF"},
        "ATOMIC_REQUESTS": False,
    }
}
# In a folder, so that what rests there can be read.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache", "LOCATION": SITE / "cache"}}
SESSION_COOKIE_SAMESITE = os.environ.get("MATRIX_SAMESITE", "Lax")
# Cookies ignore ports, and the emulator's pages are on the same host.
SESSION_COOKIE_NAME = "matrix_session"
CSRF_COOKIE_NAME = "matrix_csrf"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_authsignal",
    "tests.matrix",
]
MIDDLEWARE = [
    "tests.matrix.views.strict_policy",
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_authsignal.middleware.AuthsignalMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
STATICFILES_DIRS = [("htmx", Path(__file__).parent.parent / "sdks" / "node_modules")]
LOGIN_URL = "/enter/nobody/"
EMULATOR_API = os.environ["MATRIX_EMULATOR"]
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "DEBUG"},
}
AUTHSIGNAL = {
    "EMULATOR": True,
    "API_URL": EMULATOR_API,
    "LIMITS": None,  # one user begins thousands
    "USER_ID_PREFIX": f"{SITE.parent.name}-",  # one emulator serves several sites
    "ACTIONS": {"matrix": {"LABEL": "Do it"}, "matrixBound": {"LABEL": "Send {amount} to {payee}"}},
}
