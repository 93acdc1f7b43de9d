"""What a member of staff does in a themed admin. Run by test_themes.py, in a process of its own."""

import pytest
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.core.checks import run_checks

from tests.conftest import PASSWORD, newest

MARK = {"unfold": "unfold/css", "jazzmin": "jazzmin/css"}[settings.THEME]


@pytest.fixture
def group(db):
    return Group.objects.create(pk=7, name="Tellers")


@pytest.fixture
def proved(new_browser, group):
    browser = new_browser()
    browser.force_login(User.objects.create_superuser("ada", "ada@example.com", PASSWORD))
    browser.pass_challenge("signIn")
    return browser


def page(browser, path):
    answer = browser.get(f"/admin/{path}")
    text = answer.content.decode()
    assert (answer.status_code, MARK in text) == (200, True)
    return text


def test_the_checks_are_silent(db):
    assert [one for one in run_checks() if "authsignal" in str(one.id) or "admin" in str(one.id)] == []


def test_its_sign_in_asks_for_the_proof(new_browser, proved):
    browser = new_browser()
    assert 'name="password"' in page(browser, "login/")
    there = browser.post("/admin/login/", {"username": "ada", "password": PASSWORD})
    assert browser.user_pk is None
    assert "Sign in" in browser.get(there.headers["Location"]).content.decode()
    assert browser.prove().headers["Location"] == "/admin/"
    page(browser, "")


def test_a_session_without_a_proved_sign_in_is_asked(new_browser, proved):
    browser = new_browser()
    browser.force_login(User.objects.get())
    assert browser.get("/admin/auth/group/").status_code == 302
    assert newest().action == "signIn"


def test_its_list_and_its_forms_are_shown(proved):
    assert "Tellers" in page(proved, "auth/group/")
    assert proved.get("/admin/auth/group/7/change/").status_code == 302
    proved.prove(newest())
    assert 'value="Tellers"' in page(proved, "auth/group/7/change/")
    assert 'name="post"' in page(proved, "auth/group/7/delete/")
    assert 'name="name"' in page(proved, "auth/group/add/")


def test_its_forms_save_with_the_proof_alone(proved):
    there = "/admin/auth/group/7/change/"
    waiting = proved.post(there, {"name": "Clerks"})
    assert waiting.status_code == 403
    assert "Change group" in waiting.content.decode()
    proved.prove(newest())
    assert proved.post(there, {"name": "Clerks"}).status_code == 302
    assert Group.objects.get().name == "Clerks"


def test_deleting_those_ticked_asks(proved):
    picked = {"action": "delete_selected", "_selected_action": "7", "post": "yes"}
    assert proved.post("/admin/auth/group/", picked).status_code == 403
    assert Group.objects.exists()


def test_its_history_links_to_the_ledger(proved):
    proved.pass_challenge("changeGroup")
    row = newest()
    proved.post("/admin/auth/group/7/change/", {"name": "Clerks"})
    text = page(proved, "auth/group/7/history/")
    link = f"/admin/django_authsignal/challenge/{row.pk}/change/"
    assert f'<a href="{link}">Change group</a>' in text
    assert "&quot;authsignal" not in text
    assert str(row.pk) in page(proved, link.removeprefix("/admin/"))


@pytest.mark.skipif(settings.THEME != "unfold", reason="actions that are links are unfold's")
@pytest.mark.parametrize(
    ("where", "action", "name"), [("rename", "renameGroup", "Renamed"), ("7/approve", "approveGroup", "Approved")]
)
def test_its_actions_that_are_links_ask(proved, where, action, name):
    there = f"/admin/auth/group/{where}/"
    assert proved.get(there).status_code == 302
    assert newest().action == action
    assert Group.objects.get().name == "Tellers"
    proved.prove(newest())
    assert proved.get(there).status_code == 200
    assert Group.objects.get().name == name
