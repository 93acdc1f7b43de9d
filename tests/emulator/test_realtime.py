"""QR codes over a WebSocket, as the browser SDK uses it; and what a hostile page sends."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from socket import create_connection
from typing import Any

import pytest
import requests
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from .conftest import Emulator, start, stop
from .phone import Phone, challenged, phone_of

PROTOCOL = "authsignal-ws"
TENANT = "x.authsignal.tenant.emulator"


def socket(emulator: Emulator, *protocols: str, path: str = "/ws-v1-challenge", **options: Any) -> ClientConnection:
    url = emulator.url.replace("http://", "ws://") + path
    offered: Any = protocols or [PROTOCOL, TENANT]
    return connect(url, subprotocols=offered, proxy=None, open_timeout=10, close_timeout=2, **options)


def ask(page: ClientConnection, action: str, **data: Any) -> Any:
    data = {"challengeType": "QR_CODE", "actionCode": action, **data}
    page.send(json.dumps({"type": "CREATE_CHALLENGE", "data": data}))
    created = hear(page)
    assert created["type"] == "CHALLENGE_CREATED"
    return created["data"]


def hear(page: ClientConnection) -> Any:
    return json.loads(page.recv(timeout=8))


def closed(page: ClientConnection) -> int:
    with pytest.raises(ConnectionClosed) as gone:
        page.recv(timeout=8)
    return gone.value.rcvd.code if gone.value.rcvd else 0


@pytest.fixture
def phone(emulator: Emulator, user: str) -> Phone:
    return phone_of(emulator, user, "qr-code")


@pytest.fixture
def page(emulator: Emulator) -> Iterator[ClientConnection]:
    with socket(emulator) as opened:
        yield opened


def test_whoever_approves_is_signed_in(emulator: Emulator, user: str, phone: Phone, page: ClientConnection) -> None:
    assert page.subprotocol == PROTOCOL
    action = emulator.configure("ALLOW")
    shown = ask(page, action, custom={"till": 7})
    assert set(shown) == {"challengeId", "challengeType", "expiresAt", "state"}
    assert (shown["state"], type(shown["expiresAt"])) == ("unclaimed", str)
    assert phone.claim(shown["challengeId"]).json()["custom"] == {"till": 7}
    assert hear(page) == {
        "type": "STATE_CHANGE",
        "data": {"challengeId": shown["challengeId"], "state": "claimed"},
    }
    phone.answer(shown["challengeId"])
    approved = hear(page)["data"]
    assert approved["state"] == "approved"
    assert emulator.validate(approved["accessToken"], userId=user, action=action)["isValid"] is True


def test_a_rejection_is_told_without_a_token(emulator: Emulator, user: str, phone: Phone) -> None:
    action, token = challenged(emulator, user)
    with socket(emulator, PROTOCOL, f"x.authsignal.token.{token}") as page:
        shown = ask(page, action)
        phone.claim(shown["challengeId"])
        phone.answer(shown["challengeId"], approved=False)
        while (told := hear(page)["data"])["state"] == "claimed":
            pass
    assert told == {"challengeId": shown["challengeId"], "state": "rejected"}
    assert emulator.validate(token)["state"] == "CHALLENGE_FAILED"


def test_a_token_is_bound_to_its_action_and_its_user(emulator: Emulator, user: str, phone: Phone) -> None:
    mallory = phone_of(emulator, f"{user}-mallory", "qr-code")
    action, token = challenged(emulator, user)
    with socket(emulator, PROTOCOL, f"x.authsignal.token.{token}") as page:
        assert mallory.claim(ask(page, action)["challengeId"]).status_code == 400
    with socket(emulator, PROTOCOL, f"x.authsignal.token.{token}") as page:
        data = {"challengeType": "QR_CODE", "actionCode": "another"}
        page.send(json.dumps({"type": "CREATE_CHALLENGE", "data": data}))
        assert closed(page) == 1008


@pytest.mark.long
def test_the_answer_may_reach_another_process(emulator: Emulator, user: str, tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/shared.sqlite3"
    first, second = (start(tmp_path, "--database", database) for _ in range(2))
    try:
        phone = phone_of(second, user, "qr-code")
        with socket(first) as page:
            shown = ask(page, first.configure("ALLOW"))
            phone.claim(shown["challengeId"])
            phone.answer(shown["challengeId"])
            while (told := hear(page)["data"])["state"] == "claimed":
                pass
        assert second.validate(told["accessToken"], userId=user)["isValid"] is True
    finally:
        stop(first)
        stop(second)


def test_a_refreshed_code_replaces_the_one_that_was_watched(
    emulator: Emulator, phone: Phone, page: ClientConnection
) -> None:
    action = emulator.configure("ALLOW")
    older, newer = ask(page, action)["challengeId"], ask(page, action)["challengeId"]
    phone.claim(older)
    phone.claim(newer)
    assert hear(page)["data"]["challengeId"] == newer


def test_another_socket_hears_nothing_of_it(emulator: Emulator, phone: Phone, page: ClientConnection) -> None:
    with socket(emulator) as other:
        ask(other, emulator.configure("ALLOW"))
        shown = ask(page, emulator.configure("ALLOW"))
        phone.claim(shown["challengeId"])
        phone.answer(shown["challengeId"])
        while hear(page)["data"]["state"] != "approved":
            pass
        with pytest.raises(TimeoutError):
            other.recv(timeout=1)


def test_a_code_that_is_too_old_ends_the_socket(emulator: Emulator, page: ClientConnection) -> None:
    ask(page, emulator.configure("ALLOW"))
    emulator.advance(601)
    assert closed(page) == 1001


def test_a_removed_phone_takes_its_approval_along(emulator: Emulator, phone: Phone, page: ClientConnection) -> None:
    shown = ask(page, emulator.configure("ALLOW"))
    phone.claim(shown["challengeId"])
    assert hear(page)["data"]["state"] == "claimed"
    phone.remove()
    assert hear(page)["data"]["state"] == "rejected"


@pytest.mark.parametrize(
    "protocols",
    [
        [PROTOCOL],
        [TENANT],
        [PROTOCOL, "x.authsignal.tenant.other"],
        [PROTOCOL, "x.authsignal.token.e30.e30.e30"],
        [PROTOCOL, "x.authsignal.token."],
        [PROTOCOL, TENANT, TENANT],
        [PROTOCOL, TENANT, "x.authsignal.token.a"],
    ],
)
def test_who_is_not_authorised_gets_no_socket(emulator: Emulator, protocols: list[str]) -> None:
    with pytest.raises(InvalidStatus) as refused:
        socket(emulator, *protocols)
    assert refused.value.response.status_code == 403


@pytest.mark.usefixtures("phone")
def test_an_expired_token_gets_no_socket(emulator: Emulator, user: str) -> None:
    token = challenged(emulator, user)[1]
    emulator.advance(601)
    with pytest.raises(InvalidStatus):
        socket(emulator, PROTOCOL, f"x.authsignal.token.{token}")


@pytest.mark.parametrize("path", ["/", "/v1/", "/ws-v1-challenge/more", "/%2e%2e/ws-v1-challenge"])
def test_another_path_is_no_socket(emulator: Emulator, path: str) -> None:
    with pytest.raises(InvalidStatus):
        socket(emulator, path=path)


def test_a_name_that_was_made_to_point_here_gets_no_socket(emulator: Emulator) -> None:
    port = emulator.url.rpartition(":")[2]
    offered: Any = [PROTOCOL, TENANT]
    with create_connection(("127.0.0.1", int(port)), timeout=9) as wire, pytest.raises(InvalidStatus):
        connect(f"ws://evil.example:{port}/ws-v1-challenge", sock=wire, subprotocols=offered, proxy=None)


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "{",
        "null",
        "[]",
        '"CREATE_CHALLENGE"',
        "[" * 10_000,
        b"\x00\xff",
        '{"type": "CREATE_CHALLENGE"}',
        '{"type": "CREATE_CHALLENGE", "data": []}',
        '{"type": "CREATE_CHALLENGE", "data": {"challengeType": "QR_CODE"}}',
        '{"type": "CREATE_CHALLENGE", "data": {"challengeType": "PUSH", "actionCode": "a"}}',
        '{"type": "CREATE_CHALLENGE", "data": {"challengeType": "QR_CODE", "actionCode": "a b"}}',
        '{"type": "CREATE_CHALLENGE", "data": {"challengeType": "QR_CODE", "actionCode": ["a"]}}',
        '{"type": "CREATE_CHALLENGE", "data": {"challengeType": "QR_CODE", "actionCode": "a", "custom": 1}}',
        '{"type": "CREATE_CHALLENGE", "data": {"challengeType": "QR_CODE", "actionCode": "\\u0000"}}',
        '{"type":"CREATE_CHALLENGE","data":{"challengeType":"QR_CODE","actionCode":"a","custom": {"": "\\ud800"}}}',
        '{"type": "STATE_CHANGE", "data": {"state": "approved"}}',
    ],
)  # fmt: skip
def test_a_hostile_frame_ends_the_socket(page: ClientConnection, frame: str | bytes) -> None:
    page.send(frame)
    assert closed(page) == 1008


def test_a_frame_that_is_too_large_ends_the_socket(page: ClientConnection) -> None:
    page.send("x" * 20_000)
    assert closed(page) == 1009


def test_one_socket_asks_a_hundred_times_at_most(emulator: Emulator, page: ClientConnection) -> None:
    action = emulator.configure("ALLOW")
    for _ in range(100):
        ask(page, action)
    page.send("{}")
    assert closed(page) == 1008


def test_sockets_are_bounded_and_their_places_come_back(emulator: Emulator) -> None:
    with ExitStack() as opened:
        for _ in range(64):
            opened.enter_context(socket(emulator))
        with pytest.raises(InvalidStatus):
            socket(emulator)
        assert requests.get(f"{emulator.url}/inbox.json", timeout=9).status_code == 200
    deadline = time.monotonic() + 5
    while True:
        try:
            with socket(emulator):
                return
        except InvalidStatus:
            assert time.monotonic() < deadline


def test_a_page_of_any_origin_has_what_it_has_by_http(emulator: Emulator) -> None:
    with socket(emulator, origin="https://shop.example") as page:
        assert ask(page, emulator.configure("ALLOW"))["state"] == "unclaimed"


@pytest.mark.long
def test_an_open_socket_does_not_hold_up_the_end(tmp_path: Path) -> None:
    own = start(tmp_path)
    with socket(own) as page:
        ask(page, own.configure("ALLOW"))
        began = time.monotonic()
        stop(own)
        assert time.monotonic() - began < 4
    assert own.process.returncode == 0
    assert "Traceback" not in (tmp_path / "stderr").read_text()
