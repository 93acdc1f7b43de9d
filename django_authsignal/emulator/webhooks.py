"""Webhooks going out: who wants what, the signature, and the threads that deliver.

Asynchronous events are written with the change that caused them and sent by a thread of whichever process claims them
first: at least once, with three retries. A synchronous receiver is asked while the caller waits, once, and never inside
a transaction: it may take seconds, and call this API itself. Source: docs.authsignal.com, webhooks.
"""

from __future__ import annotations

import base64
import contextlib
import hmac
import json
import logging
import os
import socket
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import quote, urlsplit

from django.conf import settings
from django.db import connection, transaction

from django_authsignal.emulator import clock
from django_authsignal.emulator.models import Delivery, Event, Webhook

logger = logging.getLogger(__name__)

ASKED = ("email.created", "sms.created", "push.created")  # what a synchronous webhook may refuse
LOGS = ("action.log_created", "challenge.log_created")
TYPES = (*ASKED, "authenticator.created", "authenticator.updated", "authenticator.deleted", *LOGS)
VERIFY = "action.verify"  # asked at the address in an action's configuration

WAITING, SENDING, DELIVERED, FAILED = "waiting", "sending", "delivered", "failed"
RETRIES = 3
GAP = timedelta(seconds=30)  # before each of them
_SOURCE = "https://authsignal.com"
_LEASE = timedelta(seconds=30)  # beyond the timeout; a sender that takes longer is dead
_POLL = 1.0  # seconds; what other processes wrote, and what is due again
_SHOWN = 200  # characters of an answer that are kept, to find out why it was no
_SENT_AS_IT_IS = "/?#%:@!$&'()*+,;=-._~"  # what an address may hold; anything else is percent-encoded


@dataclass(frozen=True)
class Answer:
    """What came back. `problem` is a sentence, "" for a 2xx; `status` is None when nothing came."""

    status: int | None
    problem: str


def wants(webhook: Webhook, kind: str) -> bool:
    return not webhook.types or kind in webhook.types


def is_asked(webhook: Webhook, kind: str) -> bool:
    return webhook.is_synchronous and kind in ASKED


def envelope(kind: str, key: Any, moment: datetime, **content: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "id": str(key),
        "source": _SOURCE,
        "time": clock.iso(moment),
        "tenantId": settings.TENANT_ID,
        "type": kind,
        **content,
    }


def body(event: Event) -> str:
    return json.dumps(envelope(event.type, event.pk, event.created_at, data=event.data))


def signature(content: bytes) -> str:
    """X-Signature-V2: one v2 for each active key, so that receivers can change from one to the next."""
    stamp = str(int(clock.timestamp()))
    message = stamp.encode() + b"." + content
    parts = [
        # Without padding: receivers split each part at every "=".
        base64.b64encode(hmac.digest(key.encode(), message, "sha256")).rstrip(b"=").decode()
        for key in settings.API_SECRET_KEYS
    ]
    return ",".join([f"t={stamp}", *(f"v2={part}" for part in parts)])


def post(url: str, content: bytes) -> Answer:
    """Send it once. WEBHOOK_TIMEOUT is for the whole exchange; a redirect is an answer like any other that is no."""
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "authsignal-emulator",
        "Connection": "close",  # a kept one may be closed by the receiver just now, and nothing is sent twice
        "X-Signature-V2": signature(content),
    }
    parts = urlsplit(url)
    target = quote(f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}", safe=_SENT_AS_IT_IS)
    status, text, ends = None, b"", time.monotonic() + settings.WEBHOOK_TIMEOUT
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=settings.WEBHOOK_TIMEOUT)
    # The connection's own time-out begins again with every byte; this one does not.
    opened: list[socket.socket] = []
    cut = threading.Timer(settings.WEBHOOK_TIMEOUT, _cut, [connection, opened])
    cut.daemon = True
    cut.start()
    try:
        connection.connect()
        opened.append(connection.sock)  # which the connection forgets once it knows that the answer is the last
        connection.request("POST", target, content, headers)
        response = connection.getresponse()
        if time.monotonic() >= ends:
            raise TimeoutError  # headers that were cut off look like their end
        status = response.status
        if not 200 <= status < 300:
            text = response.read(_SHOWN)
    except (HTTPException, OSError, ValueError) as exc:
        if status is None:
            late = time.monotonic() >= ends or isinstance(exc, TimeoutError)
            reason = f"no answer within {settings.WEBHOOK_TIMEOUT:g} seconds" if late else _why(exc)
            return Answer(None, reason)
    finally:
        cut.cancel()
        connection.close()
    if 200 <= status < 300:
        return Answer(status, "")
    said = "".join(letter for letter in text.decode(errors="replace") if letter.isprintable()).strip()
    return Answer(status, f"it answered {status}" + (f": {said}" if said else ""))


def _why(exc: Exception) -> str:
    """The system's own words; the libraries' around them are long and name objects."""
    cause: BaseException | None = exc
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror and cause.errno:
            return cause.strerror.lower()[:_SHOWN]
        cause = cause.__cause__ or cause.__context__
    return f"no HTTP answer ({type(exc).__name__})"


def _cut(connection: HTTPConnection, opened: list[socket.socket]) -> None:
    """End an exchange that another thread is in."""
    with contextlib.suppress(OSError, AttributeError):  # it ended, or has not begun
        (opened[0] if opened else connection.sock).shutdown(socket.SHUT_RDWR)


# Asked while the caller waits.


def ask(event: Event, url: str, webhook: Webhook | None = None) -> bool:
    """Whether the receiver agrees: its 2xx, in time. Not inside a transaction; what came of it is kept."""
    content = body(event)
    answer = post(url, content.encode())
    now = clock.now()
    Delivery.objects.create(
        webhook=webhook,
        event=event,
        url=url,
        body=content,
        state=FAILED if answer.problem else DELIVERED,
        attempts=1,
        status=answer.status,
        problem=answer.problem,
        created_at=now,
        delivered_at=None if answer.problem else now,
    )
    return not answer.problem


def asked(kind: str) -> list[Webhook]:
    """Those that are asked before a message of this kind goes out."""
    rows = Webhook.objects.filter(is_active=True, is_synchronous=True).order_by("created_at", "pk")
    return [row for row in rows if is_asked(row, kind) and wants(row, kind)]


# Delivered later.


def queue(event: Event) -> None:
    """Write down what is to be sent, in the transaction that made the event true."""
    rows = Webhook.objects.filter(is_active=True)
    wanted = [row for row in rows if wants(row, event.type) and not is_asked(row, event.type)]
    if wanted:
        Delivery.objects.bulk_create(_waiting(event, body(event), row.url, row) for row in wanted)
        transaction.on_commit(wake)


def resend(row: Delivery) -> Delivery:
    """The same event once more, as a delivery of its own; its id tells the receiver that it is the same."""
    again = _waiting(row.event, row.body, row.webhook.url if row.webhook else row.url, row.webhook)
    again.save()
    wake()
    return again


def _waiting(event: Event, content: str, url: str, webhook: Webhook | None) -> Delivery:
    now = clock.now()
    return Delivery(webhook=webhook, event=event, url=url, body=content, state=WAITING, next_at=now, created_at=now)


def deliver_due() -> int:
    """Send what is due and not another sender's; returns how many were sent."""
    due = Delivery.objects.filter(state__in=(WAITING, SENDING), next_at__lte=clock.now())
    due = due.exclude(webhook__is_active=False).order_by("next_at", "pk")
    return sum(_deliver(row) for row in due[:20])


def _deliver(row: Delivery) -> bool:
    # One UPDATE that names what it saw: of all the senders on one database, it succeeds for one.
    until = clock.now() + timedelta(seconds=settings.WEBHOOK_TIMEOUT) + _LEASE
    seen = Delivery.objects.filter(pk=row.pk, state=row.state, next_at=row.next_at)
    if not seen.update(state=SENDING, next_at=until):
        return False
    answer = post(row.url, row.body.encode())
    now, attempts = clock.now(), row.attempts + 1
    changes: dict[str, Any] = {"attempts": attempts, "status": answer.status, "problem": answer.problem}
    if not answer.problem:
        changes |= {"state": DELIVERED, "next_at": None, "delivered_at": now}
    elif attempts > RETRIES:
        changes |= {"state": FAILED, "next_at": None}
    else:
        changes |= {"state": WAITING, "next_at": now + GAP}
    # Only while the claim is still ours: after a suspended night another sender has it.
    Delivery.objects.filter(pk=row.pk, state=SENDING, next_at=until).update(**changes)
    return True


# The threads.

_COUNT = 2  # so that one receiver that hangs does not hold up the others
_woken = threading.Event()
_stopped = threading.Event()
_lock = threading.Lock()
_threads: list[threading.Thread] = []
_process = 0  # whose threads they are: a fork leaves them behind


def start(**_: Any) -> None:
    """Deliver from this process, from now on. Again and again is fine: it is called with every request."""
    global _process
    if _process == os.getpid():
        return
    with _lock:
        if _process == os.getpid():
            return
        _process = os.getpid()
        _stopped.clear()
        _threads[:] = [
            threading.Thread(target=_run, args=(number,), name=f"webhooks-{number}", daemon=True)
            for number in range(_COUNT)
        ]
        for thread in _threads:
            thread.start()


def stop() -> None:
    """End them. One that waits for an answer is left to die: its claim runs out, and another sends it again."""
    _stopped.set()
    _woken.set()
    for thread in _threads:
        thread.join(1)


def wake() -> None:
    """There is something to send."""
    _woken.set()


def _run(number: int) -> None:
    from django_authsignal.emulator import logs  # noqa: PLC0415  it needs this module

    while not _stopped.is_set():
        _woken.clear()
        sent = 0
        try:
            if number == 0:
                logs.collect()
            sent = deliver_due()
        except Exception:
            logger.exception("Webhooks could not be delivered; trying again")
            _stopped.wait(_POLL)
        finally:
            connection.close()
        if not sent:
            _woken.wait(_POLL)
