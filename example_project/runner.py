"""Starts the bank and the emulator, watches both, and ends both."""

import argparse
import io
import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import django
import requests
from django.core.management import call_command
from django.db import DatabaseError

from example_project.bank.demo_users import DEMO_USERS
from example_project.child import ROOT, Child
from example_project.ports import Ports

STATE = Path(os.environ.get("DEMO_STATE", ROOT / ".demo")).resolve()
STARTUP = 30.0  # seconds that one server may take until it answers
EMULATOR_KEY = "emulator_secret"  # the emulator's public default
ACTIONS = (
    "signIn",
    "withdrawFunds",
    "sendMoney",
    "correctBalance",
    "manageUsers",
    "manageAuthenticators",
    "resetAuthenticators",
)

MESSAGE = """
  Kittiwake Bank is open.

    The bank         {bank}/
    Authsignal       {emulator}/  (the emulator: nothing leaves this computer)
    Mail and SMS     {emulator}/inbox/
    Admin            {bank}/admin/  (sign in as grace)

  Sign in as

{users}

  What to try

    1. Open the bank, sign in as ada, and set up a passkey, an authenticator app
       or a code by e-mail. The code arrives in the inbox above.
    2. Withdraw money: the form opens after you have proved again that it is you.
    3. Leave a proof half way: nothing is done, and there is a way on.
    4. With a passkey: sign out, then sign in without the password.
    5. As grace, open the admin: the ledger has a row for every question asked, and
       the list of users an action for somebody who lost their phone. Put a
       balance right: its form asks for a proof, and its history names it.

  Ctrl-C ends both. To begin anew, delete {state}.
"""


class DemoError(Exception):
    """Something stands in the way; the text says what, and `code` is the exit code."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.code = code


def run(argv: Sequence[str] | None, stop: threading.Event) -> int:
    """Run both until `stop` is set; returns the exit code."""
    ports = _read_options(argv)
    children: list[Child] = []
    try:
        if not stop.is_set():
            _prepare(ports)
            _run(ports, children, stop)
    except DemoError as error:
        _say(f"\n  {error}\n", sys.stderr)
        return error.code
    finally:
        for child in reversed(children):
            child.stop()
    _say("\n  Both have ended.\n")
    return 0


def _read_options(argv: Sequence[str] | None) -> Ports:
    parser = argparse.ArgumentParser(prog="python -m example_project.demo", description="Run the demo bank.")
    parser.add_argument("--port", type=_port, default=8000, help="where the bank listens (8000)")
    parser.add_argument("--emulator-port", type=_port, default=9000, help="where the emulator listens (9000)")
    options = parser.parse_args(argv)
    if options.port == options.emulator_port:
        parser.error("the bank and the emulator need a port each: make demo PORT=8000 EMULATOR_PORT=9000")
    return Ports(bank=options.port, emulator=options.emulator_port)


def _port(text: str) -> int:
    """Read a port number; raises ArgumentTypeError."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; use a number from 1 to 65535, like 8001")
    return int(text)


def _prepare(ports: Ports) -> None:
    """Check the ports before anything else, then make the tables and the demo users."""
    problem = ports.problem()
    if problem:
        raise DemoError(problem, code=2)
    try:
        STATE.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fix = "Choose another folder with DEMO_STATE, or move away what is there."
        raise DemoError(f"The databases cannot go to {STATE}: {error.strerror}. {fix}") from None
    os.environ["DJANGO_SETTINGS_MODULE"] = "example_project.settings"
    os.environ["EMULATOR_PORT"] = str(ports.emulator)
    django.setup()
    try:
        call_command("migrate", verbosity=0, interactive=False)
        call_command("demo_data", stdout=io.StringIO())
    except DatabaseError as error:
        fix = f"To begin anew, delete {STATE}."
        raise DemoError(f"The bank's database cannot be used: {error}. {fix}") from None


def _run(ports: Ports, children: list[Child], stop: threading.Event) -> None:
    """Start both, tell the person, wait for a signal; raises DemoError when a child ends by itself."""
    emulator = Child("emulator", _emulator_arguments(ports), log=STATE / "emulator.log")
    bank = Child("bank", ("example_project.manage", "runserver", "--noreload", f"127.0.0.1:{ports.bank}"))
    with requests.Session() as http:
        # Never through a proxy: everything asked here listens on this computer.
        http.trust_env = False
        _start(emulator, ports.emulator_url, children, stop, http)
        if not stop.is_set():
            _configure_actions(ports, http)
            _start(bank, ports.bank_url, children, stop, http)
    if not stop.is_set():
        _say(_message(ports))
    while not stop.wait(0.2):
        _raise_if_ended(children)


def _emulator_arguments(ports: Ports) -> tuple[str, ...]:
    database = f"sqlite:///{STATE / 'emulator.sqlite3'}"
    # The bank's sign-in page asks for passkeys by itself.
    origin = ("--origin", ports.bank_url)
    return ("django_authsignal.emulator", "--port", str(ports.emulator), "--database", database, *origin)


def _start(child: Child, url: str, children: list[Child], stop: threading.Event, http: requests.Session) -> None:
    """Start a child; return when it answers or a signal came, raise DemoError when it is too slow."""
    child.start()
    children.append(child)
    deadline = time.monotonic() + STARTUP
    while not stop.wait(0.1):
        _raise_if_ended(children)
        try:
            http.get(url, timeout=2, allow_redirects=False)
        except requests.RequestException:
            if time.monotonic() > deadline:
                raise DemoError(f"The {child.name} did not answer on {url} in {STARTUP:.0f} s.") from None
        else:
            return


def _raise_if_ended(children: Sequence[Child]) -> None:
    for child in children:
        if child.ended:
            raise DemoError(f"{child.last_words()}\n  The demo has ended; start it again with: make demo")


def _configure_actions(ports: Ports, http: requests.Session) -> None:
    """Ask for a proof at each action of the bank: one that nobody configured is allowed to everybody."""
    for action in ACTIONS:
        try:
            answer = http.post(
                f"{ports.emulator_url}/v1/management/action-configurations",
                json={"actionCode": action, "defaultUserActionResult": "CHALLENGE"},
                auth=(EMULATOR_KEY, ""),
                timeout=5,
            )
            answer.raise_for_status()
        except requests.RequestException as error:
            raise DemoError(f"The emulator did not accept the action {action}: {error}") from error


def _message(ports: Ports) -> str:
    users = "\n".join(f"    {user.username:<8}{user.password:<18}{user.role}" for user in DEMO_USERS)
    return MESSAGE.format(bank=ports.bank_url, emulator=ports.emulator_url, users=users, state=STATE)


def _say(text: str, stream: TextIO | None = None) -> None:
    print(text, file=stream or sys.stdout, flush=True)
