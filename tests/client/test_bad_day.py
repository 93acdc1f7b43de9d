"""Calls made once more, the circuit breaker, the limit on calls under way, and what an observer is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests
from requests.adapters import BaseAdapter

from django_authsignal.client import (
    AuthsignalError,
    Called,
    Circuit,
    CircuitOpen,
    Client,
    ConfigurationError,
    ConnectionFailed,
    InvalidRequest,
    RateLimited,
    ServerError,
    TimedOut,
    TooManyCalls,
    Unreachable,
    UnreadableResponse,
)
from django_authsignal.client._breaker import Breaker, Places, breaker_for
from django_authsignal.client.http import FIRST_WAIT, Http

from .conftest import SECRET, Certificate, Server, listening, running, silent
from .test_connections import https, in_a_fork

GOOD = (200, {}, b'{"state": "ALLOW"}')
GONE = (None, {}, b"")  # closed without a word


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What would have been slept."""
    found: list[float] = []
    monkeypatch.setattr(Http, "sleep", staticmethod(found.append))
    return found


def in_turn(server: Server, *answers: Any) -> None:
    """One answer after another; the last one for ever."""
    left = list(answers)
    server.reply = lambda seen: left.pop(0) if len(left) > 1 else left[0]


def once(client: Client) -> object:
    return client.track("1", "a", idempotency_key="k")


# Once more


@pytest.mark.parametrize(
    "first", [GONE, (502, {}, b""), (503, {}, b""), (504, {}, b""), (429, {"Retry-After": "1"}, b"")]
)
def test_what_may_come_right_is_asked_once_more(client: Client, server: Server, waits: list[float], first: Any) -> None:
    in_turn(server, first, GOOD)
    assert once(client).state == "ALLOW"
    assert len(server.seen) == 2
    assert len(waits) == 1


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((500, {}, b""), ServerError),
        ((429, {}, b""), RateLimited),
        ((400, {}, b""), InvalidRequest),
        ((200, {}, b"<html>"), UnreadableResponse),
        ((302, {"Location": "https://elsewhere.example"}, b""), UnreadableResponse),
    ],
)
def test_what_would_come_again_is_not_asked_again(
    client: Client, server: Server, waits: list[float], answer: Any, kind: type[Exception]
) -> None:
    in_turn(server, answer, GOOD)
    with pytest.raises(kind):
        once(client)
    assert len(server.seen) == 1


def test_a_call_that_may_be_made_twice_is_made_three_times_at_most(
    client: Client, server: Server, waits: list[float]
) -> None:
    server.answers({}, 503)
    with pytest.raises(ServerError):
        once(client)
    assert len(server.seen) == 3


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.track("1", "a"),
        lambda client: client.delete_user("1"),
        lambda client: client.enroll_verified_authenticator("1", verification_method="EMAIL_OTP", email="a@b.example"),
    ],
)
def test_what_twice_is_not_as_once_is_never_sent_twice(
    client: Client, server: Server, waits: list[float], call: Callable[[Client], object]
) -> None:
    server.answers({}, 503)
    with pytest.raises(ServerError):
        call(client)
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.get_user("1"),
        lambda client: client.update_user("1", email="a@b.example"),
        lambda client: client.update_action("1", "a", "k", state="REVIEW_SUCCEEDED"),
        lambda client: client.validate_challenge("token"),
    ],
)
def test_what_twice_is_as_once_is_asked_once_more(
    client: Client, server: Server, waits: list[float], call: Callable[[Client], object]
) -> None:
    server.answers({}, 503)
    with pytest.raises(ServerError):
        call(client)
    assert len(server.seen) == 3


def test_an_untrusted_certificate_is_not_looked_at_again(certificate: Certificate, waits: list[float]) -> None:
    server = Server()
    server.socket = certificate.context.wrap_socket(server.socket, server_side=True)
    with running(server), pytest.raises(ConnectionFailed):
        once(Client(SECRET, api_url=https(server)))
    assert waits == []


def test_waits_double_and_are_random(client: Client, server: Server, waits: list[float]) -> None:
    server.answers({}, 503)
    with Client(SECRET, api_url=server.url, retries=1, breaker_failures=0) as client:
        for _ in range(30):
            with pytest.raises(ServerError):
                once(client)
    assert 0 <= min(waits) < max(waits) <= FIRST_WAIT
    waits.clear()
    with Client(SECRET, api_url=server.url, retries=2, breaker_failures=0) as client:
        for _ in range(30):
            with pytest.raises(ServerError):
                once(client)
    assert FIRST_WAIT < max(waits) <= 2 * FIRST_WAIT


def test_as_long_as_the_service_asks_is_waited(client: Client, server: Server, waits: list[float]) -> None:
    in_turn(server, (503, {"Retry-After": "3"}, b""), GOOD)
    once(client)
    assert 3 <= waits[0] <= 3 + FIRST_WAIT


@pytest.mark.parametrize("status", [429, 503])
def test_a_wait_that_does_not_fit_is_not_begun(client: Client, server: Server, waits: list[float], status: int) -> None:
    in_turn(server, (status, {"Retry-After": "5"}, b""), GOOD)
    with pytest.raises((RateLimited, ServerError)) as caught:
        once(client)
    assert caught.value.retry_after == 5
    assert waits == []


def test_all_attempts_end_with_the_one_timeout() -> None:
    with listening(lambda conn: conn.recv(10)) as port:
        client = Client(SECRET, api_url=f"http://127.0.0.1:{port}", timeout=0.3, retries=10)
        began = time.monotonic()
        with pytest.raises(Unreachable):
            once(client)
        assert time.monotonic() - began < 0.8


@pytest.mark.parametrize("second", [GONE, (500, {}, b""), (200, {}, b"{}")])
def test_a_refusal_stays_one_when_the_attempts_after_it_have_no_answer(
    server: Server, waits: list[float], second: Any
) -> None:
    in_turn(server, (429, {"Retry-After": "1"}, b""), second)
    with Client(SECRET, api_url=server.url) as client, pytest.raises(RateLimited):
        once(client)


# The breaker


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Memory:
    """A store of several processes, which may fail."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.kept: dict[str, tuple[float, float]] = {}
        self.gets = 0
        self.broken = False

    def get(self, key: str) -> float | None:
        self.gets += 1
        if self.broken:
            raise OSError("no cache")
        until, ends = self.kept.get(key, (None, 0.0))
        return until if self.clock() < ends else None

    def put(self, key: str, until: float, seconds: float) -> None:
        if self.broken:
            raise OSError("no cache")
        self.kept[key] = (until, self.clock() + seconds)

    def claim(self, key: str, seconds: float) -> bool:
        if self.get(key) is not None:
            return False
        self.put(key, 1, seconds)
        return True

    def clear(self, *keys: str) -> None:
        if self.broken:
            raise OSError("no cache")
        for key in keys:
            self.kept.pop(key, None)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def breaker_of(clock: Clock, store: Memory | None = None) -> Breaker:
    return Breaker("https://api.example", failures=5, pause=10, lease=6, store=store, clock=clock)


def opened(breaker: Breaker) -> Breaker:
    assert [breaker.bad(breaker.admit()) for _ in range(5)] == [False] * 4 + [True]
    return breaker


def test_after_five_failures_in_a_row_no_call_may_go(clock: Clock) -> None:
    breaker = opened(breaker_of(clock))
    clock.now += 4
    assert breaker.admit() == (6, False)


def test_an_answer_between_begins_the_count_anew(clock: Clock) -> None:
    breaker = breaker_of(clock)
    for _ in range(3):
        for _ in range(4):
            assert not breaker.bad(breaker.admit())
        assert not breaker.good(breaker.admit())
    assert breaker.admit().wait is None


def test_after_the_pause_exactly_one_goes(clock: Clock) -> None:
    breaker = opened(breaker_of(clock))
    clock.now += 10
    assert breaker.admit() == (None, True)
    assert [breaker.admit().wait is None for _ in range(20)] == [False] * 20


def test_of_many_threads_one_is_the_probe(clock: Clock) -> None:
    breaker = opened(breaker_of(clock))
    clock.now += 10
    gate, found = threading.Barrier(16), []

    def work() -> None:
        gate.wait()
        found.append(breaker.admit().probe)

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [False] * 15 + [True]


def test_a_good_probe_closes_it(clock: Clock) -> None:
    breaker = opened(breaker_of(clock))
    clock.now += 10
    assert breaker.good(breaker.admit())
    assert breaker.admit() == (None, False)


def test_a_bad_probe_begins_another_pause_and_is_no_opening(clock: Clock) -> None:
    breaker = opened(breaker_of(clock))
    clock.now += 10
    assert not breaker.bad(breaker.admit())
    assert breaker.admit() == (10, False)


def test_a_probe_that_died_is_followed_by_another(clock: Clock) -> None:
    breaker = opened(breaker_of(clock))
    clock.now += 10
    breaker.admit()
    clock.now += 6.1
    assert breaker.admit().probe


def test_calls_that_began_before_it_opened_prolong_nothing(clock: Clock) -> None:
    breaker = breaker_of(clock)
    early = breaker.admit()
    opened(breaker)
    clock.now += 9
    assert not breaker.bad(early)
    clock.now += 1
    assert breaker.admit().probe


def test_a_clock_that_was_set_back_is_no_longer_pause(clock: Clock) -> None:
    breaker = opened(breaker_of(clock))
    clock.now -= 3600
    assert breaker.admit().probe


def test_no_failures_to_count_is_no_breaker(clock: Clock) -> None:
    breaker = Breaker("u", failures=0, pause=10, lease=6, clock=clock)
    assert not any(breaker.bad(breaker.admit()) for _ in range(50))
    assert breaker.admit().wait is None


# Shared


def test_what_one_process_found_out_another_knows(clock: Clock) -> None:
    store = Memory(clock)
    first, second = breaker_of(clock, store), breaker_of(clock, store)
    opened(first)
    assert second.admit() == (10, False)


def test_of_all_processes_one_sends_the_probe(clock: Clock) -> None:
    store = Memory(clock)
    all_of_them = [breaker_of(clock, store) for _ in range(5)]
    opened(all_of_them[0])
    clock.now += 10
    assert sorted(breaker.admit().probe for breaker in all_of_them) == [False] * 4 + [True]


def test_another_processs_good_probe_closes_it_for_all(clock: Clock) -> None:
    store = Memory(clock)
    first, second = breaker_of(clock, store), breaker_of(clock, store)
    opened(first)
    clock.now += 10
    assert second.good(second.admit())
    assert (first.admit().wait, second.admit().wait) == (None, None)


def test_another_processs_bad_probe_keeps_it_open_for_all(clock: Clock) -> None:
    store = Memory(clock)
    first, second = breaker_of(clock, store), breaker_of(clock, store)
    opened(first)
    clock.now += 10
    second.bad(second.admit())
    assert first.admit() == (10, False)


def test_another_processs_probe_that_died_is_followed_by_one_of_ours(clock: Clock) -> None:
    store = Memory(clock)
    first, second = breaker_of(clock, store), breaker_of(clock, store)
    opened(first)
    clock.now += 10
    assert second.admit().probe
    assert not first.admit().probe
    clock.now += 6.1
    assert first.admit().probe


def test_a_call_costs_one_reading_of_the_cache(clock: Clock) -> None:
    store = Memory(clock)
    breaker = breaker_of(clock, store)
    breaker.good(breaker.admit())
    assert store.gets == 1


def test_a_cache_that_fails_is_logged_once_and_each_process_judges_by_itself(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    store = Memory(clock)
    store.broken = True
    breaker = breaker_of(clock, store)
    opened(breaker)
    assert breaker.admit().wait is not None
    clock.now += 30  # the cache is asked again, and fails again
    assert breaker.admit().probe
    assert [record.getMessage()[:27] for record in caplog.records] == ["The cache of BREAKER_CACHE "]


def test_a_cache_that_fails_is_left_alone_for_a_while(clock: Clock) -> None:
    store = Memory(clock)
    store.broken = True
    breaker = breaker_of(clock, store)
    for _ in range(50):
        breaker.good(breaker.admit())
    assert store.gets == 1


# Of a client


def test_no_connection_is_tried_while_the_circuit_is_open() -> None:
    connections = []
    with listening(lambda conn: connections.append(conn)) as port:
        client = Client(SECRET, api_url=f"http://127.0.0.1:{port}", retries=0)
        for _ in range(5):
            with pytest.raises(ConnectionFailed):
                once(client)
        for _ in range(20):
            with pytest.raises(CircuitOpen) as caught:
                once(client)
    assert len(connections) == 5
    assert 0 < caught.value.retry_after <= 10


def test_a_call_counts_once_however_often_it_was_sent(client: Client, server: Server, waits: list[float]) -> None:
    server.answers({}, 503)
    for _ in range(4):
        with pytest.raises(ServerError):
            once(client)
    server.answers({"state": "ALLOW"})
    assert once(client).state == "ALLOW"


def test_refusals_are_answers(server: Server) -> None:
    with Client(SECRET, api_url=server.url, retries=0) as client:
        for status in (500, 500, 500, 500, 404, 500, 500, 500, 500, 429, 500, 500, 500, 500):
            server.answers({}, status)
            with pytest.raises(AuthsignalError) as caught:
                once(client)
            assert not isinstance(caught.value, CircuitOpen)


def test_what_cannot_be_sent_counts_for_nothing(client: Client, server: Server) -> None:
    for _ in range(10):
        with pytest.raises(ValueError, match="Use another id"):
            client.get_user("..")
        with pytest.raises(ValueError, match="token"):
            client.validate_challenge("no token\r\n")
    assert once(client).state == "ALLOW"


def test_clients_of_one_address_share_the_circuit_and_others_do_not(server: Server) -> None:
    server.answers({}, 500)
    with Client("one-tenants-key", api_url=server.url) as first, Client("anothers-key", api_url=server.url) as second:
        for _ in range(5):
            with pytest.raises(ServerError):
                once(first)
        with pytest.raises(CircuitOpen):
            once(second)
    with Client(SECRET, api_url=server.url.replace("127.0.0.1", "localhost")) as other, pytest.raises(ServerError):
        once(other)


def test_the_circuit_closes_when_the_service_is_back(server: Server) -> None:
    server.answers({}, 500)
    told: list[Called | Circuit] = []
    with Client(SECRET, api_url=server.url, breaker_pause=0.05, observer=told.append) as client:
        for _ in range(5):
            with pytest.raises(ServerError):
                once(client)
        with pytest.raises(CircuitOpen):
            once(client)
        server.answers({"state": "ALLOW"})
        time.sleep(0.06)
        assert once(client).state == "ALLOW"
    states = [report for report in told if isinstance(report, Circuit)]
    assert states == [Circuit(server.url, "open"), Circuit(server.url, "closed")]


def test_a_forked_process_judges_by_itself_and_waits_for_no_lock(server: Server) -> None:
    server.answers({}, 500)
    with Client(SECRET, api_url=server.url) as client:
        for _ in range(5):
            with pytest.raises(ServerError):
                once(client)
        breaker = breaker_for(server.url, failures=5, pause=10.0, lease=6.0, store=None)
        with breaker._lock:  # as when another thread held it at the moment of the fork

            def work() -> bool:
                with pytest.raises(ServerError):
                    once(client)
                return True

            assert in_a_fork(work)


class Adapter(BaseAdapter):
    """Fails as an application's test says."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        raise requests.ConnectionError("refused")

    def close(self) -> None:
        pass


def test_what_a_tests_transport_answers_is_nobody_elses_outage() -> None:
    first, second = (Client(SECRET, transport=Adapter(), retries=0) for _ in range(2))
    for _ in range(5):
        with pytest.raises(ConnectionFailed):
            once(first)
    with pytest.raises(CircuitOpen):
        once(first)
    with pytest.raises(ConnectionFailed):
        once(second)


# Calls under way


def test_more_calls_than_may_be_under_way_are_not_made_and_are_no_outage() -> None:
    with listening(silent) as port:
        client = Client(SECRET, api_url=f"http://127.0.0.1:{port}", timeout=0.6, max_calls=2)
        errors: list[Exception] = []

        def work() -> None:
            with pytest.raises(TimedOut) as caught:
                once(client)
            errors.append(caught.value)

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        time.sleep(0.2)
        began = time.monotonic()
        with pytest.raises(TooManyCalls) as caught:
            once(client)
        assert time.monotonic() - began < 0.2
        assert not isinstance(caught.value, Unreachable)
        for thread in threads:
            thread.join()
        with pytest.raises(TimedOut):  # there are places again
            once(client)
    assert len(errors) == 2


def test_a_place_is_given_back_whatever_happens(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    client = Client(SECRET, api_url=server.url, max_calls=1)
    for error in (KeyboardInterrupt, SystemExit, ConfigurationError("bundle")):
        with monkeypatch.context() as patched:

            def fail(*args: object, error: Any = error) -> None:
                raise error

            patched.setattr(Http, "_outcome", fail)
            with pytest.raises((KeyboardInterrupt, SystemExit, ConfigurationError)):
                once(client)
    assert once(client).state == "ALLOW"


def test_places_are_counted_right_by_many_threads() -> None:
    places, most = Places(), []

    def work() -> None:
        for _ in range(200):
            if places.take(3):
                most.append(places._taken)
                places.give_back()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (max(most) <= 3, places._taken) == (True, 0)


# What is told


def test_an_observer_is_told_of_every_call(server: Server, waits: list[float]) -> None:
    told: list[Any] = []
    with Client(SECRET, api_url=server.url, observer=told.append) as client:
        in_turn(server, (503, {}, b""), GOOD)
        once(client)
        in_turn(server, (401, {}, b""))
        with pytest.raises(Exception, match="401"):
            once(client)
        in_turn(server, GONE)
        with pytest.raises(ConnectionFailed):
            once(client)
    assert [(item.operation, item.attempts, item.outcome, item.status) for item in told] == [
        ("track", 2, "ok", 200),
        ("track", 1, "Unauthorized", 401),
        ("track", 4, "ConnectionFailed", None),  # an idle connection is replaced, and three times in earnest
    ]
    assert all(0 < item.seconds < 5 for item in told)


def test_a_call_that_was_not_made_is_told_too(server: Server) -> None:
    told: list[Any] = []
    server.answers({}, 500)
    with Client(SECRET, api_url=server.url, observer=told.append, breaker_failures=1) as client:
        for _ in range(2):
            with pytest.raises(Unreachable):
                once(client)
    assert [(item.attempts, item.outcome) for item in told if isinstance(item, Called)] == [
        (1, "ServerError"),
        (0, "CircuitOpen"),
    ]


def test_an_observer_that_raises_fails_no_call(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    def observer(report: object) -> None:
        raise RuntimeError("metrics are down")

    with Client(SECRET, api_url=server.url, observer=observer) as client:
        assert once(client).state == "ALLOW"
    assert "metrics are down" in caplog.text


# Settings


@pytest.mark.parametrize(
    ("wrong", "fix"),
    [
        ({"retries": -1}, "whole number from 0 to 10"),
        ({"retries": 1.5}, "whole number from 0 to 10"),
        ({"retries": True}, "whole number from 0 to 10"),
        ({"breaker_failures": -1}, "0 switches it off"),
        ({"breaker_pause": 0}, "as 10.0"),
        ({"breaker_pause": float("nan")}, "as 10.0"),
        ({"breaker_pause": "x"}, "as 10.0"),
        ({"breaker_pause": None}, "as 10.0"),
        ({"max_calls": 0}, "as 64"),
    ],
)
def test_a_number_that_is_none_is_refused_with_the_fix(wrong: dict[str, Any], fix: str) -> None:
    with pytest.raises(ConfigurationError, match=fix):
        Client(SECRET, **wrong)


def test_the_breaker_is_the_processs(clock: Clock) -> None:
    made = breaker_for("https://api.example", failures=5, pause=10, lease=6, store=None)
    assert breaker_for("https://api.example", failures=5, pause=10, lease=6, store=None) is made
    assert in_a_fork(lambda: breaker_for("https://api.example", failures=5, pause=10, lease=6, store=None) is not made)
