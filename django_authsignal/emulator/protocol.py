"""uvicorn's HTTP protocol with limits it lacks: headers that drip in or never end hold a connection, or memory."""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus

from django.conf import settings
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from django_authsignal.emulator.problems import Problem


class Protocol(HttpToolsProtocol):
    """MAX_CONNECTIONS of them, and for the line and headers of each request HEADER_TIMEOUT and MAX_HEADERS."""

    _waits: asyncio.TimerHandle | None = None
    _size = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # asyncio gives no other kind here
        super().connection_made(transport)
        self._wait()
        # Before the system has no file for another one: asyncio would then ask it again and again, and log each time.
        if len(self.connections) > settings.MAX_CONNECTIONS:
            self._refuse(Problem(503, "service_unavailable", "Too many connections are open. Close some of them."))

    def connection_lost(self, exc: Exception | None) -> None:
        self._arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._size += len(data)
        super().data_received(data)
        if self._waits and self._size > settings.MAX_HEADERS:
            self._refuse(Problem(431, "headers_too_large", "The request line and headers are larger than 64 KiB."))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if not self._waits:  # a later request of the connection; before its first byte the keep-alive limit counts
            self._size = 0
            self._wait()

    def on_headers_complete(self) -> None:
        self._arrived()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(Problem(400, "invalid_request", msg))

    def _wait(self) -> None:
        late = Problem(408, "request_timeout", "The headers did not arrive.")
        self._waits = self.loop.call_later(settings.HEADER_TIMEOUT, self._refuse, late)

    def _arrived(self) -> None:
        if self._waits:
            self._waits.cancel()
            self._waits = None

    def _refuse(self, problem: Problem) -> None:
        self._arrived()
        if self.transport.is_closing():
            return
        body = json.dumps(problem.body())
        head = (
            f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write((head + body).encode())
        self.transport.close()
