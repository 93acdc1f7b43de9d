"""What a finished enrolment is worth, whatever the method."""

from __future__ import annotations

from django_authsignal.emulator import engine, tokens
from django_authsignal.emulator.engine import Session, Verification
from django_authsignal.emulator.methods import recovery_code
from django_authsignal.emulator.models import Authenticator


def complete(session: Session, authenticator: Authenticator) -> Verification:
    """The answer once an authenticator was verified: a new token and, the first time, recovery codes.

    Enrolling is a proof only for who had nothing before; else a scope would turn into a passed challenge.
    """
    others = Authenticator.objects.filter(user=session.user, verified_at__isnull=False)
    if others.exclude(pk=authenticator.pk).exists():
        scope = " ".join(sorted(session.scopes))
        token, codes = tokens.issue(session.user, session.action, scope=scope), []
    else:
        codes = recovery_code.issue(session.user)
        token = engine.complete(session, authenticator.method, authenticator)
    return Verification(is_verified=True, access_token=token, authenticator=authenticator, recovery_codes=tuple(codes))
