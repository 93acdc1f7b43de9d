"""Security keys through the Client API: bare WebAuthn objects, and no id of the challenge."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from .authenticator import SoftwareAuthenticator, encode
from .conftest import Emulator, enrol_passkey

KEY = "user-authenticators/security-key"
PASSKEY = "user-authenticators/passkey"


@pytest.fixture
def key(emulator: Emulator) -> SoftwareAuthenticator:
    return SoftwareAuthenticator(origin=emulator.url, verifies_user=False, discoverable=False)


def enrol(emulator: Emulator, token: str, key: SoftwareAuthenticator) -> Any:
    return emulator.call(KEY, token, key.create(emulator.call(f"{KEY}/registration-options", token, {})))


def prove(emulator: Emulator, token: str, key: SoftwareAuthenticator) -> requests.Response:
    options = emulator.call(f"{KEY}/authentication-options", token, {})
    return emulator.client("POST", "verify/security-key", token, key.get(options))


@pytest.fixture
def enrolled(emulator: Emulator, user: str, key: SoftwareAuthenticator) -> SoftwareAuthenticator:
    assert enrol(emulator, emulator.track(user, "signIn")["token"], key)["isVerified"]
    return key


def challenged(emulator: Emulator, user: str) -> str:
    return str(emulator.track(user, emulator.configure("CHALLENGE"))["token"])


def test_a_key_is_enrolled_and_then_proves_an_action(emulator: Emulator, user: str, key: SoftwareAuthenticator) -> None:
    done = enrol(emulator, challenged(emulator, user), key)
    assert done["userAuthenticator"]["verificationMethod"] == "SECURITY_KEY"
    assert emulator.validate(done["accessToken"])["isValid"] is True
    answer = prove(emulator, challenged(emulator, user), key).json()
    assert emulator.validate(answer["accessToken"], userId=user)["verificationMethod"] == "SECURITY_KEY"


def test_options_allow_a_key_that_cannot_verify_its_user_nor_be_discovered(emulator: Emulator, user: str) -> None:
    token = emulator.track(user, "signIn")["token"]
    selection = emulator.call(f"{KEY}/registration-options", token, {})["authenticatorSelection"]
    assert selection["authenticatorAttachment"] == "cross-platform"
    assert (selection["residentKey"], selection["userVerification"]) == ("discouraged", "preferred")


def test_a_challenge_lists_the_users_own_keys_only(
    emulator: Emulator, user: str, enrolled: SoftwareAuthenticator
) -> None:
    own = emulator.call(f"{KEY}/authentication-options", challenged(emulator, user), {})
    assert [one["transports"] for one in own["allowCredentials"]] == [["usb"]]
    other = emulator.call(f"{KEY}/authentication-options", challenged(emulator, f"{user}-other"), {})
    assert other["allowCredentials"] == []


def test_an_assertion_of_a_key_is_spent_once(emulator: Emulator, user: str, enrolled: SoftwareAuthenticator) -> None:
    token = challenged(emulator, user)
    body = enrolled.get(emulator.call(f"{KEY}/authentication-options", token, {}))
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: emulator.client("POST", "verify/security-key", token, body), range(6)))
    assert [answer.status_code for answer in answers].count(200) == 1


def test_a_key_without_verification_does_not_pass_as_a_passkey(
    emulator: Emulator, user: str, enrolled: SoftwareAuthenticator
) -> None:
    token = challenged(emulator, user)
    for options in (
        emulator.call(f"{KEY}/authentication-options", token, {}),
        emulator.call(f"{PASSKEY}/authentication-options", token, {})["options"],
    ):
        body = {"authenticationCredential": enrolled.get(options)}
        assert emulator.client("POST", "verify/passkey", token, body).status_code == 400
    assert emulator.validate(token)["state"] == "CHALLENGE_REQUIRED"


def test_a_registration_of_a_key_is_no_registration_of_a_passkey(
    emulator: Emulator, user: str, passkey: SoftwareAuthenticator
) -> None:
    token = emulator.track(user, "signIn")["token"]
    body = {"registrationCredential": passkey.create(emulator.call(f"{KEY}/registration-options", token, {}))}
    assert emulator.client("POST", PASSKEY, token, body).json()["error"] == "invalid_credential"


def test_another_users_key_is_unknown(emulator: Emulator, user: str, enrolled: SoftwareAuthenticator) -> None:
    answer = prove(emulator, challenged(emulator, f"{user}-other"), enrolled)
    assert (answer.status_code, answer.json()["error"]) == (400, "unknown_credential")


def test_a_challenge_of_one_action_does_not_prove_another(
    emulator: Emulator, user: str, enrolled: SoftwareAuthenticator
) -> None:
    body = enrolled.get(emulator.call(f"{KEY}/authentication-options", challenged(emulator, user), {}))
    answer = emulator.client("POST", "verify/security-key", challenged(emulator, user), body)
    assert answer.json()["error"] == "invalid_credential"


def test_a_key_that_nobody_touched_is_refused(emulator: Emulator, user: str, enrolled: SoftwareAuthenticator) -> None:
    enrolled.asks_user = False
    assert prove(emulator, challenged(emulator, user), enrolled).status_code == 400


def test_a_cloned_key_is_refused(emulator: Emulator, user: str, enrolled: SoftwareAuthenticator) -> None:
    enrolled.count = 9
    assert prove(emulator, challenged(emulator, user), enrolled).status_code == 200
    enrolled.count = 8
    assert prove(emulator, challenged(emulator, user), enrolled).status_code == 400


@pytest.mark.parametrize("path", [KEY, "verify/security-key", f"{KEY}/registration-options"])
def test_the_tenants_id_is_not_enough_for_a_key(emulator: Emulator, path: str) -> None:
    assert emulator.anonymous(path, {}).status_code == 401


@pytest.mark.parametrize("body", [{}, {"id": 1}, {"id": "AA", "rawId": "AA", "type": "public-key", "response": {}}])
@pytest.mark.parametrize("path", [KEY, "verify/security-key"])
def test_what_is_no_credential_is_refused(emulator: Emulator, user: str, path: str, body: Any) -> None:
    assert emulator.client("POST", path, emulator.track(user, "signIn")["token"], body).status_code == 400


def test_of_a_key_the_same_is_kept_as_of_a_passkey(emulator: Emulator, user: str, key: SoftwareAuthenticator) -> None:
    token = emulator.track(user, "signIn")["token"]
    made = key.create(emulator.call(f"{KEY}/registration-options", token, {}))
    done = emulator.call(KEY, token, made | {"clientExtensionResults": {"credProps": {"rk": False}}})
    kept = done["userAuthenticator"]["webauthnCredential"]
    assert (kept["name"], kept["deviceId"], kept["authenticatorAttachment"]) == ("Security key", "", "cross-platform")


def test_a_passkey_and_a_key_are_not_enrolled_again_as_the_other(
    emulator: Emulator, user: str, enrolled: SoftwareAuthenticator, passkey: SoftwareAuthenticator
) -> None:
    token = emulator.track(user, "signIn", scope="add:authenticators")["token"]
    enrol_passkey(emulator, token, passkey)
    known = {encode(one.credential_id) for one in (enrolled, passkey)}
    for path in (KEY, PASSKEY):
        options = emulator.call(f"{path}/registration-options", token, {})
        assert {one["id"] for one in options.get("options", options)["excludeCredentials"]} == known
    for path, own in ((KEY, enrolled), (PASSKEY, passkey)):
        options = emulator.call(f"{path}/authentication-options", token, {})
        listed = options.get("options", options)["allowCredentials"]
        assert [one["id"] for one in listed] == [encode(own.credential_id)]


@pytest.mark.parametrize(("accepted", "status"), [("SECURITY_KEY", 200), ("PASSKEY", 400)])
def test_a_key_is_asked_for_where_it_is_accepted(
    emulator: Emulator, user: str, enrolled: SoftwareAuthenticator, accepted: str, status: int
) -> None:
    token = emulator.track(user, emulator.configure("CHALLENGE", [accepted]))["token"]
    assert emulator.client("POST", f"{KEY}/authentication-options", token, {}).status_code == status


def test_a_key_that_knows_its_user_is_no_passkey_for_that(
    emulator: Emulator, user: str, enrolled: SoftwareAuthenticator
) -> None:
    token = challenged(emulator, user)
    enrolled.verifies_user = True
    body = {
        "authenticationCredential": enrolled.get(emulator.call(f"{PASSKEY}/authentication-options", token)["options"])
    }
    assert emulator.client("POST", "verify/passkey", token, body).json()["errorCode"] == "unknown_credential"


def test_a_key_that_nobody_touched_is_not_enrolled(emulator: Emulator, user: str, key: SoftwareAuthenticator) -> None:
    token = emulator.track(user, "signIn")["token"]
    key.asks_user = False
    made = key.create(emulator.call(f"{KEY}/registration-options", token, {}))
    assert emulator.client("POST", KEY, token, made).json()["errorCode"] == "invalid_credential"
