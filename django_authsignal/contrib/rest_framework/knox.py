"""Drop-in for django-rest-knox's `LoginView`."""

from knox import views

from .views import SignInMixin


class LoginView(SignInMixin, views.LoginView):
    """knox's own, for whoever proved their sign-in with the credential, or in the session, that they came with.

    Subclass it as you would knox's. A serializer that takes a password needs the request to be asked through:
    `AuthTokenSerializer(data=request.data, context={"request": request})`.
    """
