"""allauth's backend behind the gate, for whoever calls `authenticate()` without allauth: the admin, an API."""

from allauth.account.auth_backends import AuthenticationBackend as AllauthBackend

from ...backends import AuthsignalBackendMixin


class AuthenticationBackend(AuthsignalBackendMixin, AllauthBackend):
    """Name it in AUTHENTICATION_BACKENDS instead of allauth's."""
