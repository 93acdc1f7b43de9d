"""`make demo` as a person meets it: real processes, real ports, real signals."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 40.0  # seconds

# As sitecustomize.py: sends Python a Ctrl-C as soon as it imports requests.
INTERRUPTED = """
import os, signal, sys

def hook(event, arguments):
    if event == "import" and arguments[0] == "requests":
        os.kill(os.getpid(), signal.SIGINT)

sys.addaudithook(hook)
"""


class Demo:
    """One running demo on free ports; `text` is what it has printed so far."""

    def __init__(self, state: Path) -> None:
        self.port, self.emulator_port = _free_ports(2)
        self.text = ""
        self.process = subprocess.Popen(
            _command(self.port, self.emulator_port),
            cwd=ROOT,
            env=environment(state),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.text += line

    def wait_until_open(self) -> None:
        """Return when the message is there."""
        _until(lambda: "Ctrl-C ends both." in self.text or self.process.poll() is not None)
        assert "Ctrl-C ends both." in self.text, self.text

    def children(self) -> list[int]:
        """The process ids of both servers."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(number) for number in listed.split()]

    def end_with(self, number: int) -> int:
        """Send a signal to the runner alone, return its exit code."""
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code

    def clean_up(self) -> None:
        """Leave nothing of ours behind, whatever the test did."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reader.join(PATIENCE)
        assert self.process.stdout is not None
        self.process.stdout.close()


def _command(port: int, emulator_port: int) -> list[str]:
    ports = ["--port", str(port), "--emulator-port", str(emulator_port)]
    return [sys.executable, "-m", "example_project.demo", *ports]


def environment(state: Path) -> dict[str, str]:
    return {**os.environ, "DEMO_STATE": str(state), "DEMO_CHEAP_PASSWORDS": "1", "PYTHONUNBUFFERED": "1"}


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in sockets]
    for server in sockets:
        server.close()
    return ports


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def _alive(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _answers(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def left_alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """One demo for all who only look."""
    yield from _started(tmp_path_factory.mktemp("demo"))


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    """One of its own, to be ended."""
    yield from _started(tmp_path)


def _started(folder: Path) -> Iterator[Demo]:
    running = Demo(folder)
    try:
        running.wait_until_open()
        yield running
    finally:
        running.clean_up()


def test_the_message_names_the_addresses_and_both_users(left_alone: Demo) -> None:
    for part in (f"localhost:{left_alone.port}/", f"localhost:{left_alone.emulator_port}/inbox/", "ada", "grace"):
        assert part in left_alone.text
    assert "harbour-lights-7" in left_alone.text


def test_the_bank_and_the_inbox_answer(left_alone: Demo) -> None:
    assert "Kittiwake" in requests.get(f"http://localhost:{left_alone.port}/", timeout=5).text
    assert requests.get(f"http://localhost:{left_alone.emulator_port}/inbox.json", timeout=5).ok


def test_the_emulator_asks_for_a_proof_at_the_banks_actions(left_alone: Demo) -> None:
    configured = f"http://localhost:{left_alone.emulator_port}/v1/management/action-configurations"
    rows = requests.get(configured, auth=("emulator_secret", ""), timeout=5).json()
    outcomes = {row["actionCode"]: row["defaultUserActionResult"] for row in rows}
    money, staff = ("withdrawFunds", "sendMoney"), ("correctBalance", "manageUsers")
    asked = ("signIn", *money, *staff, "manageAuthenticators", "resetAuthenticators")
    assert outcomes == dict.fromkeys(asked, "CHALLENGE")


@pytest.mark.parametrize(
    "name", ["SIGINT", *(pytest.param(name, marks=pytest.mark.long) for name in ("SIGTERM", "SIGHUP"))]
)
def test_a_signal_ends_both_and_leaves_no_process(demo: Demo, name: str) -> None:
    children = demo.children()
    assert len(children) == 2
    assert demo.end_with(getattr(signal, name)) == 0
    assert not any(_alive(child) for child in children)
    assert not _answers(demo.port)
    assert not _answers(demo.emulator_port)
    assert "Traceback" not in demo.text


@pytest.mark.long
def test_a_killed_runner_leaves_no_orphan(demo: Demo) -> None:
    children = demo.children()
    assert len(children) == 2
    assert demo.end_with(signal.SIGKILL) == -signal.SIGKILL
    _until(lambda: not any(_alive(child) for child in children))


@pytest.mark.long
@pytest.mark.parametrize("which", [0, 1])
def test_a_dead_child_ends_the_other_and_says_so(demo: Demo, which: int) -> None:
    children = demo.children()
    os.kill(children[which], signal.SIGKILL)
    assert demo.process.wait(PATIENCE) == 1
    demo.clean_up()
    assert not any(_alive(child) for child in children)
    assert "ended by itself" in demo.text
    assert "make demo" in demo.text


def _run_to_its_end(**variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a demo that ends by itself."""
    env = {**os.environ, "DEMO_CHEAP_PASSWORDS": "1", **variables}
    command = _command(*_free_ports(2))
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=PATIENCE)


def test_a_signal_that_comes_while_modules_are_read_ends_it_quietly(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(INTERRUPTED)
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    ran = _run_to_its_end(DEMO_STATE=str(tmp_path / "state"), PYTHONPATH=path)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_a_database_that_is_none_is_one_sentence_with_the_fix(tmp_path: Path) -> None:
    (tmp_path / "bank.sqlite3").write_text("This is no database. " * 100)
    ran = _run_to_its_end(DEMO_STATE=str(tmp_path))
    assert ran.returncode == 1
    assert f"delete {tmp_path}" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_file_where_the_databases_should_go_is_one_sentence_with_the_fix(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    ran = _run_to_its_end(DEMO_STATE=str(tmp_path / "state"))
    assert ran.returncode == 1
    assert "DEMO_STATE" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(("option", "variable"), [(0, "PORT"), (1, "EMULATOR_PORT")])
def test_a_busy_port_is_one_sentence_with_the_fix(tmp_path: Path, option: int, variable: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        busy = server.getsockname()[1]
        ports = _free_ports(2)
        ports[option] = busy
        ran = subprocess.run(
            _command(*ports), cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True, timeout=40
        )
    assert ran.returncode == 2
    assert f"Port {busy}" in ran.stderr
    assert f"make demo {variable}=" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_one_port_for_both_is_refused(tmp_path: Path) -> None:
    ran = subprocess.run(
        _command(8000, 8000), cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True, timeout=40
    )
    assert ran.returncode == 2
    assert "EMULATOR_PORT=" in ran.stderr
