"""A browser without a screen: cookies, one request at a time or many at once, and answers that may never come."""

from __future__ import annotations

import http.client
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode

PATIENCE = 120  # seconds
PAGE = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
FETCH = {"Accept": "application/json", "Sec-Fetch-Mode": "cors"}


@dataclass(frozen=True)
class Answer:
    """What came back; status 0: nothing did."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    cookies: tuple[str, ...] = ()
    body: bytes = b""

    @property
    def lost(self) -> bool:
        return not self.status

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body) if self.headers.get("content-type", "").endswith("json") else {}

    @property
    def location(self) -> str:
        return self.headers.get("location", "")

    @property
    def points(self) -> int:
        """How many points to die at the request had."""
        return int(self.headers.get("x-points", 0))


@dataclass
class Browser:
    """One cookie jar."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **headers: str) -> Answer:
        """Navigates."""
        return self.keep(self.send("GET", path, None, {**PAGE, **headers}))

    def post(self, path: str, fields: dict[str, str], **headers: str) -> Answer:
        """Submits a form."""
        return self.keep(self.send("POST", path, fields, {**PAGE, **headers}))

    def fetch(self, path: str, fields: dict[str, str], **headers: str) -> Answer:
        """Posts as a script does, and wants JSON."""
        return self.keep(self.send("POST", path, fields, {**FETCH, **headers}))

    def send(
        self, method: str, path: str, fields: dict[str, str] | None, headers: dict[str, str], gate: Any = None
    ) -> Answer:
        """One request with the cookies there are; what it brings is not kept. `gate`: waited at when connected."""
        body = None if fields is None else urlencode(fields)
        sent = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()), **headers}
        if fields is not None:
            sent |= {"Content-Type": "application/x-www-form-urlencoded"}
            sent |= {"X-CSRFToken": self.cookies.get("csrftoken", "")}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            if gate:
                connection.connect()
                gate.wait()
            connection.request(method, path, body, sent)
            got = connection.getresponse()
            content = got.read()
        except (OSError, http.client.HTTPException):
            return Answer(0)
        finally:
            connection.close()
        headers = {name.lower(): value for name, value in got.getheaders()}
        return Answer(got.status, headers, tuple(got.headers.get_all("Set-Cookie", [])), content)

    def keep(self, answer: Answer) -> Answer:
        """Takes over the cookies of an answer."""
        for line in answer.cookies:
            for name, morsel in SimpleCookie(line).items():
                if morsel["max-age"] == 0 or not morsel.value:
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value
        return answer

    def at_once(self, number: int, method: str, path: str, fields: list[dict[str, str]] | None = None) -> list[Answer]:
        """The same request so many times, all connected before the first is sent; cookies are kept as they come."""
        gate, lock = threading.Barrier(number, timeout=PATIENCE), threading.Lock()
        look = dict(self.cookies)

        def one(turn: int) -> Answer:
            twin = Browser(self.port, look)
            answer = twin.send(method, path, fields[turn] if fields else None, FETCH if fields else PAGE, gate)
            with lock:
                return self.keep(answer)

        with ThreadPoolExecutor(number) as threads:
            return list(threads.map(one, range(number)))
