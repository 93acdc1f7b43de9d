"""Addresses: our public origin, where a person may be sent, and which hosted page may be followed."""

from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme

from .client import ConfigurationError
from .conf import get_settings, origin_fault, settings_for

MAX_LENGTH = 2048  # characters of a return address
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def public_origin(request: HttpRequest) -> str:
    """The origin that redirectUrl names, without a trailing slash.

    PUBLIC_BASE_URL wins over the Host header, which a visitor can write; of a list, the request's own origin if it
    is listed, else the first.
    """
    configured = get_settings().PUBLIC_BASE_URL
    if callable(configured):
        configured = configured(request)
        fault = origin_fault(configured)
        if fault:
            raise ConfigurationError(f"PUBLIC_BASE_URL is a callable, and what it gave {fault[0]} {fault[1]}")
    own = f"{request.scheme}://{request.get_host()}" if not isinstance(configured, str) else ""
    if not configured:
        return own
    if isinstance(configured, str):
        return configured.rstrip("/")
    origins = [origin.rstrip("/") for origin in configured]
    return own if own in origins else origins[0]


def is_https(request: HttpRequest) -> bool:
    """True when people reach this site by https."""
    if settings_for(request).PUBLIC_BASE_URL is None:
        return request.is_secure()
    return public_origin(request).startswith("https://")


def local(request: HttpRequest, target: str | None) -> str:
    """The target if it stays on this site (as a path, or with this very host), else "".

    Asked when a return address is written and again when it is used: a path itself can be `//evil`.
    """
    if not target or len(target) > MAX_LENGTH or not target.isprintable():
        return ""
    hosts = {request.get_host()}
    if not url_has_allowed_host_and_scheme(target, allowed_hosts=hosts, require_https=request.is_secure()):
        return ""
    parts = urlsplit(target)
    if parts.netloc and parts.netloc != request.get_host():
        return ""
    # Two slashes, of either kind, and no host are no address to a browser: somebody would be stuck there.
    path = target.startswith("/") and target[1:2] not in ("/", "\\")
    return target if parts.netloc or path else ""


def own_path(request: HttpRequest, url: str | None) -> str:
    """Path and query of an absolute URL of this site (a Referer, HX-Current-URL), else ""."""
    if not url or not local(request, url):
        return ""
    parts = urlsplit(url)
    path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    return local(request, path)


def hosted(url: str | None) -> bool:
    """True for a hosted page we may send somebody to: https and a host of HOSTED_HOSTS.

    Loopback, over http too, only under DEBUG or with the emulator on.
    """
    try:
        parts = urlsplit(url or "")
        host = (parts.hostname or "").lower().rstrip(".")
        parts.port  # noqa: B018 - raises ValueError when it is not a number
    except ValueError:
        return False
    if not host or parts.username is not None or "\\" in (url or ""):
        return False
    settings = get_settings()
    if host in LOOPBACK:
        return parts.scheme in ("http", "https") and (django_settings.DEBUG or settings.emulator)
    return parts.scheme == "https" and any(_matches(host, allowed.lower()) for allowed in settings.HOSTED_HOSTS)


def _matches(host: str, allowed: str) -> bool:
    return host == allowed.lstrip(".") or (allowed.startswith(".") and host.endswith(allowed))
