"""In a module apart: an AppConfig is imported before there are models."""

from django_authsignal.admin import AuthsignalAdminSite


class OwnSite(AuthsignalAdminSite):
    site_header = "Own"
