"""Who is told when something about an account's ways of proof changes: the signal, and the mail to the owner.

The mail is a receiver like any other, connected when Django is ready. To send something else, or nothing:
`authenticators_changed.disconnect(dispatch_uid="authsignal.mail_owner")`.
"""

import ipaddress
import logging
import uuid
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.contrib.auth.models import AbstractBaseUser
from django.core.cache import cache
from django.core.mail import send_mail
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils import timezone, translation
from django.utils.translation import gettext

from . import addresses, signals
from .conf import get_settings
from .identity import client_ip, digest
from .methods import labels_of

TOLD_AGE = 30 * 86_400  # seconds in which the owner is not told the same again

logger = logging.getLogger("django_authsignal")

# What a User-Agent header must name, in this order: many browsers name others as well.
BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("CriOS/", "Chrome"),
    ("Safari/", "Safari"),
)
SYSTEMS = (
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def changed(
    request: HttpRequest | None,
    user: AbstractBaseUser,
    change: str,
    methods: Iterable[str] = (),
    *,
    by: AbstractBaseUser | None = None,
) -> None:
    """Says that a user's authenticators changed: "added", "updated", "removed" or "reset". Never fails the request.

    Whoever has only the password may enrol first; the owner must not be the last to know. `methods` are Authsignal's
    names, none when unknown; `by` is who did it to somebody else.
    """
    signals.authenticators_changed.send_robust(
        type(user), request=request, user=user, change=change, methods=tuple(methods), by=by
    )


def seen(request: HttpRequest | None, user: AbstractBaseUser, change: str, found: Mapping[str, str]) -> None:
    """`changed`, once for each authenticator (id to method), whichever of the user's sessions sees it first."""
    new = [method for key, method in found.items() if first("told", str(user.pk), change, key)]
    if new:
        changed(request, user, change, filter(None, new))


def told(user_pk: str, change: str, authenticator_id: str) -> None:
    """Notes that the owner heard of it already, by another notice."""
    first("told", user_pk, change, authenticator_id)


def was_told(user_pk: str, change: str, authenticator_id: str) -> bool:
    """True when the owner heard of it already."""
    try:
        return bool(authenticator_id and cache.get(_key("told", user_pk, change, authenticator_id)))
    except Exception as exc:
        _cache_is_down(exc)
        return False


def by_challenge(challenge_id: uuid.UUID) -> str:
    """Stands for the authenticator that a challenge enrols, where nobody has its own id yet."""
    return f"challenge {challenge_id}"


def first(*parts: str) -> bool:
    """True for the first who asks with these very parts, of all processes that share the cache."""
    try:
        return bool(cache.add(_key(*parts), True, TOLD_AGE))
    except Exception as exc:  # told twice is better than not told
        _cache_is_down(exc)
        return True


def _key(*parts: str) -> str:
    return f"authsignal:{digest(*parts)}"


def _cache_is_down(exc: Exception) -> None:
    logger.warning("The cache does not answer (%s): the owner may be told twice.", type(exc).__name__)


def mail_owner(
    sender: Any,
    *,
    request: HttpRequest | None,
    user: AbstractBaseUser,
    change: str,
    methods: tuple[str, ...],
    by: AbstractBaseUser | None,
    **kwargs: Any,
) -> None:
    """The default receiver of `authenticators_changed`."""
    tell(request, user, change, {"methods": methods, "by": by}, own_words=by is None)


def tell(
    request: HttpRequest | None, user: AbstractBaseUser, name: str, about: dict[str, Any], *, own_words: bool
) -> bool:
    """Mails the owner `authsignal/mail/<name>.txt`; True when it was handed over. Never raises.

    `own_words`: the request is the owner's, and so is its language; else it is the site's.
    """
    field = user.get_email_field_name() if hasattr(user, "get_email_field_name") else ""
    address = getattr(user, field, "") if field else ""
    if not address:
        return False
    language = translation.get_language() if own_words else django_settings.LANGUAGE_CODE
    try:
        with translation.override(language):
            context = {**_circumstances(request), **about, "user": user, "labels": labels_of(about.get("methods", ()))}
            subject = " ".join(render_to_string(f"authsignal/mail/{name}_subject.txt", context).split())
            send_mail(subject, render_to_string(f"authsignal/mail/{name}.txt", context), None, [address])
    except Exception as exc:
        logger.error(
            "The owner could not be told by mail of a changed way of proof (%s: %s). Check Django's e-mail settings.",
            type(exc).__name__,
            exc,
        )
        return False
    return True


def _circumstances(request: HttpRequest | None) -> dict[str, Any]:
    """When and where, as far as it helps the owner. No text of a visitor's gets into the mail, and no Host header."""
    configured = get_settings().PUBLIC_BASE_URL
    origin = addresses.public_origin(request) if request is not None and configured else ""
    origin = configured.rstrip("/") if isinstance(configured, str) else origin
    try:
        manage = f"{origin}{reverse('authsignal:authenticators')}" if origin else ""
    except NoReverseMatch:
        manage = ""
    now = timezone.now()
    return {
        "when": timezone.localtime(now) if django_settings.USE_TZ else now,
        "browser": browser_of(request.headers.get("User-Agent", "")) if request is not None else "",
        "network": network_of(client_ip(request)) if request is not None else "",
        "site": urlsplit(origin).hostname or "",
        "manage_url": manage,
    }


def browser_of(user_agent: str) -> str:
    """The browser in two words of ours, such as "Firefox on Windows"; nothing is quoted, anybody can send anything."""
    browser = next((name for token, name in BROWSERS if token in user_agent), "")
    system = next((name for token, name in SYSTEMS if token in user_agent), "")
    if browser and system:
        return gettext("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    return browser or system


def network_of(address: str | None) -> str:
    """An address without its end, which may name a person: 203.0.113.x, 2001:db8:1::x; "" for what is none."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return ""
    if found.version == 4:
        return f"{str(found).rpartition('.')[0]}.x"
    return f"{ipaddress.ip_network((int(found) >> 80 << 80, 48)).network_address}x"
