"""Fixtures shared by the suite: people, their browsers, and the way from a question to its proof."""

import contextvars
import gc
import importlib
import os
import uuid
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
import time_machine
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_login_failed
from django.core.cache import cache
from django.db import connections
from django.test import AsyncClient, Client
from django.urls import reverse
from xdist.scheduler import LoadFileScheduling

from django_authsignal.client import _breaker
from django_authsignal.models import Challenge
from django_authsignal.signals import event_received
from tests import pairs
from tests.once import _urls_are_read_once, django_db_setup  # noqa: F401  fixtures of every test

ROOT = Path(__file__).parents[1]

# As it was before any test.
_FRESH = contextvars.copy_context()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    """
    Runs each test in a context of its own.

    Every URL resolver that Django builds holds a context variable, a changed ROOT_URLCONF builds them anew, and asgiref
    copies every variable there is whenever it goes from one colour to the other: what a test leaves behind, each later
    one would copy thousands of times.
    """
    runner = item.config.pluginmanager.get_plugin("runner")
    return _FRESH.copy().run(runner.pytest_runtest_protocol, item, nextitem)


# Files that take a minute; whatever starts last must be short, so that no core waits for another at the end.
LONG = (
    *("doors/", "matrix/", "e2e/", "chaos/", "emulator/test_phone", "emulator/test_dashboard"),
    *("example/", "emulator/", "sdks/"),
)


# Files that share servers and a browser: each worker that takes one of them starts these anew. Where a run takes much
# of them, two workers do.
HALVES = (
    ("tests/e2e/test_stepping_up", "tests/e2e/test_pages", "tests/e2e/test_keyboard", "tests/e2e/test_sending"),
    ("tests/matrix/test_module", "tests/matrix/test_wsgi"),
)
TOGETHER = (*(HALVES if pairs.RUN else ()), ("tests/e2e/",), ("tests/matrix/",), ("tests/sdks/",))


class ByServers(LoadFileScheduling):
    """One worker for each file, and for the files of one group of TOGETHER."""

    def _split_scope(self, nodeid):
        groups = (str(place) for place, group in enumerate(TOGETHER) if nodeid.startswith(group))
        return next(groups, super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)  # where pytest-xdist is switched off, nobody asks
def pytest_xdist_make_scheduler(config, log):
    return ByServers(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection(session):
    """
    Lets each worker import the tests from another place on.

    What is imported first is rewritten for its assertions, and kept: so on a fresh clone each worker rewrites a share,
    and not all of them everything.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if not worker:
        return
    files = sorted(file for folder in session.config.args for file in Path(folder).absolute().rglob("test_*.py"))
    begin = len(files) * int(worker.removeprefix("gw")) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    for file in files[begin:] + files[:begin]:
        with suppress(Exception, pytest.skip.Exception):  # collecting it will say so
            importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))


def pytest_configure():
    """Takes no misspelt run for a short one."""
    if pairs.RUN not in pairs.RUNS:
        raise pytest.UsageError(f"EVERY={pairs.RUN} is no run of the suite. Set pairs, rest or 1, or leave it out.")


def pytest_report_header():
    """Says how much of the large tables is walked."""
    others = "; ".join(f"EVERY={name}: {taken}" for name, taken in pairs.RUNS.items() if name not in ("", pairs.RUN))
    return f"run: {pairs.RUNS[pairs.RUN]} ({others})"


def pytest_collection_modifyitems(config, items):
    """Leaves what is over in a short run, see tests/pairs.py, and puts long files first."""
    left = {id(item) for item in pairs.left_out(items)}
    config.hook.pytest_deselected(items=[item for item in items if id(item) in left])
    items[:] = sorted((item for item in items if id(item) not in left), key=_turn)


def pytest_collection_finish():
    """Twelve thousand tests are not looked through for rubbish again and again while they run."""
    gc.collect()
    gc.freeze()


def _turn(item):
    return next((place for place, name in enumerate(LONG) if item.nodeid.startswith(f"tests/{name}")), len(LONG))


PASSWORD = "correct horse battery staple"


@pytest.fixture(autouse=True)
def _empty_cache():
    cache.clear()


@pytest.fixture(autouse=True)
def _closed_circuits():
    """Outages that one test makes are not the next one's: ports are used again."""
    _breaker._breakers.clear()


@pytest.fixture
def configure(settings):
    """Adds keys to AUTHSIGNAL."""

    def add(**keys):
        settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, **keys}

    return add


@pytest.fixture
def emulator(authsignal_emulator, configure):
    """A real emulator, where this test's users are nobody else's."""
    configure(**authsignal_emulator.settings, USER_ID_PREFIX=f"{uuid.uuid4().hex[:8]}-")
    authsignal_emulator.configure("signIn")
    return authsignal_emulator


@contextmanager
def hearing(signal, read=dict):
    """What a signal says inside the block: its arguments each time, or what `read` makes of them."""
    found = []

    def note(**about):
        found.append(read(about))

    signal.connect(note)
    try:
        yield found
    finally:
        signal.disconnect(note)


@pytest.fixture
def heard():
    """What the signal `event_received` said since the test began."""
    with hearing(event_received) as found:
        yield found


@pytest.fixture
def failures():
    """The credentials of each failed login that Django's signal told."""
    with hearing(user_login_failed, lambda about: about["credentials"]) as found:
        yield found


@pytest.fixture
def ada(db):
    return get_user_model().objects.create_user("ada", "ada@example.com", PASSWORD)


@pytest.fixture
def bob(db):
    return get_user_model().objects.create_user("bob", "bob@example.com", PASSWORD)


PUBLIC = "9.9.9.9"  # a visitor's address; the test client's own is this machine's, and LIMITS do not count by it


@pytest.fixture
def one_window():
    """A moment at which every window of LIMITS begins, so that none ends while a test counts."""
    with time_machine.travel(datetime(2030, 1, 1, tzinfo=UTC)) as clock:
        yield clock


class Browser(Client):
    """Django's test client as a browser: it navigates, it follows nothing by itself, it has its own cookie jar."""

    # Django's own: these tests mean a session that was logged in without a proof.
    force_login = Client.force_login

    def __init__(self, authsignal, **kwargs):
        super().__init__(headers={"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}, **kwargs)
        self.authsignal = authsignal

    def fetch(self, path, method="get", **kwargs):
        """As fetch() or an XHR asks."""
        headers = {"Accept": "application/json", "Sec-Fetch-Mode": "cors", **kwargs.pop("headers", {})}
        return getattr(self, method)(path, headers=headers, **kwargs)

    def callback(self, row=None, **query):
        """Comes back from Authsignal."""
        row = row or newest()
        return self.get(reverse("authsignal:callback", args=[row.pk]), query)

    def prove(self, row=None, **how):
        """Completes a challenge at Authsignal and comes back with its token."""
        row = row or newest()
        return self.callback(row, token=self.authsignal.complete(str(row.pk), **how))

    def step_up(self, path="/withdraw/", **how):
        """Walks a whole step-up of a page that is opened by GET."""
        self.get(path)
        return self.prove(**how)

    def sign_in(self, username="ada", password=PASSWORD, path="/login/", **how):
        """Gives the password and the proof."""
        self.post(path, {"username": username, "password": password})
        return self.prove(**how)

    @property
    def user_pk(self):
        """Who is signed in, as the session says."""
        return self.session.get("_auth_user_id")


def newest():
    """The ledger's newest row."""
    return Challenge.objects.order_by("-created_at").first()


@pytest.fixture
def new_browser(authsignal):
    """Makes browsers, each with a cookie jar of its own."""
    return lambda **kwargs: Browser(authsignal, **kwargs)


@pytest.fixture
def in_transactions(transactional_db):
    """Each view runs in a transaction of its own."""
    connections["default"].settings_dict["ATOMIC_REQUESTS"] = True
    yield
    connections["default"].settings_dict["ATOMIC_REQUESTS"] = False


@pytest.fixture
def browser(new_browser, db):
    """A browser nobody is signed in with."""
    return new_browser()


@pytest.fixture
def adas(browser, ada):
    """Ada's browser, signed in by Django alone: no pass of any kind."""
    browser.force_login(ada)
    return browser


@pytest.fixture(params=["", "async/"], ids=["sync", "async"])
def colour(request):
    """Prefix of the views' paths: every edge is tested in both colours."""
    return "/" + request.param


class AsgiBrowser(Browser):
    """A browser whose requests go through the ASGI handler; its cookies and all else are as in the other."""

    def __init__(self, authsignal, **kwargs):
        super().__init__(authsignal, **kwargs)
        self._over_asgi = AsyncClient(**kwargs)

    def generic(self, method, path, data="", *args, headers=None, **kwargs):
        """Every kind of request ends here."""
        self._over_asgi.cookies = self.cookies
        self._over_asgi.raise_request_exception = self.raise_request_exception
        headers = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", **(headers or {})}

        async def send():
            return await self._over_asgi.generic(method, path, data, *args, headers=headers, **kwargs)

        return async_to_sync(send)()


@pytest.fixture(params=[Browser, AsgiBrowser], ids=["wsgi", "asgi"])
def way_in(request, authsignal):
    """Makes browsers: the test runs once for each handler."""
    return lambda **kwargs: request.param(authsignal, **kwargs)
