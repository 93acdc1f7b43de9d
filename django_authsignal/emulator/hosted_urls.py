"""The pages beside the API."""

from __future__ import annotations

from django.urls import path

from django_authsignal.emulator import hosted, hosted_enrol, inbox, magic_link

urlpatterns = [
    path("", inbox.home, name="home"),
    path("inbox/", inbox.inbox, name="inbox"),
    path("inbox.json", inbox.inbox_json, name="inbox-json"),
    path("magic-link/", magic_link.landing, name="magic-link"),
    path("challenge/", hosted.entry, name="challenge"),
    path("challenge/passkey/", hosted.with_passkey, name="challenge-passkey"),
    path("challenge/authenticator-app/", hosted.with_app, name="challenge-authenticator-app"),
    path("challenge/email/", hosted.with_email, name="challenge-email"),
    path("challenge/recovery-code/", hosted.with_recovery_code, name="challenge-recovery-code"),
    path("challenge/add/", hosted_enrol.choose, name="enrol"),
    path("challenge/add/passkey/", hosted_enrol.enrol_passkey, name="enrol-passkey"),
    path("challenge/add/authenticator-app/", hosted_enrol.enrol_app, name="enrol-authenticator-app"),
    path("challenge/add/email/", hosted_enrol.enrol_email, name="enrol-email"),
]
