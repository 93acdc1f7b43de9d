"""The one view of /v1/: the routes of the three APIs, most specific first."""

from __future__ import annotations

from django_authsignal.emulator import (
    calls_api,
    challenges_api,
    client_api,
    device_keys_api,
    devices_api,
    management_api,
    server_api,
    sessions_api,
    webhooks_api,
)
from django_authsignal.emulator.http import api_view

ROUTES = [
    *client_api.ROUTES,
    *device_keys_api.ROUTES,
    *management_api.ROUTES,
    *webhooks_api.ROUTES,
    *devices_api.ROUTES,
    *challenges_api.ROUTES,
    *calls_api.ROUTES,
    *sessions_api.ROUTES,
    *server_api.ROUTES,
]
api = api_view(ROUTES, cors_prefix="client/")
