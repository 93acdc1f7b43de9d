"""Where a link of `authsignal_break_glass` leads: a page that says whom it signs in, and a button that does."""

import uuid

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods

from .. import arrivals, responses, signin
from .. import break_glass as links
from .outcome import failed


@sensitive_variables()
@csrf_protect
@require_http_methods(["GET", "HEAD", "POST"])
def break_glass(request: HttpRequest, link_id: uuid.UUID) -> HttpResponse:
    """GET asks, POST signs in. Whoever only opens links (a scanner of mail, a preview) spends nothing."""
    here = reverse("authsignal:break-glass", args=[link_id])
    token = arrivals.take(request)
    if token:
        # Out of the address at once: history, logs and the next page's Referer never hold it.
        links.hold(request, link_id, token)
        return responses.go(request, here)
    if request.method == "POST":
        reason = links.use(request, link_id)
        # A second click of the same browser is only sent on.
        if not reason or (reason == "used" and request.user.is_authenticated):
            return responses.go(request, signin.destination(request))
        return _refused(request, reason)
    row, user, reason = links.held(request, link_id)
    if row is None or user is None:
        return _refused(request, reason)
    context = {"name": user.get_username(), "expires_at": row.expires_at, "here": here, "minutes": links.PASS_AGE // 60}
    return responses.page(request, "break_glass", context)


def _refused(request: HttpRequest, reason: str) -> HttpResponse:
    if reason == "denied":
        return responses.page(request, "blocked", {"reason": "denied"}, status=403)
    return failed(request, "link_used" if reason == "used" else "link_gone")
