"""Settings of the example bank. They need nothing from outside; for development only.

Optional environment: EMULATOR_PORT (where the emulator listens), DEMO_STATE (folder of the databases, .demo),
DATABASE (path of the SQLite file), DEMO_CHEAP_PASSWORDS=1.
"""

import os
from pathlib import Path
from typing import Any

import django

BASE_DIR = Path(__file__).resolve().parent.parent
STATE_DIR = Path(os.environ.get("DEMO_STATE", BASE_DIR / ".demo"))

DEBUG = True
# Public on purpose: with DEBUG on, this is no place for a secret.
SECRET_KEY = "an-example-that-never-leaves-this-computer"  # noqa: S105  of an example
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]

# The demo users' passwords are public: they exist, and are shown, only where this is set.
SHOW_DEMO_USERS = True

EMULATOR_PORT = int(os.environ.get("EMULATOR_PORT", "9000"))
EMULATOR_URL = f"http://localhost:{EMULATOR_PORT}"

# There is no API_SECRET_KEY here: while DEBUG is on, that means the emulator.
AUTHSIGNAL: dict[str, Any] = {
    "ACTIONS": {
        "withdrawFunds": {"MAX_AGE": 300, "LABEL": "Withdraw money"},  # seconds
        "correctBalance": {"LABEL": "Put a balance right"},
        "manageUsers": {"LABEL": "Manage users"},
        "sendMoney": {"LABEL": "Send £{amount} to {payee}"},  # each one proved by itself
        "manageAuthenticators": {"LABEL": "Manage ways to prove it is you"},
        "resetAuthenticators": {"LABEL": "Reset ways of proof"},
    },
    # So that nobody writes at their first proof the address that the sign-up has just asked for. It is not confirmed:
    # good enough here alone, where mail goes to the emulator's inbox and nowhere else. See docs/people.md.
    "VERIFIED_EMAIL": "django_authsignal.contact.email_field",
}
if "EMULATOR_PORT" in os.environ:
    AUTHSIGNAL["API_URL"] = f"{EMULATOR_URL}/v1"

INSTALLED_APPS = [
    "example_project.bank",  # first: its authsignal/base.html replaces the package's own
    "django_authsignal",
    "django_authsignal.admin_config.AuthsignalAdminConfig",  # Django's admin: each page asks for a proved sign-in
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "example_project.csp.ContentSecurityPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_authsignal.middleware.AuthsignalMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "example_project.error_pages.ErrorPagesMiddleware",
]
DEFAULT_EXCEPTION_REPORTER = "example_project.error_pages.ErrorReporter"

AUTHENTICATION_BACKENDS = ["django_authsignal.backends.AuthsignalBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
if os.environ.get("DEMO_CHEAP_PASSWORDS") == "1":  # for tests, which sign hundreds of people up
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "account"
LOGOUT_REDIRECT_URL = "home"

ROOT_URLCONF = "example_project.urls"
WSGI_APPLICATION = "example_project.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

STATE_DIR.mkdir(parents=True, exist_ok=True)
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("DATABASE", STATE_DIR / "bank.sqlite3"),
        "OPTIONS": {
            "timeout": 20,  # seconds
            # Two writers wait for each other; with the default, the second one fails half way.
            "transaction_mode": "IMMEDIATE",
            # As SQLite advises for servers: no commit waits for the disk, and a power cut costs the last ones at most.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
        # A file: connections that share one database in memory do not wait for each other, they fail.
        "TEST": {"NAME": STATE_DIR / "test.sqlite3"},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

STATIC_URL = "static/"
LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True

# Cookies ignore ports: a name of its own keeps other projects on localhost signed in.
SESSION_COOKIE_NAME = "bank_session"
CSRF_COOKIE_NAME = "bank_csrf"
SECURE_REFERRER_POLICY = "same-origin"

# Mail to the owner of an account is printed in the terminal.
if django.VERSION >= (6, 1):
    MAILERS = {"default": {"BACKEND": "django.core.mail.backends.console.EmailBackend"}}
else:
    EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"requests": {"()": "example_project.logs.RequestLines"}},
    "formatters": {"line": {"format": "%(asctime)s  %(message)s", "datefmt": "%H:%M:%S"}},
    "handlers": {
        "requests": {"class": "logging.StreamHandler", "filters": ["requests"], "formatter": "line"},
    },
    "loggers": {
        "django.server": {"handlers": ["requests"], "level": "INFO", "propagate": False},
        "django.request": {"level": "ERROR"},  # a 403 or 404 is in the line above already
    },
}
