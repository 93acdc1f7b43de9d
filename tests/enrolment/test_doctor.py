"""The doctor: finds what is wrong here, there and on the way, names the fix, changes nothing and tells no secret."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from django_authsignal.doctor import ERROR, NOTE, OK, WARNING, examine
from django_authsignal.models import Challenge
from tests.conftest import newest

pytestmark = pytest.mark.django_db
KEY = "test_secret_key"


def doctor(**options):
    """What it printed, and whether it failed."""
    out = StringIO()
    try:
        call_command("authsignal_doctor", stdout=out, **options)
    except CommandError as exc:
        return f"{out.getvalue()}{exc}", True
    return out.getvalue(), False


def findings(level, **how):
    return [f"{one.text} {one.fix}" for one in examine(**how) if one.level == level]


def says(found, *words):
    assert any(all(word in text for word in words) for text in found), found


@pytest.fixture
def portal(authsignal):
    """Every action of the test project is CHALLENGE there."""
    for action in ("signIn", "manageAuthenticators", "withdrawFunds", "payInvoice", "deleteAccount", "closeAccount"):
        authsignal.challenge(action)
    return authsignal


# As a whole


@pytest.mark.security
def test_no_secret_is_printed(portal, settings, monkeypatch):
    monkeypatch.setenv("AUTHSIGNAL_MANAGEMENT_KEY", "the_other_secret")
    for kind in (None, "401", "refused", "500", "not-json"):
        portal.fail(kind)
        said, _ = doctor()
        assert KEY not in said
        assert "the_other_secret" not in said


@pytest.mark.security
def test_it_changes_nothing(portal, ada, settings, monkeypatch):
    monkeypatch.setenv("AUTHSIGNAL_MANAGEMENT_KEY", "management")
    doctor()
    assert {call.method for call in portal.calls} == {"GET"}
    assert Challenge.objects.count() == 0


def test_an_error_is_exit_code_1(authsignal):
    authsignal.fail("refused")
    said, failed = doctor()
    assert failed
    assert "1 error" in said.splitlines()[-1]


def test_warnings_fail_only_where_that_is_asked_for(portal, settings):
    settings.DEBUG = True
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "PUBLIC_BASE_URL": "https://shop.example"}
    settings.SESSION_COOKIE_SECURE = False
    assert doctor(offline=True)[1] is False
    assert doctor(offline=True, fail_level="WARNING")[1] is True


def test_offline_asks_nothing(authsignal):
    doctor(offline=True)
    assert authsignal.calls == []


def test_a_faulty_setting_is_named_and_ends_it(authsignal, settings):
    settings.AUTHSIGNAL = {"API_SECRET_KEY": KEY, "MAX_AG": 3}
    said, failed = doctor()
    assert failed
    assert "Did you mean 'MAX_AGE'?" in said
    assert authsignal.calls == []


# The key, the region, the clock


def test_a_sound_key_is_said_to_be_one(portal):
    says(findings(OK), "Authsignal answers at https://api.authsignal.com/v1 and takes the key")


def test_no_key_is_an_error(authsignal, settings):
    from django_authsignal.conf import override_transport

    settings.AUTHSIGNAL = {}
    with override_transport(None):
        says(findings(ERROR), "no secret key", "Set AUTHSIGNAL")


def test_a_wrong_key_is_an_error_with_the_place_to_look(authsignal):
    authsignal.fail("401")
    says(findings(ERROR), "does not take the key", "portal")


def test_the_key_of_another_region_names_the_region(authsignal):
    send = authsignal.send

    def regional(request, *args, **kwargs):
        authsignal.fail(None if "//eu." in request.url else "401")
        return send(request, *args, **kwargs)

    authsignal.send = regional
    says(findings(ERROR), "region Dublin", 'Set API_URL to "https://eu.api.authsignal.com/v1"')


def test_a_key_is_shown_to_no_other_region_when_the_address_is_ones_own(authsignal, settings):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "API_URL": "https://proxy.shop.example/v1"}
    authsignal.fail("401")
    findings(ERROR)
    assert len(authsignal.calls) == 1


@pytest.mark.parametrize("kind", ["refused", "timeout", "500", "not-json", "redirect"])
def test_a_service_that_gives_no_answer_is_an_error(authsignal, kind):
    authsignal.fail(kind)
    says(findings(ERROR), "gave no usable answer")


def test_a_key_chosen_by_the_request_is_not_looked_at(authsignal, settings):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "API_SECRET_KEY": lambda request: KEY}
    says(findings(NOTE), "API_SECRET_KEY is chosen by the request")


@pytest.mark.parametrize(
    ("seconds", "level", "words"),
    [
        (0, OK, "The clocks agree"),
        (-20, OK, "The clocks agree"),
        (45, WARNING, "off Authsignal's"),
        (-45, WARNING, "off Authsignal's"),
        (300, ERROR, "off Authsignal's"),
        (-300, ERROR, "off Authsignal's"),
    ],
)
def test_a_clock_that_is_off_is_found(authsignal, seconds, level, words):
    send = authsignal.send

    def dated(*args, **kwargs):
        answer = send(*args, **kwargs)
        answer.headers["Date"] = format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
        return answer

    authsignal.send = dated
    says(findings(level), words)


@pytest.mark.parametrize("date", [None, "yesterday", "Thu, 99 Nov 2026 10:00:00 GMT"])
def test_an_answer_without_a_readable_date_is_said_to_have_none(authsignal, date):
    send = authsignal.send

    def dated(*args, **kwargs):
        answer = send(*args, **kwargs)
        if date:
            answer.headers["Date"] = date
        return answer

    authsignal.send = dated
    says(findings(NOTE), "no Date")


# The actions, as the portal has them


def asked(authsignal, level):
    return findings(level, management_key="management")


def test_an_action_that_is_challenge_there_is_well(portal):
    says(asked(portal, OK), "withdrawFunds: CHALLENGE in the portal")


def test_a_step_up_that_is_allow_there_is_an_error(portal):
    portal.allow("withdrawFunds")
    says(asked(portal, ERROR), "withdrawFunds is ALLOW in the portal", "Set the outcome of withdrawFunds to CHALLENGE")


def test_one_that_nobody_configured_there_is_an_error(authsignal):
    authsignal.challenge("signIn")
    says(asked(authsignal, ERROR), "withdrawFunds is not configured in the portal, and so ALLOW for everybody")


def test_an_action_that_only_a_view_names_is_looked_at(portal):
    del portal._outcomes["closeAccount"]
    says(asked(portal, ERROR), "closeAccount is not configured")


def test_a_sign_in_that_is_allow_there_is_a_warning(portal):
    portal.allow("signIn")
    says(asked(portal, WARNING), "signIn is ALLOW in the portal", "a password alone signs in")


def test_a_sign_in_that_needs_a_proof_and_is_allow_there_is_an_error(portal, settings):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ACTIONS": {"signIn": {"ON_ALLOW": "deny"}}}
    portal.allow("signIn")
    says(asked(portal, ERROR), "signIn is ALLOW in the portal")


def test_an_action_that_may_be_allow_is_only_noted(portal, settings):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ACTIONS": {"withdrawFunds": {"ON_ALLOW": "pass"}}}
    portal.allow("withdrawFunds")
    says(asked(portal, NOTE), "withdrawFunds is ALLOW in the portal", "only rules ask")


def test_an_action_that_blocks_everybody_is_a_warning(portal):
    portal.block("withdrawFunds")
    says(asked(portal, WARNING), "withdrawFunds is BLOCK")


def test_methods_that_the_portal_does_not_offer_are_an_error(portal, settings):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ACTIONS": {"withdrawFunds": {"METHODS": ["PASSKEY"]}}}
    configurations = portal._configurations
    portal._configurations = lambda: [{**one, "verificationMethods": ["SMS"]} for one in configurations()]
    says(asked(portal, ERROR), "withdrawFunds: the portal offers SMS, and METHODS accepts none")


def test_a_management_key_that_is_refused_leaves_the_ledger_to_tell(authsignal):
    send = authsignal.send

    def only_users(request, *args, **kwargs):
        authsignal.fail("401" if "/management/" in request.url else None)
        return send(request, *args, **kwargs)

    authsignal.send = only_users
    found = asked(authsignal, NOTE)
    says(found, "does not take AUTHSIGNAL_MANAGEMENT_KEY")
    says(found, "withdrawFunds: nobody met it in 30 days")


def test_what_the_emulator_was_not_told_is_what_it_was_started_with(authsignal, settings):
    settings.DEBUG = True
    settings.AUTHSIGNAL = {"EMULATOR": True}
    says(findings(NOTE), "withdrawFunds is not configured in the emulator", "--default-outcome")


@pytest.mark.parametrize("key", ["", "management"])
def test_a_ledger_that_cannot_be_read_is_a_finding_and_no_crash(portal, settings, key, monkeypatch):
    from django.db import OperationalError

    from django_authsignal.models import Ledger

    def broken(self):
        raise OperationalError("no such table")

    monkeypatch.setattr(Ledger, "get_queryset", broken)
    says(findings(NOTE, management_key=key), "The ledger cannot be read")


# The actions, as the ledger saw them


def test_without_that_key_no_action_is_tried_and_the_ledger_tells(authsignal):
    found = findings(NOTE)
    says(found, "known to the Management API only", "AUTHSIGNAL_MANAGEMENT_KEY")
    says(found, "withdrawFunds: nobody met it in 30 days")
    assert all(call.operation == "get_user" for call in authsignal.calls)


def test_an_allow_that_was_denied_is_an_error(adas, authsignal):
    authsignal.allow()
    adas.get("/withdraw/")
    says(findings(ERROR), "withdrawFunds was ALLOW when it was last met", "to CHALLENGE")


def test_a_proof_tells_that_all_is_well(adas):
    adas.step_up()
    says(findings(OK), "withdrawFunds: CHALLENGE_SUCCEEDED when it was last met")


def test_an_allow_that_signed_in_is_a_warning(browser, ada, authsignal):
    authsignal.allow("signIn")
    browser.post("/login/", {"username": "ada", "password": "correct horse battery staple"})
    says(findings(WARNING), "signIn was ALLOW when it was last met")


def test_an_allow_of_somebody_with_nothing_to_prove_with_says_nothing(adas, authsignal):
    authsignal.unenrolled()
    adas.get("/withdraw/")
    assert newest().reason == "not_enrolled"
    says(findings(NOTE), "withdrawFunds: nobody met it")


# Here


def test_a_table_that_is_behind_is_an_error(portal):
    newest = max(name for app, name in MigrationRecorder(connection).applied_migrations() if app == "django_authsignal")
    MigrationRecorder(connection).record_unapplied("django_authsignal", newest)
    says(findings(ERROR, offline=True), newest, "migrate django_authsignal")


def test_a_table_that_is_there_is_well(portal):
    says(findings(OK, offline=True), "The ledger's table is there")


@pytest.mark.parametrize(("debug", "level"), [(False, ERROR), (True, NOTE)])
def test_sessions_that_one_process_alone_sees_are_found(settings, debug, level):
    settings.DEBUG = debug
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    says(findings(level, offline=True), "Sessions are in LocMemCache", "cached_db")


def test_sessions_in_the_database_are_well(settings):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"
    says(findings(OK, offline=True), "Sessions are kept by db")


def test_sessions_over_plain_http_are_found(settings):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "PUBLIC_BASE_URL": "https://shop.example"}
    says(findings(WARNING, offline=True), "SESSION_COOKIE_SECURE is off")
    settings.SESSION_COOKIE_SECURE = True
    assert not any("SESSION_COOKIE_SECURE" in text for text in findings(WARNING, offline=True))


def test_a_cache_of_one_process_is_found(settings):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    says(findings(WARNING, offline=True), "each process counts the tries", "such as Redis")


def test_a_cache_that_is_down_is_an_error(settings):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://x:1"}}
    says(findings(ERROR, offline=True), "The cache does not answer", "Check CACHES")


@pytest.mark.parametrize("host", [".com", "com"])
def test_a_host_that_is_too_many_is_an_error(settings, host):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "HOSTED_HOSTS": [host]}
    says(findings(ERROR, offline=True), "HOSTED_HOSTS has", repr(host))


@pytest.mark.parametrize("host", [".authsignal.com", "mfa.shop.example", "localhost"])
def test_a_whole_host_is_well(settings, host):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "HOSTED_HOSTS": [host]}
    assert not any("HOSTED_HOSTS" in text for text in findings(ERROR, offline=True))


def test_a_check_is_a_finding_with_its_id_and_hint(settings):
    settings.MIDDLEWARE = [one for one in settings.MIDDLEWARE if "AuthsignalMiddleware" not in one]
    says(findings(ERROR, offline=True), "authsignal.E003", "right after")


def test_what_must_not_go_live_is_found_only_where_debug_is_off(settings):
    settings.AUTHSIGNAL = {"API_SECRET_KEY": "emulator_secret"}
    says(findings(ERROR, offline=True), "authsignal.E011")
    settings.DEBUG = True
    assert not any("authsignal.E011" in text for text in findings(ERROR, offline=True))


# The way back


@pytest.fixture
def public(live_server, settings, authsignal):
    def at(origin):
        settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "PUBLIC_BASE_URL": origin}

    at(live_server.url)
    return at


@pytest.mark.django_db(transaction=True)
def test_a_callback_that_is_this_projects_is_well(public, live_server):
    says(findings(OK), f"The way back leads here: {live_server.url}/authsignal/callback/")


@pytest.mark.django_db(transaction=True)
def test_a_callback_that_is_somebody_elses_is_an_error(public, settings):
    settings.ROOT_URLCONF = "tests.enrolment.elsewhere_urls"
    says(findings(ERROR), "is not this project's callback (it answers 404)")


@pytest.mark.django_db(transaction=True)
def test_a_callback_that_is_redirected_is_an_error(public, settings):
    settings.ROOT_URLCONF = "tests.enrolment.elsewhere_urls"
    settings.ELSEWHERE = "https://www.shop.example"
    says(findings(ERROR), "sends the callback elsewhere (301)", "PUBLIC_BASE_URL to where it leads: https://www.shop")


def test_an_address_that_nothing_answers_at_is_a_warning(public):
    public("http://127.0.0.1:1")
    says(findings(WARNING), "http://127.0.0.1:1 cannot be reached from here")


def test_without_an_origin_the_way_back_is_not_tried(authsignal):
    says(findings(NOTE), "PUBLIC_BASE_URL names no origin")
