"""A guarded page while Authsignal is down and the circuit is open, beside Django's `login_required`.

The API is a port where nobody listens, over the real transport. Rounds alternate, and the figure is the difference of
medians. Run: make bench
"""

import logging
import os
import socket
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")

import django

django.setup()

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import Client, override_settings

from django_authsignal.client import _breaker
from django_authsignal.models import Challenge

LIMIT = 50.0  # milliseconds above login_required
ROUNDS, REQUESTS = 20, 20
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]


def milliseconds(client: Client, path: str, times: int = REQUESTS) -> float:
    """The mean time of one request over a round."""
    began = time.perf_counter()
    for _ in range(times):
        client.get(path)
    return (time.perf_counter() - began) / times * 1e3


def measure(policy: str, port: int) -> float:
    """Prints one line of the table; returns how much more a guarded page takes than Django's own."""
    _breaker._breakers.clear()
    settings = {"API_SECRET_KEY": "benchmark", "API_URL": f"http://127.0.0.1:{port}/v1", "ON_UNREACHABLE": policy}
    with override_settings(AUTHSIGNAL={**settings, "BREAKER_PAUSE": 3600}, TEMPLATES=TEMPLATES):
        user, _ = get_user_model().objects.get_or_create(username="ada")
        client = Client(headers={"Accept": "text/html"})
        client.force_login(user)
        closed = milliseconds(client, "/guarded/", times=5)
        client.get("/guarded/")
        assert Challenge.objects.latest("created_at").reason == "CircuitOpen"
        plain, guarded = [], []
        for _ in range(ROUNDS):
            plain.append(milliseconds(client, "/before/"))
            guarded.append(milliseconds(client, "/guarded/"))
    extra = statistics.median(b - a for a, b in zip(plain, guarded, strict=True))
    ratio = statistics.median(b / a for a, b in zip(plain, guarded, strict=True))
    print(
        f"{policy:16} {statistics.median(plain):10.2f} {closed:15.2f} {statistics.median(guarded):13.2f} "
        f"{extra:+10.2f} {ratio:8.1f}"
    )
    return extra


def main() -> int:
    """0 when a page keeps within the limit under either policy."""
    logging.disable(logging.CRITICAL)  # each denied request says so
    call_command("migrate", verbosity=0)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    columns = f"{'circuit closed':>15} {'circuit open':>13} {'extra ms':>10} {'ratio':>8}"
    print(f"{'ON_UNREACHABLE':16} {'login_req':>10} {columns}")
    worst = max(measure(policy, port) for policy in ("deny", "allow"))
    print(f"limit: {LIMIT:.0f} ms above login_required; worst: {worst:.2f}")
    return 0 if worst <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
