"""The dashboard over HTTP: who may change something there, what it never shows, and what its forms do."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
import requests

from .conftest import App, Emulator

UNKNOWN = "8c0f5d3e-1b7a-4d0e-9a6b-2f4c81d7e950"
ATTACK = "\"><script>alert(1)</script><img src=x onerror=alert(1)>'"


class Dashboard:
    """A browser's requests: it keeps the cookie, and says where a form was sent from."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = requests.Session()

    def get(self, path: str, **query: Any) -> requests.Response:
        return self.http.get(self.url + path, params=query, timeout=15)

    def post(self, path: str, headers: dict[str, str | None] | None = None, /, **fields: Any) -> requests.Response:
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.get(path).text)
        sent = {"csrfmiddlewaretoken": found[1] if found else "", **fields}
        given = {"Origin": self.url, "Sec-Fetch-Site": "same-origin", **(headers or {})}
        return self.http.post(self.url + path, sent, headers=given, timeout=15, allow_redirects=False)

    def do(self, path: str, /, **fields: Any) -> str:
        """A form that must succeed; returns the page to which it leads."""
        answer = self.post(path, **fields)
        assert answer.status_code == 303, answer.text
        return str(answer.headers["Location"])


@pytest.fixture
def dashboard(emulator: Emulator) -> Iterator[Dashboard]:
    made = Dashboard(emulator.url)
    yield made
    made.http.close()


def page_of(dashboard: Dashboard, action: dict[str, Any]) -> str:
    """The path of the page of the newest action with this key."""
    found = re.findall(r'href="(/actions/\d+/)"', dashboard.get("/").text)
    return next(str(path) for path in found if action["idempotencyKey"] in dashboard.get(path).text)


def user_page(dashboard: Dashboard, user: str) -> str:
    found = re.search(r'href="(/users/[0-9a-f-]{36}/)"', dashboard.get("/users/", q=user).text)
    assert found
    return found[1]


def state(emulator: Emulator, user: str, code: str, action: dict[str, Any]) -> str:
    return str(emulator.server("GET", f"users/{user}/actions/{code}/{action['idempotencyKey']}").json()["state"])


# Who may change something.


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": None},
        {"Origin": "http://localhost:8000", "Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
    ids=["foreign", "opaque", "missing", "another-port", "cross-site", "same-site", "typed"],
)
def test_a_form_from_elsewhere_changes_nothing(
    emulator: Emulator, dashboard: Dashboard, headers: dict[str, str | None]
) -> None:
    code = emulator.configure("ALLOW")
    answer = dashboard.post(f"/rules/{code}/", headers, do="remove-action")
    assert answer.status_code == 403
    assert emulator.server("GET", f"management/action-configurations/{code}").status_code == 200


def test_an_app_that_may_use_passkeys_may_not_use_the_dashboard(emulator: Emulator, dashboard: Dashboard) -> None:
    answer = dashboard.post("/faults/", {"Origin": "http://localhost:3000"}, do="start", kind="500")
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/faults/", {"do": "start", "kind": "500"}),
        ("/webhooks/", {"do": "add", "url": "http://evil.example/"}),
        ("/settings/", {"form": "tenant", "name": "Evil"}),
        ("/rules/", {"action": "evil", "defaultUserActionResult": "ALLOW"}),
    ],
)
def test_a_form_without_its_token_changes_nothing(
    emulator: Emulator, dashboard: Dashboard, path: str, fields: dict[str, str]
) -> None:
    answer = dashboard.post(path, csrfmiddlewaretoken="", **fields)
    assert answer.status_code == 403
    assert "That did not work" in answer.text
    assert "evil" not in dashboard.get(path).text.lower()


def test_a_token_without_its_cookie_changes_nothing(emulator: Emulator, dashboard: Dashboard) -> None:
    page = dashboard.get("/faults/").text
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert found
    fields = {"csrfmiddlewaretoken": found[1], "do": "start", "kind": "500"}
    answer = requests.post(f"{emulator.url}/faults/", fields, headers={"Origin": emulator.url}, timeout=15)
    assert answer.status_code == 403


def test_looking_changes_nothing(emulator: Emulator, dashboard: Dashboard, user: str) -> None:
    code = emulator.configure("REVIEW")
    action = emulator.track(user, code)
    dashboard.get(page_of(dashboard, action), resolution="release")
    dashboard.get("/faults/", do="start", kind="500")
    dashboard.get(f"/rules/{code}/", do="remove-action")
    dashboard.get(user_page(dashboard, user), do="delete")
    assert state(emulator, user, code, action) == "REVIEW_REQUIRED"


def test_the_cookie_is_strict_hidden_from_scripts_and_the_emulators_own(dashboard: Dashboard) -> None:
    cookie = dashboard.get("/faults/").headers["Set-Cookie"]
    assert cookie.startswith("emulator_csrf=")
    assert "SameSite=Strict" in cookie
    assert "HttpOnly" in cookie


@pytest.mark.parametrize("path", ["/", "/users/", "/rules/", "/settings/", "/webhooks/", "/inbox/", "/faults/"])
def test_a_page_is_never_framed_kept_or_scripted_by_others(dashboard: Dashboard, path: str) -> None:
    answer = dashboard.get(path)
    policy = answer.headers["Content-Security-Policy"]
    assert answer.status_code == 200
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert "Emulated" in answer.text


@pytest.mark.parametrize("path", ["/", "/users/", "/inbox.json", "/faults/"])
def test_a_name_that_was_rebound_to_this_machine_reads_nothing(emulator: Emulator, path: str) -> None:
    answer = requests.get(emulator.url + path, headers={"Host": "evil.example"}, timeout=15)
    assert answer.status_code == 400
    assert "emulator_secret" not in answer.text


# What an app, or its users, put in.


def test_nothing_that_was_tracked_becomes_markup(emulator: Emulator, dashboard: Dashboard) -> None:
    user, code = f"{ATTACK}{uuid.uuid4().hex}", emulator.configure("CHALLENGE")
    rule = {"name": ATTACK, "description": ATTACK, "type": "REVIEW", "priority": 0}
    rule["conditions"] = {"==": [{"var": "custom.x"}, ATTACK]}
    emulator.post(f"management/action-configurations/{code}/rules", rule)
    path = f"users/{quote(user, safe='')}"
    sent = {"ipAddress": ATTACK, "userAgent": ATTACK, "deviceId": ATTACK, "username": ATTACK, "locale": ATTACK[:35]}
    action = emulator.post(
        f"{path}/actions/{code}", {**sent, "idempotencyKey": ATTACK + user, "custom": {"x": ATTACK, ATTACK: 1}}
    )
    emulator.server("PATCH", path, {"displayName": ATTACK, "custom": {ATTACK: ATTACK}})
    passkey = {"credentialId": uuid.uuid4().hex, "credentialPublicKey": "AAAA", "name": ATTACK}
    emulator.post(f"{path}/authenticators", {"verificationMethod": "PASSKEY", **passkey})
    assert action["state"] == "REVIEW_REQUIRED"
    pages = ["/", f"/?user={quote(user)}", f"/?code={quote(ATTACK)}"]
    pages += ["/users/", f"/users/?q={quote(ATTACK)}", f"/rules/{code}/", f"/inbox/?to={ATTACK}"]
    pages += [user_page(dashboard, user), re.findall(r'href="(/actions/\d+/)"', dashboard.get("/").text)[0]]
    pages += [f"/rules/{code}/?try=1&user={ATTACK}&ip={ATTACK}&custom={ATTACK}", f"/?done={ATTACK}"]
    for path in pages:
        text = dashboard.get(path).text
        assert "<script>alert" not in text, path
        assert "<img src=x" not in text, path
        assert " onerror=alert(1)>'" not in text.replace("&#x27;", "~"), path


def test_what_proves_who_somebody_is_is_not_shown(
    emulator: Emulator, dashboard: Dashboard, user: str, enrol_app: Callable[[str], App]
) -> None:
    app = enrol_app(user)
    passkey = {"credentialId": uuid.uuid4().hex, "credentialPublicKey": "QUJDREVGR0g", "name": "Key"}
    emulator.post(f"users/{user}/authenticators", {"verificationMethod": "PASSKEY", **passkey})
    text = dashboard.get(user_page(dashboard, user)).text
    assert "AUTHENTICATOR_APP" in text
    assert "PASSKEY" in text
    for secret in (app.secret, passkey["credentialPublicKey"], passkey["credentialId"]):
        assert secret not in text


@pytest.mark.parametrize(
    "path",
    [
        "/users/?q=%00",
        "/?user=%00",
        "/?before=99999999999999999999",
        "/?before=-1",
        "/?span=evil",
        "/?state=%F0%9F%98%80",
        "/actions/99999999999999999999999/",
        "/actions/0/",
        f"/users/{UNKNOWN}/",
        "/rules/nobody-tracked-this/",
        f"/rules/nobody-tracked-this/{UNKNOWN}/",
        "/webhooks/deliveries/999999999999999999999/",
        "/webhooks/?state=x&type=y&before=x",
    ],
)
def test_a_hostile_address_is_answered_without_a_failure(dashboard: Dashboard, path: str) -> None:
    assert dashboard.get(path).status_code in (200, 400, 404)


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/settings/", {"form": "unknown"}),
        ("/settings/", {"form": "method", "method": "EVIL"}),
        ("/settings/", {"form": "tenant", "name": "a\0b"}),
        ("/webhooks/", {"do": "remove", "key": "x"}),
        ("/webhooks/", {"do": "unknown"}),
        ("/faults/", {"do": "start", "kind": "evil"}),
    ],
)
def test_a_hostile_form_is_refused_with_a_sentence(dashboard: Dashboard, path: str, fields: dict[str, str]) -> None:
    answer = dashboard.post(path, **fields)
    assert answer.status_code in (400, 404)
    assert 'role="alert"' in answer.text


# Actions.


def test_the_feed_shows_what_was_tracked_and_the_way_to_connect(
    emulator: Emulator, dashboard: Dashboard, user: str
) -> None:
    code = emulator.configure("CHALLENGE")
    emulator.track(user, code)
    text = dashboard.get("/").text
    for fact in (emulator.api, emulator.tenant, emulator.secret, user, code):
        assert fact in text


def test_a_live_page_is_sent_again_only_when_something_is_new(
    emulator: Emulator, dashboard: Dashboard, user: str
) -> None:
    found = re.search(r'data-version="(\w{64})"', dashboard.get("/", user=user).text)
    assert found

    def again() -> int:
        headers = {"X-Seen": found[1]}
        return requests.get(f"{emulator.url}/", {"user": user}, headers=headers, timeout=15).status_code

    assert again() == 204
    emulator.track(user, emulator.configure("ALLOW"))
    assert again() == 200


def test_the_feed_goes_back_page_by_page(emulator: Emulator, dashboard: Dashboard, user: str) -> None:
    code = emulator.configure("ALLOW")
    for _number in range(31):
        emulator.track(user, code)
    first = dashboard.get("/", user=user).text
    assert first.count('<li class="row"') == 30
    older = re.search(r'href="(\?[^"]*before=\d+)"', first)
    assert older
    rest = dashboard.get("/" + older[1].replace("&amp;", "&")).text
    assert rest.count('<li class="row"') == 1


def test_the_chart_has_a_table_with_the_same_numbers(emulator: Emulator, dashboard: Dashboard, user: str) -> None:
    emulator.track(user, emulator.configure("BLOCK"))
    text = dashboard.get("/").text
    assert 'role="img" aria-label="A bar chart of ' in text
    assert '<th scope="col">BLOCK</th>' in text
    assert "<rect" in text


@pytest.mark.parametrize(("button", "becomes"), [("release", "REVIEW_SUCCEEDED"), ("refuse", "REVIEW_FAILED")])
def test_a_review_is_resolved(emulator: Emulator, dashboard: Dashboard, user: str, button: str, becomes: str) -> None:
    code = emulator.configure("REVIEW")
    action = emulator.track(user, code)
    dashboard.do(page_of(dashboard, action), resolution=button)
    assert state(emulator, user, code, action) == becomes


def test_an_old_page_does_not_release_what_was_blocked_meanwhile(
    emulator: Emulator, dashboard: Dashboard, user: str
) -> None:
    code = emulator.configure("REVIEW")
    action = emulator.track(user, code)
    page = page_of(dashboard, action)
    dashboard.do(page, resolution="block")
    token = dashboard.get("/faults/").text  # the blocked action's own page has no form any more
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', token)
    assert found
    answer = dashboard.post(page, csrfmiddlewaretoken=found[1], resolution="release")
    assert answer.status_code == 409
    assert state(emulator, user, code, action) == "BLOCK"


def test_an_action_tells_which_rule_decided_and_what_was_sent(
    emulator: Emulator, dashboard: Dashboard, user: str
) -> None:
    code = emulator.configure("ALLOW")
    rule = {"name": "From Tokyo", "type": "BLOCK", "priority": 3}
    rule["conditions"] = {"==": [{"var": "ip.countryCode"}, "JP"]}
    emulator.post(f"management/action-configurations/{code}/rules", rule)
    action = emulator.track(user, code, ipAddress="203.0.113.70", custom={"amount": 12})
    text = dashboard.get(page_of(dashboard, action)).text
    for part in ("From Tokyo", "it decided", "Tokyo, JP", "&quot;amount&quot;: 12", "Tracked"):
        assert part in text


def test_the_history_of_a_deleted_user_can_be_read_and_not_changed(
    emulator: Emulator, dashboard: Dashboard, user: str
) -> None:
    code = emulator.configure("REVIEW")
    action = emulator.track(user, code)
    page = page_of(dashboard, action)
    dashboard.do(user_page(dashboard, user), do="delete")
    assert emulator.server("GET", f"users/{user}").json()["isEnrolled"] is False
    assert "was deleted" in dashboard.get(page).text
    assert "Release" not in dashboard.get(page).text
    assert user not in dashboard.get("/users/", q=user).text.replace(f'value="{user}"', "")


# Users.


def test_a_user_is_found_and_loses_an_authenticator(
    emulator: Emulator, dashboard: Dashboard, user: str, enrol_app: Callable[[str], App]
) -> None:
    enrol_app(user)
    page = user_page(dashboard, user)
    key = emulator.server("GET", f"users/{user}/authenticators").json()[0]["userAuthenticatorId"]
    dashboard.do(page, do="remove", key=key)
    assert emulator.server("GET", f"users/{user}/authenticators").json() == []


def test_one_users_page_does_not_remove_what_is_anothers(
    emulator: Emulator, dashboard: Dashboard, user: str, enrol_app: Callable[[str], App]
) -> None:
    other = f"{user}-other"
    enrol_app(other)
    enrol_app(user)
    key = emulator.server("GET", f"users/{other}/authenticators").json()[0]["userAuthenticatorId"]
    dashboard.post(user_page(dashboard, f"{user}"), do="remove", key=key)
    assert len(emulator.server("GET", f"users/{other}/authenticators").json()) == 1


# Rules.


def add_rule(dashboard: Dashboard, code: str, **fields: Any) -> requests.Response:
    given = {"name": "Large", "priority": "1", "type": "BLOCK", "conditions": '{">": [{"var": "custom.amount"}, 100]}'}
    return dashboard.post(f"/rules/{code}/", do="rule", **{**given, **fields})


def test_a_rule_is_added_switched_off_changed_and_removed(emulator: Emulator, dashboard: Dashboard, user: str) -> None:
    code = emulator.configure("ALLOW")
    here = f"/rules/{code}/"
    assert add_rule(dashboard, code).status_code == 303
    assert emulator.track(user, code, custom={"amount": 101})["state"] == "BLOCK"
    rule = emulator.server("GET", f"management/action-configurations/{code}/rules").json()[0]["ruleId"]
    dashboard.do(here, do="off", key=rule)
    assert emulator.track(user, code, custom={"amount": 101})["state"] == "ALLOW"
    dashboard.do(here, do="on", key=rule)
    changed = {"name": "Larger", "priority": "2", "type": "REVIEW", "conditions": '{"==": [1, 1]}'}
    dashboard.do(f"{here}{rule}/", **changed)
    assert emulator.track(user, code)["state"] == "REVIEW_REQUIRED"
    dashboard.do(here, do="remove", key=rule)
    assert emulator.track(user, code)["state"] == "ALLOW"


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("conditions", '{"==": [1, 1}', "conditions is not valid JSON"),
        ("conditions", '{"==": [{"var": "ip.nothing"}, 1]}', "conditions reads ip.nothing"),
        ("conditions", "", "conditions is required"),
        ("conditions", '{"==": [NaN, 1]}', "conditions is not valid JSON"),
        ("priority", "100", "priority must be a whole number from 0 to 99"),
        ("priority", "abc", "priority must be a whole number from 0 to 99"),
        ("name", "", "name is required"),
        ("type", "EVIL", "type must be one of"),
    ],
)
def test_a_refused_rule_says_why_beside_its_field_and_keeps_what_was_typed(
    emulator: Emulator, dashboard: Dashboard, field: str, value: str, says: str
) -> None:
    code = emulator.configure("ALLOW")
    answer = add_rule(dashboard, code, **{field: value, "description": "typed with care"})
    assert answer.status_code == 400
    error = re.search(rf'<p class="error" id="rule-{field}-error" role="alert">([^<]*)</p>', answer.text)
    assert error
    assert says in error[1]
    assert re.search(
        rf'id="rule-{field}"[^>]*aria-describedby="rule-{field}-error[^>]*aria-invalid="true"', answer.text
    )
    assert "typed with care" in answer.text


def test_an_action_is_configured_once(emulator: Emulator, dashboard: Dashboard, user: str) -> None:
    code = f"act-{uuid.uuid4().hex[:8]}"
    dashboard.do("/rules/", action=code, defaultUserActionResult="BLOCK")
    assert emulator.track(user, code)["state"] == "BLOCK"
    again = dashboard.post("/rules/", action=code, defaultUserActionResult="ALLOW")
    assert again.status_code == 409
    assert emulator.track(user, code)["state"] == "BLOCK"


def outcome_of(trial: str) -> str:
    found = re.search(r'Outcome <span class="state[^>]*>(\w+)</span>', trial)
    assert found
    return found[1]


def test_a_trial_tells_the_outcome_and_the_rule_and_records_nothing(
    emulator: Emulator, dashboard: Dashboard, user: str
) -> None:
    code = emulator.configure("ALLOW")
    add_rule(dashboard, code)
    given = {"try": "1", "user": user, "device": "phone", "ip": "192.0.2.1"}
    large = dashboard.get(f"/rules/{code}/", **given, custom='{"amount": 101}').text
    assert "The rule “Large” decided." in large
    assert outcome_of(large) == "BLOCK"
    assert "&quot;custom.amount&quot;: 101" in large
    small = dashboard.get(f"/rules/{code}/", **given, custom='{"amount": 5}').text
    assert "No rule decided" in small
    assert outcome_of(small) == "ALLOW"
    assert emulator.server("GET", f"users/{user}/actions").json() == []
    assert emulator.server("GET", f"users/{user}/devices").json() == []
    assert "Nobody was found" in dashboard.get("/users/", q=user).text


def test_a_trial_answers_as_track_then_does(
    emulator: Emulator, dashboard: Dashboard, user: str, enrol_app: Callable[[str], App]
) -> None:
    enrol_app(user)
    code = emulator.configure("CHALLENGE")
    new = {"name": "New device", "type": "REVIEW", "priority": 0, "conditions": {"==": [{"var": "device.isNew"}, True]}}
    emulator.post(f"management/action-configurations/{code}/rules", new)
    tried = dashboard.get(f"/rules/{code}/", **{"try": "1", "user": user, "device": "d"}).text
    assert emulator.track(user, code, deviceId="d")["state"] == "REVIEW_REQUIRED"
    assert outcome_of(tried) == "REVIEW"


# Settings, webhooks, faults.


def test_an_authenticator_of_the_tenant_is_switched_off_and_on(emulator: Emulator, dashboard: Dashboard) -> None:
    def offered() -> bool:
        found = emulator.server("GET", "authenticators").json()
        return any(one["verificationMethod"] == "SMS" and one["isActive"] for one in found)

    dashboard.do("/settings/", form="method", method="SMS", isEditableByUser="on")
    assert not offered()
    dashboard.do("/settings/", form="method", method="SMS", isActive="on", isEditableByUser="on")
    assert offered()


def test_a_wrong_colour_is_refused_beside_its_field(dashboard: Dashboard) -> None:
    answer = dashboard.post("/settings/", form="theme", primaryColor="red;}")
    assert answer.status_code == 400
    assert 'id="theme-primaryColor-error"' in answer.text


def test_a_webhook_is_added_switched_off_and_removed(emulator: Emulator, dashboard: Dashboard) -> None:
    url = f"http://127.0.0.1:9/{uuid.uuid4().hex}"
    dashboard.do("/webhooks/", do="add", url=url, types=["authenticator.updated"])
    hooks = emulator.server("GET", "management/webhooks").json()
    mine = next(one for one in hooks if one["url"] == url)
    assert mine["types"] == ["authenticator.updated"]
    dashboard.do("/webhooks/", do="off", key=mine["webhookId"])
    assert not emulator.server("GET", f"management/webhooks/{mine['webhookId']}").json()["isActive"]
    dashboard.do("/webhooks/", do="remove", key=mine["webhookId"])
    assert emulator.server("GET", f"management/webhooks/{mine['webhookId']}").status_code == 404


def test_a_webhook_of_another_scheme_is_refused_beside_its_field(dashboard: Dashboard) -> None:
    answer = dashboard.post("/webhooks/", do="add", url="javascript:alert(1)")
    assert answer.status_code == 400
    assert 'id="form-url-error"' in answer.text


def test_a_delivery_is_shown_and_sent_again(emulator: Emulator, dashboard: Dashboard, user: str) -> None:
    url = f"http://127.0.0.1:9/{uuid.uuid4().hex}"
    dashboard.do("/webhooks/", do="add", url=url, types=["authenticator.created"])
    mine = next(one for one in emulator.server("GET", "management/webhooks").json() if one["url"] == url)
    body = {"verificationMethod": "EMAIL_OTP", "email": "a@example.com"}
    emulator.post(f"users/{user}/authenticators", body)
    sent = emulator.server("GET", f"management/deliveries?webhookId={mine['webhookId']}").json()
    page = f"/webhooks/deliveries/{sent[0]['deliveryId']}/"
    assert f"&quot;userId&quot;: &quot;{user}&quot;" in dashboard.get(page).text
    again = dashboard.do(page)
    assert again.split("?")[0] != page
    assert len(emulator.server("GET", f"management/deliveries?webhookId={mine['webhookId']}").json()) == 2
    dashboard.do("/webhooks/", do="remove", key=mine["webhookId"])


def test_a_fault_is_switched_on_announced_on_every_page_and_switched_off(
    emulator: Emulator, dashboard: Dashboard
) -> None:
    try:
        # A path that no other test asks for: they share the emulator.
        dashboard.do("/faults/", do="start", kind="500", path="nobody-asks-for-this", delay="1", seconds="60")
        for path in ("/", "/users/", "/rules/", "/settings/", "/webhooks/", "/inbox/", "/faults/"):
            assert "A fault is switched on: 500." in dashboard.get(path).text
        assert requests.get(f"{emulator.api}/nobody-asks-for-this", timeout=15).status_code == 500
    finally:
        dashboard.do("/faults/", do="stop")
    assert "A fault is switched on" not in dashboard.get("/").text


def test_the_inbox_as_json_keeps_one_address(emulator: Emulator, dashboard: Dashboard, user: str) -> None:
    body = {"verificationMethod": "EMAIL_MAGIC_LINK", "email": f"{user}@example.com", "action": "sign-in"}
    token = emulator.track(user, emulator.configure("ALLOW"))["token"]
    emulator.call("user-authenticators/email-otp", token, {"email": body["email"]})
    found = dashboard.get("/inbox.json", to=body["email"]).json()
    assert [one["to"] for one in found] == [body["email"]]
    assert found[0]["code"] in dashboard.get("/inbox/", to=body["email"]).text
