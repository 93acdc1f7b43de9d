"""Where a framework asks inside its views, a cache around one must not answer in the gate's stead."""

import pytest
from django.urls import path
from django.views.decorators.cache import cache_page
from rest_framework.authentication import TokenAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from django_authsignal.contrib.rest_framework import ChallengeRequiredMixin
from django_authsignal.models import Challenge
from tests.contrib.conftest import AUTHORIZATIONS, ApiClient
from tests.project.urls import urlpatterns as project

pytestmark = pytest.mark.django_db


class Balance(ChallengeRequiredMixin, APIView):
    authentication_classes = [TokenAuthentication]
    permission_classes = [IsAuthenticated]
    challenge_action = "withdrawFunds"

    def get(self, request):
        return Response(request.user.get_username())


urlpatterns = [*project, path("balance/", cache_page(60)(Balance.as_view()))]


def test_a_cache_around_a_view_does_not_outlive_a_proof(authsignal, ada, settings):
    settings.ROOT_URLCONF = __name__
    client = ApiClient(authsignal, AUTHORIZATIONS["token"](ada))
    assert client.prove("/balance/", method="get").json() == "ada"
    Challenge.objects.update(proved_at="2026-01-01T00:00:00Z")
    assert client.send("/balance/", method="get").status_code == 401
