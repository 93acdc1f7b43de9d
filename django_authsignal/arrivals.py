"""Tokens that come in an address: taken out of the request before anything can log, report or pass them on."""

from django.http import HttpRequest, QueryDict
from django.urls import Resolver404, resolve

from .client import Sealed

FIELD = "token"
PAGES = ("callback", "break-glass")  # ours whose address may hold one


def hide(request: HttpRequest) -> None:
    """The middleware's first act: whatever stands between it and the view, and fails there, never sees the token."""
    if f"{FIELD}=" in request.META.get("QUERY_STRING", "") and _is_ours(request):
        request._authsignal_arrived = _taken(request)  # type: ignore[attr-defined] # ours, kept on the request


def take(request: HttpRequest) -> Sealed | None:
    """The token this request came with, once; nothing is left of its query, nor of the address it came from."""
    found = _taken(request)
    found = request.__dict__.pop("_authsignal_arrived", None) or found
    _rewrite(request, "")
    return found or None


def _is_ours(request: HttpRequest) -> bool:
    try:
        match = resolve(request.path_info, getattr(request, "urlconf", None))
    except Resolver404:
        return False
    return "authsignal" in match.app_names and match.url_name in PAGES


def _taken(request: HttpRequest) -> Sealed | None:
    kept = request.GET.copy()
    token = [Sealed(item) for item in kept.pop(FIELD, [])][-1:]
    _rewrite(request, kept.urlencode())
    return token[0] if token else None


def _rewrite(request: HttpRequest, query: str) -> None:
    request.GET = QueryDict(query)
    request.META["QUERY_STRING"] = query
    if hasattr(request, "scope"):  # ASGI: what error trackers, and uvicorn's own access log, read afterwards
        request.scope["query_string"] = query.encode("ascii")
        request.scope["headers"] = [
            (name, value.partition(b"?")[0] if name.lower() == b"referer" else value)
            for name, value in request.scope.get("headers", ())
        ]
    # The whole address, from gunicorn and uWSGI; and the page they come from, whose own address may hold a token.
    for name in ("RAW_URI", "REQUEST_URI", "HTTP_REFERER"):
        if name in request.META:
            request.META[name] = request.META[name].partition("?")[0]
    request.__dict__.pop("headers", None)  # Django's cached view of META
