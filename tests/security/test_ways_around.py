"""Ways around a guard that were tried: each is closed, and stays so."""

import base64
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth import authenticate, login
from django.contrib.auth.signals import user_login_failed
from django.contrib.auth.views import LoginView
from django.http import HttpResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views import View

from django_authsignal.binding import canonical
from django_authsignal.client import ConfigurationError
from django_authsignal.decorators import challenge_required
from django_authsignal.mixins import ChallengeRequiredMixin, LoginRequiredMixin, SignInMixin
from django_authsignal.models import Challenge, Status
from tests.conftest import PASSWORD, newest
from tests.project.urls import urlpatterns as project_urls
from tests.project.views import OwnLoginView

pytestmark = [pytest.mark.django_db, pytest.mark.security, pytest.mark.urls(__name__)]


class Reader(ChallengeRequiredMixin, View):
    challenge_action = "withdrawFunds"
    challenge_methods = ("GET",)

    def get(self, request):
        response = HttpResponse("read")
        response["X-Ran"] = "yes"
        return response


@challenge_required("withdrawFunds", methods=["GET"])
def reader(request):
    response = HttpResponse("read")
    response["X-Ran"] = "yes"
    return response


class OwnPost(SignInMixin, LoginView):
    """Overrides what the mixin guards, as one does who does not know."""

    template_name = "admin/login.html"

    def post(self, request, *args, **kwargs):
        form = self.get_form()
        if form.is_valid():
            return self.form_valid(form)
        return self.form_invalid(form)


def token_login(request):
    user = authenticate(request, authsignal_token=request.POST["token"])
    if user:
        login(request, user)
    return HttpResponse("done")


@method_decorator(challenge_required("withdrawFunds", max_age=0), name="post")
class Once(View):
    def post(self, request):
        if request.POST.get("fail"):
            raise RuntimeError("it failed after its effect")
        return HttpResponse("done")


def once_deep(request):
    request.authsignal.require("withdrawFunds", max_age=0)
    if request.POST.get("fail"):
        raise RuntimeError("it failed after its effect")
    return HttpResponse("done")


urlpatterns = [
    *project_urls,
    path("reader/", Reader.as_view()),
    path("reader-function/", reader),
    path("anmelden-für-alle/", OwnLoginView.as_view()),
    path("own-post/", OwnPost.as_view()),
    path("token-login/", token_login),
    path("once/", Once.as_view()),
    path("once-deep/", once_deep),
]


# Values


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1" * 35, "1" * 34 + "2"),
        (int("1" * 35), int("1" * 34 + "2")),
        (Decimal("0." + "1" * 35), Decimal("0." + "1" * 34 + "2")),
        ("0123", "123"),
        ("00", "0"),
    ],
)
def test_two_long_or_zero_led_account_numbers_are_two_values(one, other):
    assert canonical(one) != canonical(other)


@pytest.mark.parametrize("value", [Decimal("1e9999999"), Decimal("1e-9999999"), Decimal("-1e999999999999")])
def test_a_number_with_a_huge_exponent_is_hashed_without_writing_it_out(value):
    assert len(canonical(value)) < 100


@pytest.mark.parametrize("number", ["1e9999999", "-1e999999999999", "1e-9999999999", "NaN", "Infinity", "1e400"])
def test_a_bound_number_that_no_view_can_use_is_a_400(adas, authsignal, number):
    body = f'{{"amount": {number}, "payee": "x"}}'
    assert adas.fetch("/pay/", "post", data=body, content_type="application/json").status_code == 400
    assert authsignal.calls == []


def test_a_bound_text_that_no_page_can_show_is_a_400(adas, authsignal):
    body = '{"amount": 1, "payee": "\\ud800"}'
    assert adas.post("/pay/", body, content_type="application/json").status_code == 400
    assert authsignal.calls == []


@pytest.mark.parametrize("address", ["fe80::1%eth0", "::1%" + "a" * 300, "::1%\x00"])
def test_an_address_with_a_zone_is_not_kept(adas, settings, address):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "CLIENT_IP": lambda request: address}
    adas.get("/withdraw/")
    assert newest().ip_address is None


# Methods


@pytest.mark.parametrize("where", ["/reader/", "/reader-function/"])
def test_a_view_guarded_for_get_is_not_run_by_head(adas, where):
    answer = adas.head(where)
    assert answer.status_code == 401
    assert "X-Ran" not in answer.headers


# Sign-in views


def test_a_sign_in_view_that_overrides_post_is_still_challenged(browser, ada):
    browser.post("/own-post/", {"username": "ada", "password": PASSWORD})
    assert browser.user_pk is None
    assert newest().status == Status.OPEN


def test_a_proved_sign_in_nobody_finished_is_void_after_a_while(browser, ada, time_machine):
    where = browser.sign_in(path="/own-login/").headers["Location"]
    time_machine.move_to(timezone.now() + timedelta(hours=1))
    assert browser.get(where).status_code == 403
    assert browser.user_pk is None


def test_a_sign_in_that_its_view_finishes_is_not_finished_a_second_time_by_a_token(browser, ada, authsignal):
    browser.post("/own-login/", {"username": "ada", "password": PASSWORD})
    row = newest()
    browser.post("/token-login/", {"token": authsignal.complete(str(row.pk))})
    assert browser.user_pk is None  # the view's own rules have not run
    where = f"/own-login/?authsignal={row.pk}"
    assert browser.get(where).headers["X-Own-Logic"] == "ran"
    browser.post("/logout/")
    assert browser.get(where).status_code == 403
    assert browser.user_pk is None


@pytest.mark.parametrize("where", ["/own-login/", "/anmelden-für-alle/"])
def test_a_sign_in_proved_by_json_is_finished_by_its_own_view(browser, ada, authsignal, where):
    browser.post(where, {"username": "ada", "password": PASSWORD})
    row = newest()
    token = authsignal.complete(str(row.pk))
    url = reverse("authsignal:challenge", args=[row.pk])
    done = browser.fetch(url, "post", data={"token": token}, content_type="application/json").json()
    assert browser.user_pk is None
    assert browser.get(done["returnTo"]).headers["X-Own-Logic"] == "ran"
    assert browser.user_pk == str(ada.pk)


# The trail


def test_a_stranger_cannot_rewrite_why_a_closed_challenge_was_closed(adas, new_browser, authsignal):
    adas.get("/withdraw/")
    row = newest()
    adas.prove(state="CHALLENGE_FAILED")
    new_browser().callback(row, token="x.y.z")
    row.refresh_from_db()
    assert (row.status, row.reason) == (Status.FAILED, "failed")


# Caches


@pytest.mark.parametrize("where", ["/withdraw/", "/async/withdraw/", "/deep/", "/async/deep/"])
def test_a_site_wide_cache_does_not_answer_for_a_pass_that_has_ended(adas, settings, time_machine, where):
    cache = "django.middleware.cache."
    settings.MIDDLEWARE = [
        f"{cache}UpdateCacheMiddleware",
        *settings.MIDDLEWARE,
        f"{cache}FetchFromCacheMiddleware",
    ]
    settings.CACHE_MIDDLEWARE_SECONDS = 3600
    adas.step_up()
    answer = adas.get(where)
    assert (answer.status_code, "private" in answer.headers["Cache-Control"]) == (200, True)
    time_machine.move_to(timezone.now() + timedelta(seconds=901))
    assert adas.get(where).status_code == 302


# Bases


@pytest.mark.parametrize(
    ("mixin", "view"), [(ChallengeRequiredMixin, View), (LoginRequiredMixin, View), (SignInMixin, LoginView)]
)
def test_a_mixin_behind_its_view_which_would_guard_nothing_is_an_error_at_once(mixin, view):
    with pytest.raises(ConfigurationError, match="before"):
        type("Open", (view, mixin), {"challenge_action": "withdrawFunds"})


# Managing authenticators


@pytest.fixture
def manage_each_time(settings):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ACTIONS": {"manageAuthenticators": {"MAX_AGE": 0}}}


def test_authenticators_are_not_listed_without_a_proof_when_each_request_needs_one(adas, authsignal, manage_each_time):
    assert adas.get("/authsignal/authenticators/").status_code == 302
    assert "get_authenticators" not in [call.operation for call in authsignal.calls]
    adas.prove()
    assert adas.get("/authsignal/authenticators/").status_code == 200


def test_nobody_signed_in_sees_no_authenticators_when_each_request_needs_a_proof(browser, authsignal, manage_each_time):
    assert browser.get("/authsignal/authenticators/").headers["Location"].startswith("/login/")
    assert authsignal.calls == []


def test_adding_an_authenticator_in_an_outage_is_a_503_whatever_is_allowed_then(adas, authsignal, settings):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ON_UNREACHABLE": "allow"}
    adas.step_up("/authsignal/authenticators/")
    authsignal.fail("refused")
    assert adas.post("/authsignal/authenticators/", {"add": "1"}).status_code == 503


# Observing


def test_observing_counts_no_failed_login_when_the_key_is_wrong(browser, ada, authsignal, settings):
    failures = []

    def note(sender, **kwargs):
        failures.append(sender)

    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ENFORCE": "observe"}
    authsignal.fail("401")
    user_login_failed.connect(note)
    try:
        browser.post("/login/", {"username": "ada", "password": PASSWORD})
    finally:
        user_login_failed.disconnect(note)
    assert browser.user_pk == str(ada.pk)
    assert failures == []


# Broken input


@pytest.mark.parametrize("where", ["challenges", "challenge"])
def test_a_form_where_json_is_expected_is_a_400(new_browser, ada, where):
    strict = new_browser(enforce_csrf_checks=True)
    strict.force_login(ada)
    strict.cookies["csrftoken"] = "a" * 32
    strict.get("/withdraw/")
    url = reverse(f"authsignal:{where}", args=[newest().pk] if where == "challenge" else [])
    answer = strict.post(url, {"action": "withdrawFunds"}, headers={"X-CSRFToken": "a" * 32})
    assert answer.status_code == 400


BROKEN = [
    "text",
    7,
    [],
    None,
    {"passes": []},
    {"passes": "x", "open": "y"},
    {"passes": {"a": None}, "open": {"b": None}},
    {"passes": {"a": "x"}, "open": ["b"]},
    {"open": {"a": {"id": "x", "action": "withdrawFunds", "kind": 1, "user": 2, "scope": 3, "url": 4, "token": 5,
                    "expires": "soon"}}},
    {"password_at": "never"},
]  # fmt: skip


@pytest.mark.parametrize("content", BROKEN)
@pytest.mark.parametrize("where", ["/withdraw/", "/members/", "/authsignal/status/?action=withdrawFunds"])
def test_a_broken_session_holds_no_pass_and_breaks_no_page(adas, content, where):
    session = adas.session
    session["authsignal"] = content
    session.save()
    assert adas.get(where).status_code in (200, 302)
    assert adas.get("/withdraw/").status_code == 302
    adas.prove()
    assert adas.get("/withdraw/").content == b"withdrawn"


WRONG = {
    "id": [1],
    "at": ["x", None, "9999999999"],
    "max_age": ["x", [900]],
    "seal": [7, None],
    "method": [["PASSKEY"], 7],
    "bind": [7, None],
    "one_request": ["no"],
    "action": [["withdrawFunds"], None],
}


@pytest.mark.parametrize(("field", "value"), [(key, value) for key, values in WRONG.items() for value in values])
def test_a_pass_with_a_field_of_the_wrong_type_is_no_pass(adas, field, value):
    adas.step_up()
    session = adas.session
    for item in session["authsignal"]["passes"].values():
        item[field] = value
    session.save()
    assert adas.get("/withdraw/").status_code == 302
    assert adas.post("/delete/").status_code == 403


def test_a_pass_for_one_request_with_a_broken_id_is_no_pass(adas):
    adas.post("/delete/")
    adas.prove()
    session = adas.session
    for item in session["authsignal"]["passes"].values():
        item["id"] = "not a uuid"
    session.save()
    assert adas.post("/delete/").status_code == 403


def test_a_token_nested_without_end_is_no_proof(browser, ada, authsignal):
    browser.post("/login/", {"username": "ada", "password": PASSWORD})
    part = base64.urlsafe_b64encode(b"[" * 100_000).decode().rstrip("=")
    answer = browser.post("/token-login/", {"token": f"x.{part}.y"})
    assert answer.status_code == 200
    assert browser.user_pk is None
    assert Challenge.objects.get().status == Status.OPEN
