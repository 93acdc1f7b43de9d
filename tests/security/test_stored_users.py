"""The gate asks about users as the database has them: not as a checked form, or a transaction left since, made them."""

import functools
from contextlib import suppress

import pytest
from asgiref.sync import sync_to_async
from django import forms
from django.contrib.auth import get_user_model, login, logout
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.db import IntegrityError, OperationalError, transaction
from django.db.models import Manager
from django.http import HttpResponse
from django.urls import path, reverse
from django.utils.functional import SimpleLazyObject, cached_property

from django_authsignal.backends import AuthsignalBackend, AuthsignalBackendMixin
from django_authsignal.decorators import challenge_required
from django_authsignal.identity import stored
from django_authsignal.models import Challenge, Status
from tests.conftest import PASSWORD, newest
from tests.project.urls import urlpatterns as project

pytestmark = pytest.mark.urls(__name__)

NEW = "new@example.com"


class Profile(forms.ModelForm):
    class Meta:
        model = get_user_model()
        fields = ["email"]


def profile(request, **narrowed):
    form = Profile(request.POST, instance=request.user)
    if not form.is_valid():
        return HttpResponse("form", status=400)
    request.authsignal.require("changeEmail", **narrowed)
    form.save()
    return HttpResponse("saved")


def profile_once(request):
    return profile(request, bind=["email"])


async def profile_async(request):
    user = await request.auser()
    user.email = request.POST["email"]
    await request.authsignal.arequire("changeEmail")
    await user.asave()
    return HttpResponse("saved")


def shown(request):
    request.user.email = request.GET.get("email", request.user.email)
    left = request.authsignal.seconds_left("changeEmail")
    return HttpResponse(f"{request.authsignal.passed('changeEmail')} {left is None or left > 0}")


async def shown_async(request):
    await sync_to_async(bool)(request.user)
    return shown(request)


@transaction.atomic
def careless(request, **narrowed):
    get_user_model().objects.filter(pk=request.user.pk).update(email=request.POST["email"])
    request.user.email = request.POST["email"]
    request.authsignal.require("changeEmail", **narrowed)
    return HttpResponse("saved")


def helped(request):
    form = Profile(request.POST, instance=request.user)
    form.is_valid()
    return _save(request, form)


@challenge_required("changeEmail")
def _save(request, form):
    form.save()
    return HttpResponse(f"saved by {len(request.authsignal.challenges)}")


def broken(request):
    assert request.user.is_authenticated  # read before it broke
    with suppress(IntegrityError):
        get_user_model().objects.create_user("ada")
    request.authsignal.require("changeEmail")


def careless_once(request):
    return careless(request, bind=["email"])


def sign_up(request):
    request.user = get_user_model().objects.create_user("new", NEW)
    request.authsignal.require("changeEmail")


@challenge_required("withdrawFunds")
async def who(request):
    return HttpResponse(str(await request.auser()))


async def who_deep(request):
    await request.authsignal.arequire("withdrawFunds")
    return HttpResponse(str(await request.auser()))


async def who_plainly(request):
    return HttpResponse(str(await request.auser()))


urlpatterns = [
    *project,
    path("profile/", profile),
    path("profile-once/", profile_once),
    path("async/profile/", profile_async),
    path("shown/", shown),
    path("async/shown/", shown_async),
    path("helped/", helped),
    path("broken/", broken),
    path("careless/", careless),
    path("careless-once/", careless_once),
    path("sign-up/", sign_up),
    path("who/", who),
    path("who-deep/", who_deep),
    path("who-plainly/", who_plainly),
]


@pytest.fixture
def plain(transactional_db):
    """Autocommit, as Django has it."""


@pytest.fixture(params=["in_transactions", "plain"])
def transactions(request):
    request.getfixturevalue(request.param)


def email_of(user):
    user.refresh_from_db()
    return user.email


# A form that was checked


@pytest.mark.django_db
@pytest.mark.parametrize("url", ["/profile/", "/profile-once/", "/async/profile/"])
def test_an_address_is_changed_with_a_proof_of_the_user_of_before(way_in, ada, url):
    browser = way_in()
    browser.force_login(ada)
    assert browser.post(url, {"email": NEW}).status_code == 403
    assert email_of(ada) == "ada@example.com"
    browser.prove()
    assert browser.post(url, {"email": NEW}).content == b"saved"
    assert email_of(ada) == NEW


@pytest.mark.parametrize("url", ["/profile/", "/profile-once/"])
def test_in_a_transaction_too(new_browser, in_transactions, ada, url):
    browser = new_browser()
    browser.force_login(ada)
    assert browser.post(url, {"email": NEW}).status_code == 403
    browser.prove()
    assert browser.post(url, {"email": NEW}).content == b"saved"
    assert email_of(ada) == NEW


@pytest.mark.django_db
def test_a_code_is_never_sent_to_the_address_that_the_form_names(adas, configure, authsignal):
    """Whoever sits at an open session would name an address of theirs, and prove the change with its code."""
    configure(VERIFIED_EMAIL="django_authsignal.contact.email_field")
    adas.post("/profile/", {"email": "thief@example.com"})
    assert authsignal.calls[-1].json["email"] == "ada@example.com"


@pytest.mark.django_db
def test_a_pass_is_spent_with_the_change_it_let_through(adas, ada):
    adas.post("/profile/", {"email": NEW})
    adas.prove()
    adas.post("/profile/", {"email": NEW})
    assert adas.post("/profile/", {"email": "another@example.com"}).status_code == 403


@pytest.mark.django_db
@pytest.mark.parametrize("url", ["/shown/", "/async/shown/"])
def test_a_page_that_only_looks_asks_the_database_nothing(way_in, ada, url, django_assert_num_queries, settings):
    """In an async view its query would be an error, for as long as the session holds a pass that does not fit."""
    browser = way_in()
    browser.force_login(ada)
    browser.post("/profile/", {"email": NEW})
    browser.prove()
    assert browser.get(url).content == b"True True"
    with django_assert_num_queries(2 if settings.SESSION_ENGINE.endswith("db") else 1):
        assert browser.get(url, {"email": NEW}).content == b"False False"


@pytest.mark.django_db
def test_no_user_is_read_again_while_their_pass_is_fresh(adas, django_assert_num_queries):
    adas.step_up("/deep/")
    with django_assert_num_queries(2 if "db" in adas.session.__class__.__module__ else 1):
        assert adas.get("/deep/").content == b"deep"


class Lagging:
    """Reads from a replica, which knows nobody yet."""

    def db_for_read(self, model, **hints):
        return None if hints.get("instance") else "replica"


@pytest.mark.django_db
def test_somebody_who_just_signed_up_is_read_where_they_were_written(ada, settings):
    settings.DATABASE_ROUTERS = [Lagging()]
    assert stored(ada) == ada


# A transaction that was left


@pytest.mark.parametrize("url", ["/login/", "/own-login/"])
@pytest.mark.parametrize("answer", ["challenge", "allow"])
def test_somebody_whose_password_is_hashed_anew_signs_in(
    new_browser, transactions, ada, authsignal, settings, url, answer
):
    settings.PASSWORD_HASHERS = [f"django.contrib.auth.hashers.{name}PasswordHasher" for name in ("PBKDF2", "MD5")]
    get_user_model().objects.update(password=make_password(PASSWORD, hasher="md5"))
    browser = new_browser()
    if answer == "allow":
        authsignal.allow()
    where = browser.post(url, {"username": "ada", "password": PASSWORD})
    if answer == "challenge":
        where = browser.prove()
    while where.status_code in (302, 303):
        where = browser.get(where.headers["Location"])
    assert browser.user_pk == str(ada.pk)
    assert browser.get("/home/").content == b"home of ada"
    assert browser.get("/members/").content == b"members"


class Directory(ModelBackend):
    def authenticate(self, request, username=None, password=None, **kwargs):
        return get_user_model().objects.get_or_create(username=username)[0]


class GatedDirectory(AuthsignalBackendMixin, Directory):
    """Knows people that the database does not know yet."""


@pytest.fixture
def _directory(settings):
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.GatedDirectory"]


@pytest.mark.usefixtures("_directory", "plain")
def test_a_backend_may_make_the_users_it_finds(browser):
    browser.sign_in("new")
    assert browser.user_pk == str(get_user_model().objects.get(username="new").pk)


@pytest.mark.usefixtures("_directory", "in_transactions")
@pytest.mark.parametrize("url", ["/login/", "/own-login/"])
def test_whom_a_rollback_takes_back_is_never_asked_about(browser, authsignal, caplog, url):
    """On some databases the next one gets their primary key, and with it the ways of proof that they set up."""
    assert browser.post(url, {"username": "new", "password": "x"}).status_code == 403
    assert authsignal.calls == []
    assert not Challenge.objects.exists()
    assert "@transaction.non_atomic_requests" in caplog.text


@pytest.mark.usefixtures("in_transactions")
def test_nor_is_somebody_who_signs_up_in_the_transaction(adas, authsignal, caplog):
    assert adas.get("/sign-up/").status_code == 403
    assert authsignal.calls == []
    assert "non_atomic_requests" in caplog.text


@pytest.mark.django_db
def test_somebody_deleted_meanwhile_is_not_asked_about(adas, ada, authsignal, monkeypatch):
    monkeypatch.setattr("django_authsignal.flow.stored", lambda user: None)
    answer = adas.fetch("/withdraw/")
    assert (answer.status_code, answer.json()["reason"]) == (403, "denied")
    assert authsignal.calls == []


@pytest.mark.django_db
@pytest.mark.parametrize("enforce", ["observe", lambda request, user, action: "off"])
def test_nor_are_they_stopped_where_nobody_is(adas, configure, authsignal, monkeypatch, enforce):
    for place in ("flow", "observing"):
        monkeypatch.setattr(f"django_authsignal.{place}.stored", lambda user: None)
    configure(ENFORCE=enforce)
    assert adas.get("/withdraw/").status_code == 200
    assert authsignal.calls == []


@pytest.mark.django_db
@pytest.mark.parametrize("url", ["/withdraw/", "/deep/"])
def test_a_database_that_is_away_stops_nobody_who_is_only_observed(adas, ada, configure, monkeypatch, url):
    def away(user):
        raise OperationalError("away")

    adas.step_up(url)
    get_user_model().objects.update(email=NEW)  # what was proved is no longer theirs
    for place in ("flow", "observing"):
        monkeypatch.setattr(f"django_authsignal.{place}.stored", away)
    configure(ENFORCE="observe")
    assert adas.get(url).status_code == 200


class Token:
    """Whoever a token speaks for: no row of this database."""

    pk, password, email, is_active, is_authenticated = "t-1", "", "ada@example.com", True, True

    def get_username(self):
        return "token"


def test_somebody_who_is_no_row_is_asked_about_as_given():
    user = Token()
    assert stored(user) is user


class Numbered(get_user_model()):
    class Meta:
        proxy = True
        app_label = "auth"

    @property
    def number(self):
        return f"n-{self.pk}"

    @cached_property
    def shout(self):
        return self.email.upper()

    @functools.cached_property
    def contact(self):
        return self.email


@pytest.mark.django_db
def test_what_was_put_on_a_user_beside_its_fields_is_there_when_it_is_asked_about(ada):
    user = Numbered.objects.get(pk=ada.pk)
    user.tenant, user.email, user._password = "acme", NEW, "raw"
    assert (user.shout, user.contact) == (NEW.upper(), NEW)
    found = stored(user)
    assert (found.number, found.tenant) == (f"n-{ada.pk}", "acme")
    assert (found.email, found.shout, found._password) == ("ada@example.com", "ADA@EXAMPLE.COM", None)
    assert found.contact == "ada@example.com"


class Brief(Manager):
    def get_queryset(self):
        return super().get_queryset().defer("email")


@pytest.mark.django_db
def test_a_field_that_is_read_late_is_read_from_the_database(ada, monkeypatch):
    brief = Brief()
    brief.model = User
    monkeypatch.setitem(vars(User._meta), "base_manager", brief)
    ada.email = NEW
    assert stored(ada).email == "ada@example.com"


@pytest.mark.django_db
def test_a_user_behind_two_wrappers_is_read_behind_both(ada):
    """As django-otp leaves them."""
    ada.otp_device = "key"
    found = stored(SimpleLazyObject(lambda: SimpleLazyObject(lambda: ada)))
    assert (type(found), found.otp_device) == (User, "key")


def test_a_user_that_was_never_saved_is_asked_about_as_given():
    user = User(pk="auth0|123")
    assert stored(user) is user


class ProxyBackend(AuthsignalBackend):
    def get_user(self, user_id):
        return Numbered.objects.filter(pk=user_id).first()


@pytest.mark.django_db
def test_users_of_a_proxy_step_up(browser, ada, settings):
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.ProxyBackend"]
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "USER_ID": lambda user: getattr(user, "number", "plain")}
    browser.force_login(ada)
    browser.step_up()
    assert browser.get("/withdraw/").content == b"withdrawn"
    assert newest().authsignal_id == f"n-{ada.pk}"


@pytest.mark.django_db(transaction=True)
def test_a_view_that_saves_before_it_asks_is_told_so_and_never_repeated(adas, ada, caplog):
    assert adas.post("/careless/", {"email": NEW}).status_code == 403
    adas.prove()
    asked = Challenge.objects.count()
    assert adas.post("/careless/", {"email": NEW}).status_code == 403
    assert "Call request.authsignal.require" in caplog.text
    assert Challenge.objects.count() == asked
    assert email_of(ada) == "ada@example.com"


def test_a_function_that_asks_behind_a_form_is_let_through(new_browser, transactions, ada):
    browser = new_browser()
    browser.force_login(ada)
    assert browser.post("/helped/", {"email": NEW}).status_code == 403
    browser.prove()
    assert browser.post("/helped/", {"email": NEW}).content == b"saved by 1"
    assert email_of(ada) == NEW


@pytest.mark.usefixtures("in_transactions")
def test_a_transaction_that_is_broken_is_left_as_any(adas):
    assert adas.get("/broken/").status_code == 302
    assert newest().status == Status.OPEN


@pytest.mark.django_db(transaction=True)
def test_a_proof_of_one_request_was_spent_before_such_a_view(adas, ada):
    adas.post("/careless-once/", {"email": NEW})
    adas.prove()
    assert adas.post("/careless-once/", {"email": NEW}).content == b"saved"
    assert adas.post("/careless-once/", {"email": NEW}).status_code == 403


def signs_out(request):
    logout(request)


def signs_in(request):
    login(request, get_user_model().objects.get(username="bob"), backend="django_authsignal.backends.AuthsignalBackend")


@challenge_required("withdrawFunds")
async def who_after(request):
    await sync_to_async({"out": signs_out, "in": signs_in}[request.GET["then"]])(request)
    return HttpResponse(f"{request.user} {await request.auser()}")


urlpatterns.append(path("who-after/", who_after))


@pytest.mark.django_db
@pytest.mark.parametrize(("then", "who"), [("out", "AnonymousUser"), ("in", "bob")])
def test_an_async_view_hears_who_has_signed_in_or_out_since(way_in, ada, bob, then, who):
    browser = way_in()
    browser.force_login(ada)
    browser.step_up("/who/")
    assert browser.get("/who-after/", {"then": then}).content.decode() == f"{who} {who}"


class Link:
    """A middleware that signs in by a link, after somebody has looked who is there."""

    sync_capable, async_capable = True, False

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if "link" in request.GET and request.user:
            signs_in(request)
        return self.get_response(request)


@pytest.mark.django_db
@pytest.mark.parametrize("signed_in", [True, False])
def test_an_async_view_hears_whom_a_middleware_has_signed_in(way_in, ada, bob, settings, signed_in):
    here = settings.MIDDLEWARE.index("django_authsignal.middleware.AuthsignalMiddleware")
    settings.MIDDLEWARE = [*settings.MIDDLEWARE[:here], f"{__name__}.Link", *settings.MIDDLEWARE[here:]]
    browser = way_in()
    if signed_in:
        browser.force_login(ada)
    assert browser.get("/who-plainly/", {"link": "1"}).content == b"bob"


# A review, in a transaction that was left


def reviewed(request):
    request.authsignal.require("withdrawFunds")
    return HttpResponse("done")


urlpatterns.append(path("reviewed/", reviewed))


@pytest.mark.usefixtures("in_transactions")
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_release_lets_the_request_through_that_comes_again(adas, authsignal, method):
    authsignal.review()
    assert getattr(adas, method)("/reviewed/").status_code in (302, 403)
    authsignal.complete(str(Challenge.objects.get().pk), state="REVIEW_SUCCEEDED")
    again = getattr(adas, method)("/reviewed/")
    assert again.status_code in (302, 307)
    assert getattr(adas, method)(again.headers["Location"]).content == b"done"
    assert [row.status for row in Challenge.objects.all()] == [Status.SPENT]


def allowed_and_reviewed(request):
    request.authsignal.require("viewDetails")
    request.authsignal.require("withdrawFunds")
    return HttpResponse("done")


urlpatterns.append(path("allowed-and-reviewed/", allowed_and_reviewed))


@pytest.mark.usefixtures("in_transactions")
@pytest.mark.parametrize("looks", [True, False])
def test_a_release_lets_a_request_through_that_an_allow_let_through_before(adas, authsignal, configure, looks):
    """Each round would ask a person anew."""
    configure(ACTIONS={"viewDetails": {"ON_ALLOW": "pass"}})
    adas.cookies["authsignal_browser"] = "a" * 32
    authsignal.allow("viewDetails").review("withdrawFunds")
    url = "/allowed-and-reviewed/"
    assert [adas.get(url).status_code for _ in range(2)] == [302, 403]
    held = Challenge.objects.get(action="withdrawFunds")
    authsignal.complete(str(held.pk), state="REVIEW_SUCCEEDED")
    if looks:
        adas.get(reverse("authsignal:challenge", args=[held.pk]))
    answers = [adas.get(url) for _ in range(1 if looks else 2)]
    assert answers[-1].content == b"done"
    assert Challenge.objects.filter(action="withdrawFunds").count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_view_that_only_wrote_into_its_user_is_not_told_that_it_saved(adas, in_transactions, authsignal, caplog):
    authsignal.review()
    adas.post("/profile/", {"email": NEW})
    authsignal.complete(str(Challenge.objects.get().pk), state="REVIEW_SUCCEEDED")
    again = adas.post("/profile/", {"email": NEW})
    assert again.status_code == 307
    assert adas.post(again.headers["Location"], {"email": NEW}).content == b"saved"


# Whoever else it is by then


@challenge_required("deleteAccount")
def deletes_another(request):
    signs_in(request)
    request.authsignal.require("deleteAccount")
    return HttpResponse("deleted bob's account")


def by_key(request):
    request.user = get_user_model().objects.get(username="ada")
    request.authsignal.set_credential(request.headers["X-Key"])
    answer = profile(request)
    return HttpResponse(f"{answer.content.decode()} by {len(request.authsignal.challenges)}")


urlpatterns += [path("deletes-another/", deletes_another), path("by-key/", by_key)]


@pytest.mark.django_db
def test_a_proof_that_this_request_spent_is_not_that_of_who_signs_in_during_it(adas, bob):
    adas.post("/deletes-another/")
    adas.prove()
    answer = adas.post("/deletes-another/")
    assert answer.status_code == 403
    assert newest().user_pk == str(bob.pk)


@pytest.mark.django_db
def test_a_clients_proof_is_that_of_the_stored_user_too(browser, ada, authsignal):
    def send(email, **headers):
        return browser.fetch("/by-key/", "post", data={"email": email}, headers={"X-Key": "k", **headers})

    assert send(NEW).status_code == 401
    token = authsignal.complete(str(newest().pk))
    get_user_model().objects.update(is_staff=True)
    assert send(ada.email, **{"Authsignal-Token": token}).content == b"saved by 1"
    assert send(NEW).content == b"saved by 1"
    assert (email_of(ada), Challenge.objects.count()) == (NEW, 1)
    assert send("another@example.com").status_code == 401


# Read once


@pytest.mark.django_db
@pytest.mark.parametrize("url", ["/who/", "/who-deep/"])
def test_an_async_view_reads_its_user_no_second_time(way_in, ada, url, django_assert_num_queries, settings):
    browser = way_in()
    browser.force_login(ada)
    browser.step_up("/who/")
    with django_assert_num_queries(2 if settings.SESSION_ENGINE.endswith("db") else 1):
        assert browser.get("/who-plainly/").content == b"ada"
    with django_assert_num_queries(2 if settings.SESSION_ENGINE.endswith("db") else 1):
        assert browser.get(url).content == b"ada"
