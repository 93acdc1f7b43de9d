"""Admin sites: a guarded one, a second one with a step-up for all of it, and Django's own with guarded models."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.http import HttpResponse, JsonResponse
from django.urls import path

from django_authsignal.admin import (
    AuthsignalAdminSite,
    ChallengeAdmin,
    ChallengeRequiredAdminMixin,
)
from django_authsignal.decorators import challenge_required
from django_authsignal.models import Challenge
from tests.project.urls import urlpatterns as project

Membership = User.groups.through


MEMBERSHIP = [f"User_groups-{name}" for name in ("TOTAL_FORMS", "INITIAL_FORMS", "0-id", "0-group", "0-DELETE")]


class Members(ChallengeRequiredAdminMixin, admin.TabularInline):
    model = Membership
    autocomplete_fields = ["user"]
    extra = 0
    challenge_action = {"action": "changeMembers", "resend": ["name", *MEMBERSHIP]}


@admin.action(description="Shout")
def shout(modeladmin, request, queryset):
    for group in queryset:
        group.name = group.name.upper()
        group.save()
        modeladmin.log_change(request, group, "Shouted")
        if request.POST.get("fail"):
            raise RuntimeError("it failed after its effect")


if hasattr(admin.options, "ActionLocation"):  # Django 6.1 offers actions on the form of one object, too
    shout.locations = list(admin.options.ActionLocation)


@challenge_required("whisperNames", resend=["action", "_selected_action", "index"])
@admin.action(description="Whisper")
def whisper(modeladmin, request, queryset):
    for group in queryset:
        group.name = group.name.lower()
        group.save()


@admin.action(description="Export")
def export(modeladmin, request, queryset):
    return JsonResponse({"names": list(queryset.values_list("name", flat=True))})


class GroupAdmin(ChallengeRequiredAdminMixin, admin.ModelAdmin):
    list_display = ["id", "name"]
    list_editable = ["name"]
    ordering = ["id"]
    search_fields = ["name"]
    actions = [shout, whisper, export]
    save_as = True
    fields = ["name"]
    inlines = [Members]
    challenge_actions = {
        "view": "readGroups",
        "add": "addGroup",
        "change": "changeGroup",
        "delete": "deleteGroup",
        "delete_selected": "deleteGroups",
        "list_editable": "editNames",
        "shout": "shoutNames",
        "whisper": None,
        "export": None,
        "history": "readHistory",
        "autocomplete": "findGroup",
        "merge": "mergeGroups",
        "count": None,
    }

    def get_urls(self):
        wrap = self.admin_site.admin_view
        return [
            path("merge/", wrap(self.merge), name="auth_group_merge"),
            path("split/", wrap(self.merge), name="auth_group_split"),
            path("careless/", self.merge, name="auth_group_careless"),  # without admin_view
            path("async/", self.merge_async, name="auth_group_async"),
            path("count/", wrap(self.merge), name="auth_group_count"),
            *super().get_urls(),
        ]

    def merge(self, request):
        return HttpResponse("done")

    async def merge_async(self, request):
        return HttpResponse("done")

    def save_model(self, request, obj, form, change):
        super().save_model(request, obj, form, change)
        if request.POST.get("fail"):
            raise RuntimeError("it failed after its effect")


class PersonAdmin(ChallengeRequiredAdminMixin, UserAdmin):
    challenge_action = "changeUser"


class PermissionAdmin(ChallengeRequiredAdminMixin, admin.ModelAdmin):
    """Each change is proved for itself."""

    challenge_actions = {
        "change": {"action": "changePermission", "bind": ["name"]},
        "delete": {"action": "deletePermission", "max_age": 0},
    }

    def save_model(self, request, obj, form, change):
        super().save_model(request, obj, form, change)
        if request.POST.get("fail"):
            raise RuntimeError("it failed after its effect")

    def delete_model(self, request, obj):
        super().delete_model(request, obj)
        if request.POST.get("fail"):
            raise RuntimeError("it failed after its effect")


class StrictSite(AuthsignalAdminSite):
    challenge_action = "useAdmin"


def fill(site):
    for model, cls in (
        (Group, GroupAdmin),
        (User, PersonAdmin),
        (Permission, PermissionAdmin),
        (Challenge, ChallengeAdmin),
    ):
        site.register(model, cls)
    return site


guarded = fill(AuthsignalAdminSite("guarded"))
stock = fill(admin.AdminSite("stock"))
strict = fill(StrictSite("strict"))

urlpatterns = [
    path("guarded/doc/", guarded.include("django.contrib.admindocs.urls")),
    path("guarded/", guarded.urls),
    path("stock/", stock.urls),
    path("strict/", strict.urls),
    *project,
]
