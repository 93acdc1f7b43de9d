"""Staff must have a passkey by a day: reminded until then, led to set one up after it, locked out by no accident."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.contrib.messages import get_messages
from django.core import checks as django_checks
from django.http import HttpResponse
from django.urls import path
from django.utils import timezone

from django_authsignal.conf import problems
from django_authsignal.deadline_conf import read
from django_authsignal.decorators import enrolment_deadline_not_required
from django_authsignal.models import Challenge
from tests.conftest import newest
from tests.enrolment.conftest import URL
from tests.project.urls import urlpatterns as project

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]
MIDDLEWARE = "django_authsignal.middleware.EnrolmentDeadlineMiddleware"
DAY = timedelta(days=1)
JSON = {"Accept": "application/json", "Sec-Fetch-Mode": "cors"}
LED = {"Location": f"{URL}?next=%2Fpage%2F"}


def page(request):
    due = request.authsignal.enrolment_due
    answer = HttpResponse(f"page, {due.days_left} days left" if due else "page")
    if hasattr(request, "_messages"):
        answer.said = [str(message) for message in get_messages(request)]  # as a template shows them
    return answer


async def page_async(request):
    return page(request)


@enrolment_deadline_not_required
def help_page(request):
    return HttpResponse("help")


urlpatterns = [
    *project,
    path("page/", page),
    path("async/page/", page_async),
    path("help/", help_page),
]


def deadline(settings, **changes):
    given = {"BY": timezone.now() - DAY, "METHODS": ["PASSKEY"], "WHO": "staff", **changes}
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ENROLMENT_DEADLINE": given}


@pytest.fixture(autouse=True)
def middleware(settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, MIDDLEWARE]
    deadline(settings)


@pytest.fixture
def grace(ada):
    """Ada, of the staff, and here for long."""
    ada.is_staff = True
    ada.date_joined = timezone.now() - 400 * DAY
    ada.save()
    return ada


@pytest.fixture
def mail_only(grace, at_authsignal):
    return at_authsignal.give(grace, "EMAIL_OTP", email="ada@example.com")


@pytest.fixture
def desk(browser, grace, mail_only):
    """Her browser. She has a mailed code, and no passkey."""
    browser.force_login(grace)
    return browser


def asked(authsignal):
    return [call.operation for call in authsignal.calls].count("get_user")


# After it


@pytest.mark.security
def test_after_it_every_page_leads_to_where_one_is_set_up(way_in, grace, mail_only, colour):
    desk = way_in()
    desk.force_login(grace)
    answer = desk.get(f"{colour}page/?a=1")
    assert answer.status_code == 303
    assert answer["Location"].startswith(f"{URL}?next=")
    assert answer["Location"].endswith("page%2F%3Fa%3D1")
    assert answer["Cache-Control"] == "no-store"


def test_who_has_a_passkey_is_not_stopped(desk, grace, at_authsignal, colour):
    at_authsignal.give(grace)
    assert desk.get(f"{colour}page/").content == b"page"


def test_one_of_several_methods_is_enough(desk, settings):
    deadline(settings, METHODS=["PASSKEY", "EMAIL_OTP"])
    assert desk.get("/page/").content == b"page"


@pytest.mark.parametrize(
    ("who", "stopped"),
    [
        ("staff", True),
        ("everybody", True),
        ("superusers", False),
        (lambda user: user.username == "ada", True),
        (lambda user: user.username == "bob", False),
        ("tests.enrolment.test_deadline.is_ada", True),
    ],
)
def test_it_concerns_those_whom_the_setting_names(desk, settings, who, stopped):
    deadline(settings, WHO=who)
    assert (desk.get("/page/").status_code == 303) is stopped


def is_ada(user):
    return user.username == "ada"


def test_whom_it_does_not_concern_costs_no_call(adas, authsignal):
    assert adas.get("/page/").content == b"page"
    assert authsignal.calls == []


def test_a_visitor_is_not_concerned(browser, settings):
    deadline(settings, WHO="everybody")
    assert browser.get("/page/").content == b"page"


@pytest.mark.security
def test_what_was_sent_is_stopped_with_a_page_that_says_so(desk):
    answer = desk.post("/page/", {"a": "1"})
    assert answer.status_code == 403
    assert b"Nothing was done" in answer.content
    assert b"Passkey" in answer.content


@pytest.mark.security
def test_a_program_is_answered_in_json(desk, colour):
    answer = desk.fetch(f"{colour}page/")
    assert answer.status_code == 403
    assert answer["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert (body["code"], body["methods"]) == ("enrolment_required", ["PASSKEY"])
    assert body["url"].startswith(URL)


def test_htmx_is_sent_on(desk):
    answer = desk.get("/page/", headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/home/"})
    assert answer.status_code == 403
    assert answer["HX-Redirect"].startswith(URL)


def test_a_frame_gets_a_page_that_leads_out_of_it(desk):
    answer = desk.get("/page/", headers={"Sec-Fetch-Dest": "iframe"})
    assert answer.status_code == 403
    assert b'target="_top"' in answer.content
    assert answer["X-Frame-Options"] == "SAMEORIGIN"


@pytest.mark.parametrize(
    "where", ["/help/", "/logout/", "/admin/logout/", "/login/", "/authsignal/status/?action=signIn"]
)
def test_some_pages_are_reached_all_the_same(desk, where):
    answer = desk.post(where) if "logout" in where else desk.get(where)
    assert not answer.headers.get("Location", "").startswith(URL)
    assert answer.status_code in (200, 302)
    assert b"Nothing was done" not in answer.content


def test_the_way_out_of_it_is_open(desk, grace, at_authsignal):
    there = desk.get("/page/")["Location"]
    assert desk.get(there).status_code == 302  # prove it by what there is
    back = desk.prove(method="EMAIL_OTP")["Location"]
    assert back == there
    listed = desk.get(back)
    assert b"To go on, set up one of these: Passkey." in listed.content
    assert b'href="/page/"' not in listed.content  # it would only lead back here
    desk.post(there, {"add": "1"})
    at_authsignal.give(grace)
    assert desk.callback(newest(), token="whatever")["Location"] == there
    listed = desk.get(there)
    assert b"To go on, set up" not in listed.content
    assert b'href="/page/"' in listed.content
    assert desk.get("/page/").content == b"page"


@pytest.mark.security
@pytest.mark.parametrize("onward", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
def test_the_page_leads_back_to_this_site_only(desk, onward):
    desk.step_up(URL, method="EMAIL_OTP")
    listed = desk.get(URL, {"next": onward})
    assert listed.status_code == 200
    assert b"evil.example" not in listed.content
    assert b"javascript:alert" not in listed.content


# Until then


def test_until_then_pages_open_and_know_what_is_due(desk, settings, colour):
    deadline(settings, BY=timezone.now() + 3 * DAY + timedelta(minutes=1))
    assert desk.get(f"{colour}page/").content == b"page, 3 days left"


def test_a_message_reminds_once_a_day(desk, settings, time_machine):
    deadline(settings, BY=timezone.now() + 3 * DAY)
    (message,) = desk.get("/page/").said
    assert "Passkey" in message
    assert f'href="{URL}"' in message
    assert desk.get("/page/").said == []
    time_machine.move_to(timezone.now() + DAY + timedelta(seconds=1))
    assert len(desk.get("/page/").said) == 1


@pytest.mark.parametrize("ask", [lambda desk: desk.fetch("/page/"), lambda desk: desk.post("/page/")])
def test_only_a_page_that_somebody_opens_reminds(desk, settings, ask):
    deadline(settings, BY=timezone.now() + DAY)
    assert ask(desk).said == []


def test_without_the_messages_framework_nothing_breaks(desk, settings):
    deadline(settings, BY=timezone.now() + DAY)
    settings.MIDDLEWARE = [one for one in settings.MIDDLEWARE if "MessageMiddleware" not in one]
    assert desk.get("/page/").status_code == 200


def test_a_day_lasts_until_its_end(desk, settings, time_machine):
    settings.TIME_ZONE = "UTC"
    day = timezone.now().astimezone(UTC).date() + 2 * DAY
    deadline(settings, BY=day)
    time_machine.move_to(datetime(day.year, day.month, day.day, 23, 59, tzinfo=UTC))
    assert desk.get("/page/").status_code == 200
    time_machine.move_to(datetime(day.year, day.month, day.day, 23, 59, tzinfo=UTC) + timedelta(minutes=3))
    assert desk.get("/page/").status_code == 303


# Those who joined later


def test_who_joined_later_has_the_days_of_grace(desk, grace, settings):
    deadline(settings, GRACE=14)
    grace.date_joined = timezone.now() - 10 * DAY
    grace.save()
    assert desk.get("/page/").content == b"page, 3 days left"


def test_the_days_of_grace_end(desk, grace, settings):
    deadline(settings, GRACE=14)
    grace.date_joined = timezone.now() - 15 * DAY
    grace.save()
    assert desk.get("/page/").status_code == 303


def test_grace_never_brings_the_day_forward(settings):
    by = timezone.now() + 30 * DAY
    found = read({"BY": by, "GRACE": 1})
    assert found.for_joined(timezone.now() - 100 * DAY) == by


def test_a_user_model_without_a_joining_day_goes_by_the_ledger(desk, grace, settings, monkeypatch):
    deadline(settings, GRACE=14)
    monkeypatch.setattr(type(grace), "date_joined", property(lambda self: None, lambda self, value: None))
    assert desk.get("/page/").status_code == 200  # never seen before
    desk.get("/withdraw/")
    assert Challenge.objects.count() == 1
    Challenge.objects.update(created_at=timezone.now() - 15 * DAY)
    assert desk.get("/page/").status_code == 303


# How often Authsignal is asked


def test_it_is_asked_once_and_remembered(desk, grace, at_authsignal, authsignal, time_machine):
    at_authsignal.give(grace)
    for _ in range(5):
        desk.get("/page/")
    assert asked(authsignal) == 1
    time_machine.move_to(timezone.now() + timedelta(seconds=901))
    desk.get("/page/")
    assert asked(authsignal) == 2


def test_that_there_is_none_is_remembered_for_a_minute(desk, authsignal, time_machine):
    for _ in range(5):
        desk.get("/page/")
    assert asked(authsignal) == 1
    time_machine.move_to(timezone.now() + timedelta(seconds=61))
    desk.get("/page/")
    assert asked(authsignal) == 2


@pytest.mark.security
def test_what_is_remembered_of_one_user_counts_for_no_other(desk, new_browser, grace, bob, at_authsignal):
    at_authsignal.give(grace)
    desk.get("/page/")
    kept = desk.session["authsignal_enrolment"]
    bob.is_staff = True
    bob.date_joined = timezone.now() - 400 * DAY
    bob.save()
    other = new_browser()
    other.force_login(bob)
    session = other.session
    session["authsignal_enrolment"] = kept
    session.save()
    assert other.get("/page/").status_code == 303


@pytest.mark.security
@pytest.mark.parametrize("kept", ["x", {"user": "1"}, {"user": "1", "at": "x", "methods": 3}, []])
def test_what_another_version_remembered_is_asked_again(desk, grace, kept):
    session = desk.session
    session["authsignal_enrolment"] = kept | {"user": str(grace.pk)} if isinstance(kept, dict) else kept
    session.save()
    assert desk.get("/page/").status_code == 303


@pytest.mark.security
def test_who_removes_their_passkey_is_stopped_at_once(desk, grace, at_authsignal):
    passkey = at_authsignal.give(grace)
    assert desk.get("/page/").status_code == 200
    desk.step_up(URL)
    assert desk.post(URL, {"remove": passkey}).status_code == 200
    assert desk.get("/page/").status_code == 303


# When Authsignal does not answer


@pytest.mark.parametrize("kind", ["refused", "timeout", "500", "401"])
def test_an_outage_takes_nobodys_passkey_away(desk, grace, at_authsignal, authsignal, time_machine, kind):
    at_authsignal.give(grace)
    desk.get("/page/")
    time_machine.move_to(timezone.now() + timedelta(seconds=901))
    authsignal.fail(kind)
    assert desk.get("/page/").content == b"page"


@pytest.mark.parametrize("kind", ["refused", "401"])
def test_until_then_an_outage_stops_and_reminds_nobody(desk, settings, authsignal, kind):
    deadline(settings, BY=timezone.now() + DAY)
    authsignal.fail(kind)
    answer = desk.get("/page/")
    assert answer.content == b"page"
    assert answer.said == []


@pytest.mark.security
@pytest.mark.parametrize("kind", ["refused", "timeout", "500", "401"])
def test_after_it_an_outage_keeps_out_whom_nobody_knows(desk, authsignal, kind, colour):
    authsignal.fail(kind)
    assert desk.get(f"{colour}page/").status_code == 503
    assert desk.fetch(f"{colour}page/").json()["code"] == "authsignal_unreachable"


def test_after_it_an_outage_lets_on_where_the_policy_says_so(desk, settings, authsignal):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ON_UNREACHABLE": "allow"}
    authsignal.fail("refused")
    assert desk.get("/page/").status_code == 200


@pytest.mark.security
def test_a_refusal_is_no_outage(desk, settings, authsignal):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ON_UNREACHABLE": "allow"}
    authsignal.fail("401")
    assert desk.get("/page/").status_code == 503


def test_a_service_that_is_down_is_left_in_peace_for_a_minute(desk, authsignal, time_machine):
    authsignal.fail("timeout")
    for _ in range(4):
        desk.get("/page/")
    assert asked(authsignal) == 1
    authsignal.fail(None)
    time_machine.move_to(timezone.now() + timedelta(seconds=61))
    assert desk.get("/page/").status_code == 303


def test_break_glass_opens_this_door_too(browser, grace, mail_only, authsignal):
    from tests.enrolment.test_break_glass import made, use

    link = made()[0].removeprefix("http://testserver")
    authsignal.fail("refused")
    use(browser, link)
    assert browser.get("/page/").content == b"page"


# The setting, the checks, the tag


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("2027-01-31", "not a dict"),
        ({}, "has no 'BY'"),
        ({"BY": "soon"}, "has no day in 'BY': 'soon'"),
        ({"BY": 20270131}, "has no day in 'BY'"),
        ({"BY": "2027-13-01"}, "has no day in 'BY'"),
        ({"BY": "2027-01-31", "METHOD": ["PASSKEY"]}, "has an unknown key 'METHOD'."),
        ({"BY": "2027-01-31", "METHODS": []}, "has [] in 'METHODS'"),
        ({"BY": "2027-01-31", "METHODS": "PASSKEY"}, "in 'METHODS'"),
        ({"BY": "2027-01-31", "METHODS": ["PASSKEYS"]}, "names an unknown method 'PASSKEYS'. Did you mean 'PASSKEY'?"),
        ({"BY": "2027-01-31", "WHO": "stuff"}, "has 'stuff' in 'WHO'. Use one of 'staff'"),
        ({"BY": "2027-01-31", "WHO": "nowhere.at_all"}, "has 'nowhere.at_all' in 'WHO'"),
        ({"BY": "2027-01-31", "WHO": 3}, "has 3 in 'WHO'"),
        ({"BY": "2027-01-31", "GRACE": "14"}, "has '14' in 'GRACE'. Write whole days"),
        ({"BY": "2027-01-31", "GRACE": -1}, "has -1 in 'GRACE'"),
    ],
)
def test_a_fault_of_the_setting_is_named_with_its_fix(value, words):
    (problem,) = problems({"ENROLMENT_DEADLINE": value})
    assert words in f"{problem.text} {problem.hint}"


NAIVE = datetime.fromisoformat("2027-01-31T12:00")


@pytest.mark.parametrize("by", ["2027-01-31", "2027-01-31T12:00:00+01:00", date(2027, 1, 31), NAIVE])
@pytest.mark.parametrize("use_tz", [True, False])
def test_a_day_may_be_written_in_several_ways(settings, by, use_tz):
    settings.USE_TZ = use_tz
    assert problems({"ENROLMENT_DEADLINE": {"BY": by}}) == []
    assert timezone.is_aware(read({"BY": by}).by) is use_tz


def test_without_the_setting_nothing_is_asked(desk, settings, authsignal):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ENROLMENT_DEADLINE": None}
    assert desk.get("/page/").content == b"page"
    assert asked(authsignal) == 0


def found():
    ids = ("authsignal.W020", "authsignal.E020", "authsignal.W021")
    return [one.id for one in django_checks.run_checks() if one.id in ids]


def test_the_checks_have_nothing_to_say_of_a_sound_set_up(db):
    assert found() == []


def test_a_deadline_that_nothing_asks_for_is_a_warning(settings):
    settings.MIDDLEWARE = [one for one in settings.MIDDLEWARE if one != MIDDLEWARE]
    assert found() == ["authsignal.W020"]


def test_a_deadline_asked_before_the_gate_is_there_is_an_error(settings):
    settings.MIDDLEWARE = [MIDDLEWARE, *settings.MIDDLEWARE[:-1]]
    assert found() == ["authsignal.E020"]


def test_a_deadline_that_ends_in_a_closed_page_is_a_warning(settings):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "UNENROLLED": "deny"}
    assert found() == ["authsignal.W021"]
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ACTIONS": {"manageAuthenticators": {"UNENROLLED": "enroll"}}}
    assert found() == []


def test_a_sign_in_that_is_only_observed_offers_no_way_either(settings):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ENFORCE": "observe"}
    assert found() == ["authsignal.W021"]
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ACTIONS": {"signIn": {"ENFORCE": "on"}}}
    assert found() == []


def test_a_template_is_told_what_is_due(desk, settings, rf):
    from django.template import engines

    deadline(settings, BY=timezone.now() + DAY)
    request = desk.get("/page/").wsgi_request
    text = "{% load authsignal %}{% authsignal_enrolment_due as due %}{{ due.labels.0 }} {{ due.overdue }}"
    assert engines["django"].from_string(text).render({}, request) == "Passkey False"
