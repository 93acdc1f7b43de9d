"""A project's own default site, made from ours, and the AppConfig that names it."""

from django_authsignal.admin_config import AuthsignalAdminConfig


class OwnConfig(AuthsignalAdminConfig):
    default_site = "tests.admin.own_default.OwnSite"
