"""What an application's tests may rely on in FakeAuthsignal."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from django_authsignal.client import (
    Client,
    ConnectionFailed,
    NotFound,
    RateLimited,
    Redirected,
    Refused,
    ServerError,
    TimedOut,
    Tracked,
    Unauthorized,
    Unreachable,
    UnreadableResponse,
)
from django_authsignal.testing.fake import FakeAuthsignal


@pytest.fixture
def fake() -> FakeAuthsignal:
    return FakeAuthsignal()


@pytest.fixture
def client(fake: FakeAuthsignal) -> Client:
    return Client("any key", transport=fake)


def track(client: Client, action: str = "pay", key: str = "k") -> Tracked:
    return client.track("1", action, idempotency_key=key)


def test_everything_is_challenged_until_told_otherwise(client: Client) -> None:
    tracked = track(client)
    assert (tracked.state, tracked.is_enrolled, tracked.idempotency_key) == ("CHALLENGE_REQUIRED", True, "k")
    assert tracked.url
    assert tracked.token


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("allow", "ALLOW"),
        ("challenge", "CHALLENGE_REQUIRED"),
        ("block", "BLOCK"),
        ("review", "REVIEW_REQUIRED"),
    ],
)
def test_an_outcome_holds_for_every_action(fake: FakeAuthsignal, client: Client, name: str, state: str) -> None:
    fake.allow() if name == "challenge" else fake.challenge()
    getattr(fake, name)()
    assert track(client).state == state


def test_an_action_of_its_own_outweighs_all_others(fake: FakeAuthsignal, client: Client) -> None:
    fake.block("pay").allow()
    assert (track(client, "pay", "1").state, track(client, "other", "2").state) == ("BLOCK", "ALLOW")


def test_any_state_can_be_the_outcome(fake: FakeAuthsignal, client: Client) -> None:
    fake.outcome("SOMETHING_NEW", "pay")
    assert track(client).state == "SOMETHING_NEW"


def test_a_tracked_action_keeps_its_state(fake: FakeAuthsignal, client: Client) -> None:
    track(client)
    fake.block()
    assert track(client).state == "CHALLENGE_REQUIRED"


def test_an_unenrolled_user_is_allowed_as_by_the_service(fake: FakeAuthsignal, client: Client) -> None:
    fake.unenrolled()
    tracked = track(client)
    assert (tracked.state, tracked.is_enrolled) == ("ALLOW", False)
    assert client.get_user("1").is_enrolled is False
    assert client.get_authenticators("1") == ()


def test_an_unenrolled_user_is_blocked_all_the_same(fake: FakeAuthsignal, client: Client) -> None:
    fake.unenrolled().block()
    assert track(client).state == "BLOCK"


def test_methods_are_those_that_were_named(fake: FakeAuthsignal, client: Client) -> None:
    fake.enrolled("EMAIL_OTP", "SMS")
    assert track(client).enrolled_verification_methods == ("EMAIL_OTP", "SMS")


def test_enrolled_without_a_name_is_a_passkey(fake: FakeAuthsignal, client: Client) -> None:
    fake.unenrolled().enrolled()
    assert track(client).enrolled_verification_methods == ("PASSKEY",)


def test_a_token_of_track_proves_nothing(fake: FakeAuthsignal, client: Client) -> None:
    track(client)
    validated = client.validate_challenge(fake.token("k"))
    assert (validated.is_valid, validated.state) == (False, "CHALLENGE_REQUIRED")


def test_a_completed_challenge_is_valid_for_its_user_and_action(fake: FakeAuthsignal, client: Client) -> None:
    track(client)
    validated = client.validate_challenge(fake.complete("k"), user_id="1", action="pay")
    assert validated.is_valid
    assert (validated.user_id, validated.action, validated.idempotency_key) == ("1", "pay", "k")
    assert (validated.state, validated.verification_method) == ("CHALLENGE_SUCCEEDED", "PASSKEY")


@pytest.mark.parametrize("other", [{"user_id": "2"}, {"action": "other"}])
def test_a_completed_challenge_is_invalid_for_any_other(
    fake: FakeAuthsignal, client: Client, other: dict[str, str]
) -> None:
    track(client)
    validated = client.validate_challenge(fake.complete("k"), **other)
    assert not validated.is_valid
    assert validated.error


def test_a_token_nobody_issued_is_invalid(client: Client) -> None:
    assert not client.validate_challenge("made-up").is_valid


def test_a_challenge_is_completed_as_the_test_says(fake: FakeAuthsignal, client: Client) -> None:
    track(client)
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    validated = client.validate_challenge(fake.complete("k", method="SMS", state="CHALLENGE_FAILED", at=at))
    assert (validated.is_valid, validated.verification_method, validated.state_updated_at) == (False, "SMS", at)


@pytest.mark.parametrize("name", ["token", "complete"])
def test_what_was_never_tracked_has_no_token(fake: FakeAuthsignal, name: str) -> None:
    with pytest.raises(KeyError):
        getattr(fake, name)("never tracked")


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("refused", ConnectionFailed),
        ("timeout", TimedOut),
        ("400", Refused),
        ("401", Unauthorized),
        ("404", NotFound),
        ("429", RateLimited),
        ("500", ServerError),
        ("dropped", ConnectionFailed),
        ("502-html", ServerError),
        ("not-json", UnreadableResponse),
        ("empty-object", UnreadableResponse),
        ("redirect", Redirected),
    ],
)
def test_a_failure_is_what_the_network_would_make_of_it(
    fake: FakeAuthsignal, client: Client, kind: str, error: type[Exception]
) -> None:
    fake.fail(kind)
    with pytest.raises(error):
        track(client)


def test_an_unknown_state_can_be_answered(fake: FakeAuthsignal, client: Client) -> None:
    fake.fail("unknown-state")
    assert track(client).state == "SOMETHING_NEW"


def test_failing_ends(fake: FakeAuthsignal, client: Client) -> None:
    fake.fail("refused")
    with pytest.raises(Unreachable):
        track(client)
    fake.fail(None)
    assert track(client).state == "CHALLENGE_REQUIRED"


def test_a_failure_nobody_knows_is_a_mistake(fake: FakeAuthsignal) -> None:
    with pytest.raises(ValueError, match="not a way to fail"):
        fake.fail("on fire")


def test_calls_are_listed_oldest_first(fake: FakeAuthsignal, client: Client) -> None:
    client.track("a/b", "pay", idempotency_key="k", custom={"amount": 5})
    client.validate_challenge(fake.complete("k"), user_id="a/b")
    first, second = fake.calls
    assert (first.operation, first.user_id, first.action) == ("track", "a/b", "pay")
    assert first.json == {"idempotencyKey": "k", "custom": {"amount": 5}}
    assert (second.operation, second.user_id) == ("validate_challenge", "a/b")


def test_a_call_that_fails_is_listed_too(fake: FakeAuthsignal, client: Client) -> None:
    fake.fail("timeout")
    with pytest.raises(TimedOut):
        track(client)
    assert [call.operation for call in fake.calls] == ["track"]


def test_what_was_sent_is_not_in_a_calls_repr(fake: FakeAuthsignal, client: Client) -> None:
    client.track("1", "pay", custom={"amount": "private"})
    assert "private" not in repr(fake.calls)


def test_a_review_can_be_released(fake: FakeAuthsignal, client: Client) -> None:
    fake.review()
    track(client)
    client.update_action("1", "pay", "k", state="REVIEW_SUCCEEDED")
    assert client.get_action("1", "pay", "k").state == "REVIEW_SUCCEEDED"
    assert [one.state for one in client.query_user_actions("1")] == ["REVIEW_SUCCEEDED"]


def test_an_action_never_tracked_is_not_found(client: Client) -> None:
    with pytest.raises(NotFound):
        client.get_action("1", "pay", "k")


def test_an_authenticator_is_enrolled_and_removed(fake: FakeAuthsignal, client: Client) -> None:
    fake.unenrolled()
    enrolled = client.enroll_verified_authenticator("1", verification_method="EMAIL_OTP", email="a@example.com")
    assert enrolled.recovery_codes
    assert client.get_user("1").is_enrolled is True
    assert client.delete_authenticator("1", enrolled.authenticator.user_authenticator_id) is True
    assert client.get_user("1").is_enrolled is False


def test_a_user_is_changed_found_and_deleted(client: Client) -> None:
    client.update_user("1", email="a@example.com")
    assert [user.user_id for user in client.query_users(email="a@example.com").users] == ["1"]
    assert client.delete_user("1") is True
    assert client.get_user("1").email is None


def test_passkeys_are_imported_once(client: Client) -> None:
    passkey = {"user_id": "1", "credential_id": "c", "credential_public_key": "k"}
    assert client.import_passkeys([passkey, {**passkey, "credential_id": "d"}]).succeeded == 2
    again = client.import_passkeys([passkey])
    assert [(item.credential_id, item.error_code) for item in again.failures] == [("c", "conflict")]
    there = [one.webauthn_credential.credential_id for one in client.get_authenticators("1") if one.webauthn_credential]
    assert there == ["c", "d"]
