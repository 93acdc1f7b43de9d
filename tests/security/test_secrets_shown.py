"""What people ask to be shown: reprs, copies, commands, checks, the admin. None of it holds a secret."""

import copy
import os
import pickle
import pprint
import subprocess
import sys
from io import StringIO

import pytest
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.test import RequestFactory
from django.urls import reverse

from django_authsignal import break_glass, session, usernameless
from django_authsignal.client import Event, Hidden, Sealed, Tracked
from django_authsignal.client.types import EnrolledAuthenticator
from django_authsignal.conf import get_client, get_settings
from django_authsignal.decision import ActionBlocked, ChallengeRequired, Decision, Question, Verdict
from django_authsignal.models import Challenge
from django_authsignal.people.sources import Found
from django_authsignal.policy import get_policy
from tests.canaries import KEY, MARK, canary, leaks
from tests.conftest import Browser
from tests.security import ways
from tests.security.ways import walk

pytestmark = [pytest.mark.django_db, pytest.mark.security, pytest.mark.urls("tests.security.ways")]


@pytest.fixture(autouse=True)
def _project_of_canaries(project_of_canaries):
    """Every secret of the project's is one that is recognised."""


def shown(thing):
    """As people, loggers and reports show it."""
    texts = [repr(thing), str(thing), f"{thing!s}", pprint.pformat(thing), pprint.pformat([thing]), f"{[thing]}"]
    inner = getattr(thing, "_http", None)  # a client's
    return texts + ([pprint.pformat(vars(thing)), pprint.pformat(vars(inner))] if inner else [])


SECRET = canary("secret")
WIRE = {"token": SECRET, "url": SECRET, "recoveryCodes": [SECRET], "otpUri": SECRET, "code": SECRET}


def objects(ada, authsignal):
    """Every public object that has a secret in it."""
    request = RequestFactory().get("/")
    request.session = {}
    decision = Decision(Verdict.CHALLENGE, "withdrawFunds", url=SECRET, token=SECRET, values={"card": SECRET})
    question = Question(user=ada, policy=get_policy("withdrawFunds"))
    client = get_client(request)
    client.track("1", "withdrawFunds")
    return {
        "Client": client,
        "Settings": get_settings(),
        "Tracked": Tracked.from_wire({**WIRE, "state": "CHALLENGE_REQUIRED"}),
        "EnrolledAuthenticator": EnrolledAuthenticator.from_wire(
            {**WIRE, "authenticator": {"userAuthenticatorId": "1", "userId": "1", "verificationMethod": "SMS"}}
        ),
        "Event": Event(id="1", type="sms.created", data=WIRE, raw=WIRE),
        "batch": Event(records=(Event(data=WIRE, raw=WIRE),), raw=WIRE),
        "Decision": decision,
        "Question": question,
        "ChallengeRequired": ChallengeRequired(decision, question),
        "ActionBlocked": ActionBlocked(decision),
        "OpenChallenge": session.OpenChallenge("1", "a", "k", "u", "s", SECRET, SECRET, 0.0),
        "Link": break_glass.make_link(ada, origin="http://testserver"),
        "Offer": usernameless.offer(request),
        "Sealed": Sealed(SECRET),
        "Found": Found(ada.pk, "totp", otp_secret=SECRET, passkey=WIRE),
    }


@pytest.mark.security(51)
def test_no_repr_of_a_public_object_holds_a_secret(ada, authsignal):
    made = objects(ada, authsignal)
    more = [made["Offer"].nonce, made["Link"].url.partition("token=")[2]]
    for name, thing in made.items():
        assert leaks(shown(thing), *more) == [], name


def test_a_text_of_a_secret_that_is_used_as_one_is_hidden_from_reprs_alone():
    text = Hidden(SECRET)
    assert (text, f"{text}", pickle.loads(pickle.dumps(text))) == (SECRET, SECRET, SECRET)
    assert leaks(pprint.pformat({"url": [text]}) + repr((text,))) == []


@pytest.mark.parametrize("make", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_sealed_secret_is_neither_pickled_nor_copied(make):
    with pytest.raises(TypeError, match="Pass it on as it is"):
        make(Sealed(SECRET))


def test_what_a_session_keeps_is_plain_where_it_is_stored(adas):
    """A cache keeps sessions pickled, and must be able to read them after an update of this package."""
    adas.get("/withdraw/")
    (kept,) = adas.session["authsignal"]["open"].values()
    assert type(kept["url"]) is type(kept["token"]) is str
    assert b"django_authsignal" not in pickle.dumps({"url": Hidden("x")})


# Commands and checks

COMMANDS = [
    ("authsignal_doctor", []),
    ("authsignal_doctor", ["--offline"]),
    ("authsignal_policies", []),
    ("authsignal_policies", ["--coverage"]),
    ("authsignal_sync_users", []),
    ("authsignal_prune", []),
    ("authsignal_break_glass", ["nobody", "--base-url", "http://testserver"]),
]


@pytest.mark.security(51)
@pytest.mark.parametrize("fault", [None, "401", "timeout", "not-json"])
@pytest.mark.parametrize(("name", "options"), COMMANDS, ids=lambda item: "".join(item) if item else "")
def test_no_command_says_a_secret(name, options, fault, authsignal, ada, monkeypatch, caplog):
    monkeypatch.setitem(os.environ, "AUTHSIGNAL_MANAGEMENT_KEY", canary("management-key"))
    walk(ways.signing_in, Browser(authsignal), ada)
    authsignal.fail(fault)
    out, said = StringIO(), ""
    try:
        call_command(name, *options, stdout=out, stderr=out, verbosity=3)
    except (CommandError, SystemExit) as exc:
        said = str(exc)
    assert out.getvalue() or said
    assert leaks([out.getvalue(), said, caplog.text]) == []


def test_break_glass_shows_its_link_once_and_nothing_else(ada, caplog):
    out, err = StringIO(), StringIO()
    call_command("authsignal_break_glass", "ada", base_url="http://testserver", stdout=out, stderr=err, verbosity=3)
    secret = out.getvalue().strip().partition("token=")[2]
    assert len(secret) == 43
    assert leaks([err.getvalue(), caplog.text, *(repr(vars(row)) for row in Challenge.objects.all())], secret) == []
    assert leaks(out.getvalue()) == []


def test_no_check_says_a_secret(configure, ada):
    configure(ON_UNREACHABLE="allow", PUBLIC_BASE_URL="http://shop.example", API_URL="http://api.example/v1", TYPO=KEY)
    found = run_checks(include_deployment_checks=True)
    assert [item.id for item in found if item.id.startswith("authsignal")]
    assert leaks([f"{item} {item!r}" for item in found]) == []


DIFFSETTINGS = """
import django
from django.conf import settings
from django.core.management import call_command
from django_authsignal.conf import get_settings
ours = {ours!r}
settings.configure(INSTALLED_APPS={apps!r}, DATABASES={databases!r}, USE_TZ=True, AUTHSIGNAL=ours)
django.setup()
call_command("diffsettings", all=True)
print(ours, vars(get_settings()), repr(get_settings()))
assert get_settings().API_SECRET_KEY == {key!r}
"""


@pytest.mark.security(51)
def test_diffsettings_shows_no_secret_that_stands_in_the_settings():
    ours = {"API_SECRET_KEY": KEY, "API_SECRET_KEY_FALLBACKS": [MARK], "USER_ID_SECRET": MARK * 4}
    apps = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "django_authsignal"]
    code = DIFFSETTINGS.format(ours=ours, apps=apps, databases={}, key=KEY)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("[hidden]") >= 9
    assert leaks(run.stdout) == []


@pytest.mark.security(62)
def test_no_page_of_the_ledger_shows_a_secret(new_browser, authsignal, ada, django_user_model):
    held = [walk(way, new_browser(), ada) for way in (ways.stepping_up, ways.a_form, ways.breaking_glass)]
    new_browser().post("/pay-by-card/", ways.FORM)
    staff = new_browser()
    django_user_model.objects.create_superuser("root", "root@example.com", "a plain one")
    staff.sign_in("root", "a plain one")
    rows = list(Challenge.objects.exclude(user_pk=staff.user_pk))
    pages = [reverse("admin:django_authsignal_challenge_changelist")]
    for row in rows:
        pages += [reverse(f"admin:django_authsignal_challenge_{name}", args=[row.pk]) for name in ("change", "history")]
    for page in pages:
        answer = staff.get(page)
        assert answer.status_code == 200
        assert leaks(answer.content.decode(), *(value for one in held for value in one.all)) == []
