"""django-ninja, by every way of authentication: asks without a proof, passes with one, refuses on BLOCK."""

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import AsyncClient, override_settings
from django.urls import resolve
from ninja.testing import TestClient as NinjaClient

from django_authsignal.client import ConfigurationError
from django_authsignal.contrib.ninja import challenge_required, operations_of
from django_authsignal.decision import ChallengeRequired
from django_authsignal.guards import requirements_of
from django_authsignal.models import Challenge, Status
from tests.conftest import PASSWORD, AsgiBrowser, newest
from tests.contrib.conftest import ApiClient, basic

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _urls(settings, _api):
    settings.ROOT_URLCONF = "tests.contrib.ninja_urls"


DOORS = {
    "below": "/ninja/below/",
    "above": "/ninja/above/",
    "above two": "/ninja/above-too/",
    "decorate_view": "/ninja/viewed/",
    "Django's decorator below": "/ninja/core-below/",
    "Django's decorator above": "/ninja/core-above/",
    "bound": "/ninja/pay/",
    "one request": "/ninja/delete/",
    "deep": "/ninja/deep/",
    "deep, one request": "/ninja/deep-once/",
    "stream": "/ninja/stream/",
    "one method of two": "/ninja/mixed/",
    "router": "/ninja/router/under/",
    "router, view mode": "/ninja/viewed-router/under/",
    "API": "/ninja-guarded/one/",
    "included": "/ninja-included/one/",
    "included deeper": "/ninja-around/x/one/",
}
ASYNC_DOORS = {
    "async below": "/ninja-async/below/",
    "async above": "/ninja-async/above/",
    "async bound": "/ninja-async/pay/",
    "async one request": "/ninja-async/delete/",
    "async deep": "/ninja-async/deep/",
    "async stream": "/ninja-async/stream/",
    "sync among async": "/ninja-async/mixed/",
}
# Django refuses asynchronous views under ATOMIC_REQUESTS, ninja's among them.
CELLS = [pytest.param(path, atomic, id=f"{name}-{'atomic' if atomic else 'plain'}")
         for doors, settings in ((DOORS, (False, True)), (ASYNC_DOORS, (False,)))
         for name, path in doors.items() for atomic in settings]  # fmt: skip
door = pytest.mark.parametrize(("path", "atomic"), CELLS)
BODY = {"amount": "250.00", "payee": "Zoë"}


@pytest.fixture(autouse=True)
def _atomic(request, monkeypatch):
    found = getattr(request.node, "callspec", None)
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", bool(found and found.params.get("atomic")))


class KeyClient(ApiClient):
    """Sends its key in a header of its own."""

    def __init__(self, authsignal, name, key):
        super().__init__(authsignal)
        self.defaults[f"HTTP_{name.upper().replace('-', '_')}"] = key
        self.key = key


WAYS = {
    "bearer": lambda authsignal, user: ApiClient(authsignal, f"Bearer {user.username}-1"),
    "key": lambda authsignal, user: KeyClient(authsignal, "X-API-Key", f"{user.username}-1"),
    "basic": lambda authsignal, user: ApiClient(authsignal, basic(user)),
}


@pytest.fixture(params=WAYS)
def client_of(request, authsignal):
    """Makes clients of a user, by each way of authentication; a Basic one has proved its sign-in already."""

    def make(user):
        client = WAYS[request.param](authsignal, user)
        if request.param == "basic":
            assert client.prove("/ninja/plain/").status_code == 200
            authsignal.calls.clear()
        return client

    return make


@pytest.fixture
def bearer_of(authsignal):
    return lambda user, number=1: ApiClient(authsignal, f"Bearer {user.username}-{number}")


@door
def test_every_operation_asks_without_a_proof(client_of, ada, path, atomic):
    refused = client_of(ada).send(path, BODY)
    assert (refused.status_code, refused["Content-Type"]) == (401, "application/problem+json")
    assert refused["WWW-Authenticate"] == 'Bearer error="insufficient_user_authentication"'
    assert {"code", "action", "challengeId", "url", "token", "expiresAt"} <= refused.json().keys()
    assert refused.json()["code"] == "challenge_required"


@door
def test_every_operation_runs_with_a_proof(client_of, ada, path, atomic):
    answer = client_of(ada).prove(path, BODY)
    assert answer.status_code == 200, answer.content


@door
def test_every_operation_stays_closed_on_block(client_of, ada, authsignal, path, atomic):
    client = client_of(ada)
    authsignal.block()
    refused = client.send(path, BODY)
    assert (refused.status_code, refused.json()["code"]) == (403, "action_blocked")


@door
def test_every_operation_asks_a_session_in_the_browsers_way(page_browser, ada, path, atomic):
    page_browser.sign_in()
    send = {"data": BODY, "content_type": "application/json"}
    assert page_browser.fetch(path, "post", **send).status_code == 401
    page_browser.prove()
    assert page_browser.fetch(path, "post", **send).status_code == 200


@door
@override_settings(DEBUG=True)
def test_every_operation_asks_under_debug(bearer_of, ada, path, atomic):
    assert bearer_of(ada).send(path, BODY).status_code == 401


OVER_ASGI = [*ASYNC_DOORS.values(), "/ninja/below/", "/ninja/pay/", "/ninja/stream/", "/ninja-included/one/"]


@pytest.mark.parametrize("path", OVER_ASGI)
def test_an_operation_over_asgi_asks_and_runs_with_a_proof(authsignal, ada, path):
    browser = AsgiBrowser(authsignal)
    headers = {"Authorization": "Bearer ada-1"}
    send = {"data": BODY, "content_type": "application/json"}
    refused = browser.fetch(path, "post", headers=headers, **send)
    assert (refused.status_code, refused.json()["code"]) == (401, "challenge_required")
    headers["Authsignal-Token"] = authsignal.complete(refused.json()["challengeId"])
    assert browser.fetch(path, "post", headers=headers, **send).status_code == 200


@pytest.fixture
def _bare(settings):
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "authsignal" not in name]


@pytest.mark.usefixtures("_bare")
@pytest.mark.parametrize("place", ["above", "below"])
@pytest.mark.parametrize("kind", ["plain", "coroutine"])
def test_without_the_middleware_an_operation_asks_by_itself(bearer_of, ada, place, kind):
    client, path = bearer_of(ada), f"/ninja-bare/{place}-{kind}/"
    assert client.prove(path).json() == "ran"
    assert bearer_of(ada, 2).send(path).json()["code"] == "challenge_required"


@pytest.mark.usefixtures("_bare")
@pytest.mark.parametrize("place", ["above", "below"])
def test_without_the_middleware_a_stream_breaks_off(bearer_of, ada, place):
    answer = bearer_of(ada).send(f"/ninja-bare/{place}-stream/")
    with pytest.raises(ChallengeRequired):
        b"".join(answer.streaming_content)


@pytest.mark.usefixtures("_bare")
@pytest.mark.parametrize("place", ["above", "below"])
def test_without_the_middleware_an_async_stream_breaks_off(ada, place, authsignal):
    async def read():
        answer = await AsyncClient().post(
            f"/ninja-bare/{place}-async_stream/",
            headers={"Authorization": "Bearer ada-1", "Accept": "application/json"},
        )
        return [part async for part in answer.streaming_content]

    with pytest.raises(ChallengeRequired):
        async_to_sync(read)()


def test_no_cache_gives_what_one_has_proved_to_another(authsignal, ada, bob):
    for user in (ada, bob):
        client = KeyClient(authsignal, "X-API-Key", f"{user.username}-1")
        assert client.send("/ninja/cached/", method="get").status_code == 401
        assert client.prove("/ninja/cached/", method="get").json() == user.username


@pytest.mark.parametrize("path", ["/ninja/paged-below/", "/ninja/paged-above/"])
def test_pages_of_a_list_are_asked_for_as_well(bearer_of, ada, path):
    client = bearer_of(ada)
    answer = client.prove(f"{path}?limit=1", method="get")
    assert answer.json() == {"items": ["one"], "count": 2}


def test_ninjas_own_test_client_is_an_error_that_says_how(ada):
    from tests.contrib.ninja_urls import bare_api

    with pytest.raises(ConfigurationError, match="Django's test client"):
        NinjaClient(bare_api).post("/below-plain/", headers={"Authorization": "Bearer ada-1"})


def test_an_operation_that_nobody_guards_is_not_asked(bearer_of, ada, authsignal):
    client = bearer_of(ada)
    assert client.send("/ninja/mixed/", method="get").status_code == 200
    assert client.send("/ninja-open/one/").status_code == 200
    assert client.send("/ninja/below/", method="put").status_code == 405
    assert authsignal.calls == []


def test_what_does_not_validate_is_told_before_anything_is_asked(bearer_of, ada, authsignal):
    assert bearer_of(ada).send("/ninja/pay/", {"amount": "1"}).status_code == 422
    assert authsignal.calls == []


def test_who_does_not_authenticate_is_told_so_by_ninja(client, authsignal, ada):
    assert client.post("/ninja/below/").json() == {"detail": "Unauthorized"}
    assert authsignal.calls == []


def test_a_proof_counts_for_its_credential_until_its_age(client_of, ada, authsignal):
    client = client_of(ada)
    client.prove("/ninja/below/")
    calls = len(authsignal.calls)
    assert client.send("/ninja/viewed/").status_code == 200
    assert len(authsignal.calls) == calls
    Challenge.objects.filter(action="withdrawFunds").update(proved_at="2026-01-01T00:00:00Z")
    assert client.send("/ninja/below/").status_code == 401


@pytest.mark.parametrize("way", ["bearer", "key"])
def test_another_credential_of_the_same_user_needs_its_own_proof(authsignal, ada, way):
    def client(number):
        if way == "bearer":
            return ApiClient(authsignal, f"Bearer ada-{number}")
        return KeyClient(authsignal, "X-API-Key", f"ada-{number}")

    first, second = client(1), client(2)
    token = first.complete(first.send("/ninja/below/"))
    assert second.send("/ninja/below/", token=token).status_code == 401
    assert first.send("/ninja/below/", token=token).status_code == 200
    assert first.send("/ninja/below/").status_code == 200
    assert second.send("/ninja/below/").status_code == 401


def test_a_browsers_proof_does_not_count_for_a_token_of_the_same_user(page_browser, bearer_of, ada):
    page_browser.sign_in()
    page_browser.fetch("/ninja/below/", "post")
    page_browser.prove()
    assert page_browser.fetch("/ninja/below/", "post").status_code == 200
    assert bearer_of(ada).send("/ninja/below/").status_code == 401
    with_both = page_browser.fetch("/ninja/below/", "post", headers={"Authorization": "Bearer ada-1"})
    assert with_both.status_code == 401


def test_a_session_does_not_prove_for_the_token_of_somebody_else(page_browser, ada, bob):
    page_browser.sign_in()
    page_browser.fetch("/ninja/below/", "post")
    page_browser.prove()
    refused = page_browser.fetch("/ninja/below/", "post", headers={"Authorization": "Bearer bob-1"})
    assert refused.status_code == 401
    assert newest().user_pk == str(bob.pk)


@pytest.mark.parametrize("atomic", [False, True], ids=["plain", "atomic"])
def test_a_proof_for_one_request_serves_one(client_of, ada, atomic):
    client = client_of(ada)
    token = client.complete(client.send("/ninja/delete/"))
    assert client.send("/ninja/delete/", token=token).status_code == 200
    assert client.send("/ninja/delete/", token=token).status_code == 401
    assert client.send("/ninja/delete/").status_code == 401


@pytest.mark.parametrize("path", ["/ninja/pay/", "/ninja-async/pay/"])
def test_a_proof_is_for_the_values_it_was_asked_for(bearer_of, ada, path):
    client = bearer_of(ada)
    token = client.complete(client.send(path, BODY))
    changed = client.send(path, {**BODY, "amount": "9999"}, token=token)
    assert (changed.status_code, changed.json()["reason"]) == (401, "changed")
    assert client.send(path, BODY, token=token).json() == {"paid": BODY, "read": BODY["amount"]}


@pytest.mark.parametrize("atomic", [False, True], ids=["plain", "atomic"])
def test_an_operation_that_fails_does_not_give_its_proof_back(bearer_of, ada, atomic):
    client, body = bearer_of(ada), {**BODY, "fail": True}
    client.raise_request_exception = False
    token = client.complete(client.send("/ninja/pay/", body))
    assert client.send("/ninja/pay/", body, token=token).status_code == 500
    assert client.send("/ninja/pay/", body, token=token).status_code == 401


@pytest.mark.parametrize(("path", "status", "kept"), [("/ninja/failing/", 400, True), ("/ninja/crashing/", 500, False)])
@pytest.mark.parametrize("atomic", [True], ids=["atomic"])
def test_a_guarded_operation_has_the_transaction_that_atomic_requests_gave_it(
    bearer_of, ada, atomic, path, status, kept
):
    client = bearer_of(ada)
    client.raise_request_exception = False
    assert client.prove(path).status_code == status
    assert get_user_model().objects.filter(username="made").exists() is kept


@pytest.mark.parametrize("atomic", [False, True], ids=["plain", "atomic"])
@pytest.mark.parametrize("path", ["/ninja/token/", "/ninja-async/token/"])
def test_a_token_is_issued_for_password_and_proof_together(anonymous_client, ada, path, atomic):
    if atomic and "async" in path:
        return  # Django refuses it
    path += "?username=ada&password=" + PASSWORD.replace(" ", "+")
    refused = anonymous_client.send(path)
    assert refused.status_code == 401
    token = anonymous_client.complete(refused)
    assert anonymous_client.send(path, token=token).json() == {"token": "ada-issued"}
    assert anonymous_client.send(path, token=token).status_code == 401
    assert anonymous_client.send(path).status_code == 401


def test_the_proof_alone_issues_no_token(anonymous_client, ada):
    token = anonymous_client.complete(
        anonymous_client.send("/ninja/token/?username=ada&password=" + PASSWORD.replace(" ", "+"))
    )
    assert anonymous_client.send("/ninja/token/?username=ada&password=wrong", token=token).status_code == 400


@pytest.mark.parametrize(("path", "header"), [("named", "X-Name"), ("owned", "X-Owned")])
def test_authentication_of_ones_own_says_who_and_by_what(authsignal, ada, path, header):
    client = KeyClient(authsignal, header, "ada-1")
    assert client.prove(f"/ninja-own/{path}/").json() == "ada"
    assert KeyClient(authsignal, header, "ada-2").send(f"/ninja-own/{path}/").status_code == 401


def test_authentication_that_tells_no_credentials_apart_is_an_error(authsignal, ada):
    with pytest.raises(ConfigurationError, match="set_credential"):
        KeyClient(authsignal, "X-Name", "ada-1").send("/ninja-own/untold/")


def test_claims_that_name_no_user_are_an_error_and_the_session_does_not_stand_in(page_browser, authsignal, ada):
    with pytest.raises(ConfigurationError, match=r"set request\.user"):
        ApiClient(authsignal, "Bearer bob").send("/ninja-own/claimsbearer/")
    page_browser.sign_in()
    with pytest.raises(ConfigurationError, match=r"set request\.user"):
        page_browser.fetch("/ninja-own/claimsbearer/", "post", headers={"Authorization": "Bearer bob"})


def test_claims_by_no_way_the_gate_knows_leave_the_user_that_django_knows(page_browser, anonymous_client, ada):
    assert anonymous_client.send("/ninja-own/claims/").json() == {"detail": "Unauthorized"}
    page_browser.sign_in()
    refused = page_browser.fetch("/ninja-own/claims/", "post", headers={"X-Claim": "bob"})
    assert refused.json()["code"] == "challenge_required"
    assert newest().user_pk == str(ada.pk)


def test_the_document_of_the_api_says_what_is_asked(client):
    document = client.get("/ninja/openapi.json").json()
    for path in ("below", "above", "viewed", "viewed-router/under"):
        operation = document["paths"][f"/ninja/{path}/"]["post"]
        assert operation["x-authsignal-action"] == "withdrawFunds"
        assert {"200", "401", "403", "429"} <= operation["responses"].keys()
    assert "x-authsignal-action" not in document["paths"]["/ninja/plain/"]["post"]


@pytest.mark.parametrize("path", [path for name, path in {**DOORS, **ASYNC_DOORS}.items() if "deep" not in name])
def test_what_an_operation_asks_can_be_read(path):
    match = resolve(path)
    functions = [one.view_func for one in operations_of(match.func) if "POST" in one.methods]
    asked = [*requirements_of(match.func), *requirements_of(functions[0])]
    assert asked[0].policy().action in ("withdrawFunds", "payInvoice", "deleteAccount")
    assert operations_of(resolve("/withdraw/").func) == ()


def test_a_wrong_argument_is_an_error_at_import():
    with pytest.raises(ConfigurationError, match="wider"):
        challenge_required("withdrawFunds", max_age=10_000)


def test_a_review_holds_the_operation_and_releases_one_request(bearer_of, ada, authsignal):
    client = bearer_of(ada)
    authsignal.review()
    held = client.send("/ninja/below/")
    assert (held.status_code, held.json()["code"]) == (403, "review_required")
    authsignal.complete(str(newest().pk), state="REVIEW_SUCCEEDED")
    assert client.send("/ninja/below/").status_code == 200
    assert client.send("/ninja/below/").status_code == 403


def test_a_token_header_does_not_finish_what_a_browser_began(page_browser, bearer_of, ada, authsignal):
    page_browser.sign_in()
    page_browser.fetch("/ninja/below/", "post")
    row = newest()
    answer = bearer_of(ada).send("/ninja/below/", token=authsignal.complete(str(row.pk)))
    row.refresh_from_db()
    assert (answer.json()["reason"], row.status) == ("gone", Status.OPEN)


def test_a_forged_form_with_a_session_spends_no_proof(page_browser, ada):
    page_browser.sign_in()
    page_browser.fetch("/ninja/delete/", "post")
    page_browser.prove()
    page_browser.handler.enforce_csrf_checks = True
    forged = page_browser.post("/ninja/delete/", {}, headers={"Origin": "https://evil.example"})
    assert forged.status_code in (401, 403)
    assert newest().status == Status.PROVED
