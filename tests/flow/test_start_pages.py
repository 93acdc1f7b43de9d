"""Where somebody who was stopped may go instead: an admin's index, or the start page of the site."""

import html
import re
from uuid import UUID

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import HttpResponse
from django.test import RequestFactory
from django.urls import get_script_prefix, include, path, resolve, set_script_prefix

from django_authsignal import responses
from django_authsignal.decision import Decision, Verdict
from tests.admin.urls import urlpatterns as admins

pytestmark = pytest.mark.urls(__name__)


def index(request):
    return HttpResponse()


urlpatterns = [path("staff/", include(([path("", index, name="index")], "staff"))), *admins]
STRICT = "/strict/auth/group/"  # in an admin all of which asks for `useAdmin`
ACTIONS = [("useAdmin", "/"), ("changeGroup", "/strict/")]


class Club:
    """A site whose one app calls itself the admin, and has no index."""

    urlpatterns = [path("club/", include(([path("door/", index)], "admin")))]


def inside(at, method="get", data=None):
    """A request by nobody, that found its view."""
    request = getattr(RequestFactory(), method)(at, data, headers={"Sec-Fetch-Mode": "navigate"})
    request.user, request.resolver_match = AnonymousUser(), resolve(at)
    return request


def links(response):
    """Where each link of a page leads."""
    found = re.findall(r'<a [^>]*?href="([^"]*)"[^>]*>([^<]*)</a>', response.text)
    return {text: html.unescape(target) for target, text in found}


@pytest.fixture
def below():
    """Mounts the site below another path."""
    before = get_script_prefix()
    yield set_script_prefix
    set_script_prefix(before)


@pytest.mark.parametrize(
    ("at", "found"),
    [
        ("/admin/auth/group/", "/admin/"),
        ("/guarded/auth/group/", "/guarded/"),
        (STRICT, "/strict/"),
        ("/withdraw/", ""),
        ("/staff/", ""),
    ],
)
def test_each_admin_has_its_own_index(at, found):
    assert responses.admin_index(inside(at)) == found


def test_what_no_view_was_found_for_is_in_no_admin():
    assert responses.admin_index(RequestFactory().get("/admin/")) == ""


def test_an_app_that_is_called_like_the_admin_and_has_no_index_is_none(settings):
    settings.ROOT_URLCONF = Club
    assert responses.admin_index(inside("/club/door/")) == ""


@pytest.mark.parametrize(
    ("at", "action", "start"),
    [
        ("/admin/auth/group/", "useAdmin", "/admin/"),
        ("/guarded/auth/group/", "useAdmin", "/guarded/"),
        (STRICT, "changeGroup", "/strict/"),
        (STRICT, "useAdmin", "/"),
        (STRICT, "", "/strict/"),
        ("/withdraw/", "useAdmin", "/"),
    ],
)
def test_the_start_is_an_admins_index_unless_that_asks_the_same(at, action, start):
    assert responses.start_page(inside(at), action) == start


@pytest.mark.parametrize(("at", "action"), [(STRICT, "useAdmin"), ("/withdraw/", "")])
def test_a_site_below_another_path_starts_there(below, at, action):
    request = inside(at)
    below("/below/")
    assert responses.start_page(request, action) == "/below/"


def test_an_admin_below_another_path_starts_there(below):
    request = inside(STRICT)
    below("/below/")
    assert responses.start_page(request, "changeGroup") == "/below/strict/"


@pytest.mark.parametrize("verdict", [Verdict.DENY, Verdict.REVIEW, Verdict.UNREACHABLE, Verdict.TOO_MANY])
@pytest.mark.parametrize(("action", "start"), ACTIONS)
def test_a_page_leads_to_no_index_that_asks_the_same(verdict, action, start):
    answer = responses.respond(inside(STRICT), Decision(verdict, action, challenge_id=UUID(int=7)))
    assert links(answer)["Back to the start page"] == start


@pytest.mark.parametrize(("action", "start"), ACTIONS)
def test_not_now_leads_to_no_index_that_asks_the_same(action, start):
    request = inside(STRICT, "post", {"name": "a"})
    answer = responses.respond(request, Decision(Verdict.CHALLENGE, action, return_to=STRICT))
    assert links(answer)["Not now"] == start


def test_a_page_may_say_where_its_start_is():
    answer = responses.page(inside(STRICT), "failed", {"home": "/staff/"})
    assert links(answer) == {"Back to the start page": "/staff/"}


def test_a_page_that_cannot_be_left_for_anywhere_else_is_left_for_the_start():
    answer = responses.page(inside("/withdraw/"), "challenge", {"again": True, "url": "/proof/"})
    assert links(answer) == {"Continue": "/proof/", "Not now": "/"}


def test_a_waiting_page_of_no_challenge_leads_to_none():
    request = inside("/withdraw/", "post", {"amount": "5"})
    answer = responses.respond(request, Decision(Verdict.CHALLENGE, "withdrawFunds", return_to="/report/"))
    assert links(answer) == {"Not now": "/report/"}
