"""Every door once. What it did is what it answers."""

from asgiref.sync import iscoroutinefunction
from django.contrib import admin
from django.contrib.auth import get_user_model, login
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import Group
from django.contrib.auth.views import LoginView, LogoutView
from django.db import transaction
from django.http import HttpResponse
from django.urls import include, path
from django.utils.decorators import method_decorator
from django.views import View
from knox.auth import TokenAuthentication as KnoxAuthentication
from ninja import NinjaAPI
from ninja.security import HttpBasicAuth, HttpBearer, django_auth
from rest_framework.authentication import BasicAuthentication, SessionAuthentication, TokenAuthentication
from rest_framework.authtoken.models import Token
from rest_framework.decorators import action, api_view, authentication_classes, permission_classes
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet
from rest_framework_simplejwt.authentication import JWTAuthentication

from django_authsignal.admin import AuthsignalAdminSite, ChallengeRequiredAdminMixin
from django_authsignal.contrib import ninja as ninja_doors
from django_authsignal.contrib import rest_framework as rest_doors
from django_authsignal.contrib.rest_framework.authtoken import ObtainAuthToken
from django_authsignal.contrib.rest_framework.knox import LoginView as KnoxLoginView
from django_authsignal.contrib.rest_framework.simplejwt import TokenObtainPairView
from django_authsignal.decorators import challenge_required, login_required
from django_authsignal.mixins import ChallengeRequiredMixin, LoginRequiredMixin, SignInMixin

DONE = "the effect"
guard = challenge_required("withdrawFunds")


def plain(request):
    return HttpResponse(DONE)


@transaction.non_atomic_requests  # Django allows no async view inside ATOMIC_REQUESTS
async def aplain(request):
    return HttpResponse(DONE)


class Plain(View):
    def post(self, request):
        return HttpResponse(DONE)


class AsyncPlain(View):
    async def post(self, request):
        return HttpResponse(DONE)


class Mixed(ChallengeRequiredMixin, Plain):
    challenge_action = "withdrawFunds"


class AsyncMixed(ChallengeRequiredMixin, AsyncPlain):
    challenge_action = "withdrawFunds"


@method_decorator(guard, name="dispatch")
class Dispatched(Plain):
    pass


class OneMethod(View):
    @method_decorator(guard)
    def post(self, request):
        return HttpResponse(DONE)


class Members(LoginRequiredMixin, Plain):
    pass


def deep(request):
    request.authsignal.require("withdrawFunds")
    return HttpResponse(DONE)


@transaction.non_atomic_requests
async def adeep(request):
    await request.authsignal.arequire("withdrawFunds")
    return HttpResponse(DONE)


def once(request):
    """A proof for one request."""
    return HttpResponse(DONE)


@login_not_required
def by_code(request, name):
    """As a social login, a magic link or an impersonation ends: somebody is logged in, and proved nothing to us."""
    user = get_user_model().objects.get_by_natural_key(name)
    login(request, user, backend="django_authsignal.contrib.allauth.backends.AuthenticationBackend")
    return HttpResponse("logged in")


class OwnLoginView(SignInMixin, LoginView):
    template_name = "admin/login.html"


# The admin


@admin.action(description="Shout")
def shout(modeladmin, request, queryset):
    for group in queryset:
        group.name = group.name.upper()
        group.save()


class GroupAdmin(ChallengeRequiredAdminMixin, admin.ModelAdmin):
    list_display = ("id", "name")
    list_editable = ("name",)
    fields = ("name",)
    actions = (shout,)
    challenge_action = "manageGroups"


site = admin.AdminSite(name="doors-admin")
site.register(Group, GroupAdmin)
guarded_site = AuthsignalAdminSite(name="guarded-admin")
guarded_site.register(Group, admin.ModelAdmin)


# Django REST framework

WAYS = [BasicAuthentication, TokenAuthentication, JWTAuthentication, KnoxAuthentication, SessionAuthentication]


class Rest(rest_doors.ChallengeRequiredMixin, APIView):
    authentication_classes = WAYS
    permission_classes = [IsAuthenticated]
    challenge_action = "withdrawFunds"

    def post(self, request):
        return Response(DONE)


class Accounts(rest_doors.ChallengeRequiredMixin, ViewSet):
    authentication_classes = WAYS
    permission_classes = [IsAuthenticated]
    challenge_actions = {"freeze": "withdrawFunds"}

    def list(self, request):
        return Response("free")

    @action(detail=True, methods=["post"])
    def freeze(self, request, pk):
        return Response(DONE)


@guard
@api_view(["POST"])
@authentication_classes(WAYS)
@permission_classes([IsAuthenticated])
def function(request):
    return Response(DONE)


class RestDeep(APIView):
    authentication_classes = WAYS
    permission_classes = [IsAuthenticated]

    def post(self, request):
        request.authsignal.require("withdrawFunds")
        return Response(DONE)


class RestPlain(APIView):
    authentication_classes = WAYS
    permission_classes = [IsAuthenticated]

    def post(self, request):
        return Response(DONE)


class KnoxLogin(KnoxLoginView):
    authentication_classes = [BasicAuthentication, SessionAuthentication]


router = SimpleRouter()
router.register("accounts", Accounts, basename="account")


# ninja


class Bearer(HttpBearer):
    def authenticate(self, request, token):
        found = Token.objects.filter(key=token).first()
        return found.user if found else None


class Basic(HttpBasicAuth):
    def authenticate(self, request, username, password):
        from django.contrib.auth import authenticate

        return authenticate(request, username=username, password=password)


api = NinjaAPI(auth=[Bearer(), Basic(), django_auth], urls_namespace="doors")
ninja_doors.add_exception_handler(api)
aapi = NinjaAPI(auth=[Bearer(), Basic(), django_auth], urls_namespace="adoors")
ninja_doors.add_exception_handler(aapi)


@api.post("/operation/")
@ninja_doors.challenge_required("withdrawFunds")
def operation(request):
    return DONE


@api.post("/deep/")
def ninja_deep(request):
    request.authsignal.require("withdrawFunds")
    return DONE


@api.post("/plain/")
def ninja_plain(request):
    return DONE


@aapi.post("/operation/")
@ninja_doors.challenge_required("withdrawFunds")
async def aoperation(request):
    return DONE


def apart(included):
    """ninja authenticates by itself: Django's LoginRequiredMiddleware must leave it to that."""
    for pattern in included[0]:
        pattern.callback.login_required = False
        if iscoroutinefunction(pattern.callback):
            transaction.non_atomic_requests(pattern.callback)
    return included


included = ([path("", plain)], "included")

urlpatterns = [
    path("authsignal/", include("django_authsignal.urls")),
    path("by-code/<name>/", by_code),
    path("login/", LoginView.as_view(template_name="admin/login.html"), name="login"),
    path("own-login/", login_not_required(OwnLoginView.as_view()), name="own-login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("accounts/", include("allauth.urls")),
    path("plain/", plain),
    path("async/plain/", aplain),
    path("function/", guard(plain)),
    path("async/function/", guard(aplain)),
    path("mixin/", Mixed.as_view()),
    path("async/mixin/", transaction.non_atomic_requests(AsyncMixed.as_view())),
    path("dispatch/", Dispatched.as_view()),
    path("one-method/", OneMethod.as_view()),
    path("include/", guard(include(included))),
    path("deep/", deep),
    path("async/deep/", adeep),
    path("once/", challenge_required("deleteAccount")(once)),
    path("members/", login_required(plain)),
    path("async/members/", login_required(aplain)),
    path("members-mixin/", Members.as_view()),
    path("admin/", site.urls),
    path("guarded-admin/", guarded_site.urls),
    path("rest/view/", Rest.as_view()),
    path("rest/function/", function),
    path("rest/deep/", RestDeep.as_view()),
    path("rest/plain/", RestPlain.as_view()),
    path("rest/include/", guard(include([path("", RestPlain.as_view())]))),
    path("rest/", include(router.urls)),
    path("token/", ObtainAuthToken.as_view()),
    path("jwt/", TokenObtainPairView.as_view()),
    path("knox/", KnoxLogin.as_view()),
    path("ninja/", apart(api.urls)),
    path("async/ninja/", apart(aapi.urls)),
]
