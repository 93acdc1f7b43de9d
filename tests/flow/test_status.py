"""`status`: will I be asked for this, and how long does my pass last?"""

import pytest

from django_authsignal import rollout
from django_authsignal.models import Challenge
from tests.conftest import newest

pytestmark = pytest.mark.django_db
URL = "/authsignal/status/"


@pytest.fixture
def configured(settings):
    def write(**written):
        settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, **written}

    return write


def told(browser, action="withdrawFunds", **query):
    answer = browser.fetch(URL, data={"action": action, **query})
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_somebody_without_a_pass_will_be_asked(adas):
    assert told(adas) == {
        "action": "withdrawFunds",
        "signedIn": True,
        "passed": False,
        "asked": True,
        "secondsLeft": 0,
        "open": [],
    }


def test_a_pass_is_not_asked_for_again_until_its_seconds_are_over(adas):
    adas.step_up()
    found = told(adas)
    assert (found["passed"], found["asked"]) == (True, False)
    assert 890 <= found["secondsLeft"] <= 900


def test_an_open_challenge_is_named(adas):
    adas.get("/withdraw/")
    assert told(adas)["open"] == [str(newest().pk)]


def test_the_sign_in_s_pass_lasts_as_long_as_the_session(browser, ada):
    browser.sign_in()
    found = told(browser, "signIn")
    assert (found["passed"], found["asked"], found["secondsLeft"]) == (True, False, None)


def test_a_sign_in_with_an_age_tells_its_seconds(browser, ada, configured):
    configured(ACTIONS={"signIn": {"MAX_AGE": 600}})
    browser.sign_in()
    assert 590 <= told(browser, "signIn")["secondsLeft"] <= 600


def test_a_session_that_was_logged_in_in_another_way_will_be_asked_for_its_sign_in(adas):
    assert told(adas, "signIn")["asked"] is True


def test_an_action_whose_proof_belongs_to_one_request_is_always_asked(adas):
    adas.post("/delete/")
    adas.prove()
    found = told(adas, "deleteAccount")
    assert (found["passed"], found["asked"], found["secondsLeft"]) == (False, True, 0)


def test_a_view_that_asks_for_a_younger_proof_is_answered_by_max_age(adas):
    adas.step_up()
    assert told(adas, maxAge="60")["secondsLeft"] <= 60
    assert told(adas, maxAge="0")["asked"] is True


def stops_nobody(request, user, action):
    return "off"


@pytest.mark.parametrize("enforce", ["observe", stops_nobody])
def test_where_nobody_is_stopped_nobody_is_asked(adas, configured, enforce):
    configured(ENFORCE=enforce)
    found = told(adas)
    assert (found["passed"], found["asked"]) == (False, False)


def test_a_rule_by_place_is_asked_about_the_page_that_is_named(adas, configured):
    configured(ENFORCE=rollout.paths("/withdraw"))
    assert told(adas)["asked"] is False
    assert told(adas, path="/withdraw/?page=2")["asked"] is True
    assert told(adas, path="/home/")["asked"] is False


def test_values_that_depend_on_the_page_are_those_of_the_page_that_is_named(adas, configured):
    configured(ACTIONS={"withdrawFunds": {"CUSTOM": lambda request: {"from": request.GET.get("from", "")}}})
    adas.step_up("/withdraw/?from=savings")
    assert told(adas, path="/withdraw/?from=savings")["passed"] is True
    assert told(adas, path="/withdraw/?from=other")["passed"] is False


def test_somebody_anonymous_is_told_to_sign_in_first(browser):
    found = told(browser)
    assert (found["signedIn"], found["passed"], found["asked"], found["secondsLeft"]) == (False, False, True, 0)


def test_asking_begins_nothing_and_calls_nobody(adas, authsignal):
    told(adas)
    assert authsignal.calls == []
    assert not Challenge.objects.exists()


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"action": ""},
        {"action": "nope"},
        {"action": "withdrawFunds", "maxAge": "901"},
        {"action": "withdrawFunds", "maxAge": "-1"},
        {"action": "withdrawFunds", "maxAge": "soon"},
        {"action": "withdrawFunds", "maxAge": "²"},
        {"action": "withdrawFunds", "maxAge": "9" * 5000},
        {"action": "signIn", "maxAge": "0"},
        {"action": "withdrawFunds", "path": ""},
        {"action": "withdrawFunds", "path": "//evil.example/"},
        {"action": "withdrawFunds", "path": "/nowhere/"},
    ],
)
def test_what_makes_no_sense_is_a_400_that_says_why(adas, query):
    answer = adas.fetch(URL, data=query)
    assert answer.status_code == 400
    assert answer.json()["title"]


def test_the_answer_is_kept_by_no_cache(adas):
    answer = adas.fetch(URL, data={"action": "withdrawFunds"})
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Cookie" in answer.headers["Vary"]
