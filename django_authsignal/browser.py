"""The binding cookie: which browser began a challenge, and so which browser may finish it and use its proof.

A stolen session cookie, a planted link, a proof made on another machine are worth nothing without it.
"""

import re
import secrets
import uuid

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse

from .addresses import is_https
from .identity import digest, same

NAME = "authsignal_browser"
HOST_NAME = f"__Host-{NAME}"
MAX_AGE = 400 * 86_400  # seconds; the longest that browsers keep a cookie
_VALUE = re.compile(r"[0-9a-f]{32}")  # 128 random bits


def cookie_name(request: HttpRequest) -> str:
    """`__Host-` exactly when the public URL is https: no subdomain and no plain-http page can then plant one."""
    made: str | None = getattr(request, "_authsignal_cookie", None)  # asked for twice by every guarded request
    if made is None:
        made = HOST_NAME if is_https(request) else NAME
        request._authsignal_cookie = made  # type: ignore[attr-defined] # ours, kept on the request
    return made


def _start_cookie_name(request: HttpRequest, challenge_id: uuid.UUID) -> str:
    return f"{cookie_name(request)}_{challenge_id.hex}"


def _value(request: HttpRequest, name: str) -> str:
    value = request.COOKIES.get(name, "")
    return value if _VALUE.fullmatch(value) else ""


def _hash(value: str) -> str:
    return digest("browser", value) if value else ""


def value(request: HttpRequest) -> str:
    """This browser's binding cookie itself, to be hashed and never kept; "" when it has none."""
    # Not by `_value`, and past `cookie_name` where it was asked before: every guarded request pays for each call.
    name = getattr(request, "_authsignal_cookie", None) or cookie_name(request)
    found: str = request.COOKIES.get(name, "")
    return found if _VALUE.fullmatch(found) else getattr(request, "_authsignal_browser", "")


def current(request: HttpRequest) -> str:
    """The HMAC of this browser's binding cookie, as the ledger holds it; "" when it has none."""
    return _hash(value(request))


def is_known(request: HttpRequest) -> bool:
    """True for a browser that came with a binding cookie. Without one it holds no pass."""
    return bool(_value(request, cookie_name(request)))


def may_be_known(request: HttpRequest) -> bool:
    """True for a browser that came with a binding cookie, of either name."""
    return NAME in request.COOKIES or HOST_NAME in request.COOKIES


def ensure(request: HttpRequest) -> str:
    """The same, making a cookie (sent by `apply`) when this browser has none yet."""
    return _hash(ensure_value(request))


def ensure_value(request: HttpRequest) -> str:
    """The cookie itself, made when this browser has none yet; to be hashed and never kept."""
    if not value(request):
        request._authsignal_browser = secrets.token_hex(16)  # type: ignore[attr-defined] # ours, kept on the request
    return value(request)


def began(request: HttpRequest, challenge_id: uuid.UUID, browser: str) -> bool:
    """True when this browser began the challenge: by its cookie, or by the challenge's own when two starts raced."""
    return same(current(request), browser) or same(
        _hash(_value(request, _start_cookie_name(request, challenge_id))), browser
    )


def remember_start(request: HttpRequest, challenge_id: uuid.UUID) -> None:
    """Has `apply` set a cookie for this challenge alone, if this browser had none when it began.

    Two tabs opened at once each make a cookie and the later answer wins; the other tab's challenge is kept
    finishable by a cookie of its own: for an hour, and where the name allows a path, on its own pages only.
    """
    if getattr(request, "_authsignal_browser", ""):
        started = [*getattr(request, "_authsignal_started", ()), challenge_id]
        request._authsignal_started = started  # type: ignore[attr-defined] # ours, kept on the request


def apply(request: HttpRequest, response: HttpResponseBase) -> bool:
    """Sets on the response what this request made; True when it did. Safe to call twice."""
    value = getattr(request, "_authsignal_browser", "")
    if not value:
        return False
    # By the name it was made under: PUBLIC_BASE_URL may query, and async code comes here from its event loop.
    name = cookie_name(request)
    secure = name == HOST_NAME
    response.set_cookie(name, value, max_age=MAX_AGE, path="/", secure=secure, httponly=True, samesite="Lax")
    for challenge_id in getattr(request, "_authsignal_started", ()):
        started = _start_cookie_name(request, challenge_id)
        # `__Host-` allows no path; without it a subdomain could plant this cookie, and with it a challenge of its own.
        pages = [reverse(f"authsignal:{page}", args=[challenge_id]) for page in ("callback", "challenge")]
        for path in ["/"] if secure else pages:
            response.set_cookie(started, value, max_age=3600, path=path, secure=secure, httponly=True, samesite="Lax")
    return True
