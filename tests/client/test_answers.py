"""What the client makes of answers: the good, the refusing, the broken and the hostile."""

from __future__ import annotations

import gzip
import time
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from django_authsignal.client import (
    Authenticator,
    AuthsignalError,
    Client,
    Conflict,
    ConnectionFailed,
    Forbidden,
    InvalidRequest,
    NotFound,
    RateLimited,
    Redirected,
    Refused,
    ServerError,
    TimedOut,
    Unauthorized,
    Unreachable,
    UnreadableResponse,
)
from django_authsignal.client.types import moment

from .conftest import SECRET, Server, listening, read_request

TRACKED = {
    "state": "CHALLENGE_REQUIRED",
    "idempotencyKey": "k",
    "url": "https://mfa.authsignal.com/?token=t",
    "token": "t",
    "isEnrolled": True,
    "enrolledVerificationMethods": ["PASSKEY"],
    "ruleIds": ["r"],
}
AUTHENTICATOR = {"userAuthenticatorId": "x", "verificationMethod": "EMAIL_OTP", "email": "a@example.com"}


# Operations

Operation = tuple[str, Callable[[Client], Any], object, str, str, object, Callable[[Any], object], object]
OPERATIONS: list[Operation] = [
    (
        "track",
        lambda c: c.track("1", "pay", idempotency_key="k", redirect_url="https://a.example/", user_agent="ua"),
        TRACKED,
        "POST",
        "/v1/users/1/actions/pay",
        {"idempotencyKey": "k", "redirectUrl": "https://a.example/", "userAgent": "ua"},
        lambda r: (r.state, r.token, r.url, r.is_enrolled, r.enrolled_verification_methods, r.rule_ids),
        ("CHALLENGE_REQUIRED", "t", "https://mfa.authsignal.com/?token=t", True, ("PASSKEY",), ("r",)),
    ),
    (
        "validate_challenge",
        lambda c: c.validate_challenge("t", user_id="1", action="pay"),
        {"isValid": True, "state": "CHALLENGE_SUCCEEDED", "action": "pay", "actionCode": "pay", "userId": "1"},
        "POST",
        "/v1/validate",
        {"token": "t", "userId": "1", "action": "pay"},
        lambda r: (r.is_valid, r.state, r.action, r.user_id),
        (True, "CHALLENGE_SUCCEEDED", "pay", "1"),
    ),
    (
        "get_action",
        lambda c: c.get_action("1", "pay", "k"),
        {"state": "ALLOW", "createdAt": "2026-01-02T03:04:05.678Z", "output": {"isNew": 1}},
        "GET",
        "/v1/users/1/actions/pay/k",
        None,
        lambda r: (r.state, r.created_at, r.output),
        ("ALLOW", datetime(2026, 1, 2, 3, 4, 5, 678000, UTC), {"isNew": 1}),
    ),
    (
        "update_action",
        lambda c: c.update_action("1", "pay", "k", state="REVIEW_SUCCEEDED"),
        {"state": "REVIEW_SUCCEEDED"},
        "PATCH",
        "/v1/users/1/actions/pay/k",
        {"state": "REVIEW_SUCCEEDED"},
        lambda r: r.state,
        "REVIEW_SUCCEEDED",
    ),
    (
        "query_user_actions",
        lambda c: c.query_user_actions(
            "1", action_codes=["pay", "signIn"], from_date=datetime(2026, 1, 2, tzinfo=UTC), state="ALLOW"
        ),
        [{"actionCode": "pay", "idempotencyKey": "k", "state": "ALLOW"}],
        "GET",
        "/v1/users/1/actions?codes=pay%2CsignIn&fromDate=2026-01-02T00%3A00%3A00.000Z&state=ALLOW",
        None,
        lambda r: [(one.action, one.idempotency_key, one.state) for one in r],
        [("pay", "k", "ALLOW")],
    ),
    (
        "get_user",
        lambda c: c.get_user("1"),
        {"isEnrolled": False, "email": "a@example.com", "custom": {"userID": 1}},
        "GET",
        "/v1/users/1",
        None,
        lambda r: (r.user_id, r.is_enrolled, r.email, r.custom),
        ("1", False, "a@example.com", {"userID": 1}),
    ),
    (
        "update_user",
        lambda c: c.update_user("1", email="a@example.com", email_verified=True),
        {"userId": "1", "email": "a@example.com", "emailVerified": True},
        "PATCH",
        "/v1/users/1",
        {"email": "a@example.com", "emailVerified": True},
        lambda r: (r.email, r.email_verified, r.is_enrolled),
        ("a@example.com", True, None),
    ),
    (
        "delete_user",
        lambda c: c.delete_user("1", actions=True),
        {"success": True},
        "DELETE",
        "/v1/users/1?actions=true",
        None,
        bool,
        True,
    ),
    (
        "query_users",
        lambda c: c.query_users(email="a+b@example.com", limit=2),
        {"users": [{"userId": "1"}], "lastEvaluatedUserId": "1"},
        "GET",
        "/v1/users?email=a%2Bb%40example.com&limit=2",
        None,
        lambda r: ([user.user_id for user in r.users], r.last_evaluated_user_id),
        (["1"], "1"),
    ),
    (
        "get_authenticators",
        lambda c: c.get_authenticators("1"),
        [{**AUTHENTICATOR, "webauthnCredential": {"credentialId": "c", "credentialBackedUp": True}}],
        "GET",
        "/v1/users/1/authenticators",
        None,
        lambda r: [(one.user_authenticator_id, one.email, one.webauthn_credential.backed_up) for one in r],
        [("x", "a@example.com", True)],
    ),
    (
        "enroll_verified_authenticator",
        lambda c: c.enroll_verified_authenticator(
            "1", verification_method="AUTHENTICATOR_APP", otp_uri="otpauth://totp/x?secret=S"
        ),
        {"authenticator": AUTHENTICATOR, "recoveryCodes": ["a", "b"]},
        "POST",
        "/v1/users/1/authenticators",
        {"verificationMethod": "AUTHENTICATOR_APP", "otpUri": "otpauth://totp/x?secret=S"},
        lambda r: (r.authenticator, r.recovery_codes),
        (Authenticator.from_wire(AUTHENTICATOR), ("a", "b")),
    ),
    (
        "import_passkeys",
        lambda c: c.import_passkeys(
            [{"user_id": "1", "credential_id": "c", "credential_public_key": "k", "transports": ["usb"], "name": None}]
        ),
        {
            "total": 1,
            "succeeded": 0,
            "failed": 1,
            "failures": [{"userId": "1", "credentialId": "c", "errorCode": "conflict", "errorDescription": "there"}],
        },
        "POST",
        "/v1/users/authenticators",
        {
            "authenticators": [
                {
                    "verificationMethod": "PASSKEY",
                    "userId": "1",
                    "credentialId": "c",
                    "credentialPublicKey": "k",
                    "transports": ["usb"],
                }
            ]
        },
        lambda r: (r.total, r.succeeded, r.failed, [(one.credential_id, one.error_code) for one in r.failures]),
        (1, 0, 1, [("c", "conflict")]),
    ),
    (
        "delete_authenticator",
        lambda c: c.delete_authenticator("1", "x"),
        {"success": False},
        "DELETE",
        "/v1/users/1/authenticators/x",
        None,
        bool,
        False,
    ),
]


PASSKEY = {"user_id": "1", "credential_id": "c", "credential_public_key": "k"}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation[0])
def test_an_operation_sends_its_request_and_reads_its_answer(
    client: Client, server: Server, operation: Operation
) -> None:
    _, work, answer, method, path, body, read, result = operation
    server.answers(answer)
    assert read(work(client)) == result
    seen = server.seen[0]
    assert (seen.method, seen.path, seen.json if seen.body else None) == (method, path, body)


def test_an_apple_or_google_token_finds_its_user(client: Client, server: Server) -> None:
    server.answers({"users": [], "tokenPayload": {"email_verified": True}})
    assert client.query_users(token="a.b.c").token_payload == {"email_verified": True}
    assert server.seen[0].path == "/v1/users?token=a.b.c"


def test_users_are_not_asked_for_without_a_filter(client: Client) -> None:
    with pytest.raises(ValueError, match="no filter"):
        client.query_users()


@pytest.mark.parametrize("token", ["", None])
def test_no_token_is_not_validated(client: Client, token: Any) -> None:
    with pytest.raises(ValueError, match="no token"):
        client.validate_challenge(token)


def test_a_deletion_answered_with_nothing_is_done(client: Client, server: Server) -> None:
    server.answers(b"", 204)
    assert client.delete_user("1") is True


# Content


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "text/plain", ""])
def test_the_answers_content_type_does_not_matter(client: Client, server: Server, kind: str) -> None:
    server.answers({"state": "ALLOW"}, headers={"Content-Type": kind})
    assert client.track("1", "a").state == "ALLOW"


def test_keys_inside_custom_and_output_are_not_renamed(client: Client, server: Server) -> None:
    data = {"userID": 1, "HTTPStatus": 2, "someFeature.isNew": 3, "some-Key": 4}
    server.answers({"isEnrolled": True, "custom": data})
    assert client.get_user("1").custom == data


def test_a_state_of_tomorrow_survives_reading(client: Client, server: Server) -> None:
    server.answers({"state": "SOMETHING_NEW"})
    assert client.track("1", "a").state == "SOMETHING_NEW"


@pytest.mark.parametrize("value", ["true", 1, None, [True], {}])
def test_only_true_is_valid(client: Client, server: Server, value: object) -> None:
    server.answers({"isValid": value, "state": "CHALLENGE_SUCCEEDED"})
    assert client.validate_challenge("t").is_valid is False


def test_two_different_names_of_the_action_name_none(client: Client, server: Server) -> None:
    server.answers({"isValid": True, "action": "pay", "actionCode": "signIn"})
    assert client.validate_challenge("t").action is None


@pytest.mark.parametrize(
    "content",
    [b"", b" ", b"{}", b"[]", b"null", b'"ALLOW"', b'{"state": 1}', b'{"state": "ALL', b"<html>", b"\xff", b"[" * 9999],
    ids=repr,
)
def test_an_answer_that_is_none_is_unreadable(client: Client, server: Server, content: bytes) -> None:
    server.answers(content)
    with pytest.raises(UnreadableResponse):
        client.track("1", "a")


@pytest.mark.parametrize(
    ("work", "answer"),
    [
        (lambda c: c.validate_challenge("t"), {"state": "CHALLENGE_SUCCEEDED"}),
        (lambda c: c.get_user("1"), {"email": "a@example.com"}),
        (lambda c: c.get_authenticators("1"), {"userAuthenticatorId": "x"}),
        (lambda c: c.get_authenticators("1"), [1]),
        (lambda c: c.query_users(email="a"), {"users": None}),
        (lambda c: c.enroll_verified_authenticator("1", verification_method="SMS"), {"recoveryCodes": []}),
        (lambda c: c.import_passkeys([PASSKEY]), {"succeeded": 1}),
        (lambda c: c.import_passkeys([PASSKEY]), {"total": True, "succeeded": 1, "failed": 0}),
        (lambda c: c.import_passkeys([PASSKEY]), {"total": 1, "succeeded": 1, "failed": 0, "failures": {}}),
    ],
)
def test_an_answer_without_what_it_must_have_is_unreadable(
    client: Client, server: Server, work: Callable[[Client], object], answer: object
) -> None:
    server.answers(answer)
    with pytest.raises(UnreadableResponse):
        work(client)


@pytest.mark.parametrize("text", ["", "yesterday", None, 5, "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_a_time_that_is_none_is_absent(text: object) -> None:
    assert moment(text) is None


def test_a_huge_answer_is_not_read(client: Client, server: Server) -> None:
    server.answers(b" " * 2_000_000)
    with pytest.raises(UnreadableResponse, match="longer"):
        client.track("1", "a")


def test_a_compressed_bomb_costs_neither_memory_nor_time(client: Client, server: Server) -> None:
    bomb = gzip.compress(gzip.compress(b" " * 200_000_000, 1), 1)
    server.answers(bomb, headers={"Content-Encoding": "gzip, gzip"})
    tracemalloc.start()
    start = time.monotonic()
    with pytest.raises(UnreadableResponse, match="compressed"):
        client.track("1", "a")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert time.monotonic() - start < 1
    assert peak < 5_000_000


def test_an_answer_that_breaks_off_is_unreadable() -> None:
    def work(conn: Any) -> None:
        read_request(conn)
        conn.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"state":"ALLOW"}')

    with listening(work) as port, pytest.raises(UnreadableResponse, match="broke off"):
        Client(SECRET, api_url=f"http://127.0.0.1:{port}").track("1", "a")


@pytest.mark.parametrize(
    "text",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b'{"state": "ALLOW"}',
        b"\x15\x03\x01\x00\x02\x02\x50",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5, 7\r\n\r\nthing",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nx\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nx\r\n",
    ],
    ids=["ssh", "no head", "tls", "two lengths", "many headers", "long header", "negative chunk", "no chunk"],
)
def test_an_answer_that_is_not_http_is_unreadable(text: bytes) -> None:
    def work(conn: Any) -> None:
        read_request(conn)
        conn.sendall(text)

    with listening(work) as port, pytest.raises(UnreadableResponse):
        Client(SECRET, api_url=f"http://127.0.0.1:{port}").track("1", "a")


def test_what_follows_an_answer_is_not_the_next_ones() -> None:
    honest = b'HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n{"state": "BLOCK"}'
    planted = b'HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n{"state": "ALLOW"}'

    def work(conn: Any) -> None:
        while read_request(conn):
            conn.sendall(honest + planted)

    with listening(work) as port, Client(SECRET, api_url=f"http://127.0.0.1:{port}") as client:
        assert [client.track("1", "a").state for _ in range(3)] == ["BLOCK"] * 3


# Failures


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidRequest),
        (401, Unauthorized),
        (402, Refused),
        (403, Forbidden),
        (404, NotFound),
        (407, Refused),
        (409, Conflict),
        (418, Refused),
        (422, InvalidRequest),
        (429, RateLimited),
        (500, ServerError),
        (502, ServerError),
        (503, ServerError),
        (301, Redirected),
        (307, Redirected),
        (304, Redirected),
        (600, UnreadableResponse),
    ],
)
def test_a_status_has_its_own_error(client: Client, server: Server, status: int, kind: type[AuthsignalError]) -> None:
    server.answers({"errorCode": "some_code", "errorDescription": "Some words."}, status)
    with pytest.raises(AuthsignalError) as caught:
        client.track("1", "a")
    assert (type(caught.value), caught.value.status, caught.value.operation) == (kind, status, "track")


def test_a_redirect_is_not_followed(client: Client, server: Server) -> None:
    server.answers(b"", 302, {"Location": "/elsewhere"})
    with pytest.raises(Redirected):
        client.track("1", "a")
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b" " * 2_000_000, {}),
        (gzip.compress(b"{}"), {"Content-Encoding": "gzip"}),
        (b"not gzip", {"Content-Encoding": "gzip"}),
        (b"<html>", {}),
        (b'["a list"]', {}),
        (b"", {}),
    ],
    ids=["huge", "compressed", "broken", "html", "list", "empty"],
)
def test_a_refusal_stays_one_whatever_its_text(
    client: Client, server: Server, content: bytes, headers: dict[str, str]
) -> None:
    server.answers(content, 403, headers)
    with pytest.raises(Forbidden):
        client.track("1", "a")


def test_a_refusal_that_breaks_off_stays_one() -> None:
    def work(conn: Any) -> None:
        read_request(conn)
        conn.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 99\r\n\r\n{")

    with listening(work) as port, pytest.raises(Forbidden):
        Client(SECRET, api_url=f"http://127.0.0.1:{port}").track("1", "a")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"error": "a"}, "a"),
        ({"errorCode": "b"}, "b"),
        ({"error": "a", "errorCode": "b"}, "b"),
        ({"error": {"x": 1}}, None),
    ],
)
def test_the_code_is_found_under_either_key(
    client: Client, server: Server, answer: dict[str, object], code: str | None
) -> None:
    server.answers(answer, 400)
    with pytest.raises(InvalidRequest) as caught:
        client.track("1", "a")
    assert caught.value.code == code


def test_an_error_says_what_the_service_said_and_the_way_on(client: Client, server: Server) -> None:
    server.answers({"error": "unauthorized", "errorDescription": "No such key."}, 401)
    with pytest.raises(Unauthorized, match=r"track: the answer is 401 \(unauthorized, No such key\.\)\. Check that"):
        client.track("1", "a")


def test_what_the_service_says_stays_on_one_line(client: Client, server: Server) -> None:
    server.answers({"errorDescription": "a\r\nERROR forged\u2028b\u202ec\x1b[2Jd"}, 400)
    with pytest.raises(InvalidRequest) as caught:
        client.track("1", "a")
    assert caught.value.description == "a  ERROR forged b c [2Jd"


@pytest.mark.parametrize("text", ["x" * 900_000, "ey" * 450_000, "eyJabcdef." * 90_000, "ey-" * 300_000])
def test_a_hostile_error_text_costs_no_time(client: Client, server: Server, text: str) -> None:
    server.answers({"errorDescription": text}, 400)
    start = time.monotonic()
    with pytest.raises(InvalidRequest) as caught:
        client.track("1", "a")
    assert time.monotonic() - start < 2
    assert len(caught.value.description or "") <= 200


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), (" 0 ", 0.0), ("-1", None), ("soon", None), ("1.5", None), ("9" * 30, None), ("", None)],
)
def test_retry_after_is_read_in_seconds(client: Client, server: Server, header: str, seconds: float | None) -> None:
    server.answers({}, 429, {"Retry-After": header})
    with pytest.raises(RateLimited) as caught:
        client.track("1", "a")
    assert caught.value.retry_after == seconds


def test_retry_after_is_read_as_a_date(client: Client, server: Server) -> None:
    at = datetime.now(UTC) + timedelta(seconds=100)
    server.answers({}, 429, {"Retry-After": format_datetime(at, usegmt=True)})
    with pytest.raises(RateLimited) as caught:
        client.track("1", "a")
    assert caught.value.retry_after == pytest.approx(100, abs=5)


def test_a_retry_after_that_is_past_is_now(client: Client, server: Server) -> None:
    server.answers({}, 429, {"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"})
    with pytest.raises(RateLimited) as caught:
        client.track("1", "a")
    assert caught.value.retry_after == 0


def test_a_retry_after_no_calendar_holds_is_ignored(client: Client, server: Server) -> None:
    server.answers({}, 429, {"Retry-After": f"Mon, 01 Jan {'9' * 20} 00:00:00 +{'9' * 20}"})
    with pytest.raises(RateLimited) as caught:
        client.track("1", "a")
    assert caught.value.retry_after is None


@pytest.mark.parametrize("kind", [ConnectionFailed, TimedOut, ServerError, UnreadableResponse])
def test_an_outage_is_never_a_refusal(kind: type[AuthsignalError]) -> None:
    assert issubclass(kind, Unreachable)
    assert not issubclass(kind, Refused)
