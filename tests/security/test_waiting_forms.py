"""A stopped form, attacked: who may send it again, what of it is shown, and where none of it rests."""

import json
import logging
import re
from urllib.parse import urlencode

import pytest
from django.contrib.auth.decorators import permission_required
from django.contrib.auth.models import Permission
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.http import HttpResponse
from django.test import RequestFactory
from django.urls import path
from django.views.decorators.debug import sensitive_post_parameters

from django_authsignal import responses
from django_authsignal.decision import Decision, Verdict
from django_authsignal.decorators import challenge_required
from django_authsignal.models import Challenge
from tests.conftest import newest
from tests.project.urls import urlpatterns as project

pytestmark = pytest.mark.security
SENT = {"amount": "731.50", "payee": "Zoë of the harbour"}
done = []


@challenge_required("withdrawFunds")
def act(request, anything=""):
    done.append(request.POST.dict())
    return HttpResponse("done")


@challenge_required("withdrawFunds")
@permission_required("auth.change_user", raise_exception=True)
def permitted(request):
    done.append(request.POST.dict())
    return HttpResponse("done")


@challenge_required("withdrawFunds")
@sensitive_post_parameters("account")
def marked(request):
    done.append(request.POST.dict())
    return HttpResponse("done")


@challenge_required("withdrawFunds", bind=lambda request: {"amount": request.POST["amount"]})
def bound_by_code(request):
    done.append(request.POST.dict())
    return HttpResponse("done")


urlpatterns = [
    *project,
    path("act/", act),
    path("permitted/", permitted),
    path("marked/", marked),
    path("bound-by-code/", bound_by_code),
    path("<path:anything>", act, name="anything"),
]


@pytest.fixture(autouse=True)
def _site(settings):
    settings.ROOT_URLCONF = __name__
    done.clear()


@pytest.mark.security(22)
def test_a_form_of_a_cloned_session_is_not_executed_by_the_victims_proof(customer, way_in, ada):
    thief = way_in()
    thief.cookies["sessionid"] = customer.cookies["sessionid"].value
    page = thief.post("/act/", SENT)
    assert page.status_code == 403
    assert "another browser" in customer.get(page.context["url"]).content.decode()
    customer.prove(newest())
    customer.get("/withdraw/")
    customer.prove()
    assert thief.post("/act/", SENT).status_code == 403
    assert done == []


@pytest.mark.security(24)
def test_a_permission_taken_away_meanwhile_stops_the_form(customer, ada):
    allowed = Permission.objects.get(codename="change_user")
    ada.user_permissions.add(allowed)
    assert customer.post("/permitted/", SENT).status_code == 403
    customer.prove()
    ada.user_permissions.remove(allowed)
    assert customer.post("/permitted/", SENT).status_code == 403
    assert done == []


@pytest.mark.security(25)
@pytest.mark.parametrize("body", [b'{"amount": 1', b"\xff\xfe", b"<a/>"], ids=["half a JSON", "no text", "XML"])
def test_a_body_that_is_no_form_is_never_sent_again_by_our_page(customer, body):
    page = customer.post("/act/", body, content_type="application/octet-stream")
    assert b"<form" not in page.content
    customer.prove()
    assert done == []


@pytest.mark.security(26)
def test_secrets_and_files_are_not_shown_again(customer, tmp_path):
    (tmp_path / "scan.txt").write_text("what the scan says")
    with (tmp_path / "scan.txt").open() as scan:
        page = customer.post("/act/", {**SENT, "password": "hunter2-hunter2", "scan": scan}).content.decode()
    assert "hunter2" not in page
    assert "what the scan says" not in page
    assert "enter them once more" in page.lower()


@pytest.mark.security(59)
def test_a_card_number_marked_inside_our_decorator_is_not_shown_again(customer):
    page = customer.post("/marked/", {**SENT, "account": "GB33BUKB20201555555555"}).content.decode()
    assert "GB33BUKB" not in page


@pytest.mark.security(27)
def test_no_address_sends_the_form_by_itself(customer):
    page = customer.post("/act/", SENT)
    customer.get(page.context["url"])
    customer.prove()
    for address in (page.context["url"], page.context["url"].partition("?")[0], "/act/"):
        answer = customer.get(address)
        assert SENT["payee"] not in answer.content.decode()
    assert [entry for entry in done if entry] == []


@pytest.mark.security(28)
def test_nothing_of_a_body_rests_in_session_cache_ledger_or_log(customer, caplog, monkeypatch):
    caplog.set_level(logging.DEBUG)
    written = []
    monkeypatch.setattr(type(cache), "set", lambda self, *args, **kwargs: written.append(repr(args)), raising=False)
    customer.post("/act/", {**SENT, "password": "hunter2-hunter2"})
    customer.prove()
    customer.post("/act/", {**SENT, "password": "hunter2-hunter2"})
    assert done
    resting = [repr(session.get_decoded()) for session in Session.objects.all()]
    resting += [repr(vars(row)) for row in Challenge.objects.all()] + [caplog.text] + written
    assert not any(value in text for text in resting for value in ("731.50", "Zoë of", "hunter2"))


def test_a_form_of_an_address_that_looks_like_another_site_stays_here(customer):
    page = customer.post("////evil.example/pay/", SENT)  # the test client takes the first two away
    assert page.status_code == 403
    assert re.findall(r'<form[^>]* action="([^"]*)"', page.content.decode()) == ["/%2Fevil.example/pay/"]


def test_a_request_that_comes_again_is_sent_to_no_other_site(customer, authsignal, settings):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ACTIONS": {"withdrawFunds": {"ON_ALLOW": "pass"}}}
    request = RequestFactory().post("/", SENT)
    request.path = request.path_info = "//evil.example/pay/"
    request.COOKIES = {name: one.value for name, one in customer.cookies.items()}
    answer = responses.respond(request, Decision(Verdict.REPEAT, "withdrawFunds"))
    assert answer["Location"] == "/%2Fevil.example/pay/"


def test_a_field_that_the_code_of_bind_misses_is_a_400_and_begins_nothing(customer, authsignal):
    calls = len(authsignal.calls)
    assert customer.post("/bound-by-code/", {"payee": "Zoë"}).status_code == 400
    assert len(authsignal.calls) == calls
    assert done == []


@pytest.mark.parametrize(
    ("sent", "needed"), [({"password": "hunter2"}, True), ({"password": ""}, False)], ids=["filled in", "left empty"]
)
def test_the_form_goes_again_only_with_what_it_held(customer, sent, needed):
    page = customer.post("/act/", {**SENT, **sent}).content.decode()
    (box,) = re.findall(r'<input [^>]*type="password"[^>]*>', page)
    assert (" required" in box) is needed


def test_a_form_that_held_a_file_does_not_go_again_without_one(customer, tmp_path):
    (tmp_path / "scan.txt").write_text("what the scan says")
    with (tmp_path / "scan.txt").open() as scan:
        page = customer.post("/act/", {**SENT, "scan": scan}).content.decode()
    (box,) = re.findall(r'<input [^>]*type="file"[^>]*>', page)
    assert " required" in box


def test_a_secret_of_several_lines_is_refused_for_a_box_of_one_line(customer):
    page = customer.post("/act/", {**SENT, "secret": "one\r\ntwo"}).content.decode()
    assert "never shown again" in page
    assert "<form" not in page


@pytest.mark.parametrize("control", ["\u202e", "\u202b", "\u2067", "\u2069"])
def test_what_would_turn_the_text_around_is_seen_in_what_is_signed(customer, control):
    sent = {"amount": "10", "payee": f"{control}000,1 ot"}
    page = customer.post("/pay/", sent).content.decode()
    told = customer.fetch("/pay/", "post", data=sent).json()["label"]
    kept = f'<input type="hidden" name="payee" value="{sent["payee"]}">'
    assert kept in page  # sent as it is
    assert control not in page.replace(kept, "") + told
    assert page.count("\ufffd000,1 ot") == 4  # title, heading, for the dialog, and among the values
    assert told == "Pay 10 to \ufffd000,1 ot"


@pytest.mark.parametrize("payee", ["Zo\0e", "\ud800"], ids=["NUL", "half a character"])
def test_a_bound_value_that_is_no_text_is_a_400_and_begins_nothing(customer, authsignal, payee):
    calls = len(authsignal.calls)
    told = {"action": "payInvoice", "request": {"method": "POST", "path": "/pay/"}}
    told["request"]["fields"] = [["amount", "10"], ["payee", payee]]
    begun = customer.fetch("/authsignal/challenges/", "post", data=json.dumps(told), content_type="application/json")
    body = json.dumps({"amount": 10, "payee": payee})
    sent = customer.fetch("/pay/", "post", data=body, content_type="application/json")
    assert (begun.status_code, sent.status_code) == (400, 400)
    assert "not text" in sent.json()["title"]
    assert len(authsignal.calls) == calls


@pytest.mark.parametrize("sent", [{f"field{n}": "x" for n in range(2_000)}, {"amount": "1" * 3_000_000}], ids=len)
def test_a_form_over_djangos_limits_is_a_400_and_begins_nothing(way_in, ada, sent):
    strict = way_in(enforce_csrf_checks=True)
    strict.force_login(ada)
    token = strict.get("/authsignal/sign-in/").context["csrf_token"]
    body = urlencode({"csrfmiddlewaretoken": token, **sent})
    assert strict.post("/act/", body, content_type="application/x-www-form-urlencoded").status_code == 400
    assert not Challenge.objects.exists()
    assert done == []


@pytest.mark.parametrize("sent", [{"amount": "10"}, {"amount": ["10", "99"], "payee": "Zoë"}], ids=["absent", "twice"])
def test_a_tampered_form_is_told_so_in_a_page_of_its_own(customer, sent, colour, authsignal):
    calls = len(authsignal.calls)
    page = customer.post(f"{colour}pay/", sent, headers={"Referer": "http://testserver/home/"})
    assert page.status_code == 400
    told = page.content.decode()
    assert "Nothing was done" in told
    assert "must be there exactly once" in told
    assert 'href="/home/"' in told
    assert "csrfmiddlewaretoken" not in told  # the request may be a stranger's
    assert len(authsignal.calls) == calls
