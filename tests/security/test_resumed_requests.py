"""A request that is sent again after its proof: the whole of it, through the whole stack, or not at all."""

import json

import pytest
from django.http import HttpResponse
from django.urls import path, reverse
from django.views.decorators.csrf import csrf_exempt
from rest_framework.authentication import SessionAuthentication
from rest_framework.response import Response
from rest_framework.throttling import UserRateThrottle
from rest_framework.views import APIView

from django_authsignal.contrib.rest_framework import ChallengeRequiredMixin
from django_authsignal.decorators import challenge_required
from django_authsignal.models import Status
from tests.conftest import PASSWORD, newest
from tests.project.urls import urlpatterns as project

pytestmark = [pytest.mark.django_db, pytest.mark.security, pytest.mark.urls(__name__)]
done = []


@csrf_exempt
@challenge_required("withdrawFunds", methods=["POST", "PUT", "PATCH", "DELETE"])
def act(request):
    done.append((request.method, request.get_full_path(), request.body))
    return HttpResponse("done")


@csrf_exempt
@challenge_required("withdrawFunds", methods=["POST", "PUT", "PATCH", "DELETE"])
async def act_async(request):
    done.append((request.method, request.get_full_path(), request.body))
    return HttpResponse("done")


@challenge_required("withdrawFunds", methods=["POST"])
def form(request):
    done.append((request.POST.dict(), sorted(request.FILES)))
    return HttpResponse("done")


class Twice(UserRateThrottle):
    rate = "2/hour"


class Throttled(ChallengeRequiredMixin, APIView):
    authentication_classes = [SessionAuthentication]
    throttle_classes = [Twice]
    challenge_action = "withdrawFunds"

    def post(self, request):
        done.append(dict(request.data))
        return Response("done")


def seen_by_middleware(get_response):
    def middleware(request):
        response = get_response(request)
        response["X-Walked"] = "all of it"
        return response

    return middleware


urlpatterns = [
    *project,
    path("act/", act),
    path("async/act/", act_async),
    path("form/", form),
    path("throttled/", Throttled.as_view()),
]


@pytest.fixture(autouse=True)
def _nothing_done():
    done.clear()


# 13


@pytest.mark.security(13)
@pytest.mark.parametrize("changed", [{"amount": "251"}, {"payee": "Zoe"}, {"payee": "Mallory"}, {"amount": "25 0"}])
def test_a_proof_of_one_payment_pays_no_other(customer, colour, changed):
    seen = {"amount": "250", "payee": "Zoë"}
    customer.post(f"{colour}pay/", seen)
    customer.prove()
    assert customer.post(f"{colour}pay/", {**seen, **changed}).status_code == 403
    assert newest().status == Status.OPEN  # that one is asked for by itself


# 24


@pytest.mark.security(24)
@pytest.mark.parametrize("token", ["", "x" * 32])
def test_what_comes_again_needs_its_csrf_token_again(way_in, ada, token):
    browser = way_in(enforce_csrf_checks=True)
    browser.force_login(ada)
    right = browser.get("/authsignal/sign-in/").context["csrf_token"]
    assert browser.post("/form/", {"a": "1", "csrfmiddlewaretoken": right}).status_code == 403
    browser.prove()
    assert browser.post("/form/", {"a": "1", "csrfmiddlewaretoken": token}).status_code == 403
    assert done == []
    assert browser.post("/form/", {"a": "1", "csrfmiddlewaretoken": right}).content == b"done"


@pytest.mark.security(24)
def test_what_comes_again_walks_through_every_middleware(settings, way_in, ada):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.seen_by_middleware"]
    customer = way_in()
    customer.sign_in()
    customer.post("/form/", {"a": "1"})
    customer.prove()
    answer = customer.post("/form/", {"a": "1"})
    assert (answer.content, answer.headers["X-Walked"]) == (b"done", "all of it")


@pytest.mark.security(24)
def test_what_comes_again_is_counted_by_its_throttle(customer):
    customer.fetch("/throttled/", "post", data={"a": "1"})
    customer.prove()
    statuses = [customer.fetch("/throttled/", "post", data={"a": "1"}).status_code for _ in range(3)]
    assert statuses == [200, 429, 429]  # the one that was asked for its proof counted too
    assert len(done) == 1


@pytest.mark.security(24)
def test_who_was_deactivated_meanwhile_does_nothing_by_what_waits(customer, ada):
    customer.post("/form/", {"a": "1"})
    customer.prove()
    type(ada).objects.filter(pk=ada.pk).update(is_active=False)
    assert customer.post("/form/", {"a": "1"}).status_code == 302
    assert done == []


# 25

FORM = "application/x-www-form-urlencoded"
BODIES = {
    "a form": ("post", "a=1&a=2&b=%C3%AB", FORM),
    "JSON": ("post", json.dumps({"amount": [1, {"deep": None}]}), "application/json"),
    "XML": ("post", "<pay><amount>5</amount></pay>", "application/xml"),
    "raw bytes": ("post", bytes(range(256)), "application/octet-stream"),
    "PUT": ("put", "a=1", FORM),
    "PATCH": ("patch", '{"a": 1}', "application/json"),
    "DELETE": ("delete", "a=1", FORM),
}


@pytest.mark.security(25)
@pytest.mark.parametrize(("method", "body", "content_type"), BODIES.values(), ids=BODIES)
def test_a_request_runs_with_its_whole_body_or_not_at_all(customer, colour, method, body, content_type):
    where = f"{colour}act/?from=home&many=1&many=2"
    send = getattr(customer, method)
    assert send(where, body, content_type=content_type).status_code in (401, 403)
    assert done == []
    customer.prove()
    assert done == []
    assert send(where, body, content_type=content_type).content == b"done"
    assert done == [(method.upper(), where, body.encode() if isinstance(body, str) else body)]


@pytest.mark.security(25)
def test_a_body_never_holds_anything_of_the_sign_in(way_in, ada):
    """The one request that is stopped for somebody not signed in at all is not kept, and so cannot be mixed up."""
    browser = way_in()
    answer = browser.post("/act/", "secret=of the first request", content_type=FORM)
    assert answer.status_code == 302
    browser.sign_in()
    assert done == []
    browser.post("/act/", "a=1", content_type=FORM)
    browser.prove()
    browser.post("/act/", "a=1", content_type=FORM)
    assert [body for _, _, body in done] == [b"a=1"]
    assert PASSWORD.encode() not in done[0][2]


@pytest.mark.security(25)
@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_a_method_in_a_header_opens_no_door(customer, header):
    assert customer.post("/act/", "a=1", content_type=FORM, headers={header: "GET"}).status_code == 403
    assert done == []


# 27


@pytest.mark.security(27)
def test_coming_from_another_site_by_a_link_neither_sends_nor_goes_on(customer):
    page = customer.post("/form/", {"amount": "731.50"})
    row = newest()
    customer.prove(row)
    elsewhere = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Referer": "https://evil.example/"}
    for address in ("/form/", page.context["url"], reverse("authsignal:callback", args=[row.pk])):
        answer = customer.get(f"{address}?next=https://evil.example/&amount=731.50", headers=elsewhere)
        assert "evil.example" not in answer.headers.get("Location", "")
        assert b"731.50" not in answer.content
    assert [entry for entry in done if entry[0]] == []
