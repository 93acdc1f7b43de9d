"""Every session there is, wherever the site keeps them."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core.cache import cache


def sessions() -> Iterator[dict[str, Any]]:
    """The data of each."""
    if settings.CACHE_URL:
        yield from (cache.get(key) or {} for key in _keys())
    else:
        yield from (SessionStore().decode(one.session_data) for one in Session.objects.all())


def forget() -> None:
    """Deletes them all; of a Redis that others use too, this site's alone."""
    if settings.CACHE_URL:
        cache.delete_many(_keys())
    else:
        Session.objects.all().delete()


def _keys() -> list[str]:
    client = cache._cache.get_client()
    found = client.scan_iter(match=cache.make_key("django.contrib.sessions.cache*"), count=1000)
    return [key.decode().split(":", 2)[2] for key in found]
