"""`challenge_required` beside Django's own decorators, in any order, with the middleware and without."""

import itertools
import types
from functools import wraps

import pytest
from asgiref.sync import iscoroutinefunction
from django import forms
from django.contrib.auth import decorators as auth
from django.contrib.auth import get_user_model
from django.contrib.auth.mixins import LoginRequiredMixin as DjangoLoginRequiredMixin
from django.contrib.auth.models import Permission
from django.db import transaction
from django.http import HttpResponse
from django.urls import path
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators import cache, clickjacking, common, csrf, gzip, http, vary
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.generic import DeleteView, FormView

from django_authsignal.client import ConfigurationError
from django_authsignal.compat import otp_required, sudo_required
from django_authsignal.decorators import challenge_required, login_required, sign_in_challenge_not_required
from django_authsignal.mixins import ChallengeRequiredMixin, LoginRequiredMixin
from tests.conftest import AsgiBrowser, Browser, newest
from tests.project.urls import urlpatterns as project

pytestmark = pytest.mark.django_db
OURS = "django_authsignal.middleware.AuthsignalMiddleware"
guard = challenge_required("withdrawFunds")

DECORATORS = {
    "login_required": auth.login_required,
    "our login_required": login_required,
    "permission_required": auth.permission_required("auth.view_user"),
    "user_passes_test": auth.user_passes_test(lambda user: user.is_active),
    "login_not_required": auth.login_not_required,
    "sign_in_challenge_not_required": sign_in_challenge_not_required,
    "csrf_exempt": csrf.csrf_exempt,
    "csrf_protect": csrf.csrf_protect,
    "ensure_csrf_cookie": csrf.ensure_csrf_cookie,
    "requires_csrf_token": csrf.requires_csrf_token,
    "never_cache": cache.never_cache,
    "cache_control": cache.cache_control(max_age=60),
    "cache_page": cache.cache_page(60),
    "require_POST": http.require_POST,
    "require_GET": http.require_GET,
    "require_http_methods": http.require_http_methods(["GET", "POST"]),
    "condition": http.condition(etag_func=lambda request: '"one"'),
    "etag": http.etag(lambda request: '"one"'),
    "conditional_page": http.conditional_page,
    "gzip_page": gzip.gzip_page,
    "vary_on_headers": vary.vary_on_headers("Accept"),
    "vary_on_cookie": vary.vary_on_cookie,
    "xframe_options_deny": clickjacking.xframe_options_deny,
    "xframe_options_exempt": clickjacking.xframe_options_exempt,
    "xframe_options_sameorigin": clickjacking.xframe_options_sameorigin,
    "no_append_slash": common.no_append_slash,
    "sensitive_post_parameters": sensitive_post_parameters("pin"),
    "sensitive_variables": sensitive_variables("pin"),
    "transaction.atomic": transaction.atomic,
    "non_atomic_requests": transaction.non_atomic_requests,
}
# What Django itself gives no async form: around an async view they hand on a coroutine that nobody awaits.
SYNC_ONLY = {"cache_page", "gzip_page", "conditional_page", "transaction.atomic"}


def view(request):
    return HttpResponse("withdrawn " * 40)


async def aview(request):
    return HttpResponse("withdrawn " * 40)


def made(function):
    """A fresh one: some decorators write on what they are put on."""
    if iscoroutinefunction(function):

        async def copy(request):
            return await function(request)

    else:

        def copy(request):
            return function(request)

    return copy


def chain(function, *decorators):
    function = made(function)
    for decorator in reversed(decorators):
        function = decorator(function)
    return function


@pytest.fixture
def served(settings):
    """Serves a view at /here/."""

    def serve(function):
        urlconf = types.ModuleType("served")
        urlconf.urlpatterns = [*project, path("here/", function)]
        settings.ROOT_URLCONF = urlconf

    return serve


@pytest.fixture(params=[True, False], ids=["middleware", "no-middleware"])
def _middleware(request, settings):
    if not request.param:
        settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != OURS]


@pytest.fixture
def signed_in(way_in, ada, bob):
    """Signs somebody in who may see users and has proved the sign-in, by a browser of their own."""
    for person in (ada, bob):
        person.user_permissions.add(Permission.objects.get(codename="view_user"))

    def sign_in(person):
        browser = way_in()
        browser.force_login(person)
        browser.pass_challenge("signIn")
        return browser

    return sign_in


ORDERS = {
    f"{colour} {name} {place}": (way, function, (guard, decorator) if place == "inside" else (decorator, guard), name)
    for name, decorator in DECORATORS.items()
    for colour, function, way in (("sync", view, Browser), ("async", aview, AsgiBrowser))
    for place in ("inside", "outside")
    if colour == "sync" or name not in SYNC_ONLY
}


@pytest.mark.table("orders", slow=True)
@pytest.mark.parametrize(("way_in", "function", "decorators", "name"), ORDERS.values(), ids=ORDERS, indirect=["way_in"])
@pytest.mark.usefixtures("_middleware")
def test_every_order_asks_opens_and_refuses(served, signed_in, ada, bob, authsignal, function, decorators, name):
    served(chain(function, *decorators))
    method, waiting = ("post", 403) if name == "require_POST" else ("get", 302)
    browser = signed_in(ada)
    asked = getattr(browser, method)("/here/")
    assert (asked.status_code, b"withdrawn" in asked.content) == (waiting, False)
    browser.prove()
    opened = getattr(browser, method)("/here/")
    assert (opened.status_code, opened.content.startswith(b"withdrawn")) == (200, True)
    other = signed_in(bob)
    authsignal.block()
    refused = getattr(other, method)("/here/")
    assert (refused.status_code, b"withdrawn" in refused.content) == (403, False)
    assert newest().reason == "blocked"


FIVE = [
    auth.login_required,
    csrf.csrf_protect,
    cache.never_cache,
    http.require_http_methods(["GET", "POST"]),
    guard,
]


@pytest.mark.long
@pytest.mark.parametrize(
    ("way_in", "function", "orders"),
    [
        (Browser, view, list(itertools.permutations(FIVE))),
        (AsgiBrowser, aview, [FIVE[n:] + FIVE[:n] for n in range(5)]),  # the guard in each place
    ],
    ids=["sync", "async"],
    indirect=["way_in"],
)
def test_all_orders_of_five(served, way_in, ada, function, orders):
    browser = way_in()
    browser.force_login(ada)
    for order in orders:
        served(chain(function, *order))
        assert browser.get("/here/").status_code == 302
        browser.prove()
        assert browser.get("/here/").content.startswith(b"withdrawn")
        session = browser.session
        session["authsignal"] = {}
        session.save()


# Caches


@pytest.mark.security
@pytest.mark.parametrize("order", [(cache.cache_page(60), guard), (guard, cache.cache_page(60))], ids=["outside", "in"])
@pytest.mark.usefixtures("_middleware")
def test_a_cached_page_is_handed_to_nobody_without_a_pass(served, signed_in, ada, bob, way_in, order):
    served(chain(view, *order))
    browser = signed_in(ada)
    browser.get("/here/")
    browser.prove()
    assert "private" in browser.get("/here/")["Cache-Control"]
    assert signed_in(bob).get("/here/").status_code == 302
    assert way_in().get("/here/")["Location"].startswith("/login/")


# Sync doors around async views, and the reverse


def plain_door(function):
    """A decorator of somebody's own, written before there were async views."""

    @wraps(function)
    def inner(request, *args, **kwargs):
        request.session["seen"] = True  # a query: not allowed in an event loop
        return function(request, *args, **kwargs)

    return inner


def async_door(function):
    @wraps(function)
    async def inner(request, *args, **kwargs):
        found = function(request, *args, **kwargs)
        return await found if iscoroutinefunction(function) else found

    return inner


MIXED = {
    "ours around a sync door around an async view": chain(aview, guard, plain_door),
    "ours around an async door around a sync view": chain(view, guard, async_door),
    "ours around an async door around an async view": chain(aview, guard, async_door),
    "an async door around ours around an async view": chain(aview, async_door, guard),
    "an async door around ours around a sync view": chain(view, async_door, guard),
}


@pytest.mark.parametrize("function", MIXED.values(), ids=MIXED)
def test_an_async_view_under_a_sync_door_and_the_reverse(served, signed_in, ada, function):
    served(function)
    browser = signed_in(ada)
    assert browser.get("/here/").status_code == 302
    browser.prove()
    assert browser.get("/here/").content.startswith(b"withdrawn")


# Class-based views


class Sync(View):
    def get(self, request):
        return HttpResponse("withdrawn")

    def post(self, request):
        return HttpResponse("withdrawn")


class Async(View):
    async def get(self, request):
        return HttpResponse("withdrawn")

    async def post(self, request):
        return HttpResponse("withdrawn")


def on_class(base, name):
    return method_decorator(guard, name=name)(type("Decorated", (base,), {})).as_view()


def on_method(base):
    return type("Decorated", (base,), {"post": method_decorator(guard)(base.post)}).as_view()


def mixed_in(base, **values):
    return type("Mixed", (ChallengeRequiredMixin, base), {"challenge_action": "withdrawFunds", **values}).as_view()


def behind(mixin, base):
    return type("Behind", (ChallengeRequiredMixin, mixin, base), {"challenge_action": "withdrawFunds"}).as_view()


CLASSES = {
    f"{colour} {name}": make(base)
    for colour, base in (("sync", Sync), ("async", Async))
    for name, make in {
        "method_decorator on dispatch": lambda base: on_class(base, "dispatch"),
        "method_decorator on a class's post": lambda base: on_class(base, "post"),
        "method_decorator on the method": on_method,
        "around as_view()": lambda base: guard(base.as_view()),
        "mixin": mixed_in,
        "mixin, one method": lambda base: mixed_in(base, challenge_methods=("POST",)),
        "behind Django's LoginRequiredMixin": lambda base: behind(DjangoLoginRequiredMixin, base),
        "behind our LoginRequiredMixin": lambda base: behind(LoginRequiredMixin, base),
    }.items()
}
ONE_METHOD = ("post", "the method", "one method")


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.usefixtures("_middleware")
def test_a_class_asks_opens_and_refuses_per_method(served, signed_in, ada, bob, authsignal, name):
    served(CLASSES[name])
    browser = signed_in(ada)
    assert browser.get("/here/").status_code == (200 if name.endswith(ONE_METHOD) else 302)
    assert browser.post("/here/").status_code == 403
    browser.prove()
    assert [browser.get("/here/").content, browser.post("/here/").content] == [b"withdrawn"] * 2
    other = signed_in(bob)
    authsignal.block()
    refused = other.post("/here/")
    assert (refused.status_code, b"withdrawn" in refused.content) == (403, False)


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.usefixtures("_middleware")
def test_visitors_of_a_class_are_sent_to_sign_in(served, way_in, db, name):
    served(CLASSES[name])
    answer = way_in().post("/here/", headers={"Referer": "http://testserver/here/"})
    assert (answer.status_code, answer["Location"]) == (302, "/login/?next=/here/")


@pytest.mark.parametrize("decorator", [guard, login_required, otp_required, sudo_required])
def test_a_class_by_itself_is_refused_at_import_with_the_fix(decorator):
    with pytest.raises(ConfigurationError, match="method_decorator"):
        decorator(type("Plain", (View,), {}))


class Form(FormView):
    form_class, template_name, success_url = forms.Form, "admin/login.html", "/done/"


class Deletion(DeleteView):
    queryset, success_url = get_user_model().objects.none(), "/done/"


TWINS = [(Form, "POST", "put"), (Form, "PUT", "post"), (Deletion, "POST", "delete"), (Deletion, "DELETE", "post")]


@pytest.mark.parametrize(("base", "listed", "twin"), TWINS)
def test_methods_by_which_djangos_views_do_the_same_are_asked_together(served, signed_in, ada, base, listed, twin):
    for made in (
        mixed_in(base, challenge_methods=[listed]),
        challenge_required("withdrawFunds", methods=[listed])(base.as_view()),
    ):
        served(made)
        assert getattr(signed_in(ada), twin)("/here/").status_code == 403
