"""One call over HTTP: path, headers, body out; JSON, or one of the errors, back.

requests' Session is not used: it looks up proxies and netrc on every call (40% of a call's CPU), keeps
cookies between threads, follows redirects with the secret in the headers, and rewrites percent-encoded dots
in paths. What is left of requests is its adapter, the part that is made to be replaced.
"""

from __future__ import annotations

import logging
import os
import random
import re
import ssl
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from json import loads
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.hooks import default_hooks
from requests.structures import CaseInsensitiveDict
from requests.utils import DEFAULT_CA_BUNDLE_PATH, get_environ_proxies, select_proxy
from urllib3.exceptions import HTTPError
from urllib3.util import parse_url

from django_authsignal import __version__

from . import errors
from ._breaker import Admission, Breaker, BreakerSettings, Places, Store, breaker_for, places
from ._encode import Hidden, Sealed, encode
from ._transport import DeadlineAdapter, call
from .reports import Called, Circuit, Observer

logger = logging.getLogger("django_authsignal")

FIRST_WAIT = 0.1  # seconds at most before a call is made once more; twice as long before each further time
MOST_RETRIES = 10
LONGEST_WAIT = 2.0  # seconds; where the service names a longer one, that
GATEWAYS = (502, 503, 504)  # what stands before the service could not ask it; 500 is its own, and would come again

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
# A JWT, whose first part is the base64 of a JSON object. Linear: the text is the service's, and may be hostile.
_TOKEN = re.compile(r"\bey[\w-]{6,}(?:\.[\w-]*)*")
_NO_URL = "is not an http or https URL."
_FAILURES = (requests.RequestException, HTTPError, OSError)
_T = TypeVar("_T")


class _Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    content: bytes


class Patience(NamedTuple):
    """What a client does on a bad day."""

    retries: int = 2  # how often a call is made once more, where twice is the same as once
    breaker_failures: int = 5  # calls in a row without a usable answer, after which none is made for a while; 0: never
    breaker_pause: float = 10.0  # seconds of that while
    breaker_store: Store | None = None  # what processes share of it
    max_calls: int = 64  # under way at once in one process
    observer: Observer | None = None


class Http:
    """Calls to one base URL with one key. Safe from many threads, and across fork."""

    sleep = staticmethod(time.sleep)  # a seam for tests

    base_url = ""  # until it is known to be one: reprs are asked for in the frames of a wrong setting

    def __init__(
        self, secret: Sealed, *, api_url: str, timeout: float, transport: BaseAdapter | None, patience: Patience
    ) -> None:
        self.base_url = _base_url(api_url)
        fault = _patience_fault(timeout, patience)
        if fault:
            raise errors.ConfigurationError(fault)
        self.timeout = timeout
        self._patience = patience
        self._secret = secret
        self._transport = transport
        # The environment is read once, here: proxies and a company's own certificates work, netrc never
        # replaces the key.
        self._proxies = _proxies(self.base_url) if transport is None else {}
        fault = _proxy_fault(self.base_url, self._proxies) if self._proxies else ""
        if fault:
            raise errors.ConfigurationError(fault)
        self._ca_bundle = (
            os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or DEFAULT_CA_BUNDLE_PATH
        )
        self._adapters: dict[int, BaseAdapter] = {}
        self._headers: dict[str, str] = {}
        # What a test's transport answers says nothing about the API, nor about another test's.
        self._own = None if transport is None else (Breaker(self.base_url, **self._breaker_settings()), Places())

    def __repr__(self) -> str:
        return f"<Http {self.base_url}>"

    def answered_at(self) -> datetime | None:
        """When the last answer that this thread got was written, by the service's clock."""
        return _date(call.date)

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
        read: Callable[[Any], _T],
        *,
        query: Mapping[str, str | Sealed] | None = None,
        body: Mapping[str, Any] | None = None,
        repeatable: bool = True,
    ) -> _T:
        """What `read` makes of the answer's JSON (None when it has no body). Raises AuthsignalError or
        ConfigurationError.

        `read` raises ValueError for what is not the operation's answer. `repeatable`: doing it twice is doing
        it once, so it may be sent again when no answer came, or one that says so; nothing else ever is.
        """
        request = self._prepare(method, path, query, body)
        began = time.monotonic()
        call.sent, call.status = 0, None
        outcome = self._admitted(operation, request, read, repeatable)
        failed = isinstance(outcome, errors.AuthsignalError)
        name = type(outcome).__name__ if failed else "ok"
        self._tell(Called(operation, time.monotonic() - began, call.sent, name, call.status))
        if isinstance(outcome, errors.AuthsignalError):
            # Raised here, outside every except block and far from every answer: error reporters collect the
            # variables of each frame of the traceback and of the chained exceptions', raw headers and tokens too.
            raise outcome
        return outcome

    def _admitted(
        self, operation: str, request: requests.PreparedRequest, read: Callable[[Any], _T], repeatable: bool
    ) -> _T | errors.AuthsignalError:
        """Makes the call where there is a place for it and the circuit is closed."""
        breaker, under_way = self._own or (breaker_for(self.base_url, **self._breaker_settings()), places())
        if not under_way.take(self._patience.max_calls):
            return self._crowded(operation)
        try:
            admission = breaker.admit()
            if admission.wait is not None:
                return self._circuit_open(operation, admission.wait)
            outcome = self._outcome(operation, request, read, repeatable)
        finally:
            under_way.give_back()
        self._judge(breaker, admission, outcome)
        return outcome

    def _breaker_settings(self) -> BreakerSettings:
        patience = self._patience
        return {
            "failures": patience.breaker_failures,
            "pause": patience.breaker_pause,
            "lease": self.timeout + 1,  # longer than a probe can take
            "store": patience.breaker_store,
        }

    def _judge(self, breaker: Breaker, admission: Admission, outcome: object) -> None:
        # Refusals are answers: the service is there.
        if isinstance(outcome, errors.Unreachable):
            if breaker.bad(admission):
                self._tell(Circuit(self.base_url, "open"))
        elif breaker.good(admission):
            self._tell(Circuit(self.base_url, "closed"))

    def _tell(self, report: Called | Circuit) -> None:
        if self._patience.observer is None:
            return
        try:
            self._patience.observer(report)
        except Exception:
            logger.exception("The observer of a client raised. The call is not touched by it.")

    def _crowded(self, operation: str) -> errors.TooManyCalls:
        message = (
            f"{operation}: {self._patience.max_calls} calls to Authsignal are under way in this process. Ask again in "
            "a moment, or raise MAX_CALLS."
        )
        return errors.TooManyCalls(message, operation=operation, retry_after=1.0)

    def _circuit_open(self, operation: str, wait: float) -> errors.CircuitOpen:
        message = (
            f"{operation}: {self.base_url} gave no usable answer {self._patience.breaker_failures} times in a row, so "
            f"it is not asked. Ask again in {wait:.1f} s."
        )
        return errors.CircuitOpen(message, operation=operation, retry_after=wait)

    def _outcome(
        self, operation: str, request: requests.PreparedRequest, read: Callable[[Any], _T], repeatable: bool
    ) -> _T | errors.AuthsignalError:
        call.ends = time.monotonic() + self.timeout
        call.only_new = False
        refused: errors.RateLimited | None = None
        for attempt in range(self._patience.retries + 1):
            outcome = self._attempt(operation, request, read, repeatable)
            # A refusal stays one, whatever became of the attempts after it: an outage may open a door, it never may.
            if refused is not None and isinstance(outcome, errors.Unreachable):
                return refused
            refused = outcome if isinstance(outcome, errors.RateLimited) else refused
            wait = _wait(outcome, attempt) if repeatable and attempt < self._patience.retries else None
            if wait is None or wait >= call.ends - time.monotonic():
                return outcome
            self.sleep(wait)
        return outcome

    def _attempt(
        self, operation: str, request: requests.PreparedRequest, read: Callable[[Any], _T], repeatable: bool
    ) -> _T | errors.AuthsignalError:
        answer = self._exchange(operation, request)
        if repeatable and isinstance(answer, errors.ConnectionFailed) and answer.stale:
            call.only_new = True  # an idle connection that the other side had closed: no reason to wait
            answer = self._exchange(operation, request)
        if isinstance(answer, errors.AuthsignalError):
            return answer
        call.date = answer.headers.get("Date") or ""
        call.status = answer.status
        if not 200 <= answer.status < 300:
            return self._failure(operation, answer)
        try:
            data = loads(answer.content) if answer.content.strip() else None
        except (ValueError, RecursionError):
            problem = "it is not JSON"
        else:
            try:
                return read(data)
            except ValueError as exc:
                problem = str(exc)
        message = f"{operation}: the answer is not what this API answers: {problem}. Check that the API URL is right."
        return errors.UnreadableResponse(message, operation=operation, status=answer.status)

    def _prepare(
        self,
        method: str,
        path: tuple[str, ...],
        query: Mapping[str, str | Sealed] | None,
        body: Mapping[str, Any] | None,
    ) -> requests.PreparedRequest:
        request = requests.PreparedRequest()
        request.method = method
        # Assembled here and not by requests, which decodes %2E and with it would let "%2E%2E" become "..".
        request.url = f"{self.base_url}/{'/'.join(path)}" + (f"?{_query(query)}" if query else "")
        request.hooks = default_hooks()
        if body is not None:
            request.body = encode(body)
        headers: CaseInsensitiveDict[str] = CaseInsensitiveDict(self._headers or self._common_headers())
        request.headers = headers
        if body is not None:
            headers["Content-Type"] = "application/json"
            headers["Content-Length"] = str(len(request.body or b""))
        elif method not in ("GET", "DELETE"):
            headers["Content-Length"] = "0"
        return request

    def _common_headers(self) -> dict[str, str]:
        fault = _fault(self._secret.reveal())
        if fault is not None:
            raise errors.ConfigurationError(fault)
        credentials = b64encode(f"{self._secret.reveal()}:".encode("ascii")).decode("ascii")
        self._headers = {
            "Authorization": Hidden(f"Basic {credentials}"),
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
        try:
            return found or self._adapters.setdefault(pid, DeadlineAdapter(self._ca_bundle))
        except OSError as exc:
            reason = exc.strerror or "not readable"
        raise errors.ConfigurationError(
            f"The certificates to trust cannot be read from {self._ca_bundle} ({reason}). Correct REQUESTS_CA_BUNDLE."
        )

    def _exchange(self, operation: str, request: requests.PreparedRequest) -> _Answer | errors.Unreachable:
        call.connected = False
        call.sent += 1
        call.status = None
        adapter = self._adapter()
        left = max(call.ends - time.monotonic(), 0.001)
        try:
            response = adapter.send(
                request, stream=True, timeout=(left, left), verify=self._ca_bundle, proxies=self._proxies
            )
        except _FAILURES as exc:
            return (
                self._timed_out(operation, exc) or self._not_http(operation, exc) or self._not_connected(operation, exc)
            )
        content = self._content(operation, response)
        if isinstance(content, errors.Unreachable):
            response.close()
            if 200 <= response.status_code < 300:
                return content
            content = b""  # A refusal stays one, whatever became of its text: an outage may open a door, it never may.
        return _Answer(response.status_code, response.headers, content)

    def _content(self, operation: str, response: requests.Response) -> bytes | errors.Unreachable:
        """The whole body, as it came over the wire."""
        fault, status = "", response.status_code
        chunks, size = [], 0
        if response.headers.get("Content-Encoding", "").strip().lower() not in ("", "identity"):
            fault = "is compressed, which was not asked for. Check the proxies between here and the API"
        try:
            # Not one byte is decompressed: a few of them can stand for gigabytes.
            for chunk in () if fault else response.iter_content(65536):
                chunks.append(chunk)
                size += len(chunk)
                if size > MAX_ANSWER:
                    fault = f"is longer than {MAX_ANSWER} bytes. Check that the API URL is right"
                    break
        except (*_FAILURES, ValueError) as exc:  # ValueError: http.client's own, for a chunk of negative length
            late = self._timed_out(operation, exc)
            if late is not None:
                return late
            fault = "broke off. Ask again"
        if fault:
            return errors.UnreadableResponse(f"{operation}: the answer {fault}.", operation=operation, status=status)
        return b"".join(chunks)

    def _timed_out(self, operation: str, exc: Exception) -> errors.TimedOut | None:
        if time.monotonic() < call.ends and not isinstance(exc, (requests.Timeout, TimeoutError)):
            return None
        message = f"{operation}: no complete answer from {self.base_url} within {self.timeout:g} s. "
        return errors.TimedOut(message + "Ask again, or raise the timeout.", operation=operation)

    def _not_http(self, operation: str, exc: Exception) -> errors.UnreadableResponse | None:
        said = any(isinstance(one, (HTTPException, requests.exceptions.InvalidHeader)) for one in _causes(exc))
        if not said or _closed_by_peer(exc):
            return None
        message = f"{operation}: the answer from {self.base_url} is not HTTP. Check that the API URL is right."
        return errors.UnreadableResponse(message, operation=operation)

    def _not_connected(self, operation: str, exc: Exception) -> errors.ConnectionFailed:
        message = f"{operation}: no connection to {self.base_url} ({_reason(exc)}). {self._connection_fix()}"
        problem = errors.ConnectionFailed(message, operation=operation)
        problem.reached = _closed_by_peer(exc)
        problem.untrusted = any(isinstance(one, ssl.SSLCertVerificationError) for one in _causes(exc))
        problem.stale = not call.connected and problem.reached
        return problem

    def _connection_fix(self) -> str:
        if urlsplit(self.base_url).hostname in ("localhost", "127.0.0.1", "::1"):
            return "If the emulator should be there, start it: python -m django_authsignal.emulator."
        return "Check the API URL, the network and the proxy settings."

    def _failure(self, operation: str, answer: _Answer) -> errors.AuthsignalError:
        status = answer.status
        code, description = self._explanation(answer.content)
        said = ", ".join(part for part in (code, description) if part)
        text = f"{operation}: the answer is {status}" + (f" ({said})" if said else "")
        kind: type[errors.AuthsignalError]
        if 400 <= status < 500:
            kind, fix = _REFUSALS.get(status, errors.Refused), _FIXES.get(status, "Check what was sent.")
        elif 300 <= status < 400:
            kind, fix = errors.Redirected, "Redirects are not followed; set the API URL to the final address."
        elif 500 <= status < 600:
            kind, fix = errors.ServerError, "Ask again later."
        else:
            kind, fix = errors.UnreadableResponse, "Check the API URL."
        return kind(
            f"{text}. {fix}",
            operation=operation,
            status=status,
            code=code,
            description=description,
            retry_after=_seconds(answer.headers.get("Retry-After")),
        )

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
        credentials = self._headers["Authorization"].removeprefix("Basic ").rstrip("=")
        text = text.replace(credentials, "[hidden]").replace(self._secret.reveal(), "[hidden]")
        text = _TOKEN.sub("[hidden]", text)[:length]
        return "".join(char if char.isprintable() else " " for char in text)


def _wait(outcome: object, attempt: int) -> float | None:
    """Seconds to wait before a call is made once more; None: never again.

    Full jitter, so that those whom one outage stopped do not come back all at once
    (aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter).
    """
    if not isinstance(outcome, errors.AuthsignalError):
        return None
    asked = outcome.retry_after
    again = (
        (isinstance(outcome, errors.ConnectionFailed) and not outcome.untrusted)
        or (isinstance(outcome, errors.ServerError) and outcome.status in GATEWAYS)
        or (isinstance(outcome, errors.RateLimited) and asked is not None)
    )
    jitter = random.uniform(0, min(LONGEST_WAIT, FIRST_WAIT * 2**attempt))  # noqa: S311 - no secret
    return (asked or 0.0) + jitter if again else None


def _patience_fault(timeout: float, patience: Patience) -> str:
    """What is wrong with the numbers, and its fix; "" for nothing."""
    if not _are_seconds(timeout):
        return f"The timeout is {timeout!r}. Give the seconds one call may take, as 5.0."
    if type(patience.retries) is not int or not 0 <= patience.retries <= MOST_RETRIES:
        return f"retries is {patience.retries!r}. Give a whole number from 0 to {MOST_RETRIES}."
    if type(patience.breaker_failures) is not int or patience.breaker_failures < 0:
        return f"breaker_failures is {patience.breaker_failures!r}. Give a whole number; 0 switches it off."
    if not _are_seconds(patience.breaker_pause):
        return f"breaker_pause is {patience.breaker_pause!r}. Give the seconds in which no call is made, as 10.0."
    if type(patience.max_calls) is not int or patience.max_calls < 1:
        return f"max_calls is {patience.max_calls!r}. Give the calls that may be under way at once, as 64."
    return ""


def _are_seconds(value: object) -> bool:
    # A Decimal compares as a number does, and no clock can be added to it.
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 3600


def _query(query: Mapping[str, str | Sealed]) -> str:
    return urlencode({key: value.reveal() if isinstance(value, Sealed) else value for key, value in query.items()})


def _proxies(url: str) -> dict[str, str]:
    """The proxy that the environment names for this URL, under its scheme."""
    proxy = select_proxy(url, get_environ_proxies(url, no_proxy=None))
    return {urlsplit(url).scheme: proxy} if proxy else {}


def _proxy_fault(url: str, proxies: dict[str, str]) -> str:
    """Why no call can go by this proxy; "" for nothing. It is never quoted: it may hold a password."""
    if any(proxy.lower().startswith("socks") for proxy in proxies.values()):
        return (
            "The environment names a SOCKS proxy, which cannot end a call on time. Name an HTTP proxy in "
            "HTTPS_PROXY, or the API's host in NO_PROXY."
        )
    request = requests.PreparedRequest()
    request.url = url
    try:
        # As every call will, and without a connection. At the call it would be an outage, and might open a door.
        HTTPAdapter().get_connection_with_tls_context(request, True, proxies=proxies)
    except ValueError:
        return (
            "The environment names a proxy that is no http or https address. Write HTTPS_PROXY (or HTTP_PROXY, or "
            "ALL_PROXY) as http://proxy.example:3128, or the API's host into NO_PROXY."
        )
    return ""


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


def _fault(secret: object) -> str | None:
    """Why this cannot be the secret key. It is not raised here, where the key is a variable of the frame."""
    if not isinstance(secret, str) or not secret.strip():
        return (
            'Authsignal has no secret key. Set AUTHSIGNAL["API_SECRET_KEY"] (a Client takes it as its first argument), '
            "or start the emulator: python -m django_authsignal.emulator."
        )
    if not secret.isascii() or not secret.isprintable() or secret != secret.strip():
        return (
            "The Authsignal secret key contains a line break, a space at its end, or a character outside ASCII. "
            "Copy it again from the Authsignal Portal, Settings, API keys."
        )
    if ":" in secret:  # RFC 7617 section 2: what follows would be read as the password
        return "The Authsignal secret key contains a colon. Copy the key alone."
    return None


def _base_url(api_url: str) -> str:
    fault = address_fault(api_url)
    if fault:
        raise errors.ConfigurationError(f"The API URL {fault} Give one like https://api.authsignal.com/v1.")
    return api_url.rstrip("/")


def address_fault(api_url: object) -> str:
    """Why this cannot be the API's address; "" for one that can be. It is never quoted: it may hold a password."""
    try:
        parts = urlsplit(api_url) if isinstance(api_url, str) else urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            return _NO_URL
        if parts.username is not None or re.search(r"[\s\\?#]", str(api_url)):
            return "holds a user name, a query, a fragment or a space."
        parse_url(str(api_url))  # urllib3 opens the connection, and takes no host like "%zz"
    except ValueError:
        return _NO_URL
    return ""


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
    at = _date(text)
    return None if at is None else max(0.0, (at - datetime.now(UTC)).total_seconds())


def _date(text: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
