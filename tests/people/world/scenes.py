"""`python -m tests.people.world.scenes NAME` plays one scene in the other project; a wrong end is a traceback."""

import sys
from datetime import timedelta

import django

django.setup()

from django.core.management import call_command  # noqa: E402  after what is set up above
from django.db import connections, transaction  # noqa: E402  after what is set up above
from django.utils import timezone  # noqa: E402  after what is set up above

from django_authsignal.conf import override_transport  # noqa: E402  after what is set up above
from django_authsignal.identity import authsignal_id, user_from_id  # noqa: E402  after what is set up above
from django_authsignal.models import Challenge, SyncedUser  # noqa: E402  after what is set up above
from django_authsignal.testing.fake import FakeAuthsignal  # noqa: E402  after what is set up above
from tests.people.world.models import Guest, Member, Patron  # noqa: E402  after what is set up above

fake = FakeAuthsignal()


def told():
    """Pairs of an operation and an id, or number."""
    return [(call.operation, (call.json or {}).get("phoneNumber", call.user_id)) for call in fake.calls]


def asked(user):
    later = timezone.now() + timedelta(minutes=10)
    Challenge.objects.create(user_pk=str(user.pk), authsignal_id=authsignal_id(user), action="pay", expires_at=later)


def member(model=Member, number="1"):
    made = model.objects.create(number=number, phone="+6421123456")
    asked(made)
    return made


def a_member_is_followed():
    one = member()
    one.phone = "+6421000000"
    one.save()
    pk = str(one.pk)
    assert user_from_id(pk) == one
    one.delete()
    assert told() == [("update_user", "+6421000000"), ("delete_user", pk)]
    assert Challenge.objects.get().user_pk.startswith("pseudonym-")


def a_proxy_is_followed():
    one = member(Guest)
    one.save()
    pk = str(one.pk)
    one.delete()
    assert told() == [("update_user", "+6421123456"), ("delete_user", pk)]


def what_extends_a_member_is_followed():
    one = member(Patron)
    one.save()
    pk = str(one.pk)
    one.delete()
    assert told() == [("update_user", "+6421123456"), ("delete_user", pk)]


def a_member_who_only_stops_to_be_a_patron_is_kept():
    one = member(Patron)
    one.delete(keep_parents=True)
    assert told() == []
    assert not Challenge.objects.get().user_pk.startswith("pseudonym-")


def a_deactivated_member_is_followed():
    one = member()
    one.is_active = False
    one.save()
    assert told() == [("update_user", "+6421123456")]


def the_ledger_follows_the_commit_of_the_users_database():
    one = member()
    pk = str(one.pk)
    with transaction.atomic():
        one.delete()
        assert Challenge.objects.get().user_pk == pk
        transaction.set_rollback(True)
    assert (told(), Challenge.objects.get().user_pk) == ([], pk)
    with transaction.atomic():
        Member.objects.get().delete()
        assert Challenge.objects.get().user_pk == pk
    assert told() == [("delete_user", pk)]
    assert Challenge.objects.get().user_pk != pk


def a_transaction_of_the_other_database_is_not_waited_for():
    one = member()
    with transaction.atomic(using="ledger"):
        one.save()
        assert told() == [("update_user", "+6421123456")]


def everybody_is_walked_by_the_command():
    pks = sorted(str(member(number=str(number)).pk) for number in range(3))
    call_command("authsignal_sync_users")
    assert sorted(call.user_id for call in fake.calls if call.operation == "update_user") == pks
    assert SyncedUser.objects.count() == 3


if __name__ == "__main__":
    for alias in connections:
        call_command("migrate", database=alias, run_syncdb=True, verbosity=0)
    with override_transport(fake):
        globals()[sys.argv[1]]()
