"""django-axes beside us: a failed proof is a failed login, a lock-out stops every sign-in, and nothing clears more."""

import pytest
from asgiref.sync import async_to_sync
from django.apps import apps
from django.conf import settings as django_settings
from django.contrib import admin
from django.contrib.auth import aauthenticate, authenticate
from django.core.checks import run_checks
from django.db import connection
from django.test import override_settings

from django_authsignal.decision import ChallengeRequired
from django_authsignal.models import Challenge, Status
from tests.conftest import PASSWORD, PUBLIC, newest

# Writes its defaults into the settings when it is imported: now, before a test has changed them for itself.
pytest.importorskip("axes.conf", reason="django-axes is not installed: make test installs it")

pytestmark = [pytest.mark.django_db, pytest.mark.security]
STANDALONE = "axes.backends.AxesStandaloneBackend"
OURS = "django_authsignal.backends.AuthsignalBackend"
NAME = "/authsignal/sign-in/"
PASSKEY = "/authsignal/sign-in/passkey/"
LOCKED = b"too many login attempts"


@pytest.fixture(scope="module")
def _tables(django_db_setup, django_db_blocker):
    """Its tables, without its migrations: they would leave permissions for the other tests."""
    registered = dict(admin.site._registry)
    with django_db_blocker.unblock(), override_settings(INSTALLED_APPS=[*django_settings.INSTALLED_APPS, "axes"]):
        models = list(apps.get_app_config("axes").get_models())
        with connection.schema_editor() as editor:
            for model in models:
                editor.create_model(model)
    admin.site._registry = registered  # its admin pages registered themselves, for a site that has no such app
    yield
    with django_db_blocker.unblock(), connection.schema_editor() as editor:
        for model in reversed(models):
            editor.delete_model(model)


@pytest.fixture(autouse=True)
def _axes(settings, _tables):
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "axes"]
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "axes.middleware.AxesMiddleware"]
    settings.AUTHENTICATION_BACKENDS = [STANDALONE, OURS]
    settings.AXES_ENABLED = True
    settings.AXES_LOCKOUT_PARAMETERS = ["username"]
    settings.AXES_FAILURE_LIMIT = 3


def attempts():
    """Failures that it counts, by name."""
    found = apps.get_model("axes", "AccessAttempt").objects.values_list("username", "failures_since_start")
    return dict(found)


def wrong(browser, name="ada"):
    return browser.post("/login/", {"username": name, "password": "wrong"})


@pytest.fixture
def locked(new_browser, ada):
    """Ada's name, locked out."""
    for _ in range(3):
        answer = wrong(new_browser())
    assert answer.status_code == 429


def tracked(authsignal):
    return [call.operation for call in authsignal.calls if call.operation in ("track", "get_user")]


# Failures


def test_axes_counts_a_failed_proof_as_a_failed_login_once(way_in, ada):
    browser = way_in()
    browser.sign_in(state="CHALLENGE_FAILED")
    browser.prove(state="CHALLENGE_FAILED")
    assert attempts() == {"ada": 1}


def test_failed_proofs_lock_out_and_the_password_then_begins_nothing(way_in, ada, authsignal):
    answers = [way_in().sign_in(state="CHALLENGE_FAILED") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [303, 303, 429]
    authsignal.calls.clear()
    answer = way_in().post("/login/", {"username": "ada", "password": PASSWORD})
    assert (answer.status_code, LOCKED in answer.content) == (429, True)
    assert authsignal.calls == []


def test_somebody_who_only_leaves_has_failed_nothing(browser, ada, authsignal):
    browser.post("/login/", {"username": "ada", "password": PASSWORD})
    browser.callback()
    browser.callback(token=authsignal.token(str(newest().pk)))
    assert attempts() == {}


def test_it_is_counted_under_the_field_that_axes_looks_at(browser, ada, settings):
    settings.AXES_USERNAME_FORM_FIELD = "login"
    browser.sign_in(state="CHALLENGE_FAILED")
    assert attempts() == {"ada": 1}


def test_a_failed_step_up_is_no_failed_login(browser, ada):
    browser.sign_in()
    browser.step_up(state="CHALLENGE_FAILED")
    assert attempts() == {}


# Lock-outs


@pytest.mark.usefixtures("locked")
def test_a_locked_name_begins_nothing_without_a_password_either(way_in, authsignal):
    answer = way_in().post(NAME, {"username": "ada"})
    assert (answer.status_code, LOCKED in answer.content) == (429, True)
    assert authsignal.calls == []


@pytest.mark.usefixtures("locked")
def test_a_locked_name_tells_not_whether_it_is_anybodys(new_browser, authsignal):
    for _ in range(3):
        wrong(new_browser(), "nil")
    answers = [new_browser().post(NAME, {"username": name}) for name in ("ada", "nil")]
    assert answers[0].content == answers[1].content
    assert answers[0].headers == answers[1].headers


@pytest.mark.usefixtures("locked")
def test_without_the_middleware_of_axes_a_locked_name_is_answered_as_an_unknown_one(new_browser, settings, authsignal):
    settings.MIDDLEWARE = settings.MIDDLEWARE[:-1]
    answers = [new_browser().post(NAME, {"username": name}) for name in ("ada", "nil")]
    assert {answer.status_code for answer in answers} == {200}
    assert [b"We cannot sign you in this way" in answer.content for answer in answers] == [True, True]
    assert tracked(authsignal) == ["get_user"]  # for the unknown one


@pytest.mark.usefixtures("locked")
def test_a_locked_name_that_is_found_under_another_spelling_begins_nothing(browser, ada, settings, authsignal):
    """A database that folds case finds "Ada", which was not locked, and then it is her."""
    browser.force_login(ada)  # by whatever way that asks axes nothing, and ours for the proof
    assert browser.get("/members/").status_code == 429
    assert "track" not in tracked(authsignal)
    assert (newest().status, newest().reason) == (Status.DENIED, "locked_out")


@pytest.mark.usefixtures("locked")
def test_a_locked_name_signs_in_by_no_passkey(browser, ada, configure):
    configure(TENANT_ID="tenant")
    given = browser.fetch(PASSKEY).json()
    token = browser.authsignal.passkey_token(str(ada.pk), given["idempotencyKey"])
    browser.post(PASSKEY, {"token": token, "nonce": given["nonce"]})
    assert browser.user_pk is None


def test_what_was_begun_before_the_lock_out_is_not_finished_after_it(way_in, new_browser, ada):
    browser = way_in()
    browser.post("/login/", {"username": "ada", "password": PASSWORD})
    for _ in range(3):
        wrong(new_browser())
    browser.prove(newest())
    assert browser.user_pk is None


def test_a_token_given_to_authenticate_passes_no_lock_out(new_browser, rf, ada):
    browser = new_browser()
    browser.post("/login/", {"username": "ada", "password": PASSWORD})
    token = browser.authsignal.complete(str(newest().pk))
    for _ in range(3):
        wrong(new_browser())
    request = rf.get("/")
    request.session, request.COOKIES = browser.session, {name: one.value for name, one in browser.cookies.items()}
    request.user = None
    assert authenticate(request, authsignal_token=token) is None


@pytest.mark.usefixtures("locked")
def test_other_names_go_on(way_in, bob):
    browser = way_in()
    assert browser.sign_in("bob").status_code == 303
    assert browser.user_pk == str(bob.pk)


def test_step_ups_ask_no_lock_out(adas, new_browser, ada):
    adas.sign_in()
    for _ in range(3):
        wrong(new_browser())
    assert adas.step_up()["Location"] == "/withdraw/"


# Clearing


def test_the_password_alone_clears_nothing_and_the_proof_what_is_its_own(new_browser, ada, bob, settings):
    settings.AXES_RESET_ON_SUCCESS = True
    for name in ("ada", "ada", "bob"):
        wrong(new_browser(), name)
    browser = new_browser()
    browser.post("/login/", {"username": "ada", "password": PASSWORD})
    assert attempts() == {"ada": 2, "bob": 1}
    browser.prove(newest())
    assert attempts() == {"bob": 1}


def test_a_step_up_clears_nothing(browser, new_browser, ada, settings):
    settings.AXES_RESET_ON_SUCCESS = True
    browser.sign_in()
    wrong(new_browser())
    browser.step_up()
    assert attempts() == {"ada": 1}


def test_an_account_of_ones_own_clears_no_limit_of_the_address(new_browser, ada, bob, configure, settings, one_window):
    """Neither of the name that is attacked nor of the address from which it is."""
    settings.AXES_RESET_ON_SUCCESS = True
    configure(LIMITS={"PASSWORDLESS": {"USER": 2, "ADDRESS": 3}})
    thief = new_browser(REMOTE_ADDR=PUBLIC)
    for _ in range(2):
        thief.post(NAME, {"username": "ada"})
    new_browser(REMOTE_ADDR=PUBLIC).sign_in("bob")
    assert [thief.post(NAME, {"username": name}).status_code for name in ("ada", "bob", "nil")] == [429, 303, 429]


# What it keeps


def test_no_token_of_ours_rests_in_its_tables(browser, ada, configure, authsignal):
    configure(TENANT_ID="tenant")
    given = browser.fetch(PASSKEY).json()
    token = authsignal.passkey_token(str(ada.pk), given["idempotencyKey"], state="CHALLENGE_FAILED")
    browser.post(PASSKEY, {"token": token, "nonce": given["nonce"]})
    browser.sign_in(state="CHALLENGE_FAILED")
    kept = str(list(apps.get_model("axes", "AccessAttempt").objects.values()))
    assert "nonce=" in kept
    assert attempts() == {"ada": 2}
    assert token[:20] not in kept
    assert "token" not in kept


# Async code


@pytest.fixture
def sign_in_async(rf, new_browser, ada, settings):
    settings.AUTHENTICATION_BACKENDS = ["django_authsignal.contrib.axes.AxesStandaloneBackend", OURS]

    def sign_in():
        request = rf.post("/")
        request.session, request.user = new_browser().session, None
        return async_to_sync(aauthenticate)(request, username="ada", password=PASSWORD)

    return sign_in


def test_async_code_is_challenged_behind_axes(sign_in_async):
    with pytest.raises(ChallengeRequired):
        sign_in_async()


@pytest.mark.usefixtures("locked")
def test_async_code_signs_no_locked_name_in_and_begins_nothing(sign_in_async, authsignal):
    authsignal.calls.clear()
    assert sign_in_async() is None
    assert authsignal.calls == []
    assert not Challenge.objects.exists()


# Checks


def faults():
    return {item.id: item for item in run_checks() if item.id.startswith("authsignal.")}


@pytest.mark.parametrize("backend", [STANDALONE, "django_authsignal.contrib.axes.AxesStandaloneBackend"])
def test_a_backend_that_only_locks_out_is_no_way_past_the_gate(settings, backend):
    settings.AUTHENTICATION_BACKENDS = [backend, OURS]
    assert faults() == {}


def test_the_backend_of_axes_that_signs_in_async_code_is_named_with_the_fix(settings):
    settings.AUTHENTICATION_BACKENDS = ["axes.backends.AxesBackend", OURS]
    assert STANDALONE in faults()["authsignal.E005"].hint
