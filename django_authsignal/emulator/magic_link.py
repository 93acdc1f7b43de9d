"""The page that a mailed link opens, on whatever device: it asks, and only its button answers."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import override
from django.views.decorators.http import require_http_methods

from django_authsignal.emulator import hosted_theme
from django_authsignal.emulator.engine import Session
from django_authsignal.emulator.hosted_visit import Visit, language, message, secured
from django_authsignal.emulator.methods import email_magic_link
from django_authsignal.emulator.models import Code


@require_http_methods(["GET", "HEAD", "POST"])
def landing(request: HttpRequest) -> HttpResponse:
    """A GET shows what is asked: mail scanners follow links. The link itself is the form's secret against forgery."""
    given = request.POST if request.method == "POST" else request.GET
    link = given.get("link", "")
    row = email_magic_link.open_link(link)
    if row is None:
        with override(language(request, None)):
            return secured(_over(request))
    with override(language(request, row.action)):
        return _ask(request, row, link)


def _ask(request: HttpRequest, row: Code, link: str) -> HttpResponse:
    if request.method != "POST":
        purpose = Visit(Session(row.user, row.action)).purpose
        context = {"link": link, "purpose": purpose, "address": row.authenticator.email, "asked": row}
        context["theme"] = hosted_theme.context()
        return secured(render(request, "emulator/magic_link.html", context))
    confirmed = request.POST.get("do") == "confirm"
    if not email_magic_link.answer(row, confirmed=confirmed):
        return secured(_over(request))
    if confirmed:
        text = _("Go back to the page where you asked for the link. It goes on by itself.")
        return secured(message(request, title=_("Thank you, it is you"), text=text, tone="good", icon="check"))
    text = _("Nothing was confirmed, and the link no longer works.")
    return secured(message(request, title=_("Refused"), text=text))


def _over(request: HttpRequest) -> HttpResponse:
    text = _("It was used, it is too old, or a newer one was sent. Go back to where you asked for it and start again.")
    return message(request, title=_("This link does not work"), text=text, icon="clock", status=410)
