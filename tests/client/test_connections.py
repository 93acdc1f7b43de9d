"""Pooled connections, the total deadline, proxies, TLS, and processes that fork."""

from __future__ import annotations

import os
import select
import socket
import ssl
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from django_authsignal.client import (
    Client,
    ConfigurationError,
    ConnectionFailed,
    TimedOut,
    Unreachable,
    UnreadableResponse,
)
from django_authsignal.client._transport import DeadlineAdapter, call, resolve

from .conftest import SECRET, Certificate, Server, drip, listening, running, silent

OK = b'HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{"state":"ALLOW"}'


# The deadline


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_that_never_answers_is_left_in_time(scheme: str) -> None:
    with listening(silent) as port:
        client = Client(SECRET, api_url=f"{scheme}://127.0.0.1:{port}", timeout=0.3)
        start = time.monotonic()
        with pytest.raises(TimedOut):
            client.track("1", "a")
        assert time.monotonic() - start < 1.5


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\n\r\n"], ids=["in the headers", "in the body"]
)
def test_a_server_that_drips_is_left_in_time(head: bytes) -> None:
    with listening(drip(head + b" " * 300)) as port:
        client = Client(SECRET, api_url=f"http://127.0.0.1:{port}", timeout=0.3)
        start = time.monotonic()
        with pytest.raises(TimedOut):
            client.track("1", "a")
        assert time.monotonic() - start < 1.5


def test_a_server_that_does_not_read_is_left_in_time() -> None:
    with listening(silent) as port:
        client = Client(SECRET, api_url=f"http://127.0.0.1:{port}", timeout=0.3)
        start = time.monotonic()
        with pytest.raises(TimedOut):
            client.track("1", "a", custom={"large": "x" * 20_000_000})
        assert time.monotonic() - start < 2.5


def test_a_resolver_that_hangs_does_not_hold_the_call() -> None:
    call.ends = time.monotonic() + 0.2
    with pytest.raises(TimeoutError):
        resolve("example.invalid", 443, lookup=lambda *a, **k: time.sleep(3))
    assert time.monotonic() < call.ends + 1


def test_a_name_that_does_not_resolve_is_a_failed_connection() -> None:
    with pytest.raises(ConnectionFailed):
        Client(SECRET, api_url="http://name.invalid/v1").track("1", "a")


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), 3601, None, "5", True, Decimal(5)])
def test_a_timeout_that_is_no_limit_is_refused(timeout: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"timeout.* as 5\.0\."):
        Client(SECRET, timeout=timeout)


# Idle connections that the other side has closed


class Flaky:
    """Answers the first request of every connection and hangs up, without a word, on the second: an idle connection
    closed at the very moment it is used again. From `broken` on, new connections are hung up on as well."""

    def __init__(self) -> None:
        self.requests = 0
        self.connections = 0
        self.broken = False
        self.stall = False

    def __call__(self, conn: socket.socket) -> None:
        self.connections += 1
        if self.received(conn) and not self.broken:
            time.sleep(5 if self.stall else 0)
            conn.sendall(OK)
            self.received(conn)

    def received(self, conn: socket.socket) -> bool:
        """Reads one whole request: its head and its body may come in two pieces."""
        data = b""
        while not data.endswith(b"}"):
            piece = conn.recv(65536)
            if not piece:
                return False
            data += piece
        self.requests += 1
        return True


@pytest.fixture
def flaky() -> Iterator[tuple[Flaky, int]]:
    work = Flaky()
    with listening(work) as port:
        yield work, port


def test_a_repeatable_call_is_sent_once_more_when_its_idle_connection_was_closed(flaky: tuple[Flaky, int]) -> None:
    work, port = flaky
    client = Client(SECRET, api_url=f"http://127.0.0.1:{port}")
    client.track("1", "a", idempotency_key="k")
    assert client.track("1", "a", idempotency_key="k").state == "ALLOW"
    assert (work.requests, work.connections) == (3, 2)


def test_a_call_that_may_not_be_repeated_is_not_sent_again(flaky: tuple[Flaky, int]) -> None:
    work, port = flaky
    client = Client(SECRET, api_url=f"http://127.0.0.1:{port}")
    client.track("1", "a")
    with pytest.raises(ConnectionFailed):
        client.track("1", "a")
    assert work.requests == 2


def test_a_fresh_connection_that_breaks_as_well_is_not_replaced_at_once(flaky: tuple[Flaky, int]) -> None:
    work, port = flaky
    client = Client(SECRET, api_url=f"http://127.0.0.1:{port}", retries=0)
    client.track("1", "a", idempotency_key="k")
    work.broken = True
    with pytest.raises(ConnectionFailed):
        client.track("1", "a", idempotency_key="k")
    assert work.requests == 3


def test_a_new_connection_that_is_hung_up_on_is_no_idle_one(flaky: tuple[Flaky, int]) -> None:
    work, port = flaky
    work.broken = True
    with pytest.raises(ConnectionFailed):
        Client(SECRET, api_url=f"http://127.0.0.1:{port}", retries=0).track("1", "a", idempotency_key="k")
    assert work.requests == 1


def test_the_second_sending_ends_with_the_first_ones_deadline(flaky: tuple[Flaky, int]) -> None:
    work, port = flaky
    client = Client(SECRET, api_url=f"http://127.0.0.1:{port}", timeout=0.5)
    client.track("1", "a", idempotency_key="k")
    work.stall = True
    start = time.monotonic()
    with pytest.raises(TimedOut):
        client.track("1", "a", idempotency_key="k")
    assert time.monotonic() - start < 0.9


def test_a_connection_closed_long_ago_is_replaced_unnoticed(client: Client, server: Server) -> None:
    server.answers({"state": "ALLOW"}, headers={"Connection": "close"})
    client.track("1", "a")
    assert client.track("1", "a").state == "ALLOW"


def test_threads_share_connections_and_never_answers(client: Client, server: Server) -> None:
    server.reply = lambda seen: (200, {}, b'{"state": "%s"}' % seen.path.split("/")[3].encode())
    wrong: list[str] = []

    def work(name: str) -> None:
        wrong.extend(user for i in range(50) if client.track(user := f"{name}{i}", "a").state != user)

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(server.seen) == 100
    assert len({seen.peer for seen in server.seen}) <= 2


def test_a_closed_client_opens_a_new_connection(client: Client, server: Server) -> None:
    client.track("1", "a")
    client.close()
    client.track("1", "a")
    assert len({seen.peer for seen in server.seen}) == 2


def in_a_fork(work: Callable[[], bool]) -> bool:
    """What `work` answers in a forked process. (The server's thread does not exist there; its sockets do.)"""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12: fork in a process with threads
        pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if work() else 1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_a_forked_process_does_not_use_its_parents_connection(client: Client, server: Server) -> None:
    client.track("1", "a")
    assert in_a_fork(lambda: client.track("1", "a").state == "ALLOW")
    client.track("1", "a")
    parent, child, again = (seen.peer for seen in server.seen)
    assert parent == again
    assert child != parent


# Proxies


def test_a_proxy_of_the_environment_is_used(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{server.server_port}")
    Client(SECRET, api_url="http://api.invalid/v1").track("1", "a")
    assert server.seen[0].path == "http://api.invalid/v1/users/1/actions/a"


def test_the_environment_is_read_once(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{server.server_port}")
    client = Client(SECRET, api_url="http://api.invalid/v1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert client.track("1", "a").state == "ALLOW"


def test_an_id_stays_one_segment_through_a_proxy(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{server.server_port}")
    Client(SECRET, api_url="http://api.invalid/v1").track("../%2e%2e/x", "a")
    assert server.seen[0].path == "http://api.invalid/v1/users/..%2F%252e%252e%2Fx/actions/a"


def test_no_proxy_is_honoured(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    Client(SECRET, api_url=server.url).track("1", "a")
    assert server.seen[0].path == "/v1/users/1/actions/a"


def test_the_proxys_password_goes_to_the_proxy_and_into_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://me:proxy-password@127.0.0.1:1")
    client = Client(SECRET, api_url="http://api.invalid/v1")
    with pytest.raises(ConnectionFailed) as caught:
        client.track("1", "a")
    assert "proxy-password" not in f"{caught.value} {caught.value!r} {client!r}"


@pytest.mark.parametrize(
    "proxy",
    ["http://me:proxy-password@[bad", "garbage:xx:yy", "ftp://x", "localhost:3128", "http://", "http://x:99999"],
)
@pytest.mark.parametrize("url", ["https://api.invalid/v1", "http://api.invalid/v1"])
def test_a_proxy_that_is_none_is_the_callers_mistake_and_no_outage(
    monkeypatch: pytest.MonkeyPatch, proxy: str, url: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(ConfigurationError, match=r"as http://proxy\.example:3128.* NO_PROXY") as caught:
        Client(SECRET, api_url=url)
    assert "proxy-password" not in f"{caught.value} {caught.value.__context__}"


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:1", "HTTP://127.0.0.1:1", "127.0.0.1:1", "//127.0.0.1:1"])
def test_a_proxy_that_is_away_is_an_outage(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(ConnectionFailed):
        Client(SECRET, api_url="http://api.invalid/v1", retries=0).track("1", "a")


@pytest.mark.parametrize(
    "url",
    ["http://%zz/v1", "http://[::1/v1", "http://x\0/v1", "https://u:p@x/v1", "https://x/v1?a=1", "ftp://x/v1", b"x"],
)
def test_an_address_that_is_none_is_the_callers_mistake_and_no_outage(url: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"Give one like https://api\.authsignal\.com/v1\.$"):
        Client(SECRET, api_url=url)


def test_a_socks_proxy_is_refused_and_not_passed_by(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://me:proxy-password@127.0.0.1:1")
    with pytest.raises(ConfigurationError, match="NO_PROXY") as caught:
        Client(SECRET)
    assert "proxy-password" not in str(caught.value)


def test_netrc_does_not_replace_the_key(client: Client, server: Server, tmp_path, monkeypatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    client.track("1", "a")
    assert server.seen[0].headers["authorization"] == "Basic YS12ZXJ5LXNlY3JldC1rZXk6"


def relay(left: socket.socket, right: socket.socket) -> None:
    """Carries bytes both ways until one side closes."""
    while True:
        pending = isinstance(left, ssl.SSLSocket) and left.pending()
        readable = [left] if pending else select.select([left, right], [], [], 5)[0]
        if not readable:
            return
        for source in readable:
            data = source.recv(65536)
            if not data:
                return
            (right if source is left else left).sendall(data)


def tunnel(conn: socket.socket) -> None:
    """A CONNECT proxy's side of one connection."""
    line = conn.recv(65536).split(b"\r\n")[0].decode()
    host, _, port = line.split(" ")[1].rpartition(":")
    with socket.create_connection((host, int(port))) as onward:
        conn.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        relay(conn, onward)


@pytest.mark.parametrize("proxy_scheme", ["http", "https"])
def test_tls_goes_through_a_tunnel(
    proxy_scheme: str, tls_server: Server, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(conn: socket.socket) -> None:
        if proxy_scheme == "https":
            conn = certificate.context.wrap_socket(conn, server_side=True)
        with conn:
            tunnel(conn)

    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.path))
    with listening(work) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"{proxy_scheme}://127.0.0.1:{port}")
        with Client(SECRET, api_url=https(tls_server)) as client:
            assert client.track("1", "a").state == "ALLOW"


def test_an_https_proxy_that_drips_is_left_in_time(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    def work(conn: socket.socket) -> None:
        with certificate.context.wrap_socket(conn, server_side=True) as tls:
            drip(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"y" * 300)(tls)

    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.path))
    with listening(work) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"https://127.0.0.1:{port}")
        start = time.monotonic()
        with pytest.raises(TimedOut):
            Client(SECRET, api_url="https://127.0.0.1:1/v1", timeout=0.5).track("1", "a")
        assert time.monotonic() - start < 1.5


# TLS


@pytest.fixture
def tls_server(certificate: Certificate) -> Iterator[Server]:
    server = Server()
    server.socket = certificate.context.wrap_socket(server.socket, server_side=True)
    with running(server):
        yield server


def https(server: Server) -> str:
    return server.url.replace("http://", "https://")


def test_a_trusted_certificate_is_accepted(
    tls_server: Server, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.path))
    with Client(SECRET, api_url=https(tls_server)) as client:
        assert client.track("1", "a").state == "ALLOW"


def test_an_untrusted_certificate_is_a_failed_connection_and_nothing_is_sent(tls_server: Server) -> None:
    with pytest.raises(ConnectionFailed, match="certificate verify failed"):
        Client(SECRET, api_url=https(tls_server)).track("1", "a")
    assert tls_server.seen == []


def test_a_trusted_certificate_of_another_host_is_refused(
    foreign_certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(foreign_certificate.path))
    server = Server()
    server.socket = foreign_certificate.context.wrap_socket(server.socket, server_side=True)
    with running(server), pytest.raises(ConnectionFailed, match="certificate verify failed"):
        Client(SECRET, api_url=https(server)).track("1", "a")
    assert server.seen == []


def test_a_bundle_is_read_once_in_each_process(certificate: Certificate) -> None:
    read = DeadlineAdapter(str(certificate.path))._context
    assert DeadlineAdapter(str(certificate.path))._context is read
    assert in_a_fork(lambda: DeadlineAdapter(str(certificate.path))._context is not read)


@pytest.mark.parametrize("way", ["written over", "replaced"])
def test_a_bundle_that_is_exchanged_is_believed_by_the_next_client(
    way: str,
    tls_server: Server,
    certificate: Certificate,
    foreign_certificate: Certificate,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bundle = tmp_path / "bundle.pem"
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    bundle.write_bytes(foreign_certificate.path.read_bytes())
    with pytest.raises(ConnectionFailed, match="certificate verify failed"):
        Client(SECRET, api_url=https(tls_server)).track("1", "a")
    if way == "replaced":
        changed_at = bundle.stat().st_mtime_ns
        (tmp_path / "new.pem").write_bytes(certificate.path.read_bytes())
        os.utime(tmp_path / "new.pem", ns=(changed_at, changed_at))
        (tmp_path / "new.pem").replace(bundle)
    else:
        bundle.write_bytes(certificate.path.read_bytes())
    with Client(SECRET, api_url=https(tls_server)) as client:
        assert client.track("1", "a").state == "ALLOW"


def test_a_bundle_that_is_not_there_is_the_callers_mistake_and_no_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/bundle.pem")
    with pytest.raises(ConfigurationError, match="REQUESTS_CA_BUNDLE"):
        Client(SECRET).track("1", "a")


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_a_server_that_drips_over_tls_is_left_in_time(
    head: bytes, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(conn: socket.socket) -> None:
        with certificate.context.wrap_socket(conn, server_side=True) as tls:
            drip(head + b" " * 300)(tls)

    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.path))
    with listening(work) as port:
        client = Client(SECRET, api_url=f"https://127.0.0.1:{port}", timeout=0.5)
        start = time.monotonic()
        with pytest.raises(TimedOut):
            client.track("1", "a")
        assert time.monotonic() - start < 1.5


def test_plain_http_where_tls_was_expected_is_an_outage(server: Server) -> None:
    with pytest.raises(Unreachable) as caught:
        Client(SECRET, api_url=https(server)).track("1", "a")
    assert not isinstance(caught.value, UnreadableResponse)
