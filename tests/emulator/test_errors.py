"""Whatever has no view is answered in the shape of the API, and to a browser in a sentence; each with the fix."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
import requests

from .conftest import Emulator, start, stop
from .test_checklist import KEYS, raw
from .test_public_url import listening_port

BROWSER = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """Started for a container network, where programs and browsers know it by different names."""
    names = ("--allow-host", "emulator", "--allow-host", "auth-1.internal", "--public-url", "http://[2001:db8::1]:9000")
    running = start(tmp_path_factory.mktemp("named"), *names)
    running.url = f"http://127.0.0.1:{listening_port(running.process.pid)}"
    yield running
    stop(running)


def ask(emulator: Emulator, path: str, method: str = "GET", **headers: str) -> requests.Response:
    return requests.request(method, f"{emulator.url}{path}", headers=headers, timeout=9)


@pytest.mark.parametrize("path", ["/v1", "/users/u", "/v2/users/u", "/nowhere/", "/static/nothing.css"])
def test_an_unknown_address_is_an_error_that_names_the_right_one(emulator: Emulator, path: str) -> None:
    answer = ask(emulator, path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/json")
    assert set(answer.json()) == KEYS
    assert f"{emulator.api}/" in answer.json()["errorDescription"]


def test_a_browser_reads_a_sentence(emulator: Emulator) -> None:
    answer = ask(emulator, "/nowhere/", **BROWSER)
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "text/plain; charset=utf-8")
    assert answer.text.startswith("There is nothing at this address.")


@pytest.mark.parametrize("path", ["/inbox.json", "/openapi.json", "/static/emulator/emulator.css", "/static/nothing"])
def test_a_refused_method_of_a_page_is_told_with_those_it_takes(emulator: Emulator, path: str) -> None:
    answer = ask(emulator, path, "DELETE")
    assert (answer.status_code, set(answer.json())) == (405, KEYS)
    assert "GET" in answer.headers["Allow"]
    assert "GET" in answer.json()["errorDescription"]


@pytest.mark.parametrize("path", ["/v1/users/u", "/"])
def test_a_foreign_host_is_told_the_option_that_lets_it_in(emulator: Emulator, path: str) -> None:
    answer = ask(emulator, path, Host="emulator:9000")
    assert (answer.status_code, set(answer.json())) == (400, KEYS)
    assert answer.json()["errorDescription"].endswith("Start it with --allow-host emulator.")


@pytest.mark.parametrize("host", ["<script>", "a_b", "a b", "a@b", "-" * 300, "[::1", "a:b:c"])
def test_what_is_no_host_is_not_repeated(emulator: Emulator, host: str) -> None:
    received = raw(emulator, "GET", "/v1/users/u", Host=host).decode()
    assert received.startswith("HTTP/1.1 400")
    assert host not in received


@pytest.mark.parametrize("path", ["/static/../settings.py", "/static/%2e%2e/settings.py", "/static//etc/passwd"])
def test_nobody_climbs_out_of_the_static_files(emulator: Emulator, path: str) -> None:
    head, _, body = raw(emulator, "GET", path).partition(b"\r\n\r\n")
    assert head.split()[1] in (b"400", b"404")
    assert b"errorCode" in body


@pytest.mark.parametrize(
    "path", ["a" * 300, "emulator/" + "a" * 256, "a/" * 2100, "é" * 200, "%00", "a%00b", "%ff", "."]
)
@pytest.mark.parametrize(
    ("method", "status"), [("GET", b"404"), ("HEAD", b"404"), ("POST", b"405"), ("DELETE", b"405")]
)
def test_a_path_that_no_file_can_have_is_no_static_file(
    emulator: Emulator, method: str, status: bytes, path: str
) -> None:
    head = raw(emulator, method, f"/static/{quote(path, safe='/%')}").partition(b"\r\n\r\n")[0]
    assert head.split()[1] == status


@pytest.mark.parametrize(
    "host", ["emulator:9000", "emulator", "auth-1.internal:80", "localhost", "127.0.0.1:1", "[2001:db8::1]:9000"]
)
def test_further_hosts_are_answered_when_they_were_named(named: Emulator, host: str) -> None:
    url = f"{named.api}/users/u/actions/signIn"
    answer: Any = requests.post(url, auth=(named.secret, ""), headers={"Host": host}, timeout=9).json()
    assert answer["url"].startswith("http://[2001:db8::1]:9000/challenge/")  # browsers know it by the public URL alone


def test_a_name_that_was_not_given_stays_foreign(named: Emulator) -> None:
    assert ask(named, "/", Host="x.emulator").status_code == 400
