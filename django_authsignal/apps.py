"""The app: checks and receivers are registered here, by name, when Django is ready."""

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.core.checks import Tags, register


class AuthsignalConfig(AppConfig):
    """`INSTALLED_APPS = [..., "django_authsignal"]`."""

    name = "django_authsignal"
    verbose_name = "Authsignal"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Registers checks and receivers."""
        from . import checks, notices, receivers, signals  # noqa: PLC0415 - models exist only now

        register(checks.check_settings, Tags.security)
        register(checks.check_urls, Tags.urls)
        register(checks.check_middleware, Tags.security)
        register(checks.check_backends, Tags.security)
        register(checks.check_emulator, Tags.security)
        register(checks.check_sessions, Tags.security)
        register(checks.check_token_views, Tags.urls)
        register(checks.check_deployment, Tags.security, deploy=True)
        user_logged_in.connect(receivers.logged_in, dispatch_uid="authsignal.logged_in")
        user_logged_out.connect(receivers.logged_out, dispatch_uid="authsignal.logged_out")
        signals.authenticators_changed.connect(notices.mail_owner, dispatch_uid="authsignal.mail_owner")
