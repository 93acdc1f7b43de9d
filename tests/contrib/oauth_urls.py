"""An endpoint named as OAuth Toolkit's, which is not installed."""

from django.urls import path
from django.views import View

from tests.project.urls import urlpatterns as project

TokenView = type("TokenView", (View,), {"__module__": "oauth2_provider.views.base"})

urlpatterns = [*project, path("o/token/", TokenView.as_view())]
