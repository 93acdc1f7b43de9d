"""What a finished enrolment is worth, whatever the method."""

from __future__ import annotations

from functools import partial

from django_authsignal.emulator import authenticators, engine, tokens
from django_authsignal.emulator.engine import Session, Verification
from django_authsignal.emulator.methods import recovery_code
from django_authsignal.emulator.models import Authenticator


def complete(session: Session, authenticator: Authenticator, *, proves: bool = True) -> Verification:
    """The answer once an authenticator was verified: a new token and, the first time, recovery codes.

    On a page the codes come later: see `recovery_code.give_owed`.

    Enrolling is a proof only for who had nothing before; else a scope would turn into a passed challenge. And only
    where somebody was asked: `proves` is False for a passkey that a browser made by itself.
    """
    authenticators.tell("authenticator.created", authenticator)
    others = Authenticator.objects.filter(user=session.user, verified_at__isnull=False)
    first = not others.exclude(pk=authenticator.pk).exists()
    codes = recovery_code.issue(session.user) if first and not session.on_page else []
    if first and proves:
        # An enrolment that does not pass is none: its recovery codes would never be shown.
        undo = partial(authenticators.remove, authenticator)
        token = engine.complete(session, authenticator.method, authenticator, undo=undo)
    else:
        scope = " ".join(sorted(session.scopes))
        token = tokens.issue(session.user, session.action, scope=scope)
    return Verification(is_verified=True, access_token=token, authenticator=authenticator, recovery_codes=tuple(codes))
