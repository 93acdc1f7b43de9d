"""The Management API: actions, rules, the tenant, its theme and its methods; every refusal names the field."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pytest

from .conftest import App, Emulator, start, stop

Enrol = Callable[[str], App]
ACTIONS = "management/action-configurations"
ALWAYS = {"==": [1, 1]}
RULE = {"name": "All", "type": "BLOCK", "priority": 0, "conditions": ALWAYS}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """An emulator whose tenant may be changed."""
    running = start(tmp_path_factory.mktemp("management"))
    yield running
    log = (running.clock_file.parent / "stderr").read_text()
    stop(running)
    assert "Traceback" not in log, log


def change(emulator: Emulator, path: str, body: Any) -> Any:
    response = emulator.server("PATCH", path, body)
    assert response.status_code == 200, response.text
    return response.json()


def refusal(emulator: Emulator, method: str, path: str, body: Any, status: int = 400) -> str:
    response = emulator.server(method, path, body)
    assert response.status_code == status, response.text
    return str(response.json()["errorDescription"])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        (method, path)
        for path, methods in {
            ACTIONS: "GET POST",
            f"{ACTIONS}/a": "GET PATCH DELETE",
            f"{ACTIONS}/a/rules": "GET POST",
            f"{ACTIONS}/a/rules/r": "GET PATCH DELETE",
            "management/tenant": "GET PATCH",
            "management/theme": "GET PATCH",
            "management/authenticator-configurations": "GET POST",
            "management/authenticator-configurations/a": "GET PATCH DELETE",
        }.items()
        for method in methods.split()
    ],
)
def test_everything_needs_the_secret_key(emulator: Emulator, method: str, path: str) -> None:
    response = emulator.http.request(method, f"{emulator.api}/{path}", auth=("emulator", ""), timeout=15)
    assert response.status_code == 401


# Actions.


def test_an_action_configuration_keeps_all_that_it_is_given(emulator: Emulator) -> None:
    given = {
        "actionCode": f"act-{uuid.uuid4().hex}",
        "defaultUserActionResult": "CHALLENGE",
        "verificationMethods": ["PASSKEY", "EMAIL_OTP"],
        "defaultVerificationMethod": "EMAIL_OTP",
        "promptToEnrollVerificationMethods": ["PASSKEY"],
        "verificationWebhookUrl": "https://app.example/hook",
        "messagingTemplates": {"unknown": "ignored"},
    }
    answer = emulator.post(ACTIONS, given)
    given.pop("messagingTemplates")
    assert answer == {**given, "tenantId": "emulator"}
    assert emulator.server("GET", f"{ACTIONS}/{given['actionCode']}").json() == answer
    assert answer in emulator.server("GET", ACTIONS).json()


def test_posting_an_action_configuration_again_resets_it_and_keeps_its_rules(emulator: Emulator) -> None:
    code = emulator.configure("BLOCK", ["PASSKEY"])
    emulator.post(f"{ACTIONS}/{code}/rules", RULE)
    answer = emulator.post(ACTIONS, {"actionCode": code})
    assert answer["defaultUserActionResult"] == "ALLOW"
    assert "verificationMethods" not in answer
    assert len(emulator.server("GET", f"{ACTIONS}/{code}/rules").json()) == 1


def test_changing_one_field_leaves_the_others(emulator: Emulator) -> None:
    code = emulator.configure("BLOCK", ["PASSKEY"])
    answer = change(emulator, f"{ACTIONS}/{code}", {"verificationWebhookUrl": "http://localhost:1/"})
    assert (answer["defaultUserActionResult"], answer["verificationMethods"]) == ("BLOCK", ["PASSKEY"])
    assert "verificationWebhookUrl" not in change(emulator, f"{ACTIONS}/{code}", {"verificationWebhookUrl": None})


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"defaultUserActionResult": "DENY"}, "body.defaultUserActionResult"),
        ({"verificationMethods": []}, "body.verificationMethods"),
        ({"verificationMethods": ["TELEPATHY"]}, "body.verificationMethods"),
        ({"verificationMethods": "PASSKEY"}, "body.verificationMethods"),
        ({"defaultVerificationMethod": "TELEPATHY"}, "body.defaultVerificationMethod"),
        (
            {"verificationMethods": ["PASSKEY"], "defaultVerificationMethod": "EMAIL_OTP"},
            "body.defaultVerificationMethod must be one of: PASSKEY",
        ),
        ({"promptToEnrollVerificationMethods": ["SMS"]}, "body.promptToEnrollVerificationMethods"),
        ({"promptToEnrollVerificationMethods": {}}, "body.promptToEnrollVerificationMethods"),
        ({"verificationWebhookUrl": "ftp://app.example/"}, "body.verificationWebhookUrl"),
        ({"verificationWebhookUrl": "javascript:alert(1)"}, "body.verificationWebhookUrl"),
        ({"verificationWebhookUrl": "http://["}, "body.verificationWebhookUrl"),
        ({"verificationWebhookUrl": 7}, "body.verificationWebhookUrl"),
    ],
)
def test_a_bad_action_configuration_is_refused_and_changes_nothing(
    emulator: Emulator, body: dict[str, Any], field: str
) -> None:
    code = emulator.configure("BLOCK")
    before = emulator.server("GET", f"{ACTIONS}/{code}").json()
    assert field in refusal(emulator, "PATCH", f"{ACTIONS}/{code}", body)
    assert field in refusal(emulator, "POST", ACTIONS, {"actionCode": code, **body})
    assert emulator.server("GET", f"{ACTIONS}/{code}").json() == before


def test_the_actions_default_method_stands_over_the_users(emulator: Emulator, user: str, enrol_app: Enrol) -> None:
    enrol_app(user)
    emulator.post(f"users/{user}/authenticators", {"verificationMethod": "EMAIL_OTP", "email": "a@example.com"})
    emulator.post(f"users/{user}", {"defaultVerificationMethod": "AUTHENTICATOR_APP"})
    code = emulator.configure("CHALLENGE")
    assert emulator.track(user, code)["defaultVerificationMethod"] == "AUTHENTICATOR_APP"
    change(emulator, f"{ACTIONS}/{code}", {"defaultVerificationMethod": "EMAIL_OTP"})
    assert emulator.track(user, code)["defaultVerificationMethod"] == "EMAIL_OTP"


# Rules.


def test_a_rule_can_be_made_read_changed_and_deleted(emulator: Emulator) -> None:
    path = f"{ACTIONS}/{emulator.configure('ALLOW')}/rules"
    given = {
        **RULE,
        "description": "Why",
        "isActive": False,
        "verificationMethods": ["PASSKEY"],
        "defaultVerificationMethod": "PASSKEY",
        "promptToEnrollVerificationMethods": ["PASSKEY"],
    }
    made = emulator.post(path, given)
    assert given.items() <= made.items()
    assert emulator.server("GET", f"{path}/{made['ruleId']}").json() == made
    changed = change(emulator, f"{path}/{made['ruleId']}", {"priority": 99, "description": None})
    assert changed == {key: value for key, value in {**made, "priority": 99}.items() if key != "description"}
    assert emulator.server("DELETE", f"{path}/{made['ruleId']}").json() == {"success": True}
    assert emulator.server("GET", f"{path}/{made['ruleId']}").status_code == 404
    assert emulator.server("GET", path).json() == []


def test_rules_are_listed_by_priority(emulator: Emulator) -> None:
    path = f"{ACTIONS}/{emulator.configure('ALLOW')}/rules"
    for priority in (5, 0, 99):
        emulator.post(path, {**RULE, "priority": priority})
    assert [rule["priority"] for rule in emulator.server("GET", path).json()] == [0, 5, 99]


def test_two_rules_of_an_action_cannot_have_one_priority(emulator: Emulator) -> None:
    path = f"{ACTIONS}/{emulator.configure('ALLOW')}/rules"
    emulator.post(path, RULE)
    second = emulator.post(path, {**RULE, "priority": 1})
    for method, where, body in (("POST", path, RULE), ("PATCH", f"{path}/{second['ruleId']}", {"priority": 0})):
        response = emulator.server(method, where, body)
        assert (response.status_code, response.json()["errorCode"]) == (409, "conflict")
    assert [rule["priority"] for rule in emulator.server("GET", path).json()] == [0, 1]
    emulator.post(f"{ACTIONS}/{emulator.configure('ALLOW')}/rules", RULE)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": None}, "body.name"),
        ({"name": 7}, "body.name"),
        ({"name": "x" * 256}, "body.name"),
        ({"type": None}, "body.type"),
        ({"type": "DENY"}, "body.type"),
        ({"priority": None}, "body.priority"),
        ({"priority": -1}, "body.priority"),
        ({"priority": 100}, "body.priority"),
        ({"priority": 1.0}, "body.priority"),
        ({"priority": True}, "body.priority"),
        ({"priority": "1"}, "body.priority"),
        ({"conditions": None}, "body.conditions"),
        ({"conditions": {"foo": 1}}, "body.conditions"),
        ({"isActive": "yes"}, "body.isActive"),
        ({"description": 7}, "body.description"),
        ({"verificationMethods": []}, "body.verificationMethods"),
        ({"verificationMethods": ["SMS"]}, "body.verificationMethods may only hold what the action accepts"),
        ({"defaultVerificationMethod": "SMS"}, "body.defaultVerificationMethod"),
        ({"promptToEnrollVerificationMethods": ["SMS"]}, "body.promptToEnrollVerificationMethods"),
    ],
)
def test_a_bad_rule_is_refused_and_not_kept(emulator: Emulator, body: dict[str, Any], field: str) -> None:
    path = f"{ACTIONS}/{emulator.configure('ALLOW', ['PASSKEY', 'EMAIL_OTP'])}/rules"
    assert field in refusal(emulator, "POST", path, {**RULE, **body})
    assert emulator.server("GET", path).json() == []
    good = emulator.post(path, RULE)
    if None not in body.values():  # null means absent, and a change may leave anything out
        assert field in refusal(emulator, "PATCH", f"{path}/{good['ruleId']}", body)
    assert emulator.server("GET", path).json() == [good]


def test_an_action_cannot_stop_to_accept_what_its_rule_asks_for(emulator: Emulator) -> None:
    """Else the rule would leave no method at all, and nobody would be challenged."""
    code = emulator.configure("CHALLENGE", ["PASSKEY", "EMAIL_OTP"])
    emulator.post(f"{ACTIONS}/{code}/rules", {**RULE, "verificationMethods": ["PASSKEY"]})
    narrower = {"verificationMethods": ["EMAIL_OTP"]}
    assert 'the rule "All": PASSKEY' in refusal(emulator, "PATCH", f"{ACTIONS}/{code}", narrower)
    assert 'the rule "All": PASSKEY' in refusal(emulator, "POST", ACTIONS, {"actionCode": code, **narrower})
    assert emulator.server("GET", f"{ACTIONS}/{code}").json()["verificationMethods"] == ["PASSKEY", "EMAIL_OTP"]


def test_a_rule_is_found_only_under_its_own_action(emulator: Emulator) -> None:
    mine, other = emulator.configure("ALLOW"), emulator.configure("ALLOW")
    rule = emulator.post(f"{ACTIONS}/{mine}/rules", RULE)["ruleId"]
    for method in ("GET", "PATCH", "DELETE"):
        for path in (f"{other}/rules/{rule}", f"{mine}/rules/{uuid.uuid4()}", f"{mine}/rules/x", f"none/rules/{rule}"):
            assert emulator.server(method, f"{ACTIONS}/{path}", {}).status_code == 404
    assert emulator.server("POST", f"{ACTIONS}/none/rules", RULE).status_code == 404
    assert emulator.server("GET", f"{ACTIONS}/none/rules").status_code == 404
    assert emulator.server("GET", f"{ACTIONS}/{mine}/rules/{rule}").status_code == 200


def test_deleting_an_action_configuration_deletes_its_rules(emulator: Emulator, user: str) -> None:
    code = emulator.configure("ALLOW")
    emulator.post(f"{ACTIONS}/{code}/rules", RULE)
    emulator.server("DELETE", f"{ACTIONS}/{code}")
    assert emulator.track(user, code)["state"] == "ALLOW"


# The tenant.


def lifetime(token: str) -> int:
    claims = jwt.decode(token, options={"verify_signature": False})
    return int(claims["exp"] - claims["iat"])


def test_the_tenant_has_its_settings(own: Emulator) -> None:
    assert own.server("GET", "management/tenant").json() == {
        "tenantId": "emulator",
        "name": "Authsignal emulator",
        "disableRecoveryCodes": False,
        "tokenDurationInMinutes": 10,
        "hideSuccessScreenOnEnrollment": False,
    }
    changed = change(own, "management/tenant", {"name": "Bank", "hideSuccessScreenOnEnrollment": True})
    assert own.server("GET", "management/tenant").json() == changed
    assert (changed["name"], changed["hideSuccessScreenOnEnrollment"]) == ("Bank", True)


def test_tokens_live_as_long_as_the_tenant_says(own: Emulator, user: str) -> None:
    change(own, "management/tenant", {"tokenDurationInMinutes": 2})
    token = own.track(user, "view")["token"]
    assert lifetime(token) == 120
    own.advance(100)
    assert own.validate(token)["state"] == "ALLOW"
    own.advance(21)
    assert own.validate(token) == {"isValid": False, "error": "Token is expired."}
    change(own, "management/tenant", {"tokenDurationInMinutes": 10})
    assert lifetime(own.track(user, "view")["token"]) == 600


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": " "}, "body.name"),
        ({"name": 7}, "body.name"),
        ({"disableRecoveryCodes": "no"}, "body.disableRecoveryCodes"),
        ({"hideSuccessScreenOnEnrollment": 1}, "body.hideSuccessScreenOnEnrollment"),
        ({"tokenDurationInMinutes": 0}, "body.tokenDurationInMinutes"),
        ({"tokenDurationInMinutes": -1}, "body.tokenDurationInMinutes"),
        ({"tokenDurationInMinutes": 1441}, "body.tokenDurationInMinutes"),
        ({"tokenDurationInMinutes": 1.5}, "body.tokenDurationInMinutes"),
        ({"tokenDurationInMinutes": True}, "body.tokenDurationInMinutes"),
    ],
)
def test_bad_settings_are_refused_and_change_nothing(own: Emulator, body: dict[str, Any], field: str) -> None:
    before = own.server("GET", "management/tenant").json()
    assert field in refusal(own, "PATCH", "management/tenant", {"name": "Other", **body})
    assert own.server("GET", "management/tenant").json() == before


def enrol_first(emulator: Emulator, user: str) -> tuple[App, Any]:
    token = emulator.track(user, "enrol")["token"]
    app = App(emulator, emulator.call("user-authenticators/totp", token)["secret"])
    answer = emulator.call("verify/totp", token, {"verificationCode": app.code()})
    emulator.advance(60)
    return app, answer


def test_recovery_codes_that_are_switched_off_are_neither_given_nor_taken(own: Emulator, user: str) -> None:
    codes = enrol_first(own, user)[1]["recoveryCodes"]
    own.post(ACTIONS, {"actionCode": "recover", "defaultUserActionResult": "CHALLENGE"})
    with own.with_tenant(disableRecoveryCodes=True):
        token = own.track(user, "recover")["token"]
        refused = own.client("POST", "verify/recovery-code", token, {"verificationCode": codes[0]})
        assert refused.status_code == 400
        assert own.validate(token)["state"] == "CHALLENGE_REQUIRED"
        assert "recoveryCodes" not in enrol_first(own, f"{user}-b")[1]
        imported = {"verificationMethod": "EMAIL_OTP", "email": "a@example.com"}
        assert "recoveryCodes" not in own.post(f"users/{user}-c/authenticators", imported)
    assert own.call("verify/recovery-code", token, {"verificationCode": codes[0]})["isVerified"]


def test_the_hosted_page_offers_no_recovery_code_that_is_switched_off(own: Emulator, user: str) -> None:
    enrol_first(own, user)
    own.post(ACTIONS, {"actionCode": "recover", "defaultUserActionResult": "CHALLENGE"})
    url = own.track(user, "recover")["url"]
    assert "/challenge/recovery-code/" in own.http.get(url, timeout=15).text
    with own.with_tenant(disableRecoveryCodes=True):
        page = own.http.get(url, timeout=15).text
    assert "/challenge/recovery-code/" not in page


# The theme.

PICTURE = "data:image/png;base64,iVBORw0KGgo="


def test_the_theme_keeps_what_it_knows(own: Emulator) -> None:
    given = {
        "primaryColor": "#0b5fff",
        "logoUrl": "https://cdn.example/logo.svg?v=1",
        "faviconUrl": PICTURE,
        "colors": {"buttonPrimaryBackground": "#FFF", "link": "#11223344"},
        "borders": {"cardBorderRadius": 12},
        "pageBackground": {"backgroundColor": "#000000"},
        "darkMode": {"primaryColor": "#99bbff", "colors": {"link": "#fff"}},
    }
    assert change(own, "management/theme", {**given, "css": "body{display:none}"}) == given
    assert own.server("GET", "management/theme").json() == given
    left = change(own, "management/theme", {"logoUrl": None, "primaryColor": "#123456"})
    assert left == {name: value for name, value in {**given, "primaryColor": "#123456"}.items() if name != "logoUrl"}


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"primaryColor": "red"}, "body.primaryColor"),
        ({"primaryColor": "#12"}, "body.primaryColor"),
        ({"primaryColor": "#123456\n"}, "body.primaryColor"),
        ({"primaryColor": "#fff;} body{background:url(//evil)"}, "body.primaryColor"),
        ({"primaryColor": 7}, "body.primaryColor"),
        ({"logoUrl": "javascript:alert(1)"}, "body.logoUrl"),
        ({"logoUrl": "//evil.example/x.png"}, "body.logoUrl"),
        ({"logoUrl": 'https://a.example/"onerror=alert(1)'}, "body.logoUrl"),
        ({"logoUrl": "https://a.example/x)"}, "body.logoUrl"),
        ({"logoUrl": "https://a.example/\\29"}, "body.logoUrl"),
        ({"logoUrl": "data:text/html;base64,PGI+"}, "body.logoUrl"),
        ({"logoUrl": "data:image/svg+xml,<svg onload=alert(1)>"}, "body.logoUrl"),
        ({"logoUrl": PICTURE + "\n"}, "body.logoUrl"),
        ({"logoUrl": "data:image/png;base64," + "A" * 300_000}, "body.logoUrl"),
        ({"logoUrl": "https://a.example/" + "a" * 2048}, "body.logoUrl"),
        ({"faviconUrl": "file:///etc/passwd"}, "body.faviconUrl"),
        ({"colors": "#fff"}, "body.colors"),
        ({"colors": {"link": "blue"}}, "body.colors.link"),
        ({"colors": {"x;y": "#fff"}}, "body.colors"),
        ({"borders": {"cardBorderRadius": 65}}, "body.borders.cardBorderRadius"),
        ({"borders": {"cardBorderRadius": True}}, "body.borders.cardBorderRadius"),
        ({"pageBackground": {"backgroundImageUrl": "x"}}, "body.pageBackground.backgroundImageUrl"),
        ({"darkMode": {"primaryColor": "black"}}, "body.darkMode.primaryColor"),
        ({"darkMode": []}, "body.darkMode"),
    ],
)
def test_a_theme_that_could_leave_its_place_in_the_page_is_refused(
    own: Emulator, body: dict[str, Any], place: str
) -> None:
    before = own.server("GET", "management/theme").json()
    assert place in refusal(own, "PATCH", "management/theme", {**body, "name": "kept out"})
    assert own.server("GET", "management/theme").json() == before


# Methods.

METHODS = "management/authenticator-configurations"


def configuration_of(emulator: Emulator, method: str) -> Any:
    rows = emulator.server("GET", METHODS).json()
    return next(row for row in rows if row["verificationMethod"] == method)


@pytest.fixture
def app_switched_off(own: Emulator, user: str) -> Iterator[App]:
    """The user has an app, and the tenant then switched the method off."""
    app, _ = enrol_first(own, user)
    path = f"{METHODS}/{configuration_of(own, 'AUTHENTICATOR_APP')['authenticatorId']}"
    assert change(own, path, {"isActive": False})["isActive"] is False
    yield app
    change(own, path, {"isActive": True})


def test_every_method_has_a_configuration(own: Emulator) -> None:
    rows = own.server("GET", METHODS).json()
    methods = [row["verificationMethod"] for row in rows]
    # Track names the last two only to who has enrolled them.
    assert methods[:-2] == own.track("anybody", "view")["allowedVerificationMethods"]
    assert methods[-2:] == ["QR_CODE", "IN_APP"]
    assert all(row["isActive"] for row in rows)
    assert own.server("GET", f"{METHODS}/{rows[0]['authenticatorId']}").json() == rows[0]


def test_a_method_that_is_switched_off_is_not_allowed(own: Emulator, user: str, app_switched_off: App) -> None:
    own.post(ACTIONS, {"actionCode": "guarded", "defaultUserActionResult": "CHALLENGE"})
    answer = own.track(user, "guarded")
    assert "AUTHENTICATOR_APP" not in answer["allowedVerificationMethods"]
    assert (answer["state"], answer["isEnrolled"]) == ("ALLOW", False)
    assert "defaultVerificationMethod" not in answer
    assert own.server("GET", f"users/{user}").json()["enrolledVerificationMethods"] == ["AUTHENTICATOR_APP"]


def test_a_method_that_is_switched_off_proves_and_enrols_nothing(
    own: Emulator, user: str, app_switched_off: App
) -> None:
    token = own.track(f"{user}-b", "view")["token"]
    assert own.client("POST", "user-authenticators/totp", token).status_code == 400
    token = own.track(user, "view")["token"]
    body = {"verificationCode": app_switched_off.code()}
    assert own.client("POST", "verify/totp", token, body).status_code == 400


def test_a_challenge_that_began_before_is_not_finished_with_the_method(own: Emulator, user: str) -> None:
    app, _ = enrol_first(own, user)
    own.post(ACTIONS, {"actionCode": "guarded", "defaultUserActionResult": "CHALLENGE"})
    token = own.track(user, "guarded")["token"]
    path = f"{METHODS}/{configuration_of(own, 'AUTHENTICATOR_APP')['authenticatorId']}"
    assert own.server("DELETE", path).json() == {"success": True}
    body = {"verificationCode": app.code()}
    assert own.client("POST", "verify/totp", token, body).status_code == 400
    assert own.post(METHODS, {"verificationMethod": "AUTHENTICATOR_APP"})["isActive"] is True
    assert own.call("verify/totp", token, body)["isVerified"]


def test_a_tenant_without_any_method_cannot_track(own: Emulator, user: str) -> None:
    rows = own.server("GET", METHODS).json()
    for row in rows:
        change(own, f"{METHODS}/{row['authenticatorId']}", {"isActive": False})
    response = own.server("POST", f"users/{user}/actions/view", {})
    for row in rows:
        change(own, f"{METHODS}/{row['authenticatorId']}", {"isActive": True})
    assert (response.status_code, response.json()["errorCode"]) == (400, "AUTHENTICATOR_NOT_FOUND")
    assert own.server("GET", f"users/{user}/actions").json() == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body.verificationMethod"),
        ({"verificationMethod": "TELEPATHY"}, "body.verificationMethod"),
        ({"verificationMethod": "PASSKEY", "isActive": "no"}, "body.isActive"),
        ({"verificationMethod": "PASSKEY", "isEditableByUser": 1}, "body.isEditableByUser"),
        ({"verificationMethod": "PASSKEY", "isHiddenToUser": []}, "body.isHiddenToUser"),
        ({"verificationMethod": "PASSKEY", "smsChannel": "PIGEON"}, "body.smsChannel"),
    ],
)
def test_a_bad_method_configuration_is_refused(own: Emulator, body: dict[str, Any], field: str) -> None:
    assert field in refusal(own, "POST", METHODS, body)
    assert configuration_of(own, "PASSKEY")["isActive"] is True


def test_an_unknown_method_configuration_is_not_found(own: Emulator) -> None:
    for name in ("x", str(uuid.uuid4())):
        for method in ("GET", "PATCH", "DELETE"):
            assert own.server(method, f"{METHODS}/{name}", {}).status_code == 404
