"""For the type checker alone: the package's apps and the emulator's, with every setting of both."""

from django_authsignal.emulator import settings as _emulator
from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "django_authsignal.emulator"]
globals().update({name: getattr(_emulator, name) for name in dir(_emulator) if name.isupper() and name not in globals()})
