"""Under ATOMIC_REQUESTS: no call while a transaction is open, and no row or proof lost or given back by a rollback."""

import pytest
from django.contrib.auth import get_user_model
from django.db import connections

from django_authsignal import steps
from django_authsignal.models import Challenge, Status
from tests.conftest import PASSWORD, Browser, newest

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _atomic_requests(transactional_db, authsignal):
    connection = connections["default"]
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    open_during_calls = []
    send = authsignal.send

    def spy(*args, **kwargs):
        open_during_calls.append(steps.in_transaction())
        return send(*args, **kwargs)

    authsignal.send = spy
    yield
    connection.settings_dict["ATOMIC_REQUESTS"] = False
    assert not any(open_during_calls)


@pytest.fixture
def ada():
    return get_user_model().objects.create_user("ada", "ada@example.com", PASSWORD)


@pytest.fixture
def adas(authsignal, ada):
    browser = Browser(authsignal, raise_request_exception=False)
    browser.force_login(ada)
    return browser


@pytest.mark.parametrize("path", ["/login/", "/own-login/", "/admin/login/"])
def test_a_sign_in_is_challenged_outside_the_transaction(authsignal, ada, path):
    get_user_model().objects.filter(pk=ada.pk).update(is_staff=True)
    browser = Browser(authsignal)
    answer = browser.post(path, {"username": "ada", "password": PASSWORD})
    assert answer.status_code == 303
    assert newest().status == Status.OPEN
    where = browser.prove().headers["Location"]
    browser.get(where)
    assert browser.user_pk == str(ada.pk)


def test_an_allowed_sign_in_is_finished_outside_the_transaction(authsignal, ada):
    authsignal.allow()
    browser = Browser(authsignal)
    assert browser.post("/login/", {"username": "ada", "password": PASSWORD}).headers["Location"] == "/home/"
    assert browser.user_pk == str(ada.pk)
    assert browser.get("/members/").content == b"members"


def test_a_blocked_sign_in_is_refused(authsignal, ada):
    authsignal.block()
    browser = Browser(authsignal)
    assert browser.post("/login/", {"username": "ada", "password": PASSWORD}).status_code == 403
    assert browser.user_pk is None


def test_a_marked_view_is_asked_outside_the_transaction(adas):
    adas.step_up()
    assert adas.get("/withdraw/").content == b"withdrawn"


def test_require_inside_the_transaction_is_asked_outside_it(adas):
    assert adas.get("/deep/").status_code == 302
    assert newest().status == Status.OPEN
    adas.prove()
    assert adas.get("/deep/").content == b"deep"


def test_require_with_an_adaptive_allow_repeats_the_request_once(adas, authsignal, settings):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ACTIONS": {"withdrawFunds": {"ON_ALLOW": "pass"}}}
    authsignal.allow()
    adas.cookies["authsignal_browser"] = "a" * 32
    again = adas.get("/deep/?a=1")
    assert (again.status_code, again.headers["Location"]) == (302, "/deep/?a=1")
    assert adas.get("/deep/?a=1").content == b"deep"
    assert adas.post("/deep/").status_code == 307
    assert adas.post("/deep/").content == b"deep"
    assert Challenge.objects.filter(status=Status.SPENT).count() == 2


def test_two_adaptive_allows_in_one_view_end(adas, authsignal, settings):
    both = {"withdrawFunds": {"ON_ALLOW": "pass"}, "closeAccount": {"ON_ALLOW": "pass"}}
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ACTIONS": both}
    authsignal.allow()
    adas.cookies["authsignal_browser"] = "a" * 32
    answers = [adas.get("/deep-twice/") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [302, 302, 200]


def test_a_callable_bind_deep_in_a_transaction_says_what_to_do_instead(adas, caplog):
    assert adas.post("/deep-callable/", {"amount": "5"}).status_code == 500
    assert "Bind field names" in caplog.text
    assert not Challenge.objects.exists()


def test_without_a_binding_cookie_an_adaptive_allow_never_loops(adas, authsignal, settings):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ACTIONS": {"withdrawFunds": {"ON_ALLOW": "pass"}}}
    authsignal.allow()
    assert adas.get("/deep/").status_code == 401


def test_a_single_use_proof_without_the_middleware_says_what_to_add(adas, settings):
    settings.MIDDLEWARE = [item for item in settings.MIDDLEWARE if "authsignal" not in item]
    answer = adas.post("/delete/")
    assert answer.status_code == 500
    assert not Challenge.objects.exists()


def test_a_failing_view_leaves_the_ledger_s_rows(adas):
    adas.post("/delete/", {"fail": "1"})
    adas.prove()
    assert adas.post("/delete/", {"fail": "1"}).status_code == 500
    assert newest().status == Status.SPENT
