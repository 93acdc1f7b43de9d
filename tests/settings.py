"""The test project. DATABASE_URL and CACHE_URL put it on other databases and caches."""

import os
from pathlib import Path

import dj_database_url
import django

BASE = Path(__file__).resolve().parent
SECRET_KEY = "tests only, and long enough for every algorithm that asks"
DEBUG = False
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1", "shop.example"]
USE_TZ = True
LANGUAGE_CODE = "en"
ROOT_URLCONF = "tests.project.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# Nothing of a test has to outlive a power cut: no commit waits for the disk, which takes longer than the tests.
# A file, not :memory:, so that threads of one test share it as real workers would.
DATABASES = {"default": dj_database_url.config(default=f"sqlite:///{BASE.parent}/.tests.sqlite3")}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["TEST"] = {"NAME": str(BASE.parent / ".tests-run.sqlite3")}
    unsafe = "PRAGMA synchronous=OFF"
    DATABASES["default"]["OPTIONS"] = {"timeout": 20, "transaction_mode": "IMMEDIATE", "init_command": unsafe}
elif DATABASES["default"]["ENGINE"].endswith("postgresql"):
    DATABASES["default"]["OPTIONS"] = {"options": "-c synchronous_commit=off"}
CACHE_URL = os.environ.get("CACHE_URL", "")
if CACHE_URL.rpartition("/")[2].isdigit():
    # A Redis database for each parallel worker: clearing a cache clears all of its database.
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    CACHE_URL = f"{CACHE_URL.rpartition('/')[0]}/{int(CACHE_URL.rpartition('/')[2]) + worker}"
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": CACHE_URL}
    if CACHE_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
}
SESSION_ENGINE = "django.contrib.sessions.backends.cache" if CACHE_URL else "django.contrib.sessions.backends.db"
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_authsignal",
    "rest_framework",
    "rest_framework.authtoken",
    "knox",
    "drf_spectacular",
]
REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "django_authsignal.contrib.rest_framework.schema.AutoSchema"}
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_authsignal.middleware.AuthsignalMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
STATIC_URL = "static/"
AXES_ENABLED = False  # its receivers stay connected, once a test had it among the apps
AUTHENTICATION_BACKENDS = ["django_authsignal.backends.AuthsignalBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/home/"
if django.VERSION >= (6, 1):
    MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
AUTHSIGNAL = {
    "API_SECRET_KEY": "test_secret_key",
    # Some tests begin hundreds as one user. Those of limits set their own, the defaults among them.
    "LIMITS": {"START": None, "CALLBACK": None},
    "ACTIONS": {
        "withdrawFunds": {"LABEL": "Withdraw money"},
        "payInvoice": {"LABEL": "Pay {amount} to {payee}"},
        "deleteAccount": {"MAX_AGE": 0},
    },
}
