"""Every login of allauth waits for its proof: password, social, code, signup, passkey. Nothing of it is skipped."""

import base64
import json
import re
from datetime import datetime, timedelta

import pytest
import time_machine
from allauth.account.models import EmailAddress
from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.contrib.auth import get_user_model
from django.core import mail
from django.db import connection
from django.urls import reverse

from django_authsignal.models import Challenge, Status
from tests.conftest import PASSWORD, AsgiBrowser, newest
from tests.emulator.authenticator import SoftwareAuthenticator

pytestmark = pytest.mark.django_db


@pytest.fixture(params=[False, True], ids=["plain", "atomic"], autouse=True)
def _atomic(request, monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", request.param)


def by_password(browser, user, **form):
    return browser.post("/accounts/login/", {"login": user.username, "password": PASSWORD, **form})


def by_social(browser, user):
    """The user's account at the dummy provider."""
    found = browser.post("/accounts/dummy/login/")
    form = {
        "id": str(user.pk),
        "first_name": "A",
        "email": user.email,
        "email_verified": "on",
        "username": user.username,
    }
    return browser.post(found["Location"], form)


def by_code(browser, user):
    browser.post("/accounts/login/code/", {"email": user.email})
    code = re.search(r"\n\n([\w-]+)\n\n", mail.outbox[-1].body)[1]
    return browser.post("/accounts/login/code/confirm/", {"code": code})


def by_reset(browser, user):
    """The link of a forgotten password, with ACCOUNT_LOGIN_ON_PASSWORD_RESET."""
    browser.post("/accounts/password/reset/", {"email": user.email})
    link = re.search(r"http://testserver(\S+)", mail.outbox[-1].body)[1]
    form = browser.get(link)["Location"]
    return browser.post(form, {"password1": "another long password", "password2": "another long password"})


def by_passkey(browser, user):
    """allauth's own passkeys, of which Authsignal knows nothing."""
    passkey = SoftwareAuthenticator("http://testserver")
    handle = base64.urlsafe_b64encode(user_pk_to_url_str(user).encode()).rstrip(b"=").decode()
    made = passkey.create({"user": {"id": handle}, "rp": {"id": "testserver"}, "challenge": "AA"})
    Authenticator.objects.create(user=user, type="webauthn", data={"name": "mine", "credential": made})
    headers = {"X-Requested-With": "XMLHttpRequest", "Accept": "application/json"}
    options = browser.get("/accounts/2fa/webauthn/login/", headers=headers).json()["request_options"]["publicKey"]
    return browser.post("/accounts/2fa/webauthn/login/", {"credential": json.dumps(passkey.get(options))})


WAYS = {
    "passkey": by_passkey,
    "password": by_password,
    "social": by_social,
    "code": by_code,
    "password reset": by_reset,
}


@pytest.fixture(params=WAYS)
def log_in(request, settings, ada):
    settings.ACCOUNT_LOGIN_ON_PASSWORD_RESET = True
    settings.SOCIALACCOUNT_EMAIL_AUTHENTICATION = True
    EmailAddress.objects.create(user=ada, email=ada.email, verified=True, primary=True)
    return WAYS[request.param]


def wait(browser, answer):
    """Follows a login to the page of its challenge."""
    assert answer.status_code == 302, answer.content
    assert answer["Location"] == "/authsignal/allauth/"
    asked = browser.get(answer["Location"])
    assert asked.status_code == 303
    return asked


def test_every_login_waits_for_its_proof(browser, ada, log_in):
    asked = wait(browser, log_in(browser, ada))
    assert browser.user_pk is None
    assert asked["Location"] == reverse("authsignal:challenge", args=[newest().pk])
    assert newest().user_pk == str(ada.pk)
    assert browser.get("/home/").content == b"home of AnonymousUser"


def test_every_login_goes_on_with_its_proof(browser, ada, log_in, authsignal):
    wait(browser, log_in(browser, ada))
    back = browser.prove()
    assert back["Location"].startswith("/authsignal/allauth/?")
    done = browser.get(back["Location"])
    assert (done.status_code, done["Location"]) == (302, "/home/")
    assert browser.user_pk == str(ada.pk)
    assert browser.get("/members/").status_code == 200, "the session holds the sign-in's pass"
    assert [call.operation for call in authsignal.calls] == ["track", "validate_challenge"]


def test_every_login_ends_on_block(browser, ada, log_in, authsignal):
    authsignal.block()
    answer = log_in(browser, ada)
    refused = browser.get(answer["Location"])
    assert refused.status_code == 403
    assert browser.user_pk is None
    assert browser.get("/authsignal/allauth/")["Location"] == "/accounts/login/", "nothing waits any more"
    assert len(authsignal.calls) == 1


def test_an_allow_goes_on_at_once(browser, ada, log_in, authsignal):
    authsignal.allow()
    done = browser.get(log_in(browser, ada)["Location"])
    assert done["Location"] == "/home/"
    assert browser.user_pk == str(ada.pk)
    assert browser.get("/members/").status_code == 200


def test_an_outage_signs_nobody_in_and_can_be_sat_out(browser, ada, log_in, authsignal):
    answer = log_in(browser, ada)
    authsignal.fail("timeout")
    assert browser.get(answer["Location"]).status_code == 503
    assert browser.user_pk is None
    authsignal.fail(None)
    wait(browser, answer)
    browser.get(browser.prove()["Location"])
    assert browser.user_pk == str(ada.pk)


def test_a_signup_is_kept_and_waits(browser, authsignal):
    authsignal.unenrolled()
    form = {"username": "new", "email": "new@example.com", "password1": "a long password of mine"}
    answer = browser.post("/accounts/signup/", form)
    made = get_user_model().objects.get(username="new")
    asked = browser.get(answer["Location"])
    assert asked.status_code == 303, asked.content
    assert newest().enrolls
    browser.get(browser.prove()["Location"])
    assert browser.user_pk == str(made.pk)


def test_a_social_signup_waits(browser, authsignal):
    found = browser.post("/accounts/dummy/login/")
    form = {
        "id": "4711",
        "first_name": "S",
        "email": "social@example.com",
        "email_verified": "on",
        "username": "social",
    }
    wait(browser, browser.post(found["Location"], form))
    assert browser.user_pk is None
    browser.get(browser.prove()["Location"])
    assert browser.user_pk == str(get_user_model().objects.get(username="social").pk)


def test_a_login_over_asgi_waits_and_goes_on(authsignal, ada):
    if connection.settings_dict["ATOMIC_REQUESTS"]:
        return
    browser = AsgiBrowser(authsignal)
    wait(browser, by_password(browser, ada))
    assert browser.user_pk is None
    browser.get(browser.prove()["Location"])
    assert browser.user_pk == str(ada.pk)


MIDDLEWARE = {
    "of Django": "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "of ours": "django_authsignal.middleware.SignInChallengeMiddleware",
}


@pytest.mark.parametrize("middleware", MIDDLEWARE.values(), ids=MIDDLEWARE)
def test_middleware_that_asks_of_every_page_lets_a_login_through_and_asks_once(
    browser, ada, settings, authsignal, middleware
):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, middleware]
    wait(browser, by_password(browser, ada))
    browser.get(browser.prove()["Location"])
    assert browser.get("/home/").content == b"home of ada"
    assert [call.operation for call in authsignal.calls] == ["track", "validate_challenge"]


# Nothing of allauth is skipped


def test_the_address_is_verified_before_anything_is_asked(browser, ada, settings, authsignal):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    answer = by_password(browser, ada)
    assert answer["Location"] == "/accounts/confirm-email/"
    assert browser.get("/authsignal/allauth/")["Location"] == "/accounts/login/"
    assert (browser.user_pk, authsignal.calls) == (None, [])
    EmailAddress.objects.filter(user=ada).update(verified=True)
    wait(browser, by_password(browser, ada))


def test_a_proof_does_not_outlive_a_verification_that_was_withdrawn(browser, ada, settings, authsignal):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    EmailAddress.objects.create(user=ada, email=ada.email, verified=True, primary=True)
    wait(browser, by_password(browser, ada))
    ada.email = "other@example.com"
    ada.save()
    back = browser.prove()
    browser.get(back["Location"])
    assert browser.user_pk is None


def totp(user):
    secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
    TOTP.activate(user, secret)
    return lambda: format_hotp_value(hotp_value(secret, next(yield_hotp_counters_from_time())))


def test_allauths_own_mfa_is_passed_before_anything_is_asked(browser, ada, authsignal):
    code = totp(ada)
    answer = by_password(browser, ada)
    assert answer["Location"] == "/accounts/2fa/authenticate/"
    assert browser.get("/authsignal/allauth/")["Location"] == "/accounts/login/"
    assert authsignal.calls == []
    wait(browser, browser.post("/accounts/2fa/authenticate/", {"code": code()}))
    browser.get(browser.prove()["Location"])
    assert browser.user_pk == str(ada.pk)


def test_a_proof_does_not_stand_in_for_allauths_own_mfa(browser, ada):
    wait(browser, by_password(browser, ada))
    back = browser.prove()
    totp(ada)
    by_password(browser, ada)  # the login that waited is replaced by one that waits for the code
    refused = browser.get(back["Location"])
    assert refused.status_code == 403
    assert browser.user_pk is None


# Whose login it is


def test_a_proof_finishes_no_other_login(browser, ada, bob):
    wait(browser, by_password(browser, ada))
    back = browser.prove()["Location"]
    wait(browser, by_password(browser, bob))
    assert browser.get(back).status_code == 403
    assert browser.user_pk is None


def test_a_proof_of_an_earlier_login_finishes_no_later_one(browser, ada):
    wait(browser, by_password(browser, ada))
    back = browser.prove()["Location"]
    wait(browser, by_password(browser, ada))
    assert browser.get(back).status_code == 403
    assert browser.user_pk is None


def test_a_proof_that_was_left_lying_signs_nobody_in(browser, ada):
    wait(browser, by_password(browser, ada))
    back = browser.prove()["Location"]
    with time_machine.travel(datetime.now().astimezone() + timedelta(seconds=301)):
        assert browser.get(back).status_code == 403
        assert browser.user_pk is None


def test_a_proof_serves_one_login(browser, ada):
    wait(browser, by_password(browser, ada))
    back = browser.prove()["Location"]
    browser.get(back)
    browser.post("/accounts/logout/")
    assert browser.user_pk is None
    browser.get(back)
    wait(browser, by_password(browser, ada))
    assert browser.get(back).status_code == 403
    assert browser.user_pk is None


def test_another_browser_does_not_finish_it(browser, new_browser, ada, authsignal):
    wait(browser, by_password(browser, ada))
    thief = new_browser()
    thief.cookies["sessionid"] = browser.cookies["sessionid"].value
    token = authsignal.complete(str(newest().pk))
    thief.callback(newest(), token=token)
    assert newest().status == Status.OPEN
    browser.prove()
    assert thief.get("/authsignal/allauth/", {"authsignal": str(newest().pk)}).status_code == 403
    assert thief.get("/authsignal/allauth/")["Location"] == "/accounts/login/"
    assert thief.user_pk is None


def test_a_planted_address_signs_nobody_in(browser, new_browser, ada):
    wait(browser, by_password(browser, ada))
    link = browser.prove()["Location"]
    victim = new_browser()
    assert victim.get(link).status_code == 403
    assert victim.user_pk is None


def test_a_user_deactivated_meanwhile_is_not_signed_in(browser, ada):
    wait(browser, by_password(browser, ada))
    back = browser.prove()
    ada.is_active = False
    ada.save()
    assert browser.get(back["Location"]).status_code == 403
    assert browser.user_pk is None


def test_a_proof_of_a_login_that_ran_out_is_told_so(browser, ada, settings):
    wait(browser, by_password(browser, ada))
    back = browser.prove()["Location"]
    settings.ACCOUNT_LOGIN_TIMEOUT = 0
    answer = browser.get(back)
    assert (answer.status_code, browser.user_pk) == (403, None)
    assert b"/accounts/login/" in answer.content


# Leaving


def test_who_leaves_may_sign_in_anew(browser, ada, bob):
    wait(browser, by_password(browser, ada))
    cancelled = browser.callback()  # without a token
    page = browser.get(cancelled["Location"])
    assert b'href="/accounts/login/"' in page.content
    assert browser.get("/accounts/login/").status_code == 200
    wait(browser, by_password(browser, bob))
    browser.get(browser.prove()["Location"])
    assert browser.user_pk == str(bob.pk)


def test_a_reload_asks_for_nothing_new(browser, ada, authsignal):
    wait(browser, by_password(browser, ada))
    browser.get("/authsignal/allauth/")
    assert [call.operation for call in authsignal.calls] == ["track"]


def test_an_expired_challenge_is_asked_for_anew(browser, ada):
    wait(browser, by_password(browser, ada))
    Challenge.objects.update(expires_at="2026-01-01T00:00:00Z")
    first = newest().pk
    wait(browser, browser.get("/accounts/login/") and by_password(browser, ada))
    assert newest().pk != first


def test_a_review_holds_the_login_and_releases_it(browser, ada, authsignal):
    authsignal.review()
    answer = by_password(browser, ada)
    assert browser.get(answer["Location"]).status_code == 403
    assert browser.user_pk is None
    row = newest()
    authsignal.complete(str(row.pk), state="REVIEW_SUCCEEDED")
    onward = browser.get(reverse("authsignal:challenge", args=[row.pk]))
    assert onward["Location"].startswith("/authsignal/allauth/?")
    browser.get(onward["Location"])
    assert browser.user_pk == str(ada.pk)


def test_somebody_signed_in_already_is_sent_on(browser, ada):
    wait(browser, by_password(browser, ada))
    browser.get(browser.prove()["Location"])
    assert browser.get("/authsignal/allauth/")["Location"] == "/home/"


# The rest of the project


def test_the_admins_sign_in_is_asked_by_the_backend_once(browser, db, authsignal):
    get_user_model().objects.create_superuser("grace", "grace@example.com", PASSWORD)
    browser.post("/admin/login/", {"username": "grace", "password": PASSWORD})
    assert [call.operation for call in authsignal.calls] == ["track"]
    browser.prove()
    assert browser.user_pk


def test_confirming_the_password_asks_for_nothing(browser, ada, authsignal):
    wait(browser, by_password(browser, ada))
    browser.get(browser.prove()["Location"])
    authsignal.calls.clear()
    assert browser.post("/accounts/reauthenticate/", {"password": PASSWORD}).status_code == 302
    assert authsignal.calls == []


def test_the_page_asked_for_is_reached(browser, ada):
    wait(browser, browser.post("/accounts/login/?next=/withdraw/", {"login": "ada", "password": PASSWORD}))
    assert browser.get(browser.prove()["Location"])["Location"] == "/withdraw/"


def test_observing_interrupts_no_login(browser, ada, settings, authsignal):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ENFORCE": "observe"}
    browser.get(by_password(browser, ada)["Location"])
    assert browser.user_pk == str(ada.pk)
    assert [call.operation for call in authsignal.calls] == ["track"]


def test_whoever_did_not_prove_their_sign_in_can_sign_out(browser, ada, settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django_authsignal.middleware.SignInChallengeMiddleware"]
    browser.force_login(ada)
    assert browser.get("/home/").status_code == 302
    browser.post("/accounts/logout/")
    assert browser.user_pk is None
