"""Signing in by a passkey alone: what the page's script asks for, and where it brings the proof."""

import logging
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods

from .. import addresses, responses, steps, usernameless
from ..client import Sealed
from ..conf import option
from ..flow import Finished
from .challenges import as_json, body_of
from .outcome import already, failed, status_of, too_many

logger = logging.getLogger("django_authsignal")


@sensitive_variables()
@csrf_protect
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters()
def passkey(request: HttpRequest) -> HttpResponse:
    """GET: what to ask Authsignal's Client API for. POST `token`, `nonce`, `next`, as a form or JSON: signs in."""
    if request.method == "POST":
        return _finish(request)
    fault = usernameless.unavailable(option("TENANT_ID", request))
    if fault:
        logger.error("Nobody can sign in by a passkey alone. %s", fault)
        return responses.bad(request, fault if settings.DEBUG else "Signing in by a passkey is not set up here.", 404)
    made = usernameless.offer(request)
    body = {
        "idempotencyKey": made.idempotency_key,
        "nonce": made.nonce,
        "action": made.action,
        "tenantId": made.tenant_id,
        "baseUrl": made.base_url,
        "finishUrl": reverse("authsignal:passkey"),
        "expiresIn": made.expires_in,
    }
    return as_json(request, body)


def _finish(request: HttpRequest) -> HttpResponse:
    given: Mapping[str, Any] = request.POST
    if request.content_type == "application/json":
        try:
            given = body_of(request)
        except BadRequest as exc:
            return responses.bad(request, str(exc))
    token = Sealed(_text(given, "token"))
    nonce, next_page = _text(given, "nonce"), _text(given, "next")
    del given  # what was posted; a report shows it
    _forget_token(request)
    finished = steps.run(usernameless.finish(request, token, nonce, next_page=next_page))
    if finished.ok and not finished.already and not usernameless.sign_in(request, finished):
        finished = Finished(False, "denied", finished.row)
    return _answer(request, finished, next_page)


def _forget_token(request: HttpRequest) -> None:
    """Takes the token out of the form: django-axes keeps the fields of a failed login in a table."""
    if "token" in request.POST:
        left = request.POST.copy()
        del left["token"]
        request.POST = left  # type: ignore[assignment] # a copy, which is no less a QueryDict


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    return value if isinstance(value, str) else ""


def _answer(request: HttpRequest, finished: Finished, next_page: str) -> HttpResponse:
    row, page = finished.row, responses.wants_page(request)
    if not finished.ok or row is None:
        if page and finished.reason == "too_many":
            return too_many(request, finished, next_page=addresses.local(request, next_page))
        if page:
            return failed(request, finished.reason, row, next_page=next_page)
        refused = as_json(request, {"status": "refused", "reason": finished.reason}, status_of(finished.reason))
        return responses.retry_after(refused, finished.retry_after)
    onward = already(request, row) if finished.already else addresses.local(request, finished.return_to) or "/"
    if page:
        return responses.go(request, onward)
    return as_json(request, {"status": "proved", "action": row.action, "returnTo": onward})
