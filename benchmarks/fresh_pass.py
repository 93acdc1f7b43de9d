"""A request with a fresh pass, beside Django's `login_required`: microseconds per request, in one process.

Both views answer the same bytes. Each request with a pass stands between two without, in time and in the urlconf: the
machine's drift, and how long Django looks for a view, hit both alike. The figure is the median of the differences.
Run: make bench
"""

import os
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")

import django

django.setup()

from django.core.management import call_command
from django.db import connection, reset_queries
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext

from django_authsignal.conf import override_transport
from django_authsignal.models import Challenge
from django_authsignal.testing.fake import FakeAuthsignal

LIMIT = 40.0  # microseconds above login_required
TRIALS = 4000
PATHS = ("/before/", "/guarded/", "/after/")


def signed_in(authsignal: FakeAuthsignal) -> Client:
    """A browser whose user has proved the step-up."""
    from django.contrib.auth import get_user_model

    user, _ = get_user_model().objects.get_or_create(username="ada")
    client = Client(headers={"Accept": "text/html"})
    client.force_login(user)
    client.get("/guarded/")
    row = Challenge.objects.latest("created_at")
    client.get(f"/authsignal/callback/{row.pk}/", {"token": authsignal.complete(str(row.pk))})
    return client


def microseconds(client: Client, path: str) -> float:
    """The time of one request."""
    began = time.perf_counter()
    client.get(path)
    return (time.perf_counter() - began) * 1e6


def measure(engine: str) -> float:
    """Prints one line of the table; returns how much more a fresh pass costs."""
    authsignal = FakeAuthsignal()
    with override_settings(SESSION_ENGINE=f"django.contrib.sessions.backends.{engine}"), override_transport(authsignal):
        client = signed_in(authsignal)
        calls = len(authsignal.calls)
        queries = {}
        for path in PATHS:
            with CaptureQueriesContext(connection) as captured:
                assert client.get(path).content == b"ok"
            queries[path] = len(captured)
        reset_queries()
        before, guarded, after = zip(
            *([microseconds(client, path) for path in PATHS] for _ in range(TRIALS)), strict=True
        )
        assert len(authsignal.calls) == calls, "a fresh pass made a call"
    plain = [(one + other) / 2 for one, other in zip(before, after, strict=True)]
    extra = statistics.median(with_pass - without for with_pass, without in zip(guarded, plain, strict=True))
    print(
        f"{engine:16} {statistics.median(plain):10.0f} {queries['/before/']:8} {statistics.median(guarded):10.0f} "
        f"{queries['/guarded/']:8} {extra:+10.1f}"
    )
    return extra


def main() -> int:
    """0 when every session engine keeps within the limit."""
    call_command("migrate", verbosity=0)
    print(f"{'sessions':16} {'login_req':>10} {'queries':>8} {'fresh pass':>10} {'queries':>8} {'extra us':>10}")
    worst = max(measure(engine) for engine in ("signed_cookies", "cached_db", "db"))
    print(f"limit: {LIMIT:.0f} us above login_required; worst: {worst:.1f}")
    return 0 if worst <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
