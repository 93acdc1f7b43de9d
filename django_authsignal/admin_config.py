"""The default admin site, guarded: `INSTALLED_APPS = ["django_authsignal.admin_config.AuthsignalAdminConfig", …]`."""

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.admin.apps import AdminConfig
from django.core.checks import CheckMessage, Tags, register
from django.utils.module_loading import import_string


class AuthsignalAdminConfig(AdminConfig):
    """Takes the place of "django.contrib.admin": `admin.site` is an AuthsignalAdminSite."""

    default_site = "django_authsignal.admin.AuthsignalAdminSite"

    def ready(self) -> None:
        """Django's, and the check that the site is still the one this names."""
        super().ready()
        register(check_site, Tags.admin)


def check_site(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E009: another app has put its own site in the place of the guarded one."""
    from . import checks  # noqa: PLC0415 - models exist only now

    config = apps.get_app_config("admin")
    wanted = getattr(config, "default_site", AuthsignalAdminConfig.default_site)
    return checks.replaced_site(admin.site, import_string(wanted))
