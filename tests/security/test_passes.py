"""What a session keeps, to the second and to the type: a pass that does not fit in everything is none."""

import gc
import json
import time
import uuid
from dataclasses import asdict, replace
from datetime import UTC, datetime

import pytest
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.sessions.backends.cache import SessionStore
from django.test import RequestFactory
from django.views.debug import ExceptionReporter

from django_authsignal import channel, session
from django_authsignal.client import ConfigurationError, Hidden
from django_authsignal.client.types import VerificationMethod
from django_authsignal.policy import get_policy
from django_authsignal.session import OpenChallenge, Pass

pytestmark = pytest.mark.security

NOW = datetime(2030, 1, 1, tzinfo=UTC)
AT = NOW.timestamp()
ID = uuid.UUID(int=1)


@pytest.fixture(autouse=True)
def clock(time_machine):
    """Moves to so many seconds after NOW."""
    time_machine.move_to(NOW, tick=False)
    return lambda seconds: time_machine.move_to(AT + seconds, tick=False)


@pytest.fixture
def user():
    return get_user_model()(pk=7, username="ada", password="hash", email="ada@example.com")


@pytest.fixture
def request_of():
    """Makes requests of one browser with one session."""

    def make(browser="a" * 32, store=None):
        request = RequestFactory().get("/")
        request.COOKIES["authsignal_browser"] = browser
        request.session = store or SessionStore()
        return request

    return make


@pytest.fixture
def request_(request_of):
    return request_of()


@pytest.fixture
def bare():
    """A request that no SessionMiddleware has seen."""
    return RequestFactory().get("/")


def granted(request, user, **changes):
    given = {"id": ID, "action": "withdrawFunds", "at": NOW, "max_age": 900, "method": "PASSKEY"}
    session.grant(request, user, **{**given, **changes})
    return changes


def found(request, user, action="withdrawFunds", **narrowed):
    return session.find(request, user, get_policy(action).narrowed(**narrowed))


# Ages


@pytest.mark.parametrize(("seconds", "counts"), [(899.9, True), (900, False), (-60, True), (-60.1, False)])
def test_a_pass_counts_for_its_age_and_a_minute_of_another_clock(request_, user, clock, seconds, counts):
    granted(request_, user)
    clock(seconds)
    assert bool(found(request_, user)) == counts


@pytest.mark.parametrize(("seconds", "counts"), [(59.9, True), (60, False)])
def test_the_lower_of_two_ages_counts(request_, user, clock, seconds, counts):
    granted(request_, user)
    clock(seconds)
    assert bool(found(request_, user, max_age=60)) == counts


@pytest.mark.parametrize(("seconds", "counts"), [(99.9, True), (100, False)])
def test_a_proof_for_one_request_waits_for_its_own_age(request_, user, clock, seconds, counts):
    granted(request_, user, max_age=100, one_request=True)
    clock(seconds)
    assert bool(found(request_, user, max_age=0)) == counts


@pytest.mark.parametrize(("seconds", "counts"), [(599.9, True), (600, False)])
def test_a_proof_for_one_request_without_an_age_waits_as_long_as_a_challenge(request_, user, clock, seconds, counts):
    granted(request_, user, max_age=0, one_request=True)
    clock(seconds)
    assert bool(found(request_, user, max_age=0)) == counts


@pytest.mark.parametrize(
    ("given", "asked", "seconds", "counts"),
    [(900, 60, 59.9, True), (900, 60, 60, False), (0, 800, 799.9, True), (0, 800, 800, False)],
)
def test_a_bound_proof_waits_for_the_age_that_is_asked(request_, user, clock, given, asked, seconds, counts):
    granted(request_, user, max_age=given, one_request=True)
    clock(seconds)
    assert bool(found(request_, user, max_age=asked, bind=["amount"])) == counts


def test_an_age_of_nothing_is_for_one_request_alone(request_, user):
    granted(request_, user, max_age=0)
    assert found(request_, user) is None


def test_no_age_is_as_long_as_the_session(request_, user, clock):
    granted(request_, user, action="signIn", max_age=None)
    clock(10**8)
    assert found(request_, user, "signIn")
    assert session.seconds_left(found(request_, user, "signIn"), get_policy("signIn")) is None


@pytest.mark.parametrize(("seconds", "left"), [(0, 900), (0.5, 899), (899.5, 0), (1000, 0), (-10, 910)])
def test_the_seconds_left_are_whole_and_never_below_none(request_, user, clock, seconds, left):
    granted(request_, user)
    kept = found(request_, user)
    clock(seconds)
    assert session.seconds_left(kept, get_policy("withdrawFunds")) == left


# Whose


def test_a_pass_is_one_users(request_, user):
    granted(request_, user)
    assert found(request_, user)
    other = get_user_model()(pk=8, username="ada", password="hash", email="ada@example.com")
    assert found(request_, other) is None


def test_a_pass_is_one_browsers(request_, request_of, user):
    granted(request_, user)
    assert found(request_of(store=request_.session), user)
    assert found(request_of("b" * 32, request_.session), user) is None
    assert found(request_of("", request_.session), user) is None


def test_a_pass_is_one_tenants(request_, user, configure):
    granted(request_, user, tenant="one")
    assert found(request_, user) is None
    configure(TENANT_ID=lambda request: "one" if request is request_ else "two")
    assert found(request_, user)


def test_a_pass_is_one_actions(request_, user):
    granted(request_, user, action="payInvoice")
    assert found(request_, user) is None
    assert found(request_, user, "payInvoice")


def test_a_pass_is_for_what_was_bound(request_, user):
    granted(request_, user, scope="these")
    policy = get_policy("withdrawFunds")
    assert session.find(request_, user, policy) is None
    assert session.find(request_, user, policy, scope="others") is None
    assert session.find(request_, user, policy, scope="these")


def test_what_one_request_was_released_for_counts_for_that_request(request_, user):
    granted(request_, user, scope="this request", one_request=True)
    policy = get_policy("withdrawFunds")
    assert session.find(request_, user, policy, scope="this request") is None
    assert session.find(request_, user, policy, request_scope="another") is None
    assert session.find(request_, user, policy, request_scope="this request")


def test_a_release_of_no_request_counts_for_none(request_, user):
    granted(request_, user, one_request=True)
    assert found(request_, user) is None


def test_a_pass_for_many_requests_does_not_serve_what_spends_it(request_, user):
    granted(request_, user)
    assert found(request_, user, max_age=0) is None


@pytest.mark.parametrize("given", [{"method": ""}, {"degraded": True}], ids=["allow", "outage"])
def test_what_nothing_proved_does_not_serve_where_only_a_proof_will_do(request_, user, configure, given):
    granted(request_, user, **given)
    assert found(request_, user)
    configure(METHODS=["PASSKEY"])
    assert found(request_, user) is None


def test_a_proof_by_another_method_does_not_serve(request_, user, configure):
    granted(request_, user, method="SMS")
    configure(METHODS=["PASSKEY"])
    assert found(request_, user) is None


def test_what_an_outage_let_through_is_no_proof_for_one_request(request_, user):
    granted(request_, user, degraded=True, one_request=True)
    assert found(request_, user, max_age=0) is None


def test_a_release_without_a_method_serves_one_request(request_, user):
    granted(request_, user, method="", one_request=True)
    assert found(request_, user, max_age=0)


def test_a_proof_by_an_accepted_method_serves(request_, user, configure):
    granted(request_, user)
    configure(METHODS=["PASSKEY"])
    assert found(request_, user)


def test_a_release_without_a_method_serves_one_request_whatever_the_methods(request_, user, configure):
    """A reviewer has said yes; no method was asked for."""
    granted(request_, user, method="", one_request=True)
    configure(METHODS=["PASSKEY"])
    assert found(request_, user, max_age=0)


def test_a_pass_for_many_requests_does_not_serve_what_is_bound(request_, user):
    granted(request_, user)
    assert found(request_, user, bind=["amount"]) is None


@pytest.mark.parametrize("change", [{"email": "thief@example.com"}, {"password": "new"}, {"is_active": False}])
def test_a_pass_ends_with_what_its_user_was(request_, user, change):
    granted(request_, user)
    for name, value in change.items():
        setattr(user, name, value)
    assert found(request_, user) is None


# Sealed


CHANGED = {
    "id": "another",
    "action": "payInvoice",
    "user": "8",
    "at": AT + 1,
    "max_age": None,
    "scope": "other",
    "method": "SMS",
    "tenant": "other",
    "one_request": True,
    "degraded": True,
    "bind": ["amount"],
    "sent_to": "another request",
}


def test_every_field_of_a_pass_is_changed_below():
    assert {*CHANGED, "seal"} == set(Pass._fields)


@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize("field", CHANGED)
def test_a_pass_that_another_hand_changed_is_none(request_, user, configure, field, used):
    """Looked for as what it was changed into: whoever writes to the session's store gives nobody a pass."""
    granted(request_, user)
    kept = request_.session[session.KEY]["passes"][str(ID)]
    if used:
        assert found(request_, user)
    kept[field] = CHANGED[field]
    configure(TENANT_ID=kept["tenant"])
    policy = get_policy(kept["action"])
    where = {"request_scope" if kept["one_request"] else "scope": kept["scope"] or "this request"}
    for asked in (policy, policy.narrowed(bind=["amount"])):
        for scopes in ({}, where, {"scope": kept["scope"]}):
            assert session.find(request_, user, asked, **scopes) is None


@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize("seal", ["", "0" * 64, None, 7, ["x"], "\ud800", "é" * 64])
def test_a_pass_without_its_seal_is_none(request_, user, seal, used):
    granted(request_, user)
    if used:
        assert found(request_, user)
    request_.session[session.KEY]["passes"][str(ID)]["seal"] = seal
    assert found(request_, user) is None


@pytest.mark.parametrize("field", Pass._fields)
def test_a_pass_without_one_of_its_fields_is_none(request_, user, field):
    granted(request_, user)
    del request_.session[session.KEY]["passes"][str(ID)][field]
    assert found(request_, user) is None


def test_a_pass_of_another_browser_is_none_in_this_ones_session(request_of, user):
    one, other = request_of("a" * 32), request_of("b" * 32)
    granted(one, user)
    granted(other, user, id=uuid.UUID(int=2))
    assert found(one, user)
    other.session[session.KEY] = one.session[session.KEY]
    assert found(other, user) is None


def test_a_browser_whose_cookie_is_none_holds_no_pass_whatever_was_sealed(request_of, user):
    request = request_of("no cookie of ours")
    granted(request, user)
    assert found(request, user)  # it was given one, which the answer brings
    assert found(request_of("no cookie of ours", request.session), user) is None


@pytest.mark.parametrize(
    "change", [{"email": "thief@example.com"}, {"password": "new"}, {"is_active": False}, {"pk": 8}, {"email": ""}]
)
def test_a_pass_that_was_used_ends_with_what_its_user_was(request_, user, change):
    granted(request_, user)
    assert found(request_, user)
    before = {name: getattr(user, name) for name in change}
    for name, value in change.items():
        setattr(user, name, value)
    assert found(request_, user) is None
    for name, value in before.items():
        setattr(user, name, value)
    assert found(request_, user)


@pytest.mark.parametrize("browser", ["b" * 32, "", "a" * 31, "a" * 33, "A" * 32])
def test_a_pass_that_was_used_is_one_browsers_still(request_, request_of, user, browser):
    granted(request_, user)
    assert found(request_, user)
    assert found(request_of(browser, request_.session), user) is None


@pytest.mark.parametrize("used", [False, True])
def test_another_secret_key_ends_every_pass(request_, user, settings, used):
    granted(request_, user)
    if used:
        assert found(request_, user)
    settings.SECRET_KEY = "another secret key"
    assert found(request_, user) is None


def test_a_secret_key_among_the_fallbacks_ends_none(request_, user, settings):
    """As Django keeps sessions by it: a key changed in turn signs nobody out."""
    granted(request_, user)
    settings.SECRET_KEY_FALLBACKS = ["older", settings.SECRET_KEY]
    settings.SECRET_KEY = "another secret key"
    assert found(request_, user)
    settings.SECRET_KEY_FALLBACKS = ["older"]
    assert found(request_, user) is None


def test_a_pass_changed_in_place_after_it_was_used_is_none(request_, user):
    granted(request_, user, bind=["amount"])
    assert found(request_, user)
    request_.session[session.KEY]["passes"][str(ID)]["bind"].append("payee")
    assert found(request_, user) is None


@pytest.fixture
def hashed(monkeypatch):
    """What was hashed for seals."""
    real, seen = session.hash_of, []
    monkeypatch.setattr(session, "hash_of", lambda *given: seen.append(given) or real(*given))
    return seen


def test_a_seal_that_was_found_right_is_hashed_no_more(request_, request_of, user, hashed, settings):
    granted(request_, user)
    assert found(request_, user)
    hashed.clear()
    settings.LANGUAGE_CODE = "de"
    assert found(request_of(store=request_.session), user)
    assert hashed == []
    session.forget_known()
    assert found(request_, user)
    assert len(hashed) == 1


def test_a_seal_that_was_found_wrong_is_hashed_each_time(request_, request_of, user, hashed):
    granted(request_, user)
    hashed.clear()
    for _ in range(2):
        assert found(request_of("b" * 32, request_.session), user) is None
    assert len(hashed) == 2


def test_what_is_kept_of_a_seal_holds_neither_cookie_nor_password(request_, user):
    user.password = "pbkdf2_sha256$1$salt$words"
    granted(request_, user)
    session.forget_known()
    kept = session._known
    assert found(request_, user)
    assert kept.cache_info().currsize == 1
    shown = repr([one for one in gc.get_referents(kept) if not callable(one)])
    assert "withdrawFunds" in shown
    assert "a" * 32 not in shown
    assert user.password not in shown
    assert user.email not in shown


def test_a_user_whose_address_is_no_sound_text_has_passes(request_, user):
    user.email = "\ud800@example.com"
    for _ in range(2):
        granted(request_, user)
        assert found(request_, user)


class Breaking:
    """A user, one thing of whom is a fault of the project's own."""

    pk, email, is_active, password = 7, "ada@example.com", True, "word" * 8
    breaks = ""

    def __getattribute__(self, name):
        if name == object.__getattribute__(self, "breaks"):
            raise RuntimeError(name)
        return object.__getattribute__(self, name)

    @classmethod
    def get_email_field_name(cls):
        return "email"

    def get_session_auth_hash(self):
        return "hash" * 8


@pytest.mark.parametrize("breaks", ["pk", "email", "is_active", "get_session_auth_hash"])
def test_a_user_model_that_breaks_has_no_cookie_and_no_password_reported(request_, breaks):
    user = Breaking()
    granted(request_, user)
    user.breaks = breaks
    with pytest.raises(RuntimeError) as caught:
        found(request_, user)
    html = ExceptionReporter(None, caught.type, caught.value, caught.tb).get_traceback_html()
    assert "withdrawFunds" in html
    assert "a" * 32 not in html
    assert user.password not in html
    assert "hash" * 8 not in html


def test_a_pass_is_the_same_where_a_store_gives_other_texts_back(request_, user):
    """A member of an enumeration and a text of a class of its own come back as plain texts."""
    granted(request_, user, method=VerificationMethod.PASSKEY, tenant=Hidden(""), bind=("amount",), max_age=60)
    request_.session[session.KEY] = json.loads(json.dumps(request_.session[session.KEY]))
    assert found(request_, user)


def test_a_pass_that_no_longer_counts_for_its_user_makes_room(request_, user):
    granted(request_, user, action="payInvoice")
    user.password = "new"
    granted(request_, user, id=uuid.UUID(int=2))
    assert list(request_.session[session.KEY]["passes"]) == [str(uuid.UUID(int=2))]


def test_passes_are_no_api_clients(request_, user):
    granted(request_, user)
    channel.set_credential(request_, "Token 1")
    assert found(request_, user) is None
    channel.set_credential(request_, "")
    assert found(request_, user)


def test_a_request_that_trades_a_password_for_a_token_has_no_pass(request_, user):
    granted(request_, user)
    channel.expect_sign_in(request_)
    assert found(request_, user) is None
    channel.set_credential(request_, "")
    assert found(request_, user) is None


# How many


def test_the_thirty_third_pass_drops_the_oldest(request_, user):
    for number in range(33):
        granted(request_, user, id=uuid.UUID(int=number), action=f"action{number}")
    kept = list(request_.session[session.KEY]["passes"].values())
    assert [one["action"] for one in kept] == [f"action{number}" for number in range(1, 33)]


@pytest.mark.parametrize("changes", [{}, {"action": "payInvoice"}, {"scope": "other"}, {"one_request": True}])
def test_a_pass_takes_the_place_of_one_for_the_same(request_, user, changes):
    granted(request_, user)
    granted(request_, user, id=uuid.UUID(int=2), **changes)
    assert len(request_.session[session.KEY]["passes"]) == (2 if changes else 1)


def kept(request):
    return [one["id"][-1] for one in request.session[session.KEY]["passes"].values()]


@pytest.mark.parametrize(
    "weaker", [{"max_age": 60}, {"method": ""}, {"degraded": True}, {"max_age": None, "degraded": True}]
)
def test_what_is_no_better_leaves_a_pass_its_place(request_, user, weaker):
    """A view that asks for a young proof, or an outage, must not end what was proved for longer."""
    granted(request_, user)
    granted(request_, user, id=uuid.UUID(int=2), **weaker)
    assert kept(request_) == ["1", "2"]
    granted(request_, user, id=uuid.UUID(int=3), **weaker)
    assert kept(request_) == ["1", "3"]
    granted(request_, user, id=uuid.UUID(int=4), max_age=None)
    assert kept(request_) == ["4"]


def test_what_an_outage_let_through_leaves_what_was_allowed_its_place(request_, user):
    granted(request_, user, method="")
    granted(request_, user, id=uuid.UUID(int=2), method="", degraded=True)
    assert kept(request_) == ["1", "2"]


def test_a_proof_for_one_request_takes_the_place_of_the_one_before_however_short(request_, user):
    granted(request_, user, one_request=True)
    granted(request_, user, id=uuid.UUID(int=2), one_request=True, max_age=60)
    assert kept(request_) == ["2"]


def test_a_session_holds_others_when_its_user_was_another_then(request_, user):
    granted(request_, user)
    request_.session[session.KEY]["passes"]["2"] = "text"
    assert not session.holds_others(request_, user, "withdrawFunds")
    user.email = "new@example.com"
    assert session.holds_others(request_, user, "withdrawFunds")
    assert not session.holds_others(request_, user, "payInvoice")


def test_a_pass_of_another_tenant_leaves_it_its_place(request_, user):
    granted(request_, user)
    granted(request_, user, id=uuid.UUID(int=2), tenant="other")
    assert kept(request_) == ["1", "2"]


@pytest.mark.parametrize(("seconds", "left"), [(899, ["1", "2"]), (900, ["2"])])
def test_a_pass_that_is_over_makes_room(request_, user, clock, seconds, left):
    granted(request_, user)
    clock(seconds)
    granted(request_, user, id=uuid.UUID(int=2), action="payInvoice", at=datetime.fromtimestamp(AT + seconds, UTC))
    assert kept(request_) == left


def test_a_proof_that_waits_for_its_request_makes_no_room_for_its_age_of_nothing(request_, user, clock):
    granted(request_, user, max_age=0, one_request=True)
    clock(500)
    granted(request_, user, id=uuid.UUID(int=2), action="payInvoice", at=datetime.fromtimestamp(AT + 500, UTC))
    assert kept(request_) == ["1", "2"]


def test_what_lasts_as_long_as_the_session_makes_room_last(request_, user):
    """Thirty-two files, each opened with a proof of its own, must not sign somebody out."""
    granted(request_, user, action="signIn", max_age=None)
    for number in range(2, 40):
        granted(request_, user, id=uuid.UUID(int=number), scope=f"file {number}")
    held = request_.session[session.KEY]["passes"].values()
    assert [one["scope"] for one in held] == ["", *(f"file {number}" for number in range(9, 40))]
    assert found(request_, user, "signIn")


def test_a_proof_for_one_request_makes_room_before_what_lasts_as_long_as_the_session(request_, user):
    granted(request_, user, action="signIn", max_age=None)
    for number in range(2, 40):
        granted(request_, user, id=uuid.UUID(int=number), scope=f"{number}", one_request=True, max_age=None)
    assert len(kept(request_)) == session.MAX_PASSES
    assert found(request_, user, "signIn")


def test_one_pass_is_dropped_or_all(request_, user):
    for number in range(3):
        granted(request_, user, id=uuid.UUID(int=number), action=f"action{number}")
    session.drop(request_, str(uuid.UUID(int=1)))
    assert [one["action"] for one in request_.session[session.KEY]["passes"].values()] == ["action0", "action2"]
    session.drop(request_)
    assert request_.session[session.KEY]["passes"] == {}


def test_dropping_from_a_session_that_keeps_nothing_writes_nothing(request_, bare):
    session.drop(request_)
    session.drop(bare)
    assert not request_.session.modified


def test_everything_else_that_is_kept_stays(request_, user):
    session.hold_link(request_, ID, "hash")
    granted(request_, user)
    assert session.held_link(request_, ID) == "hash"
    assert found(request_, user)


# What another hand, or another version, has written


@pytest.mark.parametrize("field", Pass._fields)
def test_a_pass_with_a_field_of_another_type_is_none(request_, user, field):
    granted(request_, user)
    kept = request_.session[session.KEY]["passes"][str(ID)]
    kept[field] = {}
    for scope in ("", {}):
        assert session.find(request_, user, get_policy("withdrawFunds"), scope) is None
    granted(request_, user, id=uuid.UUID(int=2), action="payInvoice")
    assert list(request_.session[session.KEY]["passes"]) == [str(uuid.UUID(int=2))]


@pytest.mark.parametrize("value", [None, "text", [], {"unknown": 1}, {"action": "withdrawFunds"}])
def test_what_is_no_pass_is_none(request_, user, value):
    request_.session[session.KEY] = {"passes": {"1": value}}
    assert found(request_, user) is None
    assert session.one_request_passes(request_) == []


@pytest.mark.parametrize("value", [None, "text", [], {"passes": "text"}, {"passes": None}])
def test_what_is_no_store_holds_nothing(request_, user, value):
    request_.session[session.KEY] = value
    assert found(request_, user) is None
    assert session.open_challenges(request_) == []
    assert session.held_link(request_, ID) == ""
    granted(request_, user)
    assert found(request_, user)


def test_the_id_of_a_pass_for_many_requests_may_be_anything(request_, user):
    granted(request_, user, id="let through")
    assert found(request_, user)


def test_a_request_without_a_session_has_no_pass_and_is_told_to_have_one(bare, user):
    assert session.one_request_passes(bare) == []
    assert found(bare, user) is None
    assert session.open_challenges(bare) == []
    with pytest.raises(ConfigurationError, match="SessionMiddleware"):
        granted(bare, user)


def test_a_pass_says_what_it_was_given_for(request_, user):
    session.grant(request_, user, id=ID, action="withdrawFunds", at=NOW, max_age=900)
    kept = found(request_, user)
    assert (kept.scope, kept.method, kept.tenant, kept.bind) == ("", "", "", [])
    assert (kept.one_request, kept.degraded) == (False, False)
    granted(request_, user, bind=["amount"])
    kept = found(request_, user)
    assert (kept.id, kept.action, kept.user, kept.at, kept.max_age) == (str(ID), "withdrawFunds", "7", AT, 900)
    assert (kept.method, kept.bind) == ("PASSKEY", ["amount"])


def test_only_passes_for_one_request_are_among_those(request_, user):
    granted(request_, user)
    granted(request_, user, id=uuid.UUID(int=2), one_request=True)
    assert [one.id for one in session.one_request_passes(request_)] == [str(uuid.UUID(int=2))]


def test_looking_for_passes_of_one_request_is_no_use_of_the_session_unless_there_is_one(request_, user):
    for accessed in (False, True):
        request_.session.accessed = accessed
        session.one_request_passes(request_)
        assert request_.session.accessed is accessed
    granted(request_, user, one_request=True)
    request_.session.accessed = False
    session.one_request_passes(request_)
    assert request_.session.accessed


# Open challenges


CHALLENGE = OpenChallenge(str(ID), "withdrawFunds", "step_up", "7", "scope", "https://u", "token", AT + 600)


def test_open_challenges_are_the_newest_first_and_none_beyond_its_time(request_, clock):
    second = replace(CHALLENGE, id=str(uuid.UUID(int=2)), expires=AT + 700)
    assert session.remember(request_, CHALLENGE) == []
    session.remember(request_, second)
    assert session.open_challenges(request_) == [second, CHALLENGE]
    clock(600)
    assert session.open_challenges(request_) == [second]
    assert session.open_challenge(request_, ID) is None
    assert session.open_challenge(request_, uuid.UUID(int=2)) == second


def test_a_ninth_pushes_the_first_out(request_):
    ids = [str(uuid.UUID(int=number)) for number in range(9)]
    pushed = [session.remember(request_, replace(CHALLENGE, id=one)) for one in ids]
    assert pushed == [[]] * 8 + [ids[:1]]
    assert [one.id for one in session.open_challenges(request_)] == ids[:0:-1]


@pytest.mark.parametrize("field", [*asdict(CHALLENGE)])
def test_an_open_challenge_with_a_field_of_another_type_is_none(request_, field):
    request_.session[session.KEY] = {"open": {str(ID): {**asdict(CHALLENGE), field: [1]}}}
    assert session.open_challenges(request_) == []
    assert session.remember(request_, CHALLENGE) == []
    assert session.open_challenges(request_) == [CHALLENGE]


@pytest.mark.parametrize(
    "value", [None, "text", {}, {**asdict(CHALLENGE), "more": 1}, {**asdict(CHALLENGE), "id": "1"}]
)
def test_what_is_no_open_challenge_is_none(request_, value):
    request_.session[session.KEY] = {"open": {"1": value}}
    assert session.open_challenges(request_) == []


def test_a_challenge_opened_in_a_tab_stays_so(request_):
    other = replace(CHALLENGE, id=str(uuid.UUID(int=2)))
    session.remember(request_, other)
    session.remember(request_, CHALLENGE)
    session.open_in_tab(request_, ID)
    assert session.open_challenge(request_, ID) == replace(CHALLENGE, tab=True)
    assert session.open_challenge(request_, uuid.UUID(int=2)) == other
    request_.session.modified = False
    session.open_in_tab(request_, ID)
    session.open_in_tab(request_, uuid.UUID(int=3))
    assert not request_.session.modified


def test_a_forgotten_challenge_is_gone_and_no_other(request_):
    other = replace(CHALLENGE, id=str(uuid.UUID(int=2)))
    session.remember(request_, CHALLENGE)
    session.remember(request_, other)
    session.forget(request_, ID)
    assert session.open_challenges(request_) == [other]
    request_.session.modified = False
    session.forget(request_, ID)
    assert not request_.session.modified


def test_what_is_read_of_an_open_challenge_hides_its_page_and_token(request_):
    session.remember(request_, CHALLENGE)
    found = session.open_challenge(request_, ID)
    assert (found.url, found.token) == ("https://u", "token")
    assert "https://u" not in repr(found.url)
    assert "token" not in repr(found.token)


def test_no_text_of_an_open_challenge_shows_its_page_or_token():
    assert repr(CHALLENGE) == f"<OpenChallenge {ID} withdrawFunds>"


# Another tab


def test_after_a_slow_call_what_another_tab_wrote_is_there(request_):
    request_.session.save()
    request_.session.get("anything")
    request_.session.modified = False
    other = SessionStore(request_.session.session_key)
    other["seen"] = True
    other.save()
    assert "seen" not in request_.session
    session.reload(request_)
    assert "seen" in request_.session


def test_a_session_that_was_not_read_yet_needs_no_second_reading(request_):
    request_.session = SessionStore("a" * 32)
    session.reload(request_)
    assert request_.session.get("anything") is None


@pytest.mark.parametrize("saved", [True, False])
def test_what_this_request_has_written_is_not_lost_by_it(request_, bare, saved):
    if saved:
        request_.session.save()
    request_.session["mine"] = True
    session.reload(request_)
    session.reload(request_)
    session.reload(bare)
    assert request_.session["mine"]


# Authenticators


def test_authenticators_that_come_and_go_are_told(request_, user):
    assert session.authenticators_seen(request_, {"1": "PASSKEY"}) == ({}, {})
    granted(request_, user)
    assert session.authenticators_seen(request_, {"1": "PASSKEY", "2": "SMS"}) == ({"2": "SMS"}, {})
    assert found(request_, user)
    assert session.authenticators_seen(request_, {"2": "SMS"}) == ({}, {"1": "PASSKEY"})
    assert found(request_, user) is None  # it may have been removed on Authsignal's own page
    request_.session.modified = False
    assert session.authenticators_seen(request_, {"2": "SMS"}) == ({}, {})
    assert not request_.session.modified


# Links of break glass


def test_a_held_link_is_of_its_id(request_):
    assert session.held_link(request_, ID) == ""
    session.hold_link(request_, ID, "hash")
    assert session.held_link(request_, ID) == "hash"
    assert session.held_link(request_, uuid.UUID(int=2)) == ""
    request_.session[session.KEY] = {"link": {"id": str(ID), "secret": None}}
    assert session.held_link(request_, ID) == ""


# The password and the login

SHOWN = [
    (session.password_proved, session.password_is_recent, session.login_is_recent),
    (session.logged_in, session.login_is_recent, session.password_is_recent),
]


@pytest.fixture
def signed_in(request_):
    request_.session[SESSION_KEY] = "7"
    return request_


@pytest.mark.parametrize(("show", "is_recent", "other"), SHOWN)
@pytest.mark.parametrize(("seconds", "recent"), [(0, True), (299.9, True), (300, False), (-60, True), (-60.1, False)])
def test_what_was_shown_is_recent_for_five_minutes(signed_in, clock, show, is_recent, other, seconds, recent):
    show(signed_in)
    clock(seconds)
    assert is_recent(signed_in) == recent
    assert not other(signed_in)


def test_the_password_may_have_been_proved_earlier(signed_in):
    session.password_proved(signed_in, AT - 299)
    assert session.password_is_recent(signed_in)
    session.password_proved(signed_in, AT - 300)
    assert not session.password_is_recent(signed_in)
    session.password_proved(signed_in, 0)
    assert not session.password_is_recent(signed_in)


def test_it_is_that_users_in_that_browser(signed_in, request_of):
    session.password_proved(signed_in)
    assert session.password_is_recent(request_of(store=signed_in.session))
    assert not session.password_is_recent(request_of("b" * 32, signed_in.session))
    signed_in.session[SESSION_KEY] = "8"
    assert not session.password_is_recent(signed_in)
    del signed_in.session[SESSION_KEY]
    assert not session.password_is_recent(signed_in)


def test_nobody_is_nobody(request_):
    session.password_proved(request_)
    assert not session.password_is_recent(request_)


@pytest.mark.parametrize("field", ["at", "user", "browser"])
@pytest.mark.parametrize("value", [None, "text", [1]])
def test_what_another_hand_wrote_is_not_recent(signed_in, field, value):
    session.password_proved(signed_in)
    kept = signed_in.session[session.KEY]["password"]
    assert kept == {"at": time.time(), "user": "7", "browser": kept["browser"]}
    kept[field] = value
    assert not session.password_is_recent(signed_in)
