"""The ways of proof as a visitor reads them, and what of them this visit may use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from django_authsignal.client.types import VerificationMethod as Method
from django_authsignal.emulator import engine
from django_authsignal.emulator.hosted_visit import Visit
from django_authsignal.emulator.methods import (
    email_magic_link,
    email_otp,
    passkey,
    push,
    qr_code,
    security_key,
    sms,
    whatsapp,
)
from django_authsignal.emulator.models import Authenticator

_Text = str | Promise


@dataclass(frozen=True)
class Way:
    """A line in a list of ways: where it leads and what it says."""

    method: str
    url: str
    name: _Text
    text: _Text


@dataclass(frozen=True)
class Sending:
    """A method that sends a code or a link, and the words of its pages. `%(to)s` is the address."""

    method: Method
    module: Any  # with enrol, challenge and verify
    title: _Text
    enrol_title: _Text
    enrol_lead: _Text
    will_send: _Text
    sent_title: _Text
    sent: _Text

    @property
    def by_mail(self) -> bool:
        return self.method in (Method.EMAIL_OTP, Method.EMAIL_MAGIC_LINK)

    @property
    def is_link(self) -> bool:
        return self.method == Method.EMAIL_MAGIC_LINK


@dataclass(frozen=True)
class Key:
    """A WebAuthn method, and the words of its pages."""

    method: Method
    module: Any  # with register and authenticate
    path: str  # of its options in the Client API
    title: _Text
    lead: _Text
    button: _Text
    enrol_title: _Text
    enrol_lead: _Text
    enrol_button: _Text


@dataclass(frozen=True)
class Phone:
    """A method that the user's phone answers, and the words of its pages."""

    method: Method
    module: Any  # with ask
    template: str
    on_sight: bool  # True: opening the page asks. False: a GET must not, because it would ring somewhere
    enrol_title: _Text
    enrol_lead: _Text


NAMES: dict[str, _Text] = {
    Method.PASSKEY: _("Passkey"),
    Method.SECURITY_KEY: _("Security key"),
    Method.AUTHENTICATOR_APP: _("Authenticator app"),
    Method.EMAIL_OTP: _("Code by e-mail"),
    Method.EMAIL_MAGIC_LINK: _("Link by e-mail"),
    Method.SMS: _("Code by text message"),
    Method.WHATSAPP: _("Code by WhatsApp"),
    Method.RECOVERY_CODE: _("Recovery code"),
    Method.PUSH: _("Push message"),
    Method.QR_CODE: _("QR code"),
    Method.IN_APP: _("App on a phone"),
}
# In the order in which a page offers them: three that suit most people first.
ENROL_TEXTS = {
    Method.PASSKEY: _("Your fingerprint, face or screen lock. Quickest, and cannot be phished."),
    Method.AUTHENTICATOR_APP: _("An app on your phone shows a new code every 30 seconds."),
    Method.EMAIL_OTP: _("We send a code to your address each time."),
    Method.SECURITY_KEY: _("A key that you plug in or hold to your phone."),
    Method.EMAIL_MAGIC_LINK: _("We send a link to your address each time."),
    Method.SMS: _("We send a code to your phone each time."),
    Method.WHATSAPP: _("We send a code to your WhatsApp each time."),
    Method.PUSH: _("We ask your phone, and you answer yes or no there."),
    Method.QR_CODE: _("You scan a picture with your phone, and answer there."),
}
CHALLENGE_TEXTS = {
    Method.PASSKEY: _("Use your fingerprint, face or screen lock."),
    Method.SECURITY_KEY: _("Plug in your key, or hold it to your phone."),
    Method.AUTHENTICATOR_APP: _("Type the six digits your app shows."),
    Method.EMAIL_OTP: _("Type the six digits we send you."),
    Method.EMAIL_MAGIC_LINK: _("Open the link we send you."),
    Method.SMS: _("Type the six digits we send you."),
    Method.WHATSAPP: _("Type the six digits we send you."),
    Method.PUSH: _("Approve it on your phone."),
    Method.QR_CODE: _("Scan a picture with your phone."),
    Method.RECOVERY_CODE: _("Type one of the codes you saved."),
}
PAGES = {
    Method.PASSKEY: "passkey",
    Method.SECURITY_KEY: "security-key",
    Method.AUTHENTICATOR_APP: "authenticator-app",
    Method.EMAIL_OTP: "email",
    Method.EMAIL_MAGIC_LINK: "magic-link",
    Method.SMS: "sms",
    Method.WHATSAPP: "whatsapp",
    Method.PUSH: "push",
    Method.QR_CODE: "qr-code",
    Method.RECOVERY_CODE: "recovery-code",
}
KEYS = [
    Key(
        Method.PASSKEY,
        passkey,
        "passkey",
        title=_("Use your passkey"),
        lead=_("Your device will ask for your fingerprint, face or screen lock."),
        button=_("Use passkey"),
        enrol_title=_("Create a passkey"),
        enrol_lead=_(
            "Your device will ask for your fingerprint, face or screen lock, and will remember the passkey for you. "
            "It cannot be guessed or phished."
        ),
        enrol_button=_("Create passkey"),
    ),
    Key(
        Method.SECURITY_KEY,
        security_key,
        "security-key",
        title=_("Use your security key"),
        lead=_("Your browser will ask you to plug in your key and touch it."),
        button=_("Use security key"),
        enrol_title=_("Add a security key"),
        enrol_lead=_("Have your key at hand. Your browser will ask you to plug it in and touch it."),
        enrol_button=_("Add security key"),
    ),
]
SENDINGS = [
    Sending(
        Method.EMAIL_OTP,
        email_otp,
        title=_("Get a code by e-mail"),
        enrol_title=_("Codes by e-mail"),
        enrol_lead=_("Each time, we will send a six-digit code to this address."),
        will_send=_("We will send a six-digit code to %(to)s."),
        sent_title=_("Check your e-mail"),
        sent=_("We sent a six-digit code to %(to)s."),
    ),
    Sending(
        Method.EMAIL_MAGIC_LINK,
        email_magic_link,
        title=_("Get a link by e-mail"),
        enrol_title=_("Links by e-mail"),
        enrol_lead=_("Each time, we will send a link to this address."),
        will_send=_("We will send a link to %(to)s."),
        sent_title=_("Check your e-mail"),
        sent=_("We sent a link to %(to)s. Open it on any device, then come back: this page goes on by itself."),
    ),
    Sending(
        Method.SMS,
        sms,
        title=_("Get a code by text message"),
        enrol_title=_("Codes by text message"),
        enrol_lead=_("Each time, we will send a six-digit code to this number."),
        will_send=_("We will send a six-digit code to %(to)s."),
        sent_title=_("Check your messages"),
        sent=_("We sent a six-digit code to %(to)s."),
    ),
    Sending(
        Method.WHATSAPP,
        whatsapp,
        title=_("Get a code by WhatsApp"),
        enrol_title=_("Codes by WhatsApp"),
        enrol_lead=_("Each time, we will send a six-digit code to this number."),
        will_send=_("We will send a six-digit code to %(to)s."),
        sent_title=_("Check WhatsApp"),
        sent=_("We sent a six-digit code to %(to)s."),
    ),
]
PHONES = [
    Phone(
        Method.PUSH,
        push,
        template="challenge_push",
        on_sight=False,
        enrol_title=_("Pair your phone"),
        enrol_lead=_("Each time, we will ask your phone, and you say yes or no there."),
    ),
    Phone(
        Method.QR_CODE,
        qr_code,
        template="challenge_qr_code",
        on_sight=True,
        enrol_title=_("Pair your phone for QR codes"),
        enrol_lead=_("Each time, we will show a picture; you scan it with this phone, and say yes or no there."),
    ),
]


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
    accepted = engine.accepted_methods(visit.session)
    methods = [m for m in ENROL_TEXTS if m in accepted]
    return [Way(m.value, visit.link(f"enrol-{PAGES[m]}"), NAMES[m], ENROL_TEXTS[m]) for m in methods]


def to_choose_from(visit: Visit) -> dict[str, list[Way]]:
    """The same for a page: three at once, the others on demand."""
    offered = to_enrol(visit)
    return {"ways": offered[:3], "more": offered[3:]} if len(offered) > 4 else {"ways": offered, "more": []}


def has_any(visit: Visit) -> bool:
    """True once the user has a verified way of proof, whatever this action accepts."""
    return bool(engine.enrolled_methods(visit.session))


def set_up_here(visit: Visit, method: str) -> str:
    """`method` when this visit's action set it up, else ""."""
    rows = Authenticator.objects.filter(user=visit.session.user, method=method, verified_at__isnull=False)
    return method if method and rows.filter(enrolling_action=visit.session.action).exists() else ""


def newest_address(visit: Visit, method: str, *, verified: bool) -> str:
    """The address of the newest authenticator; unverified: of the enrolment that this action began."""
    rows = Authenticator.objects.filter(user=visit.session.user, method=method, verified_at__isnull=not verified)
    if not verified:
        rows = rows.filter(enrolling_action=visit.session.action)
    row = rows.order_by("-created_at", "-pk").first()
    return (row.email or row.phone_number) if row else ""


def masked(address: str) -> str:
    """`a•••@example.com` or `•••42`: enough to know one's own address, too little to learn another's."""
    local, at, domain = address.rpartition("@")
    if at:
        return f"{local[:1]}•••@{domain}"
    return f"•••{address[-2:]}" if address else ""
