"""dj-rest-auth's sign-in, guarded."""

from django.urls import path

from django_authsignal.contrib.rest_framework.dj_rest_auth import LoginView
from tests.project.urls import urlpatterns as project

urlpatterns = [*project, path("sign-in/", LoginView.as_view())]
