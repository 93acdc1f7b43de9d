"""QR codes: a page shows a question, a phone claims it, and its owner says yes or no.

A page that names no user signs in whoever approves. Whoever lures a victim to scan a code is signed in as them, so
the phone is told where the page is and what it is for.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Any
from urllib.parse import urlencode

from django.conf import settings

from django_authsignal.client.types import VerificationMethod
from django_authsignal.emulator import clock, http, tenant
from django_authsignal.emulator.methods import device_challenge
from django_authsignal.emulator.methods.device_challenge import APPROVED, CLAIMED, OVER, REJECTED, UNCLAIMED, Asker
from django_authsignal.emulator.models import Authenticator, DeviceChallenge
from django_authsignal.emulator.problems import invalid

_METHOD = VerificationMethod.QR_CODE


def challenge(asker: Asker, code: str, custom: dict[str, Any] | None) -> tuple[DeviceChallenge, str]:
    """A question, and the secret by which the page that asked collects its answer."""
    if not tenant.is_offered(_METHOD):
        raise invalid(f"The tenant has switched off {_METHOD}.")
    device_code = secrets.token_urlsafe(32)
    digest = _digest(device_code)
    row = device_challenge.create(_METHOD, asker, code, UNCLAIMED, custom=custom, device_code_digest=digest)
    return row, device_code


def ask(asker: Asker) -> None:
    """A question for the session's own action, in place of the older ones. Who has the session collects its answer."""
    _session, action = device_challenge.asking(asker)
    older = DeviceChallenge.objects.filter(method=_METHOD, action=action, state__in=[UNCLAIMED, CLAIMED])
    older.update(expires_at=clock.now())
    challenge(asker, action.code, None)


def content(challenge_id: str) -> str:
    """What a hosted page's picture holds: a link that any camera can open. Behind the #, so that no log has it."""
    return f"{settings.PUBLIC_URL}/phone/#{urlencode({'claim': challenge_id})}"


def verify(challenge_id: str, device_code: str) -> dict[str, Any]:
    """What the page polls: unclaimed, claimed, rejected (or too late), or approved, once with the token."""
    row = DeviceChallenge.objects.filter(pk=device_challenge.as_uuid(challenge_id), method=_METHOD).first()
    if row is None or not http.same(_digest(device_code), row.device_code_digest):
        raise invalid("The challengeId and the deviceCode do not belong together.")
    token = device_challenge.collect(row)
    row.refresh_from_db()
    state = device_challenge.state(row)
    done = {
        "isClaimed": row.state != UNCLAIMED,
        "isVerified": state == APPROVED,
        "isConsumed": state in (APPROVED, REJECTED, OVER),
    }
    return {**done, "accessToken": token} if token else done


def claim(device: Authenticator, challenge_id: str) -> DeviceChallenge:
    """Make it this phone's to answer. The first phone has it; no other sees or answers it."""
    row = device_challenge.open_for(_METHOD, device, challenge_id, UNCLAIMED)
    unclaimed = DeviceChallenge.objects.filter(pk=row.pk, state=UNCLAIMED)
    if not unclaimed.update(state=CLAIMED, authenticator=device):
        raise device_challenge.over()
    return row


def _digest(device_code: str) -> str:
    return hashlib.sha256(device_code.encode()).hexdigest()
