"""What keeps a bad day at the API from becoming one here: a circuit breaker, and a limit on calls under way.

After `failures` calls in a row without a usable answer no call is made for `pause` seconds. Then exactly one goes, the
probe, while the others are still refused: a good one closes the circuit, a bad one begins another pause.

Our own and not pybreaker, which holds its lock for as long as the protected call takes: all calls of a process would go
one after another. Here the lock is held for a few assignments only, never during a call.

A probe is a claim that runs out by itself, so one whose thread or process dies blocks nobody for longer than `lease`
seconds. State belongs to one process and one API (base URL), and processes may share it through a Store.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple, Protocol, TypedDict, TypeVar, Unpack

logger = logging.getLogger("django_authsignal")
T = TypeVar("T")


class Store(Protocol):
    """Where processes leave word for each other; a cache. Hashable, and equal to another for the same place.

    Whatever it raises is logged and ignored: each process then judges by what it saw itself.
    """

    def get(self, key: str) -> float | None:
        """What was put, or None."""

    def put(self, key: str, until: float, seconds: float) -> None:
        """Keeps `until` for that many seconds."""

    def claim(self, key: str, seconds: float) -> bool:
        """True for the first who asks within that many seconds."""

    def clear(self, *keys: str) -> None:
        """Forgets what was put and claimed."""


class BreakerSettings(TypedDict):
    """What a breaker is made with; all in seconds but `failures`."""

    failures: int
    pause: float
    lease: float
    store: Store | None


class Admission(NamedTuple):
    """May a call go? `wait`: seconds until it is worth asking again; None: it may."""

    wait: float | None = None
    probe: bool = False


class Breaker:
    """The circuit of one API in one process. `failures` 0 never opens it.

    Times are the wall clock's, for processes on several machines compare them. A clock that was set, or is another
    machine's, can make a pause shorter and never longer: more than `pause` to go is taken for its end.
    """

    def __init__(
        self,
        name: str,
        *,
        failures: int,
        pause: float,
        lease: float,
        store: Store | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._failures, self._pause, self._lease = failures, pause, lease
        short = sha256(name.encode()).hexdigest()[:32]  # an address may be longer than a cache's keys
        self._key, self._probe_key = f"authsignal:circuit:{short}", f"authsignal:probe:{short}"
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._count = 0  # calls in a row without a usable answer
        self._until = 0.0  # open until then; 0: closed
        self._claimed = 0.0  # a probe of this process is under way until then
        self._unheard = 0.0  # the store failed, and is left alone until then
        self._healthy = True  # the store's last answer was one

    def admit(self) -> Admission:
        """Asked before each call. One `get` of the store at most, while the circuit is closed."""
        if not self._failures:
            return Admission()
        now = self._clock()
        until = max(self._until, self._shared(lambda store: store.get(self._key) or 0.0) or 0.0)
        if not until:
            return Admission()
        wait = until - now
        if 0 < wait <= self._pause:
            return Admission(wait)
        return Admission(probe=True) if self._claim(now) else Admission(min(self._lease, self._pause))

    def good(self, admission: Admission) -> bool:
        """A call was answered. True when that closed the circuit."""
        if not self._count and not self._until and not admission.probe:
            return False  # as nearly every call ends: no lock, and no word to the store
        with self._lock:
            was_open = bool(self._until) or admission.probe
            self._count, self._until, self._claimed = 0, 0.0, 0.0
        if was_open:
            self._shared(lambda store: store.clear(self._key, self._probe_key))
        return was_open

    def bad(self, admission: Admission) -> bool:
        """A call had no usable answer. True when that opened the circuit, which was closed."""
        if not self._failures:
            return False
        with self._lock:
            self._count += 1
            was_open = bool(self._until) or admission.probe
            # Calls that began before it opened end one by one: they are no reason to wait longer.
            if not admission.probe and (was_open or self._count < self._failures):
                return False
            self._until, self._claimed = self._clock() + self._pause, 0.0
        # Kept beyond the pause, for whoever looks then must see that a probe is due, and that one is under way.
        kept = self._pause + self._lease + self._pause
        self._shared(lambda store: store.put(self._key, self._until, kept))
        if admission.probe:
            self._shared(lambda store: store.clear(self._probe_key))
        return not was_open

    def _claim(self, now: float) -> bool:
        with self._lock:
            if 0 < self._claimed - now <= self._lease:
                return False
            self._claimed = now + self._lease
        if self._shared(lambda store: store.claim(self._probe_key, self._lease)) is False:
            self._claimed = 0.0  # another process asks, and may close it any moment
            return False
        return True

    def _shared(self, ask: Callable[[Store], T]) -> T | None:
        """What the store says; None without one, or while it fails."""
        if self._store is None or 0 < self._unheard - self._clock() <= self._pause:
            return None
        try:
            said = ask(self._store)
        except Exception:  # of whatever a cache raises; it may be what broke first
            if self._healthy:
                logger.exception("The cache of BREAKER_CACHE failed, so each process judges outages by itself.")
            # It may be slow at failing, and every call would wait for it.
            self._healthy, self._unheard = False, self._clock() + self._pause
            return None
        self._healthy = True
        return said


class Places:
    """The calls under way in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = 0

    def take(self, most: int) -> bool:
        """True when there was a place, which is then to be given back."""
        with self._lock:
            if self._taken >= most:
                return False
            self._taken += 1
            return True

    def give_back(self) -> None:
        """The call ended."""
        with self._lock:
            self._taken -= 1


# By process: after a fork a lock may be held for ever by a thread that is not there, nor are the parent's calls.
_breakers: dict[tuple[object, ...], Breaker] = {}
_places: dict[int, Places] = {}


def breaker_for(url: str, **settings: Unpack[BreakerSettings]) -> Breaker:
    """The one that all clients of this process with the same settings share."""
    key = (os.getpid(), url, *settings.values())
    return _breakers.get(key) or _breakers.setdefault(key, Breaker(url, **settings))


def places() -> Places:
    """Those of this process."""
    return _places.get(os.getpid()) or _places.setdefault(os.getpid(), Places())
