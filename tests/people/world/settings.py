"""Of the other project. WORLD names a directory for its databases."""

import os

SECRET_KEY = "of another project, and long enough"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    alias: {"ENGINE": "django.db.backends.sqlite3", "NAME": os.path.join(os.environ["WORLD"], f"{alias}.sqlite3")}
    for alias in ("default", "ledger")
}
DATABASE_ROUTERS = ["tests.people.world.settings.Router"]
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django_authsignal",
    "tests.people.world",
]
AUTH_USER_MODEL = "world.Member"
AUTHSIGNAL = {"API_SECRET_KEY": "key", "SYNC_USERS": True, "VERIFIED_PHONE": lambda user: user.phone}


class Router:
    """Keeps what is Authsignal's in a database of its own."""

    def db_for_read(self, model, **hints):
        return "ledger" if model._meta.app_label == "django_authsignal" else "default"

    db_for_write = db_for_read

    def allow_migrate(self, db, app_label, **hints):
        return db == ("ledger" if app_label == "django_authsignal" else "default")
