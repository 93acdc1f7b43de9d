"""The one view of /v1/: the routes of the three APIs, most specific first."""

from __future__ import annotations

from django_authsignal.emulator import client_api, devices_api, management_api, server_api
from django_authsignal.emulator.http import api_view

api = api_view(
    [*client_api.ROUTES, *management_api.ROUTES, *devices_api.ROUTES, *server_api.ROUTES], cors_prefix="client/"
)
