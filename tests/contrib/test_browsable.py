"""Looking asks nobody: OPTIONS and the browsable API, with its forms, of every view there is."""

import re

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import URLPattern, URLResolver

from tests.contrib import drf_urls, schema_urls

pytestmark = pytest.mark.django_db

PAGE = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}


def paths_of(urlconf):
    """The address of every view of the framework's in a urlconf, with 1 for whatever it wants to know."""

    def walk(patterns, prefix):
        for one in patterns:
            route = prefix + str(one.pattern).removeprefix("^").removesuffix("$")
            if isinstance(one, URLResolver):
                yield from walk(one.url_patterns, route)
            elif isinstance(one, URLPattern) and hasattr(one.callback, "cls"):
                filled = re.sub(r"\(\?P<format>[^)]*\)|<drf_format_suffix:format>", ".json", route)
                filled = re.sub(r"\(\?P<\w+>[^)]*\)|<[\w:]+>", "1", filled)
                yield filled.replace("/?", "").replace("\\.", ".").replace("..", ".")

    return sorted({path for path in walk(urlconf.urlpatterns, "/") if not path.startswith(("/admin", "/authsignal"))})


PLACES = [(urlconf.__name__, path) for urlconf in (drf_urls, schema_urls) for path in paths_of(urlconf)]
everywhere = pytest.mark.parametrize(("urlconf", "path"), PLACES)


@pytest.fixture
def visitor(settings, authsignal, ada):
    """A session with no proof but its sign-in's; the object of every detail page is there."""
    Group.objects.create(pk=1, name="one")
    client = Client()
    client.force_login(ada)
    return client


@pytest.fixture
def proved(visitor):
    for action in ("withdrawFunds", "closeAccount"):
        visitor.pass_challenge(action)
    return visitor


def test_there_is_something_to_look_at():
    assert len(PLACES) > 30
    assert ("tests.contrib.schema_urls", "/api/v1/groups/1/") in PLACES


@everywhere
@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_options_asks_nobody_and_tells_what_there_is(settings, visitor, authsignal, urlconf, path, accept):
    settings.ROOT_URLCONF = urlconf
    answer = visitor.options(path, headers={"Accept": accept})
    assert answer.status_code in (200, 403, 404, 406)
    assert authsignal.calls == []


@everywhere
def test_a_page_of_the_browsable_api_asks_nobody_once_it_may_be_seen(settings, proved, authsignal, urlconf, path):
    settings.ROOT_URLCONF = urlconf
    answer = proved.get(path, headers=PAGE)
    assert answer.status_code in (200, 401, 403, 404, 405, 406), answer.headers
    assert authsignal.calls == []


@everywhere
def test_a_page_without_anything_to_get_asks_nobody(settings, visitor, authsignal, urlconf, path):
    """The page that says 405 is where the browsable API shows the forms of what only takes a POST."""
    settings.ROOT_URLCONF = urlconf
    allowed = visitor.options(path, headers={"Accept": "application/json"}).get("Allow", "")
    if "GET" in allowed:
        return
    answer = visitor.get(path, headers=PAGE)
    assert answer.status_code in (401, 403, 405, 406)
    assert authsignal.calls == []


def test_the_forms_of_a_guarded_view_are_rendered(settings, proved, authsignal):
    settings.ROOT_URLCONF = "tests.contrib.schema_urls"
    page = proved.get("/api/v1/pay/", headers=PAGE).content.decode()
    assert 'name="amount"' in page  # the form
    assert 'name="_content"' in page  # the raw data
    page = proved.get("/api/v1/groups/1/", headers=PAGE).content.decode()
    assert 'value="one"' in page
    assert 'data-method="DELETE"' in page
    page = proved.get("/api/v1/above/", headers=PAGE)
    assert page.status_code == 405
    assert authsignal.calls == []


def test_a_form_of_the_browsable_api_is_stopped_for_its_proof_and_sent_after_it(
    settings, page_browser, authsignal, ada
):
    settings.ROOT_URLCONF = "tests.contrib.schema_urls"
    page_browser.sign_in()
    stopped = page_browser.post("/api/v1/pay/", {"amount": "1", "payee": "Zo"})
    assert stopped.status_code == 403
    assert b"Zo" in stopped.content  # kept by the browser, to be sent again
    page_browser.prove()
    assert page_browser.post("/api/v1/pay/", {"amount": "1", "payee": "Zo"}).status_code == 200
