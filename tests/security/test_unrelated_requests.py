"""A proof that waits for its one request is nothing to any other: neither its body nor its form's token is touched."""

import pytest
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.http import HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from django_authsignal.models import Status
from tests.conftest import newest
from tests.project.urls import urlpatterns as project

pytestmark = [pytest.mark.django_db, pytest.mark.security, pytest.mark.urls(__name__)]
PAYMENT = {"amount": "5", "payee": "Zoë"}


@csrf_exempt
def upload(request):
    request.upload_handlers = [TemporaryFileUploadHandler(request)]
    return _upload(request)


@csrf_protect
def _upload(request):
    return HttpResponse(request.FILES["file"].read())


@csrf_exempt
def raw(request):
    return HttpResponse(b"read " + request.read()[-6:])


urlpatterns = [*project, path("upload/", upload), path("raw/", raw)]


@pytest.fixture
def waiting(way_in, ada):
    """A browser with a payment that was proved and not sent again yet."""
    browser = way_in()
    browser.force_login(ada)
    browser.post("/pay/", PAYMENT)
    browser.prove()
    return browser


def test_a_view_may_choose_how_files_are_taken_in(waiting):
    assert waiting.post("/upload/", {"file": SimpleUploadedFile("a.txt", b"whole")}).content == b"whole"


def test_a_view_may_read_its_body_by_itself(waiting):
    assert waiting.post("/raw/", "a text", content_type="text/plain").content == b"read a text"
    assert (
        waiting.post("/raw/", "a=0&b=1234", content_type="application/x-www-form-urlencoded").content == b"read b=1234"
    )


def test_a_form_to_the_same_path_with_another_query_keeps_its_body(waiting):
    waiting.post("/pay/?other", PAYMENT)
    assert waiting.post("/pay/", PAYMENT).status_code == 200


def test_code_of_a_policy_is_run_for_its_own_requests_alone(way_in, ada, configure):
    asked = []
    configure(ACTIONS={"payInvoice": {"CUSTOM": lambda request: asked.append(request.path) or {}}})
    browser = way_in()
    browser.force_login(ada)
    browser.post("/pay/", PAYMENT)
    browser.prove()
    asked.clear()
    browser.get("/home/")
    browser.post("/raw/", PAYMENT)
    assert asked == []
    assert browser.post("/pay/", PAYMENT).status_code == 200
    assert set(asked) == {"/pay/"}


def test_the_payment_itself_is_still_let_through_once(waiting):
    waiting.get("/home/")
    assert waiting.post("/pay/", PAYMENT).status_code == 200
    assert newest().status == Status.SPENT
    assert waiting.post("/pay/", PAYMENT).status_code == 403


# A site whose address is read from a table


def where(request):
    return f"http://{get_user_model().objects.filter(username='nobody').first() or 'testserver'}"


@pytest.mark.parametrize("url", ["/home/", "/withdraw/", "/async/withdraw/"])
def test_an_address_of_the_site_that_is_queried_serves_async_code_too(way_in, ada, configure, url):
    configure(PUBLIC_BASE_URL=where)
    browser = way_in()
    browser.force_login(ada)
    browser.get("/async/withdraw/")
    browser.prove()
    assert browser.get(url).status_code == 200
