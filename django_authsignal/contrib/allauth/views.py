"""The page on which a login of allauth waits: it asks, and it finishes."""

from allauth.account.internal.stagekit import clear_login
from allauth.account.stages import LoginStageController
from allauth.account.utils import get_login_redirect_url
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_GET

from ... import responses, signin
from ...decision import Verdict
from .stages import KEY


@require_GET
def login(request: HttpRequest) -> HttpResponseBase:
    """Asks for the proof of the login that this session has waiting, or resumes it when the proof is there."""
    if request.user.is_authenticated:
        return responses.go(request, get_login_redirect_url(request))
    stage = LoginStageController.enter(request, KEY)
    row = signin.unfinished(request)
    if stage is None or not stage.is_here():
        if row is None and signin.FINISH not in request.GET:
            return responses.go(request, responses.sign_in_url())
        return _failed(request, "expired")
    if row is not None:
        if not stage.goes_by(row) or not signin.take(row):
            return _failed(request, "used")
        return stage.resume(row)  # type: ignore[no-any-return] # untyped there
    decision = stage.ask()
    if decision.passed:
        return stage.resume()  # type: ignore[no-any-return] # untyped there
    if decision.verdict is Verdict.DENY:
        clear_login(request)
    if decision.verdict is Verdict.CHALLENGE and responses.wants_page(request):
        # A form's POST led here, and form-action 'self' follows it: only a page of ours may lead elsewhere.
        return responses.go(request, responses.challenge_path(decision))
    return responses.respond(request, decision)


def _failed(request: HttpRequest, reason: str) -> HttpResponseBase:
    context = {"reason": reason, "retry_url": responses.sign_in_url()}
    return responses.page(request, "failed", context, status=403)
