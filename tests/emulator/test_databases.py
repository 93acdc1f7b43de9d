"""The emulator on each database that it can be given, with two processes on one, and killed."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.databases import KIND, MARIADB, mariadb, new_database

from .authenticator import SoftwareAuthenticator
from .conftest import App, Emulator, start, stop
from .test_process import run


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("databases")


@pytest.fixture(scope="module", params=[KIND])
def database(request: pytest.FixtureRequest, directory: Path) -> Iterator[str]:
    with new_database(request.param, directory) as url:
        yield url


@pytest.fixture(scope="module")
def pair(database: str, directory: Path) -> Iterator[tuple[Emulator, Emulator]]:
    """Two processes on it."""
    both = [start(directory, "--database", database) for _ in range(2)]
    yield both[0], both[1]
    for one in both:
        stop(one)
    assert "Traceback" not in (directory / "stderr").read_text()


@pytest.mark.long
@pytest.mark.parametrize("kind", [KIND])
def test_processes_that_start_together_make_the_tables_once(kind: str, tmp_path: Path) -> None:
    with new_database(kind, tmp_path) as url, ThreadPoolExecutor(3) as threads:
        begun = [threads.submit(start, tmp_path, "--database", url, clock=False) for _ in range(3)]
        running = [one.result() for one in begun]
        states = [one.track("u", "pay", idempotencyKey=str(number))["state"] for number, one in enumerate(running)]
        for one in running:
            stop(one)
    assert states == ["ALLOW"] * 3


def test_two_processes_share_everything(pair: tuple[Emulator, Emulator], user: str) -> None:
    first, second = pair
    action = first.configure("CHALLENGE")
    token = second.track(user, action)["token"]
    app = App(first, first.call("user-authenticators/totp", token)["secret"])
    proof = second.call("verify/totp", token, {"verificationCode": app.code()})["accessToken"]
    assert first.validate(proof, userId=user, action=action)["isValid"]
    first.advance(60)
    again = first.track(user, action, idempotencyKey="k")
    assert again["state"] == "CHALLENGE_REQUIRED"
    code = app.code()
    answers = [one.call("verify/totp", again["token"], {"verificationCode": code})["isVerified"] for one in pair]
    assert answers == [True, False]  # one step of the app, once


@pytest.mark.long
def test_a_change_of_the_configuration_is_seen_by_the_other_process_within_a_second(
    pair: tuple[Emulator, Emulator], user: str
) -> None:
    first, second = pair
    action = first.configure("ALLOW")
    assert [one.track(user, action)["state"] for one in pair] == ["ALLOW", "ALLOW"]
    first.post("management/action-configurations", {"actionCode": action, "defaultUserActionResult": "BLOCK"})
    assert first.track(user, action)["state"] == "BLOCK"  # at once, where it was made
    time.sleep(1)
    assert second.track(user, action)["state"] == "BLOCK"
    rule = {"name": "all", "priority": 0, "type": "REVIEW", "conditions": {"==": [1, 1]}}
    first.post(f"management/action-configurations/{action}/rules", rule)
    assert first.track(user, action)["state"] == "REVIEW_REQUIRED"
    time.sleep(1)
    assert second.track(user, action)["state"] == "REVIEW_REQUIRED"


def test_one_key_tracked_by_many_at_once_is_one_action(pair: tuple[Emulator, Emulator], user: str) -> None:
    def track(number: int) -> int:
        one = pair[number % 2]
        url, body = f"{one.api}/users/{user}/actions/pay", {"idempotencyKey": "k", "email": f"a{number}@b.example"}
        return requests.post(url, json=body, auth=(one.secret, ""), timeout=30).status_code

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(track, range(24))) == {200}
    assert len(pair[0].server("GET", f"users/{user}/actions").json()) == 1


def at_once(*calls: Callable[[], requests.Response]) -> list[int]:
    """The statuses of calls that begin together."""
    gate = threading.Barrier(len(calls))

    def run(call: Callable[[], requests.Response]) -> int:
        gate.wait(10)
        return call().status_code

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls))


def ask(one: Emulator, method: str, path: str, body: Any = None) -> Callable[[], requests.Response]:
    return lambda: requests.request(method, f"{one.api}/{path}", json=body, auth=(one.secret, ""), timeout=30)


@pytest.mark.long
def test_a_user_may_be_deleted_while_others_write_about_them(pair: tuple[Emulator, Emulator], user: str) -> None:
    first, second = pair
    statuses = set()
    for number in range(15):
        enrolled = {"verificationMethod": "SMS", "phoneNumber": "+64211234567"}
        mailed = {"verificationMethod": "EMAIL_OTP", "action": "pay", "userId": user, "email": f"{user}@b.example"}
        statuses |= set(
            at_once(
                ask(first, "POST", f"users/{user}/actions/pay", {"deviceId": "d"}),
                ask(second, "POST", f"users/{user}/actions/pay", {"deviceId": "d", "email": f"{user}@b.example"}),
                ask(first, "DELETE", f"users/{user}?actions={'true' if number % 2 else 'false'}"),
                ask(second, "POST", f"users/{user}/authenticators", enrolled),
                ask(second, "DELETE", f"users/{user}"),
                ask(first, "POST", "challenge", mailed),
            )
        )
    assert statuses <= {200, 403, 429}  # 403: the phone was first, and the address is not the enrolled user's


def last_of(emulator: Emulator, way: str, token: str) -> tuple[str, Any]:
    """Where, and with what, an enrolment that is begun here would end."""
    if way == "passkey":
        begun = emulator.call("user-authenticators/passkey/registration-options", token, {})
        made = SoftwareAuthenticator(origin=emulator.url).create(begun["options"])
        return "user-authenticators/passkey", {"registrationCredential": made, "challengeId": begun["challengeId"]}
    address = f"{uuid.uuid4().hex}@b.example"
    begun = emulator.call(f"user-authenticators/{way}", token, {"email": address})
    if way == "totp":
        return "verify/totp", {"verificationCode": App(emulator, begun["secret"]).code()}
    mails = requests.get(f"{emulator.url}/inbox.json", {"to": address}, timeout=9).json()
    return "verify/email-otp", {"verificationCode": mails[0]["code"]}


@pytest.mark.long
@pytest.mark.parametrize("way", ["totp", "email-otp", "passkey"])
def test_of_two_first_enrolments_at_once_one_is_made(pair: tuple[Emulator, Emulator], user: str, way: str) -> None:
    for number in range(6):
        whose, calls = f"{user}-{number}", []
        for emulator in pair:
            token = emulator.track(whose, "enrol")["token"]
            path, body = last_of(emulator, way, token)
            calls.append(partial(emulator.client, "POST", path, token, body))
        at_once(*calls)
        assert len(pair[0].server("GET", f"users/{whose}/authenticators").json()) == 1


def test_changes_of_two_fields_at_once_are_both_kept(pair: tuple[Emulator, Emulator], user: str) -> None:
    first, second = pair
    for number in map(str, range(20)):
        at_once(
            ask(first, "PATCH", f"users/{user}", {"displayName": number}),
            ask(second, "PATCH", f"users/{user}", {"username": number}),
        )
        found = first.server("GET", f"users/{user}").json()
        assert (found["displayName"], found["username"]) == (number, number)


def test_rules_of_one_action_may_be_made_at_once(pair: tuple[Emulator, Emulator]) -> None:
    path = f"management/action-configurations/{pair[0].configure('ALLOW')}/rules"
    for begin in (0, 12, 24):
        rules = [ask(pair[priority % 2], "POST", path, rule(priority)) for priority in range(begin, begin + 12)]
        assert at_once(*rules) == [200] * 12


def rule(priority: int) -> dict[str, Any]:
    return {"name": f"n{priority}", "priority": priority, "type": "BLOCK", "conditions": {"==": [1, 2]}}


def test_ids_that_differ_by_case_or_accent_are_different(pair: tuple[Emulator, Emulator], user: str) -> None:
    for name in ("ada", "ADA", "adá", "ada "):
        pair[0].server("PATCH", f"users/{user}{name.replace(' ', '%20')}", {"displayName": f"<{name}>"})
    found = pair[1].server("GET", f"users/{user}ADA").json()
    assert found["displayName"] == "<ADA>"
    assert pair[1].server("GET", f"users/{user}ada%20").json()["displayName"] == "<ada >"


def test_nothing_that_was_answered_is_lost_when_the_process_is_killed(
    pair: tuple[Emulator, Emulator], database: str, tmp_path: Path
) -> None:
    running = start(tmp_path, "--database", database, clock=False)
    answered: list[str] = []

    def track(number: int) -> None:
        with requests.Session() as session:
            for count in range(1000):
                key = f"{number}-{count}"
                url = f"{running.api}/users/u{number}/actions/pay"
                try:
                    done = session.post(url, json={"idempotencyKey": key}, auth=(running.secret, ""), timeout=10)
                except requests.RequestException:
                    return
                if done.status_code == 200:
                    answered.append(key)

    threads = [threading.Thread(target=track, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    while len(answered) < 100:
        time.sleep(0.01)
    running.process.kill()
    for thread in threads:
        thread.join()
    stop(running)
    kept = {
        row["idempotencyKey"] for number in range(4) for row in pair[0].server("GET", f"users/u{number}/actions").json()
    }
    assert set(answered) <= kept


@pytest.mark.skipif(KIND != "mariadb", reason="about MariaDB: DATABASE_URL=mysql://… runs it")
def test_a_mariadb_that_takes_two_ids_for_one_is_refused_with_the_fix(tmp_path: Path) -> None:
    server, name = mariadb(), f"emulator_{uuid.uuid4().hex[:12]}"
    server.cursor().execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci")
    done = run(tmp_path, "--port", "0", "--database", f"{MARIADB}/{name}")
    server.cursor().execute(f"DROP DATABASE {name}")
    server.close()
    assert done.returncode == 2
    assert "COLLATE utf8mb4_bin" in done.stderr
    assert len(done.stderr.splitlines()) == 1
