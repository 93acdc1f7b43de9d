"""Popup and window modes: who may frame a hosted page, and who may hear from it.

A proved token is told to nobody but the application: the origin of the action's own redirectUrl and those of
`--origin`; pages of this machine too, when the application is on it or named no address. Somebody else who opens the
page, in a frame or a window, gets no message: the browser drops one whose target origin is not the listener's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings

from django_authsignal.emulator.models import Action

# Names and ports only: what goes into a policy's header must not be able to end a source and begin another directive.
_PLACE = re.compile(r"[a-z0-9.-]+(:[0-9]{1,5})?")
_LOOPBACK = {"localhost", "127.0.0.1"}  # not ::1: a policy cannot name it
_LOOPBACK_SOURCES = tuple(f"{scheme}://{host}:*" for scheme in ("http", "https") for host in sorted(_LOOPBACK))


@dataclass(frozen=True)
class Embed:
    """`opener` is the loopback page that opened this one, as far as it told; carried along, and never believed."""

    origins: tuple[str, ...]
    loopback: bool
    opener: str = ""

    @property
    def ancestors(self) -> str:
        """For frame-ancestors."""
        return " ".join([*self.origins, *(_LOOPBACK_SOURCES if self.loopback else ())]) or "'none'"

    @property
    def listeners(self) -> str:
        """The exact origins that a message may be addressed to."""
        return " ".join(dict.fromkeys([*self.origins, *([self.opener] if self.opener else [])]))


def embed(given: Mapping[str, str], referer: str, action: Action | None) -> Embed | None:
    """None unless a client SDK opened the page with `mode=popup`."""
    if given.get("mode") != "popup":
        return None
    app = origin(action.redirect_url) if action else ""
    loopback = not app or _is_loopback(app)
    named = [app, *map(origin, settings.ORIGINS[1:])]  # the first is this emulator
    opener = origin(given.get("opener", "")) or origin(referer)
    known = loopback and _is_loopback(opener) and opener != origin(settings.PUBLIC_URL)
    return Embed(tuple(dict.fromkeys(filter(None, named))), loopback, opener if known else "")


def origin(url: str) -> str:
    """`https://app.example`, or "" for what is no plain web address."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    place = parts.netloc.rpartition("@")[2].lower()
    if parts.scheme not in ("http", "https") or not _PLACE.fullmatch(place):
        return ""
    return f"{parts.scheme}://{place.removesuffix(':80' if parts.scheme == 'http' else ':443')}"


def _is_loopback(url: str) -> bool:
    return urlsplit(url).hostname in _LOOPBACK
