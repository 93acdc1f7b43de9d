"""These tests need allauth in INSTALLED_APPS: tests/contrib/test_allauth.py runs them with settings of their own."""

from django.conf import settings

collect_ignore_glob = [] if "allauth" in settings.INSTALLED_APPS else ["test_*.py"]
