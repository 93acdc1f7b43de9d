"""The OpenAPI document says of each guarded operation what is asked, and what is answered until it is given."""

import json
from io import StringIO

import jsonschema
import pytest
from django.core.management import call_command
from drf_spectacular import openapi
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.settings import patched_settings
from rest_framework.authtoken.models import Token

from django_authsignal.contrib.rest_framework.schema import ChallengeSchemaMixin
from tests.contrib.conftest import ApiClient
from tests.contrib.schema_urls import GroupSerializer

pytestmark = pytest.mark.django_db

PROBLEM = {"$ref": "#/components/schemas/AuthsignalProblem"}
GUARDED = {
    "withdraw get": "withdrawFunds",
    "withdraw post": "withdrawFunds",
    "pay post": "payInvoice",
    "plain delete": "closeAccount",
    "above post": "withdrawFunds",
    "below post": "withdrawFunds",
    "groups post": "withdrawFunds",
    "groups/{id} delete": "closeAccount",
    "groups/{id}/freeze post": "withdrawFunds",
    "token post": "signIn",
    "pair post": "signIn",
    "sliding post": "signIn",
}


class OwnSchema(ChallengeSchemaMixin, openapi.AutoSchema):
    """Of a project's own."""


@pytest.fixture(autouse=True)
def _schema(settings, _api):
    settings.ROOT_URLCONF = "tests.contrib.schema_urls"


@pytest.fixture
def document():
    return SchemaGenerator().get_schema(request=None, public=True)


@pytest.fixture
def operations(document):
    return {
        f"{path.removeprefix('/api/v1/').rstrip('/')} {method}": operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }


@pytest.mark.parametrize("urlconf", ["tests.contrib.schema_urls", "tests.contrib.schema_urls_plain"])
@pytest.mark.parametrize("version", ["3.0.3", "3.1.1"])
def test_the_document_is_valid_and_warns_of_nothing(authsignal, urlconf, version):
    out, options = StringIO(), {"validate": True, "fail_on_warn": True, "format": "openapi-json"}
    with patched_settings({"OAS_VERSION": version}):
        call_command("spectacular", urlconf=urlconf, stdout=out, **options)
    assert json.loads(out.getvalue())["openapi"] == version
    assert authsignal.calls == []


def test_guarded_operations_and_no_others_name_their_action(operations):
    assert {name: one["x-authsignal-action"] for name, one in operations.items() if "x-authsignal-action" in one} == (
        GUARDED
    )
    assert {"pay get", "plain post", "groups get", "groups/{id} put"} <= operations.keys()


@pytest.mark.parametrize("name", GUARDED)
def test_a_guarded_operation_documents_the_gates_answers_and_the_token(operations, name):
    operation = operations[name]
    for status in ("401", "403", "429", "503"):
        assert operation["responses"][status]["content"]["application/problem+json"]["schema"] == PROBLEM
    assert "WWW-Authenticate" in operation["responses"]["401"]["headers"]
    found = [one for one in operation["parameters"] if one.get("name") == "Authsignal-Token"]
    assert [(one["in"], one["required"]) for one in found] == [("header", False)]


def test_what_a_view_documents_itself_stays(operations):
    content = operations["pay post"]["responses"]["401"]["content"]
    assert content["application/json"]["schema"] == {"$ref": "#/components/schemas/Payment"}
    assert content["application/problem+json"]["schema"] == PROBLEM


def test_what_is_bound_may_be_a_bad_request(operations):
    assert "400" in operations["pay post"]["responses"]
    assert "400" not in operations["withdraw post"]["responses"]


@pytest.mark.parametrize("outcome", ["challenge", "block", "review", "fail"])
def test_the_component_is_what_the_gate_answers(document, authsignal, ada, outcome):
    getattr(authsignal, outcome)(*(["timeout"] if outcome == "fail" else []))
    component = document["components"]["schemas"]["AuthsignalProblem"]
    client = ApiClient(authsignal, f"Token {Token.objects.create(user=ada).key}")
    jsonschema.validate(client.send("/api/v1/pay/", {"amount": "1", "payee": "Zo"}).json(), component)
    jsonschema.validate(client.send("/api/v1/pay/", {"amount": "1"}).json(), component)
    assert client.send("/api/v1/withdraw/").json().keys() <= component["properties"].keys()


def test_a_schema_class_of_ones_own_takes_the_mixin(settings):
    settings.REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": f"{__name__}.OwnSchema"}
    document = SchemaGenerator().get_schema(request=None, public=True)
    assert document["paths"]["/api/v1/withdraw/"]["get"]["x-authsignal-action"] == "withdrawFunds"


def test_the_document_is_served_without_asking_anybody(authsignal, page_browser, ada):
    anonymous = ApiClient(authsignal)
    assert anonymous.get("/schema/?format=json").status_code == 200
    page_browser.force_login(ada)
    assert page_browser.fetch("/schema/?format=json").status_code == 200
    assert authsignal.calls == []
    assert GroupSerializer.Meta.model.objects.count() == 0
