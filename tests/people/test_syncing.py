"""`manage.py authsignal_sync_users`: what Authsignal knows of users is set right, and a dry run only reads."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_authsignal.client import CLEAR, Client
from django_authsignal.models import SyncedUser
from django_authsignal.people import patience, walking

from .conftest import FIELD

User = get_user_model()
READS = {"get_user", "get_authenticators"}


@pytest.fixture
def people(ada, bob, ask, configure):
    """Ada and Bob, known to Authsignal, and Eve, whom it does not know."""
    configure(VERIFIED_EMAIL=FIELD)
    for user in (ada, bob):
        ask(user)
    return ada, bob, User.objects.create_user("eve", "eve@example.com")


@pytest.fixture
def sync():
    """Runs the command; what it printed, both streams in one."""

    def run(*options, fails=False, **more):
        said = io.StringIO()
        if fails:
            with pytest.raises(CommandError) as caught:
                call_command("authsignal_sync_users", *options, stdout=said, stderr=said, **more)
            said.write(str(caught.value))
        else:
            call_command("authsignal_sync_users", *options, stdout=said, stderr=said, **more)
        return said.getvalue()

    return run


@pytest.fixture
def waits(monkeypatch):
    """Seconds that were waited."""
    waited = []
    monkeypatch.setattr(patience.time, "sleep", waited.append)
    return waited


def operations(authsignal):
    return {call.operation for call in authsignal.calls}


def test_known_users_are_told_of(people, authsignal, sync, told):
    said = sync()
    assert told() == [("update", "ada@example.com"), ("update", "bob@example.com")]
    assert f"update {people[0].pk}: email a***@e***.com" in said
    assert "0 created, 2 updated, 0 removed, 0 unchanged, 0 skipped, 0 failed." in said


def test_a_dry_run_says_the_same_and_only_reads(people, authsignal, sync, told):
    SyncedUser.objects.create(authsignal_id="gone")
    before = list(SyncedUser.objects.values())
    said = sync("--dry-run", "--all")
    assert operations(authsignal) == READS - {"get_authenticators"}
    assert list(SyncedUser.objects.values()) == before
    assert "Nothing was changed. It would be: 1 created, 2 updated, 1 removed, 0 unchanged" in said
    wet = sync("--all")
    lines = [line for line in said.splitlines() if line.split()[0] in list(walking.Outcome)]
    assert lines == [line for line in wet.splitlines() if line.split()[0] in list(walking.Outcome)]


def test_no_address_is_printed_whole(people, sync, authsignal, configure):
    configure(VERIFIED_PHONE=lambda user: "+6421123456")
    said = sync("--all", verbosity=3)
    assert "example.com" not in said
    assert "123456" not in said
    assert "phone +64***56" in said


def test_a_key_that_is_an_address_is_masked():
    assert walking.shown("ada@example.com") == "a***@e***.com"


def test_a_second_run_changes_nothing(people, authsignal, sync, told):
    sync()
    authsignal.calls.clear()
    assert "0 updated, 0 removed, 2 unchanged" in sync()
    assert operations(authsignal) == {"get_user"}


def test_what_somebody_changed_at_authsignal_is_set_right_again(people, authsignal, sync, told):
    sync()
    Client("k", transport=authsignal).update_user(str(people[0].pk), email="portal@example.com")
    assert "1 updated" in sync()
    assert told()[-1] == ("update", "ada@example.com")


def test_an_address_that_is_there_and_not_verified_is_told_as_verified(people, authsignal, sync):
    Client("k", transport=authsignal).update_user(str(people[0].pk), email="ADA@example.com", email_verified=False)
    assert "2 updated" in sync()


def test_capital_letters_make_no_other_address(people, authsignal, sync):
    for user in people[:2]:
        there = Client("k", transport=authsignal)
        there.update_user(str(user.pk), email=user.email.upper(), email_verified=True)
    assert "0 updated, 0 removed, 2 unchanged" in sync()


def test_clear_takes_away_what_is_there(people, authsignal, sync, configure):
    sync()
    configure(VERIFIED_EMAIL=lambda user: CLEAR)
    assert "email (removed)" in sync()
    assert "2 unchanged" in sync()


def test_users_whom_authsignal_does_not_know_are_left_out(people, sync, told):
    sync()
    assert ("update", "eve@example.com") not in told()


def test_all_makes_everybody_known(people, sync, told):
    assert "1 created, 2 updated" in sync("--all")
    assert ("update", "eve@example.com") in told()


@pytest.mark.parametrize("by", ["username", "pk"])
def test_one_user_alone_by_name_or_key(people, sync, told, by):
    sync("--user", str(getattr(people[2], by)))
    assert told() == [("update", "eve@example.com")]


def test_a_user_who_does_not_exist_is_named(people, sync, told):
    assert "There is no user 'nobody'" in sync("--user", "ada", "--user", "nobody", fails=True)
    assert told() == []


def test_only_enrolled_leaves_out_who_has_no_way_of_proof(people, authsignal, sync, told):
    authsignal.unenrolled()
    Client("k", transport=authsignal).enroll_verified_authenticator(
        str(people[1].pk), verification_method="EMAIL_OTP", email="bob@example.com"
    )
    said = sync("--only-enrolled", "--all")
    assert told() == [("update", "bob@example.com")]
    assert "2 skipped" in said


def test_deleted_users_are_removed(people, sync, told):
    pk = str(people[0].pk)
    people[0].delete()
    said = sync()
    assert told()[0] == ("delete", pk)
    assert f"remove deleted user, {pk} at Authsignal" in said
    assert not SyncedUser.objects.filter(user_pk=None).exists()


def test_an_id_that_has_a_new_owner_is_not_removed(people, ask, configure, sync, told):
    SyncedUser.objects.create(authsignal_id=str(people[0].pk))
    said = sync(verbosity=2)
    assert "belongs to somebody else now" in said
    assert ("delete", str(people[0].pk)) not in told()
    assert not SyncedUser.objects.filter(user_pk=None).exists()


def test_without_verified_addresses_the_command_says_so_and_still_removes(people, configure, sync, told):
    configure(VERIFIED_EMAIL=None)
    people[0].delete()
    assert "Neither VERIFIED_EMAIL nor VERIFIED_PHONE is set" in sync()
    assert [operation for operation, _ in told()] == ["delete"]


def test_a_walk_costs_no_queries_for_users_that_authsignal_does_not_know(db, configure, sync):
    configure(VERIFIED_EMAIL=FIELD)
    User.objects.bulk_create(User(username=f"u{number}") for number in range(1200))
    with CaptureQueriesContext(connection) as queries:
        sync()
    assert len(queries) < 15


def test_all_users_are_walked_over_the_edges_of_chunks(db, configure, sync, told, monkeypatch):
    monkeypatch.setattr(walking, "CHUNK", 3)
    configure(VERIFIED_EMAIL=FIELD)
    User.objects.bulk_create(User(username=f"u{number}", email=f"u{number}@example.com") for number in range(10))
    sync("--all")
    assert [address for _, address in told()] == [f"u{number}@example.com" for number in range(10)]


def test_one_who_fails_does_not_keep_the_others_from_being_told_of(people, configure, sync, told):
    configure(VERIFIED_EMAIL=lambda user: 1 / 0 if user.username == "ada" else user.email)
    said = sync(fails=True)
    assert told() == [("update", "bob@example.com")]
    assert f"fail {people[0].pk}: ZeroDivisionError" in said
    assert "1 failed. Run it again" in said


def test_a_wrong_key_stops_at_the_first(people, authsignal, sync):
    authsignal.fail("401")
    said = sync(fails=True)
    assert len(authsignal.calls) == 1
    assert f"Stopped at the user {people[0].pk}" in said


def test_an_outage_stops_after_three_and_says_where_to_go_on(db, configure, sync, authsignal, monkeypatch):
    configure(VERIFIED_EMAIL=FIELD)
    users = [User.objects.create(username=f"u{number}", email=f"u{number}@example.com") for number in range(9)]
    send = authsignal.send

    def break_down(request, *args, **kwargs):
        if str(users[2].pk) in request.url:
            authsignal.fail("500")
        return send(request, *args, **kwargs)

    monkeypatch.setattr(authsignal, "send", break_down)
    said = sync("--all", fails=True)
    assert f"Go on with --after {users[1].pk}." in said
    assert "2 created" in said
    authsignal.fail(None)
    monkeypatch.undo()
    assert "7 created" in sync("--all", "--after", str(users[1].pk))


def test_outages_that_pass_do_not_stop_it(db, configure, sync, authsignal, monkeypatch):
    configure(VERIFIED_EMAIL=FIELD)
    users = [User.objects.create(username=f"u{number}", email=f"u{number}@example.com") for number in range(8)]
    send, broken = authsignal.send, {str(user.pk) for user in users[::2]}

    def flicker(request, *args, **kwargs):
        authsignal.fail("500" if request.url.rsplit("/", 1)[1] in broken else None)
        return send(request, *args, **kwargs)

    monkeypatch.setattr(authsignal, "send", flicker)
    said = sync("--all", fails=True)
    assert "4 created" in said
    assert "4 failed" in said
    assert "Stopped" not in said


def test_after_something_that_is_no_key_is_said(people, sync):
    assert "'x' is no primary key" in sync("--after", "x", fails=True)


def limited(authsignal, monkeypatch, *, times, after):
    """The next calls are answered 429."""
    send, left = authsignal.send, [times]

    def slow_down(*args, **kwargs):
        left[0] -= 1
        authsignal.fail("429" if left[0] >= 0 else None)
        response = send(*args, **kwargs)
        if left[0] >= 0 and after is not None:
            response.headers["Retry-After"] = after
        return response

    monkeypatch.setattr(authsignal, "send", slow_down)


@pytest.mark.parametrize(("after", "slept"), [("7", [7.0, 7.0]), (None, [1.0, 2.0]), ("0", [0.1, 0.1])])
def test_it_waits_as_long_as_authsignal_asks(people, authsignal, sync, told, waits, monkeypatch, after, slept):
    limited(authsignal, monkeypatch, times=2, after=after)
    assert "2 updated" in sync()
    assert waits == slept


def test_it_waits_until_the_hour_that_authsignal_names(people, authsignal, sync, waits, monkeypatch):
    at = datetime.now(UTC) + timedelta(seconds=30)
    limited(authsignal, monkeypatch, times=1, after=at.strftime("%a, %d %b %Y %H:%M:%S GMT"))
    sync()
    assert 25 < waits[0] <= 30


@pytest.mark.parametrize(("times", "after"), [(99, "1"), (1, "3600")])
def test_it_does_not_wait_for_ever(people, authsignal, sync, waits, monkeypatch, times, after):
    limited(authsignal, monkeypatch, times=times, after=after)
    assert "Stopped at the user" in sync(fails=True)
    assert len(waits) == (patience.TRIES - 1 if times > 1 else 0)


@pytest.mark.parametrize("keys", [{"API_SECRET_KEY": lambda request: "k"}, {"MAX_AEG": 1}])
def test_settings_that_cannot_serve_a_command_are_one_sentence(people, configure, sync, keys):
    configure(**keys)
    assert next(iter(keys)) in sync(fails=True)
