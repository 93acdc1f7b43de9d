"""Client tokens: signed JWTs of ten minutes (a setting of the tenant), in the shape the SDKs read.

Claims: sub, iat, exp, aud, iss, scope, other{tenantId, publishableKey, userId, username, actionCode, idempotencyKey}.
Source: TokenPayload of github.com/authsignal/authsignal-react-native. `emulator` is our own claim.
"""

from __future__ import annotations

import uuid
from functools import lru_cache
from typing import Any

import jwt
from django.conf import settings

from django_authsignal.emulator import clock, tenant
from django_authsignal.emulator.models import Action, EmulatedUser, SigningKey

ALGORITHM = "ES256"
ISSUER = "authsignal-emulator"
READ = "read:authenticators"
ADD = "add:authenticators"
UPDATE = "update:authenticators"
REMOVE = "remove:authenticators"
MANAGE = f"{READ} {ADD} {UPDATE} {REMOVE}"


class TokenExpired(Exception):
    """The token was ours, and its time is over."""


class TokenInvalid(Exception):
    """Not a token that this tenant signed."""


def issue(
    user: EmulatedUser, action: Action | None, *, scope: str = READ, verified: str = "", expires: int | None = None
) -> str:
    """A token of the tenant's duration, or until `expires`. `verified`: the method of a sign-in without an action."""
    other: dict[str, Any] = {
        "tenantId": settings.TENANT_ID,
        "publishableKey": settings.TENANT_ID,
        "userId": user.user_id,
    }
    if user.username:
        other["username"] = user.username
    if action:
        other |= {"actionCode": action.code, "idempotencyKey": action.idempotency_key}
    issued = int(clock.timestamp())
    claims = {
        "sub": user.user_id,
        "iat": issued,
        "exp": issued + 60 * tenant.settings().token_duration_in_minutes if expires is None else expires,
        "aud": settings.TENANT_ID,
        "iss": ISSUER,
        "scope": scope,
        "other": other,
        # The row, so that the token of a deleted user is not one of a later user with the same id.
        "emulator": {"user": str(user.pk), "action": action.pk if action else None, "verified": verified},
    }
    kid, private_key, _ = _key()
    return jwt.encode(claims, private_key, algorithm=ALGORITHM, headers={"kid": kid})


def read(token: str) -> dict[str, Any]:
    """The claims. Raises TokenExpired or TokenInvalid."""
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            _key()[2],
            algorithms=[ALGORITHM],  # never the header's: "none", or HS256 keyed with the public key
            audience=settings.TENANT_ID,
            issuer=ISSUER,
            options={"require": ["exp", "iat", "sub"], "verify_exp": False, "verify_iat": False},
        )
    except (jwt.PyJWTError, ValueError) as exc:
        raise TokenInvalid from exc
    if clock.timestamp() >= claims["exp"]:  # by our clock, which a test may move
        raise TokenExpired
    return claims


@lru_cache(maxsize=1)
def _key() -> tuple[str, Any, Any]:
    """(kid, private, public), made on the first use and kept in the database."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415  40 ms that a start need not pay
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    row = SigningKey.objects.filter(purpose="token").first()
    if row is None:
        pem = (
            ec.generate_private_key(ec.SECP256R1())
            .private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            .decode()
        )
        defaults = {"kid": str(uuid.uuid4()), "private_key": pem}
        row, _ = SigningKey.objects.get_or_create(purpose="token", defaults=defaults)
    private = serialization.load_pem_private_key(row.private_key.encode(), password=None)
    return row.kid, private, private.public_key()
