"""The page that keeps a stopped form: what it gives back, what it never does, and what it refuses to send again."""

import json
import re
from html.parser import HTMLParser

import pytest
from django.http import HttpResponse, JsonResponse
from django.test import RequestFactory
from django.urls import path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.debug import sensitive_post_parameters

from django_authsignal import resend
from django_authsignal.decorators import challenge_required
from django_authsignal.models import Challenge, Status
from tests.conftest import newest
from tests.project.urls import urlpatterns as project


@challenge_required("withdrawFunds", resend=["amount"])
@sensitive_post_parameters("iban")
def listed(request):
    return HttpResponse("done")


@challenge_required("withdrawFunds")
@sensitive_post_parameters("iban")
def marked_inside(request):
    return HttpResponse("done")


@challenge_required("withdrawFunds")
@sensitive_post_parameters()
def all_marked(request):
    return HttpResponse("done")


@method_decorator(challenge_required("withdrawFunds"), name="dispatch")
class MarkedInClass(View):
    @method_decorator(sensitive_post_parameters("iban"))
    def post(self, request):
        return HttpResponse("done")


@challenge_required("withdrawFunds")
def echo(request):
    return JsonResponse({"post": dict(request.POST.lists()), "files": list(request.FILES), "query": request.GET.dict()})


urlpatterns = [
    *project,
    path("listed/", listed),
    path("marked-inside/", marked_inside),
    path("all-marked/", all_marked),
    path("marked-in-class/", MarkedInClass.as_view()),
    path("echo/", echo),
]
FIELDS = {
    "amount": ["5"],
    "payee": ["Zoë & <b>Söhne</b> \"'"],
    "many": ["a", "", "b"],
    "empty": [""],
    "lines": ["one\r\ntwo\r\n\r\nthree"],
    "submit": ["Pay now"],
    "querySelector": ["7"],
    "<script>alert(1)</script>": ["x"],
}


class Form(HTMLParser):
    """The form of the waiting page, as a browser reads it."""

    def __init__(self, page):
        super().__init__()
        self.fields, self.asked, self.action, self.enctype = [], [], "", ""
        self.feed(page.content.decode().replace("\r\n", "\n"))

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if tag == "form":
            self.action, self.enctype = found["action"], found["enctype"]
        if tag == "input" and found["type"] == "hidden":
            self.fields.append((found["name"], found["value"].replace("\n", "\r\n")))
        elif tag == "input":
            self.asked.append((found["name"], found["type"]))

    def sent(self):
        """What a browser would send, without our own token."""
        found = {}
        for name, value in self.fields:
            if name != "csrfmiddlewaretoken":
                found.setdefault(name, []).append(value)
        return found


@pytest.fixture(autouse=True)
def _urls(settings):
    settings.ROOT_URLCONF = __name__


@pytest.fixture
def customer(way_in, ada):
    browser = way_in()
    browser.sign_in()
    return browser


def test_every_field_comes_back_the_same_and_is_sent_once(customer):
    page = customer.post("/echo/?from=home&x=%20", FIELDS)
    assert page.status_code == 403
    form = Form(page)
    assert form.sent() == FIELDS
    assert form.action == "/echo/?from=home&x=%20"
    customer.prove()
    assert customer.post(form.action, form.sent()).json() == {
        "post": FIELDS,
        "files": [],
        "query": {"from": "home", "x": " "},
    }


def test_the_page_names_action_and_values_escaped(customer):
    page = customer.post("/pay/", {"amount": "250.00", "payee": "<img src=x>"}).content.decode()
    assert "Pay 250.00 to &lt;img src=x&gt;" in page
    assert "<img src=x>" not in page


@pytest.mark.parametrize("name", ["password", "new_password1", "cardNumber", "card_number", "cvc", "apiToken", "PIN"])
def test_what_looks_secret_is_entered_again(customer, name):
    page = customer.post("/echo/", {"amount": "5", name: "s3cret-value"})
    assert "s3cret-value" not in page.content.decode()
    assert Form(page).asked == [(name, "password")]


@pytest.mark.parametrize("name", ["shipping", "author", "opinion", "passenger", "tokenise"])
def test_what_only_sounds_alike_is_kept(name):
    assert not resend.looks_secret(name)


@pytest.mark.parametrize("address", ["/marked-inside/", "/marked-in-class/", "/listed/"])
def test_what_the_view_marks_is_not_shown_though_its_mark_stands_inside(customer, address):
    page = customer.post(address, {"amount": "5", "iban": "GB33BUKB20201555555555"})
    assert "GB33" not in page.content.decode()
    assert ("iban", "password") in Form(page).asked


def test_resend_lists_all_that_may_be_shown(customer):
    page = customer.post("/listed/", {"amount": "5", "note": "private words"})
    assert "private words" not in page.content.decode()
    assert Form(page).sent() == {"amount": ["5"]}


def test_a_file_is_chosen_again(customer, tmp_path):
    (tmp_path / "a.txt").write_text("the file's content")
    with (tmp_path / "a.txt").open() as file:
        page = customer.post("/echo/", {"amount": "5", "statement": file})
    form = Form(page)
    assert form.enctype == "multipart/form-data"
    assert form.asked == [("statement", "file")]
    assert "the file's content" not in page.content.decode()


REFUSED = {
    "JSON": {"data": '{"amount": 5}', "content_type": "application/json"},
    "text/plain": {"data": "amount=5", "content_type": "text/plain"},
    "a lone CR": {"data": "a=1%0D2", "content_type": "application/x-www-form-urlencoded"},
    "a lone LF": {"data": "a=1%0A2", "content_type": "application/x-www-form-urlencoded"},
    "NUL": {"data": "a=1%002", "content_type": "application/x-www-form-urlencoded"},
    "bytes that are no text": {"data": "a=%ff", "content_type": "application/x-www-form-urlencoded"},
    "another charset": {"data": "a=%e4", "content_type": "application/x-www-form-urlencoded; charset=iso-8859-1"},
    "_charset_": {"data": "_charset_=x&a=1", "content_type": "application/x-www-form-urlencoded"},
    "many secrets": {
        "data": "&".join(f"pin{n}_pin=1" for n in range(9)),
        "content_type": "application/x-www-form-urlencoded",
    },
}


@pytest.mark.parametrize("sent", REFUSED.values(), ids=REFUSED)
def test_what_a_form_could_not_send_the_same_is_refused_loudly(customer, sent):
    page = customer.post("/echo/", **sent)
    assert page.status_code == 403
    assert "nothing was done" in page.content.decode()
    assert "<form" not in page.content.decode()


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_what_no_form_sends_is_refused_loudly(customer, method):
    page = getattr(customer, method)("/echo/", "amount=5", content_type="application/x-www-form-urlencoded")
    assert page.status_code == 403
    assert "not sent by a form" in page.content.decode()


def test_a_form_whose_every_field_is_marked_shows_none(customer):
    page = customer.post("/all-marked/", {"amount": "5", "payee": "Zoë"}).content.decode()
    assert "Zoë" not in page


def test_changed_values_are_named_and_asked_for_anew(customer):
    customer.post("/pay/", {"amount": "10", "payee": "Zoë"})
    customer.prove()
    page = customer.post("/pay/", {"amount": "9999", "payee": "Zoë"})
    assert page.status_code == 403
    assert "Changed since: Amount." in re.sub(r"\s+", " ", page.content.decode())
    assert customer.post("/pay/", {"amount": "10.00", "payee": "Zoë"}).json()["paid"]["amount"] == "10.00"


def test_the_challenge_in_a_tab_of_its_own_ends_on_a_page_that_goes_nowhere(customer):
    page = customer.post("/echo/", {"amount": "5"})
    customer.get(page.context["url"])
    back = customer.prove()
    assert back["Location"] == page.context["url"]
    assert f'data-authsignal-proved="{newest().pk}"' in customer.get(back["Location"]).content.decode()
    assert customer.post("/echo/", {"amount": "5"}).status_code == 200


def test_a_review_keeps_the_form_too(customer, authsignal):
    authsignal.review()
    page = customer.post("/echo/", {"amount": "5"})
    assert Form(page).sent() == {"amount": ["5"]}
    authsignal.complete(str(newest().pk), state="REVIEW_SUCCEEDED")
    assert customer.post("/echo/", {"amount": "5"}).status_code == 200
    assert customer.post("/echo/", {"amount": "5"}).status_code == 403


def test_an_outage_keeps_the_form_too(customer, authsignal):
    authsignal.fail("timeout")
    page = customer.post("/echo/", {"amount": "5"})
    assert page.status_code == 503
    assert Form(page).sent() == {"amount": ["5"]}


def test_a_forged_post_is_never_answered_by_our_page(way_in, ada):
    browser = way_in(enforce_csrf_checks=True)
    browser.force_login(ada)
    answer = browser.post("/echo/", {"amount": "5"})
    assert answer.status_code == 403
    assert "data-authsignal-waiting" not in answer.content.decode()


# Proved before it is sent


def begin(browser, *, secure=False, headers=None, **request):
    request = {"method": "POST", "path": "/pay/", "fields": [["amount", "10"], ["payee", "Zoë"]], **request}
    return browser.fetch(
        reverse("authsignal:challenges"),
        "post",
        data=json.dumps({"action": request.pop("action", "payInvoice"), "returnTo": "/home/", "request": request}),
        content_type="application/json",
        secure=secure,
        headers=headers or {},
    )


def test_a_proof_asked_for_ahead_is_one_for_that_request(customer, authsignal):
    answer = begin(customer)
    assert (answer.status_code, answer.json()["action"]) == (401, "payInvoice")
    assert authsignal.calls[-1].json["custom"] == {"amount": "10", "payee": "Zoë"}
    customer.prove()
    assert begin(customer).json() == {"action": "payInvoice", "passed": True}
    assert customer.post("/pay/", {"amount": "99", "payee": "Zoë"}).status_code == 403
    assert customer.post("/pay/", {"amount": "10", "payee": "Zoë"}).status_code == 200
    assert customer.post("/pay/", {"amount": "10", "payee": "Zoë"}).status_code == 403


def test_asking_ahead_twice_opens_one_challenge(customer):
    assert begin(customer).json()["challengeId"] == begin(customer).json()["challengeId"]
    assert Challenge.objects.filter(status=Status.OPEN).count() == 1


def test_asking_ahead_leaves_the_browser_its_binding_cookie_over_https(way_in, ada):
    browser = way_in()
    browser.force_login(ada)
    browser.get("/home/", secure=True)
    browser.get("/withdraw/", secure=True)
    token = browser.authsignal.complete(str(newest().pk))
    browser.get(reverse("authsignal:callback", args=[newest().pk]), {"token": token}, secure=True)
    answer = begin(browser, secure=True)
    assert answer.json()["code"] == "challenge_required"
    assert "__Host-authsignal_browser" not in answer.cookies
    assert browser.authsignal.calls[-1].json["redirectUrl"].startswith("https://")
    assert browser.get("/withdraw/", secure=True).content == b"withdrawn"


class Tenancy:
    """A middleware that says whose site this is, as django-tenants has it."""

    sync_capable, async_capable = True, False

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        request.tenant = "acme"
        return self.get_response(request)


def test_what_middleware_put_on_the_request_is_there_when_asking_ahead(way_in, ada, settings, configure):
    settings.MIDDLEWARE = [f"{__name__}.Tenancy", *settings.MIDDLEWARE]
    configure(TENANT_ID=lambda request: request.tenant)
    browser = way_in()
    browser.force_login(ada)
    assert begin(browser).status_code == 401
    assert newest().tenant == "acme"
    assert browser.fetch("/authsignal/status/?action=payInvoice&path=/home/").status_code == 200


def test_code_that_reads_a_request_asked_for_ahead_finds_no_body_but_its_own(customer, configure):
    found = {}

    def custom(request):
        found.update(body=request.body, read=request.read(), files=dict(request.FILES), path=request.META["PATH_INFO"])
        return {"agent": request.headers["User-Agent"]}

    configure(ACTIONS={"payInvoice": {"CUSTOM": custom}})
    begin(customer, headers={"User-Agent": "Firefox"})
    assert found == {"body": b"", "read": b"", "files": {}, "path": "/pay/"}
    assert customer.authsignal.calls[-1].json["custom"]["agent"] == "Firefox"


HOSTILE = {
    "another site": {"path": "//evil.example/pay/"},
    "no path": {"path": 7},
    "nowhere": {"path": "/not-there/"},
    "another action": {"path": "/echo/"},
    "no method": {"method": "PAY"},
    "a method that is no text": {"method": []},
    "methods": {"method": ["POST"]},
    "fields are no list": {"fields": {"amount": "5"}},
    "fields are no pairs": {"fields": [["amount"]]},
    "values are no text": {"fields": [["amount", 5], ["payee", "Zoë"]]},
    "a bound field is missing": {"fields": [["amount", "5"]]},
    "a bound field is there twice": {"fields": [["amount", "5"], ["amount", "6"], ["payee", "Zoë"]]},
    "too many fields": {"fields": [["a", "b"]] * 1001},
}


@pytest.mark.parametrize("told", HOSTILE.values(), ids=HOSTILE)
def test_what_makes_no_sense_ahead_is_refused_and_begins_nothing(customer, told, authsignal):
    calls = len(authsignal.calls)
    assert begin(customer, **told).status_code == 400
    assert len(authsignal.calls) == calls


def test_nobody_asks_ahead_without_signing_in(way_in, db):
    assert begin(way_in()).json()["code"] == "sign_in_required"


def test_a_challenge_whose_time_is_over_is_told_to_be_over_though_nobody_closed_it(customer):
    begin(customer)
    Challenge.objects.filter(pk=newest().pk).update(expires_at=timezone.now())
    assert customer.fetch(reverse("authsignal:challenge", args=[newest().pk])).json()["status"] == "expired"


def test_a_challenge_that_another_tabs_proof_answers_is_told_to_be_proved(customer):
    for path_ in ("/echo/?a=1", "/echo/?a=2"):
        customer.fetch(path_, "post", data="{}", content_type="application/json")
    first, second = Challenge.objects.filter(status=Status.OPEN).order_by("created_at")
    customer.prove(second)
    assert customer.fetch(reverse("authsignal:challenge", args=[first.pk])).json()["status"] == "proved"


def test_the_answer_to_a_script_says_what_is_to_be_proved(customer):
    assert begin(customer).json()["label"] == "Pay 10 to Zoë"


def test_the_page_of_a_challenge_never_runs_the_code_of_custom_which_reads_another_request(customer, settings):
    custom = {"CUSTOM": lambda request: {"amount": request.POST["amount"]}}
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ACTIONS": {"withdrawFunds": custom}}
    customer.post("/echo/", {"amount": "5"})
    address = reverse("authsignal:challenge", args=[newest().pk])
    assert customer.fetch(address).json()["status"] == "open"
    assert customer.get(address).status_code == 200
    first = newest()
    customer.post("/echo/?again", {"amount": "5"})
    customer.prove()
    assert customer.fetch(reverse("authsignal:challenge", args=[first.pk])).json()["status"] == "proved"
    assert customer.fetch("/authsignal/status/?action=withdrawFunds").status_code == 400  # it cannot know, and says so


# SameSite=Strict


def test_a_strict_session_is_fetched_by_a_page_of_ours_once(customer, settings, authsignal):
    settings.SESSION_COOKIE_SAMESITE = "Strict"
    customer.get("/withdraw/")
    row = newest()
    token = authsignal.complete(str(row.pk))
    held_back = customer.cookies.pop("sessionid")
    page = customer.callback(row, token=token)
    assert page.status_code == 200
    assert token not in page.content.decode()
    onward = re.search(r'url=([^"]+)"', page.content.decode())[1]
    assert customer.get(onward).status_code == 303  # still without it: no loop
    row.refresh_from_db()
    assert row.status == Status.OPEN
    page = customer.callback(row, token=token)
    customer.cookies["sessionid"] = held_back.value
    assert customer.get(onward)["Location"] == "/withdraw/"
    assert not customer.cookies["authsignal_token"].value


def test_no_other_session_is_bounced(customer, authsignal):
    customer.get("/withdraw/")
    assert customer.prove().status_code == 303


def test_kept_fields_are_in_no_repr():
    request = RequestFactory().post("/echo/", {"amount": "12345"})
    request.resolver_match = None
    assert "12345" not in repr(resend.keep(request))
