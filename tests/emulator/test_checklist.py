"""What every official SDK relies on, one test for each point; the depth is in the other files.

The points are those that the SDKs' sources and the documentation agree on.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from django_authsignal.client.types import State, VerificationMethod

from .authenticator import SoftwareAuthenticator, decode
from .conftest import App, Emulator, enrol_passkey, start, stop
from .phone import Phone
from .test_codes import WRONG, mailed, other

KEYS = {"error", "errorCode", "errorDescription"}
ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


ANDROID = "android:apk-key-hash:AbC-_123"


@pytest.fixture(scope="module")
def other_one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """With two keys, and with passkeys of an app's domain that an Android app may use."""
    options = (
        "--secret",
        "emulator_secret",
        "--secret",
        "emulator_next",
        "--origin",
        ANDROID,
        "--rp-id",
        "app.example",
    )
    running = start(tmp_path_factory.mktemp("other"), *options)
    yield running
    stop(running)


def raw(emulator: Emulator, method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    """One request byte for byte; everything that comes back until the server closes."""
    parts = urlsplit(emulator.url)
    given = {"Host": parts.netloc, "Content-Length": str(len(body)), "Connection": "close", **headers}
    if "Authorization" not in given:
        given["Authorization"] = "Basic " + base64.b64encode(f"{emulator.secret}:".encode()).decode()
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items()), "", ""]
    with socket.create_connection(("127.0.0.1", parts.port or 80), timeout=20) as connection:
        connection.sendall("\r\n".join(lines).encode() + body)
        received = b""
        while part := connection.recv(65536):
            received += part
            if received.startswith(b"HTTP/1.1 101"):
                break
    return received


def raw_json(emulator: Emulator, method: str, path: str, **headers: str) -> Any:
    return json.loads(raw(emulator, method, path, **headers).partition(b"\r\n\r\n")[2])


def test_01_every_answer_is_json_without_a_charset_and_never_empty(emulator: Emulator, user: str) -> None:
    answers = [
        emulator.server("POST", f"users/{user}/actions/signIn", {}),
        emulator.server("GET", f"users/{user}/authenticators"),
        emulator.server("DELETE", f"users/{user}"),
        emulator.server("GET", "challenges", params={"userId": user}),
        emulator.server("GET", "nowhere"),
        emulator.server("POST", "users/u/actions/signIn", []),
        requests.post(f"{emulator.api}/validate", timeout=9),
        emulator.anonymous("challenge", {"action": "signIn"}),
    ]
    assert {answer.headers["Content-Type"] for answer in answers} == {"application/json"}
    assert all(answer.content for answer in answers)


def test_02_every_success_is_200_and_every_error_has_three_keys(emulator: Emulator, user: str) -> None:
    body = {"verificationMethod": "EMAIL_OTP", "email": "a@b.example"}
    made = emulator.server("POST", f"users/{user}/authenticators", body)
    path = f"users/{user}/authenticators/{made.json()['authenticator']['userAuthenticatorId']}"
    removed = emulator.server("DELETE", path)
    assert (made.status_code, removed.status_code, removed.json()) == (200, 200, {"success": True})
    for method, at, status in (("DELETE", path, 404), ("PUT", "validate", 405), ("POST", "sessions", 400)):
        response = emulator.server(method, at, {})
        assert (response.status_code, set(response.json())) == (status, KEYS)
        assert response.json()["error"] == response.json()["errorCode"]


def test_03_validate_names_the_action_twice_and_is_never_an_error(emulator: Emulator, user: str) -> None:
    token = emulator.track(user, "signIn")["token"]
    found = emulator.validate(token)
    assert found["action"] == found["actionCode"] == "signIn"
    assert emulator.validate(token, userId="x") == {"isValid": False, "error": "User is invalid."}
    assert emulator.validate(token, action="x") == {"isValid": False, "error": "Action is invalid."}
    emulator.advance(601)
    for bad in (token, "", "a.b.c"):
        assert emulator.validate(bad)["isValid"] is False


def test_04_an_unknown_user_is_not_enrolled_and_no_error(emulator: Emulator, user: str) -> None:
    response = emulator.server("GET", f"users/{user}")
    assert (response.status_code, response.json()["isEnrolled"]) == (200, False)


def test_05_users_change_by_patch_and_post_and_challenges_are_asked_for_by_get_and_post(
    emulator: Emulator, user: str
) -> None:
    for method in ("PATCH", "POST"):
        assert emulator.server(method, f"users/{user}", {"username": method}).json()["username"] == method
    for method in ("GET", "POST"):
        assert emulator.server(method, "challenges", params={"userId": user}).json() == {}


@pytest.mark.parametrize(
    ("sent", "user_id"),
    [
        ("auth0|a+b@x:1", "auth0|a+b@x:1"),
        ("auth0%7Ca%2Bb%40x%3A1", "auth0|a+b@x:1"),
        ("a%2Fb", "a/b"),
        ("a/b", "a/b"),
        ("a%20b", "a b"),
        ("a%252Fb", "a%2Fb"),
        ("a/actions/b", "a/actions/b"),
    ],
)
def test_06_an_id_is_read_raw_or_encoded_and_decoded_once(emulator: Emulator, sent: str, user_id: str) -> None:
    tracked = raw_json(emulator, "POST", f"/v1/users/{sent}/actions/signIn")
    assert emulator.validate(tracked["token"])["userId"] == user_id


def test_06_php_writes_a_space_as_a_plus(emulator: Emulator) -> None:
    tracked = raw_json(emulator, "POST", "/v1/users/a+b%2Bc/actions/signIn", **{"User-Agent": "authsignal-php"})
    assert emulator.validate(tracked["token"])["userId"] == "a b+c"


def test_06_what_follows_an_id_is_matched_from_the_right(emulator: Emulator, user: str) -> None:
    enrolled = {"verificationMethod": "EMAIL_OTP", "email": "a@b.example"}
    user_id = f"{user}/authenticators/b"
    made = emulator.post(f"users/{user_id}/authenticators", enrolled)["authenticator"]
    assert made["userId"] == user_id
    user_id = f"{user}/devices/b"
    emulator.track(user_id, "signIn", deviceId="d")
    assert [device["userId"] for device in emulator.server("GET", f"users/{user_id}/devices").json()] == [user_id]


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b'{"redirectToSettings": null, "email": null, "surprise": 1}'])
def test_07_empty_bodies_nulls_and_unknown_fields_are_accepted(emulator: Emulator, user: str, body: bytes) -> None:
    url = f"{emulator.api}/users/{user}/actions/signIn"
    assert requests.post(url, data=body, auth=(emulator.secret, ""), timeout=9).status_code == 200


def test_08_basic_authorisation_is_read_in_every_spelling(emulator: Emulator, user: str) -> None:
    url = f"{emulator.api}/users/{user}"
    assert requests.get(url, auth=(emulator.secret, emulator.secret), timeout=9).status_code == 200
    # The last password, which does not matter, is one whose base64 has a + and a /.
    for name in (b"emulator", b"emulator:", b"%65mulator", b"emulator:??>>>>"):
        encodings = [base64.b64encode(name), base64.urlsafe_b64encode(name)]
        for encoded in (*encodings, *(one.rstrip(b"=") for one in encodings)):
            headers = {"Authorization": f"Basic {encoded.decode()}"}
            body = {"action": "signIn"}
            response = requests.post(f"{emulator.api}/client/challenge", json=body, headers=headers, timeout=9)
            assert response.status_code == 200, (name, encoded)


def test_09_times_of_expiry_are_whole_seconds_below_32_bits(emulator: Emulator, user: str) -> None:
    email = f"{user}@b.example"
    body = {"verificationMethod": "EMAIL_OTP", "action": "signIn", "email": email}
    challenge = emulator.post("challenge", body)
    found = emulator.post("challenges", {"challengeId": challenge["challengeId"]})
    code = {"challengeId": challenge["challengeId"], "verificationCode": mailed(emulator, email)}
    assert emulator.post("verify", code)["isVerified"]
    token = emulator.post("claim", {"challengeId": challenge["challengeId"], "userId": user})["token"]
    client = emulator.post("management/app-clients", {})["clientId"]
    pair = emulator.post("sessions", {"token": token, "clientId": client})
    session = emulator.post("sessions/validate", {"accessToken": pair["accessToken"]})
    for answer in (challenge, found, session):
        assert type(answer["expiresAt"]) is int
        assert time.time() < answer["expiresAt"] < 2**31


def test_10_times_are_iso_with_milliseconds_and_names_are_known_and_nothing_is_null(
    emulator: Emulator, user: str, enrol_app: Any
) -> None:
    enrol_app(user)
    tracked = emulator.track(user, emulator.configure("CHALLENGE"))
    answers = [
        tracked,
        emulator.validate(tracked["token"]),
        emulator.server("GET", f"users/{user}").json(),
        *emulator.server("GET", f"users/{user}/actions").json(),
        *emulator.server("GET", f"users/{user}/authenticators").json(),
    ]
    times = [value for answer in answers for name, value in answer.items() if name.endswith("At")]
    assert times
    assert all(ISO.fullmatch(value) for value in times)
    assert all(value is not None for answer in answers for value in answer.values())
    assert {answer["state"] for answer in answers if "state" in answer} <= set(State)
    assert set(tracked["allowedVerificationMethods"]) <= set(VerificationMethod)


def test_11_the_url_holds_a_question_mark_and_the_token_its_claims(emulator: Emulator, user: str) -> None:
    tracked = emulator.track(user, "signIn")
    assert "?" in tracked["url"]
    assert tracked["challengeUrl"] == tracked["url"]
    claims = jwt.decode(tracked["token"], options={"verify_signature": False})
    assert claims["sub"] == claims["other"]["userId"] == user
    assert claims["exp"] - claims["iat"] == 600
    assert claims["scope"] == "read:authenticators"
    assert claims["other"].items() >= {"tenantId": "emulator", "actionCode": "signIn"}.items()


def test_12_the_hosted_page_may_be_framed_and_tells_its_opener(emulator: Emulator, user: str) -> None:
    url = emulator.track(user, "signIn", redirectUrl="https://app.example/cb")["url"]
    page = requests.get(f"{url}&mode=popup", timeout=9)
    assert "X-Frame-Options" not in page.headers
    assert "frame-ancestors 'none'" not in page.headers["Content-Security-Policy"]
    scripts = re.findall(r'<script[^>]* src="([^"]+)"', page.text)
    code = "".join(requests.get(emulator.url + path, timeout=9).text for path in scripts)
    for message in ("AUTHSIGNAL_READY", "AUTHSIGNAL_CLOSE_POPUP", "{ height:"):
        assert message in code


def way_back(page: str) -> dict[str, list[str]]:
    """The parameters of the link to the application."""
    links = re.findall(r'href="([^"]+)"', page)
    link = next(html.unescape(link) for link in links if link.startswith("https://app.example/cb?"))
    return parse_qs(urlsplit(link).query)


def test_12_the_way_back_keeps_the_parameters_and_carries_token_and_state(
    emulator: Emulator, user: str, enrol_app: Any
) -> None:
    app: App = enrol_app(user)
    tracked = emulator.track(user, emulator.configure("CHALLENGE"), redirectUrl="https://app.example/cb?next=%2Fa%20b")
    page = requests.get(tracked["url"] + "&state=kept", timeout=9).text
    cancelled = way_back(page)
    assert emulator.validate(cancelled["token"][0])["state"] == "CHALLENGE_REQUIRED"
    form = re.search(r'<form method="post" action="([^"]+)"', page)
    assert form
    hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page))
    proved = way_back(requests.post(emulator.url + form[1], {**hidden, "code": app.code()}, timeout=9).text)
    assert emulator.validate(proved["token"][0])["isValid"]
    for given in (cancelled, proved):
        assert (given["next"], given["state"]) == (["/a b"], ["kept"])


def test_13_browsers_may_call_the_client_api_and_read_its_successes(
    emulator: Emulator, user: str, enrol_app: Any
) -> None:
    app: App = enrol_app(user)
    asked = {"Origin": "https://app.example", "Access-Control-Request-Headers": "authorization,content-type"}
    allowed = requests.options(f"{emulator.api}/client/verify/totp", headers=asked, timeout=9).headers
    assert allowed["Access-Control-Allow-Origin"] == "*"
    assert {"authorization", "content-type"} <= set(allowed["Access-Control-Allow-Headers"].split(", "))
    own = requests.options(f"{emulator.api}/client/challenge/web", headers={"Origin": emulator.url}, timeout=9).headers
    assert own["Access-Control-Allow-Origin"] == emulator.url
    assert own["Access-Control-Allow-Credentials"] == "true"
    token = emulator.track(user, emulator.configure("CHALLENGE"))["token"]
    assert emulator.call("verify/totp", token, {"verificationCode": other(app.code())}) == WRONG
    done = emulator.call("verify/totp", token, {"verificationCode": app.code()})
    assert "error" not in done
    assert emulator.validate(done["accessToken"])["isValid"]


def test_13_in_app_proofs_alone_name_their_token_otherwise(emulator: Emulator, user: str) -> None:
    phone = Phone(emulator, "in-app")
    assert phone.enrol(emulator.track(user, "signIn")["token"]).status_code == 200
    challenge = emulator.anonymous("challenge", {"action": "signIn"}).json()["challengeId"]
    answer = emulator.anonymous("verify/in-app", phone.signed(challenge)).json()
    assert "accessToken" not in answer
    assert emulator.validate(answer["token"])["isValid"]


def test_14_webauthn_is_base64url_and_standard_base64_is_understood(
    emulator: Emulator, user: str, passkey: SoftwareAuthenticator
) -> None:
    enrol_passkey(emulator, emulator.track(user, emulator.configure("ALLOW"))["token"], passkey)
    token = emulator.track(user, emulator.configure("CHALLENGE"))["token"]
    options = emulator.call("user-authenticators/passkey/authentication-options", token, {})
    assert not set("+/=") & set(options["options"]["challenge"])
    passkey.remark = "??????>>>>>>"
    credential = passkey.get(options["options"])
    data = base64.b64encode(decode(credential["response"]["clientDataJSON"])).decode()  # as iOS writes it
    assert {"+", "/"} & set(data)
    credential["response"]["clientDataJSON"] = data
    body = {"authenticationCredential": credential, "challengeId": options["challengeId"]}
    assert emulator.call("verify/passkey", token, body)["isVerified"]


def test_14_passkeys_are_of_the_configured_domain_and_origins(other_one: Emulator, user: str) -> None:
    action = other_one.configure("CHALLENGE")
    enrolled = enrol_passkey(other_one, other_one.track(user, action)["token"], SoftwareAuthenticator(origin=ANDROID))
    assert enrolled["isVerified"]
    options = other_one.anonymous("user-authenticators/passkey/authentication-options", {}).json()["options"]
    assert options["rpId"] == "app.example"
    token, stranger = other_one.track(f"{user}-b", action)["token"], SoftwareAuthenticator(origin=f"{ANDROID}4")
    options = other_one.call("user-authenticators/passkey/registration-options", token, {})
    body = {"registrationCredential": stranger.create(options["options"]), "challengeId": options["challengeId"]}
    assert other_one.client("POST", "user-authenticators/passkey", token, body).status_code == 400


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """An address for webhooks, and what came there: the signature and the body."""
    received: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.headers["X-Signature-V2"], content))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", received
        server.shutdown()
        thread.join()


def test_15_a_webhook_is_signed_without_padding_by_each_key(
    other_one: Emulator, user: str, receiver: tuple[str, list[tuple[str, bytes]]]
) -> None:
    url, received = receiver
    other_one.post("management/webhooks", {"url": url, "types": ["email.created"]})
    other_one.post("challenge", {"verificationMethod": "EMAIL_OTP", "action": "signIn", "email": f"{user}@b.example"})
    deadline = time.monotonic() + 10
    while not received and time.monotonic() < deadline:
        time.sleep(0.05)
    header, content = received[0]
    stamp, *parts = (part.split("=") for part in header.split(","))
    message = f"{stamp[1]}.".encode() + content
    signatures = [hmac.digest(key, message, hashlib.sha256) for key in (b"emulator_secret", b"emulator_next")]
    assert parts == [["v2", base64.b64encode(signature).rstrip(b"=").decode()] for signature in signatures]


def test_16_a_plus_in_a_public_key_may_arrive_as_a_space(emulator: Emulator, user: str) -> None:
    public_key = ""
    while "+" not in public_key:
        key = ec.generate_private_key(ec.SECP256R1()).public_key()
        der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        public_key = base64.b64encode(der).decode()
    body = {"publicKey": public_key, "deviceName": "Phone", "devicePlatform": "android"}
    made = emulator.call("user-authenticators/push", emulator.track(user, "signIn")["token"], body)
    basic = "Basic " + base64.b64encode(b"emulator:").decode()
    path = f"/v1/client/user-authenticators/push?publicKey={public_key}"
    found = raw_json(emulator, "GET", path, Authorization=basic)
    assert found["userAuthenticatorId"] == made["userAuthenticatorId"]


def test_17_connections_are_kept_and_a_body_that_never_comes_is_given_up(emulator: Emulator, user: str) -> None:
    connection = HTTPConnection("127.0.0.1", urlsplit(emulator.url).port, timeout=20)
    sockets = set()
    for _ in range(2):
        connection.request("GET", f"/v1/users/{user}")
        response = connection.getresponse()
        assert len(response.read()) == int(response.headers["Content-Length"])
        sockets.add(connection.sock)
    connection.close()
    assert len(sockets - {None}) == 1
    received = raw(emulator, "POST", f"/v1/users/{user}/actions/signIn", b"{}", **{"Content-Length": "99"})
    assert received.startswith(b"HTTP/1.1 408")


def test_18_the_keys_are_published(emulator: Emulator) -> None:
    found = requests.get(f"{emulator.api}/client/public/emulator/.well-known/jwks", timeout=9).json()
    assert {(key["kty"], key["alg"]) for key in found["keys"]} == {("EC", "ES256"), ("RSA", "RS256")}


def test_18_the_websocket_is_open_to_the_tenants_browsers(emulator: Emulator) -> None:
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    upgrade |= {"Sec-WebSocket-Key": base64.b64encode(b"x" * 16).decode(), "Origin": emulator.url}
    upgrade |= {"Sec-WebSocket-Protocol": "authsignal-ws, x.authsignal.tenant.emulator"}
    received = raw(emulator, "GET", "/ws-v1-challenge", **upgrade).lower()
    assert received.startswith(b"http/1.1 101")
    assert b"sec-websocket-protocol: authsignal-ws" in received
