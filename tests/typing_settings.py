"""For the type checker alone: the package's apps and the emulator's, with the settings of both."""

from django_authsignal.emulator.settings import (  # noqa: F401
    API_SECRET_KEY,
    PUBLIC_URL,
    RP_NAME,
    TENANT_ID,
)
from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "django_authsignal.emulator"]
