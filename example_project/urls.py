"""Addresses of the example bank."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("example_project.bank.urls")),
    path("authsignal/", include("django_authsignal.urls")),
    path("admin/", admin.site.urls),
]

handler400 = "example_project.error_pages.bad_request"
