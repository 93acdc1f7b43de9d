"""Where Authsignal's webhooks arrive: from no browser, so there is no session, no cookie and no CSRF token."""

import logging

from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_POST

from ..client import ConfigurationError, Event, SignatureError, verify
from ..conf import webhook_secrets
from ..events.receiving import BUSY, Answer, receive

logger = logging.getLogger("django_authsignal")

LARGEST = 1_048_576  # bytes of a body; a batch has 500 records at most
TOLERANCE = 300  # seconds by which the time of a signature may differ from ours, either way
TRY_AGAIN = 60  # seconds

TOO_LARGE = Answer(413, "too_large", f"The body is too large. Send {LARGEST} bytes at most.")
UNREADABLE = Answer(400, "invalid_request", "The body did not arrive. Send it again.")
# One answer for every fault of a signature: whoever has no key learns nothing from it.
UNSIGNED = Answer(401, "unauthorized", "The signature is not good.")
NO_KEY = Answer(503, "not_configured", "Webhooks are not set up here.")


@sensitive_variables()
@csrf_exempt
@require_POST
def webhook(request: HttpRequest) -> HttpResponse:
    """POST: an event, or a batch of records, signed by Authsignal. 2xx once it is handled; see docs/webhooks."""
    said = _signed(request)
    return _answer(said if isinstance(said, Answer) else receive(request, said))


@sensitive_variables()
def _signed(request: HttpRequest) -> Event | Answer:
    """The event, or why there is none. Over before anything is done about it: body and keys stay in this frame, which
    no report of a later failure shows."""
    try:
        body = _body(request)
    except UnreadablePostError:
        return UNREADABLE
    if body is None:
        return TOO_LARGE
    try:
        return verify(
            body, request.headers.get("X-Signature-V2"), secrets=webhook_secrets(request), tolerance=TOLERANCE
        )
    except SignatureError as exc:
        logger.warning("A webhook was refused: %s", exc)
        return UNSIGNED
    except ConfigurationError as exc:
        logger.error("Webhooks cannot be received: %s", exc)
        return NO_KEY


@sensitive_variables()
def _body(request: HttpRequest) -> bytes | None:
    """The raw bytes, as they were signed; None for more than we take, of which no more is read than shows that.

    Not `request.body`: its limit is DATA_UPLOAD_MAX_MEMORY_SIZE, which is for forms.
    """
    declared = request.META.get("CONTENT_LENGTH") or ""
    if declared.isdecimal() and int(declared[:12]) > LARGEST:
        return None
    body = b""
    while part := request.read(LARGEST + 1 - len(body)):
        body += part
    return body if len(body) <= LARGEST else None


def _answer(answer: Answer) -> HttpResponse:
    """As problem+json when it is none of the 2xx. Nothing of the event is in it."""
    body: dict[str, object] = {}
    if answer.status >= 400:
        body = {"type": "about:blank", "title": answer.title, "status": answer.status, "code": answer.code}
    response = JsonResponse(body, status=answer.status)
    if body:
        response["Content-Type"] = "application/problem+json"
    if answer == BUSY:
        response["Retry-After"] = str(TRY_AGAIN)
    response["Cache-Control"] = "no-store"
    return response
