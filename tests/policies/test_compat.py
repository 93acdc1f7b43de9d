"""Code written for django-otp, django-two-factor-auth and django-sudo runs with another import."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from django.urls import path
from django.utils.decorators import method_decorator
from django.views.generic import TemplateView, View

from django_authsignal.client import ConfigurationError
from django_authsignal.compat import OTPRequiredMixin, SudoMixin, otp_required, sudo_required
from django_authsignal.models import Challenge
from tests.conftest import newest
from tests.project.urls import urlpatterns as project

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


# As in the documentation of django-sudo (its docstring, and "Should likely be paired with @login_required")
@sudo_required
def secure_page(request):
    return HttpResponse("secure")


@sudo_required
async def secure_page_async(request):
    return HttpResponse("secure")


class SuperSecretPage(SudoMixin, View):
    def get(self, request):
        return HttpResponse("super secret")


# As in the documentation of django-otp
@otp_required
def my_view(request):
    return HttpResponse("verified")


@otp_required
async def my_view_async(request):
    return HttpResponse("verified")


@otp_required(redirect_field_name="return", login_url="/own-login/")
def elsewhere(request):
    return HttpResponse("verified")


@otp_required(if_configured=True)
def lenient(request):
    return HttpResponse("verified")


@method_decorator(otp_required, name="dispatch")
class Verified(View):
    def get(self, request):
        return HttpResponse("verified")


# As in the documentation of django-two-factor-auth
class ExampleSecretView(OTPRequiredMixin, TemplateView):
    def get(self, request):
        return HttpResponse("secret")


class NoVisitors(OTPRequiredMixin, View):
    raise_anonymous = True

    def get(self, request):
        return HttpResponse("secret")


urlpatterns = [
    *project,
    path("sudo/", secure_page),
    path("async/sudo/", secure_page_async),
    path("sudo-mixin/", SuperSecretPage.as_view()),
    path("otp/", my_view),
    path("async/otp/", my_view_async),
    path("otp-elsewhere/", elsewhere),
    path("otp-lenient/", lenient),
    path("otp-class/", Verified.as_view()),
    path("otp-called/", otp_required(lambda request: HttpResponse("called"))),
    path("otp-mixin/", ExampleSecretView.as_view()),
    path("otp-mixin-strict/", NoVisitors.as_view()),
]
OTP = ["/otp/", "/async/otp/", "/otp-elsewhere/", "/otp-lenient/", "/otp-class/", "/otp-called/", "/otp-mixin/"]
SUDO = ["/sudo/", "/async/sudo/", "/sudo-mixin/"]


@pytest.mark.parametrize("where", [*OTP, *SUDO])
def test_whoever_is_signed_in_without_a_proof_is_asked_and_comes_back(adas, where):
    asked = adas.get(where)
    assert asked.status_code == 302
    assert asked["Location"].startswith("https://mfa.authsignal.com/")
    assert newest().action == ("signIn" if where in OTP else "sudo")
    assert adas.prove()["Location"] == where
    assert adas.get(where).status_code == 200


@pytest.mark.parametrize("where", [*OTP, *SUDO])
def test_block_refuses(adas, authsignal, where):
    authsignal.block()
    assert adas.get(where).status_code == 403


@pytest.mark.parametrize("where", OTP)
def test_whoever_proved_the_sign_in_is_verified_already(browser, ada, where):
    browser.sign_in()
    assert browser.get(where).status_code == 200


@pytest.mark.parametrize("where", SUDO)
def test_sudo_is_asked_of_whoever_signed_in_and_ends_with_its_age(browser, ada, settings, time_machine, where):
    from datetime import timedelta

    from django.utils import timezone

    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ACTIONS": {"sudo": {"MAX_AGE": 60}}}
    browser.sign_in()
    browser.step_up(where)
    assert browser.get(where).status_code == 200
    time_machine.move_to(timezone.now() + timedelta(seconds=61))
    assert browser.get(where).status_code == 302


@pytest.mark.parametrize(
    ("where", "location"),
    [
        ("/otp/", "/login/?next=/otp/"),
        ("/async/otp/", "/login/?next=/async/otp/"),
        ("/otp-elsewhere/", "/own-login/?return=/otp-elsewhere/"),
        ("/otp-mixin/", "/login/?next=/otp-mixin/"),
        ("/sudo/", "/login/?next=/sudo/"),
    ],
)
def test_visitors_are_sent_to_sign_in(browser, settings, where, location):
    settings.LOGIN_URL = "/login/"
    assert browser.get(where)["Location"] == location


def test_visitors_may_be_refused(browser):
    assert browser.get("/otp-mixin-strict/").status_code == 403


@pytest.mark.parametrize("where", ["/otp-lenient/", "/otp/"])
def test_if_configured_lets_those_through_who_have_nothing_to_prove_it_with(adas, authsignal, settings, where):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "UNENROLLED": "deny"}
    authsignal.unenrolled()
    assert adas.get(where).status_code == (200 if "lenient" in where else 403)


@pytest.mark.security
def test_what_if_configured_let_through_opens_nothing_else(adas, authsignal, settings):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "UNENROLLED": "deny"}
    authsignal.unenrolled()
    adas.get("/otp-lenient/")
    assert adas.get("/otp/").status_code == 403
    assert adas.get("/members/").status_code == 403


def test_a_proof_for_if_configured_is_one_for_the_others(adas):
    adas.get("/otp-lenient/")
    adas.prove()
    assert adas.get("/otp/").status_code == 200


@pytest.mark.parametrize(("where", "setting"), [("/otp/", "OTP_ACTION"), ("/sudo/", "SUDO_ACTION")])
def test_the_action_is_named_in_the_settings(adas, settings, where, setting):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, setting: "withdrawFunds"}
    adas.get(where)
    assert newest().action == "withdrawFunds"


@pytest.mark.parametrize("setting", ["OTP_ACTION", "SUDO_ACTION"])
def test_an_action_that_cannot_be_one_is_an_error(adas, settings, setting):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, setting: "with draw"}
    with pytest.raises((ConfigurationError, ImproperlyConfigured), match=setting):
        adas.get("/otp/")


@pytest.mark.parametrize("mixin", [SudoMixin, OTPRequiredMixin])
def test_a_mixin_behind_the_view_is_an_error(mixin):
    with pytest.raises(ConfigurationError, match="before the view"):
        type("Late", (View, mixin), {})


def test_signatures_are_those_of_the_libraries():
    from inspect import signature

    django_otp = pytest.importorskip("django_otp.decorators")
    assert signature(django_otp.otp_required).parameters.keys() == signature(otp_required).parameters.keys()
    theirs = [parameter.default for parameter in signature(django_otp.otp_required).parameters.values()]
    assert [parameter.default for parameter in signature(otp_required).parameters.values()] == theirs
    assert list(signature(sudo_required).parameters) == ["func"]


def test_observing_stops_nobody(adas, settings):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ENFORCE": "observe"}
    assert [adas.get(where).status_code for where in (*OTP, *SUDO)] == [200] * 10
    assert Challenge.objects.filter(reason="observed: challenge").exists()
