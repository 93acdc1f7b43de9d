"""Every door of a project, with what it asks and who says so."""

import subprocess
import sys

import pytest

from django_authsignal.coverage import read
from django_authsignal.coverage.doors import text_of, walk

pytestmark = pytest.mark.urls("tests.policies.urls")


@pytest.fixture(scope="module")
def _actions():
    from django.conf import settings
    from django.test import override_settings

    with override_settings(AUTHSIGNAL={**settings.AUTHSIGNAL, "ENFORCE": "observe"}):
        yield


@pytest.fixture(scope="module")
def doors(_actions):
    return read("tests.policies.urls").doors


def at(doors, url, method=None):
    found = [door for door in doors if door.url == url and (method is None or door.methods == (method,))]
    assert found, f"{url} is not listed"
    return found


def asked(doors, url, method=None):
    return {(one.action, one.by) for door in at(doors, url, method) for one in door.asks}


@pytest.mark.parametrize(
    ("url", "method", "expected"),
    [
        ("/withdraw/", None, {("withdrawFunds", "decorator")}),
        ("/members/", None, {("signIn", "login_required")}),
        ("/payload/", None, set()),
        ("/deep/", None, {("closeAccount", "code")}),
        ("/transfer/", "GET", set()),
        ("/transfer/", "POST", {("withdrawFunds", "mixin")}),
        ("/one-method/", "GET", set()),
        ("/one-method/", "POST", {("withdrawFunds", "decorator")}),
        ("/whole/", "GET", {("withdrawFunds", "decorator")}),
        ("/deep-in-post/", "POST", {("closeAccount", "code")}),
        ("/deep-in-post/", "DELETE", set()),
        ("/shop/pay/", None, {("payInvoice", "decorator")}),
        ("/guarded/confirm/<int:pk>/", None, {("withdrawFunds", "include")}),
        ("/login/", "POST", {("signIn", "backend")}),
        ("/api/users/<pk>/", "DELETE", {("deleteUser", "mixin")}),
        ("/api/users/<pk>/", "PUT", set()),
        ("/api/users/<pk>/reset_password/", "POST", set()),
        ("/api/keys/", "POST", set()),
        ("/api/above/", "POST", {("withdrawFunds", "decorator")}),
        ("/api/below/", "POST", {("withdrawFunds", "decorator")}),
        ("/office/login/", None, {("signIn", "backend")}),
        ("/<language>/remove/", None, set()),
        ("/people/<pk>/now/gone/", "POST", set()),
    ],
)
def test_a_door_and_what_it_asks(doors, url, method, expected):
    assert asked(doors, url, method) == expected


def test_what_is_asked_is_said_in_full(doors):
    (door,) = at(doors, "/shop/pay/")
    (one,) = door.asks
    assert (one.max_age, one.methods, one.bind, one.enforce) == (900, None, ("amount", "payee"), "observe")
    assert (one.on_allow, one.unenrolled, one.on_unreachable) == ("deny", "deny", "deny")
    assert one.http_methods == ("POST", "PUT", "PATCH", "DELETE")
    assert (door.name, door.view, door.kind) == ("shop:pay", "tests.policies.urls.pay", "function")
    assert door.where.startswith("tests/policies/urls.py:")


def test_a_narrowed_age_is_the_one_that_counts(doors):
    assert [one.max_age for door in at(doors, "/withdraw/") for one in door.asks] == [60]


def test_names_have_their_namespaces(doors):
    assert [door.name for door in at(doors, "/shop/inner/confirm/<int:pk>/")] == ["shop:inner:confirm"]


@pytest.mark.parametrize(("url", "methods"), [("/delete-account/", ["POST"]), ("/delete-preview/", ["GET"])])
def test_the_methods_that_a_function_lets_through_are_known(doors, url, methods):
    assert [list(door.methods) for door in at(doors, url)] == [methods]


def test_a_classs_methods_are_doors_of_their_own(doors):
    assert [door.methods for door in at(doors, "/one-method/")] == [("GET",), ("POST",), ("DELETE",)]


def test_the_doors_of_an_admin(doors):
    views = {(door.methods, door.view.rpartition(": ")[2]) for door in doors if "/office/auth/user/" in door.url}
    assert views == {
        (("GET",), "view"),
        (("POST",), "list_editable"),
        (("POST",), "delete_selected"),
        (("POST",), "refund"),
        (("POST",), "add"),
        (("POST",), "change"),
        (("POST",), "delete"),
        (("GET",), "history"),
    }


@pytest.mark.parametrize(
    ("url", "method", "door", "expected"),
    [
        ("", "GET", "view", "readUsers"),
        ("", "POST", "list_editable", "manageUsers"),
        ("", "POST", "delete_selected", "deleteUser"),
        ("", "POST", "refund", None),
        ("add/", "POST", "add", "manageUsers"),
        ("<path:object_id>/change/", "POST", "change", "manageUsers"),
        ("<path:object_id>/delete/", "POST", "delete", "deleteUser"),
        ("<path:object_id>/history/", "GET", "history", "readUsers"),
    ],
)
def test_what_each_door_of_a_guarded_admin_asks(doors, url, method, door, expected):
    (found,) = [one for one in at(doors, f"/guarded-office/auth/user/{url}", method) if one.view.endswith(f": {door}")]
    actions = {(one.action, one.by) for one in found.asks}
    assert actions == {("signIn", "admin"), *([(expected, "admin")] if expected else [])}


def test_every_page_of_a_guarded_site_but_its_sign_in_asks(doors):
    pages = [door for door in doors if door.url.startswith("/guarded-office/") and "/auth/" not in door.url]
    free = {door.url for door in pages if ("signIn", "admin") not in {(one.action, one.by) for one in door.asks}}
    assert free == {"/guarded-office/login/", "/guarded-office/logout/"}


def test_what_an_admin_lets_nobody_do_is_no_door(doors):
    assert {door.view.rpartition(": ")[2] for door in doors if "/office/auth/group/" in door.url} == {"view", "history"}


def test_what_cannot_be_imported_is_a_door_with_a_fault(doors):
    (door,) = at(doors, "/lazy/")
    assert door.fault == "ModuleNotFoundError: No module named 'no'"


def test_a_urlconf_that_cannot_be_imported_is_told():
    report = read("no.such.urls")
    assert report.fails
    assert "the urlconf 'no.such.urls' cannot be imported: ModuleNotFoundError" in report.faults[0].fault


class Odd:
    """A view that answers questions about itself by an error."""

    def __call__(self, request):
        """A view."""

    def __getattr__(self, name):
        raise RuntimeError(f"no {name}")


def test_a_view_that_cannot_be_read_is_told():
    import types

    from django.urls import path

    urlconf = types.ModuleType("odd_urls")
    urlconf.urlpatterns = [path("odd/", Odd())]
    assert [(door.url, door.fault) for door in read(urlconf).faults] == [("/odd/", "RuntimeError: no view_class")]


@pytest.mark.parametrize("exempt", [False, True])
def test_the_middleware_that_asks_of_every_session_is_named(settings, exempt):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django_authsignal.middleware.SignInChallengeMiddleware"]
    url = "/login/" if exempt else "/payload/"
    by = {one.by for door in at(read().doors, url, "GET" if exempt else None) for one in door.asks}
    assert by == (set() if exempt else {"SignInChallengeMiddleware"})


@pytest.mark.parametrize(
    ("regex", "text"),
    [
        (r"^users/(?P<pk>\d+)/$", "users/<pk>/"),
        (r"^a/(\d+)/(?:b/)?c/$", "a/<value>/b/c/"),
        (r"^x/(?P<slug>(a|b)+)/\Z", "x/<slug>/"),
        (r"^file\.json$", "file.json"),
        (r"^(?P<one>[^()]+)$", "<one>"),
    ],
)
def test_a_regular_expression_reads_as_an_address(regex, text):
    from django.urls import re_path

    assert text_of(re_path(regex, lambda request: None).pattern) == text


def test_what_is_no_pattern_is_told():
    assert [found.fault for found in walk([object()])] == [
        "AttributeError: 'object' object has no attribute 'url_patterns'"
    ]


def test_frameworks_that_are_not_used_are_not_imported():
    code = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.policies.small"
import django
django.setup()
from django.core.management import call_command
call_command("authsignal_policies", coverage=True)
loaded = {name.partition(".")[0] for name in sys.modules}
assert not loaded & {"rest_framework", "ninja", "allauth", "knox", "hijack"}, loaded
assert "django.contrib.admin.sites" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("url", "method", "expected"),
    [
        ("/ninja/below/", "POST", {("withdrawFunds", "decorator")}),
        ("/ninja/mixed/", "GET", set()),
        ("/ninja/mixed/", "POST", {("withdrawFunds", "decorator")}),
        ("/ninja/token/", "POST", {("signIn", "decorator")}),
        ("/ninja-guarded/one/", "POST", {("withdrawFunds", "decorator")}),
        ("/ninja-included/one/", "POST", {("withdrawFunds", "include")}),
        ("/ninja-async/mixed/", "POST", {("withdrawFunds", "decorator")}),
    ],
)
def test_an_operation_of_ninja_and_what_it_asks(url, method, expected):
    assert asked(read("tests.contrib.ninja_urls").doors, url, method) == expected


def test_an_operation_that_looks_sensitive_is_named_and_one_that_issues_tokens_by_the_gate_is_not():
    urls = {door.url for gap in read("tests.contrib.ninja_urls").gaps for door in gap.doors}
    assert not {"/ninja/token/", "/ninja-async/token/"} & urls
