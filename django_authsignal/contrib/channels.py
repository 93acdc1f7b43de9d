"""WebSockets, by Django Channels: the gate at the moment of the act, not of the handshake.

Nothing here is answered by itself. What is asked arrives as ChallengeRequired; send `problem(exc)` to the page, which
proves it as it does for fetch, and sends its message again.
"""

from collections.abc import Mapping, MutableMapping
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, parse_cookie
from django.middleware.csrf import CsrfViewMiddleware

from .. import channel, responses
from ..client import ConfigurationError
from ..decision import ActionBlocked, AuthsignalInterrupt, Decision, Verdict
from ..enforcement import RequestGate, gate, policy_of
from ..policy import Bind, label_for

Scope = MutableMapping[str, Any]


async def arequire(
    scope: Scope,
    action: str,
    *,
    max_age: int | None = None,
    bind: Mapping[str, Any] | None = None,
    return_to: str = "/",
    credential: str = "",
    token: str = "",
) -> Mapping[str, Any]:
    """Returns when the connection's user has a pass for the action now; else raises ChallengeRequired or ActionBlocked.

    `max_age` (seconds; 0: one act) narrows the policy's. `bind` are values that the proof is for, and given back: act
    on these. `return_to`: the page that a proof in the whole window comes back to. Connections that no session opened
    name the `credential` they were opened with (a key, a bearer token); their client sends its result `token`.
    """
    asked = await sync_to_async(_gate)(scope, action, return_to, credential, token)
    await asked.arequire(action, max_age=max_age, bind=_binding(bind))
    return asked.bound


def require(
    scope: Scope,
    action: str,
    *,
    max_age: int | None = None,
    bind: Mapping[str, Any] | None = None,
    return_to: str = "/",
    credential: str = "",
    token: str = "",
) -> Mapping[str, Any]:
    """`arequire` for sync consumers."""
    asked = _gate(scope, action, return_to, credential, token)
    asked.require(action, max_age=max_age, bind=_binding(bind))
    return asked.bound


async def apassed(scope: Scope, action: str, max_age: int | None = None, *, credential: str = "") -> bool:
    """True while the connection's user has a pass for the action; no network, nothing is spent."""
    return await sync_to_async(passed)(scope, action, max_age, credential=credential)


def passed(scope: Scope, action: str, max_age: int | None = None, *, credential: str = "") -> bool:
    """`apassed` for sync consumers."""
    return _gate(scope, action, "/", credential, "").passed(action, max_age)


def problem(exc: AuthsignalInterrupt) -> dict[str, Any]:
    """What to send to the page: `code`, `action`, `label`; to go on `challengeId`, `url`, `token`, `expiresAt`."""
    return responses.problem_body(exc.decision or Decision(Verdict.NOT_STARTED, ""))


class ConnectionRequest(HttpRequest):
    """A connection as the gate sees it: its handshake's headers and cookies, its session and user."""

    def __init__(self, scope: Scope, return_to: str, token: str) -> None:
        super().__init__()
        self.scope = scope
        self.method = scope.get("method", "WEBSOCKET")
        self.path_info = scope.get("path", "/")
        self.path = scope.get("root_path", "").rstrip("/") + self.path_info
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope.get("headers", ())]
        self.META = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers}
        self.META["QUERY_STRING"] = scope.get("query_string", b"").decode("latin-1")
        self.META["SERVER_NAME"], self.META["SERVER_PORT"] = map(str, scope.get("server") or ("unknown", "0"))
        if scope.get("client"):
            self.META["REMOTE_ADDR"] = scope["client"][0]
        self.COOKIES = scope.get("cookies") or parse_cookie(self.META.get("HTTP_COOKIE", ""))
        # A handshake names no page that it came from; here the consumer does.
        self.META["HTTP_REFERER"] = self.build_absolute_uri(return_to)
        if token:
            self.META["HTTP_AUTHSIGNAL_TOKEN"] = token

    def _get_scheme(self) -> str:
        scheme = str(self.scope.get("scheme", "ws"))
        return {"ws": "http", "wss": "https"}.get(scheme, scheme)


def _gate(scope: Scope, action: str, return_to: str, credential: str, token: str) -> RequestGate:
    if not credential and "session" not in scope:
        raise ConfigurationError(
            "The connection has no session. Put AuthMiddlewareStack around the consumers, or name the credential that "
            "the connection was opened with: arequire(scope, action, credential=…)."
        )
    request = ConnectionRequest(scope, return_to, token)
    request.user = scope.get("user") or AnonymousUser()
    channel.set_credential(request, credential)
    if not credential:
        request.session = scope["session"]  # its key: it is read again before it is used
    if not credential and _is_a_strangers(request):
        label = label_for(policy_of(action), {})
        raise ActionBlocked(Decision(Verdict.DENY, action, label=label, reason="forged"))
    asked = gate(request)
    asked.stays_open = True
    return asked


def _is_a_strangers(request: HttpRequest) -> bool:
    """True for a handshake from another site's page: browsers send cookies with it, and no CSRF token."""
    checker: Any = CsrfViewMiddleware(lambda request: None)  # type: ignore[arg-type] # it is asked about no view
    return "HTTP_ORIGIN" in request.META and not checker._origin_verified(request)


def _binding(values: Mapping[str, Any] | None) -> Bind:
    return (lambda request: values) if values else ()
