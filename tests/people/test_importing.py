"""What users prove with in another library proves at Authsignal: read from real libraries, proved at an emulator."""

import base64
import io
import time

import pyotp
import pytest
import requests
from django.core.management import CommandError, call_command

pytest.importorskip("django_otp", reason="django-otp is not installed")
pytest.importorskip("two_factor", reason="django-two-factor-auth is not installed")
pytest.importorskip("allauth.mfa", reason="django-allauth[mfa] is not installed")

from django_authsignal.client import Client
from django_authsignal.identity import authsignal_id
from django_authsignal.models import SyncedUser
from django_authsignal.people import importing
from tests.emulator.authenticator import SoftwareAuthenticator, encode

from .libraries import installed

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
HEX = base64.b32decode(SECRET).hex()


@pytest.fixture(scope="module", autouse=True)
def _libraries(django_db_setup, django_db_blocker):
    with installed(django_db_blocker):
        yield


@pytest.fixture
def client(emulator):
    return Client(emulator.secret, api_url=emulator.api_url)


@pytest.fixture
def run():
    """Runs the import; what it printed."""

    def command(source, *options, fails=False, **more):
        said = io.StringIO()
        arguments = ["authsignal_import_authenticators", "--from", source, *options]
        if fails:
            with pytest.raises(CommandError) as caught:
                call_command(*arguments, stdout=said, stderr=said, **more)
            said.write(str(caught.value))
        else:
            call_command(*arguments, stdout=said, stderr=said, **more)
        return said.getvalue()

    return command


@pytest.fixture
def table(run):
    """Runs the import; the rows of its table, as lists of numbers."""

    def rows(source, *options, **more):
        lines = [
            line for line in run(source, *options, **more).splitlines() if line.split()[-1:] and line[-1].isdigit()
        ]
        kinds = ("authenticator app", "other device", "passkey", "phone number", "recovery codes")
        return {
            kind: [int(cell) for cell in line.removeprefix(kind).split()]
            for kind in kinds
            for line in lines
            if line.startswith(kind)
        }

    return rows


def methods(client, user):
    return sorted(one.verification_method for one in client.get_authenticators(authsignal_id(user)))


def post(emulator, token, path, body):
    url = f"{emulator.api_url}/client/{path}"
    return requests.post(url, json=body, headers={"Authorization": f"Bearer {token}"}, timeout=15).json()


def proves_by_app(emulator, client, user, secret=SECRET):
    """True when the code that the user's own app shows is accepted."""
    token = client.track(authsignal_id(user), "signIn").token
    answer = post(emulator, token, "verify/totp", {"verificationCode": pyotp.TOTP(secret).at(int(time.time()))})
    return answer["isVerified"] and client.validate_challenge(answer["accessToken"]).is_valid


def proves_by_passkey(emulator, client, user, passkey):
    """True when what the user's own passkey signs is accepted."""
    token = client.track(authsignal_id(user), "signIn").token
    options = post(emulator, token, "user-authenticators/passkey/authentication-options", {})
    assert [one["id"] for one in options["options"]["allowCredentials"]] == [encode(passkey.credential_id)]
    body = {"authenticationCredential": passkey.get(options["options"]), "challengeId": options["challengeId"]}
    answer = post(emulator, token, "verify/passkey", body)
    return answer["isVerified"] and client.validate_challenge(answer["accessToken"]).is_valid


def totp_device(user, **values):
    from django_otp.plugins.otp_totp.models import TOTPDevice

    return TOTPDevice.objects.create(user=user, **{"name": "default", "key": HEX, **values})


def phone_device(user, **values):
    from two_factor.plugins.phonenumber.models import PhoneDevice

    return PhoneDevice.objects.create(
        user=user, **{"name": "backup", "number": "+31101234567", "method": "sms", **values}
    )


def webauthn_device(user, passkey, **values):
    from two_factor.plugins.webauthn.models import WebauthnDevice

    keys = {"key_handle": encode(passkey.credential_id), "public_key": encode(passkey._cose()), "sign_count": 7}
    return WebauthnDevice.objects.create(user=user, **{"name": "Laptop", **keys, **values})


def allauth_app(user, secret=SECRET):
    from allauth.mfa.totp.internal.auth import TOTP

    return TOTP.activate(user, secret).instance


def allauth_passkey(user, passkey, **options):
    from allauth.mfa.webauthn.internal.auth import WebAuthn

    asked = {"challenge": "eHh4", "user": {"id": encode(str(user.pk).encode())}, "rp": {"id": "localhost"}, **options}
    return WebAuthn.add(user, "Ada's laptop", passkey.create(asked)).instance


@pytest.fixture
def passkey(emulator):
    """A passkey as Ada's browser made it for the same domain."""
    return SoftwareAuthenticator(origin=emulator.url, count=7)


class Vault:
    """allauth's adapter of a project that encrypts."""

    def __new__(cls):
        from allauth.mfa.adapter import DefaultMFAAdapter

        class Adapter(DefaultMFAAdapter):
            def encrypt(self, text):
                return "sealed:" + text[::-1]

            def decrypt(self, encrypted_text):
                assert encrypted_text.startswith("sealed:")
                return encrypted_text.removeprefix("sealed:")[::-1]

        return Adapter()


# Proved at the emulator


@pytest.mark.parametrize("source", ["django-otp", "two-factor"])
def test_the_code_of_an_app_from_django_otp_is_accepted(ada, emulator, client, table, source):
    totp_device(ada)
    assert table(source)["authenticator app"] == [1, 0, 0, 0, 0]
    assert proves_by_app(emulator, client, ada)


def test_the_code_of_an_app_from_allauth_is_accepted(ada, emulator, client, table):
    allauth_app(ada)
    assert table("allauth")["authenticator app"] == [1, 0, 0, 0, 0]
    assert proves_by_app(emulator, client, ada)


def test_a_secret_that_allauth_keeps_encrypted_is_read_by_its_adapter(ada, emulator, client, table, settings):
    settings.MFA_ADAPTER = f"{__name__}.Vault"
    assert allauth_app(ada).data["secret"].startswith("sealed:")
    assert table("allauth")["authenticator app"] == [1, 0, 0, 0, 0]
    assert proves_by_app(emulator, client, ada)


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
def test_a_passkey_from_allauth_is_accepted(ada, emulator, client, table, algorithm):
    passkey = SoftwareAuthenticator(origin=emulator.url, algorithm=algorithm, count=7)
    allauth_passkey(ada, passkey)
    assert table("allauth")["passkey"] == [1, 0, 0, 0, 0]
    assert proves_by_passkey(emulator, client, ada, passkey)
    (there,) = client.get_authenticators(authsignal_id(ada))
    assert there.webauthn_credential.name == "Ada's laptop"


def test_a_passkey_from_two_factor_is_accepted(ada, emulator, client, table, passkey):
    webauthn_device(ada, passkey)
    assert table("two-factor")["passkey"] == [1, 0, 0, 0, 0]
    assert proves_by_passkey(emulator, client, ada, passkey)


def test_another_s_passkey_does_not_prove_for_the_imported_one(ada, emulator, client, table, passkey):
    webauthn_device(ada, passkey)
    table("two-factor")
    passkey.key = SoftwareAuthenticator(origin=emulator.url).key
    token = client.track(authsignal_id(ada), "signIn").token
    options = post(emulator, token, "user-authenticators/passkey/authentication-options", {})
    body = {"authenticationCredential": passkey.get(options["options"]), "challengeId": options["challengeId"]}
    assert post(emulator, token, "verify/passkey", body)["errorCode"] == "invalid_credential"


def test_a_number_from_two_factor_receives_the_texts(ada, emulator, client, table):
    phone_device(ada)
    assert table("two-factor")["phone number"] == [1, 0, 0, 0, 0]
    token = client.track(authsignal_id(ada), "signIn").token
    post(emulator, token, "challenge/sms", None)
    assert [message["to"] for message in emulator.inbox("+31101234567")] == ["+31101234567"]


# Once, and nothing too much


def test_a_second_run_imports_nothing(ada, bob, emulator, client, table, passkey):
    for make in (totp_device, phone_device):
        make(ada)
    webauthn_device(ada, passkey)
    totp_device(bob)
    first, second = table("two-factor"), table("two-factor")
    assert first == {"authenticator app": [2, 0, 0, 0, 0], "passkey": [1, 0, 0, 0, 0], "phone number": [1, 0, 0, 0, 0]}
    assert second == {"authenticator app": [0, 2, 0, 0, 0], "passkey": [0, 1, 0, 0, 0], "phone number": [0, 1, 0, 0, 0]}
    assert methods(client, ada) == ["AUTHENTICATOR_APP", "PASSKEY", "SMS"]
    assert methods(client, bob) == ["AUTHENTICATOR_APP"]


def test_a_dry_run_says_the_same_and_enrols_nothing(ada, emulator, client, table, passkey):
    totp_device(ada)
    totp_device(ada, digits=8)
    webauthn_device(ada, passkey)
    dry = table("two-factor", "--dry-run")
    assert methods(client, ada) == []
    assert not SyncedUser.objects.exists()
    assert table("two-factor") == dry


def test_a_dry_run_only_reads(ada, authsignal, run, passkey):
    totp_device(ada)
    webauthn_device(ada, passkey)
    assert "Nothing was changed." in run("two-factor", "--dry-run")
    assert {call.operation for call in authsignal.calls} == {"get_authenticators"}


@pytest.mark.parametrize("make", [totp_device, phone_device])
def test_what_was_never_confirmed_is_left_out(ada, emulator, client, run, make):
    make(ada, confirmed=False)
    assert "There is nothing to import." in run("two-factor")
    assert methods(client, ada) == []


def test_an_unconfirmed_passkey_is_left_out(ada, emulator, client, run, passkey):
    webauthn_device(ada, passkey, confirmed=False)
    assert "There is nothing to import." in run("two-factor")


def test_inactive_users_are_skipped(ada, emulator, client, table):
    totp_device(ada)
    ada.is_active = False
    ada.save()
    assert table("django-otp")["authenticator app"] == [0, 0, 0, 1, 0]
    assert methods(client, ada) == []


def test_one_user_alone(ada, bob, emulator, client, table):
    for user in (ada, bob):
        totp_device(user)
    table("django-otp", "--user", "bob")
    assert (methods(client, ada), methods(client, bob)) == ([], ["AUTHENTICATOR_APP"])


def test_of_several_apps_the_one_that_proved_last_is_imported(ada, emulator, client, table):
    totp_device(ada, last_t=5)
    newer = pyotp.random_base32()
    totp_device(ada, key=base64.b32decode(newer).hex(), last_t=900)
    assert table("django-otp")["authenticator app"] == [1, 0, 1, 0, 0]
    assert proves_by_app(emulator, client, ada, newer)


def test_who_has_an_app_at_authsignal_is_given_no_second_one(ada, emulator, client, table):
    newer = pyotp.random_base32()
    client.enroll_verified_authenticator(
        authsignal_id(ada), verification_method="AUTHENTICATOR_APP", otp_uri=f"otpauth://totp/x?secret={newer}"
    )
    totp_device(ada)
    assert table("django-otp")["authenticator app"] == [0, 1, 0, 0, 0]
    assert not proves_by_app(emulator, client, ada)


def test_an_imported_user_is_one_that_authsignal_knows(ada, emulator, table):
    totp_device(ada)
    table("django-otp")
    assert SyncedUser.objects.get().authsignal_id == authsignal_id(ada)


def test_users_of_many_chunks_are_imported(ada, bob, emulator, client, table, monkeypatch):
    monkeypatch.setattr(importing, "CHUNK", 1)
    for user in (ada, bob):
        totp_device(user)
    assert table("django-otp")["authenticator app"] == [2, 0, 0, 0, 0]


def test_the_libraries_own_rows_are_left_as_they_are(ada, emulator, table, passkey):
    from django_otp.plugins.otp_totp.models import TOTPDevice

    totp_device(ada)
    before = TOTPDevice.objects.values().get()
    table("two-factor")
    assert TOTPDevice.objects.values().get() == before


# What cannot be


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"digits": 8}, "8 digits"),
        ({"step": 60}, "every 30 seconds"),
        ({"t0": 5}, "every 30 seconds"),
        ({"drift": 4}, "120 seconds off"),
        ({"key": "not hex"}, "cannot be read"),
        ({"key": ""}, "cannot be read"),
    ],
)
def test_an_app_that_authsignal_could_not_check_is_not_imported(ada, emulator, client, run, values, why):
    totp_device(ada, **values)
    said = run("django-otp")
    assert f"cannot import {ada.pk}: authenticator app, " in said
    assert why in said
    assert methods(client, ada) == []


def test_an_app_whose_clock_is_a_little_off_is_imported(ada, emulator, client, table):
    totp_device(ada, drift=-1)
    assert table("django-otp")["authenticator app"] == [1, 0, 0, 0, 0]


@pytest.mark.parametrize(("setting", "value"), [("MFA_TOTP_DIGITS", 8), ("MFA_TOTP_PERIOD", 60)])
def test_allauth_s_own_lengths_are_asked(ada, emulator, client, table, settings, setting, value):
    allauth_app(ada)
    setattr(settings, setting, value)
    assert table("allauth")["authenticator app"] == [0, 0, 1, 0, 0]


def test_a_secret_that_cannot_be_decrypted_is_not_imported_and_not_printed(ada, emulator, run, settings):
    allauth_app(ada)
    settings.MFA_ADAPTER = f"{__name__}.Vault"
    said = run("allauth")
    assert "its secret cannot be read" in said
    assert SECRET not in said


def test_a_security_key_that_did_not_verify_its_user_is_not_imported(ada, emulator, client, run, passkey):
    passkey.verifies_user = False
    allauth_passkey(ada, passkey)
    assert "did not verify its user" in run("allauth")
    assert methods(client, ada) == []


@pytest.mark.parametrize("broken", [{"key_handle": "é"}, {"public_key": "!"}, {"key_handle": ""}])
def test_a_passkey_that_cannot_be_read_is_not_imported(ada, emulator, run, passkey, broken):
    webauthn_device(ada, passkey, **broken)
    assert "its registration cannot be read" in run("two-factor")


def test_an_allauth_passkey_that_cannot_be_read_is_not_imported(ada, emulator, run, passkey):
    row = allauth_passkey(ada, passkey)
    row.data["credential"]["response"]["attestationObject"] = "AAAA"
    row.save()
    assert "its registration cannot be read" in run("allauth")


def test_a_spoken_code_is_not_imported(ada, emulator, client, run):
    phone_device(ada, method="call")
    assert "its codes were spoken" in run("two-factor")
    assert methods(client, ada) == []


def test_recovery_codes_and_other_devices_are_named_and_not_imported(ada, emulator, client, table, run):
    from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
    from django_otp.plugins.otp_email.models import EmailDevice
    from django_otp.plugins.otp_hotp.models import HOTPDevice
    from django_otp.plugins.otp_static.models import StaticDevice

    for model in (StaticDevice, HOTPDevice, EmailDevice):
        model.objects.create(user=ada, name="x")
    RecoveryCodes.activate(ada)
    assert table("django-otp") == {"other device": [0, 0, 2, 0, 0], "recovery codes": [0, 0, 1, 0, 0]}
    assert table("allauth") == {"recovery codes": [0, 0, 1, 0, 0]}
    assert "Authsignal makes recovery codes of its own" in run("allauth")
    assert methods(client, ada) == []


def test_new_recovery_codes_are_told_of_and_not_printed(ada, emulator, run):
    totp_device(ada)
    said = run("django-otp", verbosity=3)
    assert "Authsignal made recovery codes for 1 users, which nobody has seen." in said


def test_no_secret_and_no_number_is_printed(ada, emulator, run, passkey):
    totp_device(ada)
    phone_device(ada)
    webauthn_device(ada, passkey)
    said = run("two-factor", verbosity=3)
    for secret in (SECRET, HEX, "101234567", encode(passkey.credential_id), "ada@example.com"):
        assert secret not in said


def test_no_name_and_no_address_goes_along_with_an_app(ada, authsignal, run):
    authsignal.unenrolled()
    totp_device(ada)
    run("django-otp")
    (sent,) = [call.json for call in authsignal.calls if call.operation == "enroll_verified_authenticator"]
    assert sent["otpUri"] == f"otpauth://totp/{ada.pk}?secret={SECRET}&algorithm=SHA1&digits=6&period=30"


# Failures


def test_a_passkey_of_another_user_at_authsignal_is_not_taken_over(ada, bob, emulator, client, run, passkey):
    client.import_passkeys(
        [
            {
                "user_id": authsignal_id(bob),
                "credential_id": encode(passkey.credential_id),
                "credential_public_key": encode(passkey._cose()),
            }
        ]
    )
    webauthn_device(ada, passkey)
    assert "registered at Authsignal already, for another user" in run("two-factor", fails=True)
    assert methods(client, ada) == []


def test_one_passkey_that_authsignal_refuses_does_not_keep_the_others_out(ada, bob, emulator, client, run, passkey):
    webauthn_device(ada, passkey)
    webauthn_device(bob, SoftwareAuthenticator(origin=emulator.url), key_handle=encode(b"x" * 1100))
    said = run("two-factor", fails=True)
    assert f"fail {bob.pk}: passkey, Authsignal answered 400" in said
    assert "1 failed" in said
    assert methods(client, ada) == ["PASSKEY"]


@pytest.mark.parametrize("kind", ["401", "refused"])
def test_a_failure_is_an_exit_code_and_every_way_of_proof_is_accounted_for(ada, bob, authsignal, run, passkey, kind):
    for user in (ada, bob):
        totp_device(user)
    webauthn_device(ada, passkey)
    authsignal.fail(kind)
    said = run("two-factor", fails=True)
    assert f"fail {ada.pk}: authenticator app" in said
    assert f"fail {ada.pk}: passkey" in said
    assert ("Stopped" in said) == (kind == "401")


def test_a_passkey_that_waited_when_it_stopped_is_accounted_for(ada, bob, authsignal, run, passkey, monkeypatch):
    authsignal.unenrolled()
    webauthn_device(ada, passkey)
    totp_device(bob)
    send = authsignal.send

    def refuse_bob(request, *args, **kwargs):
        authsignal.fail("401" if request.url.endswith(f"/{authsignal_id(bob)}/authenticators") else None)
        return send(request, *args, **kwargs)

    monkeypatch.setattr(authsignal, "send", refuse_bob)
    said = run("two-factor", fails=True)
    assert f"fail {ada.pk}: passkey, not tried" in said
    assert "2 failed" in said


def test_an_answer_that_is_lost_is_not_asked_for_twice(ada, authsignal, run, monkeypatch):
    authsignal.unenrolled()
    totp_device(ada)
    send = authsignal.send

    def lose(request, *args, **kwargs):
        response = send(request, *args, **kwargs)
        if request.method == "POST":
            raise requests.ReadTimeout("lost")
        return response

    monkeypatch.setattr(authsignal, "send", lose)
    assert "fail" in run("django-otp", fails=True)
    monkeypatch.undo()
    assert [call.operation for call in authsignal.calls].count("enroll_verified_authenticator") == 1
    assert "there already" in run("django-otp", verbosity=2)
    assert [call.operation for call in authsignal.calls].count("enroll_verified_authenticator") == 1


def test_a_library_that_is_not_installed_is_one_sentence(ada, run, settings):
    settings.INSTALLED_APPS = [name for name in settings.INSTALLED_APPS if not name.startswith("two_factor")]
    assert "two_factor is not in INSTALLED_APPS" in run("two-factor", fails=True)
