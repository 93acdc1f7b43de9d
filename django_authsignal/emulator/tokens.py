"""Client tokens: signed JWTs of ten minutes (a setting of the tenant), in the shape the SDKs read.

Claims: sub, iat, exp, aud, iss, scope, other{tenantId, publishableKey, userId, username, actionCode, idempotencyKey}.
Source: TokenPayload of github.com/authsignal/authsignal-react-native. `emulator` is our own claim.
"""

from __future__ import annotations

import uuid
from functools import lru_cache
from typing import Any, NamedTuple

import jwt
from django.conf import settings

from django_authsignal.emulator import clock, tenant
from django_authsignal.emulator.models import Action, EmulatedUser, SigningKey

ALGORITHM = "ES256"
ALGORITHMS = {"token": ALGORITHM, "session": "RS256"}  # by what a key is for: client tokens, access tokens of sessions
PURPOSES = tuple(ALGORITHMS)
ISSUER = "authsignal-emulator"
READ = "read:authenticators"
ADD = "add:authenticators"
UPDATE = "update:authenticators"
REMOVE = "remove:authenticators"
MANAGE = f"{READ} {ADD} {UPDATE} {REMOVE}"


class Key(NamedTuple):
    """A signing key, loaded."""

    kid: str
    private: Any
    public: Any


class TokenExpired(Exception):
    """The token was ours, and its time is over. Its claims say only where an old link came from."""


class TokenInvalid(Exception):
    """Not a token that this tenant signed."""


def issue(
    user: EmulatedUser,
    action: Action | None,
    *,
    scope: str = READ,
    verified: str = "",
    expires: int | None = None,
    pairs: str = "",
    device: str = "",
) -> str:
    """A token of the tenant's duration, or until `expires`. `verified`: the method of a sign-in without an action.

    `pairs`: the one method whose key it may enrol, as the authenticator with the id `device`. It is good for nothing
    else then, because it is shown to whoever sees the screen.
    """
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
    claims: dict[str, Any] = {
        "sub": user.user_id,
        "iat": issued,
        "exp": issued + 60 * tenant.token_minutes() if expires is None else expires,
        "aud": settings.TENANT_ID,
        "iss": ISSUER,
        "scope": scope,
        "other": other,
        # The row, so that the token of a deleted user is not one of a later user with the same id.
        "emulator": {"user": str(user.pk), "action": action.pk if action else None, "verified": verified},
    }
    if pairs:
        claims["emulator"] |= {"pairs": pairs, "device": device}
        del claims["other"]  # no SDK reads it, and the picture that holds it must stay coarse
    signing = key("token")
    return jwt.encode(claims, signing.private, algorithm=ALGORITHM, headers={"kid": signing.kid})


def read(token: str) -> dict[str, Any]:
    """The claims. Raises TokenExpired or TokenInvalid."""
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key("token").public,
            algorithms=[ALGORITHM],  # never the header's: "none", or HS256 keyed with the public key
            audience=settings.TENANT_ID,
            issuer=ISSUER,
            options={"require": ["exp", "iat", "sub"], "verify_exp": False, "verify_iat": False},
        )
    except (jwt.PyJWTError, ValueError) as exc:
        raise TokenInvalid from exc
    if clock.timestamp() >= claims["exp"]:  # by our clock, which a test may move
        raise TokenExpired(claims)
    return claims


def public_jwk(purpose: str) -> dict[str, Any]:
    """As RFC 7517 writes the public half."""
    found = key(purpose)
    algorithm = ALGORITHMS[purpose]
    jwk: dict[str, Any] = jwt.get_algorithm_by_name(algorithm).to_jwk(found.public, as_dict=True)
    jwk.pop("key_ops", None)
    return {**jwk, "kid": found.kid, "alg": algorithm, "use": "sig"}


@lru_cache(maxsize=len(PURPOSES))
def key(purpose: str) -> Key:
    """Made on the first use and kept in the database."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415  40 ms that a start need not pay

    row = SigningKey.objects.filter(purpose=purpose).first()
    if row is None:
        new = _generate(ALGORITHMS[purpose])
        pem = new.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        defaults = {"kid": str(uuid.uuid4()), "private_key": pem}
        row, _ = SigningKey.objects.get_or_create(purpose=purpose, defaults=defaults)
    private = serialization.load_pem_private_key(row.private_key.encode(), password=None)
    return Key(row.kid, private, private.public_key())


def _generate(algorithm: str) -> Any:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa  # noqa: PLC0415  as late, as above

    if algorithm == "RS256":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())
