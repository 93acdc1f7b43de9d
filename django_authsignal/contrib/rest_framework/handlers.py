"""For EXCEPTION_HANDLER: the answer to a ChallengeRequired raised deep in a view that has no mixin."""

from typing import Any

from django.http.response import HttpResponseBase
from rest_framework.views import exception_handler as framework_handler
from rest_framework.views import set_rollback

from ... import enforcement, responses, steps
from ...binding import UnreadableFields
from ...decision import AuthsignalInterrupt


def exception_handler(exc: Exception, context: dict[str, Any]) -> HttpResponseBase | None:
    """The framework's own handler, and problem+json for what the gate raised.

    Not needed where AuthsignalMiddleware stands, which answers the same. What could not be asked inside a transaction
    is left to the middleware, which asks when the transaction is over.
    """
    if isinstance(exc, UnreadableFields):
        return responses.invalid_request(context["request"]._request, exc)
    if not isinstance(exc, AuthsignalInterrupt):
        return framework_handler(exc, context)
    if exc.decision is None and steps.in_transaction():
        return None
    set_rollback()
    return steps.run(enforcement.answer(context["request"]._request, exc))
