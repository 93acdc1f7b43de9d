"""The admin's log names what was proved, and the history page leads to the ledger."""

import json
import uuid

import pytest
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.auth.models import Group, User

from django_authsignal.admin import challenge_ids
from django_authsignal.admin.history import add_challenges
from django_authsignal.enforcement import gate
from django_authsignal.models import Challenge
from tests.conftest import newest

NO_ROWS = {"User_groups-TOTAL_FORMS": "0", "User_groups-INITIAL_FORMS": "0"}
PICK = {"_selected_action": "7", "index": "0"}
WRITTEN = {
    "add": ("group/add/", {"name": "New", **NO_ROWS}, "addGroup"),
    "change": ("group/7/change/", {"name": "Clerks", **NO_ROWS}, "changeGroup"),
    "delete": ("group/7/delete/", {"post": "yes"}, "deleteGroup"),
    "delete selected": ("group/", {"action": "delete_selected", **PICK, "post": "yes"}, "deleteGroups"),
    "an action, whose message is text": ("group/", {"action": "shout", **PICK}, "shoutNames"),
}


@pytest.fixture
def signed_in(new_browser, ada):
    browser = new_browser()
    browser.force_login(ada)
    for action in ("signIn", "readGroups", "readHistory"):
        browser.pass_challenge(action)
    return browser


def change(browser, **data):
    browser.pass_challenge("changeGroup")
    browser.post("/stock/auth/group/7/change/", {"name": "Clerks", **NO_ROWS, **data})
    return newest()


@pytest.mark.parametrize("what", WRITTEN)
def test_an_entry_names_the_challenge_that_was_proved_for_it(signed_in, group, what):
    page, data, action = WRITTEN[what]
    signed_in.post(f"/stock/auth/{page}", data)
    signed_in.prove(newest())
    row = newest()
    assert signed_in.post(f"/stock/auth/{page}", data).status_code == 302
    assert row.pk in challenge_ids(LogEntry.objects.get())
    assert row.action == action


def test_each_of_many_deleted_together_names_it(signed_in, group):
    other = Group.objects.create(pk=8)
    signed_in.pass_challenge("deleteGroups")
    picked = {"action": "delete_selected", "_selected_action": [group.pk, other.pk], "post": "yes"}
    signed_in.post("/stock/auth/group/", picked)
    assert [newest().pk in challenge_ids(entry) for entry in LogEntry.objects.all()] == [True, True]


def test_a_proof_of_one_request_is_named(signed_in, permission):
    there = f"/stock/auth/permission/{permission.pk}/delete/"
    signed_in.post(there, {"post": "yes"})
    signed_in.prove(newest())
    signed_in.post(there, {"post": "yes"})
    assert challenge_ids(LogEntry.objects.get()) == [newest().pk]


def test_an_allow_without_a_challenge_is_named_too(signed_in, group, authsignal, settings):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ON_ALLOW": "pass"}
    authsignal.allow()
    signed_in.post("/stock/auth/group/7/delete/", {"post": "yes"})
    assert newest().pk in challenge_ids(LogEntry.objects.get())


def test_beside_a_step_up_the_sign_in_is_not_named(signed_in, ada):
    signed_in.pass_challenge("changeUser")
    signed_in.post("/guarded/auth/user/add/", {"username": "zoe", "usable_password": "false"})
    assert challenge_ids(LogEntry.objects.get()) == [newest().pk]


def test_where_no_step_up_was_asked_for_it_is(new_browser, ada, permission):
    browser = new_browser()
    browser.force_login(ada)
    browser.pass_challenge("signIn")
    data = {"name": "Can fly", "codename": "fly", "content_type": permission.content_type_id}
    browser.post("/guarded/auth/permission/add/", data)
    assert challenge_ids(LogEntry.objects.get()) == [newest().pk]
    assert newest().action == "signIn"


def test_django_renders_the_entry_as_before(signed_in, group):
    change(signed_in)
    entry = LogEntry.objects.get()
    assert entry.get_change_message() == "Changed Name."
    assert str(entry) == "Changed “Clerks” — Changed Name."


def test_an_entry_without_changes_is_rendered_as_before(signed_in, group):
    change(signed_in, name="Tellers")
    assert LogEntry.objects.get().get_change_message() == "No fields changed."


def history(browser, site="stock"):
    return browser.get(f"/{site}/auth/group/7/history/").content.decode()


def test_the_history_links_to_the_ledger(signed_in, group):
    row = change(signed_in)
    link = f'<a href="/stock/django_authsignal/challenge/{row.pk}/change/">Change group</a>'
    assert link in history(signed_in)
    assert signed_in.get(f"/stock/django_authsignal/challenge/{row.pk}/change/").status_code == 200


def test_the_link_stays_on_its_site(signed_in, group):
    row = change(signed_in)
    assert f'href="/guarded/django_authsignal/challenge/{row.pk}/change/"' in history(signed_in, "guarded")


def test_who_may_not_read_the_ledger_gets_no_link(signed_in, group, ada, new_browser):
    row = change(signed_in)
    reader = User.objects.create_user("reader", is_staff=True)
    reader.user_permissions.add(*reader.user_permissions.model.objects.filter(codename="view_group"))
    browser = new_browser()
    browser.force_login(reader)
    browser.pass_challenge("readHistory")
    page = history(browser)
    assert "What was proved" in page
    assert str(row.pk) not in page


def test_a_history_in_which_nothing_was_proved_is_djangos_own(signed_in, group, ada):
    LogEntry.objects.log_actions(ada.pk, [group], 2, [{"changed": {"fields": ["Name"]}}], single_object=True)
    page = history(signed_in)
    assert "Changed Name." in page
    assert "What was proved" not in page


@pytest.mark.security
def test_a_message_cannot_borrow_the_proof_of_somebody_else(signed_in, group, ada, bob):
    row = change(signed_in)
    LogEntry.objects.all().delete()
    LogEntry.objects.log_actions(bob.pk, [group], 2, f"Note: harmless [authsignal {row.pk}]", single_object=True)
    assert str(row.pk) not in history(signed_in).replace(f"[authsignal {row.pk}]", "")


OTHERS = ["", "Approved", "[", "[]", "[1]", '["authsignal"]', '[{"authsignal": 1}]', '[{"authsignal": {"a": "b"}}]']
OTHERS += ["{}", '[{"authsignal": {"a": null}}]', "[authsignal x]", "[authsignal 12, 34]", "[" * 2000]


@pytest.mark.parametrize("message", OTHERS)
def test_any_other_message_names_nothing(signed_in, group, ada, message):
    entry = LogEntry(user=ada, action_flag=2, change_message=message)
    assert challenge_ids(entry) == []


def test_what_let_a_request_in_is_there_for_records_of_ones_own(signed_in, group):
    row = change(signed_in)
    entry = LogEntry.objects.get()
    items = json.loads(entry.change_message)
    assert items[-1]["authsignal"]["changeGroup"] == str(row.pk)
    assert Challenge.objects.filter(pk__in=challenge_ids(entry)).count() == 2


def test_a_database_that_does_not_say_what_it_wrote_is_served_too(rf, group, ada):
    request = rf.post("/")
    gate(request).challenges["changeGroup"] = pk = str(uuid.uuid4())
    written = LogEntry.objects.log_actions(ada.pk, [group, ada], DELETION)
    for entry in written:
        entry.pk = None  # as bulk_create() leaves it on MySQL
    add_challenges(request, written)
    assert [challenge_ids(entry) for entry in LogEntry.objects.all()] == [[uuid.UUID(pk)], [uuid.UUID(pk)]]
