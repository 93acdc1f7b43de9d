"""What is done about an event by itself: revoking, telling the owner, asking Authsignal."""

from datetime import timedelta

import pytest
from django.core import mail
from django.core.cache import cache
from django.core.management import call_command
from django.utils import timezone

from django_authsignal import notices
from django_authsignal.client import Event, EventType
from django_authsignal.identity import authsignal_id
from django_authsignal.models import Challenge, Channel, Kind, Status
from django_authsignal.signals import authenticators_changed, challenge_failed, event_received
from tests.conftest import PASSWORD, hearing, newest
from tests.webhooks.sender import envelope, post, post_batch, record

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def changes():
    """What `authenticators_changed` said: pairs of a change and the methods."""
    with hearing(authenticators_changed, lambda about: (about["change"], about["methods"])) as found:
        yield found


def iso(at):
    return at.isoformat().replace("+00:00", "Z")


def about(user, authenticator="one", method="PASSKEY", **more):
    """The data of an authenticator's event."""
    given = {"userId": authsignal_id(user), "userAuthenticatorId": authenticator, "verificationMethod": method}
    return given | {"createdAt": iso(timezone.now())} | more


def begun(user, status=Status.OPEN, **more):
    """A row of the ledger."""
    given = {"kind": Kind.STEP_UP, "action": "withdrawFunds", "authsignal_id": authsignal_id(user)}
    given |= {"expires_at": timezone.now() + 10 * MINUTE, "status": status, "user_pk": str(user.pk)}
    return Challenge.objects.create(**(given | more))


def status(row):
    return Challenge.objects.get(pk=row.pk).status


# Removed.


@pytest.mark.parametrize(
    ("given", "channel"),
    [("open", "browser"), ("open", "api"), ("review", "browser"), ("proved", "api"), ("released", "api")],
)
@pytest.mark.parametrize("kind", ["authenticator.deleted", "authenticator.updated"])
def test_what_waits_and_what_counts_is_revoked(sender, ada, given, channel, kind):
    row = begun(ada, given, channel=channel, created_at=timezone.now() - MINUTE)
    post(sender, envelope(kind, about(ada)))
    row.refresh_from_db()
    assert (row.status, row.reason) == (Status.REVOKED, "authenticators_changed")


@pytest.mark.parametrize("kind", ["authenticator.deleted", "authenticator.updated"])
def test_what_was_begun_after_it_stays(sender, ada, kind):
    happened = iso(timezone.now() - MINUTE)
    row, proved = begun(ada), begun(ada, Status.PROVED, channel=Channel.API)
    post(sender, envelope(kind, about(ada, deletedAt=happened), time=happened))
    assert [status(row), status(proved)] == [Status.OPEN, Status.PROVED]


def test_the_visit_that_removed_it_may_come_back(sender, ada):
    row = begun(ada, kind=Kind.SETTINGS, created_at=timezone.now() - MINUTE)
    post(sender, envelope("authenticator.deleted", about(ada)))
    assert status(row) == Status.OPEN


def test_nothing_of_another_user_is_revoked(sender, ada, bob):
    row = begun(bob, created_at=timezone.now() - MINUTE)
    post(sender, envelope("authenticator.deleted", about(ada)))
    assert status(row) == Status.OPEN


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59Z", "yesterday", 7, None, "0001-01-01T00:00:00Z"])
def test_a_time_that_makes_no_sense_is_none(sender, ada, time):
    row = begun(ada, created_at=timezone.now() - MINUTE)
    post(sender, envelope("authenticator.deleted", about(ada, deletedAt=time)))
    assert status(row) == (Status.OPEN if time == "0001-01-01T00:00:00Z" else Status.REVOKED)


@pytest.mark.parametrize("kind", ["authenticator.created", "authenticator.updated", "authenticator.deleted"])
@pytest.mark.parametrize("time", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"])
def test_the_ends_of_time_are_no_error(sender, ada, changes, kind, time):
    given = about(ada, createdAt=time, deletedAt=time)
    assert post(sender, envelope(kind, given, time=time)).status_code == 200
    assert len(changes) == 1


def test_the_owner_is_told_of_what_was_removed(sender, ada, changes):
    post(sender, envelope("authenticator.deleted", about(ada)))
    assert changes == [("removed", ("PASSKEY",))]
    assert [one.to for one in mail.outbox] == [["ada@example.com"]]


def test_of_what_our_own_page_removed_the_owner_is_told_once(browser, sender, ada, authsignal, changes):
    from django_authsignal import notices

    notices.seen(None, ada, "removed", {"one": "PASSKEY"})
    post(sender, envelope("authenticator.deleted", about(ada, "one")))
    post(sender, envelope("authenticator.deleted", about(ada, "two")))
    assert len(changes) == 2


# Added.


@pytest.mark.parametrize(("given", "channel"), [("open", "browser"), ("review", "browser"), ("proved", "api")])
def test_nothing_is_revoked_by_an_added_one(sender, ada, given, channel):
    row = begun(ada, given, channel=channel, created_at=timezone.now() - MINUTE)
    post(sender, envelope("authenticator.created", about(ada)))
    assert status(row) == given


def test_the_owner_is_told_of_what_was_added_once_for_each(sender, ada, changes):
    for authenticator in ("one", "one", "two"):
        post(sender, envelope("authenticator.created", about(ada, authenticator)))
    assert changes == [("added", ("PASSKEY",))] * 2


def enrolling(browser, authsignal):
    authsignal.unenrolled().outcome("CHALLENGE_REQUIRED")
    browser.post("/login/", {"username": "ada", "password": PASSWORD})
    row = newest()
    assert row.enrolls
    return row


def test_an_event_after_the_proof_that_enrolled_it_tells_nothing_new(browser, sender, ada, authsignal, changes):
    enrolling(browser, authsignal)
    made = timezone.now()
    browser.prove()
    post(sender, envelope("authenticator.created", about(ada, createdAt=iso(made))))
    assert changes == [("added", ("PASSKEY",))]


def test_an_event_before_the_proof_that_enrolled_it_has_told_already(browser, sender, ada, authsignal, changes):
    enrolling(browser, authsignal)
    post(sender, envelope("authenticator.created", about(ada)))
    browser.prove()
    assert browser.user_pk == str(ada.pk)
    assert changes == [("added", ("PASSKEY",))]


def test_a_second_one_of_the_method_that_was_enrolled_is_news(browser, sender, ada, authsignal, changes):
    enrolling(browser, authsignal)
    browser.prove()
    for authenticator in ("one", "two"):
        post(sender, envelope("authenticator.created", about(ada, authenticator)))
    assert changes == [("added", ("PASSKEY",))] * 2


def test_another_method_than_was_enrolled_is_news(browser, sender, ada, authsignal, changes):
    enrolling(browser, authsignal)
    browser.prove()
    post(sender, envelope("authenticator.created", about(ada, method="SMS")))
    assert changes == [("added", ("PASSKEY",)), ("added", ("SMS",))]


def test_an_enrolment_that_was_left_and_told_of_is_not_told_again_at_the_next_proof(
    browser, sender, ada, authsignal, changes
):
    enrolling(browser, authsignal)
    post(sender, envelope("authenticator.created", about(ada)))
    authsignal.enrolled("PASSKEY")
    Challenge.objects.update(status=Status.EXPIRED)
    browser.sign_in()
    assert changes == [("added", ("PASSKEY",))]


@pytest.mark.parametrize(
    ("created", "proved"), [(30 * 24 * 60, 30 * 24 * 60 - 1), (-5, -6)], ids=["long before", "only after"]
)
def test_a_proof_of_another_time_enrolled_another_one(sender, ada, changes, created, proved):
    now = timezone.now()
    times = {"created_at": now - created * MINUTE, "proved_at": now - proved * MINUTE}
    begun(ada, Status.PROVED, enrolls=True, verification_method="PASSKEY", **times)
    post(sender, envelope("authenticator.created", about(ada)))
    assert changes == [("added", ("PASSKEY",))]


def test_an_enrolment_that_was_left_days_ago_is_not_this_one(sender, ada):
    left, young = begun(ada, enrolls=True, created_at=timezone.now() - timedelta(days=2)), begun(ada, enrolls=True)
    post(sender, envelope("authenticator.created", about(ada)))
    told = [notices.was_told(str(ada.pk), "added", notices.by_challenge(row.pk)) for row in (left, young)]
    assert told == [False, True]


def test_what_was_imported_is_no_news(sender, ada, changes):
    from django_authsignal import notices

    notices.told(str(ada.pk), "added", "Y3JlZGVudGlhbA")
    post(sender, envelope("authenticator.created", about(ada, credentialId="Y3JlZGVudGlhbA==")))
    assert changes == []


# Updated.


def test_of_each_way_it_looks_the_owner_is_told_once(sender, ada, changes):
    for address in ("a@example.com", "a@example.com", "b@example.com"):
        post(sender, envelope("authenticator.updated", about(ada, method="EMAIL_OTP", email=address)))
    assert changes == [("updated", ("EMAIL_OTP",))] * 2
    assert "was changed" in mail.outbox[0].subject


def test_a_way_it_looked_before_revokes_nothing(sender, ada):
    post(sender, envelope("authenticator.updated", about(ada)))
    row = begun(ada, created_at=timezone.now() - MINUTE)
    post(sender, envelope("authenticator.updated", about(ada)))
    assert status(row) == Status.OPEN


# For all three.


@pytest.mark.parametrize("kind", ["authenticator.created", "authenticator.updated", "authenticator.deleted"])
@pytest.mark.parametrize("wrong", [{"userId": "nobody"}, {"userId": None}, {"userAuthenticatorId": None}])
def test_an_event_of_nobody_and_of_nothing_is_taken_and_tells_nobody(sender, ada, changes, kind, wrong):
    assert post(sender, envelope(kind, about(ada) | wrong)).status_code == 200
    assert changes == []


@pytest.mark.parametrize("kind", ["authenticator.created", "authenticator.updated", "authenticator.deleted"])
def test_a_cache_that_is_down_does_not_keep_it_from_being_handled(sender, ada, changes, monkeypatch, kind):
    def down(*args, **kwargs):
        raise ConnectionError

    monkeypatch.setattr(cache, "get", down)
    monkeypatch.setattr(cache, "add", down)
    assert post(sender, envelope(kind, about(ada))).status_code == 200
    assert len(changes) == 1


def test_a_method_that_is_none_is_not_quoted_to_the_owner(sender, ada, changes):
    post(sender, envelope("authenticator.deleted", about(ada, method="<b>Call 0900</b>")))
    assert changes == [("removed", ())]


# Reviews.


@pytest.fixture
def held(adas, authsignal):
    authsignal.review()
    adas.get("/withdraw/")
    return newest()


def decided(row, said, **more):
    given = {"userId": row.authsignal_id, "actionCode": row.action, "idempotencyKey": str(row.pk), "state": said}
    return record("action.log_created", given | more)


@pytest.mark.parametrize("state", ["REVIEW_FAILED", "BLOCK"])
def test_a_review_that_was_decided_against_is_closed(sender, held, authsignal, state):
    failures = []

    def note(reason, **about):
        failures.append(reason)

    authsignal.complete(str(held.pk), state=state)
    challenge_failed.connect(note)
    assert post_batch(sender, decided(held, "REVIEW_FAILED")).status_code == 200
    challenge_failed.disconnect(note)
    assert status(held) == Status.DENIED
    assert failures == ["review_failed"]


def test_a_release_that_was_taken_back_is_revoked(sender, adas, held, authsignal):
    Challenge.objects.filter(pk=held.pk).update(status=Status.RELEASED, state="REVIEW_SUCCEEDED")
    authsignal.complete(str(held.pk), state="REVIEW_FAILED")
    post_batch(sender, decided(held, "REVIEW_FAILED"))
    assert status(held) == Status.REVOKED


def test_a_review_that_was_released_may_be_looked_at_without_waiting(sender, adas, held, authsignal):
    adas.get(f"/authsignal/challenges/{held.pk}/")
    authsignal.complete(str(held.pk), state="REVIEW_SUCCEEDED")
    adas.get(f"/authsignal/challenges/{held.pk}/")
    assert status(held) == Status.REVIEW  # it looked a moment ago
    post_batch(sender, decided(held, "REVIEW_SUCCEEDED"))
    adas.get(f"/authsignal/challenges/{held.pk}/")
    assert status(held) == Status.RELEASED


@pytest.mark.parametrize(
    "other",
    [{"userId": "another"}, {"actionCode": "another"}, {"idempotencyKey": "none"}, {"state": "REVIEW_REQUIRED"}],
    ids=lambda other: next(iter(other)),
)
def test_a_record_that_does_not_fit_its_row_asks_nothing(sender, held, authsignal, other):
    before = len(authsignal.calls)
    post_batch(sender, decided(held, "REVIEW_FAILED", **other))
    assert len(authsignal.calls) == before


def test_a_row_of_another_tenant_is_left_alone(sender, held, authsignal, configure):
    configure(TENANT_ID="tenant")
    before = len(authsignal.calls)
    post_batch(sender, decided(held, "REVIEW_FAILED"))
    assert len(authsignal.calls) == before


def test_when_authsignal_cannot_be_asked_it_comes_again(sender, held, authsignal):
    authsignal.complete(str(held.pk), state="REVIEW_FAILED")
    event = decided(held, "REVIEW_FAILED")
    authsignal.fail("timeout")
    assert post_batch(sender, event).status_code == 500
    assert status(held) == Status.REVIEW
    authsignal.fail(None)
    assert post_batch(sender, event).status_code == 200
    assert status(held) == Status.DENIED


# The signal.


def test_the_signal_names_type_event_and_user(sender, ada, heard):
    post(sender, envelope("authenticator.deleted", about(ada)))
    said = heard[0]
    assert said["sender"] is EventType.AUTHENTICATOR_DELETED
    assert (said["user"], said["event"].verification_method) == (ada, "PASSKEY")
    assert said["request"].path == "/authsignal/webhook/"


def test_a_type_nobody_knows_is_told_too(sender, ada, heard):
    post(sender, envelope("something.new", {"userId": authsignal_id(ada)}))
    assert heard[0]["sender"] is Event
    assert heard[0]["user"] == ada


def test_user_from_id_names_the_user(sender, ada, heard, configure):
    configure(
        USER_ID=lambda user: f"u-{user.username}", USER_FROM_ID=lambda found: type(ada).objects.get(username="ada")
    )
    post(sender, envelope("something.new", {"userId": "u-ada"}))
    assert heard[0]["user"] == ada


def test_the_ledger_names_whom_it_asked_for(sender, ada, heard, configure):
    configure(USER_ID=lambda user: f"u-{user.username}")
    begun(ada)
    post(sender, envelope("something.new", {"userId": "u-ada"}))
    assert heard[0]["user"] == ada


def test_nobody_searches_every_user_for_an_opaque_id_while_authsignal_waits(sender, ada, heard, configure):
    configure(USER_ID="django_authsignal.identity.opaque_id", USER_ID_SECRET="s" * 32)
    post(sender, envelope("something.new", {"userId": authsignal_id(ada)}))
    begun(ada)
    post(sender, envelope("something.new", {"userId": authsignal_id(ada)}))
    assert [one["user"] for one in heard] == [None, ada]


def test_each_record_of_a_batch_is_told(sender, heard):
    post_batch(sender, record("challenge.log_created", {"type": "SMS_SENT"}), record("action.log_created"))
    assert [one["sender"] for one in heard] == [EventType.CHALLENGE_LOG_CREATED, EventType.ACTION_LOG_CREATED]
    assert heard[0]["event"].data == {"type": "SMS_SENT"}


def test_what_is_done_by_itself_is_done_before_a_receiver_fails(sender, ada):

    def fail(**about):
        raise LookupError

    row = begun(ada, created_at=timezone.now() - MINUTE)
    event_received.connect(fail)
    assert post(sender, envelope("authenticator.deleted", about(ada))).status_code == 500
    event_received.disconnect(fail)
    assert status(row) == Status.REVOKED


@pytest.mark.urls("tests.webhooks.payment_urls")
def test_policies_lists_it_and_calls_it_no_gap(capsys):
    call_command("authsignal_policies", "--format", "json")
    assert "/withdraw/money/webhook/" in capsys.readouterr().out
    call_command("authsignal_policies", "--coverage", "--format", "json")
    assert "/withdraw/money/webhook/" not in capsys.readouterr().out
