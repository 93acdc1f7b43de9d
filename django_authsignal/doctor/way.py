"""The way back: does the address that people come back to lead to this project?"""

from collections.abc import Iterator
from functools import partial
from urllib.parse import urlsplit

import requests
from django.urls import NoReverseMatch, reverse

from ..conf import get_settings
from .findings import ERROR, NOTE, OK, WARNING, Finding

NOTHING = "00000000-0000-0000-0000-000000000000"  # a challenge that cannot be: its callback changes nothing


def callback() -> Iterator[Finding]:
    """Opens the callback of a challenge that is none, at each origin of PUBLIC_BASE_URL."""
    configured = get_settings().PUBLIC_BASE_URL
    if configured is None or callable(configured):
        text = "PUBLIC_BASE_URL names no origin, so the way back could not be tried."
        yield Finding(NOTE, text, 'Set it to your origin, such as "https://shop.example".')
        return
    try:
        path = reverse("authsignal:callback", args=[NOTHING])
    except NoReverseMatch:
        return  # E002 says so
    for origin in [configured] if isinstance(configured, str) else configured:
        yield _tried(origin.rstrip("/"), path)


def _tried(origin: str, path: str) -> Finding:
    get = partial(requests.get, allow_redirects=False, timeout=get_settings().TIMEOUT, stream=True)
    try:
        answer = get(f"{origin}{path}", headers={"Accept": "text/html"})
    except requests.RequestException as exc:
        text = f"{origin} cannot be reached from here ({type(exc).__name__})."
        return Finding(WARNING, text, "If people's browsers reach it, all is well; else correct PUBLIC_BASE_URL.")
    with answer:
        place = urlsplit(answer.headers.get("Location", ""))
        if answer.status_code == 303 and NOTHING in place.path and "reason=gone" in place.query:
            return Finding(OK, f"The way back leads here: {origin}{path.replace(NOTHING, '…')}.")
        if answer.is_redirect:
            fix = f"Set PUBLIC_BASE_URL to where it leads: {place.scheme}://{place.netloc}" if place.netloc else ""
            text = f"{origin} sends the callback elsewhere ({answer.status_code}): a proof would be lost on the way."
            return Finding(ERROR, text, fix or "Exempt the callback from that redirect.")
        text = f"{origin}{path} is not this project's callback (it answers {answer.status_code})."
        return Finding(ERROR, text, "Correct PUBLIC_BASE_URL, or where urls are included and proxied.")
