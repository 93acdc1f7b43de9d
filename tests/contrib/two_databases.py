"""A project with its ledger in a database of its own, and a transaction around every request in both."""

from tests.settings import *  # noqa: F403  as settings are shared

DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:", "ATOMIC_REQUESTS": True},
    "ledger": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:", "ATOMIC_REQUESTS": True},
}
DATABASE_ROUTERS = ["tests.contrib.two_databases.LedgerRouter"]
SESSION_ENGINE = "django.contrib.sessions.backends.db"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}


class LedgerRouter:
    """Our tables there, all others here."""

    def db_for_read(self, model, **hints):
        return "ledger" if model._meta.app_label == "django_authsignal" else "default"

    db_for_write = db_for_read

    def allow_migrate(self, db, app_label, **hints):
        return (db == "ledger") == (app_label == "django_authsignal")
