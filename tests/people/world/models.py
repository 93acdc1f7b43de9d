"""Members, who have a number and no name; a proxy of them, and a model that extends them."""

import uuid
from typing import ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models


class Active(BaseUserManager):
    """Hides those who were deactivated."""

    def get_queryset(self):
        return super().get_queryset().filter(is_active=True)


class Member(AbstractBaseUser):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    number = models.CharField(max_length=20, unique=True)
    phone = models.CharField(max_length=20, blank=True)
    is_active = models.BooleanField(default=True)

    objects = Active()

    USERNAME_FIELD = "number"
    REQUIRED_FIELDS: ClassVar = []


class Guest(Member):
    class Meta:
        proxy = True


class Patron(Member):
    gave = models.IntegerField(default=0)
