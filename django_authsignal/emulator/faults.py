"""Faults on demand: the API made slow, failing, limited, garbled or cut off, so that an app is seen under outage.

The innocent part of the emulator is spared: its pages, and /v1/management/, by which the fault is switched off again.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.db import connection

from django_authsignal.emulator import clock
from django_authsignal.emulator.problems import Problem

if TYPE_CHECKING:
    from django_authsignal.emulator.asgi import App, Receive, Scope, Send

KINDS = ("slow", "500", "429", "garbage", "drop")
LONGEST = 300.0  # seconds of delay
_SPARED = "/v1/management/"
_FRESH = 0.5  # seconds that another process's change may take to be noticed here
_GARBAGE = b'{"state": "CHALLENGE_REQUIRED", "idempotencyKey": "'


@dataclass(frozen=True)
class State:
    """The fault that is switched on; kind "" is none."""

    kind: str = ""
    delay: float = 5.0
    path: str = ""
    until: datetime | None = None

    @property
    def is_on(self) -> bool:
        return bool(self.kind) and (self.until is None or clock.now() < self.until)


_known = State()
_read_at = 0.0


def read() -> State:
    """As the database has it now."""
    from django_authsignal.emulator.models import Fault  # noqa: PLC0415  the ASGI module is read before the models

    global _known, _read_at
    _read_at = time.monotonic()
    row = Fault.objects.filter(pk=1).first()
    _known = State(row.kind, row.delay, row.path, row.until) if row else State()
    return _known


def write(state: State) -> State:
    """Replace it; at once in this process, within half a second in others."""
    from django_authsignal.emulator.models import Fault  # noqa: PLC0415  as above

    values = {"kind": state.kind, "delay": state.delay, "path": state.path, "until": state.until}
    Fault.objects.update_or_create(pk=1, defaults=values)
    return read()


class Faults:
    """Stands before everything else, so that what fails has touched nothing."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        global _read_at
        path = scope.get("path", "")
        if scope["type"] == "http" and path.startswith("/v1/") and not path.startswith(_SPARED):
            if time.monotonic() - _read_at > _FRESH:
                _read_at = time.monotonic()  # now, so that of many requests at once only one reads
                await _refresh()
            # A preflight is the browser's own; without its answer the app would not see which fault it was.
            if _known.is_on and _known.path in path and scope["method"] != "OPTIONS":
                if _known.kind != "slow":
                    await _fail(_known, scope, receive, send)
                    return
                await asyncio.sleep(_known.delay)
        await self._app(scope, receive, send)


@sync_to_async
def _refresh() -> None:
    try:
        read()
    finally:
        connection.close()


async def _fail(fault: State, scope: Scope, receive: Receive, send: Send) -> None:
    if fault.kind == "drop":
        await _drop(receive, send)
    elif fault.kind == "garbage":
        await _answer(200, _GARBAGE, scope, send)
    elif fault.kind == "429":
        problem = Problem(429, "too_many_requests", "A fault is switched on: too many requests.")
        wait = str(max(1, round(fault.delay))).encode()
        await _answer(429, json.dumps(problem.body()).encode(), scope, send, [(b"retry-after", wait)])
    else:
        problem = Problem(500, "unexpected_error", "A fault is switched on: internal error.")
        await _answer(500, json.dumps(problem.body()).encode(), scope, send)


async def _answer(
    status: int, body: bytes, scope: Scope, send: Send, headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    start = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        *(headers or []),
        *readable_by(scope),
    ]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body})


def readable_by(scope: Scope) -> list[tuple[bytes, bytes]]:
    """Headers by which a page that calls the Client API sees a refusal, and not a CORS error that hides it.

    There is nothing to read in it but the refusal.
    """
    origin = next((value for name, value in scope["headers"] if name == b"origin"), b"")
    if not origin or not scope["path"].startswith("/v1/client/"):
        return []
    return [(b"access-control-allow-origin", origin), (b"access-control-allow-credentials", b"true")]


async def _drop(receive: Receive, send: Send) -> None:
    """Close the connection without a byte. ASGI has no word for it: uvicorn's transport is behind its `send`."""
    transport: Any = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:  # another server: it ends an answer that stops in the middle
        started: Mapping[str, Any] = {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-length", b"1")],
        }
        await send(started)
        raise ConnectionAbortedError("A fault is switched on: the connection is dropped")
    transport.close()
    while (await receive())["type"] != "http.disconnect":
        pass
