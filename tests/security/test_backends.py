"""The backend itself, called as other code calls it: what each colour hands on, and what a token alone is worth."""

from base64 import b64encode

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import aauthenticate, authenticate
from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.cache import SessionStore

from django_authsignal import channel, session
from django_authsignal.backends import AuthsignalBackend, AuthsignalBackendMixin
from django_authsignal.decision import ActionBlocked, ChallengeRequired, Verdict
from django_authsignal.models import Challenge, Status
from tests.conftest import PASSWORD

pytestmark = [pytest.mark.django_db, pytest.mark.security]


@pytest.fixture(params=[authenticate, async_to_sync(aauthenticate)], ids=["sync", "async"])
def ask(request):
    return request.param


@pytest.fixture
def request_(rf):
    made = rf.post("/login/", headers={"Accept": "text/html", "Sec-Fetch-Mode": "navigate"})
    made.session, made.user = SessionStore(), AnonymousUser()
    return made


def begun(request, ask=authenticate, **credentials):
    """A sign-in that waits for its proof."""
    with pytest.raises(ChallengeRequired) as raised:
        ask(request, **{"username": "ada", "password": PASSWORD, **credentials})
    return raised.value.decision


def give(authsignal, challenge_id, **how):
    return authsignal.complete(str(challenge_id), **how)


# The password


def test_a_wrong_password_is_nobody(request_, ada, authsignal, ask):
    assert ask(request_, username="ada", password="wrong") is None
    assert authsignal.calls == []


def test_a_right_password_waits_for_its_proof(request_, ada, authsignal, ask):
    assert begun(request_, ask).verdict is Verdict.CHALLENGE


def test_a_block_is_told_from_a_challenge(request_, ada, authsignal, ask):
    authsignal.block()
    with pytest.raises(ActionBlocked):
        ask(request_, username="ada", password=PASSWORD)


def test_without_a_request_the_gate_was_not_asked(ada, authsignal, ask):
    with pytest.raises(ChallengeRequired) as raised:
        ask(username="ada", password=PASSWORD)
    assert raised.value.decision.verdict is Verdict.NOT_STARTED
    assert raised.value.decision.action == "signIn"
    assert authsignal.calls == []


def test_a_request_without_a_session_is_as_none(rf, ada, authsignal, ask):
    with pytest.raises(ChallengeRequired, match="Pass the request"):
        ask(rf.post("/login/"), username="ada", password=PASSWORD)


def test_a_password_in_a_basic_header_needs_no_session(rf, ada, authsignal, ask):
    """Nor does it count as confirmed in one, whoever the framework says it is."""
    header = "Basic " + b64encode(f"ada:{PASSWORD}".encode()).decode()
    request = rf.post("/api/", headers={"Authorization": header})
    request.user = ada
    assert begun(request, ask).verdict is Verdict.CHALLENGE


def test_a_request_that_trades_a_password_for_a_token_needs_no_session(rf, ada, authsignal, ask):
    request = rf.post("/api/")
    channel.expect_sign_in(request)
    assert begun(request, ask).verdict is Verdict.CHALLENGE


def test_a_request_need_not_say_who_is_signed_in(request_, ada, authsignal, ask):
    del request_.user
    assert begun(request_, ask).verdict is Verdict.CHALLENGE


def test_a_view_that_asks_by_itself_gets_the_user(request_, ada, authsignal, ask):
    request_._authsignal_view_asks = True
    assert ask(request_, username="ada", password=PASSWORD) == ada
    assert authsignal.calls == []


@pytest.mark.parametrize("signed_in", ["ada", "bob", None])
def test_a_password_counts_as_proved_for_whoever_is_signed_in(request_, ada, bob, authsignal, ask, signed_in):
    request_.user = {"ada": ada, "bob": bob, None: AnonymousUser()}[signed_in]
    request_.session["_auth_user_id"] = str(ada.pk)
    begun(request_, ask)
    assert session.password_is_recent(request_) == (signed_in == "ada")


class Positional(BaseBackend):
    """Knows its request, and takes what it is given by place."""

    def authenticate(self, request, *names, **credentials):
        return request.found.get((*names, *credentials.items()))


class Gated(AuthsignalBackendMixin, Positional):
    asked = None

    def sign_in_allowed(self, request, user):
        type(self).asked = request
        return request is not None


def test_the_backend_behind_the_gate_gets_what_it_was_given(request_, ada, authsignal):
    authsignal.allow()
    request_.found = {("by place", ("by", "name")): ada}
    for ask in (Gated().authenticate, async_to_sync(Gated().aauthenticate)):
        Gated.asked = None
        assert ask(request_, "by place", by="name") == ada
        assert Gated.asked is request_
        assert ask(request_, "other") is None


# The token


def test_a_token_without_a_request_or_a_session_is_nobodys(rf, authsignal, ask):
    assert ask(authsignal_token="a.b.c") is None
    assert ask(rf.post("/login/"), authsignal_token="a.b.c") is None
    assert authsignal.calls == []


@pytest.mark.parametrize("token", ["", "a.b.c"])
def test_a_token_where_nothing_is_open_asks_nobody(request_, authsignal, ask, token, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert ask(request_, authsignal_token=token) is None
    assert authsignal.calls == []


def test_a_token_signs_its_user_in_once(request_, ada, authsignal, ask):
    token = give(authsignal, begun(request_, ask).challenge_id)
    assert ask(request_, authsignal_token=token) == ada
    assert ask(request_, authsignal_token=token) is None


def test_of_two_that_bring_one_token_at_once_one_signs_in(request_, ada, authsignal, overtaken):
    token, first = give(authsignal, begun(request_).challenge_id), []
    overtaken(by=lambda: first.append(authenticate(request_, authsignal_token=token)))
    assert authenticate(request_, authsignal_token=token) is None
    assert first == [ada]


def test_a_token_that_proves_nothing_is_nobodys(request_, ada, authsignal, ask):
    token = give(authsignal, begun(request_, ask).challenge_id, state="CHALLENGE_FAILED")
    assert ask(request_, authsignal_token=token) is None


def test_of_two_sign_ins_the_token_says_which_it_is_for(request_, ada, bob, authsignal, ask):
    first = begun(request_, ask)
    second = begun(request_, ask, username="bob")
    assert first.challenge_id != second.challenge_id
    assert ask(request_, authsignal_token=give(authsignal, first.challenge_id)) == ada
    assert ask(request_, authsignal_token=give(authsignal, second.challenge_id)) == bob


def test_a_token_for_another_challenge_is_not_tried_on_the_only_one(request_, ada, authsignal, ask):
    other = give(authsignal, begun(request_, ask).challenge_id)
    request_.session = SessionStore()
    begun(request_, ask)
    before = len(authsignal.calls)
    assert ask(request_, authsignal_token=other) is None
    assert len(authsignal.calls) == before


def test_a_token_that_names_no_challenge_is_tried_on_the_only_one(request_, ada, authsignal, ask):
    begun(request_, ask)
    before = len(authsignal.calls)
    ask(request_, authsignal_token="opaque")
    assert len(authsignal.calls) == before + 1


class Choosy(AuthsignalBackend):
    """A site's own rules: they look at the request."""

    def sign_in_allowed(self, request, user):
        return request is not None and request.GET.get("from") != "the cellar"


@pytest.mark.parametrize("place", ["the cellar", "the roof"])
def test_a_token_does_not_pass_by_the_backends_own_rules(request_, ada, authsignal, settings, ask, place):
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.Choosy"]
    token = give(authsignal, begun(request_, ask).challenge_id)
    request_.GET = {"from": place}
    assert ask(request_, authsignal_token=token) == (ada if place == "the roof" else None)


def test_a_token_does_not_finish_what_its_view_finishes(request_, ada, authsignal, ask):
    decision = begun(request_, ask)
    Challenge.objects.filter(pk=decision.challenge_id).update(finish_in_view=True)
    assert ask(request_, authsignal_token=give(authsignal, decision.challenge_id)) is None


def test_a_token_finishes_a_sign_in_without_a_password(browser, ada, authsignal, rf, ask):
    browser.post("/authsignal/sign-in/", {"username": "ada"})
    row = Challenge.objects.get(status=Status.OPEN)
    request = rf.post("/login/")
    request.session = browser.session
    request.COOKIES = {name: cookie.value for name, cookie in browser.cookies.items()}
    token = give(authsignal, row.pk, method="PASSKEY")
    assert ask(request, authsignal_token=token) == ada
