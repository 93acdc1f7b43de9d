"""Sessions of app clients: an access token (RS256) and a refresh token that is new each time.

One proof makes one session: a token that leaks from a URL cannot make a second. A refresh token that comes back
after it was used is in two hands, so its session ends.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid
from datetime import timedelta
from typing import Any

import jwt
from django.db import IntegrityError, transaction

from django_authsignal.emulator import clock, engine, tokens
from django_authsignal.emulator.models import AppClient, AppSession
from django_authsignal.emulator.problems import Problem, invalid

ALGORITHM = "RS256"
ACCESS_AGE = timedelta(minutes=10)
REFRESH_AGE = timedelta(days=30)  # since the last refresh
RESERVED = frozenset({"iss", "sub", "aud", "exp", "nbf", "iat", "jti"})
_DEAD = "The session is unknown, expired or revoked."


def create(token: str, client_id: str, action: str | None) -> dict[str, str]:
    """A session for the user of a completed challenge."""
    client = AppClient.objects.filter(client_id=client_id).first()
    if client is None:
        raise invalid("body.clientId is not that of an app client.")
    proved = engine.validate(token, None, action)
    if not proved["isValid"]:
        raise Problem(401, "unauthorized", "The token is not of a completed challenge of this action.")
    session = engine.open_token(token)
    proof = f"action:{session.action.pk}" if session.action else f"token:{_hash(token)}"
    secret, now = secrets.token_hex(32), clock.now()
    row = AppSession(
        client=client,
        user=session.user,
        proof=proof,
        verification_method=proved.get("verificationMethod", ""),
        refresh_digest=_hash(secret),
        created_at=now,
        refreshed_at=now,
    )
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        raise Problem(401, "unauthorized", "This proof has made a session already.") from None
    return _pair(row, secret)


def validate(token: str, client_ids: list[str] | None) -> tuple[AppSession, int]:
    """The living session of an access token, and when the token ends. Raises Problem 401."""
    row, claims = _open(token)
    if clock.timestamp() >= claims["exp"]:
        raise Problem(401, "expired_token", "The access token has expired. Refresh it.")
    if client_ids is not None and row.client.client_id not in client_ids:
        raise Problem(401, "unauthorized", "The session is of another app client.")
    return row, claims["exp"]


def refresh(token: str) -> dict[str, str]:
    """A new pair; the old one is worth nothing from then on."""
    session_id, secret = token[:32], token[32:]
    try:
        key = uuid.UUID(session_id)
    except ValueError:
        raise Problem(401, "unauthorized", _DEAD) from None
    with transaction.atomic():
        row = AppSession.objects.select_for_update().filter(pk=key, revoked_at__isnull=True).first()
        if row and hmac.compare_digest(row.refresh_digest, _hash(secret)) and _is_fresh(row):
            secret = secrets.token_hex(32)
            row.access_id, row.refresh_digest, row.refreshed_at = uuid.uuid4(), _hash(secret), clock.now()
            row.save(update_fields=["access_id", "refresh_digest", "refreshed_at"])
            return _pair(row, secret)
        if row:  # a used one: one of its two holders is a thief, and nobody knows which
            row.revoked_at = clock.now()
            row.save(update_fields=["revoked_at"])
    raise Problem(401, "unauthorized", _DEAD)


def revoke(token: str) -> None:
    """End the session of its newest access token, expired or not: signing out must always work."""
    row, _ = _open(token)
    AppSession.objects.filter(pk=row.pk).update(revoked_at=clock.now())


def revoke_all(user_id: str) -> None:
    AppSession.objects.filter(user__user_id=user_id, revoked_at__isnull=True).update(revoked_at=clock.now())


def _open(token: str) -> tuple[AppSession, dict[str, Any]]:
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            tokens.key("session").public,
            algorithms=[ALGORITHM],  # never the header's
            issuer=tokens.ISSUER,
            options={
                "require": ["exp", "iat", "sub", "jti", "aud"],
                "verify_exp": False,  # by our clock, and by the caller
                "verify_iat": False,
                "verify_aud": False,  # compared with the session's own client
            },
        )
        rows = AppSession.objects.filter(access_id=uuid.UUID(claims["jti"]), revoked_at__isnull=True)
    except (jwt.PyJWTError, ValueError):
        raise Problem(401, "unauthorized", "The access token is not valid.") from None
    row = rows.select_related("client", "user").first()
    if row is None or claims["aud"] != row.client.client_id or not _is_fresh(row):
        raise Problem(401, "unauthorized", _DEAD)
    return row, claims


def _is_fresh(row: AppSession) -> bool:
    return clock.now() - row.refreshed_at < REFRESH_AGE


def _pair(row: AppSession, secret: str) -> dict[str, str]:
    key, issued = tokens.key("session"), int(clock.timestamp())
    claims = {
        **row.client.custom_claims,
        # Last: no claim of an app client's may say who signed, for whom, or until when.
        "iss": tokens.ISSUER,
        "sub": row.user.user_id,
        "aud": row.client.client_id,
        "iat": issued,
        "exp": issued + int(ACCESS_AGE.total_seconds()),
        "jti": str(row.access_id),
    }
    access = jwt.encode(claims, key.private, algorithm=ALGORITHM, headers={"kid": key.kid})
    return {"accessToken": access, "refreshToken": row.pk.hex + secret}


def _hash(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()
