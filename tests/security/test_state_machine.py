"""
People, browsers, thieves and clients of an API do everything in any order, and a model that knows nothing of our code
says what may happen.

The suite walks a short way, always the same; `make fuzz` walks 20,000 steps, each time others.
"""

import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.http import HttpResponse
from django.urls import path, reverse
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.response import Response
from rest_framework.views import APIView

from django_authsignal.conf import override_transport
from django_authsignal.contrib.rest_framework import ChallengeRequiredMixin
from django_authsignal.decorators import challenge_required, login_required
from django_authsignal.models import Challenge
from django_authsignal.testing.fake import FakeAuthsignal
from tests.conftest import Browser
from tests.project.urls import urlpatterns as project

pytestmark = [pytest.mark.security, pytest.mark.urls(__name__)]
STEPS = int(os.environ.get("FUZZ_STEPS", "0"))
effects = []


# The site: a few doors to an effect, each in both colours


@dataclass(frozen=True)
class Door:
    name: str
    action: str
    max_age: int | None = 900  # seconds; None: as long as the session
    once: bool = False
    bind: tuple = ()
    adaptive: bool = False  # its policy lets through in an outage, and on ALLOW
    deep: bool = False


DOORS = {
    door.name: door
    for door in (
        Door("take", "withdrawFunds"),
        Door("reach", "withdrawFunds", deep=True),
        Door("narrow", "withdrawFunds", max_age=300),
        Door("browse", "browseReports", adaptive=True),
        Door("wipe", "deleteAccount", max_age=600, once=True),  # MAX_AGE 0: it may wait as long as a challenge
        Door("send", "payInvoice", once=True, bind=("amount", "payee")),
        Door("enter", "signIn", max_age=None),
    )
}
ACTIONS = sorted({door.action for door in DOORS.values()})
POLICIES = {
    "browseReports": {"ON_UNREACHABLE": "allow", "ON_ALLOW": "pass"},
    "deleteAccount": {"MAX_AGE": 0, "ON_UNREACHABLE": "allow", "ON_ALLOW": "pass"},
}


def happen(request, door):
    effects.append((door.name, request.user.pk, dict(request.authsignal.bound) if door.bind else {}))


def guarded(door, view):
    if door.deep:
        return view
    if door.action == "signIn":
        return login_required(view)
    narrowed = {"max_age": door.max_age} if door.name == "narrow" else {}
    return challenge_required(door.action, bind=door.bind, methods=["GET", "POST"], **narrowed)(view)


def made(door):
    def view(request):
        if door.deep:
            request.authsignal.require(door.action)
        happen(request, door)
        return HttpResponse("done")

    async def aview(request):
        if door.deep:
            await request.authsignal.arequire(door.action)
        happen(request, door)
        return HttpResponse("done")

    return [path(f"{door.name}/", guarded(door, view)), path(f"async/{door.name}/", guarded(door, aview))]


class Key(BaseAuthentication):
    """`Authorization: Key <user's pk>.<number>`: as many credentials of one user as one likes."""

    def authenticate(self, request):
        user = get_user_model().objects.get(pk=request.headers["Authorization"].partition(" ")[2].partition(".")[0])
        if not user.is_active:
            raise AuthenticationFailed
        return user, request.headers["Authorization"]

    def authenticate_header(self, request):
        return "Key"


def api(door):
    class View(ChallengeRequiredMixin, APIView):
        authentication_classes = [Key]
        challenge_action = door.action
        challenge_bind = list(door.bind)

        def post(self, request):
            happen(request, door)
            return Response("done")

    return path(f"api/{door.name}/", View.as_view())


urlpatterns = [
    *project,
    *(one for door in DOORS.values() for one in made(door)),
    *(api(DOORS[name]) for name in ("take", "wipe", "send", "browse")),
]


# The model


@dataclass(eq=False)
class Person:
    pk: int
    name: str
    password: str
    active: bool = True
    state: int = 0  # changes with all that a proof was given for: password and address
    passwords: int = 0  # how often the password was changed: Django ends the sessions of before


@dataclass(eq=False)
class Login:
    """One session. Browsers that share its cookie share it."""

    person: Person | None = None
    passwords: int = 0

    @property
    def who(self):
        alive = self.person is not None and self.person.active and self.passwords == self.person.passwords
        return self.person if alive else None


@dataclass(eq=False)
class Place:
    """Where a challenge is begun and its proof counts: a browser, or a credential of an API client."""

    name: str
    browser: Browser
    login: Login = field(default_factory=Login)
    credential: str = ""
    owner: Person | None = None  # of the credential

    @property
    def who(self):
        if self.credential:
            return self.owner if self.owner.active else None
        return self.login.who


@dataclass(eq=False)
class Begun:
    """A challenge that was begun, and what came of it."""

    key: str
    place: Place
    person: Person
    state: int
    door: Door
    request: tuple
    at: datetime
    login: Login | None  # None: it signs in, by a password
    review: bool = False
    waiting: bool = True
    released: bool = False
    told: dict = field(default_factory=dict)  # how the request was made


@dataclass(eq=False)
class Proof:
    action: str
    place: Place
    person: Person
    state: int
    login: Login | None
    at: datetime
    request: tuple | None = None  # it serves this request alone
    spent: bool = False


VALUES = st.sampled_from([("10", "Zoë"), ("10.00", "Zoë"), ("20", "Zoë"), ("10", "Mallory")])
RECENT = st.integers(0, 7)
WHO, WHERE, KEYS = st.integers(0, 1), st.integers(0, 2), st.integers(0, 2)


class Everything(RuleBasedStateMachine):
    numbers = count()
    steps = requests = 0

    def __init__(self):
        super().__init__()
        Challenge.objects.all().delete()
        Session.objects.all().delete()
        cache.clear()
        self.fake = FakeAuthsignal()
        self.transport = override_transport(self.fake)
        self.transport.__enter__()
        self.clock = time_machine.travel(datetime(2026, 3, 1, tzinfo=UTC), tick=False)
        self.now = self.clock.start()
        self.people = [self.person(name) for name in ("ada", "bob")]
        self.browsers = [Place(f"browser {number}", Browser(self.fake)) for number in range(3)]
        self.clients = [self.client(number, self.people[number // 2]) for number in range(3)]  # two of ada's
        self.begun, self.proofs, self.known = [], [], set()
        self.acts = self.releases = 0  # effects of one request's proof, and what reviews released
        self.told = {}
        self.outage = False
        self.outcomes = dict.fromkeys(ACTIONS, "challenge")
        self.at_authsignal = {}  # key -> (state, when)

    def person(self, name):
        user = get_user_model().objects.create_user(f"{name}{next(self.numbers)}", f"{name}@example.com", "first")
        return Person(user.pk, user.get_username(), "first")

    def client(self, number, person):
        return Place(f"client {number}", Browser(self.fake), credential=f"Key {person.pk}.{number}", owner=person)

    def teardown(self):
        self.clock.stop()
        self.transport.__exit__(None, None, None)

    # What one request may do

    @contextmanager
    def watched(self, place, door=None, *, request=None, person=None, may_login=None):
        """Around one request: every new challenge is written down, every effect and login needs its reason."""
        Everything.requests += 1
        effects.clear()
        yield
        for key in map(str, Challenge.objects.exclude(pk__in=self.known).values_list("pk", flat=True)):
            self.known.add(key)
            if person is None:
                person = place.who
            if person is not None and door is not None and not self.outage:  # in an outage nothing is begun there
                signs_in = may_login is not None
                review = self.outcomes[door.action] == "review"
                self.begun.append(
                    Begun(
                        key, place, person, person.state, door, request, self.time, None if signs_in else place.login,
                        review, told=dict(self.told),
                    )
                )  # fmt: skip
        happened, effects[:] = list(effects), []
        assert len(happened) <= 1
        for name, pk, values in happened:
            assert place.who is not None, "an effect for nobody"
            assert (name, pk) == (door.name, place.who.pk)
            assert self.justified(place, door, request), f"no proof for {door.name} of {place.name}"
            assert tuple(values.values()) == (request[2] if door.bind else ())
        if not place.credential:
            self.logged_in(place, may_login)

    @property
    def time(self):
        return datetime.now(UTC)

    def logged_in(self, place, may_login):
        seen = place.browser.get("/home/").content.decode().removeprefix("home of ")
        expected = place.who.name if place.who else "AnonymousUser"
        if seen != expected:
            assert may_login is not None, f"{place.name} is {seen}, not {expected}"
            assert seen == may_login.name
            self.log_in(place, may_login)

    def log_in(self, place, person):
        """As Django does: whoever shared the session before does not share the new one."""
        if place.login.person is person and place.login.passwords == person.passwords:
            return
        place.login.person = None
        place.login = Login(person, person.passwords)

    def justified(self, place, door, request):
        if door.adaptive and (self.outage or self.outcomes[door.action] == "allow"):
            return True
        if door.action == "signIn" and self.outcomes["signIn"] == "allow" and not self.outage:
            self.proofs.append(self.proof("signIn", place, place.who, self.time))  # for this session, from now on
            return True
        for proof in self.proofs:
            age = (self.time - proof.at).total_seconds()
            if self.fits(proof, place, door, request) and (door.max_age is None or age < door.max_age):
                proof.spent = door.once
                self.acts += door.once
                return True
        for one in self.begun:
            about = (one.place, one.person, one.state, one.door.action, one.request)
            if one.released and about == (place, place.who, place.who.state, door.action, request):
                one.released = False  # it serves one request
                self.acts += door.once
                return True
        return False

    def fits(self, proof, place, door, request):
        return (
            proof.action == door.action
            and not proof.spent
            and proof.place is place
            and proof.person is place.who
            and proof.state == place.who.state
            and (place.credential or proof.login is place.login)
            and (proof.request == request if door.once else True)
        )

    def proof(self, action, place, person, at, request=None):
        return Proof(action, place, person, person.state, place.login, at, request)

    def finished(self, one, place, key, *, by_header=False):
        """A token of the challenge `key` comes back for the challenge `one`, here. The model's own rule."""
        state, at = self.at_authsignal.get(key, ("", None))
        good = (
            not self.outage
            and one.waiting
            and not one.review
            and one.key == key
            and one.place is place
            and bool(place.credential) == by_header
            and self.time < one.at + timedelta(seconds=600)
            and one.person.active
            and one.state == one.person.state
            and (one.login is None or place.credential or place.who is one.person)
        )
        if good and state == "CHALLENGE_FAILED":
            one.waiting = False
        if not good or state != "CHALLENGE_SUCCEEDED":
            return None
        one.waiting = False
        return at

    # What people do

    @rule(place=WHERE, who=WHO, right=st.sampled_from([True, True, True, False]))
    def give_a_password(self, place, who, right):
        place, person = self.browsers[place], self.people[who]
        may = person if right and person.active else None
        let_in = may if self.outcomes["signIn"] == "allow" and not self.outage else None
        password = person.password if right else "wrong"
        with self.watched(place, DOORS["enter"], request=("signIn",), person=may or person, may_login=may):
            before, key = place.who, place.browser.session.session_key
            answer = place.browser.post("/login/", {"username": person.name, "password": password})
            # The session of somebody deactivated keeps their name; `login()` gives it a new key.
            renewed = place.browser.session.session_key != key
            signed_in = place.browser.user_pk == str(person.pk) and before is not person and renewed
            assert not signed_in or let_in is not None, "signed in by a password alone"
        assert answer.status_code < 500 or (answer.status_code == 503 and self.outage)
        if signed_in:
            self.proofs.append(self.proof("signIn", place, person, self.time))

    @rule(
        place=WHERE,
        door=st.sampled_from(sorted(DOORS)),
        post=st.booleans(),
        colour=st.sampled_from(["", "async/"]),
        values=VALUES,
        page=st.integers(0, 2),
    )
    def open_a_door(self, place, door, post, colour, values, page):
        self.send(self.browsers[place], DOORS[door], post, colour, values, page=page)

    def again(self, one, place):
        """The very request that a challenge was begun by."""
        if one.place.credential:
            self.call(one.place, one.door, one.told.get("values", ("10", "Zoë")))
        elif place.who is not None:
            self.send(place, one.door, **one.told)

    def send(self, place, door, post=False, colour="", values=("10", "Zoë"), headers=None, page=0):
        where = f"/{colour}{door.name}/" + (f"?page={page}" if page and not door.bind else "")
        fields = dict(zip(door.bind, values, strict=False))
        plain = ("10", values[1]) if values[0] == "10.00" else values
        sent = tuple(values) if door.bind else ()
        # GET carries what is bound in its address, which is part of what is proved.
        at = (where, values) if door.bind and not post else (where, plain if door.bind else ())
        self.told = {"post": post, "colour": colour, "values": values, "page": page}
        with self.watched(place, door, request=Sent("POST" if post else "GET", at, sent)):
            ask = place.browser.post if post else place.browser.get
            answer = ask(where, fields, **({"headers": headers} if headers else {}))
        assert answer.status_code in ((200, 302, 403, 503) if self.outage else (200, 302, 403)), answer.status_code
        return answer

    @precondition(lambda self: self.begun)
    @rule(
        pick=RECENT,
        other=RECENT,
        where=st.sampled_from([None, None, None, None, 0, 1, 2]),
        how=st.sampled_from(["right", "right", "right", "right", "cancel", "failed", "other", "replay", "garbage"]),
    )
    def come_back(self, pick, other, where, how):
        one, another = self.begun[-1 - pick % len(self.begun)], self.begun[-1 - other % len(self.begun)]
        place = one.place if where is None else self.browsers[where]
        if place.credential:
            return
        self.answer(one, place, how, another)

    def answer(self, one, place, how="right", another=None):
        key, token = one.key, "x.y.z"
        if how in ("right", "failed"):
            self.prove_at_authsignal(one, "CHALLENGE_SUCCEEDED" if how == "right" else "CHALLENGE_FAILED")
        if how == "other":  # best one of the same user and action: Authsignal itself finds nothing wrong with it
            alike = [each for each in self.begun if each.person is one.person and each.door.action == one.door.action]
            another = next((each for each in reversed(alike) if each is not one), another)
            self.prove_at_authsignal(another, "CHALLENGE_SUCCEEDED")
            key = another.key
        if how != "garbage":
            token = self.fake.token(key)
        at = self.finished(one, place, key) if how != "garbage" else None
        signs_in = one.person if at is not None and one.door.action == "signIn" else None
        with self.watched(place, may_login=signs_in):
            answer = place.browser.get(reverse("authsignal:callback", args=[one.key]), {"token": token})
        assert answer.status_code == 303
        if signs_in is not None:
            assert place.who is one.person, "a proved sign-in signed nobody in"
        if at is not None:
            self.proofs.append(self.proof(one.door.action, place, one.person, at, one.request))
        elif not one.place.credential:
            self.again(one, place)
        return answer

    @rule(place=WHERE)
    def a_proof_of_one_payment_is_brought_for_another(self, place):
        place = self.browsers[place]
        for values in (("10", "Zoë"), ("20", "Mallory")):
            self.send(place, DOORS["send"], post=True, values=values)
        asked = [one for one in self.begun if one.place is place and one.door.name == "send" and one.waiting]
        if len(asked) > 1:
            self.answer(asked[-1], place, "other", asked[-2])
            self.send(place, DOORS["send"], post=True, values=asked[-1].request.sent)

    def prove_at_authsignal(self, one, state):
        self.fake.complete(one.key, state=state)
        self.at_authsignal[one.key] = (state, self.time)

    @precondition(lambda self: any(one.review for one in self.begun))
    @rule(pick=RECENT)
    def a_review_is_released(self, pick):
        held = [one for one in self.begun if one.review]
        one = held[-1 - pick % len(held)]
        self.prove_at_authsignal(one, "REVIEW_SUCCEEDED")
        one.released |= one.waiting
        self.releases += one.waiting
        one.waiting = False

    @precondition(lambda self: any(one.review for one in self.begun))
    @rule(pick=RECENT, state=st.sampled_from([None, "CHALLENGE_SUCCEEDED", "REVIEW_FAILED", "ALLOW"]))
    def a_review_is_not_released(self, pick, state):
        held = [one for one in self.begun if one.review]
        one = held[-1 - pick % len(held)]
        if state:
            self.prove_at_authsignal(one, state)
        self.time_goes_by(7)
        self.again(one, one.place)

    @precondition(lambda self: self.begun)
    @rule(pick=RECENT, place=WHERE)
    def look_at_a_challenge(self, pick, place):
        """Polling, or reading over somebody's shoulder: it completes nothing."""
        one, place = self.begun[-1 - pick % len(self.begun)], self.browsers[place]
        with self.watched(place):
            answer = place.browser.fetch(reverse("authsignal:challenge", args=[one.key]))
        assert answer.status_code < 500
        if one.place is not place:
            assert b"authsignal.com" not in answer.content

    @rule(place=WHERE)
    def log_out(self, place):
        place = self.browsers[place]
        who = place.who
        place.login.person = None
        place.login = Login()
        with self.watched(place):
            place.browser.post("/logout/")
        self.close(who)

    @precondition(lambda self: any(place.who for place in self.browsers))
    @rule(pick=RECENT)
    def somebody_leaves_and_comes_back(self, pick):
        """What was open when they left is not finished when they are back."""
        place = next(place for place in self.browsers if place.who)
        who = self.people.index(place.who)
        self.send(place, DOORS["take"], page=3)
        old = [one for one in self.begun if one.place is place and one.person is place.who and one.waiting]
        self.log_out(self.browsers.index(place))
        self.log_in_elsewhere(self.browsers.index(place), who)
        if old:
            self.answer(old[-1 - pick % len(old)], place)

    def close(self, who):
        for one in self.begun:
            one.waiting &= one.person is not who

    @rule(place=WHERE, who=WHO)
    def log_in_elsewhere(self, place, who):
        """A social login, a password reset, a script: a session, and no proof."""
        place, person = self.browsers[place], self.people[who]
        if not person.active:
            return
        with self.watched(place, may_login=person):
            place.browser.force_login(get_user_model().objects.get(pk=person.pk))
            self.log_in(place, person)
        self.tries(place)

    @rule(thief=WHERE, victim=WHERE)
    def steal_a_session(self, thief, victim):
        thief, victim = self.browsers[thief], self.browsers[victim]
        if thief is victim or "sessionid" not in victim.browser.cookies:
            return
        thief.browser.cookies["sessionid"] = victim.browser.cookies["sessionid"].value
        thief.login = victim.login
        self.tries(thief)

    def tries(self, place):
        """Somebody tries what may have been left open."""
        for name in ("enter", "take", "wipe"):
            self.send(place, DOORS[name], post=name == "wipe")

    @rule(who=WHO, what=st.sampled_from(["password", "email", "deactivate", "activate"]))
    def change_somebody(self, who, what):
        person = self.people[who]
        user = get_user_model().objects.get(pk=person.pk)
        if what == "password":
            person.passwords += 1
            person.state += 1
            person.password = f"password {person.passwords}"
            user.set_password(person.password)
        elif what == "email":
            person.state += 1
            user.email = f"{person.state}@example.com"
        else:
            person.active = user.is_active = what == "activate"
        signed_in = [place for place in self.browsers if place.login.person is person]
        user.save()
        for place in signed_in:
            self.tries(place)

    @rule(seconds=st.sampled_from([7, 299, 301, 599, 601, 899, 901, 90_000]))
    def time_goes_by(self, seconds):
        self.now.shift(timedelta(seconds=seconds))
        for place in self.browsers if seconds > 100 else ():
            if place.who:
                self.send(place, DOORS["take"])

    @rule(on=st.sampled_from([None, None, "refused", "timeout", "500", "not-json", "empty-object", "unknown-state"]))
    def weather(self, on):
        self.fake.fail(on)
        # Only what is an outage lets an adaptive policy open.
        self.outage = on

    @rule(
        action=st.sampled_from(ACTIONS),
        outcome=st.sampled_from(["challenge", "challenge", "challenge", "allow", "block", "review"]),
    )
    def rules_change(self, action, outcome):
        if action == "signIn" and outcome == "review":
            return
        getattr(self.fake, outcome)(action)
        self.outcomes[action] = outcome

    # Clients of an API

    @rule(
        client=KEYS,
        door=st.sampled_from(["take", "wipe", "send", "browse"]),
        values=VALUES,
        pick=st.sampled_from([None, 0, 0, 0, 1, 2, 3]),
        proved=st.sampled_from([True, True, True, False]),
    )
    def call_the_api(self, client, door, values, pick, proved):
        place, token, one = self.clients[client], "", None
        if pick is not None and self.begun:
            one = self.begun[-1 - pick % len(self.begun)]
            door = one.door.name if one.door.name in ("take", "wipe", "send", "browse") else door
            values = one.request.sent or values if isinstance(one.request, Sent) else values
            if proved:
                self.prove_at_authsignal(one, "CHALLENGE_SUCCEEDED")
            token = self.fake.token(one.key)
        self.call(place, DOORS[door], values, token, one)
        if one is not None and one.place is not place:
            self.again(one, one.place)

    def call(self, place, door, values=("10", "Zoë"), token="", one=None):
        headers = {"Authorization": place.credential, "Accept": "application/json", "Sec-Fetch-Mode": ""}
        headers |= {"Authsignal-Token": token} if token else {}
        plain = ("10", values[1]) if values[0] == "10.00" else values
        sent = tuple(values) if door.bind else ()
        request = Sent("POST", (f"/api/{door.name}/", plain if door.bind else ()), sent)
        self.told = {"values": values}
        if one is not None:
            at = self.finished(one, place, one.key, by_header=True)
            if at is not None:
                self.proofs.append(self.proof(one.door.action, place, one.person, at, one.request))
        with self.watched(place, door, request=request):
            answer = place.browser.post(
                f"/api/{door.name}/", dict(zip(door.bind, values, strict=False)), headers=headers
            )
        assert answer.status_code in ((200, 401, 403, 503) if self.outage else (200, 401, 403)), answer.content
        return answer

    @precondition(lambda self: self.begun)
    @rule(place=WHERE, pick=RECENT, door=st.sampled_from(["take", "wipe"]))
    def bring_a_token_in_a_header(self, place, pick, door):
        """A browser with an API client's header: it finishes nothing of a browser's, and nothing of a client's."""
        one = self.begun[-1 - pick % len(self.begun)]
        self.prove_at_authsignal(one, "CHALLENGE_SUCCEEDED")
        self.send(self.browsers[place], DOORS[door], post=True, headers={"Authsignal-Token": self.fake.token(one.key)})

    # After every step

    @invariant()
    def no_more_is_done_than_was_proved(self):
        Everything.steps += 1
        assert self.acts <= sum(proof.request is not None for proof in self.proofs) + self.releases

    # No dead end

    @rule(place=WHERE, who=WHO, door=st.sampled_from(["take", "reach", "wipe", "send", "enter"]))
    def there_is_a_way_through(self, place, who, door):
        """Whatever happened: with a password and a passkey, somebody gets in and through a step-up."""
        place, person, door = self.browsers[place], self.people[who], DOORS[door]
        self.fair_weather(person)
        if place.who is not person:
            self.give_a_password(self.browsers.index(place), who, right=True)
            self.prove_the_latest(place, person, "signIn")
            assert place.who is person
        self.goes_through(lambda: self.send(place, door, post=True), place, person, door)

    @rule(client=KEYS, door=st.sampled_from(["take", "wipe", "send"]))
    def there_is_a_way_through_the_api(self, client, door):
        place, door = self.clients[client], DOORS[door]
        self.fair_weather(place.owner)
        answer = self.call(place, door)
        if answer.status_code != 200:
            one = self.of(answer.json()["challengeId"])
            self.prove_at_authsignal(one, "CHALLENGE_SUCCEEDED")
            answer = self.call(place, door, token=self.fake.token(one.key), one=one)
        assert answer.status_code == 200, answer.content

    def of(self, key):
        return next(one for one in self.begun if one.key == key)

    def fair_weather(self, person):
        self.weather(None)
        for action in ACTIONS:
            self.rules_change(action, "challenge")
        if not person.active:
            self.change_somebody(self.people.index(person), "activate")
        for one in self.begun:
            if one.review and one.waiting:  # whoever reviews decides, some time
                self.prove_at_authsignal(one, "REVIEW_FAILED")
                one.waiting = False
        self.time_goes_by(7)

    def goes_through(self, ask, place, person, door):
        for _ in range(3):  # a review that was refused is told once
            answer = ask()
            if answer.status_code == 200 and b"done" in answer.content:
                return
            if place.browser.user_pk is not None:
                self.prove_the_latest(place, person, door.action)
        raise AssertionError(f"no way through {door.name} for {person.name}: {answer.status_code}")

    def prove_the_latest(self, place, person, action):
        """What this browser was asked last, and still waits for its proof."""
        asked = [
            one
            for one in self.begun
            if one.place is place and one.person is person and one.door.action == action and one.waiting
        ]
        young = [one for one in asked if self.time < one.at + timedelta(seconds=600) and one.state == person.state]
        if young:
            self.answer(young[-1], place)


class Sent(tuple):
    """One request: method, where with what is bound in one spelling; `sent` is how it was spelt."""

    def __new__(cls, method, at, sent):
        made = super().__new__(cls, (method, at, sent))
        made.sent = sent
        return made

    def __eq__(self, other):
        return self[:2] == tuple(other)[:2]

    __hash__ = tuple.__hash__


@pytest.mark.django_db
def test_in_any_order_nothing_happens_without_its_proof_and_nobody_is_stuck(settings_of_the_site):
    Everything.steps = Everything.requests = 0
    walk = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck), "print_blob": True}
    if STEPS:
        chosen = settings(
            max_examples=max(1, STEPS // 50),
            stateful_step_count=50,
            derandomize=False,
            phases=(Phase.generate,),
            **walk,
        )
    else:
        chosen = settings(
            max_examples=10, stateful_step_count=25, derandomize=True, phases=(Phase.generate, Phase.shrink), **walk
        )
    run_state_machine_as_test(Everything, settings=chosen)
    print(f"{Everything.steps} steps, {Everything.requests} requests")


@pytest.fixture
def settings_of_the_site(settings):
    settings.AUTHSIGNAL = {"API_SECRET_KEY": "test_secret_key", "LIMITS": None, "ACTIONS": POLICIES}
    settings.SESSION_COOKIE_AGE = 100 * 365 * 86_400
