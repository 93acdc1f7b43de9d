"""What costs money or patience is limited, and nobody uses up what is somebody else's."""

import ast
import inspect
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.core.cache.backends.locmem import LocMemCache
from django.core.management import call_command
from django.db import OperationalError, connection
from django.test import RequestFactory, override_settings
from django.urls import reverse

from django_authsignal import flow, limit_conf, limits, steps
from django_authsignal.client import ConfigurationError, Sealed
from django_authsignal.conf import counted_apart, override_transport
from django_authsignal.models import Challenge, Channel, Status
from django_authsignal.signals import action_blocked
from tests.conftest import PASSWORD, PUBLIC, newest

pytestmark = [pytest.mark.django_db, pytest.mark.security, pytest.mark.usefixtures("one_window", "_sessions_elsewhere")]
JSON = {"Accept": "application/json", "Sec-Fetch-Mode": "cors"}


@pytest.fixture
def _sessions_elsewhere(settings):
    """Not in the cache, which some of these tests replace."""
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"


@pytest.fixture
def limit(configure):
    """Sets LIMITS; what is not named is off."""
    return lambda **kinds: configure(LIMITS={**dict.fromkeys(limit_conf.DEFAULTS), **kinds})


def only(most, by="USER", **more):
    return {**dict.fromkeys(("USER", "ADDRESS", "SESSION")), by: most, **more}


def callbacks(most, by):
    return {**dict.fromkeys(("ADDRESS", "SESSION")), by: most}


@pytest.fixture
def open_page(new_browser, ada, bob):
    """Opens a guarded page in a browser of its own, as Ada or as whoever is named."""

    def start(user=None, path="/withdraw/", **kwargs):
        browser = new_browser(**kwargs)
        browser.force_login(user or ada)
        return browser.get(path)

    return start


def tracked(authsignal):
    return sum(call.operation == "track" for call in authsignal.calls)


# Starting


def test_a_user_begins_so_many_in_a_window_and_the_next_makes_no_call(open_page, limit, authsignal):
    limit(START=only(2))
    assert [open_page().status_code for _ in range(4)] == [302, 302, 429, 429]
    assert tracked(authsignal) == 2


def test_of_many_at_once_exactly_so_many_count(limit, rf):
    limit(START=only(3))
    with ThreadPoolExecutor(8) as threads:
        tries = [threads.submit(limits.count, rf.get("/"), "START", user="ada") for _ in range(24)]
    assert sum(not one.result().over for one in tries) == 3


def test_the_next_window_begins_anew(open_page, limit, one_window):
    limit(START=only(1, WINDOW=60))
    assert [open_page().status_code for _ in range(2)] == [302, 429]
    one_window.shift(60)
    assert open_page().status_code == 302


def test_the_answer_says_when(open_page, limit, one_window):
    limit(START=only(1, WINDOW=600))
    open_page()
    one_window.shift(480)
    answer = open_page()
    assert 100 < int(answer["Retry-After"]) <= 120
    assert b"wait 2 minutes" in answer.content


def test_one_address_begins_so_many_whoever_signs_in(open_page, limit, bob):
    limit(START=only(1, "ADDRESS"))
    assert open_page(REMOTE_ADDR=PUBLIC).status_code == 302
    assert open_page(bob, REMOTE_ADDR=PUBLIC).status_code == 429
    assert open_page(bob, REMOTE_ADDR="8.8.8.8").status_code == 302


def test_one_browser_begins_so_many_whoever_signs_in(browser, ada, bob, limit):
    limit(START=only(1, "SESSION"))
    browser.force_login(ada)
    browser.get("/withdraw/")  # brings the cookie by which a browser is known
    browser.force_login(bob)
    assert [browser.get(path).status_code for path in ("/withdraw/", "/transfer/")] == [302, 429]


def test_the_defaults_hold_without_the_setting(settings, open_page, authsignal):
    settings.AUTHSIGNAL = {"API_SECRET_KEY": "key", "ACTIONS": {"withdrawFunds": {}}}
    statuses = [open_page().status_code for _ in range(31)]
    assert statuses == [302] * 30 + [429]


@pytest.mark.parametrize("off", [None, {"START": None}, {"START": only(0)}, {"START": only(None)}])
def test_each_limit_can_be_switched_off(configure, rf, off):
    tries = [rf.get("/", REMOTE_ADDR=PUBLIC) for _ in range(302)]
    configure(LIMITS={})
    assert [limits.count(one, "START").over for one in tries] == [""] * 300 + ["ADDRESS"] * 2
    configure(LIMITS=off)
    assert {limits.count(one, "START", user="ada", session="hers").over for one in tries} == {""}


def test_a_reload_of_what_is_open_begins_nothing_and_counts_nothing(adas, limit):
    limit(START=only(1))
    assert {adas.get("/withdraw/").status_code for _ in range(3)} == {302}


class Noted(LocMemCache):
    """A cache that notes under which keys it was asked."""

    keys: ClassVar = []

    def make_and_validate_key(self, key, version=None):
        self.keys.append(key)
        return super().make_and_validate_key(key, version)


@pytest.fixture
def asked(settings):
    """The keys of every call to the default cache."""
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.Noted"}}
    Noted.keys.clear()
    return Noted.keys


def test_a_fresh_pass_asks_no_cache(adas, limit, asked):
    limit(START=only(9), CALLBACK=callbacks(9, "SESSION"))
    adas.step_up()
    assert asked != []
    asked.clear()
    assert adas.get("/withdraw/").content == b"withdrawn"
    assert asked == []


@pytest.mark.parametrize("outcome", ["allow", "block"])
def test_what_ends_in_no_challenge_counts_nothing(open_page, limit, authsignal, configure, outcome):
    limit(START=only(1))
    getattr(authsignal, outcome)()
    assert 429 not in {open_page().status_code for _ in range(3)}


def test_an_outage_counts_nothing(open_page, limit, authsignal):
    limit(START=only(1))
    authsignal.fail("refused")
    assert {open_page().status_code for _ in range(3)} == {503}


def test_a_fault_of_the_site_counts_nothing(open_page, limit, configure):
    limit(START=only(1))
    configure(TRACK_ATTRIBUTES=lambda *args: {"user_id": "theirs"})
    with pytest.raises(ConfigurationError):
        open_page()
    configure(TRACK_ATTRIBUTES=None)
    assert open_page().status_code == 302


def test_a_review_counts_as_a_challenge_does(open_page, limit, authsignal):
    limit(START=only(1))
    authsignal.review()
    assert [open_page().status_code for _ in range(2)] == [403, 429]


def test_a_proof_gives_no_start_back_because_its_message_was_sent_all_the_same(new_browser, ada, limit):
    limit(START=only(1))
    for expected in ("/withdraw/", None):
        browser = new_browser()
        browser.force_login(ada)
        answer = browser.get("/withdraw/")
        assert (answer.status_code == 302) is (expected is not None)
        if expected:
            assert browser.prove()["Location"] == expected


# Who is stopped by whom


def test_who_has_the_password_alone_keeps_nobody_from_the_step_ups_of_their_session(new_browser, open_page, limit, ada):
    limit(START=only(1))
    for _ in range(3):
        new_browser().post("/login/", {"username": "ada", "password": PASSWORD})
    assert open_page().status_code == 302


def test_a_stranger_with_a_name_keeps_nobody_from_signing_in_by_password(new_browser, ada, configure):
    configure(LIMITS={"START": only(1)})
    statuses = [new_browser().post("/authsignal/sign-in/", {"username": "ada"}).status_code for _ in range(7)]
    assert statuses == [303] * 5 + [429] * 2
    assert new_browser().post("/login/", {"username": "ada", "password": PASSWORD}).status_code == 303


def test_who_is_stopped_by_their_own_counter_uses_up_nothing_of_their_address(open_page, limit, bob):
    limit(START={"USER": 1, "SESSION": None, "ADDRESS": 3})
    for _ in range(5):
        open_page(REMOTE_ADDR=PUBLIC)
    assert open_page(bob, REMOTE_ADDR=PUBLIC).status_code == 302


def test_who_is_refused_by_their_address_keeps_the_tries_that_are_their_own(open_page, limit, bob):
    limit(START={"USER": 1, "SESSION": None, "ADDRESS": 1})
    open_page(bob, REMOTE_ADDR=PUBLIC)
    assert open_page(REMOTE_ADDR=PUBLIC).status_code == 429
    assert open_page(REMOTE_ADDR="8.8.8.8").status_code == 302


@pytest.mark.parametrize("address", ["", "127.0.0.1", "::1", "10.0.0.7", "172.17.0.1", "192.168.1.1", "not an address"])
def test_an_address_that_tells_nobody_apart_is_no_counter_for_the_world(open_page, limit, bob, address):
    limit(START=only(1, "ADDRESS"))
    assert {open_page(user, REMOTE_ADDR=address).status_code for user in (None, bob)} == {302}


def test_an_address_that_client_ip_names_counts_whatever_it_is(open_page, limit, configure, bob):
    limit(START=only(1, "ADDRESS"))
    configure(CLIENT_IP=lambda request: request.META["REMOTE_ADDR"])
    assert [open_page(user, REMOTE_ADDR="10.0.0.7").status_code for user in (None, bob)] == [302, 429]


def address_of(found):
    return limits.address(RequestFactory().get("/", REMOTE_ADDR=found))


def test_one_network_of_ipv6_is_one_address():
    assert address_of("2a00:1450:4001:830::1") == address_of("2a00:1450:4001:830:ffff:1:2:3") != ""
    assert address_of("2a00:1450:4001:830::1") != address_of("2a00:1450:4001:831::1")


def test_an_address_of_ipv4_written_as_ipv6_is_the_same():
    assert address_of(f"::ffff:{PUBLIC}") == address_of(PUBLIC) == PUBLIC


# Every door


def test_the_gate_begins_nothing_but_behind_its_limit():
    """Whoever adds a way to begin goes through `_start`. An enrolment by e-mail calls twice, and is one start."""
    inside = {
        function.name
        for function in ast.walk(ast.parse(inspect.getsource(flow)))
        if isinstance(function, ast.FunctionDef)
        for call in ast.walk(function)
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "_track"
    }
    assert inside == {"_start", "_enroll_by_email"}
    ours = Path(flow.__file__).parent.rglob("*.py")
    asking = {path.name for path in ours if "_client(request).track" in path.read_text()}
    assert asking == {"flow.py", "observing.py"}  # the latter never challenges anybody


DOORS = {
    "decorator": lambda browser: browser.get("/withdraw/"),
    "async": lambda browser: browser.get("/async/withdraw/"),
    "mixin": lambda browser: browser.get("/transfer/"),
    "deep": lambda browser: browser.get("/deep/"),
    "deep async": lambda browser: browser.get("/async/deep/"),
    "form": lambda browser: browser.post("/pay/", {"amount": "1", "payee": "x"}),
    "json": lambda browser: browser.post(
        "/authsignal/challenges/", {"action": "withdrawFunds"}, "application/json", headers=JSON
    ),
}


@pytest.mark.parametrize("door", DOORS)
def test_every_door_is_limited(way_in, open_page, ada, limit, authsignal, door):
    limit(START=only(1))
    open_page()
    browser = way_in()
    browser.force_login(ada)
    answer = DOORS[door](browser)
    assert (answer.status_code, tracked(authsignal)) == (429, 1)
    assert int(answer["Retry-After"]) > 0


def test_a_sign_in_is_limited(way_in, ada, limit):
    limit(START=only(1))
    statuses = [way_in().post("/login/", {"username": "ada", "password": PASSWORD}).status_code for _ in range(2)]
    assert statuses == [303, 429]


def test_a_refused_start_is_no_failed_login(new_browser, ada, limit, failures):
    limit(START=only(1))
    for _ in range(3):
        new_browser().post("/login/", {"username": "ada", "password": PASSWORD})
    assert failures == []


# What they are answered


def test_a_program_is_told_as_problem_json(open_page, new_browser, ada, limit):
    limit(START=only(1))
    open_page()
    browser = new_browser()
    browser.force_login(ada)
    answer = browser.fetch("/withdraw/")
    assert (answer.status_code, answer["Content-Type"]) == (429, "application/problem+json")
    assert (answer.json()["code"], answer.json()["action"]) == ("too_many_tries", "withdrawFunds")
    assert int(answer["Retry-After"]) > 0


def test_htmx_is_told_and_led_nowhere(open_page, new_browser, ada, limit):
    limit(START=only(1))
    open_page()
    browser = new_browser()
    browser.force_login(ada)
    answer = browser.get("/withdraw/", headers={"HX-Request": "true"})
    assert (answer.status_code, "HX-Redirect" in answer) == (429, False)


def test_a_form_that_was_stopped_is_kept_in_the_browser(open_page, new_browser, ada, limit):
    limit(START=only(1))
    open_page()
    browser = new_browser()
    browser.force_login(ada)
    answer = browser.post("/pay/", {"amount": "12", "payee": "Bob"})
    assert answer.status_code == 429
    assert b'name="amount" value="12"' in answer.content
    assert int(answer["Retry-After"]) > 0


def test_the_first_of_a_window_is_written_and_told_and_a_flood_fills_no_table(open_page, limit, caplog):
    limit(START=only(1))
    told = []
    action_blocked.connect(lambda reason, **kwargs: told.append(reason), weak=False, dispatch_uid="limits")
    try:
        for _ in range(5):
            open_page()
    finally:
        action_blocked.disconnect(dispatch_uid="limits")
    rows = Challenge.objects.filter(reason="too_many")
    assert ([row.status for row in rows], told) == ([Status.DENIED], ["too_many"])
    assert caplog.text.count("withdrawFunds was not begun: too many by this user. See LIMITS.") == 4


# Coming back


def false(browser, row=None, **query):
    """A callback with a token that is none; where a redirect takes it out of the address, what comes then."""
    answer = browser.callback(row, token="nonsense", **query)
    return (
        browser.get(answer["Location"]) if answer.status_code == 303 and "reason" not in answer["Location"] else answer
    )


def test_a_false_token_is_brought_so_often_and_then_nobody_is_asked(adas, limit, authsignal):
    limit(CALLBACK=callbacks(3, "SESSION"))
    adas.get("/withdraw/")
    answers = [false(adas) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [303, 303, 303, 429, 429]
    assert sum(call.operation == "validate_challenge" for call in authsignal.calls) == 3
    assert int(answers[-1]["Retry-After"]) > 0
    assert b"Too many tries" in answers[-1].content


@pytest.mark.parametrize("own", [True, False])
def test_one_too_many_is_told_which_challenge_it_was_only_where_it_began(adas, new_browser, limit, own):
    limit(CALLBACK=callbacks(1, "ADDRESS"))
    adas.get("/withdraw/")
    row, browser = newest(), adas if own else new_browser()
    request = RequestFactory(REMOTE_ADDR=PUBLIC).get("/")
    request.session, request.user = browser.session, AnonymousUser()
    request.COOKIES = {name: cookie.value for name, cookie in browser.cookies.items()}
    first, last = [steps.run(flow.finish(request, row.pk, Sealed("nonsense"))) for _ in range(2)]
    assert first.reason == ("invalid" if own else "foreign")
    assert (last.ok, last.reason, last.row, last.user) == (False, "too_many", row if own else None, None)
    assert last.retry_after > 0


def test_the_token_leaves_the_address_of_one_too_many_as_well(adas, limit):
    limit(CALLBACK=callbacks(1, "SESSION"))
    adas.get("/withdraw/")
    false(adas)
    answer = adas.callback(token="nonsense")
    assert (answer.status_code, "nonsense" in answer["Location"]) == (303, False)


def test_by_json_it_is_the_same(adas, limit):
    limit(CALLBACK=callbacks(1, "SESSION"))
    adas.get("/withdraw/")
    url = reverse("authsignal:challenge", args=[newest().pk])
    answers = [adas.post(url, {"token": "x"}, "application/json", headers=JSON) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [403, 429]
    assert answers[1].json()["reason"] == "too_many"
    assert int(answers[1]["Retry-After"]) > 0


def test_good_proofs_are_not_counted_and_clear_nothing(adas, limit):
    limit(CALLBACK=callbacks(2, "SESSION"))
    adas.get("/withdraw/")
    false(adas)
    for _ in range(3):
        adas.post("/delete/")
        assert adas.prove()["Location"] == "/delete/"
        assert adas.post("/delete/").content == b"deleted"
    adas.post("/delete/")
    assert [false(adas).status_code for _ in range(2)] == [303, 429]


def test_what_is_refused_now_is_taken_in_the_next_window(adas, limit, one_window):
    limit(CALLBACK={**callbacks(1, "SESSION"), "WINDOW": 60})
    adas.get("/withdraw/")
    false(adas)
    token = adas.authsignal.complete(str(newest().pk))
    assert adas.get(adas.callback(token=token)["Location"]).status_code == 429
    assert newest().status == Status.OPEN
    one_window.shift(60)
    assert adas.callback(token=token)["Location"] == "/withdraw/"


def test_strangers_that_guess_are_limited_by_address(new_browser, limit, authsignal, db):
    limit(CALLBACK=callbacks(3, "ADDRESS"))
    url = reverse("authsignal:callback", args=[uuid.uuid4()])
    statuses = [new_browser(REMOTE_ADDR=PUBLIC).get(url).status_code for _ in range(5)]
    assert statuses == [303, 303, 303, 429, 429]
    assert authsignal.calls == []


def test_strangers_at_the_same_address_stop_no_good_proof(new_browser, ada, limit):
    limit(CALLBACK=callbacks(2, "ADDRESS"))
    adas = new_browser(REMOTE_ADDR=PUBLIC)
    adas.force_login(ada)
    adas.get("/withdraw/")
    for _ in range(5):
        new_browser(REMOTE_ADDR=PUBLIC).callback(newest(), token="nonsense")
        new_browser(REMOTE_ADDR=PUBLIC).get(reverse("authsignal:callback", args=[uuid.uuid4()]))
    assert adas.prove()["Location"] == "/withdraw/"


def test_strangers_that_bring_something_for_one_challenge_share_no_counter(new_browser, adas, limit):
    limit(CALLBACK=callbacks(1, "SESSION"))
    adas.get("/withdraw/")
    Challenge.objects.update(channel=Channel.API, credential="a" * 64)
    assert [new_browser().callback(newest()).status_code for _ in range(2)] == [303, 303]


def test_a_stranger_is_not_told_what_they_are_too_many_for(new_browser, adas, limit):
    limit(CALLBACK=callbacks(1, "ADDRESS"))
    adas.get("/withdraw/")
    row = newest()
    answers = [new_browser(REMOTE_ADDR=PUBLIC).get(reverse("authsignal:callback", args=[row.pk])) for _ in range(2)]
    assert answers[1].status_code == 429
    assert b"Withdraw" not in answers[1].content
    assert str(row.pk).encode() not in answers[1].content


def test_an_outage_makes_no_false_proofs(adas, limit, authsignal):
    limit(CALLBACK=callbacks(1, "SESSION"))
    adas.get("/withdraw/")
    token = authsignal.complete(str(newest().pk))
    authsignal.fail("refused")
    assert {adas.callback(token=token)["Location"].rpartition("=")[2] for _ in range(3)} == {"unreachable"}
    authsignal.fail(None)
    assert adas.callback(token=token)["Location"] == "/withdraw/"


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_away_makes_no_false_proofs(new_browser, ada, limit, authsignal, caplog):
    limit(CALLBACK=callbacks(1, "SESSION"))
    browser = new_browser(raise_request_exception=False)
    browser.force_login(ada)
    browser.get("/withdraw/")
    token = authsignal.complete(str(newest().pk))

    def away(execute, sql, *args):
        if sql.startswith("UPDATE") and Challenge._meta.db_table in sql:
            raise OperationalError("server closed the connection unexpectedly")
        return execute(sql, *args)

    row = newest()
    with connection.execute_wrapper(away):
        assert {browser.callback(row, token=token).status_code for _ in range(3)} == {500}
    assert caplog.text.count("OperationalError: server closed the connection") == 3
    assert browser.callback(row, token=token)["Location"] == "/withdraw/"


# The cache


class Down(LocMemCache):
    """A cache that does not answer."""

    def incr(self, *args, **kwargs):
        raise ConnectionError("redis://:hush@cache.example")

    add = get = set = decr = incr


class Silent(LocMemCache):
    """A cache that swallows its errors, as some can be told to."""

    def incr(self, *args, **kwargs):
        return None

    add = get = set = decr = incr


@pytest.mark.parametrize("backend", ["Down", "Silent"])
def test_a_cache_that_is_down_closes_no_site_and_opens_nothing(settings, open_page, adas, limit, caplog, backend):
    limit(START=only(1), CALLBACK=callbacks(1, "SESSION"))
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.{backend}"}}
    assert {open_page().status_code for _ in range(3)} == {302}
    assert adas.get("/withdraw/").status_code == 302
    assert "reason=invalid" in adas.callback(token="nonsense")["Location"]
    assert adas.prove()["Location"] == "/withdraw/"
    assert ("could not be counted (ConnectionError)" in caplog.text) is (backend == "Down")
    assert "hush" not in caplog.text


def test_a_dummy_cache_counts_nothing_and_breaks_nothing(settings, open_page, limit):
    limit(START=only(1))
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    assert {open_page().status_code for _ in range(3)} == {302}


@pytest.fixture(scope="module")
def _cache_table(django_db_setup, django_db_blocker):
    """Made outside of any test: where making a table ends a transaction, a test's own would be kept."""
    table = {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "counted"}
    with django_db_blocker.unblock(), override_settings(CACHES={"default": table}):
        call_command("createcachetable")
    yield
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("DROP TABLE counted")


@pytest.mark.usefixtures("_cache_table")
@pytest.mark.parametrize("backend", ["db.DatabaseCache", "filebased.FileBasedCache", "locmem.LocMemCache"])
def test_every_cache_of_djangos_counts(settings, open_page, limit, tmp_path, backend):
    limit(START=only(2))
    settings.CACHES = {"default": {"BACKEND": f"django.core.cache.backends.{backend}", "LOCATION": "counted"}}
    if "file" in backend:
        settings.CACHES["default"]["LOCATION"] = str(tmp_path)
    assert [open_page().status_code for _ in range(3)] == [302, 302, 429]


def test_no_name_rests_in_the_cache(new_browser, db, limit, asked):
    name = "zoltan"  # no hash holds it by chance
    get_user_model().objects.create_user(name)
    limit(START=only(9, "ADDRESS"), PASSWORDLESS=only(9))
    new_browser(REMOTE_ADDR=PUBLIC).post("/authsignal/sign-in/", {"username": name})
    assert {len(key) for key in asked} == {len("authsignal:") + 64}  # keyed hashes, and nothing else
    assert not any(part in key for key in asked for part in (name, PUBLIC))


def test_each_test_begins_with_counters_of_its_own(authsignal, rf):
    """Users of the test helpers have one cache for a whole run, and the same user in each test."""
    first = limits.count(rf.get("/"), "PASSWORDLESS", user="ada").keys
    with override_transport(authsignal):
        assert limits.count(rf.get("/"), "PASSWORDLESS", user="ada").keys != first
    with override_transport(None):
        assert counted_apart() == ""
