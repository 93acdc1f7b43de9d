"""Careless developers: what they set or forget never opens a door in silence."""

import pytest
from django.contrib.auth import get_user_model
from django.db import connections
from django.http import HttpResponse
from django.urls import path

from django_authsignal.client import ConfigurationError
from django_authsignal.conf import problems
from django_authsignal.policy import get_policy, label_for
from tests.conftest import PASSWORD
from tests.project.urls import urlpatterns as project_urls

pytestmark = [pytest.mark.django_db, pytest.mark.security, pytest.mark.urls(__name__)]


def public(request):
    response = HttpResponse("open to all")
    response["Cache-Control"] = "public, max-age=3600"
    request.authsignal.require("withdrawFunds")
    return response


def members_plain(request):  # forgets functools.wraps, so the middleware cannot see the mark
    from tests.project.views import withdraw

    response = withdraw(request)
    response["Cache-Control"] = "public, max-age=3600"
    return response


urlpatterns = [*project_urls, path("public/", public), path("unmarked-public/", members_plain)]


# What Authsignal is told


@pytest.mark.parametrize(
    "key", ["user_id", "action", "idempotency_key", "redirect_url", "scope", "redirect_to_settings"]
)
def test_track_attributes_never_replace_what_the_gate_relies_on(adas, settings, authsignal, key):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "TRACK_ATTRIBUTES": lambda *args: {key: "theirs"}}
    with pytest.raises(ConfigurationError, match=f"TRACK_ATTRIBUTES.*{key}.*Leave it out"):
        adas.get("/withdraw/")
    assert authsignal.calls == []


def test_track_attributes_never_hide_the_values_that_are_to_be_proved(adas, settings, authsignal):
    theirs = {"custom": {"shop": 1, "amount": "1.00"}, "locale": "de"}
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "TRACK_ATTRIBUTES": lambda *args: theirs}
    adas.post("/pay/", {"amount": "250.00", "payee": "Zoë"})
    sent = authsignal.calls[0].json
    assert sent["custom"] == {"shop": 1, "amount": "250.00", "payee": "Zoë"}
    assert sent["locale"] == "de"


# Words


@pytest.mark.parametrize("label", ["Pay {amount", "Pay amount}", "Pay {amount!x}", "Pay {0}", "Pay {}"])
def test_a_label_that_cannot_be_filled_is_a_fault_and_no_500(settings, label):
    assert "LABEL" in problems({"ACTIONS": {"pay": {"LABEL": label}}})[0].text


@pytest.mark.parametrize("label", ["Pay {amount} to {payee}", "Pay", "Pay {{all}}", "Pay {payment.amount}"])
def test_a_sound_label_is_none(label):
    assert problems({"ACTIONS": {"pay": {"LABEL": label}}}) == []


def test_a_translation_with_a_fault_is_shown_as_it_is(settings):
    class Lazy:  # as gettext_lazy gives, once a translator forgot a brace
        def __html__(self):
            return str(self)

        def __str__(self):
            return "Bezahle {amount"

    settings.AUTHSIGNAL = {"ACTIONS": {"pay": {"LABEL": Lazy()}}}
    assert label_for(get_policy("pay"), {"amount": 1}) == "Bezahle {amount"


# Requests whose answer nobody reads


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("site", ["same-origin", "same-site", "cross-site"])
def test_a_request_whose_answer_no_page_can_read_begins_nothing(way_in, ada, authsignal, method, site, colour):
    browser = way_in()
    browser.force_login(ada)
    headers = {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Site": site, "Accept": "*/*"}
    assert getattr(browser, method)(f"{colour}withdraw/", headers=headers).status_code == 401
    assert authsignal.calls == []


# Caches


@pytest.mark.parametrize("where", ["/public/", "/unmarked-public/"])
@pytest.mark.parametrize("enforce", ["observe", "on"])
def test_no_cache_hands_a_binding_cookie_on(way_in, transactional_db, settings, authsignal, where, enforce):
    settings.AUTHSIGNAL = {
        **settings.AUTHSIGNAL,
        "ENFORCE": enforce,
        "ACTIONS": {"withdrawFunds": {"ON_ALLOW": "pass"}},
    }
    authsignal.allow()
    browser = way_in()
    browser.force_login(get_user_model().objects.create_user("eve", password=PASSWORD))
    connections["default"].settings_dict["ATOMIC_REQUESTS"] = enforce == "observe"
    try:
        answer = browser.get(where)
    finally:
        connections["default"].settings_dict["ATOMIC_REQUESTS"] = False
    assert answer.status_code == 200
    assert "authsignal_browser" in answer.cookies
    assert "private" in answer.headers["Cache-Control"]
    assert "public" not in answer.headers["Cache-Control"]
