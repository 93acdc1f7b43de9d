"""Devices: new until a challenge was completed on them, and again when they were invalidated."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import App, Emulator

Enrol = Callable[[str], App]
FAR = "2999-01-01T00:00:00.000Z"


@pytest.fixture
def device() -> str:
    return str(uuid.uuid4())


@pytest.fixture(scope="module")
def watched(emulator: Emulator) -> str:
    """An action that is blocked on a new device, under review on a remembered one, and else allowed."""
    action = emulator.configure("ALLOW")
    for priority, (kind, name) in enumerate([("BLOCK", "device.isNew"), ("REVIEW", "device.isRemembered")]):
        body = {"name": name, "type": kind, "priority": priority, "conditions": {"===": [{"var": name}, True]}}
        emulator.post(f"management/action-configurations/{action}/rules", body)
    return action


def devices(emulator: Emulator, user: str) -> Any:
    return emulator.server("GET", f"users/{user}/devices").json()


def prove(emulator: Emulator, user: str, app: App, device: str | None) -> None:
    token = emulator.track(user, emulator.configure("CHALLENGE"), deviceId=device)["token"]
    assert emulator.call("verify/totp", token, {"verificationCode": app.code()})["isVerified"]
    emulator.advance(60)


def state(emulator: Emulator, user: str, action: str, device: str | None) -> str:
    return str(emulator.track(user, action, deviceId=device)["state"])


def test_an_action_on_no_named_device_is_on_a_new_one(
    emulator: Emulator, user: str, enrol_app: Enrol, watched: str
) -> None:
    prove(emulator, user, enrol_app(user), None)
    assert state(emulator, user, watched, None) == "BLOCK"
    assert devices(emulator, user) == []


def test_a_device_is_new_until_a_challenge_was_completed_on_it(
    emulator: Emulator, user: str, enrol_app: Enrol, watched: str, device: str
) -> None:
    app = enrol_app(user)
    assert state(emulator, user, watched, device) == "BLOCK"
    assert state(emulator, user, watched, device) == "BLOCK"
    [row] = devices(emulator, user)
    assert set(row) == {"userId", "deviceId", "createdAt"}
    prove(emulator, user, app, device)
    assert state(emulator, user, watched, device) == "ALLOW"
    [row] = devices(emulator, user)
    assert (row["userId"], row["deviceId"], row["lastVerificationMethod"]) == (user, device, "AUTHENTICATOR_APP")
    assert row["authenticatedAt"].endswith("Z")


def test_a_wrong_code_leaves_the_device_new(
    emulator: Emulator, user: str, enrol_app: Enrol, watched: str, device: str
) -> None:
    enrol_app(user)
    token = emulator.track(user, emulator.configure("CHALLENGE"), deviceId=device)["token"]
    assert not emulator.call("verify/totp", token, {"verificationCode": "000000"})["isVerified"]
    assert state(emulator, user, watched, device) == "BLOCK"


def test_an_action_that_was_blocked_meanwhile_leaves_the_device_new(
    emulator: Emulator, user: str, enrol_app: Enrol, watched: str, device: str
) -> None:
    app, action = enrol_app(user), emulator.configure("CHALLENGE")
    answer = emulator.track(user, action, deviceId=device)
    emulator.server("PATCH", f"users/{user}/actions/{action}/{answer['idempotencyKey']}", {"state": "BLOCK"})
    body = {"verificationCode": app.code()}
    assert emulator.client("POST", "verify/totp", answer["token"], body).status_code == 403
    assert state(emulator, user, watched, device) == "BLOCK"


def test_a_device_of_another_user_is_new(
    emulator: Emulator, user: str, enrol_app: Enrol, watched: str, device: str
) -> None:
    prove(emulator, user, enrol_app(user), device)
    assert state(emulator, f"{user}-other", watched, device) == "BLOCK"


def test_the_first_enrolment_makes_the_device_known(emulator: Emulator, user: str, watched: str, device: str) -> None:
    token = emulator.track(user, emulator.configure("ALLOW"), deviceId=device)["token"]
    app = App(emulator, emulator.call("user-authenticators/totp", token)["secret"])
    emulator.call("verify/totp", token, {"verificationCode": app.code()})
    assert state(emulator, user, watched, device) == "ALLOW"


def test_a_device_is_remembered_until_its_time(
    emulator: Emulator, user: str, enrol_app: Enrol, watched: str, device: str
) -> None:
    prove(emulator, user, enrol_app(user), device)
    path = f"users/{user}/devices/{device}"
    answer = emulator.server("PATCH", path, {"rememberedUntil": "2999-01-01T12:00:00+12:00"}).json()
    assert answer["rememberedUntil"] == "2999-01-01T00:00:00.000Z"
    assert state(emulator, user, watched, device) == "REVIEW_REQUIRED"
    emulator.server("PATCH", path, {})
    assert state(emulator, user, watched, device) == "REVIEW_REQUIRED"
    assert "rememberedUntil" not in emulator.server("PATCH", path, {"rememberedUntil": None}).json()
    assert state(emulator, user, watched, device) == "ALLOW"
    emulator.server("PATCH", path, {"rememberedUntil": "2020-01-01T00:00:00Z"})
    assert state(emulator, user, watched, device) == "ALLOW"


def test_an_invalidated_device_is_new_and_not_remembered(
    emulator: Emulator, user: str, enrol_app: Enrol, watched: str, device: str
) -> None:
    app, path = enrol_app(user), f"users/{user}/devices/{device}"
    prove(emulator, user, app, device)
    emulator.server("PATCH", path, {"rememberedUntil": FAR})
    answer = emulator.post(f"{path}/invalidate")
    assert answer["deviceId"] == device
    assert answer["invalidatedAt"]
    assert "rememberedUntil" not in answer
    assert state(emulator, user, watched, device) == "BLOCK"
    assert emulator.server("PATCH", path, {"rememberedUntil": FAR}).status_code == 409
    prove(emulator, user, app, device)
    assert state(emulator, user, watched, device) == "ALLOW"  # known again, and not remembered
    assert "invalidatedAt" not in devices(emulator, user)[0]


@pytest.mark.parametrize("until", ["tomorrow", "2030-01-01", "2030-01-01T00:00:00", "2030-13-01T00:00:00Z", 7, True])
def test_a_time_that_is_none_is_refused(emulator: Emulator, user: str, device: str, until: Any) -> None:
    emulator.track(user, emulator.configure("ALLOW"), deviceId=device)
    response = emulator.server("PATCH", f"users/{user}/devices/{device}", {"rememberedUntil": until})
    assert response.status_code == 400
    assert "body.rememberedUntil" in response.json()["errorDescription"]


@pytest.mark.parametrize("until", ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00"])
def test_a_time_at_the_edge_of_the_calendar_is_refused(emulator: Emulator, user: str, device: str, until: str) -> None:
    emulator.track(user, emulator.configure("ALLOW"), deviceId=device)
    assert emulator.server("PATCH", f"users/{user}/devices/{device}", {"rememberedUntil": until}).status_code == 400


def test_an_unknown_device_and_one_of_another_user_are_not_found(emulator: Emulator, user: str, device: str) -> None:
    emulator.track(f"{user}-other", emulator.configure("ALLOW"), deviceId=device)
    emulator.track(user, emulator.configure("ALLOW"))
    for method, path in (("PATCH", ""), ("POST", "/invalidate")):
        for who in (user, f"{user}-nobody"):
            assert emulator.server(method, f"users/{who}/devices/{device}{path}", {}).status_code == 404


def test_an_unknown_user_has_no_devices(emulator: Emulator, user: str) -> None:
    assert devices(emulator, user) == []


def test_a_device_id_may_need_encoding(emulator: Emulator, user: str) -> None:
    emulator.track(f"{user}|a", emulator.configure("ALLOW"), deviceId="a/b c")
    assert emulator.post(f"users/{user}%7Ca/devices/a%2Fb%20c/invalidate")["deviceId"] == "a/b c"


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("PATCH", "/d"), ("POST", "/d/invalidate")])
def test_devices_need_the_secret_key(emulator: Emulator, user: str, method: str, path: str) -> None:
    response = emulator.http.request(
        method, f"{emulator.api}/users/{user}/devices{path}", auth=("emulator", ""), timeout=15
    )
    assert response.status_code == 401
