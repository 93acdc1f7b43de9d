"""A project whose callback address leads nowhere, or elsewhere (ELSEWHERE), though it knows the address."""

from django.conf import settings
from django.http import Http404, HttpResponsePermanentRedirect
from django.urls import include, path

from tests.project.urls import urlpatterns as project


def nothing(request, rest):
    if getattr(settings, "ELSEWHERE", ""):
        return HttpResponsePermanentRedirect(f"{settings.ELSEWHERE}{request.path}")
    raise Http404


urlpatterns = [
    path("authsignal/callback/<path:rest>", nothing),
    path("authsignal/", include("django_authsignal.urls")),
    *project,
]
