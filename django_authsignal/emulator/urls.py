"""The API under /v1/, the dashboard and the hosted pages beside it."""

from __future__ import annotations

from importlib.util import find_spec

from django.urls import URLPattern, URLResolver, include, path, re_path

from django_authsignal.emulator import api, openapi, static_files

urlpatterns: list[URLPattern | URLResolver] = [
    path("openapi.json", openapi.view, name="openapi"),
    path("v1/openapi.json", openapi.view),
    # One view: the API's ids are read from the raw path, which Django's resolver does not see.
    re_path(r"^v1/", api.api),
    re_path(r"^call/(?:start|finish)$", api.api),  # the service has a host of its own for these, without a version
    path("", include("django_authsignal.emulator.dashboard.urls")),
    path("static/<path:path>", static_files.static),
]
if find_spec("django_authsignal.emulator.hosted_urls"):
    urlpatterns.append(path("", include("django_authsignal.emulator.hosted_urls")))

_ERRORS = "django_authsignal.emulator.errors"
handler400 = f"{_ERRORS}.bad_request"
handler404 = f"{_ERRORS}.not_found"
handler500 = f"{_ERRORS}.failed"
