"""Operations of django-ninja, one for each way of asking. What they did is what they answer."""

from __future__ import annotations  # ninja then resolves annotations by the module of a function

from django.contrib.auth import aauthenticate, authenticate, get_user_model
from django.http import HttpRequest
from django.urls import include, path
from django.views.decorators.cache import cache_page
from ninja import NinjaAPI, Router, Schema
from ninja.decorators import decorate_view
from ninja.errors import HttpError
from ninja.pagination import paginate
from ninja.security import APIKeyHeader, HttpBasicAuth, HttpBearer, django_auth
from ninja.streaming import JSONL

from django_authsignal import decorators
from django_authsignal.contrib.ninja import add_exception_handler, challenge_required, signs_in
from tests.project.urls import urlpatterns as project


def user_named(name):
    return get_user_model().objects.filter(username=name).first()


class Bearer(HttpBearer):
    def authenticate(self, request, token):
        return user_named(token.partition("-")[0])


class Key(APIKeyHeader):
    param_name = "X-API-Key"

    def authenticate(self, request, key):
        return user_named((key or "").partition("-")[0])


class Basic(HttpBasicAuth):
    def authenticate(self, request, username, password):
        return authenticate(request, username=username, password=password)


class Payment(Schema):
    amount: str
    payee: str
    fail: bool = False


WAYS = [Bearer(), Key(), Basic(), django_auth]
api = NinjaAPI(auth=WAYS, urls_namespace="bank")
add_exception_handler(api)


@api.post("/below/")
@challenge_required("withdrawFunds")
def below(request):
    return "below"


@challenge_required("withdrawFunds")
@api.post("/above/")
@api.post("/above-too/")
def above(request):
    return "above"


@api.post("/viewed/")
@decorate_view(challenge_required("withdrawFunds"))
def viewed(request):
    return "viewed"


@api.get("/cached/")
@decorate_view(cache_page(60))
@challenge_required("withdrawFunds")
def cached(request):
    return request.user.get_username()


@api.get("/paged-below/", response=list[str])
@challenge_required("withdrawFunds")
@paginate
def paged_below(request):
    return ["one", "two"]


@api.get("/paged-above/", response=list[str])
@paginate
@challenge_required("withdrawFunds")
def paged_above(request):
    return ["one", "two"]


@api.post("/core-below/")
@decorators.challenge_required("withdrawFunds")
def core_below(request: HttpRequest):
    return "core"


@decorators.challenge_required("withdrawFunds")
@api.post("/core-above/")
def core_above(request):
    return "core"


@api.post("/pay/")
@challenge_required("payInvoice", bind=["amount", "payee"])
def pay(request, payment: Payment):
    if payment.fail:
        raise RuntimeError("it failed after its effect")
    return {"paid": dict(request.authsignal.bound), "read": payment.amount}


@api.post("/delete/")
@challenge_required("deleteAccount")
def delete(request):
    return "deleted"


@api.post("/deep/")
def deep(request):
    request.authsignal.require("withdrawFunds")
    return "deep"


@api.post("/deep-once/")
def deep_once(request):
    request.authsignal.require("deleteAccount")
    return "deep"


@api.post("/stream/", response=JSONL[str])
@challenge_required("withdrawFunds")
def stream(request):
    yield "streamed"


@api.get("/mixed/")
def plain_get(request):
    return "plain"


@api.post("/mixed/")
@challenge_required("withdrawFunds")
def mixed_post(request):
    return "mixed"


@api.post("/plain/")
def plain(request):
    return "plain"


@api.post("/failing/")
@challenge_required("withdrawFunds")
def failing(request):
    get_user_model().objects.create(username="made")
    raise HttpError(400, "after a change that is to stay")


@api.post("/crashing/")
@challenge_required("withdrawFunds")
def crashing(request):
    get_user_model().objects.create(username="made")
    raise RuntimeError("after a change that is not to stay")


@api.post("/token/", auth=None)
@signs_in
def token(request, username: str, password: str):
    user = authenticate(request, username=username, password=password)
    if user is None:
        raise HttpError(400, "no")
    return {"token": f"{user.username}-issued"}


router = Router()
router.add_decorator(challenge_required("withdrawFunds"))


@router.post("/under/")
def under(request):
    return "under"


viewed_router = Router()
viewed_router.add_decorator(challenge_required("withdrawFunds"), mode="view")


@viewed_router.post("/under/")
def viewed_under(request):
    return "under"


api.add_router("/router", router)
api.add_router("/viewed-router", viewed_router)

guarded_api = NinjaAPI(auth=WAYS, urls_namespace="guarded")
guarded_api.add_decorator(challenge_required("withdrawFunds"))


@guarded_api.post("/one/")
def one(request):
    return "one"


included_api = NinjaAPI(auth=WAYS, urls_namespace="included")


@included_api.post("/one/")
def included_one(request):
    return "one"


# Asynchronous operations: Django runs none of them under ATOMIC_REQUESTS.
async_api = NinjaAPI(auth=WAYS, urls_namespace="async")
add_exception_handler(async_api)


@async_api.post("/below/")
@challenge_required("withdrawFunds")
async def async_below(request):
    return "below"


@challenge_required("withdrawFunds")
@async_api.post("/above/")
async def async_above(request):
    return "above"


@async_api.post("/pay/")
@challenge_required("payInvoice", bind=["amount", "payee"])
async def async_pay(request, payment: Payment):
    return {"paid": dict(request.authsignal.bound), "read": payment.amount}


@async_api.post("/delete/")
@challenge_required("deleteAccount")
async def async_delete(request):
    return "deleted"


@async_api.post("/deep/")
async def async_deep(request):
    await request.authsignal.arequire("withdrawFunds")
    return "deep"


@async_api.post("/stream/", response=JSONL[str])
@challenge_required("withdrawFunds")
async def async_stream(request):
    yield "streamed"


@async_api.get("/mixed/")
async def async_get(request):
    return "plain"


@async_api.post("/mixed/")
@challenge_required("withdrawFunds")
def sync_among_async(request):
    return "mixed"


@async_api.post("/token/", auth=None)
@signs_in
async def async_token(request, username: str, password: str):
    user = await aauthenticate(request, username=username, password=password)
    if user is None:
        raise HttpError(400, "no")
    return {"token": f"{user.username}-issued"}


# Authentication of one's own.


def claims(request):
    """As a JSON web token's claims: they name no user that the gate could ask."""
    return {"sub": request.headers.get("X-Claim")} if "X-Claim" in request.headers else None


def named(request):
    """A function that says who came, and by what."""
    name = request.headers.get("X-Name", "")
    request.authsignal.set_credential(name)
    return user_named(name.partition("-")[0])


def untold(request):
    """A function that says who came, but not by what."""
    return user_named(request.headers.get("X-Name", "").partition("-")[0])


class Owned(APIKeyHeader):
    """A key that is an object with an owner."""

    param_name = "X-Owned"

    def authenticate(self, request, key):
        return type("Stored", (), {"user": user_named((key or "").partition("-")[0])})() if key else None


own_api = NinjaAPI(urls_namespace="own")


def _own(way):
    @own_api.post(f"/{way.__name__.lower()}/", auth=way() if isinstance(way, type) else way, operation_id=way.__name__)
    @challenge_required("withdrawFunds")
    def operation(request):
        return request.user.get_username()


for way in (claims, named, untold, Owned):
    _own(way)


class ClaimsBearer(HttpBearer):
    """Its claims name somebody, whom nobody but the function knows."""

    def authenticate(self, request, token):
        return {"sub": token}


_own(ClaimsBearer)

# Asked for only where no middleware stands: no door is ever put in front of these.
bare_api = NinjaAPI(auth=WAYS, urls_namespace="bare")


def _bare(function, place, *, name, **kwargs):
    post = bare_api.post(f"/{name}/", operation_id=name, **kwargs)
    asked = challenge_required("withdrawFunds")
    return asked(post(function)) if place == "above" else post(asked(function))


def _functions():
    def plain(request):
        return "ran"

    async def coroutine(request):
        return "ran"

    def stream(request):
        yield "ran"

    async def async_stream(request):
        yield "ran"

    return plain, coroutine, stream, async_stream


for place in ("above", "below"):
    for function in _functions():
        streams = {"response": JSONL[str]} if "stream" in function.__name__ else {}
        _bare(function, place, name=f"{place}-{function.__name__}", **streams)

included = decorators.challenge_required("withdrawFunds")(included_api.urls)
urlpatterns = [
    *project,
    path("ninja/", api.urls),
    path("ninja-guarded/", guarded_api.urls),
    path("ninja-included/", included),
    path("ninja-around/", decorators.challenge_required("withdrawFunds")(include([path("x/", included_api.urls)]))),
    path("ninja-open/", included_api.urls),
    path("ninja-async/", async_api.urls),
    path("ninja-own/", own_api.urls),
    path("ninja-bare/", bare_api.urls),
]
