"""Old rows leave the ledger; what waits, and what still counts, stays."""

import uuid
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from django_authsignal import pruning
from django_authsignal.models import Challenge, Channel, Kind, Status
from tests.conftest import newest

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def row(status=Status.DENIED, age=400 * DAY, **values):
    at = timezone.now() - age
    given = {
        "id": uuid.uuid4(),
        "kind": Kind.STEP_UP,
        "action": "withdrawFunds",
        "user_pk": "7",
        "authsignal_id": "7",
        "created_at": at,
        "expires_at": at + timedelta(seconds=600),
        "proved_at": at if status == Status.PROVED else None,
        "max_age": 900,
        "ip_address": "203.0.113.7",
        "user_agent": "Firefox",
        "path": "/withdraw/?iban=1",
        "status": status,
    }
    return Challenge.objects.create(**{**given, **values})


def prune(*arguments):
    out = StringIO()
    call_command("authsignal_prune", *arguments, stdout=out)
    return out.getvalue()


def statuses():
    return sorted(Challenge.objects.values_list("status", flat=True))


@pytest.mark.parametrize("status", sorted({*Status} - {Status.OPEN, Status.REVIEW}))
def test_a_closed_row_goes_when_it_is_old(status):
    row(status)
    prune("--days", "365")
    assert statuses() == []


@pytest.mark.parametrize("status", [*Status])
def test_a_younger_one_stays(status):
    row(status, age=2 * DAY, expires_at=timezone.now() + DAY)
    prune("--days", "3")
    assert statuses() == [status]


@pytest.mark.parametrize("status", [Status.OPEN, Status.REVIEW])
def test_what_still_waits_is_never_deleted_however_old(status):
    row(status, expires_at=timezone.now() + DAY)
    prune("--days", "1")
    assert statuses() == [status]


@pytest.mark.parametrize("status", [Status.OPEN, Status.REVIEW])
def test_what_ran_out_is_closed(status):
    waiting = row(status, age=2 * DAY, return_to="/withdraw/")
    assert "Closed 1 that ran out" in prune()
    waiting.refresh_from_db()
    assert (waiting.status, waiting.reason, waiting.return_to) == (Status.EXPIRED, "expired", "")
    assert waiting.closed_at is not None


@pytest.mark.parametrize(
    "values",
    [
        {"max_age": 500 * 86_400},
        {"max_age": 500 * 86_400, "channel": Channel.API},
        {"status": Status.RELEASED, "max_age": 500 * 86_400},
        {"max_age": None, "proved": 2 * DAY},
        {"max_age": 0, "single_use": True, "proved": timedelta(seconds=30)},
        {"max_age": 900, "channel": Channel.API, "proved": timedelta(seconds=30)},
    ],
)
@pytest.mark.security
def test_a_proof_that_still_counts_is_never_deleted(values):
    values = dict(values)
    if "proved" in values:
        values["proved_at"] = timezone.now() - values.pop("proved")
    kept = row(**{"status": Status.PROVED, **values})
    assert "kept 1 that old whose proof still counts" in prune("--days", "1")
    assert Challenge.objects.filter(pk=kept.pk).exists()


def test_a_proof_of_a_longer_policy_waits_as_long_as_the_policy_says(settings):
    settings.AUTHSIGNAL = {
        **settings.AUTHSIGNAL,
        "ACTIONS": {"withdrawFunds": {"MAX_AGE": 0, "CHALLENGE_AGE": 5 * 86_400}},
    }
    row(Status.PROVED, single_use=True, max_age=0, proved_at=timezone.now() - 4 * DAY)
    prune("--days", "1")
    assert statuses() == [Status.PROVED]


def test_a_dry_run_changes_nothing():
    row()
    row(Status.OPEN)
    said = prune("--dry-run")
    assert said.startswith("Nothing was changed.")
    assert "Closed 1 that ran out, deleted 1 older than 180 days" in said
    assert statuses() == [Status.DENIED, Status.OPEN]


def test_more_rows_than_one_batch_all_go(monkeypatch):
    monkeypatch.setattr(pruning, "BATCH", 3)
    same = timezone.now() - 400 * DAY
    for _ in range(8):
        row(created_at=same)
    row(Status.PROVED, max_age=500 * 86_400)
    assert "deleted 8" in prune()
    assert statuses() == [Status.PROVED]


def test_names_can_be_taken_out_instead():
    mine, other = row(), row(user_pk="8")
    again = row()
    prune("--pseudonymise")
    for one in (mine, other, again):
        one.refresh_from_db()
    assert mine.user_pk == again.user_pk != other.user_pk
    assert mine.user_pk.startswith("pseudonym-")
    left = (mine.authsignal_id == mine.user_pk, mine.ip_address, mine.user_agent, mine.path)
    assert left == (True, None, "", "")
    assert (mine.action, mine.status) == ("withdrawFunds", Status.DENIED)


def test_what_has_no_names_is_not_looked_at_again():
    row()
    assert "took the names out of 1" in prune("--pseudonymise")
    assert "took the names out of 0" in prune("--pseudonymise")


@pytest.mark.parametrize("days", ["0", "-1", "many", "1.5", "99999999999"])
def test_days_that_are_none_are_one_sentence(days):
    with pytest.raises(CommandError, match="give whole days"):
        prune("--days", days)


def test_a_pass_goes_on_after_a_prune(adas):
    adas.step_up()
    Challenge.objects.update(created_at=timezone.now() - 400 * DAY)
    prune("--days", "1")
    assert adas.get("/withdraw/").content == b"withdrawn"
    assert newest() is not None
