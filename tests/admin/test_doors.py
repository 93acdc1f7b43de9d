"""Every door of a ModelAdmin: without its proof it asks, with it it opens, blocked it stays shut."""

from dataclasses import dataclass

import pytest
from django.contrib.auth.models import Group

from tests.admin.urls import Membership
from tests.conftest import newest

pytestmark = pytest.mark.security
PICK = {"_selected_action": "7", "index": "0"}
NO_ROWS = {f"User_groups-{name}": "0" for name in ("TOTAL_FORMS", "INITIAL_FORMS")}
ROW = {"User_groups-0-id": "9", "User_groups-0-group": "7"}
ONE_ROW = {"User_groups-TOTAL_FORMS": "1", "User_groups-INITIAL_FORMS": "1", **ROW}


@dataclass
class Door:
    path: str
    action: str
    data: dict | None = None  # None: GET
    first: tuple = ()  # what is asked before
    does: object = None  # what it did, read from the database
    fetch: bool = False
    deep: bool = False  # asked inside the view: closed without the middleware, but with no page

    def open(self, browser, site):
        path = f"/{site}/auth/{self.path}" if self.path.startswith("group") else f"/{site}/{self.path}"
        if self.fetch:
            return browser.fetch(path)
        return browser.get(path) if self.data is None else browser.post(path, self.data)


def named(name):
    return lambda: name in Group.objects.values_list("name", flat=True)  # MariaDB would find it in small letters too


def gone():
    return not Group.objects.filter(pk=7).exists()


SEE = ("readGroups",)
AUTOCOMPLETE = "autocomplete/?app_label=auth&model_name=user_groups&field_name=group&term=te"
LIST = {"form-TOTAL_FORMS": "1", "form-INITIAL_FORMS": "1", "form-0-id": "7", "form-0-name": "Clerks", "_save": "Save"}
MEMBERS_GONE = {**NO_ROWS, **ONE_ROW, "User_groups-0-user": "1", "User_groups-0-DELETE": "on"}
DOORS = {
    "add form": Door("group/add/", "addGroup"),
    "add": Door("group/add/", "addGroup", {"name": "New", **NO_ROWS}, does=named("New")),
    "add in a popup": Door(
        "group/add/?_popup=1", "addGroup", {"name": "New", "_popup": "1", **NO_ROWS}, does=named("New")
    ),
    "change form": Door("group/7/change/", "changeGroup", first=SEE),
    "change": Door("group/7/change/", "changeGroup", {"name": "Clerks", **NO_ROWS}, SEE, named("Clerks")),
    "save as new": Door(
        "group/7/change/", "addGroup", {"name": "Copy", "_saveasnew": "1", **NO_ROWS}, SEE, named("Copy")
    ),
    "delete form": Door("group/7/delete/", "deleteGroup", first=SEE),
    "delete": Door("group/7/delete/", "deleteGroup", {"post": "yes"}, SEE, gone),
    "delete selected": Door("group/", "deleteGroups", {"action": "delete_selected", **PICK}, SEE),
    "delete selected, confirmed": Door(
        "group/", "deleteGroups", {"action": "delete_selected", **PICK, "post": "yes"}, SEE, gone
    ),
    "delete selected, confirmed at once": Door(
        "group/", "deleteGroups", {"action": "delete_selected", "_selected_action": "7", "post": "yes"}, SEE, gone
    ),
    "delete selected, by the second menu": Door(
        "group/",
        "deleteGroups",
        {"action": ["export", "delete_selected"], "index": "1", "_selected_action": "7", "post": "yes"},
        SEE,
        gone,
    ),
    "delete selected, all of them": Door(
        "group/", "deleteGroups", {"action": "delete_selected", **PICK, "select_across": "1", "post": "yes"}, SEE, gone
    ),
    "an action": Door("group/", "shoutNames", {"action": "shout", **PICK}, SEE, named("TELLERS")),
    "a decorated action": Door(
        "group/", "whisperNames", {"action": "whisper", **PICK}, SEE, named("tellers"), deep=True
    ),
    "list_editable": Door("group/", "editNames", LIST, SEE, named("Clerks")),
    "an inline's row": Door(
        "group/7/change/",
        "changeMembers",
        {"name": "Tellers", **MEMBERS_GONE},
        (*SEE, "changeGroup"),
        lambda: not Membership.objects.filter(pk=9).exists(),
        deep=True,
    ),
    "list": Door("group/", "readGroups"),
    "history": Door("group/7/history/", "readHistory"),
    "autocomplete": Door(AUTOCOMPLETE, "findGroup", fetch=True, deep=True),
    "a URL of its own": Door("group/merge/", "mergeGroups"),
    "a URL of its own, by POST": Door("group/merge/", "mergeGroups", {"a": "b"}),
    "a URL nobody named": Door("group/split/", "changeGroup", first=SEE),
}
CASES = pytest.mark.parametrize("door", list(DOORS.values()), ids=list(DOORS))


@CASES
def test_a_door_asks_without_its_proof_and_does_nothing(at_work, membership, asked, setup, site, door):
    for action in door.first:
        at_work.pass_challenge(action)
    answer = door.open(at_work, site)
    assert not (door.does and door.does())
    if door.deep and setup == "without the middleware":
        assert answer.status_code in ((500,) if door.data is None or door.path == "group/7/change/" else (403,))
        return
    expected = 401 if door.fetch else 302 if door.data is None else 403
    assert answer.status_code == expected
    assert asked() == [door.action]


@CASES
def test_a_door_opens_with_its_proof(at_work, membership, asked, setup, site, door):
    for action in (*door.first, door.action):
        at_work.pass_challenge(action)
    answer = door.open(at_work, site)
    assert answer.status_code in (200, 302)
    assert "/authsignal" not in answer.headers.get("Location", "")
    assert door.does is None or door.does()
    assert asked() == []


@CASES
def test_a_proof_that_is_walked_opens_the_door(at_work, membership, door):
    for action in door.first:
        at_work.pass_challenge(action)
    door.open(at_work, "guarded")
    at_work.prove(newest())
    assert door.open(at_work, "guarded").status_code in (200, 302)
    assert door.does is None or door.does()


@CASES
def test_a_blocked_door_stays_shut(at_work, membership, authsignal, setup, site, door):
    for action in door.first:
        at_work.pass_challenge(action)
    authsignal.block()
    answer = door.open(at_work, site)
    deep = door.deep and setup == "without the middleware"
    assert answer.status_code in ((500, 403) if deep else (403,))
    assert not (door.does and door.does())


@CASES
def test_nobody_is_asked_who_lacks_the_permission(way_in, teller, membership, asked, site, door):
    browser = way_in(raise_request_exception=False)
    browser.force_login(teller)
    browser.pass_challenge("signIn")
    answer = door.open(browser, site)
    # A URL of the ModelAdmin's own has no permission that anybody could know of.
    own = door.path in ("group/merge/", "group/split/")
    assert asked() == ([door.action] if own else [])
    assert own or answer.status_code == 403
    assert not (door.does and door.does())


@CASES
@pytest.mark.parametrize("user", ["nobody", "a customer"])
def test_who_is_not_let_in_is_sent_to_sign_in(way_in, bob, membership, asked, door, user):
    browser = way_in(raise_request_exception=False)
    if user != "nobody":
        browser.force_login(bob)
    answer = door.open(browser, "stock")
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/stock/login/?next=")
    assert asked() == []
    assert not (door.does and door.does())


@CASES
def test_a_forged_post_is_refused_and_begins_nothing(at_work, membership, asked, door):
    if door.data is None:
        return
    at_work.handler.enforce_csrf_checks = True
    if hasattr(at_work, "_over_asgi"):
        at_work._over_asgi.handler.enforce_csrf_checks = True
    answer = door.open(at_work, "stock")
    assert answer.status_code == 403
    assert b"CSRF" in answer.content
    assert b"csrfmiddlewaretoken" not in answer.content
    assert asked() == []
