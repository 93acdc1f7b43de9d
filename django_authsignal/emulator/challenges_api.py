"""Stand-alone challenges of the Server API: /challenge, /verify, /claim and /challenges."""

from __future__ import annotations

from typing import Any

from django_authsignal.emulator import challenges, fields
from django_authsignal.emulator.http import Call
from django_authsignal.emulator.models import ID_LENGTH
from django_authsignal.emulator.server_api import guarded


def challenge(call: Call) -> Any:
    row = challenges.send(call.body)
    return {
        "challengeId": str(row.pk),
        "idempotencyKey": row.idempotency_key,
        "expiresAt": challenges.expires_at(row),
    }


def verify(call: Call) -> Any:
    return challenges.verify(fields.required(call.body, "challengeId"), fields.required(call.body, "verificationCode"))


def claim(call: Call) -> Any:
    return challenges.claim(
        fields.required(call.body, "challengeId"),
        fields.required(call.body, "userId", limit=ID_LENGTH),
        unverified=fields.flag(call.body, "skipVerificationCheck") or False,
    )


def get_challenge(call: Call) -> Any:
    """By the query, which the Java and .NET SDKs send with a POST, or by a body."""
    row = challenges.find({**call.body, **call.query.dict()})
    return challenges.shape(row) if row else {}


ROUTES = [
    guarded("challenge", POST=challenge),
    guarded("verify", POST=verify),
    guarded("claim", POST=claim),
    guarded("challenges", GET=get_challenge, POST=get_challenge),
]
