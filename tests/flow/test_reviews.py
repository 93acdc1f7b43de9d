"""A review holds the action until a person releases it, for one request."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from django_authsignal.models import Challenge, Status
from tests.conftest import PASSWORD, newest

pytestmark = pytest.mark.django_db


@pytest.fixture
def held(adas, authsignal):
    authsignal.review()
    adas.get("/withdraw/")
    return newest()


def decide(authsignal, row, state):
    authsignal.complete(str(row.pk), state=state)


def test_a_review_shows_a_page_that_waits(adas, held):
    page = adas.get(reverse("authsignal:challenge", args=[held.pk]))
    assert page.status_code == 200
    assert b"authsignal/review.js" in page.content
    assert b'http-equiv="refresh"' not in page.content  # WCAG 2.2.1: nobody could stop it


def test_a_released_review_lets_one_request_through(adas, held, authsignal):
    decide(authsignal, held, "REVIEW_SUCCEEDED")
    assert adas.get("/withdraw/").content == b"withdrawn"
    assert adas.get("/withdraw/").status_code == 403
    assert Challenge.objects.get(pk=held.pk).status == Status.SPENT


def test_a_released_review_lets_no_other_request_through(adas, held, authsignal):
    decide(authsignal, held, "REVIEW_SUCCEEDED")
    adas.get(reverse("authsignal:challenge", args=[held.pk]))
    assert adas.get("/withdraw/?other").status_code == 403
    assert adas.get("/transfer/").status_code == 403
    assert adas.get("/withdraw/").content == b"withdrawn"


@pytest.mark.parametrize("state", ["CHALLENGE_SUCCEEDED", "ALLOW", "REVIEW_REQUIRED", "SOMETHING_NEW"])
def test_no_other_state_releases_a_review(adas, held, authsignal, state):
    decide(authsignal, held, state)
    assert adas.get("/withdraw/").status_code == 403
    assert Challenge.objects.get(pk=held.pk).status == Status.REVIEW


def test_a_refused_review_denies(adas, held, authsignal):
    decide(authsignal, held, "REVIEW_FAILED")
    adas.get("/withdraw/")
    assert Challenge.objects.get(pk=held.pk).status == Status.DENIED


def test_authsignal_is_asked_about_a_review_at_most_every_five_seconds(adas, held, authsignal, time_machine):
    asked = lambda: sum(call.operation == "get_action" for call in authsignal.calls)  # noqa: E731  read where it is asked
    for _ in range(4):
        adas.get("/withdraw/")
    assert asked() == 1
    time_machine.move_to(timezone.now() + timedelta(seconds=6))
    adas.get("/withdraw/")
    assert asked() == 2


def test_a_review_ends_with_its_age(adas, held, authsignal, time_machine):
    decide(authsignal, held, "REVIEW_SUCCEEDED")
    time_machine.move_to(timezone.now() + timedelta(seconds=86_401))
    assert adas.get("/withdraw/").content != b"withdrawn"


def test_a_sign_in_whose_review_ran_out_keeps_where_it_was_to_lead(browser, ada, authsignal, time_machine):
    authsignal.review()
    where = browser.post("/login/", {"username": "ada", "password": PASSWORD, "next": "/members/"}).headers["Location"]
    time_machine.move_to(timezone.now() + timedelta(seconds=86_401))
    page = browser.get(where)
    assert b"That took too long" in page.content
    assert b'href="/login/?next=%2Fmembers%2F"' in page.content


def test_a_review_of_another_browser_is_not_released_to_this_one(adas, new_browser, ada, held, authsignal):
    decide(authsignal, held, "REVIEW_SUCCEEDED")
    other = new_browser()
    other.force_login(ada)
    other.get("/withdraw/")
    assert other.get(reverse("authsignal:challenge", args=[held.pk])).status_code == 403
    assert Challenge.objects.get(pk=held.pk).status == Status.REVIEW


def test_a_released_sign_in_counts_where_it_is_asked_again(adas, authsignal):
    authsignal.review()
    adas.get("/members/")
    decide(authsignal, newest(), "REVIEW_SUCCEEDED")
    assert adas.get("/members/").content == b"members"
    assert adas.get("/members/").content == b"members"


def test_a_released_sign_in_signs_in(browser, ada, authsignal):
    authsignal.review()
    where = browser.post("/login/", {"username": "ada", "password": PASSWORD}).headers["Location"]
    assert browser.get(where).status_code == 200
    assert browser.user_pk is None
    decide(authsignal, newest(), "REVIEW_SUCCEEDED")
    Challenge.objects.update(checked_at=None)
    assert browser.get(where).headers["Location"] == "/home/"
    assert browser.user_pk == str(ada.pk)
    assert browser.get("/members/").content == b"members"


@pytest.mark.security
def test_a_released_step_up_is_no_sign_in(adas, authsignal, held):
    decide(authsignal, held, "REVIEW_SUCCEEDED")
    assert adas.get("/withdraw/").content == b"withdrawn"
    assert not adas.session["authsignal"].get("passes")
