"""The gate asks about users as the database has them: not as a checked form, or a transaction left since, made them."""

import pytest
from django import forms
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.hashers import make_password
from django.db import connections, transaction
from django.http import HttpResponse
from django.urls import path

from django_authsignal.backends import AuthsignalBackendMixin
from django_authsignal.decorators import challenge_required
from django_authsignal.identity import stored
from django_authsignal.models import Challenge
from tests.conftest import PASSWORD
from tests.project.urls import urlpatterns as project

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
    request.user.email = request.GET.get("email", "")
    left = request.authsignal.seconds_left("changeEmail")
    return HttpResponse(f"{request.authsignal.passed('changeEmail')} {left is None or left > 0}")


@transaction.atomic
def careless(request, **narrowed):
    get_user_model().objects.filter(pk=request.user.pk).update(email=request.POST["email"])
    request.user.email = request.POST["email"]
    request.authsignal.require("changeEmail", **narrowed)
    return HttpResponse("saved")


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
    path("careless/", careless),
    path("careless-once/", careless_once),
    path("sign-up/", sign_up),
    path("who/", who),
    path("who-deep/", who_deep),
    path("who-plainly/", who_plainly),
]


@pytest.fixture(autouse=True)
def _urls(settings):
    settings.ROOT_URLCONF = __name__


@pytest.fixture
def atomic(transactional_db):
    connections["default"].settings_dict["ATOMIC_REQUESTS"] = True
    yield
    connections["default"].settings_dict["ATOMIC_REQUESTS"] = False


@pytest.fixture
def plain(transactional_db):
    """Autocommit, as Django has it."""


@pytest.fixture(params=["atomic", "plain"])
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
def test_in_a_transaction_too(new_browser, atomic, ada, url):
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
def test_a_page_is_told_of_the_pass_of_the_stored_user(adas):
    assert adas.get("/shown/", {"email": NEW}).content == b"False False"
    adas.post("/profile/", {"email": NEW})
    adas.prove()
    assert adas.get("/shown/", {"email": NEW}).content == b"True True"


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


@pytest.mark.usefixtures("_directory", "atomic")
@pytest.mark.parametrize("url", ["/login/", "/own-login/"])
def test_whom_a_rollback_takes_back_is_never_asked_about(browser, authsignal, caplog, url):
    """On some databases the next one gets their primary key, and with it the ways of proof that they set up."""
    assert browser.post(url, {"username": "new", "password": "x"}).status_code == 403
    assert authsignal.calls == []
    assert not Challenge.objects.exists()
    assert "@transaction.non_atomic_requests" in caplog.text


@pytest.mark.usefixtures("atomic")
def test_nor_is_somebody_who_signs_up_in_the_transaction(adas, authsignal, caplog):
    assert adas.get("/sign-up/").status_code == 403
    assert authsignal.calls == []
    assert "non_atomic_requests" in caplog.text


@pytest.mark.django_db
def test_somebody_deleted_meanwhile_is_not_asked_about(adas, ada, authsignal, monkeypatch):
    monkeypatch.setattr("django_authsignal.flow.stored", lambda user: None)
    assert adas.get("/withdraw/").status_code == 403
    assert authsignal.calls == []


@pytest.mark.django_db
@pytest.mark.parametrize("enforce", ["observe", lambda request, user, action: "off"])
def test_nor_are_they_stopped_where_nobody_is(adas, configure, authsignal, monkeypatch, enforce):
    monkeypatch.setattr("django_authsignal.flow.stored", lambda user: None)
    configure(ENFORCE=enforce)
    assert adas.get("/withdraw/").status_code == 200
    assert authsignal.calls == []


@pytest.mark.django_db(transaction=True)
def test_a_view_that_saves_before_it_asks_is_told_so_and_never_repeated(adas, ada, caplog):
    assert adas.post("/careless/", {"email": NEW}).status_code == 403
    adas.prove()
    asked = Challenge.objects.count()
    assert adas.post("/careless/", {"email": NEW}).status_code == 403
    assert "before the change is saved" in caplog.text
    assert Challenge.objects.count() == asked
    assert email_of(ada) == "ada@example.com"


@pytest.mark.django_db(transaction=True)
def test_a_proof_of_one_request_was_spent_before_such_a_view(adas, ada):
    adas.post("/careless-once/", {"email": NEW})
    adas.prove()
    assert adas.post("/careless-once/", {"email": NEW}).content == b"saved"
    assert adas.post("/careless-once/", {"email": NEW}).status_code == 403


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
