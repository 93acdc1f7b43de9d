"""QR codes over a WebSocket, the browser SDK's default: /ws-v1-challenge.

Source: authsignal-browser, src/api/websocket-client.ts. The state is read from the database, so the phone may answer
another process. No cookie authorises a socket, so a page of another origin gets no more by it than by HTTP.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connection
from django.http.request import split_domain_port, validate_host

from django_authsignal.emulator import clock, engine, fields, http, races
from django_authsignal.emulator.methods import device_challenge, qr_code
from django_authsignal.emulator.methods.device_challenge import APPROVED, OVER, REJECTED, UNCLAIMED, Asker
from django_authsignal.emulator.models import DeviceChallenge
from django_authsignal.emulator.problems import Problem, invalid

if TYPE_CHECKING:
    from django_authsignal.emulator.asgi import Receive, Scope, Send

logger = logging.getLogger(__name__)
T = TypeVar("T")
PATH = "/ws-v1-challenge"
PROTOCOL = "authsignal-ws"
TOKEN, TENANT = "x.authsignal.token.", "x.authsignal.tenant."
MAX_MESSAGE = 16 * 1024  # bytes of one frame
_MAX_OPEN = 64  # sockets of one process: each reads the database twice a second
_MAX_MESSAGES = 100  # from one socket; the SDK sends one in nine minutes
_LOOK = 0.5  # seconds between two looks at the database
_PATIENCE = 30.0  # seconds without a challenge to wait for
_BAD, _BUSY, _IDLE = 1008, 1013, 1001
_open = 0


@dataclass
class _Watched:
    row: DeviceChallenge
    state: str = UNCLAIMED


async def serve(scope: Scope, receive: Receive, send: Send) -> None:
    """One socket, from its handshake on. Whatever arrives, it ends with a close and never with a traceback."""
    global _open
    if (await receive())["type"] != "websocket.connect":
        return
    if _open >= _MAX_OPEN:
        await send({"type": "websocket.close", "code": _BUSY})
        return
    _open += 1
    try:
        asker = await _in_thread(partial(_authorised, scope))
        if asker is None:
            await send({"type": "websocket.close", "code": _BAD})  # before it is accepted: HTTP 403
            return
        await send({"type": "websocket.accept", "subprotocol": PROTOCOL})
        code = await _talk(asker, receive, send)
        if code:
            await send({"type": "websocket.close", "code": code})
    except Exception:
        logger.exception("A socket could not be served")
        await send({"type": "websocket.close", "code": 1011})
    finally:
        _open -= 1


async def _talk(asker: Asker, receive: Receive, send: Send) -> int | None:
    """Serve until the page leaves (None) or must leave (a code)."""
    watched: _Watched | None = None
    idle_since, messages = time.monotonic(), 0
    receiving = asyncio.ensure_future(receive())
    try:
        while True:
            await asyncio.wait({receiving}, timeout=_LOOK)
            if receiving.done():
                message = receiving.result()
                if message["type"] == "websocket.disconnect":
                    return None
                messages += 1
                if messages > _MAX_MESSAGES:
                    return _BAD
                receiving = asyncio.ensure_future(receive())
                try:
                    watched = await _in_thread(partial(_create, asker, message.get("text")))
                except Problem as problem:
                    # The SDK knows no message for it: the close is what it sees, and what tells it to stop waiting.
                    logger.info("A socket was closed: %s", problem)
                    return _BAD
                await _say(send, "CHALLENGE_CREATED", _created(watched.row))
                continue
            if watched is None:
                if time.monotonic() - idle_since > _PATIENCE:
                    return _IDLE
            elif change := await _in_thread(partial(_look, watched)):
                if change["state"] == OVER:
                    return _IDLE
                await _say(send, "STATE_CHANGE", change)
                if change["state"] in (APPROVED, REJECTED):
                    watched, idle_since = None, time.monotonic()
    finally:
        receiving.cancel()


def _authorised(scope: Scope) -> Asker | None:
    """Who asks, by the sub-protocols that a page may choose; None when refused."""
    headers: Mapping[str, str] = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    host, _port = split_domain_port(headers.get("host", ""))
    # A name that an attacker's page made to point here.
    if scope["path"].rstrip("/") != PATH or not host or not validate_host(host, settings.ALLOWED_HOSTS):
        return None
    offered = scope.get("subprotocols", [])
    tokens = [one.removeprefix(TOKEN) for one in offered if one.startswith(TOKEN)]
    tenants = [one.removeprefix(TENANT) for one in offered if one.startswith(TENANT)]
    if PROTOCOL not in offered or len(tokens) + len(tenants) != 1:
        return None
    address = (scope.get("client") or ("", 0))[0]
    agent = headers.get("user-agent", "")[:1024]
    if tenants:
        return Asker(None, address, agent) if http.same(tenants[0], settings.TENANT_ID) else None
    try:
        return Asker(engine.open_token(tokens[0]), address, agent)
    except Problem:
        return None


def _create(asker: Asker, text: Any) -> _Watched:
    """What CREATE_CHALLENGE asks for. Raises Problem for anything else."""
    message = http.read_json(text, "The message") if isinstance(text, str) else None
    if not isinstance(message, dict) or message.get("type") != "CREATE_CHALLENGE":
        raise invalid("The message must be a CREATE_CHALLENGE.")
    data = fields.mapping(message, "data") or {}
    if data.get("challengeType") != "QR_CODE":
        raise invalid("body.challengeType must be QR_CODE.")
    code = fields.required(data, "actionCode")
    row, _device_code = qr_code.challenge(asker, code, fields.mapping(data, "custom"))
    return _Watched(row)


def _created(row: DeviceChallenge) -> dict[str, Any]:
    return {
        "challengeId": str(row.pk),
        "challengeType": "QR_CODE",
        "expiresAt": clock.iso(row.expires_at),
        "state": UNCLAIMED,
    }


def _look(watched: _Watched) -> dict[str, Any] | None:
    """What has changed since the last look. An approval that proves nothing is a rejection."""
    row = DeviceChallenge.objects.filter(pk=watched.row.pk).first()
    if row is None:  # with the user, or with the device that had claimed it
        return {"challengeId": str(watched.row.pk), "state": REJECTED}
    state = device_challenge.state(row)
    if state == watched.state:
        return None
    watched.state = state
    change = {"challengeId": str(row.pk), "state": state}
    if state == APPROVED:
        try:
            token = device_challenge.collect(row)
        except Problem:
            token = None
        if token is None:
            return {**change, "state": REJECTED}
        change["accessToken"] = token
    return change


async def _say(send: Send, kind: str, data: dict[str, Any]) -> None:
    await send({"type": "websocket.send", "text": json.dumps({"type": kind, "data": data})})


async def _in_thread(work: Callable[[], T]) -> T:
    """Database work: in a thread, whose connection is closed again, because the next look may be in another."""

    def run() -> T:
        try:
            return races.again(work)
        finally:
            connection.close()

    return await sync_to_async(run, thread_sensitive=False)()
