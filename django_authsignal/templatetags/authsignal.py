"""`{% load authsignal %}`: the script that proves first, passkeys, what is proved. No tag makes a call or a query."""

import logging
from collections.abc import Mapping
from typing import Any

from django import template
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.http.request import HttpHeaders
from django.middleware.csrf import get_token
from django.templatetags.static import static
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from .. import addresses, deadlines, usernameless
from ..client import ConfigurationError
from ..conf import option
from ..enforcement import RequestGate, gate, signed_in_user
from ..policy import check_action

logger = logging.getLogger("django_authsignal")
register = template.Library()
MODES = ("dialog", "tab", "redirect")


def request_of(context: template.Context, tag: str) -> HttpRequest:
    """The request a template is rendered for. Raises ImproperlyConfigured when the context has none."""
    found = context.get("request")
    if not isinstance(found, HttpRequest):
        raise ImproperlyConfigured(
            f"{{% {tag} %}} needs the request. Render with render(request, …), or add "
            "'django.template.context_processors.request' to the template's context processors."
        )
    return found


@register.simple_tag(takes_context=True)
def authsignal_enrolment_due(context: template.Context) -> deadlines.EnrolmentDue | None:
    """`{% authsignal_enrolment_due as due %}`: what the user has to set up, and by when (`by`, `days_left`, `labels`).

    None: nothing, or EnrolmentDeadlineMiddleware is not there.
    """
    return gate(request_of(context, "authsignal_enrolment_due")).enrolment_due


@register.simple_tag(takes_context=True)
def authsignal_script(context: template.Context, mode: str = "dialog") -> SafeString:
    """The ES module (and its stylesheet) that proves first: marked forms, fetch, HTMX. Once on a page, in its head.

    `mode`: "dialog", "tab" (a new one) or "redirect", which leaves the page: what was sent is then done again.
    It holds the page's CSRF token, so the page must not be cached for others; Django's `Vary: Cookie` says so.
    """
    if mode not in MODES:
        raise template.TemplateSyntaxError(f"authsignal_script mode={mode!r}: use one of {', '.join(MODES)}.")
    request = request_of(context, "authsignal_script")
    told: dict[str, Any] = {
        "mode": mode,
        "url": reverse("authsignal:challenges"),
        "header": HttpHeaders.parse_header_name(settings.CSRF_HEADER_NAME) or "X-CSRFToken",
        "csrf": get_token(request),
        "title": gettext("Prove it is you"),
        "tab": gettext("Open it in a new tab"),
        "close": gettext("Not now"),
        "elsewhere": gettext("Prove it in the other tab, then come back here."),
        "proved": gettext("Proved. You can send it now."),
        "over": gettext("The time for that proof is over. Nothing was done. Send it to be asked anew."),
        "failed": gettext("That proof was not accepted. Nothing was done; close this and try again."),
        "offline": gettext("You are offline. Nothing was done and nothing is lost: it goes on when you are back."),
        "blocked": gettext("This site does not let the page open in here. Open it in a new tab."),
    }
    return format_html(
        '<link rel="stylesheet" href="{}"{}><script type="module" src="{}"{} data-authsignal{}></script>',
        static("authsignal/dialog.css"),
        nonce_of(request),
        static("authsignal/authsignal.js"),
        nonce_of(request),
        format_html_join("", ' data-{}="{}"', told.items()),
    )


def nonce_of(request: HttpRequest) -> SafeString:
    """The attribute `nonce` for a policy that lets scripts in by it: django-csp's, or Django's own; else nothing."""
    for name in ("csp_nonce", "_csp_nonce"):
        found = getattr(request, name, None)
        if found is not None:  # Django's is false until somebody has written it into the page
            return format_html(' nonce="{}"', found)
    return SafeString("")


@register.simple_tag(takes_context=True)
def authsignal_nonce(context: template.Context) -> SafeString:
    """` nonce="…"` for a script of a page of ours, where the project's Content-Security-Policy has one."""
    request = context.get("request")
    return nonce_of(request) if isinstance(request, HttpRequest) else SafeString("")


def _gate(context: template.Context, tag: str, action: Any) -> RequestGate:
    request = request_of(context, tag)
    try:
        check_action(action)
    except ConfigurationError as exc:
        # A variable that is not there arrives as "", which must not answer for another action.
        raise ConfigurationError(f"{{% {tag} %}}: {exc} Put its code in quotes, or check the variable.") from exc
    found = gate(request)
    if signed_in_user(request) is not None:
        found.private = True  # it says what one user proved: no shared cache may show it to the next
    return found


@register.simple_tag(takes_context=True)
def authsignal_passed(context: template.Context, action: str, max_age: int | None = None) -> bool:
    """True while the user has a pass for the action: `{% authsignal_passed "withdrawFunds" as passed %}`.

    Raises ConfigurationError for what is no action code, and for a `max_age` wider than the policy's.
    """
    return _gate(context, "authsignal_passed", action).passed(action, max_age)


@register.simple_tag(takes_context=True)
def authsignal_seconds_left(context: template.Context, action: str) -> int | None:
    """Seconds that the action's pass still counts; 0 without one, None for as long as the session."""
    return _gate(context, "authsignal_seconds_left", action).seconds_left(action)


@register.simple_tag
def authsignal_authenticators_url() -> str:
    """Where the signed-in user sees, adds and removes their ways of proof."""
    return reverse("authsignal:authenticators")


@register.inclusion_tag("authsignal/passkey.html", takes_context=True)
def authsignal_passkey_autofill(
    context: template.Context, next_page: str = "", button_class: str = ""
) -> Mapping[str, Any]:
    """A button that signs in by a passkey alone, and passkeys in the autofill of the page's name field.

    Put it outside the page's own form, and `autocomplete="username webauthn"` on the name field. `next_page`: where to
    go; by default the `next` that the page itself was asked for. Nothing is shown where it is not set up: the log says
    why, and, under DEBUG, the page.
    """
    request = request_of(context, "authsignal_passkey_autofill")
    fault = usernameless.unavailable(option("TENANT_ID", request))
    if fault:
        logger.error("{%% authsignal_passkey_autofill %%} shows nothing. %s", fault)
    asked = next_page or context.get("next") or request.GET.get("next")
    return {
        "fault": fault,
        "hint": fault if settings.DEBUG else "",
        "next": addresses.local(request, asked if isinstance(asked, str) else ""),
        "nonce": nonce_of(request),
        "button_class": button_class or "authsignal-button authsignal-quiet",
    }
