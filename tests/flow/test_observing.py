"""ENFORCE "observe": everything is asked and written down, and whatever happens nobody is stopped."""

import pytest
from django.contrib.auth import get_user_model
from django.db import connections
from django.http import HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from django_authsignal import signals
from django_authsignal.decorators import challenge_required
from django_authsignal.models import Challenge, Status
from tests.conftest import PASSWORD, AsgiBrowser, newest
from tests.project.urls import urlpatterns as project

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("atomic_requests")]


def broken_bind(request):
    raise KeyError("amount")


def broken_enforce(request, user, action):
    raise KeyError(action)


@challenge_required("payInvoice", bind=broken_bind)
def badly_bound(request):
    return HttpResponse("paid")


@csrf_exempt
@challenge_required("withdrawFunds")
def from_anywhere(request):
    return HttpResponse("done")


def deep_once(request):
    request.authsignal.require("deleteAccount")
    return HttpResponse("done")


urlpatterns = [
    *project,
    path("badly-bound/", badly_bound),
    path("from-anywhere/", from_anywhere),
    path("deep-once/", deep_once),
]
BODY = {"amount": "250.00", "payee": "Zoë"}
DOORS = {
    "a page": ("get", "/withdraw/"),
    "an async page": ("get", "/async/withdraw/"),
    "a class": ("post", "/transfer/"),
    "bound values": ("post", "/pay/"),
    "bound values, async": ("post", "/async/pay/"),
    "one request": ("post", "/delete/"),
    "one request, async": ("post", "/async/delete/"),
    "deep code": ("post", "/deep/"),
    "deep async code": ("post", "/async/deep/"),
    "deep code, one request": ("post", "/deep-once/"),
    "two in deep code": ("post", "/deep-twice/"),
    "a bind that raises": ("post", "/badly-bound/"),
    "a mark that is hidden": ("post", "/unmarked/"),
    "the session's sign-in": ("get", "/members/"),
    "HEAD": ("head", "/withdraw/"),
    "OPTIONS": ("options", "/withdraw/"),
}
door = pytest.mark.parametrize(("method", "where"), DOORS.values(), ids=DOORS)


@pytest.fixture(params=[False, True], ids=["plain", "atomic"])
def atomic_requests(request, db):
    connections["default"].settings_dict["ATOMIC_REQUESTS"] = request.param
    yield request.param
    connections["default"].settings_dict["ATOMIC_REQUESTS"] = False


@pytest.fixture(autouse=True)
def _observing(settings):
    settings.ROOT_URLCONF = __name__
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ENFORCE": "observe"}


@pytest.fixture
def adas(way_in):
    browser = way_in()
    browser.force_login(get_user_model().objects.create_user("ada", "ada@example.com", PASSWORD))
    return browser


def send(browser, method, where):
    if where.startswith("/async/") and connections["default"].settings_dict["ATOMIC_REQUESTS"]:
        pytest.skip("Django allows no async view under ATOMIC_REQUESTS")
    return getattr(browser, method)(where, BODY if method == "post" else {})


def fail(kind):
    return lambda authsignal: authsignal.fail(kind)


def answer(name):
    return lambda authsignal: getattr(authsignal, name)()


OUTCOMES = {name: answer(name) for name in ("block", "review", "challenge", "allow", "unenrolled")}
OUTCOMES |= {name: fail(name) for name in ("timeout", "401", "500", "unknown-state")}


@door
@pytest.mark.parametrize("way_in", [AsgiBrowser], indirect=True, ids=["asgi"])
@pytest.mark.parametrize("outcome", OUTCOMES)
def test_no_answer_and_no_failure_stops_anybody(adas, authsignal, method, where, outcome):
    OUTCOMES[outcome](authsignal)
    assert send(adas, method, where).status_code == 200


@pytest.mark.parametrize("failure", ["refused", "429", "503", "502-html", "not-json", "empty-object", "redirect"])
def test_nor_does_any_other_failure(adas, authsignal, failure):
    authsignal.fail(failure)
    assert adas.post("/withdraw/").status_code == 200


@pytest.mark.parametrize(("method", "where"), [DOORS["a page"], DOORS["deep code"], DOORS["bound values"]])
@pytest.mark.parametrize(
    "wrong",
    [
        {"API_SECRET_KEY": ""},
        {"API_SECRET_KEY": lambda request: 1 / 0},
        {"TRACK_ATTRIBUTES": lambda request, user, action: {"user_id": "somebody else"}},
        {"CLIENT_IP": lambda request: 1 / 0},
        {"ACTIONS": {"withdrawFunds": {"CUSTOM": lambda request: 1 / 0}}},
    ],
    ids=["no key", "a key that raises", "attributes refused", "an address that raises", "CUSTOM that raises"],
)
def test_no_mistake_in_the_settings_stops_anybody(adas, settings, method, where, wrong):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, **wrong}
    assert send(adas, method, where).status_code == 200


def test_no_receiver_stops_anybody(adas):
    def receiver(**kwargs):
        raise RuntimeError("a bug")

    signals.action_observed.connect(receiver)
    try:
        assert adas.get("/withdraw/").status_code == 200
    finally:
        signals.action_observed.disconnect(receiver)


def test_a_field_that_is_missing_stops_nobody(adas, authsignal):
    assert adas.post("/pay/", {"amount": "1"}).json() == {"paid": {}}
    assert authsignal.calls == []
    assert newest().reason == "observed: unreadable"


def test_the_view_reads_what_is_bound_as_it_will(adas):
    assert adas.post("/pay/", BODY).json() == {"paid": BODY}


def test_another_sites_post_stops_nobody_and_has_no_call_made(way_in, adas, authsignal):
    browser = way_in(enforce_csrf_checks=True)
    browser.cookies = adas.cookies
    headers = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert browser.post("/from-anywhere/", headers=headers).status_code == 200
    assert authsignal.calls == []


@pytest.mark.parametrize("outcome", ["block", "review", "challenge", "unenrolled"])
@pytest.mark.parametrize("where", ["/login/", "/own-login/"])
def test_a_password_signs_in_by_the_rules_of_its_own_view(way_in, authsignal, outcome, where):
    ada = get_user_model().objects.create_user("ada", "ada@example.com", PASSWORD)
    getattr(authsignal, outcome)()
    browser = way_in()
    answer = browser.post(f"{where}?next=/home/", {"username": "ada", "password": PASSWORD})
    assert (answer.status_code, answer["Location"], browser.user_pk) == (302, "/home/", str(ada.pk))
    assert answer.headers.get("X-Own-Logic", "") == ("ran" if "own" in where else "")


def test_signing_in_without_a_password_still_asks(way_in, authsignal):
    ada = get_user_model().objects.create_user("ada", "ada@example.com", PASSWORD)
    browser = way_in()
    browser.post("/authsignal/sign-in/", {"username": "ada"})
    assert browser.user_pk is None
    browser.prove()
    assert browser.user_pk == str(ada.pk)


def test_a_visitor_is_still_sent_to_sign_in(way_in):
    assert way_in().get("/withdraw/")["Location"] == "/login/?next=/withdraw/"


# What is written down


@pytest.mark.parametrize(
    ("outcome", "policy", "written"),
    [
        ("challenge", {}, "challenge"),
        ("review", {}, "review"),
        ("block", {}, "deny"),
        ("allow", {}, "deny"),
        ("allow", {"ON_ALLOW": "pass"}, "pass"),
        ("allow", {"ON_ALLOW": "pass", "METHODS": ["PASSKEY"]}, "deny"),
        ("unenrolled", {}, "deny"),
        ("unenrolled", {"UNENROLLED": "enroll"}, "enroll"),
        ("unenrolled", {"UNENROLLED": "email"}, "enroll"),
        ("unenrolled", {"UNENROLLED": "allow"}, "pass"),
        ("unenrolled", {"UNENROLLED": "allow", "MAX_AGE": 0}, "deny"),
    ],
)
def test_a_row_says_what_it_would_have_been(adas, authsignal, settings, outcome, policy, written):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ACTIONS": {"withdrawFunds": policy}}
    getattr(authsignal, outcome)()
    adas.post("/withdraw/")
    row = newest()
    assert (row.reason, row.status, row.action) == (f"observed: {written}", Status.ALLOWED, "withdrawFunds")


@pytest.mark.parametrize(
    ("failure", "written"), [("timeout", "unreachable"), ("503", "unreachable"), ("401", "refused")]
)
def test_a_failure_is_written_down(adas, authsignal, failure, written):
    authsignal.fail(failure)
    adas.get("/withdraw/")
    assert newest().reason == f"observed: {written}"


def test_a_signal_says_the_same(adas, authsignal):
    heard = []

    def receiver(challenge, user, outcome, **kwargs):
        heard.append((challenge.action, user.get_username(), outcome))

    signals.action_observed.connect(receiver)
    adas.get("/withdraw/")
    signals.action_observed.disconnect(receiver)
    assert heard == [("withdrawFunds", "ada", "challenge")]


def test_nothing_observed_is_a_pass_once_it_is_enforced(adas, settings):
    adas.get("/withdraw/")
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ENFORCE": "on"}
    assert adas.get("/withdraw/").status_code == 302


# Once for each


def asked(authsignal):
    return [call.action for call in authsignal.calls if call.operation == "track"]


@pytest.mark.parametrize(
    ("method", "where", "action"),
    [("get", "/withdraw/", "withdrawFunds"), ("post", "/pay/", "payInvoice"), ("post", "/deep/", "withdrawFunds")],
)
def test_a_storm_of_reloads_is_observed_once(adas, authsignal, method, where, action):
    for _ in range(10):
        send(adas, method, where)
    assert asked(authsignal) == [action]
    assert Challenge.objects.count() == 1


def test_a_storm_during_an_outage_waits_once(adas, authsignal):
    authsignal.fail("timeout")
    for _ in range(10):
        adas.get("/withdraw/")
    assert len(authsignal.calls) == 1


def test_other_values_are_another_question(adas, authsignal):
    for amount in ("1", "2", "2"):
        adas.post("/pay/", {**BODY, "amount": amount})
    assert asked(authsignal) == ["payInvoice"] * 2


def test_it_is_observed_again_when_a_proof_would_have_aged(adas, authsignal, time_machine_later):
    adas.get("/withdraw/")
    time_machine_later(901)
    adas.get("/withdraw/")
    assert asked(authsignal) == ["withdrawFunds"] * 2


@pytest.fixture
def time_machine_later(time_machine):
    from datetime import timedelta

    from django.utils import timezone

    return lambda seconds: time_machine.move_to(timezone.now() + timedelta(seconds=seconds))


def test_each_sign_in_counts_and_its_session_is_not_asked_again(way_in, authsignal):
    get_user_model().objects.create_user("ada", "ada@example.com", PASSWORD)
    for _ in range(2):
        browser = way_in()
        browser.post("/login/", {"username": "ada", "password": PASSWORD})
        assert [browser.get("/members/").status_code for _ in range(3)] == [200] * 3
    assert asked(authsignal) == ["signIn"] * 2


def test_what_the_session_remembers_stays_small(adas):
    for number in range(40):
        adas.post("/pay/", {**BODY, "amount": str(number)})
    assert len(adas.session["authsignal_observed"]) == 32


# Callables


@pytest.mark.parametrize("atomic_requests", [False], indirect=True)
def test_a_callable_that_raises_ends_closed_and_is_logged(adas, settings, caplog):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ENFORCE": broken_enforce}
    assert adas.get("/withdraw/").status_code == 302
    assert "ENFORCE raised for withdrawFunds" in caplog.text


def test_a_callable_is_asked_once_a_request(adas, settings):
    said = iter(["observe", "on"])
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ENFORCE": lambda *args: next(said)}
    assert adas.get("/deep/").status_code == 200


def test_off_asks_nothing_and_writes_nothing(adas, settings, authsignal):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ENFORCE": lambda *args: "off"}
    assert adas.post("/pay/", BODY).json() == {"paid": BODY}
    assert (authsignal.calls, Challenge.objects.count()) == ([], 0)


def test_what_nobody_waits_for_is_not_asked_about(adas, authsignal):
    assert adas.get("/withdraw/", headers={"Sec-Purpose": "prefetch"}).content == b"withdrawn"
    assert adas.head("/withdraw/").status_code == 200
    assert [call for call in authsignal.calls if call.operation == "track"] == []
