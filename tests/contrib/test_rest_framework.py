"""Django REST framework, by every way of authentication: asks without a proof, passes with one, refuses on BLOCK."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from django_authsignal.client import ConfigurationError
from django_authsignal.decorators import challenge_required
from django_authsignal.models import Challenge, Status
from tests.conftest import PASSWORD, newest

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("atomic_requests")]

DOORS = {
    "mixin": ("/api/withdraw/", "post"),
    "mixin on GET": ("/api/withdraw/", "get"),
    "bound": ("/api/pay/", "post"),
    "one request": ("/api/delete/", "post"),
    "deep": ("/api/deep/", "post"),
    "deep, one request": ("/api/deep-once/", "post"),
    "viewset action": ("/api/accounts/7/freeze/", "post"),
    "viewset destroy": ("/api/accounts/7/", "delete"),
    "above api_view": ("/api/above/", "post"),
    "below api_view": ("/api/below/", "post"),
    "include": ("/included/plain/", "post"),
}
BODY = {"amount": "250.00", "payee": "Zoë"}
door = pytest.mark.parametrize(("path", "method"), DOORS.values(), ids=DOORS)


@door
def test_every_door_asks_without_a_proof(client_of, ada, path, method):
    refused = client_of(ada).send(path, BODY, method=method)
    assert refused.status_code == 401
    assert refused["Content-Type"] == "application/problem+json"
    assert refused["WWW-Authenticate"] == 'Bearer error="insufficient_user_authentication"'
    body = refused.json()
    assert body["code"] == "challenge_required"
    assert {"action", "challengeId", "url", "token", "expiresAt"} <= body.keys()


@door
def test_every_door_opens_with_a_proof(client_of, ada, path, method):
    assert client_of(ada).prove(path, BODY, method=method).status_code == 200


@door
def test_every_door_stays_closed_on_block(client_of, ada, authsignal, path, method):
    client = client_of(ada)
    authsignal.block()
    refused = client.send(path, BODY, method=method)
    assert (refused.status_code, refused.json()["code"]) == (403, "action_blocked")


@door
def test_a_proof_of_one_credential_counts_for_no_other(client_of, ada, path, method, page_browser):
    client_of(ada).prove(path, BODY, method=method)
    page_browser.sign_in()
    answer = page_browser.fetch("/api/withdraw/")
    assert answer.status_code == 401


def test_a_proof_counts_for_its_credential_until_its_age(client_of, ada, authsignal):
    client = client_of(ada)
    client.prove("/api/withdraw/")
    calls = len(authsignal.calls)
    assert client.send("/api/withdraw/").status_code == 200
    assert len(authsignal.calls) == calls
    Challenge.objects.filter(action="withdrawFunds").update(proved_at="2026-01-01T00:00:00Z")
    assert client.send("/api/withdraw/").status_code == 401


def test_a_fresh_proof_costs_one_query_and_no_call(client_of, ada, authsignal, django_assert_num_queries):
    if connection.settings_dict["ATOMIC_REQUESTS"]:
        return  # and what Django's own transaction costs
    client = client_of(ada)
    with CaptureQueriesContext(connection) as plain:
        client.send("/api/plain/")
        usual = len(plain)
    client.prove("/api/withdraw/")
    authsignal.calls.clear()
    with django_assert_num_queries(usual + 1):
        assert client.send("/api/withdraw/").status_code == 200
    assert authsignal.calls == []


def test_a_proof_for_one_request_serves_one(client_of, ada):
    client = client_of(ada)
    refused = client.send("/api/delete/")
    token = client.complete(refused)
    assert client.send("/api/delete/", token=token).status_code == 200
    assert client.send("/api/delete/", token=token).status_code == 401
    assert client.send("/api/delete/").status_code == 401


def test_a_proof_is_for_the_values_it_was_asked_for(client_of, ada):
    client = client_of(ada)
    token = client.complete(client.send("/api/pay/", BODY))
    changed = client.send("/api/pay/", {**BODY, "amount": "9999"}, token=token)
    assert (changed.status_code, changed.json()["reason"]) == (401, "changed")
    assert client.send("/api/pay/", BODY, token=token).json()["paid"] == BODY


def test_a_handler_that_fails_does_not_give_its_proof_back(client_of, ada):
    client = client_of(ada)
    client.raise_request_exception = False
    body = {**BODY, "fail": True}
    token = client.complete(client.send("/api/pay/", body))
    assert client.send("/api/pay/", body, token=token).status_code == 500
    assert client.send("/api/pay/", body, token=token).status_code == 401


def test_a_token_of_another_credential_of_the_same_user_is_refused(client_of, ada):
    first, second = client_of(ada), client_of(ada)
    second.authorization += " "  # another header value is another credential
    token = first.complete(first.send("/api/withdraw/"))
    answer = second.send("/api/withdraw/", token=token)
    assert answer.status_code == 401


def test_a_browsers_token_does_not_finish_by_header(client_of, ada, page_browser, authsignal):
    page_browser.sign_in()
    page_browser.get("/withdraw/")
    token = authsignal.complete(str(newest().pk))
    answer = client_of(ada).send("/api/withdraw/", token=token)
    assert (answer.status_code, answer.json()["reason"]) == (401, "gone")


def test_an_api_row_is_not_finished_by_the_callback(client_of, ada, page_browser, authsignal):
    page_browser.sign_in()
    client_of(ada).send("/api/withdraw/")
    row = newest()
    page_browser.prove(row)
    row.refresh_from_db()
    assert row.status == Status.OPEN


def test_a_token_that_proves_nothing_is_told_why(client_of, ada, authsignal):
    client = client_of(ada)
    refused = client.send("/api/withdraw/")
    answer = client.send("/api/withdraw/", token=authsignal.token(refused.json()["challengeId"]))
    assert (answer.status_code, answer.json()["reason"]) == (401, "not_completed")


def test_an_outage_while_finishing_opens_nothing_and_keeps_the_proof(client_of, ada, authsignal):
    client = client_of(ada)
    token = client.complete(client.send("/api/withdraw/"))
    authsignal.fail("timeout")
    assert client.send("/api/withdraw/", token=token).status_code == 503
    authsignal.fail(None)
    assert client.send("/api/withdraw/", token=token).status_code == 200


def test_permissions_are_checked_before_anything_is_asked(client_of, ada, authsignal):
    client = client_of(ada)
    assert client.send("/api/staff/").status_code == 403
    assert authsignal.calls == []


def test_options_asks_nothing(client_of, ada, authsignal):
    client = client_of(ada)
    assert client.send("/api/withdraw/", method="options").status_code == 200
    assert authsignal.calls == []


def test_an_action_without_a_policy_is_not_asked(client_of, ada):
    assert client_of(ada).send("/api/accounts/", method="get").status_code == 200


def test_the_permission_only_reads(client_of, ada, authsignal):
    client = client_of(ada)
    assert client.send("/api/details/", method="get").status_code == 403
    assert authsignal.calls == []
    client.prove("/api/withdraw/")
    assert client.send("/api/details/", method="get").status_code == 200


def test_nobody_is_told_to_sign_in(anonymous_client):
    refused = anonymous_client.send("/api/anyone/")
    assert (refused.status_code, refused.json()["code"]) == (401, "sign_in_required")


def test_a_review_releases_one_request(client_of, ada, authsignal, settings):
    client = client_of(ada)
    authsignal.review()
    held = client.send("/api/withdraw/")
    assert (held.status_code, held.json()["code"]) == (403, "review_required")
    row = newest()
    authsignal.complete(str(row.pk), state="REVIEW_SUCCEEDED")
    assert client.send("/api/withdraw/").status_code == 200
    assert client.send("/api/withdraw/").status_code == 403


def test_a_changed_password_ends_what_was_proved(client_of, ada):
    client = client_of(ada)
    client.prove("/api/withdraw/")
    ada.is_active = True
    ada.email = "other@example.com"
    ada.save()
    assert client.send("/api/withdraw/").status_code == 401


def test_more_than_eight_waiting_challenges_push_the_oldest_out(client_of, ada):
    client = client_of(ada)
    for _ in range(9):
        client.send("/api/withdraw/")
    open_rows = Challenge.objects.filter(status=Status.OPEN, action="withdrawFunds")
    assert open_rows.count() == 8


@pytest.mark.parametrize("path", ["/api/withdraw/", "/api/above/", "/included/plain/"])
def test_a_session_is_asked_in_the_browsers_way(page_browser, ada, path):
    page_browser.sign_in()
    refused = page_browser.fetch(path, "post")
    assert refused.status_code == 401
    page_browser.prove()
    assert page_browser.fetch(path, "post").status_code == 200


def test_the_browsable_api_leads_to_the_challenge(page_browser, ada):
    page_browser.sign_in()
    assert page_browser.get("/api/withdraw/").status_code == 302


def test_a_sites_own_basic_password_does_not_make_an_api_of_a_browser(page_browser, ada):
    header = {"Authorization": "Basic c3RhZ2U6c3RhZ2U=", "Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
    answer = page_browser.post("/login/", {"username": "ada", "password": PASSWORD}, headers=header)
    assert answer.status_code == 303


def test_a_decorator_between_is_refused_at_import():
    from django.views.decorators.cache import cache_page

    from tests.contrib.drf_urls import Plain

    with pytest.raises(ConfigurationError, match="directly on Plain"):
        challenge_required("withdrawFunds")(cache_page(60)(Plain.as_view()))


def test_the_result_token_reaches_no_view_and_no_log(client_of, ada, caplog):
    client = client_of(ada)
    token = client.complete(client.send("/api/withdraw/"))
    answer = client.send("/api/withdraw/", token=token)
    assert "HTTP_AUTHSIGNAL_TOKEN" not in answer.wsgi_request.META
    assert token not in caplog.text
    assert "Authsignal-Token" not in answer.wsgi_request.headers


def test_a_forged_form_with_kept_basic_credentials_spends_no_proof(authsignal, ada):
    from tests.contrib.conftest import ApiClient, basic

    client = ApiClient(authsignal, basic(ada))
    client.prove("/api/plain/")
    assert Client().post("/api/delete/", headers={"Authorization": basic(ada)}).status_code == 401
