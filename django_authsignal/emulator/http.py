"""HTTP of the API in one place: the raw path, the body, the headers, and errors with their three keys."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import logging
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.http import HttpRequest, HttpResponse, QueryDict
from django.views.decorators.csrf import csrf_exempt

from django_authsignal.emulator import races
from django_authsignal.emulator.problems import Problem, invalid

logger = logging.getLogger(__name__)
_BELOW_A_USER = "(?:actions|authenticators|devices)"
# A mistyped or missing operation must not change, or delete, a user of that name.
_NOT_BELOW_A_USER = f"(?!(?:.*/)?{_BELOW_A_USER}/|.*/{_BELOW_A_USER}$)"
# It ties a passkey challenge to the browser that asked for it, beside the authorisation and never instead of it.
COOKIE = "emulator_browser"
_HEADERS = (
    "authorization, content-type, x-authsignal-sdk, x-authsignal-version, x-authsignal-tenant-id, "
    "x-authsignal-native-sdk, x-authsignal-native-sdk-version, x-authsignal-signature"
)
_DEPTH = 64  # of nested lists and objects: what is stored must be readable with the stack that is left


@dataclass(frozen=True)
class Call:
    """One request, read: what a handler sees of HTTP."""

    method: str
    ids: Mapping[str, str]  # from the path, decoded once
    query: QueryDict
    body: dict[str, Any]
    authorization: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    address: str = ""  # of the caller
    cookie: str = field(default="", repr=False)


@dataclass(frozen=True)
class Reply:
    """An answer that also sets the browser's cookie."""

    body: Any
    cookie: str = field(repr=False)


Handler = Callable[[Call], Any]


@dataclass(frozen=True)
class Route:
    """A path below /v1/ and what each of its methods does."""

    pattern: re.Pattern[str]
    handlers: Mapping[str, Handler]


def route(template: str, **handlers: Handler) -> Route:
    """`users/{user_id}/actions/{action}`. A user id may hold raw slashes, so what follows it matches from the right."""

    def group(found: re.Match[str]) -> str:
        if found[1] != "user_id":
            return f"(?P<{found[1]}>[^/]+)"
        return f"(?P<user_id>{_NOT_BELOW_A_USER if found.end() == len(template) else ''}.+)"

    return Route(re.compile(re.sub(r"\{(\w+)\}", group, template)), handlers)


class Api:
    """The view of everything under /v1/. The first route that matches decides; it alone says 405."""

    # Authorised by a header that no browser adds by itself. The cookie authorises nothing: see `Reply` and COOKIE.
    csrf_exempt = True

    def __init__(self, routes: Sequence[Route], *, cors_prefix: str) -> None:
        self._routes = routes
        self._cors_prefix = cors_prefix

    def __call__(self, request: HttpRequest) -> HttpResponse:
        path = raw_path(request).removeprefix("/v1").removeprefix("/")
        browsers = path.startswith(self._cors_prefix)
        try:
            if browsers and request.method == "OPTIONS":
                response = HttpResponse(status=204)
            else:
                response = answer(self._handle(request, path))
        except Problem as problem:
            response = answer(problem.body(), problem.status)
        except SuspiciousOperation:  # too many parameters; a RequestDataTooBig was answered before
            response = answer(invalid("The request has too many parameters.").body(), 400)
        except Exception:
            logger.exception("A request could not be answered")
            response = answer(Problem(500, "unexpected_error", "The emulator failed; see its log.").body(), 500)
        if browsers:
            _allow_browsers(request, response, cookies_only=path.endswith("/web"))
        response["Cache-Control"] = "no-store"
        return response

    def _handle(self, request: HttpRequest, path: str) -> Any:
        handler, ids = resolve(self._routes, request.method or "", path, request.headers.get("User-Agent", ""))
        call = Call(
            method=request.method or "",
            ids=ids,
            query=request.GET,
            body=_body(request),
            authorization=request.headers.get("Authorization", ""),
            headers=request.headers,
            address=request.META.get("REMOTE_ADDR") or "",
            cookie=request.COOKIES.get(COOKIE, ""),
        )
        if call.query:
            given = dict(call.query.lists())
            _check_text(json.dumps(given), given)
        return races.again(lambda: handler(call))


def api_view(routes: Sequence[Route], *, cors_prefix: str) -> Callable[[HttpRequest], HttpResponse]:
    api = Api(routes, cors_prefix=cors_prefix)

    @csrf_exempt
    def view(request: HttpRequest) -> HttpResponse:
        return api(request)

    return view


def resolve(routes: Sequence[Route], method: str, path: str, user_agent: str = "") -> tuple[Handler, dict[str, str]]:
    """The handler and the decoded ids. Raises Problem 404 or 405."""
    for candidate in routes:
        if found := candidate.pattern.fullmatch(path):
            handler = candidate.handlers.get(method)
            if handler is None:
                raise Problem(405, "method_not_allowed", f"Use {' or '.join(candidate.handlers)} for this path.")
            return handler, {name: _decode(value, user_agent) for name, value in found.groupdict().items()}
    raise Problem(404, "not_found", "There is no such path in the API, or the emulator does not have it yet.")


def raw_path(request: HttpRequest) -> str:
    """The path as it was sent: %2F in an id is not a slash, and what is decoded twice is another id."""
    scope = getattr(request, "scope", None)
    if scope and scope.get("raw_path"):
        return str(scope["raw_path"].decode("latin-1")).partition("?")[0]
    sent: str = request.META.get("RAW_URI") or request.META.get("REQUEST_URI") or ""
    if sent.startswith("http"):  # the absolute form that proxies use
        sent = "/" + sent.split("://", 1)[-1].partition("/")[2]
    # A server that tells neither has decoded the path already, and the ids in it must not be decoded again.
    return sent.partition("?")[0] or quote(request.path, safe="/+")


def basic_user(authorization: str) -> str | None:
    """The user name of Basic authorisation; the password does not matter.

    SDKs write it in several ways: with or without the colon, either base64 alphabet, with or without padding, and the
    browser's percent-encoded first.
    """
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    plain = value.strip().translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        decoded = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    return unquote(decoded.partition(":")[0])


def bearer(authorization: str) -> str | None:
    scheme, _, value = authorization.partition(" ")
    return value.strip() if scheme.lower() == "bearer" else None


def same(left: str | None, right: str) -> bool:
    return left is not None and hmac.compare_digest(left.encode(), right.encode())


def answer(body: Any, status: int = 200) -> HttpResponse:
    """JSON with the exact content type that the Python SDK insists on."""
    reply = body if isinstance(body, Reply) else None
    content = json.dumps(reply.body if reply else body)
    response = HttpResponse(content, status=status, content_type="application/json")
    if reply:
        # The SDK's page may be on another site, and only SameSite=None goes there, which needs https.
        secure = settings.PUBLIC_URL.startswith("https:")
        response.set_cookie(
            COOKIE,
            reply.cookie,
            max_age=settings.CEREMONY_AGE,
            path="/v1/client/",
            secure=secure,
            httponly=True,
            samesite="None" if secure else "Strict",
        )
    return response


def _allow_browsers(request: HttpRequest, response: HttpResponse, *, cookies_only: bool) -> None:
    """The Client API is called from any page, but with cookies only from pages of known origins."""
    origin = request.headers.get("Origin", "")
    response["Vary"] = "Origin"
    if _is_known(origin):
        response["Access-Control-Allow-Origin"] = origin
        response["Access-Control-Allow-Credentials"] = "true"
    elif not cookies_only:
        response["Access-Control-Allow-Origin"] = "*"
    response["Access-Control-Allow-Methods"] = "GET, POST, PATCH, DELETE, OPTIONS"
    response["Access-Control-Allow-Headers"] = _HEADERS
    response["Access-Control-Max-Age"] = "600"


def _is_known(origin: str) -> bool:
    """The public URL's, one of `--origin`, or a page of this machine."""
    if origin in settings.ORIGINS:
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    here = parts.scheme in ("http", "https") and parts.hostname in ("localhost", "127.0.0.1", "::1")
    return here and origin == f"{parts.scheme}://{parts.netloc}" and "@" not in parts.netloc


def _decode(value: str, user_agent: str) -> str:
    if user_agent.startswith("authsignal-php"):  # its urlencode() writes a space as +
        value = value.replace("+", " ")
    try:
        text = unquote(value, errors="strict")
    except UnicodeDecodeError:
        raise invalid("The path is not UTF-8.") from None
    if "\0" in text:
        raise invalid("The path holds a NUL character.")
    return text


def _body(request: HttpRequest) -> dict[str, Any]:
    try:
        raw = request.body
    except RequestDataTooBig:
        raise Problem(413, "payload_too_large", "The body is larger than 1 MiB.") from None
    if not raw.strip():
        return {}
    try:
        text = raw.decode("utf-8-sig")
    except ValueError:
        raise invalid("The body is not valid JSON.") from None
    body = read_json(text, "The body")
    if body is None:
        return {}
    if not isinstance(body, dict):
        raise invalid("The body must be a JSON object.")
    return body


def read_json(text: str, what: str) -> Any:
    """What a database can store and a reader's stack can hold. Raises Problem 400 that begins with `what`."""
    try:
        value = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError):
        raise invalid(f"{what} is not valid JSON.") from None
    if text.count("[") + text.count("{") > _DEPTH and _is_deeper(value, _DEPTH):
        raise invalid(f"{what} is nested more than {_DEPTH} deep.")
    _check_text(text, value)
    return value


def _check_text(text: str, value: Any) -> None:
    """Refuse what no database can store: NUL, and half of a surrogate pair. Only an escape can have made either."""
    if ("\\u" in text or "\0" in text) and any(_is_unstorable(found) for found in _texts(value)):
        raise invalid("The request holds a NUL character or half of a surrogate pair.")


def _texts(value: Any) -> Iterator[str]:
    """Every string in what JSON holds, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value:
            yield from _texts(item)
        if isinstance(value, dict):
            yield from _texts(list(value.values()))


def _is_unstorable(text: str) -> bool:
    return "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{number} does not fit")
    return value


def _is_deeper(value: Any, limit: int) -> bool:
    """Without recursion, which is what a deep body is sent to exhaust."""
    level = [value]
    for _ in range(limit + 1):
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
    return any(isinstance(item, dict | list) for item in level)
