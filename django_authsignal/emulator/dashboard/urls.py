"""The dashboard's pages."""

from __future__ import annotations

from django.urls import path

from django_authsignal.emulator.dashboard import faults, inbox, live, rules, settings, users, webhooks

urlpatterns = [
    path("", live.home, name="home"),
    path("actions/<int:key>/", live.action, name="action"),
    path("users/", users.users, name="users"),
    path("users/<uuid:key>/", users.user, name="user"),
    path("rules/", rules.actions, name="rules"),
    path("rules/<slug:code>/", rules.rule_list, name="rule-list"),
    path("rules/<slug:code>/<uuid:key>/", rules.rule, name="rule"),
    path("settings/", settings.settings, name="dashboard-settings"),
    path("webhooks/", webhooks.webhooks, name="webhooks"),
    path("webhooks/deliveries/<int:key>/", webhooks.delivery, name="delivery"),
    path("faults/", faults.faults, name="faults"),
    path("inbox/", inbox.inbox, name="inbox"),
    path("inbox.json", inbox.inbox_json, name="inbox-json"),
]
