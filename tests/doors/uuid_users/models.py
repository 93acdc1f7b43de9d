"""Users whose key is a UUID."""

import uuid

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import PermissionsMixin
from django.db import models

from tests.doors.people import Manager


class User(AbstractBaseUser, PermissionsMixin):
    """A name, an e-mail address, and a key that no integer holds."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    username = models.CharField(max_length=150, unique=True)
    email = models.EmailField()
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    objects = Manager()
    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
