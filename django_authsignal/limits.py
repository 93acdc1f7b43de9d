"""How often strangers may try: counted by hash in Django's default cache, so that no name is at rest there."""

from django.core.cache import cache

from .identity import digest

WINDOW = 300  # seconds
PER_NAME = 5  # tries in a window
PER_ADDRESS = 20


def take(kind: str, value: str, most: int) -> bool:
    """Counts one try; False when there were `most` in this window already."""
    key = _key(kind, value)
    cache.add(key, 0, WINDOW)
    try:
        return bool(cache.incr(key) <= most)
    except ValueError:  # it expired between the two
        cache.set(key, 1, WINDOW)
        return True


def give_back(kind: str, value: str) -> None:
    """Takes back one try that was a good one. The others stay counted: a good one must not clear the failures."""
    try:
        cache.decr(_key(kind, value))
    except ValueError:
        return  # the window is over


def _key(kind: str, value: str) -> str:
    return f"authsignal:{digest('rate', kind, value)}"
