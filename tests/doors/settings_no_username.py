"""Users without a name."""

from tests.doors.settings import *  # noqa: F403  as settings are shared
from tests.doors.settings import INSTALLED_APPS, databases

NAME = "no_username"
INSTALLED_APPS = [*INSTALLED_APPS, "tests.doors.no_username_users"]
AUTH_USER_MODEL = "no_username_users.User"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
DATABASES = databases(NAME)
