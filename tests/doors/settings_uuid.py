"""Users whose key is a UUID."""

from tests.doors.settings import *  # noqa: F403  as settings are shared
from tests.doors.settings import INSTALLED_APPS, databases

NAME = "uuid"
INSTALLED_APPS = [*INSTALLED_APPS, "tests.doors.uuid_users"]
AUTH_USER_MODEL = "uuid_users.User"
DATABASES = databases(NAME)
