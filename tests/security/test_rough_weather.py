"""Broken networks, strange people and careless settings: nothing opens, nothing is a 500, and there is a way on."""

from datetime import timedelta

import pytest
import requests
from django.contrib.auth import get_user_model
from django.http import HttpResponse
from django.urls import path, reverse
from django.utils import timezone

from django_authsignal.client import ConfigurationError
from django_authsignal.conf import problems
from django_authsignal.identity import authsignal_id
from django_authsignal.models import Challenge
from tests.conftest import PASSWORD, newest
from tests.project.urls import urlpatterns as project_urls

pytestmark = [pytest.mark.django_db, pytest.mark.security, pytest.mark.urls(__name__)]


def by_username(user):
    return user.get_username()


def statement(request):
    return HttpResponse("the numbers" if request.authsignal.passed("withdrawFunds") else "prove it first")


async def statement_async(request):
    return HttpResponse("the numbers" if await request.authsignal.apassed("withdrawFunds") else "prove it first")


urlpatterns = [*project_urls, path("statement/", statement), path("async/statement/", statement_async)]


# People


@pytest.mark.parametrize("name", [".", ".."])
def test_an_id_that_no_path_can_carry_is_refused_and_is_no_500(way_in, db, settings, authsignal, caplog, name):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "USER_ID": by_username}
    get_user_model().objects.create_user(name, password=PASSWORD)
    browser = way_in()
    answer = browser.post("/login/", {"username": name, "password": PASSWORD})
    assert (answer.status_code, newest().reason) == (403, "refused")
    assert browser.user_pk is None
    assert authsignal.calls == []
    assert "Use another id" in caplog.text


def test_an_id_that_no_path_can_carry_is_answered_as_an_unknown_name(way_in, db, settings):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "USER_ID": by_username}
    get_user_model().objects.create_user("..", password=PASSWORD)
    answers = [way_in().post("/authsignal/sign-in/", {"username": name}) for name in ("..", "nobody")]
    assert [(answer.status_code, answer.context["error"]) for answer in answers] == [
        (200, "We cannot sign you in this way. Use your password, or check the name.")
    ] * 2


def test_an_id_longer_than_the_ledger_keeps_names_the_fix(db, settings):
    settings.AUTHSIGNAL = {"USER_ID": lambda user: "a" * 513}
    with pytest.raises(ConfigurationError, match="512"):
        authsignal_id(get_user_model()())


@pytest.mark.security(43)
def test_nobody_makes_an_outage_of_their_own_by_sending_much(way_in, ada, settings, authsignal, colour):
    policy = {"ON_UNREACHABLE": "allow", "CUSTOM": lambda request: {"note": request.POST.get("note", "")}}
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ACTIONS": {"withdrawFunds": policy}}
    send = authsignal.send

    def cut_off(request, *args, **kwargs):
        if len(request.body or b"") > 1_000_000:
            raise requests.ConnectionError("broken pipe")  # as a server does that will not read so much
        return send(request, *args, **kwargs)

    authsignal.send = cut_off
    browser = way_in()
    browser.force_login(ada)
    assert browser.post(f"{colour}withdraw/", {"note": "a" * 1_500_000}).status_code == 403
    assert newest().reason == "refused"
    assert browser.post(f"{colour}withdraw/", {"note": "lunch"}).status_code == 403
    assert newest().status == "open"


# Networks


@pytest.mark.parametrize("where", ["/own-login/", "/own-login/?next=/members/"])
def test_a_lost_answer_does_not_lose_a_sign_in_that_its_view_finishes(way_in, ada, authsignal, where):
    browser = way_in()
    browser.post(where, {"username": "ada", "password": PASSWORD})
    row = newest()
    token = authsignal.complete(str(row.pk))
    first = browser.callback(row, token=token)
    again = browser.callback(row, token=token)  # the first answer never arrived
    assert again.headers["Location"] == first.headers["Location"]
    assert browser.get(again.headers["Location"]).headers["X-Own-Logic"] == "ran"
    assert browser.user_pk == str(ada.pk)
    assert browser.callback(row, token=token).headers["Location"] == "/home/"


def test_a_sign_in_page_with_a_very_long_address_is_finished_too(way_in, ada):
    browser = way_in()
    browser.post("/own-login/?next=/members/&campaign=" + "a" * 2100, {"username": "ada", "password": PASSWORD})
    where = browser.prove().headers["Location"]
    assert browser.get(where).headers["X-Own-Logic"] == "ran"
    assert browser.user_pk == str(ada.pk)


@pytest.mark.parametrize("where", ["/login/", "/own-login/"])
def test_a_sign_in_that_comes_back_twice_at_once_signs_nobody_out_again(way_in, ada, authsignal, where):
    """As a race does: Django deletes the cookie of a session that is gone, and `login()` has renewed the key."""
    browser = way_in()
    browser.post(where, {"username": "ada", "password": PASSWORD})
    row = newest()
    before, token = browser.cookies["sessionid"].value, authsignal.complete(str(row.pk))
    to = browser.callback(row, token=token).headers["Location"]
    browser.get(to)
    assert browser.user_pk == str(ada.pk)
    browser.cookies["sessionid"] = before  # sent before the first was answered, and answered after it
    late = [browser.callback(row, token=token), *([browser.get(to)] if where in to else [])]
    assert ["sessionid" in answer.cookies for answer in late] == [False] * len(late)


# Caches


@pytest.mark.parametrize("where", ["/statement/", "/async/statement/"])
def test_a_page_that_looks_at_a_pass_is_not_cached_beyond_it(way_in, ada, settings, time_machine, where):
    cache = "django.middleware.cache."
    settings.MIDDLEWARE = [f"{cache}UpdateCacheMiddleware", *settings.MIDDLEWARE, f"{cache}FetchFromCacheMiddleware"]
    settings.CACHE_MIDDLEWARE_SECONDS = 3600
    browser = way_in()
    browser.force_login(ada)
    browser.step_up()
    assert browser.get(where).content == b"the numbers"
    time_machine.move_to(timezone.now() + timedelta(seconds=901))
    assert browser.get(where).content == b"prove it first"


# Settings


@pytest.mark.parametrize(
    "value",
    [
        "",
        [],
        ["https://shop.example", ""],
        "shop.example",
        "https://shop.example/app",
        "https://shop.example?x",
        "https://shop.example#x",
        "https://user@shop.example",
        "https://shop.example:port",
        "https://:443",
        "https://shop.example\\@evil.example",
        "https://shop.exa mple",
        7,
    ],
)
def test_a_public_base_url_that_is_no_origin_is_a_fault(value):
    found = problems({"PUBLIC_BASE_URL": value})
    assert len(found) == 1
    assert "https://shop.example" in found[0].hint


@pytest.mark.parametrize(
    "value",
    [
        None,
        "https://shop.example",
        "https://shop.example/",
        "http://localhost:8000",
        ["https://[::1]:8000"],
        lambda r: "",
    ],
)
def test_a_public_base_url_that_is_an_origin_is_none(value):
    assert problems({"PUBLIC_BASE_URL": value}) == []


# Sessions


@pytest.mark.parametrize("engine", ["db", "cache", "cached_db", "file", "signed_cookies"])
def test_every_session_engine_keeps_a_pass_for_its_time_and_its_browser(
    way_in, ada, settings, tmp_path, engine, colour
):
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    settings.SESSION_FILE_PATH = str(tmp_path)
    browser = way_in()
    browser.sign_in()
    assert browser.get(f"{colour}members/").content == b"members"
    browser.step_up(f"{colour}withdraw/")
    assert browser.get(f"{colour}withdraw/").content == b"withdrawn"
    thief = way_in()
    thief.cookies["sessionid"] = browser.cookies["sessionid"].value
    assert thief.get(f"{colour}withdraw/").status_code == 302
    browser.post(f"{colour}delete/")
    browser.prove()
    with_the_pass = browser.cookies["sessionid"].value
    assert browser.post(f"{colour}delete/").content == b"deleted"
    browser.cookies["sessionid"] = with_the_pass
    assert browser.post(f"{colour}delete/").status_code == 403
    browser.post("/logout/")
    assert browser.get(f"{colour}withdraw/").headers["Location"].startswith("/login/")


# Databases


class ReplicaForReading:
    """Sends every reading of the ledger to a replica. There is none, so that a reading of ours would show itself."""

    def db_for_read(self, model, **hints):
        return "replica" if model is Challenge else None

    def db_for_write(self, model, **hints):
        return "default" if model is Challenge else None


def test_the_ledger_is_read_where_it_is_written_for_a_replica_is_behind(way_in, ada, settings, colour, authsignal):
    settings.DATABASE_ROUTERS = [f"{__name__}.ReplicaForReading"]
    browser = way_in()
    where = browser.post("/login/", {"username": "ada", "password": PASSWORD}).headers["Location"]
    assert browser.get(where).status_code == 200
    browser.prove()
    browser.post(f"{colour}delete/")
    browser.prove()
    assert browser.post(f"{colour}delete/").content == b"deleted"
    authsignal.review()
    browser.get(f"{colour}withdraw/")
    assert browser.get(reverse("authsignal:challenge", args=[newest().pk])).status_code == 200
    browser.post("/logout/")
    assert newest().status == "revoked"
