"""The messages that Authsignal leaves to us, and the question whether a proof may count."""

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.template import TemplateDoesNotExist
from django.utils import translation

from django_authsignal.client import EventType
from django_authsignal.conf import problems
from django_authsignal.events import mailer
from django_authsignal.models import ReceivedEvent
from django_authsignal.signals import event_received
from tests.webhooks.sender import envelope, post, post_batch, record

HOOKS = {
    "email.created": "EMAIL_HOOK",
    "sms.created": "SMS_HOOK",
    "push.created": "PUSH_HOOK",
    "action.verify": "VERIFY_HOOK",
}
each = pytest.mark.parametrize(("kind", "setting"), HOOKS.items())
delivering = pytest.mark.parametrize(("kind", "setting"), list(HOOKS.items())[:3])


def message(kind="email.created", **more):
    """A message with a code."""
    given = {"to": "ada@example.com", "code": "424242", "userId": "7", "actionCode": "withdrawFunds"}
    return envelope(kind, given | more)


@each
def test_without_a_hook_the_challenge_fails_so_that_it_is_seen(sender, caplog, kind, setting):
    answer = post(sender, message(kind))
    assert (answer.status_code, answer.json()["code"]) == (501, "no_hook")
    assert f"Set AUTHSIGNAL['{setting}']" in caplog.text


@each
def test_what_had_no_hook_is_handled_once_there_is_one(sender, configure, kind, setting):
    event = message(kind)
    assert post(sender, event).status_code == 501
    configure(**{setting: lambda event: True})
    assert post(sender, event).status_code == 200


@each
def test_a_hook_is_called_once_for_each_event(sender, configure, kind, setting):
    calls = []
    configure(**{setting: lambda event: calls.append(event.id) is None})
    first, second = message(kind), message(kind)
    assert [post(sender, event).status_code for event in (first, second, first)] == [200, 200, 200]
    assert calls == [first["id"], second["id"]]


@each
def test_a_hook_may_be_async(sender, configure, kind, setting):
    calls = []

    async def hook(event):
        calls.append((event.to, event.code))
        return True

    configure(**{setting: hook})
    assert post(sender, message(kind)).status_code == 200
    assert calls == [("ada@example.com", "424242")]


def named_hook(event):
    """Found by its dotted path."""
    raise LookupError(event.code)


@each
def test_a_hook_that_fails_is_told_at_once_and_may_be_tried_again(sender, configure, caplog, kind, setting):
    event = message(kind)
    configure(**{setting: "tests.webhooks.test_hooks.named_hook"})
    answer = post(sender, event)
    assert (answer.status_code, answer.json()["code"]) == (502, "hook_failed")
    assert "LookupError at" in caplog.text
    configure(**{setting: lambda event: True})
    assert post(sender, event).status_code == 200


@each
def test_no_code_is_logged_or_answered_when_a_hook_fails(sender, configure, caplog, kind, setting):
    caplog.set_level("DEBUG")
    configure(**{setting: "tests.webhooks.test_hooks.named_hook"})
    answer = post(sender, message(kind))
    assert "424242" not in caplog.text + answer.content.decode()
    assert not any(entry.exc_info for entry in caplog.records)


@delivering
def test_a_delivery_that_says_false_has_failed(sender, configure, kind, setting):
    configure(**{setting: lambda event: False})
    assert post(sender, message(kind)).status_code == 502


@delivering
def test_a_delivery_that_says_nothing_is_done(sender, configure, kind, setting):
    configure(**{setting: lambda event: None})
    assert post(sender, message(kind)).status_code == 200


@each
def test_a_record_of_a_batch_is_no_message_to_deliver(sender, configure, kind, setting):
    configure(**{setting: "tests.webhooks.test_hooks.named_hook"})
    assert post_batch(sender, record(kind, {"code": "424242"})).status_code == 200


@each
def test_the_signal_tells_of_what_was_delivered(sender, configure, heard, kind, setting):
    configure(**{setting: lambda event: True})
    post(sender, message(kind))
    assert [one["sender"] for one in heard] == [EventType(kind)]


def test_a_receiver_that_fails_has_no_message_sent_twice(sender, configure, caplog):
    calls = []

    def fail(event, **about):
        raise LookupError(event.code)

    configure(SMS_HOOK=lambda event: calls.append(1))
    event_received.connect(fail)
    event = message("sms.created")
    answers = [post(sender, event).status_code for _ in range(2)]
    event_received.disconnect(fail)
    assert (answers, len(calls)) == ([200, 200], 1)
    assert "LookupError at" in caplog.text


# Questions.


def test_a_proof_that_the_hook_refuses_is_refused(sender, configure):
    configure(VERIFY_HOOK=lambda event: False)
    answer = post(sender, message("action.verify"))
    assert (answer.status_code, answer.json()["code"]) == (403, "refused")


@pytest.mark.security
def test_a_refused_proof_stays_refused_when_the_question_comes_again(sender, configure):
    configure(VERIFY_HOOK=lambda event: False)
    event = message("action.verify")
    assert [post(sender, event).status_code for _ in range(2)] == [403, 403]
    assert not ReceivedEvent.objects.exists()


@pytest.mark.parametrize("answer", [None, 1, "yes", 0, object()])
def test_a_hook_that_does_not_say_true_agrees_to_nothing(sender, configure, answer):
    configure(VERIFY_HOOK=lambda event: answer)
    assert post(sender, message("action.verify")).status_code == 502


# Django's mail.


@pytest.fixture
def mailing(configure):
    configure(EMAIL_HOOK=True)


def test_a_code_is_mailed_to_the_address_that_the_event_names(sender, mailing, ada):
    assert post(sender, message(to="new@example.com", userId=str(ada.pk))).status_code == 200
    (sent,) = mail.outbox
    assert (sent.to, sent.cc, sent.bcc) == (["new@example.com"], [], [])
    assert "424242" in sent.body
    assert "Withdraw money" in sent.body
    assert "424242" not in sent.subject
    assert "<strong>424242</strong>" in sent.alternatives[0][0]


def test_a_magic_link_is_mailed_as_it_is(sender, mailing):
    link = "https://mfa.authsignal.com/magic?a=1&b=2"
    assert post(sender, message(code="", url=link)).status_code == 200
    (sent,) = mail.outbox
    assert link in sent.body
    assert 'href="https://mfa.authsignal.com/magic?a=1&amp;b=2"' in sent.alternatives[0][0]
    assert sent.subject == "Your link to go on"


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/",
        "http://mfa.authsignal.com/",
        "javascript:alert(1)",
        "https://authsignal.com.evil.example",
    ],
)
def test_a_link_to_another_host_is_not_mailed(sender, mailing, link):
    assert post(sender, message(code="", url=link)).status_code == 502
    assert not mail.outbox


@pytest.mark.parametrize(
    "to",
    ["", None, "a@b.example,c@d.example", "a@b.example\nBcc: c@d.example", "Ada <a@b.example>", 7, ["a@b.example"]],
)
def test_what_is_not_one_address_is_not_mailed_to(sender, mailing, to):
    assert post(sender, message(to=to)).status_code == 502
    assert not mail.outbox


def test_a_message_that_holds_nothing_is_not_mailed(sender, mailing):
    assert post(sender, message(code="")).status_code == 502
    assert not mail.outbox


def test_the_action_is_not_quoted_as_it_came(sender, mailing):
    post(sender, message(actionCode="<script>Call 0900</script>"))
    assert "0900" not in mail.outbox[0].body + mail.outbox[0].alternatives[0][0]


def test_what_is_html_in_a_code_is_no_html_in_the_mail(sender, mailing):
    post(sender, message(code="<b>1</b>"))
    assert "&lt;b&gt;" in mail.outbox[0].alternatives[0][0]
    assert "<b>1</b>" in mail.outbox[0].body


@pytest.mark.parametrize(("error", "seen"), [(OSError("refused 424242"), "OSError"), (TimeoutError(), "TimeoutError")])
def test_a_mail_server_that_fails_fails_the_challenge(sender, mailing, monkeypatch, caplog, error, seen):
    def fail(self, messages):
        raise error

    monkeypatch.setattr(EmailBackend, "send_messages", fail)
    assert post(sender, message()).status_code == 502
    assert seen in caplog.text
    assert "424242" not in caplog.text


def test_a_mail_that_the_backend_left_out_has_failed(sender, mailing, monkeypatch):
    monkeypatch.setattr(EmailBackend, "send_messages", lambda self, messages: 0)
    assert post(sender, message()).status_code == 502


def test_a_template_that_is_missing_has_failed(sender, mailing, monkeypatch):
    def missing(*args):
        raise TemplateDoesNotExist("code.html")

    monkeypatch.setattr(mailer, "render_to_string", missing)
    assert post(sender, message()).status_code == 502


@pytest.mark.parametrize(
    ("locale", "language"),
    [
        ("de", "de"),
        ("de-AT", "de"),
        ("de_AT", "de"),
        ("pt-BR", "pt-br"),
        ("zh-Hant-TW", "zh-hant"),
        ("xx", "en"),
        ("", "en"),
        (None, "en"),
        ("../../etc", "en"),
        ("\0", "en"),
        ("x" * 10_000, "en"),
    ],
)
def test_a_mail_is_in_the_language_that_comes_closest(sender, mailing, monkeypatch, locale, language):
    languages = []

    def render(name, context):
        languages.append(translation.get_language())
        return "text"

    monkeypatch.setattr(mailer, "render_to_string", render)
    assert post(sender, message(locale=locale)).status_code == 200
    assert set(languages) == {language}


@pytest.mark.parametrize("setting", HOOKS.values())
@pytest.mark.parametrize("value", ["nowhere.at_all", 7, "django.VERSION"])
def test_a_hook_that_is_none_is_a_fault_of_the_settings(setting, value):

    assert [setting in fault.text for fault in problems({setting: value})] == [True]


@pytest.mark.parametrize("setting", ["SMS_HOOK", "PUSH_HOOK", "VERIFY_HOOK"])
def test_only_mail_has_a_hook_of_ours(setting):

    assert problems({setting: True})
    assert not problems({"EMAIL_HOOK": True})
    assert not problems({"EMAIL_HOOK": False})
