"""Faults on demand: what an application meets when the service is out, switched on and off by management."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from .conftest import Emulator, start, stop


@pytest.fixture
def fault(emulator: Emulator) -> Iterator[Callable[..., Any]]:
    def switch(kind: str, **more: Any) -> Any:
        answer = emulator.server("PUT", "management/faults", {"kind": kind, **more})
        assert answer.status_code == 200, answer.text
        return answer.json()

    yield switch
    assert emulator.server("DELETE", "management/faults").json() == {"kind": "none"}


def ask(emulator: Emulator, path: str = "users/u", **options: Any) -> requests.Response:
    """A call on a connection of its own."""
    return requests.get(f"{emulator.api}/{path}", auth=(emulator.secret, ""), timeout=9, **options)


def test_a_server_error_has_the_three_keys(emulator: Emulator, fault: Any) -> None:
    fault("500")
    answer = ask(emulator)
    assert answer.status_code == 500
    assert set(answer.json()) == {"error", "errorCode", "errorDescription"}
    assert answer.headers["Content-Type"] == "application/json"


def test_a_limit_says_when_to_come_back(emulator: Emulator, fault: Any) -> None:
    fault("429", delay=7)
    answer = ask(emulator)
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "7"
    assert answer.json()["errorCode"] == "too_many_requests"


def test_garbage_is_a_success_that_cannot_be_read(emulator: Emulator, fault: Any) -> None:
    fault("garbage")
    answer = ask(emulator)
    assert answer.status_code == 200
    with pytest.raises(requests.exceptions.JSONDecodeError):
        answer.json()


def test_a_dropped_connection_has_no_answer_at_all(emulator: Emulator, fault: Any) -> None:
    fault("drop")
    with pytest.raises(requests.ConnectionError):
        ask(emulator)
    with pytest.raises(requests.ConnectionError):
        requests.post(f"{emulator.api}/validate", json={"token": "x" * 500_000}, auth=(emulator.secret, ""), timeout=9)


def test_a_slow_answer_is_right_and_late(emulator: Emulator, fault: Any) -> None:
    fault("slow", delay=0.7)
    began = time.monotonic()
    assert ask(emulator).json()["isEnrolled"] is False
    assert time.monotonic() - began >= 0.7


def test_slow_answers_do_not_wait_for_each_other_or_hold_up_management(emulator: Emulator, fault: Any) -> None:
    fault("slow", delay=30)
    with pytest.raises(requests.ReadTimeout):
        requests.get(f"{emulator.api}/users/u", auth=(emulator.secret, ""), timeout=0.3)
    began = time.monotonic()
    assert emulator.server("GET", "management/faults").json() == {"kind": "slow", "delay": 30}
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("kind", ["500", "429", "garbage", "drop"])
def test_what_fails_has_changed_nothing(emulator: Emulator, fault: Any, user: str, kind: str) -> None:
    fault(kind)
    try:
        emulator.server("POST", f"users/{user}/actions/signIn", {"email": "a@b.example"})
    except requests.ConnectionError:
        assert kind == "drop"
    emulator.server("DELETE", "management/faults")
    assert emulator.server("GET", f"users/{user}/actions").json() == []


@pytest.mark.parametrize("path", ["/", "/inbox/", "/inbox.json", "/v1/management/tenant", "/challenge/"])
def test_pages_and_management_are_spared(emulator: Emulator, fault: Any, path: str) -> None:
    fault("500")
    answer = requests.get(f"{emulator.url}{path}", auth=(emulator.secret, ""), timeout=9)
    assert answer.status_code in (200, 401)


def test_a_path_limits_it(emulator: Emulator, fault: Any) -> None:
    assert fault("500", path="/actions/") == {"kind": "500", "path": "/actions/"}
    assert ask(emulator).status_code == 200
    assert ask(emulator, "users/u/actions/signIn/k").status_code == 500


def test_a_time_limits_it(emulator: Emulator, fault: Any) -> None:
    assert fault("500", seconds=60)["until"].endswith("Z")
    assert ask(emulator).status_code == 500
    emulator.advance(61)
    assert ask(emulator).status_code == 200
    assert emulator.server("GET", "management/faults").json() == {"kind": "none"}


def test_a_page_of_another_origin_sees_the_fault_and_no_cors_error(emulator: Emulator, fault: Any) -> None:
    fault("429")
    url, headers = f"{emulator.api}/client/init", {"Origin": "http://localhost:8000"}
    assert requests.options(url, headers=headers, timeout=9).status_code == 204
    answer = requests.post(url, headers=headers, json={}, timeout=9)
    assert answer.status_code == 429
    assert answer.headers["Access-Control-Allow-Origin"] == "http://localhost:8000"


def test_it_ends_when_it_is_switched_off(emulator: Emulator, fault: Any) -> None:
    fault("500")
    assert ask(emulator).status_code == 500
    emulator.server("DELETE", "management/faults")
    assert ask(emulator).status_code == 200


@pytest.mark.long
def test_another_process_on_the_database_has_it_within_half_a_second(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/shared.sqlite3"
    first, second = (start(tmp_path, "--database", database) for _ in range(2))
    assert ask(second).status_code == 200
    first.server("PUT", "management/faults", {"kind": "500"})
    time.sleep(0.6)
    statuses = [ask(second).status_code, ask(second).status_code]
    stop(first)
    third = start(tmp_path, "--database", database)
    statuses.append(ask(third).status_code)
    stop(third)
    stop(second)
    assert statuses == [500, 500, 500]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"kind": "flood"},
        {"kind": "slow", "delay": -1},
        {"kind": "slow", "delay": 301},
        {"kind": "slow", "delay": "1"},
        {"kind": "slow", "delay": True},
        {"kind": "500", "seconds": 0},
        {"kind": "500", "path": "x" * 65},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused_and_changes_nothing(emulator: Emulator, body: Any) -> None:
    assert emulator.server("PUT", "management/faults", body).status_code == 400
    assert emulator.server("GET", "management/faults").json() == {"kind": "none"}
