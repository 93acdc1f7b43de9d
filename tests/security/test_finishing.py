"""Finishing a proof by the other doors, when the network breaks, and in a hurry."""

import sys
import threading

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import aauthenticate, alogin, authenticate, get_user_model, login
from django.contrib.auth.backends import BaseBackend
from django.contrib.sessions.backends.db import SessionStore as DatabaseSessionStore
from django.core.signals import got_request_exception
from django.db import connections
from django.http import HttpResponse
from django.test import RequestFactory
from django.urls import path
from django.views.debug import ExceptionReporter
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from django_authsignal.backends import AuthsignalBackendMixin
from django_authsignal.models import Challenge, Status
from django_authsignal.signals import challenge_passed
from tests.conftest import PASSWORD, newest
from tests.project.urls import urlpatterns as project_urls

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.security,
    pytest.mark.urls(__name__),
]


@sensitive_post_parameters("token")
def by_token(request):
    user = authenticate(request, authsignal_token=request.POST["token"])
    if user:
        login(request, user)
    return HttpResponse("in" if user else "out")


@sensitive_post_parameters("token")
async def by_token_async(request):
    user = await aauthenticate(request, authsignal_token=request.POST["token"])
    if user:
        await alogin(request, user)
    return HttpResponse("in" if user else "out")


class Directory(BaseBackend):
    @sensitive_variables("password")
    def authenticate(self, request, username=None, password=None):
        raise RuntimeError("the directory is down")


class Crashing(AuthsignalBackendMixin, Directory):
    pass


@sensitive_post_parameters("password")
def by_password(request):
    authenticate(request, username="ada", password=request.POST["password"])
    return HttpResponse()


@sensitive_post_parameters("password")
async def by_password_async(request):
    await aauthenticate(request, username="ada", password=request.POST["password"])
    return HttpResponse()


urlpatterns = [
    *project_urls,
    path("by-token/", by_token),
    path("async/by-token/", by_token_async),
    path("by-password/", by_password),
    path("async/by-password/", by_password_async),
]


@pytest.fixture
def ada(transactional_db):
    return get_user_model().objects.create_user("ada", "ada@example.com", PASSWORD)


@pytest.fixture
def browser(way_in):
    return way_in(raise_request_exception=False)


def given_password(browser, where="/login/"):
    browser.post(where, {"username": "ada", "password": PASSWORD})
    return newest()


def test_a_token_signs_in_once(browser, ada, authsignal, colour):
    row = given_password(browser)
    token = authsignal.complete(str(row.pk))
    assert browser.post(f"{colour}by-token/", {"token": token}).content == b"in"
    assert browser.user_pk == str(ada.pk)
    assert browser.get(f"{colour}members/").content == b"members"
    browser.post("/logout/")
    assert browser.post(f"{colour}by-token/", {"token": token}).content == b"out"
    assert browser.user_pk is None


def test_a_token_of_another_browser_signs_nobody_in(browser, way_in, ada, authsignal, colour):
    row = given_password(browser)
    token = authsignal.complete(str(row.pk))
    assert way_in().post(f"{colour}by-token/", {"token": token}).content == b"out"
    assert Challenge.objects.get(pk=row.pk).status == Status.OPEN


def test_a_token_is_not_validated_inside_a_transaction(browser, ada, authsignal, caplog):
    row = given_password(browser)
    token = authsignal.complete(str(row.pk))
    connections["default"].settings_dict["ATOMIC_REQUESTS"] = True
    try:
        answer = browser.post("/by-token/", {"token": token})
    finally:
        connections["default"].settings_dict["ATOMIC_REQUESTS"] = False
    assert answer.status_code == 500
    assert "non_atomic_requests" in caplog.text
    assert token not in caplog.text
    assert "validate_challenge" not in [call.operation for call in authsignal.calls]


def test_async_code_waits_for_authsignal_beside_the_thread_of_django(ada, authsignal, browser):
    row = given_password(browser)
    request = RequestFactory().post("/async/by-token/")
    request.session, request.COOKIES = browser.session, {key: item.value for key, item in browser.cookies.items()}
    token = authsignal.complete(str(row.pk))
    threads = []
    send = authsignal.send

    def spy(*args, **kwargs):
        threads.append(threading.current_thread())
        return send(*args, **kwargs)

    authsignal.send = spy
    assert async_to_sync(aauthenticate)(request, authsignal_token=token) == ada
    assert threads[0] is not threading.current_thread()


# Error reports


@pytest.fixture
def reports():
    """What a debug page and an error tracker would show of each crash."""
    found = []

    def report(sender, request, **kwargs):
        reporter = ExceptionReporter(request, *sys.exc_info())
        found.append(reporter.get_traceback_text() + reporter.get_traceback_html())

    got_request_exception.connect(report)
    yield found
    got_request_exception.disconnect(report)


def test_a_crash_while_validating_reports_no_token(browser, ada, authsignal, colour, reports):
    row = given_password(browser)
    token = authsignal.complete(str(row.pk))
    authsignal.send = None  # not callable: something breaks deep below
    assert browser.post(f"{colour}by-token/", {"token": token}).status_code == 500
    assert "steps.py" in reports[0]
    where = reports[0].find(token)
    assert where == -1, reports[0][max(0, where - 300) : where + 20]


def test_a_crash_of_a_receiver_reports_no_token(browser, ada, authsignal, colour, reports):
    def crash(sender, **kwargs):
        raise RuntimeError("a receiver of the project's own")

    row = given_password(browser)
    token = authsignal.complete(str(row.pk))
    challenge_passed.connect(crash)
    try:
        assert browser.post(f"{colour}by-token/", {"token": token}).status_code == 500
    finally:
        challenge_passed.disconnect(crash)
    assert "a receiver of the project" in reports[0]
    where = reports[0].find(token)
    assert where == -1, reports[0][max(0, where - 300) : where + 20]


class SessionStore(DatabaseSessionStore):
    """Sessions that are down."""

    def load(self):
        raise RuntimeError("the sessions are down")


def test_a_crash_of_the_sessions_reports_no_token(way_in, ada, settings, colour, reports):
    settings.SESSION_ENGINE = __name__
    stranger = way_in(raise_request_exception=False)
    stranger.cookies["sessionid"] = "a" * 32
    token = "eyJhbGciOiJub25lIn0.eyJvdGhlciI6e319.signature"
    assert stranger.post(f"{colour}by-token/", {"token": token}).status_code == 500
    assert "the sessions are down" in reports[0]
    where = reports[0].find(token)
    assert where == -1, reports[0][max(0, where - 300) : where + 20]


def test_a_crash_of_a_backend_reports_no_password(browser, ada, settings, colour, reports):
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.Crashing"]
    assert browser.post(f"{colour}by-password/", {"password": PASSWORD}).status_code == 500
    assert "the directory is down" in reports[0]
    where = reports[0].find(PASSWORD)
    assert where == -1, reports[0][max(0, where - 300) : where + 20]
