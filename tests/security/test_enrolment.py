"""Who may set up a first way of proof: its owner, in their own browser, right after they showed who they are."""

from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model, login
from django.http import HttpResponse
from django.urls import path
from django.utils import timezone

from tests.conftest import newest
from tests.project.urls import urlpatterns as project_urls

pytestmark = [pytest.mark.django_db, pytest.mark.security, pytest.mark.urls(__name__)]

BACKEND = "django_authsignal.backends.AuthsignalBackend"


def other_login(request):
    """Social login, a mailed link, a "log in as" tool: no password is asked for."""
    login(request, get_user_model().objects.get(username=request.GET["as"]), backend=BACKEND)
    return HttpResponse("in")


def login_as(request):
    """As `other_login`, by somebody whom the view has looked at before: a tool for staff."""
    assert request.user.is_authenticated
    return other_login(request)


async def login_as_async(request):
    assert (await request.auser()).is_authenticated
    return await sync_to_async(other_login)(request)


urlpatterns = [
    *project_urls,
    path("other-login/", other_login),
    path("login-as/", login_as),
    path("async/login-as/", login_as_async),
]


@pytest.fixture
def enroll_at_step_ups(settings):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ACTIONS": {"withdrawFunds": {"UNENROLLED": "enroll"}}}


def with_session_of(new_browser, victim):
    thief = new_browser()
    thief.cookies["sessionid"] = victim.cookies["sessionid"].value
    return thief


@pytest.mark.security(67)
def test_a_stolen_session_cookie_does_not_enrol_at_a_step_up_however_fresh_the_password(
    browser, new_browser, ada, authsignal, enroll_at_step_ups, colour
):
    browser.sign_in()
    authsignal.unenrolled()
    thief = with_session_of(new_browser, browser)
    assert thief.get(f"{colour}withdraw/").status_code == 403
    assert newest().reason == "not_enrolled"
    assert browser.get(f"{colour}withdraw/").status_code == 302


def test_a_stolen_session_cookie_does_not_enrol_after_a_login_in_another_way(
    browser, new_browser, ada, authsignal, colour
):
    browser.get("/other-login/?as=ada")
    authsignal.unenrolled()
    thief = with_session_of(new_browser, browser)
    assert thief.get(f"{colour}members/").status_code == 403
    assert newest().reason == "not_enrolled"
    assert browser.get(f"{colour}members/").status_code == 302


@pytest.mark.parametrize("where", ["/login-as/", "/async/login-as/"])
def test_staff_who_log_in_as_somebody_do_not_enrol_for_them(browser, ada, bob, authsignal, where):
    browser.sign_in()
    browser.get(f"{where}?as=bob")
    assert browser.user_pk == str(bob.pk)
    authsignal.unenrolled()
    assert browser.get("/members/").status_code == 403
    assert newest().reason == "not_enrolled"


def test_a_session_left_alone_cannot_be_used_to_enrol(browser, ada, authsignal, time_machine):
    browser.get("/other-login/?as=ada")
    authsignal.unenrolled()
    time_machine.move_to(timezone.now() + timedelta(seconds=301))
    assert browser.get("/members/").status_code == 403
    assert newest().reason == "not_enrolled"


def test_a_session_logged_in_just_now_in_another_way_may_enrol(browser, ada, authsignal, colour):
    browser.get("/other-login/?as=ada")
    authsignal.unenrolled()
    assert browser.get(f"{colour}members/").status_code == 302
    browser.prove()
    assert browser.get(f"{colour}members/").content == b"members"


@pytest.mark.parametrize("state", ["ALLOW", "CHALLENGE_REQUIRED"])
def test_a_name_alone_never_leads_to_a_page_that_enrols(browser, ada, authsignal, state):
    send = authsignal.send

    def removed_meanwhile(*args, **kwargs):
        answer = send(*args, **kwargs)  # get_user: there is a passkey
        authsignal.unenrolled()
        return answer

    authsignal.send = removed_meanwhile
    authsignal.outcome(state)
    browser.post("/authsignal/sign-in/", {"username": "ada"})
    assert newest().status == "denied"


def test_a_password_of_one_user_lets_no_other_enrol(browser, ada, bob, authsignal, enroll_at_step_ups):
    session = browser.session
    browser.sign_in()
    password_of_ada = browser.session["authsignal"]
    browser.post("/logout/")
    browser.get("/other-login/?as=bob")
    session = browser.session
    session["authsignal"] = password_of_ada
    session.save()
    authsignal.unenrolled()
    assert browser.get("/withdraw/").status_code == 403


def test_an_enrolment_that_was_begun_in_time_is_not_offered_again_when_the_time_is_over(
    browser, ada, authsignal, enroll_at_step_ups, time_machine
):
    browser.sign_in()
    authsignal.unenrolled()
    assert browser.get("/withdraw/").status_code == 302
    time_machine.move_to(timezone.now() + timedelta(seconds=301))
    assert browser.get("/withdraw/").status_code == 403


def test_the_owner_is_told_when_authsignal_challenges_somebody_who_had_nothing_to_prove_with(
    adas, authsignal, mailoutbox
):
    authsignal.unenrolled()
    authsignal.outcome("CHALLENGE_REQUIRED")
    adas.get("/withdraw/")
    adas.prove()
    assert [mail.to for mail in mailoutbox] == [["ada@example.com"]]


def test_the_owner_is_told_nothing_when_nothing_was_added(adas, mailoutbox):
    adas.step_up()
    assert mailoutbox == []
