"""What looks sensitive and asks nothing is named, with the reason and the line to write; a build may fail for it."""

import types

import pytest
from django.contrib.auth.views import PasswordResetConfirmView
from django.http import HttpResponse
from django.urls import path
from django.views import View

from django_authsignal.client import ConfigurationError
from django_authsignal.coverage import read
from django_authsignal.coverage.sensitive import _split, action_for
from django_authsignal.decorators import challenge_not_required, challenge_required
from django_authsignal.mixins import ChallengeRequiredMixin

URLS = "tests.policies.urls"


@pytest.fixture(scope="module")
def report():
    return read(URLS)


def gaps(report):
    return {(door.url, *door.methods): gap for gap in report.gaps for door in gap.doors}


GAPS = {
    ("/delete-account/", "POST"): ("closes an account", '@challenge_required("deleteAccount")'),
    ("/export/",): ("hands out data", '@challenge_required("exportCustomers")'),
    ("/profile/",): ("where messages", '@challenge_required("changeEmail")'),
    ("/deletes-more/", "DELETE"): ("deletes", "class DeletesMore(ChallengeRequiredMixin, Excused): challenge_action"),
    ("/people/<pk>/now/gone/", "POST"): ("deletes: user", "class RemoveUser(ChallengeRequiredMixin, DeleteView)"),
    ("/me/", "POST"): ("changes who may do what", "class Profile(ChallengeRequiredMixin, UpdateView)"),
    ("/<language>/remove/",): ("deletes", '@challenge_required("payload")'),
    ("/password/", "POST"): (
        "changes a password",
        'path("password/", challenge_required("changePassword")(PasswordChangeView.as_view()), name="password_change")',
    ),
    ("/password-reset/reset/<uidb64>/<token>/", "POST"): ("sets a new password", "SignInChallengeMiddleware"),
    ("/api/users/<pk>/", "PUT"): ("who may do what", 'challenge_actions = {"update": "changeUser"}'),
    ("/api/users/", "POST"): ("who may do what", "class Users(ChallengeRequiredMixin, ModelViewSet): challenge_"),
    ("/api/users/<pk>/reset_password/", "POST"): ("password", "SignInChallengeMiddleware"),
    ("/api/keys/", "POST"): (
        "gives out a credential",
        "class Keys(ChallengeRequiredMixin, APIView): challenge_actions",
    ),
    ("/office/auth/user/", "POST"): (
        "who may do what (users)",
        "class UserAdmin(ChallengeRequiredAdminMixin, ModelAdmin)",
    ),
    ("/office/auth/user/<path:object_id>/delete/", "POST"): ("users", 'challenge_action = "manageUser"'),
    ("/office/password_change/",): ("changes a password", "admin.site.admin_view(admin.site.password_change)"),
}


@pytest.mark.parametrize(("door", "expected"), GAPS.items(), ids=lambda value: " ".join(value)[:50])
def test_a_sensitive_door_that_asks_nothing_is_named_with_reason_and_line(report, door, expected):
    gap = gaps(report)[door]
    assert expected[0] in gap.reason
    assert expected[1] in gap.line


def test_a_sites_sign_in_is_no_step_up_for_its_users_and_groups(report):
    named = {
        door.view.partition(": ")[2]
        for gap in report.gaps
        for door in gap.doors
        if "/guarded-office/auth/group" in door.url
    }
    assert named == {"add", "change", "delete", "delete_selected"}


QUIET = [
    "/withdraw/",
    "/members/",
    "/payload/",
    "/delete-preview/",
    "/unsubscribe/delete/",
    "/deep/",
    "/excused/",
    "/old/",
    "/shop/pay/",
    "/guarded/confirm/<int:pk>/",
    "/login/",
    "/office/",
    "/office/login/",
    "/office/logout/",
    "/guarded-office/login/",
    "/guarded-office/auth/user/add/",
    "/guarded-office/auth/user/<path:object_id>/delete/",
    "/office/jsi18n/",
    "/office/auth/group/",
    "/password-reset/logout/",
    "/password-reset/password_reset/done/",
]


@pytest.mark.parametrize("url", QUIET)
def test_other_doors_are_not(report, url):
    assert url not in {door.url for gap in report.gaps for door in gap.doors}


@pytest.mark.parametrize(("url", "method"), [("/api/users/<pk>/", "DELETE"), ("/one-method/", "DELETE")])
def test_nor_are_methods_that_ask_or_are_excused(report, url, method):
    assert (url, method) not in gaps(report)


def urlconf(*views):
    made = types.ModuleType("made_urls")
    made.urlpatterns = [
        path(f"{number}/{getattr(view, '__name__', 'view')}/", view) for number, view in enumerate(views)
    ]
    return made


def named(name):
    def view(request):
        return HttpResponse()

    view.__name__ = view.__qualname__ = name
    return view


SENSITIVE = [
    "change_password",
    "set_passphrase",
    "update_email",
    "edit_phone_number",
    "deleteAccount",
    "remove_member",
    "purge_data",
    "pay",
    "make_payment",
    "request_payout",
    "withdraw",
    "wire_transfer",
    "refund_order",
    "add_beneficiary",
    "create_token",
    "rotate_api_key",
    "apikey_new",
    "download_customer_data",
    "export_csv",
    "grant_role",
    "set_permissions",
    "group_create",
    "users_invite",
    "impersonate",
    "login_as",
    "disable_2fa",
    "add_passkey",
    "regenerate_recovery_codes",
    "close_account",
    "deactivate",
]
HARMLESS = [
    "payload",
    "paypal_logo",
    "home",
    "search",
    "tokenize_text",
    "keyboard",
    "emails",
    "email_preview",
    "add_to_basket",
    "account",
    "user_list",
    "login",
    "logout",
    "signup",
    "refresh_token",
    "groups",
    "exporter_info",
    "deleted",
]


@pytest.mark.parametrize("name", SENSITIVE)
def test_a_name_that_says_something_sensitive(name):
    assert read(urlconf(named(name))).gaps


@pytest.mark.parametrize("name", HARMLESS)
def test_a_name_that_only_looks_alike(name):
    assert not read(urlconf(named(name))).gaps


class OnlyPost(ChallengeRequiredMixin, View):
    challenge_action = "deleteThing"
    challenge_methods = ("POST",)

    def post(self, request):
        return HttpResponse()

    def delete(self, request):
        return HttpResponse()


def test_a_method_beside_those_that_are_asked_for_is_a_gap():
    made = types.ModuleType("made_urls")
    made.urlpatterns = [path("delete/", OnlyPost.as_view())]
    (gap,) = read(made).gaps
    assert [door.methods for door in gap.doors] == [("DELETE",)]


@pytest.mark.parametrize(
    "words", [["deleteAccount", "delete", "account", "deleteaccount"], ["api-keys", "api", "key", "apikeys"]]
)
def test_words_of_a_name(words):
    assert set(words[1:]) <= _split(words[0])


@pytest.mark.parametrize("sessions", [False, True])
def test_a_password_reset_is_safe_when_every_session_is_asked(settings, sessions):
    if sessions:
        settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django_authsignal.middleware.SignInChallengeMiddleware"]
    view = PasswordResetConfirmView.as_view(post_reset_login=True)
    made = types.ModuleType("made_urls")
    made.urlpatterns = [path("reset/<uidb64>/<token>/", view)]
    assert bool(read(made).gaps) is not sessions


# Token endpoints


def test_an_endpoint_that_issues_tokens_without_the_gate_is_named_and_one_that_asks_is_not():
    from rest_framework.authtoken.views import ObtainAuthToken

    from django_authsignal.contrib.rest_framework.authtoken import ObtainAuthToken as Guarded

    made = types.ModuleType("made_urls")
    made.urlpatterns = [path("api/token/", ObtainAuthToken.as_view()), path("api/safe-token/", Guarded.as_view())]
    (gap,) = read(made).gaps
    assert [door.url for door in gap.doors] == ["/api/token/"]
    assert "django_authsignal.contrib.rest_framework.authtoken.ObtainAuthToken" in gap.line


# Excuses


@pytest.mark.parametrize(
    "ignore", [["/0/delete_it/"], ["*/delete_*"], ["*.delete_it"], {"*.delete_it": "only its own draft"}]
)
def test_coverage_ignore_excuses_by_address_name_or_view(settings, ignore):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "COVERAGE_IGNORE": ignore}
    report = read(urlconf(named("delete_it")))
    assert not report.gaps
    assert report.doors[0].exempt in ("only its own draft", f"COVERAGE_IGNORE: {next(iter(ignore))}")


def test_an_excuse_that_fits_nothing_is_told(settings):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "COVERAGE_IGNORE": ["/gone/"]}
    assert read(urlconf(named("home"))).ignored_in_vain == ("/gone/",)


def test_an_excuse_changes_nothing_else(adas):
    guarded = challenge_required("withdrawFunds")(challenge_not_required(reason="a test")(named("delete_it")))
    assert len(guarded.authsignal_requirements) == 1


@pytest.mark.parametrize("reason", ["", "  ", None])
def test_an_excuse_needs_a_reason(reason):
    with pytest.raises(ConfigurationError, match="Say why"):
        challenge_not_required(reason=reason)


def test_an_included_urlconf_is_excused_as_a_whole():
    from django.urls import include

    made = types.ModuleType("made_urls")
    excuse = challenge_not_required(reason="a game")
    made.urlpatterns = [path("game/", excuse(include(([path("delete/", named("delete_it"))], "game"))))]
    assert not read(made).gaps


# ACTIONS


def test_an_action_that_nothing_asks_is_told(settings):
    never = "never" + "Asked"  # written in two, for the search reads this file
    settings.AUTHSIGNAL = {"ACTIONS": {never: {}, "withdrawFunds": {}, "signIn": {}, "manageAuthenticators": {}}}
    assert read(URLS).unused == (never,)


def test_an_action_that_is_not_declared_is_told(report):
    assert report.unknown == ("closeAccount", "deleteUser", "manageUsers", "readUsers")


def test_faulty_settings_are_an_error_that_names_the_fault(settings):
    settings.AUTHSIGNAL = {"MAX_AEG": 1}
    with pytest.raises(ConfigurationError, match="MAX_AGE"):
        read(URLS)


def test_a_code_to_begin_with_is_one_that_authsignal_takes(report):
    from django_authsignal.conf import valid_action

    assert [action_for(door) for gap in report.gaps for door in gap.doors if not valid_action(action_for(door))] == []
