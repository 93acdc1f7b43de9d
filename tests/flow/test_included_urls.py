"""`challenge_required` around `include()`: every view below it, and their names, as they were."""

import pytest
from django.contrib import admin
from django.http import HttpResponse
from django.urls import include, path, reverse

from django_authsignal.decorators import challenge_required
from tests.project.urls import urlpatterns as project


def plain(request):
    return HttpResponse("plain")


async def plain_async(request):
    return HttpResponse("plain")


nested = ([path("deep/<int:number>/", lambda request, number: HttpResponse(f"deep {number}"), name="deep")], "inner")
shop = ([path("plain/", plain, name="plain"), path("async/", plain_async), path("in/", include(nested))], "shop")
office = admin.AdminSite(name="office")
urlpatterns = [
    *project,
    path("office/", challenge_required("withdrawFunds")(office.urls)),
    path("shop/", challenge_required("withdrawFunds")(include(shop))),
    path("module/", challenge_required("withdrawFunds")(include("tests.flow.included_module"))),
    path("free/", plain),
]
PATHS = ["/shop/plain/", "/shop/async/", "/shop/in/deep/7/", "/module/one/"]


@pytest.fixture(autouse=True)
def _urls(settings):
    settings.ROOT_URLCONF = __name__


@pytest.mark.parametrize("address", PATHS)
def test_every_view_below_is_asked(way_in, ada, address):
    browser = way_in()
    browser.sign_in()
    assert browser.get(address).status_code == 302
    browser.prove()
    assert browser.get(address).status_code == 200


def test_views_elsewhere_are_not(way_in, ada):
    browser = way_in()
    browser.sign_in()
    assert browser.get("/free/").status_code == 200


def test_names_and_namespaces_stay():
    assert reverse("shop:plain") == "/shop/plain/"
    assert reverse("shop:inner:deep", args=[7]) == "/shop/in/deep/7/"


def test_visitors_reach_the_sign_in_page_of_an_admin_that_asks_as_a_whole(way_in, ada, settings):
    settings.LOGIN_URL = "office:login"
    ada.is_staff = True
    ada.save()
    browser = way_in()
    assert browser.get("/office/")["Location"] == "/office/login/?next=/office/"
    assert browser.get("/office/login/?next=/office/").status_code == 200
    assert browser.sign_in(path="/office/login/?next=/office/")["Location"] == "/office/"
    assert browser.get("/office/").status_code == 302
    assert browser.prove()["Location"] == "/office/"
    assert browser.get("/office/").status_code == 200


def test_a_login_url_that_is_nowhere_leaves_a_program_its_answer(browser, settings):
    settings.LOGIN_URL = "nowhere"
    assert browser.fetch("/shop/plain/").json()["code"] == "sign_in_required"
