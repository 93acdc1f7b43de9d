"""One decision, answered in the language of who asked."""

from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import AnonymousUser
from django.urls import reverse
from django.utils import timezone

from django_authsignal import responses
from django_authsignal.client import _breaker
from django_authsignal.conf import override_transport
from django_authsignal.decision import Decision, Verdict
from django_authsignal.models import Status, revoke_open
from django_authsignal.views import outcome
from tests.conftest import PASSWORD, newest

pytestmark = pytest.mark.django_db


def test_fetch_is_answered_with_problem_json_and_the_step_up_header(adas, authsignal, colour):
    answer = adas.fetch(f"{colour}withdraw/")
    row, body = newest(), answer.json()
    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="insufficient_user_authentication"'
    assert (body["code"], body["action"], body["challengeId"]) == ("challenge_required", "withdrawFunds", str(row.pk))
    assert body["url"].startswith("https://mfa.authsignal.com/")
    assert body["token"].count(".") == 2
    assert body["expiresAt"] == row.expires_at.isoformat()


def test_fetch_finishes_by_json_and_repeats(adas, authsignal, colour):
    adas.fetch(f"{colour}withdraw/", "post")
    row = newest()
    token = authsignal.complete(str(row.pk))
    here = reverse("authsignal:challenge", args=[row.pk])
    done = adas.fetch(here, "post", data={"token": token}, content_type="application/json")
    assert (done.status_code, done.json()["status"]) == (200, "proved")
    assert adas.fetch(f"{colour}withdraw/", "post").content == b"withdrawn"


def test_json_finish_says_why_it_refused(adas, authsignal):
    adas.fetch("/withdraw/")
    row = newest()
    here = reverse("authsignal:challenge", args=[row.pk])
    body = {"token": authsignal.token(str(row.pk))}
    refused = adas.fetch(here, "post", data=body, content_type="application/json")
    assert (refused.status_code, refused.json()) == (403, {"status": "refused", "reason": "not_completed"})


@pytest.mark.parametrize("body", ["", "null", "[]", "not json", '{"token": 1}', '{"token": null}'])
def test_json_finish_of_nonsense_is_refused_without_a_500(adas, body):
    adas.fetch("/withdraw/")
    here = reverse("authsignal:challenge", args=[newest().pk])
    assert adas.fetch(here, "post", data=body, content_type="application/json").status_code in (400, 403)


def test_a_sign_in_by_fetch_finishes_by_json(browser, ada, authsignal):
    asked = browser.fetch("/login/", "post", data={"username": "ada", "password": PASSWORD})
    assert asked.status_code == 401
    assert browser.user_pk is None
    token = authsignal.complete(asked.json()["challengeId"])
    here = reverse("authsignal:challenge", args=[newest().pk])
    done = browser.fetch(here, "post", data={"token": token}, content_type="application/json")
    assert done.json()["returnTo"] == "/home/"
    assert browser.user_pk == str(ada.pk)


def test_htmx_is_sent_to_our_page_and_back_to_where_it_was(adas):
    headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/list/?p=1", "Sec-Fetch-Mode": "cors"}
    answer = adas.post("/withdraw/", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["HX-Redirect"] == reverse("authsignal:challenge", args=[newest().pk])
    assert newest().return_to == "/list/?p=1"


def test_htmx_from_another_site_s_address_returns_to_the_start(adas):
    adas.post("/withdraw/", headers={"HX-Request": "true", "HX-Current-URL": "https://evil.example/"})
    assert newest().return_to == "/"


def test_without_fetch_metadata_an_html_accept_is_a_page(adas):
    del adas.defaults["HTTP_SEC_FETCH_MODE"]
    assert adas.get("/withdraw/").status_code == 302
    assert adas.get("/withdraw/", headers={"Accept": "*/*"}).status_code == 401


def test_a_frame_gets_a_small_page_and_no_redirect(adas):
    answer = adas.get("/withdraw/", headers={"Sec-Fetch-Dest": "iframe"})
    assert answer.status_code == 401
    assert b'target="_top"' in answer.content
    assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"


def test_an_anonymous_fetch_is_told_to_sign_in(browser, db):
    answer = browser.fetch("/withdraw/")
    assert (answer.status_code, answer.json()["code"]) == (401, "sign_in_required")


def test_a_blocked_fetch_is_a_403(adas, authsignal):
    authsignal.block()
    assert (adas.fetch("/withdraw/").status_code, adas.fetch("/withdraw/").json()["code"]) == (403, "action_blocked")


def test_a_review_by_fetch_is_a_403_that_names_the_challenge(adas, authsignal):
    authsignal.review()
    body = adas.fetch("/withdraw/").json()
    assert (body["code"], body["challengeId"]) == ("review_required", str(newest().pk))


def test_an_outage_by_fetch_is_a_503(adas, authsignal):
    authsignal.fail("refused")
    assert adas.fetch("/withdraw/").json()["code"] == "authsignal_unreachable"


def test_challenges_begins_a_registered_action(adas, authsignal):
    body = {"action": "withdrawFunds", "returnTo": "/members/"}
    answer = adas.fetch("/authsignal/challenges/", "post", data=body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (401, "challenge_required")
    assert adas.prove().headers["Location"] == "/members/"
    again = adas.fetch("/authsignal/challenges/", "post", data=body, content_type="application/json")
    assert again.json() == {"action": "withdrawFunds", "passed": True}


@pytest.mark.parametrize(
    "body", ['{"action": "unknown"}', '{"action": 1}', "{}", "[]", "no", '{"action": "payInvoice\\u0000"}']
)
def test_challenges_refuses_what_is_not_registered(adas, authsignal, body):
    answer = adas.fetch("/authsignal/challenges/", "post", data=body, content_type="application/json")
    assert answer.status_code == 400
    assert authsignal.calls == []


def test_challenges_refuses_an_action_whose_proof_belongs_to_one_request(adas, authsignal):
    body = {"action": "deleteAccount"}
    assert adas.fetch("/authsignal/challenges/", "post", data=body, content_type="application/json").status_code == 400


def test_status_says_whether_i_will_be_asked(adas, authsignal):
    url = "/authsignal/status/?action=withdrawFunds"
    assert adas.fetch(url).json()["passed"] is False
    adas.step_up()
    told = adas.fetch(url).json()
    assert told["passed"] is True
    assert 890 <= told["secondsLeft"] <= 900


def test_status_counts_the_seconds_of_a_pass_bound_to_custom_values(adas, settings):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ACTIONS": {"withdrawFunds": {"CUSTOM": lambda request: {"shop": 1}}}}
    adas.step_up()
    told = adas.fetch("/authsignal/status/?action=withdrawFunds").json()
    assert told["passed"] is True
    assert 890 <= told["secondsLeft"] <= 900


def test_status_of_an_unknown_action_is_a_400(adas):
    assert adas.fetch("/authsignal/status/?action=nope").status_code == 400


REFUSALS = ["expired", "foreign", "invalid", "method", "gone"]
ACCOUNTS = ["wrong_user", "inactive", "account_changed", "signed_out"]


@pytest.mark.parametrize("reason", [*REFUSALS, *ACCOUNTS, "<script>", ""])
def test_every_refusal_is_a_friendly_page_with_a_way_on(adas, new_browser, reason):
    adas.get("/withdraw/")
    row = newest()
    page = adas.get(reverse("authsignal:challenge", args=[row.pk]), {"reason": reason})
    assert page.status_code in (200, 403)
    assert b"<a " in page.content
    assert b"<script>" not in page.content
    row.refresh_from_db()
    assert row.status == Status.OPEN


def run_out(row):
    type(row).objects.filter(pk=row.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    return row


def comes_back(browser, row):
    """The page that somebody ends on who brings a good proof too late."""
    return browser.get(browser.prove(row).headers["Location"]).text


def test_a_step_up_that_ran_out_leads_back_to_the_page_that_asked(adas, colour):
    adas.get(f"{colour}withdraw/?page=2")
    row = run_out(newest())
    assert f'href="{colour}withdraw/?page=2"' in comes_back(adas, row)
    adas.get(f"{colour}withdraw/?page=2")
    assert newest() != row


def test_a_step_up_that_was_closed_meanwhile_leads_back_to_the_page_that_asked(adas, ada, colour):
    adas.get(f"{colour}withdraw/?page=2")
    revoke_open(str(ada.pk), reason="authenticators_changed")
    assert f'href="{colour}withdraw/?page=2"' in comes_back(adas, newest())


@pytest.mark.parametrize("late", [False, True])
def test_who_signed_out_during_a_step_up_is_led_to_sign_in_and_on_to_the_page_that_asked(adas, colour, late):
    adas.get(f"{colour}withdraw/?page=2")
    row = run_out(newest()) if late else newest()
    adas.post("/logout/")
    page = comes_back(adas, row)
    assert f'href="/login/?{urlencode({"next": f"{colour}withdraw/?page=2"})}">Sign in</a>' in page


def test_a_sign_in_that_ran_out_keeps_where_it_was_to_lead(browser, ada, colour):
    sent = {"username": "ada", "password": PASSWORD, "next": f"{colour}members/"}
    browser.post("/login/", sent)
    assert f'href="/login/?{urlencode({"next": f"{colour}members/"})}"' in comes_back(browser, run_out(newest()))


def test_a_form_that_ran_out_leads_back_to_the_page_it_was_on(adas, colour):
    adas.post(f"{colour}withdraw/", headers={"Referer": "http://testserver/home/?tab=2"})
    assert 'href="/home/?tab=2"' in comes_back(adas, run_out(newest()))


def test_where_a_form_was_sent_to_is_no_page_to_lead_back_to(adas, ada, colour):
    adas.post(f"{colour}withdraw/")
    revoke_open(str(ada.pk), reason="authenticators_changed")
    assert "withdraw/" not in comes_back(adas, newest())


def test_the_view_that_was_to_finish_a_sign_in_is_no_page_to_lead_back_to(browser, ada):
    browser.post("/own-login/?next=/members/", {"username": "ada", "password": PASSWORD})
    revoke_open(str(ada.pk), reason="logged_out")
    row = newest()
    type(row).objects.filter(pk=row.pk).update(method="GET")  # as where allauth's stage began it
    assert 'href="/login/"' in comes_back(browser, row)


@pytest.mark.parametrize("reason", ["expired", "gone", ""])
def test_another_browser_is_told_nothing_of_the_page_that_asked(adas, ada, new_browser, reason):
    adas.get("/withdraw/?page=2")
    row = run_out(newest())
    adas.prove(row)
    stranger = new_browser()
    stranger.cookies["sessionid"] = adas.cookies["sessionid"].value
    page = stranger.get(reverse("authsignal:challenge", args=[row.pk]), {"reason": reason}).text
    assert "withdraw" not in page
    assert "page=2" not in outcome.failed(stranger.get("/home/").wsgi_request, "expired", row).content.decode()


def test_somebody_else_at_the_same_browser_is_told_nothing_of_the_page_that_asked(adas, bob):
    adas.get("/withdraw/?page=2")
    row = run_out(newest())
    adas.post("/logout/")
    adas.force_login(bob)
    assert "withdraw" not in comes_back(adas, row)


@pytest.mark.parametrize("token", ["", "x"])
def test_nor_of_the_page_that_was_proved(adas, bob, token):
    adas.get("/withdraw/?page=2")
    row = newest()
    adas.prove(row)
    adas.post("/logout/")
    adas.force_login(bob)
    page = adas.get(reverse("authsignal:challenge", args=[row.pk]))
    assert "withdraw/" not in page.text
    assert "withdraw" not in adas.callback(row, token=token).headers["Location"]


@pytest.mark.parametrize("path", ["//evil.example/", "https://evil.example/", "/\\evil.example", ""])
def test_a_path_changed_in_the_database_is_not_led_back_to(adas, ada, path):
    adas.get("/withdraw/")
    revoke_open(str(ada.pk), reason="authenticators_changed")
    row = newest()
    type(row).objects.filter(pk=row.pk).update(path=path)
    page = comes_back(adas, row)
    assert "evil" not in page
    assert 'href=""' not in page


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("wrong_user", "This belongs to another account"),
        ("inactive", "This account was deactivated"),
        ("account_changed", "Your account was changed meanwhile"),
        ("signed_out", "You are not signed in any more"),
    ],
)
def test_whose_proof_is_refused_is_told_what_became_of_their_account_or_session(adas, reason, said):
    adas.get("/withdraw/")
    assert said in adas.get(reverse("authsignal:challenge", args=[newest().pk]), {"reason": reason}).text


def test_the_emulators_command_is_named_when_it_does_not_answer(adas, authsignal, settings):
    settings.AUTHSIGNAL = {"EMULATOR": True}
    authsignal.fail("refused")
    assert b"python -m django_authsignal.emulator" in adas.get("/withdraw/").content


@pytest.mark.parametrize(
    ("kind", "hint"),
    [
        ("dropped", "closed the connection without an answer"),
        ("timeout", "gave no whole answer within 5 seconds"),
        ("500", "answered 500, an error of its own. If a fault is switched on, switch it off"),
        ("not-json", "does not answer as the emulator does"),
        ("redirect", "redirects, so it is not the emulator"),
        ("429", "answered 429, too many requests"),
        ("401", "does not know this key"),
        ("403", "answered 403; the log of this server says why"),
    ],
)
@pytest.mark.parametrize("path", ["/withdraw/", "/authsignal/sign-in/"])
def test_an_emulator_that_answers_is_not_to_be_started(adas, authsignal, settings, kind, hint, path):
    settings.AUTHSIGNAL = {"EMULATOR": True}
    authsignal.fail(kind)
    ask = adas.post if "sign-in" in path else adas.get
    page = ask(path, {"username": "ada"}).content.decode()
    assert hint in page
    assert "Start it" not in page


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"BREAKER_FAILURES": 1}, "so it is not asked for 10 seconds. If it is not running, start it: python -m"),
        ({"MAX_CALLS": 1}, "1 calls to the emulator are under way in this process. Raise MAX_CALLS."),
    ],
)
def test_an_emulator_that_is_not_asked_is_told_why(adas, settings, changes, hint):
    settings.AUTHSIGNAL = {"EMULATOR": True, "API_URL": "http://localhost:1/v1", "RETRIES": 0, **changes}
    under_way = _breaker.places()
    assert under_way.take(1)
    try:
        with override_transport(None):
            adas.get("/withdraw/")
            if "MAX_CALLS" not in changes:
                adas.get("/withdraw/")
            assert hint in adas.get("/withdraw/").text
    finally:
        under_way.give_back()


@pytest.mark.parametrize("kind", ["refused", "dropped", "500", "429"])
def test_the_emulators_command_is_not_named_in_production(adas, authsignal, kind):
    authsignal.fail(kind)
    assert b"emulator" not in adas.get("/withdraw/").content


@pytest.mark.parametrize(
    ("reason", "mended_by"),
    [
        ("allow_is_no_proof", "--default-outcome CHALLENGE"),
        ("refused", "Check API_SECRET_KEY"),
        ("foreign_page", "HOSTED_HOSTS"),
        ("not_enrolled", "UNENROLLED"),
    ],
)
def test_what_the_developer_can_mend_is_said_under_debug_alone(rf, settings, reason, mended_by):
    request = rf.get("/withdraw/", headers={"Sec-Fetch-Mode": "navigate"})
    request.user = AnonymousUser()
    blocked = Decision(Verdict.DENY, "withdrawFunds", reason=reason)
    assert "For the developer:" not in responses.respond(request, blocked).text
    settings.DEBUG = True
    page = responses.respond(request, blocked).text
    assert "For the developer:" in page
    assert mended_by in page
