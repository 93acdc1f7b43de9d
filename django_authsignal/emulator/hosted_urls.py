"""The pages beside the API."""

from __future__ import annotations

from django.urls import path

from django_authsignal.emulator import (
    hosted,
    hosted_devices,
    hosted_enrol,
    hosted_settings,
    hosted_theme,
    hosted_ways,
    magic_link,
    phone_page,
)

urlpatterns = [
    path("magic-link/", magic_link.landing, name="magic-link"),
    path("phone/", phone_page.phone, name="phone"),
    path("theme.css", hosted_theme.stylesheet, name="theme"),
    path("challenge/", hosted.entry, name="challenge"),
    path("challenge/authenticator-app/", hosted.with_app, name="challenge-authenticator-app"),
    path("challenge/recovery-code/", hosted.with_recovery_code, name="challenge-recovery-code"),
    path("challenge/magic-link/waits/", hosted.link_waits, name="link-waits"),
    path("challenge/finished/", hosted.what_follows, name="finished"),
    path("challenge/settings/", hosted_settings.settings, name="settings"),
    path("challenge/add/", hosted_enrol.choose, name="enrol"),
    path("challenge/add/authenticator-app/", hosted_enrol.enrol_app, name="enrol-authenticator-app"),
]
for key in hosted_ways.KEYS:
    page = hosted_ways.PAGES[key.method]
    urlpatterns += [
        path(f"challenge/{page}/", hosted.with_key(key), name=f"challenge-{page}"),
        path(f"challenge/add/{page}/", hosted_enrol.enrol_key(key), name=f"enrol-{page}"),
    ]
for sending in hosted_ways.SENDINGS:
    page = hosted_ways.PAGES[sending.method]
    urlpatterns += [
        path(f"challenge/{page}/", hosted.with_sending(sending), name=f"challenge-{page}"),
        path(f"challenge/add/{page}/", hosted_enrol.enrol_sending(sending), name=f"enrol-{page}"),
    ]
for phone in hosted_ways.PHONES:
    page = hosted_ways.PAGES[phone.method]
    urlpatterns += [
        path(f"challenge/{page}/", hosted_devices.with_phone(phone), name=f"challenge-{page}"),
        path(f"challenge/{page}/waits/", hosted_devices.phone_waits(phone)),
        path(f"challenge/add/{page}/", hosted_devices.enrol_phone(phone), name=f"enrol-{page}"),
        path(f"challenge/add/{page}/waits/", hosted_devices.pairing_waits(phone)),
    ]
