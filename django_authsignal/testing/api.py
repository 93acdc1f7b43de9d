"""What a test client of an API authenticates with, and who that is."""

from __future__ import annotations

import base64
import binascii
import sys
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth import load_backend
from django.contrib.auth.models import AbstractBaseUser
from django.test import Client
from django.utils.module_loading import import_string

from django_authsignal.backends import AuthsignalBackendMixin


@dataclass(frozen=True)
class Known:
    """Whom a client comes as, and by what; no user where only a view of yours could tell."""

    credential: str
    user: AbstractBaseUser | None


def known_by(client: Client) -> Known | None:
    """None for a client that brings no credential: it comes by its session."""
    sent = {**client.defaults, **getattr(client, "_credentials", {})}  # REST framework's credentials()
    header = str(sent.get("HTTP_AUTHORIZATION", ""))
    if header[:6].lower() == "basic ":
        return Known(header, _by_password(header[6:]))
    found = _by_rest_framework(client, sent)
    return found if found or not header else Known(header, None)


def _by_password(encoded: str) -> AbstractBaseUser | None:
    try:
        name, _, password = base64.b64decode(encoded).decode().partition(":")
    except (ValueError, binascii.Error):
        return None
    return user_of({"username": name, "password": password})[0]


def _by_rest_framework(client: Client, sent: dict[str, Any]) -> Known | None:
    """What the default authentication classes, or `force_authenticate()`, make of it."""
    if not (sent.get("HTTP_AUTHORIZATION") or hasattr(client, "_credentials")) or "rest_framework" not in sys.modules:
        return None
    inner = import_string("rest_framework.test.APIRequestFactory")().get("/", **sent)
    handler = client.handler
    inner._force_auth_user = getattr(handler, "_force_user", None)
    inner._force_auth_token = getattr(handler, "_force_token", None)
    classes = import_string("rest_framework.settings.api_settings").DEFAULT_AUTHENTICATION_CLASSES
    request = import_string("rest_framework.request.Request")(inner, authenticators=[cls() for cls in classes])
    try:
        authenticator = request.successful_authenticator
    except import_string("rest_framework.exceptions.APIException"):
        return None  # another class of the view's own reads it
    if authenticator is None:
        return None
    value = import_string("django_authsignal.contrib.rest_framework.credentials.credential_of")(request)
    return Known(value, request.user) if value else None


def user_of(credentials: dict[str, Any]) -> tuple[AbstractBaseUser | None, str]:
    """Who these credentials belong to, by the gated backends without their gate, and by which one."""
    for path in settings.AUTHENTICATION_BACKENDS:
        backend = load_backend(path)
        if isinstance(backend, AuthsignalBackendMixin):
            user = super(AuthsignalBackendMixin, backend).authenticate(None, **credentials)
            if user is not None:
                return user, path
    return None, ""
