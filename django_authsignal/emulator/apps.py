"""The emulator's one Django application."""

from django.apps import AppConfig


class EmulatorConfig(AppConfig):
    name = "django_authsignal.emulator"
    label = "authsignal_emulator"
    verbose_name = "Authsignal emulator"
    default_auto_field = "django.db.models.BigAutoField"
