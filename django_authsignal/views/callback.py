"""Where a browser comes back from Authsignal with its token."""

import uuid

from django.http import HttpRequest, HttpResponse, QueryDict
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_GET

from .. import flow, steps
from .outcome import as_page


def take_token(request: HttpRequest) -> str | None:
    """The token, taken out of the request: whoever logs or reports this request later does not find it there."""
    token = request.GET.get("token")
    request.GET = QueryDict()
    request.META["QUERY_STRING"] = ""
    if hasattr(request, "scope"):  # ASGI: what error trackers, and uvicorn's own access log, read afterwards
        request.scope["query_string"] = b""
    for name in ("RAW_URI", "REQUEST_URI"):  # the whole address, from gunicorn and uWSGI
        if name in request.META:
            request.META[name] = request.META[name].partition("?")[0]
    return token


@sensitive_variables()  # hides those of every frame below too
@require_GET
def callback(request: HttpRequest, challenge_id: uuid.UUID) -> HttpResponse:
    """Finishes a challenge. The token leaves the address bar by a redirect, whatever comes of it."""
    token = take_token(request)
    finished = steps.run(flow.finish(request, challenge_id, token))
    return as_page(request, challenge_id, finished)
