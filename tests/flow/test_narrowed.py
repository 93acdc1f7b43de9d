"""A view may ask for a younger proof than its action's policy: it ends nothing that was proved for longer."""

from datetime import UTC, datetime

import pytest
import time_machine
from django.http import HttpResponse
from django.urls import path

from django_authsignal.decorators import challenge_required
from django_authsignal.models import Challenge
from tests.conftest import newest
from tests.project.urls import urlpatterns as project

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


def _young(action):
    return challenge_required(action, max_age=60)(lambda request: HttpResponse("young"))


urlpatterns = [
    *project,
    path("young-sign-in/", _young("signIn")),
    path("young/", _young("withdrawFunds")),
    path("files/<int:number>/", challenge_required("seeFile")(lambda request, number: HttpResponse("file"))),
]


@pytest.fixture
def clock():
    with time_machine.travel(datetime(2030, 1, 1, tzinfo=UTC), tick=False) as moved:
        yield moved


def test_the_sign_in_lasts_as_long_as_the_session_after_a_young_one(clock, browser, ada):
    browser.sign_in()
    clock.shift(100)
    browser.step_up("/young-sign-in/")
    assert browser.get("/young-sign-in/").content == b"young"
    clock.shift(61)
    assert browser.get("/young-sign-in/").status_code == 302
    assert browser.get("/members/").content == b"members"


def test_a_session_without_a_proof_gains_one_for_all_by_a_young_sign_in(clock, adas):
    adas.step_up("/young-sign-in/")
    clock.shift(61)
    assert adas.get("/members/").content == b"members"


@pytest.mark.parametrize(("seconds", "status"), [(899, 200), (900, 302)])
def test_a_young_proof_serves_others_for_as_long_as_their_policy_says(clock, adas, seconds, status):
    adas.step_up("/withdraw/")
    clock.shift(100)
    adas.step_up("/young/")
    clock.shift(seconds)
    assert adas.get("/young/").status_code == 302
    assert adas.get("/withdraw/").status_code == status


def test_an_outage_at_a_young_sign_in_does_not_end_the_proved_one(clock, browser, ada, authsignal, configure):
    configure(ACTIONS={"signIn": {"ON_UNREACHABLE": "allow"}})
    browser.sign_in()
    clock.shift(100)
    authsignal.fail("refused")
    assert browser.get("/young-sign-in/").content == b"young"
    authsignal.fail(None)
    clock.shift(301)
    assert browser.get("/members/").content == b"members"


def test_an_allow_at_a_young_sign_in_does_not_end_the_proved_one(clock, browser, ada, authsignal):
    browser.sign_in()
    clock.shift(100)
    authsignal.allow()
    assert browser.get("/young-sign-in/").content == b"young"
    clock.shift(61)
    assert browser.get("/members/").content == b"members"


def test_many_proofs_of_files_do_not_end_the_sign_in(clock, browser, ada, configure):
    configure(ACTIONS={"seeFile": {"CUSTOM": lambda request: {"file": request.path}, "MAX_AGE": 60}})
    browser.sign_in()
    for number in range(33):
        clock.shift(1)
        browser.step_up(f"/files/{number}/")
        assert browser.get(f"/files/{number}/").content == b"file"
    assert browser.get("/members/").content == b"members"


def test_the_ledger_says_which_age_was_asked(adas):
    adas.step_up("/young/")
    assert (newest().max_age, Challenge.objects.count()) == (60, 1)
