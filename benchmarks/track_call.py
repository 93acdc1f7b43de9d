"""CPU per track call: this package's client against the official Python SDK.

    python benchmarks/track_call.py [--calls 400] [--rounds 9] [--limit 0.7]

Both talk to one loopback server in a process of its own; the rounds alternate, so that a busy machine slows both; only
this process's CPU time counts, and of the rounds the median. Exits 1 when ours costs more than `limit` of theirs.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import socketserver
import statistics
import sys
import time
from collections.abc import Callable

import authsignal.client as official

from django_authsignal.client import Client

ANSWER = json.dumps(
    {
        "state": "CHALLENGE_REQUIRED",
        "idempotencyKey": "0b8cf3a2-1f5e-4a41-9c1f-2f6d8f3b7a55",
        "url": "https://mfa.authsignal.com/?token=" + "x" * 400,
        "token": "x" * 400,
        "isEnrolled": True,
        "allowedVerificationMethods": ["PASSKEY", "EMAIL_OTP"],
        "enrolledVerificationMethods": ["PASSKEY"],
        "defaultVerificationMethod": "PASSKEY",
        "ruleIds": [],
    }
).encode()
# The official SDK reads an answer only if its type is exactly this, without a charset.
HEAD = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(ANSWER)}\r\n\r\n".encode()


class Handler(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def handle(self) -> None:
        while self.rfile.readline():
            length = 0
            while (line := self.rfile.readline().strip()) != b"":
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            self.rfile.read(length)
            self.wfile.write(HEAD + ANSWER)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


def serve(ports: multiprocessing.Queue[int]) -> None:
    with Server(("127.0.0.1", 0), Handler) as server:
        ports.put(server.server_address[1])
        server.serve_forever()


def cost(call: Callable[[], object], calls: int) -> float:
    """Microseconds of this process's CPU per call."""
    start = time.process_time()
    for _ in range(calls):
        call()
    return (time.process_time() - start) / calls * 1e6


def compare(port: int, calls: int, rounds: int) -> tuple[list[float], list[float]]:
    url = f"http://127.0.0.1:{port}/v1"
    ours = Client("secret", api_url=url)
    theirs = official.AuthsignalClient("secret", api_url=url)
    key, back, address = "0b8cf3a2-1f5e-4a41-9c1f-2f6d8f3b7a55", "https://example.com/callback/", "192.0.2.1"

    def track_ours() -> object:
        custom = {"amount": 10.5, "payee": "Ada"}
        return ours.track(
            "42", "withdrawFunds", idempotency_key=key, redirect_url=back, ip_address=address, custom=custom
        )

    def track_theirs() -> object:  # no None among the attributes: each would hang this SDK
        custom = {"amount": 10.5, "payee": "Ada"}
        body = {"idempotencyKey": key, "redirectUrl": back, "ipAddress": address, "custom": custom}
        return theirs.track("42", "withdrawFunds", body)

    cost(track_ours, 50), cost(track_theirs, 50)
    mine, other = [], []
    for _ in range(rounds):
        mine.append(cost(track_ours, calls))
        other.append(cost(track_theirs, calls))
    return mine, other


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--calls", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--limit", type=float, default=0.7)
    options = parser.parse_args()
    ports: multiprocessing.Queue[int] = multiprocessing.Queue()
    server = multiprocessing.Process(target=serve, args=(ports,), daemon=True)
    server.start()
    try:
        mine, other = compare(ports.get(timeout=10), options.calls, options.rounds)
    finally:
        server.terminate()
        server.join()
    ratio = statistics.median(mine) / statistics.median(other)
    print(f"{'one track call':<24}{'CPU us, median':>16}{'best':>8}{'worst':>8}")
    for name, times in (("django-authsignal", mine), ("official Python SDK", other)):
        print(f"{name:<24}{statistics.median(times):>16.0f}{min(times):>8.0f}{max(times):>8.0f}")
    print(f"ratio {ratio:.2f}, at most {options.limit:.2f} wanted")
    return 0 if ratio <= options.limit else 1


if __name__ == "__main__":
    sys.exit(main())
