"""In-app: the app that asks is on the phone that has the key, so one signature is the whole proof."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from django_authsignal.client.types import VerificationMethod
from django_authsignal.emulator import clock, engine, fields, tenant
from django_authsignal.emulator.engine import Verification
from django_authsignal.emulator.methods import ceremony, device_key
from django_authsignal.emulator.models import Authenticator, WebAuthnChallenge
from django_authsignal.emulator.problems import Problem, invalid

_METHOD = VerificationMethod.IN_APP
# A challenge of `POST /client/challenge`, which does not know yet whether a passkey or a device will answer it.
_KIND = ceremony.Kind(_METHOD, name="In-app", purpose="")


def verify(body: dict[str, Any]) -> Verification:
    """Spend the challenge on the device's signature over its id. Raises Problem."""
    if not tenant.is_offered(_METHOD):
        raise invalid(f"The tenant has switched off {_METHOD}.")
    challenge_id = fields.required(body, "challengeId")
    device = device_key.signed_by(_METHOD, body, challenge_id)
    row = ceremony.open_challenge(_KIND, "authenticate", challenge_id, session=None, browser="")
    if row.username and row.username != device.user.username:
        raise Problem(400, "unknown_credential", "This device is not known for this user.")
    if not WebAuthnChallenge.objects.filter(pk=row.pk, used_at__isnull=True).update(used_at=clock.now()):
        raise invalid("The challenge was used already. Begin another.")
    with transaction.atomic():
        session = engine.sign_in(device.user, row.action_code, row.idempotency_key, _METHOD, {})
        Authenticator.objects.filter(pk=device.pk).update(last_verified_at=clock.now())
        token = engine.complete(session, _METHOD, device)
    return Verification(is_verified=True, access_token=token, authenticator=device)
