"""Six digits that were sent: by mail, SMS or WhatsApp. One module, so that no channel has limits of its own making."""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils.crypto import salted_hmac

from django_authsignal.client.types import VerificationMethod
from django_authsignal.emulator import clock, engine, enrolment, fields, limits, logs, messages
from django_authsignal.emulator.engine import Session, Verification
from django_authsignal.emulator.models import Authenticator, Code, EmulatedUser
from django_authsignal.emulator.problems import Problem, invalid


@dataclass(frozen=True)
class Sender:
    """A method, and how what it sends travels."""

    method: VerificationMethod
    channel: str  # of the inbox: email, sms or whatsapp
    sends: limits.Limit

    @property
    def by_mail(self) -> bool:
        return self.channel == "email"

    def enrol(self, session: Session, to: str | None = None) -> tuple[Authenticator, Code]:
        """Begin an enrolment and send its code. Without an address, the user's own."""
        pending = self.pending(session, to)
        return pending, self.send_code(session, pending, "enrol")

    def challenge(self, session: Session, authenticator_id: str | None = None, channel: str = "") -> Code:
        """Send a code to the authenticator, or the user's newest; older codes of this action die."""
        row = self.enrolled(session, authenticator_id)
        self.take_send(session)
        return self.send_code(session, row, "challenge", channel)

    def verify(self, session: Session, code: str) -> Verification:
        """Check the newest code of this action. Ten wrong tries in five minutes refuse even the right one."""
        engine.require_open(session)
        attempt = limits.take(session.user, f"try:{self.method}", limits.TRIES)
        if attempt is None:
            logs.tell("CODE_MAX_ATTEMPTS_EXCEEDED", self.method, session.user, session.action)
            return engine.TOO_MANY_TRIES
        with transaction.atomic():
            # Locked: of two first enrolments that finish at once, the second must see the first.
            EmulatedUser.objects.select_for_update().get(pk=session.user.pk)
            rows = self.live(session).filter(digest=digest(session.user, code))
            row = rows.select_related("authenticator__user").first()
            if row is None:
                logs.tell("CODE_INVALID_OR_EXPIRED", self.method, session.user, session.action)
                return engine.WRONG_CODE
            done = self.finish(session, row)
            if done.is_verified:
                limits.give_back(attempt)
                logs.tell("CODE_VALID", self.method, session.user, session.action, **_address(row))
            return done

    # What magic links share.

    def pending(self, session: Session, to: str | None) -> Authenticator:
        """An authenticator that waits for its first proof; counts as a send."""
        engine.require_enrol(session, self.method)
        name = "email" if self.by_mail else "phoneNumber"
        read, own = (fields.email, session.user.email) if self.by_mail else (fields.phone, session.user.phone_number)
        address = read({name: to}, name) or own
        if not address:
            raise invalid(f"body.{name} is required.")
        self.take_send(session)
        return Authenticator.objects.create(
            user=session.user,
            enrolling_action=session.action,
            method=self.method,
            created_at=clock.now(),
            **{"email" if self.by_mail else "phone_number": address},
        )

    def enrolled(self, session: Session, authenticator_id: str | None = None) -> Authenticator:
        """The user's own authenticator of this id, or the newest. Raises Problem invalid_request."""
        engine.require_allowed(session, self.method)
        rows = Authenticator.objects.filter(user=session.user, method=self.method, verified_at__isnull=False)
        if authenticator_id:
            try:
                rows = rows.filter(pk=uuid.UUID(authenticator_id))
            except ValueError:
                rows = rows.none()
        row = rows.order_by("-created_at", "-pk").first()
        if row is None:
            raise invalid(f"The user has no such {self.method} authenticator.")
        return row

    def take_send(self, session: Session) -> None:
        if limits.take(session.user, f"send:{self.method}", self.sends) is None:
            logs.tell("RATE_LIMIT_EXCEEDED", self.method, session.user, session.action)
            raise Problem(429, "too_many_requests", "Too many messages were sent. Try again in ten minutes.")

    def live(self, session: Session) -> QuerySet[Code]:
        """What was sent for this session's action and may still be used."""
        return Code.objects.filter(
            user=session.user,
            action=session.action,
            method=self.method,
            used_at__isnull=True,
            expires_at__gt=clock.now(),
        )

    def store(self, session: Session, row: Authenticator, purpose: str, secret: str) -> Code:
        """Keep the secret's hash; older ones of this method and action die."""
        now = clock.now()
        older = Code.objects.filter(user=session.user, action=session.action, method=self.method, used_at__isnull=True)
        older.update(used_at=now)
        return Code.objects.create(
            user=session.user,
            action=session.action,
            authenticator=row,
            method=self.method,
            purpose=purpose,
            digest=secret,
            created_at=now,
            expires_at=now + timedelta(seconds=settings.CODE_AGE),
        )

    def send_code(self, session: Session, row: Authenticator, purpose: str, channel: str = "") -> Code:
        number = f"{secrets.randbelow(1_000_000):06}"
        with transaction.atomic():
            code = self.store(session, row, purpose, digest(session.user, number))
            if not self.by_mail:
                row.sms_channel = "WHATSAPP" if "whatsapp" in (channel, self.channel) else "DEFAULT"
                row.save(update_fields=["sms_channel"])
        self.deliver(
            code,
            channel or self.channel,
            subject="Your verification code" if self.by_mail else "",
            body=f"Your verification code is {number}. It works for {settings.CODE_AGE // 60} minutes.",
            code=number,
        )
        return code

    def deliver(self, row: Code, channel: str, **message: str) -> None:
        """Not inside a transaction: a webhook may be asked. What it refuses to send is good for nothing."""
        to = row.authenticator.email or row.authenticator.phone_number
        try:
            messages.deliver(channel, to, method=self.method, user=row.user, action=row.action, **message)
        except Problem:
            Code.objects.filter(pk=row.pk).update(used_at=clock.now())
            logs.tell("SEND_DOWNSTREAM_FAILED", self.method, row.user, row.action, **_address(row))
            raise
        logs.tell("SENT", self.method, row.user, row.action, **_address(row))

    def finish(self, session: Session, row: Code) -> Verification:
        """Use it up, and give what it proves. The caller holds the lock of the user."""
        if row.purpose == "enrol":
            engine.require_enrol(session, self.method)
        else:
            engine.require_allowed(session, self.method)
        if not self.live(session).filter(pk=row.pk).update(used_at=clock.now()):
            return engine.WRONG_CODE
        authenticator = row.authenticator
        authenticator.last_verified_at = clock.now()
        if row.purpose == "challenge":
            authenticator.save(update_fields=["last_verified_at"])
            token = engine.complete(session, self.method, authenticator)
            return Verification(is_verified=True, access_token=token, authenticator=authenticator)
        authenticator.verified_at = authenticator.last_verified_at
        authenticator.save(update_fields=["verified_at", "last_verified_at"])
        self._adopt(session.user, authenticator)
        return enrolment.complete(session, authenticator)

    def _adopt(self, user: EmulatedUser, row: Authenticator) -> None:
        """The address that was proved is the user's, unless they have another."""
        users = EmulatedUser.objects.filter(pk=user.pk)
        if self.by_mail and user.email in ("", row.email):
            users.update(email=row.email, email_verified=True)
        elif not self.by_mail and user.phone_number in ("", row.phone_number):
            users.update(phone_number=row.phone_number, phone_number_verified=True)


def _address(row: Code) -> dict[str, str]:
    return {"email": row.authenticator.email, "phoneNumber": row.authenticator.phone_number}


def digest(user: EmulatedUser, code: str) -> str:
    plain = "".join(code.split())
    return salted_hmac("emulator.email", f"{user.pk}:{plain}", algorithm="sha256").hexdigest()
