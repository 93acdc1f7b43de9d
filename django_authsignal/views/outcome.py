"""What a finished, or refused, proof is answered with."""

import uuid
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import resolve_url
from django.urls import reverse

from .. import addresses, browser, enforcement, responses, signin
from ..enforcement import policy_of
from ..flow import Finished
from ..models import Challenge, Kind, Status
from ..policy import label_for


def as_page(request: HttpRequest, challenge_id: uuid.UUID, finished: Finished, *, tab: bool = False) -> HttpResponse:
    """Sends the browser on: signed in, back to where it was asked, or to the challenge's own page saying why not."""
    row = finished.row
    if not finished.ok or row is None:
        why = reverse("authsignal:challenge", args=[challenge_id])
        return responses.go(request, f"{why}?{urlencode({'reason': finished.reason})}")
    if finished.already:
        return responses.go(request, already(request, row))
    if tab and not row.signs_in:
        # The form waits in the tab that opened this one: here there is nothing to go on with.
        return responses.go(request, f"{reverse('authsignal:challenge', args=[challenge_id])}?{responses.TAB}=1")
    return go_on(request, row, finished)


def already(request: HttpRequest, row: Challenge) -> str:
    """Where the same browser goes that comes a second time: on, and never with a second pass."""
    if row.finish_in_view and row.status == Status.PROVED:
        return signin.view_url(row, addresses.local(request, row.return_to))  # the first answer was lost on the way
    return (_is_theirs(request, row) and addresses.local(request, row.return_to)) or fallback(row)


def _is_theirs(request: HttpRequest, row: Challenge) -> bool:
    """False when somebody else is signed in with this browser by now: where the other was is not theirs to see."""
    user = enforcement.signed_in_user(request)
    return user is None or str(user.pk) == row.user_pk


def fallback(row: Challenge) -> str:
    """Where to go when the row names no page. Never what the address of the callback asks for."""
    if row.kind == Kind.SETTINGS:
        return reverse("authsignal:authenticators")
    return resolve_url(settings.LOGIN_REDIRECT_URL) if row.signs_in else "/"


def go_on(request: HttpRequest, row: Challenge, finished: Finished) -> HttpResponse:
    """After a good proof: finish the sign-in, or go back to the page that asked."""
    if finished.user is None:
        return failed(request, "gone", row)
    if row.finish_in_view:
        return responses.go(request, signin.view_url(row, finished.return_to))
    if row.signs_in and not signin.log_in(request, finished.user, row):
        return responses.page(request, "blocked", {"reason": "denied", **about(row)}, status=403)
    return responses.go(request, addresses.local(request, finished.return_to) or fallback(row))


def about(row: Challenge) -> dict[str, str]:
    """The action of a row, in words."""
    return {"action": row.action, "label": label_for(policy_of(row.action), {})}


def failed(request: HttpRequest, reason: str, row: Challenge | None = None, *, next_page: str = "") -> HttpResponse:
    """The friendly page of a refusal: what it means in plain words, and a way on."""
    context: dict[str, Any] = about(row) if row else {}
    retry = addresses.local(request, (row and _asked_at(request, row)) or next_page)
    signed_out = row is not None and not row.signs_in and enforcement.signed_in_user(request) is None
    if row is None or row.signs_in or signed_out:
        retry = responses.sign_in_url(retry)
    context |= {"reason": reason, "retry_url": retry, "signed_out": signed_out}
    return responses.page(request, "failed", context, status=status_of(reason))


def _asked_at(request: HttpRequest, row: Challenge) -> str:
    """The page that asked, for the browser that began the row and no other; "" where no link can open it.

    Nor for somebody else who has signed in with that browser since. Most closed rows keep no return address: what a GET
    asked for is then opened by its path.
    """
    if not browser.began(request, row.pk, row.browser) or not _is_theirs(request, row):
        return ""
    opens = row.method == "GET" and not row.finish_in_view  # whose path is that of a sign-in page
    return row.return_to or (row.path if opens else "")


def too_many(request: HttpRequest, finished: Finished, *, next_page: str = "") -> HttpResponse:
    """The page of a proof that was not looked at. The challenge is still open: its own page leads there again."""
    row = finished.row
    if row is None:
        return responses.too_many(
            request, retry_url=responses.sign_in_url(next_page), seconds=finished.retry_after, signs_in=True
        )
    retry = reverse("authsignal:challenge", args=[row.pk])
    said = {**about(row), "signs_in": row.signs_in}
    return responses.too_many(request, retry_url=retry, seconds=finished.retry_after, **said)


def status_of(reason: str) -> int:
    """The HTTP status of a refusal."""
    return {"unreachable": 503, "too_many": 429}.get(reason, 403)
