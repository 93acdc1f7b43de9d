"""Django behind ASGI in threads that stay, each with a database connection that stays.

Django's own handler gives every request a new thread, which opens the database anew. Here one request runs at a time,
which is the fastest that SQLite can do (a writer that finds the file locked sleeps), unless it takes long: then the
next no longer waits. It may be waiting for a webhook whose receiver asks this API.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

from django.core import signals
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix
from django.utils import translation

_THREADS = 16
_TURN = 0.05  # seconds after which a request no longer keeps the next from starting


class Handler(ASGIHandler):
    """For sync views and middlewares; an answer may be an async stream."""

    def __init__(self) -> None:
        self.load_middleware(is_async=False)
        self._connections: list[BaseDatabaseWrapper] = []
        self._threads = ThreadPoolExecutor(_THREADS, "request", initializer=self._keep_connection)
        self._turn: asyncio.Semaphore | None = None

    async def __call__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[Mapping[str, Any]]],
        send: Callable[[Mapping[str, Any]], Awaitable[None]],
    ) -> None:
        """`receive` gives the whole body at once: see BodyLimit."""
        body = (await receive()).get("body", b"")
        response, content = await self._in_turn(self._respond, scope, body)
        headers = [(name.encode("ascii"), value.encode("latin-1")) for name, value in response.items()]
        headers += [(b"Set-Cookie", cookie.output(header="").strip().encode()) for cookie in response.cookies.values()]
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        if content is None:
            async for part in response:
                await send({"type": "http.response.body", "body": response.make_bytes(part), "more_body": True})
            await asyncio.get_running_loop().run_in_executor(self._threads, response.close)
        await send({"type": "http.response.body", "body": content or b""})

    def close(self) -> None:
        """Wait for the requests that run, then close the database: SQLite folds its journal into the one file."""
        self._threads.shutdown()
        for connection in self._connections:
            connection.close()

    async def _in_turn(self, function: Callable[..., Any], *arguments: Any) -> Any:
        self._turn = self._turn or asyncio.Semaphore(1)
        await self._turn.acquire()
        held = [self._turn]  # until somebody takes it out to give it back

        def give_back() -> None:
            for turn in held:
                turn.release()
            held.clear()

        loop = asyncio.get_running_loop()
        timer = loop.call_later(_TURN, give_back)
        try:
            return await loop.run_in_executor(self._threads, function, *arguments)
        finally:
            timer.cancel()
            give_back()

    def _respond(self, scope: dict[str, Any], body: bytes) -> tuple[HttpResponseBase, bytes | None]:
        """The answer, with its content unless that is an async stream."""
        set_script_prefix(get_script_prefix(scope))
        signals.request_started.send(sender=type(self), scope=scope)
        request, refusal = self.create_request(scope, BytesIO(body))
        response: Any = refusal if request is None else self.get_response(request)
        translation.deactivate()  # the next request in this thread is somebody else's
        if response.streaming and response.is_async:
            return response, None
        content = b"".join(response)
        response.close()
        return response, content

    def _keep_connection(self) -> None:
        """A thread's connection may be closed by `close`, which another thread calls."""
        connection = connections["default"]
        connection.inc_thread_sharing()
        self._connections.append(connection)
