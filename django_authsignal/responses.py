"""The gate's answer in the language of who asked: a page, a redirect, HTMX's header, or problem+json.

RFC 9457 (problem details) and RFC 9470 (step-up challenge) give the form of what API clients get.
"""

from collections.abc import Mapping
from math import ceil
from typing import Any, TypeVar
from urllib.parse import urlencode

from django.conf import settings as django_settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware
from django.shortcuts import render, resolve_url
from django.urls import NoReverseMatch, get_script_prefix, resolve, reverse
from django.utils.cache import patch_vary_headers

from . import addresses, browser, channel, resend
from .binding import FORM_TYPES, SAFE_METHODS
from .client import AuthsignalError, RateLimited, TooManyCalls
from .decision import Decision, Verdict
from .hints import emulator_hint
from .policy import shown, words

Answer = TypeVar("Answer", bound=HttpResponseBase)
STEP_UP_HEADER = 'Bearer error="insufficient_user_authentication"'
SIMPLE_TYPES = (*FORM_TYPES, "text/plain", "")  # bodies that any site may send: Fetch standard, CORS-safelisted
TAB = "tab"  # query parameter: the challenge's page was opened in a tab of its own
STEP_UP_BY_SCRIPT = "Authsignal-Step-Up"  # header: a script of ours asked, which opens a dialog instead of leaving
BUSY = (RateLimited.__name__, TooManyCalls.__name__)  # reasons of the ledger: it is there, and asked too much
FRAMES = ("iframe", "frame", "embed", "object")
# code, status, title of each problem+json answer
PROBLEMS = {
    Verdict.CHALLENGE: ("challenge_required", 401, "Prove it is you to go on."),
    Verdict.NOT_STARTED: ("challenge_required", 401, "Prove it is you to go on."),
    Verdict.SIGN_IN: ("sign_in_required", 401, "Sign in to go on."),
    Verdict.REVIEW: ("review_required", 403, "This waits for a review."),
    Verdict.DENY: ("action_blocked", 403, "This action was denied."),
    Verdict.UNREACHABLE: (
        "authsignal_unreachable",
        503,
        "It cannot be checked that it is you. Try again later.",
    ),
    Verdict.TOO_MANY: ("too_many_tries", 429, "Too many tries. Wait, and try again."),
}

# The ledger's reasons whose remedy is the developer's, shown under DEBUG.
DEVELOPER_HINTS = {
    "allow_is_no_proof": "Authsignal answered ALLOW, which proves nothing. Set the action's outcome to CHALLENGE in "
    "Authsignal's portal, or start the emulator with --default-outcome CHALLENGE.",
    "refused": "Authsignal refused the call; the log says why. Check API_SECRET_KEY, and that API_URL is the one of "
    "your region and ends in /v1.",
    "foreign_page": "Authsignal named a page on another host. Add that host to HOSTED_HOSTS if it is yours.",
    "not_enrolled": "This user has nothing to prove it with. See UNENROLLED, and METHODS, in the settings.",
}


def is_htmx(request: HttpRequest) -> bool:
    """True for a request that HTMX made."""
    return request.headers.get("HX-Request", "").lower() == "true"


def wants_page(request: HttpRequest) -> bool:
    """True when a person navigates and will see the answer; False for fetch, XHR, API clients."""
    mode = request.headers.get("Sec-Fetch-Mode")
    if is_htmx(request):
        return False
    return mode == "navigate" if mode else "text/html" in request.headers.get("Accept", "")


def in_frame(request: HttpRequest) -> bool:
    """True for what is shown inside another page."""
    return request.headers.get("Sec-Fetch-Dest", "") in FRAMES


class PageRedirect(HttpResponseRedirect):
    """A 303: the browser goes on with GET, whatever it came with."""

    status_code = 303


class RepeatRedirect(HttpResponseRedirect):
    """A 307 to the same address: the same method and body come again, through the whole stack."""

    status_code = 307


def respond(request: HttpRequest, decision: Decision) -> HttpResponse:
    """The answer to a decision that is not a pass."""
    if decision.verdict is Verdict.REPEAT:
        return _repeat(request)
    if channel.is_api(request):
        return problem(request, decision)
    if is_htmx(request):
        return _htmx(request, decision)
    if wants_page(request):
        return _PAGES[decision.verdict](request, decision)
    return problem(request, decision)


def protect(request: HttpRequest, response: HttpResponse, *, referrer: str = "same-origin") -> HttpResponse:
    """Headers of every answer of ours: not stored, not framed, the binding cookie set, no address leaked."""
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = referrer  # no-referrer on a page with a form makes Origin null: Django refuses it
    response.setdefault("X-Frame-Options", "DENY")
    # Two callbacks at once: `login()` in the one renews the session's key, and for the other, whose session is gone,
    # Django would delete the cookie, the new one.
    request.COOKIES.pop(django_settings.SESSION_COOKIE_NAME, None)
    patch_vary_headers(response, ("Cookie",))
    browser.apply(request, response)
    return response


def go(request: HttpRequest, url: str, *, kind: type[HttpResponseRedirect] = PageRedirect) -> HttpResponse:
    """A redirect that tells the next page nothing of the address it came from."""
    return protect(request, kind(url), referrer="no-referrer")


def page(request: HttpRequest, name: str, context: Mapping[str, Any], *, status: int = 200) -> HttpResponse:
    """One of the templates `authsignal/<name>.html`."""
    full = {"label": "", "action": "", "return_to": "", **context}
    full.setdefault("home", start_page(request, full["action"]))
    return protect(request, render(request, f"authsignal/{name}.html", full, status=status))


def admin_index(request: HttpRequest) -> str:
    """The index of the admin that this request is for; "" for any other page, an app's own that is called so too."""
    match = request.resolver_match
    if match is None or match.app_name != "admin":
        return ""
    try:
        return reverse("admin:index", current_app=match.namespace)
    except NoReverseMatch:
        return ""


def start_page(request: HttpRequest, action: str = "") -> str:
    """Where somebody who was stopped may go instead: in an admin its index, unless it asks for this action as well;
    else the site's own start page."""
    index = admin_index(request)
    if not index:
        return get_script_prefix()
    view = resolve(f"/{index.removeprefix(get_script_prefix())}").func
    asked = {one.policy().action for one in getattr(view, "authsignal_requirements", ())}
    return get_script_prefix() if action in asked else index


def decided(request: HttpRequest, name: str, decision: Decision, *, status: int, **context: Any) -> HttpResponse:
    """A page about a decision."""
    about = {
        "label": decision.label,
        "action": decision.action,
        "return_to": decision.return_to,
        "expires_at": decision.expires_at,
        "reason": decision.reason,
    }
    return page(request, name, {**about, **context}, status=status)


def challenge_path(decision: Decision) -> str:
    """Our own page of a challenge."""
    return reverse("authsignal:challenge", args=[decision.challenge_id])


# Pages


def _challenge_page(request: HttpRequest, decision: Decision) -> HttpResponse:
    if in_frame(request) and request.method in SAFE_METHODS:
        # Authsignal's page refuses some frames and a framed sign-in teaches people to trust frames: go to the top.
        response = decided(request, "challenge", decision, status=401, url=challenge_path(decision), top=True)
        response["X-Frame-Options"] = "SAMEORIGIN"
        return response
    if request.method in SAFE_METHODS:
        return go(request, decision.url, kind=HttpResponseRedirect)
    if decision.signs_in and not request.user.is_authenticated:
        # A form's POST never redirects to another origin: form-action 'self' blocks it, 307 sends the password.
        return go(request, challenge_path(decision))
    return _waiting_page(request, decision, "challenge", status=403)


def _waiting_page(request: HttpRequest, decision: Decision, state: str, *, status: int) -> HttpResponse:
    """The page that keeps a stopped form in the browser, or says why a form could not send it the same again."""
    kept = resend.keep(request, decision.resend)
    # "Not now" must not lead to the page that would ask again at once.
    here = decision.return_to.partition("?")[0] == request.path
    leave_url = start_page(request, decision.action) if here else decision.return_to
    context: dict[str, Any] = {"leave_url": leave_url, "kept": kept, "state": state}
    path = challenge_path(decision) if decision.challenge_id and state == "challenge" else ""
    if kept.refused:
        return decided(request, "again", decision, status=status, url=path, refused=kept.refused, **context)
    context |= {"challenge_id": decision.challenge_id, "hosted_url": decision.url, "hint": decision.hint}
    context |= {"busy": decision.reason in BUSY, "minutes": minutes(decision.retry_after)}
    context["values"] = [(words(name), shown(value)) for name, value in decision.values.items()]
    context["changed"] = [words(name) for name in decision.changed]
    response = decided(request, "waiting", decision, status=status, url=f"{path}?{TAB}=1" if path else "", **context)
    if in_frame(request):
        response["X-Frame-Options"] = "SAMEORIGIN"  # the form stood in that frame
    return response


def _review_page(request: HttpRequest, decision: Decision) -> HttpResponse:
    if request.method not in SAFE_METHODS and not decision.signs_in:
        if resend.keep(request, decision.resend).refused:
            return go(request, challenge_path(decision))
        return _waiting_page(request, decision, "review", status=403)
    if request.method not in SAFE_METHODS:
        return go(request, challenge_path(decision))
    return decided(request, "review", decision, status=403, url=challenge_path(decision))


def _blocked_page(request: HttpRequest, decision: Decision) -> HttpResponse:
    return decided(request, "blocked", decision, status=403, hint=decision.hint or _developer_hint(decision.reason))


def _developer_hint(reason: str) -> str:
    """What to mend, under DEBUG only; elsewhere the log says it."""
    return DEVELOPER_HINTS.get(reason, "") if django_settings.DEBUG else ""


def _unreachable_page(request: HttpRequest, decision: Decision) -> HttpResponse:
    retry = decision.return_to
    if not decision.signs_in and not resend.keep(request, decision.resend).refused:
        return retry_after(_waiting_page(request, decision, "unreachable", status=503), decision.retry_after)
    if decision.signs_in:
        retry = sign_in_url(decision.return_to)
    context = {"retry_url": retry, "hint": decision.hint, "busy": decision.reason in BUSY}
    return retry_after(decided(request, "unreachable", decision, status=503, **context), decision.retry_after)


def unanswered(request: HttpRequest, error: AuthsignalError, *, retry_url: str) -> HttpResponse:
    """The page for a call of ours that had no usable answer, where nothing was to be decided."""
    busy = type(error).__name__ in BUSY
    context = {"retry_url": retry_url, "hint": emulator_hint(error), "busy": busy}
    return retry_after(page(request, "unreachable", context, status=503), error.retry_after)


def too_many(request: HttpRequest, *, retry_url: str, seconds: float | None, **context: Any) -> HttpResponse:
    """The page for somebody over one of LIMITS."""
    about = {"reason": "too_many", "retry_url": retry_url, "minutes": minutes(seconds), **context}
    return retry_after(page(request, "failed", about, status=429), seconds)


def minutes(seconds: float | None) -> int:
    """Whole minutes to wait, one at least."""
    return max(1, ceil((seconds or 0) / 60))


def _too_many_page(request: HttpRequest, decision: Decision) -> HttpResponse:
    if not decision.signs_in and not resend.keep(request, decision.resend).refused:
        return retry_after(_waiting_page(request, decision, "too_many", status=429), decision.retry_after)
    retry = sign_in_url(decision.return_to) if decision.signs_in else decision.return_to
    about = {"label": decision.label, "action": decision.action, "signs_in": decision.signs_in}
    return too_many(request, retry_url=retry, seconds=decision.retry_after, **about)


def retry_after(response: Answer, seconds: float | None) -> Answer:
    """The response, saying when it is worth trying again, where that is known."""
    if seconds is not None:
        response["Retry-After"] = str(max(1, ceil(seconds)))
    return response


def _sign_in_page(request: HttpRequest, decision: Decision) -> HttpResponse:
    response = redirect_to_login(decision.return_to or "/")
    return protect(request, response)


def _not_started(request: HttpRequest, decision: Decision) -> HttpResponse:
    response = protect(request, HttpResponse(status=401))
    response["WWW-Authenticate"] = STEP_UP_HEADER
    return response


_PAGES = {
    Verdict.CHALLENGE: _challenge_page,
    Verdict.REVIEW: _review_page,
    Verdict.DENY: _blocked_page,
    Verdict.UNREACHABLE: _unreachable_page,
    Verdict.SIGN_IN: _sign_in_page,
    Verdict.NOT_STARTED: _not_started,
    Verdict.TOO_MANY: _too_many_page,
}


def sign_in_url(next_page: str = "") -> str:
    """The site's own sign-in page."""
    url = resolve_url(django_settings.LOGIN_URL)
    if not next_page:
        return url
    return f"{url}{'&' if '?' in url else '?'}{urlencode({'next': next_page})}"


def is_sign_in_page(request: HttpRequest) -> bool:
    """True for the page where visitors are sent: what is asked around it, of a whole admin, must not keep them out."""
    try:
        return request.path == sign_in_url().partition("?")[0]
    except NoReverseMatch:
        return False  # a LOGIN_URL that is nowhere; whoever is sent there is told


def _repeat(request: HttpRequest) -> HttpResponse:
    if not channel.is_api(request) and not request.COOKIES.get(browser.cookie_name(request)):
        # Without cookies it would come again for ever.
        return problem(request, Decision(Verdict.NOT_STARTED, ""))
    kind = HttpResponseRedirect if request.method in SAFE_METHODS else RepeatRedirect
    # Not no-referrer: by the Fetch standard the POST that comes again would say Origin: null, and Django refuse it.
    return protect(request, kind(resend.own_address(request)))


# HTMX, fetch, API clients


def _htmx(request: HttpRequest, decision: Decision) -> HttpResponse:
    response = problem(request, decision)
    if decision.verdict is Verdict.SIGN_IN:
        response["HX-Redirect"] = sign_in_url(decision.return_to)
    elif request.headers.get(STEP_UP_BY_SCRIPT) and decision.verdict is Verdict.CHALLENGE:
        pass
    elif decision.challenge_id and decision.verdict in (Verdict.CHALLENGE, Verdict.REVIEW):
        response["HX-Redirect"] = challenge_path(decision)
    return response


def problem(request: HttpRequest, decision: Decision) -> HttpResponse:
    """The problem+json answer: what is asked, and, for a challenge, how to give it."""
    body = problem_body(decision)
    response = JsonResponse(body, status=body["status"], content_type="application/problem+json")
    if response.status_code == 401:
        response["WWW-Authenticate"] = STEP_UP_HEADER
    return protect(request, retry_after(response, decision.retry_after))


def problem_body(decision: Decision) -> dict[str, Any]:
    """The same as an object, for whatever carries no status."""
    code, status, title = PROBLEMS[decision.verdict]
    body: dict[str, Any] = {"type": "about:blank", "title": title, "status": status, "code": code}
    if decision.action:
        body["action"] = decision.action
    if decision.verdict is Verdict.DENY and decision.reason:
        body["reason"] = decision.reason if decision.reason in ("blocked", "not_enrolled") else "denied"
    if decision.challenge_id and decision.verdict in (Verdict.CHALLENGE, Verdict.REVIEW):
        body |= opened(decision)
    if decision.label:
        body["label"] = decision.label
    if decision.verdict is Verdict.CHALLENGE and decision.refused:
        body["reason"] = decision.refused  # why the proof that came with this request was none
    return body


def invalid_request(request: HttpRequest, exc: BadRequest) -> HttpResponse:
    """The 400 that says why: problem+json for programs, a page without a form for a person."""
    if wants_page(request) and not channel.is_api(request):
        retry = addresses.own_path(request, request.headers.get("Referer"))
        return page(request, "failed", {"reason": "unreadable", "detail": str(exc), "retry_url": retry}, status=400)
    return bad(request, str(exc))


def bad(request: HttpRequest, detail: str, status: int = 400) -> HttpResponse:
    """A problem+json answer to a request that makes no sense."""
    body = {"type": "about:blank", "title": detail, "status": status, "code": "invalid_request"}
    return protect(request, JsonResponse(body, status=status, content_type="application/problem+json"))


def opened(decision: Decision) -> dict[str, Any]:
    """What a client needs to complete an open challenge: the page, or the token for an SDK."""
    body = {"challengeId": str(decision.challenge_id), "url": decision.url, "token": decision.token}
    expires = decision.expires_at.isoformat() if decision.expires_at else None
    return {key: value for key, value in {**body, "expiresAt": expires}.items() if value}


# Forgery


def _view(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


def refuse_forged(request: HttpRequest) -> HttpResponseBase | None:
    """Django's 403 when a request that another site could have sent does not pass Django's own CSRF check, else None.

    Asked before any answer of ours, and before a proof is spent: a view that is csrf_exempt, or whose csrf_protect
    sits inside our decorator, has not been checked yet, and a page of ours must not launder a cross-site POST.
    """
    if channel.is_api(request) and not channel.is_basic(request):
        return None  # no browser sends it by itself
    if request.method in SAFE_METHODS or not (wants_page(request) or _may_be_a_strangers(request)):
        return None
    checker = CsrfViewMiddleware(_view)
    request.csrf_processing_done = False  # type: ignore[attr-defined] # Django's own mark that it is done
    checker.process_request(request)
    return checker.process_view(request, _view, (), {})


def _may_be_a_strangers(request: HttpRequest) -> bool:
    """True for a fetch that browsers send without asking first (no preflight), from another site's page."""
    if request.method != "POST" or request.content_type not in SIMPLE_TYPES or is_htmx(request):
        return False
    site = request.headers.get("Sec-Fetch-Site")
    if site:
        return site not in ("same-origin", "none")
    source = request.headers.get("Origin") or request.headers.get("Referer")
    return bool(source) and not addresses.local(request, source)
