"""Backends of a project's own."""

from django_authsignal.backends import AuthsignalBackend


class NobodyBackend(AuthsignalBackend):
    """Rules of its own: nobody may sign in today."""

    def sign_in_allowed(self, request, user):
        return False
