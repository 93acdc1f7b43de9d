"""Proofs for one request, permissions of objects, ways around the URLs, and mistakes of the setup."""

import pytest
from django import VERSION
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import include, path

from django_authsignal.admin import AuthsignalAdminSite, ChallengeRequiredAdminMixin
from django_authsignal.client import ConfigurationError
from django_authsignal.models import Challenge, Status
from tests.admin import urls
from tests.conftest import newest

pytestmark = pytest.mark.security


# A proof for one request


def change(permission, **data):
    fields = {"name": "Can pay", "codename": permission.codename, "content_type": permission.content_type_id}
    return f"/stock/auth/permission/{permission.pk}/change/", {**fields, **data}


def delete(permission, **data):
    return f"/stock/auth/permission/{permission.pk}/delete/", {"post": "yes", **data}


@pytest.mark.parametrize("door", [change, delete], ids=["bind", "max_age=0"])
def test_a_form_whose_proof_serves_one_request_opens_without(at_work, permission, asked, door):
    assert at_work.get(door(permission)[0]).status_code == 200
    assert asked() == []


@pytest.mark.parametrize("door", [change, delete], ids=["bind", "max_age=0"])
def test_it_is_asked_when_it_is_sent_and_serves_once(at_work, permission, asked, setup, door):
    there, data = door(permission)
    assert at_work.post(there, data).status_code == 403
    at_work.prove(newest())
    assert at_work.post(there, data).status_code == 302
    changed = Permission.objects.filter(pk=permission.pk).values_list("name", flat=True)
    assert list(changed) == (["Can pay"] if door is change else [])
    assert Challenge.objects.get(action=asked()[0]).status == Status.SPENT


@pytest.mark.parametrize("door", [change, delete], ids=["bind", "max_age=0"])
def test_a_view_that_fails_does_not_get_its_spent_proof_back(at_work, permission, asked, atomic_requests, door):
    there, data = door(permission, fail="1")
    at_work.post(there, data)
    at_work.prove(newest())
    assert at_work.post(there, data).status_code == 500
    assert at_work.post(there, data).status_code == 403
    assert Permission.objects.get(pk=permission.pk).name == "Can look"
    assert len(asked()) == 2


def test_what_was_proved_is_what_is_saved(at_work, permission, asked):
    there, data = change(permission)
    at_work.post(there, data)
    at_work.prove(newest())
    assert at_work.post(there, {**data, "name": "Can steal"}).status_code == 403
    assert Permission.objects.get(pk=permission.pk).name == "Can look"


def test_a_bound_field_that_is_missing_is_a_400(at_work, permission, asked):
    there, data = change(permission)
    assert at_work.post(there, {**data, "name": ["Can pay", "Can steal"]}).status_code == 400
    assert asked() == []


class OneByOne(ChallengeRequiredAdminMixin, admin.ModelAdmin):
    challenge_actions = {"delete_selected": {"action": "deleteGroups", "max_age": 0}}


class Owners(ChallengeRequiredAdminMixin, admin.ModelAdmin):
    """Who may change what is decided object by object."""

    fields = ["name"]
    challenge_actions = {"change": "changeGroup", "view": "readGroups"}

    def has_change_permission(self, request, obj=None):
        return obj is not None and obj.name == "Tellers"

    def has_view_permission(self, request, obj=None):
        return self.has_change_permission(request, obj)


class Plain(admin.ModelAdmin):
    fields = ["name"]


class WithMembers(admin.ModelAdmin):
    fields = ["name"]
    inlines = [urls.Members]


class Parents(admin.ModelAdmin):
    """Another admin whose view calls the guarded one's, as those of polymorphic models do."""

    def change_view(self, request, object_id, *args, **kwargs):
        return OwnSite.one.get_model_admin(Group).change_view(request, "7")

    def delete_view(self, request, object_id, *args, **kwargs):
        return OwnSite.one.get_model_admin(Group).delete_view(request, "7")

    def changelist_view(self, request, *args, **kwargs):
        guarded = OwnSite.one.get_model_admin(Group)
        if request.method == "POST":
            guarded.delete_queryset(request, Group.objects.all())
        return super().changelist_view(request, *args, **kwargs)


class OwnSite(admin.AdminSite):
    def __init__(self, name, group_admin):
        super().__init__(name)
        self.register(Group, group_admin)
        self.register(User, Parents)


OwnSite.one = OwnSite("parents", urls.GroupAdmin)
urlpatterns = [
    path("one/", OwnSite("one", OneByOne).urls),
    path("owners/", OwnSite("owners", Owners).urls),
    path("with-members/", OwnSite("with-members", WithMembers).urls),
    path("plain/", OwnSite("plain", Plain).urls),
    path("parents/", OwnSite.one.urls),
    path("bare/", include((OwnSite("bare", urls.GroupAdmin).get_model_admin(Group).get_urls(), "bare"))),
    *urls.urlpatterns,
]


@pytest.fixture
def own_urls(settings):
    settings.ROOT_URLCONF = __name__


def test_are_you_sure_does_not_spend_the_proof_of_a_deletion(at_work, group, asked, own_urls):
    picked = {"action": "delete_selected", "_selected_action": "7"}
    sure = at_work.post("/one/auth/group/", picked)
    assert (sure.status_code, b"Are you sure" in sure.content) == (200, True)
    assert at_work.post("/one/auth/group/", {**picked, "post": "yes"}).status_code == 403
    at_work.prove(newest())
    assert at_work.post("/one/auth/group/", {**picked, "post": "yes"}).status_code == 302
    assert not Group.objects.exists()
    assert asked() == ["deleteGroups"]


# Permissions


@pytest.fixture
def owner(way_in, teller, group):
    browser = way_in()
    browser.force_login(teller)
    return browser


@pytest.mark.parametrize("method", ["get", "post"])
def test_who_may_change_this_object_is_asked(owner, asked, own_urls, method):
    owner.pass_challenge("readGroups")
    getattr(owner, method)("/owners/auth/group/7/change/", {"name": "New"})
    assert asked() == ["changeGroup"]
    assert not Group.objects.filter(name="New").exists()


@pytest.mark.parametrize("method", ["get", "post"])
def test_who_may_change_another_object_is_not(owner, asked, own_urls, method):
    other = Group.objects.create(name="Directors")
    answer = getattr(owner, method)(f"/owners/auth/group/{other.pk}/change/", {"name": "New"})
    assert answer.status_code == 403
    assert asked() == []


def test_a_fresh_pass_costs_no_query(new_browser, ada, group, own_urls):
    browser = new_browser()
    browser.force_login(ada)
    for action in ("readGroups", "changeGroup"):
        browser.pass_challenge(action)
    counts = []
    for site in ("plain", "plain", "owners"):  # the first one also fills Django's caches
        with CaptureQueriesContext(connection) as queries:
            assert browser.get(f"/{site}/auth/group/7/change/").status_code == 200
        counts.append(len(queries))
    assert counts[1] == counts[2]


# Ways around the URLs


@pytest.mark.parametrize(
    ("page", "data"),
    [
        (
            "/parents/auth/user/1/change/",
            {"name": "New", "User_groups-TOTAL_FORMS": "0", "User_groups-INITIAL_FORMS": "0"},
        ),
        ("/parents/auth/user/1/delete/", {"post": "yes"}),
        ("/parents/auth/user/", {"post": "yes"}),
        ("/bare/7/change/", {"name": "New", "User_groups-TOTAL_FORMS": "0", "User_groups-INITIAL_FORMS": "0"}),
        ("/bare/7/delete/", {"post": "yes"}),
    ],
)
def test_a_view_that_is_called_from_elsewhere_asks_before_it_saves(at_work, group, asked, own_urls, setup, page, data):
    answer = at_work.post(page, data)
    assert Group.objects.filter(name="Tellers").exists()
    if setup == "without the middleware":
        assert answer.status_code == 500
        return
    assert answer.status_code == 403
    assert asked() in (["changeGroup"], ["deleteGroup"])
    at_work.prove(newest())
    assert at_work.post(page, data).status_code in (200, 302)
    assert "Tellers" not in Group.objects.values_list("name", flat=True)


def test_the_password_of_a_user_is_one_of_the_doors(at_work, asked, ada):
    there = f"/stock/auth/user/{ada.pk}/password/"
    assert at_work.get(there).status_code == 302
    assert at_work.post(there, {"password1": "a new secret", "password2": "a new secret"}).status_code == 403
    assert set(asked()) == {"changeUser"}
    assert User.objects.get(pk=ada.pk).check_password("correct horse")


@pytest.mark.parametrize("page", ["add/", "1/change/", "1/delete/"])
def test_one_action_covers_all_that_changes(at_work, asked, page):
    at_work.get(f"/stock/auth/user/{page}".replace("/1/", f"/{User.objects.get().pk}/"))
    assert asked() == ["changeUser"]


def test_and_nothing_that_looks(at_work, asked):
    assert at_work.get("/stock/auth/user/").status_code == 200
    assert asked() == []


@pytest.mark.skipif(VERSION < (6, 1), reason="Django has no actions on the change form before 6.1")
def test_an_action_of_the_change_form_asks(at_work, group, asked, setup):
    for action in ("readGroups", "changeGroup"):
        at_work.pass_challenge(action)
    chosen = {"CHANGE_FORM-action": "shout", "_selected_action": "7"}
    assert at_work.post("/stock/auth/group/7/change/", chosen).status_code == 403
    assert asked() == ["shoutNames"]
    at_work.prove(newest())
    assert at_work.post("/stock/auth/group/7/change/", chosen).status_code == 302
    assert Group.objects.get().name == "TELLERS"


@pytest.mark.parametrize("page", ["careless/", "async/"])
def test_a_url_that_asks_is_for_those_whom_the_site_lets_in(way_in, at_work, asked, setup, page):
    if (setup, page) == ("atomic", "async/"):
        return  # Django itself refuses async views under ATOMIC_REQUESTS
    there = f"/stock/auth/group/{page}"
    assert way_in().get(there).headers["Location"].startswith("/stock/login/")
    at_work.pass_challenge("readGroups")
    assert at_work.get(there).status_code == 302
    assert asked() == ["changeGroup"]
    at_work.prove(newest())
    assert at_work.get(there).content == b"done"


def test_a_url_that_is_exempted_is_not_asked(at_work, asked):
    assert at_work.get("/stock/auth/group/count/").content == b"done"
    assert asked() == []


def test_an_action_that_is_exempted_is_not_asked(at_work, group, asked):
    at_work.pass_challenge("readGroups")
    done = at_work.post("/stock/auth/group/", {"action": "export", "_selected_action": "7", "index": "0"})
    assert done.json() == {"names": ["Tellers"]}
    assert asked() == []


def test_going_with_no_action_is_not_asked(at_work, group, asked):
    at_work.pass_challenge("readGroups")
    assert at_work.post("/stock/auth/group/", {"action": "", "_selected_action": "7", "index": "0"}).status_code == 302
    assert asked() == []


def test_a_form_that_changes_no_row_of_an_inline_does_not_ask_for_it(at_work, membership, asked, ada):
    for action in ("readGroups", "changeGroup"):
        at_work.pass_challenge(action)
    row = {"User_groups-0-id": "9", "User_groups-0-group": "7", "User_groups-0-user": str(ada.pk)}
    rows = {"User_groups-TOTAL_FORMS": "1", "User_groups-INITIAL_FORMS": "1", **row}
    assert at_work.post("/stock/auth/group/7/change/", {"name": "Clerks", **rows}).status_code == 302
    assert asked() == []


@pytest.mark.parametrize("row", [{"User_groups-0-DELETE": "on"}, {"User_groups-0-user": "2"}], ids=["gone", "changed"])
def test_an_inline_asks_under_a_parent_that_does_not(at_work, membership, bob, asked, own_urls, row):
    row = {key: str(bob.pk) if key.endswith("user") else value for key, value in row.items()}
    data = dict.fromkeys(urls.MEMBERSHIP, "1") | {"User_groups-0-id": "9", "User_groups-0-group": "7"}
    data |= {"name": "Clerks", "User_groups-0-DELETE": "", "User_groups-0-user": str(membership.user_id), **row}
    there = "/with-members/auth/group/7/change/"
    assert at_work.get(there).status_code == 200
    assert at_work.post(there, data).status_code == 403
    assert asked() == ["changeMembers"]
    assert (Group.objects.get().name, urls.Membership.objects.get().user_id) == ("Tellers", membership.user_id)
    at_work.prove(newest())
    assert at_work.post(there, data).status_code == 302
    assert not urls.Membership.objects.filter(user_id=membership.user_id).exists()


def test_an_inlines_new_row_asks(at_work, group, ada, asked, own_urls):
    data = {"name": "Clerks", "User_groups-TOTAL_FORMS": "1", "User_groups-INITIAL_FORMS": "0"}
    data |= {"User_groups-0-id": "", "User_groups-0-group": "7", "User_groups-0-user": str(ada.pk)}
    assert at_work.post("/with-members/auth/group/7/change/", data).status_code == 403
    assert asked() == ["changeMembers"]
    assert not urls.Membership.objects.exists()


# Rolling out


@pytest.mark.parametrize(
    ("page", "data", "action"),
    [
        ("group/7/change/", {"name": "Clerks"}, "changeGroup"),
        ("group/7/delete/", {"post": "yes"}, "deleteGroup"),
        ("group/", {"action": "delete_selected", "_selected_action": "7", "post": "yes"}, "deleteGroups"),
        ("group/", {"action": "shout", "_selected_action": "7", "index": "0"}, "shoutNames"),
        ("group/", {"action": "whisper", "_selected_action": "7", "index": "0"}, "whisperNames"),
    ],
)
def test_observing_stops_nobody_and_tells_what_would_have_been_asked(
    at_work, group, asked, settings, page, data, action
):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ENFORCE": "observe"}
    data |= {"User_groups-TOTAL_FORMS": "0", "User_groups-INITIAL_FORMS": "0"}
    assert at_work.post(f"/stock/auth/{page}", data).status_code == 302
    assert "Tellers" not in Group.objects.values_list("name", flat=True)
    assert action in asked()


# What a waiting page shows again


PRIVATE = "kept to oneself"


@pytest.mark.parametrize(
    ("page", "data"),
    [
        ("user/1/password/", {"password1": PRIVATE, "password2": PRIVATE, "usable_password": "true"}),
        ("user/add/", {"username": "zoe", "password1": PRIVATE, "password2": PRIVATE}),
        ("group/", {"action": "whisper", "_selected_action": "7", "index": "0", "note": PRIVATE}),
        ("group/7/change/", {"name": "Tellers", **dict.fromkeys(urls.MEMBERSHIP, "1"), "User_groups-0-user": PRIVATE}),
    ],
)
def test_it_shows_no_password_and_no_field_beyond_resend(at_work, membership, asked, ada, atomic_requests, page, data):
    for action in ("readGroups", "changeGroup"):
        at_work.pass_challenge(action)
    if "password1" not in data:
        data |= {"User_groups-0-id": "9", "User_groups-0-group": "7", "User_groups-0-DELETE": "on"}
    stopped = at_work.post(f"/stock/auth/{page}".replace("/1/", f"/{ada.pk}/"), data)
    assert stopped.status_code == 403
    assert b"csrfmiddlewaretoken" in stopped.content
    assert PRIVATE.encode() not in stopped.content
    assert len(asked()) == 1


# Mistakes


def test_the_mixin_after_model_admin_is_an_error():
    with pytest.raises(ConfigurationError, match="before ModelAdmin"):
        type("Wrong", (admin.ModelAdmin, ChallengeRequiredAdminMixin), {})


@pytest.mark.parametrize(
    "attributes",
    [
        {"challenge_action": "no good"},
        {"challenge_actions": {"delete": "no good"}},
        {"challenge_actions": {"delete": 7}},
        {"challenge_actions": {"delete": {"max_age": 0}}},
        {"challenge_actions": {"delete": {"action": "deleteGroup", "age": 0}}},
        {"challenge_actions": {"delete": {"action": "deleteGroup", "max_age": 10_000}}},
        {"challenge_actions": {"delete": {"action": "deleteGroup", "bind": "name"}}},
        {"challenge_actions": ["delete"]},
    ],
)
def test_what_nobody_could_ask_is_an_error_that_names_the_place(attributes):
    with pytest.raises(ConfigurationError, match=r"Wrong\.challenge_action"):
        type("Wrong", (ChallengeRequiredAdminMixin, admin.ModelAdmin), attributes)


def test_a_key_that_opens_no_door_is_a_check_error_that_names_the_nearest(settings):
    class Typo(ChallengeRequiredAdminMixin, admin.ModelAdmin):
        challenge_actions = {"delet": "deleteGroup"}

    found = Typo(Group, urls.stock).check()
    assert [(one.id, one.hint) for one in found] == [("authsignal.E006", "Did you mean 'delete'?")]


@pytest.mark.parametrize("model", [Group, User, Permission])
def test_sound_admins_pass_the_checks(model):
    assert urls.stock.get_model_admin(model).check() == []


def test_an_inlines_key_that_opens_no_door_is_one_too():
    class Rows(ChallengeRequiredAdminMixin, admin.TabularInline):
        model = urls.Membership
        challenge_actions = {"history": "readHistory"}

    assert [one.id for one in Rows(Group, urls.stock).check()] == ["authsignal.E006"]


def test_a_guarded_site_is_still_a_site_of_djangos():
    assert isinstance(urls.guarded, AuthsignalAdminSite)
    assert isinstance(urls.guarded, admin.AdminSite)
