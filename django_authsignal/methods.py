"""Ways of proof in words: what Authsignal's verification methods are called on our pages and in our mail."""

from collections.abc import Iterable

from django.utils.translation import gettext

from .client.types import VerificationMethod


def label_of(method: str) -> str:
    """A verification method in the reader's words; one that we have no name for, in its own."""
    names = {
        "PASSKEY": gettext("Passkey"),
        "AUTHENTICATOR_APP": gettext("Authenticator app"),
        "EMAIL_OTP": gettext("Code by e-mail"),
        "EMAIL_MAGIC_LINK": gettext("Link by e-mail"),
        "SMS": gettext("Code by text message"),
        "WHATSAPP": gettext("Code by WhatsApp"),
        "PUSH": gettext("Your phone"),
        "SECURITY_KEY": gettext("Security key"),
        "RECOVERY_CODE": gettext("Recovery codes"),
    }
    return names.get(method) or method.replace("_", " ").capitalize()


def labels_of(methods: Iterable[str]) -> list[str]:
    """Several of them, each once, in their order."""
    return list(dict.fromkeys(label_of(method) for method in methods))


def is_a_way_in(method: str, accepted: frozenset[str] | None) -> bool:
    """True when somebody can still sign in with it: accepted, and no recovery codes, which run out."""
    return method != VerificationMethod.RECOVERY_CODE and (accepted is None or method in accepted)
