"""What the user models here share: permissions, and a manager that makes users of whatever fields they have."""

from django.contrib.auth.base_user import BaseUserManager


class Manager(BaseUserManager):
    """Makes users of those fields that the model has."""

    def create_user(self, name, email=None, password=None, **fields):
        """A user who signs in by this name."""
        given = {self.model.USERNAME_FIELD: name, **fields}
        if self.model.EMAIL_FIELD == "email":
            given["email"] = email or name
        user = self.model(**given)
        user.set_password(password)
        user.save()
        return user
