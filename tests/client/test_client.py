"""The client against a real loopback server: deadlines, paths, connections, failures."""

from __future__ import annotations

import json
import socket
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from django_authsignal.client import (
    Client,
    ConfigurationError,
    ConnectionFailed,
    Redirected,
    SignatureError,
    TimedOut,
    Unauthorized,
    UnreadableResponse,
    verify,
)
from django_authsignal.client._transport import call, resolve

SECRET = "a-very-secret-key"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append((self.path, body, self.client_address))
        status, headers, content = self.server.reply(self.path)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = do_DELETE = answer

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.seen = []
    server.reply = lambda path: (200, {"Content-Type": "text/plain; charset=utf-8"}, b'{"state": "ALLOW"}')
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def client(server: ThreadingHTTPServer) -> Iterator[Client]:
    with Client(SECRET, api_url=f"http://127.0.0.1:{server.server_port}/v1/") as client:
        yield client


def silent(conn: socket.socket) -> None:
    time.sleep(5)


def drip(text: bytes) -> Callable[[socket.socket], None]:
    def work(conn: socket.socket) -> None:
        conn.recv(65536)
        try:
            for byte in text:
                conn.sendall(bytes([byte]))
                time.sleep(0.1)
        except OSError:
            return

    return work


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    "work",
    [silent, drip(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"y" * 300), drip(b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 300)],
    ids=["never answers", "drips in the headers", "drips in the body"],
)
def test_a_call_ends_in_time_whatever_the_server_does(work: Callable[[socket.socket], None], scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            conn, _ = listener.accept()
            with conn:
                work(conn)

        threading.Thread(target=accept, daemon=True).start()
        client = Client(SECRET, api_url=f"{scheme}://127.0.0.1:{listener.getsockname()[1]}", timeout=0.3)
        start = time.monotonic()
        # Over https a stalled handshake; what drips there is not TLS and fails at once, in time as well.
        with pytest.raises(TimedOut if scheme == "http" or work is silent else Exception):
            client.track("1", "a")
        assert time.monotonic() - start < 1.5


def test_a_resolver_that_hangs_does_not_hold_the_call() -> None:
    call.ends = time.monotonic() + 0.2
    with pytest.raises(TimeoutError):
        resolve("example.invalid", 443, lookup=lambda *a, **k: time.sleep(3))
    assert time.monotonic() < call.ends + 1


@pytest.mark.parametrize("user_id", ["a/b", "../validate", "%2F", "%2e%2e", "a?b#c", "a+b c", "é漢", "x" * 300, "..."])
def test_an_id_reaches_the_server_as_one_segment(client: Client, server: ThreadingHTTPServer, user_id: str) -> None:
    from urllib.parse import unquote

    client.track(user_id, "signIn")
    parts = server.seen[0][0].split("/")
    assert [unquote(part) for part in parts] == ["", "v1", "users", user_id, "actions", "signIn"]


@pytest.mark.parametrize("user_id", ["", ".", "..", "a\0b", "\ud800"])
def test_an_id_no_path_can_carry_is_refused_before_sending(
    client: Client, server: ThreadingHTTPServer, user_id: str
) -> None:
    with pytest.raises(ValueError, match="Use another id"):
        client.track(user_id, "signIn")
    assert server.seen == []


def test_a_redirect_is_not_followed(client: Client, server: ThreadingHTTPServer) -> None:
    server.reply = lambda path: (302, {"Location": "/elsewhere"}, b"")
    with pytest.raises(Redirected):
        client.track("1", "a")
    assert len(server.seen) == 1


def test_a_huge_answer_is_not_read(client: Client, server: ThreadingHTTPServer) -> None:
    server.reply = lambda path: (200, {}, b" " * 2_000_000)
    with pytest.raises(UnreadableResponse):
        client.track("1", "a")


def test_threads_share_connections_and_never_answers(client: Client, server: ThreadingHTTPServer) -> None:
    server.reply = lambda path: (200, {}, json.dumps({"state": path.split("/")[3]}).encode())
    wrong: list[str] = []

    def work(name: str) -> None:
        wrong.extend(user for i in range(50) if client.track(user := f"{name}{i}", "a").state != user)

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert wrong == []
    assert len(server.seen) == 100
    assert len({address for _, _, address in server.seen}) == 2


def test_none_is_left_out_and_the_callers_keys_are_untouched(client: Client, server: ThreadingHTTPServer) -> None:
    custom = {"userID": Decimal("0.10"), "some-Key": None, "exact": Decimal("12345678901234567890.12")}
    client.track("1", "a", email=None, custom=custom)
    assert json.loads(server.seen[0][1]) == {"custom": {"userID": 0.1, "exact": "12345678901234567890.12"}}
    assert list(custom) == ["userID", "some-Key", "exact"]


def test_an_error_carries_its_code_under_either_key_without_a_secret_it_quotes(
    client: Client, server: ThreadingHTTPServer
) -> None:
    answer = json.dumps({"error": "unauthorized", "errorDescription": f"no such key: {SECRET}"}).encode()
    server.reply = lambda path: (401, {}, answer)
    with pytest.raises(Unauthorized) as caught:
        client.track("1", "a")
    assert (caught.value.code, caught.value.status) == ("unauthorized", 401)
    assert SECRET not in f"{caught.value} {caught.value!r} {caught.value.description} {client!r}"


def test_no_frame_of_a_failed_call_shows_the_secret() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectionFailed) as caught:
        Client(SECRET, api_url=f"http://127.0.0.1:{port}").track("1", "a")
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    encoded = b64encode(f"{SECRET}:".encode()).decode()
    frame = caught.value.__traceback__.tb_next
    while frame:
        shown = repr(frame.tb_frame.f_locals)
        assert SECRET not in shown
        assert encoded not in shown
        frame = frame.tb_next


@pytest.mark.parametrize("secret", ["", " ", "key\n", "ключ", "a:b"])
def test_an_unusable_key_is_an_error_of_the_first_call(secret: str) -> None:
    client = Client(secret)
    with pytest.raises(ConfigurationError):
        client.get_user("1")


BODY = b'{"version":1,"type":"sms.created","data":{"to":"+6421000000","code":"123456"}}'
HEADER = "t=1700000000,v2=/PGOi65edtBwRffQonIGyoC/yyIXSTvExK9LF54Iu8o"


def test_a_signed_webhook_is_read_with_any_of_the_keys() -> None:
    event = verify(BODY, HEADER, secrets=["new", "test_secret_key"], now=1700000100)
    assert event.type == "sms.created"


@pytest.mark.parametrize(
    ("body", "header", "now"),
    [
        (BODY + b" ", HEADER, 1700000000),
        (BODY, HEADER, 1700000301),
        (BODY, HEADER, 1699999699),
        (BODY, "t", 1700000000),
        (BODY, "t=abc,v2=x", 1700000000),
        (BODY, None, 1700000000),
        (BODY, HEADER.replace("v2", "v1"), 1700000000),
    ],
)
def test_a_webhook_that_is_altered_old_future_or_malformed_is_refused(
    body: bytes, header: str | None, now: float
) -> None:
    with pytest.raises(SignatureError):
        verify(body, header, secrets=["test_secret_key"], now=now)
