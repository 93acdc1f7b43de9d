"""Every cell of the matrix: it asks without a proof, opens with one, and refuses on BLOCK."""

import pytest
from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import connections

from django_authsignal.models import Challenge
from tests.conftest import PASSWORD, AsgiBrowser, Browser
from tests.doors.clients import AUTHORIZATIONS, ByHeader, Person, someone
from tests.doors.table import IMPOSSIBLE, IN_PROCESS, NO_HEADER, rows

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])
OURS = "django_authsignal.middleware.AuthsignalMiddleware"
LOGIN_REQUIRED = "django.contrib.auth.middleware.LoginRequiredMiddleware"
HERE = [django_settings.NAME] if django_settings.NAME != "doors" else list(IN_PROCESS)


class LedgerElsewhere:
    """Keeps the ledger in a second database."""

    def db_for_read(self, model, **hints):
        return "ledger" if model is Challenge else None

    db_for_write = db_for_read

    def allow_relation(self, one, other, **hints):
        return True


@pytest.fixture
def environment(request, settings, monkeypatch, tmp_path):
    """Sets the project up as the environment says."""
    name = request.param
    if name == "login required":
        place = settings.MIDDLEWARE.index(OURS)
        settings.MIDDLEWARE = [*settings.MIDDLEWARE[:place], LOGIN_REQUIRED, *settings.MIDDLEWARE[place:]]
    elif name == "atomic":
        monkeypatch.setitem(connections["default"].settings_dict, "ATOMIC_REQUESTS", True)
    elif name == "two databases":
        settings.DATABASE_ROUTERS = [f"{__name__}.LedgerElsewhere"]
    elif name in IN_PROCESS[4:]:
        settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{name}"
        settings.SESSION_FILE_PATH = str(tmp_path)
    yield name
    if name == "two databases":
        assert Challenge.objects.using("ledger").exists()
        assert not Challenge.objects.using("default").exists()


def make_user(name):
    address = f"{name}@example.com"
    login = name if get_user_model().USERNAME_FIELD == "username" else address
    user = get_user_model().objects.create_user(login, address, PASSWORD)
    user.is_staff = user.is_superuser = True
    user.save()
    return user


@pytest.fixture
def people(environment):
    Group.objects.create(name="before")
    return make_user("ada"), make_user("bob")


@pytest.fixture(autouse=True)
def _middleware(request, settings, environment):
    door = request.node.callspec.params["door"]
    if door.middleware:
        settings.MIDDLEWARE = [*settings.MIDDLEWARE, door.middleware]


def is_asked(person, answer):
    """True for an answer that asks, and did nothing."""
    if isinstance(person, ByHeader) or person.door.kind in ("rest", "ninja", "token"):
        return answer.status_code == 401 and answer.json()["code"] == "challenge_required"
    if person.door.kind == "sign-in":
        # A form goes to our page first; allauth's stage is a page already.
        where = "/authsignal/challenges/" if answer.status_code == 303 else "https://mfa.authsignal.com/"
        return answer.status_code in (302, 303) and answer["Location"].startswith(where)
    if person.door.method == "get":
        return answer.status_code == 302 and answer["Location"].startswith("https://mfa.authsignal.com/")
    return answer.status_code == 403 and b"the effect" not in answer.content


def is_done(person, answer):
    """True when the effect is there."""
    if person.door.kind == "sign-in":
        return person.browser.user_pk == str(person.user.pk)
    if person.door.kind == "admin":
        return list(Group.objects.values_list("name", flat=True)) != ["before"]
    if person.door.kind == "token":
        return answer.status_code == 200 and {"token", "access"} & answer.json().keys()
    return answer.status_code == 200 and (b"the effect" in answer.content or "admin" in person.door.path)


@pytest.mark.table(None)
@pytest.mark.parametrize(
    ("environment", "door", "way"),
    rows(HERE),
    ids=[f"{environment} {door.kind} {door.name} by {way}" for environment, door, way in rows(HERE)],
    indirect=["environment"],
)
def test_a_cell_asks_opens_and_refuses(environment, people, authsignal, door, way):
    ada, bob = people
    person = someone(door, way, authsignal, ada)
    asked = person.ask()
    assert is_asked(person, asked), (asked.status_code, asked.content[:500])
    assert not is_done(person, asked)
    back = person.prove()
    done = back if door.kind == "sign-in" else person.ask()
    assert is_done(person, done), (done.status_code, done.content[:500])
    Group.objects.all().delete()
    Group.objects.create(name="before")
    other = someone(door, way, authsignal, bob)
    authsignal.block()
    refused = other.ask()
    assert refused.status_code == 403, (refused.status_code, refused.content[:500])
    assert not is_done(other, refused)


HEADERS = [(door, way) for (door, way), reason in IMPOSSIBLE.items() if reason == NO_HEADER and way in AUTHORIZATIONS]


@pytest.mark.parametrize("environment", HERE[:1], indirect=True)
@pytest.mark.parametrize(("door", "way"), HEADERS, ids=[f"{door.kind} {door.name} by {way}" for door, way in HEADERS])
def test_whoever_brings_a_header_that_a_door_does_not_know_is_a_visitor(environment, people, authsignal, door, way):
    person = Person(door, authsignal, people[0])
    browser = (AsgiBrowser if "/async/" in door.path else Browser)(authsignal)
    send = getattr(browser, door.method)
    visitor = send(person.path, person.fields)
    answer = send(person.path, person.fields, headers={"Authorization": AUTHORIZATIONS[way](people[0])})
    assert (answer.status_code, answer.headers.get("Location")) == (
        visitor.status_code,
        visitor.headers.get("Location"),
    )
    assert visitor.status_code == 302 or door.middleware  # its page is open to visitors: it asks sessions alone
    assert authsignal.calls == []
