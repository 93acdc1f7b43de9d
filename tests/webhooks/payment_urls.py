"""Our urls below a word that makes a view look sensitive."""

from django.urls import include, path

urlpatterns = [path("withdraw/money/", include("django_authsignal.urls"))]
