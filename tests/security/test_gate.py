"""The gate's pure parts as tables, and what is said of every proof that is none."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from django_authsignal import channel, flow, session, signals, steps
from django_authsignal.binding import Bound
from django_authsignal.client import Sealed
from django_authsignal.client.types import Tracked, Validated
from django_authsignal.decision import Question, Verdict
from django_authsignal.models import Challenge, Channel, Kind, Status
from django_authsignal.policy import get_policy
from tests.conftest import PASSWORD, hearing, newest

pytestmark = [pytest.mark.django_db, pytest.mark.security]

NOW = datetime(2030, 1, 1, tzinfo=UTC)


# What track answered

YES, NO, OTHERWISE = ("PASSKEY",), (), ("SMS",)
# (state, enrolled by what, of methods that the policy accepts) -> the move of a step-up
MOVES = {
    ("ALLOW", YES, None): "on_allow",
    ("ALLOW", OTHERWISE, None): "on_allow",
    ("ALLOW", NO, None): "unenrolled",
    ("ALLOW", YES, ("PASSKEY",)): "on_allow",
    ("ALLOW", OTHERWISE, ("PASSKEY",)): "unenrolled",
    ("CHALLENGE_REQUIRED", YES, None): "challenge",
    ("CHALLENGE_REQUIRED", NO, None): "challenge",
    ("CHALLENGE_REQUIRED", YES, ("PASSKEY",)): "challenge",
    ("CHALLENGE_REQUIRED", OTHERWISE, ("PASSKEY",)): "unenrolled",
    ("CHALLENGE_REQUIRED", NO, ("PASSKEY",)): "challenge",
    ("REVIEW_REQUIRED", YES, None): "review",
    ("REVIEW_REQUIRED", NO, None): "review",
    ("REVIEW_REQUIRED", OTHERWISE, ("PASSKEY",)): "review",
    ("BLOCK", YES, None): "deny",
    ("CHALLENGE_SUCCEEDED", YES, None): "deny",
    ("REVIEW_SUCCEEDED", YES, None): "deny",
    ("SOMETHING_NEW", YES, None): "deny",
}


def move(kind, state, enrolled, methods, **changes):
    policy = replace(get_policy("withdrawFunds"), methods=methods and frozenset(methods))
    tracked = Tracked(state=state, is_enrolled=bool(enrolled), enrolled_verification_methods=enrolled)
    return flow.move_of(Question(get_user_model()(), policy, kind), replace(tracked, **changes))


@pytest.mark.parametrize("row", MOVES, ids=str)
@pytest.mark.parametrize("kind", [Kind.STEP_UP, Kind.SIGN_IN])
def test_a_question_follows_the_table(kind, row):
    assert move(kind, *row) == MOVES[row]


@pytest.mark.parametrize("row", MOVES, ids=str)
def test_a_page_of_settings_lets_nobody_through_and_is_opened_instead(row):
    expected = {"on_allow": "challenge", "unenrolled": "challenge"}.get(MOVES[row], MOVES[row])
    assert move(Kind.SETTINGS, *row) == expected


@pytest.mark.parametrize("row", MOVES, ids=str)
def test_who_only_gave_a_name_is_challenged_or_denied(row):
    challenged = MOVES[row] == "challenge" and row[1] == YES
    assert move(Kind.PASSWORDLESS, *row) == ("challenge" if challenged else "deny")


@pytest.mark.parametrize("known", [None, ("PASSKEY", "SMS")])
def test_who_is_enrolled_by_methods_that_nobody_names_is_challenged(known):
    assert move(Kind.STEP_UP, "ALLOW", known, ("PASSKEY",), is_enrolled=True) == "on_allow"


@pytest.mark.parametrize("said", [None, "true", 1])
def test_only_true_is_enrolled(said):
    assert move(Kind.STEP_UP, "ALLOW", YES, None, is_enrolled=said) == "unenrolled"


# What validate answered

GOOD = {"is_valid": True, "state": "CHALLENGE_SUCCEEDED", "user_id": "u", "action": "withdrawFunds"}
REFUSALS = [
    ({}, ""),
    ({"user_id": "other"}, "invalid"),
    ({"user_id": None}, "invalid"),
    ({"action": "other"}, "invalid"),
    ({"idempotency_key": "other"}, "invalid"),
    ({"is_valid": False, "state": None, "error": "Token is invalid."}, "invalid"),
    ({"is_valid": False, "state": "CHALLENGE_FAILED"}, "failed"),
    ({"is_valid": True, "state": "CHALLENGE_FAILED"}, "failed"),
    ({"is_valid": False, "state": "CHALLENGE_FAILED", "user_id": "other"}, "invalid"),
    ({"is_valid": False}, "not_completed"),
    ({"is_valid": 1}, "not_completed"),
    ({"is_valid": False, "error": "said with a state"}, "not_completed"),
    ({"state": "ALLOW"}, "not_completed"),
    ({"state": "CHALLENGE_REQUIRED"}, "not_completed"),
    ({"state": None}, "not_completed"),
    ({"is_valid": False, "state": None}, "not_completed"),
    ({"state": None, "error": "said of what is valid"}, "not_completed"),
]


@pytest.mark.parametrize(("changes", "reason"), REFUSALS, ids=str)
def test_only_what_names_this_challenge_and_succeeded_is_a_proof(changes, reason):
    row = Challenge(authsignal_id="u", action="withdrawFunds")
    validated = Validated(**{**GOOD, "idempotency_key": str(row.pk), **changes})
    assert flow.refusal_of(row, validated) == reason


@pytest.mark.parametrize(("method", "reason"), [("PASSKEY", ""), ("SMS", "method"), (None, "method")])
def test_a_proof_by_a_method_that_was_not_asked_for_is_none(method, reason):
    row = Challenge(authsignal_id="u", action="withdrawFunds", methods=["PASSKEY"])
    validated = Validated(**GOOD, idempotency_key=str(row.pk), verification_method=method)
    assert flow.refusal_of(row, validated) == reason


@pytest.mark.parametrize(
    ("seconds", "counted"), [(-100, -100), (-30, -30), (0, 0), (60, 0), (60.1, 0), (10**6, 0), (None, 0)]
)
def test_a_proof_is_never_younger_than_now(time_machine, seconds, counted):
    time_machine.move_to(NOW, tick=False)
    said = None if seconds is None else NOW + timedelta(seconds=seconds)
    assert flow.proof_time(said) == NOW + timedelta(seconds=counted)


# Who may begin

STARTS = [("GET", {}), ("POST", {}), ("GET", {"Sec-Fetch-Mode": "navigate"}), ("GET", {"Purpose": "other"})]
STARTS_NONE = [
    *((method, {}) for method in ("HEAD", "OPTIONS", "TRACE")),
    ("GET", {"Sec-Fetch-Mode": "no-cors"}),
    ("POST", {"Sec-Fetch-Mode": "no-cors"}),
    *(("GET", {name: "prefetch"}) for name in ("Sec-Purpose", "Purpose", "X-Purpose", "X-Moz")),
    ("GET", {"Sec-Purpose": "prefetch;prerender"}),
    ("GET", {"Sec-Purpose": "Prefetch"}),
    ("GET", {"X-Purpose": "preview"}),
]


@pytest.mark.parametrize(("method", "headers"), [*STARTS, *STARTS_NONE], ids=str)
def test_only_what_a_person_waits_for_begins_a_challenge(rf, method, headers):
    assert flow.may_start(rf.generic(method, "/", headers=headers)) == ((method, headers) in STARTS)


# A proof is brought back


@pytest.fixture
def request_of(rf):
    """A request in a browser's session and with its cookies."""

    def made(browser):
        request = rf.get("/")
        request.session, request.user = browser.session, get_user_model().objects.filter(username="ada").first()
        request.COOKIES = {name: cookie.value for name, cookie in browser.cookies.items()}
        request.open = lambda: [one.id for one in session.open_challenges(request)]
        return request

    return made


@pytest.fixture
def bring(request_of):
    """Has the gate take in a token that such a request brings."""

    def take_in(browser, row, token, **by):
        request = request_of(browser)
        return request, steps.run(flow.finish(request, getattr(row, "pk", row), token, **by))

    return take_in


def ask(request, question):
    return steps.run(flow.ask(request, question))


@pytest.fixture
def failures():
    with hearing(signals.challenge_failed, lambda about: about["challenge"].pk) as found:
        yield found


@pytest.fixture
def row(adas):
    """A challenge of Ada's that waits."""
    adas.get("/withdraw/")
    return newest()


def told(finished):
    return finished.ok, finished.reason, finished.row, finished.already, finished.user


def test_a_challenge_that_nobody_began_is_gone(adas, bring):
    assert told(bring(adas, Challenge().pk, "token")[1]) == (False, "gone", None, False, None)


def test_a_proof_is_taken_in_once_and_then_only_sent_on(adas, ada, row, bring, authsignal):
    token = authsignal.complete(str(row.pk))
    _, finished = bring(adas, row, token)
    assert told(finished) == (True, "", row, False, ada)
    assert finished.return_to == "/withdraw/"
    _, again = bring(adas, row, token)
    assert told(again) == (True, "", row, True, None)
    assert again.return_to == ""


def test_of_two_that_bring_one_proof_at_once_one_takes_it_in(adas, ada, row, bring, authsignal, overtaken):
    token, first = authsignal.complete(str(row.pk)), []
    overtaken(by=lambda: first.append(bring(adas, row, token)[1]))
    _, late = bring(adas, row, token)
    assert told(first[0]) == (True, "", row, False, ada)
    assert told(late) == (True, "", row, True, None)


def test_without_a_token_nothing_is_asked(adas, row, bring, authsignal):
    before = len(authsignal.calls)
    for token in (None, ""):
        assert told(bring(adas, row, token)[1]) == (False, "missing_token", row, False, None)
    assert len(authsignal.calls) == before


def test_another_browser_is_refused_before_anything_is_asked(adas, new_browser, row, bring, authsignal):
    before = len(authsignal.calls)
    assert told(bring(new_browser(), row, "token")[1]) == (False, "foreign", row, False, None)
    assert len(authsignal.calls) == before


def test_a_browsers_challenge_is_no_clients(adas, row, bring, authsignal):
    token = authsignal.complete(str(row.pk))
    assert told(bring(adas, row, token, by=Channel.API)[1]) == (False, "foreign", row, False, None)


def test_another_tenant_is_refused_before_anything_is_asked(adas, row, bring, authsignal, configure):
    configure(TENANT_ID=lambda request: "other" if request.COOKIES else "")
    before = len(authsignal.calls)
    assert told(bring(adas, row, "token")[1]) == (False, "wrong_tenant", row, False, None)
    assert len(authsignal.calls) == before


@pytest.mark.parametrize("status", [one for one in Status if one not in (Status.OPEN, Status.PROVED, Status.SPENT)])
def test_what_is_closed_stays_closed(adas, row, bring, authsignal, status):
    Challenge.objects.filter(pk=row.pk).update(status=status)
    _, finished = bring(adas, row, authsignal.complete(str(row.pk)))
    reason = "expired" if status == Status.EXPIRED else "gone"
    assert told(finished) == (False, reason, row, False, None)
    row.refresh_from_db()
    assert row.status == status


def test_what_waited_too_long_is_expired_forgotten_and_told_once(adas, row, bring, authsignal, failures):
    Challenge.objects.filter(pk=row.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    for _ in range(2):
        _, finished = bring(adas, row, authsignal.complete(str(row.pk)))
        assert told(finished) == (False, "expired", row, False, None)
    row.refresh_from_db()
    assert (row.status, row.reason) == (Status.EXPIRED, "expired")
    assert failures == [row.pk]


def test_what_has_expired_here_is_no_longer_open_in_the_session(adas, row, bring):
    Challenge.objects.filter(pk=row.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    request, _ = bring(adas, row, "token")
    assert request.open() == []


def test_a_failed_proof_closes_its_challenge_and_is_told_once(adas, row, bring, authsignal, failures):
    token = authsignal.complete(str(row.pk), state="CHALLENGE_FAILED")
    request, finished = bring(adas, row, token)
    assert told(finished) == (False, "failed", row, False, None)
    assert request.open() == []
    row.refresh_from_db()
    assert (row.status, row.reason, row.state) == (Status.FAILED, "failed", "CHALLENGE_FAILED")
    bring(adas, row, token)
    assert failures == [row.pk]


def test_what_is_not_completed_leaves_its_challenge_open_and_writes_why(adas, row, bring, authsignal, failures):
    request, finished = bring(adas, row, authsignal.token(str(row.pk)))
    assert told(finished) == (False, "not_completed", row, False, None)
    assert request.open() == [str(row.pk)]
    row.refresh_from_db()
    assert (row.status, row.reason, row.state) == (Status.OPEN, "not_completed", "CHALLENGE_REQUIRED")
    assert failures == []


def test_what_state_it_is_in_instead_is_written(adas, row, bring, authsignal):
    bring(adas, row, authsignal.complete(str(row.pk), state="SOMETHING_NEW"))
    row.refresh_from_db()
    assert (row.status, row.reason, row.state) == (Status.OPEN, "not_completed", "SOMETHING_NEW")


@pytest.mark.parametrize("state", ["CHALLENGE_SUCCEEDED", "REVIEW_SUCCEEDED"])
def test_the_state_of_another_challenge_is_not_written_to_the_one_it_is_brought_to(adas, row, bring, authsignal, state):
    adas.get("/withdraw/?page=2")
    other = newest()
    bring(adas, row, authsignal.complete(str(other.pk), state=state))
    row.refresh_from_db()
    assert (row.status, row.reason, row.state) == (Status.OPEN, "invalid", "CHALLENGE_REQUIRED")


def test_a_proof_is_as_old_as_authsignal_says(adas, row, bring, authsignal):
    at = timezone.now().replace(microsecond=0) - timedelta(seconds=100)
    bring(adas, row, authsignal.complete(str(row.pk), at=at))
    row.refresh_from_db()
    assert (row.proved_at, row.verification_method, row.state) == (at, "PASSKEY", "CHALLENGE_SUCCEEDED")


def test_the_session_knows_where_its_challenge_is_answered(adas, row, request_of, authsignal):
    request = request_of(adas)
    kept = session.open_challenge(request, row.pk)
    assert kept.url == f"{authsignal.page}?token={kept.token}"
    assert authsignal.complete(str(row.pk)).split(".")[0] == kept.token.split(".")[0]


def test_a_token_for_another_user_is_asked_about_for_this_ones_challenge(adas, row, bring, authsignal):
    bring(adas, row, authsignal.complete(str(row.pk)))
    assert authsignal.calls[-1].json["action"] == "withdrawFunds"
    assert authsignal.calls[-1].json["userId"] == row.authsignal_id


def test_an_outage_says_nothing_about_a_proof_and_whom_to_tell(adas, row, bring, authsignal):
    authsignal.fail("503")
    token = authsignal.complete(str(row.pk))
    with hearing(signals.authsignal_unreachable) as heard:
        request, finished = bring(adas, row, token)
    assert told(finished) == (False, "unreachable", row, False, None)
    [about] = heard
    assert about["sender"] is Challenge
    assert (about["request"], about["challenge"], about["user"]) == (request, row, None)
    assert about["error"].status == 503
    authsignal.fail(None)
    assert bring(adas, row, token)[1].ok


def test_an_outage_that_says_when_it_ends_is_worth_trying_again_then(adas, row, bring, authsignal):
    send = authsignal.send

    def wait(*args, **kwargs):
        answer = send(*args, **kwargs)
        answer.headers["Retry-After"] = "7"
        return answer

    authsignal.send = wait
    authsignal.fail("429")
    assert bring(adas, row, "token")[1].retry_after == 7
    authsignal.send = send
    authsignal.fail("timeout")
    assert bring(adas, row, "token")[1].retry_after is None


# What is open


def test_what_the_ledger_no_longer_has_is_begun_anew(adas, row):
    Challenge.objects.all().delete()
    assert adas.get("/withdraw/").status_code == 302
    assert newest().pk != row.pk
    assert list(adas.session["authsignal"]["open"]) == [str(newest().pk)]


def test_a_proof_that_is_spent_takes_no_other_with_it(adas):
    adas.step_up()
    adas.post("/delete/")
    adas.prove()
    assert adas.post("/delete/").content == b"deleted"
    assert adas.get("/withdraw/").content == b"withdrawn"


def test_it_is_told_who_is_asked_and_who_is_held(adas, ada, authsignal):
    def read(about):
        assert about["sender"] is Challenge
        return about["request"].path, about["user"], about["challenge"].status

    with hearing(signals.challenge_started, read) as asked, hearing(signals.review_required, read) as held:
        adas.get("/withdraw/")
        authsignal.review()
        adas.get("/transfer/")
    assert asked == [("/withdraw/", ada, Status.OPEN)]
    assert held == [("/transfer/", ada, Status.REVIEW)]


def test_it_is_told_who_proved_it(adas, ada, row):
    with hearing(signals.challenge_passed) as told:
        adas.prove(row)
    [about] = told
    assert about["sender"] is Challenge
    assert str(row.pk) in about["request"].path
    assert (about["user"], about["challenge"]) == (ada, row)


@pytest.mark.parametrize("reason", ["failed", "expired"])
def test_it_is_told_who_did_not_prove_it_and_why(adas, ada, row, time_machine, reason):
    state = "CHALLENGE_FAILED" if reason == "failed" else "CHALLENGE_SUCCEEDED"
    if reason == "expired":
        time_machine.move_to(row.expires_at + timedelta(seconds=1))
    with hearing(signals.challenge_failed) as told:
        adas.prove(row, state=state)
    [about] = told
    assert about["sender"] is Challenge
    assert str(row.pk) in about["request"].path
    assert (about["user"], about["challenge"], about["reason"]) == (ada, row, reason)


# The first door, asked by nobody else before


def test_a_fresh_pass_is_an_answer_without_a_call_and_without_a_query(
    adas, ada, row, request_of, authsignal, django_assert_num_queries
):
    adas.prove(row)
    request = request_of(adas)
    request.session.get("loaded")
    before = len(authsignal.calls)
    with django_assert_num_queries(0):
        decision = ask(request, Question(ada, get_policy("withdrawFunds")))
    assert (decision.verdict, len(authsignal.calls)) == (Verdict.PASS, before)


@pytest.fixture
def question(adas, ada):
    """One that a proof for one request waits to answer."""
    adas.post("/delete/")
    adas.prove()
    row = newest()
    return Question(ada, get_policy(row.action), bound=Bound(scope=row.scope))


def test_a_proof_for_one_request_answers_one(adas, ada, question, request_of):
    request, again = request_of(adas), request_of(adas)
    again.session = request.session
    assert ask(request, question).verdict is Verdict.PASS
    assert ask(request, question).verdict is Verdict.PASS  # the same request
    assert not flow.peek(request, ada, get_policy("withdrawFunds"), question.bound)
    assert not flow.peek(request, ada, replace(question.policy, action="other"), question.bound)
    assert not flow.peek(request, ada, question.policy, Bound(scope="other"))
    assert not flow.proved_ahead(again, question)
    assert ask(again, question).verdict is Verdict.CHALLENGE


@pytest.mark.parametrize(("enrolled", "enrols"), [((), True), (("PASSKEY",), False)])
@pytest.mark.parametrize("state", ["ALLOW", "CHALLENGE_REQUIRED"])
def test_it_is_kept_that_a_page_offers_to_enrol(browser, ada, authsignal, configure, enrolled, enrols, state):
    configure(UNENROLLED="enroll", ON_ALLOW="deny")
    authsignal.methods = enrolled
    authsignal.outcome(state)
    browser.post("/login/", {"username": "ada", "password": PASSWORD})
    assert newest().enrolls == (enrols and newest().status == Status.OPEN)
    assert (newest().status == Status.OPEN) == (enrols or state == "CHALLENGE_REQUIRED")


def test_who_has_another_way_than_is_accepted_is_offered_to_enrol(browser, ada, authsignal, configure):
    configure(UNENROLLED="enroll", ACTIONS={"signIn": {"METHODS": ["PASSKEY"]}})
    authsignal.enrolled("SMS")
    browser.post("/login/", {"username": "ada", "password": PASSWORD})
    assert (newest().status, newest().enrolls) == (Status.OPEN, True)


@pytest.mark.parametrize("enrolled", [True, False])
def test_each_call_is_made_with_what_is_set_for_this_request(adas, authsignal, configure, enrolled):
    configure(
        TENANT_ID=lambda request: f"tenant of {request.get_host()}",
        API_SECRET_KEY=lambda request: f"key of {request.get_host()}",
        TRACK_ATTRIBUTES=f"{__name__}.address",
        ACTIONS={"withdrawFunds": {"UNENROLLED": "email"}},
    )
    if not enrolled:
        authsignal.unenrolled()
    first = adas.get("/withdraw/")["Location"]
    assert newest().tenant == "tenant of testserver"
    assert adas.get("/withdraw/")["Location"] == first
    adas.prove(method="EMAIL_OTP")
    assert adas.get("/withdraw/").content == b"withdrawn"
    assert ("enroll_verified_authenticator" in [call.operation for call in authsignal.calls]) == (not enrolled)


def open_pages(browser):
    rows = Challenge.objects.filter(pk__in=list(browser.session["authsignal"]["open"]))
    return sorted(row.return_to for row in rows)


def test_what_another_tab_began_while_one_was_asked_about_is_kept(adas, meanwhile):
    meanwhile()
    adas.get("/withdraw/")
    assert open_pages(adas) == ["/transfer/", "/withdraw/"]


def test_a_challenge_that_came_without_a_token_is_told_without_one(adas, authsignal):
    send = authsignal.send

    def without(request, *args, **kwargs):
        answer = send(request, *args, **kwargs)
        answer._content = json.dumps({**answer.json(), "token": None}).encode()
        return answer

    authsignal.send = without
    first, again = (adas.fetch("/withdraw/").json() for _ in "12")
    assert "token" not in first | again
    assert first["challengeId"] == again["challengeId"]


def test_what_another_tab_began_while_a_proof_was_looked_at_is_kept(adas, row, meanwhile):
    token = adas.authsignal.complete(str(row.pk))
    meanwhile()
    adas.callback(row, token=token)
    assert open_pages(adas) == ["/transfer/"]
    assert adas.get("/withdraw/").content == b"withdrawn"


def test_a_callback_without_a_token_says_nothing_of_the_state(adas, row, bring):
    bring(adas, row, None)
    row.refresh_from_db()
    assert (row.reason, row.state) == ("missing_token", "CHALLENGE_REQUIRED")


def test_a_proof_that_does_not_say_how_it_was_made_names_no_method(adas, row, authsignal):
    adas.prove(row, method=None)
    row.refresh_from_db()
    assert (row.status, row.verification_method) == (Status.PROVED, "")


def test_a_proof_clears_what_was_said_of_an_attempt_before_it(adas, row, authsignal):
    adas.callback(row, token="nonsense")
    row.refresh_from_db()
    assert (row.status, row.reason, row.state) == (Status.OPEN, "invalid", "CHALLENGE_REQUIRED")
    adas.prove(row)
    row.refresh_from_db()
    assert (row.status, row.reason, row.verification_method) == (Status.PROVED, "", "PASSKEY")
    assert not adas.session["authsignal"].get("open")


@pytest.mark.parametrize("credential", ["", "Token x"])
def test_a_first_question_was_refused_nothing(adas, ada, request_of, credential):
    request = request_of(adas)
    channel.set_credential(request, credential)
    assert ask(request, Question(ada, get_policy("transferFunds"))).refused == ""


@pytest.mark.parametrize("kind", [Kind.STEP_UP, Kind.SIGN_IN])
def test_what_is_open_already_is_answered_as_it_was_at_first(adas, ada, request_of, authsignal, kind):
    request = request_of(adas)
    question = Question(ada, get_policy("transferFunds"), kind, return_to="/transfer/?to=bob")
    first = ask(request, question)
    before = len(authsignal.calls)
    assert (first.verdict, first.return_to) == (Verdict.CHALLENGE, "/transfer/?to=bob")
    assert ask(request, question) == first
    assert len(authsignal.calls) == before


def test_of_two_that_are_open_each_question_finds_its_own(adas, ada, request_of):
    request = request_of(adas)
    questions = [Question(ada, get_policy(action), return_to="/x/") for action in ("transferFunds", "closeAccount")]
    first = [ask(request, one) for one in questions]
    assert [ask(request, one) for one in questions] == first


@pytest.mark.parametrize("anywhere", [True, False])
def test_a_question_of_every_page_alike_finds_what_another_page_began(adas, ada, request_of, anywhere):
    request = request_of(adas)
    question = Question(ada, get_policy("transferFunds"), return_to="/one/", anywhere=anywhere)
    first = ask(request, question)
    request.path = request.path_info = "/other/"
    other = ask(request, replace(question, return_to="/other/"))
    assert (first.challenge_id == other.challenge_id) == anywhere


DIFFERENT = [
    {"browser": "x"},
    {"user_pk": "0"},
    {"return_to": "/other/"},
    {"fingerprint": "x"},
    {"tenant": "other"},
    {"enrolls": True},
    {"status": Status.DENIED},
    {"expires_at": NOW - timedelta(days=9000)},
]


@pytest.mark.parametrize("change", DIFFERENT, ids=str)
def test_what_is_open_but_no_longer_theirs_is_begun_anew_and_forgotten(adas, ada, request_of, change):
    request = request_of(adas)
    question = Question(ada, get_policy("transferFunds"), return_to="/transfer/")
    first = ask(request, question)
    Challenge.objects.filter(pk=first.challenge_id).update(**change)
    again = ask(request, question)
    assert again.verdict is Verdict.CHALLENGE
    assert again.challenge_id != first.challenge_id
    assert str(first.challenge_id) not in request.open()


def test_an_enrolment_that_is_open_is_answered_again_where_it_may_still_be_done(browser, ada, request_of):
    browser.sign_in()
    request = request_of(browser)
    question = Question(ada, get_policy("transferFunds"), return_to="/transfer/")
    first = ask(request, question)
    Challenge.objects.filter(pk=first.challenge_id).update(enrolls=True)
    assert ask(request, question).challenge_id == first.challenge_id


def test_only_a_proof_for_one_request_is_spent(adas, ada, row, request_of):
    adas.prove(row)
    request = request_of(adas)
    question = Question(ada, get_policy("withdrawFunds"))
    assert not flow.spend(request, question)
    assert flow.peek(request, ada, question.policy, question.bound)


def test_a_proof_that_the_ledger_no_longer_has_is_not_spent_and_dropped(adas, question, request_of):
    request = request_of(adas)
    Challenge.objects.all().delete()
    assert flow.proved_ahead(request, question)
    assert not flow.spend(request, question)
    assert not flow.proved_ahead(request, question)


def test_what_is_held_already_is_answered_as_it_was_at_first(adas, ada, request_of, authsignal):
    authsignal.review()
    request = request_of(adas)
    question = Question(ada, get_policy("transferFunds"), return_to="/transfer/")
    first = ask(request, question)
    assert (first.verdict, first.url, first.token) == (Verdict.REVIEW, "", "")
    assert ask(request, question) == first


def test_a_page_whose_address_this_session_does_not_know_is_not_sent_to(adas, row, request_of):
    request = request_of(adas)
    row.reason = "why"
    decision = flow.challenge_decision(request, row, label="")
    assert (decision.verdict, decision.reason) == (Verdict.CHALLENGE, "why")
    session.forget(request, row.pk)
    decision = flow.challenge_decision(request, row, label="")
    assert (decision.verdict, decision.url, decision.token) == (Verdict.DENY, "", "")


@pytest.fixture
def api(adas, ada, request_of):
    """A client with a credential asks for an action, with the token of what it was asked to prove before."""

    def asks(action, token=""):
        request = request_of(adas)
        channel.set_credential(request, "Token x")
        request.META["HTTP_AUTHSIGNAL_TOKEN"] = token
        return ask(request, Question(ada, get_policy(action)))

    return asks


def test_a_client_is_told_that_its_proof_was_for_something_else_or_was_used(api, authsignal):
    token = authsignal.complete(str(api("withdrawFunds").challenge_id))
    refused = [api("transferFunds", token).refused for _ in range(2)]
    assert refused == ["changed", "used"]
    assert api("withdrawFunds").verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("change", "reason"), [({"is_active": False}, "inactive"), ({"email": "new@example.com"}, "account_changed")]
)
def test_a_client_is_told_what_became_of_the_account_its_proof_was_for(api, ada, authsignal, change, reason):
    token = authsignal.complete(str(api("withdrawFunds").challenge_id))
    type(ada).objects.filter(pk=ada.pk).update(**change)
    assert api("withdrawFunds", token).refused == reason


def test_a_client_that_begins_ever_more_loses_what_it_began_first(api):
    first, *others = [api("withdrawFunds").challenge_id for _ in range(session.MAX_OPEN + 1)]
    still_open = Challenge.objects.filter(status=Status.OPEN).values_list("pk", flat=True)
    assert first not in still_open
    assert {*others} <= {*still_open}


def test_a_client_whose_proof_could_not_be_looked_at_begins_nothing_new(api, authsignal):
    token = authsignal.complete(str(api("withdrawFunds").challenge_id))
    authsignal.fail("503")
    assert api("withdrawFunds", token).verdict is Verdict.UNREACHABLE
    assert authsignal.calls[-1].operation == "validate_challenge"
    authsignal.fail(None)
    assert api("withdrawFunds", token).verdict is Verdict.PASS


def test_a_token_that_this_client_did_not_begin_is_taken_and_says_gone(adas, row, request_of, authsignal):
    request = request_of(adas)
    request.META["HTTP_AUTHSIGNAL_TOKEN"] = authsignal.complete(str(row.pk))
    channel.set_credential(request, "Token x")
    assert channel.token_of(request)
    assert steps.run(flow.take_in(request, channel.credential(request), ahead=True)) is None
    assert channel.token_of(request)
    for _ in range(2):
        finished = steps.run(flow.take_in(request, channel.credential(request)))
        assert told(finished) == (False, "gone", None, False, None)
        assert not channel.token_of(request)


def test_the_page_of_settings_is_opened_for_nobody_without_a_pass(adas, ada, request_of, authsignal):
    request = request_of(adas)
    before = len(authsignal.calls)
    question = Question(ada, get_policy("manageAuthenticators"), Kind.SETTINGS)
    assert steps.run(flow.ask_settings(request, question)).verdict is Verdict.DENY
    assert len(authsignal.calls) == before


REFUSED = [
    ("refused", {}, lambda authsignal: authsignal.fail("401")),
    ("foreign_page", {}, lambda authsignal: setattr(authsignal, "page", "https://evil.example/")),
    ("allow_is_no_proof", {}, lambda authsignal: authsignal.allow()),
    ("not_enrolled", {}, lambda authsignal: authsignal.unenrolled()),
    ("not_enrolled", {"UNENROLLED": "email"}, lambda authsignal: authsignal.unenrolled()),  # and there is no address
    ("blocked", {}, lambda authsignal: authsignal.block()),
    ("unexpected_state", {}, lambda authsignal: authsignal.outcome("SOMETHING_NEW")),
]


@pytest.mark.parametrize(("reason", "policy", "answers"), REFUSED)
def test_it_is_told_who_is_refused_where_and_why(adas, ada, authsignal, configure, reason, policy, answers):
    answers(authsignal)
    configure(ACTIONS={"withdrawFunds": policy})
    with hearing(signals.action_blocked) as told:
        assert adas.get("/withdraw/").status_code == 403
    [about] = told
    assert (about["request"].path, about["user"], about["challenge"]) == ("/withdraw/", ada, newest())
    assert about["reason"] == newest().reason == reason


# Somebody who has no way of proof sets one up

MAY = [({}, "", False), ({"password_proved": True}, "", True), ({"first_factor": True}, "", True), ({}, PASSWORD, True)]


@pytest.mark.parametrize(("about", "password", "may"), MAY)
@pytest.mark.parametrize("kind", [Kind.STEP_UP, Kind.SIGN_IN])
def test_an_api_client_sets_one_up_by_a_password_or_a_login_a_moment_ago(
    browser, ada, request_of, authsignal, configure, kind, about, password, may
):
    browser.sign_in()  # a session that had its password a moment ago, which is not this client's
    request = request_of(browser)
    if password:
        value = base64.b64encode(f"ada:{password}".encode()).decode()
        request.META["HTTP_AUTHORIZATION"] = f"Basic {value}"
        assert channel.note_password(request, Sealed(password))
    else:
        channel.set_credential(request, "Token x")
    configure(ACTIONS={"withdrawFunds": {"UNENROLLED": "enroll"}})
    authsignal.unenrolled()
    decision = ask(request, Question(ada, get_policy("withdrawFunds"), kind, **about))
    assert decision.verdict is (Verdict.CHALLENGE if may else Verdict.DENY)


@pytest.mark.parametrize(("about", "may"), [(about, may) for about, password, may in MAY if not password])
def test_a_browser_signs_in_and_sets_one_up_by_a_password_or_a_login_a_moment_ago(
    adas, ada, request_of, authsignal, configure, time_machine, about, may
):
    request = request_of(adas)
    configure(ACTIONS={"withdrawFunds": {"UNENROLLED": "enroll"}})
    authsignal.unenrolled()
    time_machine.move_to(timezone.now() + timedelta(days=1))
    decision = ask(request, Question(ada, get_policy("withdrawFunds"), Kind.SIGN_IN, **about))
    assert decision.verdict is (Verdict.CHALLENGE if may else Verdict.DENY)


# An address is enrolled


def address(request, user, action):
    return {"email": user.email} if (request.user, action) == (user, "withdrawFunds") else {}


@pytest.fixture
def enrolling(authsignal, configure):
    """The call that enrols an address fails in this way, and none before it."""
    configure(TRACK_ATTRIBUTES=f"{__name__}.address", ACTIONS={"withdrawFunds": {"UNENROLLED": "email"}})
    authsignal.unenrolled()
    send = authsignal.send

    def fails(kind):
        def only_then(request, *args, **kwargs):
            authsignal.fail(kind if request.url.endswith("/authenticators") else None)
            return send(request, *args, **kwargs)

        authsignal.send = only_then

    return fails


@pytest.mark.parametrize("colour", ["/", "/async/"])
def test_an_outage_while_an_address_is_enrolled_lets_nobody_through(adas, enrolling, colour):
    enrolling("refused")
    with hearing(signals.authsignal_unreachable, lambda about: about["request"].path) as told:
        assert adas.get(f"{colour}withdraw/").status_code == 503
    assert told == [f"{colour}withdraw/"]
    rows = Challenge.objects.order_by("created_at")
    assert [one.status for one in rows] == [Status.EXPIRED, Status.UNREACHABLE]
    assert {(one.user_pk, one.action) for one in rows} == {(adas.user_pk, "withdrawFunds")}
    assert rows[0].reason == "enrolled_by_email"


def test_an_address_that_may_not_be_enrolled_lets_nobody_through(adas, enrolling):
    enrolling("400")
    with hearing(signals.action_blocked, lambda about: about["request"].path) as told:
        assert adas.get("/withdraw/").status_code == 403
    assert told == ["/withdraw/"]
    rows = Challenge.objects.order_by("created_at")
    assert [(one.status, one.reason) for one in rows][1:] == [(Status.DENIED, "not_enrolled")]
    assert rows[1].user_pk == adas.user_pk


def test_who_stays_unenrolled_after_it_is_not_enrolled_again(adas, enrolling, authsignal):
    enrolling(None)
    send = authsignal.send

    def forgets(request, *args, **kwargs):
        authsignal._authenticators.clear()
        return send(request, *args, **kwargs)

    authsignal.send = forgets
    assert adas.get("/withdraw/").status_code == 403
    operations = [call.operation for call in authsignal.calls]
    assert operations == ["track", "enroll_verified_authenticator", "track"]


def test_what_is_enrolled_is_the_verified_address(adas, ada, enrolling, authsignal):
    enrolling(None)
    adas.get("/withdraw/")
    [call] = [one for one in authsignal.calls if one.operation == "enroll_verified_authenticator"]
    assert (call.json["verificationMethod"], call.json["email"]) == ("EMAIL_OTP", ada.email)


def test_an_address_is_not_enrolled_where_its_codes_are_no_accepted_method(adas, enrolling, authsignal, configure):
    enrolling(None)
    configure(ACTIONS={"withdrawFunds": {"UNENROLLED": "email", "METHODS": ["PASSKEY"]}})
    assert adas.get("/withdraw/").status_code == 403
    assert (newest().status, newest().reason) == (Status.DENIED, "not_enrolled")
    assert [call.operation for call in authsignal.calls] == ["track"]
    configure(ACTIONS={"withdrawFunds": {"UNENROLLED": "email", "METHODS": ["EMAIL_OTP"]}})
    assert adas.get("/withdraw/").status_code == 302
