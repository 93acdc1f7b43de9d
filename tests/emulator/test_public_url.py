"""Behind a proxy or in a container: every link, host, origin and domain is the public URL's, whoever asks."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from .authenticator import SoftwareAuthenticator
from .conftest import Emulator, enrol_passkey, start, stop

PUBLIC = "https://auth.example.test:8443"


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    running = start(tmp_path_factory.mktemp("proxied"), "--public-url", PUBLIC)
    try:
        # What `start` read is the public address; a container publishes the port, here it is read from the socket.
        running.url = f"http://127.0.0.1:{listening_port(running.process.pid)}"
        yield running
    finally:
        stop(running)


def listening_port(process: int) -> int:
    """Of the process's one listening socket, from Linux's table."""
    sockets = set()
    for link in Path(f"/proc/{process}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed since it was listed
            sockets.add(os.readlink(link))
    for line in Path(f"/proc/{process}/net/tcp").read_text().splitlines()[1:]:
        columns = line.split()
        if columns[3] == "0A" and f"socket:[{columns[9]}]" in sockets:
            return int(columns[1].split(":")[1], 16)
    raise AssertionError("it does not listen")


def ask(emulator: Emulator, path: str, **headers: str) -> requests.Response:
    return requests.get(f"{emulator.url}{path}", headers=headers, timeout=9)


def test_the_hosted_page_is_at_the_public_url_whatever_the_host_header_says(proxied: Emulator, user: str) -> None:
    for host in ("auth.example.test:8443", "localhost", "127.0.0.1:1"):
        headers = {"Host": host, "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http"}
        answer = requests.post(
            f"{proxied.api}/users/{user}/actions/a", auth=(proxied.secret, ""), headers=headers, timeout=9
        )
        assert answer.json()["url"].startswith(f"{PUBLIC}/challenge/?token=")


@pytest.mark.parametrize("host", ["evil.example", "auth.example.test.evil.example", "x.auth.example.test"])
def test_a_foreign_host_is_refused(proxied: Emulator, host: str) -> None:
    assert ask(proxied, "/inbox/", Host=host).status_code == 400


def test_the_pages_open_by_the_public_host(proxied: Emulator) -> None:
    assert ask(proxied, "/inbox/", Host="auth.example.test:8443").status_code == 200


def test_a_mailed_link_leads_to_the_public_url(proxied: Emulator, user: str) -> None:
    token = proxied.track(user, "signIn")["token"]
    proxied.call("user-authenticators/email-magic-link", token, {"email": f"{user}@example.com"})
    (mail,) = requests.get(f"{proxied.url}/inbox.json", {"to": f"{user}@example.com"}, timeout=9).json()
    assert mail["url"].startswith(f"{PUBLIC}/")


def test_passkeys_are_of_the_public_host_and_its_origin_alone(proxied: Emulator, user: str) -> None:
    token = proxied.track(user, proxied.configure("CHALLENGE"))["token"]
    options: Any = proxied.call("user-authenticators/passkey/registration-options", token, {})
    assert options["options"]["rp"]["id"] == "auth.example.test"
    inside = SoftwareAuthenticator(origin=proxied.url)
    body = {"registrationCredential": inside.create(options["options"]), "challengeId": options["challengeId"]}
    assert not proxied.client("POST", "user-authenticators/passkey", token, body).json().get("isVerified")
    assert enrol_passkey(proxied, token, SoftwareAuthenticator(origin=PUBLIC))["isVerified"]


def test_the_cookie_is_for_https_when_the_public_url_is(proxied: Emulator) -> None:
    answer = proxied.anonymous("challenge/web", {"action": "signIn"})
    assert "Secure" in answer.headers["Set-Cookie"]
    assert "SameSite=None" in answer.headers["Set-Cookie"]


def test_the_document_names_the_public_url(proxied: Emulator) -> None:
    assert ask(proxied, "/openapi.json").json()["servers"] == [{"url": f"{PUBLIC}/v1"}]


# A browser's Origin never names the port that the scheme implies.
@pytest.mark.parametrize(
    ("public", "origin", "page"),
    [
        pytest.param("http://localhost:80", "http://localhost", "http://shop.example", marks=pytest.mark.long),
        ("https://auth.example.test:443", "https://auth.example.test", "https://shop.example"),
    ],
)
def test_a_port_that_goes_without_saying_is_not_said(tmp_path: Path, public: str, origin: str, page: str) -> None:
    port = public.rpartition(":")[2]
    running = start(tmp_path, "--public-url", public, "--origin", f"{page}:{port}")
    running.url = f"http://127.0.0.1:{listening_port(running.process.pid)}"
    try:
        for where in (origin, page):
            token = running.track("ada", running.configure("ALLOW"), scope="add:authenticators")["token"]
            assert enrol_passkey(running, token, SoftwareAuthenticator(origin=where))["isVerified"]
    finally:
        stop(running)
