"""django-hijack: staff who act as a user inherit no proof, neither the user's nor their own; see threat 19."""

import pytest
from django.contrib.auth import get_user_model

from tests.conftest import PASSWORD, newest

pytestmark = pytest.mark.django_db


@pytest.fixture
def grace(db):
    return get_user_model().objects.create_superuser("grace", "grace@example.com", PASSWORD)


@pytest.fixture
def as_ada(browser, grace, ada, authsignal):
    """Grace's browser, with every proof of her own, acting as ada."""
    browser.post("/admin/login/", {"username": "grace", "password": PASSWORD})
    browser.prove()
    browser.step_up()
    assert browser.get("/withdraw/").content == b"withdrawn"
    browser.post("/hijack/acquire/", {"user_pk": ada.pk})
    assert browser.user_pk == str(ada.pk)
    return browser


def test_staff_who_act_as_a_user_inherit_no_step_up(as_ada, ada, authsignal):
    assert as_ada.get("/withdraw/").status_code == 302
    assert newest().user_pk == str(ada.pk), "it is ada who would have to prove it"


def test_staff_who_act_as_a_user_hold_no_sign_in_pass(as_ada):
    assert as_ada.get("/members/").status_code == 302


def test_staff_who_act_as_a_user_set_up_no_way_of_proof_for_them(as_ada, authsignal):
    authsignal.unenrolled()
    assert as_ada.get("/members/").status_code == 403


def test_every_page_asks_staff_who_act_as_a_user(as_ada, settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django_authsignal.middleware.SignInChallengeMiddleware"]
    as_ada.handler.load_middleware()
    assert as_ada.get("/home/").status_code == 302


def test_staff_who_come_back_to_themselves_prove_anew(as_ada, grace):
    as_ada.post("/hijack/release/")
    assert as_ada.user_pk == str(grace.pk)
    assert as_ada.get("/withdraw/").status_code == 302
