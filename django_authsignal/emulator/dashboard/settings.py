"""The tenant: its name, its authenticators and how the hosted pages look."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from django_authsignal.emulator import management_api, tenant
from django_authsignal.emulator.dashboard.forms import Field, Form, call
from django_authsignal.emulator.dashboard.guard import back, guarded, page
from django_authsignal.emulator.problems import Problem

_SWITCHES = ("isActive", "isEditableByUser", "isHiddenToUser")


@guarded
def settings(request: HttpRequest) -> HttpResponse:
    forms = {"tenant": _tenant_form(), "theme": _theme_form()}
    status = 200
    if request.method == "POST":
        which = request.POST.get("form", "")
        try:
            if which in forms:
                forms[which].read(request.POST)
            {"tenant": _save_tenant, "theme": _save_theme, "method": _save_method}.get(which, _unknown)(
                request, forms.get(which)
            )
            return back(reverse("dashboard-settings"), "saved")
        except Problem as problem:
            if which not in forms:
                raise
            forms[which].refuse(problem)
            status = problem.status
    context = {**forms, "methods": tenant.authenticator_configurations()}
    return page(request, "settings", context, here="dashboard-settings", status=status)


def _unknown(request: HttpRequest, form: Form | None) -> None:
    raise Problem(400, "invalid_request", _("Choose what shall be saved."))


def _save_method(request: HttpRequest, form: Form | None) -> None:
    body: dict[str, Any] = {name: name in request.POST for name in _SWITCHES}
    management_api.put_authenticator(call(request, {**body, "verificationMethod": request.POST.get("method")}))


def _tenant_form() -> Form:
    row = tenant.settings()
    return Form(
        [
            Field("name", _("Name"), value=row.name, required=True, help=_("As authenticator apps show it.")),
            Field("tokenDurationInMinutes", _("Minutes a token lasts"), value=row.token_duration_in_minutes),
            Field("disableRecoveryCodes", _("No recovery codes"), "check", row.disable_recovery_codes),
            Field(
                "hideSuccessScreenOnEnrollment",
                _("No success page after an enrolment"),
                "check",
                row.hide_success_screen_on_enrollment,
            ),
        ],
        key="tenant",
    )


def _save_tenant(request: HttpRequest, form: Form | None) -> None:
    assert form
    body = {
        "name": form.text("name"),
        "tokenDurationInMinutes": form.whole("tokenDurationInMinutes"),
        "disableRecoveryCodes": form.flag("disableRecoveryCodes"),
        "hideSuccessScreenOnEnrollment": form.flag("hideSuccessScreenOnEnrollment"),
    }
    management_api.change_tenant(call(request, body))


def _theme_form() -> Form:
    theme = tenant.settings().theme
    return Form(
        [
            Field("name", _("Brand name"), value=theme.get("name", "")),
            Field("primaryColor", _("Brand colour"), value=theme.get("primaryColor", ""), help=_("Like #0b5fff.")),
            Field(
                "logoUrl",
                _("Logo"),
                value=theme.get("logoUrl", ""),
                help=_("An http, https or data:image URL."),
            ),
        ],
        key="theme",
    )


def _save_theme(request: HttpRequest, form: Form | None) -> None:
    """Empty removes it. What only the Management API can set stays."""
    assert form
    management_api.change_theme(
        call(request, {name: form.text(name) or None for name in ("name", "primaryColor", "logoUrl")})
    )
