"""allauth's headless API: the stage as one of its pending flows, and the endpoint that begins and finishes it.

A browser client is known by its session and binding cookie, an app client by the session its token names.
"""

import json
from typing import Any

from allauth.account.internal.stagekit import clear_login, stash_login
from allauth.account.stages import LoginStageController
from allauth.core.internal.httpkit import is_headless_request
from allauth.headless.base.response import AuthenticationResponse, BaseAuthenticationResponse, UnauthorizedResponse
from allauth.headless.base.views import AuthenticationStageAPIView
from allauth.headless.constants import Client
from allauth.headless.internal.restkit import inputs
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.views.decorators.debug import sensitive_variables

from ... import bearer, channel, flow, responses, signin, steps
from ...client import Sealed
from ...decision import Decision, Verdict
from ...models import Challenge, Channel, Status
from .stages import KEY, AuthsignalStage


def identify(request: HttpRequest) -> None:
    """Tells the gate that an app client comes: by the session that its token names."""
    if is_headless_request(request) == Client.APP:
        if not request.session.session_key:
            request.session.save()
        channel.set_credential(request, f"X-Session-Token: {request.session.session_key}")


def follow(request: HttpRequest, row: Challenge) -> None:
    """Signing in gave the session another key: the proof goes with it."""
    if request.user.is_authenticated:
        identify(request)
        held = Challenge.objects.filter(pk=row.pk, channel=Channel.API, status=Status.PROVED)
        held.update(credential=channel.credential(request))


def held(stage: AuthsignalStage) -> tuple[HttpResponseBase | None, bool]:
    """What the stage answers to allauth's own endpoints."""
    identify(stage.request)
    stash_login(stage.request, stage.login)  # the response says what waits, and by which token to come back
    if steps.in_transaction():
        # A call would hold its locks, and a rollback take the user that may have been made with it: asked by GET.
        return StageResponse(stage.request), True
    decision = stage.ask()
    if decision.passed:
        stage.name_backend()
        return None, True
    return _answer(stage.request, decision), decision.verdict is not Verdict.DENY


class StageResponse(AuthenticationResponse):
    """401 (403 denied, 429 too many, 503 nobody to ask): what waits, in allauth's form, and the challenge in it."""

    def __init__(self, request: HttpRequest, decision: Decision | None = None, *, status: int = 401, error: str = ""):
        self._decision = decision
        BaseAuthenticationResponse.__init__(self, request, user=request.user, status=status)
        if error:
            code, _, message = error.partition(": ")
            body: dict[str, Any] = json.loads(self.getvalue())
            self.content = json.dumps({**body, "errors": [{"code": code, "message": message}]})

    def _get_flows(self, request: HttpRequest, user: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = super()._get_flows(request, user)
        for one in found:
            if one["id"] == KEY:
                client = "app" if is_headless_request(request) == Client.APP else "browser"
                one["endpoint"] = reverse(f"authsignal:allauth-{client}")
                if self._decision is not None and self._decision.challenge_id:
                    one["challenge"] = responses.opened(self._decision)
        return found


def _answer(request: HttpRequest, decision: Decision) -> StageResponse:
    if decision.verdict is Verdict.DENY:
        clear_login(request)
    code, status, title = responses.PROBLEMS[decision.verdict]
    error = "" if decision.verdict is Verdict.CHALLENGE else f"{code}: {title}"
    return responses.retry_after(StageResponse(request, decision, status=status, error=error), decision.retry_after)


class TokenInput(inputs.Input):
    """What a client sends to finish."""

    token = inputs.CharField()


class ChallengeView(AuthenticationStageAPIView):
    """GET begins a challenge, or finds the one that waits; POST {"token"} finishes it, and allauth signs in."""

    stage_class = AuthsignalStage
    input_class = {"POST": TokenInput}
    stage: AuthsignalStage

    def handle(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """allauth finds the login that waits; one that waits in another browser is none."""
        stage = LoginStageController.enter(request, KEY)
        if stage is not None and not stage.is_here():
            return UnauthorizedResponse(request)  # type: ignore[no-any-return] # untyped there
        return super().handle(request, *args, **kwargs)  # type: ignore[no-any-return] # untyped there

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """The pending flow, with the challenge."""
        identify(request)
        decision = self.stage.ask()
        return self._go_on(None) if decision.passed else _answer(request, decision)

    @sensitive_variables()
    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """allauth's answer to a login that is complete, or why the token was no proof."""
        identify(request)
        token = Sealed(self.input.cleaned_data.pop("token"))
        row = self._row(token)
        if row is None:
            return self._refuse("gone")
        finished = steps.run(flow.finish(request, row.pk, token, by=Channel(row.channel)))
        row = finished.row
        if not finished.ok or row is None or not self.stage.goes_by(row):
            return responses.retry_after(self._refuse(finished.reason or "used"), finished.retry_after)
        # A browser's proof may have come by the callback a moment ago; an app's row is its pass, and stays proved.
        mine = not finished.already if row.channel == Channel.API else signin.take(row)
        return self._go_on(row) if mine else self._refuse("used")

    def _row(self, token: Sealed) -> Challenge | None:
        credential = channel.credential(self.request)
        if credential:
            row = bearer.begun(credential, token)
            return row if row is not None and row.pk == self.stage.challenge_id() else None
        known = self.stage.challenge_id()
        return Challenge.objects.filter(pk=known, channel=Channel.BROWSER).first() if known else None

    def _go_on(self, row: Challenge | None) -> HttpResponseBase:
        return AuthenticationResponse.from_response(self.request, self.stage.resume(row))  # type: ignore[no-any-return] # untyped there

    def _refuse(self, reason: str) -> HttpResponseBase:
        if reason == "failed":
            clear_login(self.request)
        status = {"unreachable": 503, "failed": 403, "too_many": 429}.get(reason, 400)
        return StageResponse(self.request, status=status, error=f"{reason}: The token is no proof for this sign-in.")
