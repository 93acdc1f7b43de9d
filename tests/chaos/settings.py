"""A site of its own for gunicorn. CHAOS_FOLDER: its folder; CHAOS_EMULATOR: its API; CHAOS_ATOMIC=1: ATOMIC_REQUESTS.

DATABASE_URL and CACHE_URL are those of the suite: a database and, if there is one, a Redis that holds the sessions.
"""

import os
from pathlib import Path

import dj_database_url

from tests.served_settings import *  # noqa: F403  as settings are shared

FOLDER = Path(os.environ["CHAOS_FOLDER"])
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "tests.chaos.views"
DATABASES = {"default": dj_database_url.config(default=f"sqlite:///{FOLDER}/site.sqlite3")}
if os.environ.get("CHAOS_ATOMIC") == "1":
    # And with connections that stay open, which a database that crashed leaves behind.
    DATABASES["default"] |= {"ATOMIC_REQUESTS": True, "CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {"timeout": 30, "transaction_mode": "IMMEDIATE"}
CACHE_URL = os.environ.get("CACHE_URL", "")
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": CACHE_URL,
        "KEY_PREFIX": FOLDER.name,  # one Redis serves several sites
    }
    if CACHE_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
}
SESSION_ENGINE = "tests.chaos.sessions" if CACHE_URL else "django.contrib.sessions.backends.db"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_authsignal",
    "tests.chaos",
]
MIDDLEWARE = [
    "tests.chaos.points.DyingMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_authsignal.middleware.AuthsignalMiddleware",
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = LOGOUT_REDIRECT_URL = "/who/"
AUTHSIGNAL = {
    "EMULATOR": True,
    "API_URL": os.environ["CHAOS_EMULATOR"],
    "TIMEOUT": 60.0,  # a hundred at once, on a machine that does other things: slow is no fault here
    "USER_ID_PREFIX": f"{FOLDER.name}-",
    "LIMITS": {"START": None, "CALLBACK": None},  # a hundred at once is what is tried here
    "ACTIONS": {"pay": {"MAX_AGE": 0}, "look": {}},
}
