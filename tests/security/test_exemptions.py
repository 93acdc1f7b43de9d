"""Whom the middlewares leave alone: whoever is stopped elsewhere must reach these pages, and no others slip by."""

from types import SimpleNamespace

import pytest
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LogoutView
from django.http import HttpResponse

from django_authsignal.decorators import enrolment_deadline_not_required, sign_in_challenge_not_required
from django_authsignal.middleware import EnrolmentDeadlineMiddleware, SignInChallengeMiddleware

pytestmark = pytest.mark.security


def plain(request):
    return HttpResponse()


def of_class(name, module, attribute="view_class", base=object):
    """A view as `as_view()` makes it; DRF writes the class down under another name."""
    cls = type(name, (base,), {"__module__": module})
    return type("View", (), {attribute: cls})()


def match(*app_names, url_name="page"):
    return SimpleNamespace(app_names=list(app_names), url_name=url_name)


LEFT_ALONE = {
    "a page to sign in": (login_not_required(lambda request: None), match()),
    "ours": (plain, match("authsignal")),
    "ours inside another": (plain, match("site", "authsignal")),
    "an admin's logout": (plain, match("admin", url_name="logout")),
    "Django's logout": (LogoutView.as_view(), match()),
    "one's own logout": (type("Out", (LogoutView,), {}).as_view(), match()),
    "dj-rest-auth's logout": (of_class("LogoutView", "dj_rest_auth.views", "cls"), match()),
    "Django's logout where nothing was matched": (LogoutView.as_view(), None),
}
ASKED = {
    "a view": (plain, match()),
    "a view where nothing was matched": (plain, None),
    "an admin's page": (plain, match("admin", url_name="index")),
    "another app's page called logout": (plain, match("shop", url_name="logout")),
    "a page called logout": (plain, match(url_name="logout")),
    "an app called nearly as ours": (plain, match("authsignals")),
    "another package's LogoutView": (of_class("LogoutView", "shop.views"), match()),
    "another package's, named nearly as Django": (of_class("LogoutView", "djangocart.views"), match()),
    "another package's LogoutView of DRF": (of_class("LogoutView", "shop.views", "cls"), match()),
    "another view of dj-rest-auth": (of_class("UserDetailsView", "dj_rest_auth.views", "cls"), match()),
    "a view that says nothing certain": (type("View", (), {"login_required": None, "view_class": "text"})(), match()),
}


@pytest.fixture(params=["must_be_proved", "must_be_enrolled"])
def must(request, rf):
    """Asks one of the middlewares about a view and what was matched."""
    kind = SignInChallengeMiddleware if request.param == "must_be_proved" else EnrolmentDeadlineMiddleware

    def ask(view, found):
        asked = rf.get("/")
        asked.resolver_match = found
        return getattr(kind(plain), request.param)(asked, view)

    return ask


@pytest.mark.parametrize("case", LEFT_ALONE)
def test_these_pages_are_left_alone(must, case):
    assert must(*LEFT_ALONE[case]) is False


@pytest.mark.parametrize("case", ASKED)
def test_all_others_are_not(must, case):
    assert must(*ASKED[case]) is True


@pytest.mark.parametrize("must", ["must_be_proved"], indirect=True)
def test_a_mark_exempts_a_view_from_the_proof_of_a_sign_in(must):
    assert must(sign_in_challenge_not_required(lambda request: None), match()) is False
    assert must(enrolment_deadline_not_required(lambda request: None), match()) is True
    assert must(type("View", (), {"authsignal_sign_in_required": None})(), match()) is True


@pytest.mark.parametrize("must", ["must_be_enrolled"], indirect=True)
def test_a_mark_exempts_a_view_from_the_deadline(must):
    assert must(enrolment_deadline_not_required(lambda request: None), match()) is False
    assert must(sign_in_challenge_not_required(lambda request: None), match()) is True
    assert must(type("View", (), {"authsignal_enrolment_required": None})(), match()) is True


@pytest.mark.parametrize("must", ["must_be_enrolled"], indirect=True)
def test_the_texts_of_an_admin_are_no_page_to_be_led_away_from(must):
    assert must(plain, match("admin", url_name="jsi18n")) is False
    assert must(plain, match("shop", url_name="jsi18n")) is True


@pytest.mark.parametrize("must", ["must_be_proved"], indirect=True)
def test_the_texts_of_an_admin_are_of_whoever_proved_it(must):
    assert must(plain, match("admin", url_name="jsi18n")) is True
