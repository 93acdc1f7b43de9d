"""The admin: a site and a mixin whose doors ask the gate, and the ledger, to be read, never to be written."""

from django.apps import apps
from django.contrib import admin
from django.utils.functional import LazyObject, empty

from ..models import Challenge
from .history import challenge_ids
from .ledger import ChallengeAdmin
from .options import ChallengeRequiredAdminMixin
from .resets import ResetAuthenticatorsMixin
from .sites import AuthsignalAdminSite, AuthsignalAdminSiteMixin

__all__ = [
    "AuthsignalAdminSite",
    "AuthsignalAdminSiteMixin",
    "ChallengeAdmin",
    "ChallengeRequiredAdminMixin",
    "ResetAuthenticatorsMixin",
    "challenge_ids",
]

STOCK_SITE = "django.contrib.admin.sites.AdminSite"


def register_ledger() -> None:
    """Registers the ledger on the default site, once."""
    if not admin.site.is_registered(Challenge):
        admin.site.register(Challenge, ChallengeAdmin)


def _being_made() -> bool:
    """True while the default site is being made from one of the classes here, or of theirs.

    To register on it now would make another site first, which is then thrown away: AuthsignalConfig.ready() does it.
    """
    unmade = isinstance(admin.site, LazyObject) and vars(admin.site).get("_wrapped") is empty
    return unmade and getattr(apps.app_configs.get("admin"), "default_site", STOCK_SITE) != STOCK_SITE


ledger_waits = _being_made()
if not ledger_waits:
    register_ledger()
