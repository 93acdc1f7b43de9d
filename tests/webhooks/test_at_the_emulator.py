"""The same with a real sender: the emulator delivers to a real server of ours, and one's codes go out by our mail."""

import re
import time
import uuid

import pytest
import requests
from django.core import mail
from django.urls import reverse

from django_authsignal.client import Client
from django_authsignal.identity import authsignal_id
from django_authsignal.models import Challenge, ReceivedEvent, Status
from django_authsignal.session import KEY
from tests.conftest import PASSWORD, Browser, newest

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def manage(emulator):
    """Calls the emulator's management."""

    def call(method, path, **body):
        url = f"{emulator.api_url}/management/{path}"
        answer = requests.request(method, url, json=body, auth=(emulator.secret, ""), timeout=15)
        answer.raise_for_status()
        return answer.json()

    return call


@pytest.fixture
def hook(manage, live_server):
    """Sets up a webhook to this site, which is gone after the test."""
    made = []

    def create(*types, **more):
        url = live_server.url + reverse("authsignal:webhook")
        made.append(manage("POST", "webhooks", url=url, types=types, **more))

    yield create
    for webhook in made:
        manage("DELETE", f"webhooks/{webhook['webhookId']}")


@pytest.fixture
def api(emulator):
    return Client(emulator.secret, api_url=emulator.api_url)


@pytest.fixture
def adas_mail(ada, api):
    """Ada proves by codes that are mailed to her."""
    enrolled = api.enroll_verified_authenticator(authsignal_id(ada), verification_method="EMAIL_OTP", email=ada.email)
    return enrolled.authenticator.user_authenticator_id


@pytest.fixture
def browser(db):
    return Browser(None)


def ask(emulator, path, token, **body):
    """A call of the hosted page's."""
    url = f"{emulator.api_url}/client/{path}"
    return requests.post(url, json=body, headers={"Authorization": f"Bearer {token}"}, timeout=15)


def begin(browser):
    """Gives the password; returns what the hosted page works with."""
    browser.post("/login/", {"username": "ada", "password": PASSWORD})
    return browser.session[KEY]["open"][str(newest().pk)]["token"]


def wait_for(check, seconds=15):
    """Until an asynchronous event has arrived."""
    ends = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < ends, "it did not happen in time"
        time.sleep(0.05)
    return found


def test_somebody_signs_in_by_a_code_that_our_own_mail_delivered(emulator, hook, configure, browser, adas_mail):
    configure(EMAIL_HOOK=True)
    hook("email.created", isSynchronous=True)
    token = begin(browser)
    assert ask(emulator, "challenge/email-otp", token).status_code == 200
    (sent,) = mail.outbox
    assert sent.to == ["ada@example.com"]
    code = re.search(r"\b\d{6}\b", sent.body)[0]
    done = ask(emulator, "verify/email-otp", token, verificationCode=code).json()
    assert done["isVerified"]
    browser.callback(token=done["accessToken"])
    assert browser.user_pk
    assert newest().status == Status.PROVED
    assert ReceivedEvent.objects.get().type == "email.created"


def test_without_a_hook_the_person_is_told_and_nothing_is_sent(emulator, hook, browser, adas_mail):
    hook("email.created", isSynchronous=True)
    answer = ask(emulator, "challenge/email-otp", begin(browser))
    assert (answer.status_code, answer.json()["errorCode"]) == (400, "webhook_failed")
    assert not mail.outbox


@pytest.mark.parametrize(("agrees", "status"), [(True, 200), (False, 403)])
def test_a_second_opinion_is_asked_for(emulator, manage, live_server, configure, browser, adas_mail, agrees, status):
    asked = []
    configure(VERIFY_HOOK=lambda event: asked.append(event.idempotency_key) is None and agrees)
    url = live_server.url + reverse("authsignal:webhook")
    action = f"asked-{uuid.uuid4().hex[:8]}"
    configure(SIGN_IN_ACTION=action)
    manage(
        "POST",
        "action-configurations",
        actionCode=action,
        defaultUserActionResult="CHALLENGE",
        verificationWebhookUrl=url,
    )
    token = begin(browser)
    ask(emulator, "challenge/email-otp", token)
    code = emulator.inbox("ada@example.com")[0]["code"]
    assert ask(emulator, "verify/email-otp", token, verificationCode=code).status_code == status
    assert asked == [str(newest().pk)]


def test_what_is_removed_at_authsignal_revokes_and_tells_the_owner(ada, hook, api, browser, adas_mail):
    begin(browser)
    hook("authenticator.deleted")
    api.delete_authenticator(authsignal_id(ada), adas_mail)
    wait_for(lambda: Challenge.objects.get().status == Status.REVOKED)
    wait_for(lambda: mail.outbox)
    assert "was removed" in mail.outbox[0].subject


def test_what_is_added_at_authsignal_is_told_to_the_owner(ada, hook, api):
    hook("authenticator.created")
    api.enroll_verified_authenticator(authsignal_id(ada), verification_method="SMS", phone_number="+6421000000")
    wait_for(lambda: mail.outbox)
    assert "was added" in mail.outbox[0].subject
    wait_for(lambda: ReceivedEvent.objects.exclude(handled_at=None).count() == 1)
