"""Sessions that began without our sign-in, and projects whose middleware is not as the README says."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import login_not_required
from django.http import HttpResponse
from django.urls import include, path

from django_authsignal.decorators import challenge_required, sign_in_challenge_not_required
from django_authsignal.middleware import SignInChallengeMiddleware
from tests.conftest import PASSWORD, Browser, newest
from tests.project.urls import urlpatterns as project

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]
OURS = "django_authsignal.middleware.AuthsignalMiddleware"
SESSIONS = "django_authsignal.middleware.SignInChallengeMiddleware"
REMOTE = "django.contrib.auth.middleware.RemoteUserMiddleware"
LOGIN_REQUIRED = "django.contrib.auth.middleware.LoginRequiredMiddleware"


def hijack_urls():
    """As docs/policies.md has them: to take over asks for a step-up, to give back is always possible."""
    from hijack.views import AcquireUserView, ReleaseUserView

    return [
        path("acquire/", challenge_required("impersonate")(AcquireUserView.as_view()), name="acquire"),
        path("release/", sign_in_challenge_not_required(ReleaseUserView.as_view()), name="release"),
    ]


@login_not_required
def public(request):
    return HttpResponse("public")


urlpatterns = [*project, path("public/", public)]


def proves(browser, where="/home/"):
    """Asked once, proved, let in."""
    assert browser.get(where).status_code == 302
    browser.prove()
    return browser.get(where).status_code == 200


# RemoteUser


@pytest.fixture
def remote(settings, way_in, ada):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, REMOTE, SESSIONS]
    settings.AUTHENTICATION_BACKENDS = [
        "django_authsignal.backends.AuthsignalBackend",
        "django.contrib.auth.backends.RemoteUserBackend",
    ]
    browser = way_in()
    # What a web server in front puts into the environment.
    browser.defaults["REMOTE_USER"] = "ada"
    return browser


@pytest.mark.parametrize("way_in", [Browser], indirect=True)
def test_a_user_whom_the_web_server_names_is_asked_for_the_proof(remote, authsignal):
    assert remote.get("/home/").status_code == 302
    assert newest().action == "signIn"
    remote.prove()
    assert remote.get("/home/").content == b"home of ada"
    assert [call.operation for call in authsignal.calls] == ["track", "validate_challenge"]


@pytest.mark.parametrize("way_in", [Browser], indirect=True)
def test_and_is_refused_on_block(remote, authsignal):
    authsignal.block()
    assert remote.get("/home/").status_code == 403


@pytest.mark.parametrize("way_in", [Browser], indirect=True)
def test_another_user_whom_the_web_server_names_is_asked_anew(remote, bob):
    assert proves(remote)
    remote.defaults["REMOTE_USER"] = "bob"
    assert remote.get("/home/").status_code == 302
    assert newest().user_pk == str(bob.pk)


# Impersonation


@pytest.fixture(params=[SESSIONS])
def hijacking(request, settings, way_in, ada, bob, monkeypatch):
    pytest.importorskip("hijack")
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "hijack"]
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "hijack.middleware.HijackUserMiddleware", request.param]
    monkeypatch.setattr(f"{__name__}.urlpatterns", [*urlpatterns, path("hijack/", include((hijack_urls(), "hijack")))])
    settings.ROOT_URLCONF = "tests.project.urls"
    settings.ROOT_URLCONF = __name__
    ada.is_superuser = ada.is_staff = True
    ada.save()
    browser = way_in()
    browser.sign_in()
    return browser


def acquire(browser, bob):
    where = "/hijack/acquire/"
    assert browser.post(where, {"user_pk": bob.pk}).status_code == 403
    browser.prove()
    assert browser.post(where, {"user_pk": bob.pk}).status_code == 302
    assert browser.user_pk == str(bob.pk)


@pytest.mark.security
def test_staff_who_take_over_a_session_inherit_no_proof(hijacking, bob):
    acquire(hijacking, bob)
    assert hijacking.get("/home/").status_code == 302
    assert newest().user_pk == str(bob.pk)


def test_staff_can_always_give_a_session_back_and_are_asked_anew(hijacking, ada, bob):
    acquire(hijacking, bob)
    assert hijacking.post("/hijack/release/").status_code == 302
    assert hijacking.user_pk == str(ada.pk)
    assert proves(hijacking)


class LetsStaffIn(SignInChallengeMiddleware):
    """As docs/policies.md has it."""

    def must_be_proved(self, request, view):
        return super().must_be_proved(request, view) and not request.session.get("hijack_history")


@pytest.mark.security
@pytest.mark.parametrize("hijacking", [f"{__name__}.LetsStaffIn"], indirect=True)
def test_a_rule_of_ones_own_lets_staff_look_and_no_further(hijacking, bob):
    acquire(hijacking, bob)
    assert hijacking.get("/home/").content == b"home of bob"
    assert hijacking.get("/withdraw/").status_code == 302
    assert newest().user_pk == str(bob.pk)


# Middleware missing, or in another order


def without(settings, *names):
    return [name for name in settings.MIDDLEWARE if name not in names]


@pytest.fixture(params=["missing", "first", "last", "sessions first", "sessions alone"])
def misplaced(request, settings):
    rest = without(settings, OURS)
    settings.MIDDLEWARE = {
        "missing": rest,
        "first": [OURS, *rest],
        "last": [*rest, OURS],
        "sessions first": [SESSIONS, *rest, OURS],
        "sessions alone": [*rest, SESSIONS],
    }[request.param]
    return request.param


@pytest.mark.parametrize(
    ("method", "where"),
    [
        ("get", "/withdraw/"),
        ("get", "/async/withdraw/"),
        ("post", "/transfer/"),
        ("post", "/delete/"),
        ("get", "/members/"),
    ],
)
def test_decorators_enforce_wherever_the_middleware_stands(misplaced, way_in, ada, authsignal, method, where):
    browser = way_in()
    browser.force_login(ada)
    if misplaced.startswith("sessions"):
        browser.get("/members/")
        browser.prove()
        if where == "/members/":
            assert browser.get(where).content == b"members"
            return
    asked = getattr(browser, method)(where)
    assert asked.status_code == (302 if method == "get" else 403)
    browser.prove()
    assert getattr(browser, method)(where).status_code == 200
    authsignal.block()
    other = way_in()
    other.force_login(get_user_model().objects.create_user("eve", password=PASSWORD))
    assert getattr(other, method)(where).status_code == 403


@pytest.mark.parametrize("misplaced", ["sessions first", "sessions alone"], indirect=True)
def test_sessions_are_asked_wherever_the_middleware_stands(misplaced, way_in, ada, authsignal):
    browser = way_in()
    browser.force_login(ada)
    assert proves(browser)
    authsignal.block()
    other = way_in()
    other.force_login(get_user_model().objects.create_user("eve", password=PASSWORD))
    assert other.get("/home/").status_code == 403


@pytest.mark.parametrize("misplaced", ["missing"], indirect=True)
def test_request_authsignal_is_absent_and_code_that_needs_it_does_nothing(misplaced, way_in, ada):
    browser = way_in(raise_request_exception=False)
    browser.force_login(ada)
    assert browser.get("/deep/").status_code == 500


# Visitors


@pytest.mark.parametrize("login_required", [False, True], ids=["", "LoginRequiredMiddleware"])
@pytest.mark.parametrize("where", ["/withdraw/?a=1&b=%C3%AB", "/async/withdraw/", "/transfer/", "/members/"])
def test_a_visitor_is_sent_to_sign_in_and_comes_back(way_in, ada, settings, login_required, where):
    if login_required:
        settings.MIDDLEWARE = [*without(settings, OURS), LOGIN_REQUIRED, OURS]
    browser = way_in()
    sent = browser.get(where)["Location"]
    assert sent.startswith("/login/?next=/")
    browser.post(sent, {"username": "ada", "password": PASSWORD})
    back = browser.prove()["Location"]
    assert back == where
    answer = browser.get(back)
    if where != "/members/":
        assert answer.status_code == 302  # and now the step-up
        assert browser.prove()["Location"] == where
    assert browser.get(where).status_code == 200


@pytest.mark.parametrize("place", ["before", "after"])
def test_djangos_login_required_middleware_keeps_none_of_our_pages_from_visitors(way_in, ada, settings, place):
    order = [LOGIN_REQUIRED, OURS] if place == "before" else [OURS, LOGIN_REQUIRED]
    settings.MIDDLEWARE = [*without(settings, OURS), *order]
    browser = way_in()
    assert browser.get("/home/")["Location"] == "/login/?next=/home/"
    browser.sign_in()
    assert browser.get("/home/").status_code == 200
    assert way_in().get("/authsignal/sign-in/").status_code == 200
    assert way_in().get("/public/").status_code == 200
