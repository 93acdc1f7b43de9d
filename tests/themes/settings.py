"""The test project under an admin theme: THEME is unfold or jazzmin. Its own process: unfold patches Django's admin."""

import os

from tests.settings import *  # noqa: F403  as settings are shared
from tests.settings import INSTALLED_APPS as OURS

THEME = os.environ["THEME"]
# Unfold's other AppConfig puts its own site in the place of Django's.
INSTALLED_APPS = ["unfold.apps.BasicAppConfig" if THEME == "unfold" else "jazzmin", *OURS]
ROOT_URLCONF = "tests.themes.urls"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ.get("THEME_DATABASE", ":memory:")}}
SESSION_ENGINE = "django.contrib.sessions.backends.db"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
