"""Under ATOMIC_REQUESTS a proof asked for inside the view is spent outside its transaction, and never given back."""

import pytest
from django.contrib.auth import get_user_model
from django.db import connections

from django_authsignal import steps
from django_authsignal.models import Challenge, Status
from tests.conftest import PASSWORD, Browser

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.security,
    pytest.mark.urls("tests.security.test_ways_around"),
]


@pytest.fixture
def calls_in_a_transaction(transactional_db, authsignal):
    connections["default"].settings_dict["ATOMIC_REQUESTS"] = True
    seen = []
    send = authsignal.send

    def spy(*args, **kwargs):
        seen.append(steps.in_transaction())
        return send(*args, **kwargs)

    authsignal.send = spy
    yield seen
    connections["default"].settings_dict["ATOMIC_REQUESTS"] = False


@pytest.fixture
def adas(authsignal, calls_in_a_transaction):
    ada = get_user_model().objects.create_user("ada", "ada@example.com", PASSWORD)
    browser = Browser(authsignal, raise_request_exception=False)
    browser.force_login(ada)
    return browser


@pytest.mark.security(60)
@pytest.mark.parametrize("where", ["/once/", "/once-deep/"])
def test_a_single_use_proof_asked_for_inside_the_view_is_not_given_back_when_it_fails(adas, where):
    adas.post(where, {"fail": "1"})
    adas.prove()
    assert adas.post(where, {"fail": "1"}).status_code == 500
    assert adas.post(where, {"fail": "1"}).status_code == 403
    assert Challenge.objects.filter(status=Status.SPENT).count() == 1


@pytest.mark.parametrize("where", ["/once/", "/once-deep/"])
def test_a_single_use_proof_asked_for_inside_the_view_serves_it_once(adas, where):
    adas.post(where)
    adas.prove()
    assert adas.post(where).content == b"done"
    assert adas.post(where).status_code == 403


@pytest.mark.parametrize("where", ["/once/", "/once-deep/", "/unmarked/"])
def test_a_decorator_the_middleware_cannot_see_makes_no_call_inside_a_transaction(adas, calls_in_a_transaction, where):
    adas.post(where)
    assert calls_in_a_transaction == [False]
    adas.prove()
    assert calls_in_a_transaction == [False, False]


@pytest.mark.parametrize("outage", [False, True])
def test_an_allowed_sign_in_still_runs_the_logic_of_its_own_view(authsignal, calls_in_a_transaction, settings, outage):
    ada = get_user_model().objects.create_user("ada", "ada@example.com", PASSWORD)
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ON_UNREACHABLE": "allow"}
    authsignal.allow()
    authsignal.fail("refused" if outage else None)
    browser = Browser(authsignal)
    answer = browser.post("/own-login/?next=/members/", {"username": "ada", "password": PASSWORD})
    assert browser.user_pk is None
    where = answer.headers["Location"]
    done = browser.get(where)
    assert (done.headers["X-Own-Logic"], done.headers["Location"]) == ("ran", "/members/")
    assert browser.user_pk == str(ada.pk)
    authsignal.fail(None)
    browser_pass = next(iter(browser.session["authsignal"]["passes"].values()))
    assert browser_pass["max_age"] == (300 if outage else None)
    assert browser.get("/members/").content == b"members"
    browser.post("/logout/")
    assert browser.get(where).status_code == 403


def test_observing_never_stops_a_sign_in_whose_view_asks_by_itself(authsignal, calls_in_a_transaction, settings):
    ada = get_user_model().objects.create_user("ada", "ada@example.com", PASSWORD)
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ENFORCE": "observe"}
    browser = Browser(authsignal)
    browser.post("/own-login/", {"username": "ada", "password": PASSWORD})
    assert browser.user_pk == str(ada.pk)
