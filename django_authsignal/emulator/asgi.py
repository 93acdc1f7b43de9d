"""The ASGI application: Django's, behind a reader that ends requests which are too large or never end."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

os.environ["DJANGO_SETTINGS_MODULE"] = "django_authsignal.emulator.settings"

import django
from django.conf import settings

from django_authsignal.emulator.faults import Faults, readable_by
from django_authsignal.emulator.handler import Handler
from django_authsignal.emulator.problems import Problem

Scope = dict[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class BodyLimit:
    """Reads the whole body first: at most MAX_BODY bytes, in at most BODY_TIMEOUT seconds."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            body = await _read(receive)
        except Problem as problem:
            await _refuse(problem, scope, send)
            return
        if body is not None:
            await self._app(scope, _replay(body, receive), send)


async def _read(receive: Receive) -> bytes | None:
    """The body; None when the caller has gone. Raises Problem 408 or 413.

    What is too large is read on and thrown away, so that the caller gets our answer and not a reset.
    """
    parts, size, more = [], 0, True
    try:
        async with asyncio.timeout(settings.BODY_TIMEOUT):
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                size += len(message.get("body", b""))
                if size <= settings.MAX_BODY:
                    parts.append(message.get("body", b""))
                else:
                    parts.clear()
                more = message.get("more_body", False)
    except TimeoutError:
        if size <= settings.MAX_BODY:
            raise Problem(408, "request_timeout", "The body did not arrive. Check Content-Length.") from None
    if size > settings.MAX_BODY:
        raise Problem(413, "payload_too_large", "The body is larger than 1 MiB.")
    return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay


async def _refuse(problem: Problem, scope: Scope, send: Send) -> None:
    content = json.dumps(problem.body()).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
        (b"connection", b"close"),
        *readable_by(scope),
    ]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


class ByType:
    """Requests to Django, sockets to the QR codes."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (serve if scope["type"] == "websocket" else self._app)(scope, receive, send)


django.setup(set_prefix=False)
from django_authsignal.emulator.realtime import serve  # noqa: E402  it reads the models, which are ready only now

handler = Handler()
application = ByType(Faults(BodyLimit(handler)))
