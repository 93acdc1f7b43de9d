"""The official SDKs, unmodified, against a real emulator."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.emulator.conftest import App, Emulator, emulator, enrol_app, user

from . import install

__all__ = ["App", "emulator", "enrol_app", "user"]


class NodeError(Exception):
    """An AuthsignalError of the Node SDK."""

    def __init__(self, status: int, code: str, description: str) -> None:
        super().__init__(f"{status} {code}: {description}")
        self.status, self.code, self.description = status, code, description


class Node:
    """A Node.js process with a client of @authsignal/node; its methods are called by their own names."""

    def __init__(self, api: str, secret: str) -> None:
        self._process = subprocess.Popen(
            ["node", "call.mjs", api, secret],
            cwd=install.HERE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, method: str, **argument: Any) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps([method, argument]) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if error := answer.get("error"):
            raise NodeError(error.get("statusCode"), error.get("errorCode"), error.get("errorDescription"))
        return answer["result"]

    def close(self) -> None:
        self._process.communicate(timeout=10)


@pytest.fixture(scope="session")
def sdks() -> None:
    """The packages of package-lock.json are installed, or the test is skipped with the reason."""
    if reason := install.install():
        pytest.skip(reason)


@pytest.fixture(scope="session")
def node(sdks: None, emulator: Emulator) -> Iterator[Node]:
    running = Node(emulator.api, emulator.secret)
    yield running
    running.close()
