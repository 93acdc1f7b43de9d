"""An event is handled once; what failed, or died on the way, is handled when it comes again."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import OperationalError, ProgrammingError, connection
from django.test import Client
from django.utils import timezone

from django_authsignal.events import register
from django_authsignal.events.receiving import CHUNK
from django_authsignal.models import ReceivedEvent
from django_authsignal.signals import event_received
from tests.webhooks.sender import envelope, post, post_batch, record

EVENT = envelope("something.new")


@pytest.fixture
def failing():
    """A receiver that fails while `on` is in it; it counts its calls."""
    state = {"on": True, "calls": 0}

    def fail(event, **about):
        state["calls"] += 1
        if state["on"]:
            raise LookupError("123456")

    event_received.connect(fail)
    yield state
    event_received.disconnect(fail)


def left_behind(age):
    """A row of a delivery that was begun so long ago and never finished."""
    post_event = register.Event(id=EVENT["id"], type=EVENT["type"], tenant_id=EVENT["tenantId"])
    at = timezone.now() - age
    ReceivedEvent.objects.create(
        key=register.key_of(post_event), received_at=at, claimed_by="another delivery", claimed_at=at
    )


@pytest.mark.django_db(transaction=True)
def test_twenty_deliveries_at_once_are_handled_once(authsignal):
    calls, barrier = [], threading.Barrier(20)

    def handle(event, **about):
        calls.append(event.id)

    def deliver(_):
        barrier.wait()
        try:
            return post(Client(), EVENT).status_code
        finally:
            connection.close()

    event_received.connect(handle)
    try:
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(deliver, range(20)))
    finally:
        event_received.disconnect(handle)
    assert len(calls) == 1
    assert set(answers) <= {200, 503}
    assert post(Client(), EVENT).status_code == 200
    assert len(calls) == 1


@pytest.mark.django_db(transaction=True)
def test_batches_at_once_with_the_same_records_in_any_order_handle_each_once(authsignal):
    records, calls, barrier = [record("action.log_created") for _ in range(60)], [], threading.Barrier(6)

    def handle(event, **about):
        calls.append(event.id)

    def deliver(number):
        barrier.wait()
        try:
            return post_batch(Client(), *records[number * 10 :], *records[: number * 10]).status_code
        finally:
            connection.close()

    event_received.connect(handle)
    try:
        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(deliver, range(6)))
        if set(answers) != {200}:  # as the sender does, who was told 503
            assert post_batch(Client(), *records).status_code == 200
    finally:
        event_received.disconnect(handle)
    assert sorted(calls) == sorted(one["id"] for one in records)
    assert set(answers) <= {200, 503}


def test_what_failed_is_answered_so_that_it_comes_again_and_is_handled_then(sender, failing):
    assert post(sender, EVENT).status_code == 500
    assert not ReceivedEvent.objects.exists()
    failing["on"] = False
    assert [post(sender, EVENT).status_code for _ in range(2)] == [200, 200]
    assert failing["calls"] == 2


def test_of_a_batch_only_what_failed_is_handled_again(sender, heard):
    good, bad = record("action.log_created"), record("challenge.log_created")
    broken = [True]

    def fail(event, **about):
        if event.id == bad["id"] and broken:
            raise LookupError

    event_received.connect(fail)
    try:
        assert post_batch(sender, bad, good).status_code == 500
        broken.clear()
        assert post_batch(sender, bad, good).status_code == 200
    finally:
        event_received.disconnect(fail)
    assert [one["event"].id for one in heard].count(good["id"]) == 1
    assert ReceivedEvent.objects.exclude(handled_at=None).count() == 2


def test_one_record_that_failed_among_many_is_told_of(sender, configure, failing):
    records = [record("challenge.log_created", {"userId": str(number)}) for number in range(CHUNK + 1)]
    configure(USER_FROM_ID=lambda found: failing.update(on=found == "0"))  # the first fails, in the first of two claims
    assert post_batch(sender, *records).status_code == 500
    assert ReceivedEvent.objects.exclude(handled_at=None).count() == CHUNK


def test_while_a_delivery_is_under_way_another_one_is_told_to_come_again(sender, heard):
    left_behind(timedelta(seconds=5))
    answer = post(sender, EVENT)
    assert (answer.status_code, answer["Retry-After"]) == (503, "60")
    assert not heard


def test_what_a_dead_worker_left_behind_is_taken_over(sender, heard):
    left_behind(register.LEASE + timedelta(seconds=1))
    assert post(sender, EVENT).status_code == 200
    assert len(heard) == 1


@pytest.mark.django_db
def test_what_was_left_behind_is_taken_over_by_one_of_two():
    left_behind(register.LEASE + timedelta(seconds=1))
    event = register.Event(id=EVENT["id"], type=EVENT["type"], tenant_id=EVENT["tenantId"])
    claims = [register.claim({register.key_of(event): event}) for _ in range(2)]
    assert [bool(one.ours) for one in claims] == [True, False]
    assert [one.busy for one in claims] == [False, True]


@pytest.mark.django_db
def test_what_another_delivery_is_at_is_not_taken_over_with_what_was_left_behind():
    events = [register.Event(id=name, type="x") for name in ("left", "busy")]
    left, busy = map(register.key_of, events)
    register.claim({left: events[0]})
    ReceivedEvent.objects.update(claimed_at=timezone.now() - register.LEASE - timedelta(seconds=1))
    register.claim({busy: events[1]})
    assert register.claim({left: events[0], busy: events[1]}).ours == (left,)


@pytest.mark.django_db
def test_who_was_overtaken_takes_nothing_back():
    event = register.Event(id="1", type="x")
    key = register.key_of(event)
    slow = register.claim({key: event})
    ReceivedEvent.objects.update(claimed_at=timezone.now() - register.LEASE - timedelta(seconds=1))
    fast = register.claim({key: event})
    register.settle(slow, [])
    register.settle(fast, [key])
    register.settle(slow, [key])
    assert ReceivedEvent.objects.exclude(handled_at=None).get().claimed_by == fast.name


@pytest.mark.parametrize("error", [OperationalError("database is locked"), ProgrammingError("no such table")])
def test_a_database_that_does_not_take_it_has_it_come_again(sender, monkeypatch, error):
    def locked(events):
        raise error

    monkeypatch.setattr(register, "claim", locked)
    assert post(sender, EVENT).status_code == 503


def test_the_same_id_of_another_tenant_is_another_event(sender, heard):
    for tenant in ("one", "two"):
        assert post(sender, {**EVENT, "tenantId": tenant}).status_code == 200
    assert len(heard) == 2


def test_ids_that_differ_in_case_or_in_a_space_are_different(sender, heard):
    for name in ("abc", "ABC", "abc "):
        post(sender, {**EVENT, "id": name})
    assert len(heard) == 3


def test_a_batch_of_five_hundred_takes_few_queries(sender, django_assert_max_num_queries):
    records = [record("action.log_created", {"userId": "1"}) for _ in range(500)]
    with django_assert_max_num_queries(30):
        assert post_batch(sender, *records).status_code == 200
    assert ReceivedEvent.objects.exclude(handled_at=None).count() == 500


def test_an_empty_batch_is_taken(sender):
    assert post_batch(sender).status_code == 200


def test_a_failure_is_logged_with_its_place(sender, failing, caplog):
    post(sender, EVENT)
    assert "something.new could not be handled: LookupError at" in caplog.text
    assert "test_once.py" in caplog.text


def test_nothing_of_what_an_event_says_is_kept(sender):
    post(sender, envelope("sms.created", {"code": "424242"}, inner="record"))
    post(sender, envelope("authenticator.created", {"email": "secret@example.com"}))
    kept = json.dumps(list(ReceivedEvent.objects.values()), default=str)
    assert "424242" not in kept
    assert "secret" not in kept


def test_old_ids_are_forgotten_and_young_ones_kept(sender, capsys):
    post(sender, envelope("old"))
    ReceivedEvent.objects.update(received_at=timezone.now() - timedelta(days=181))
    post(sender, envelope("young"))
    call_command("authsignal_prune", "--dry-run")
    assert ReceivedEvent.objects.count() == 2
    call_command("authsignal_prune")
    assert ReceivedEvent.objects.get().type == "young"
    assert capsys.readouterr().out.count("Events forgotten: 1.") == 2
