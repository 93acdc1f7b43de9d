"""Webhooks: only Authsignal's, each once, and none of them opens anything."""

import json
import time
import uuid
from datetime import timedelta
from io import BytesIO

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.urls import resolve
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_authsignal.client import Client, EventType, State
from django_authsignal.identity import authsignal_id, fingerprint
from django_authsignal.models import Challenge, Channel, ReceivedEvent, Status
from django_authsignal.views.webhook import LARGEST, webhook
from tests.conftest import Browser, newest
from tests.webhooks import sender as authsignals
from tests.webhooks.sender import KEY, PATH, envelope, header, post, post_batch, record, signature

pytestmark = [pytest.mark.django_db, pytest.mark.security]

EVENT = envelope("something.new", {"userId": "1"})
BODY = json.dumps(EVENT).encode()


@pytest.fixture
def sender(way_in, db):
    """Over WSGI and over ASGI."""
    return way_in(raise_request_exception=False)


def refused(response, status):
    """True when this is the refusal, and nothing was written down."""
    return response.status_code == status and not ReceivedEvent.objects.exists()


def test_a_good_signature_is_accepted(sender, heard):
    assert post(sender, BODY).status_code == 200
    assert [one["event"].id for one in heard] == [EVENT["id"]]


@pytest.mark.security(45)
@pytest.mark.parametrize(
    "signed",
    [
        lambda: "",
        lambda: "v2=abc",
        lambda: f"t={int(time.time())}",
        lambda: "t=now,v2=abc",
        lambda: header(BODY, "another_key"),
        lambda: header(BODY).replace("v2=", "v1="),
        lambda: header(BODY).replace("v2=", "v3="),
        lambda: f"{header(BODY)},t=1",
        lambda: f"{header(BODY)},{header(BODY)}",
        lambda: header(BODY, at=time.time() - 400),
        lambda: header(BODY, at=time.time() + 400),
        lambda: header(BODY, at=10**15),
        lambda: f"t={int(time.time()) - 1},v2={signature(BODY)[1]}",
        lambda: "t=1,v2=é",
    ],
    ids=[
        "missing",
        "no time",
        "no signature",
        "malformed",
        "another key",
        "version 1",
        "version 3",
        "two times",
        "twice",
        "old",
        "future",
        "far future",
        "another time",
        "not ASCII",
    ],
)
def test_any_other_signature_is_refused(sender, heard, signed):
    response = post(sender, BODY, signed=signed())
    assert refused(response, 401)
    assert not heard


def test_every_fault_of_a_signature_is_answered_alike(sender):
    faults = ["t=1", header(BODY, "another_key"), header(BODY, at=1)]
    assert len({post(sender, BODY, signed=fault).content for fault in faults}) == 1


@pytest.mark.security(45)
@pytest.mark.parametrize("place", [0, 40, -1])
def test_one_altered_byte_is_refused(sender, place):
    altered = bytearray(BODY)
    altered[place] ^= 1
    assert refused(post(sender, bytes(altered), signed=header(BODY)), 401)


@pytest.mark.security(45)
def test_the_same_json_written_otherwise_is_refused(sender):
    again = json.dumps(json.loads(BODY), separators=(",", ":")).encode()
    assert refused(post(sender, again, signed=header(BODY)), 401)


@pytest.mark.security(45)
def test_signatures_are_compared_in_constant_time_and_all_of_them(sender, monkeypatch):
    compared = []

    def compare(one, other):
        compared.append((one, other))
        return one == other

    monkeypatch.setattr("django_authsignal.client.webhooks.hmac.compare_digest", compare)
    signed = f"{header(BODY)},v2=abc,v2=def"
    assert post(sender, BODY, signed=signed).status_code == 200
    assert len(compared) == 3


@pytest.mark.security(45)
def test_an_event_that_comes_again_is_not_handled_again(sender, heard):
    assert [post(sender, BODY).status_code for _ in range(3)] == [200, 200, 200]
    assert len(heard) == 1


def test_a_record_that_comes_again_in_another_batch_is_not_handled_again(sender, heard):
    first, second = record("action.log_created"), record("action.log_created")
    post_batch(sender, first, first)
    post_batch(sender, second, first)
    assert [one["event"].id for one in heard] == [first["id"], second["id"]]


@pytest.mark.security(45)
@pytest.mark.parametrize("method", ["get", "head", "put", "patch", "delete", "options"])
def test_only_post_is_taken(sender, method):
    response = getattr(sender, method)(PATH, headers={"X-Signature-V2": header(b"")})
    assert refused(response, 405)
    assert response["Allow"] == "POST"


def large(extra):
    """The bytes of an event of this many more than are taken."""
    made = {**EVENT, "data": {"fill": ""}}
    made["data"]["fill"] = "x" * (LARGEST - len(json.dumps(made)) + extra)
    return json.dumps(made).encode()


def test_a_body_of_the_size_that_is_taken_is_taken(sender, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000  # is for forms
    assert post(sender, large(0)).status_code == 200


@pytest.mark.security(45)
def test_a_larger_body_is_refused(sender):
    assert refused(post(sender, large(1)), 413)


class Counted(BytesIO):
    """A body that says how much of it was read."""

    taken = 0

    def read(self, size=-1, /):
        """Reads."""
        found = super().read(size)
        self.taken += len(found)
        return found


def over_asgi(body, **headers):
    named = {"content-type": "application/json", "x-signature-v2": header(body.getvalue()), **headers}
    scope = {"type": "http", "method": "POST", "path": PATH, "query_string": b"", "headers": []}
    scope["headers"] = [(name.encode(), value.encode()) for name, value in named.items()]
    return ASGIRequest(scope, body)


def test_a_declared_length_is_refused_before_anything_is_read():
    body = Counted(large(1))
    assert webhook(over_asgi(body, **{"content-length": str(LARGEST + 1)})).status_code == 413
    assert body.taken == 0


def test_a_body_without_a_declared_length_is_read_no_further_than_the_limit():
    body = Counted(large(5_000_000))
    assert webhook(over_asgi(body)).status_code == 413
    assert body.taken == LARGEST + 1


class Broken(BytesIO):
    """A body whose sender has hung up."""

    def read(self, size=-1, /):
        """Fails."""
        raise ConnectionResetError


def test_a_body_that_breaks_off_is_refused():
    assert webhook(over_asgi(Broken())).status_code == 400


def test_a_chunked_body_is_taken():
    assert webhook(over_asgi(Counted(BODY))).status_code == 200


@pytest.mark.security(45)
@pytest.mark.parametrize("tenant", ["another", "", None, 7])
@pytest.mark.parametrize("inner", ["alone", "in a batch"])
def test_another_tenants_event_is_refused(sender, configure, heard, tenant, inner):
    configure(TENANT_ID="tenant")
    event = record("something.new", tenantId=tenant)
    response = post(sender, event) if inner == "alone" else post_batch(sender, record("something.new"), event)
    assert refused(response, 403)
    assert not heard


def test_the_tenants_own_event_is_taken(sender, configure):
    configure(TENANT_ID="tenant")
    assert post(sender, BODY).status_code == 200


@pytest.mark.security(45)
def test_both_keys_work_while_one_replaces_the_other(sender, configure):
    configure(API_SECRET_KEY="new", API_SECRET_KEY_FALLBACKS={"old"})
    for keys in (["new"], ["old"], ["old", "new"]):
        body = json.dumps(envelope("something.new")).encode()
        assert post(sender, body, signed=header(body, *keys)).status_code == 200
    assert post(sender, BODY, signed=header(BODY, KEY)).status_code == 401


def test_the_requests_own_tenant_chooses_the_keys(sender, configure):
    keys = {"testserver": "key_a", "shop.example": "key_b"}
    configure(
        API_SECRET_KEY=lambda request: keys[request.get_host()],
        API_SECRET_KEY_FALLBACKS=lambda request: [f"old_{keys[request.get_host()]}"],
    )
    for key in ("key_b", "old_key_b"):
        assert post(sender, BODY, signed=header(BODY, key), SERVER_NAME="testserver").status_code == 401
    assert post(sender, BODY, signed=header(BODY, "old_key_a")).status_code == 200


@pytest.mark.parametrize("given", ["old_key", None, b"old_key", [None], [b"old_key"]], ids=repr)
def test_what_is_no_list_of_keys_is_none_at_all(sender, configure, given):
    configure(API_SECRET_KEY_FALLBACKS=lambda request: given)
    assert refused(post(sender, BODY, signed=header(BODY, "o")), 503)


def test_without_a_key_nothing_is_taken(sender, configure):
    configure(API_SECRET_KEY="", EMULATOR=False)
    assert refused(post(sender, BODY, signed=header(BODY, " ")), 503)


@pytest.mark.parametrize("event", [{}, {"id": "1"}, {"type": "x"}, {"id": 1, "type": "x"}, {"records": [{}]}])
def test_what_is_no_event_is_refused(sender, event):
    assert refused(post(sender, event), 400)


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"\xff", b"{", b"[" * 100_000])
def test_what_is_no_json_is_refused(sender, body):
    assert refused(post(sender, body), 401)


@pytest.mark.parametrize(
    "odd", ["\0", "\ud800", "é" * 500, "x" * 100_000, " ", "'; DROP TABLE"], ids=["nul", "half", "é", "x", " ", "sql"]
)
def test_odd_texts_in_an_event_are_no_error_of_ours(sender, ada, odd):
    names = ("userId", "userAuthenticatorId", "idempotencyKey", "verificationMethod", "state", "createdAt", "deletedAt")
    data = dict.fromkeys(names, odd) | {"userId": str(ada.pk), "state": "REVIEW_FAILED"}
    for kind in (*EventType, odd):
        for about in (data, data | {"userId": odd}):
            one = record(kind, about, id=f"{odd}{uuid.uuid4()}", time=odd, source=odd)
            assert post_batch(sender, one).status_code == 200


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([*EventType, *State]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAMES = (
    "userId",
    "userAuthenticatorId",
    "idempotencyKey",
    "verificationMethod",
    "state",
    "to",
    "code",
    "url",
    "locale",
)
content = st.dictionaries(st.sampled_from(NAMES) | st.text(), anything, max_size=6)
events = st.fixed_dictionaries(
    {"id": st.text(min_size=1), "type": st.sampled_from([*EventType, "something.new"])},
    optional={"data": content | anything, "record": content, "time": anything, "tenantId": anything},
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(event=events | st.fixed_dictionaries({"records": st.lists(events | anything, max_size=4)}) | anything)
def test_whatever_is_signed_is_no_error_of_ours(client, db, configure, event):
    configure(EMAIL_HOOK=True, SMS_HOOK=len, PUSH_HOOK=repr, VERIFY_HOOK=bool)
    assert post(client, event).status_code in {200, 400, 401, 502}


def test_no_session_and_no_cookie_comes_of_it(sender, settings):
    settings.SESSION_SAVE_EVERY_REQUEST = True
    response = post(sender, BODY)
    assert response.status_code == 200
    assert not response.cookies
    assert response["Cache-Control"] == "no-store"


def test_no_csrf_token_is_asked_for(authsignal, db):

    assert post(Browser(authsignal, enforce_csrf_checks=True), BODY).status_code == 200


@pytest.mark.parametrize(
    "middleware",
    [
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
        "django_authsignal.middleware.SignInChallengeMiddleware",
        "django_authsignal.middleware.EnrolmentDeadlineMiddleware",
    ],
)
def test_no_middleware_stands_in_its_way(settings, configure, authsignal, way_in, middleware):
    configure(ENROLMENT_DEADLINE={"BY": "2020-01-01"})
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, middleware]
    assert post(way_in(), BODY).status_code == 200


def test_it_runs_in_no_transaction():
    assert resolve(PATH).func._non_atomic_requests == {"default"}


# It never opens anything.

ROWS = [(status, channel) for status in Status for channel in Channel]
OPENED = {Status.PROVED, Status.RELEASED, Status.ALLOWED, Status.DEGRADED, Status.SPENT}


def rows_of_every_kind(user, authsignal):
    """One of each status and channel, each known to Authsignal."""
    api, now = Client("any", transport=authsignal), timezone.now()
    for status, channel in ROWS:
        row = Challenge.objects.create(
            status=status,
            channel=channel,
            kind="step_up",
            action="withdrawFunds",
            user_pk=str(user.pk),
            authsignal_id=authsignal_id(user),
            fingerprint=fingerprint(user),
            state="REVIEW_SUCCEEDED" if status == Status.RELEASED else "",
            expires_at=now + timedelta(minutes=10),
        )
        api.track(authsignal_id(user), "withdrawFunds", idempotency_key=str(row.pk))
    return list(Challenge.objects.all())


@pytest.mark.security(46)
@pytest.mark.parametrize("state", [*State, "SOMETHING_NEW"])
def test_no_event_in_no_state_opens_a_row_of_any_status(client, ada, authsignal, configure, state):
    agree = dict.fromkeys(("EMAIL_HOOK", "SMS_HOOK", "PUSH_HOOK", "VERIFY_HOOK"), lambda event: True)
    configure(**agree)
    rows = rows_of_every_kind(ada, authsignal)
    for row in rows:
        authsignal.complete(str(row.pk), state=state)
    for kind in (*EventType, "something.new"):
        about = {"userId": str(ada.pk), "actionCode": "withdrawFunds", "state": state, "verificationMethod": "PASSKEY"}
        about |= {"userAuthenticatorId": str(uuid.uuid4()), "action": "withdrawFunds"}
        each = [about | {"idempotencyKey": str(row.pk)} for row in rows]
        assert post_batch(client, *(record(kind, one) for one in each)).status_code == 200
        assert post(client, envelope(kind, each[0])).status_code == 200
    for row in rows:
        now = Challenge.objects.get(pk=row.pk).status
        assert now == row.status or now not in OPENED, f"{row.status} became {now}"


@pytest.mark.security(46)
def test_an_event_about_a_proof_completes_no_challenge(client, adas, ada, authsignal, configure):
    configure(VERIFY_HOOK=lambda event: True)
    adas.get("/withdraw/")
    row = newest()
    authsignal.complete(str(row.pk))
    about = {"userId": str(ada.pk), "action": "withdrawFunds", "idempotencyKey": str(row.pk)}
    about |= {"state": "CHALLENGE_SUCCEEDED", "verificationMethod": "PASSKEY"}
    assert post(client, envelope("action.verify", about)).status_code == 200
    assert post_batch(client, record("action.log_created", about)).status_code == 200
    assert newest().status == Status.OPEN
    assert adas.get("/withdraw/").content != b"withdrawn"


@pytest.mark.security(46)
def test_a_review_that_an_event_calls_released_waits_for_its_browser(client, adas, ada, authsignal):
    authsignal.review()
    adas.get("/withdraw/")
    row = newest()
    authsignal.complete(str(row.pk), state="REVIEW_SUCCEEDED")
    about = {"userId": str(ada.pk), "actionCode": "withdrawFunds", "idempotencyKey": str(row.pk)}
    post_batch(client, record("action.log_created", about | {"state": "REVIEW_SUCCEEDED"}))
    assert newest().status == Status.REVIEW
    assert adas.get("/withdraw/").content == b"withdrawn"


@pytest.mark.parametrize("claim", ["REVIEW_FAILED", "BLOCK", "REVIEW_SUCCEEDED"])
def test_what_an_event_says_of_a_review_is_not_believed(client, adas, ada, authsignal, claim):
    authsignal.review()
    adas.get("/withdraw/")
    row = newest()
    about = {"userId": str(ada.pk), "actionCode": "withdrawFunds", "idempotencyKey": str(row.pk), "state": claim}
    post_batch(client, record("action.log_created", about))
    assert authsignal.calls[-1].operation == "get_action"
    assert newest().status == Status.REVIEW


def test_the_senders_test_helper_signs_as_the_official_libraries_do():
    body = b'{"version":1,"type":"sms.created","data":{"to":"+6421000000","code":"123456"}}'
    assert authsignals.header(body, at=1_700_000_000) == "t=1700000000,v2=/PGOi65edtBwRffQonIGyoC/yyIXSTvExK9LF54Iu8o"
