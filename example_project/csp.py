"""The strictest Content-Security-Policy the bank can live with. (Django has one of its own from 6.0 on.)"""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        f"connect-src 'self' {settings.EMULATOR_URL}",  # the Client API, for passkeys
        f"frame-src {settings.EMULATOR_URL}",  # its page, in our dialog
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)


class ContentSecurityPolicyMiddleware:
    """Put the policy on every answer, the admin's pages included, unless a view has set its own.

    Django's page of DEBUG for what broke stays without: its styles are inline.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not (settings.DEBUG and response.status_code == 500):
            response.headers.setdefault("Content-Security-Policy", POLICY)
        return response
