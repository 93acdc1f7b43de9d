"""A step-up from the question to the proof and back, and what it costs."""

import types

import pytest
from django.contrib.auth.views import LoginView
from django.http import HttpResponse
from django.test import AsyncClient
from django.urls import include, path, reverse

from django_authsignal.models import Challenge, Status
from tests.conftest import PASSWORD, newest
from tests.project import views
from tests.project.urls import urlpatterns as project_urls

pytestmark = pytest.mark.django_db


async def _open_async(request):
    return HttpResponse("open to all")


urlpatterns = [
    *project_urls,
    path("open/", lambda request: HttpResponse("open to all")),
    path("async/open/", _open_async),
]


def operations(authsignal):
    return [call.operation for call in authsignal.calls]


def test_a_step_up_costs_exactly_two_calls_and_returns_to_its_page(adas, authsignal, colour):
    there = adas.get(f"{colour}withdraw/?page=2")
    assert there.status_code == 302
    assert there.headers["Location"].startswith("https://mfa.authsignal.com/?token=")
    back = adas.prove()
    assert (back.status_code, back.headers["Location"]) == (303, f"{colour}withdraw/?page=2")
    assert adas.get(f"{colour}withdraw/?page=2").content == b"withdrawn"
    assert operations(authsignal) == ["track", "validate_challenge"]


def test_a_fresh_pass_costs_no_call_and_no_query_beyond_session_and_user(
    adas, authsignal, colour, django_assert_num_queries, settings
):
    adas.step_up()
    adas.get(f"{colour}withdraw/")
    calls = len(authsignal.calls)
    session_and_user = 2 if settings.SESSION_ENGINE.endswith(".db") else 1
    with django_assert_num_queries(session_and_user):
        assert adas.get(f"{colour}withdraw/").content == b"withdrawn"
    assert len(authsignal.calls) == calls


@pytest.mark.urls(__name__)
@pytest.mark.parametrize("proved", [False, True])
def test_a_page_that_asks_for_nothing_may_be_cached_for_everybody(adas, colour, proved):
    if proved:
        adas.step_up()
    answer = adas.get(f"{colour}open/")
    assert answer.content == b"open to all"
    assert not answer.has_header("Vary")
    assert not answer.has_header("Cache-Control")


@pytest.mark.urls(__name__)
def test_a_page_that_asks_for_nothing_costs_no_query_in_a_browser_that_began_nothing(
    adas, colour, django_assert_num_queries
):
    with django_assert_num_queries(0):
        assert adas.get(f"{colour}open/").content == b"open to all"


def test_a_pass_counts_for_every_view_of_its_action(adas):
    adas.step_up("/withdraw/")
    assert adas.get("/transfer/").content == b"transferred"
    assert adas.post("/transfer/").content == b"transferred"
    assert adas.get("/async/deep/").content == b"deep"


def test_a_pass_counts_for_no_other_action(adas):
    adas.step_up("/withdraw/")
    assert adas.post("/delete/").status_code == 403


def test_track_is_told_who_what_where_and_how_to_come_back(adas, ada, authsignal):
    adas.get("/withdraw/", headers={"User-Agent": "Firefox"}, REMOTE_ADDR="203.0.113.7")
    row, sent = newest(), authsignal.calls[0]
    assert (sent.user_id, sent.action) == (str(ada.pk), "withdrawFunds")
    assert sent.json == {
        "idempotencyKey": str(row.pk),
        "redirectUrl": f"http://testserver/authsignal/callback/{row.pk}/",
        "ipAddress": "203.0.113.7",
        "userAgent": "Firefox",
    }


def test_a_reload_reuses_the_open_challenge(adas, authsignal, colour):
    first = adas.get(f"{colour}withdraw/").headers["Location"]
    assert adas.get(f"{colour}withdraw/").headers["Location"] == first
    assert operations(authsignal) == ["track"]


@pytest.mark.parametrize("method", ["head", "options"])
def test_head_and_options_never_begin_a_challenge(adas, authsignal, colour, method):
    assert getattr(adas, method)(f"{colour}withdraw/").status_code == 401
    assert authsignal.calls == []
    assert not Challenge.objects.exists()


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Purpose": "prefetch;prerender"}, {"Purpose": "prefetch"}, {"X-Purpose": "preview"}, {"X-Moz": "prefetch"}],
)
def test_a_prefetch_never_begins_a_challenge(adas, authsignal, headers):
    assert adas.get("/withdraw/", headers=headers).status_code == 401
    assert authsignal.calls == []


def test_an_anonymous_visitor_is_sent_to_sign_in_and_back(browser, db, authsignal, colour):
    assert browser.get(f"{colour}withdraw/?a=1").headers["Location"] == f"/login/?next={colour}withdraw/%3Fa%3D1"
    assert authsignal.calls == []


def test_an_unsafe_request_is_stopped_and_leads_back(adas, colour):
    page = adas.post(f"{colour}withdraw/", {"amount": "1"}, headers={"Referer": "http://testserver/withdraw/form/"})
    row = newest()
    assert page.status_code == 403
    assert page.context["url"] == reverse("authsignal:challenge", args=[row.pk]) + "?tab=1"
    assert adas.prove(row).headers["Location"] == "/withdraw/form/"
    assert adas.post(f"{colour}withdraw/").content == b"withdrawn"


@pytest.mark.parametrize(("referer", "leads_to"), [("/withdraw/", "/"), ("/home/", "/home/")])
def test_not_now_on_the_waiting_page_never_leads_back_into_the_proof(adas, referer, leads_to):
    page = adas.post("/withdraw/", headers={"Referer": f"http://testserver{referer}"})
    assert page.context["leave_url"] == leads_to


def test_an_app_that_is_called_admin_and_has_no_index_is_no_admin(adas, ada, settings):
    own = ([path("pay/", views.withdraw), path("in/", LoginView.as_view(template_name="admin/login.html"))], "admin")
    urlconf = types.ModuleType("own")
    urlconf.urlpatterns = [path("own/", include(own)), *(one for one in project_urls if str(one.pattern) != "admin/")]
    settings.ROOT_URLCONF = urlconf
    assert adas.post("/own/pay/", headers={"Referer": "http://testserver/own/pay/"}).context["leave_url"] == "/"
    adas.logout()
    adas.post("/own/in/", {"username": "ada", "password": PASSWORD})
    assert adas.prove()["Location"] == "/home/"


def test_our_challenge_page_leads_to_the_hosted_page(adas):
    adas.post("/withdraw/")
    page = adas.get(reverse("authsignal:challenge", args=[newest().pk]))
    assert page.status_code == 200
    assert page.context["url"].startswith("https://mfa.authsignal.com/?token=")
    assert "Withdraw money" in page.content.decode()


def test_after_a_cancel_the_page_offers_to_go_on_and_the_same_challenge_is_finished(adas, authsignal):
    adas.get("/withdraw/")
    row = newest()
    away = adas.callback(row, token=authsignal.token(str(row.pk)))
    page = adas.get(away.headers["Location"])
    assert page.status_code == 200
    assert page.context["again"] is True
    assert adas.prove(row).headers["Location"] == "/withdraw/"


def test_a_finished_challenge_s_page_leads_on(adas):
    adas.step_up()
    page = adas.get(reverse("authsignal:challenge", args=[newest().pk]))
    assert page.context["return_to"] == "/withdraw/"


def test_a_view_whose_outer_decorator_hides_the_mark_is_guarded_all_the_same(adas):
    assert adas.get("/unmarked/").status_code == 302
    adas.prove()
    assert adas.get("/unmarked/").content == b"withdrawn"


def test_without_the_middleware_the_decorator_enforces(adas, settings, colour):
    settings.MIDDLEWARE = [item for item in settings.MIDDLEWARE if "authsignal" not in item]
    adas.get(f"{colour}withdraw/")
    assert adas.get(f"{colour}withdraw/").status_code == 302
    adas.prove()
    assert adas.get(f"{colour}withdraw/").content == b"withdrawn"


def test_require_stops_deep_code_until_it_is_proved(adas, authsignal, colour):
    assert adas.get(f"{colour}deep/").status_code == 302
    adas.prove()
    assert adas.get(f"{colour}deep/").content == b"deep"
    assert operations(authsignal) == ["track", "validate_challenge"]


def test_require_answers_a_block_with_a_page(adas, authsignal, colour):
    authsignal.block()
    assert adas.get(f"{colour}deep/").status_code == 403
    assert newest().status == Status.DENIED


def test_require_sends_an_anonymous_visitor_to_sign_in(browser, db, colour):
    assert browser.get(f"{colour}deep/").headers["Location"] == f"/login/?next={colour}deep/"


async def _async_walk(adas, authsignal):
    client = AsyncClient()
    client.cookies = adas.cookies
    there = await client.get("/async/withdraw/", headers={"Accept": "text/html"})
    row = await Challenge.objects.order_by("-created_at").afirst()
    token = authsignal.complete(str(row.pk))
    back = await client.get(f"/authsignal/callback/{row.pk}/", {"token": token})
    done = await client.get("/async/withdraw/")
    return there.status_code, back.status_code, done.content


@pytest.mark.django_db(transaction=True)
def test_the_whole_way_under_asgi(ada_committed, authsignal, new_browser):
    from asgiref.sync import async_to_sync

    adas = new_browser()
    adas.force_login(ada_committed)
    assert async_to_sync(_async_walk)(adas, authsignal) == (302, 303, b"withdrawn")


async def _async_interrupts(adas, authsignal):
    client = AsyncClient()
    client.cookies = adas.cookies
    deep = await client.get("/async/deep/", headers={"Accept": "text/html"})
    json = await client.get("/async/deep/", headers={"Accept": "application/json"})
    row = await Challenge.objects.order_by("-created_at").afirst()
    await client.get(f"/authsignal/callback/{row.pk}/", {"token": authsignal.complete(str(row.pk))})
    done = await client.get("/async/deep/", headers={"Accept": "text/html"})
    login = await AsyncClient().post("/login/", {"username": "ada", "password": "pw"}, headers={"Accept": "text/html"})
    return deep, json, done.content, login


@pytest.mark.django_db(transaction=True)
def test_an_interrupt_under_asgi_is_answered_as_under_wsgi(ada_committed, authsignal, new_browser):
    from asgiref.sync import async_to_sync

    adas = new_browser()
    adas.force_login(ada_committed)
    deep, json, done, login = async_to_sync(_async_interrupts)(adas, authsignal)
    assert (deep.status_code, json.status_code, done) == (302, 401, b"deep")
    assert json.headers["Content-Type"] == "application/problem+json"
    assert "authsignal_browser" in deep.cookies
    assert login.status_code == 303


@pytest.fixture
def ada_committed(transactional_db):
    from django.contrib.auth import get_user_model

    return get_user_model().objects.create_user("ada", "ada@example.com", "pw")
