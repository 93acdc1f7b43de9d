"""The page that plays a phone with an approval app.

The server gives it nothing but its text: no user, no question, no key. What it does, it does by the Client API that
phones use, with a key that its browser made and never shows. So there is nothing here to be tricked into answering.
"""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import override
from django.views.decorators.http import require_safe

from django_authsignal.emulator import hosted_theme
from django_authsignal.emulator.hosted_visit import language, secured


@require_safe
def phone(request: HttpRequest) -> HttpResponse:
    with override(language(request, None)):
        context = {"tenant": settings.TENANT_ID, "theme": hosted_theme.context()}
        response = secured(render(request, "emulator/phone.html", context))
    # Whoever opened the window must not keep a hand on it: by its # they could put another question before the owner.
    response["Cross-Origin-Opener-Policy"] = "same-origin"
    return response
