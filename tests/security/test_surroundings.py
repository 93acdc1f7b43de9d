"""What stands around the gate: proxies, other middleware, other doors, outages, the emulator, what is written down."""

import subprocess
import sys
import traceback
from pathlib import Path

import pytest
from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session
from django.core.checks import run_checks
from django.http import StreamingHttpResponse
from django.urls import path, reverse
from django.views.debug import SafeExceptionReporterFilter

from django_authsignal.client import Client, ConnectionFailed, ServerError
from django_authsignal.conf import Settings, get_settings
from django_authsignal.decision import ChallengeRequired
from django_authsignal.models import Challenge, Status
from tests.client.conftest import Server, listening, read_request, running
from tests.conftest import PASSWORD, newest
from tests.project.urls import urlpatterns as project

pytestmark = [pytest.mark.django_db, pytest.mark.security, pytest.mark.urls(__name__)]
OURS = "django_authsignal.middleware.AuthsignalMiddleware"
ROOT = Path(__file__).resolve().parent.parent.parent


def feed(request):
    def acts():
        while True:
            try:
                request.authsignal.require("withdrawFunds")
                yield "done"
            except ChallengeRequired:
                yield "asked"

    return StreamingHttpResponse(acts())


urlpatterns = [*project, path("feed/", feed)]


@pytest.fixture
def configure(settings):
    def add(**keys):
        settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, **keys}

    return add


# 21


@pytest.mark.security(21)
def test_neither_password_nor_code_nor_header_nor_cookie_is_at_rest(new_browser, ada, authsignal, caplog, monkeypatch):
    caplog.set_level("DEBUG")
    cached = []
    monkeypatch.setattr(
        "django.core.cache.backends.locmem.LocMemCache.set", lambda self, *args, **kwargs: cached.append(repr(args))
    )
    browser = new_browser(raise_request_exception=False)
    browser.cookies["other"] = "the-cookie-of-another-app"
    headers = {"Authorization": "Basic dGhlLWF1dGhvcml6YXRpb24=", "X-Api-Key": "the-api-key"}
    browser.post("/login/", {"username": "ada", "password": PASSWORD, "otp": "the-code-918273"}, headers=headers)
    browser.prove()
    browser.post("/withdraw/", {"password": "the-second-password", "otp": "the-code-918273"}, headers=headers)
    binding = browser.cookies["authsignal_browser"].value
    resting = caplog.text + "".join(cached)
    resting += "".join(repr(session.get_decoded()) for session in Session.objects.all())
    resting += "".join(repr(vars(row)) for row in Challenge.objects.all())
    assert Challenge.objects.count() == 2
    for secret in (PASSWORD, "the-second-password", "the-code", "dGhlLWF1", "the-api-key", "the-cookie-of", binding):
        assert secret not in resting


# 31


@pytest.mark.security(31)
def test_nothing_of_one_requests_host_is_kept_for_another(new_browser, ada, authsignal):
    sent = []
    for host in ("shop.example", "testserver", "localhost"):
        browser = new_browser()
        browser.force_login(ada)
        browser.get("/withdraw/", headers={"Host": host, "X-Forwarded-Host": "evil.example"})
        sent.append(authsignal.calls[-1].json["redirectUrl"].split("/")[2])
    assert sent == ["shop.example", "testserver", "localhost"]


# 33 and 34


@pytest.mark.security(33)
@pytest.mark.parametrize("token", ["good", "garbage", ""])
def test_the_answer_to_a_token_is_stored_nowhere_and_tells_no_other_site(adas, authsignal, token, colour):
    adas.get(f"{colour}withdraw/")
    token = authsignal.complete(str(newest().pk)) if token == "good" else token
    answer = adas.callback(token=token)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (303, "no-store")
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "token=" not in answer.headers["Location"]


@pytest.mark.security(34)
@pytest.mark.parametrize("page", ["waiting", "challenge", "authenticators", "sign-in", "outcome"])
def test_no_page_with_something_to_press_is_framed(settings, new_browser, ada, page):
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "XFrameOptions" not in name]  # ours do it themselves
    adas = new_browser()
    adas.force_login(ada)
    if page == "waiting":
        answer = adas.post("/withdraw/", {"a": "1"})
    elif page == "challenge":
        adas.post("/withdraw/", {"a": "1"})
        answer = adas.get(reverse("authsignal:challenge", args=[newest().pk]))
    elif page == "authenticators":
        adas.step_up("/authsignal/authenticators/")
        answer = adas.get("/authsignal/authenticators/")
    elif page == "outcome":
        adas.get("/withdraw/")
        answer = adas.get(adas.callback().headers["Location"])
    else:
        answer = adas.get("/authsignal/sign-in/")
    assert answer.headers["X-Frame-Options"] == "DENY"


# 35


@pytest.mark.security(35)
@pytest.mark.urls("tests.admin.urls")
@pytest.mark.parametrize("site", ["guarded", "stock"])
@pytest.mark.parametrize(
    ("door", "sent"),
    [
        ("group/7/delete/", {"post": "yes"}),
        ("group/", {"action": "delete_selected", "_selected_action": "7", "index": "0", "post": "yes"}),
        ("group/", {"action": "shout", "_selected_action": "7", "index": "0"}),
        ("group/", {"form-TOTAL_FORMS": "1", "form-INITIAL_FORMS": "1", "form-0-id": "7", "form-0-name": "Clerks",
                    "_save": "Save"}),
        ("group/7/change/", {"name": "Clerks", "User_groups-TOTAL_FORMS": "0", "User_groups-INITIAL_FORMS": "0"}),
    ],
    ids=["delete", "delete selected", "action", "list_editable", "change"],
)  # fmt: skip
def test_a_post_sent_directly_to_the_admin_does_nothing_unproved(
    way_in, django_user_model, authsignal, settings, site, door, sent
):
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "django.contrib.admindocs"]
    Group.objects.create(pk=7, name="Tellers")
    root = django_user_model.objects.create_superuser("root", "root@example.com", PASSWORD)
    browser = way_in()
    browser.force_login(root)
    browser.pass_challenge("signIn")
    browser.pass_challenge("readGroups")
    assert browser.post(f"/{site}/auth/{door}", sent).status_code == 403
    assert Group.objects.get(pk=7).name == "Tellers"


# 37


@pytest.mark.security(37)
@pytest.mark.parametrize("place", ["missing", "first", "last", "before the session"])
@pytest.mark.parametrize("page", ["withdraw/", "members/", "transfer/"])
def test_a_decorator_asks_wherever_the_middleware_stands(settings, way_in, ada, colour, place, page):
    rest = [name for name in settings.MIDDLEWARE if name != OURS]
    places = {"missing": rest, "first": [OURS, *rest], "last": [*rest, OURS], "before the session": None}
    settings.MIDDLEWARE = places[place] or [rest[0], OURS, *rest[1:]]
    browser = way_in()
    browser.force_login(ada)
    answer = browser.get(f"{'/' if page == 'transfer/' else colour}{page}")
    assert answer.status_code == 302
    assert "authsignal.com" in answer.headers["Location"]


@pytest.mark.security(37)
def test_code_that_asks_without_the_middleware_is_no_open_door(settings, way_in, ada, colour):
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != OURS]
    browser = way_in(raise_request_exception=False)
    browser.force_login(ada)
    answer = browser.get(f"{colour}deep/")
    assert (answer.status_code, answer.content == b"deep") == (500, False)


# 40


@pytest.mark.security(40)
@pytest.mark.django_db(transaction=True)
def test_a_stream_looks_at_the_proof_at_each_act(adas, time_machine):
    adas.step_up()
    acts = iter(adas.get("/feed/").streaming_content)
    assert next(acts) == b"done"
    time_machine.move_to(newest().proved_at.timestamp() + 901)
    assert next(acts) == b"asked"


# 42, 43 and 44


@pytest.mark.security(42)
@pytest.mark.parametrize("kind", ["400", "401", "403", "404", "409", "429"])
@pytest.mark.parametrize("where", ["withdraw/", "members/"])
def test_a_refusal_never_opens_anything_and_is_loud(adas, authsignal, configure, caplog, colour, kind, where):
    configure(ON_UNREACHABLE="allow")
    authsignal.fail(kind)
    answer = adas.get(f"{colour}{where}")
    # Too many calls (429) pass by themselves: whoever waits is told to try again.
    assert (answer.status_code, newest().status) == ((503, "unreachable") if kind == "429" else (403, "denied"))
    assert [record for record in caplog.records if record.levelname == "ERROR" and "Authsignal" in record.getMessage()]


@pytest.mark.security(42)
def test_a_missing_key_is_an_error_of_the_deployment(settings):
    settings.AUTHSIGNAL = {}
    assert "authsignal.E010" in [item.id for item in run_checks(include_deployment_checks=True)]


@pytest.mark.security(43)
def test_what_an_outage_lets_through_is_marked_and_short(browser, ada, authsignal, configure, time_machine):
    configure(ON_UNREACHABLE="allow")
    authsignal.fail("refused")
    browser.post("/login/", {"username": "ada", "password": PASSWORD})
    row = newest()
    assert (row.status, row.reason) == (Status.DEGRADED, "ConnectionFailed")
    authsignal.fail(None)
    assert browser.get("/members/").content == b"members"
    time_machine.move_to(row.created_at.timestamp() + 301)
    assert browser.get("/members/").status_code == 302


@pytest.mark.security(43)
@pytest.mark.parametrize("policy", [{"MAX_AGE": 0}, {"METHODS": ["PASSKEY"]}])
def test_no_outage_stands_in_for_a_real_proof(adas, authsignal, configure, colour, policy):
    configure(ON_UNREACHABLE="allow", ACTIONS={"withdrawFunds": policy})
    authsignal.fail("timeout")
    assert adas.post(f"{colour}withdraw/").status_code == 503


@pytest.mark.security(43)
def test_nobody_makes_an_outage_by_what_their_browser_calls_itself(adas, authsignal, configure):
    configure(ON_UNREACHABLE="allow")
    answer = adas.get("/withdraw/", headers={"User-Agent": "x" * 1_000_000})
    assert answer.status_code == 302
    assert len(authsignal.calls[-1].json["userAgent"]) <= 512


@pytest.mark.security(44)
def test_a_lost_answer_is_asked_for_again_under_the_same_key_only():
    heard = []

    def hang_up(connection):
        heard.append(read_request(connection).partition(b"\r\n\r\n")[2])

    with listening(hang_up) as port:
        client = Client("key", api_url=f"http://127.0.0.1:{port}", timeout=1)
        with pytest.raises(ConnectionFailed):
            client.track("1", "withdrawFunds", idempotency_key="the-one-key")
        assert heard
        assert all(b"the-one-key" in body for body in heard)
        told, heard[:] = len(heard), []
        with pytest.raises(ConnectionFailed):
            client.track("1", "withdrawFunds")
    assert (len(heard), told) in ((1, 1), (1, 2), (1, 3))  # without a key it is sent once


@pytest.mark.security(44)
def test_an_error_of_the_service_is_not_asked_again_without_a_key():
    with running(Server()) as server:
        server.answers({}, 500)
        client = Client("key", api_url=server.url, timeout=2)
        with pytest.raises(ServerError):
            client.track("1", "withdrawFunds")
        assert len(server.seen) == 1


# 50


@pytest.mark.security(50)
@pytest.mark.parametrize(
    ("options", "fix"), [(["--host", "0.0.0.0"], "--allow-remote"), (["--secret", "sk_live_1"], "--secret")]
)
def test_the_emulator_serves_neither_other_machines_nor_with_a_real_key(tmp_path, options, fix):
    command = [sys.executable, "-m", "django_authsignal.emulator", *options]
    done = subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 2
    assert fix in done.stderr


@pytest.mark.security(50)
@pytest.mark.parametrize("changes", [{"EMULATOR": True}, {"API_SECRET_KEY": "emulator_secret"}])
def test_the_emulator_does_not_go_live(configure, changes):
    configure(PUBLIC_BASE_URL="https://shop.example", **changes)
    assert "authsignal.E011" in [item.id for item in run_checks(include_deployment_checks=True)]


@pytest.mark.security(50)
def test_without_debug_no_emulator_stands_in_for_a_missing_key(settings):
    settings.AUTHSIGNAL = {}
    assert (settings.DEBUG, get_settings().emulator) == (False, False)


# 51


@pytest.mark.security(51)
def test_no_text_of_ours_shows_the_key(settings):
    settings.AUTHSIGNAL = {"API_SECRET_KEY": "hush-hush", "API_SECRET_KEY_FALLBACKS": ["hush-hush"], "MAX_AEG": 1}
    texts = [repr(Settings(API_SECRET_KEY="hush-hush", API_SECRET_KEY_FALLBACKS=["hush-hush"]))]
    texts += [str(item) for item in run_checks(include_deployment_checks=True)]
    try:
        get_settings()
    except Exception:
        texts.append(traceback.format_exc())
    assert len(texts) > 2
    assert not [text for text in texts if "hush-hush" in text]


@pytest.mark.security(51)
def test_a_debug_page_shows_no_key(settings):
    """Django hides what its pattern names: the name of our one setting is enough."""
    settings.AUTHSIGNAL = {"API_SECRET_KEY": "hush-hush", "API_SECRET_KEY_FALLBACKS": ["hush-hush"]}
    assert "hush-hush" not in str(SafeExceptionReporterFilter().get_safe_settings())


# 62 and 63


@pytest.mark.security(62)
def test_the_admin_shows_neither_address_nor_token_of_an_open_challenge(browser, new_browser, ada, django_user_model):
    django_user_model.objects.create_superuser("root", "root@example.com", PASSWORD)
    customer = new_browser()
    customer.force_login(ada)
    token = customer.get("/withdraw/").headers["Location"].partition("token=")[2]
    row = newest()
    browser.sign_in("root")
    for page in ("changelist", "change"):
        args = [row.pk] if page == "change" else []
        shown = browser.get(reverse(f"admin:django_authsignal_challenge_{page}", args=args)).content.decode()
        assert str(ada.pk) in shown
        assert token not in shown
        assert "authsignal.com" not in shown


@pytest.mark.security(63)
@pytest.mark.parametrize("server", ["nginx", "Apache", "gunicorn", "uvicorn"])
def test_the_docs_say_how_each_server_logs_without_the_token(server):
    (line,) = [
        line for line in (ROOT / "docs" / "deployment.md").read_text().splitlines() if line.startswith(f"| {server} |")
    ]
    assert any(name in line for name in ("$uri", "%U", "%(U)s", "--no-access-log"))
    assert not any(name in line for name in ("$request ", "%r", "%(r)s", "%q", "%(q)s"))


# 64


@pytest.mark.security(64)
@pytest.mark.parametrize("end", [Status.REVOKED, Status.FAILED])
def test_a_closed_row_keeps_no_return_address(adas, end):
    adas.get("/withdraw/?page=2")
    row = newest()
    assert row.return_to == "/withdraw/?page=2"
    if end == Status.REVOKED:
        adas.post("/logout/")
    else:
        adas.prove(row, state="CHALLENGE_FAILED")
    row.refresh_from_db()
    assert (row.status, row.return_to) == (end, "")


@pytest.mark.security(64)
def test_what_ran_out_keeps_its_return_address_until_its_name_goes(adas, ada, time_machine):
    adas.get("/withdraw/?page=2")
    row = newest()
    time_machine.move_to(row.expires_at.timestamp() + 1)
    adas.prove(row)
    row.refresh_from_db()
    assert (row.status, row.return_to) == (Status.EXPIRED, "/withdraw/?page=2")
    ada.delete()
    row.refresh_from_db()
    assert (row.status, row.return_to) == (Status.EXPIRED, "")


@pytest.mark.security(64)
@pytest.mark.parametrize("where", ["/withdraw/?q=" + "x" * 3000, "//evil.example/%2e%2e/withdraw/"])
def test_a_long_or_foreign_address_is_not_returned_to(adas, where):
    adas.get(where)
    row = newest()
    assert row is None or row.return_to == "" or row.return_to.startswith("/withdraw/")
    assert row is None or len(row.return_to) <= 2048
