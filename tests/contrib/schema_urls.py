"""An API with every kind of guarded operation, its serializers written down as drf-spectacular wants them."""

from django.contrib.auth.models import Group
from django.urls import include, path
from django.utils.decorators import method_decorator
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from knox.auth import TokenAuthentication as KnoxAuthentication
from rest_framework.authentication import SessionAuthentication, TokenAuthentication
from rest_framework.decorators import action, api_view
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.response import Response
from rest_framework.routers import DefaultRouter
from rest_framework.serializers import CharField, ModelSerializer, Serializer
from rest_framework.viewsets import ModelViewSet

from django_authsignal.contrib.rest_framework import ChallengeRequiredMixin
from django_authsignal.contrib.rest_framework.authtoken import obtain_auth_token
from django_authsignal.contrib.rest_framework.simplejwt import TokenObtainPairView, TokenObtainSlidingView
from django_authsignal.decorators import challenge_required
from tests.project.urls import urlpatterns as project


class Payment(Serializer):
    amount = CharField()
    payee = CharField()


class GroupSerializer(ModelSerializer):
    class Meta:
        model = Group
        fields = ["id", "name"]


class Base(GenericAPIView):
    authentication_classes = [TokenAuthentication, KnoxAuthentication, SessionAuthentication]
    permission_classes = [IsAuthenticated]
    serializer_class = Payment


class Withdraw(ChallengeRequiredMixin, Base):
    challenge_action = "withdrawFunds"

    def get(self, request):
        return Response({"amount": "1", "payee": "Zoë"})

    def post(self, request):
        return Response({"amount": "1", "payee": "Zoë"})


class Pay(ChallengeRequiredMixin, Base):
    challenge_action = "payInvoice"
    challenge_bind = ("amount", "payee")

    def get(self, request):
        return Response({"amount": "1", "payee": "Zoë"})

    @extend_schema(responses={200: Payment, 401: Payment})
    def post(self, request):
        return Response(request.data)


class Plain(Base):
    def post(self, request):
        return Response(request.data)

    @method_decorator(challenge_required("closeAccount"))
    def delete(self, request):
        return Response(status=204)


@challenge_required("withdrawFunds")
@extend_schema(request=Payment, responses=Payment)
@api_view(["POST"])
def above(request):
    return Response(request.data)


@extend_schema(request=Payment, responses=Payment)
@api_view(["POST"])
@challenge_required("withdrawFunds")
def below(request):
    return Response(request.data)


class Groups(ChallengeRequiredMixin, ModelViewSet):
    """Only what changes something is guarded."""

    authentication_classes = [TokenAuthentication, SessionAuthentication]
    permission_classes = [IsAuthenticated]
    queryset = Group.objects.order_by("pk")
    serializer_class = GroupSerializer
    challenge_actions = {"destroy": "closeAccount", "create": "withdrawFunds", "freeze": "withdrawFunds"}

    @action(detail=True, methods=["post"])
    def freeze(self, request, pk):
        return Response({"id": pk, "name": "frozen"})


router = DefaultRouter()
router.register("groups", Groups)

views = [
    path("withdraw/", Withdraw.as_view()),
    path("pay/", Pay.as_view()),
    path("plain/", Plain.as_view()),
    path("above/", above),
    path("below/", below),
    path("token/", obtain_auth_token),
    path("pair/", TokenObtainPairView.as_view()),
    path("sliding/", TokenObtainSlidingView.as_view()),
]

urlpatterns = [
    *project,
    path("schema/", SpectacularAPIView.as_view(permission_classes=[AllowAny])),
    path("api/v1/", include(views)),
    path("api/v1/", include(router.urls)),
]
