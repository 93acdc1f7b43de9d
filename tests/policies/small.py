"""A project without an admin and without frameworks."""

SECRET_KEY = "tests only"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "django_authsignal"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
MIDDLEWARE = []
ROOT_URLCONF = "tests.policies.small_urls"
USE_TZ = True
