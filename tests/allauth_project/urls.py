"""allauth's pages and its API beside the tests' own views, and views of frameworks that its session tokens open."""

from allauth.headless.contrib.ninja.security import x_session_token_auth
from allauth.headless.contrib.rest_framework.authentication import XSessionTokenAuthentication
from django.urls import include, path
from ninja import NinjaAPI
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from django_authsignal.contrib.ninja import challenge_required
from django_authsignal.contrib.rest_framework import ChallengeRequiredMixin
from tests.project.urls import urlpatterns as project

api = NinjaAPI(auth=x_session_token_auth)


@api.post("/withdraw/")
@challenge_required("withdrawFunds")
def withdraw(request):
    return request.user.get_username()


class Withdraw(ChallengeRequiredMixin, APIView):
    authentication_classes = [XSessionTokenAuthentication]
    permission_classes = [IsAuthenticated]
    challenge_action = "withdrawFunds"

    def post(self, request):
        return Response(request.user.get_username())


urlpatterns = [
    *project,
    path("accounts/", include("allauth.urls")),
    path("_allauth/", include("allauth.headless.urls")),
    path("hijack/", include("hijack.urls")),
    path("ninja/", api.urls),
    path("drf/withdraw/", Withdraw.as_view()),
]
