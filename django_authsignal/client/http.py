"""One call over HTTP: path, headers, body out; JSON, or one of the errors, back.

requests' Session is not used: it looks up proxies and netrc on every call (40% of a call's CPU), keeps
cookies between threads, follows redirects with the secret in the headers, and rewrites percent-encoded dots
in paths. What is left of requests is its adapter, the part that is made to be replaced.
"""

from __future__ import annotations

import os
import re
import time
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from json import loads
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import requests
from requests.adapters import BaseAdapter
from requests.hooks import default_hooks
from requests.structures import CaseInsensitiveDict
from requests.utils import DEFAULT_CA_BUNDLE_PATH, get_environ_proxies
from urllib3.exceptions import HTTPError

from django_authsignal import __version__

from . import errors
from ._encode import encode
from ._transport import DeadlineAdapter, call

MAX_ANSWER = 1024 * 1024  # bytes; answers of this API are a few kB

_REFUSALS: Mapping[int, type[errors.Refused]] = {
    400: errors.InvalidRequest,
    401: errors.Unauthorized,
    403: errors.Forbidden,
    404: errors.NotFound,
    409: errors.Conflict,
    422: errors.InvalidRequest,
    429: errors.RateLimited,
}
_FIXES: Mapping[int, str] = {
    401: "Check that the secret key belongs to this tenant and that the API URL names its region.",
    403: "Check what this secret key may do.",
    404: "Check the ids, and that the API URL ends with /v1.",
    429: "Ask again later.",
}
_TOKEN = re.compile(r"[\w-]{8,}\.[\w-]{8,}\.[\w-]*")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\xa0-\ud7ff\ue000-\uffff]+")


class _Hidden(str):
    """A header's value that no repr shows: error reporters collect the variables of every frame."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'[hidden]'"


class Http:
    """Calls to one base URL with one key. Safe from many threads, and across fork."""

    def __init__(self, secret: str, *, api_url: str, timeout: float, transport: BaseAdapter | None) -> None:
        self.base_url = _base_url(api_url)
        if not timeout > 0:
            raise errors.ConfigurationError(f"The timeout is {timeout!r}. Give the seconds one call may take, as 5.0.")
        self.timeout = timeout
        self._secret = _Hidden(secret)
        self._transport = transport
        # The environment is read once, here: proxies and a company's own certificates work, netrc never
        # replaces the key.
        self._proxies = dict(get_environ_proxies(self.base_url, no_proxy=None)) if transport is None else {}
        self._ca_bundle = (
            os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or DEFAULT_CA_BUNDLE_PATH
        )
        self._adapters: dict[int, BaseAdapter] = {}
        self._headers: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"<Http {self.base_url}>"

    def close(self) -> None:
        """Close the idle connections. A later call opens new ones."""
        adapter = self._adapters.pop(os.getpid(), None) or self._transport
        if adapter is not None:
            adapter.close()

    def call(
        self,
        operation: str,
        method: str,
        path: tuple[str, ...],
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        repeatable: bool = True,
    ) -> Any:
        """The answer's JSON, None when it has no body. Raises AuthsignalError or ConfigurationError.

        `repeatable`: doing it twice is doing it once, so it may be sent again when the pooled connection
        turns out to have been closed by the other side while it was idle. Nothing else is ever sent twice.
        """
        request = self._prepare(method, path, query, body)
        call.ends = time.monotonic() + self.timeout
        call.only_new = False
        status, headers, content, problem = self._exchange(operation, request)
        if problem is not None and repeatable and _was_stale(problem):
            call.only_new = True
            status, headers, content, problem = self._exchange(operation, request)
        if problem is not None:
            # Raised here, outside every except block: the chained exceptions' frames hold the raw headers.
            raise problem
        if 200 <= status < 300:
            return self._parse(operation, status, content)
        raise self._failure(operation, status, headers, content)

    def _prepare(
        self,
        method: str,
        path: tuple[str, ...],
        query: Mapping[str, str] | None,
        body: Mapping[str, Any] | None,
    ) -> requests.PreparedRequest:
        request = requests.PreparedRequest()
        request.method = method
        # Assembled here and not by requests, which decodes %2E and with it would let "%2E%2E" become "..".
        request.url = f"{self.base_url}/{'/'.join(path)}" + (f"?{urlencode(query)}" if query else "")
        headers: CaseInsensitiveDict[str] = CaseInsensitiveDict(self._headers or self._common_headers())
        request.headers = headers
        request.hooks = default_hooks()
        if body is not None:
            request.body = encode(body)
            headers["Content-Type"] = "application/json"
            headers["Content-Length"] = str(len(request.body))
        elif method not in ("GET", "DELETE"):
            headers["Content-Length"] = "0"
        return request

    def _common_headers(self) -> dict[str, str]:
        credentials = b64encode(f"{_usable(self._secret)}:".encode("ascii")).decode("ascii")
        self._headers = {
            "Authorization": _Hidden(f"Basic {credentials}"),
            "Accept": "application/json",
            "Accept-Encoding": "identity",  # answers are small, and a compressed one can be a bomb
            "User-Agent": f"django-authsignal/{__version__}",
            "X-Authsignal-Version": __version__,
        }
        return self._headers

    def _adapter(self) -> BaseAdapter:
        if self._transport is not None:
            return self._transport
        # By process: after a fork, two processes writing to one socket would read each other's answers. The
        # parent's pool stays in the dict untouched, since its locks may have been held when the process was
        # forked.
        pid = os.getpid()
        found = self._adapters.get(pid)
        return found or self._adapters.setdefault(pid, DeadlineAdapter(self._ca_bundle))

    def _exchange(
        self, operation: str, request: requests.PreparedRequest
    ) -> tuple[int, Mapping[str, str], bytes, errors.Unreachable | None]:
        call.connected = False
        left = max(call.ends - time.monotonic(), 0.001)
        response = None
        try:
            response = self._adapter().send(
                request, stream=True, timeout=(left, left), verify=self._ca_bundle, proxies=self._proxies
            )
            content = _read(response)
        except (requests.RequestException, HTTPError, OSError) as exc:
            if response is not None:
                response.close()
            return 0, {}, b"", self._problem(operation, exc, answered=response is not None)
        if content is None:
            response.close()
            message = f"{operation}: the answer is longer than {MAX_ANSWER} bytes. Check that the API URL is right."
            return (
                0,
                {},
                b"",
                errors.UnreadableResponse(message, operation=operation, status=response.status_code),
            )
        return response.status_code, response.headers, content, None

    def _problem(self, operation: str, exc: Exception, *, answered: bool) -> errors.Unreachable:
        if time.monotonic() >= call.ends or isinstance(exc, (requests.Timeout, TimeoutError)):
            message = f"{operation}: no complete answer from {self.base_url} within {self.timeout:g} s. "
            return errors.TimedOut(message + "Ask again, or raise the timeout.", operation=operation)
        if answered:
            message = f"{operation}: the answer broke off or could not be decoded. Ask again."
            return errors.UnreadableResponse(message, operation=operation)
        message = f"{operation}: no connection to {self.base_url} ({_reason(exc)}). {self._connection_fix()}"
        problem = errors.ConnectionFailed(message, operation=operation)
        problem.stale = not call.connected and _closed_by_peer(exc)
        return problem

    def _connection_fix(self) -> str:
        if urlsplit(self.base_url).hostname in ("localhost", "127.0.0.1", "::1"):
            return "If the emulator should be there, start it: python -m django_authsignal.emulator."
        return "Check the API URL, the network and the proxy settings."

    def _parse(self, operation: str, status: int, content: bytes) -> Any:
        if not content.strip():
            return None
        try:
            return loads(content)
        except (ValueError, RecursionError):
            message = f"{operation}: the answer ({status}) is not JSON. Check that the API URL ends with /v1."
        raise errors.UnreadableResponse(message, operation=operation, status=status)

    def _failure(
        self, operation: str, status: int, headers: Mapping[str, str], content: bytes
    ) -> errors.AuthsignalError:
        code, description = self._explanation(content)
        said = ", ".join(part for part in (code, description) if part)
        text = f"{operation}: the answer is {status}" + (f" ({said})" if said else "")
        if status == 429:
            return errors.RateLimited(
                f"{text}. {_FIXES[429]}",
                operation=operation,
                status=status,
                code=code,
                description=description,
                retry_after=_seconds(headers.get("Retry-After")),
            )
        kind: type[errors.AuthsignalError]
        if 400 <= status < 500:
            kind, fix = _REFUSALS.get(status, errors.Refused), _FIXES.get(status, "Check what was sent.")
        elif 300 <= status < 400:
            kind, fix = errors.Redirected, "Redirects are not followed; set the API URL to the final address."
        elif 500 <= status < 600:
            kind, fix = errors.ServerError, "Ask again later."
        else:
            kind, fix = errors.UnreadableResponse, "Check the API URL."
        return kind(f"{text}. {fix}", operation=operation, status=status, code=code, description=description)

    def _explanation(self, content: bytes) -> tuple[str | None, str | None]:
        try:
            data = loads(content)
        except (ValueError, RecursionError):
            return None, None
        if not isinstance(data, dict):
            return None, None
        code = data.get("errorCode") or data.get("error")
        return self._clean(code, 64), self._clean(data.get("errorDescription"), 200)

    def _clean(self, text: object, length: int) -> str | None:
        """What the service says, fit for a log: short, one line, and without a secret or token it may
        quote."""
        if not isinstance(text, str) or not text:
            return None
        if len(self._secret) >= 8:  # a shorter one is a test's, and part of common words
            text = text.replace(self._secret, "[hidden]")
            text = text.replace(self._headers["Authorization"].removeprefix("Basic "), "[hidden]")
        return _UNPRINTABLE.sub(" ", _TOKEN.sub("[hidden]", text))[:length]


def segment(name: str, value: str) -> str:
    """`value` as exactly one segment of a path, every reserved character percent-encoded.

    Raises ValueError for what no path can carry safely: nothing at all, "." and ".." (HTTP software takes
    them out of paths, encoded or not: RFC 3986 section 5.2.4), NUL, and halves of surrogate pairs, which have
    no UTF-8.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} is a {type(value).__name__}, and ids are texts. Use str({name}).")
    if value in ("", ".", ".."):
        raise ValueError(f"{name} is {value!r}, which cannot be part of a URL's path. Use another id.")
    if "\0" in value:
        raise ValueError(f"{name} contains NUL, which cannot be part of a URL's path. Use another id.")
    try:
        return quote(value, safe="")
    except UnicodeEncodeError:
        raise ValueError(f"{name} contains half of a surrogate pair, which is no text. Use another id.") from None


def _usable(secret: str) -> str:
    if not secret or not secret.strip():
        raise errors.ConfigurationError(
            'Authsignal has no secret key. Set AUTHSIGNAL["API_SECRET_KEY"] (a Client takes it as its first argument), '
            "or start the emulator: python -m django_authsignal.emulator."
        )
    if not secret.isascii() or not secret.isprintable() or secret != secret.strip():
        raise errors.ConfigurationError(
            "The Authsignal secret key contains a line break, a space at its end, or a character outside ASCII. "
            "Copy it again from the Authsignal Portal, Settings, API keys."
        )
    if ":" in secret:  # RFC 7617 section 2: what follows would be read as the password
        raise errors.ConfigurationError("The Authsignal secret key contains a colon. Copy the key alone.")
    return str(secret)


def _base_url(api_url: str) -> str:
    fix = "Give one like https://api.authsignal.com/v1."
    try:
        parts = urlsplit(api_url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except (ValueError, TypeError, AttributeError):
        usable = False
    if not usable:
        raise errors.ConfigurationError(f"The API URL is not an http or https URL. {fix}")
    if parts.username is not None or parts.query or parts.fragment or re.search(r"[\s\\]", api_url):
        raise errors.ConfigurationError(f"The API URL holds a user name, a query, a fragment or a space. {fix}")
    return api_url.rstrip("/")


def _read(response: requests.Response) -> bytes | None:
    """The whole body, or None if it is longer than MAX_ANSWER."""
    chunks, size = [], 0
    for chunk in response.iter_content(65536):
        size += len(chunk)
        if size > MAX_ANSWER:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


def _causes(exc: BaseException | None) -> list[BaseException]:
    """An exception and what it was made from; requests and urllib3 wrap four deep, in `args`, `reason` or a
    chain."""
    found: list[BaseException] = []
    waiting = [exc]
    while waiting and len(found) < 20:
        one = waiting.pop()
        if isinstance(one, BaseException) and one not in found:
            found.append(one)
            waiting += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
    return found


def _closed_by_peer(exc: Exception) -> bool:
    """True for "closed without an answer" (RemoteDisconnected is a ConnectionResetError), reset, and broken
    pipe."""
    return any(isinstance(one, (ConnectionResetError, BrokenPipeError)) for one in _causes(exc))


def _was_stale(problem: errors.Unreachable) -> bool:
    return isinstance(problem, errors.ConnectionFailed) and problem.stale


def _reason(exc: Exception) -> str:
    """The innermost operating system error's own words; the wrappers' texts repeat the URL, with the user's
    id."""
    for one in reversed(_causes(exc)):
        if isinstance(one, OSError) and one.strerror:
            return one.strerror
    return type(exc).__name__


def _seconds(header: str | None) -> float | None:
    """Retry-After in seconds: a number, or a date (RFC 9110 section 10.2.3). None for anything else."""
    text = (header or "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())
