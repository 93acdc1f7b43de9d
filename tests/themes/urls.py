"""One guarded admin site in the theme's look."""

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import Group
from django.urls import path

from django_authsignal.admin import (
    AuthsignalAdminSite,
    AuthsignalAdminSiteMixin,
    ChallengeAdmin,
    ChallengeRequiredAdminMixin,
)
from django_authsignal.models import Challenge
from tests.project.urls import urlpatterns as project

if settings.THEME == "unfold":
    from unfold.admin import ModelAdmin
    from unfold.decorators import action
    from unfold.sites import UnfoldAdminSite

    class Site(AuthsignalAdminSiteMixin, UnfoldAdminSite):
        pass

    class Groups(ChallengeRequiredAdminMixin, ModelAdmin):
        challenge_action = "changeGroup"
        challenge_actions = {"rename": "renameGroup", "approve": "approveGroup"}
        fields = ["name"]
        actions_list = ["rename"]
        actions_detail = ["approve"]

        @action(description="Rename")
        def rename(self, request):
            Group.objects.update(name="Renamed")
            return self.changelist_view(request)

        @action(description="Approve")
        def approve(self, request, object_id):
            Group.objects.filter(pk=object_id).update(name="Approved")
            return self.changelist_view(request)

    class Ledger(ChallengeAdmin, ModelAdmin):
        pass

else:
    Site, Ledger = AuthsignalAdminSite, ChallengeAdmin

    class Groups(ChallengeRequiredAdminMixin, admin.ModelAdmin):
        challenge_action = "changeGroup"
        fields = ["name"]


site = Site("admin")
site.register(Group, Groups)
site.register(Challenge, Ledger)
urlpatterns = [path("admin/", site.urls), *[one for one in project if str(one.pattern) != "admin/"]]
