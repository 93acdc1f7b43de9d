"""What each action asks for: its outcome, its rules, and what they would make of an action that nobody tracks."""

from __future__ import annotations

import json
import uuid
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _

from django_authsignal.client.types import VerificationMethod
from django_authsignal.emulator import clock, conditions, engine, fields, management_api, rules, tenant
from django_authsignal.emulator.dashboard.forms import Field, Form, call
from django_authsignal.emulator.dashboard.guard import back, guarded, page
from django_authsignal.emulator.inputs import Inputs
from django_authsignal.emulator.models import ActionConfiguration, Device, EmulatedUser, Rule
from django_authsignal.emulator.problems import Problem, invalid

_PAGE = 50
_EXAMPLE = '{"==": [{"var": "ip.countryCode"}, "NZ"]}'
_OUTCOMES = [(outcome, outcome) for outcome in rules.OUTCOMES]


@guarded
def actions(request: HttpRequest) -> HttpResponse:
    form, status = _action_form(None), 200
    if request.method == "POST":
        form.read(request.POST)
        try:
            code = fields.check_action(form.text("action"))
            if ActionConfiguration.objects.filter(action_code=code).exists():
                raise Problem(409, "conflict", _("body.action is configured already: it is in the list."))
            management_api.put_configuration(call(request, {"actionCode": code, **_action_body(form)}))
            return back(reverse("rule-list", args=[code]), "added")
        except Problem as problem:
            form.refuse(_named(problem, "action"))
            status = problem.status
    after = request.GET.get("after", "")
    found = ActionConfiguration.objects.filter(action_code__gt=after).prefetch_related("rules").order_by("action_code")
    rows = list(found[: _PAGE + 1])
    context = {"actions": rows[:_PAGE], "after": rows[_PAGE - 1].action_code if len(rows) > _PAGE else "", "form": form}
    return page(request, "rules", context, here="rules", status=status)


@guarded
def rule_list(request: HttpRequest, code: str) -> HttpResponse:
    row = get_object_or_404(ActionConfiguration, action_code=code)
    forms = {"configuration": _action_form(row), "rule": _rule_form(None, row)}
    status = 200
    if request.method == "POST":
        what = request.POST.get("do", "")
        try:
            if what in forms:
                forms[what].read(request.POST)
            return _change(request, row, what, forms)
        except Problem as problem:
            if what not in forms:
                raise
            forms[what].refuse(problem)
            status = problem.status
    context = {
        "action": row,
        "rules": [(rule, json.dumps(rule.conditions)) for rule in row.rules.order_by("priority")],
        "configuration_form": forms["configuration"],
        "rule_form": forms["rule"],
        "trial": _trial(request, row),
    }
    return page(request, "rule_list", context, here="rules", status=status)


@guarded
def rule(request: HttpRequest, code: str, key: uuid.UUID) -> HttpResponse:
    row = get_object_or_404(Rule.objects.select_related("configuration"), rule_id=key, configuration__action_code=code)
    form, status = _rule_form(row, row.configuration), 200
    if request.method == "POST":
        form.read(request.POST)
        try:
            management_api.change_rule(call(request, _rule_body(form), action=code, rule=key))
            return back(reverse("rule-list", args=[code]), "saved")
        except Problem as problem:
            form.refuse(problem)
            status = problem.status
    return page(request, "rule", {"rule": row, "form": form}, here="rules", status=status)


def _change(request: HttpRequest, row: ActionConfiguration, what: str, forms: dict[str, Form]) -> HttpResponse:
    code, key = row.action_code, request.POST.get("key", "")
    here, done = reverse("rule-list", args=[code]), "saved"
    if what == "configuration":
        management_api.change_configuration(call(request, _action_body(forms[what]), action=code))
    elif what == "rule":
        management_api.create_rule(call(request, _rule_body(forms[what]), action=code))
        done = "added"
    elif what in ("on", "off"):
        management_api.change_rule(call(request, {"isActive": what == "on"}, action=code, rule=key))
    elif what == "remove":
        management_api.delete_rule(call(request, action=code, rule=key))
        done = "removed"
    elif what == "remove-action":
        management_api.delete_configuration(call(request, action=code))
        here, done = reverse("rules"), "removed"
    else:
        raise Problem(400, "invalid_request", _("Choose what shall be done."))
    return back(here, done)


# The forms.


def _action_form(row: ActionConfiguration | None) -> Form:
    code = [] if row else [Field("action", _("Action code"), required=True, help=_("As your application tracks it."))]
    return Form(
        [
            *code,
            Field(
                "defaultUserActionResult",
                _("Outcome, unless a rule decides"),
                "select",
                row.default_user_action_result if row else "CHALLENGE",
                choices=_OUTCOMES,
            ),
            *_method_fields(row, _("None chosen: all of them.")),
            Field(
                "verificationWebhookUrl",
                _("Address that is asked before a proof counts"),
                type="url",
                value=row.verification_webhook_url if row else "",
                help=_("It is sent action.verify, and must answer 2xx in time. May be empty."),
            ),
        ],
        key="action",
    )


def _action_body(form: Form) -> dict[str, Any]:
    return {
        "defaultUserActionResult": form.text("defaultUserActionResult") or None,
        **_method_body(form),
        "verificationWebhookUrl": form.text("verificationWebhookUrl") or None,
    }


def _rule_form(row: Rule | None, action: ActionConfiguration) -> Form:
    taken = set(action.rules.values_list("priority", flat=True))
    free = next((number for number in range(100) if number not in taken), 99)
    return Form(
        [
            Field("name", _("Name"), value=row.name if row else "", required=True),
            Field("description", _("Description"), value=row.description if row else ""),
            Field(
                "priority",
                _("Priority"),
                value=row.priority if row else free,
                required=True,
                help=_("0 to 99. The lowest that matches decides."),
            ),
            Field("type", _("Outcome"), "select", row.type if row else "CHALLENGE", choices=_OUTCOMES),
            Field(
                "conditions",
                _("Condition"),
                "code",
                json.dumps(row.conditions, indent=2, ensure_ascii=False) if row else "",
                required=True,
                help=_("JsonLogic, like %(example)s. It may read ip, device, user and custom.") % {"example": _EXAMPLE},
            ),
            *_method_fields(row, _("None chosen: those of the action.")),
        ],
        key="rule",
    )


def _rule_body(form: Form) -> dict[str, Any]:
    for name in ("priority", "conditions"):  # a change that leaves them out would keep them, without a word
        if not form.text(name):
            raise invalid(f"body.{name} is required.")
    return {
        "name": fields.required({"name": form.text("name")}, "name"),
        "description": form.text("description"),
        "priority": form.whole("priority"),
        "type": form.text("type"),
        "conditions": form.json("conditions"),
        **_method_body(form),
    }


def _method_fields(row: ActionConfiguration | Rule | None, none: str) -> list[Field]:
    chosen = (row.verification_methods if row else None) or []
    # A method may be named that cannot be enrolled here: saving must not lose it.
    extra = [VerificationMethod.RECOVERY_CODE.value, *chosen]
    known = list(dict.fromkeys([*(m.value for m in tenant.METHODS), *extra]))
    default = row.default_verification_method if row else ""
    return [
        Field("verificationMethods", _("Methods"), "checks", chosen, none, [(m, m) for m in known]),
        Field(
            "defaultVerificationMethod",
            _("Method that a page begins with"),
            "select",
            default,
            choices=[("", _("The user's")), *((m, m) for m in dict.fromkeys([*known, default]) if m)],
        ),
    ]


def _method_body(form: Form) -> dict[str, Any]:
    return {
        "verificationMethods": form.many("verificationMethods") or None,
        "defaultVerificationMethod": form.text("defaultVerificationMethod") or None,
    }


def _named(problem: Problem, field: str) -> Problem:
    """The checks of ids name no body."""
    if problem.description.startswith(field):
        return Problem(problem.status, problem.code, f"body.{problem.description}")
    return problem


# What would happen if.


def _trial(request: HttpRequest, action: ActionConfiguration) -> dict[str, Any]:
    """The form, and with `try` its answer. It is a GET, and writes nothing: neither user nor device is made."""
    form = Form(
        [
            Field("user", _("User id"), help=_("Somebody who is not known yet is fine.")),
            Field("ip", _("IP address"), help=_("Of the test addresses, like 192.0.2.1 (Auckland) or 203.0.113.200.")),
            Field("userAgent", _("User agent")),
            Field("device", _("Device id"), help=_("Of a device the user was seen on; none is a new one.")),
            Field("custom", _("Custom data"), "code", help=_('JSON, like {"amount": 1200}.')),
        ],
        key="trial",
    )
    if "try" not in request.GET:
        return {"form": form}
    form.read(request.GET)
    try:
        return {"form": form, "result": _answer(form, action)}
    except Problem as problem:
        form.refuse(problem)
        return {"form": form}


def _answer(form: Form, action: ActionConfiguration) -> dict[str, Any]:
    user_id = fields.check_user_id(form.text("user") or "somebody")
    known = engine.find_user(user_id)
    # Not saved: its key is new, so nothing in the database belongs to it.
    user = known or EmulatedUser(user_id=user_id, created_at=clock.now())
    device_id = form.text("device")
    device = Device.objects.filter(user=user, device_id=device_id).first() if device_id else None
    custom = fields.mapping({"custom": form.json("custom")}, "custom")
    read = Inputs(user, device, form.text("ip"), form.text("userAgent"), custom)
    decision = rules.decide(action, read)
    enrolled = engine.enrolled_methods(engine.Session(user, None))
    accepted = [m for m in tenant.offered_methods() if decision.methods is None or m in decision.methods]
    usable = [method for method in enrolled if method in accepted]
    decider = decision.rule_ids[0] if decision.rule_ids else ""
    lines = [_line(one, read, decider) for one in action.rules.order_by("priority")]
    return {
        "outcome": decision.outcome,
        "state": rules.first_state(decision.outcome, enrolled=bool(usable)),
        "is_known": known is not None,
        "is_waved_through": decision.outcome == "CHALLENGE" and not usable,
        "decider": next((rule for rule, _verdict, _values, is_decider in lines if is_decider), None),
        "methods": accepted,
        "enrolled": enrolled,
        "rules": lines,
    }


def _line(one: Rule, read: Inputs, decider: str) -> tuple[Rule, str, str, bool]:
    """The rule, what it says, and what it read."""
    seen: dict[str, Any] = {}

    def watched(names: conditions.Names) -> dict[str, Any]:
        found = read(names)
        seen.update({f"{group}.{name}": value for group, values in found.items() for name, value in values.items()})
        return found

    try:
        matches = conditions.matches(one.conditions, watched)
        verdict = "matches" if matches else "no match"
    except conditions.CannotEvaluate as reason:
        verdict = f"cannot be evaluated: {reason}"
    if not one.is_active:
        verdict = "off"
    return one, verdict, json.dumps(seen, ensure_ascii=False) if seen else "", str(one.rule_id) == decider
