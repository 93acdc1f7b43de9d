"""Webhooks from Authsignal: is this body theirs, and what does it say?

The header is `X-Signature-V2: t=<unix seconds>,v2=<signature>[,v2=<signature>...]`, one signature for every
active secret key of the tenant, so that a key can be rotated. A signature is the base64, without padding, of
HMAC-SHA256(secret, "<t>." + body). Source: docs.authsignal.com, webhooks;
github.com/authsignal/authsignal-node, src/webhook.ts, whose error texts these are.
"""

from __future__ import annotations

import hmac
import re
import time
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from json import loads
from typing import Any

from .errors import ConfigurationError, SignatureError
from .types import moment

_MALFORMED = "Signature format is invalid."
_OUTSIDE = "Timestamp is outside the tolerance zone."
_MISMATCH = "Signature mismatch."


class EventType(StrEnum):
    """The types that Authsignal's documentation names; an event may have another one."""

    EMAIL_CREATED = "email.created"
    SMS_CREATED = "sms.created"
    PUSH_CREATED = "push.created"
    ACTION_VERIFY = "action.verify"
    AUTHENTICATOR_CREATED = "authenticator.created"
    AUTHENTICATOR_UPDATED = "authenticator.updated"
    AUTHENTICATOR_DELETED = "authenticator.deleted"
    ACTION_LOG_CREATED = "action.log_created"
    CHALLENGE_LOG_CREATED = "challenge.log_created"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One webhook. `data` may hold one-time codes, so no repr shows it. In a batch, the items are `records`,
    each an event of its own (with `data` taken from the wire's `record`), and everything else is None or
    empty."""

    id: str | None = None
    type: str | None = None
    time: datetime | None = None
    tenant_id: str | None = None
    source: str | None = None
    version: int | None = None
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)
    records: tuple[Event, ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def user_id(self) -> str | None:
        """Whom it is about, as Authsignal knows them."""
        return _text(self.data, "userId")

    @property
    def action(self) -> str | None:
        """The code of the action that it belongs to."""
        return _text(self.data, "actionCode") or _text(self.data, "action")

    @property
    def idempotency_key(self) -> str | None:
        """Which tracked action that is."""
        return _text(self.data, "idempotencyKey")

    @property
    def state(self) -> str | None:
        """Of a record of an action, or a question about one: its state. Ask Authsignal before you rely on it."""
        return _text(self.data, "state")

    @property
    def verification_method(self) -> str | None:
        """The way of proof, as `VerificationMethod` names it."""
        return _text(self.data, "verificationMethod")

    @property
    def user_authenticator_id(self) -> str | None:
        """Which of the user's authenticators."""
        return _text(self.data, "userAuthenticatorId")

    def moment(self, name: str) -> datetime | None:
        """One of its times, such as `deletedAt`."""
        return moment(self.data.get(name))

    @property
    def to(self) -> str | None:
        """Of a message to deliver: the one address or number that it may go to."""
        return _text(self.data, "to")

    @property
    def code(self) -> str | None:
        """Of a message to deliver: the code, never to be logged."""
        return _text(self.data, "code")

    @property
    def url(self) -> str | None:
        """Of a mail to deliver: the magic link, never to be logged."""
        return _text(self.data, "url")

    @property
    def locale(self) -> str | None:
        """Of a message to deliver: the reader's language, such as "pt-BR"."""
        return _text(self.data, "locale")


def verify(
    body: bytes,
    header: str | None,
    *,
    secrets: Iterable[str],
    tolerance: float = 300,
    now: float | None = None,
) -> Event:
    """The event in `body`, the request's raw bytes, if `header` proves that Authsignal sent it.

    `secrets`: every key that is accepted, more than one while a key is rotated. `tolerance`: the seconds by
    which the signature's time may differ from `now` (unix seconds; the present by default) in either
    direction: the official libraries accept any time in the future. Raises SignatureError, TypeError if
    `body` is not bytes or the header or a key is no text, ConfigurationError if there is no secret. A body may
    be received twice within the tolerance: remember `id`.
    """
    if not isinstance(body, bytes):
        raise TypeError("The body is not bytes. Pass the raw request.body: parsed and written again it differs.")
    if header is not None and not isinstance(header, str):
        raise TypeError("The header is no text. Pass it as request.headers has it.")
    keys = _keys(secrets)
    stamp, signatures = _parse(header)
    if not abs((time.time() if now is None else now) - int(stamp)) <= tolerance:
        raise SignatureError(_OUTSIDE)
    if not _matches(stamp.encode("ascii") + b"." + body, signatures, keys):
        raise SignatureError(_MISMATCH)
    return _event(body)


def _keys(secrets: Iterable[str]) -> list[bytes]:
    if isinstance(secrets, str | bytes):
        raise TypeError("secrets is one key. Give a list of secret keys.")
    given = [secret for secret in secrets if secret]
    if not all(isinstance(secret, str) for secret in given):
        raise TypeError("A key of secrets is no text. Give the keys as texts.")
    keys = [secret.encode() for secret in given if secret.strip()]  # HMAC takes an empty key: anybody's
    if not keys:
        raise ConfigurationError('There is no secret key to verify with. Set AUTHSIGNAL["API_SECRET_KEY"].')
    return keys


def _parse(header: str | None) -> tuple[str, list[str]]:
    """The time, as it was written (it is part of what was signed), and the v2 signatures."""
    stamps: list[str] = []
    signatures: list[str] = []
    for item in (header or "")[:8192].split(","):
        name, _, value = item.strip().partition("=")
        if name == "t":
            stamps.append(value)
        elif name == "v2" and value:
            signatures.append(value.rstrip("="))
    if len(stamps) != 1 or not re.fullmatch(r"[0-9]{1,12}", stamps[0]) or not signatures:
        raise SignatureError(_MALFORMED)
    return stamps[0], signatures


def _matches(message: bytes, signatures: list[str], keys: list[bytes]) -> bool:
    """Compares every pair, in constant time each: how long it takes says nothing about which one matched."""
    found = False
    for key in keys:
        expected = b64encode(hmac.digest(key, message, "sha256")).rstrip(b"=")
        for signature in signatures:
            found |= hmac.compare_digest(expected, signature.encode("utf-8", "replace"))
    return found


def _event(body: bytes) -> Event:
    try:
        data = loads(body)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise SignatureError("The body is signed, but it is not a JSON object.")
    records = data.get("records")
    if isinstance(records, list):
        return Event(records=tuple(_one(item) for item in records if isinstance(item, dict)), raw=data)
    return _one(data)


def _one(data: Mapping[str, Any]) -> Event:
    content = data.get("data", data.get("record"))
    version = data.get("version")
    return Event(
        id=_text(data, "id"),
        type=_text(data, "type"),
        time=moment(data.get("time")),
        tenant_id=_text(data, "tenantId"),
        source=_text(data, "source"),
        version=version if type(version) is int else None,
        data=content if isinstance(content, dict) else {},
        raw=data,
    )


def _text(data: Mapping[str, Any], key: str) -> str | None:
    value = data.get(key)
    return value if isinstance(value, str) else None
