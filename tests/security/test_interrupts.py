"""The gate's own exceptions, wherever they come from: one answer under both handlers, and never an open door."""

import pytest
from django.http import HttpResponse
from django.template import engines
from django.template.response import TemplateResponse
from django.urls import path

from django_authsignal.decision import ActionBlocked, ChallengeRequired
from tests.conftest import newest
from tests.project.urls import urlpatterns as project_urls

pytestmark = [pytest.mark.django_db, pytest.mark.security, pytest.mark.urls(__name__)]

ASKING = engines["django"].from_string("{% if ask %}{{ ask }}{% endif %}")


def bare(request):
    raise ChallengeRequired


async def bare_async(request):
    raise ActionBlocked


def in_template(request):
    return TemplateResponse(request, ASKING, {"ask": lambda: request.authsignal.require("withdrawFunds") or "shown"})


async def others_async(request):
    await request.authsignal.arequire("deleteOthers")
    return HttpResponse("never")


def caught(request):
    try:
        request.authsignal.require("withdrawFunds")
    except (ChallengeRequired, ActionBlocked) as exc:
        return HttpResponse(f"{type(exc).__name__} {exc.decision.verdict.value}", status=409)
    return HttpResponse("passed")


urlpatterns = [
    *project_urls,
    path("bare/", bare),
    path("async/bare/", bare_async),
    path("in-template/", in_template),
    path("async/others/", others_async),
    path("caught/", caught),
]


@pytest.fixture
def adas(way_in, ada):
    browser = way_in()
    browser.force_login(ada)
    return browser


def test_an_exception_that_says_nothing_is_a_refusal(adas, authsignal, colour):
    assert adas.get(f"{colour}bare/").status_code == 403
    assert adas.fetch(f"{colour}bare/").json()["code"] == "action_blocked"
    assert authsignal.calls == []


def test_a_template_that_asks_is_answered_like_a_view(adas, authsignal):
    assert adas.get("/in-template/").status_code == 302
    adas.prove()
    assert adas.get("/in-template/").content == b"shown"


def test_a_view_may_answer_by_itself(adas, authsignal):
    assert adas.get("/caught/").content == b"ChallengeRequired challenge"
    authsignal.block()
    assert adas.get("/caught/?again").content == b"ActionBlocked deny"
    assert newest().reason == "blocked"


def test_an_action_that_nobody_set_up_is_asked_for_all_the_same(adas, authsignal):
    assert adas.get("/async/others/").status_code == 302
    assert authsignal.calls[-1].action == "deleteOthers"


def test_somebody_not_signed_in_is_sent_to_sign_in_from_deep_code(way_in, db, authsignal, colour):
    answer = way_in().get(f"{colour}deep/?a=1")
    assert answer.headers["Location"] == f"/login/?next={colour}deep/%3Fa%3D1"
    assert authsignal.calls == []
