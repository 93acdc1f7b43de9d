"""AuthsignalAdminSite: every page asks for the sign-in's proof, however the session was logged in."""

import subprocess
import sys

import pytest
from django.contrib import admin
from django.http import HttpResponse
from django.urls import URLResolver, include, path, reverse

from django_authsignal.admin import AuthsignalAdminSite, AuthsignalAdminSiteMixin
from django_authsignal.client import ConfigurationError
from django_authsignal.guards import requirements_of
from tests.admin import urls
from tests.conftest import PASSWORD, newest

pytestmark = pytest.mark.security


def addresses(patterns, prefix):
    for one in patterns:
        here = prefix + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from addresses(one.url_patterns, here)
        else:
            yield here


def walked(patterns):
    for one in patterns:
        if isinstance(one, URLResolver):
            yield from walked(one.url_patterns)
        else:
            yield one.callback, one.name


def concrete(route):
    for name, value in (
        ("<path:content_type_id>/<path:object_id>", "3/7"),
        ("<path:object_id>", "7"),
        ("<id>", "1"),
        ("^(?P<app_label>auth|django_authsignal)/$", "auth/"),
        ("(?P<url>.*)$", "anything/"),
        ("<view>", "x"),
        ("<path:template>", "x"),
        (r"^models/(?P<app_label>[^.]+)\.(?P<model_name>[^/]+)/$", "models/auth.user/"),
    ):
        route = route.replace(name, value)
    return route


PAGES = [concrete(one) for one in addresses(urls.guarded.urls[0], "/guarded/")]
PAGES += [concrete(one) for one in addresses(include("django.contrib.admindocs.urls")[0].urlpatterns, "/guarded/doc/")]
OPEN = {"/guarded/login/", "/guarded/logout/"}


@pytest.fixture
def half(way_in, ada):
    """A superuser's session that was logged in without a proof."""
    browser = way_in()
    browser.force_login(ada)
    return browser


def test_every_page_asks_a_session_whose_sign_in_was_not_proved(half, asked):
    asking = {page for page in PAGES if half.get(page).headers.get("Location", "").startswith("https://")}
    assert set(PAGES) - asking == OPEN
    assert set(asked()) == {"signIn"}


def test_the_walk_over_the_pages_found_them_all():
    assert len(PAGES) > 40
    assert not [page for page in PAGES if "<" in page or "$" in page]


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_every_page_asks_by_unsafe_methods_as_well(half, asked, method):
    asking = {page for page in PAGES if page not in OPEN and getattr(half, method)(page).status_code == 403}
    assert set(PAGES) - asking == OPEN
    assert set(asked()) == {"signIn"}


@pytest.mark.parametrize("page", ["/guarded/", "/guarded/auth/group/", "/guarded/doc/"])
def test_with_the_middleware_missing_every_page_still_asks(half, asked, settings, page):
    settings.MIDDLEWARE = [one for one in settings.MIDDLEWARE if "authsignal" not in one]
    assert half.get(page).status_code == 302
    assert asked() == ["signIn"]


def test_once_it_is_proved_no_page_asks(half, asked):
    half.get("/guarded/")
    half.prove(newest())
    assert half.get("/guarded/").status_code == 200
    assert half.get("/guarded/auth/user/").status_code == 200
    assert half.get("/guarded/doc/").status_code == 200
    assert asked() == ["signIn"]


def test_who_did_not_prove_it_can_leave(half, asked, settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django_authsignal.middleware.SignInChallengeMiddleware"]
    assert half.post("/guarded/logout/").status_code == 200
    assert half.user_pk is None
    assert asked() == []


def test_the_admins_own_sign_in_asks_and_comes_back_to_its_index(way_in, ada, settings):
    ada.set_password(PASSWORD)
    ada.save()
    browser = way_in()
    there = browser.post("/guarded/login/?next=/guarded/auth/", {"username": "ada", "password": PASSWORD})
    assert there.headers["Location"].startswith("/authsignal/challenges/")
    assert browser.user_pk is None
    assert browser.prove().headers["Location"] == "/guarded/auth/"
    assert browser.get("/guarded/auth/").status_code == 200


def test_staff_without_the_sites_permission_are_not_asked(way_in, bob, asked):
    browser = way_in()
    browser.force_login(bob)
    assert browser.get("/guarded/").headers["Location"].startswith("/guarded/login/")
    assert asked() == []


def test_a_step_up_of_the_whole_site_is_asked_after_the_sign_in(half, asked):
    half.get("/strict/auth/group/")
    half.prove(newest())
    assert asked() == ["signIn"]
    half.get("/strict/auth/group/")
    assert asked() == ["signIn", "useAdmin"]
    half.prove(newest())
    half.get("/strict/auth/group/")
    assert asked() == ["signIn", "useAdmin", "readGroups"]


def test_a_second_site_knows_what_was_proved_on_the_first(half, asked):
    half.get("/guarded/")
    half.prove(newest())
    assert half.get("/strict/").status_code == 302
    assert asked() == ["signIn", "useAdmin"]


def test_a_blocked_sign_in_opens_no_page(half, authsignal):
    authsignal.block()
    assert half.get("/guarded/").status_code == 403


@pytest.mark.parametrize("site", ["guarded", "stock"])
def test_djangos_login_required_middleware_stands_beside(way_in, ada, settings, site):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    browser = way_in()
    assert browser.get(f"/{site}/login/").status_code == 200
    for page in ("", "auth/group/", "auth/group/add/"):
        assert "/login/?next=" in browser.get(f"/{site}/{page}").headers["Location"]
    browser.force_login(ada)
    browser.pass_challenge("signIn")
    browser.pass_challenge("addGroup")
    assert browser.get(f"/{site}/auth/group/add/").status_code == 200


def test_no_view_is_marked_twice_with_one_demand():
    views = [view for view, _ in walked(urls.guarded.urls[0])]
    doubled = [view for view in views if len(set(requirements_of(view))) != len(requirements_of(view))]
    assert (len(views) > 30, doubled) == (True, [])


def own(request):
    return HttpResponse("own")


urlpatterns = [
    path("own/", urls.guarded.admin_view(own)),
    path("bare/", include((urls.guarded.get_urls(), "admin"), namespace="bare")),
    *urls.urlpatterns,
]


@pytest.mark.parametrize("page", ["/own/", "/bare/", "/bare/auth/permission/"])
def test_admin_view_asks_wherever_it_is_used(half, asked, settings, page):
    settings.ROOT_URLCONF = __name__
    assert half.get(page).status_code == 302
    assert asked() == ["signIn"]


@pytest.mark.parametrize("site", ["stock", "guarded"])
def test_not_now_leads_to_the_admins_index(at_work, group, site):
    where = f"/{site}/auth/group/{group.pk}/delete/"
    page = at_work.post(where, {"post": "yes"}, headers={"Referer": f"http://testserver{where}"})
    assert page.context["leave_url"] == f"/{site}/"
    assert at_work.get(f"/{site}/").status_code == 200


def test_but_not_where_the_index_asks_for_the_same(half):
    where = "/guarded/password_change/"
    page = half.post(where, headers={"Referer": f"http://testserver{where}"})
    assert page.context["leave_url"] == "/"


def test_the_mixin_after_the_site_is_an_error():
    with pytest.raises(ConfigurationError, match="before AdminSite"):
        type("Wrong", (admin.AdminSite, AuthsignalAdminSiteMixin), {})


def test_a_code_authsignal_would_not_take_is_an_error():
    with pytest.raises(ConfigurationError, match=r"Wrong\.challenge_action"):
        type("Wrong", (AuthsignalAdminSite,), {"challenge_action": "no good"})


def test_names_stay():
    assert reverse("guarded:auth_group_change", args=[7]) == "/guarded/auth/group/7/change/"
    assert reverse("admin:index", current_app="strict") == "/strict/"


DEFAULT_SITE = """
import sys
from django.conf import settings
from tests import settings as ours
given = {name: getattr(ours, name) for name in dir(ours) if name.isupper()}
apps = [app for app in given["INSTALLED_APPS"] if app != "django.contrib.admin"]
config = sys.argv[2]
given["INSTALLED_APPS"] = [config, *apps] if sys.argv[1] == "first" else [*apps, config]
settings.configure(**given)
import django
django.setup()
from django.contrib import admin
from django.core.checks import run_checks
from django_authsignal.admin import AuthsignalAdminSite
from django_authsignal.models import Challenge
assert isinstance(admin.site, AuthsignalAdminSite)
assert admin.site.is_registered(Challenge), "the ledger is not registered"
assert run_checks() == [], run_checks()
admin.site = admin.AdminSite()  # as an app that brings its own does
assert [one.id for one in run_checks()] == ["authsignal.E009"], run_checks()
print("sound")
"""


@pytest.mark.table("one line", slow=True)
@pytest.mark.parametrize("place", ["first", "last"])
@pytest.mark.parametrize(
    "config", ["django_authsignal.admin_config.AuthsignalAdminConfig", "tests.admin.own_config.OwnConfig"]
)
def test_one_line_in_installed_apps_guards_the_default_site(place, config):
    command = [sys.executable, "-c", DEFAULT_SITE, place, config]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "sound\n", done.stderr
