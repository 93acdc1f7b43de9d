"""What ships for the tests of applications."""

import pytest
import requests
from django.contrib.auth import get_user_model
from django.test import Client, TestCase

from django_authsignal.models import Challenge
from django_authsignal.testing.unittest import AuthsignalTestMixin

PAGE = {"Accept": "text/html"}


@pytest.mark.django_db
def test_pass_challenge_is_a_proof_of_that_action_alone(client, ada, authsignal):
    client.force_login(ada)
    assert client.get("/withdraw/", headers=PAGE).status_code == 302
    client.pass_challenge("withdrawFunds")
    assert client.get("/withdraw/", headers=PAGE).content == b"withdrawn"
    assert client.post("/delete/", headers=PAGE).status_code == 403
    assert [call.operation for call in authsignal.calls] == ["track", "track"]


@pytest.mark.django_db
def test_force_login_includes_the_proof(client, ada, authsignal):
    client.force_login(ada)
    assert client.get("/members/", headers=PAGE).content == b"members"
    assert authsignal.calls == []


@pytest.mark.django_db
def test_login_includes_the_proof_and_a_wrong_password_stays_wrong(client, ada, authsignal):
    assert not client.login(username="ada", password="wrong")
    assert client.login(username="ada", password="correct horse battery staple")
    assert client.get("/members/", headers=PAGE).content == b"members"
    assert authsignal.calls == []


@pytest.mark.django_db
def test_a_project_that_develops_without_a_key_runs_its_tests_without_one(client, ada, authsignal, settings):
    settings.AUTHSIGNAL = {key: value for key, value in settings.AUTHSIGNAL.items() if key != "API_SECRET_KEY"}
    client.force_login(ada)
    assert client.get("/withdraw/", headers=PAGE).status_code == 302
    assert [call.action for call in authsignal.calls] == ["withdrawFunds"]


@pytest.mark.django_db
def test_a_pass_over_https_counts_too(client, ada, authsignal):
    client.force_login(ada)
    client.pass_challenge("withdrawFunds")
    assert client.get("/withdraw/", headers=PAGE, secure=True).content == b"withdrawn"


@pytest.mark.django_db
@pytest.mark.parametrize(("action", "says"), [("deleteAccount", "one request"), ("with draw", "action code")])
def test_a_pass_that_cannot_be_is_an_error_that_says_why(client, ada, authsignal, action, says):
    client.force_login(ada)
    with pytest.raises(Exception, match=says):
        client.pass_challenge(action)


@pytest.mark.django_db
def test_a_pass_for_nobody_is_an_error(client, authsignal):
    with pytest.raises(ValueError, match="force_login"):
        client.pass_challenge("withdrawFunds")


@pytest.mark.django_db
def test_a_method_the_policy_refuses_is_an_error(client, ada, authsignal, settings):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ACTIONS": {"withdrawFunds": {"METHODS": ["PASSKEY"]}}}
    client.force_login(ada)
    with pytest.raises(ValueError, match="METHODS"):
        client.pass_challenge("withdrawFunds", method="SMS")


def test_a_passkey_alone_signs_a_client_in(client, authsignal, settings, django_user_model):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "TENANT_ID": "tenant"}
    ada = django_user_model.objects.create_user("ada")
    given = client.get("/authsignal/sign-in/passkey/").json()
    token = authsignal.passkey_token(str(ada.pk), given["idempotencyKey"])
    client.post(given["finishUrl"], {"token": token, "nonce": given["nonce"]})
    assert client.session["_auth_user_id"] == str(ada.pk)


def test_without_the_fixture_the_client_is_django_s_own():
    assert not hasattr(Client, "pass_challenge")
    assert Client.force_login.__module__ == "django.test.client"


class MixinTests(AuthsignalTestMixin, TestCase):
    """The same for unittest."""

    def test_the_mixin_brings_the_fake_and_the_proof(self):
        self.client.force_login(get_user_model().objects.create_user("ada"))
        self.client.pass_challenge("withdrawFunds")
        assert self.client.get("/withdraw/", headers=PAGE).content == b"withdrawn"
        assert self.authsignal.calls == []


@pytest.mark.django_db
def test_the_emulator_fixture_is_a_real_authsignal(client, ada, authsignal_emulator, settings):
    authsignal_emulator.configure("withdrawFunds", "BLOCK")
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, **authsignal_emulator.settings}
    Client.force_login(client, ada)
    assert client.get("/withdraw/", headers=PAGE).status_code == 403
    assert Challenge.objects.get().state == "BLOCK"
    assert [mail for mail in authsignal_emulator.inbox() if mail["to"] == ada.email] == []  # others share the inbox
    assert requests.get(f"{authsignal_emulator.url}/", timeout=5).status_code == 200
