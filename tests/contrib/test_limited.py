"""Clients of an API are limited as browsers are: by user, and each credential by itself."""

import pytest

from django_authsignal import limit_conf

pytestmark = [pytest.mark.django_db, pytest.mark.security, pytest.mark.usefixtures("one_window")]
OFF = dict.fromkeys(limit_conf.DEFAULTS)
BY = dict.fromkeys(("USER", "ADDRESS", "SESSION"))


@pytest.mark.parametrize("path", ["/api/withdraw/", "/api/deep/"])
def test_a_client_begins_so_many_and_is_told_when_to_go_on(client_of, ada, configure, authsignal, path):
    client = client_of(ada)
    configure(LIMITS={**OFF, "START": {**BY, "USER": 2}})
    answers = [client.send(path) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [401, 401, 429]
    assert answers[2].json()["code"] == "too_many_tries"
    assert int(answers[2]["Retry-After"]) > 0
    assert sum(call.operation == "track" for call in authsignal.calls) == 2


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
    form = {"username": "ada", "password": "correct horse battery staple"}
    statuses = [anonymous_client.send("/api/token/", form).status_code for _ in range(2)]
    assert statuses == [401, 429]
