"""The emulator as a process: how it starts, refuses and ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from .conftest import ROOT, start, stop


def run(directory: Path, *options: str, path: str = str(ROOT)) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "django_authsignal.emulator", *options],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=20,
    )


@pytest.mark.parametrize(
    ("options", "fix"),
    [
        (["--secret", "sk_live_1"], "--secret"),
        (["--host", "0.0.0.0"], "--allow-remote"),
        (["--secret", "emulator_a:b"], "--secret"),
        (["--secret", "emulator_é"], "--secret"),
        (["--secret", "emulator_%41"], "--secret"),
        (["--tenant", ""], "--tenant"),
        (["--tenant", "a b"], "--tenant"),
        (["--public-url", "ftp://x"], "--public-url"),
        (["--public-url", "http://[::1"], "--public-url"),
        (["--public-url", "http://x:port"], "--public-url"),
        (["--public-url", "http://x:99999"], "--public-url"),
        (["--public-url", "http://u:p@x"], "--public-url"),
        (["--public-url", "http://x/below"], "--public-url"),
        (["--public-url", "http://x?a=b"], "--public-url"),
        (["--origin", "localhost:8000"], "--origin"),
        (["--origin", "http://x/page"], "--origin"),
        (["--rp-id", "http://x"], "--rp-id"),
        (["--allow-host", "emulator:9000"], "--allow-host"),
        (["--allow-host", "*"], "--allow-host"),
        (["--allow-host", "a_b"], "--allow-host"),
        (["--allow-host", ""], "--allow-host"),
        (["--port", "70000"], "--port"),
        (["--port", "0", "--database", "sqlite:////nowhere/x.sqlite3"], "--database"),
        (["--database", "nonsense"], "--database"),
        (["--database", "oracle://a@b/c"], "--database"),
        (["--database", "sqlite://:memory:"], "--database"),
        (["--database", "sqlite://file.sqlite3"], "--database"),
    ],
)
def test_what_cannot_be_served_is_one_sentence_with_the_fix(tmp_path: Path, options: list[str], fix: str) -> None:
    done = run(tmp_path, *options)
    assert done.returncode == 2
    assert fix in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("url", "fix"),
    [
        ("postgres://u@127.0.0.1:1/x", 'python -m pip install "psycopg[binary]"'),
        ("mysql://u@127.0.0.1:1/x", 'python -m pip install "mysqlclient"'),
        ("mariadb://u@127.0.0.1:1/x", 'python -m pip install "mysqlclient"'),
    ],
)
def test_a_database_without_its_driver_is_one_sentence_with_the_fix(tmp_path: Path, url: str, fix: str) -> None:
    for module in ("psycopg", "psycopg2", "MySQLdb"):
        (tmp_path / f"{module}.py").write_text("raise ImportError('not here')")
    done = run(tmp_path, "--port", "0", "--database", url, path=f"{tmp_path}:{ROOT}")
    assert done.returncode == 2
    assert done.stderr.strip().endswith(fix)
    assert len(done.stderr.splitlines()) == 1


def test_a_busy_port_is_one_sentence_with_the_fix(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        done = run(tmp_path, "--port", str(port))
    assert done.returncode == 2
    assert str(port) in done.stderr
    assert done.stderr.strip().endswith(f"--port {port + 1}.")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_at_once_and_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    emulator = start(tmp_path, clock=False)
    emulator.track("u", "signIn")  # and its connection stays open
    began = time.monotonic()
    emulator.process.send_signal(number)
    assert emulator.process.wait(5) == 0
    assert time.monotonic() - began < 3
    assert (tmp_path / "stderr").read_text() == ""
    with pytest.raises(requests.ConnectionError):
        requests.get(emulator.url, timeout=2)
    stop(emulator)


def test_nothing_that_was_answered_is_lost_when_it_is_killed(tmp_path: Path) -> None:
    first = start(tmp_path, clock=False)
    token = first.track("u", "withdraw", idempotencyKey="k")["token"]
    first.process.kill()
    stop(first)
    second = start(tmp_path, clock=False)
    answer = second.validate(token)
    stop(second)
    assert (answer["userId"], answer["idempotencyKey"]) == ("u", "k")


@pytest.mark.long
def test_the_default_outcome_is_an_option(tmp_path: Path) -> None:
    emulator = start(tmp_path, "--default-outcome", "BLOCK", clock=False)
    state = emulator.track("u", "anything")["state"]
    stop(emulator)
    assert state == "BLOCK"


@pytest.mark.long
def test_a_body_that_never_arrives_is_not_waited_for(tmp_path: Path) -> None:
    emulator = start(tmp_path, clock=False)
    port = int(emulator.url.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), timeout=20) as caller:
        caller.sendall(b"POST /v1/validate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{}")
        answer = caller.recv(4096)
    stop(emulator)
    assert b" 408 " in answer.splitlines()[0]


@pytest.mark.long
def test_a_foreign_host_header_is_refused(tmp_path: Path) -> None:
    emulator = start(tmp_path, clock=False)
    answer = requests.get(f"{emulator.url}/v1/users/u", headers={"Host": "evil.example"}, timeout=5)
    stop(emulator)
    assert answer.status_code == 400


@pytest.mark.long
def test_a_clean_end_leaves_one_database_file(tmp_path: Path) -> None:
    emulator = start(tmp_path, clock=False)
    emulator.track("u", "signIn")
    stop(emulator)
    assert [path.name for path in tmp_path.glob("*sqlite3*")] == ["authsignal-emulator.sqlite3"]
