"""A project with every door there is. Environments that cannot be set while it runs are modules beside this one."""

from tests import settings as project
from tests.settings import *  # noqa: F403  as settings are shared
from tests.settings import INSTALLED_APPS, MIDDLEWARE

NAME = "doors"
INSTALLED_APPS = [
    *INSTALLED_APPS,
    "allauth",
    "allauth.account",
    "ninja",
]
MIDDLEWARE = [*MIDDLEWARE, "allauth.account.middleware.AccountMiddleware"]
ROOT_URLCONF = "tests.doors.urls"
AUTHENTICATION_BACKENDS = ["django_authsignal.contrib.allauth.backends.AuthenticationBackend"]
ACCOUNT_ADAPTER = "django_authsignal.contrib.allauth.adapter.AccountAdapter"
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_RATE_LIMITS = False
ACCOUNT_LOGIN_METHODS = {"username"}
REST_KNOX = {"AUTH_HEADER_PREFIX": "Knox"}  # "Token" is the framework's own
SESSION_ENGINE = "django.contrib.sessions.backends.db"
# Not Redis: this run is inside another one, which clears the cache for each of its tests.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}


class _NoMigrations:
    """Tables are made from the models: other user models than Django's have no migrations here."""

    def __contains__(self, name):
        return True

    def __getitem__(self, name):
        return None


MIGRATION_MODULES = _NoMigrations()


def databases(name):
    """The default one, and one beside it, named for this run."""
    default = project.DATABASES["default"]
    test = default.get("TEST", {}).get("NAME") or "test_authsignal"
    names = {"default": f"{test}_{name}", "ledger": f"{test}_{name}_ledger"}
    return {alias: {**default, "TEST": {"NAME": name}} for alias, name in names.items()}


DATABASES = databases(NAME)
