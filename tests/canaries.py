"""Secrets that are recognised wherever they turn up, and the places where they could.

Each is made anew for every run, so that no line of code that a report quotes holds one.
"""

import logging
import sys
import traceback
import uuid
from base64 import b64encode
from contextlib import contextmanager
from pathlib import Path

from django.core.signals import got_request_exception, request_finished, request_started
from django.db import OperationalError, connection
from django.test import override_settings
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

import django_authsignal
from django_authsignal import signals

MARK = f"zq{uuid.uuid4().hex[:16]}"
PACKAGE = str(Path(django_authsignal.__file__).parent)
JSON_WEB_TOKEN = b64encode(b'{"alg": "none"').decode()[:16]  # how every token of FakeAuthsignal begins


def canary(name):
    """A secret of this name."""
    return f"{MARK}-{name}-{'x' * 32}"


def encoded(text):
    """As Basic credentials have it."""
    return b64encode(text.encode()).decode().rstrip("=")


KEY, PASSWORD = canary("key"), canary("password")
BASIC = b64encode(f"ada:{PASSWORD}".encode()).decode()
NEEDLES = [MARK, encoded(MARK)[:-1], BASIC[8:-8], JSON_WEB_TOKEN]


def leaks(texts, *more, but=()):
    """The places of these texts that hold a secret, each with what stands before it; `but`: secrets not looked for."""
    found = []
    for text in [texts] if isinstance(texts, str) else texts:
        for known in but:
            text = text.replace(known, "")
        for needle in [*NEEDLES, *filter(None, more)]:
            where = text.find(needle)
            if where >= 0:
                found.append(text[max(0, where - 200) : where + len(needle) + 24])
    return found


# What error trackers see

BUILT_IN = {list.__repr__, tuple.__repr__, set.__repr__}


def shown(value, depth=0):
    """As error trackers do: collections item by item, every other thing by its repr."""
    if depth < 6 and isinstance(value, dict):
        return " ".join(f"{shown(key, depth + 1)} {shown(item, depth + 1)}" for key, item in value.items())
    if depth < 6 and isinstance(value, (list, tuple, set)) and type(value).__repr__ in BUILT_IN:
        return " ".join(shown(item, depth + 1) for item in value)
    return repr(value)


def variables(exc, wanted=lambda file: "tests" not in file):
    """The variables of every frame of the exception and of those it is chained to; the tests' own frames left out."""
    found, chain, seen = [], [exc], set()
    while chain:
        one = chain.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        for frame, line in traceback.walk_tb(one.__traceback__):
            if wanted(frame.f_code.co_filename):
                local = "\n".join(f"    {name} = {shown(item)}" for name, item in frame.f_locals.items())
                found.append(f"{frame.f_code.co_filename}:{line} {frame.f_code.co_name}\n{local}")
        chain += [one.__cause__, one.__context__]
    return "\n".join(found)


class NothingTyped(SafeExceptionReporterFilter):
    """On a developer's own page Django shows what was typed into a form, whatever an app does."""

    def get_post_parameters(self, request):
        """None."""
        return {}


def of_ours(file):
    """True for a file of the package."""
    return file.startswith(PACKAGE)


def tracked(request, exc_info):
    """What of ours an error tracker would show that knows nothing of `sensitive_variables`."""
    return f"{request!r}\n{variables(exc_info[1], of_ours)}"


def mailed(request, exc_info):
    """What Django mails to the admins."""
    with override_settings(DEBUG=False):
        return _page(ExceptionReporter(request, *exc_info))


def debugged(request, exc_info):
    """Django's technical page, which shows every variable of every frame."""
    with override_settings(DEBUG=True):
        reporter = ExceptionReporter(request, *exc_info)
        reporter.filter = NothingTyped()
        return _page(reporter)


def _page(reporter):
    return reporter.get_traceback_html() + reporter.get_traceback_text()


class Listener(logging.Handler):
    """Writes down each record with its traceback and whatever hangs on it."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.said = []
        self.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))

    def emit(self, record):
        """A record as text."""
        self.said.append(self.format(record) + repr(vars(record)))


LOGGERS = ("", "django", "django_authsignal", "urllib3")
SIGNALS = [one for one in vars(signals).values() if isinstance(one, signals.Signal)]


class Watched:
    """What was told: `said` by logs at every level and by our signals, `crashes` by `report(request, exc_info)`."""

    def __init__(self, report):
        self.report, self.crashes, self.listener = report, [], Listener()

    @property
    def said(self):
        """Logs and signals, one text for each."""
        return self.listener.said

    def told(self, sender, signal, **kwargs):
        """A signal of ours."""
        self.said.append(f"{sender!r} {kwargs!r} {list(map(str, kwargs.values()))}")

    def crashed(self, sender, request, **kwargs):
        """A request that ends in a 500."""
        logging.disable()  # a page says much while it is made
        try:
            self.crashes.append(self.report(request, sys.exc_info()))
        finally:
            logging.disable(logging.NOTSET)


@contextmanager
def watched(report=tracked):
    """Listens to every log, our signals, and crashes."""
    found = Watched(report)
    loggers = [logging.getLogger(name) for name in LOGGERS]
    levels = [one.level for one in loggers]
    loggers[0].addHandler(found.listener)
    for one in loggers:
        one.setLevel(logging.DEBUG)
    for signal in SIGNALS:
        signal.connect(found.told)
    got_request_exception.connect(found.crashed)
    try:
        yield found
    finally:
        got_request_exception.disconnect(found.crashed)
        for signal in SIGNALS:
            signal.disconnect(found.told)
        for one, level in zip(loggers, levels, strict=True):
            one.setLevel(level)
        loggers[0].removeHandler(found.listener)


@contextmanager
def failing_query(number):
    """Of the queries that requests make, the one of this number fails, and no other."""
    count, answering = 0, False

    def turn(signal, **kwargs):
        nonlocal answering
        answering = signal is request_started

    def maybe(execute, sql, params, many, context):
        nonlocal count
        count += answering
        if answering and count == number:
            raise OperationalError("the database went away")
        return execute(sql, params, many, context)

    request_started.connect(turn)
    request_finished.connect(turn)
    try:
        with connection.execute_wrapper(maybe):
            yield lambda: count
    finally:
        request_started.disconnect(turn)
        request_finished.disconnect(turn)
