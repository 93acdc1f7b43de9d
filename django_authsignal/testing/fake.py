"""An Authsignal in memory, for the tests of applications. It is a transport: nothing reaches a network, ever.

fake = FakeAuthsignal()
client = Client("any key", transport=fake)
tracked = client.track("42", "withdrawFunds", idempotency_key="k1")
token = fake.complete("k1")
assert client.validate_challenge(token, user_id="42", action="withdrawFunds").is_valid
"""

from __future__ import annotations

import json
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

import requests
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse

_Answer = tuple[int, Any]
_BROKEN: dict[str, tuple[int, dict[str, str], bytes]] = {
    "502-html": (502, {"Content-Type": "text/html"}, b"<html><h1>502 Bad Gateway</h1></html>"),
    "not-json": (200, {"Content-Type": "text/html"}, b"<html>sign in to the Wi-Fi</html>"),
    "empty-object": (200, {}, b"{}"),
    "unknown-state": (200, {}, b'{"state": "SOMETHING_NEW", "isValid": true, "isEnrolled": true}'),
    "redirect": (302, {"Location": "https://elsewhere.example/"}, b""),
}
_RAISED: dict[str, Callable[[], Exception]] = {
    "refused": lambda: requests.ConnectionError("connection refused"),
    "dropped": lambda: requests.ConnectionError(ConnectionResetError("closed without an answer")),
    "timeout": lambda: requests.ReadTimeout("timed out"),
}
_STATUSES = ("400", "401", "403", "404", "409", "429", "500", "503")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request that reached the fake. `json` is its body, or None; `operation` is the client's method."""

    operation: str
    method: str
    path: str
    user_id: str | None = None
    action: str | None = None
    json: Mapping[str, Any] | None = field(default=None, repr=False)


@dataclass(slots=True, kw_only=True)
class _Action:
    user_id: str
    action: str
    key: str
    state: str
    created: datetime
    updated: datetime
    method: str | None = None


class FakeAuthsignal(BaseAdapter):
    """Every action is CHALLENGE_REQUIRED, and every user enrolled with a passkey, until told otherwise.

    `calls` lists what was sent, oldest first.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self.methods: tuple[str, ...] = ("PASSKEY",)
        #: The hosted page that `track` names; its token is appended.
        self.page = "https://mfa.authsignal.com/"
        self._outcomes: dict[str | None, str] = {}
        self._forced: dict[str | None, str] = {}
        self._failure: str | None = None
        self._actions: dict[str, _Action] = {}
        self._tokens: dict[str, str] = {}
        self._users: dict[str, dict[str, Any]] = {}
        self._authenticators: dict[str, list[dict[str, Any]]] = {}

    def allow(self, action: str | None = None) -> Self:
        """From now on `action` (None: every action not named otherwise) is ALLOW."""
        return self._set(action, "ALLOW")

    def challenge(self, action: str | None = None) -> Self:
        """From now on `action` is CHALLENGE_REQUIRED."""
        return self._set(action, "CHALLENGE_REQUIRED")

    def block(self, action: str | None = None) -> Self:
        """From now on `action` is BLOCK."""
        return self._set(action, "BLOCK")

    def review(self, action: str | None = None) -> Self:
        """From now on `action` is REVIEW_REQUIRED."""
        return self._set(action, "REVIEW_REQUIRED")

    def outcome(self, state: str, action: str | None = None) -> Self:
        """From now on `track` answers exactly this state for `action`: for states that no policy should meet."""
        self._forced[action] = state
        return self

    def enrolled(self, *methods: str) -> Self:
        """Users have these methods; PASSKEY if none is named."""
        self.methods = methods or ("PASSKEY",)
        return self

    def unenrolled(self) -> Self:
        """Users have no method. As the service does, a challenge then becomes ALLOW with isEnrolled false."""
        self.methods = ()
        return self

    def fail(self, kind: str | None) -> Self:
        """Every call from now on fails, until `fail(None)`. Kinds: refused, dropped, timeout, a status as "401",
        "429" or "500", 502-html, not-json, empty-object, unknown-state, redirect."""
        if kind is not None and kind not in (*_BROKEN, *_RAISED, *_STATUSES):
            known = ", ".join((*_RAISED, *_STATUSES, *_BROKEN))
            raise ValueError(f"{kind!r} is not a way to fail. Use one of {known}.")
        self._failure = kind
        return self

    def token(self, idempotency_key: str) -> str:
        """The token that `track` answered for this action: it proves nothing until the action is completed."""
        return self._issue(self._actions[idempotency_key])

    def complete(
        self,
        idempotency_key: str,
        *,
        method: str = "PASSKEY",
        state: str = "CHALLENGE_SUCCEEDED",
        at: datetime | None = None,
    ) -> str:
        """The user answers the challenge with `method`, `at` that time (aware; now by default). Returns the token that
        comes back with them. KeyError if no action was tracked under this key."""
        tracked = self._actions[idempotency_key]
        tracked.state, tracked.method, tracked.updated = state, method, at or datetime.now(UTC)
        return self._issue(tracked)

    def passkey_token(
        self,
        user_id: str,
        idempotency_key: str,
        *,
        action: str = "signIn",
        method: str = "PASSKEY",
        state: str = "CHALLENGE_SUCCEEDED",
        at: datetime | None = None,
    ) -> str:
        """The token of a sign-in that began in the browser, by a passkey and without a name: for the key that
        `authsignal:passkey` gave. Nothing was tracked for it. `user_id` is the user's at Authsignal."""
        now = datetime.now(UTC)
        made = _Action(user_id=user_id, action=action, key=idempotency_key, state=state, created=now, updated=at or now)
        made.method = method
        self._actions[idempotency_key] = made
        return self._issue(made)

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        """What requests calls; tests do not."""
        url = urlsplit(str(request.url))
        segments = [unquote(part) for part in url.path.split("/") if part]
        segments = segments[1:] if segments[:1] == ["v1"] else segments
        body = json.loads(request.body) if request.body else None
        operation, answer, user, action = self._route(str(request.method), segments, body or {}, parse_qs(url.query))
        self.calls.append(
            Call(operation=operation, method=str(request.method), path=url.path, user_id=user, action=action, json=body)
        )
        if self._failure in _RAISED:
            raise _RAISED[self._failure]()
        if self._failure in _BROKEN:
            return _response(request, *_BROKEN[self._failure])
        status, data = _error(int(self._failure)) if self._failure else answer()
        return _response(request, status, {}, json.dumps(data).encode())

    def close(self) -> None:
        """Nothing is open."""

    def _set(self, action: str | None, state: str) -> Self:
        self._outcomes[action] = state
        return self

    def _route(
        self, method: str, path: list[str], body: dict[str, Any], query: dict[str, list[str]]
    ) -> tuple[str, Callable[[], _Answer], str | None, str | None]:
        user = path[1] if len(path) > 1 else None
        action = path[3] if len(path) > 3 and path[2] == "actions" else None
        match method, path:
            case "POST", ["users", str(u), "actions", str(a)]:
                return "track", lambda: self._track(u, a, body), user, action
            case "POST", ["validate"]:
                return "validate_challenge", lambda: (200, self._validate(body)), body.get("userId"), body.get("action")
            case "GET", ["users", str(u), "actions"]:
                return "query_user_actions", lambda: (200, self._history(u, query)), user, None
            case "GET", ["users", str(u), "actions", str(a), str(k)]:
                return "get_action", lambda: self._action(u, a, k, None), user, action
            case "PATCH", ["users", str(u), "actions", str(a), str(k)]:
                return "update_action", lambda: self._action(u, a, k, body.get("state")), user, action
            case "GET", ["users"]:
                return "query_users", lambda: (200, self._find(query)), None, None
            case "GET", ["users", str(u)]:
                return "get_user", lambda: (200, self._user(u)), user, None
            case "POST", ["users", "authenticators"] if "authenticators" in body:
                return "import_passkeys", lambda: (200, self._import(body["authenticators"])), None, None
            case (("PATCH" | "POST"), ["users", str(u)]):
                return "update_user", lambda: (200, self._update(u, body)), user, None
            case "DELETE", ["users", str(u)]:
                return "delete_user", lambda: self._delete(u), user, None
            case "GET", ["users", str(u), "authenticators"]:
                return "get_authenticators", lambda: (200, self._enrolments(u)), user, None
            case "POST", ["users", str(u), "authenticators"]:
                return "enroll_verified_authenticator", lambda: (200, self._enrol(u, body)), user, None
            case "DELETE", ["users", str(u), "authenticators", str(i)]:
                return "delete_authenticator", lambda: self._remove(u, i), user, None
            case "GET", ["management", "action-configurations"]:
                return "get_action_configurations", lambda: (200, self._configurations()), None, None
        return "unknown", lambda: _error(404), user, action

    def _track(self, user: str, action: str, body: dict[str, Any]) -> _Answer:
        now = datetime.now(UTC)
        key = body.get("idempotencyKey") or str(uuid.uuid4())
        state = self._outcomes.get(action, self._outcomes.get(None, "CHALLENGE_REQUIRED"))
        methods = self._methods(user)
        if state == "CHALLENGE_REQUIRED" and not methods:
            state = "ALLOW"
        state = self._forced.get(action, self._forced.get(None, state))
        fresh = _Action(user_id=user, action=action, key=key, state=state, created=now, updated=now)
        tracked = self._actions.setdefault(key, fresh)
        token = self._issue(tracked)
        answer = {
            "state": tracked.state,
            "idempotencyKey": key,
            "url": f"{self.page}?token={token}",
            "token": token,
            "isEnrolled": bool(methods),
            "allowedVerificationMethods": sorted({"PASSKEY", "AUTHENTICATOR_APP", "EMAIL_OTP", *methods}),
            "enrolledVerificationMethods": list(methods),
            "ruleIds": [],
        }
        return 200, answer | ({"defaultVerificationMethod": methods[0]} if methods else {})

    def _configurations(self) -> list[dict[str, Any]]:
        named = {action: state for action, state in self._outcomes.items() if action is not None}
        return [
            {"actionCode": action, "tenantId": "fake", "defaultUserActionResult": state.removesuffix("_REQUIRED")}
            for action, state in named.items()
        ]

    def _issue(self, tracked: _Action) -> str:
        now = datetime.now(UTC)
        other = {"tenantId": "fake", "userId": tracked.user_id, "actionCode": tracked.action}
        claims = {
            "iat": int(now.timestamp()),
            "exp": int((now + timedelta(minutes=10)).timestamp()),
            "sub": tracked.user_id,
            "aud": "fake",
            "jti": str(uuid.uuid4()),
            "scope": "read:authenticators",
            "other": other | {"idempotencyKey": tracked.key},
        }
        parts = (json.dumps({"alg": "none", "typ": "JWT"}), json.dumps(claims), "a fake signature")
        token = ".".join(urlsafe_b64encode(part.encode()).rstrip(b"=").decode() for part in parts)
        self._tokens[token] = tracked.key
        return token

    def _validate(self, body: dict[str, Any]) -> dict[str, Any]:
        tracked = self._actions.get(self._tokens.get(str(body.get("token")), ""))
        if tracked is None:
            return {"isValid": False, "error": "Token is invalid."}
        if body.get("userId") not in (None, tracked.user_id):
            return {"isValid": False, "error": "User is invalid."}
        if body.get("action") not in (None, tracked.action):
            return {"isValid": False, "error": "Action is invalid."}
        answer = {
            "isValid": tracked.state == "CHALLENGE_SUCCEEDED",
            "state": tracked.state,
            "stateUpdatedAt": _stamp(tracked.updated),
            "userId": tracked.user_id,
            "action": tracked.action,
            "actionCode": tracked.action,
            "idempotencyKey": tracked.key,
        }
        return answer | ({"verificationMethod": tracked.method} if tracked.method else {})

    def _action(self, user: str, action: str, key: str, state: str | None) -> _Answer:
        tracked = self._actions.get(key)
        if tracked is None or (tracked.user_id, tracked.action) != (user, action):
            return _error(404)
        if state:
            tracked.state, tracked.updated = state, datetime.now(UTC)
        return 200, _described(tracked)

    def _history(self, user: str, query: dict[str, list[str]]) -> list[dict[str, Any]]:
        codes = query.get("codes", [""])[0].split(",")
        states = query.get("state", [None])
        return [
            {"actionCode": one.action, "idempotencyKey": one.key, **_described(one)}
            for one in self._actions.values()
            if one.user_id == user and (codes == [""] or one.action in codes) and states[0] in (None, one.state)
        ]

    def _methods(self, user: str) -> list[str]:
        own = [item["verificationMethod"] for item in self._authenticators.get(user, [])]
        return list(dict.fromkeys((*self.methods, *own)))

    def _user(self, user: str) -> dict[str, Any]:
        methods = self._methods(user)
        known = {"emailVerified": False, "phoneNumberVerified": False, **self._users.get(user, {})}
        return known | {"userId": user, "isEnrolled": bool(methods), "enrolledVerificationMethods": methods}

    def _update(self, user: str, body: dict[str, Any]) -> dict[str, Any]:
        merged = self._users.get(user, {}) | body
        self._users[user] = {key: value for key, value in merged.items() if value is not None}
        return self._user(user)

    def _delete(self, user: str) -> _Answer:
        self._users.pop(user, None)
        self._authenticators.pop(user, None)
        return 200, {"success": True}

    def _find(self, query: dict[str, list[str]]) -> dict[str, Any]:
        filters = {key: query[key][0] for key in ("username", "email", "phoneNumber") if key in query}
        found = [
            self._user(user)
            for user, data in self._users.items()
            if filters and all(data.get(key) == value for key, value in filters.items())
        ]
        return {"users": found}

    def _enrolments(self, user: str) -> list[dict[str, Any]]:
        assumed = [_authenticator(user, {"verificationMethod": method}, f"fake-{method}") for method in self.methods]
        return assumed + self._authenticators.get(user, [])

    def _enrol(self, user: str, body: dict[str, Any]) -> dict[str, Any]:
        authenticator = _authenticator(user, body, str(uuid.uuid4()))
        self._authenticators.setdefault(user, []).append(authenticator)
        return {"authenticator": authenticator, "recoveryCodes": ["fake-1111", "fake-2222"]}

    def _import(self, passkeys: list[dict[str, Any]]) -> dict[str, Any]:
        failures = []
        for item in passkeys:
            known = {one.get("credentialId") for own in self._authenticators.values() for one in own}
            if item["credentialId"] in known:
                named = {key: item[key] for key in ("userId", "credentialId")}
                failures.append({**named, "errorCode": "conflict", "errorDescription": "It is registered already."})
            else:
                self._enrol(item["userId"], item)
        done = len(passkeys) - len(failures)
        return {"total": len(passkeys), "succeeded": done, "failed": len(failures), "failures": failures}

    def _remove(self, user: str, authenticator_id: str) -> _Answer:
        own = self._authenticators.get(user, [])
        kept = [item for item in own if item["userAuthenticatorId"] != authenticator_id]
        if len(kept) == len(own):
            return _error(404)
        self._authenticators[user] = kept
        return 200, {"success": True}


def _authenticator(user: str, body: Mapping[str, Any], authenticator_id: str) -> dict[str, Any]:
    now = _stamp(datetime.now(UTC))
    credential = body.get("credentialId")
    if credential:
        body = {**body, "webauthnCredential": {"credentialId": credential, "credentialBackedUp": False}}
    return {**body, "userAuthenticatorId": authenticator_id, "userId": user, "createdAt": now, "verifiedAt": now}


def _described(tracked: _Action) -> dict[str, Any]:
    answer = {
        "state": tracked.state,
        "createdAt": _stamp(tracked.created),
        "stateUpdatedAt": _stamp(tracked.updated),
        "ruleIds": [],
    }
    return answer | ({"verificationMethod": tracked.method} if tracked.method else {})


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _error(status: int) -> _Answer:
    codes = {401: "unauthorized", 404: "not_found", 409: "conflict", 429: "too_many_requests"}
    code = codes.get(status, "invalid_request" if status < 500 else "unexpected_error")
    return status, {"error": code, "errorCode": code, "errorDescription": "The test asked for this answer."}


def _response(
    request: requests.PreparedRequest, status: int, headers: dict[str, str], content: bytes
) -> requests.Response:
    response = requests.Response()
    response.status_code = status
    response.headers.update({"Content-Type": "application/json", **headers})
    response.raw = HTTPResponse(body=BytesIO(content), status=status, preload_content=False)
    response.request = request
    response.url = str(request.url)
    return response
