"""How often somebody may begin, come back, or try: counted in Django's default cache, by hash, so no name rests there.

Windows are the clock's, so that nothing a cache does with an expiry makes one longer. Where a try cannot be counted
(the cache is down) it is let through: what it leads to still asks for a proof, and a cache must not close a site.
"""

import ipaddress
import logging
import math
import time
from dataclasses import dataclass

from django.core.cache import cache
from django.http import HttpRequest

from . import channel, limit_conf
from .conf import counted_apart, get_settings
from .identity import client_ip, digest

SLACK = 60  # seconds that a counter outlives its window: processes' clocks differ

logger = logging.getLogger("django_authsignal")


@dataclass(frozen=True)
class Tried:
    """One try that was counted, or, with `over`, one that was too many and is not counted anywhere."""

    keys: tuple[str, ...] = ()
    over: str = ""  # by what it was too many: SESSION, USER or ADDRESS
    retry_after: float | None = None  # seconds until the next window
    is_first: bool = False  # the first in this window that was too many

    def give_back(self) -> None:
        """Takes this one try back. The others stay counted: a good one must not clear the failures."""
        for key in self.keys:
            _one_less(key)


def count(request: HttpRequest, kind: str, *, user: str = "", session: str = "", apart: str = "") -> Tried:
    """Counts one try of a kind of LIMITS, by all that it is limited by. `apart`: counters of their own.

    `session`: whose it is, where the request does not say so yet. What says nothing is not counted by: no user, no
    address (see `address`), a browser without its cookie.
    """
    limit = limit_conf.read(get_settings().LIMITS, kind)
    if limit is None:
        return Tried()
    now = time.time()
    left = limit.window - now % limit.window
    window = f"{limit.window} {now // limit.window:.0f}"
    # The narrowest first: who is stopped by their own counter must not go on using up everybody's at their address.
    # A client that trades a password for a token has none yet: what stands for it is the same for all who come there.
    held = "" if channel.signs_in_once(request) else session or channel.holder(request)
    whose = {"SESSION": held, "USER": user, "ADDRESS": address(request)}
    keys: list[str] = []
    for by, most in limit.most.items():
        if not whose[by]:
            continue
        key = f"authsignal:{digest('limit', kind, apart, by, whose[by], window, counted_apart())}"
        found = _one_more(key, left)
        if found is None:
            break
        keys.append(key)
        if found > most:
            Tried(tuple(keys)).give_back()
            return Tried(over=by, retry_after=left, is_first=_is_first(key, left))
    return Tried(tuple(keys))


def address(request: HttpRequest) -> str:
    """What counts as the visitor's address: one of IPv4, a network of IPv6, or "" where nothing tells people apart.

    Without CLIENT_IP that is so for an address of this machine or a private network: it is the proxy's, and everybody
    would share its counter.
    """
    found, said = client_ip(request) or "", get_settings().CLIENT_IP is not None
    try:
        ip = ipaddress.ip_address(found)
    except ValueError:
        return found if said else ""
    ip = getattr(ip, "ipv4_mapped", None) or ip
    if not said and not ip.is_global:
        return ""
    # One customer has 2**64 addresses of IPv6, and could take a new one for each try.
    return f"v6 {int(ip) >> 64:x}" if ip.version == 6 else str(ip)


def _one_more(key: str, left: float) -> int | None:
    """How many there are with this one; None when the cache cannot tell: one that swallows its errors says so too."""
    try:
        try:
            return cache.incr(key)
        except ValueError:  # the first, or one of two that are
            return 1 if cache.add(key, 1, _seconds(left)) else cache.incr(key)
    except Exception as exc:  # every cache has errors of its own
        _say(exc)
        return None


def _one_less(key: str) -> None:
    try:
        cache.decr(key)
    except ValueError:
        return  # it is gone already
    except Exception as exc:
        _say(exc)


def _is_first(key: str, left: float) -> bool:
    try:
        return bool(cache.add(f"{key}:told", 1, _seconds(left)))
    except Exception as exc:
        _say(exc)
        return False


def _seconds(left: float) -> int:
    return math.ceil(left) + SLACK


def _say(exc: Exception) -> None:
    # Its name alone: a cache's address may hold a password.
    logger.warning(
        "A limit could not be counted (%s), so it stops nobody. Look at the default cache.", type(exc).__name__
    )
