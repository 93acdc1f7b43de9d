"""Passkeys through the Client API, by a software authenticator."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cbor2
import pytest
import requests

from .authenticator import SoftwareAuthenticator, decode, encode
from .conftest import Emulator, enrol_passkey

OPTIONS = "user-authenticators/passkey/authentication-options"
REGISTRATION = "user-authenticators/passkey/registration-options"


def challenged(emulator: Emulator, user: str) -> str:
    """A token of an action that asks for a proof."""
    tracked = emulator.track(user, emulator.configure("CHALLENGE"))
    assert tracked["state"] == "CHALLENGE_REQUIRED"
    return str(tracked["token"])


def prove(emulator: Emulator, token: str, authenticator: SoftwareAuthenticator) -> requests.Response:
    options = emulator.call(OPTIONS, token, {})
    body = {"authenticationCredential": authenticator.get(options["options"]), "challengeId": options["challengeId"]}
    return emulator.client("POST", "verify/passkey", token, body)


@pytest.fixture
def enrolled(emulator: Emulator, user: str, passkey: SoftwareAuthenticator) -> SoftwareAuthenticator:
    token = emulator.track(user, emulator.configure("ALLOW"))["token"]
    assert enrol_passkey(emulator, token, passkey)["isVerified"]
    return passkey


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
def test_a_passkey_is_enrolled_and_then_proves_an_action(emulator: Emulator, user: str, algorithm: str) -> None:
    passkey = SoftwareAuthenticator(origin=emulator.url, algorithm=algorithm)
    tracked = emulator.track(user, emulator.configure("CHALLENGE"))
    done = enrol_passkey(emulator, tracked["token"], passkey)
    assert len(done["recoveryCodes"]) == 10
    assert emulator.validate(done["accessToken"])["isValid"] is True
    answer = prove(emulator, challenged(emulator, user), passkey).json()
    assert emulator.validate(answer["accessToken"], userId=user)["verificationMethod"] == "PASSKEY"


def test_options_ask_for_a_discoverable_passkey_and_user_verification(emulator: Emulator, user: str) -> None:
    token = emulator.track(user, "signIn")["token"]
    options = emulator.call(REGISTRATION, token, {})["options"]
    selection = options["authenticatorSelection"]
    assert (selection["residentKey"], selection["userVerification"]) == ("required", "required")
    assert selection["authenticatorAttachment"] == "platform"
    anyone = emulator.call(REGISTRATION, token, {"authenticatorAttachment": None})["options"]
    assert "authenticatorAttachment" not in anyone["authenticatorSelection"]


def test_known_passkeys_are_excluded_from_a_second_enrolment(
    emulator: Emulator, user: str, enrolled: SoftwareAuthenticator
) -> None:
    token = emulator.track(user, "signIn", scope="add:authenticators")["token"]
    excluded = emulator.call(REGISTRATION, token, {})["options"]["excludeCredentials"]
    assert len(excluded) == 1


def test_a_registration_cannot_be_replayed(emulator: Emulator, user: str, passkey: SoftwareAuthenticator) -> None:
    token = emulator.track(user, "signIn", scope="add:authenticators")["token"]
    options = emulator.call(REGISTRATION, token, {})
    body = {"registrationCredential": passkey.create(options["options"]), "challengeId": options["challengeId"]}
    assert emulator.client("POST", "user-authenticators/passkey", token, body).status_code == 200
    replay = emulator.client("POST", "user-authenticators/passkey", token, body)
    assert (replay.status_code, replay.json()["error"]) == (400, "invalid_credential")


def test_a_registration_made_for_one_user_does_not_enrol_another(
    emulator: Emulator, user: str, passkey: SoftwareAuthenticator
) -> None:
    options = emulator.call(REGISTRATION, emulator.track(user, "signIn")["token"], {})
    other = emulator.track(f"{user}-other", "signIn")["token"]
    body = {"registrationCredential": passkey.create(options["options"]), "challengeId": options["challengeId"]}
    assert emulator.client("POST", "user-authenticators/passkey", other, body).status_code == 400


def test_one_passkey_cannot_belong_to_two_users(emulator: Emulator, user: str, enrolled: SoftwareAuthenticator) -> None:
    token = emulator.track(f"{user}-other", "signIn")["token"]
    options = emulator.call(REGISTRATION, token, {})
    body = {"registrationCredential": enrolled.create(options["options"])}
    assert emulator.client("POST", "user-authenticators/passkey", token, body).status_code == 400


def test_an_assertion_cannot_be_replayed(emulator: Emulator, user: str, enrolled: SoftwareAuthenticator) -> None:
    token = challenged(emulator, user)
    options = emulator.call(OPTIONS, token, {})
    body = {"authenticationCredential": enrolled.get(options["options"])}
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: emulator.client("POST", "verify/passkey", token, body), range(6)))
    assert [answer.status_code for answer in answers].count(200) == 1


def test_a_challenge_for_one_action_does_not_prove_another(
    emulator: Emulator, user: str, enrolled: SoftwareAuthenticator
) -> None:
    options = emulator.call(OPTIONS, challenged(emulator, user), {})
    body = {"authenticationCredential": enrolled.get(options["options"])}
    answer = emulator.client("POST", "verify/passkey", challenged(emulator, user), body)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_credential")


def test_a_challenge_expires(emulator: Emulator, user: str, enrolled: SoftwareAuthenticator) -> None:
    token = challenged(emulator, user)
    options = emulator.call(OPTIONS, token, {})
    emulator.advance(301)
    body = {"authenticationCredential": enrolled.get(options["options"])}
    assert emulator.client("POST", "verify/passkey", token, body).status_code == 400


def test_another_users_passkey_is_refused(emulator: Emulator, user: str, enrolled: SoftwareAuthenticator) -> None:
    mallory = SoftwareAuthenticator(origin=emulator.url)
    enrol_passkey(emulator, emulator.track(f"{user}-mallory", "signIn")["token"], mallory)
    token = challenged(emulator, user)
    answer = prove(emulator, token, mallory)
    assert (answer.status_code, answer.json()["error"]) == (400, "unknown_credential")
    assert emulator.validate(token)["state"] == "CHALLENGE_REQUIRED"


@pytest.mark.parametrize(
    "fault", [{"origin": "https://evil.example"}, {"origin": "http://localhost"}, {"verifies_user": False}]
)
def test_a_wrong_origin_or_a_missing_user_verification_is_refused(
    emulator: Emulator, user: str, enrolled: SoftwareAuthenticator, fault: dict[str, Any]
) -> None:
    for name, value in fault.items():
        setattr(enrolled, name, value)
    answer = prove(emulator, challenged(emulator, user), enrolled)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_credential")


def test_a_passkey_used_for_another_domain_is_refused(
    emulator: Emulator, user: str, enrolled: SoftwareAuthenticator
) -> None:
    token = challenged(emulator, user)
    options = emulator.call(OPTIONS, token, {})["options"]
    body = {"authenticationCredential": enrolled.get(options | {"rpId": "evil.example"})}
    assert emulator.client("POST", "verify/passkey", token, body).json()["error"] == "invalid_credential"


def test_a_wrong_signature_is_refused(emulator: Emulator, user: str, enrolled: SoftwareAuthenticator) -> None:
    enrolled.key = SoftwareAuthenticator(origin="").key
    assert prove(emulator, challenged(emulator, user), enrolled).json()["error"] == "invalid_credential"


def test_a_sign_count_is_kept_from_the_first_day(emulator: Emulator, user: str, passkey: SoftwareAuthenticator) -> None:
    passkey.count = 7
    assert enrol_passkey(emulator, emulator.track(user, emulator.configure("ALLOW"))["token"], passkey)["isVerified"]
    assert prove(emulator, challenged(emulator, user), passkey).status_code == 400
    passkey.count = 8
    assert prove(emulator, challenged(emulator, user), passkey).json()["isVerified"]


def test_a_sign_count_that_goes_back_is_a_clone(emulator: Emulator, user: str, enrolled: SoftwareAuthenticator) -> None:
    enrolled.count = 5
    assert prove(emulator, challenged(emulator, user), enrolled).status_code == 200
    enrolled.count = 4
    assert prove(emulator, challenged(emulator, user), enrolled).json()["error"] == "invalid_credential"


@pytest.mark.parametrize("algorithm", ["+/", "-_"])
def test_standard_base64_with_padding_is_read_too(
    emulator: Emulator, user: str, enrolled: SoftwareAuthenticator, algorithm: str
) -> None:
    token = challenged(emulator, user)
    credential = enrolled.get(emulator.call(OPTIONS, token, {})["options"])
    text = credential["response"]["clientDataJSON"].translate(str.maketrans("-_", algorithm))
    credential["response"]["clientDataJSON"] = text + "=" * (-len(text) % 4)
    body = {"authenticationCredential": credential}
    assert emulator.client("POST", "verify/passkey", token, body).json()["isVerified"] is True


@pytest.mark.parametrize(
    "credential",
    [
        {},
        {"response": 1},
        {"id": 1, "response": {}},
        {"id": "é", "response": {}},
        {"response": {"clientDataJSON": "W10"}, "id": "aa"},
    ],
)
def test_a_malformed_credential_is_refused(
    emulator: Emulator, user: str, enrolled: SoftwareAuthenticator, credential: Any
) -> None:
    body = {"authenticationCredential": credential}
    assert emulator.client("POST", "verify/passkey", challenged(emulator, user), body).status_code == 400


KEYS = {
    "not CBOR": b"\x80",
    "empty": b"",
    "a list": cbor2.dumps([1]),
    "a number": cbor2.dumps(5),
    "no map of a key": cbor2.dumps({}),
    "a short point": cbor2.dumps({1: 2, 3: -7, -1: 1, -2: b"x", -3: b"y"}),
    "an unknown curve": cbor2.dumps({1: 2, 3: -7, -1: 99, -2: bytes(32), -3: bytes(32)}),
    "coordinates that are numbers": cbor2.dumps({1: 2, 3: -7, -1: 1, -2: 5, -3: None}),
    "an empty RSA key": cbor2.dumps({1: 3, 3: -257, -1: b"", -2: b""}),
}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS.keys())
def test_a_public_key_that_is_none_proves_nothing(
    emulator: Emulator, user: str, passkey: SoftwareAuthenticator, key: bytes
) -> None:
    body = {"verificationMethod": "PASSKEY", "credentialId": encode(passkey.credential_id)}
    emulator.post(f"users/{user}/authenticators", {**body, "credentialPublicKey": encode(key) or "="})
    answer = prove(emulator, challenged(emulator, user), passkey)
    assert (answer.status_code, answer.json()["errorCode"]) == (400, "invalid_credential")


def test_a_registration_without_a_readable_key_is_refused(
    emulator: Emulator, user: str, passkey: SoftwareAuthenticator
) -> None:
    token = emulator.track(user, emulator.configure("ALLOW"))["token"]
    options = emulator.call(REGISTRATION, token, {})
    credential = passkey.create(options["options"])
    attestation = cbor2.loads(decode(credential["response"]["attestationObject"]))
    attestation["authData"] = attestation["authData"][: -len(passkey._cose())] + cbor2.dumps("x")
    credential["response"]["attestationObject"] = encode(cbor2.dumps(attestation))
    answer = emulator.client("POST", "user-authenticators/passkey", token, {"registrationCredential": credential})
    assert (answer.status_code, answer.json()["errorCode"]) == (400, "invalid_credential")


def test_a_passkey_alone_signs_in_its_user(emulator: Emulator, user: str, enrolled: SoftwareAuthenticator) -> None:
    action = emulator.configure("CHALLENGE")
    started = emulator.anonymous("challenge", {"action": action, "idempotencyKey": "mine"}).json()
    options = emulator.anonymous(OPTIONS, {"challengeId": started["challengeId"]}).json()
    assert options["options"]["allowCredentials"] == []
    body = {
        "authenticationCredential": enrolled.get(options["options"]),
        "challengeId": started["challengeId"],
    }
    done = emulator.anonymous("verify/passkey", body).json()
    answer = emulator.validate(done["accessToken"], userId=user, action=action)
    assert (answer["isValid"], answer["idempotencyKey"]) == (True, "mine")
    assert emulator.anonymous("verify/passkey", body).status_code == 400


def test_a_passkey_does_not_sign_in_to_a_blocked_action(emulator: Emulator, enrolled: SoftwareAuthenticator) -> None:
    action = emulator.configure("BLOCK")
    started = emulator.anonymous("challenge", {"action": action}).json()
    options = emulator.anonymous(OPTIONS, started).json()
    body = {"authenticationCredential": enrolled.get(options["options"])}
    assert emulator.anonymous("verify/passkey", body).status_code == 403


def test_a_sign_in_without_an_action_names_the_user_and_no_action(
    emulator: Emulator, user: str, enrolled: SoftwareAuthenticator
) -> None:
    options = emulator.anonymous(OPTIONS, {}).json()
    body = {"authenticationCredential": enrolled.get(options["options"])}
    token = emulator.anonymous("verify/passkey", body).json()["accessToken"]
    answer = emulator.validate(token, userId=user)
    assert answer["isValid"] is True
    assert "action" not in answer
    assert emulator.validate(token, action="signIn")["isValid"] is False


def test_a_registered_passkey_can_be_looked_up(emulator: Emulator, enrolled: SoftwareAuthenticator) -> None:
    from .authenticator import encode

    url = f"{emulator.api}/client/user-authenticators/passkey"
    known, unknown = (
        requests.get(url, params={"credentialIds": ids}, auth=(emulator.tenant, ""), timeout=9)
        for ids in (f"x,{encode(enrolled.credential_id)}", "x,y")
    )
    assert known.json()["credentialId"] == encode(enrolled.credential_id)
    assert (unknown.status_code, unknown.json()["error"]) == (404, "invalid_credential")


def test_an_imported_passkey_names_its_user_as_the_service_did_where_it_was_made(
    emulator: Emulator, user: str, passkey: SoftwareAuthenticator
) -> None:
    body = {"verificationMethod": "PASSKEY", "credentialId": encode(passkey.credential_id)}
    emulator.post(f"users/{user}/authenticators", {**body, "credentialPublicKey": encode(passkey._cose())})
    passkey.user_handle = encode(b"of another service")
    token = challenged(emulator, user)
    assert prove(emulator, token, passkey).json()["isVerified"] is True
    assert emulator.validate(token)["userId"] == user
