"""`manage.py authsignal_policies`: its three lists, its two forms, and how it ends."""

import json
import types
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.urls import path
from django.utils import timezone

from django_authsignal.decorators import challenge_required
from django_authsignal.models import Challenge, Kind, Status

pytestmark = [pytest.mark.urls("tests.policies.urls"), pytest.mark.usefixtures("authsignal")]


def run(*arguments, **options):
    out = StringIO()
    call_command("authsignal_policies", *arguments, stdout=out, **options)
    return out.getvalue()


def test_the_table_has_a_line_for_each_door():
    lines = run().splitlines()
    assert " ".join(lines[0].split()) == "METHODS URL VIEW ACTION AGE PROOF BIND ENFORCE ALLOW UNENROLLED OUTAGE BY"
    (pay,) = [line for line in lines if " /shop/pay/ " in line]
    assert pay.split()[:6] == [
        "POST,PUT,PATCH,DELETE",
        "/shop/pay/",
        "tests.policies.urls.pay",
        "payInvoice",
        "900",
        "s",
    ]
    assert pay.split()[-1] == "decorator"
    assert any("exempt: a newsletter is nothing to steal" in line for line in lines)
    assert "cannot be read: /lazy/ ModuleNotFoundError: No module named 'no'" in lines
    assert "asked, but not in ACTIONS: deleteUser. The defaults count; is it spelt right?" in lines


def test_one_action_alone():
    lines = [line for line in run("--action", "payInvoice").splitlines() if "/" in line and ":" not in line]
    assert len(lines) == 1


def test_json_says_the_same():
    found = json.loads(run("--format", "json"))
    (pay,) = [door for door in found["doors"] if door["url"] == "/shop/pay/"]
    assert pay["asks"][0]["bind"] == ["amount", "payee"]
    assert found["faults"][0]["url"] == "/lazy/"
    assert found["unknown"] == ["closeAccount", "deleteUser", "manageUsers", "readUsers"]


def test_coverage_names_the_gap_its_reason_and_its_line():
    text = run("--coverage")
    assert "POST /delete-account/  tests.policies.urls.delete_account  tests/policies/urls.py:" in text
    assert "    closes an account (it says 'account')\n" in text
    assert '    @challenge_required("deleteAccount")  # above def delete_account\n' in text


def test_coverage_in_json():
    found = json.loads(run("--coverage", "--format", "json"))
    assert {"reason", "line", "doors"} == found["gaps"][0].keys()


def test_a_build_fails_only_when_asked_to():
    run("--coverage")
    with pytest.raises(CommandError) as failed:
        run("--coverage", "--fail")
    assert failed.value.returncode == 1


@pytest.mark.urls("tests.policies.small_urls")
def test_a_build_of_a_covered_project_passes(settings):
    assert "none that looks sensitive asks nothing" in run("--coverage", "--fail")


@pytest.mark.urls("tests.policies.small_urls")
def test_a_build_fails_for_an_action_that_is_spelt_in_two_ways(settings):
    urlconf = types.ModuleType("two_ways")
    urlconf.urlpatterns = [path("pay/", challenge_required("settleMandtae")(lambda request: None))]
    settings.ROOT_URLCONF = urlconf
    settings.AUTHSIGNAL = {"ACTIONS": {"settleMandate": {"METHODS": ["PASSKEY"]}}}
    assert "asked, but not in ACTIONS: settleMandtae. The defaults count; did you mean 'settleMandate'?" in run(
        "--coverage"
    )
    assert json.loads(run("--coverage", "--format", "json"))["misspelt"] == {"settleMandtae": "settleMandate"}
    with pytest.raises(CommandError, match="spelt in two ways"):
        run("--coverage", "--fail")


@pytest.mark.parametrize(
    "options",
    [("--fail",), ("--coverage", "--fail", "--observed"), ("--since", "7d"), ("--coverage", "--since", "7d")],
    ids=" ".join,
)
def test_an_option_that_would_be_left_out_is_refused(options):
    with pytest.raises(CommandError, match="Give"):
        run(*options)


def test_the_process_ends_with_1(tmp_path):
    import subprocess
    import sys

    command = [
        sys.executable,
        "-m",
        "django",
        "authsignal_policies",
        "--coverage",
        "--fail",
        "--settings=tests.settings",
    ]
    ended = subprocess.run([*command, "--urlconf=no.such.urls"], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "the urlconf 'no.such.urls' cannot be imported" in ended.stdout
    assert "Traceback" not in ended.stderr


def test_no_call_is_made_and_no_row_is_written(authsignal, db):
    run()
    run("--coverage")
    assert (authsignal.calls, Challenge.objects.count()) == ([], 0)


def test_faulty_settings_are_one_sentence(settings):
    settings.AUTHSIGNAL = {"ENFORCE": "sometimes"}
    with pytest.raises(CommandError, match="ENFORCE"):
        run()


def test_an_action_that_cannot_be_one_is_refused():
    with pytest.raises(CommandError, match="not an action code"):
        run("--action", "with draw")


# What was observed


@pytest.fixture
def observed(db):
    now = timezone.now()
    for user, outcome, days in [
        ("1", "challenge", 0),
        ("1", "challenge", 1),
        ("2", "challenge", 9),
        ("3", "enroll", 2),
    ]:
        Challenge.objects.create(
            kind=Kind.STEP_UP,
            status=Status.ALLOWED,
            action="withdrawFunds",
            user_pk=user,
            authsignal_id=user,
            reason=f"observed: {outcome}",
            created_at=now - timedelta(days=days),
            expires_at=now,
        )
    Challenge.objects.create(kind=Kind.STEP_UP, action="withdrawFunds", user_pk="9", authsignal_id="9", expires_at=now)


def test_observations_are_counted_by_action_and_outcome(observed):
    lines = [line.split() for line in run("--observed").splitlines()]
    assert lines == [
        ["ACTION", "WOULD", "HAVE", "BEEN", "TIMES", "USERS"],
        ["withdrawFunds", "challenge", "3", "2"],
        ["withdrawFunds", "enroll", "1", "1"],
    ]


@pytest.mark.parametrize("since", ["3d", "72h", "4320m", lambda: (timezone.now() - timedelta(days=3)).isoformat()])
def test_observations_since_a_moment(observed, since):
    found = json.loads(run("--observed", "--since", since if isinstance(since, str) else since(), "--format", "json"))
    assert [(one["outcome"], one["times"]) for one in found["observed"]] == [("challenge", 2), ("enroll", 1)]


def test_observations_since_a_day(observed):
    assert "enroll" in run("--observed", "--since", (timezone.now() - timedelta(days=4)).date().isoformat())


def test_nothing_observed_is_said(db):
    assert "Nothing was observed" in run("--observed")


@pytest.mark.parametrize("since", ["yesterday", "2026-13-01", "5y", "99999999d", "999999w", ""])
def test_a_moment_that_is_none_is_refused_with_the_fix(db, since):
    if since:
        with pytest.raises(CommandError, match="give 30m"):
            run("--observed", "--since", since)
