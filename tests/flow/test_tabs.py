"""Our page of a challenge, looked at again after another tab of the same browser has proved the same."""

from datetime import timedelta

import pytest
import time_machine
from django.http import HttpResponse
from django.urls import path, reverse
from django.utils import timezone

from django_authsignal.decorators import challenge_required
from django_authsignal.models import Kind, Status
from tests.conftest import newest
from tests.project.urls import urlpatterns as project_urls

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


def _view(**how):
    return challenge_required("withdrawFunds", **how)(lambda request: HttpResponse("done"))


# The same action as /withdraw/, asked in stricter ways.
urlpatterns = [
    *project_urls,
    path("young/", _view(max_age=60)),
    path("once/", _view(max_age=0)),
    path("bound/", _view(bind=["amount"])),
]


def page_of(browser, row):
    return browser.get(reverse("authsignal:challenge", args=[row.pk]), {"reason": "not_completed"})


def begin(browser, path):
    browser.get(path)
    return newest()


def test_a_challenge_left_open_shows_the_way_on_once_another_tab_has_proved_the_same(adas):
    left = begin(adas, "/withdraw/?tab=1")
    adas.step_up("/withdraw/?tab=2")
    page = page_of(adas, left)
    assert page.templates[0].name == "authsignal/proved.html"
    assert page.context["return_to"] == "/withdraw/?tab=1"
    left.refresh_from_db()
    assert left.status == Status.OPEN  # looking gives no pass and spends nothing


def test_a_challenge_left_open_still_asks_while_nothing_was_proved(adas):
    left = begin(adas, "/withdraw/?tab=1")
    begin(adas, "/withdraw/?tab=2")
    assert page_of(adas, left).templates[0].name == "authsignal/challenge.html"


def test_a_proof_of_another_action_leaves_it_open(adas):
    left = begin(adas, "/withdraw/")
    adas.step_up("/authsignal/authenticators/")
    assert page_of(adas, left).templates[0].name == "authsignal/challenge.html"


@pytest.mark.parametrize("strict", ["/once/", "/bound/"])
def test_a_question_for_one_request_is_not_answered_by_the_pass_of_another_tab(adas, strict):
    adas.post(strict, {"amount": "1"})
    left = newest()
    adas.step_up("/withdraw/")
    assert page_of(adas, left).templates[0].name == "authsignal/challenge.html"


def test_a_proof_for_one_request_answers_no_other_tabs_question(adas):
    left = begin(adas, "/withdraw/")
    adas.post("/once/")
    adas.prove()
    assert page_of(adas, left).templates[0].name == "authsignal/challenge.html"


def test_a_view_that_asks_for_a_younger_proof_is_not_answered_by_an_older_one(adas):
    left = begin(adas, "/young/")
    adas.step_up("/withdraw/")
    assert page_of(adas, left).templates[0].name == "authsignal/proved.html"
    with time_machine.travel(timezone.now() + timedelta(seconds=61)):
        assert page_of(adas, left).templates[0].name == "authsignal/challenge.html"


@pytest.fixture
def too_old(adas):
    """Ada's browser with a pass that is too old for /young/ alone, and the question that /young/ therefore asked."""
    with time_machine.travel(timezone.now() - timedelta(seconds=61)):
        adas.step_up("/withdraw/")
    return begin(adas, "/young/")


def test_a_pass_from_before_the_question_does_not_answer_it(adas, too_old):
    assert page_of(adas, too_old).templates[0].name == "authsignal/challenge.html"


def test_a_proof_of_another_action_since_does_not_make_it_younger(adas, too_old):
    adas.step_up("/authsignal/authenticators/")
    assert page_of(adas, too_old).templates[0].name == "authsignal/challenge.html"


def test_a_proof_in_another_browser_since_does_not_make_it_younger(adas, too_old, new_browser, ada):
    other = new_browser()
    other.force_login(ada)
    other.step_up("/withdraw/")
    assert page_of(adas, too_old).templates[0].name == "authsignal/challenge.html"


def test_a_proof_whose_pass_is_gone_does_not_answer_it(adas):
    left = begin(adas, "/withdraw/?tab=1")
    adas.step_up("/withdraw/?tab=2")
    session = adas.session
    session["authsignal"] = {**session["authsignal"], "passes": {}}
    session.save()
    assert page_of(adas, left).templates[0].name == "authsignal/challenge.html"


def test_the_way_to_authsignals_settings_stays_open(adas):
    with time_machine.travel(timezone.now() - timedelta(seconds=890)):
        adas.step_up("/authsignal/authenticators/")
    adas.post("/authsignal/authenticators/", {"add": "1"})
    left = newest()
    assert left.kind == Kind.SETTINGS
    with time_machine.travel(timezone.now() + timedelta(seconds=20)):
        adas.step_up("/authsignal/authenticators/")
        assert page_of(adas, left).templates[0].name == "authsignal/challenge.html"


def test_a_sign_in_left_open_shows_the_way_on_once_another_tab_has_signed_in(browser, ada):
    browser.post("/login/?next=/members/%3Ftab=1", {"username": "ada", "password": "correct horse battery staple"})
    left = newest()
    browser.sign_in()
    page = page_of(browser, left)
    assert page.templates[0].name == "authsignal/proved.html"
    assert page.context["return_to"] == "/members/?tab=1"


@pytest.mark.security
def test_a_page_of_somebody_who_has_signed_out_since_is_not_shown_as_proved(adas, bob):
    left = begin(adas, "/withdraw/?tab=1")
    adas.step_up("/withdraw/?tab=2")
    adas.force_login(bob)
    adas.step_up("/withdraw/?tab=3")
    assert page_of(adas, left).templates[0].name != "authsignal/proved.html"
