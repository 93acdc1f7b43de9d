"""For the type checker alone: the package's apps and the emulator's, with the settings of both."""

from django_authsignal.emulator.settings import *  # noqa: F403  as settings are shared
from tests.settings import *  # type: ignore[assignment]  # noqa: F403 - the later wins, as it would at run time
from tests.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "django_authsignal.emulator"]
