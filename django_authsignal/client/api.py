"""Every operation of Authsignal's Server API that this package uses, under the vendor's names in snake_case.

Attributes are keywords; None is left out. All methods raise AuthsignalError (see errors.py) when the call has
no usable answer, ConfigurationError when the client has no usable key, and ValueError or TypeError, before
anything is sent, for ids and attributes that cannot be sent. Source:
docs.authsignal.com/api-reference/server-api.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self, TypeVar

from requests.adapters import BaseAdapter

from ._breaker import Store
from ._encode import Clear, Sealed
from .http import Http, Patience, segment
from .reports import Observer
from .types import (
    Action,
    ActionConfiguration,
    Authenticator,
    EnrolledAuthenticator,
    ImportedPasskeys,
    QueriedAction,
    Tracked,
    User,
    UserPage,
    Validated,
    objects,
)

DEFAULT_API_URL = "https://api.authsignal.com/v1"  # the US region

_ACTION = re.compile(r"[a-zA-Z0-9_-]{1,64}\Z")
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{1,8192}\Z")  # RFC 6750 section 2.1, b64token
_MOST_PASSKEYS = 1000
_PASSKEY = {
    "user_id": "userId",
    "credential_id": "credentialId",
    "credential_public_key": "credentialPublicKey",
    "name": "name",
    "transports": "transports",
    "aaguid": "aaguid",
}
_Query = Mapping[str, str | Sealed | None]
_T = TypeVar("_T")


class Client:
    """Authsignal's Server API with one secret key.

    `timeout` is the seconds one call may take in total, name resolution, TLS, sending and reading included.
    `transport` replaces the network: a requests adapter, for tests. One client serves any number of threads,
    and processes forked after it was made; making one opens no connection. An empty key is an error of the
    first call, not of making the client, so that a project without a key can still be imported, checked and
    migrated.

    `retries`: how often a call is made once more, within `timeout`, where twice is the same as once and no answer
    came. After `breaker_failures` calls in a row without a usable answer (0: never) none is made for
    `breaker_pause` seconds: CircuitOpen; clients of one address share that, and processes through a
    `breaker_store`. More than `max_calls` at once in one process are TooManyCalls. `observer` is told how every
    call ended (see reports.py).
    """

    def __init__(
        self,
        api_secret_key: str | Sealed,
        *,
        api_url: str = DEFAULT_API_URL,
        timeout: float = 5.0,
        transport: BaseAdapter | None = None,
        retries: int = 2,
        breaker_failures: int = 5,
        breaker_pause: float = 10.0,
        breaker_store: Store | None = None,
        max_calls: int = 64,
        observer: Observer | None = None,
    ) -> None:
        secret = Sealed(api_secret_key)
        del api_secret_key  # error reporters show the variables of the frames an exception passes
        patience = Patience(retries, breaker_failures, breaker_pause, breaker_store, max_calls, observer)
        self._http = Http(secret, api_url=api_url, timeout=timeout, transport=transport, patience=patience)

    def __repr__(self) -> str:
        # Also while it is being made: error reporters ask in the frames of a wrong setting.
        return f"<Client api_url={getattr(getattr(self, '_http', None), 'base_url', None)!r}>"

    def __reduce__(self) -> str:
        # A cache or task queue would store the key in plain.
        raise TypeError("A Client holds a secret key and is not pickled or copied. Let each process make its own.")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the idle connections of this process."""
        self._http.close()

    def answered_at(self) -> datetime | None:
        """When the last answer that this thread got was written, by the service's clock; None if it did not say."""
        return self._http.answered_at()

    # Actions

    def track(
        self,
        user_id: str,
        action: str,
        *,
        idempotency_key: str | None = None,
        redirect_url: str | None = None,
        redirect_to_settings: bool | None = None,
        ip_address: str | None = None,
        user_agent: str | None = None,
        device_id: str | None = None,
        scope: str | None = None,
        email: str | None = None,
        phone_number: str | None = None,
        username: str | None = None,
        custom: Mapping[str, Any] | None = None,
        challenge_id: str | None = None,
        locale: str | None = None,
        custom_domain: str | None = None,
    ) -> Tracked:
        """Say that a user is about to do an action, and learn whether they may.

        `custom` feeds the tenant's rules; its keys are the caller's own and are sent as they are. With an
        `idempotency_key` the call may be sent again when no answer came; without one it never is.
        """
        if idempotency_key == "":
            # It would be sent again as one and the same, and every call without a key is another one.
            raise ValueError("idempotency_key is empty. Give a text that is this call's own, or leave it out.")
        return self._one(
            Tracked.from_wire,
            "track",
            "POST",
            ("users", segment("user_id", user_id), "actions", _action(action)),
            {
                "idempotencyKey": idempotency_key,
                "redirectUrl": redirect_url,
                "redirectToSettings": redirect_to_settings,
                "ipAddress": ip_address,
                "userAgent": user_agent,
                "deviceId": device_id,
                "scope": scope,
                "email": email,
                "phoneNumber": phone_number,
                "username": username,
                "custom": custom,
                "challengeId": challenge_id,
                "locale": locale,
                "customDomain": custom_domain,
            },
            repeatable=idempotency_key is not None,
        )

    def validate_challenge(
        self, token: str | Sealed, *, user_id: str | None = None, action: str | None = None
    ) -> Validated:
        """Ask what a token that came back proves. Give `user_id` and `action`, and compare the answer's as
        well.

        A token that proves nothing is not an error: it is answered with `is_valid` False. Tokens are not
        single use.
        """
        if not token:
            raise ValueError("There is no token to validate. Give the text that came back with the user.")
        sealed = Sealed(token)
        del token  # for ten minutes it opens the user's account at Authsignal: no frame of an error may show it
        if _TOKEN.match(sealed.reveal()) is None:
            # A visitor writes it: what no token can be might make the service fail, and look like an outage.
            raise ValueError("The token is not one of Authsignal's. Give the text that came back with the user.")
        body = {"token": sealed, "userId": user_id, "action": None if action is None else _action(action)}
        return self._one(Validated.from_wire, "validate_challenge", "POST", ("validate",), body)

    def get_action(self, user_id: str, action: str, idempotency_key: str) -> Action:
        """How one tracked action stands now. Raises NotFound for one that was never tracked."""
        return self._one(Action.from_wire, "get_action", "GET", _action_path(user_id, action, idempotency_key))

    def update_action(self, user_id: str, action: str, idempotency_key: str, *, state: str) -> Action:
        """Set the state of one tracked action, as releasing a review with REVIEW_SUCCEEDED."""
        path = _action_path(user_id, action, idempotency_key)
        return self._one(Action.from_wire, "update_action", "PATCH", path, {"state": state})

    def query_user_actions(
        self,
        user_id: str,
        *,
        action_codes: Iterable[str] = (),
        from_date: datetime | None = None,
        state: str | None = None,
    ) -> tuple[QueriedAction, ...]:
        """A user's actions, at most 30 days back. A `from_date` without a time zone is read as UTC."""
        if isinstance(action_codes, str):
            raise TypeError("action_codes is a text. Give a list of action codes.")
        query = {
            "codes": ",".join(_action(code) for code in action_codes) or None,
            "fromDate": None if from_date is None else _utc(from_date),
            "state": state,
        }
        path = ("users", segment("user_id", user_id), "actions")
        return self._many(QueriedAction.from_wire, "query_user_actions", path, query)

    # Users

    def get_user(self, user_id: str) -> User:
        """A user. One that Authsignal does not know is answered as a user that is not enrolled."""
        path = ("users", segment("user_id", user_id))
        return self._one(lambda data: _known(User.from_wire(data, user_id)), "get_user", "GET", path)

    def update_user(
        self,
        user_id: str,
        *,
        email: str | Clear | None = None,
        email_verified: bool | None = None,
        phone_number: str | Clear | None = None,
        phone_number_verified: bool | None = None,
        username: str | Clear | None = None,
        display_name: str | Clear | None = None,
        custom: Mapping[str, Any] | Clear | None = None,
        locale: str | Clear | None = None,
        default_verification_method: str | Clear | None = None,
    ) -> User:
        """Change what Authsignal knows of a user, making the user if need be. None leaves a value, CLEAR
        removes it."""
        body = {
            "email": email,
            "emailVerified": email_verified,
            "phoneNumber": phone_number,
            "phoneNumberVerified": phone_number_verified,
            "username": username,
            "displayName": display_name,
            "custom": custom,
            "locale": locale,
            "defaultVerificationMethod": default_verification_method,
        }
        path = ("users", segment("user_id", user_id))
        return self._one(lambda data: User.from_wire(data, user_id), "update_user", "PATCH", path, body)

    def delete_user(self, user_id: str, *, actions: bool | None = None) -> bool:
        """Delete a user and their authenticators, with `actions` their history too. True unless the answer
        says no."""
        query = {"actions": None if actions is None else str(actions is True).lower()}
        return self._done("delete_user", ("users", segment("user_id", user_id)), query)

    def query_users(
        self,
        *,
        username: str | None = None,
        email: str | None = None,
        phone_number: str | None = None,
        token: str | None = None,
        limit: int | None = None,
        last_evaluated_user_id: str | None = None,
    ) -> UserPage:
        """Users by one of their names. `token`: an Apple or Google id token that names them."""
        if not (username or email or phone_number or token):
            raise ValueError("query_users has no filter. Give username, email, phone_number or token.")
        sealed = Sealed(token) if token else None
        del token
        query = {
            "username": username,
            "email": email,
            "phoneNumber": phone_number,
            "token": sealed,
            "limit": None if limit is None else str(limit),
            "lastEvaluatedUserId": last_evaluated_user_id,
        }
        return self._one(UserPage.from_wire, "query_users", "GET", ("users",), query=query)

    # Authenticators

    def get_authenticators(self, user_id: str) -> tuple[Authenticator, ...]:
        """What a user has enrolled; empty for an unknown user."""
        path = ("users", segment("user_id", user_id), "authenticators")
        return self._many(Authenticator.from_wire, "get_authenticators", path)

    def enroll_verified_authenticator(
        self,
        user_id: str,
        *,
        verification_method: str,
        email: str | None = None,
        phone_number: str | None = None,
        otp_uri: str | None = None,
        credential_id: str | None = None,
        credential_public_key: str | None = None,
        name: str | None = None,
        is_default: bool | None = None,
    ) -> EnrolledAuthenticator:
        """Enrol what the caller has verified by itself, as an e-mail address that was confirmed at
        registration."""
        sealed = Sealed(otp_uri) if otp_uri else None
        del otp_uri  # it holds the seed of every code to come
        body = {
            "verificationMethod": verification_method,
            "email": email,
            "phoneNumber": phone_number,
            "otpUri": sealed,
            "credentialId": credential_id,
            "credentialPublicKey": credential_public_key,
            "name": name,
            "isDefault": is_default,
        }
        path = ("users", segment("user_id", user_id), "authenticators")
        return self._one(
            EnrolledAuthenticator.from_wire,
            "enroll_verified_authenticator",
            "POST",
            path,
            body,
            repeatable=False,  # a second one would be a second authenticator, with other recovery codes
        )

    def import_passkeys(self, passkeys: Iterable[Mapping[str, Any]]) -> ImportedPasskeys:
        """Enrol passkeys that users have registered elsewhere, under the same relying party id: up to 1,000, of many
        users, in one call.

        Each is a mapping with `user_id`, `credential_id` and `credential_public_key` (COSE, both base64url), and if
        known `name`, `transports` and `aaguid`. One that is registered already fails alone and is named in the answer;
        for one that is malformed the API may refuse all. Raises ValueError for none, for more than 1,000, and for other
        keys.
        """
        items = [_passkey(one) for one in passkeys]
        if not 1 <= len(items) <= _MOST_PASSKEYS:
            raise ValueError(f"There are {len(items)} passkeys. Give 1 to {_MOST_PASSKEYS} in one call.")
        path, body = ("users", "authenticators"), {"authenticators": items}
        return self._one(ImportedPasskeys.from_wire, "import_passkeys", "POST", path, body, repeatable=False)

    def delete_authenticator(self, user_id: str, user_authenticator_id: str) -> bool:
        """Remove one authenticator. True unless the answer says no; raises NotFound for an unknown one."""
        path = (
            "users",
            segment("user_id", user_id),
            "authenticators",
            segment("user_authenticator_id", user_authenticator_id),
        )
        return self._done("delete_authenticator", path)

    # Management

    def get_action_configurations(self) -> tuple[ActionConfiguration, ...]:
        """What the portal says of every action. It belongs to the Management API, which has a key of its own: make a
        client with that one. (The emulator takes the secret key.)"""
        path = ("management", "action-configurations")
        return self._many(ActionConfiguration.from_wire, "get_action_configurations", path)

    # From answers to values

    def _one(
        self,
        read: Callable[[Mapping[str, Any]], _T],
        operation: str,
        method: str,
        path: tuple[str, ...],
        body: Mapping[str, Any] | None = None,
        *,
        query: _Query | None = None,
        repeatable: bool = True,
    ) -> _T:
        def one(data: object) -> _T:
            if not isinstance(data, dict):
                raise ValueError("an object was expected")
            return read(data)

        return self._http.call(operation, method, path, one, query=_present(query), body=body, repeatable=repeatable)

    def _many(
        self,
        read: Callable[[Mapping[str, Any]], _T],
        operation: str,
        path: tuple[str, ...],
        query: _Query | None = None,
    ) -> tuple[_T, ...]:
        def many(data: object) -> tuple[_T, ...]:
            return tuple(read(item) for item in objects(data))

        return self._http.call(operation, "GET", path, many, query=_present(query))

    def _done(self, operation: str, path: tuple[str, ...], query: _Query | None = None) -> bool:
        # Not repeatable: the second answer to a deletion that worked would be "not found".
        return self._http.call(operation, "DELETE", path, _success, query=_present(query), repeatable=False)


def _success(data: object) -> bool:
    return not isinstance(data, dict) or data.get("success", True) is True


def _known(user: User) -> User:
    if user.is_enrolled is None:
        raise ValueError("isEnrolled is missing")
    return user


def _passkey(given: Mapping[str, Any]) -> dict[str, Any]:
    """One passkey in the API's words."""
    unknown = sorted(set(given) - set(_PASSKEY))
    if unknown:
        raise ValueError(f"A passkey has no {unknown[0]!r}. It knows: {', '.join(_PASSKEY)}.")
    missing = [name for name in ("user_id", "credential_id", "credential_public_key") if not given.get(name)]
    if missing:
        raise ValueError(f"A passkey has no {missing[0]}. Give it.")
    return {"verificationMethod": "PASSKEY", **{_PASSKEY[name]: value for name, value in given.items()}}


def _action(action: str) -> str:
    if not isinstance(action, str):
        raise TypeError(f"The action is a {type(action).__name__}, and action codes are texts. Give its code.")
    if not _ACTION.match(action):
        raise ValueError(f"{action!r} is not an action code. Use 1 to 64 of the characters a-z, A-Z, 0-9, _ and -.")
    return action


def _action_path(user_id: str, action: str, idempotency_key: str) -> tuple[str, ...]:
    key = segment("idempotency_key", idempotency_key)
    return ("users", segment("user_id", user_id), "actions", _action(action), key)


def _present(query: _Query | None) -> dict[str, str | Sealed] | None:
    return None if query is None else {key: value for key, value in query.items() if value is not None}


def _utc(at: datetime) -> str:
    if not isinstance(at, datetime):
        raise TypeError(f"from_date is a {type(at).__name__}. Give a datetime.")
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    try:
        return aware.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except OverflowError:
        raise ValueError(f"from_date is {at}, which no calendar has in UTC. Give one of the last 30 days.") from None
