"""Endpoints that issue tokens as their packages wrote them, in every place where a urlconf may hide them."""

from django.urls import include, path, re_path
from knox.views import LoginView
from rest_framework.authtoken.views import ObtainAuthToken, obtain_auth_token
from rest_framework_simplejwt.views import TokenObtainPairView, TokenObtainSlidingView, TokenRefreshView

from django_authsignal.contrib.rest_framework.simplejwt import TokenObtainPairView as GuardedPairView
from tests.project.urls import urlpatterns as project


class Renamed(ObtainAuthToken):
    pass


nested = [
    path("sliding/", TokenObtainSlidingView.as_view()),
    path("refresh/", TokenRefreshView.as_view()),
    re_path(r"^renamed/(?P<version>v\d+)/$", Renamed.as_view()),
]

urlpatterns = [
    *project,
    path("token/", obtain_auth_token),
    path("pair/", TokenObtainPairView.as_view()),
    path("guarded/", GuardedPairView.as_view()),
    path("knox/", LoginView.as_view()),
    path("api/", include((nested, "api"), namespace="v1")),
]
