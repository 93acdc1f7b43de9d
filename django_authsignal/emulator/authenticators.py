"""Whose authenticators they are: who may change them, what removing one takes along, and the events of it."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from django_authsignal.emulator import clock, engine, events, tokens
from django_authsignal.emulator.engine import Session
from django_authsignal.emulator.models import Authenticator, AuthenticatorConfiguration, EmulatedUser, RecoveryCode
from django_authsignal.emulator.problems import Problem

_NAME_LENGTH = 255


def require_manage(session: Session, row: Authenticator, scope: str) -> None:
    """Raises Problem 403 without the scope or a proof of this session's action in the last ten minutes."""
    engine.require_open(session)
    if scope not in session.scopes and not engine.recently_proved(session):
        raise Problem(403, "forbidden", f"Complete a challenge first, or track with the scope {scope}.")
    fixed = AuthenticatorConfiguration.objects.filter(verification_method=row.method, is_editable_by_user=False)
    if fixed.exists():
        raise Problem(403, "forbidden", f"Users may not change {row.method} here.")


def change(session: Session, row: Authenticator, *, name: str | None, default: bool | None) -> Authenticator:
    """Rename it, and make its method the user's default or no longer so."""
    require_manage(session, row, tokens.UPDATE)
    with transaction.atomic():
        if name:
            row.name = name[:_NAME_LENGTH]
            row.save(update_fields=["name"])
        if default is not None and (default or row.user.default_method == row.method):
            row.user.default_method = row.method if default else ""
            row.user.save(update_fields=["default_method"])
        if name or default is not None:
            tell("authenticator.updated", row)
    return row


def remove_own(session: Session, row: Authenticator) -> None:
    """The last one only after a proof: a scope is the application's word, and who has none left enrols afresh."""
    require_manage(session, row, tokens.REMOVE)
    with transaction.atomic():
        # Locked: of two that are removed at once, the second is the last.
        EmulatedUser.objects.select_for_update().get(pk=row.user_id)
        others = Authenticator.objects.filter(user=row.user, verified_at__isnull=False).exclude(pk=row.pk)
        if not others.exists() and not engine.recently_proved(session):
            raise Problem(403, "forbidden", "This is the last one. Complete a challenge first to remove it.")
        remove(row)


def remove(row: Authenticator) -> None:
    """Delete it, and with the last one the recovery codes; the next enrolment gives new ones."""
    with transaction.atomic():
        user = row.user
        if row.verified_at:
            tell("authenticator.deleted", row, deletedAt=clock.iso(clock.now()))
        row.delete()
        left = Authenticator.objects.filter(user=user, verified_at__isnull=False)
        if not left.exists():
            # An old sheet of paper must not let in who has nothing left.
            RecoveryCode.objects.filter(user=user).delete()
        if user.default_method == row.method and not left.filter(method=row.method).exists():
            EmulatedUser.objects.filter(pk=user.pk).update(default_method="")


def tell(kind: str, row: Authenticator, **more: Any) -> None:
    """An event of it. The public key stays here: at the service too it is sent only to who asked for it."""
    events.tell(
        kind,
        userId=row.user.user_id,
        userAuthenticatorId=str(row.pk),
        verificationMethod=row.method,
        createdAt=clock.iso(row.created_at),
        email=row.email,
        phoneNumber=row.phone_number,
        credentialId=row.credential_id,
        aaguid=row.aaguid,
        credentialName=row.name if row.credential_id else "",
        **more,
    )
