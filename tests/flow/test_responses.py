"""What the gate's answer becomes, verdict by verdict and asker by asker: status, headers, and what its page is told."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import UUID

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import BadRequest
from django.test.signals import template_rendered

from django_authsignal import browser, channel, responses
from django_authsignal.client import RateLimited, Unreachable
from django_authsignal.decision import Decision, Verdict
from django_authsignal.policy import words

ID = UUID(int=1)
HERE = f"/authsignal/challenges/{ID}/"
HOSTED = "https://mfa.authsignal.com/?token=t"
EXPIRES = datetime(2030, 1, 1, tzinfo=UTC)
PAGE = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
FETCH = {"Accept": "application/json", "Sec-Fetch-Mode": "cors"}
HTMX = {"HX-Request": "true", "Sec-Fetch-Mode": "cors"}


def decision(verdict, **changes):
    given = {"action": "withdrawFunds", "label": "Withdraw", "return_to": "/withdraw/?page=1"}
    if verdict in (Verdict.CHALLENGE, Verdict.REVIEW):
        given |= {"url": HOSTED, "token": "t", "challenge_id": ID, "expires_at": EXPIRES}
    return Decision(verdict, **{**given, **changes})


@pytest.fixture
def asks(rf):
    """Makes requests: GET /withdraw/ by somebody whose session is signed in, unless told otherwise."""

    def make(headers=PAGE, method="GET", path="/withdraw/", data=None, signed_in=True, match=None):
        request = rf.generic(method, path, headers=headers, **(data or {}))
        if method == "POST":
            request = rf.post(path, data or {}, headers=headers)
        request.user = SimpleNamespace(is_authenticated=True) if signed_in else AnonymousUser()
        request.resolver_match = match
        return request

    return make


@pytest.fixture
def shown():
    """The templates that were shown, with what they were told."""
    found = []

    def note(sender, template, context, **kwargs):
        if template.name and template.name.startswith("authsignal/") and not template.name.endswith("base.html"):
            found.append((template.name.removeprefix("authsignal/").removesuffix(".html"), context.flatten()))

    template_rendered.connect(note)
    yield found
    template_rendered.disconnect(note)


# Who asks


@pytest.mark.parametrize(
    ("headers", "page"),
    [
        (PAGE, True),
        ({"Sec-Fetch-Mode": "navigate"}, True),
        ({"Accept": "text/html,application/xhtml+xml;q=0.9"}, True),
        (FETCH, False),
        ({"Accept": "text/html", "Sec-Fetch-Mode": "cors"}, False),
        ({"Accept": "*/*"}, False),
        ({}, False),
        ({**PAGE, "HX-Request": "true"}, False),
        ({**PAGE, "HX-Request": "false"}, True),
    ],
    ids=str,
)
def test_a_page_is_for_whoever_navigates(asks, headers, page):
    assert responses.wants_page(asks(headers)) == page


@pytest.mark.parametrize(("value", "htmx"), [("true", True), ("True", True), ("false", False), ("", False)])
def test_htmx_says_that_it_asks(asks, value, htmx):
    assert responses.is_htmx(asks({"HX-Request": value})) == htmx
    assert not responses.is_htmx(asks({}))


@pytest.mark.parametrize("where", ["iframe", "frame", "embed", "object", "document", "", None])
def test_a_frame_is_told_from_a_page(asks, where):
    framed = where in ("iframe", "frame", "embed", "object")
    assert responses.in_frame(asks({} if where is None else {"Sec-Fetch-Dest": where})) == framed


# Every answer of ours


@pytest.mark.parametrize("verdict", [one for one in Verdict if one not in (Verdict.PASS, Verdict.REPEAT)])
@pytest.mark.parametrize("headers", [PAGE, FETCH, HTMX], ids=["page", "fetch", "htmx"])
def test_no_answer_is_stored_or_framed_or_tells_where_it_was(asks, verdict, headers):
    answer = responses.respond(asks(headers), decision(verdict))
    assert answer["Cache-Control"] == "no-store"
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["Referrer-Policy"] == (
        "no-referrer" if answer.status_code in (302, 303) and verdict != Verdict.SIGN_IN else "same-origin"
    )
    assert "Cookie" in answer["Vary"].split(", ")


def test_an_answer_of_ours_sets_the_binding_cookie_and_no_session_of_before(asks):
    request = asks()
    request.COOKIES["sessionid"] = "one that another tab has renewed"
    browser.ensure(request)
    answer = responses.respond(request, decision(Verdict.DENY))
    assert "authsignal_browser" in answer.cookies
    assert "sessionid" not in request.COOKIES


def test_an_answer_that_may_be_framed_stays_so(asks):
    from django.http import HttpResponse

    assert (
        responses.protect(asks(), HttpResponse(headers={"X-Frame-Options": "SAMEORIGIN"}))["X-Frame-Options"]
        == "SAMEORIGIN"
    )


# Programs

PROBLEMS = {
    Verdict.CHALLENGE: (401, "challenge_required"),
    Verdict.NOT_STARTED: (401, "challenge_required"),
    Verdict.SIGN_IN: (401, "sign_in_required"),
    Verdict.REVIEW: (403, "review_required"),
    Verdict.DENY: (403, "action_blocked"),
    Verdict.UNREACHABLE: (503, "authsignal_unreachable"),
    Verdict.TOO_MANY: (429, "too_many_tries"),
}


@pytest.mark.parametrize("verdict", PROBLEMS)
def test_a_program_is_told_what_is_asked(asks, verdict):
    answer = responses.respond(asks(FETCH), decision(verdict))
    body = json.loads(answer.content)
    status, code = PROBLEMS[verdict]
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
    assert (body["type"], body["status"], body["code"]) == ("about:blank", status, code)
    assert (body["action"], body["label"]) == ("withdrawFunds", "Withdraw")
    assert body["title"]
    assert answer.headers.get("WWW-Authenticate") == (responses.STEP_UP_HEADER if status == 401 else None)
    opened = {"challengeId": str(ID), "url": HOSTED, "token": "t", "expiresAt": EXPIRES.isoformat()}
    assert opened.items() <= body.items() or verdict not in (Verdict.CHALLENGE, Verdict.REVIEW)
    assert not opened.keys() & body.keys() or verdict in (Verdict.CHALLENGE, Verdict.REVIEW)
    assert "reason" not in body
    assert "Retry-After" not in answer


def test_a_program_is_told_nothing_of_what_there_is_not():
    body = responses.problem_body(Decision(Verdict.REVIEW, "", challenge_id=ID))
    assert body.keys() == {"type", "title", "status", "code", "challengeId"}
    assert "challengeId" not in responses.problem_body(decision(Verdict.DENY, challenge_id=ID))
    assert "url" not in responses.problem_body(decision(Verdict.CHALLENGE, challenge_id=None))


@pytest.mark.parametrize("verdict", PROBLEMS)
def test_a_client_of_an_api_is_told_as_a_program_whatever_it_accepts(asks, verdict):
    request = asks(PAGE, "POST")
    channel.set_credential(request, "its token")
    answer = responses.respond(request, decision(verdict))
    assert (answer.status_code, answer["Content-Type"]) == (PROBLEMS[verdict][0], "application/problem+json")
    assert json.loads(answer.content)["code"] == PROBLEMS[verdict][1]
    assert responses.invalid_request(request, BadRequest("No."))["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("reason", "said"),
    [("blocked", "blocked"), ("not_enrolled", "not_enrolled"), ("allow_is_no_proof", "denied"), ("", None)],
)
def test_a_program_is_told_few_reasons(reason, said):
    assert responses.problem_body(decision(Verdict.DENY, reason=reason)).get("reason") == said
    assert "reason" not in responses.problem_body(decision(Verdict.CHALLENGE, reason=reason))


def test_a_program_is_told_why_the_proof_that_it_sent_was_none():
    assert responses.problem_body(decision(Verdict.CHALLENGE, refused="used"))["reason"] == "used"
    assert "reason" not in responses.problem_body(decision(Verdict.REVIEW, refused="used"))


@pytest.mark.parametrize(("seconds", "header"), [(None, None), (0, "1"), (0.2, "1"), (1, "1"), (1.2, "2"), (90, "90")])
def test_it_is_said_when_it_is_worth_trying_again(asks, seconds, header):
    for headers in (FETCH, PAGE):
        for verdict in (Verdict.UNREACHABLE, Verdict.TOO_MANY):
            answer = responses.respond(asks(headers), decision(verdict, retry_after=seconds))
            assert answer.headers.get("Retry-After") == header


@pytest.mark.parametrize(("seconds", "minutes"), [(None, 1), (0, 1), (60, 1), (60.1, 2), (120, 2), (121, 3)])
def test_people_wait_for_whole_minutes(seconds, minutes):
    assert responses.minutes(seconds) == minutes


def test_a_request_that_makes_no_sense_is_told_so(asks, shown):
    answer = responses.invalid_request(asks(FETCH), BadRequest("Give an amount."))
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    expected = {"type": "about:blank", "title": "Give an amount.", "status": 400, "code": "invalid_request"}
    assert json.loads(answer.content) == expected
    assert responses.bad(asks(FETCH), "Not this one.", 409).status_code == 409
    assert answer["Cache-Control"] == "no-store"
    assert shown == []


@pytest.mark.parametrize(
    ("referer", "retry"), [("http://testserver/pay/", "/pay/"), ("https://evil.example/", ""), (None, "")]
)
def test_a_person_is_told_on_a_page(asks, shown, referer, retry):
    headers = {**PAGE, **({"Referer": referer} if referer else {})}
    answer = responses.invalid_request(asks(headers), BadRequest("Give an amount."))
    assert answer.status_code == 400
    [(name, told)] = shown
    assert (name, told["reason"], told["detail"]) == ("failed", "unreadable", "Give an amount.")
    assert (told["retry_url"] or "") == retry


# HTMX


def test_htmx_goes_where_a_person_can_prove_it(asks):
    for verdict in (Verdict.CHALLENGE, Verdict.REVIEW):
        answer = responses.respond(asks(HTMX), decision(verdict))
        assert answer["HX-Redirect"] == HERE
        assert answer.status_code == PROBLEMS[verdict][0]
    answer = responses.respond(asks(HTMX), decision(Verdict.SIGN_IN))
    assert answer["HX-Redirect"] == "/login/?next=%2Fwithdraw%2F%3Fpage%3D1"


@pytest.mark.parametrize("verdict", [Verdict.DENY, Verdict.UNREACHABLE, Verdict.NOT_STARTED, Verdict.TOO_MANY])
def test_htmx_stays_where_nothing_can_be_proved(asks, verdict):
    assert "HX-Redirect" not in responses.respond(asks(HTMX), decision(verdict, challenge_id=ID))


def test_htmx_stays_where_there_is_no_page_to_go_to(asks):
    assert "HX-Redirect" not in responses.respond(asks(HTMX), decision(Verdict.CHALLENGE, challenge_id=None))


def test_htmx_stays_where_our_script_opens_a_dialog(asks):
    headers = {**HTMX, "Authsignal-Step-Up": "1"}
    assert "HX-Redirect" not in responses.respond(asks(headers), decision(Verdict.CHALLENGE))
    assert responses.respond(asks(headers), decision(Verdict.REVIEW))["HX-Redirect"] == HERE


# People


def test_a_person_who_navigates_goes_to_the_hosted_page(asks):
    answer = responses.respond(asks(), decision(Verdict.CHALLENGE))
    assert (answer.status_code, answer["Location"]) == (302, HOSTED)


def test_a_frame_leads_to_the_top(asks, shown):
    answer = responses.respond(asks({**PAGE, "Sec-Fetch-Dest": "iframe"}), decision(Verdict.CHALLENGE))
    assert (answer.status_code, answer["X-Frame-Options"]) == (401, "SAMEORIGIN")
    [(name, told)] = shown
    assert (name, told["url"], told["top"], told["label"]) == ("challenge", HERE, True, "Withdraw")


@pytest.mark.parametrize("framed", [False, True])
def test_a_form_waits_where_it_is(asks, shown, framed):
    headers = {**PAGE, **({"Sec-Fetch-Dest": "iframe"} if framed else {})}
    asked = decision(Verdict.CHALLENGE, values={"amount": 5}, changed=("payee_name",), hint="h", reason="r")
    answer = responses.respond(asks(headers, "POST", data={"a": "1"}), asked)
    assert (answer.status_code, answer["X-Frame-Options"]) == (403, "SAMEORIGIN" if framed else "DENY")
    name, told = shown[0]
    assert (name, told["state"], told["url"]) == ("waiting", "challenge", f"{HERE}?tab=1")
    assert (told["challenge_id"], told["hosted_url"], told["hint"], told["busy"]) == (ID, HOSTED, "h", False)
    assert (told["label"], told["action"], told["reason"]) == ("Withdraw", "withdrawFunds", "r")
    assert (told["return_to"], told["expires_at"]) == ("/withdraw/?page=1", EXPIRES)
    assert told["leave_url"] == "/"  # not the page that would ask again at once
    assert told["values"] == [(words("amount"), "5")]
    assert told["changed"] == [words("payee_name")]
    assert [(one.name, one.value) for one in told["kept"].fields] == [("a", "1")]


def test_a_page_has_a_way_on_and_names_of_nothing(asks, shown):
    assert responses.page(asks(), "failed", {"reason": "gone"}).status_code == 200
    assert (shown[0][1]["label"], shown[0][1]["action"], shown[0][1]["return_to"]) == ("", "", "")
    assert shown[0][1]["home"] == "/"
    responses.page(asks(match=SimpleNamespace(app_name="admin", namespace="admin")), "failed", {})
    assert shown[1][1]["home"] == "/admin/"


def test_what_the_view_does_not_list_is_entered_again(asks, shown):
    asked = decision(Verdict.CHALLENGE, resend=["b"])
    responses.respond(asks(method="POST", data={"a": "1", "b": "2"}), asked)
    assert [one.name for one in shown[0][1]["kept"].again] == ["a"]


def test_not_now_leads_away_from_a_page_without_a_query_as_well(asks, shown):
    responses.respond(asks(method="POST"), decision(Verdict.CHALLENGE, return_to="/withdraw/"))
    assert shown[0][1]["leave_url"] == "/"


UNSENDABLE = [
    (Verdict.CHALLENGE, 403, "again"),
    (Verdict.REVIEW, 303, None),
    (Verdict.UNREACHABLE, 503, "unreachable"),
    (Verdict.TOO_MANY, 429, "failed"),
]


@pytest.mark.parametrize(("verdict", "status", "name"), UNSENDABLE)
def test_a_form_that_cannot_be_sent_again_the_same_is_not_kept(asks, shown, verdict, status, name):
    fields = {f"field{number}": "1" for number in range(9)}
    assert responses.respond(asks(method="POST", data=fields), decision(verdict)).status_code != 303
    shown.clear()
    answer = responses.respond(asks(method="POST", data=fields), decision(verdict, resend=[]))
    assert answer.status_code == status
    assert [one[0] for one in shown] == ([name] if name else [])
    if verdict is Verdict.REVIEW:
        assert answer["Location"] == HERE
    if verdict is Verdict.CHALLENGE:
        told = shown[0][1]
        assert (told["url"], told["leave_url"], told["label"], told["state"]) == (HERE, "/", "Withdraw", "challenge")
        assert told["refused"]


def test_not_now_leads_back_to_another_page(asks, shown):
    responses.respond(asks(method="POST", path="/pay/"), decision(Verdict.CHALLENGE))
    assert shown[0][1]["leave_url"] == "/withdraw/?page=1"


@pytest.mark.parametrize("verdict", [Verdict.CHALLENGE, Verdict.REVIEW])
def test_a_sign_in_goes_on_at_our_page(asks, verdict):
    answer = responses.respond(asks(method="POST", signed_in=False), decision(verdict, signs_in=True))
    assert (answer.status_code, answer["Location"]) == (303, HERE)


def test_a_sign_in_asked_of_a_session_keeps_its_form(asks, shown):
    assert responses.respond(asks(method="POST"), decision(Verdict.CHALLENGE, signs_in=True)).status_code == 403
    assert shown[0][0] == "waiting"


def test_a_visitors_step_up_keeps_its_form(asks, shown):
    assert responses.respond(asks(method="POST", signed_in=False), decision(Verdict.CHALLENGE)).status_code == 403
    assert shown[0][0] == "waiting"


def test_a_review_is_told_on_a_page_or_keeps_the_form(asks, shown):
    assert responses.respond(asks(), decision(Verdict.REVIEW)).status_code == 403
    assert (shown[0][0], shown[0][1]["url"]) == ("review", HERE)
    shown.clear()
    assert responses.respond(asks(method="POST"), decision(Verdict.REVIEW)).status_code == 403
    assert (shown[0][0], shown[0][1]["state"], shown[0][1]["url"]) == ("waiting", "review", "")


def test_an_outage_is_told_on_a_page_or_keeps_the_form(asks, shown):
    assert responses.respond(asks(), decision(Verdict.UNREACHABLE, hint="h")).status_code == 503
    name, told = shown[0]
    assert (name, told["retry_url"], told["hint"], told["busy"]) == ("unreachable", "/withdraw/?page=1", "h", False)
    shown.clear()
    answer = responses.respond(asks(method="POST"), decision(Verdict.UNREACHABLE, retry_after=3))
    assert (answer.status_code, answer["Retry-After"]) == (503, "3")
    assert (shown[0][0], shown[0][1]["state"]) == ("waiting", "unreachable")
    shown.clear()
    responses.respond(asks(method="POST"), decision(Verdict.UNREACHABLE, signs_in=True, reason="RateLimited"))
    name, told = shown[0]
    assert (name, told["retry_url"], told["busy"]) == ("unreachable", "/login/?next=%2Fwithdraw%2F%3Fpage%3D1", True)


def test_too_many_tries_are_told_on_a_page_or_keep_the_form(asks, shown):
    assert responses.respond(asks(), decision(Verdict.TOO_MANY, retry_after=61)).status_code == 429
    name, told = shown[0]
    assert (name, told["reason"], told["retry_url"], told["minutes"]) == ("failed", "too_many", "/withdraw/?page=1", 2)
    assert (told["label"], told["action"], told["signs_in"]) == ("Withdraw", "withdrawFunds", False)
    shown.clear()
    answer = responses.respond(asks(method="POST"), decision(Verdict.TOO_MANY, retry_after=61))
    assert (answer.status_code, answer["Retry-After"]) == (429, "61")
    assert (shown[0][0], shown[0][1]["state"], shown[0][1]["minutes"]) == ("waiting", "too_many", 2)
    shown.clear()
    responses.respond(asks(method="POST"), decision(Verdict.TOO_MANY, signs_in=True))
    assert (shown[0][0], shown[0][1]["signs_in"]) == ("failed", True)
    assert shown[0][1]["retry_url"].startswith("/login/?next=")


@pytest.mark.parametrize("debug", [True, False])
def test_what_a_developer_must_mend_is_said_to_developers(asks, shown, settings, debug):
    settings.DEBUG = debug
    assert responses.respond(asks(), decision(Verdict.DENY, reason="refused")).status_code == 403
    responses.respond(asks(), decision(Verdict.DENY, reason="blocked"))
    responses.respond(asks(), decision(Verdict.DENY, reason="refused", hint="start the emulator"))
    assert [one[0] for one in shown] == ["blocked"] * 3
    hints = [one[1]["hint"] for one in shown]
    assert hints == [responses.DEVELOPER_HINTS["refused"] if debug else "", "", "start the emulator"]


def test_a_developer_is_told_of_these_reasons():
    assert responses.DEVELOPER_HINTS.keys() == {"allow_is_no_proof", "refused", "foreign_page", "not_enrolled"}


def test_a_call_without_an_answer_is_told_on_a_page(asks, shown):
    errors = [Unreachable("gone", operation="track"), RateLimited("much", operation="track", retry_after=7)]
    answers = [responses.unanswered(asks(), one, retry_url="/again/") for one in errors]
    assert [one.status_code for one in answers] == [503, 503]
    assert [one.headers.get("Retry-After") for one in answers] == [None, "7"]
    assert [(one[0], one[1]["busy"], one[1]["retry_url"]) for one in shown] == [
        ("unreachable", False, "/again/"),
        ("unreachable", True, "/again/"),
    ]


def test_whoever_is_not_signed_in_is_sent_to_sign_in(asks):
    answer = responses.respond(asks(), decision(Verdict.SIGN_IN))
    assert answer["Location"] == "/login/?next=/withdraw/%3Fpage%3D1"
    assert responses.respond(asks(), decision(Verdict.SIGN_IN, return_to=""))["Location"] == "/login/?next=/"


def test_what_nobody_waits_for_is_told_no_more_than_that(asks):
    answer = responses.respond(asks(), decision(Verdict.NOT_STARTED))
    assert (answer.status_code, answer.content) == (401, b"")
    assert answer["WWW-Authenticate"] == responses.STEP_UP_HEADER


# Again


@pytest.mark.parametrize(("method", "status"), [("GET", 302), ("HEAD", 302), ("POST", 307), ("PUT", 307)])
def test_what_was_allowed_comes_again_as_it_was(asks, method, status):
    request = asks(method=method, path="/withdraw/?page=1")
    request.COOKIES["authsignal_browser"] = "a" * 32
    answer = responses.respond(request, decision(Verdict.REPEAT))
    assert (answer.status_code, answer["Referrer-Policy"]) == (status, "same-origin")
    assert answer["Location"].partition("?")[0].endswith("/withdraw/")


def test_without_cookies_nothing_comes_again(asks):
    answer = responses.respond(asks(), decision(Verdict.REPEAT))
    assert answer.status_code == 401
    assert "action" not in json.loads(answer.content)


def test_a_client_of_an_api_has_no_cookies_and_comes_again(asks):
    request = asks(method="POST")
    channel.set_credential(request, "its token")
    assert responses.respond(request, decision(Verdict.REPEAT)).status_code == 307


# Where to go instead


@pytest.mark.parametrize(
    ("url", "next_page", "expected"),
    [
        ("login", "", "/login/"),
        ("login", "/a/?b=1", "/login/?next=%2Fa%2F%3Fb%3D1"),
        ("/in/?from=x", "/a/", "/in/?from=x&next=%2Fa%2F"),
    ],
)
def test_the_sign_in_page_is_the_sites_own(settings, url, next_page, expected):
    settings.LOGIN_URL = url
    assert responses.sign_in_url(next_page) == expected
    assert responses.sign_in_url() == responses.sign_in_url("")


def test_the_sign_in_page_is_known_by_its_path(asks, settings):
    assert responses.is_sign_in_page(asks(path="/login/?next=/"))
    assert not responses.is_sign_in_page(asks(path="/logins/"))
    settings.LOGIN_URL = "/login/?from=x"
    assert responses.is_sign_in_page(asks(path="/login/"))
    settings.LOGIN_URL = "nowhere"
    assert not responses.is_sign_in_page(asks(path="/login/"))


def test_the_start_page_is_the_sites_or_an_admins(asks):
    admin = SimpleNamespace(app_name="admin", namespace="admin")
    other = SimpleNamespace(app_name="shop", namespace="shop")
    assert responses.start_page(asks()) == "/"
    assert responses.start_page(asks(match=other)) == "/"
    assert responses.start_page(asks(match=admin)) == "/admin/"
    assert responses.admin_index(asks(match=admin)) == "/admin/"
    assert responses.admin_index(asks(match=other)) == responses.admin_index(asks()) == ""


# Forgery


@pytest.fixture
def forged(asks):
    """The status that a POST without Django's CSRF token is refused with, or None."""

    def ask(headers, method="POST", content_type="text/plain"):
        request = asks(headers)
        request.method, request.content_type = method, content_type
        request.META["CONTENT_TYPE"] = content_type
        answer = responses.refuse_forged(request)
        return answer and answer.status_code

    return ask


CROSS = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "cross-site"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (PAGE, 403),
        (CROSS, 403),
        ({**CROSS, "Sec-Fetch-Site": "same-site"}, 403),
        ({**CROSS, "Sec-Fetch-Site": "same-origin"}, None),
        ({**CROSS, "Sec-Fetch-Site": "none"}, None),
        ({**CROSS, "HX-Request": "true"}, None),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Referer": "https://evil.example/page/"}, 403),
        ({"Origin": "http://testserver"}, None),
        ({"Referer": "http://testserver/page/"}, None),
        ({}, None),
    ],
    ids=str,
)
def test_what_another_site_could_have_sent_is_checked(forged, headers, status):
    assert forged(headers) == status


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain", ""])
def test_what_a_browser_sends_without_asking_first_is_checked(forged, content_type):
    assert forged(CROSS, content_type=content_type) == 403


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "TRACE"])
def test_what_changes_nothing_is_not_checked(forged, method):
    assert forged(PAGE, method) is None


def test_what_a_browser_asks_about_first_is_not_checked(forged):
    assert forged(CROSS, content_type="application/json") is None
    assert forged(CROSS, "PUT") is None


@pytest.mark.parametrize(("header", "status"), [("Bearer token", None), ("Basic YTpi", 403)])
def test_a_credential_that_no_browser_adds_is_not_checked(asks, header, status):
    request = asks({**PAGE, "Authorization": header}, "POST")
    channel.set_credential(request, header)
    answer = responses.refuse_forged(request)
    assert (answer and answer.status_code) == status


def test_what_passes_djangos_own_check_is_answered(asks):
    token = "a" * 32
    request = asks({**PAGE, "X-CSRFToken": token}, "POST")
    request.COOKIES["csrftoken"] = token
    request.csrf_processing_done = True  # as a middleware leaves it that left this view alone
    assert responses.refuse_forged(request) is None
    request.COOKIES["csrftoken"] = "b" * 32
    assert responses.refuse_forged(request).status_code == 403
