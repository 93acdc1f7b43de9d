"""Every fault there is, over real sockets: its error, in time, and what becomes of who asked. As docs/deployment says.

One listener answers them all: the API URL's first segment names the fault.
"""

import socket
import struct
import time
from contextlib import contextmanager

import pytest

from django_authsignal import signals
from django_authsignal.client import Client, _breaker, errors
from django_authsignal.client.http import Http
from django_authsignal.conf import override_transport
from django_authsignal.models import Challenge, Status
from tests.client.conftest import SECRET, Server, _certificate, listening, read_request, running
from tests.conftest import AsgiBrowser, newest
from tests.contrib.conftest import AUTHORIZATIONS, ApiClient

pytestmark = [pytest.mark.django_db, pytest.mark.security]

TIMEOUT = 5.0  # seconds; what takes all of it has less
ENDLESS = {"stall": 0.2, "drip": 0.2}
# fault -> the error; "" where there is an answer, which the gate denies for this reason
FAULTS = {
    "refused": "ConnectionFailed",
    "dns": "ConnectionFailed",
    "tls": "ConnectionFailed",
    "stall": "TimedOut",
    "drip": "TimedOut",
    "reset": "UnreadableResponse",
    "truncated": "UnreadableResponse",
    "500": "ServerError",
    "502-html": "ServerError",
    "429-when": "RateLimited",
    "429": "RateLimited",
    "not-json": "UnreadableResponse",
    "empty": "UnreadableResponse",
    "charset": "UnreadableResponse",
    "unknown-state": "",
    "missing-fields": "",
    "10-mb": "UnreadableResponse",
    "redirect": "Redirected",
}
REASONS = {"unknown-state": "unexpected_state", "missing-fields": "foreign_page"}
OUTAGES = [name for name, error in FAULTS.items() if error and error != "RateLimited"]


def answer(status, body=b"{}", *headers, length=None):
    length = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {length}", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


ANSWERS = {
    "truncated": answer(200, b'{"state": "ALL', length=100),
    "500": answer(500),
    "502-html": answer(502, b"<html><h1>502 Bad Gateway</h1>", "Content-Type: text/html"),
    "429-when": answer(429, b"{}", "Retry-After: 30"),
    "429": answer(429),
    "not-json": answer(200, b"<html>sign in to the Wi-Fi</html>"),
    "empty": answer(200),
    "charset": answer(200, '{"state": "ALLOW", "name": "é"}'.encode("latin-1"), "Content-Type: application/json"),
    "unknown-state": answer(200, b'{"state": "SOMETHING_NEW", "isValid": true, "isEnrolled": true}'),
    "10-mb": answer(200, b'{"state": "ALLOW", "x": "' + b"x" * 10_000_000 + b'"}'),
    "redirect": answer(307, b"", "Location: https://elsewhere.example/v1"),
}


def fail(conn):
    """Answers a request as the first segment of its path says, and closes."""
    request = read_request(conn)
    path = request.split(b" ")[1].decode()
    fault = path.split("/")[1]
    if fault == "stall":
        conn.recv(1)  # until the other side gives up
    elif fault == "drip":
        for byte in answer(200, b'{"state": "ALLOW"}'):
            conn.sendall(bytes([byte]))
            time.sleep(0.02)
    elif fault == "reset":
        conn.sendall(answer(200, b'{"state"', length=100))
        time.sleep(0.02)
        conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    elif fault == "missing-fields":
        state = "CHALLENGE_SUCCEEDED" if path.endswith("/validate") else "CHALLENGE_REQUIRED"
        conn.sendall(answer(200, b'{"isValid": true, "isEnrolled": true, "state": "%s"}' % state.encode()))
    else:
        conn.sendall(ANSWERS[fault])


@pytest.fixture(scope="module")
def urls(tmp_path_factory):
    """The API URL of each fault."""
    certificate = _certificate(tmp_path_factory.mktemp("tls"), "nobodys")
    tls = Server()
    tls.socket = certificate.context.wrap_socket(tls.socket, server_side=True)
    with listening(lambda conn: None) as closed:
        pass
    with listening(fail) as port, running(tls):
        found = {name: f"http://127.0.0.1:{port}/{name}" for name in FAULTS}
        found["refused"] = f"http://127.0.0.1:{closed}/v1"
        found["dns"] = f"http://{'no-name-' * 8}.invalid/v1"  # longer than a label may be: no resolver is waited for
        found["tls"] = f"https://127.0.0.1:{tls.server_port}/v1"
        yield found


@pytest.fixture(autouse=True)
def _no_waiting_between_attempts(monkeypatch):
    monkeypatch.setattr(Http, "sleep", staticmethod(lambda seconds: None))


@pytest.fixture
def on_the_wire(urls, settings):
    """Inside, calls go to the socket that has this fault."""

    @contextmanager
    def at(fault, **more):
        before = settings.AUTHSIGNAL
        settings.AUTHSIGNAL = {**before, "API_URL": urls[fault], "TIMEOUT": ENDLESS.get(fault, TIMEOUT), **more}
        with override_transport(None):
            yield
        settings.AUTHSIGNAL = before

    return at


@pytest.fixture
def person(way_in, ada):
    """Ada's browser, signed in, over WSGI to sync views and over ASGI to async ones."""
    browser = way_in()
    browser.force_login(ada)
    browser.prefix = "/async" if isinstance(browser, AsgiBrowser) else ""
    return browser


@contextmanager
def hearing(signal, receive):
    """Inside, `receive` is given what the signal says."""
    signal.connect(receive)
    yield
    signal.disconnect(receive)


@pytest.fixture
def heard():
    """The signals that were sent: names with what tells them apart."""
    found = []

    def called(sender, outcome, **kwargs):
        found.append(("called", outcome))

    def unreachable(sender, error, **kwargs):
        found.append(("unreachable", type(error).__name__))

    def blocked(sender, reason, **kwargs):
        found.append(("blocked", reason))

    with (
        hearing(signals.authsignal_called, called),
        hearing(signals.authsignal_unreachable, unreachable),
        hearing(signals.action_blocked, blocked),
    ):
        yield found


def end_of(fault):
    """Status of the answer, and status and reason of the row, where nobody is let through."""
    if not FAULTS[fault]:
        return 403, Status.DENIED, REASONS[fault]
    return 503, Status.UNREACHABLE, FAULTS[fault]


def test_the_document_has_every_fault():
    from tests.test_docs import page

    table = page("deployment").partition("| fault |")[2]
    assert len([line for line in table.splitlines()[2:] if line.startswith("|")]) == len(FAULTS)


@pytest.mark.security(41)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_has_its_error_in_time(urls, fault):
    timeout = ENDLESS.get(fault, TIMEOUT)
    client = Client(SECRET, api_url=urls[fault], timeout=timeout)
    began, name = time.monotonic(), ""
    try:
        client.track("1", "withdrawFunds", idempotency_key="k")
    except errors.AuthsignalError as exc:
        name = type(exc).__name__
    assert name == FAULTS[fault]
    assert time.monotonic() - began < timeout + 0.5


@pytest.mark.security(41)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_denies(person, on_the_wire, heard, fault):
    with on_the_wire(fault):
        response = person.get(f"{person.prefix}/withdraw/")
    assert (response.status_code, newest().status, newest().reason) == end_of(fault)
    assert response.headers.get("Retry-After") == ("30" if fault == "429-when" else None)
    told = ("unreachable", FAULTS[fault]) if FAULTS[fault] else ("blocked", REASONS[fault])
    assert heard == [("called", FAULTS[fault] or "ok"), told]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_lets_through_only_where_the_policy_says_so_in_writing(person, on_the_wire, fault):
    with on_the_wire(fault, ON_UNREACHABLE="allow"):
        response = person.get(f"{person.prefix}/withdraw/")
    found = (response.status_code, newest().status, newest().reason)
    assert found == ((200, Status.DEGRADED, FAULTS[fault]) if fault in OUTAGES else end_of(fault))


@pytest.mark.security(43)
@pytest.mark.parametrize("policy", [{"MAX_AGE": 0}, {"METHODS": ["PASSKEY"]}], ids=["one-request", "methods"])
@pytest.mark.parametrize("fault", OUTAGES)
def test_a_fault_never_stands_in_for_a_real_proof(person, on_the_wire, fault, policy):
    with on_the_wire(fault, ON_UNREACHABLE="allow", ACTIONS={"withdrawFunds": policy}):
        response = person.post(f"{person.prefix}/withdraw/")
    assert (response.status_code, newest().status, newest().reason) == end_of(fault)


@pytest.mark.parametrize("fault", FAULTS)
def test_finishing_under_a_fault_never_opens_and_can_be_done_later(person, on_the_wire, authsignal, fault):
    person.get(f"{person.prefix}/withdraw/")
    row = newest()
    token = authsignal.complete(str(row.pk))
    with on_the_wire(fault, ON_UNREACHABLE="allow"):
        person.callback(row, token=token)
    row.refresh_from_db()
    wanted = "unreachable" if FAULTS[fault] else "invalid"
    assert (row.status, row.reason) == (Status.OPEN, wanted)
    assert person.callback(row, token=token).status_code == 303
    assert person.get(f"{person.prefix}/withdraw/").content == b"withdrawn"


# All at once


def test_while_the_circuit_is_open_pages_answer_without_a_connection(person, settings):
    connections = []
    with listening(lambda conn: connections.append(conn)) as port, override_transport(None):
        settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "API_URL": f"http://127.0.0.1:{port}/v1", "RETRIES": 0}
        answers = [person.get(f"{person.prefix}/withdraw/") for _ in range(8)]
    assert [response.status_code for response in answers] == [503] * 8
    assert len(connections) == 5
    assert newest().reason == "CircuitOpen"
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 10


def test_an_open_circuit_is_an_outage_for_the_policy(person, on_the_wire):
    with on_the_wire("500", ON_UNREACHABLE="allow", BREAKER_FAILURES=1):
        answers = [person.get(f"{person.prefix}/withdraw/") for _ in range(2)]
    assert [response.content for response in answers] == [b"withdrawn"] * 2
    assert (newest().status, newest().reason) == (Status.DEGRADED, "CircuitOpen")


def test_the_caches_word_holds_in_every_process(person, on_the_wire):
    with on_the_wire("500", BREAKER_CACHE="default", BREAKER_FAILURES=1):
        person.get(f"{person.prefix}/withdraw/")
        _breaker._breakers.clear()  # as another process, which has seen nothing itself
        person.get(f"{person.prefix}/withdraw/")
    assert newest().reason == "CircuitOpen"


@pytest.mark.security(42)
def test_a_flood_opens_no_door_whatever_the_policy_says(person, on_the_wire):
    under_way = _breaker.places()
    assert under_way.take(1)
    try:
        with on_the_wire("500", ON_UNREACHABLE="allow", MAX_CALLS=1):
            response = person.get(f"{person.prefix}/withdraw/")
    finally:
        under_way.give_back()
    assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
    assert "try again in a moment" in response.text
    assert (newest().status, newest().reason) == (Status.UNREACHABLE, "TooManyCalls")


def test_a_program_is_told_when_to_come_again(person, on_the_wire):
    with on_the_wire("429-when"):
        response = person.fetch(f"{person.prefix}/withdraw/")
    assert (response.status_code, response.headers["Retry-After"]) == (503, "30")
    assert response.json()["code"] == "authsignal_unreachable"


# Signals


def test_a_call_is_told_with_all_that_is_measured(person, on_the_wire):
    told = []

    def receive(sender, signal, **kwargs):
        told.append((sender, kwargs))

    with hearing(signals.authsignal_called, receive), on_the_wire("502-html"):
        person.get(f"{person.prefix}/withdraw/")
    [(sender, said)] = told
    assert sender is Client
    assert 0 < said.pop("seconds") < TIMEOUT
    assert said == {"operation": "track", "attempts": 3, "outcome": "ServerError", "status": 502}


def test_a_circuit_is_told_when_it_opens_and_when_it_closes(person, on_the_wire, urls, settings):
    told = []

    def receive(sender, state, base_url, **kwargs):
        told.append((state, base_url.rpartition("/")[2]))

    with hearing(signals.authsignal_circuit, receive), on_the_wire("500", BREAKER_FAILURES=1, BREAKER_PAUSE=0.05):
        for _ in range(3):
            person.get(f"{person.prefix}/withdraw/")
        time.sleep(0.06)
        person.get(f"{person.prefix}/withdraw/")
        time.sleep(0.06)
        settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "API_URL": urls["500"]}
        with pytest.MonkeyPatch.context() as patched:
            patched.setitem(ANSWERS, "500", ANSWERS["unknown-state"])
            person.get(f"{person.prefix}/withdraw/")
    assert told == [("open", "500"), ("closed", "500")]


def test_a_receiver_that_raises_fails_no_call_and_keeps_no_other_from_hearing(person, on_the_wire):
    told = []

    def receive(**kwargs):
        raise RuntimeError("metrics are down")

    def count(outcome, **kwargs):
        told.append(outcome)

    with hearing(signals.authsignal_called, receive), hearing(signals.authsignal_called, count), on_the_wire("500"):
        assert person.get(f"{person.prefix}/withdraw/").status_code == 503
    assert told == ["ServerError"]


@pytest.mark.security(43)
@pytest.mark.urls("tests.contrib.drf_urls")
def test_a_program_that_brings_its_proof_is_told_when_to_bring_it_again(ada, authsignal, on_the_wire):
    client = ApiClient(authsignal, AUTHORIZATIONS["token"](ada))
    token = client.complete(client.send("/api/withdraw/"))
    with on_the_wire("429-when"):
        answer = client.send("/api/withdraw/", token=token)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert client.send("/api/withdraw/", token=token).status_code == 200


# What a visitor writes


@pytest.mark.security(43)
def test_what_a_visitor_writes_never_looks_like_an_outage(person, authsignal):
    person.cookies["__as_aid"] = "a device, or; so" + "x" * 5000
    person.get(f"{person.prefix}/withdraw/", headers={"User-Agent": "Mozilla\x1b\x85\xad" + "x" * 100_000})
    sent = authsignal.calls[-1].json
    assert sent["userAgent"].isprintable()
    assert len(sent["userAgent"]) <= 512
    assert "deviceId" not in sent


@pytest.mark.parametrize("token", ["a b", "a\nb", "\x00", "é", "x" * 8193, "{}"])
def test_a_text_that_no_token_can_be_is_not_asked_about(person, authsignal, token):
    person.get(f"{person.prefix}/withdraw/")
    person.callback(token=token)
    assert Challenge.objects.get().reason == "invalid"
    assert [call.operation for call in authsignal.calls] == ["track"]
