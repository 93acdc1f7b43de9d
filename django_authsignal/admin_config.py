"""The default admin site, guarded: `INSTALLED_APPS = ["django_authsignal.admin_config.AuthsignalAdminConfig", …]`."""

from django.contrib.admin.apps import AdminConfig


class AuthsignalAdminConfig(AdminConfig):
    """Takes the place of "django.contrib.admin": `admin.site` is an AuthsignalAdminSite."""

    default_site = "django_authsignal.admin.AuthsignalAdminSite"
