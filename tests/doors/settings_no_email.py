"""Users without an e-mail address."""

from tests.doors.settings import *  # noqa: F403  as settings are shared
from tests.doors.settings import INSTALLED_APPS, databases

NAME = "no_email"
INSTALLED_APPS = [*INSTALLED_APPS, "tests.doors.no_email_users"]
AUTH_USER_MODEL = "no_email_users.User"
ACCOUNT_USER_MODEL_EMAIL_FIELD = None
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
DATABASES = databases(NAME)
