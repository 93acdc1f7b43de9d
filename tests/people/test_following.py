"""Authsignal follows Django's users, after the commit, and never at the cost of a save."""

import asyncio
import logging

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from django_authsignal import signals
from django_authsignal.client import CLEAR
from django_authsignal.identity import authsignal_id
from django_authsignal.models import Challenge, Status, SyncedUser
from django_authsignal.people import following as following_module
from django_authsignal.people import telling

from .conftest import FIELD

User = get_user_model()
pytestmark = pytest.mark.usefixtures("authsignal")


def save(user, **values):
    for name, value in values.items():
        setattr(user, name, value)
    user.save()


@pytest.fixture
def known_ada(ada, ask, following):
    """Ada, of whom Authsignal was asked before and was told nothing."""
    ask(ada)
    return ada


@pytest.fixture
def failures():
    """What user_sync_failed said."""
    heard = []

    def hear(sender, **kwargs):
        heard.append((sender, kwargs["operation"], kwargs["user_pk"], type(kwargs["error"]).__name__))

    signals.user_sync_failed.connect(hear)
    yield heard
    signals.user_sync_failed.disconnect(hear)


def test_a_changed_address_is_told_after_the_commit(known_ada, commit, told, authsignal):
    with commit():
        save(known_ada, email="new@example.com")
        assert told() == []
    assert told() == [("update", "new@example.com")]
    assert authsignal.calls[-1].json == {"email": "new@example.com", "emailVerified": True}


def test_nothing_is_told_by_default(ada, ask, configure, commit, told):
    ask(ada)
    configure(VERIFIED_EMAIL=FIELD)
    with commit():
        save(ada, email="new@example.com")
    assert told() == []


def test_an_address_that_nobody_calls_verified_is_not_told(known_ada, configure, commit, told):
    configure(VERIFIED_EMAIL=None)
    with commit():
        save(known_ada, email="new@example.com")
    assert told() == []


def test_an_unverified_change_tells_nothing_and_leaves_the_old_address(known_ada, configure, commit, told):
    with commit():
        save(known_ada)
    configure(VERIFIED_EMAIL=lambda user: None)
    with commit():
        save(known_ada, email="thief@example.com")
    assert told() == [("update", "ada@example.com")]


def test_a_number_is_told_as_verified_too(known_ada, configure, commit, authsignal):
    configure(VERIFIED_PHONE=lambda user: "+6421123456")
    with commit():
        save(known_ada)
    assert authsignal.calls[-1].json == {
        "email": "ada@example.com",
        "emailVerified": True,
        "phoneNumber": "+6421123456",
        "phoneNumberVerified": True,
    }


def test_an_address_that_is_taken_away_is_cleared(known_ada, configure, commit, authsignal):
    configure(VERIFIED_EMAIL=lambda user: CLEAR)
    with commit():
        save(known_ada)
    assert authsignal.calls[-1].json == {"email": None, "emailVerified": False}


def test_what_was_told_once_is_not_told_again(known_ada, commit, told):
    for _ in range(3):
        with commit():
            save(known_ada, first_name="Ada")
    assert told() == [("update", "ada@example.com")]


def test_the_register_holds_no_address(known_ada, commit):
    with commit():
        save(known_ada)
    row = SyncedUser.objects.values().get()
    assert "example.com" not in str(row)
    assert (row["user_pk"], row["authsignal_id"], len(row["told"])) == (str(known_ada.pk), str(known_ada.pk), 64)


def test_a_user_whom_authsignal_does_not_know_is_not_made_known_by_a_save(ada, following, commit, told):
    with commit():
        save(ada, email="new@example.com")
        User.objects.create_user("eve", "eve@example.com")
    assert told() == []


def test_all_makes_new_users_known(configure, db, commit, told):
    configure(SYNC_USERS="all", VERIFIED_EMAIL=FIELD)
    with commit():
        User.objects.create_user("eve", "eve@example.com")
    assert told() == [("update", "eve@example.com")]


def test_all_makes_a_user_known_of_whom_there_is_nothing_to_tell(configure, db, commit, told, authsignal):
    configure(SYNC_USERS="all")
    with commit():
        eve = User.objects.create_user("eve", "eve@example.com")
    assert told() == [("update", str(eve.pk))]
    assert authsignal.calls[-1].json == {}
    with commit():
        save(eve)
    assert len(told()) == 1


def test_several_saves_in_one_transaction_are_one_call(known_ada, commit, told):
    with commit():
        for number in range(5):
            save(known_ada, email=f"{number}@example.com")
    assert told() == [("update", "4@example.com")]


def test_several_saves_in_one_transaction_are_looked_at_once(known_ada, commit, told):
    with commit():
        save(known_ada)
    with CaptureQueriesContext(connection) as queries, commit():
        for _ in range(5):
            save(known_ada)
    assert len(queries) <= 5 + 2  # the saves; the user and what was told of them


def test_an_address_that_was_not_saved_is_not_told(known_ada, commit, told):
    known_ada.email = "never@saved.example"
    with commit():
        known_ada.save(update_fields=["first_name"])
    assert told() == [("update", "ada@example.com")]


@pytest.mark.parametrize("fields", [["last_login"], ["password"], ["password", "last_login"]])
def test_a_login_costs_no_query(known_ada, commit, told, fields):
    with (
        CaptureQueriesContext(
            connection,
        ) as queries,
        commit(),
    ):
        known_ada.save(update_fields=fields)
    assert len(queries) == 1
    assert told() == []


def test_a_fixture_tells_nothing(known_ada, commit, told, tmp_path):
    file = tmp_path / "users.json"
    call_command("dumpdata", "auth.user", output=str(file), verbosity=0)
    with commit():
        call_command("loaddata", str(file), verbosity=0)
    assert told() == []


def test_importing_users_costs_no_query_and_no_call_each(following, db, commit, told):
    def make(names):
        with commit():
            for name in names:
                User.objects.create(username=name)

    with CaptureQueriesContext(connection) as queries:
        make([f"user{number}" for number in range(30)])
    assert len(queries) == 30
    assert told() == []


def test_more_users_than_a_request_may_wait_for_are_left_to_the_command(db, following, ask, commit, told, caplog):
    users = [User.objects.create(username=f"u{number}", email=f"u{number}@example.com") for number in range(25)]
    for user in users:
        ask(user)
    with commit():
        for user in users:
            user.save()
    assert len(told()) == following_module.LIMIT == 20
    assert caplog.text.count("they are more than 20") == 1
    assert "authsignal_sync_users" in caplog.text


# Failures


@pytest.mark.parametrize(
    ("kind", "error"),
    [("refused", "ConnectionFailed"), ("401", "Unauthorized"), ("500", "ServerError"), ("429", "RateLimited")],
)
def test_a_failure_of_authsignal_breaks_no_save_and_is_signalled(
    known_ada, commit, authsignal, caplog, failures, kind, error
):
    authsignal.fail(kind)
    with commit():
        save(known_ada, email="new@example.com")
    known_ada.refresh_from_db()
    assert known_ada.email == "new@example.com"
    assert failures == [(User, "update", str(known_ada.pk), error)]
    assert "Run manage.py authsignal_sync_users" in caplog.text
    assert "new@example.com" not in caplog.text


def test_what_failed_is_told_at_the_next_save(known_ada, commit, authsignal, told):
    authsignal.fail("refused")
    with commit():
        save(known_ada, email="new@example.com")
    authsignal.fail(None)
    with commit():
        save(known_ada)
    assert told()[-1] == ("update", "new@example.com")
    assert len(told()) == 2


def test_an_outage_costs_one_wait_however_many_users_were_saved(ada, bob, ask, following, commit, authsignal, told):
    for user in (ada, bob):
        ask(user)
    authsignal.fail("timeout")
    with commit():
        save(ada)
        save(bob)
    assert len(told()) == 1


def test_an_error_of_the_project_s_own_callable_breaks_no_save(known_ada, configure, commit, failures):
    configure(VERIFIED_EMAIL=lambda user: 1 / 0)
    with commit():
        save(known_ada)
    assert [item[3] for item in failures] == ["ZeroDivisionError"]


def test_a_receiver_that_fails_breaks_no_save(known_ada, commit, authsignal):
    def fail(**kwargs):
        raise RuntimeError

    authsignal.fail("refused")
    signals.user_sync_failed.connect(fail)
    try:
        with commit():
            save(known_ada, email="new@example.com")
    finally:
        signals.user_sync_failed.disconnect(fail)


@pytest.mark.parametrize("keys", [{"MAX_AEG": 1}, {"API_SECRET_KEY": lambda request: "k"}])
def test_a_fault_of_the_settings_breaks_no_save(known_ada, configure, commit, told, keys):
    configure(**keys)
    with commit():
        save(known_ada)
        known_ada.delete()
    assert told() == []


def test_somebody_who_saves_during_the_call_has_the_last_word(known_ada, commit, authsignal, told, monkeypatch):
    send = authsignal.send

    def slow(request, *args, **kwargs):
        if "first@example.com" in str(request.body):
            User.objects.filter(pk=known_ada.pk).update(email="second@example.com")
        return send(request, *args, **kwargs)

    monkeypatch.setattr(authsignal, "send", slow)
    with commit():
        save(known_ada, email="first@example.com")
    assert told() == [("update", "first@example.com"), ("update", "second@example.com")]


def test_somebody_who_is_deleted_during_the_call_does_not_stay_at_authsignal(
    known_ada, commit, authsignal, told, monkeypatch
):
    send, pk = authsignal.send, str(known_ada.pk)

    def slow(request, *args, **kwargs):
        User.objects.filter(pk=pk).delete()
        Challenge.objects.filter(authsignal_id=pk).delete()
        return send(request, *args, **kwargs)

    with monkeypatch.context() as patch, commit():
        patch.setattr(authsignal, "send", slow)
        save(known_ada)
    assert told()[-1] == ("delete", pk)


# Deletion


def test_a_deleted_user_is_forgotten_after_the_commit(known_ada, commit, told):
    pk = str(known_ada.pk)
    with commit():
        known_ada.delete()
        assert told() == []
    assert told() == [("delete", pk)]
    assert not SyncedUser.objects.exists()


def test_a_user_who_was_never_asked_is_forgotten_too_for_other_systems_may_have_told_of_them(
    ada, following, commit, told
):
    pk = str(ada.pk)
    with commit():
        ada.delete()
    assert told() == [("delete", pk)]


def test_a_deletion_by_a_query_is_followed(ada, bob, following, commit, told):
    pks = {str(ada.pk), str(bob.pk)}
    with commit():
        User.objects.all().delete()
    assert set(told()) == {("delete", pk) for pk in pks}


def test_without_following_nothing_is_deleted_at_authsignal_and_what_is_left_is_noted(ada, ask, commit, told):
    ask(ada)
    pk = str(ada.pk)
    with commit():
        ada.delete()
    assert told() == []
    assert list(SyncedUser.objects.values_list("user_pk", "authsignal_id")) == [(None, pk)]


@pytest.mark.parametrize("asked_before", [True, False])
def test_a_deletion_that_fails_stays_noted(ada, ask, following, commit, authsignal, failures, asked_before):
    if asked_before:
        ask(ada)
    pk = str(ada.pk)
    authsignal.fail("500")
    with commit():
        ada.delete()
    assert list(SyncedUser.objects.values_list("user_pk", "authsignal_id")) == [(None, pk)]
    assert failures == [(User, "delete", pk, "ServerError")]


def test_a_deletion_that_no_tenant_can_be_told_of_stays_noted(ada, following, configure, commit):
    configure(API_SECRET_KEY=lambda request: "k")
    pk = str(ada.pk)
    with commit():
        ada.delete()
    assert list(SyncedUser.objects.values_list("user_pk", "authsignal_id")) == [(None, pk)]


def test_an_answer_that_does_not_say_deleted_stays_noted(ada, following, commit, authsignal, failures, monkeypatch):
    monkeypatch.setattr(authsignal, "_delete", lambda user: (200, {"success": False}))
    with commit():
        ada.delete()
    assert [item[3] for item in failures] == ["NotDeleted"]
    assert SyncedUser.objects.count() == 1


def test_deletions_beyond_the_limit_stay_noted(db, following, commit, told):
    for number in range(25):
        User.objects.create(username=f"u{number}")
    with commit():
        User.objects.all().delete()
    assert len(told()) == 20
    assert SyncedUser.objects.filter(user_pk=None).count() == 5


def test_an_id_that_belongs_to_somebody_again_is_kept(ada, configure, commit, told):
    configure(SYNC_USERS=True, USER_ID=lambda user: user.username)
    with commit():
        ada.delete()
        eve = User.objects.create(username="ada")
        SyncedUser.objects.create(user_pk=str(eve.pk), authsignal_id="ada")
    assert told() == []
    assert list(SyncedUser.objects.values_list("user_pk", flat=True)) == [str(eve.pk)]


def test_former_ids_are_forgotten_too_and_another_environment_s_never(ada, ask, configure, commit, told):
    ask(ada)
    configure(USER_ID=lambda user: user.username, SYNC_USERS=True)
    pk = str(ada.pk)
    with commit():
        ada.delete()
    assert sorted(told()) == sorted([("delete", pk), ("delete", "ada")])


def test_an_id_without_today_s_prefix_is_left_to_the_environment_it_belongs_to(ada, ask, configure, commit, told):
    ask(ada)  # as in a copy of production's database
    configure(USER_ID_PREFIX="staging-", SYNC_USERS=True)
    pk = ada.pk
    with commit():
        ada.delete()
    assert told() == [("delete", f"staging-{pk}")]


def test_an_id_that_cannot_be_made_keeps_nobody_from_leaving(ada, configure, commit, caplog):
    configure(USER_ID=lambda user: None, SYNC_USERS=True)
    with commit():
        ada.delete()
    assert not User.objects.exists()
    assert "USER_ID gave no id" in caplog.text


@pytest.mark.parametrize("followed", [True, False])
def test_the_ledger_keeps_the_rows_of_a_deleted_user_under_a_pseudonym(ada, bob, ask, configure, commit, followed):
    configure(SYNC_USERS=followed)
    for user in (ada, ada, bob):
        ask(
            user,
            ip_address="192.0.2.7",
            user_agent="Ada's phone",
            path="/users/ada/?q=ada",
            browser="b" * 64,
            fingerprint="f" * 64,
            bound={"payee": "x"},
        )
    pk = str(ada.pk)
    with commit():
        ada.delete()
    rows = Challenge.objects.exclude(user_pk=str(bob.pk))
    assert rows.count() == 2
    assert len(set(rows.values_list("user_pk", "authsignal_id"))) == 1
    for row in rows.values():
        assert row["user_pk"].startswith("pseudonym-")
        assert row["user_pk"] != f"pseudonym-{pk}"
        kept = {name: value for name, value in row.items() if value not in ("", None, {}, False)}
        who = {"user_pk", "authsignal_id"}
        how = {"id", "kind", "channel", "status", "reason", "action", "created_at", "expires_at", "closed_at"}
        assert set(kept) - who == how
    assert Challenge.objects.get(user_pk=str(bob.pk)).user_agent == "Ada's phone"


def test_what_a_deleted_user_began_is_closed(ada, ask, commit):
    row = ask(ada)
    with commit():
        ada.delete()
    row.refresh_from_db()
    assert (row.status, row.reason) == (Status.REVOKED, "user_deleted")


def test_a_user_with_a_key_that_was_used_before_inherits_nothing(ada, ask):
    ask(ada)
    pk = ada.pk
    ada.delete()
    heir = User.objects.create(pk=pk, username="heir")
    assert not Challenge.objects.filter(user_pk=str(heir.pk)).exists()
    assert not telling.known(str(heir.pk))


# Real transactions


@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_is_rolled_back_tells_nothing_and_keeps_the_names(ask, following, told):
    ada = User.objects.create_user("ada", "ada@example.com")
    ask(ada)
    pk = ada.pk
    with transaction.atomic():
        save(ada, email="new@example.com")
        ada.delete()
        transaction.set_rollback(True)
    assert told() == []
    assert Challenge.objects.get().user_pk == str(pk)
    assert not SyncedUser.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_savepoint_that_is_rolled_back_tells_nothing(ask, following, told):
    ada, bob = (User.objects.create_user(name, f"{name}@example.com") for name in ("ada", "bob"))
    for user in (ada, bob):
        ask(user)
    with transaction.atomic():
        with transaction.atomic():
            save(ada, email="new@example.com")
            transaction.set_rollback(True)
        save(bob)
    assert told() == [("update", "bob@example.com")]


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_during_a_call(ask, following, authsignal, monkeypatch):
    ada = User.objects.create_user("ada", "ada@example.com")
    ask(ada)
    send, open_ones = authsignal.send, []

    def watch(*args, **kwargs):
        open_ones.append(connection.in_atomic_block)
        return send(*args, **kwargs)

    monkeypatch.setattr(authsignal, "send", watch)
    with transaction.atomic():
        save(ada, email="new@example.com")
    save(ada, email="newer@example.com")
    ada.delete()
    assert open_ones == [False, False, False]


@pytest.mark.django_db(transaction=True)
def test_async_saves_and_deletions_are_followed(ask, following, told):
    ada = User.objects.create_user("ada", "ada@example.com")
    ask(ada)
    pk = str(ada.pk)

    async def change():
        ada.email = "new@example.com"
        await ada.asave()
        await ada.adelete()
        await sync_to_async(connections.close_all)()  # those of the thread that async code had

    asyncio.run(change())
    assert told() == [("update", "new@example.com"), ("delete", pk)]


def test_a_user_with_a_proof_of_the_past_is_still_known_by_another_id(known_ada, configure, commit, told, caplog):
    with commit():
        save(known_ada)
    configure(USER_ID_PREFIX="new-")
    with caplog.at_level(logging.WARNING), commit():
        save(known_ada)
    assert "had another id at Authsignal" in caplog.text
    assert SyncedUser.objects.get().authsignal_id == authsignal_id(known_ada) == f"new-{known_ada.pk}"


@pytest.mark.django_db(transaction=True)
def test_where_autocommit_was_turned_off_by_hand_a_save_works_and_is_reported(ask, following, told, failures):
    ada = User.objects.create_user("ada", "ada@example.com")
    ask(ada)
    transaction.set_autocommit(False)
    try:
        save(ada, email="new@example.com")
        transaction.commit()
    finally:
        transaction.set_autocommit(True)
    assert User.objects.get().email == "new@example.com"
    assert [item[3] for item in failures] == ["TransactionManagementError"]
    assert told() == []
