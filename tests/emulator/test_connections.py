"""Callers that drip, stop, flood or speak something else: bounded, answered in JSON, and nobody else waits."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from .conftest import Emulator, start, stop

KEYS = {"error", "errorCode", "errorDescription"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """One of its own, whose memory is measured."""
    running = start(tmp_path_factory.mktemp("connections"), clock=False)
    yield running
    log = (running.clock_file.parent / "stderr").read_text()
    stop(running)
    assert "Traceback" not in log, log


def connect(emulator: Emulator) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(emulator.url.rsplit(":", 1)[1])), timeout=20)


def answered(connection: socket.socket) -> tuple[int, Any]:
    """The status and the JSON with which the connection was closed."""
    raw = b""
    while part := connection.recv(65536):
        raw += part
    head, _, body = raw.partition(b"\r\n\r\n")
    assert b"content-type: application/json" in head.lower()
    return int(head.split()[1]), json.loads(body)


@pytest.fixture(scope="module", autouse=True)
def kept(served: Emulator) -> Iterator[tuple[HTTPConnection, float]]:
    """A connection that had its answer when this module began, and the moment."""
    with closing(HTTPConnection("127.0.0.1", urlsplit(served.url).port, timeout=20)) as connection:
        assert asked(connection) == 200
        yield connection, time.monotonic()


def asked(connection: HTTPConnection) -> int:
    """The status of a request on it."""
    connection.request("GET", "/openapi.json")
    with connection.getresponse() as answer:
        answer.read()
        return answer.status


def memory(emulator: Emulator) -> int:
    """Resident bytes."""
    status = Path(f"/proc/{emulator.process.pid}/status").read_text()
    return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))


def test_headers_that_drip_are_not_waited_for_and_hold_nobody_up(served: Emulator) -> None:
    began = time.monotonic()
    drippers = [connect(served) for _ in range(50)]
    for dripper in drippers:
        dripper.sendall(b"POST /v1/validate HTTP/1.1\r\nHost: localhost\r\nX-A: ")
    assert served.track("u", "signIn")["state"] == "ALLOW"
    assert time.monotonic() - began < 5
    while time.monotonic() - began < 8:  # a byte a second keeps nothing open
        drippers[0].sendall(b"a")
        time.sleep(1)
    answers = [answered(dripper) for dripper in drippers]
    for dripper in drippers:
        dripper.close()
    assert {status for status, _ in answers} == {408}
    assert set(answers[0][1]) == KEYS
    assert time.monotonic() - began < 15


def test_a_second_request_of_a_connection_may_not_drip_either(served: Emulator) -> None:
    with connect(served) as caller:
        caller.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert caller.recv(20).startswith(b"HTTP/1.1 200")
        caller.sendall(b"GET /openapi.json HTTP/1.1\r\nX-A: ")
        began, last = time.monotonic(), b""
        while part := caller.recv(65536):
            last = part
    assert time.monotonic() - began < 13
    assert b"request_timeout" in last


def test_headers_without_an_end_are_refused_in_bounded_memory(served: Emulator) -> None:
    before = memory(served)
    with connect(served) as caller:
        caller.sendall(b"GET /v1/users/u HTTP/1.1\r\nHost: localhost\r\nX-A: ")
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            caller.sendall(b"a" * 130_000_000)
    assert memory(served) - before < 30_000_000


@pytest.mark.long
def test_connections_are_bounded_by_what_the_system_gives(tmp_path: Path) -> None:
    few = start(tmp_path, clock=False, wrapper=("sh", "-c", 'ulimit -n 300 && exec "$@"', "sh"))
    try:
        callers = [connect(few) for _ in range(400)]
        status, body = answered(callers[-1])
        assert (status, set(body)) == (503, KEYS)
        for caller in callers:
            caller.close()
        deadline = time.monotonic() + 5
        while few.server("GET", "users/u").status_code == 503:
            assert time.monotonic() < deadline
    finally:
        stop(few)
    assert (tmp_path / "stderr").read_text() == ""


def test_a_long_path_is_refused_with_the_three_keys(served: Emulator) -> None:
    with connect(served) as caller:
        caller.sendall(b"GET /v1/users/" + b"a" * 70_000)
        status, body = answered(caller)
    assert (status, set(body)) == (431, KEYS)


@pytest.mark.parametrize("size", [1024 * 1024 + 1, 60_000_000], ids=["a byte too many", "60 MB"])
def test_a_body_larger_than_a_mebibyte_is_refused_in_bounded_memory(served: Emulator, size: int) -> None:
    before = memory(served)
    answer = served.server("POST", "users/u/actions/signIn", data=b'{"custom":{"a":"' + b"a" * (size - 19) + b'"}}')
    assert (answer.status_code, set(answer.json())) == (413, KEYS)
    assert memory(served) - before < 30_000_000


def test_a_body_without_an_end_is_refused_as_too_large(served: Emulator) -> None:
    began = time.monotonic()
    with connect(served) as caller:
        caller.sendall(
            b"POST /v1/validate HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"200000\r\n" + b"a" * 0x200000 + b"\r\n"
        )
        status, body = answered(caller)
    assert (status, set(body)) == (413, KEYS)
    assert time.monotonic() - began < 15


def test_a_page_of_another_origin_sees_that_its_body_was_too_large(served: Emulator) -> None:
    url, headers = f"{served.api}/client/challenge", {"Origin": "https://app.example"}
    answer = requests.post(url, data=b" " * 1_100_000, headers=headers, timeout=20)
    assert answer.status_code == 413
    assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example"


@pytest.mark.parametrize(
    "request_line",
    [
        b"nonsense",
        b"GET /v1/users/\xc3\xa9 HTTP/1.1",
        b"GET /v1/users/u HTTP/9.9",
        b"G\x00T / HTTP/1.1",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",  # TLS
    ],
)
def test_what_is_not_http_is_refused_with_the_three_keys(served: Emulator, request_line: bytes) -> None:
    with connect(served) as caller:
        caller.sendall(request_line + b"\r\nHost: localhost\r\n\r\n")
        status, body = answered(caller)
    assert (status, set(body)) == (400, KEYS)


def test_two_lengths_of_one_body_are_refused(served: Emulator) -> None:
    """What a proxy takes for one request must not be two here."""
    with connect(served) as caller:
        caller.sendall(
            b"POST /v1/validate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"0\r\n\r\nGET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
        )
        status, _ = answered(caller)
    assert status == 400


def test_a_request_that_is_cut_off_leaves_nothing_behind(served: Emulator) -> None:
    for _ in range(20):
        with connect(served) as caller:
            caller.sendall(
                b"POST /v1/users/cut/actions/signIn HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{"
            )
    assert "userId" not in served.server("GET", "users/cut").json()


@pytest.mark.parametrize("raw", ["{", "[]", '"a"', "1", '{"a":}', "{'a': 1}", "\x00", '{"a":"\ud800"}', "nul", "{}{}"])
def test_a_body_that_is_not_a_json_object_is_refused(served: Emulator, raw: str) -> None:
    answer = served.server("POST", "users/u/actions/signIn", data=raw.encode("utf-8", "surrogatepass"))
    assert (answer.status_code, set(answer.json())) == (400, KEYS)


@pytest.mark.parametrize("method", ["GET", "PUT", "TRACE", "PROPFIND", "OPTIONS"])
def test_an_unknown_method_is_refused_with_the_three_keys(served: Emulator, method: str) -> None:
    answer = served.server(method, "users/u/actions/signIn/key/more" if method == "GET" else "validate")
    assert answer.status_code in (404, 405)
    assert set(answer.json()) == KEYS


@pytest.mark.parametrize(
    "path", ["", "nothing", "users", "client/nothing", "management/nothing", "a" * 5000, "%00", "%ff"]
)
def test_an_unknown_path_is_refused_with_the_three_keys(served: Emulator, path: str) -> None:
    answer = served.server("POST", path)
    assert answer.status_code in (400, 404, 405)
    assert set(answer.json()) == KEYS


@pytest.mark.parametrize(
    "text", ["\u202e\u200b\ufeff", "ﷺ" * 80, "e\u0301" * 100, "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "\U0010ffff", "\r\nX-A: b", "' OR 1=1 --", "<b>"]
)
def test_hostile_text_comes_back_as_it_was_given(served: Emulator, text: str) -> None:
    given = {"displayName": text, "custom": {text: text}}
    answer = served.server("PATCH", "users/hostile", given)
    assert answer.status_code == 200
    read = served.server("GET", "users/hostile").json()
    assert (read["displayName"], read["custom"]) == (text, {text: text})


def test_a_connection_that_was_not_used_for_six_seconds_is_still_open(kept: tuple[HTTPConnection, float]) -> None:
    connection, since = kept
    time.sleep(max(0, since + 6 - time.monotonic()))
    assert asked(connection) == 200
