"""The bank's own pages for what goes wrong, with DEBUG on too; what our own code breaks keeps Django's page of DEBUG.

That page reads the request again. Where nobody can read it, that fails again, up to the server: a bare 500.
"""

from collections.abc import Callable

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import TO_FIELD_VAR
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.debug import ExceptionReporter
from django.views.defaults import page_not_found

UNREADABLE = _("The bank could not read that")


class ErrorPagesMiddleware:
    """What is not there gets 404.html, and what Django's admin takes for a fault of its own gets 400.html.

    Last in MIDDLEWARE: its pages pass through the others as a view's do.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if _looks_by_no_field(request):
            return bad_request(request)
        response = self.get_response(request)
        if response.status_code == 404 and request.resolver_match is None:
            # No view was found, so nobody but Django has made this page.
            return page_not_found(request, Http404())
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """What a view did not find, or what nobody could."""
        if isinstance(exception, Http404):
            return page_not_found(request, exception)
        if isinstance(exception, ValueError) and _chooses_no_rows(request):
            return bad_request(request)
        return None


class ErrorReporter(ExceptionReporter):
    """Django's report, which its page of DEBUG shows; instead of it the bank's page where the request is at fault."""

    def get_traceback_html(self) -> str:
        """The whole page."""
        if self._is_the_requests_fault():
            return bad_request(self.request).content.decode()
        return super().get_traceback_html()

    def get_traceback_text(self) -> str:
        """The same for programs."""
        return str(UNREADABLE) if self._is_the_requests_fault() else super().get_traceback_text()

    def _is_the_requests_fault(self) -> bool:
        at_fault = isinstance(self.exc_value, (BadRequest, SuspiciousOperation))
        return at_fault and self.request is not None and not self.is_email


def _looks_by_no_field(request: HttpRequest) -> bool:
    """True for an empty name of the field by which the admin finds an object. No form of its own sends one."""
    if not request.path.startswith(reverse("admin:index")):
        return False
    return "" in (request.POST.get(TO_FIELD_VAR), request.GET.get(TO_FIELD_VAR))


def _chooses_no_rows(request: HttpRequest) -> bool:
    """True for an action of the admin on rows without a number."""
    return not all(row.isdecimal() for row in request.POST.getlist(ACTION_CHECKBOX_NAME))


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """The page for what nobody can read; it must not read it either."""
    return render(request, "400.html", {"unreadable": UNREADABLE}, status=400)
