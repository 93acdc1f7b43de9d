"""One path under every HTTP server: uvicorn with each of its parsers, and gunicorn as WSGI."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from .conftest import ROOT

_ASGI = "django_authsignal.emulator.asgi:application"
_UVICORN = ["uvicorn", _ASGI, "--lifespan", "off", "--log-level", "warning", "--fd", "{fd}", "--http"]
COMMANDS = {
    "h11": [*_UVICORN, "h11"],
    "httptools": [*_UVICORN, "httptools"],
    "gunicorn": ["gunicorn", "django_authsignal.emulator.wsgi", "--bind", "fd://{fd}", "--log-level", "error"],
}
AUTHORIZATION = "Basic ZW11bGF0b3Jfc2VjcmV0Og=="


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=[] if name == "gunicorn" else pytest.mark.long) for name in COMMANDS],
)
def port(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder: Path = tmp_path_factory.mktemp(request.param)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment["DJANGO_SETTINGS_MODULE"] = "django_authsignal.emulator.settings"
    migrate = [sys.executable, "-m", "django", "migrate", "-v", "0"]
    subprocess.run(migrate, cwd=folder, env=environment, check=True, timeout=30)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [part.format(fd=listener.fileno()) for part in COMMANDS[request.param]]
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=folder,
                env=environment,
                pass_fds=[listener.fileno()],
                stdout=log,
                stderr=log,
            )
        try:
            yield listener.getsockname()[1]
        finally:
            process.terminate()
            process.wait(10)
    assert "Traceback" not in (folder / "log").read_text()


def call(port: int, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Sent byte for byte: no client may tidy the path."""
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    connection.putrequest(method, "/v1/" + path, skip_accept_encoding=True)
    content = b"" if body is None else json.dumps(body).encode()
    for name, value in (("Authorization", AUTHORIZATION), ("Content-Length", str(len(content)))):
        connection.putheader(name, value)
    connection.endheaders(content)
    response = connection.getresponse()
    answer = response.status, json.loads(response.read())
    assert response.headers["Content-Type"] == "application/json"
    connection.close()
    return answer


@pytest.mark.parametrize(
    "user_id",
    ["auth0|a+b@x:1", "a%2Fb", "a/b", "a b", "a%252Fb", "ünï", "名前", "..", "a?b", "a#b", "x/actions/y", "%"],
)
def test_an_encoded_id_is_decoded_once(port: int, user_id: str) -> None:
    sent = quote(user_id, safe="").replace(".", "%2E")
    assert call(port, "PATCH", f"users/{sent}", {})[1]["userId"] == user_id


@pytest.mark.parametrize("user_id", ["auth0|a+b@x:1", "a/b/c", "a//b"])
def test_a_raw_id_is_taken_as_it_is(port: int, user_id: str) -> None:
    assert call(port, "PATCH", f"users/{user_id}", {})[1]["userId"] == user_id


def test_an_id_is_the_same_raw_and_encoded(port: int) -> None:
    tracked = call(port, "POST", "users/auth0|a+b@x:1/actions/signIn")[1]
    asked = {"token": tracked["token"], "userId": "auth0|a+b@x:1"}
    assert call(port, "POST", "validate", asked)[1]["userId"] == "auth0|a+b@x:1"
    key = tracked["idempotencyKey"]
    assert call(port, "GET", f"users/auth0%7Ca%2Bb%40x%3A1/actions/signIn/{key}")[0] == 200


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "nowhere", 404), ("PUT", "validate", 405)])
def test_unknown_paths_and_methods_have_all_three_keys(port: int, method: str, path: str, status: int) -> None:
    answer = call(port, method, path)
    assert (answer[0], set(answer[1])) == (status, {"error", "errorCode", "errorDescription"})


def test_an_encoded_name_of_an_operation_is_a_users_id(port: int) -> None:
    assert call(port, "POST", "users/%61uthenticators", {})[1]["userId"] == "authenticators"
