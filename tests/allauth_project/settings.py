"""The tests' project with django-allauth (passwords, social login, codes, MFA, the headless API) and django-hijack."""

from tests.settings import *  # noqa: F403  as settings are shared
from tests.settings import DATABASES, INSTALLED_APPS, MIDDLEWARE

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["TEST"]["NAME"] += ".allauth"
else:
    DATABASES["default"].setdefault("TEST", {})["NAME"] = "test_authsignal_allauth"
# Not Redis: this run is inside another one, which clears the cache for each of its tests.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
SESSION_ENGINE = "django.contrib.sessions.backends.db"
INSTALLED_APPS = [
    *INSTALLED_APPS,
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.dummy",
    "allauth.mfa",
    "allauth.headless",
    "hijack",
]
MIDDLEWARE = [
    *MIDDLEWARE,
    "allauth.account.middleware.AccountMiddleware",
    "hijack.middleware.HijackUserMiddleware",
]
ROOT_URLCONF = "tests.allauth_project.urls"
AUTHENTICATION_BACKENDS = ["django_authsignal.contrib.allauth.backends.AuthenticationBackend"]
LOGIN_URL = "account_login"
ACCOUNT_ADAPTER = "django_authsignal.contrib.allauth.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
ACCOUNT_RATE_LIMITS = False
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes", "webauthn"]
MFA_PASSKEY_LOGIN_ENABLED = True
HEADLESS_ENABLED = True
HEADLESS_CLIENTS = ("app", "browser")
SOCIALACCOUNT_PROVIDERS = {"dummy": {"APPS": [{"client_id": "1", "secret": ""}]}}
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = True
