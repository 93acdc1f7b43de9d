"""Drop-ins for the views of djangorestframework-simplejwt that trade a password for a token.

Refreshing needs none: a refreshed token is a new credential, and holds no proof of the old one.
"""

from rest_framework_simplejwt import views

from .views import SignInMixin


class TokenObtainPairView(SignInMixin, views.TokenObtainPairView):
    """simplejwt's own, answering with a challenge first."""


class TokenObtainSlidingView(SignInMixin, views.TokenObtainSlidingView):
    """simplejwt's own, answering with a challenge first."""


token_obtain_pair = TokenObtainPairView.as_view()
token_obtain_sliding = TokenObtainSlidingView.as_view()
