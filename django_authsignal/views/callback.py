"""Where a browser comes back from Authsignal with its token."""

import uuid

from django.http import HttpRequest, HttpResponse
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_GET

from .. import flow, steps
from .outcome import as_page


@sensitive_variables("token")
@require_GET
def callback(request: HttpRequest, challenge_id: uuid.UUID) -> HttpResponse:
    """Finishes a challenge. The token leaves the address bar by a redirect, whatever comes of it."""
    token = request.GET.get("token")
    finished = steps.run(flow.finish(request, challenge_id, token))
    return as_page(request, challenge_id, finished)
