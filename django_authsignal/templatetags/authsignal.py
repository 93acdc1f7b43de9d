"""`{% load authsignal %}`: the script that proves first, for templates of yours and ours. No network, no query."""

from typing import Any

from django import template
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.middleware.csrf import get_token
from django.templatetags.static import static
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext

register = template.Library()


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
def authsignal_script(context: template.Context) -> SafeString:
    """The ES module (and its stylesheet) that asks in a dialog: marked forms, fetch, HTMX. Once on a page, in its head.

    It holds the page's CSRF token, so the page must not be cached for others; Django's `Vary: Cookie` says so.
    """
    told: dict[str, Any] = {
        "url": reverse("authsignal:challenges"),
        "csrf": get_token(request_of(context, "authsignal_script")),
        "title": gettext("Prove it is you"),
        "tab": gettext("Open it in a new tab"),
        "close": gettext("Not now"),
        "proved": gettext("Proved. You can send it now."),
        "failed": gettext("That proof was not accepted. Nothing was done; close this and try again."),
        "offline": gettext("You are offline. Nothing was done and nothing is lost: it goes on when you are back."),
        "blocked": gettext("This site does not let the page open in here. Open it in a new tab."),
    }
    return format_html(
        '<link rel="stylesheet" href="{}"><script type="module" src="{}" data-authsignal{}></script>',
        static("authsignal/dialog.css"),
        static("authsignal/authsignal.js"),
        format_html_join("", ' data-{}="{}"', told.items()),
    )
