"""SignInChallengeMiddleware: a session that was logged in by any other way is asked for its proof."""

import types

import pytest
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LogoutView
from django.http import HttpResponse
from django.urls import path

from django_authsignal.decorators import sign_in_challenge_not_required
from tests.project.urls import urlpatterns as project


def by_code(request, name):
    from django.contrib.auth import get_user_model

    user = get_user_model().objects.get(username=name)
    login(request, user, backend="django_authsignal.backends.AuthsignalBackend")
    return HttpResponse("logged in")


@login_not_required
def public(request):
    return HttpResponse("public")


@sign_in_challenge_not_required
def webhook(request):
    return HttpResponse("webhook")


@sign_in_challenge_not_required
async def webhook_async(request):
    return HttpResponse("webhook")


async def plain_async(request):
    return HttpResponse("plain")


urlpatterns = [
    *project,
    path("by-code/<name>/", by_code),
    path("public/", public),
    path("webhook/", webhook),
    path("async/webhook/", webhook_async),
    path("async/plain/", plain_async),
    path("bye/", LogoutView.as_view()),
]


@pytest.fixture(autouse=True)
def _middleware(settings):
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django_authsignal.middleware.SignInChallengeMiddleware"]


@pytest.fixture
def half_way(way_in, ada):
    """A browser whose session was logged in by code, without a proof."""
    browser = way_in()
    browser.get("/by-code/ada/")
    return browser


@pytest.mark.parametrize("address", ["/home/", "/async/plain/", "/admin/"])
def test_every_page_asks(half_way, address):
    assert half_way.get(address).status_code == 302
    half_way.prove()
    assert half_way.get(address).status_code in (200, 302)
    assert half_way.get("/home/").status_code == 200


def test_many_pages_share_one_challenge(half_way, authsignal):
    for address in ("/home/", "/async/plain/", "/home/?page=2"):
        half_way.get(address)
    assert [call.operation for call in authsignal.calls] == ["track"]


def test_block_leaves_the_session_closed(half_way, authsignal):
    authsignal.block()
    assert half_way.get("/home/").status_code == 403


@pytest.mark.parametrize("address", ["/public/", "/webhook/", "/async/webhook/"])
def test_exempt_views_are_not_asked(half_way, address):
    assert half_way.get(address).status_code == 200


def test_our_own_urls_are_not_asked(half_way):
    assert half_way.fetch("/authsignal/status/?action=withdrawFunds").status_code == 200


@pytest.mark.parametrize("address", ["/bye/", "/admin/logout/"])
def test_signing_out_is_always_possible(half_way, ada, address):
    ada.is_staff = True  # whom the admin does not know, it does not sign out
    ada.save()
    half_way.post(address)
    assert half_way.user_pk is None


def test_so_it_is_by_dj_rest_auth(half_way, settings):
    views = pytest.importorskip("dj_rest_auth.views")
    urlconf = types.ModuleType("rest")
    urlconf.urlpatterns = [path("rest/bye/", views.LogoutView.as_view()), *project]
    settings.ROOT_URLCONF = urlconf
    half_way.fetch("/rest/bye/", "post")
    assert half_way.user_pk is None


def test_a_fetch_is_answered_in_json(half_way):
    refused = half_way.fetch("/home/", "post")
    assert (refused.status_code, refused.json()["action"]) == (401, "signIn")


def test_visitors_are_left_alone(way_in):
    assert way_in().get("/home/").status_code == 200


def test_a_proved_sign_in_is_not_asked_again(way_in, ada, authsignal):
    browser = way_in()
    browser.sign_in()
    assert browser.get("/home/").status_code == 200
    assert [call.operation for call in authsignal.calls] == ["track", "validate_challenge"]


def test_somebody_taken_over_by_staff_is_asked_anew(half_way, bob):
    half_way.get("/home/")
    half_way.prove()
    assert half_way.get("/home/").status_code == 200
    half_way.get("/by-code/bob/")
    assert half_way.get("/home/").status_code == 302


def test_password_reset_with_post_reset_login_is_asked(way_in, ada, settings):
    from django.contrib.auth.tokens import default_token_generator
    from django.contrib.auth.views import PasswordResetConfirmView
    from django.utils.encoding import force_bytes
    from django.utils.http import urlsafe_base64_encode

    urlpatterns.append(
        path(
            "reset/<uidb64>/<token>/",
            PasswordResetConfirmView.as_view(
                post_reset_login=True,
                success_url="/home/",
                template_name="admin/login.html",
                post_reset_login_backend="django_authsignal.backends.AuthsignalBackend",
            ),
        )
    )
    browser = way_in()
    uid = urlsafe_base64_encode(force_bytes(ada.pk))
    browser.get(f"/reset/{uid}/{default_token_generator.make_token(ada)}/")
    answer = browser.post(
        f"/reset/{uid}/set-password/", {"new_password1": "harbour-9x!", "new_password2": "harbour-9x!"}
    )
    assert answer["Location"] == "/home/"
    assert browser.user_pk == str(ada.pk)
    assert browser.get("/home/").status_code == 302
