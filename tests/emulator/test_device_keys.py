"""The keys of phones: who may enrol one, who may look it up, and whose signature counts."""

from __future__ import annotations

import base64
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from .authenticator import SoftwareAuthenticator
from .conftest import Emulator, enrol_passkey
from .phone import Phone, challenged, phone_of, refused

KINDS = ["push", "qr-code", "in-app"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_is_enrolled_found_and_removed(emulator: Emulator, user: str, kind: str) -> None:
    phone = phone_of(emulator, user, kind)
    found = phone.look_up().json()
    assert (found["userId"], set(found)) == (user, {"userAuthenticatorId", "userId", "verifiedAt"})
    listed = emulator.server("GET", f"users/{user}/authenticators").json()[0]
    assert listed["verificationMethod"] == kind.upper().replace("-", "_")
    assert (listed["displayName"], listed["devicePlatform"]) == ("Ada's phone", "IOS")
    assert phone.remove().json() == {"removedAuthenticatorId": found["userAuthenticatorId"]}
    assert refused(phone.look_up()) == "invalid_credential"
    assert emulator.server("GET", f"users/{user}").json()["isEnrolled"] is False


def test_enrolling_a_key_proves_nothing(emulator: Emulator, user: str) -> None:
    tracked = emulator.track(user, emulator.configure("CHALLENGE"))
    assert Phone(emulator, "push").enrol(tracked["token"]).json()["recoveryCodes"]
    assert emulator.validate(tracked["token"])["state"] == "ALLOW"


def test_a_second_authenticator_needs_the_scope_or_a_proof(
    emulator: Emulator, user: str, passkey: SoftwareAuthenticator
) -> None:
    enrol_passkey(emulator, emulator.track(user, emulator.configure("ALLOW"))["token"], passkey)
    _action, token = challenged(emulator, user)
    assert refused(Phone(emulator, "push").enrol(token)) == "forbidden"


def test_a_tenant_id_enrols_nobody(emulator: Emulator) -> None:
    phone = Phone(emulator, "push")
    assert phone.ask("POST", "", json={"publicKey": phone.public_key}).status_code == 401


def test_a_key_of_another_user_is_refused_and_ones_own_is_described_anew(emulator: Emulator, user: str) -> None:
    phone = phone_of(emulator, user, "push")
    other = emulator.track(f"{user}-other", emulator.configure("ALLOW"))["token"]
    assert refused(phone.enrol(other)) == "invalid_credential"
    token = emulator.track(user, emulator.configure("ALLOW"), scope="add:authenticators")["token"]
    again = phone.enrol(token, deviceName="New name").json()
    assert again["userAuthenticatorId"] == phone.look_up().json()["userAuthenticatorId"]
    assert emulator.server("GET", f"users/{user}/authenticators").json()[0]["displayName"] == "New name"


def test_one_key_enrolled_in_parallel_is_one_authenticator(emulator: Emulator, user: str) -> None:
    phone = Phone(emulator, "push")
    token = emulator.track(user, emulator.configure("ALLOW"), scope="add:authenticators")["token"]
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda _: phone.enrol(token), range(5)))
    assert [answer.status_code for answer in answers] == [200] * 5
    assert len({answer.json()["userAuthenticatorId"] for answer in answers}) == 1


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP384R1()),
        ec.generate_private_key(ec.SECP256K1()),
        rsa.generate_private_key(65537, 2048),
    ],
    ids=["P-384", "secp256k1", "RSA"],
)
def test_another_kind_of_key_is_refused(emulator: Emulator, user: str, key: Any) -> None:
    token = emulator.track(user, "signIn")["token"]
    answer = Phone(emulator, "push", key).enrol(token)
    assert "P-256" in answer.json()["errorDescription"]


@pytest.mark.parametrize(
    "key", ["", "MFkw", "é", "====", "A" * 3000, "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE" + "A" * 86]
)
def test_what_is_no_key_is_refused(emulator: Emulator, user: str, key: str) -> None:
    token = emulator.track(user, "signIn")["token"]
    assert refused(Phone(emulator, "push").enrol(token, publicKey=key)) == "invalid_request"
    assert refused(Phone(emulator, "push").ask("GET", "", params={"publicKey": key})) == "invalid_request"


@pytest.mark.parametrize("written", ["standard", "url-safe", "twice", "twice url-safe", "plus as it is", "padded"])
def test_the_key_in_the_query_is_read_as_sdks_write_it(emulator: Emulator, user: str, written: str) -> None:
    phone = phone_of(emulator, user, "in-app")
    while "+" not in phone.public_key:
        phone = phone_of(emulator, user, "in-app")
    key = phone.public_key
    if "twice" in written:
        key = base64.b64encode(key.encode()).decode()
    if "url-safe" in written:
        key = key.translate(str.maketrans("+/", "-_")).rstrip("=")
    if written == "padded":
        key = key.rstrip("=") + "===="
    query = f"?publicKey={key}" if written == "plus as it is" else ""
    params = {} if query else {"publicKey": key}
    assert phone.ask("GET", query, params=params).json()["userId"] == user


@pytest.mark.parametrize("stray", ["!", "!!!!"])  # who skips four misses none
def test_a_key_with_a_stray_letter_is_none(emulator: Emulator, user: str, stray: str) -> None:
    phone = phone_of(emulator, user, "push")
    key = f"{phone.public_key[:9]}{stray}{phone.public_key[9:]}"
    assert refused(phone.ask("GET", "", params={"publicKey": key})) == "invalid_request"
    assert refused(phone.ask("GET", "")) == "invalid_request"


def test_what_a_phone_sends_may_be_so_long_and_no_longer(emulator: Emulator, user: str) -> None:
    phone = Phone(emulator, "push")
    token = emulator.track(user, "signIn")["token"]
    assert refused(phone.enrol(token, publicKey=phone.public_key.ljust(2049))) == "invalid_request"
    assert phone.enrol(token, publicKey=phone.public_key.ljust(2048)).status_code == 200
    # Padded in front: what is cut off is a part of the key.
    assert refused(phone.ask("GET", "", params={"publicKey": phone.public_key.rjust(2051)})) == "invalid_request"
    message = f"{int(time.time() + float(emulator.clock_file.read_text())) // 600}.0"
    signature = phone.sign(message)
    while not signature.endswith("=") or signature.endswith("=="):
        signature = phone.sign(message)  # until its bytes need one sign of padding
    right = {"publicKey": phone.public_key.ljust(2048), "signature": signature.rstrip("=").ljust(512)}
    for wrong in ({"publicKey": phone.public_key.ljust(2049)}, {"signature": signature.ljust(513)}):
        assert refused(phone.ask("POST", "/remove", json=right | wrong)) == "invalid_request"
    assert phone.ask("POST", "/remove", json=right).status_code == 200


@pytest.mark.parametrize(("accepted", "status"), [("PUSH", 200), ("PASSKEY", 400)])
def test_a_key_is_enrolled_where_its_method_is_accepted(
    emulator: Emulator, user: str, accepted: str, status: int
) -> None:
    token = emulator.track(user, emulator.configure("ALLOW", [accepted]))["token"]
    assert Phone(emulator, "push").enrol(token).status_code == status


def test_another_spelling_of_the_point_is_the_same_key(emulator: Emulator, user: str) -> None:
    phone = phone_of(emulator, user, "push")
    der = base64.b64decode(phone.public_key)
    x, y = der[-64:-32], der[-1]
    # The same key, its point compressed.
    header = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200")
    compressed = base64.b64encode(header + bytes([2 + y % 2]) + x).decode()
    other = emulator.track(f"{user}-other", emulator.configure("ALLOW"))["token"]
    assert refused(phone.enrol(other, publicKey=compressed)) == "invalid_credential"


def test_a_removal_needs_the_devices_signature_of_now(emulator: Emulator, user: str) -> None:
    phone = phone_of(emulator, user, "push")
    thief = Phone(emulator, "push")
    forged = {"publicKey": phone.public_key, "signature": thief.sign("1.0")}
    assert refused(phone.ask("POST", "/remove", json=forged)) == "invalid_credential"
    assert refused(phone.remove(windows=-3)) == "invalid_credential"
    assert phone.remove(windows=-1).status_code == 200  # a clock that is ten minutes late


@pytest.mark.parametrize(("windows", "status"), [(-2, 400), (-1, 200), (0, 200), (1, 200), (2, 400)])
def test_a_clock_may_be_ten_minutes_off_for_a_removal(emulator: Emulator, user: str, windows: int, status: int) -> None:
    assert phone_of(emulator, user, "push").remove(windows).status_code == status


@pytest.mark.parametrize("signature", ["", "AAAA", "é", "x" * 400, None])
def test_what_is_no_signature_is_refused(emulator: Emulator, user: str, signature: str | None) -> None:
    phone = phone_of(emulator, user, "push")
    body = {"publicKey": phone.public_key, "signature": signature}
    assert refused(phone.ask("POST", "/remove", json=body)) in ("invalid_credential", "invalid_request")


def test_a_signature_with_another_hash_is_refused(emulator: Emulator, user: str) -> None:
    phone = phone_of(emulator, user, "qr-code")
    signed = phone.key.sign(b"00000000-0000-0000-0000-000000000000", ec.ECDSA(hashes.SHA512()))
    body = phone.signed("00000000-0000-0000-0000-000000000000")
    body["signature"] = base64.b64encode(signed).decode()
    assert refused(phone.ask("POST", "/challenge/claim", json=body)) == "invalid_credential"


def test_a_push_token_is_changed_once_for_each_question(emulator: Emulator, user: str) -> None:
    phone = phone_of(emulator, user, "push")
    question = phone.ask("POST", "/sign", params={"publicKey": phone.public_key}).json()
    body = {
        "challengeId": question["challengeId"],
        "publicKey": phone.public_key,
        "signature": phone.sign(question["message"]),
        "pushToken": "new",
        "resetExpiry": True,
    }
    changed = phone.ask("PATCH", "", json=body).json()
    assert (changed["pushToken"], changed["userId"]) == ("new", user)
    # The signature does not cover the token: whoever has seen it must not send another one.
    assert refused(phone.ask("PATCH", "", json=body | {"pushToken": "stolen"})) == "invalid_request"


def test_a_push_token_is_not_changed_by_another_signature_device_or_too_late(emulator: Emulator, user: str) -> None:
    phone, other = phone_of(emulator, user, "push"), phone_of(emulator, f"{user}-other", "push")
    question = phone.ask("POST", "/sign", params={"publicKey": phone.public_key}).json()
    body = {"challengeId": question["challengeId"], "publicKey": phone.public_key, "pushToken": "x"}
    wrong = body | {"signature": phone.sign(question["challengeId"])}
    assert refused(phone.ask("PATCH", "", json=wrong)) == "invalid_credential"
    foreign = body | {"publicKey": other.public_key, "signature": other.sign(question["message"])}
    assert refused(phone.ask("PATCH", "", json=foreign)) == "invalid_request"
    emulator.advance(301)
    late = body | {"signature": phone.sign(question["message"])}
    assert refused(phone.ask("PATCH", "", json=late)) == "invalid_request"


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"devicePlatform": "android"}, 200),
        ({"devicePlatform": "web"}, 200),
        ({"devicePlatform": "fridge"}, 400),
        ({"devicePlatform": None, "deviceName": None}, 200),
        ({"deviceName": 7}, 400),
        ({"pushToken": "x" * 4096}, 200),
        ({"pushToken": "x" * 4097}, 400),
        ({"publicKey": None}, 400),
    ],
)
def test_a_phone_says_what_it_is(emulator: Emulator, user: str, given: dict[str, Any], status: int) -> None:
    answer = Phone(emulator, "push").enrol(emulator.track(user, "signIn")["token"], **given)
    assert answer.status_code == status
    kept = emulator.server("GET", f"users/{user}/authenticators").json() if status == 200 else []
    platform, name = given.get("devicePlatform", "ios"), given.get("deviceName", "Ada's phone")
    assert [(one.get("devicePlatform"), one.get("displayName")) for one in kept] == [
        (platform.upper() if platform else None, name) for _ in kept
    ]


def test_what_is_said_of_a_key_is_told_by_its_place(emulator: Emulator, user: str) -> None:
    answer = Phone(emulator, "push").enrol(emulator.track(user, "signIn")["token"], publicKey="AAAA")
    assert answer.json()["errorDescription"].startswith("body.publicKey must be a public key")
    answer = Phone(emulator, "push").ask("GET", "", params={"publicKey": "AAAA"})
    assert answer.json()["errorDescription"].startswith("publicKey must be a public key")
    answer = Phone(emulator, "push").ask("POST", "/remove", json={"publicKey": "AAAA", "signature": "AAAA"})
    assert answer.json()["errorDescription"].startswith("body.publicKey must be a public key")


# In-app.


def in_app_challenge(emulator: Emulator, **body: str) -> str:
    return str(emulator.anonymous("challenge", body).json()["challengeId"])


def verify(emulator: Emulator, phone: Phone, challenge_id: str) -> Any:
    return emulator.anonymous("verify/in-app", phone.signed(challenge_id))


def test_an_in_app_signature_signs_in_with_an_action(emulator: Emulator, user: str) -> None:
    phone = phone_of(emulator, user, "in-app")
    action = emulator.configure("ALLOW")
    done = verify(emulator, phone, in_app_challenge(emulator, action=action)).json()
    assert set(done) == {"token", "userId", "userAuthenticatorId"}
    proved = emulator.validate(done["token"], userId=user, action=action)
    assert (proved["isValid"], proved["verificationMethod"]) == (True, "IN_APP")


def test_an_in_app_signature_signs_in_without_an_action(emulator: Emulator, user: str) -> None:
    phone = phone_of(emulator, user, "in-app")
    proved = emulator.validate(verify(emulator, phone, in_app_challenge(emulator)).json()["token"])
    assert (proved["isValid"], proved["userId"], proved.get("action")) == (True, user, None)


def test_an_in_app_challenge_is_spent_once_in_parallel(emulator: Emulator, user: str) -> None:
    phone = phone_of(emulator, user, "in-app")
    challenge = in_app_challenge(emulator)
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda _: verify(emulator, phone, challenge), range(5)))
    assert [answer.status_code for answer in answers].count(200) == 1


def test_an_in_app_challenge_expires_and_needs_the_right_kind_of_key(emulator: Emulator, user: str) -> None:
    phone, pusher = phone_of(emulator, user, "in-app"), phone_of(emulator, user, "push")
    challenge = in_app_challenge(emulator)
    assert refused(verify(emulator, pusher, challenge)) == "invalid_credential"
    forged = phone.signed(challenge) | {"signature": pusher.sign(challenge)}
    assert refused(emulator.anonymous("verify/in-app", forged)) == "invalid_credential"
    emulator.advance(301)
    assert refused(verify(emulator, phone, challenge)) == "invalid_credential"


def test_an_in_app_challenge_of_a_browser_is_not_answered_by_an_app(emulator: Emulator, user: str) -> None:
    phone = phone_of(emulator, user, "in-app")
    challenge = emulator.anonymous("challenge/web", {}).json()["challengeId"]
    answer = verify(emulator, phone, challenge)
    assert refused(answer) == "invalid_credential"
    assert answer.json()["errorDescription"].startswith("The in-app challenge is unknown, used or expired")


@pytest.mark.parametrize(
    ("name", "error"), [("{}@x.example", None), ("", None), ("else.example", "unknown_credential")]
)
def test_an_in_app_challenge_for_a_name_is_that_users(
    emulator: Emulator, user: str, name: str, error: str | None
) -> None:
    phone = phone_of(emulator, user, "in-app")
    emulator.track(user, "signIn", username=f"{user}@x.example")
    challenge = in_app_challenge(emulator)
    named = {"challengeId": challenge, "username": name.format(user)}
    emulator.anonymous("user-authenticators/passkey/authentication-options", named)
    answer = verify(emulator, phone, challenge)
    assert (answer.status_code, answer.json().get("errorCode")) == (400 if error else 200, error)


def test_an_in_app_sign_in_keeps_its_key_and_is_remembered_of_its_device(emulator: Emulator, user: str) -> None:
    phone = phone_of(emulator, user, "in-app")
    assert "lastVerifiedAt" not in phone.look_up().json()
    action = emulator.configure("ALLOW")
    done = verify(emulator, phone, in_app_challenge(emulator, action=action, idempotencyKey="mine")).json()
    assert emulator.validate(done["token"], userId=user, action=action)["idempotencyKey"] == "mine"
    assert phone.look_up().json()["lastVerifiedAt"]
    (row,) = emulator.server("GET", f"users/{user}/actions?codes={action}").json()
    assert row["verifiedByAuthenticatorId"] == done["userAuthenticatorId"]


def test_an_in_app_proof_spends_no_other_challenge(emulator: Emulator, user: str) -> None:
    phone, challenges = phone_of(emulator, user, "in-app"), [in_app_challenge(emulator) for _ in range(2)]
    assert [verify(emulator, phone, challenge).status_code for challenge in challenges] == [200, 200]


@pytest.mark.parametrize(("accepted", "status"), [("IN_APP", 200), ("PASSKEY", 400)])
def test_an_app_signs_in_where_it_is_accepted(emulator: Emulator, user: str, accepted: str, status: int) -> None:
    phone, action = phone_of(emulator, user, "in-app"), emulator.configure("CHALLENGE", [accepted])
    assert verify(emulator, phone, in_app_challenge(emulator, action=action)).status_code == status


def test_a_tenant_that_has_switched_apps_off_spends_no_challenge_of_theirs(emulator: Emulator, user: str) -> None:
    phone, challenge = phone_of(emulator, user, "in-app"), in_app_challenge(emulator)
    with emulator.having("IN_APP", isActive=False):
        answer = verify(emulator, phone, challenge)
    assert (answer.status_code, refused(answer)) == (400, "invalid_request")
    assert answer.json()["errorDescription"] == "The tenant has switched off IN_APP."
    assert verify(emulator, phone, challenge).status_code == 200


def test_a_blocked_action_is_not_signed_in_to(emulator: Emulator, user: str) -> None:
    phone = phone_of(emulator, user, "in-app")
    challenge = in_app_challenge(emulator, action=emulator.configure("BLOCK"))
    assert refused(verify(emulator, phone, challenge)) == "forbidden"


def test_track_names_methods_that_dotnet_does_not_know_only_for_who_has_them(emulator: Emulator, user: str) -> None:
    allowed = emulator.track(user, "signIn")["allowedVerificationMethods"]
    assert "PUSH" in allowed
    assert not {"QR_CODE", "IN_APP"} & set(allowed)
    phone_of(emulator, user, "qr-code")
    allowed = emulator.track(user, "signIn")["allowedVerificationMethods"]
    assert {"QR_CODE", "IN_APP"} & set(allowed) == {"QR_CODE"}
