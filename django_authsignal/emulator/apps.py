"""The emulator's one Django application."""

from django.apps import AppConfig
from django.core.signals import request_started


class EmulatorConfig(AppConfig):
    name = "django_authsignal.emulator"
    label = "authsignal_emulator"
    verbose_name = "Authsignal emulator"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django_authsignal.emulator import webhooks  # noqa: PLC0415  models are ready now

        # A server with several processes forks after this: each delivers from its first request on.
        request_started.connect(webhooks.start, dispatch_uid="authsignal_emulator.webhooks")
