"""A receiver of webhooks: a real HTTP server in a thread, which answers as it is told."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """`answers`: the statuses of the next requests; after them 200. `stall`: seconds before each answer."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    stall: float = 0
    drip: float = 0  # seconds between the bytes of an answer that never ends
    text: str = "thanks"
    location: str = ""
    during: Callable[[Any], None] | None = None  # called with the event before it is answered
    requests: list[Request] = field(default_factory=list)

    def of(self, kind: str, user: str = "") -> list[Request]:
        """What arrived of this type, for this user."""
        found = [one for one in self.requests if one.json.get("type") == kind]
        return [one for one in found if not user or one.json["data"].get("userId") == user]

    def records(self, kind: str) -> list[Any]:
        batches = [one.json["records"] for one in self.requests if "records" in one.json]
        return [record for batch in batches for record in batch if record["type"] == kind]

    def wait(self, kind: str, user: str = "", count: int = 1) -> list[Request]:
        eventually(lambda: len(self.of(kind, user)) >= count)
        return self.of(kind, user)


def eventually(check: Callable[[], Any], seconds: float = 30) -> Any:
    ends = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < ends, "it did not happen in time"
        time.sleep(0.02)
    return found


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            one = Request(self.path, dict(self.headers), body, time.monotonic())
            receiver.requests.append(one)
            status = receiver.answers.pop(0) if receiver.answers else 200
            if receiver.during:
                receiver.during(one.json)
            time.sleep(receiver.stall)
            try:
                self.send_response(status)
                if receiver.location:
                    self.send_header("Location", receiver.location)
                self.send_header("Content-Length", str(len(receiver.text)))
                self.end_headers()
                for letter in receiver.text if receiver.drip else [receiver.text]:
                    self.wfile.write(letter.encode())
                    time.sleep(receiver.drip)
            except OSError:
                self.close_connection = True

        do_GET = do_POST

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        receiver.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()


def official_sdk_accepts(body: bytes, header: str, secret: str) -> bool:
    """How the official SDKs verify (webhook.py of authsignal-python, webhook.ts of authsignal-node).

    Each part is split at every "=", so a padded signature would lose its end; and t is written before the signatures.
    """
    stamp, signatures = "", []
    for part in header.split(","):
        pieces = part.split("=")
        if pieces[0] == "t":
            stamp = pieces[1]
        elif pieces[0] == "v2":
            signatures.append(pieces[1])
    digest = hmac.new(secret.encode(), f"{stamp}.{body.decode()}".encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode().replace("=", "") in signatures
