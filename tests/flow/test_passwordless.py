"""Signing in without a password: the proof is all there is."""

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse

from django_authsignal.models import Status
from tests.conftest import PUBLIC, newest

pytestmark = pytest.mark.django_db
URL = "/authsignal/sign-in/"


def test_an_enrolled_user_signs_in_by_name_and_passkey(browser, ada):
    assert browser.post(URL, {"username": "ada", "next": "/members/"}).status_code == 303
    assert browser.user_pk is None
    assert browser.prove().headers["Location"] == "/members/"
    assert browser.user_pk == str(ada.pk)
    assert browser.get("/members/").content == b"members"


@pytest.mark.security
@pytest.mark.parametrize("method", ["RECOVERY_CODE", "SMS", "EMAIL_OTP", "AUTHENTICATOR_APP"])
def test_a_method_outside_passwordless_methods_is_refused(browser, ada, method):
    browser.post(URL, {"username": "ada"})
    assert "method" in browser.prove(method=method).headers["Location"]
    assert browser.user_pk is None


@pytest.mark.security
def test_unknown_inactive_and_un_enrolled_get_one_same_answer(new_browser, ada, bob, authsignal):
    get_user_model().objects.filter(pk=bob.pk).update(is_active=False)
    answers = {}
    for name in ("nil", "bob", "ada"):
        authsignal.unenrolled()
        before = len(authsignal.calls)
        answer = new_browser().post(URL, {"username": name})
        body = answer.content.decode().replace(name, "NAME")
        body = "\n".join(line for line in body.splitlines() if "csrfmiddlewaretoken" not in line)
        operations = tuple(call.operation for call in authsignal.calls[before:])
        answers[name] = (answer.status_code, body, sorted(answer.headers.items()), operations)
    assert answers["nil"][3] == ("get_user",)
    assert answers["nil"] == answers["bob"] == answers["ada"]


@pytest.mark.security
@pytest.mark.parametrize("outcome", ["allow", "block", "review"])
def test_nothing_but_a_challenge_leads_in(browser, ada, authsignal, outcome):
    getattr(authsignal, outcome)()
    browser.post(URL, {"username": "ada"})
    assert browser.user_pk is None


@pytest.mark.security
def test_a_released_review_signs_nobody_in_who_only_gave_a_name(browser, ada, authsignal):
    authsignal.review()
    browser.post(URL, {"username": "ada"})
    row = newest()
    assert row.status == Status.DENIED
    authsignal.complete(str(row.pk), state="REVIEW_SUCCEEDED")
    browser.get(reverse("authsignal:challenge", args=[row.pk]))
    assert browser.user_pk is None


@pytest.mark.security
@pytest.mark.parametrize(
    "written", [{"ON_ALLOW": "pass"}, {"ENFORCE": "observe"}, {"ON_UNREACHABLE": "allow"}, {"UNENROLLED": "allow"}]
)
def test_no_policy_lets_somebody_in_without_a_proof(browser, ada, authsignal, settings, written):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, **written}
    authsignal.allow()
    browser.post(URL, {"username": "ada"})
    authsignal.fail("refused")
    browser.post(URL, {"username": "ada"})
    assert browser.user_pk is None


@pytest.mark.security
def test_tries_are_limited_per_name(new_browser, ada, authsignal, one_window):
    statuses = [new_browser().post(URL, {"username": "ada"}).status_code for _ in range(6)]
    assert statuses == [303] * 5 + [429]


@pytest.mark.security
def test_tries_are_limited_per_address(new_browser, db, authsignal, one_window):
    browsers = [new_browser(REMOTE_ADDR=PUBLIC) for _ in range(21)]
    statuses = [browser.post(URL, {"username": f"user{n}"}).status_code for n, browser in enumerate(browsers)]
    assert statuses == [200] * 20 + [429]


def test_the_page_asks_for_a_name_alone(browser, db):
    page = browser.get(URL)
    assert page.status_code == 200
    assert b'type="password"' not in page.content


@pytest.mark.parametrize("name", ["", "\x00", "a" * 300, "'; drop table"])
def test_a_strange_name_is_no_500(browser, db, name):
    assert browser.post(URL, {"username": name}).status_code == 200


def test_an_outage_is_a_503(browser, ada, authsignal):
    authsignal.fail("refused")
    assert browser.post(URL, {"username": "ada"}).status_code == 503


def test_the_proof_signs_in_nobody_who_was_deactivated_meanwhile(browser, ada):
    browser.post(URL, {"username": "ada"})
    get_user_model().objects.update(is_active=False)
    browser.prove()
    assert browser.user_pk is None
    assert newest().reason == "inactive"
