"""The app: checks and receivers are registered here, by name, when Django is ready."""

from importlib import import_module
from typing import Any

from django.apps import AppConfig, apps
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.core.checks import Tags, register
from django.core.signals import setting_changed
from django.db.models.signals import post_delete, post_save


class AuthsignalConfig(AppConfig):
    """`INSTALLED_APPS = [..., "django_authsignal"]`."""

    name = "django_authsignal"
    verbose_name = "Authsignal"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Registers checks and receivers."""
        from . import checks, conf, notices, receivers, signals  # noqa: PLC0415 - models exist only now

        conf.hide_secrets()
        register(checks.check_settings, Tags.security)
        register(checks.check_urls, Tags.urls)
        register(checks.check_middleware, Tags.security)
        register(checks.check_backends, Tags.security)
        register(checks.check_allauth, Tags.security)
        register(checks.check_emulator, Tags.security)
        register(checks.check_token_views, Tags.urls)
        register(checks.check_passkeys, Tags.templates)
        register(checks.check_people, Tags.security)
        register(checks.check_deadline, Tags.security)
        register(checks.check_deployment, Tags.security, deploy=True)
        setting_changed.connect(receivers.setting_changed, dispatch_uid="authsignal.setting_changed")
        user_logged_in.connect(receivers.logged_in, dispatch_uid="authsignal.logged_in")
        user_logged_out.connect(receivers.logged_out, dispatch_uid="authsignal.logged_out")
        for model in filter(_is_user, apps.get_models(include_swapped=True)):
            # By model: a receiver of every model's deletions would make Django fetch all rows it deletes.
            post_save.connect(receivers.user_saved, sender=model, dispatch_uid="authsignal.user_saved")
            post_delete.connect(receivers.user_deleted, sender=model, dispatch_uid="authsignal.user_deleted")
        if apps.is_installed("allauth.account"):
            address = apps.get_app_config("account").get_model("EmailAddress")
            post_save.connect(receivers.address_saved, sender=address, dispatch_uid="authsignal.address_saved")
            post_delete.connect(receivers.address_saved, sender=address, dispatch_uid="authsignal.address_saved")
        signals.authenticators_changed.connect(notices.mail_owner, dispatch_uid="authsignal.mail_owner")
        changed = signals.authenticators_changed
        changed.connect(receivers.authenticators_changed, dispatch_uid="authsignal.authenticators_changed")
        _register_ledger()


def _register_ledger() -> None:
    """Where the default admin site is made from our classes, their module cannot register on it when it is imported."""
    config = apps.app_configs.get("admin")
    # Without `default` it is a SimpleAdminConfig: nothing is discovered, and its developer registers by hand.
    default_site = getattr(config, "default_site", "") if getattr(config, "default", False) else ""
    if default_site and default_site != "django.contrib.admin.sites.AdminSite":
        module = import_module("django_authsignal.admin")
        if module.ledger_waits:
            module.register_ledger()


def _is_user(model: Any) -> bool:
    """True for the user model, its proxies and what extends it; and for other ones, which a test may swap in."""
    from django.contrib.auth.base_user import AbstractBaseUser  # noqa: PLC0415 - models exist only now

    return issubclass(model, (AbstractBaseUser, get_user_model()))
