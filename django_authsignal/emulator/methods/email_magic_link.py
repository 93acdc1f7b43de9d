"""A link by mail. Whoever opens it confirms with a button; the session that asked for it then gets its token.

A GET changes nothing, because mail scanners and previews follow links. The link may be opened on another device, so
the page says what is being confirmed: a proof for somebody else's sign-in is what such links are stolen for.
"""

from __future__ import annotations

import secrets
from urllib.parse import urlencode

from django.conf import settings
from django.db import transaction
from django.utils.crypto import salted_hmac

from django_authsignal.client.types import VerificationMethod
from django_authsignal.emulator import clock, engine, limits
from django_authsignal.emulator.engine import Session, Verification
from django_authsignal.emulator.methods.codes import Sender
from django_authsignal.emulator.models import Authenticator, Code, EmulatedUser

_METHOD = VerificationMethod.EMAIL_MAGIC_LINK
_SENDER = Sender(_METHOD, "email", limits.MAILS)
_PENDING = Verification(is_verified=False)


def enrol(session: Session, email: str | None = None) -> tuple[Authenticator, Code]:
    """Begin an enrolment and mail its link. Without an address, the user's own."""
    pending = _SENDER.pending(session, email)
    return pending, _send(session, pending, "enrol")


def challenge(session: Session, authenticator_id: str | None = None) -> Code:
    """Mail a link; older ones of this action die."""
    row = _SENDER.enrolled(session, authenticator_id)
    _SENDER.take_send(session)
    return _send(session, row, "challenge")


def open_link(link: str) -> Code | None:
    """What the link asks, while it can still be answered."""
    rows = Code.objects.filter(
        digest=_digest(link), method=_METHOD, used_at__isnull=True, clicked_at__isnull=True, expires_at__gt=clock.now()
    )
    return rows.select_related("action", "authenticator", "user").first()


def answer(row: Code, *, confirmed: bool) -> bool:
    """Once. False when it was answered, replaced or too late meanwhile."""
    now = clock.now()
    rows = Code.objects.filter(pk=row.pk, used_at__isnull=True, clicked_at__isnull=True, expires_at__gt=now)
    return bool(rows.update(clicked_at=now) if confirmed else rows.update(used_at=now))


def waits(session: Session) -> bool:
    """True until the newest link of this session's action was answered or grew too old."""
    return _SENDER.live(session).filter(clicked_at__isnull=True).exists()


def finalize(session: Session, challenge_id: str | None = None) -> Verification:
    """What the session that asked polls: no reason while the link waits, the token once it was confirmed."""
    engine.require_open(session)
    with transaction.atomic():
        # Locked: of two first enrolments that finish at once, the second must see the first.
        EmulatedUser.objects.select_for_update().get(pk=session.user.pk)
        row = next((one for one in _SENDER.live(session) if challenge_id in (None, "", str(one.pk))), None)
        if row is None:
            return engine.WRONG_CODE
        return _SENDER.finish(session, row) if row.clicked_at else _PENDING


def _send(session: Session, row: Authenticator, purpose: str) -> Code:
    link = secrets.token_urlsafe(32)
    url = f"{settings.PUBLIC_URL}/magic-link/?{urlencode({'link': link})}"
    with transaction.atomic():
        code = _SENDER.store(session, row, purpose, _digest(link))
    _SENDER.deliver(
        code,
        "email",
        subject="Your sign-in link",
        body=f"Open this link to go on: {url}\nIt works once, for {settings.CODE_AGE // 60} minutes.",
        url=url,
    )
    return code


def _digest(link: str) -> str:
    return salted_hmac("emulator.link", link, algorithm="sha256").hexdigest()
