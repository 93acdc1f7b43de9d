"""Break glass: a link made in the shell signs one user in once, and stands in for no proof."""

import re
import threading
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.urls import reverse
from django.utils import timezone

from django_authsignal import break_glass
from django_authsignal.models import Challenge, Kind, Status, revoke_open
from tests.conftest import Browser, newest

pytestmark = [pytest.mark.django_db, pytest.mark.security]
ORIGIN = "http://testserver"


def made(user="ada", **options):
    out, err = StringIO(), StringIO()
    call_command("authsignal_break_glass", user, base_url=ORIGIN, stdout=out, stderr=err, **options)
    return out.getvalue().strip(), err.getvalue()


@pytest.fixture
def link(ada):
    """What the command printed, as the path a browser opens."""
    return made()[0].removeprefix(ORIGIN)


def opened(browser, link):
    """The page a person sees who opened the link."""
    return browser.get(browser.get(link)["Location"])


def use(browser, link):
    page = browser.get(link)["Location"]
    return browser.post(page)


# The command


def test_the_command_prints_the_link_and_nothing_else_on_stdout(ada):
    out, err = made()
    assert re.fullmatch(rf"{ORIGIN}/authsignal/break-glass/[0-9a-f-]{{36}}/\?token=[\w-]{{43}}", out)
    assert "ada" in err
    assert "10 minutes" in err


def test_the_origin_comes_from_public_base_url(ada, settings):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "PUBLIC_BASE_URL": ["https://shop.example", "https://b.example"]}
    out = StringIO()
    call_command("authsignal_break_glass", "ada", stdout=out, stderr=StringIO())
    assert out.getvalue().startswith("https://shop.example/authsignal/break-glass/")


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("nobody", {"base_url": ORIGIN}, "There is no user 'nobody'. Give their username"),
        ("ada", {}, "Give --base-url https://shop.example, or set PUBLIC_BASE_URL"),
        ("ada", {"base_url": "shop.example"}, "--base-url is 'shop.example'. Write an origin"),
        ("ada", {"base_url": "https://shop.example/path"}, "no path"),
        ("ada", {"base_url": ORIGIN, "reason": "x" * 501}, "at most 500 characters"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_with_the_fix(ada, name, options, words):
    with pytest.raises(CommandError, match=re.escape(words)):
        call_command("authsignal_break_glass", name, **options)
    assert Challenge.objects.count() == 0


def test_a_deactivated_user_gets_no_link(ada):
    ada.is_active = False
    ada.save()
    with pytest.raises(CommandError, match="deactivated"):
        made()


def test_a_sign_in_that_asks_for_certain_methods_gets_no_link(ada, settings):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ACTIONS": {"signIn": {"METHODS": ["PASSKEY"]}}}
    with pytest.raises(CommandError, match="METHODS"):
        made()


def test_the_row_says_who_made_it_and_why_and_holds_no_secret(ada):
    link, _ = made(reason="lost phone, ticket 41")
    row, secret = newest(), link.partition("token=")[2]
    assert (row.kind, row.status, row.user_pk) == (Kind.BREAK_GLASS, Status.OPEN, str(ada.pk))
    assert "lost phone, ticket 41" in row.path
    kept = [str(getattr(row, field.attname)) for field in Challenge._meta.fields]
    assert not any(secret in text for text in kept)


def test_the_owner_is_mailed_without_the_link(ada, mailoutbox):
    link, err = made(reason="lost phone")
    (mail,) = mailoutbox
    assert mail.to == ["ada@example.com"]
    assert "lost phone" in mail.body
    assert link.partition("token=")[2] not in mail.body
    assert "could not be mailed" not in err


def test_who_cannot_be_mailed_is_named(ada):
    ada.email = ""
    ada.save()
    assert "ada could not be mailed" in made()[1]


def test_a_new_link_ends_the_one_before(browser, ada, link):
    newer = made()[0].removeprefix(ORIGIN)
    assert opened(browser, link).status_code == 403
    assert opened(browser, newer).status_code == 200


# The link


def test_it_signs_in_after_a_click(browser, ada, link):
    page = opened(browser, link)
    assert page.status_code == 200
    assert b"Sign in as ada?" in page.content
    assert browser.user_pk is None
    answer = browser.post(page.request["PATH_INFO"])
    assert (answer.status_code, answer["Location"]) == (303, "/home/")
    assert browser.user_pk == str(ada.pk)


def test_the_sign_in_counts(browser, ada, link, authsignal, colour):
    use(browser, link)
    assert browser.get(f"{colour}members/").content == b"members"
    assert authsignal.calls == []


def test_who_only_opens_the_link_spends_nothing(new_browser, ada, link):
    for scanner in (new_browser(), new_browser()):
        scanner.head(link)
        assert opened(scanner, link).status_code == 200
    assert newest().status == Status.OPEN
    assert use(new_browser(), link).status_code == 303


def test_the_secret_leaves_the_address_at_once(browser, link):
    answer = browser.get(link)
    assert answer.status_code == 303
    assert answer["Location"] == link.partition("?")[0]
    assert answer["Referrer-Policy"] == "no-referrer"
    assert answer["Cache-Control"] == "no-store"


def test_the_secret_is_at_rest_nowhere(browser, link):
    browser.get(link)
    secret = link.partition("token=")[2]
    assert secret not in str(dict(browser.session.items()))


def test_the_page_is_not_stored_and_not_framed(browser, link):
    page = opened(browser, link)
    assert page["Cache-Control"] == "no-store"
    assert page["X-Frame-Options"] == "DENY"


def test_it_works_once(browser, new_browser, ada, link):
    use(browser, link)
    other = new_browser()
    answer = use(other, link)
    assert answer.status_code == 403
    assert b"used already" in answer.content
    assert other.user_pk is None


def test_a_second_click_of_the_same_browser_is_sent_on(browser, ada, link):
    page = browser.get(link)["Location"]
    browser.post(page)
    assert browser.post(page).status_code == 303
    assert Challenge.objects.filter(kind=Kind.BREAK_GLASS, status=Status.SPENT).count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_is_signed_in(ada, link, authsignal):
    browsers = [Browser(authsignal) for _ in range(8)]
    pages = [browser.get(link)["Location"] for browser in browsers]
    start = threading.Barrier(len(browsers))

    def click(browser, page):
        start.wait()
        try:
            browser.post(page)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=click, args=pair) for pair in zip(browsers, pages, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [browser.user_pk for browser in browsers].count(str(ada.pk)) == 1


def test_after_ten_minutes_it_is_worth_nothing(browser, ada, link, time_machine):
    page = browser.get(link)["Location"]
    time_machine.move_to(timezone.now() + timedelta(seconds=601))
    assert browser.post(page).status_code == 403
    assert browser.user_pk is None
    assert newest().status == Status.EXPIRED


def test_a_wrong_secret_opens_nothing(browser, ada, link):
    answer = opened(browser, f"{link.partition('?')[0]}?token=guess")
    assert answer.status_code == 403
    assert browser.post(link.partition("?")[0]).status_code == 403
    assert browser.user_pk is None


def test_the_address_without_its_secret_opens_nothing(browser, ada, link):
    assert browser.get(link.partition("?")[0]).status_code == 403
    assert browser.post(link.partition("?")[0]).status_code == 403


def test_the_secret_of_one_link_opens_no_other(browser, ada, bob, link):
    bobs = made("bob")[0].removeprefix(ORIGIN)
    browser.get(link)
    assert browser.post(bobs.partition("?")[0]).status_code == 403
    assert browser.user_pk is None


def test_another_site_cannot_press_the_button(authsignal, ada, link):
    victim = Browser(authsignal, enforce_csrf_checks=True)
    page = victim.get(link)["Location"]
    assert victim.post(page, headers={"Origin": "https://evil.example"}).status_code == 403
    assert victim.user_pk is None


@pytest.mark.parametrize("change", ["password", "email", "is_active", "gone"])
def test_a_change_of_the_user_ends_it(browser, ada, link, change):
    page = browser.get(link)["Location"]
    if change == "password":
        ada.set_password("another one")
    elif change == "email":
        ada.email = "new@example.com"
    elif change == "is_active":
        ada.is_active = False
    ada.save()
    if change == "gone":
        ada.delete()
    assert browser.post(page).status_code == 403
    assert browser.user_pk is None


def test_the_backends_own_rule_is_asked(browser, ada, link, monkeypatch):
    from django_authsignal.backends import AuthsignalBackend

    monkeypatch.setattr(AuthsignalBackend, "sign_in_allowed", lambda self, request, user: False)
    assert use(browser, link).status_code == 403
    assert browser.user_pk is None
    assert newest().status == Status.OPEN


def test_methods_set_after_it_was_made_close_it(browser, ada, link, settings):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ACTIONS": {"signIn": {"METHODS": ["PASSKEY"]}}}
    assert use(browser, link).status_code == 403
    assert browser.user_pk is None


def test_a_sign_out_elsewhere_leaves_it(browser, ada, link):
    revoke_open(str(ada.pk), reason="logged_out")
    assert use(browser, link).status_code == 303


def test_it_replaces_whoever_is_signed_in(browser, ada, bob, link):
    browser.force_login(bob)
    assert b"You are signed in as bob now" in opened(browser, link).content
    use(browser, link)
    assert browser.user_pk == str(ada.pk)


def test_neither_callback_nor_challenge_page_takes_it_for_a_challenge(browser, ada, link):
    row = newest()
    browser.get(link)
    browser.callback(row, token="anything")
    browser.get(reverse("authsignal:challenge", args=[row.pk]))
    row.refresh_from_db()
    assert row.status == Status.OPEN
    assert browser.user_pk is None


# What it is worth


def test_a_step_up_still_asks(browser, ada, link, colour):
    use(browser, link)
    assert browser.get(f"{colour}withdraw/").status_code == 302
    assert newest().action == "withdrawFunds"


def test_it_manages_no_authenticators(browser, ada, link):
    use(browser, link)
    assert browser.get("/authsignal/authenticators/").status_code == 302


def test_a_policy_with_methods_is_not_satisfied(browser, ada, link, settings):
    use(browser, link)
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ACTIONS": {"signIn": {"METHODS": ["PASSKEY"]}}}
    assert browser.get("/members/").status_code == 302


def test_it_lets_nobody_enrol_at_a_step_up(browser, ada, link, settings, authsignal):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ACTIONS": {"withdrawFunds": {"UNENROLLED": "enroll"}}}
    use(browser, link)
    authsignal.unenrolled()
    assert browser.get("/withdraw/").status_code == 403
    assert newest().reason == "not_enrolled"


def test_the_sign_in_ends_within_the_hour(browser, ada, link, time_machine):
    use(browser, link)
    time_machine.move_to(timezone.now() + timedelta(seconds=break_glass.PASS_AGE + 1))
    assert browser.get("/members/").status_code == 302


def test_an_age_of_the_policys_own_is_kept(browser, ada, settings, time_machine):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ACTIONS": {"signIn": {"MAX_AGE": 60}}}
    use(browser, made()[0].removeprefix(ORIGIN))
    time_machine.move_to(timezone.now() + timedelta(seconds=61))
    assert browser.get("/members/").status_code == 302


def test_it_counts_only_in_the_browser_that_used_it(browser, new_browser, ada, link):
    use(browser, link)
    thief = new_browser()
    thief.cookies["sessionid"] = browser.cookies["sessionid"].value
    assert thief.get("/members/").status_code == 302


def test_the_ledger_and_the_owner_know_that_it_was_used(browser, ada, link, mailoutbox):
    use(browser, link)
    row = Challenge.objects.get(kind=Kind.BREAK_GLASS)
    assert (row.status, row.verification_method, row.proved_at, row.ip_address) == (
        Status.SPENT, "", None, "127.0.0.1",
    )  # fmt: skip
    assert [mail.subject for mail in mailoutbox] == [
        "A one-time sign-in link to your account was made",
        "A one-time sign-in link to your account was used",
    ]


def test_it_works_while_authsignal_does_not_answer(browser, ada, link, authsignal):
    authsignal.fail("refused")
    assert use(browser, link).status_code == 303
    assert browser.get("/members/").content == b"members"


def test_through_either_handler(way_in, ada, link):
    browser = way_in()
    assert use(browser, link).status_code == 303
    assert browser.user_pk == str(ada.pk)
