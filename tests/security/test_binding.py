"""A proof counts for its action, its user, its browser, its values, and once."""

import asyncio
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import django
import pytest
from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.contrib.auth import get_user_model
from django.db import connections
from django.db.models.signals import post_init
from django.test import AsyncClient
from django.urls import reverse
from django.utils import timezone

from django_authsignal.client import State, Validated
from django_authsignal.flow import refusal_of
from django_authsignal.models import Challenge, Status
from django_authsignal.signals import challenge_passed
from tests.conftest import Browser, newest
from tests.security.conftest import together

pytestmark = [pytest.mark.django_db, pytest.mark.security]


def reason_of(response):
    return response.headers["Location"].rpartition("reason=")[2]


@pytest.mark.security(1)
def test_a_token_of_another_action_is_refused(adas, authsignal):
    adas.get("/withdraw/")
    other = newest()
    adas.post("/delete/")
    mine = newest()
    token = authsignal.complete(str(other.pk))
    assert reason_of(adas.callback(mine, token=token)) == "invalid"
    mine.refresh_from_db()
    assert (mine.status, mine.reason) == (Status.OPEN, "invalid")


@pytest.mark.security(2)
def test_a_token_of_another_user_is_refused_and_never_chooses_the_user(new_browser, ada, bob, authsignal):
    alices, bobs = new_browser(), new_browser()
    bobs.force_login(bob)
    bobs.get("/withdraw/")
    bobs_token = authsignal.complete(str(newest().pk))
    alices.force_login(ada)
    alices.get("/withdraw/")
    assert reason_of(alices.callback(token=bobs_token)) == "invalid"
    assert alices.get("/withdraw/").status_code == 302
    assert alices.user_pk == str(ada.pk)


@pytest.mark.security(2)
def test_a_password_of_the_victim_and_a_proof_of_the_thief_sign_nobody_in(new_browser, ada, bob, authsignal):
    thief = new_browser()
    thief.force_login(bob)
    thief.get("/withdraw/")
    own_token = authsignal.complete(str(newest().pk))
    thief.logout()
    thief.post("/login/", {"username": "ada", "password": "correct horse battery staple"})
    assert reason_of(thief.callback(token=own_token)) == "invalid"
    assert thief.user_pk is None


@pytest.mark.security(3)
def test_a_token_of_another_challenge_of_the_same_action_is_refused(adas, authsignal):
    adas.get("/withdraw/")
    first = newest()
    adas.get("/withdraw/?page=2")
    second = newest()
    assert first.pk != second.pk
    assert reason_of(adas.callback(second, token=authsignal.complete(str(first.pk)))) == "invalid"


@pytest.mark.security(4)
def test_the_same_callback_twice_is_sent_on_without_a_second_pass(adas, authsignal):
    adas.get("/withdraw/")
    row = newest()
    token = authsignal.complete(str(row.pk))
    first = adas.callback(row, token=token)
    before = adas.session["authsignal"]["passes"]
    second = adas.callback(row, token=token)
    assert first.headers["Location"] == second.headers["Location"] == "/withdraw/"
    assert adas.session["authsignal"]["passes"] == before
    assert len([call for call in authsignal.calls if call.operation == "validate_challenge"]) == 1


@pytest.fixture
def counted():
    """The challenges that passed."""
    passed = []

    def count(sender, challenge, **kwargs):
        passed.append(challenge.pk)

    challenge_passed.connect(count)
    yield passed
    challenge_passed.disconnect(count)


@pytest.mark.security(5)
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("validated_together")
def test_of_twenty_parallel_callbacks_exactly_one_makes_a_pass(adas, authsignal, counted):
    adas.get("/withdraw/")
    row = newest()
    token = authsignal.complete(str(row.pk))

    def come_back(_):
        clone = Browser(authsignal)
        clone.cookies = adas.cookies
        try:
            return clone.callback(row, token=token).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(20) as pool:
        answers = set(pool.map(come_back, range(20)))
    assert (answers, counted) == ({303}, [row.pk])


@pytest.mark.security(5)
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("validated_together")
def test_of_twenty_parallel_callbacks_over_asgi_exactly_one_makes_a_pass(adas, authsignal, counted):
    adas.get("/withdraw/")
    row = newest()
    token = authsignal.complete(str(row.pk))

    async def come_back():
        client = AsyncClient(headers={"Accept": "text/html", "Sec-Fetch-Mode": "navigate"})
        client.cookies = adas.cookies
        async with ThreadSensitiveContext():  # as a server has it: a thread for each request
            answer = await client.get(reverse("authsignal:callback", args=[row.pk]), {"token": token})
            await sync_to_async(connections.close_all)()
        return answer.status_code

    async def all_at_once():
        return set(await asyncio.gather(*[come_back() for _ in range(20)]))

    with ThreadPoolExecutor(1) as server:  # a loop of its own: async_to_sync would run all in this one thread
        answers = server.submit(asyncio.run, all_at_once()).result()
    assert (answers, counted) == ({303}, [row.pk])


@pytest.mark.security(6)
def test_a_callback_link_planted_on_a_victim_signs_them_in_nowhere(new_browser, ada, bob, authsignal):
    attacker, victim = new_browser(), new_browser()
    attacker.post("/login/", {"username": "bob", "password": "correct horse battery staple"})
    token = authsignal.complete(str(newest().pk))
    answer = victim.callback(token=token)
    assert reason_of(answer) == "foreign"
    assert victim.user_pk is None
    assert newest().status == Status.OPEN


@pytest.mark.security(6)
def test_a_planted_step_up_link_gives_a_signed_in_victim_no_pass(new_browser, ada, authsignal):
    attacker, victim = new_browser(), new_browser()
    attacker.force_login(ada)
    victim.force_login(ada)
    attacker.get("/withdraw/")
    row = newest()
    victim.get("/withdraw/")
    assert reason_of(victim.callback(row, token=authsignal.complete(str(row.pk)))) == "foreign"
    assert victim.get("/withdraw/").status_code == 302


@pytest.mark.security(7)
def test_a_stolen_session_cookie_without_the_binding_cookie_finishes_nothing(new_browser, adas, authsignal):
    adas.get("/withdraw/")
    row = newest()
    thief = new_browser()
    thief.cookies["sessionid"] = adas.cookies["sessionid"].value
    assert reason_of(thief.callback(row, token=authsignal.complete(str(row.pk)))) == "foreign"


@pytest.mark.security(15)
def test_a_stolen_session_cookie_without_the_binding_cookie_holds_no_pass(new_browser, adas):
    adas.step_up()
    assert adas.get("/withdraw/").content == b"withdrawn"
    thief = new_browser()
    thief.cookies["sessionid"] = adas.cookies["sessionid"].value
    assert thief.get("/withdraw/").status_code == 302


@pytest.mark.security(62)
def test_a_cloned_session_is_not_handed_the_victims_hosted_page(new_browser, adas):
    adas.get("/withdraw/")
    victims = newest()
    thief = new_browser()
    thief.cookies["sessionid"] = adas.cookies["sessionid"].value
    page = thief.get(reverse("authsignal:challenge", args=[victims.pk]))
    assert page.status_code == 403
    assert "authsignal.com" not in page.content.decode()
    assert str(victims.pk) not in thief.get("/withdraw/").headers["Location"]


NOT_SUCCEEDED = [str(state) for state in State if state != State.CHALLENGE_SUCCEEDED]


@pytest.mark.security(8)
@pytest.mark.parametrize("state", [*NOT_SUCCEEDED, "challenge_succeeded", "SUCCEEDED", "", None])
def test_no_state_but_challenge_succeeded_is_a_proof(adas, authsignal, state):
    adas.get("/withdraw/")
    adas.prove(state=state)
    assert newest().status in (Status.OPEN, Status.FAILED)
    assert adas.get("/withdraw/").status_code == 302


GOOD = Validated(
    is_valid=True,
    state="CHALLENGE_SUCCEEDED",
    user_id="1",
    action="withdrawFunds",
    idempotency_key="00000000-0000-0000-0000-000000000007",
    verification_method="PASSKEY",
)


@pytest.mark.security(1)
@pytest.mark.security(2)
@pytest.mark.security(3)
@pytest.mark.security(8)
@pytest.mark.parametrize(
    "other",
    [
        {"action": "deleteAccount"},
        {"action": None},
        {"user_id": "2"},
        {"user_id": None},
        {"idempotency_key": "00000000-0000-0000-0000-000000000008"},
        {"idempotency_key": None},
        {"is_valid": False},
        {"state": "ALLOW"},
        {"state": None},
        {"verification_method": "SMS"},
        {"verification_method": None},
    ],
    ids=str,
)
def test_each_word_of_authsignals_answer_is_looked_at_by_itself(other):
    """Whatever Authsignal looked at before: a service that answers too kindly opens nothing."""
    row = Challenge(pk=uuid.UUID(int=7), authsignal_id="1", action="withdrawFunds", methods=["PASSKEY"])
    assert refusal_of(row, GOOD) == ""
    assert refusal_of(row, replace(GOOD, **other))


@pytest.mark.security(10)
def test_a_proof_by_a_method_the_policy_does_not_list_is_refused(adas, authsignal, settings):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ACTIONS": {"withdrawFunds": {"METHODS": ["PASSKEY"]}}}
    adas.get("/withdraw/")
    assert reason_of(adas.prove(method="EMAIL_OTP")) == "method"
    assert adas.get("/withdraw/").status_code == 302


@pytest.mark.security(11)
def test_an_un_enrolled_user_is_denied_a_step_up_that_authsignal_allows(adas, authsignal, colour):
    authsignal.unenrolled()
    authsignal.allow()
    answer = adas.get(f"{colour}withdraw/")
    assert answer.status_code == 403
    assert (newest().status, newest().reason) == (Status.DENIED, "not_enrolled")


@pytest.mark.security(67)
def test_an_un_enrolled_user_cannot_enrol_at_a_step_up_without_a_recent_password(adas, authsignal, settings):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ACTIONS": {"withdrawFunds": {"UNENROLLED": "enroll"}}}
    authsignal.unenrolled()
    authsignal.allow()
    assert adas.get("/withdraw/").status_code == 403


def test_an_un_enrolled_user_may_enrol_at_a_step_up_after_a_recent_password_and_the_owner_is_told(
    browser, ada, authsignal, settings, mailoutbox
):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ACTIONS": {"withdrawFunds": {"UNENROLLED": "enroll"}}}
    browser.sign_in()
    authsignal.unenrolled()
    authsignal.allow()
    assert browser.get("/withdraw/").status_code == 302
    row = newest()
    browser.callback(row, token=authsignal.token(str(row.pk)))  # left once, then finished
    browser.prove(row)
    assert browser.get("/withdraw/").content == b"withdrawn"
    assert [mail.to for mail in mailoutbox] == [["ada@example.com"]]


@pytest.mark.security(48)
def test_the_owner_is_told_of_a_first_enrolment_at_sign_in(browser, ada, authsignal, mailoutbox):
    authsignal.unenrolled()
    browser.sign_in()
    assert [mail.to for mail in mailoutbox] == [["ada@example.com"]]


@pytest.fixture
def no_mail(settings):
    """Mail that cannot be sent."""
    if django.VERSION >= (6, 1):
        settings.MAILERS = {"default": {"BACKEND": "no.such.Backend"}}
    else:
        settings.EMAIL_BACKEND = "no.such.Backend"


@pytest.mark.usefixtures("no_mail")
def test_mail_that_cannot_be_sent_does_not_undo_a_proof(browser, ada, authsignal):
    authsignal.unenrolled()
    browser.sign_in()
    assert browser.user_pk == str(ada.pk)


@pytest.mark.usefixtures("no_mail")
def test_mail_that_cannot_be_sent_is_one_line_of_the_log_with_the_fix(browser, ada, authsignal, caplog):
    authsignal.unenrolled()
    browser.sign_in()
    (record,) = [record for record in caplog.records if "told by mail" in record.getMessage()]
    assert record.exc_info is None
    assert "Check Django's e-mail settings." in record.getMessage()


def test_an_abandoned_enrolment_at_sign_in_signs_nobody_in(browser, ada, authsignal):
    authsignal.unenrolled()
    authsignal.allow()
    browser.post("/login/", {"username": "ada", "password": "correct horse battery staple"})
    row = newest()
    answer = browser.callback(row, token=authsignal.token(str(row.pk)))
    assert reason_of(answer) == "not_completed"
    assert browser.user_pk is None


@pytest.mark.parametrize(("debug", "hints"), [(True, 1), (False, 0)])
def test_a_denied_allow_tells_the_fix_to_developers_only(adas, authsignal, settings, debug, hints):
    settings.DEBUG = debug
    authsignal.allow()
    page = adas.get("/withdraw/", headers={"Accept": "text/html"}).content.decode()
    assert page.count("--default-outcome CHALLENGE") == hints


@pytest.mark.security(56)
def test_allow_for_a_step_up_nobody_configured_is_denied(adas, authsignal, colour):
    authsignal.allow()
    assert adas.get(f"{colour}withdraw/").status_code == 403
    assert newest().reason == "allow_is_no_proof"


@pytest.mark.security(56)
@pytest.mark.parametrize("policy", [{"METHODS": ["PASSKEY"]}, {"MAX_AGE": 0}])
def test_allow_never_satisfies_methods_or_single_use(adas, authsignal, settings, policy):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ACTIONS": {"withdrawFunds": {"ON_ALLOW": "pass", **policy}}}
    authsignal.allow()
    assert adas.post("/withdraw/").status_code == 403


@pytest.mark.security(12)
def test_a_single_use_proof_serves_exactly_one_request(adas, colour):
    adas.post(f"{colour}delete/")
    adas.prove()
    assert adas.post(f"{colour}delete/").content == b"deleted"
    assert adas.post(f"{colour}delete/").status_code == 403
    assert Challenge.objects.filter(status=Status.SPENT).count() == 1


def test_a_forged_post_does_not_cost_somebody_their_waiting_proof(new_browser, ada):
    strict = new_browser(enforce_csrf_checks=True)
    strict.force_login(ada)
    token = strict.get("/authsignal/sign-in/").context["csrf_token"]
    strict.post("/inner-csrf/", {"csrfmiddlewaretoken": token})
    strict.prove()
    assert strict.post("/inner-csrf/", {}, headers={"Origin": "https://evil.example"}).status_code == 403
    assert strict.post("/inner-csrf/", {"csrfmiddlewaretoken": token}).content == b"deleted"


def test_a_single_use_proof_serves_no_other_path_or_method(adas):
    adas.post("/delete/")
    adas.prove()
    assert adas.post("/delete/?other=1").status_code == 403
    assert adas.post("/async/delete/").status_code == 403
    assert adas.post("/delete/").content == b"deleted"


@pytest.mark.security(60)
@pytest.mark.django_db(transaction=True)
def test_a_view_that_fails_does_not_get_its_spent_proof_back(authsignal, settings):
    settings.DATABASES["default"]["ATOMIC_REQUESTS"] = True
    connections["default"].settings_dict["ATOMIC_REQUESTS"] = True
    try:
        ada = get_user_model().objects.create_user("ada", "ada@example.com", "pw")
        adas = Browser(authsignal, raise_request_exception=False)
        adas.force_login(ada)
        adas.post("/delete/", {"fail": "1"})
        adas.prove()
        assert adas.post("/delete/", {"fail": "1"}).status_code == 500
        assert adas.post("/delete/", {"fail": "1"}).status_code == 403
    finally:
        settings.DATABASES["default"]["ATOMIC_REQUESTS"] = False
        connections["default"].settings_dict["ATOMIC_REQUESTS"] = False


@pytest.mark.security(12)
def test_twenty_parallel_submits_spend_a_single_use_proof_once(transactional_db, adas, authsignal):
    adas.post("/delete/")
    adas.prove()
    meet = together(20)  # each has found the proof before any of them spends it

    def submit(_):
        clone = Browser(authsignal)
        clone.cookies = adas.cookies
        try:
            return clone.post("/delete/").content
        finally:
            connections.close_all()

    post_init.connect(meet, sender=Challenge)
    try:
        with ThreadPoolExecutor(20) as pool:
            assert list(pool.map(submit, range(20))).count(b"deleted") == 1
    finally:
        post_init.disconnect(meet, sender=Challenge)


@pytest.mark.security(13)
def test_a_bound_proof_is_refused_when_a_value_changed(adas, colour):
    seen = {"amount": "250.00", "payee": "Zoë"}
    adas.post(f"{colour}pay/", seen)
    adas.prove()
    assert adas.post(f"{colour}pay/", {**seen, "amount": "2500.00"}).status_code == 403
    assert adas.post(f"{colour}pay/", seen).json() == {"paid": seen}


@pytest.mark.security(58)
def test_the_view_reads_the_values_that_were_proved(adas):
    adas.fetch("/pay/", "post", data={"amount": 250, "payee": "Zoë"}, content_type="application/json")
    adas.prove()
    answer = adas.fetch("/pay/", "post", data={"payee": "Zoë", "amount": 250}, content_type="application/json")
    assert answer.json() == {"paid": {"amount": 250, "payee": "Zoë"}}


@pytest.mark.security(58)
@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ({"payee": "Zoë"}, None),
        ({"amount": ["1", "2"], "payee": "Zoë"}, None),
        ('{"amount": 1, "amount": 2, "payee": "x"}', "application/json"),
        ('{"amount": {"a": 1}, "payee": "x"}', "application/json"),
        ("not json", "application/json"),
        ("<amount>1</amount>", "application/xml"),
    ],
)
def test_a_bound_field_absent_repeated_or_oddly_typed_is_a_400_before_any_call(adas, authsignal, body, content_type):
    extra = {"content_type": content_type} if content_type else {}
    assert adas.post("/pay/", body, **extra).status_code == 400
    assert authsignal.calls == []


@pytest.mark.security(23)
def test_what_is_to_be_proved_is_shown_as_text(adas):
    page = adas.post("/pay/", {"amount": "5", "payee": "<script>alert(1)</script>{amount}"})
    assert b"Pay 5 to &lt;script&gt;alert(1)&lt;/script&gt;{amount}" in page.content
    assert b"<script>alert" not in page.content


@pytest.mark.security(55)
def test_polling_never_completes_a_challenge(adas, authsignal):
    adas.get("/withdraw/")
    row = newest()
    authsignal.complete(str(row.pk))  # the victim proves, on a page that was phished
    assert adas.fetch(reverse("authsignal:challenge", args=[row.pk])).json()["status"] == "open"
    assert adas.get("/withdraw/").status_code == 302


@pytest.mark.security(55)
def test_a_track_that_answers_challenge_succeeded_is_denied(adas, authsignal):
    authsignal.outcome("CHALLENGE_SUCCEEDED")
    assert adas.get("/withdraw/").status_code == 403
    assert newest().reason == "unexpected_state"


@pytest.mark.security(9)
def test_a_row_of_another_tenant_is_refused(adas, authsignal, settings):
    adas.get("/withdraw/")
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "TENANT_ID": "another"}
    assert reason_of(adas.prove()) == "wrong_tenant"


@pytest.mark.security(9)
def test_a_pass_of_another_tenant_does_not_count(adas, settings):
    adas.step_up()
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "TENANT_ID": "another"}
    assert adas.get("/withdraw/").status_code == 302


def test_an_expired_challenge_is_refused(adas, time_machine):
    adas.get("/withdraw/")
    time_machine.move_to(timezone.now() + timedelta(seconds=601))
    assert reason_of(adas.prove()) == "expired"
    assert newest().status == Status.EXPIRED


def test_a_pass_ends_with_its_age(adas, time_machine):
    adas.step_up()
    time_machine.move_to(timezone.now() + timedelta(seconds=890))
    assert adas.get("/withdraw/").content == b"withdrawn"
    time_machine.move_to(timezone.now() + timedelta(seconds=20))
    assert adas.get("/withdraw/").status_code == 302


def test_an_old_proof_counts_from_when_it_was_given(adas, authsignal):
    adas.get("/withdraw/")
    adas.prove(at=timezone.now() - timedelta(seconds=901))
    assert adas.get("/withdraw/").status_code == 302


def test_a_proof_from_the_far_future_counts_from_now(adas, time_machine):
    adas.get("/withdraw/")
    adas.prove(at=timezone.now() + timedelta(days=1))
    time_machine.move_to(timezone.now() + timedelta(seconds=901))
    assert adas.get("/withdraw/").status_code == 302


def test_an_unknown_challenge_is_gone(adas):
    unknown = Challenge(pk=uuid.uuid4())
    assert reason_of(adas.callback(unknown, token="x.y.z")) == "gone"


def test_a_missing_token_is_refused_and_leaves_the_row_open(adas):
    adas.get("/withdraw/")
    assert reason_of(adas.callback()) == "missing_token"
    assert newest().status == Status.OPEN


def test_a_malformed_token_is_refused_and_leaves_the_row_open(adas):
    adas.get("/withdraw/")
    assert reason_of(adas.callback(token="garbage")) == "invalid"
    assert (newest().status, newest().reason) == (Status.OPEN, "invalid")


@pytest.mark.security(41)
@pytest.mark.parametrize("kind", ["refused", "timeout", "500", "502-html", "not-json", "empty-object"])
def test_finishing_never_fails_open(adas, authsignal, settings, kind):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ON_UNREACHABLE": "allow"}
    adas.get("/withdraw/")
    row = newest()
    token = authsignal.complete(str(row.pk))
    authsignal.fail(kind)
    assert reason_of(adas.callback(row, token=token)) == "unreachable"
    row.refresh_from_db()
    assert row.status == Status.OPEN
