"""Nobody removes their last way in: not by a slip, not by two requests at once."""

import contextlib
import threading

import pytest
from django.db import connections
from django.test import RequestFactory

from django_authsignal import authenticators
from django_authsignal.models import Challenge, Kind, Status, revoke_open
from tests.conftest import Browser
from tests.enrolment.conftest import URL

pytestmark = pytest.mark.django_db


def removals():
    return list(Challenge.objects.filter(kind=Kind.REMOVAL).order_by("created_at"))


def test_the_page_offers_to_remove_either_of_two(manager):
    assert [line.removable for line in manager.get(URL).context["authenticators"]] == [True, True]


def test_the_page_offers_to_remove_no_only_one(manager, ada, at_authsignal, two_ways):
    at_authsignal.take(ada, two_ways[1])
    manager.get(URL)
    manager.step_up(URL)
    page = manager.get(URL)
    assert [line.removable for line in page.context["authenticators"]] == [False]
    assert b"?remove=" not in page.content


@pytest.mark.security
def test_the_last_way_is_not_removed_by_a_request_that_the_page_did_not_offer(manager, ada, at_authsignal, two_ways):
    at_authsignal.take(ada, two_ways[1])
    answer = manager.post(URL, {"remove": two_ways[0]})
    assert answer.status_code == 409
    assert b"This is the last way you have" in answer.content
    assert at_authsignal.ids(ada) == [two_ways[0]]


def test_recovery_codes_are_no_way_that_is_left(manager, ada, at_authsignal, two_ways):
    at_authsignal.take(ada, two_ways[1])
    at_authsignal.give(ada, "RECOVERY_CODE")
    assert manager.post(URL, {"remove": two_ways[0]}).status_code == 409
    assert two_ways[0] in at_authsignal.ids(ada)


def test_the_last_way_that_the_sign_in_accepts_is_not_removed(manager, ada, at_authsignal, two_ways, settings):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ACTIONS": {"signIn": {"METHODS": ["PASSKEY"]}}}
    assert manager.post(URL, {"remove": two_ways[0]}).status_code == 409
    assert manager.post(URL, {"remove": two_ways[1]}).status_code == 200
    assert at_authsignal.ids(ada) == [two_ways[0]]


@pytest.mark.security
def test_the_authenticator_of_somebody_else_is_a_404(manager, bob, at_authsignal):
    bobs = at_authsignal.give(bob)
    answer = manager.post(URL, {"remove": bobs})
    assert answer.status_code == 404
    assert at_authsignal.ids(bob) == [bobs]


def test_a_removal_is_a_row_of_the_ledger(manager, ada, two_ways):
    manager.post(URL, {"remove": two_ways[1]})
    (row,) = removals()
    assert (row.user_pk, row.status, row.reason) == (str(ada.pk), Status.SPENT, "removed EMAIL_OTP")
    assert row.closed_at is not None


def test_a_removal_that_was_refused_is_one_too(manager, two_ways):
    manager.post(URL, {"remove": "nobody's"})
    assert [(row.status, row.reason) for row in removals()] == [(Status.DENIED, "unknown")]


class Together:
    """A transport whose listings wait for one another: both removals count what is there before either removes."""

    def __init__(self, send):
        self.send = send
        self.meeting = threading.Barrier(2)

    def __call__(self, request, *args, **kwargs):
        answer = self.send(request, *args, **kwargs)
        if request.method == "GET" and request.url.endswith("/authenticators"):
            with contextlib.suppress(threading.BrokenBarrierError):
                self.meeting.wait(timeout=1)
        return answer


@pytest.mark.security
@pytest.mark.django_db(transaction=True)
def test_two_removals_at_once_never_take_the_last_two(ada, authsignal, at_authsignal, two_ways):
    authsignal.send = Together(authsignal.send)
    reasons = []

    def remove(authenticator_id):
        request = RequestFactory().post(URL)
        request.session, request.user = {}, ada
        try:
            reasons.append(authenticators.remove(request, ada, authenticator_id).reason)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=remove, args=[one]) for one in two_ways]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(reasons) == 2
    assert reasons.count("") <= 1
    assert len(at_authsignal.ids(ada)) >= 1


@pytest.fixture
def under_way(ada, authsignal, two_ways):
    """A removal that Authsignal did not answer: nobody knows whether it was done."""
    request = RequestFactory().post(URL)
    request.session, request.user = {}, ada
    listed, send = [], authsignal.send

    def stalls(sent, *args, **kwargs):
        authsignal.fail("timeout" if sent.method == "DELETE" else None)
        listed.append(sent.method)
        return send(sent, *args, **kwargs)

    authsignal.send = stalls
    with pytest.raises(authenticators.Unreachable):
        authenticators.remove(request, ada, two_ways[1])
    authsignal.send = send
    authsignal.fail(None)
    assert listed == ["GET", "DELETE"]


@pytest.mark.security
def test_while_nobody_knows_what_became_of_one_removal_no_other_begins(manager, two_ways, under_way):
    answer = manager.post(URL, {"remove": two_ways[0]})
    assert answer.status_code == 409
    assert b"Another one is just being removed" in answer.content


@pytest.mark.security
def test_signing_out_elsewhere_does_not_let_a_second_removal_begin(manager, ada, two_ways, under_way):
    revoke_open(str(ada.pk), reason="logged_out")
    assert manager.post(URL, {"remove": two_ways[0]}).status_code == 409


def test_a_removal_that_never_ended_holds_nobody_up_for_long(manager, ada, two_ways, under_way, at_authsignal):
    from datetime import timedelta

    from django.utils import timezone

    Challenge.objects.filter(kind=Kind.REMOVAL).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert manager.post(URL, {"remove": two_ways[0]}).status_code == 200
    assert at_authsignal.ids(ada) == [two_ways[1]]


def test_a_removal_of_one_user_holds_up_no_other(under_way, new_browser, bob, at_authsignal):
    own = [at_authsignal.give(bob), at_authsignal.give(bob)]
    browser: Browser = new_browser()
    browser.force_login(bob)
    browser.step_up(URL)
    assert browser.post(URL, {"remove": own[0]}).status_code == 200


def test_when_authsignal_says_no_nothing_is_said_to_be_removed(manager, ada, two_ways, authsignal, mailoutbox):
    authsignal._remove = lambda user, authenticator_id: (200, {"success": False})
    answer = manager.post(URL, {"remove": two_ways[1]})
    assert answer.status_code == 502
    assert mailoutbox == []


def test_an_outage_while_removing_is_a_503_and_says_nothing_else(manager, two_ways, authsignal, mailoutbox):
    authsignal.fail("refused")
    assert manager.post(URL, {"remove": two_ways[1]}).status_code == 503
    assert mailoutbox == []
