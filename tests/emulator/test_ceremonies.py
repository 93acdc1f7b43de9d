"""What a passkey is asked for, to the letter, and which challenge it may answer."""

from __future__ import annotations

import os
from base64 import b64encode
from typing import Any

import pytest

from .authenticator import BACKED_UP, ELIGIBLE, SoftwareAuthenticator, decode, encode
from .conftest import Emulator, enrol_passkey
from .test_passkeys import OPTIONS, REGISTRATION, challenged, prove

PASSKEY = "user-authenticators/passkey"
UNKNOWN = "00000000-0000-0000-0000-000000000001"
STRAY = ["!", "!!!!"]  # who skips them misses letters after the one, and none after the four


@pytest.fixture
def enrolled(emulator: Emulator, user: str, passkey: SoftwareAuthenticator) -> SoftwareAuthenticator:
    token = emulator.track(user, emulator.configure("ALLOW"), username=f"{user}@x.example")["token"]
    assert enrol_passkey(emulator, token, passkey)["isVerified"]
    return passkey


def refused(emulator: Emulator, path: str, token: str, body: Any) -> Any:
    answer = emulator.client("POST", path, token, body)
    assert answer.status_code in (400, 403), answer.text
    return answer.json()["errorCode"]


# Registration.


def test_a_registration_asks_for_this_and_nothing_else(emulator: Emulator, user: str) -> None:
    options = emulator.call(REGISTRATION, emulator.track(user, "signIn")["token"], {})["options"]
    assert len(decode(options.pop("challenge"))) == 32
    assert len(decode(options["user"].pop("id"))) == 16
    algorithms = [one["alg"] for one in options.pop("pubKeyCredParams")]
    assert algorithms == [-8, -7, -257]
    assert options == {
        "rp": {"name": "Authsignal emulator", "id": "localhost"},
        "user": {"name": user, "displayName": user},
        "timeout": 300_000,
        "attestation": "none",
        "excludeCredentials": [],
        "extensions": {"credProps": True},
        "authenticatorSelection": {
            "authenticatorAttachment": "platform",
            "residentKey": "required",
            "requireResidentKey": True,
            "userVerification": "required",
        },
    }


@pytest.mark.parametrize(
    ("known", "asked", "name", "shown"),
    [
        ({"email": "a@b.example"}, {}, "a@b.example", "a@b.example"),
        ({"email": "a@b.example", "username": "ann"}, {}, "ann", "ann"),
        ({"username": "ann"}, {"username": "bea"}, "bea", "bea"),
        ({"username": "ann"}, {"displayName": "Ann"}, "ann", "Ann"),
        ({}, {"username": "bea", "displayName": "Bea"}, "bea", "Bea"),
    ],
)
def test_a_new_passkey_bears_the_name_that_was_asked_for_or_the_users(
    emulator: Emulator, user: str, known: dict[str, str], asked: dict[str, str], name: str, shown: str
) -> None:
    token = emulator.track(user, "signIn", **known)["token"]
    named = emulator.call(REGISTRATION, token, asked)["options"]["user"]
    assert (named["name"], named["displayName"]) == (name, shown)


def test_the_display_name_of_the_user_is_shown(emulator: Emulator, user: str) -> None:
    token = emulator.track(user, "signIn")["token"]
    emulator.server("PATCH", f"users/{user}", {"displayName": "Ann"})
    named = emulator.call(REGISTRATION, token, {})["options"]["user"]
    assert (named["name"], named["displayName"]) == (user, "Ann")


@pytest.mark.parametrize("attachment", ["platform", "cross-platform"])
def test_the_attachment_that_was_asked_for_is_wanted(emulator: Emulator, user: str, attachment: str) -> None:
    token = emulator.track(user, "signIn")["token"]
    options = emulator.call(REGISTRATION, token, {"authenticatorAttachment": attachment})["options"]
    assert options["authenticatorSelection"]["authenticatorAttachment"] == attachment


def test_what_is_kept_of_a_passkey_is_told(emulator: Emulator, user: str, passkey: SoftwareAuthenticator) -> None:
    token = emulator.track(user, emulator.configure("ALLOW"))["token"]
    options = emulator.call(REGISTRATION, token, {})
    body = {"registrationCredential": passkey.create(options["options"]), "deviceId": "d1"}
    assert emulator.call(PASSKEY, token, body)["isVerified"]
    (row,) = emulator.server("GET", f"users/{user}/authenticators").json()
    assert row["verifiedAt"] == row["createdAt"] == row["lastVerifiedAt"]
    assert row["authenticatorAttachment"] == "platform"
    assert row["webauthnCredential"] == {
        "credentialId": encode(passkey.credential_id),
        "deviceId": "d1",
        "name": "Passkey",
        "credentialBackedUp": False,
        "verifiedAt": row["verifiedAt"],
        "aaguid": "00000000-0000-0000-0000-000000000000",
        "credentialDeviceType": "singleDevice",
        "authenticatorAttachment": "platform",
    }


@pytest.mark.parametrize("named", ["another", UNKNOWN, "x"])
def test_a_registration_answers_the_challenge_that_it_names(
    emulator: Emulator, user: str, passkey: SoftwareAuthenticator, named: str
) -> None:
    token = emulator.track(user, emulator.configure("ALLOW"))["token"]
    options = emulator.call(REGISTRATION, token, {})
    other = emulator.call(REGISTRATION, token, {})["challengeId"] if named == "another" else named
    body = {"registrationCredential": passkey.create(options["options"]), "challengeId": other}
    assert refused(emulator, PASSKEY, token, body) == "invalid_credential"
    assert emulator.call(PASSKEY, token, {**body, "challengeId": options["challengeId"]})["isVerified"]


def test_a_registration_needs_a_token(emulator: Emulator, user: str) -> None:
    assert emulator.anonymous(REGISTRATION, {}).status_code == 401


def test_an_enrolled_user_registers_no_other_without_a_proof(
    emulator: Emulator, user: str, enrolled: SoftwareAuthenticator
) -> None:
    assert refused(emulator, REGISTRATION, challenged(emulator, user), {}) == "forbidden"


def test_a_registration_that_somebody_overtook_is_refused(
    emulator: Emulator, user: str, passkey: SoftwareAuthenticator
) -> None:
    thief = emulator.track(user, emulator.configure("ALLOW"))["token"]
    options = emulator.call(REGISTRATION, thief, {})
    enrol_passkey(emulator, emulator.track(user, emulator.configure("ALLOW"))["token"], passkey)
    mallory = SoftwareAuthenticator(origin=emulator.url)
    body = {"registrationCredential": mallory.create(options["options"])}
    assert refused(emulator, PASSKEY, thief, body) == "forbidden"


@pytest.mark.parametrize(
    ("told", "taken"),
    [
        ({"credProps": {"rk": True}}, True),
        ({"credProps": {}}, True),
        ({"credProps": "rk"}, True),
        ("credProps", True),
        ({"credProps": {"rk": False}}, False),
    ],
)
def test_a_passkey_that_names_nobody_by_itself_is_refused(
    emulator: Emulator, user: str, passkey: SoftwareAuthenticator, told: Any, taken: bool
) -> None:
    token = emulator.track(user, emulator.configure("ALLOW"))["token"]
    made = passkey.create(emulator.call(REGISTRATION, token, {})["options"]) | {"clientExtensionResults": told}
    answer = emulator.client("POST", PASSKEY, token, {"registrationCredential": made}).json()
    assert answer.get("isVerified", False) is taken
    assert answer.get("errorDescription") == (None if taken else "The passkey must be discoverable.")


def test_of_a_passkey_is_told_whether_it_is_backed_up_now(
    emulator: Emulator, user: str, passkey: SoftwareAuthenticator
) -> None:
    def kept() -> tuple[str, bool]:
        (row,) = emulator.server("GET", f"users/{user}/authenticators").json()
        return row["webauthnCredential"]["credentialDeviceType"], row["webauthnCredential"]["credentialBackedUp"]

    passkey.backup = ELIGIBLE | BACKED_UP
    enrol_passkey(emulator, emulator.track(user, emulator.configure("ALLOW"))["token"], passkey)
    assert kept() == ("multiDevice", True)
    passkey.backup = ELIGIBLE
    assert prove(emulator, challenged(emulator, user), passkey).json()["isVerified"]
    assert kept() == ("multiDevice", False)


@pytest.mark.parametrize(
    ("transports", "attachment"), [(["usb", "smoke", 7, []], "cross-platform"), ("usb", 7), (None, None)]
)
def test_of_what_a_browser_tells_only_what_is_known_is_kept(
    emulator: Emulator, user: str, passkey: SoftwareAuthenticator, transports: Any, attachment: Any
) -> None:
    token = emulator.track(user, emulator.configure("ALLOW"))["token"]
    made = passkey.create(emulator.call(REGISTRATION, token, {})["options"])
    made["response"]["transports"], made["authenticatorAttachment"] = transports, attachment
    done = emulator.call(PASSKEY, token, {"registrationCredential": made})
    known = attachment == "cross-platform"
    assert done["userAuthenticator"].get("authenticatorAttachment") == (attachment if known else None)
    (listed,) = emulator.call(OPTIONS, challenged(emulator, user), {})["options"]["allowCredentials"]
    assert listed.get("transports", []) == (["usb"] if known else [])


def test_what_is_refused_is_told_by_its_name(emulator: Emulator, user: str, enrolled: SoftwareAuthenticator) -> None:
    enrolled.origin = "https://evil.example"
    answer = prove(emulator, challenged(emulator, user), enrolled).json()
    assert answer["errorDescription"].startswith("The passkey was refused: ")
    token = emulator.track(user, "signIn", scope="add:authenticators")["token"]
    made = enrolled.create(emulator.call(REGISTRATION, token, {})["options"])
    answer = emulator.client("POST", PASSKEY, token, {"registrationCredential": made}).json()
    assert answer["errorDescription"].startswith("The passkey was refused: ")
    enrolled.origin = emulator.url
    made = enrolled.create(emulator.call(REGISTRATION, token, {})["options"])
    answer = emulator.client("POST", PASSKEY, token, {"registrationCredential": made}).json()
    assert answer["errorDescription"] == "This passkey is registered already."
    enrolled.user_handle = encode(bytes(16))
    answer = prove(emulator, challenged(emulator, user), enrolled).json()
    assert answer["errorDescription"] == "The passkey names another user."


def test_a_passkey_that_does_not_know_its_user_is_refused(
    emulator: Emulator, user: str, passkey: SoftwareAuthenticator
) -> None:
    passkey.verifies_user = False
    token = emulator.track(user, emulator.configure("ALLOW"))["token"]
    body = {"registrationCredential": passkey.create(emulator.call(REGISTRATION, token, {})["options"])}
    assert refused(emulator, PASSKEY, token, body) == "invalid_credential"


@pytest.mark.parametrize(("accepted", "status"), [("PASSKEY", 200), ("SMS", 400)])
def test_a_passkey_is_registered_where_it_is_accepted(
    emulator: Emulator, user: str, passkey: SoftwareAuthenticator, accepted: str, status: int
) -> None:
    token = emulator.track(user, emulator.configure("ALLOW", [accepted]))["token"]
    begun = emulator.client("POST", REGISTRATION, token, {})
    assert begun.status_code == status
    options = begun.json() if status == 200 else emulator.call(REGISTRATION, emulator.track(user, "x")["token"], {})
    body = {"registrationCredential": passkey.create(options["options"])}
    assert emulator.client("POST", PASSKEY, token, body).status_code == status


# Proofs.


def test_a_proof_asks_for_this_and_nothing_else(emulator: Emulator, user: str, enrolled: SoftwareAuthenticator) -> None:
    options = emulator.call(OPTIONS, challenged(emulator, user), {})["options"]
    assert len(decode(options.pop("challenge"))) == 32
    known = {"id": encode(enrolled.credential_id), "type": "public-key", "transports": ["internal"]}
    assert options == {
        "timeout": 300_000,
        "rpId": "localhost",
        "allowCredentials": [known],
        "userVerification": "required",
    }


@pytest.mark.parametrize("named", ["another", UNKNOWN, "x"])
def test_a_proof_answers_the_challenge_that_it_names(
    emulator: Emulator, user: str, enrolled: SoftwareAuthenticator, named: str
) -> None:
    token = challenged(emulator, user)
    options = emulator.call(OPTIONS, token, {})
    other = emulator.call(OPTIONS, token, {})["challengeId"] if named == "another" else named
    body = {"authenticationCredential": enrolled.get(options["options"]), "challengeId": other}
    assert refused(emulator, "verify/passkey", token, body) == "invalid_credential"
    assert emulator.call("verify/passkey", token, {**body, "challengeId": options["challengeId"]})["isVerified"]


def test_an_action_without_passkeys_asks_for_none_and_takes_none(
    emulator: Emulator, user: str, enrolled: SoftwareAuthenticator
) -> None:
    token = emulator.track(user, emulator.configure("CHALLENGE", ["SMS"]))["token"]
    assert refused(emulator, OPTIONS, token, {}) == "invalid_request"
    begun = emulator.call(OPTIONS, challenged(emulator, user), {})
    body = {"authenticationCredential": enrolled.get(begun["options"])}
    assert refused(emulator, "verify/passkey", token, body) == "invalid_request"


def test_an_action_for_passkeys_only_takes_one(emulator: Emulator, user: str, enrolled: SoftwareAuthenticator) -> None:
    token = emulator.track(user, emulator.configure("CHALLENGE", ["PASSKEY"]))["token"]
    assert prove(emulator, token, enrolled).json()["isVerified"]


def test_a_token_gets_a_challenge_of_its_own_whatever_it_names(
    emulator: Emulator, user: str, enrolled: SoftwareAuthenticator
) -> None:
    started = emulator.anonymous("challenge", {"action": "signIn"}).json()["challengeId"]
    token = challenged(emulator, user)
    options = emulator.call(OPTIONS, token, {"challengeId": started})
    assert options["challengeId"] != started
    body = {"authenticationCredential": enrolled.get(options["options"])}
    assert emulator.call("verify/passkey", token, body)["isVerified"]


def test_a_sign_in_keeps_the_challenge_that_it_began_with(emulator: Emulator) -> None:
    started = emulator.anonymous("challenge", {"action": "signIn"}).json()
    begun = emulator.anonymous(OPTIONS, started).json()
    again = emulator.anonymous(OPTIONS, started).json()
    assert started == {"challengeId": begun["challengeId"]}
    assert begun == again
    assert begun["options"]["allowCredentials"] == []


@pytest.mark.parametrize(("name", "right"), [("{}@x.example", True), ("somebody@else.example", False)])
def test_a_sign_in_that_was_begun_for_a_name_is_that_users(
    emulator: Emulator, user: str, enrolled: SoftwareAuthenticator, name: str, right: bool
) -> None:
    started = emulator.anonymous("challenge", {"action": "signIn"}).json()
    emulator.anonymous(OPTIONS, {**started, "username": name.format(user)})
    begun = emulator.anonymous(OPTIONS, started).json()  # without a name it stays that one's
    answer = emulator.anonymous("verify/passkey", {"authenticationCredential": enrolled.get(begun["options"])})
    assert answer.json().get("errorCode") == (None if right else "unknown_credential")


def test_a_sign_in_without_a_key_has_one_of_its_own(
    emulator: Emulator, user: str, enrolled: SoftwareAuthenticator
) -> None:
    keys = []
    for _ in range(2):
        started = emulator.anonymous("challenge", {"action": "signIn"}).json()
        begun = emulator.anonymous(OPTIONS, started).json()
        done = emulator.anonymous("verify/passkey", {"authenticationCredential": enrolled.get(begun["options"])}).json()
        proved = emulator.validate(done["accessToken"], userId=user, action="signIn")
        assert (proved["isValid"], proved["verificationMethod"]) == (True, "PASSKEY")
        keys.append(proved["idempotencyKey"])
    assert len(set(keys)) == 2
    assert emulator.server("GET", f"users/{user}/devices").json() == []  # it named none


def test_a_sign_in_that_does_not_accept_passkeys_takes_none(
    emulator: Emulator, user: str, enrolled: SoftwareAuthenticator
) -> None:
    started = emulator.anonymous("challenge", {"action": emulator.configure("CHALLENGE", ["SMS"])}).json()
    options = emulator.anonymous(OPTIONS, started).json()["options"]
    answer = emulator.anonymous("verify/passkey", {"authenticationCredential": enrolled.get(options)})
    assert answer.json()["errorDescription"] == "The action does not accept PASSKEY."


def test_a_sign_in_without_an_action_names_its_method(
    emulator: Emulator, user: str, enrolled: SoftwareAuthenticator
) -> None:
    begun = emulator.anonymous(OPTIONS, {}).json()
    done = emulator.anonymous("verify/passkey", {"authenticationCredential": enrolled.get(begun["options"])}).json()
    assert emulator.validate(done["accessToken"]) == {
        "isValid": True,
        "userId": user,
        "state": "CHALLENGE_SUCCEEDED",
        "verificationMethod": "PASSKEY",
    }


def test_a_passkey_that_was_used_is_told_when(emulator: Emulator, user: str, enrolled: SoftwareAuthenticator) -> None:
    emulator.advance(60)
    assert prove(emulator, challenged(emulator, user), enrolled).json()["isVerified"]
    (row,) = emulator.server("GET", f"users/{user}/authenticators").json()
    assert row["lastVerifiedAt"] > row["verifiedAt"]


def proof_naming(emulator: Emulator, enrolled: SoftwareAuthenticator, token: str | None, kind: str) -> Any:
    """The answer to a proof with this userHandle, by a token's user or by somebody whom only the passkey names."""
    own = enrolled.user_handle
    handles = {"own": own, "own as iOS keeps it": encode(own.encode()), "another's": encode(bytes(16)), "none": None}
    begun = emulator.call(OPTIONS, token, {}) if token else emulator.anonymous(OPTIONS, {}).json()
    made = enrolled.get(begun["options"])
    made["response"]["userHandle"] = handles.get(kind, kind)
    body = {"authenticationCredential": made}
    path = "verify/passkey"
    answer = emulator.client("POST", path, token, body) if token else emulator.anonymous(path, body)
    return answer.json()


@pytest.mark.parametrize(
    ("kind", "with_token", "without"),
    [
        ("own", True, True),
        ("own as iOS keeps it", True, True),
        ("another's", False, False),
        ("none", True, False),
        ("", True, False),
        ("é", False, False),
    ],
)
def test_a_proof_names_its_user_where_no_token_does(
    emulator: Emulator, user: str, enrolled: SoftwareAuthenticator, kind: str, with_token: bool, without: bool
) -> None:
    for token, taken in ((challenged(emulator, user), with_token), (None, without)):
        answer = proof_naming(emulator, enrolled, token, kind)
        assert answer.get("errorCode") == (None if taken else "invalid_credential")


@pytest.mark.parametrize("stray", STRAY)
@pytest.mark.parametrize("field", ["clientDataJSON", "attestationObject"])
def test_a_registration_with_a_stray_letter_is_refused(
    emulator: Emulator, user: str, passkey: SoftwareAuthenticator, field: str, stray: str
) -> None:
    token = emulator.track(user, emulator.configure("ALLOW"))["token"]
    made = passkey.create(emulator.call(REGISTRATION, token, {})["options"])
    made["response"][field] = stray + made["response"][field]
    answer = emulator.client("POST", PASSKEY, token, {"registrationCredential": made}).json()
    assert answer["errorDescription"] == "The credential holds a field that is not base64url."


@pytest.mark.parametrize("stray", STRAY)
@pytest.mark.parametrize("field", ["clientDataJSON", "authenticatorData", "signature", "userHandle"])
def test_a_proof_with_a_stray_letter_is_refused(
    emulator: Emulator, user: str, enrolled: SoftwareAuthenticator, field: str, stray: str
) -> None:
    token = challenged(emulator, user)
    made = enrolled.get(emulator.call(OPTIONS, token, {})["options"])
    made["response"][field] = stray + made["response"][field]
    answer = emulator.client("POST", "verify/passkey", token, {"authenticationCredential": made}).json()
    assert answer["errorDescription"] == "The credential holds a field that is not base64url."


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"rawId": None}, None),
        ({"id": "padded", "rawId": "padded"}, None),
        ({"type": ...}, None),
        ({"type": "password"}, "The passkey was refused: Credential had unexpected type"),
        ({"rawId": "AAAA"}, "The credential's id and rawId differ."),
        ({"id": "AAAA"}, "The credential's id and rawId differ."),
        ({"id": ...}, "The credential holds a field that is not base64url."),
        ({"id": "AAAA", "rawId": "AAAA"}, "This passkey is not known for this user."),
    ],
)
def test_a_proof_says_in_one_way_which_passkey_it_is_of(
    emulator: Emulator, user: str, enrolled: SoftwareAuthenticator, change: dict[str, Any], told: str | None
) -> None:
    token = challenged(emulator, user)
    made = enrolled.get(emulator.call(OPTIONS, token, {})["options"]) | change
    padded = encode(enrolled.credential_id).translate(str.maketrans("-_", "+/")) + "=="
    made = {name: padded if value == "padded" else value for name, value in made.items() if value is not ...}
    body = {"authenticationCredential": made}
    assert emulator.client("POST", "verify/passkey", token, body).json().get("errorDescription") == told


def test_a_proof_in_the_standard_alphabet_is_read_too(
    emulator: Emulator, user: str, enrolled: SoftwareAuthenticator
) -> None:
    token = challenged(emulator, user)
    made = enrolled.get(emulator.call(OPTIONS, token, {})["options"])
    standard = {name: b64encode(decode(value)).decode() for name, value in made["response"].items()}
    body = {"authenticationCredential": {**made, "response": standard}}
    assert emulator.client("POST", "verify/passkey", token, body).json().get("isVerified") is True


@pytest.mark.parametrize("letter", [0, 23, 63])  # A, X and _
def test_an_id_is_told_to_its_last_letter(emulator: Emulator, user: str, letter: int) -> None:
    passkey = SoftwareAuthenticator(origin=emulator.url, credential_id=os.urandom(17) + bytes([letter]))
    enrol_passkey(emulator, emulator.track(user, emulator.configure("ALLOW"))["token"], passkey)
    token = challenged(emulator, user)
    options = emulator.call(OPTIONS, token, {})["options"]
    assert [one["id"] for one in options["allowCredentials"]] == [encode(passkey.credential_id)]
    body = {"authenticationCredential": passkey.get(options)}
    assert emulator.client("POST", "verify/passkey", token, body).json().get("isVerified") is True


def test_a_challenge_is_forgotten_a_day_after_its_time(emulator: Emulator, user: str) -> None:
    token = emulator.track(user, emulator.configure("CHALLENGE"))["token"]
    named = emulator.call(REGISTRATION, token, {})["challengeId"]
    kept = "select count(*) from authsignal_emulator_webauthnchallenge where id = ?"
    for seconds, left in ((86_400, 1), (301, 0)):
        emulator.advance(seconds)
        emulator.call(REGISTRATION, emulator.track(user, emulator.configure("CHALLENGE"))["token"], {})
        assert emulator.query(kept, named.replace("-", "")) == [(left,)]


def test_a_proof_is_of_one_passkey_and_told_of_no_other(
    emulator: Emulator, user: str, enrolled: SoftwareAuthenticator
) -> None:
    bystander, other = SoftwareAuthenticator(origin=emulator.url), f"{user}-other"
    enrol_passkey(emulator, emulator.track(other, "signIn")["token"], bystander)
    emulator.advance(60)
    action = emulator.configure("CHALLENGE")
    assert prove(emulator, emulator.track(user, action)["token"], enrolled).json()["isVerified"]
    (row,) = emulator.server("GET", f"users/{other}/authenticators").json()
    assert row["lastVerifiedAt"] == row["verifiedAt"]
    (row,) = emulator.server("GET", f"users/{user}/authenticators").json()
    (proved,) = emulator.server("GET", f"users/{user}/actions?codes={action}").json()
    assert proved["verifiedByAuthenticatorId"] == row["userAuthenticatorId"]


def test_each_of_two_open_challenges_is_found_by_what_was_signed(
    emulator: Emulator, user: str, enrolled: SoftwareAuthenticator
) -> None:
    token = challenged(emulator, user)
    begun = [emulator.call(OPTIONS, token, {})["options"] for _ in range(4)]
    for options in begun:
        body = {"authenticationCredential": enrolled.get(options)}
        assert emulator.call("verify/passkey", token, body)["isVerified"]
    again = emulator.client("POST", "verify/passkey", token, body).json()
    assert again["errorDescription"].startswith("The passkey challenge is unknown, used or expired")


def test_a_challenge_of_a_user_without_an_action_is_nobody_elses(
    emulator: Emulator, user: str, enrolled: SoftwareAuthenticator
) -> None:
    begun = emulator.anonymous(OPTIONS, {}).json()
    body = {"authenticationCredential": enrolled.get(begun["options"])}
    token = emulator.anonymous("verify/passkey", body).json()["accessToken"]
    begun = emulator.call(OPTIONS, token, {})
    body = {"authenticationCredential": enrolled.get(begun["options"])}
    assert emulator.anonymous("verify/passkey", body).json()["errorCode"] == "invalid_credential"
    assert emulator.call("verify/passkey", token, body)["isVerified"]


@pytest.mark.parametrize(
    ("response", "code", "told"),
    [
        (1, "invalid_request", "The credential must be the JSON form of a PublicKeyCredential."),
        ({"clientDataJSON": "W10"}, "invalid_credential", "The credential's clientDataJSON cannot be read."),
        ({}, "invalid_credential", "The credential's clientDataJSON cannot be read."),
    ],
)
def test_what_cannot_be_read_spends_no_challenge(
    emulator: Emulator, user: str, enrolled: SoftwareAuthenticator, response: Any, code: str, told: str
) -> None:
    token = challenged(emulator, user)
    made = enrolled.get(emulator.call(OPTIONS, token, {})["options"])
    body = {"authenticationCredential": {**made, "response": response}}
    answer = emulator.client("POST", "verify/passkey", token, body).json()
    assert (answer["errorCode"], answer["errorDescription"]) == (code, told)
    assert emulator.call("verify/passkey", token, {"authenticationCredential": made})["isVerified"]


@pytest.mark.parametrize("named", [True, False])
def test_an_imported_passkey_signs_in_by_itself_if_it_names_somebody(
    emulator: Emulator, user: str, passkey: SoftwareAuthenticator, named: bool
) -> None:
    body = {"verificationMethod": "PASSKEY", "credentialId": encode(passkey.credential_id)}
    emulator.post(f"users/{user}/authenticators", {**body, "credentialPublicKey": encode(passkey._cose())})
    passkey.user_handle = encode(b"of another service") if named else ""
    begun = emulator.anonymous(OPTIONS, {}).json()
    answer = emulator.anonymous("verify/passkey", {"authenticationCredential": passkey.get(begun["options"])}).json()
    assert answer.get("userId") == (user if named else None)
