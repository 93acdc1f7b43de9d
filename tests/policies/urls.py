"""A shop whose every kind of door is here once: some ask, some do not."""

from django.conf.urls.i18n import i18n_patterns
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.contrib.auth.views import LoginView, PasswordChangeView
from django.http import HttpResponse
from django.urls import include, path, re_path
from django.urls.resolvers import RegexPattern, URLResolver
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST
from django.views.generic import DeleteView, RedirectView, UpdateView
from rest_framework.decorators import action, api_view
from rest_framework.response import Response
from rest_framework.routers import DefaultRouter
from rest_framework.views import APIView
from rest_framework.viewsets import ModelViewSet

from django_authsignal.admin import AuthsignalAdminSite, ChallengeRequiredAdminMixin
from django_authsignal.contrib.rest_framework import ChallengeRequiredMixin as RestMixin
from django_authsignal.decorators import challenge_not_required, challenge_required, login_required
from django_authsignal.mixins import ChallengeRequiredMixin


@never_cache
@challenge_required("withdrawFunds", max_age=60)
def withdraw(request):
    return HttpResponse()


@challenge_required("payInvoice", bind=["amount", "payee"])
async def pay(request):
    return HttpResponse()


@login_required
def members(request):
    return HttpResponse()


@require_POST
def delete_account(request):
    return HttpResponse()


@require_GET
def delete_preview(request):
    return HttpResponse()


def export_customers(request):
    return HttpResponse()


@challenge_not_required(reason="a newsletter is nothing to steal")
def delete_subscription(request):
    return HttpResponse()


def deep(request):
    request.authsignal.require("closeAccount")
    return HttpResponse()


def payload(request):
    return HttpResponse()


def change_email(request):
    return HttpResponse()


class Transfer(ChallengeRequiredMixin, View):
    challenge_action = "withdrawFunds"
    challenge_methods = ("POST",)

    def get(self, request):
        return HttpResponse()

    def post(self, request):
        return HttpResponse()


class OneMethod(View):
    def get(self, request):
        return HttpResponse()

    @method_decorator(challenge_required("withdrawFunds"))
    def post(self, request):
        return HttpResponse()

    @method_decorator(challenge_not_required(reason="empties a basket"))
    def delete(self, request):
        return HttpResponse()


@method_decorator(challenge_required("withdrawFunds"), name="dispatch")
class Whole(View):
    def get(self, request):
        return HttpResponse()


class DeepInPost(View):
    def post(self, request):
        request.authsignal.require("closeAccount")
        return HttpResponse()

    def delete(self, request):
        return HttpResponse()


class RemoveUser(DeleteView):
    model = User


class Profile(UpdateView):
    model = User


@challenge_not_required(reason="nobody's")
class Excused(View):
    def delete(self, request):
        return HttpResponse()


class DeletesMore(Excused):
    pass


class Users(RestMixin, ModelViewSet):
    queryset = User.objects.all()
    challenge_actions = {"destroy": "deleteUser"}

    @action(detail=True, methods=["post"])
    def reset_password(self, request, pk):
        return Response()


class Keys(APIView):
    def get(self, request):
        return Response()

    def post(self, request):
        return Response()


@challenge_required("withdrawFunds")
@api_view(["POST"])
def above(request):
    return Response()


@api_view(["POST"])
@challenge_required("withdrawFunds")
def below(request):
    return Response()


site = admin.AdminSite(name="shop-admin")


@admin.action(description="Refund")
def refund(modeladmin, request, queryset):
    pass


class UserAdmin(admin.ModelAdmin):
    list_display = ("username", "email")
    list_editable = ("email",)
    actions = (refund,)


class ReadOnly(admin.ModelAdmin):
    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False


class GuardedUserAdmin(ChallengeRequiredAdminMixin, UserAdmin):
    challenge_action = "manageUsers"
    challenge_actions = {"delete": "deleteUser", "refund": None, "view": "readUsers"}


site.register(User, UserAdmin)
guarded_site = AuthsignalAdminSite(name="guarded-admin")
guarded_site.register(User, GuardedUserAdmin)
guarded_site.register(Group, admin.ModelAdmin)
site.register(Group, ReadOnly)
router = DefaultRouter()
router.register("users", Users)
inner = ([path("confirm/<int:pk>/", payload, name="confirm")], "inner")
shop = ([path("pay/", pay, name="pay"), path("inner/", include(inner))], "shop")

urlpatterns = [
    path("withdraw/", withdraw, name="withdraw"),
    path("members/", members),
    path("delete-account/", delete_account, name="delete-account"),
    path("delete-preview/", delete_preview),
    path("export/", export_customers),
    path("unsubscribe/delete/", delete_subscription),
    path("deep/", deep),
    path("payload/", payload),
    path("profile/", change_email),
    path("transfer/", Transfer.as_view()),
    path("one-method/", OneMethod.as_view()),
    path("whole/", Whole.as_view()),
    path("deep-in-post/", DeepInPost.as_view()),
    re_path(r"^people/(?P<pk>\d+)/(?:now/)?gone/$", RemoveUser.as_view(), name="gone"),
    path("me/", Profile.as_view()),
    path("excused/", Excused.as_view()),
    path("deletes-more/", DeletesMore.as_view()),
    path("old/", RedirectView.as_view(url="/new/")),
    path("shop/", include(shop)),
    path("guarded/", challenge_required("withdrawFunds")(include(inner))),
    path("login/", LoginView.as_view()),
    path("password/", PasswordChangeView.as_view(), name="password_change"),
    path("password-reset/", include("django.contrib.auth.urls")),
    path("api/", include(router.urls)),
    path("api/keys/", Keys.as_view()),
    path("api/above/", above),
    path("api/below/", below),
    path("office/", site.urls),
    path("guarded-office/", guarded_site.urls),
    URLResolver(RegexPattern(r"^lazy/"), "no.such.module"),
    *i18n_patterns(path("remove/", payload, name="remove")),
]
