"""The rest of the browser SDK's passkey flows: /web with cookies, conditional creation, a named user, look-up."""

from __future__ import annotations

import base64
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
import requests

from . import conftest
from .authenticator import SoftwareAuthenticator
from .conftest import Emulator, enrol_passkey

PASSKEY = "user-authenticators/passkey"
COOKIE = "emulator_browser"


class Browser:
    """Keeps cookies, and sends its page's origin."""

    def __init__(self, emulator: Emulator, token: str = "", origin: str = "http://localhost:8000") -> None:
        self._api = emulator.api
        self._http = requests.Session()
        self._http.auth = None if token else (emulator.tenant, "")
        self._http.headers["Origin"] = origin
        if token:
            self._http.headers["Authorization"] = f"Bearer {token}"

    def post(self, path: str, body: Any, *, cookies: bool = True) -> requests.Response:
        if not cookies:
            self._http.cookies.clear()
        return self._http.post(f"{self._api}/client/{path}", json=body, timeout=9)


@pytest.fixture
def enrolled(emulator: Emulator, user: str, passkey: SoftwareAuthenticator) -> SoftwareAuthenticator:
    token = emulator.track(user, emulator.configure("ALLOW"), username=f"{user}@x.example")["token"]
    assert enrol_passkey(emulator, token, passkey)["isVerified"]
    return passkey


def test_a_sign_up_and_a_sign_in_with_cookies(emulator: Emulator, user: str, passkey: SoftwareAuthenticator) -> None:
    browser = Browser(emulator, emulator.track(user, emulator.configure("CHALLENGE"))["token"])
    begun = browser.post(f"{PASSKEY}/registration-options/web", {"username": "ann"}).json()
    body = {"registrationCredential": passkey.create(begun["options"]), "challengeId": begun["challengeId"]}
    assert browser.post(PASSKEY, body).json()["isVerified"] is True

    browser = Browser(emulator)
    started = browser.post("challenge/web", {"action": "signIn"}).json()
    begun = browser.post(f"{PASSKEY}/authentication-options", started).json()
    body = {"authenticationCredential": passkey.get(begun["options"]), "challengeId": begun["challengeId"]}
    done = browser.post("verify/passkey", body).json()
    assert emulator.validate(done["accessToken"], userId=user, action="signIn")["isValid"] is True


def test_autofill_with_cookies(emulator: Emulator, user: str, enrolled: SoftwareAuthenticator) -> None:
    browser = Browser(emulator)
    begun = browser.post(f"{PASSKEY}/authentication-options/web", {}).json()
    assert begun["options"]["allowCredentials"] == []
    body = {"authenticationCredential": enrolled.get(begun["options"]), "challengeId": begun["challengeId"]}
    done = browser.post("verify/passkey", body).json()
    assert (done["userId"], emulator.validate(done["accessToken"])["isValid"]) == (user, True)


@pytest.mark.parametrize("start", ["challenge/web", f"{PASSKEY}/authentication-options/web"])
def test_a_challenge_of_one_browser_is_not_answered_in_another(
    emulator: Emulator, enrolled: SoftwareAuthenticator, start: str
) -> None:
    started = Browser(emulator).post(start, {"action": "signIn"}).json()
    thief = Browser(emulator)
    thief.post(f"{PASSKEY}/authentication-options/web", {})
    begun = thief.post(f"{PASSKEY}/authentication-options", {"challengeId": started["challengeId"]}).json()
    body = {"authenticationCredential": enrolled.get(begun["options"]), "challengeId": started["challengeId"]}
    for cookies in (True, False):
        answer = thief.post("verify/passkey", body, cookies=cookies)
        assert (answer.status_code, answer.json()["errorCode"]) == (400, "invalid_credential")


def test_a_registration_of_one_browser_is_not_finished_in_another(
    emulator: Emulator, user: str, passkey: SoftwareAuthenticator
) -> None:
    token = emulator.track(user, "signIn")["token"]
    begun = Browser(emulator, token).post(f"{PASSKEY}/registration-options/web", {}).json()
    body = {"registrationCredential": passkey.create(begun["options"])}
    assert Browser(emulator, token).post(PASSKEY, body).status_code == 400


def test_a_challenge_of_no_browser_is_answered_in_any(emulator: Emulator, enrolled: SoftwareAuthenticator) -> None:
    browser = Browser(emulator)
    browser.post("challenge/web", {"action": "signIn"})
    begun = browser.post(f"{PASSKEY}/authentication-options", {}).json()
    body = {"authenticationCredential": enrolled.get(begun["options"]), "challengeId": begun["challengeId"]}
    assert browser.post("verify/passkey", body).status_code == 200


def test_two_tabs_of_one_browser_keep_their_challenges(emulator: Emulator, enrolled: SoftwareAuthenticator) -> None:
    browser = Browser(emulator)
    tabs = [browser.post(f"{PASSKEY}/authentication-options/web", {}).json() for _ in range(2)]
    for tab in tabs:
        body = {"authenticationCredential": enrolled.get(tab["options"]), "challengeId": tab["challengeId"]}
        assert browser.post("verify/passkey", body).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", PASSKEY),
        ("POST", "verify/passkey"),
        ("POST", "challenge/web"),
        ("POST", f"{PASSKEY}/registration-options/web"),
        ("POST", f"{PASSKEY}/authentication-options/web"),
        ("POST", "init"),
        ("POST", "challenge/sms"),
        ("GET", "user-authenticators"),
        ("DELETE", "user-authenticators/00000000-0000-0000-0000-000000000000"),
    ],
)
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/json"])
def test_the_cookie_alone_authorises_nothing(
    emulator: Emulator, user: str, passkey: SoftwareAuthenticator, method: str, path: str, kind: str
) -> None:
    token = emulator.track(user, "signIn")["token"]
    made = Browser(emulator, token).post(f"{PASSKEY}/registration-options/web", {})
    headers = {"Origin": "https://evil.example", "Content-Type": kind}
    answer = requests.request(
        method, f"{emulator.api}/client/{path}", data="{}", headers=headers, cookies=dict(made.cookies), timeout=9
    )
    assert (answer.status_code, answer.json()["error"]) == (401, "unauthorized")
    assert "Set-Cookie" not in answer.headers


def test_the_cookie_is_closed_to_scripts_and_other_sites(emulator: Emulator) -> None:
    header = Browser(emulator).post("challenge/web", {"action": "signIn"}).headers["Set-Cookie"]
    assert header.startswith(f"{COOKIE}=")
    assert {"HttpOnly", "SameSite=Strict", "Path=/v1/client/", "Max-Age=300"} <= set(header.split("; "))


def test_a_cookie_that_is_not_ours_is_replaced(emulator: Emulator) -> None:
    url, body = f"{emulator.api}/client/challenge/web", {"action": "signIn"}
    answer = requests.post(url, json=body, auth=(emulator.tenant, ""), cookies={COOKIE: "chosen"}, timeout=9)
    assert len(answer.cookies[COOKIE]) == 43


def test_other_calls_set_no_cookie(emulator: Emulator) -> None:
    assert "Set-Cookie" not in Browser(emulator).post("challenge", {"action": "signIn"}).headers
    assert "Set-Cookie" not in Browser(emulator).post(f"{PASSKEY}/authentication-options", {}).headers


# CORS.


def preflight(url: str, origin: str, path: str) -> requests.Response:
    wanted = "authorization,content-type,x-authsignal-sdk,x-authsignal-native-sdk-version,x-authsignal-signature"
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": wanted,
    }
    answer = requests.options(f"{url}/v1/client/{path}", headers=headers, timeout=9)
    assert answer.status_code == 204
    assert set(wanted.split(",")) <= set(answer.headers["Access-Control-Allow-Headers"].split(", "))
    return answer


KNOWN = ["http://localhost:8000", "http://127.0.0.1:3000", "http://[::1]:5173", "https://localhost"]
FOREIGN = [
    "https://evil.example",
    "null",
    "http://localhost.evil.example",
    "http://evil.example@localhost",
    "http://localhost:80/x",
    "file://localhost",
    "http://[",
    "http://127.0.0.1.nip.io",
]


@pytest.mark.parametrize("path", ["challenge/web", f"{PASSKEY}/registration-options/web", "verify/passkey"])
@pytest.mark.parametrize("origin", KNOWN)
def test_a_known_page_may_call_with_cookies(emulator: Emulator, origin: str, path: str) -> None:
    headers = preflight(emulator.url, origin, path).headers
    assert (headers["Access-Control-Allow-Origin"], headers["Access-Control-Allow-Credentials"]) == (origin, "true")
    assert "Origin" in headers["Vary"]


@pytest.mark.parametrize("origin", FOREIGN)
def test_a_foreign_page_may_never_call_with_cookies(emulator: Emulator, origin: str) -> None:
    web = preflight(emulator.url, origin, "challenge/web").headers
    assert "Access-Control-Allow-Origin" not in web
    other = preflight(emulator.url, origin, "challenge").headers
    assert other["Access-Control-Allow-Origin"] == "*"
    for headers in (web, other):
        assert "Access-Control-Allow-Credentials" not in headers
        assert "Origin" in headers["Vary"]


# What a browser makes by itself.


def silently_made(emulator: Emulator, token: str, passkey: SoftwareAuthenticator, **more: Any) -> requests.Response:
    passkey.asks_user = passkey.verifies_user = False
    begun = emulator.call(f"{PASSKEY}/registration-options", token, {})
    body = {"registrationCredential": passkey.create(begun["options"]), "challengeId": begun["challengeId"], **more}
    return emulator.client("POST", PASSKEY, token, body)


def test_a_passkey_made_silently_is_enrolled_and_proves_nothing(
    emulator: Emulator, user: str, passkey: SoftwareAuthenticator
) -> None:
    tracked = emulator.track(user, emulator.configure("CHALLENGE"))
    done = silently_made(emulator, tracked["token"], passkey, conditionalCreate=True).json()
    assert done["isVerified"] is True
    assert emulator.validate(done["accessToken"])["isValid"] is False
    later = emulator.track(user, emulator.configure("CHALLENGE"))
    assert later["enrolledVerificationMethods"] == ["PASSKEY"]
    refused = emulator.client("POST", "user-authenticators/totp", done["accessToken"])
    assert refused.status_code == 403


def test_a_passkey_made_silently_needs_its_user_to_sign_in(
    emulator: Emulator, user: str, passkey: SoftwareAuthenticator
) -> None:
    silently_made(emulator, emulator.track(user, "signIn")["token"], passkey, conditionalCreate=True)
    for verified, status in ((False, 400), (True, 200)):
        passkey.asks_user = passkey.verifies_user = verified
        begun = emulator.anonymous(f"{PASSKEY}/authentication-options", {}).json()
        body = {"authenticationCredential": passkey.get(begun["options"])}
        assert emulator.anonymous("verify/passkey", body).status_code == status


@pytest.mark.parametrize("flag", [False, None])
def test_without_the_flag_a_silent_passkey_is_refused(
    emulator: Emulator, user: str, passkey: SoftwareAuthenticator, flag: bool | None
) -> None:
    token = emulator.track(user, "signIn")["token"]
    assert silently_made(emulator, token, passkey, conditionalCreate=flag).status_code == 400


def test_a_silent_passkey_needs_the_right_to_enrol(
    emulator: Emulator, user: str, passkey: SoftwareAuthenticator, enrol_app: Any
) -> None:
    token = emulator.track(user, "signIn", scope="add:authenticators")["token"]
    begun = emulator.call(f"{PASSKEY}/registration-options", token, {})
    enrol_app(user)
    bare = emulator.track(user, "signIn")["token"]
    body = {"registrationCredential": passkey.create(begun["options"]), "conditionalCreate": True}
    assert emulator.client("POST", PASSKEY, bare, body).status_code == 403


# A user who is named, and look-up.


def test_only_the_named_user_signs_in(emulator: Emulator, user: str, enrolled: SoftwareAuthenticator) -> None:
    for name, status in ((f"{user}@x.example", 200), ("somebody@else.example", 400)):
        begun = emulator.anonymous(f"{PASSKEY}/authentication-options", {"username": name}).json()
        answer = emulator.anonymous("verify/passkey", {"authenticationCredential": enrolled.get(begun["options"])})
        assert answer.status_code == status
    assert answer.json()["error"] == "unknown_credential"


def test_a_name_does_not_tell_who_is_enrolled(emulator: Emulator, user: str, enrolled: SoftwareAuthenticator) -> None:
    def shown(name: str) -> Any:
        options = emulator.anonymous(f"{PASSKEY}/authentication-options", {"username": name}).json()["options"]
        return {**options, "challenge": ""}

    assert shown(f"{user}@x.example") == shown("nobody@x.example")


def test_the_device_of_a_sign_in_is_recorded(emulator: Emulator, user: str, enrolled: SoftwareAuthenticator) -> None:
    started = emulator.anonymous("challenge", {"action": "signIn"}).json()
    begun = emulator.anonymous(f"{PASSKEY}/authentication-options", started).json()
    device = f"device-{user}"
    body = {"authenticationCredential": enrolled.get(begun["options"]), **started, "deviceId": device}
    assert emulator.anonymous("verify/passkey", body).status_code == 200
    assert [one["deviceId"] for one in emulator.server("GET", f"users/{user}/devices").json()] == [device]


@pytest.mark.parametrize("query", ["credentialIds=AAAA,{}", "credentialId={}", "credentialIds={}"])
def test_a_passkey_is_looked_up(emulator: Emulator, enrolled: SoftwareAuthenticator, query: str) -> None:
    known = enrolled.get({"challenge": "AA", "rpId": "localhost"})["id"]
    url = f"{emulator.api}/client/{PASSKEY}?{query.format(known)}"
    answer = requests.get(url, auth=(emulator.tenant, ""), timeout=9)
    assert (answer.status_code, answer.json()["credentialId"]) == (200, known)


@pytest.mark.parametrize("query", ["", "credentialIds=", "credentialId=AAAA", "credentialIds=,,,"])
def test_an_unknown_passkey_is_not_found(emulator: Emulator, query: str) -> None:
    answer = requests.get(f"{emulator.api}/client/{PASSKEY}?{query}", auth=(emulator.tenant, ""), timeout=9)
    assert (answer.status_code, answer.json()["errorCode"]) == (404, "invalid_credential")


# Behind https, for a page of another site, with a tenant id that SDKs write in their own ways.

TENANT = "~~~ten.ant-1_"  # its base64 holds a plus


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ("--port", str(port), "--public-url", "https://auth.example", "--origin", "https://app.example")
    running = conftest.start(tmp_path_factory.mktemp("remote"), *options, "--tenant", TENANT)
    # Nothing resolves the public name here: what terminates https speaks to this address.
    running.url, running.tenant = f"http://127.0.0.1:{port}", TENANT
    yield running
    conftest.stop(running)


@pytest.mark.parametrize("origin", ["https://app.example", "https://auth.example", "http://localhost:8000"])
def test_a_named_origin_may_call_with_cookies(remote: Emulator, origin: str) -> None:
    headers = preflight(remote.url, origin, "challenge/web").headers
    assert (headers["Access-Control-Allow-Origin"], headers["Access-Control-Allow-Credentials"]) == (origin, "true")


@pytest.mark.parametrize("origin", ["http://app.example", "https://app.example:444", "https://x.app.example"])
def test_a_named_origin_is_that_origin_only(remote: Emulator, origin: str) -> None:
    assert "Access-Control-Allow-Origin" not in preflight(remote.url, origin, "challenge/web").headers


def tenant_header(kind: str) -> str:
    with_colon = f"{TENANT}:".encode()
    return {
        "browser": base64.b64encode(quote(TENANT, safe="~()*!.'-_").encode()),
        "ios": base64.urlsafe_b64encode(with_colon).rstrip(b"="),
        "android": base64.b64encode(with_colon),
        "curl": base64.b64encode(with_colon + b"anything:more"),
        "bare": base64.b64encode(TENANT.encode()).rstrip(b"="),
    }[kind].decode()


@pytest.mark.parametrize("kind", ["browser", "ios", "android", "curl", "bare"])
@pytest.mark.parametrize("scheme", ["Basic", "basic"])
def test_a_tenant_is_read_from_every_encoding(remote: Emulator, kind: str, scheme: str) -> None:
    headers = {"Authorization": f"{scheme} {tenant_header(kind)}"}
    answer = requests.post(f"{remote.api}/client/challenge/web", json={"action": "a"}, headers=headers, timeout=9)
    assert answer.status_code == 200
    assert {"HttpOnly", "Secure", "SameSite=None"} <= set(answer.headers["Set-Cookie"].split("; "))
