"""`EMAIL_HOOK = True`: the codes and magic links of Authsignal, sent by Django's own mail from templates."""

from django.conf import settings as django_settings
from django.core.mail import EmailMultiAlternatives
from django.core.validators import validate_email
from django.template.loader import render_to_string
from django.utils import translation
from django.views.decorators.debug import sensitive_variables

from .. import addresses
from ..client import Event
from ..conf import valid_action
from ..policy import get_policy, label_for


@sensitive_variables()
def send_code(event: Event) -> None:
    """Mails what the event holds to the one address that it names. Raises when it is not handed over.

    `authsignal/mail/code_subject.txt`, `code.txt` and `code.html`, in the language that the event asks for.
    """
    to = event.to or ""
    validate_email(to)  # one address, and nothing that could end a header
    if event.url and not addresses.hosted(event.url):
        raise ValueError("The link leads to a host that HOSTED_HOSTS does not list. Add it if it is yours.")
    if not event.code and not event.url:
        raise ValueError("There is neither a code nor a link in it.")
    with translation.override(language_of(event.locale)):
        context = {"code": event.code or "", "url": event.url or "", "label": _label(event), "event": event}
        subject = " ".join(render_to_string("authsignal/mail/code_subject.txt", context).split())
        mail = EmailMultiAlternatives(subject, render_to_string("authsignal/mail/code.txt", context), None, [to])
        mail.attach_alternative(render_to_string("authsignal/mail/code.html", context), "text/html")
        if mail.send() != 1:
            raise RuntimeError("The mail backend sent nothing.")


def _label(event: Event) -> str:
    if event.action is None or not valid_action(event.action):
        return ""
    policy = get_policy(event.action)
    return label_for(policy, {})


def language_of(locale: str | None) -> str:
    """The site's language that comes closest to a locale such as "pt-BR" or "pt_BR"; else the site's own."""
    try:
        return translation.get_supported_language_variant((locale or "").replace("_", "-").lower())
    except LookupError:
        return django_settings.LANGUAGE_CODE
