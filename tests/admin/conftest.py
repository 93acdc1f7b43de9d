"""A superuser with a proved sign-in, on both handlers, and the three ways a project can be set up."""

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connections

from tests.admin.urls import Membership
from tests.conftest import AsgiBrowser

MIDDLEWARE = "django_authsignal.middleware.AuthsignalMiddleware"


@pytest.fixture(autouse=True)
def _project(settings):
    settings.ROOT_URLCONF = "tests.admin.urls"
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "django.contrib.admindocs"]
    settings.AUTHSIGNAL = {"API_SECRET_KEY": "test_secret_key", "ACTIONS": {"addGroup": {"LABEL": "Add a group"}}}


@pytest.fixture
def atomic_requests(db):
    connections["default"].settings_dict["ATOMIC_REQUESTS"] = True
    yield
    connections["default"].settings_dict["ATOMIC_REQUESTS"] = False


@pytest.fixture(params=["as usual", "atomic", "without the middleware"])
def setup(request, settings):
    if request.param == "atomic":
        request.getfixturevalue("atomic_requests")
    if request.param == "without the middleware":
        settings.MIDDLEWARE = [path for path in settings.MIDDLEWARE if path != MIDDLEWARE]
    return request.param


@pytest.fixture
def site(request, setup):
    """The guarded site, or Django's own with the same guarded models: both under each handler and each set-up."""
    over_asgi = request.node.callspec.params["way_in"] is AsgiBrowser
    return "guarded" if over_asgi == (setup == "atomic") else "stock"


@pytest.fixture
def group(db):
    return Group.objects.create(pk=7, name="Tellers")


@pytest.fixture
def membership(group, ada):
    return Membership.objects.create(pk=9, user=ada, group=group)


@pytest.fixture
def permission(db):
    found = Permission.objects.order_by("pk").first()
    found.name = "Can look"
    found.save()
    return found


@pytest.fixture
def ada(db):
    return User.objects.create_superuser("ada", "ada@example.com", "correct horse")


@pytest.fixture
def teller(db):
    """Staff without any permission."""
    return User.objects.create_user("teller", is_staff=True)


@pytest.fixture
def at_work(way_in, ada):
    """A browser with a superuser whose sign-in was proved; it answers a crash with 500, as a server does."""
    browser = way_in(raise_request_exception=False)
    browser.force_login(ada)
    browser.pass_challenge("signIn")
    return browser


@pytest.fixture
def asked(authsignal):
    """The actions that were tracked at Authsignal so far."""
    return lambda: [call.action for call in authsignal.calls if call.operation == "track"]
