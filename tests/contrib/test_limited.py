"""Clients of an API are limited as browsers are: by user, and each credential by itself."""

import pytest

from django_authsignal import limit_conf
from tests.conftest import PASSWORD

# One way of authentication is enough: how a client is known is not the limits' matter.
one_way = pytest.mark.parametrize("client_of", ["token"], indirect=True)
pytestmark = [pytest.mark.django_db, pytest.mark.security, pytest.mark.usefixtures("one_window")]
OFF = dict.fromkeys(limit_conf.DEFAULTS)
BY = dict.fromkeys(("USER", "ADDRESS", "SESSION"))


@one_way
@pytest.mark.parametrize("path", ["/api/withdraw/", "/api/deep/"])
def test_a_client_begins_so_many_and_is_told_when_to_go_on(client_of, ada, configure, authsignal, path):
    client = client_of(ada)
    configure(LIMITS={**OFF, "START": {**BY, "USER": 2}})
    answers = [client.send(path) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [401, 401, 429]
    assert answers[2].json()["code"] == "too_many_tries"
    assert int(answers[2]["Retry-After"]) > 0
    assert sum(call.operation == "track" for call in authsignal.calls) == 2


@one_way
def test_a_false_token_is_brought_so_often_and_then_nobody_is_asked(client_of, ada, configure, authsignal):
    client = client_of(ada)
    configure(LIMITS={**OFF, "CALLBACK": {"SESSION": 2, "ADDRESS": None}})
    refused = client.send("/api/withdraw/")
    token = authsignal.token(refused.json()["challengeId"])  # of the right challenge, and nothing was proved
    answers = [client.send("/api/withdraw/", token=token) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [401, 401, 429]
    assert int(answers[2]["Retry-After"]) > 0
    assert sum(call.operation == "validate_challenge" for call in authsignal.calls) == 2


def test_a_request_for_a_token_is_limited(anonymous_client, ada, configure):
    configure(LIMITS={**OFF, "START": {**BY, "USER": 1}})
    form = {"username": "ada", "password": PASSWORD}
    statuses = [anonymous_client.send("/api/token/", form).status_code for _ in range(2)]
    assert statuses == [401, 429]


def test_nobody_uses_up_the_requests_for_tokens_of_all_the_others(anonymous_client, ada, bob, configure, authsignal):
    """What stands for a client without a credential is the same for all who come to that address."""
    configure(LIMITS={**OFF, "START": {**BY, "SESSION": 1}, "CALLBACK": {"SESSION": 1, "ADDRESS": None}})
    forms = [{"username": name, "password": PASSWORD} for name in ("bob", "ada")]
    for _ in range(2):
        refused = anonymous_client.send("/api/token/", forms[0])
        token = authsignal.token(refused.json()["challengeId"])
        anonymous_client.send("/api/token/", forms[0], token=token)
    refused = anonymous_client.send("/api/token/", forms[1])
    assert refused.status_code == 401
    token = authsignal.complete(refused.json()["challengeId"])
    assert anonymous_client.send("/api/token/", forms[1], token=token).status_code == 200
