"""The key, tokens and answers appear in no text, no traceback's variables and no pickle."""

from __future__ import annotations

import copy
import pickle
import pprint
import traceback
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest

from django_authsignal.client import (
    AuthsignalError,
    Client,
    ConfigurationError,
    Conflict,
    ConnectionFailed,
    Forbidden,
    InvalidRequest,
    NotFound,
    RateLimited,
    Redirected,
    Refused,
    ServerError,
    SignatureError,
    TimedOut,
    Tracked,
    Unauthorized,
    Unreachable,
    UnreadableResponse,
)

from .conftest import SECRET, Server

ERRORS = [
    ConnectionFailed,
    TimedOut,
    ServerError,
    UnreadableResponse,
    Redirected,
    Refused,
    Unreachable,
    InvalidRequest,
    Unauthorized,
    Forbidden,
    NotFound,
    Conflict,
    RateLimited,
]
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlLW9mLXRva2Vu"
OTP_URI = "otpauth://totp/Bank:ada?secret=JBSWY3DPEHPK3PXP"


def shown(value: object, depth: int = 0) -> str:
    """As the most talkative of error reporters does: texts as they are (whatever their repr says), collections item
    by item, every other thing by its repr."""
    if isinstance(value, (str, bytes)):
        return str.__str__(value) if isinstance(value, str) else value.decode("latin-1")
    if depth < 6 and isinstance(value, dict):
        return " ".join(f"{shown(key, depth + 1)} {shown(item, depth + 1)}" for key, item in value.items())
    if depth < 6 and isinstance(value, (list, tuple, set)):
        return " ".join(shown(item, depth + 1) for item in value)
    return repr(value)


def variables(exc: BaseException) -> str:
    """What a reporter collects: the variables of every frame of the exception and of those it is chained to, without
    the frame of the test."""
    found: list[str] = []
    chain: list[BaseException | None] = [exc]
    while chain:
        one = chain.pop()
        if one is not None:
            frames = [
                frame for frame, _ in traceback.walk_tb(one.__traceback__) if "tests" not in frame.f_code.co_filename
            ]
            found += [shown(dict(frame.f_locals)) for frame in frames]
            chain += [one.__cause__, one.__context__]
    return "\n".join(found)


def forms(secret: str) -> list[str]:
    """A key as it is and as the Authorization header has it."""
    return [secret, b64encode(f"{secret}:".encode()).decode().rstrip("=")]


@pytest.mark.parametrize("secret", [SECRET, "k9Qz"])
def test_no_text_of_a_client_shows_the_key(server: Server, secret: str) -> None:
    client = Client(secret, api_url=server.url)
    client.track("1", "a")
    texts = f"{client} {client!r} {pprint.pformat(vars(client))} {pprint.pformat(vars(client._http))}"
    assert not any(form in texts for form in forms(secret))


@pytest.mark.parametrize("work", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_client_is_not_pickled_or_copied(client: Client, work: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match="its own"):
        work(client)


@pytest.mark.parametrize("secret", [SECRET, "k9Qz"])
@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 409, 429, 500])
def test_no_error_shows_a_key_or_token_that_the_service_quotes(server: Server, secret: str, status: int) -> None:
    quoted = " ".join([*forms(secret), TOKEN])
    server.answers({"errorCode": quoted, "errorDescription": quoted}, status)
    with pytest.raises(AuthsignalError) as caught:
        Client(secret, api_url=server.url).validate_challenge(TOKEN)
    error = caught.value
    texts = f"{error} {error!r} {error.code} {error.description} {vars(error)} {pickle.dumps(error)!r}"
    assert not any(form in texts for form in [*forms(secret), TOKEN, *TOKEN.split(".")])


OPERATIONS: list[Callable[[Client], object]] = [
    lambda c: c.track("1", "a", idempotency_key="k"),
    lambda c: c.validate_challenge(TOKEN),
    lambda c: c.query_users(token=TOKEN),
    lambda c: c.enroll_verified_authenticator("1", verification_method="AUTHENTICATOR_APP", otp_uri=OTP_URI),
    lambda c: c.get_authenticators("1"),
]
ANSWERS = [
    (200, f'{{"token": "{TOKEN}"'.encode()),
    (200, f'{{"token": "{TOKEN}", "recoveryCodes": ["{OTP_URI}"]}}'.encode()),
    (200, f'[{{"token": "{TOKEN}"}}]'.encode()),
    (403, f'{{"errorDescription": "{TOKEN} {SECRET}"}}'.encode()),
    (500, TOKEN.encode()),
]


@pytest.mark.parametrize("work", OPERATIONS, ids=["track", "validate", "query", "enroll", "list"])
@pytest.mark.parametrize(("status", "content"), ANSWERS, ids=["cut off", "incomplete", "list", "refused", "failed"])
def test_no_frame_of_a_failure_holds_key_token_or_answer(
    client: Client, server: Server, work: Callable[[Client], object], status: int, content: bytes
) -> None:
    server.answers(content, status)
    with pytest.raises(AuthsignalError) as caught:
        work(client)
    held = variables(caught.value)
    assert not any(form in held for form in [*forms(SECRET), TOKEN, "JBSWY3DPEHPK3PXP"])


def test_no_frame_of_a_failed_connection_holds_the_key() -> None:
    with pytest.raises(ConnectionFailed) as caught:
        Client(SECRET, api_url="http://127.0.0.1:1").validate_challenge(TOKEN)
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert not any(form in variables(caught.value) for form in [*forms(SECRET), TOKEN])


@pytest.mark.parametrize("action", ["not a code", None])
def test_no_frame_of_a_mistake_holds_the_token(client: Client, action: Any) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        client.validate_challenge(TOKEN, action=action or "ä")
    assert TOKEN not in variables(caught.value)


def test_no_frame_of_a_value_that_cannot_be_sent_holds_the_key(client: Client) -> None:
    with pytest.raises(TypeError) as caught:
        client.track("1", "a", custom={"bad": object()})
    assert not any(form in variables(caught.value) for form in forms(SECRET))


@pytest.mark.parametrize("settings", [{"api_url": "ftp://x"}, {"api_url": "https://u:p@x"}, {"timeout": -1}])
def test_no_frame_of_a_wrong_setting_holds_the_key(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Client(SECRET, **settings)
    assert SECRET not in variables(caught.value) + str(caught.value)


@pytest.mark.parametrize("secret", ["", " ", None, "mine\n", " mine", "ключ", "a:b", "a\0b"])
def test_an_unusable_key_is_an_error_of_the_first_call_and_is_not_shown(secret: Any) -> None:
    client = Client(secret)
    with pytest.raises(ConfigurationError, match="secret key") as caught:
        client.get_user("1")
    if (secret or "").strip():
        assert secret not in str(caught.value)
        assert secret not in variables(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.authsignal.com/v1",
        "ftp://x/v1",
        "https://",
        "https://u:p@x/v1",
        "https://x/v1?a=b",
        "https://x/#a",
        "https://x/v1?",
    ],
)
def test_a_url_that_is_none_of_an_api_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="Give one like"):
        Client(SECRET, api_url=url)


def test_no_text_of_an_answer_shows_its_token_or_url() -> None:
    answer = Tracked.from_wire({"state": "CHALLENGE_REQUIRED", "token": TOKEN, "url": f"https://x/?token={TOKEN}"})
    assert TOKEN not in f"{answer} {answer!r}"


@pytest.mark.parametrize("kind", [*ERRORS, AuthsignalError])
@pytest.mark.parametrize("work", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy], ids=["pickle", "copy"])
def test_an_error_survives_a_task_queue(kind: type[AuthsignalError], work: Callable[[Any], Any]) -> None:
    error = kind("words", operation="track", status=429, code="c", description="d")
    if isinstance(error, RateLimited):
        error.retry_after = 7.0
    again = work(error)
    assert (type(again), str(again), vars(again)) == (kind, "words", vars(error))


@pytest.mark.parametrize("kind", [ConfigurationError, SignatureError])
def test_a_mistake_is_no_outage(kind: type[Exception]) -> None:
    assert not issubclass(kind, AuthsignalError)
