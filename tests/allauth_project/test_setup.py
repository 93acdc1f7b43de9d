"""Setting it up: what is forgotten is found, and what would open a gap is refused."""

import pytest
from allauth.account.adapter import DefaultAccountAdapter
from django.core.checks import run_checks
from django.db import connection
from django.test import Client

from django_authsignal.client import ConfigurationError
from django_authsignal.contrib.allauth.adapter import AccountAdapter, AccountAdapterMixin
from tests.conftest import PASSWORD

ALLAUTHS = "allauth.account.auth_backends.AuthenticationBackend"


class NotLast(AccountAdapterMixin, DefaultAccountAdapter):
    def get_login_stages(self):
        return list(reversed(super().get_login_stages()))


class StageOnly(DefaultAccountAdapter):
    def get_login_stages(self):
        return AccountAdapter.get_login_stages(AccountAdapter())


def found():
    return {one.id for one in run_checks() if one.id.startswith("authsignal.E")}


def test_the_documented_setup_is_sound():
    assert found() == set()


@pytest.mark.parametrize("adapter", [DefaultAccountAdapter, NotLast, StageOnly])
def test_an_adapter_that_does_not_ask_last_is_an_error(settings, adapter):
    settings.ACCOUNT_ADAPTER = f"{adapter.__module__}.{adapter.__qualname__}"
    assert found() == {"authsignal.E007"}


def test_allauths_ungated_backend_is_an_error(settings):
    settings.AUTHENTICATION_BACKENDS = [*settings.AUTHENTICATION_BACKENDS, ALLAUTHS]
    assert found() == {"authsignal.E005"}


@pytest.mark.django_db
def test_a_stage_that_is_not_the_last_lets_nobody_in(settings, ada, authsignal):
    settings.ACCOUNT_ADAPTER = f"{__name__}.NotLast"
    with pytest.raises(ConfigurationError, match="Put it last"):
        Client().post("/accounts/login/", {"login": "ada", "password": PASSWORD})


@pytest.mark.django_db
def test_our_plain_backend_beside_it_asks_once(browser, ada, settings, authsignal):
    plain = "django_authsignal.backends.AuthsignalBackend"
    settings.AUTHENTICATION_BACKENDS = [plain, *settings.AUTHENTICATION_BACKENDS]
    answer = browser.post("/accounts/login/", {"login": "ada", "password": PASSWORD})
    browser.get(answer["Location"])
    browser.get(browser.prove()["Location"])
    assert browser.session["_auth_user_backend"] == plain, "who checked the password signs in"
    assert [call.operation for call in authsignal.calls] == ["track", "validate_challenge"]


@pytest.mark.django_db
def test_no_password_is_kept_while_somebody_is_away(browser, ada, authsignal):
    answer = browser.post("/accounts/login/", {"login": "ada", "password": PASSWORD})
    browser.get(answer["Location"])
    assert PASSWORD not in str(dict(browser.session.items()))
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM django_authsignal_challenge")
        assert PASSWORD not in str(cursor.fetchall())


@pytest.mark.django_db
def test_an_un_enrolled_user_who_left_the_login_waiting_is_not_let_enrol(browser, ada, authsignal, monkeypatch):
    authsignal.unenrolled()
    answer = browser.post("/accounts/login/", {"login": "ada", "password": PASSWORD})
    monkeypatch.setattr("django_authsignal.contrib.allauth.stages.PASSWORD_AGE", 0)
    assert browser.get(answer["Location"]).status_code == 403
