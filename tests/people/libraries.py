"""The libraries that people come from, installed for the tests of one module, with their tables."""

from contextlib import contextmanager

from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.db import connection
from django.test import override_settings

APPS = [
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_hotp",
    "django_otp.plugins.otp_static",
    "django_otp.plugins.otp_email",
    "two_factor",
    "two_factor.plugins.phonenumber",
    "two_factor.plugins.webauthn",
    "allauth",
    "allauth.account",
    "allauth.mfa",
]


@contextmanager
def installed(blocker):
    """Every test inside finds the libraries' apps and tables; none of them stays."""
    registered = dict(admin.site._registry)
    middleware = [*settings.MIDDLEWARE, "allauth.account.middleware.AccountMiddleware"]
    with (
        override_settings(MIDDLEWARE=middleware, TWO_FACTOR_WEBAUTHN_RP_NAME="Shop"),
        override_settings(INSTALLED_APPS=[*settings.INSTALLED_APPS, *APPS]),  # which asks for the others
    ):
        models = [model for model in apps.get_models(include_auto_created=True) if model._meta.app_config.name in APPS]
        with blocker.unblock():
            with connection.schema_editor() as editor:
                for model in models:
                    editor.create_model(model)
            try:
                yield
            finally:
                with connection.schema_editor() as editor:
                    for model in reversed(models):
                        editor.delete_model(model)
                admin.site._registry = registered  # the libraries' admin pages registered themselves
