"""Users without an e-mail address."""

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import PermissionsMixin
from django.db import models

from tests.doors.people import Manager


class User(AbstractBaseUser, PermissionsMixin):
    """A name and a password."""

    username = models.CharField(max_length=150, unique=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    objects = Manager()
    USERNAME_FIELD = "username"
    EMAIL_FIELD = None
