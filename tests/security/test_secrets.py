"""No secret is told by a log, a report, a page, a command or a repr, whatever breaks while it is in use."""

import gc
import logging

import pytest
from django.core.cache import cache
from django.core.cache.backends.locmem import LocMemCache
from django.core.checks import run_checks
from django.http import HttpRequest
from django.urls import path

from django_authsignal import signals
from django_authsignal.client import Client, ConfigurationError
from django_authsignal.conf import webhook_secrets
from django_authsignal.models import Challenge
from tests import canaries, pairs
from tests.canaries import MARK, PASSWORD, canary, debugged, failing_query, leaks, mailed, tracked, watched
from tests.conftest import AsgiBrowser, Browser, newest
from tests.databases import KIND
from tests.security import ways
from tests.security.ways import WAYS, walk

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.security,
    pytest.mark.urls(__name__),
    # A crash keeps the frames, and with them the connection, of its thread, which complains when it goes.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.skipif(KIND == "postgres", reason="what reports show is no matter of the database: SQLite runs it"),
]
OURS = "django_authsignal.middleware.AuthsignalMiddleware"
# The one variable of ours that cannot hide what is in it; docs/deployment.md names it.
NAMED = f"'password' {PASSWORD!r}"


@pytest.fixture(scope="module", autouse=True)
def _no_connection_is_left():
    """Those of crashed threads go here, and complain in no other test."""
    yield
    gc.collect()


def told(request):
    """A view that tells what it was given."""
    secret = request.META["HTTP_X_CANARY"]
    raise RuntimeError(secret)


urlpatterns = [*ways.urlpatterns, path("told/", told)]


class BrokenCache(LocMemCache):
    """A cache that is away."""

    def _away(self, *args, **kwargs):
        raise ConnectionError("the cache went away")

    get = set = add = incr = delete = get_many = set_many = delete_many = touch = _away


@pytest.fixture(autouse=True)
def _project_of_canaries(project_of_canaries):
    """Every secret of the project's is one that is recognised."""


def handlers(way):
    """Both, or in a short run one of them, in turn."""
    return [Browser, AsgiBrowser] if pairs.EVERY else [(Browser, AsgiBrowser)[WAYS.index(way) % 2]]


CASES = [pytest.param(way, kind, id=f"{way.__name__}-{kind.__name__}") for way in WAYS for kind in handlers(way)]
every_way = pytest.mark.parametrize(("way", "kind"), CASES)


# The places themselves are watched well enough


@pytest.mark.parametrize("report", [tracked, mailed, debugged])
def test_a_view_that_tells_is_heard(browser, report, monkeypatch):
    monkeypatch.setattr(canaries, "PACKAGE", __file__)  # as if this file were one of the package's
    browser.raise_request_exception = False
    with watched(report) as found:
        browser.get("/told/", headers={"X-Canary": MARK})
    assert leaks(found.crashes)
    assert leaks(found.said)


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_a_log_that_tells_is_heard(level):
    with watched() as found:
        getattr(logging.getLogger("django_authsignal.some"), level)("said %s", MARK)
    assert leaks(found.said)


def test_a_signal_that_tells_is_heard():
    with watched() as found:
        signals.authsignal_called.send(Client, operation=MARK)
    assert leaks(found.said)


# Nothing breaks


@every_way
def test_nothing_of_a_way_is_logged_or_signalled(way, kind, authsignal, ada):
    browser = kind(authsignal)
    if way is ways.a_view_that_breaks:
        browser.raise_request_exception = False
    with watched() as found:
        held = walk(way, browser, ada)
    assert leaks([*found.said, *found.crashes], *held.all) == []
    assert len(authsignal.calls) >= (way is not ways.a_webhook and way is not ways.breaking_glass)


# Something breaks


@pytest.mark.security(51)
@every_way
@pytest.mark.django_db(transaction=True)
def test_a_query_that_fails_tells_no_secret_of_ours(way, kind, authsignal, ada):
    """The session's and the ledger's, each in turn; in a short run every fifth."""
    number, last, crashes = 0, 1, 0
    # Most failures of a webhook are answers, and it comes again: a crash of one is soon missed.
    step = 1 if pairs.EVERY or way is ways.a_webhook else 5
    while number <= last:
        Challenge.objects.all().delete()
        cache.clear()
        browser = kind(authsignal, raise_request_exception=False)
        with watched() as found, failing_query(number) as made:
            held = walk(way, browser, ada)
            last = last if number else made()
        assert leaks([*found.said, *found.crashes], *held.all, but=[NAMED]) == [], f"query {number} of {last}"
        number, crashes = number + (step if number else 1), crashes + len(found.crashes)
    assert crashes


FAULTS = ["timeout", "401", "500", "not-json", "crash"]


@pytest.mark.security(51)
@every_way
@pytest.mark.parametrize("fault", FAULTS if pairs.EVERY else ["not-json", "crash"])
@pytest.mark.parametrize("where", ["first", "later"])
def test_a_call_that_fails_tells_no_secret(way, kind, fault, where, authsignal, ada):
    browser = kind(authsignal, raise_request_exception=False)
    send, calls = authsignal.send, []

    def failing(request, *args, **kwargs):
        calls.append(request.url)
        if len(calls) < (1 if where == "first" else 2):
            return send(request, *args, **kwargs)
        if fault == "crash":
            raise RuntimeError("something broke deep below")
        authsignal.fail(fault)
        return send(request, *args, **kwargs)

    authsignal.send = failing
    with watched(lambda *args: tracked(*args) + mailed(*args)) as found:
        held = walk(way, browser, ada)
    assert leaks([*found.said, *found.crashes], *held.binding, but=[NAMED]) == []


@pytest.mark.security(51)
@every_way
def test_a_developers_page_shows_no_secret_of_ours(way, kind, authsignal, ada):
    """It shows the variables of every frame, what was typed into Django's own forms among them."""
    browser = kind(authsignal, raise_request_exception=False)
    authsignal.send = None  # not callable: something breaks deep below
    with watched(debugged) as found:
        held = walk(way, browser, ada)
    assert leaks(found.crashes, *held.binding, but=[PASSWORD]) == []


@pytest.mark.security(59)
@pytest.mark.parametrize("fails", ["query", "call", "template"])
def test_what_a_view_marks_sensitive_is_in_no_report_of_what_fails_before_it(fails, way_in, authsignal, ada, request):
    if fails == "template":
        request.getfixturevalue("broken_templates")
    if fails == "call":
        authsignal.send = None
    browser = way_in(raise_request_exception=False)
    browser.force_login(ada)
    with watched(mailed) as found, failing_query(3 if fails == "query" else 0):
        browser.post("/pay-by-card/", ways.FORM)
    assert "********************" in found.crashes[0]
    assert leaks(found.crashes) == []


# Somebody else's code breaks


def both(request, exc_info):
    return tracked(request, exc_info) + mailed(request, exc_info)


@pytest.mark.parametrize("way", WAYS)
def test_a_cache_that_is_away_tells_no_secret(way, settings, configure, authsignal, ada):
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.BrokenCache"}}
    configure(BREAKER_CACHE="default")
    browser = Browser(authsignal, raise_request_exception=False)
    with watched(both) as found:
        held = walk(way, browser, ada)
    assert leaks([*found.said, *found.crashes], *held.binding, but=[NAMED]) == []


@pytest.fixture
def broken_templates(settings, tmp_path):
    (tmp_path / "authsignal").mkdir()
    for name in ("challenge", "waiting", "proved", "failed", "break_glass", "authenticators"):
        (tmp_path / "authsignal" / f"{name}.html").write_text("{% include nothing_of_the_kind %}")
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]


@pytest.mark.security(62)
@pytest.mark.usefixtures("broken_templates")
@pytest.mark.parametrize("way", [ways.a_form, ways.by_json, ways.breaking_glass])
def test_a_page_of_ones_own_that_breaks_tells_no_secret(way, authsignal, ada):
    browser = Browser(authsignal, raise_request_exception=False)
    with watched(lambda *args: both(*args) + debugged(*args)) as found:
        held = walk(way, browser, ada)
    assert found.crashes
    assert leaks([*found.said, *found.crashes], *held.binding) == []


@pytest.mark.parametrize("way", [ways.signing_in, ways.stepping_up, ways.as_a_client, ways.by_a_passkey])
@pytest.mark.parametrize("name", ["challenge_started", "challenge_passed"])
def test_a_receiver_that_breaks_tells_no_secret(way, name, authsignal, ada):
    def breaks(sender, **kwargs):
        raise RuntimeError("a receiver of the project's own")

    browser, signal = Browser(authsignal, raise_request_exception=False), getattr(signals, name)
    with watched(both) as found:
        signal.connect(breaks)
        try:
            held = walk(way, browser, ada)
        finally:
            signal.disconnect(breaks)
    assert leaks([*found.said, *found.crashes], *held.binding, but=[NAMED]) == []


@pytest.mark.parametrize("event", ways.EVENTS)
def test_a_hook_or_receiver_of_an_event_that_breaks_tells_nothing_of_it(event, configure, authsignal, ada):
    def breaks(*args, event, **kwargs):
        raise RuntimeError("it could not be handled")

    def hook(event):
        raise RuntimeError("it could not be sent")

    configure(SMS_HOOK=hook, PUSH_HOOK=hook, EMAIL_HOOK=hook)
    with watched(both) as found:
        signals.event_received.connect(breaks)
        try:
            walk(ways.a_webhook, Browser(authsignal, raise_request_exception=False), ada)
        finally:
            signals.event_received.disconnect(breaks)
    assert "could not be handled" in "".join(found.said)
    assert leaks([*found.said, *found.crashes]) == []


WRONG = {
    "a key in bytes": ("API_SECRET_KEY", lambda request: canary("key").encode()),
    "a key with a colon": ("API_SECRET_KEY", canary("key") + ":"),
    "an older key alone": ("API_SECRET_KEY_FALLBACKS", lambda request: canary("key")),
    "an older key with its line end": ("API_SECRET_KEY_FALLBACKS", [canary("key") + "\n"]),
    "a secret that is too short": ("USER_ID_SECRET", MARK),
}


@pytest.mark.security(51)
@pytest.mark.parametrize("fault", WRONG)
def test_a_setting_that_is_wrong_is_not_quoted(fault, configure, authsignal, ada):
    name, given = WRONG[fault]
    browser = Browser(authsignal, raise_request_exception=False)
    browser.force_login(ada)
    browser.get("/home/")  # the middleware reads them when it starts; these are changed later
    configure(**{name: given})
    said = [str(item) for item in run_checks(include_deployment_checks=True)]
    with watched(lambda *args: tracked(*args) + debugged(*args)) as found:
        for way in (ways.stepping_up, ways.a_webhook):
            way(browser, ada)
    assert found.crashes or "an older key alone" in fault
    assert leaks([*said, *found.said, *found.crashes]) == []


@pytest.mark.parametrize("name", ["API_SECRET_KEY", "API_SECRET_KEY_FALLBACKS"])
def test_a_function_that_gives_no_list_of_keys_or_no_text_leaves_none_in_a_frame(name, configure):
    configure(**{name: lambda request: canary("key") if name.endswith("FALLBACKS") else canary("key").encode()})
    with pytest.raises(ConfigurationError) as caught:
        webhook_secrets(HttpRequest())
    assert leaks([str(caught.value), canaries.variables(caught.value, canaries.of_ours)]) == []


# Addresses


class Looks:
    """A middleware inside ours: an access log, a tracer."""

    def __init__(self, get_response):
        self.get_response, self.saw = get_response, Looks.saw

    saw: list = []

    def __call__(self, request):
        self.look(request)
        response = self.get_response(request)
        self.look(request)
        return response

    def look(self, request):
        parts = (request.get_full_path(), request.GET, request.META, request.headers, getattr(request, "scope", None))
        self.saw.append(f"{request!r} {request.build_absolute_uri()} {parts!r}")


class Stumbles(Looks):
    """One that fails before the view."""

    def __call__(self, request):
        if "callback" in request.path:
            raise RuntimeError("the tracer broke")
        return self.get_response(request)


def inside(settings, cls):
    place = settings.MIDDLEWARE.index(OURS) + 1
    settings.MIDDLEWARE = [*settings.MIDDLEWARE[:place], f"{__name__}.{cls.__name__}", *settings.MIDDLEWARE[place:]]


OUTCOMES = ["good", "garbage", "twice", "unreachable", "refused", "expired", "another browser", "unknown"]


@pytest.mark.security(63)
@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_outcome_of_a_callback_leaves_the_token_behind(outcome, way_in, settings, authsignal, ada, time_machine):
    inside(settings, Looks)
    Looks.saw.clear()
    browser = way_in(raise_request_exception=False)
    browser.force_login(ada)
    browser.get("/withdraw/")
    row = newest()
    token = canary("garbage") if outcome == "garbage" else authsignal.complete(str(row.pk))
    if outcome == "unknown":
        row.pk = "00000000-0000-0000-0000-000000000000"
    if outcome == "another browser":
        browser.cookies.pop("authsignal_browser")
    if outcome == "expired":
        time_machine.move_to(row.expires_at.timestamp() + 1)
    if outcome == "twice":
        browser.callback(row, token=token)
    authsignal.fail({"unreachable": "timeout", "refused": "401"}.get(outcome))
    Looks.saw.clear()
    answer = browser.callback(row, token=token)
    assert answer.status_code == 303
    assert leaks(repr(answer.headers) + answer.content.decode()) == []
    assert "no-store" in answer.headers["Cache-Control"]
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert len(Looks.saw) == 2
    assert leaks(Looks.saw) == []


@pytest.mark.security(33)
@pytest.mark.parametrize("report", [tracked, mailed, debugged])
def test_a_middleware_that_fails_before_the_callback_reports_no_token(way_in, settings, authsignal, ada, report):
    inside(settings, Stumbles)
    with watched(report) as found:
        walk(ways.signing_in, way_in(raise_request_exception=False), ada)
    assert "the tracer broke" in "".join(found.said)
    assert leaks([*found.said, *found.crashes], but=[PASSWORD]) == []


@pytest.mark.parametrize("path", ["/home/?token=kept", "/nowhere/?token=kept"])
def test_the_query_of_a_page_that_is_not_ours_is_left_alone(settings, browser, path):
    inside(settings, Looks)
    Looks.saw.clear()
    browser.get(path)
    assert all("token=kept" in text for text in Looks.saw)
    assert len(Looks.saw) == 2
