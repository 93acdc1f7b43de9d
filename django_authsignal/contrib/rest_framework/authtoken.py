"""Drop-in for `rest_framework.authtoken.views`: a token for the password and the proof together."""

from rest_framework.authtoken import views

from .views import SignInMixin


class ObtainAuthToken(SignInMixin, views.ObtainAuthToken):
    """The framework's own, answering with a challenge first."""


obtain_auth_token = ObtainAuthToken.as_view()
