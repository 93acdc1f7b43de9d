"""The ways of proof as a visitor reads them, and what of them this visit may use."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from django_authsignal.client.types import VerificationMethod as Method
from django_authsignal.emulator import engine
from django_authsignal.emulator.hosted_visit import Visit
from django_authsignal.emulator.models import Authenticator


@dataclass(frozen=True)
class Way:
    """A line in a list of ways: where it leads and what it says."""

    method: str
    url: str
    name: str | Promise
    text: str | Promise


NAMES = {
    Method.PASSKEY: _("Passkey"),
    Method.AUTHENTICATOR_APP: _("Authenticator app"),
    Method.EMAIL_OTP: _("Code by e-mail"),
    Method.RECOVERY_CODE: _("Recovery code"),
}
ENROL_TEXTS = {
    Method.PASSKEY: _("Your fingerprint, face or screen lock. Quickest, and cannot be phished."),
    Method.AUTHENTICATOR_APP: _("An app on your phone shows a new code every 30 seconds."),
    Method.EMAIL_OTP: _("We send a code to your address each time."),
}
CHALLENGE_TEXTS = {
    Method.PASSKEY: _("Use your fingerprint, face or screen lock."),
    Method.AUTHENTICATOR_APP: _("Type the six digits your app shows."),
    Method.EMAIL_OTP: _("Type the six digits we send you."),
    Method.RECOVERY_CODE: _("Type one of the codes you saved."),
}
PAGES = {
    Method.PASSKEY: "passkey",
    Method.AUTHENTICATOR_APP: "authenticator-app",
    Method.EMAIL_OTP: "email",
    Method.RECOVERY_CODE: "recovery-code",
}


def usable(visit: Visit) -> list[str]:
    """The methods that the user has, this action accepts and these pages can ask; the default first."""
    allowed = engine.allowed_methods(visit.session)
    found = [m for m in engine.enrolled_methods(visit.session) if m in allowed and m in PAGES]
    default = engine.default_method(visit.session)
    found.sort(key=lambda method: method != default)
    if engine.recovery_allowed(visit.session):
        found.append(Method.RECOVERY_CODE)
    return found


def to_prove(visit: Visit, *, besides: str) -> list[Way]:
    """The other ways to prove it, for "try another way"."""
    methods = [Method(m) for m in usable(visit) if m != besides]
    return [Way(m.value, visit.link(f"challenge-{PAGES[m]}"), NAMES[m], CHALLENGE_TEXTS[m]) for m in methods]


def to_enrol(visit: Visit) -> list[Way]:
    """What the user may set up now, or [] when they may not."""
    if not engine.may_enrol(visit.session):
        return []
    methods = [m for m in map(Method, engine.allowed_methods(visit.session)) if m in ENROL_TEXTS]
    return [Way(m.value, visit.link(f"enrol-{PAGES[m]}"), NAMES[m], ENROL_TEXTS[m]) for m in methods]


def has_any(visit: Visit) -> bool:
    """True once the user has a verified way of proof, whatever this action accepts."""
    return bool(engine.enrolled_methods(visit.session))


def newest_address(visit: Visit, *, verified: bool) -> str:
    """The address of the newest e-mail authenticator; unverified: of the enrolment that this action began."""
    rows = Authenticator.objects.filter(
        user=visit.session.user, method=Method.EMAIL_OTP, verified_at__isnull=not verified
    )
    if not verified:
        rows = rows.filter(enrolling_action=visit.session.action)
    row = rows.order_by("-created_at", "-pk").first()
    return row.email if row else ""


def masked(address: str) -> str:
    """`a•••@example.com`: enough to know one's own address, too little to learn another's."""
    local, _at, domain = address.rpartition("@")
    return f"{local[:1]}•••@{domain}" if domain else ""
