"""Requests that another site makes a victim's browser send: they begin nothing and spend nothing."""

import json

import pytest
from django.http import HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from django_authsignal.decorators import challenge_required
from tests.conftest import newest
from tests.project.urls import urlpatterns as project_urls

pytestmark = [pytest.mark.django_db, pytest.mark.security, pytest.mark.urls(__name__)]


@csrf_exempt
def deep_exempt(request):
    request.authsignal.require("withdrawFunds")
    return HttpResponse("deep")


@csrf_exempt
async def deep_exempt_async(request):
    await request.authsignal.arequire("withdrawFunds")
    return HttpResponse("deep")


@csrf_exempt
@challenge_required("deleteAccount")
def exempt_once(request):
    return HttpResponse("deleted")


@csrf_exempt
@challenge_required("deleteAccount")
async def exempt_once_async(request):
    return HttpResponse("deleted")


urlpatterns = [
    *project_urls,
    path("deep-exempt/", deep_exempt),
    path("async/deep-exempt/", deep_exempt_async),
    path("exempt-once/", exempt_once),
    path("async/exempt-once/", exempt_once_async),
]

FROM_ELSEWHERE = {
    "form": {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    "fetch": {"Sec-Fetch-Mode": "no-cors", "Accept": "*/*", "Origin": "https://evil.example"},
    "fetch without an origin": {"Sec-Fetch-Mode": "no-cors", "Accept": "*/*", "Sec-Fetch-Site": "cross-site"},
    "fetch of a sandbox": {"Sec-Fetch-Mode": "no-cors", "Accept": "*/*", "Origin": "null"},
    "subdomain": {"Sec-Fetch-Mode": "no-cors", "Accept": "*/*", "Origin": "http://blog.testserver"},
    "old browser": {"Sec-Fetch-Mode": "", "Accept": "*/*", "Referer": "https://evil.example/"},
}


@pytest.fixture
def victim(way_in, ada):
    browser = way_in(enforce_csrf_checks=True)
    browser.force_login(ada)
    return browser


@pytest.mark.security(57)
@pytest.mark.parametrize("kind", FROM_ELSEWHERE)
@pytest.mark.parametrize("where", ["exempt/", "deep-exempt/", "exempt-once/"])
def test_a_forged_request_begins_nothing(victim, authsignal, colour, where, kind):
    answer = victim.post(f"{'/' if where == 'exempt/' else colour}{where}", {"a": "1"}, headers=FROM_ELSEWHERE[kind])
    assert answer.status_code == 403
    assert authsignal.calls == []
    assert newest() is None


@pytest.mark.parametrize("kind", FROM_ELSEWHERE)
def test_a_forged_request_does_not_cost_somebody_their_waiting_proof(victim, colour, kind):
    token = victim.get("/authsignal/sign-in/").context["csrf_token"]
    victim.post(f"{colour}exempt-once/", {"csrfmiddlewaretoken": token})
    victim.prove()
    assert victim.post(f"{colour}exempt-once/", {"a": "1"}, headers=FROM_ELSEWHERE[kind]).status_code == 403
    assert victim.post(f"{colour}exempt-once/", {"csrfmiddlewaretoken": token}).content == b"deleted"


def test_a_stopped_form_holds_the_token_of_a_cookie_that_no_middleware_read(settings, victim, colour):
    settings.MIDDLEWARE = [one for one in settings.MIDDLEWARE if "csrf" not in one]
    victim.cookies["csrftoken"] = "a" * 32
    page = victim.post(f"{colour}exempt-once/", {"csrfmiddlewaretoken": "a" * 32})
    victim.prove()
    again = {"csrfmiddlewaretoken": str(page.context["csrf_token"])}
    assert victim.post(f"{colour}exempt-once/", again).content == b"deleted"


OF_OUR_OWN = {
    "fetch": {"Sec-Fetch-Mode": "cors", "Accept": "*/*", "Origin": "http://testserver"},
    "fetch of the same origin": {"Sec-Fetch-Mode": "cors", "Accept": "*/*", "Sec-Fetch-Site": "same-origin"},
    "no browser": {"Sec-Fetch-Mode": "", "Accept": "application/json"},
}


@pytest.mark.parametrize("kind", OF_OUR_OWN)
@pytest.mark.parametrize("where", ["deep-exempt/", "exempt-once/"])
def test_a_script_of_our_own_pages_is_challenged_where_its_view_wants_no_csrf_token(victim, colour, where, kind):
    answer = victim.post(f"{colour}{where}", {"a": "1"}, headers=OF_OUR_OWN[kind])
    assert (answer.status_code, json.loads(answer.content)["code"]) == (401, "challenge_required")


def test_json_of_another_origin_that_a_preflight_let_in_is_challenged(victim, colour):
    headers = {"Sec-Fetch-Mode": "cors", "Accept": "*/*", "Origin": "https://app.example"}
    answer = victim.post(f"{colour}deep-exempt/", "{}", content_type="application/json", headers=headers)
    assert answer.status_code == 401
