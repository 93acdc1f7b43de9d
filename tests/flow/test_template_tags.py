"""`{% load authsignal %}`: what templates ask of the gate."""

import pytest
from asgiref.sync import sync_to_async
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from django.template import Context, RequestContext, Template
from django.template.loader import render_to_string
from django.urls import path

from django_authsignal.client import ConfigurationError
from django_authsignal.models import Challenge
from tests.project.urls import urlpatterns as project_urls

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


def render(request, source, **context):
    return Template("{% load authsignal %}" + source).render(RequestContext(request, context))


def sync_view(request):
    return HttpResponse(render(request, request.GET["source"], next=request.GET.get("given", "")))


async def async_view(request):
    return await sync_to_async(sync_view)(request)  # a template reads the session, as {{ user }} does


urlpatterns = [*project_urls, path("tags/", sync_view), path("async/tags/", async_view)]
PASSED = '{% authsignal_passed "withdrawFunds" as passed %}{% if passed %}open{% else %}locked{% endif %}'
LEFT = '{% authsignal_seconds_left "withdrawFunds" as left %}{{ left|default_if_none:"session" }}'


def shown(browser, source, prefix="/", **query):
    return browser.get(f"{prefix}tags/", {"source": source, **query})


def test_a_template_shows_what_is_open_and_what_is_locked(adas, colour):
    assert shown(adas, PASSED, colour).content == b"locked"
    adas.step_up()
    assert shown(adas, PASSED, colour).content == b"open"


def test_a_tag_counts_the_seconds_that_are_left(adas):
    assert shown(adas, LEFT).content == b"0"
    adas.step_up()
    assert 890 <= int(shown(adas, LEFT).content) <= 900


def test_a_sign_in_lasts_as_long_as_the_session(browser, ada):
    browser.sign_in()
    source = '{% authsignal_seconds_left "signIn" as left %}{{ left|default_if_none:"session" }}'
    assert shown(browser, source).content == b"session"


def test_a_template_may_ask_for_a_younger_proof(adas):
    adas.step_up()
    source = '{% authsignal_passed "withdrawFunds" max_age=0 as passed %}{{ passed }}'
    assert shown(adas, source).content == b"False"


def test_for_somebody_anonymous_everything_is_locked(browser):
    assert shown(browser, PASSED).content == b"locked"
    assert shown(browser, LEFT).content == b"0"


def test_a_tag_makes_no_call_and_begins_nothing(adas, authsignal, django_assert_num_queries, settings):
    shown(adas, PASSED)
    # Django's own: the user, and the session where it is in the database.
    with django_assert_num_queries(2 if settings.SESSION_ENGINE.endswith(".db") else 1):
        shown(adas, PASSED + LEFT + PASSED + LEFT)
    assert authsignal.calls == []
    assert not Challenge.objects.exists()


@pytest.mark.security
@pytest.mark.parametrize("source", [PASSED, LEFT])
def test_no_shared_cache_keeps_what_one_user_was_shown(adas, source):
    assert "private" in shown(adas, source).headers["Cache-Control"]
    adas.step_up()
    assert "private" in shown(adas, source).headers["Cache-Control"]


def test_the_link_to_ones_own_authenticators(browser):
    assert shown(browser, "{% authsignal_authenticators_url %}").content == b"/authsignal/authenticators/"


@pytest.mark.parametrize("tag", ['authsignal_passed "signIn"', 'authsignal_seconds_left "signIn"'])
def test_a_context_without_a_request_is_an_error_that_says_what_to_add(tag):
    with pytest.raises(ImproperlyConfigured, match=r"context_processors\.request"):
        Template("{% load authsignal %}{% " + tag + " %}").render(Context({}))


@pytest.mark.security
@pytest.mark.parametrize("tag", ["authsignal_passed", "authsignal_seconds_left"])
@pytest.mark.parametrize("action", ["missing_variable", '""', '"no such code"', "17"])
def test_what_names_no_action_is_an_error_and_never_the_sign_in(browser, ada, tag, action):
    browser.sign_in()
    with pytest.raises(ConfigurationError, match=tag):
        shown(browser, "{% " + tag + " " + action + " %}")


@pytest.mark.security
def test_an_empty_action_is_never_the_sign_in(rf, ada, browser):
    browser.sign_in()
    request = browser.get("/home/").wsgi_request
    assert request.authsignal.passed("signIn") is True
    with pytest.raises(ConfigurationError):
        request.authsignal.passed("")


def test_a_max_age_wider_than_the_policy_is_an_error(adas):
    with pytest.raises(ConfigurationError, match="wider"):
        shown(adas, '{% authsignal_passed "withdrawFunds" max_age=9999 %}')


# Passkeys

PASSKEY = "{% authsignal_passkey_autofill %}"


@pytest.fixture
def tenant(settings):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "TENANT_ID": "tenant"}


def test_the_passkey_form_goes_to_our_view_with_a_csrf_token_and_no_inline_script(browser, tenant):
    page = shown(browser, PASSKEY).content.decode()
    assert 'action="/authsignal/sign-in/passkey/"' in page
    assert "csrfmiddlewaretoken" in page
    assert page.count("<script") == 1
    assert '<script type="module" src="/static/authsignal/passkey.js"></script>' in page
    assert "style=" not in page
    assert "onclick" not in page


def test_the_page_holds_no_key_so_that_rendering_it_begins_nothing(browser, tenant, authsignal):
    answer = shown(browser, PASSKEY)
    assert "authsignal_browser" not in answer.cookies
    assert authsignal.calls == []


@pytest.mark.security
@pytest.mark.parametrize(
    ("asked", "kept"), [("/members/", True), ("//evil.example", False), ("https://evil.example", False)]
)
def test_the_page_s_own_next_is_kept_when_it_is_local(browser, tenant, asked, kept):
    for query in ({"next": asked}, {"given": asked}):
        assert (f'name="next" value="{asked}"' in shown(browser, PASSKEY, **query).content.decode()) is kept


def test_a_page_may_name_where_to_go_and_how_the_button_looks(browser, tenant):
    page = shown(browser, '{% authsignal_passkey_autofill next_page="/members/" button_class="big" %}').content.decode()
    assert 'value="/members/"' in page
    assert '<button class="big" type="button">' in page


FAULTS = [
    ({"TENANT_ID": ""}, "TENANT_ID"),
    ({"PASSWORDLESS_METHODS": ["EMAIL_OTP"]}, "PASSWORDLESS_METHODS"),
]


@pytest.mark.parametrize(("written", "named"), FAULTS, ids=[named for _, named in FAULTS])
def test_where_it_is_not_set_up_the_page_works_without_and_the_log_says_why(
    browser, tenant, settings, caplog, written, named
):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, **written}
    assert shown(browser, PASSKEY).content.strip() == b""
    assert named in caplog.text
    answer = browser.fetch("/authsignal/sign-in/passkey/")
    assert answer.status_code == 404
    assert named not in answer.content.decode()
    settings.DEBUG = True
    assert named in shown(browser, PASSKEY).content.decode()
    assert named in browser.fetch("/authsignal/sign-in/passkey/").content.decode()


def test_our_own_sign_in_page_offers_passkeys(browser, tenant):
    page = browser.get("/authsignal/sign-in/").content.decode()
    assert "data-authsignal-passkey" in page
    assert 'autocomplete="username webauthn"' in page


def test_the_script_is_told_the_header_that_this_project_reads_its_csrf_token_from(adas, settings):
    assert b'data-header="X-Csrftoken"' in shown(adas, "{% authsignal_script %}").content
    settings.CSRF_HEADER_NAME = "HTTP_X_XSRF_TOKEN"
    assert b'data-header="X-Xsrf-Token"' in shown(adas, "{% authsignal_script %}").content


@pytest.mark.parametrize("name", ["csp_nonce", "_csp_nonce"], ids=["django-csp", "Django 6"])
def test_scripts_and_styles_carry_the_nonce_of_the_projects_policy(rf, name):
    request = rf.get("/")
    setattr(request, name, "n0nce")
    own = render(request, "{% authsignal_script %}")
    assert own.count(' nonce="n0nce"') == 2
    for page in ("challenge", "review"):
        shown = render_to_string(f"authsignal/{page}.html", {}, request)
        assert shown.count(' nonce="n0nce"') == shown.count("<script") + shown.count("<link") == 2


def test_without_a_nonce_there_is_no_such_attribute(rf):
    assert "nonce" not in render(rf.get("/"), "{% authsignal_script %}")
