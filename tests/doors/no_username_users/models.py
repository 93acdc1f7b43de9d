"""Users without a name: they sign in by their e-mail address."""

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import PermissionsMixin
from django.db import models

from tests.doors.people import Manager


class User(AbstractBaseUser, PermissionsMixin):
    """An e-mail address and a password."""

    email = models.EmailField(unique=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    objects = Manager()
    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
