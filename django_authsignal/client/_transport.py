"""The network's transport: a requests adapter whose calls end on time.

The timeouts of requests and urllib3 are per read: a server that sends one byte a second keeps a worker for
ever. Here the sockets know when the call has to end, and every blocking step (connect, handshake, send, each
single read) is given what is left until then, never more. That holds in status line, headers and body alike,
over TLS and through proxies, and costs no thread; a watchdog closing sockets from another thread would, and
could close one that has just been handed to the next call.

The end of the call is kept per thread (per greenlet under gevent): a socket is only used by the thread that
makes the call, while the pool hands one socket to many threads, one after another.
"""

from __future__ import annotations

import os
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from requests.adapters import DEFAULT_POOLBLOCK, HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.ssl_ import create_urllib3_context

POOL_SIZE = 64  # idle connections kept; one more thread than this opens and closes its own


class Call(threading.local):
    """The call this thread is making."""

    ends: float = 0.0  # on the clock of time.monotonic()
    connected: bool = False  # a connection was opened for it: what failed was not a stale one from the pool
    only_new: bool = False  # take no idle connection from the pool
    date: str = ""  # the Date header of the last answer
    sent: int = 0  # how often it was sent
    status: int | None = None  # of its last answer


call = Call()


def _left() -> float:
    left = call.ends - time.monotonic()
    if left <= 0:
        raise TimeoutError("the total time for this call ran out")
    return left


class _Socket(socket.socket):
    """A socket whose every blocking step ends with the call."""

    def connect(self, address: Any, /) -> None:
        self.settimeout(_left())
        super().connect(address)

    def send(self, data: Any, flags: int = 0, /) -> int:
        self.settimeout(_left())
        return super().send(data, flags)

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        self.settimeout(_left())
        super().sendall(data, flags)

    def recv(self, size: int = 1024, flags: int = 0, /) -> bytes:  # read by urllib3's TLS inside TLS (https proxies)
        self.settimeout(_left())
        return super().recv(size, flags)

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        self.settimeout(_left())
        return super().recv_into(buffer, nbytes or len(buffer), flags)


class _TlsSocket(_Socket, ssl.SSLSocket):
    def do_handshake(self, block: bool = False) -> None:
        self.settimeout(_left())  # OpenSSL's wrapper applies it to the handshake as a whole
        super().do_handshake(block)


Lookup = Callable[..., list[tuple[Any, Any, Any, Any, Any]]]


def resolve(host: str, port: int, lookup: Lookup = socket.getaddrinfo) -> list[tuple[Any, Any, Any, Any, Any]]:
    """The addresses of a host. The system's resolver cannot be told when to stop (its own limit is often 30
    seconds and more), so it works in a thread that is left behind when the call ends. Only new connections
    come here."""
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def work() -> None:
        try:
            answers.put(lookup(host, port, type=socket.SOCK_STREAM))
        except Exception as exc:
            answers.put(exc)

    threading.Thread(target=work, name="authsignal-resolve", daemon=True).start()
    try:
        answer = answers.get(timeout=_left())
    except queue.Empty:
        raise TimeoutError(f"{host} was not resolved in time") from None
    if isinstance(answer, Exception):
        raise answer
    return list(answer)


def _open(conn: HTTPConnection) -> socket.socket:
    """Connect to the first address that answers, all of them together within the call's time."""
    call.connected = True
    try:
        addresses = resolve(conn._dns_host.strip("[]"), conn.port)
    except (socket.gaierror, UnicodeError) as exc:
        raise NameResolutionError(conn.host, conn, socket.gaierror(str(exc))) from exc
    except TimeoutError as exc:
        raise ConnectTimeoutError(conn, str(exc)) from exc
    failure: OSError = OSError("the name has no address")
    for family, kind, proto, _, address in addresses:
        sock = _Socket(family, kind, proto)
        try:
            for option in conn.socket_options or ():
                sock.setsockopt(*option)
            sock.connect(address)
        except OSError as exc:
            sock.close()
            failure = exc
        else:
            return sock
    if isinstance(failure, TimeoutError):
        raise ConnectTimeoutError(conn, "the connection was not made in time") from failure
    raise NewConnectionError(conn, str(failure)) from failure


class _Connection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _open(self)


class _TlsConnection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return _open(self)


class _Pool(HTTPConnectionPool):
    ConnectionCls: type[Any] = _Connection

    def _get_conn(self, timeout: float | None = None) -> Any:
        conn = super()._get_conn(timeout)
        if call.only_new:
            conn.close()  # it connects anew by itself
        return conn


class _TlsPool(HTTPSConnectionPool, _Pool):
    ConnectionCls = _TlsConnection


class DeadlineAdapter(HTTPAdapter):
    """requests' adapter on the sockets above. `ca_bundle`: a file or directory of certificates to trust, by the service
    and by an https proxy alike; certificate and host name are always verified."""

    def __init__(self, ca_bundle: str) -> None:
        self._context = _context(ca_bundle)
        super().__init__(pool_connections=4, pool_maxsize=POOL_SIZE)

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = DEFAULT_POOLBLOCK, **pool_kwargs: Any
    ) -> None:
        super().init_poolmanager(connections, maxsize, block, ssl_context=self._context, **pool_kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        contexts = {"ssl_context": self._context, "proxy_ssl_context": self._context}
        manager = super().proxy_manager_for(proxy, **contexts, **proxy_kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        """Whatever `verify` says, the context does it; its bundle would be read again for every connection, 20 ms
        each."""
        return super().build_connection_pool_key_attributes(request, True, cert)

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Nothing to do, for the same reason."""


_POOLS = {"http": _Pool, "https": _TlsPool}


def _context(ca_bundle: str) -> ssl.SSLContext:
    """One for each bundle, read again when that has changed: a hundred certificates take 20 to 40 ms.

    And for each process: the locks of a parent's may have been held when it was forked.
    """
    found = os.stat(ca_bundle)
    return _read_context(ca_bundle, found.st_ino, found.st_mtime_ns, os.getpid())


@lru_cache(maxsize=8)
def _read_context(ca_bundle: str, inode: int, changed_at: int, pid: int) -> ssl.SSLContext:
    context = create_urllib3_context()  # verifies certificate and host name
    if os.path.isdir(ca_bundle):
        context.load_verify_locations(capath=ca_bundle)
    else:
        context.load_verify_locations(cafile=ca_bundle)
    context.sslsocket_class = _TlsSocket
    return context
