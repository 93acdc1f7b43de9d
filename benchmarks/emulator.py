"""The emulator as one process on SQLite: track calls per second, memory afterwards, and how long it takes to start.

    python benchmarks/emulator.py [--seconds 20] [--clients 4] [--users 200]

The callers keep their connections and are a process of their own. Rounds of track alternate with rounds of an empty
Django view behind the same server and middleware: that is the ceiling, and a busy machine lowers both alike. The
processor's time for one call says what a core could do that had nothing else to do. Exits 1 when a target is missed.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from socket import create_connection, socket

ROOT = Path(__file__).resolve().parent.parent
RATE, MEMORY, START = 300, 120, 1.5  # calls a second, MB, seconds
ROUND = 2.0  # seconds
STARTS = 5
KEY = base64.b64encode(b"emulator_secret:").decode()


@contextmanager
def emulator(directory: str, *command: str) -> Iterator[tuple[subprocess.Popen[str], int, float]]:
    """A running one, its port, and the seconds from its creation until it was ready."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *command, "--port", "0"],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    port = 0
    assert process.stdout
    for line in process.stdout:
        if "API base" in line:
            port = int(line.rsplit(":", 1)[1].split("/")[0])
        if line.strip() == "Ready":
            break
    took = time.perf_counter() - began
    assert port, "the emulator did not start"
    try:
        yield process, port, took
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def serve() -> None:
    """The emulator with one more page, which does nothing."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "django_authsignal.emulator.settings")
    from django.http import HttpRequest, HttpResponse
    from django.urls import path

    from django_authsignal.emulator.__main__ import main

    def empty(request: HttpRequest) -> HttpResponse:
        return HttpResponse(b"{}", content_type="application/json")

    def add_page() -> None:
        from django_authsignal.emulator import urls

        urls.urlpatterns.insert(0, path("empty", empty))

    from django.core.handlers.base import BaseHandler

    load = BaseHandler.load_middleware

    def load_with_page(self: BaseHandler, is_async: bool = False) -> None:
        add_page()
        load(self, is_async=is_async)

    BaseHandler.load_middleware = load_with_page  # the first moment at which the emulator's own settings are there
    sys.exit(main(sys.argv[2:]))


def track_request(user: str) -> bytes:
    body = json.dumps(
        {
            "idempotencyKey": str(uuid.uuid4()),
            "redirectUrl": "https://app.example/authsignal/callback/",
            "ipAddress": "192.0.2.7",
            "userAgent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "deviceId": "d1e0a5f2-8f5e-4a41-9c1f-2f6d8f3b7a55",
            "custom": {"amount": 10.5, "payee": "Ada"},
        }
    ).encode()
    head = (
        f"POST /v1/users/{user}/actions/withdraw HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {KEY}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


EMPTY = b"GET /empty HTTP/1.1\r\nHost: localhost\r\n\r\n"


def call(connection: socket, request: bytes) -> bytes:
    """The answer's body."""
    connection.sendall(request)
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(65536)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), answer
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    while len(body) < length:
        body += connection.recv(65536)
    return body


def callers(
    port: int, server: int, clients: int, users: int, seconds: float
) -> tuple[list[float], list[float], list[float], list[float]]:
    """Calls a second of track and of the empty view, by round; of track, each call's and each round's milliseconds.

    The latter are the server's processor time for one call.
    """
    rates: dict[bool, list[float]] = {True: [], False: []}
    times: list[float] = []
    spent: list[float] = []
    counts = [0] * clients

    def client(number: int, until: float, tracking: bool) -> None:
        done = 0
        with create_connection(("127.0.0.1", port), timeout=30) as connection:
            while time.perf_counter() < until:
                request = track_request(f"user-{(number * 7919 + done) % users}") if tracking else EMPTY
                began = time.perf_counter()
                body = call(connection, request)
                if tracking:
                    times.append((time.perf_counter() - began) * 1000)
                    assert b'"state"' in body
                done += 1
        counts[number] = done

    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for tracking in (True, False):
            began, busy = time.perf_counter(), processor(server)
            threads = [
                threading.Thread(target=client, args=(number, began + ROUND, tracking)) for number in range(clients)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            rates[tracking].append(sum(counts) / (time.perf_counter() - began))
            if tracking:
                spent.append((processor(server) - busy) / sum(counts) * 1000)
    return rates[True], rates[False], times, spent


def processor(process: int) -> float:
    """Seconds that it has kept a processor busy."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(process: subprocess.Popen[str]) -> float:
    """Megabytes, as the kernel counts them."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) / 1000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--users", type=int, default=200)
    options = parser.parse_args()
    starts = []
    for _ in range(STARTS):
        with tempfile.TemporaryDirectory() as new, emulator(new, "-m", "django_authsignal.emulator") as (_, _, took):
            starts.append(took)
    with tempfile.TemporaryDirectory() as directory:
        command = (str(Path(__file__).resolve()), "serve")
        with emulator(directory, *command) as (process, port, _), get_context("spawn").Pool(1) as pool:
            arguments = (port, process.pid, options.clients, options.users, options.seconds)
            tracks, empties, times, spent = pool.apply(callers, arguments)
            memory = resident(process)
    rate, ceiling, start = statistics.median(tracks), statistics.median(empties), statistics.median(starts)
    deciles = statistics.quantiles(times, n=100)
    print(f"track calls a second      {rate:8.0f}   target >= {RATE}; rounds {min(tracks):.0f} to {max(tracks):.0f}")
    print(f"ceiling: an empty view    {ceiling:8.0f}   the same server and middleware; track is {rate / ceiling:.0%}")
    busy = statistics.median(spent)
    print(f"processor for one, ms     {busy:8.2f}   a core with nothing else to do has time for {1000 / busy:.0f}")
    print(
        f"one call, milliseconds    {deciles[49]:8.1f}   99th percentile {deciles[98]:.1f}, {options.clients} callers"
    )
    print(f"resident after it, MB     {memory:8.0f}   target <= {MEMORY}; {len(times)} actions tracked")
    print(f"start until Ready, s      {start:8.2f}   target <= {START}; median of {STARTS}")
    return 0 if rate >= RATE and memory <= MEMORY and start <= START else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve()
    sys.exit(main())
