"""Drop-in for dj-rest-auth's `LoginView`."""

from dj_rest_auth import views

from .views import SignInMixin


class LoginView(SignInMixin, views.LoginView):
    """dj-rest-auth's own, answering with a challenge first."""
