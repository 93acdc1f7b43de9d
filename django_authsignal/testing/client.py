"""Django's test client, made to stand on the far side of a proof."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.cookies import SimpleCookie
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from django.test import Client
from django.utils import timezone

from django_authsignal import browser, channel, ledger
from django_authsignal.conf import get_settings, option
from django_authsignal.identity import fingerprint
from django_authsignal.models import Challenge, Channel, Kind, Status, lifetime
from django_authsignal.policy import get_policy

from . import api


def pass_challenge(
    client: Client,
    action: str,
    *,
    method: str = "PASSKEY",
    user: AbstractBaseUser | None = None,
    credential: str = "",
) -> None:
    """Gives whoever this client comes as a pass for the action, as if they had just proved it by `method`.

    That is the session's user; or, for a client with an Authorization header (REST framework's `credentials()`, or
    `headers`) or with `force_authenticate()`, that credential's. `user` says whose it is where that cannot be found
    out; `credential` is what your `challenge_credential()` or `set_credential()` gives.

    Raises ValueError when nobody is known, when the policy does not accept the method, and for an action whose proof
    belongs to one request (bind, MAX_AGE 0): send that request, then `authsignal.complete(…)` its challenge.
    """
    policy = get_policy(action)
    if policy.single_use or policy.custom:
        raise ValueError(f"A proof of {action!r} belongs to one request. Send it, then complete its challenge.")
    if not policy.accepts(method):
        raise ValueError(f"The policy of {action!r} does not accept {method}. Pass method=… with one of its METHODS.")
    found = api.known_by(client)
    if found is not None:
        user, credential = user or found.user, credential or found.credential
    request = _request(client)
    if credential:
        if user is None:
            raise ValueError("Nobody is known by this client's credentials. Say whose they are: user=…")
        channel.set_credential(request, credential)
    elif user is not None:
        raise ValueError("This client brings no credential that is known here. Pass credential=… beside user=….")
    else:
        user = session_user(request)
    row = Challenge(
        kind=Kind.SIGN_IN if policy.sign_in else Kind.STEP_UP,
        status=Status.PROVED,
        channel=Channel.API if credential else Channel.BROWSER,
        action=action,
        user_pk=str(user.pk),
        authsignal_id=str(user.pk),
        tenant=option("TENANT_ID", request),
        fingerprint=fingerprint(user),
        browser="" if credential else browser.ensure(request),
        credential=channel.credential(request) if credential else "",
        verification_method=method,
        max_age=policy.max_age,
        expires_at=lifetime(policy.challenge_age),
        proved_at=timezone.now(),
    )
    row.save(force_insert=True)
    if not credential:
        ledger.grant(request, user, row, at=row.proved_at or timezone.now(), one_request=False)
        _keep(client, request)


def session_user(request: HttpRequest) -> AbstractBaseUser:
    """Who is signed in. Raises ValueError when nobody is."""
    user = get_user(request)
    if not isinstance(user, AbstractBaseUser):
        raise ValueError("Nobody is signed in with this client. Call client.force_login(user) first.")
    return user


def _request(client: Client) -> HttpRequest:
    request = HttpRequest()
    request.META.update({"SERVER_NAME": "testserver", "SERVER_PORT": "80", **client.defaults})
    request.session = client.session
    request.COOKIES = {name: morsel.value for name, morsel in client.cookies.items()}
    return request


def _keep(client: Client, request: HttpRequest) -> None:
    request.session.save()
    client.cookies[settings.SESSION_COOKIE_NAME] = request.session.session_key or ""
    value = getattr(request, "_authsignal_browser", "")
    if value:
        # Both names: the next request may be made with secure=True.
        client.cookies.update(SimpleCookie({browser.NAME: value, f"__Host-{browser.NAME}": value}))


@contextmanager
def proved_clients() -> Iterator[None]:
    """Inside the block every test client has `pass_challenge`, and `login` and `force_login` include the proof."""
    login, force_login = Client.login, Client.force_login

    def proved_force_login(self: Client, user: AbstractBaseUser, backend: str | None = None) -> None:
        force_login(self, user, backend)  # type: ignore[arg-type] # any user model
        methods = get_policy(get_settings().SIGN_IN_ACTION).methods
        pass_challenge(self, get_settings().SIGN_IN_ACTION, method=min(methods) if methods else "PASSKEY")

    def proved_login(self: Client, **credentials: Any) -> bool:
        user, backend = api.user_of(credentials)
        if user is None:
            return login(self, **credentials)
        proved_force_login(self, user, backend)
        return True

    _set(Client, login=proved_login, force_login=proved_force_login, pass_challenge=pass_challenge)
    try:
        yield
    finally:
        _set(Client, login=login, force_login=force_login)
        del Client.pass_challenge  # type: ignore[attr-defined] # added above, for a while


def _set(owner: type, **methods: Callable[..., Any]) -> None:
    for name, method in methods.items():
        setattr(owner, name, method)
