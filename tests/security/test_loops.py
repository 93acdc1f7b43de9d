"""Nobody is sent round in circles: an answer that repeats a request ends, whatever the policy says."""

import itertools
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model, login
from django.http import HttpResponse
from django.urls import path
from django.utils import timezone

from django_authsignal.client import ConfigurationError
from django_authsignal.decorators import challenge_required
from django_authsignal.models import Challenge
from tests.conftest import PASSWORD, newest
from tests.project.urls import urlpatterns as project_urls
from tests.project.views import members

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.security,
    pytest.mark.urls(__name__),
]


def other_login(request):
    user = get_user_model().objects.get(username="ada")
    login(request, user, backend="django_authsignal.backends.AuthsignalBackend")
    return HttpResponse("in")


def unmarked_members(request):  # forgets functools.wraps, so the middleware cannot see the mark
    return members(request)


def once_deep(request):
    request.authsignal.require("withdrawFunds", max_age=0)
    return HttpResponse("done")


urlpatterns = [
    *project_urls,
    path("other-login/", other_login),
    path("once-deep/", once_deep),
    path("unmarked-members/", unmarked_members),
]


@pytest.fixture
def ada(transactional_db):
    return get_user_model().objects.create_user("ada", "ada@example.com", PASSWORD)


@pytest.fixture
def adas(way_in, ada):
    browser = way_in()
    browser.force_login(ada)
    browser.cookies["authsignal_browser"] = "a" * 32
    return browser


def follow(browser, method, where, most=6):
    """Does what a browser does with a redirect back to the same address. The statuses, in their order."""
    statuses = []
    for _ in range(most):
        answer = browser.generic(method, where)
        statuses.append(answer.status_code)
        if answer.headers.get("Location") != where:
            break
    return statuses, answer


def observing(request, user, action):
    return "observe"


def off(request, user, action):
    return "off"


@pytest.mark.parametrize("enforce", ["observe", observing, off])
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("where", ["/deep/", "/unmarked/", "/once-deep/", "/deep-twice/"])
def test_observing_never_stops_code_that_asks_inside_a_transaction(
    adas, in_transactions, settings, authsignal, enforce, method, where
):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ENFORCE": enforce}
    authsignal.block()
    statuses, answer = follow(adas, method, where)
    assert (statuses[-1], answer.content in (b"deep", b"done", b"withdrawn")) == (200, True)


@pytest.mark.parametrize("where", ["/deep/", "/deep-twice/"])
def test_what_is_observed_inside_a_transaction_is_written_down_once_it_is_over(
    adas, in_transactions, settings, authsignal, where
):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ENFORCE": "observe"}
    authsignal.block()
    adas.post(where)
    asked = ["withdrawFunds", "closeAccount"] if "twice" in where else ["withdrawFunds"]
    assert [call.action for call in authsignal.calls] == asked
    assert set(Challenge.objects.values_list("reason", flat=True)) == {"observed: deny"}


def test_a_sign_in_that_is_observed_inside_a_transaction_is_finished_by_its_own_view(
    way_in, ada, in_transactions, settings, authsignal
):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ENFORCE": "observe"}
    browser = way_in()
    answer = browser.post("/login/?next=/deep/", {"username": "ada", "password": PASSWORD})
    assert (answer.status_code, answer.headers["Location"]) == (302, "/deep/")  # Django's own, not our 303
    assert browser.user_pk == str(ada.pk)
    assert newest().reason == "observed: challenge"


@pytest.mark.parametrize("enforce", ["observe", off])
def test_a_sites_own_rule_of_signing_in_holds_inside_a_transaction_where_nobody_is_stopped(
    way_in, ada, in_transactions, settings, authsignal, enforce
):
    settings.AUTHENTICATION_BACKENDS = ["tests.project.backends.NobodyBackend"]
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ENFORCE": enforce}
    browser = way_in()
    browser.post("/login/", {"username": "ada", "password": PASSWORD})
    assert browser.user_pk is None


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_two_questions_in_one_view_end_during_an_outage_that_opens(adas, in_transactions, settings, authsignal, method):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ON_UNREACHABLE": "allow"}
    authsignal.fail("refused")
    follow(adas, method, "/deep-twice/", most=2)
    waiting = {item["action"]: item["degraded"] for item in adas.session["authsignal"]["passes"].values()}
    assert waiting == {"closeAccount": True, "withdrawFunds": True}
    assert adas.generic(method, "/deep-twice/").content == b"deep"


def test_somebody_signed_in_already_is_not_logged_in_a_second_time_by_an_allow(
    way_in, ada, in_transactions, authsignal
):
    browser = way_in()
    browser.get("/other-login/")
    authsignal.allow()
    key, at = browser.cookies["sessionid"].value, browser.session["authsignal"]["login"]["at"]
    assert browser.get("/unmarked-members/").headers["Location"] == "/unmarked-members/"
    assert browser.get("/unmarked-members/").content == b"members"
    assert browser.cookies["sessionid"].value == key
    assert browser.session["authsignal"]["login"]["at"] == at


def test_a_repeated_post_may_say_where_it_comes_from(adas, in_transactions, settings, authsignal):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ACTIONS": {"withdrawFunds": {"ON_ALLOW": "pass"}}}
    authsignal.allow()
    answer = adas.post("/deep/")
    assert (answer.status_code, answer.headers["Referrer-Policy"]) == (307, "same-origin")


def test_a_custom_value_that_is_another_each_time_does_not_repeat_a_request_for_ever(
    adas, in_transactions, settings, authsignal
):
    numbers = itertools.count()
    policy = {"ON_ALLOW": "pass", "CUSTOM": lambda request: {"number": next(numbers)}}
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ACTIONS": {"withdrawFunds": policy}}
    authsignal.allow()
    statuses, _ = follow(adas, "GET", "/deep/", most=20)
    assert (len(statuses) < 8, statuses[-1]) == (True, 403)
    assert newest().reason == "not_kept"


def test_a_session_that_keeps_nothing_does_not_repeat_a_request_for_ever(adas, in_transactions, settings, authsignal):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ACTIONS": {"withdrawFunds": {"ON_ALLOW": "pass"}}}
    authsignal.allow()
    kept = adas.cookies["sessionid"].value
    statuses = []
    for _ in range(20):
        answer = adas.post("/deep/")
        statuses.append(answer.status_code)
        session = adas.session
        session.pop("authsignal", None)  # as where a cookie that grew too large is not taken
        session.save()
        adas.cookies["sessionid"] = kept
        if answer.status_code != 307:
            break
    assert (len(statuses) < 8, statuses[-1]) == (True, 403)


def test_a_sign_in_cannot_be_asked_for_one_request_alone():
    for narrowing in ({"max_age": 0}, {"bind": ["amount"]}):
        with pytest.raises(ConfigurationError, match="signIn"):
            challenge_required("signIn", **narrowing)


def test_a_session_of_another_login_is_asked_once_when_authsignal_allows_it(way_in, ada, authsignal, colour):
    browser = way_in()
    browser.get("/other-login/")
    authsignal.allow()
    for _ in range(3):
        assert browser.get(f"{colour}members/").content == b"members"
    assert [call.operation for call in authsignal.calls] == ["track"]


def test_a_session_let_in_by_an_outage_is_asked_again_after_a_while(
    way_in, ada, authsignal, settings, time_machine, colour
):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ON_UNREACHABLE": "allow"}
    browser = way_in()
    browser.get("/other-login/")
    authsignal.fail("refused")
    for _ in range(3):
        assert browser.get(f"{colour}members/").content == b"members"
    assert len(authsignal.calls) == 1
    authsignal.fail(None)
    time_machine.move_to(timezone.now() + timedelta(seconds=301))
    assert browser.get(f"{colour}members/").status_code == 302


def test_what_another_tab_began_while_authsignal_did_not_answer_is_kept(adas, in_transactions, configure, meanwhile):
    configure(ON_UNREACHABLE="allow")
    meanwhile(then="timeout")
    assert adas.get("/deep/", follow=True).content == b"deep"  # let through by what its session says now
    assert Challenge.objects.get(pk__in=list(adas.session["authsignal"]["open"])).return_to == "/transfer/"
