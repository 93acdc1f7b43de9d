"""The checks about people: who could point codes to another address without a step-up, and what cannot work."""

import types

import pytest
from django.contrib.auth import get_user_model
from django.core.checks import Error, Warning, run_checks
from django.forms import modelform_factory
from django.http import HttpResponse
from django.urls import include, path
from django.views.generic import CreateView, DetailView, UpdateView

from django_authsignal import address_views
from django_authsignal.decorators import challenge_required
from django_authsignal.mixins import ChallengeRequiredMixin
from django_authsignal.models import Challenge

from .conftest import FIELD

User = get_user_model()
pytestmark = pytest.mark.django_db
Form = modelform_factory(User, fields=["email", "first_name"])
Names = modelform_factory(User, fields=["first_name"])
Other = modelform_factory(Challenge, fields=["action"])


def found():
    return {item.id: item for item in run_checks() if item.id.startswith("authsignal.")}


def unguarded(*views):
    patterns = [path(f"account/{number}/", view) for number, view in enumerate(views)]
    return [route for route, _ in address_views.unguarded(patterns)]


class Profile(UpdateView):
    form_class = Form


class ByFields(UpdateView):
    model = User
    fields = ("email",)


class ByQueryset(UpdateView):
    queryset = User.objects.all()
    fields = "__all__"


class GuardedProfile(ChallengeRequiredMixin, Profile):
    challenge_action = "changeEmail"


@pytest.mark.parametrize(
    "view",
    [
        Profile.as_view(),
        ByFields.as_view(),
        ByQueryset.as_view(),
        UpdateView.as_view(form_class=Form),
        UpdateView.as_view(model=User, fields=["email"]),
    ],
)
def test_a_view_that_changes_the_address_is_named(view):
    assert unguarded(view) == ["/account/0/"]


@pytest.mark.parametrize(
    "view",
    [
        UpdateView.as_view(form_class=Names),
        UpdateView.as_view(form_class=Other),
        UpdateView.as_view(model=Challenge, fields=["action"]),
        CreateView.as_view(form_class=Form),
        DetailView.as_view(model=User),
        lambda request: HttpResponse(),
    ],
)
def test_a_view_that_changes_none_is_not(view):
    assert unguarded(view) == []


@pytest.mark.parametrize(
    "view", [challenge_required("changeEmail")(Profile.as_view()), GuardedProfile.as_view()], ids=["decorator", "mixin"]
)
def test_a_view_that_asks_is_not_named(view):
    assert unguarded(view) == []


def test_views_of_included_urls_are_seen():
    patterns = [path("a/", include(([path("b/", Profile.as_view())], "x"), namespace="x"))]
    assert [route for route, _ in address_views.unguarded(patterns)] == ["/a/b/"]


@pytest.fixture
def urlconf(settings, monkeypatch):
    """A project with an unguarded page of one's own address."""
    module = types.ModuleType("people_urls")
    module.urlpatterns = [
        path("authsignal/", include("django_authsignal.urls")),
        path("account/", Profile.as_view()),
    ]
    monkeypatch.setitem(__import__("sys").modules, "people_urls", module)
    settings.ROOT_URLCONF = "people_urls"


def test_an_unguarded_address_is_a_warning_where_addresses_are_told(urlconf, configure):
    assert "authsignal.W016" not in found()
    configure(VERIFIED_EMAIL=FIELD)
    item = found()["authsignal.W016"]
    assert isinstance(item, Warning)
    assert "/account/ changes where Authsignal sends codes" in item.msg
    assert "challenge_required" in item.hint


def test_opaque_ids_without_their_secret_are_an_error(configure):
    configure(USER_ID="django_authsignal.identity.opaque_id")
    item = found()["authsignal.E008"]
    assert isinstance(item, Error)
    assert "token_urlsafe" in item.hint
    configure(USER_ID_SECRET="x" * 40)
    assert "authsignal.E008" not in found()


def test_following_users_of_many_tenants_is_a_warning(configure):
    configure(API_SECRET_KEY=lambda request: "k")
    assert "authsignal.W015" not in found()
    configure(SYNC_USERS=True)
    assert "authsignal_sync_users" in found()["authsignal.W015"].hint
