"""What an API client may send, in every form the framework takes: asked the same, or refused before anything begins."""

import json
import types
from urllib.parse import urlencode

import pytest
import rest_framework
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from django.urls import include, path
from django.utils.decorators import method_decorator
from django.views.decorators.cache import cache_page
from rest_framework.authentication import TokenAuthentication
from rest_framework.authtoken.models import Token
from rest_framework.decorators import action
from rest_framework.generics import DestroyAPIView
from rest_framework.pagination import PageNumberPagination
from rest_framework.parsers import BaseParser, JSONParser
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.renderers import BaseRenderer
from rest_framework.response import Response
from rest_framework.routers import DefaultRouter
from rest_framework.serializers import ModelSerializer
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.versioning import AcceptHeaderVersioning
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet, ModelViewSet, ViewSet

from django_authsignal import mixins
from django_authsignal.client import ConfigurationError
from django_authsignal.compat import OTPRequiredMixin, SudoMixin
from django_authsignal.contrib.rest_framework import ChallengeRequiredMixin
from django_authsignal.decorators import challenge_required
from django_authsignal.mixins import LoginRequiredMixin
from tests.contrib.conftest import ApiClient
from tests.project.urls import urlpatterns as project

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("atomic_requests")]

BODY = {"amount": "250.00", "payee": "Zoë"}
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


class ByToken(APIView):
    authentication_classes = [TokenAuthentication]
    permission_classes = [IsAuthenticated]


class Pay(ChallengeRequiredMixin, ByToken):
    challenge_action = "payInvoice"
    challenge_bind = ("amount", "payee")

    def post(self, request):
        files = [upload.read().decode() for upload in request.FILES.values()]
        return Response({"proved": dict(request.authsignal.bound), "read": request.data["amount"], "files": files})

    put = patch = post


class PayByJson(Pay):
    parser_classes = [JSONParser]


class LooksAtTheData(BasePermission):
    def has_permission(self, request, view):
        return bool(request.data.get("amount"))


class PayAfterALook(Pay):
    permission_classes = [LooksAtTheData]


class Nested(Pay):
    challenge_bind = ("payment.amount", "payment.to.name")

    def post(self, request):
        return Response(dict(request.authsignal.bound))


class ApiJsonParser(JSONParser):
    media_type = "application/vnd.api+json"


class NestedByJsonApi(Nested):
    parser_classes = [ApiJsonParser]


class UsesUpTheStream(BaseParser):
    media_type = JSON

    def parse(self, stream, media_type=None, parser_context=None):
        return json.loads(stream.read())


class Deep(ByToken):
    def post(self, request):
        request.authsignal.require("payInvoice", bind=["amount"])
        return Response(request.data)


class DeepAfterALook(ByToken):
    def post(self, request):
        amount = request.data["amount"]
        request.authsignal.require("payInvoice", bind=["amount"])
        return Response(amount)


class DeepAfterItsEnd(DeepAfterALook):
    parser_classes = [UsesUpTheStream]


class PayAfterItsEnd(PayAfterALook):
    parser_classes = [UsesUpTheStream]


class Groups(ModelSerializer):
    class Meta:
        model = Group
        fields = ["id", "name"]


class Pages(PageNumberPagination):
    page_size = 1


class GroupViews(ChallengeRequiredMixin, ModelViewSet):
    authentication_classes = [TokenAuthentication]
    permission_classes = [IsAuthenticated]
    queryset = Group.objects.order_by("pk")
    serializer_class = Groups
    pagination_class = Pages
    challenge_action = "withdrawFunds"
    challenge_actions = {"retrieve": None}

    @action(detail=True, methods=["post"])
    def freeze(self, request, pk):
        return Response("frozen")

    @freeze.mapping.delete
    def thaw(self, request, pk):
        return Response("thawed")


class NamedAsByAdrf(ChallengeRequiredMixin, GenericViewSet):
    """adrf's router calls an async viewset's actions like this; what it inherits has the framework's names, too."""

    authentication_classes = [TokenAuthentication]
    permission_classes = [IsAuthenticated]
    challenge_actions = {"list": "withdrawFunds", "update": "withdrawFunds", "destroy": "withdrawFunds"}

    def alist(self, request):
        return Response("done")

    aupdate = partial_aupdate = adestroy = list = update = destroy = alist


class OnAMethod(ByToken):
    @challenge_required("withdrawFunds")
    def post(self, request):
        return Response("done")

    @method_decorator(challenge_required("withdrawFunds"))
    def put(self, request):
        return Response("done")


class OnAnAction(ViewSet):
    authentication_classes = [TokenAuthentication]

    @challenge_required("withdrawFunds")
    @action(detail=False, methods=["post"])
    def outside(self, request):
        return Response("done")

    @action(detail=False, methods=["post"])
    @challenge_required("withdrawFunds")
    def inside(self, request):
        return Response("done")


class Updates(GroupViews):
    challenge_action = ""
    challenge_actions = {"update": "withdrawFunds"}


class UpdatesWhole(Updates):
    challenge_actions = {"update": "withdrawFunds", "partial_update": None}


class OnlyGet(ChallengeRequiredMixin, ByToken):
    challenge_actions = {"get": "withdrawFunds"}

    def get(self, request):
        return Response("seen")

    def post(self, request):
        return Response("written")


class ForgetsSuper(OnlyGet):
    def initial(self, request, *args, **kwargs):
        self.perform_authentication(request)


class CallsAnother(OnlyGet):
    def initial(self, request, *args, **kwargs):
        APIView.initial(self, request, *args, **kwargs)


class OnceToSee(OnlyGet):
    challenge_actions = {"get": "deleteAccount"}


class OnlyDelete(ChallengeRequiredMixin, ByToken):
    challenge_actions = {"delete": "withdrawFunds"}
    challenge_methods = ["PUT"]

    def post(self, request):
        return Response("written")

    def delete(self, request):
        return Response("deleted")


class Overridden(OnlyDelete):
    """What old recipes do: the framework's request alone knows the method."""

    def initialize_request(self, request, *args, **kwargs):
        made = super().initialize_request(request, *args, **kwargs)
        made.method = request.headers.get("X-HTTP-Method-Override", request.method)
        return made


class Xml(BaseRenderer):
    media_type, format = "application/xml", "xml"

    def render(self, data, accepted_media_type=None, renderer_context=None):
        return f"<said>{data}</said>".encode()


class InXml(OnlyGet):
    renderer_classes = [Xml]


class Twice(SimpleRateThrottle):
    rate = "2/hour"
    scope = "twice"

    def get_cache_key(self, request, view):
        return "twice"


class Throttled(OnlyGet):
    throttle_classes = [Twice]


class Versions(AcceptHeaderVersioning):
    allowed_versions = ["2"]


class Versioned(OnlyGet):
    versioning_class = Versions


@method_decorator(cache_page(60), name="dispatch")
class Cached(OnlyGet):
    pass


router = DefaultRouter()
router.register("groups", GroupViews)
router.register("updates", Updates, basename="update")
router.register("on-an-action", OnAnAction, basename="on-an-action")
router.register("updates-whole", UpdatesWhole, basename="update-whole")

urlpatterns = [
    path("pay/", Pay.as_view()),
    path("pay-by-json/", PayByJson.as_view()),
    path("pay-after-a-look/", PayAfterALook.as_view()),
    path("pay-after-its-end/", PayAfterItsEnd.as_view()),
    path("nested/", Nested.as_view()),
    path("json-api/", NestedByJsonApi.as_view()),
    path("deep/", Deep.as_view()),
    path("deep-after-a-look/", DeepAfterALook.as_view()),
    path("deep-after-its-end/", DeepAfterItsEnd.as_view()),
    path("only-get/", OnlyGet.as_view()),
    path("once-to-see/", OnceToSee.as_view()),
    path("only-delete/", OnlyDelete.as_view()),
    path("overridden/", Overridden.as_view()),
    path("on-a-method/", OnAMethod.as_view()),
    path("forgets-super/", ForgetsSuper.as_view()),
    path("calls-another/", CallsAnother.as_view()),
    path(
        "adrf/",
        NamedAsByAdrf.as_view({"get": "alist", "put": "aupdate", "patch": "partial_aupdate", "delete": "adestroy"}),
    ),
    path("xml/", InXml.as_view()),
    path("throttled/", Throttled.as_view()),
    path("versioned/", Versioned.as_view()),
    path("cached/", Cached.as_view()),
    *project,
    path("", include(router.urls)),
]


class Sender(ApiClient):
    """An API client that chooses how it writes its body."""

    def say(self, path, body=b"", *, method="post", kind=JSON, token="", **headers):
        headers |= {"Authorization": self.authorization, **({"Authsignal-Token": token} if token else {})}
        answer = self.generic(method.upper(), path, body, content_type=kind, headers=headers)
        if answer.status_code == 307:  # an ALLOW or a release, asked for in a transaction
            return self.generic(method.upper(), path, body, content_type=kind, headers=headers)
        return answer

    def prove_saying(self, path, body=b"", **how):
        refused = self.say(path, body, **how)
        assert refused.status_code == 401, refused.content
        return self.say(path, body, **how, token=self.complete(refused))


@pytest.fixture(autouse=True)
def _urls(settings, _api):
    settings.ROOT_URLCONF = __name__


@pytest.fixture
def sender(authsignal, ada):
    return Sender(authsignal, f"Token {Token.objects.create(user=ada).key}")


def form(**fields):
    return urlencode(fields).encode()


BODIES = {
    "json": (json.dumps(BODY).encode(), JSON),
    "form": (form(**BODY), FORM),
    "multipart": (encode_multipart(BOUNDARY, BODY), MULTIPART_CONTENT),
}
bodies = pytest.mark.parametrize(("body", "kind"), BODIES.values(), ids=BODIES)
writing = pytest.mark.parametrize("method", ["post", "put", "patch"])


@bodies
@writing
def test_bound_fields_are_proved_in_every_form_a_view_takes(sender, body, kind, method):
    answer = sender.prove_saying("/pay/", body, kind=kind, method=method)
    assert answer.status_code == 200, answer.content
    assert answer.json() == {"proved": BODY, "read": "250.00", "files": []}


@writing
def test_a_file_beside_bound_fields_arrives_whole(sender, method):
    body = encode_multipart(BOUNDARY, {**BODY, "receipt": SimpleUploadedFile("receipt.txt", b"the receipt")})
    answer = sender.prove_saying("/pay/", body, kind=MULTIPART_CONTENT, method=method)
    assert answer.json()["files"] == ["the receipt"]


@bodies
def test_a_proof_of_one_door_does_not_open_the_others(sender, body, kind):
    token = sender.complete(sender.say("/pay/", body, kind=kind))
    for method in ("put", "patch"):
        refused = sender.say("/pay/", body, kind=kind, method=method, token=token)
        assert (refused.status_code, refused.json()["code"]) == (401, "challenge_required")


UNREADABLE = {
    "absent": (b'{"amount": "1"}', JSON),
    "absent from a form": (form(amount="1"), FORM),
    "twice in a form": (b"amount=1&amount=2&payee=Zo", FORM),
    "twice in json": (b'{"amount": 1, "amount": 2, "payee": "Zo"}', JSON),
    "a list": (b'{"amount": [1], "payee": "Zo"}', JSON),
    "no object": (b'"amount"', JSON),
}


@pytest.mark.parametrize(("body", "kind"), UNREADABLE.values(), ids=UNREADABLE)
@writing
def test_what_cannot_be_bound_is_told_and_asks_nobody(sender, authsignal, body, kind, method):
    answer = sender.say("/pay/", body, kind=kind, method=method)
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert answer.json()["code"] == "invalid_request"
    assert answer.json()["title"].endswith(".")
    assert authsignal.calls == []


@pytest.mark.parametrize(
    ("path", "body", "kind", "status"),
    [
        ("/pay/", b"{not json", JSON, 400),
        ("/pay/", b"<xml/>", "application/xml", 415),
        ("/pay-by-json/", form(**BODY), FORM, 415),
    ],
)
def test_what_the_view_does_not_take_is_refused_before_anybody_is_asked(sender, authsignal, path, body, kind, status):
    assert sender.say(path, body, kind=kind).status_code == status
    assert authsignal.calls == []


@bodies
def test_a_permission_that_reads_the_data_first_leaves_it_for_the_gate(sender, body, kind):
    assert sender.prove_saying("/pay-after-a-look/", body, kind=kind).json()["proved"] == BODY


def test_a_parser_that_uses_up_the_body_leaves_it_for_the_gate(sender):
    body = json.dumps(BODY).encode()
    assert sender.prove_saying("/pay-after-its-end/", body).json()["proved"] == BODY


@pytest.mark.parametrize(("path", "kind"), [("/nested/", JSON), ("/json-api/", "application/vnd.api+json")])
def test_a_dotted_name_reaches_into_a_json_body(sender, path, kind):
    body = json.dumps({"payment": {"amount": 250, "to": {"name": "Zoë"}}}).encode()
    assert sender.prove_saying(path, body, kind=kind).json() == {"payment.amount": 250, "payment.to.name": "Zoë"}


@bodies
@pytest.mark.parametrize("path", ["/deep/", "/deep-after-a-look/"])
def test_deep_code_binds_whether_the_data_was_read_or_not(sender, path, body, kind):
    if kind == JSON and path == "/deep-after-a-look/" and rest_framework.VERSION < "3.18":
        assert "before request.data" in sender.say(path, body).json()["title"]  # its parser used the body up
        return
    assert sender.prove_saying(path, body, kind=kind).status_code == 200


def test_deep_code_after_a_parser_that_used_up_the_body_is_told_what_to_do(sender, authsignal):
    answer = sender.say("/deep-after-its-end/", json.dumps(BODY).encode())
    assert answer.status_code == 400
    assert "before request.data" in answer.json()["title"]
    assert authsignal.calls == []


# Methods


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/groups/", "get"),
        ("/groups/", "post"),
        ("/groups/1/", "put"),
        ("/groups/1/", "patch"),
        ("/groups/1/", "delete"),
        ("/groups/1/freeze/", "post"),
        ("/groups/1/freeze/", "delete"),
        ("/groups.json", "get"),
    ],
)
def test_every_door_of_a_model_viewset_asks(sender, authsignal, path, method):
    Group.objects.create(pk=1, name="one")
    assert sender.say(path, b'{"name": "two"}', method=method).status_code == 401
    assert len(authsignal.calls) == 1
    answer = sender.prove_saying(path, b'{"name": "two"}', method=method)
    assert answer.status_code in (200, 201, 204)


def test_an_action_that_is_named_with_none_is_not_asked(sender, authsignal):
    Group.objects.create(pk=1, name="one")
    assert sender.say("/groups/1/", method="get").status_code == 200
    assert authsignal.calls == []


def test_every_page_of_a_list_is_under_one_proof(sender, authsignal):
    Group.objects.bulk_create([Group(name="one"), Group(name="two")])
    first = sender.prove_saying("/groups/", method="get").json()
    calls = len(authsignal.calls)
    assert sender.say(first["next"], method="get").json()["results"][0]["name"] == "two"
    assert len(authsignal.calls) == calls


@pytest.mark.parametrize("path", ["/only-get/", "/groups/", "/once-to-see/"])
def test_head_is_no_way_around_get_and_begins_nothing(sender, authsignal, path):
    answer = sender.say(path, method="head")
    assert (answer.status_code, answer.content) == (401, b"")
    assert authsignal.calls == []


def test_a_method_that_is_named_is_asked_even_for_one_request(sender):
    assert sender.prove_saying("/once-to-see/", method="get").status_code == 200
    assert sender.say("/once-to-see/", method="get").status_code == 401
    assert sender.say("/once-to-see/").status_code == 200


def test_a_method_that_is_named_is_asked_whatever_challenge_methods_lists(sender):
    assert sender.say("/only-delete/", method="delete").status_code == 401
    assert sender.say("/only-delete/").status_code == 200


def test_a_method_override_of_the_projects_own_is_asked_for_what_it_runs(sender, authsignal):
    override = {"X-HTTP-Method-Override": "DELETE"}
    refused = sender.say("/overridden/", **override)
    assert refused.status_code == 401
    assert sender.say("/overridden/", **override, token=sender.complete(refused)).json() == "deleted"


def test_a_method_override_header_that_nobody_reads_changes_nothing(sender):
    assert sender.say("/only-delete/", **{"X-HTTP-Method-Override": "DELETE"}).json() == "written"
    assert sender.say("/only-delete/", method="delete", **{"X-HTTP-Method-Override": "POST"}).status_code == 401


def test_a_misspelt_action_is_refused_at_start():
    class Misspelt(ChallengeRequiredMixin, ModelViewSet):
        challenge_actions = {"destory": "withdrawFunds"}

    with pytest.raises(ConfigurationError, match="'destory'"):
        Misspelt.as_view({"get": "list"})


def guarded(base, name):
    return type("Guarded", (ChallengeRequiredMixin, base), {"challenge_actions": {name: "withdrawFunds"}})


@pytest.mark.parametrize("name", ["perform_destroy", "get_queryset", "queryset", "Delete"])
def test_a_name_by_which_no_action_is_asked_is_refused_at_start(name):
    with pytest.raises(ConfigurationError, match=f"{name!r}, which is no action of it"):
        guarded(ModelViewSet, name).as_view({"delete": "destroy"})


@pytest.mark.parametrize("name", ["destroy", "Delete"])
def test_a_view_that_has_no_actions_names_methods(name):
    with pytest.raises(ConfigurationError, match=r"it is no viewset.* Name HTTP methods, such as 'delete'"):
        guarded(DestroyAPIView, name).as_view()
    for method in ("delete", "DELETE"):
        guarded(DestroyAPIView, method).as_view()


@pytest.mark.parametrize("mixin", [LoginRequiredMixin, SudoMixin, OTPRequiredMixin])
def test_a_mixin_for_djangos_views_asks_a_session_here_too(page_browser, ada, settings, mixin):
    made = type("Made", (mixin, APIView), {"post": lambda self, request: Response("done")})
    urlconf = types.ModuleType("made")
    urlconf.urlpatterns = [path("made/", made.as_view()), *project]
    settings.ROOT_URLCONF = urlconf
    page_browser.force_login(ada)
    assert page_browser.fetch("/made/", "post").status_code == 401
    page_browser.prove()
    assert page_browser.fetch("/made/", "post").json() == "done"


def test_the_mixin_for_djangos_views_names_the_frameworks():
    made = type("Made", (mixins.ChallengeRequiredMixin, APIView), {"challenge_action": "withdrawFunds"})
    with pytest.raises(ConfigurationError, match=r"Made is a view of Django REST framework.*contrib\.rest_framework"):
        made.as_view()


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/on-a-method/", "post"),
        ("/on-a-method/", "put"),
        ("/on-an-action/outside/", "post"),
        ("/on-an-action/inside/", "post"),
    ],
)
def test_the_decorator_stands_on_single_methods_and_actions_too(sender, path, method):
    assert sender.prove_saying(path, method=method).json() == "done"


@pytest.mark.parametrize("path", ["/forgets-super/", "/calls-another/"])
def test_an_initial_of_ones_own_that_leaves_ours_out_is_an_error_before_anything_runs(sender, path):
    with pytest.raises(ConfigurationError, match=r"initial.. of .* does not call super"):
        sender.say(path, method="get")


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete"])
def test_the_actions_of_adrfs_viewsets_are_asked_by_the_frameworks_names(sender, method):
    assert sender.say("/adrf/", method=method).status_code == 401


def test_what_is_asked_of_an_update_is_asked_of_a_part_of_one(sender):
    group = Group.objects.create(name="before")
    body = json.dumps({"name": "after"})
    for method in ("put", "patch"):
        assert sender.say(f"/updates/{group.pk}/", body, method=method).status_code == 401
    assert sender.say(f"/updates-whole/{group.pk}/", body, method="put").status_code == 401
    assert sender.say(f"/updates-whole/{group.pk}/", body, method="patch").json()["name"] == "after"


# Negotiation, versions, throttles


def test_a_refusal_is_problem_json_whatever_the_view_renders(sender):
    refused = sender.say("/xml/", method="get", Accept="application/xml")
    assert (refused.status_code, refused["Content-Type"]) == (401, "application/problem+json")
    token = sender.complete(refused)
    assert sender.say("/xml/", method="get", Accept="application/xml", token=token).content == b"<said>seen</said>"


@pytest.mark.parametrize(
    ("path", "accept", "status"),
    [
        ("/xml/", JSON, 406),
        ("/only-get/?format=nothing", "*/*", 404),
        ("/versioned/", f"{JSON}; version=1", 406),
    ],
)
def test_what_cannot_be_answered_asks_nobody(sender, authsignal, path, accept, status):
    assert sender.say(path, method="get", Accept=accept).status_code == status
    assert authsignal.calls == []


def test_a_version_that_is_there_is_asked_for(sender):
    assert sender.prove_saying("/versioned/", method="get", Accept=f"{JSON}; version=2").status_code == 200


def test_a_throttle_counts_before_the_gate_is_asked(sender, authsignal):
    refused = sender.say("/throttled/", method="get")
    assert sender.say("/throttled/", method="get", token=sender.complete(refused)).status_code == 200
    calls = len(authsignal.calls)
    assert sender.say("/throttled/", method="get").status_code == 429
    assert len(authsignal.calls) == calls


def test_no_cache_around_a_view_answers_in_place_of_a_proof(sender, bob):
    assert sender.prove_saying("/cached/", method="get")["Cache-Control"] == "private"
    others = Sender(sender.authsignal, f"Token {Token.objects.create(user=bob).key}")
    assert others.say("/cached/", method="get").status_code == 401
