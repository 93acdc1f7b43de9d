"""Accounts: what ends a proof, who may enrol or remove, what is told to Authsignal, and what a stranger can learn."""

import re

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.tokens import default_token_generator
from django.contrib.auth.views import PasswordResetConfirmView
from django.core.checks import run_checks
from django.urls import path, reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from django_authsignal.client import Client
from django_authsignal.models import Challenge, Status
from tests.conftest import PASSWORD, newest
from tests.project.urls import urlpatterns as project

pytestmark = [pytest.mark.django_db, pytest.mark.security, pytest.mark.urls(__name__)]
MANAGE = "/authsignal/authenticators/"
PASSWORDLESS = "/authsignal/sign-in/"

urlpatterns = [
    *project,
    path(
        "reset/<uidb64>/<token>/",
        PasswordResetConfirmView.as_view(post_reset_login=True, success_url="/members/"),
        name="password_reset_confirm",
    ),
]


@pytest.fixture
def enrolled(authsignal):
    """Users have exactly what is given here; returns the authenticator's id."""
    authsignal.methods = ()
    client = Client("key", transport=authsignal)

    def give(user, method="PASSKEY"):
        made = client.enroll_verified_authenticator(str(user.pk), verification_method=method)
        return made.authenticator.user_authenticator_id

    give.ids = lambda user: [item.user_authenticator_id for item in client.get_authenticators(str(user.pk))]
    return give


# 16


@pytest.mark.security(16)
def test_a_deactivated_user_passes_nothing_and_finishes_nothing(adas, ada):
    adas.step_up()
    adas.post("/delete/")
    row = newest()
    ada.is_active = False
    ada.save()
    assert adas.get("/withdraw/").headers["Location"].startswith("/login/")
    adas.prove(row)
    row.refresh_from_db()
    assert row.status != Status.PROVED


@pytest.mark.security(16)
def test_who_comes_back_after_a_deactivation_finds_nothing_open(adas, ada):
    adas.get("/withdraw/")
    row = newest()
    for active in (False, True):
        ada.is_active = active
        ada.save()
    adas.prove(row)
    row.refresh_from_db()
    assert (row.status, row.reason) == (Status.REVOKED, "deactivated")
    assert adas.get("/withdraw/").status_code == 302


@pytest.mark.security(16)
def test_removing_an_authenticator_drops_this_sessions_passes_and_what_is_open(adas, ada, enrolled):
    enrolled(ada)
    gone = enrolled(ada, "EMAIL_OTP")
    adas.step_up()
    adas.step_up(MANAGE)
    adas.post("/delete/")
    waiting = newest()
    adas.post(MANAGE, {"remove": gone})
    waiting.refresh_from_db()
    assert (waiting.status, waiting.reason) == (Status.REVOKED, "authenticators_changed")
    assert adas.get("/withdraw/").status_code == 302


# 18


@pytest.mark.security(18)
def test_a_password_reset_that_logs_in_has_proved_nothing(way_in, ada, colour):
    browser = way_in()
    uid = urlsafe_base64_encode(force_bytes(ada.pk))
    page = browser.get(reverse("password_reset_confirm", args=[uid, default_token_generator.make_token(ada)]))
    sent = {"new_password1": "an entirely new one", "new_password2": "an entirely new one"}
    assert browser.post(page.headers["Location"], sent).headers["Location"] == "/members/"
    assert browser.user_pk == str(ada.pk)
    assert "authsignal.com" in browser.get(f"{colour}members/").headers["Location"]


# 20


@pytest.mark.security(20)
def test_sessions_in_signed_cookies_are_named_at_deployment(settings):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    assert "authsignal.W014" in [item.id for item in run_checks(include_deployment_checks=True)]


# 47


@pytest.mark.security(47)
def test_an_address_that_nobody_verified_is_never_told(adas, authsignal, configure, colour):
    configure(
        VERIFIED_EMAIL=lambda user: None,
        VERIFIED_PHONE=lambda user: None,
        TRACK_ATTRIBUTES=lambda request, user, action: {"email": user.email, "phone_number": "+6421123456"},
    )
    adas.step_up(f"{colour}withdraw/")
    told = str([call.json for call in authsignal.calls])
    assert "ada@example.com" not in told
    assert "+6421123456" not in told


# 48


@pytest.mark.security(48)
@pytest.mark.parametrize("rule", ["deny", "email"])
def test_a_thief_with_a_password_alone_enrols_nowhere_when_the_policy_says_so(
    browser, ada, authsignal, configure, rule
):
    configure(ACTIONS={"signIn": {"UNENROLLED": rule}}, VERIFIED_EMAIL=lambda user: None)
    authsignal.unenrolled()
    authsignal.allow()
    answer = browser.post("/login/", {"username": "ada", "password": PASSWORD})
    assert answer.status_code == 403
    assert "authsignal.com" not in answer.content.decode()
    assert browser.user_pk is None


# 49


@pytest.mark.security(49)
def test_nothing_is_added_or_removed_without_a_step_up(adas, ada, authsignal, enrolled):
    own = [enrolled(ada), enrolled(ada, "EMAIL_OTP")]
    for sent in ({"remove": own[1]}, {"add": "1"}):
        assert adas.post(MANAGE, sent).status_code == 403
    assert enrolled.ids(ada) == own
    assert all("scope" not in (call.json or {}) for call in authsignal.calls)


@pytest.mark.security(49)
def test_the_last_authenticator_and_that_of_somebody_else_stay(adas, ada, bob, enrolled):
    last, bobs = enrolled(ada), enrolled(bob)
    adas.step_up(MANAGE)
    assert adas.post(MANAGE, {"remove": last}).status_code == 409
    assert adas.post(MANAGE, {"remove": bobs}).status_code == 404
    assert (enrolled.ids(ada), enrolled.ids(bob)) == ([last], [bobs])


# 52 and 66


@pytest.mark.security(52)
def test_a_name_alone_tells_nothing_of_unknown_inactive_and_un_enrolled_users(new_browser, ada, bob, authsignal):
    get_user_model().objects.filter(pk=bob.pk).update(is_active=False)
    authsignal.unenrolled()
    answers = []
    for name in ("nil", "bob", "ada"):
        before = len(authsignal.calls)
        answer = new_browser().post(PASSWORDLESS, {"username": name})
        page = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", answer.content.decode()).replace(name, "NAME")
        calls = [call.operation for call in authsignal.calls[before:]]  # what takes time
        answers.append((answer.status_code, page, sorted(answer.headers.items()), sorted(answer.cookies), calls))
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.security(66)
@pytest.mark.parametrize("method", ["RECOVERY_CODE", "SMS", "EMAIL_OTP", "EMAIL_MAGIC_LINK", "AUTHENTICATOR_APP", ""])
def test_a_name_and_a_weak_method_sign_nobody_in(browser, ada, method):
    browser.post(PASSWORDLESS, {"username": "ada"})
    browser.prove(method=method)
    assert browser.user_pk is None


# 53


@pytest.mark.security(53)
def test_the_ledgers_bulk_deletion_is_not_offered_and_does_nothing(browser, db):
    get_user_model().objects.create_superuser("root", "root@example.com", PASSWORD)
    browser.sign_in("root")
    rows = list(Challenge.objects.values_list("pk", flat=True))
    where = reverse("admin:django_authsignal_challenge_changelist")
    assert b"delete_selected" not in browser.get(where).content
    browser.post(where, {"action": "delete_selected", "_selected_action": rows, "post": "yes"})
    assert list(Challenge.objects.values_list("pk", flat=True)) == rows


# 54


@pytest.mark.security(54)
def test_a_password_backend_beside_ours_that_is_not_gated_is_an_error(settings):
    settings.AUTHENTICATION_BACKENDS = [
        "django_authsignal.backends.AuthsignalBackend",
        "django.contrib.auth.backends.ModelBackend",
    ]
    assert "authsignal.E005" in [item.id for item in run_checks()]


# 65


@pytest.mark.security(65)
def test_a_view_with_rules_of_its_own_is_not_finished_by_the_callback(browser, ada):
    browser.sign_in(path="/own-login/")
    assert browser.user_pk is None


# 67


@pytest.mark.security(67)
def test_five_minutes_after_the_password_nobody_enrols_any_more(browser, ada, authsignal, configure, time_machine):
    configure(ACTIONS={"withdrawFunds": {"UNENROLLED": "enroll"}})
    browser.sign_in()
    authsignal.unenrolled()
    authsignal.allow()
    time_machine.move_to(newest().proved_at.timestamp() + 299)
    assert browser.get("/withdraw/").status_code == 302
    time_machine.move_to(newest().created_at.timestamp() + 2)
    assert browser.get("/withdraw/?again").status_code == 403
