"""Databases that crash and start again, and a Redis that forgets everything, while people are in the middle of it."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable

from .crowd import Crowd
from .kills import Outcome
from .site import Site


def crash(site: Site, server: Callable[[], None], *, times: int, people: int) -> Outcome:
    """The database crashes so many times. Errors are honest meanwhile; afterwards everything is as before."""
    return _weather(site, server, times, Crowd(site, people, weather=True))


def forget(site: Site, empty: Callable[[], None], *, times: int, people: int) -> Outcome:
    """Every session is gone, so many times. People are asked again; nothing opens, and there is no error."""
    return _weather(site, empty, times, Crowd(site, people, forgetful=True))


def _weather(site: Site, strike: Callable[[], None], times: int, crowd: Crowd) -> Outcome:
    with crowd.busy():
        for _ in range(times):
            time.sleep(random.uniform(0.2, 2))
            strike()
    crowd.calm()
    return Counter({"strikes": times, "days": crowd.days}) + crowd.seen, crowd.verdict(site.judge())
