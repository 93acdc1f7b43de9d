"""Views of Django REST framework, one for each way of asking. What they did is what they answer."""

from django.urls import include, path
from knox.auth import TokenAuthentication as KnoxAuthentication
from rest_framework.authentication import BasicAuthentication, SessionAuthentication, TokenAuthentication
from rest_framework.decorators import action, api_view, authentication_classes
from rest_framework.permissions import AllowAny, IsAdminUser, IsAuthenticated
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.views import TokenRefreshSlidingView, TokenRefreshView

from django_authsignal.contrib.rest_framework import ChallengeRequiredMixin, has_passed
from django_authsignal.contrib.rest_framework.authtoken import obtain_auth_token
from django_authsignal.contrib.rest_framework.knox import LoginView as KnoxLoginView
from django_authsignal.contrib.rest_framework.simplejwt import TokenObtainPairView, TokenObtainSlidingView
from django_authsignal.decorators import challenge_required
from tests.project.urls import urlpatterns as project

WAYS = [BasicAuthentication, TokenAuthentication, JWTAuthentication, KnoxAuthentication, SessionAuthentication]


class Base(APIView):
    authentication_classes = WAYS
    permission_classes = [IsAuthenticated]


class Withdraw(ChallengeRequiredMixin, Base):
    challenge_action = "withdrawFunds"

    def get(self, request):
        return Response("withdrawn")

    post = get


class Pay(ChallengeRequiredMixin, Base):
    challenge_action = "payInvoice"
    challenge_bind = ("amount", "payee")

    def post(self, request):
        if request.data.get("fail"):
            raise RuntimeError("it failed after its effect")
        return Response({"paid": dict(request.authsignal.bound), "read": request.data.get("amount")})


class Delete(ChallengeRequiredMixin, Base):
    challenge_action = "deleteAccount"

    def post(self, request):
        return Response("deleted")


class Deep(Base):
    def post(self, request):
        request.authsignal.require("withdrawFunds")
        return Response("deep")


class DeepOnce(Base):
    def post(self, request):
        request.authsignal.require("deleteAccount")
        return Response("deep")


class Staff(ChallengeRequiredMixin, Base):
    challenge_action = "withdrawFunds"
    permission_classes = [IsAdminUser]

    def post(self, request):
        return Response("staff")


class Details(Base):
    permission_classes = [has_passed("withdrawFunds")]

    def get(self, request):
        return Response("details")


class Anyone(ChallengeRequiredMixin, Base):
    permission_classes = [AllowAny]
    challenge_action = "withdrawFunds"

    def post(self, request):
        return Response("anyone")


class Accounts(ChallengeRequiredMixin, ViewSet):
    authentication_classes = WAYS
    permission_classes = [IsAuthenticated]
    challenge_actions = {"destroy": "closeAccount", "freeze": "withdrawFunds"}

    def list(self, request):
        return Response("list")

    def destroy(self, request, pk):
        return Response("destroyed")

    @action(detail=True, methods=["post"])
    def freeze(self, request, pk):
        return Response("frozen")


@challenge_required("withdrawFunds")
@api_view(["GET", "POST"])
@authentication_classes(WAYS)
def above(request):
    return Response("above")


@api_view(["GET", "POST"])
@authentication_classes(WAYS)
@challenge_required("withdrawFunds")
def below(request):
    return Response("below")


class Knox(KnoxLoginView):
    authentication_classes = [BasicAuthentication, SessionAuthentication]


class Plain(Base):
    def post(self, request):
        return Response("plain")


router = SimpleRouter()
router.register("accounts", Accounts, basename="account")

urlpatterns = [
    *project,
    path("api/withdraw/", Withdraw.as_view()),
    path("api/pay/", Pay.as_view()),
    path("api/delete/", Delete.as_view()),
    path("api/deep/", Deep.as_view()),
    path("api/deep-once/", DeepOnce.as_view()),
    path("api/staff/", Staff.as_view()),
    path("api/details/", Details.as_view()),
    path("api/anyone/", Anyone.as_view()),
    path("api/above/", above),
    path("api/below/", below),
    path("api/", include(router.urls)),
    path("api/token/", obtain_auth_token),
    path("api/pair/", TokenObtainPairView.as_view()),
    path("api/sliding/", TokenObtainSlidingView.as_view()),
    path("api/refresh/", TokenRefreshView.as_view()),
    path("api/refresh-sliding/", TokenRefreshSlidingView.as_view()),
    path("api/knox/", Knox.as_view()),
    path("api/plain/", Plain.as_view()),
    path("included/", challenge_required("withdrawFunds")(include([path("plain/", Plain.as_view())]))),
]
