"""Requests that meet: without it twenty threads come one after the other, and a race is lost by nobody."""

import contextlib
import threading

import pytest

from tests.canaries import KEY, PASSWORD, canary


def together(number):
    """Waits until so many threads have come here, each for the first time; nobody waits for ever."""
    meeting, here = threading.Barrier(number), threading.local()

    def meet(**kwargs):
        if not getattr(here, "came", False):
            here.came = True
            with contextlib.suppress(threading.BrokenBarrierError):
                meeting.wait(timeout=5)

    return meet


@pytest.fixture
def validated_together(authsignal, monkeypatch):
    """Twenty tokens are all found to be good before any of them is taken in."""
    send, meet = authsignal.send, together(20)

    def wait(request, *args, **kwargs):
        answer = send(request, *args, **kwargs)
        if request.url.endswith("/validate"):
            meet()
        return answer

    monkeypatch.setattr(authsignal, "send", wait)


@pytest.fixture
def customer(way_in, ada):
    """Ada's browser, signed in with a password and its proof; by either handler."""
    browser = way_in()
    browser.sign_in()
    return browser


@pytest.fixture
def project_of_canaries(configure, authsignal, ada):
    """A project whose every secret is recognised wherever it turns up: see tests/canaries.py."""
    configure(
        API_SECRET_KEY=KEY,
        API_SECRET_KEY_FALLBACKS=[canary("older-key")],
        USER_ID_SECRET=canary("id-secret"),
        TENANT_ID="tenant",
        EMAIL_HOOK=True,
    )
    authsignal.page = f"https://mfa.authsignal.com/{canary('page')}"
    ada.set_password(PASSWORD)
    ada.save()


@pytest.fixture
def overtaken(authsignal):
    """While the next call is under way, this is done, with calls of its own."""

    def arrange(by):
        send = authsignal.send

        def answer(*args, **kwargs):
            authsignal.send = send
            by()
            return send(*args, **kwargs)

        authsignal.send = answer

    return arrange


@pytest.fixture
def meanwhile(adas, overtaken, authsignal):
    """While the next call is under way, this browser opens another page, whose own call is answered; `then`: the next
    call fails so."""

    def opens(*, then=None):
        overtaken(by=lambda: (adas.get("/transfer/"), authsignal.fail(then)))

    return opens
