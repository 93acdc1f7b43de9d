"""The owner hears of every change to their ways of proof, and the mail can be replaced."""

import pytest
from django.core import mail as django_mail
from django.utils import translation

from django_authsignal import notices
from django_authsignal.signals import authenticators_changed
from tests.conftest import hearing, newest
from tests.enrolment.conftest import URL

pytestmark = pytest.mark.django_db
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
def changes():
    """What receivers of the signal are told."""
    with hearing(authenticators_changed) as found:
        yield found


def test_the_signal_tells_what_changed_and_whose(manager, ada, two_ways, changes):
    manager.post(URL, {"remove": two_ways[1]})
    (told,) = changes
    assert (told["user"], told["change"], told["methods"], told["by"]) == (ada, "removed", ("EMAIL_OTP",), None)
    assert told["request"].path == URL


def test_an_enrolment_at_sign_in_is_told_with_its_way(browser, ada, authsignal, changes):
    authsignal.unenrolled()
    browser.sign_in(method="AUTHENTICATOR_APP")
    assert [(told["change"], told["methods"]) for told in changes] == [("added", ("AUTHENTICATOR_APP",))]


def test_an_address_that_we_enrol_by_ourselves_is_told(browser, ada, authsignal, settings, changes):
    settings.AUTHSIGNAL = {
        **settings.AUTHSIGNAL,
        "UNENROLLED": "email",
        "TRACK_ATTRIBUTES": lambda request, user, action: {"email": user.email},
    }
    authsignal.unenrolled()
    browser.sign_in(method="EMAIL_OTP")
    assert [(told["change"], told["methods"]) for told in changes] == [("added", ("EMAIL_OTP",))]


def test_one_removed_on_authsignals_own_page_is_told(manager, ada, at_authsignal, two_ways, changes):
    manager.get(URL)
    at_authsignal.take(ada, two_ways[1])
    manager.get(URL)
    assert [(told["change"], told["methods"]) for told in changes] == [("removed", ("EMAIL_OTP",))]


def test_two_sessions_that_see_one_change_tell_it_once(manager, new_browser, ada, at_authsignal, changes):
    other = new_browser()
    other.force_login(ada)
    other.step_up(URL)
    for browser in (manager, other):
        browser.get(URL)
    at_authsignal.give(ada, "SMS", phone_number="+441632960000")
    for browser in (manager, other):
        browser.get(URL)
    assert [told["change"] for told in changes] == ["added"]


@pytest.mark.security
def test_the_owner_is_told_of_an_enrolment_that_was_left_and_used_by_a_new_sign_in(
    browser, new_browser, ada, authsignal, changes
):
    authsignal.unenrolled()
    browser.post("/login/", {"username": "ada", "password": "correct horse battery staple"})
    authsignal.enrolled("PASSKEY")  # on Authsignal's page, which is then closed
    thief = new_browser()
    thief.sign_in()
    assert [(told["change"], told["methods"]) for told in changes] == [("added", ())]
    thief.post("/logout/")
    thief.sign_in()
    assert len(changes) == 1


def test_an_enrolment_that_came_back_is_told_once(browser, ada, authsignal, changes):
    authsignal.unenrolled()
    browser.sign_in()
    browser.post("/logout/")
    authsignal.enrolled("PASSKEY")
    browser.sign_in()
    assert len(changes) == 1


# The mail


def test_the_mail_says_what_when_and_from_where(manager, two_ways, mailoutbox, settings):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "PUBLIC_BASE_URL": "http://shop.example"}
    manager.post(URL, {"remove": two_ways[1]}, headers={"User-Agent": FIREFOX}, REMOTE_ADDR="203.0.113.77")
    text = mailoutbox[0].body
    assert "What: Code by e-mail" in text
    assert "With: Firefox on Linux" in text
    assert "From the network: 203.0.113.x" in text
    assert "Where: shop.example" in text
    assert "http://shop.example/authsignal/authenticators/" in text
    assert "set a new one now" in text
    assert "When: " in text


@pytest.mark.parametrize("rule", ["enroll", "email"])
def test_the_mail_about_an_enrolment_says_with_what_it_was_made(browser, ada, authsignal, configure, mailoutbox, rule):
    configure(UNENROLLED=rule, TRACK_ATTRIBUTES=lambda request, user, action: {"email": user.email})
    authsignal.unenrolled()
    browser.defaults["HTTP_USER_AGENT"] = FIREFOX
    browser.sign_in(method="EMAIL_OTP")
    assert ["With: Firefox on Linux" in mail.body for mail in mailoutbox] == [True]


@pytest.mark.security
def test_nothing_that_a_visitor_sends_is_quoted_in_the_mail(manager, two_ways, mailoutbox):
    hostile = "Firefox/1 Call +1 900 123 or lose your account"
    manager.post(URL, {"remove": two_ways[1]}, headers={"User-Agent": hostile, "Host": "shop.example"})
    text = mailoutbox[0].body
    assert "Call" not in text
    assert "shop.example" not in text  # without PUBLIC_BASE_URL the Host header is a visitor's word


def test_a_name_with_markup_is_plain_text_in_the_mail(manager, ada, two_ways, mailoutbox):
    ada.username = "O'Hara & <b>"
    ada.save()
    manager.post(URL, {"remove": two_ways[1]})
    assert "Hello O'Hara & <b>," in mailoutbox[0].body


def test_the_mail_has_no_run_of_empty_lines(manager, two_ways, mailoutbox):
    manager.post(URL, {"remove": two_ways[1]})
    assert "\n\n\n" not in mailoutbox[0].body.strip()
    assert "\n" not in mailoutbox[0].subject


def test_a_template_of_ones_own_replaces_the_mail(manager, two_ways, mailoutbox, settings, tmp_path):
    (tmp_path / "authsignal" / "mail").mkdir(parents=True)
    (tmp_path / "authsignal" / "mail" / "removed.txt").write_text("{{ change }}Gone: {{ labels.0 }}")
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    manager.post(URL, {"remove": two_ways[1]})
    assert mailoutbox[0].body == "Gone: Code by e-mail"


def test_who_disconnects_the_receiver_sends_their_own_or_none(manager, two_ways, mailoutbox):
    assert authenticators_changed.disconnect(dispatch_uid="authsignal.mail_owner")
    try:
        manager.post(URL, {"remove": two_ways[1]})
    finally:
        authenticators_changed.connect(notices.mail_owner, dispatch_uid="authsignal.mail_owner")
    assert mailoutbox == []


def test_a_receiver_that_crashes_fails_no_request(manager, two_ways, mailoutbox, ada, at_authsignal):
    def crash(sender, **kwargs):
        raise RuntimeError("a receiver of one's own")

    authenticators_changed.connect(crash)
    try:
        assert manager.post(URL, {"remove": two_ways[1]}).status_code == 200
    finally:
        authenticators_changed.disconnect(crash)
    assert at_authsignal.ids(ada) == [two_ways[0]]


def test_a_mail_that_cannot_be_sent_fails_no_request(manager, two_ways, monkeypatch, caplog):
    def refuse(*args, **kwargs):
        raise OSError("no route to the mail server")

    monkeypatch.setattr(django_mail.EmailMessage, "send", refuse)
    assert manager.post(URL, {"remove": two_ways[1]}).status_code == 200
    assert "could not be told by mail" in caplog.text


def test_who_has_no_address_is_not_mailed(manager, ada, two_ways, mailoutbox):
    ada.email = ""
    ada.save()
    manager.step_up(URL)  # another address, another user: what was proved before is void
    assert manager.post(URL, {"remove": two_ways[1]}).status_code == 200
    assert mailoutbox == []


@pytest.fixture
def sessions_in_the_database(settings):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"


def test_a_cache_that_is_down_keeps_nobody_from_being_told(
    sessions_in_the_database, manager, two_ways, mailoutbox, settings
):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://x:1"}}
    manager.post(URL, {"remove": two_ways[1]})
    assert len(mailoutbox) == 1


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (FIREFOX, "Firefox on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/156.0 Safari/537.36 Edg/156.0", "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Safari/604.1", "Safari on iPhone"),
        ("Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 Chrome/156.0 Mobile Safari/537.36", "Chrome on Android"),
        ("curl/8.0", ""),
        ("", ""),
    ],
)
def test_a_browser_is_named_in_words_of_ours(agent, words):
    with translation.override("en"):
        assert notices.browser_of(agent) == words


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.77", "203.0.113.x"),
        ("2001:db8:1:2:3::4", "2001:db8:1::x"),
        ("::1", "::x"),
        ("not an address", ""),
        (None, ""),
    ],
)
def test_an_address_is_named_without_its_end(address, network):
    assert notices.network_of(address) == network


def test_the_row_of_a_left_enrolment_is_not_rewritten(browser, ada, authsignal):
    authsignal.unenrolled()
    browser.post("/login/", {"username": "ada", "password": "correct horse battery staple"})
    left = newest()
    authsignal.enrolled("PASSKEY")
    browser.cookies.clear()
    browser.sign_in()
    left.refresh_from_db()
    assert left.enrolls
