"""Signing in by a passkey alone: nobody gives a name, the passkey says who it is.

Nothing is written before the proof. The idempotencyKey that the browser names to Authsignal is a keyed hash of the
binding cookie and of a signed nonce; at the end it is made again from this browser's cookie and the nonce that comes
back. So a stranger's proof planted in a browser has another key, and is refused. The ledger's row is inserted then,
under the key: of many requests with one proof exactly one can insert it.
"""

import logging
import secrets
import uuid
from dataclasses import dataclass, field, replace
from datetime import timedelta

from django.contrib.auth.models import AbstractBaseUser
from django.core.signing import BadSignature, SignatureExpired, TimestampSigner
from django.db import IntegrityError, router, transaction
from django.http import HttpRequest
from django.utils import timezone

from . import addresses, browser, channel, flow, ledger, limits, signals, signin
from .client import Sealed
from .client.types import Validated, VerificationMethod
from .conf import get_settings, option
from .decision import Question
from .flow import Finished
from .identity import digest, user_from_id
from .models import Challenge, Kind, Status
from .policy import Policy, get_policy, passwordless
from .steps import Steps

logger = logging.getLogger("django_authsignal")

MAX_NONCE = 200  # characters
# Refusals that a closed row tells a person; whether they have an account here is not told.
TOLD = ("failed", "method")


@dataclass(frozen=True)
class Offer:
    """What a browser needs to ask Authsignal for a passkey, and to bring the proof back. No secret of the site."""

    idempotency_key: str
    nonce: str = field(repr=False)
    action: str
    tenant_id: str
    base_url: str
    expires_in: int  # seconds


def unavailable(tenant: object) -> str:
    """Why nobody can sign in by a passkey alone at this tenant, ending with the fix; "" when they can."""
    if not tenant:
        return "AUTHSIGNAL has no TENANT_ID, which browsers name to Authsignal. Set it from Authsignal's portal."
    if not _policy().accepts(VerificationMethod.PASSKEY):
        return f"A passkey does not sign in. List PASSKEY in PASSWORDLESS_METHODS, and in {_policy().action}'s METHODS."
    return ""


def offer(request: HttpRequest) -> Offer:
    """Begins a sign-in: no row, no query, no call. `browser.apply` must set the cookie on the answer."""
    browser.ensure(request)
    nonce = _signer(request).sign(secrets.token_urlsafe(16))
    policy = _policy()
    return Offer(
        idempotency_key=str(_key(request, nonce)),
        nonce=nonce,
        action=policy.action,
        tenant_id=option("TENANT_ID", request),
        base_url=option("API_URL", request).rstrip("/"),
        expires_in=policy.challenge_age,
    )


def finish(request: HttpRequest, token: Sealed, nonce: str, *, next_page: str = "") -> Steps[Finished]:
    """Takes the proof in; `next_page` is where they want to go.

    Tries are limited; those that end well, or were finished before, are free.
    """
    channel.set_credential(request, "")  # a browser's, whatever Authorization a proxy's own password makes it send
    foreign = _refused_nonce(request, nonce, _policy())
    tried = limits.count(request, "PASSWORDLESS", apart="passkey foreign" if foreign else "passkey")
    if tried.over:
        return replace(_refuse("too_many"), retry_after=tried.retry_after)
    if foreign:
        return _refuse(foreign)
    finished = yield from _finish(request, token, nonce, next_page)
    if finished.ok or finished.reason == "unreachable":
        tried.give_back()
    return finished


def sign_in(request: HttpRequest, finished: Finished) -> bool:
    """Logs in the user of a proof that `finish` took in just now; False, and written, when the backend says no."""
    row, user = finished.row, finished.user
    if row is None or user is None or finished.already:
        return False
    if signin.log_in(request, user, row):
        return True
    if row.move(Status.DENIED, source=Status.PROVED, reason="not_allowed"):
        _tell_denied(request, user, row)
    return False


def _policy() -> Policy:
    return passwordless(get_policy(get_settings().SIGN_IN_ACTION))


def _signer(request: HttpRequest) -> TimestampSigner:
    # For this browser and tenant only: a nonce of another browser is turned away before anybody is asked.
    return TimestampSigner(salt=digest("passkey nonce", browser.current(request), option("TENANT_ID", request)))


def _key(request: HttpRequest, nonce: str) -> uuid.UUID:
    made = digest("passkey key", browser.current(request), option("TENANT_ID", request), nonce)
    return uuid.UUID(hex=made[:32], version=4)


def _finish(request: HttpRequest, token: Sealed, nonce: str, next_page: str) -> Steps[Finished]:
    policy = _policy()
    key = _key(request, nonce)
    before = _finished_before(request, key)
    if before or not token:
        return before or _refuse("missing_token")
    validated = yield from flow.validate(request, token, user_id=None, action=policy.action)
    if isinstance(validated, str):
        return _refuse(validated)
    return _conclude(request, key, policy, validated, next_page)


def _refused_nonce(request: HttpRequest, nonce: str, policy: Policy) -> str:
    if len(nonce) > MAX_NONCE or not nonce.isascii():
        return "foreign"
    try:
        _signer(request).unsign(nonce, max_age=timedelta(seconds=policy.challenge_age))
    except SignatureExpired:
        return "expired"
    except BadSignature:
        return "foreign"
    return ""


def _finished_before(request: HttpRequest, key: uuid.UUID) -> Finished | None:
    row = Challenge.objects.filter(pk=key).first()
    if row is None:
        return None
    if row.status in (Status.PROVED, Status.SPENT):
        return Finished(True, row=row, already=True)
    return Finished(False, row.reason if row.reason in TOLD else "denied", row)


def _conclude(request: HttpRequest, key: uuid.UUID, policy: Policy, validated: Validated, next_page: str) -> Finished:
    # Here, and only here, the user comes from Authsignal's answer: bound to this browser by the key, and to the very id
    # that we give this user.
    user = user_from_id(validated.user_id or "")
    row = _row(request, policy, validated, user, next_page)
    row.pk = key
    reason = flow.refusal_of(row, validated)
    if not validated.user_id or reason in ("invalid", "not_completed"):
        # No row: it would be for whoever asks, and one for what is not completed would close it.
        return _refuse(reason or "invalid")
    if not reason and (user is None or not user.is_active):
        reason = "unknown_user" if user is None else "inactive"
    if reason:
        return _deny(request, user, row, reason)
    row.status, row.proved_at = Status.PROVED, flow.proof_time(validated.state_updated_at)
    if not _insert(row):
        return _finished_before(request, key) or _refuse("gone")
    signals.challenge_passed.send(Challenge, request=request, user=user, challenge=row)
    return Finished(True, row=row, return_to=addresses.local(request, row.return_to), user=user)


def _row(
    request: HttpRequest, policy: Policy, validated: Validated, user: AbstractBaseUser | None, next_page: str
) -> Challenge:
    if user is not None:
        backend, back = signin.default_backend(), signin.destination(request, next_page)
        question = Question(user=user, policy=policy, kind=Kind.PASSWORDLESS, return_to=back, backend=backend)
        row = ledger.new_row(request, question)
    else:
        row = Challenge(
            kind=Kind.PASSWORDLESS,
            action=policy.action,
            authsignal_id=validated.user_id or "",
            tenant=option("TENANT_ID", request),
            browser=browser.current(request),
            methods=sorted(policy.methods or ()),
            ip_address=ledger.address_of(request),
            user_agent=ledger.user_agent_of(request),
            expires_at=timezone.now(),
        )
    row.state = str(validated.state or "")[:64]
    row.verification_method = str(validated.verification_method or "")[:64]
    return row


def _deny(request: HttpRequest, user: AbstractBaseUser | None, row: Challenge, reason: str) -> Finished:
    """Writes a refusal down: of a real proof for this very key, so that strangers without a passkey fill no table."""
    row.status = Status.FAILED if reason == "failed" else Status.DENIED
    row.reason, row.closed_at, row.return_to = reason, timezone.now(), ""
    row.authsignal_id = row.authsignal_id.replace("\0", "")[:512]
    if _insert(row):
        if reason == "failed":
            ledger.failed(request, row, reason)
        else:
            _tell_denied(request, user, row)
    return _refuse(reason if reason in TOLD else "denied", row)


def _tell_denied(request: HttpRequest, user: AbstractBaseUser | None, row: Challenge) -> None:
    signals.action_blocked.send(Challenge, request=request, user=user, challenge=row, reason=row.reason)
    if user is not None:
        ledger.login_failed(request, user)


def _insert(row: Challenge) -> bool:
    try:
        with transaction.atomic(using=router.db_for_write(Challenge)):  # a savepoint, should a test stand around it
            row.save(force_insert=True)
    except IntegrityError:
        return False  # another request with the same proof came first
    return True


def _refuse(reason: str, row: Challenge | None = None) -> Finished:
    logger.warning("A sign-in by passkey was refused: %s", row.reason if row else reason)
    return Finished(False, reason, row)
