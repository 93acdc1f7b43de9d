"""What the client of a Django project shares and tells: its circuit breaker through a cache, its calls as signals."""

from dataclasses import dataclass
from math import ceil

from django.core.cache import caches

from . import signals
from .client import Called, Circuit, Client


@dataclass(frozen=True)
class CacheStore:
    """Where processes leave word for each other: the cache of this alias. Two for one alias are equal."""

    alias: str

    def get(self, key: str) -> float | None:
        """What was put, or None."""
        found = caches[self.alias].get(key)
        return None if found is None else float(found)

    def put(self, key: str, until: float, seconds: float) -> None:
        """Keeps `until` for that many seconds."""
        caches[self.alias].set(key, until, ceil(seconds))  # some caches know whole seconds only, and take 0 for never

    def claim(self, key: str, seconds: float) -> bool:
        """True for the first who asks within that many seconds."""
        return bool(caches[self.alias].add(key, 1, ceil(seconds)))

    def clear(self, *keys: str) -> None:
        """Forgets what was put and claimed."""
        caches[self.alias].delete_many(keys)


def tell(report: Called | Circuit) -> None:
    """Sends the signal of what a client reports. Receivers cannot fail the call."""
    if isinstance(report, Circuit):
        signals.authsignal_circuit.send_robust(Client, state=report.state, base_url=report.base_url)
        return
    signals.authsignal_called.send_robust(
        Client,
        operation=report.operation,
        seconds=report.seconds,
        attempts=report.attempts,
        outcome=report.outcome,
        status=report.status,
    )
