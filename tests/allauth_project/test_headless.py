"""allauth's headless API: the proof as one of its pending flows, for app clients and for browsers."""

import json
import re

import pytest
from allauth.account.models import EmailAddress
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.core import mail
from django.db import connection
from django.test import Client

from django_authsignal.models import Challenge, Channel, Status
from tests.conftest import PASSWORD, newest

pytestmark = pytest.mark.django_db
STRATEGIES = {
    "session": "allauth.headless.tokens.strategies.sessions.SessionTokenStrategy",
    "jwt": "allauth.headless.tokens.strategies.jwt.JWTTokenStrategy",
}


@pytest.fixture(params=[False, True], ids=["plain", "atomic"], autouse=True)
def _atomic(request, monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", request.param)


def body_of(data):
    return {"data": json.dumps(data or {}), "content_type": "application/json"}


class AppClient(Client):
    """A native client: it keeps no cookie, and the session token that it is told last."""

    def __init__(self, authsignal):
        super().__init__(enforce_csrf_checks=True, headers={"Accept": "application/json"})
        self.authsignal, self.token, self.client = authsignal, "", "app"

    def send(self, path, data=None, *, method="post", **headers):
        if self.token:
            headers["X-Session-Token"] = self.token
        body = body_of(data) if method == "post" else {}
        path = path if path.startswith("/") else f"/_allauth/app/v1/{path}"
        answer = getattr(super(), method)(path, headers=headers, **body)
        assert not answer.cookies, "an app client is given no cookie"
        if path.startswith("/_allauth/") or path.startswith("/authsignal/"):
            self.token = answer.json().get("meta", {}).get("session_token") or self.token
        return answer


class BrowserClient(Client):
    """A page's own script: cookies, and the CSRF token."""

    def __init__(self, authsignal):
        super().__init__(enforce_csrf_checks=True, headers={"Accept": "application/json", "Sec-Fetch-Mode": "cors"})
        self.authsignal, self.client = authsignal, "browser"
        super().get("/_allauth/browser/v1/config")

    def send(self, path, data=None, *, method="post"):
        body = body_of(data) if method == "post" else {}
        path = path if path.startswith("/") else f"/_allauth/browser/v1/{path}"
        headers = {"X-CSRFToken": self.cookies["csrftoken"].value}
        return getattr(super(), method)(path, headers=headers, **body)


@pytest.fixture(params=[AppClient, BrowserClient], ids=["app", "browser"])
def new_client(request, authsignal):
    return lambda: request.param(authsignal)


@pytest.fixture
def api(new_client, db):
    return new_client()


@pytest.fixture
def app(authsignal, db):
    return AppClient(authsignal)


def by_password(api, user):
    return api.send("auth/login", {"username": user.username, "password": PASSWORD})


def by_code(api, user):
    api.send("auth/code/request", {"email": user.email})
    code = re.search(r"\n\n([\w-]+)\n\n", mail.outbox[-1].body)[1]
    return api.send("auth/code/confirm", {"code": code})


def by_provider(api, user):
    """An account at the dummy provider, by the token that the app was given there."""
    token = {"client_id": "1", "id_token": json.dumps({"id": user.pk, "email": user.email, "email_verified": True})}
    return api.send("auth/provider/token", {"provider": "dummy", "process": "login", "token": token})


WAYS = {"password": by_password, "code": by_code, "provider": by_provider}


@pytest.fixture(params=WAYS)
def log_in(request, settings, ada):
    settings.SOCIALACCOUNT_EMAIL_AUTHENTICATION = True
    EmailAddress.objects.create(user=ada, email=ada.email, verified=True, primary=True)
    return WAYS[request.param]


def pending(answer):
    """The flow that waits."""
    found = [flow for flow in answer.json()["data"]["flows"] if flow.get("is_pending")]
    assert [flow["id"] for flow in found] == ["authsignal"], answer.json()
    return found[0]


def challenge(api, answer):
    """What is to be completed, asked for where the first answer could not ask."""
    flow = pending(answer)
    if "challenge" not in flow:
        assert connection.settings_dict["ATOMIC_REQUESTS"]
        flow = pending(api.send(flow["endpoint"], method="get"))
    return flow


def complete(api, flow, **how):
    return api.send(flow["endpoint"], {"token": api.authsignal.complete(flow["challenge"]["challengeId"], **how)})


def who(api):
    return api.send("auth/session", method="get").json()["data"].get("user", {}).get("username")


def test_every_login_waits_for_its_proof(api, ada, log_in, authsignal):
    answer = log_in(api, ada)
    assert (answer.status_code, answer.json()["meta"]["is_authenticated"]) == (401, False)
    flow = challenge(api, answer)
    assert flow["challenge"].keys() == {"challengeId", "url", "token", "expiresAt"}
    assert newest().channel == (Channel.API if api.client == "app" else Channel.BROWSER)
    assert who(api) is None
    assert [call.operation for call in authsignal.calls] == ["track"]


def test_every_login_goes_on_with_its_proof(api, ada, log_in, authsignal):
    done = complete(api, challenge(api, log_in(api, ada)))
    assert done.status_code == 200, done.content
    assert done.json()["data"]["user"]["username"] == "ada"
    assert who(api) == "ada"
    assert [call.operation for call in authsignal.calls] == ["track", "validate_challenge"]


def test_every_login_ends_on_block(api, ada, log_in, authsignal):
    authsignal.block()
    answer = log_in(api, ada)
    if answer.status_code == 401:
        answer = api.send(pending(answer)["endpoint"], method="get")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (403, "action_blocked")
    assert not [flow for flow in answer.json()["data"]["flows"] if flow.get("is_pending")]
    assert who(api) is None


def test_an_allow_goes_on_at_once(api, ada, log_in, authsignal):
    authsignal.allow()
    answer = log_in(api, ada)
    if answer.status_code == 401:
        answer = api.send(pending(answer)["endpoint"], method="get")
    assert (answer.status_code, who(api)) == (200, "ada")


def test_an_outage_signs_nobody_in_and_can_be_sat_out(api, ada, authsignal):
    flow = challenge(api, by_password(api, ada))
    authsignal.fail("timeout")
    assert complete(api, flow).status_code == 503
    assert who(api) is None
    authsignal.fail(None)
    assert complete(api, flow).status_code == 200


def test_a_login_is_told_when_too_much_was_begun(new_client, ada, configure, one_window):
    configure(LIMITS={"START": {"USER": 1, "SESSION": None, "ADDRESS": None}})
    challenge(first := new_client(), by_password(first, ada))
    late = new_client()
    answer = by_password(late, ada)
    if connection.settings_dict["ATOMIC_REQUESTS"]:  # asked by GET, outside of the transaction
        answer = late.send(f"/authsignal/allauth/{late.client}/", method="get")
    assert answer.status_code == 429
    assert answer.json()["errors"][0]["code"] == "too_many_tries"
    assert int(answer["Retry-After"]) > 0


def test_a_signup_is_kept_and_waits(api, authsignal):
    form = {"username": "new", "email": "new@example.com", "password": "a long password of mine"}
    assert complete(api, challenge(api, api.send("auth/signup", form))).status_code == 200
    assert who(api) == "new"


def test_the_address_is_verified_before_anything_is_asked(api, ada, settings, authsignal):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    flows = by_password(api, ada).json()["data"]["flows"]
    assert [flow["id"] for flow in flows if flow.get("is_pending")] == ["verify_email"]
    assert api.send(f"/authsignal/allauth/{api.client}/", method="get").status_code == 401
    assert authsignal.calls == []


def test_a_token_that_proves_nothing_is_told_why(api, ada, authsignal):
    flow = challenge(api, by_password(api, ada))
    refused = api.send(flow["endpoint"], {"token": authsignal.token(flow["challenge"]["challengeId"])})
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, "not_completed")
    assert pending(refused)
    assert api.send(flow["endpoint"], {}).status_code == 400
    assert complete(api, flow).status_code == 200


def test_a_failed_proof_ends_the_login(api, ada):
    flow = challenge(api, by_password(api, ada))
    assert complete(api, flow, state="CHALLENGE_FAILED").status_code == 403
    assert complete(api, flow).status_code == 401
    assert who(api) is None


def test_a_token_of_another_client_finishes_nothing(new_client, ada, authsignal):
    mine, theirs = new_client(), new_client()
    flow, other = challenge(mine, by_password(mine, ada)), challenge(theirs, by_password(theirs, ada))
    stolen = authsignal.complete(other["challenge"]["challengeId"])
    assert mine.send(flow["endpoint"], {"token": stolen}).status_code == 400
    assert who(mine) is None


def test_a_proof_is_used_once(api, ada, authsignal):
    flow = challenge(api, by_password(api, ada))
    token = authsignal.complete(flow["challenge"]["challengeId"])
    assert api.send(flow["endpoint"], {"token": token}).status_code == 200
    api.send("auth/session", method="delete")
    if api.client == "app":
        api.token = ""
    again = challenge(api, by_password(api, ada))
    assert api.send(again["endpoint"], {"token": token}).status_code == 400
    assert who(api) is None


def test_a_proof_of_an_earlier_login_finishes_no_later_one(app, ada, authsignal):
    first = challenge(app, by_password(app, ada))
    earlier = newest()
    second = challenge(app, by_password(app, ada))
    token = authsignal.complete(first["challenge"]["challengeId"])
    assert app.send(second["endpoint"], {"token": token}).status_code == 400
    earlier.refresh_from_db()
    assert (earlier.status, who(app)) == (Status.OPEN, None)


def test_a_review_is_waited_for(api, ada, authsignal):
    authsignal.review()
    answer = by_password(api, ada)
    endpoint = pending(answer)["endpoint"]
    held = api.send(endpoint, method="get")
    assert (held.status_code, held.json()["errors"][0]["code"]) == (403, "review_required")
    authsignal.complete(str(newest().pk), state="REVIEW_SUCCEEDED")
    Challenge.objects.update(checked_at=None)
    assert api.send(endpoint, method="get").status_code == 200
    assert who(api) == "ada"


def test_the_endpoint_knows_nobody_without_a_login_that_waits(api, authsignal):
    path = f"/authsignal/allauth/{api.client}/"
    assert api.send(path, method="get").status_code == 401
    assert api.send(path, {"token": "x"}).status_code == 401
    assert authsignal.calls == []


def test_a_page_that_was_left_for_authsignal_is_finished_by_ours(authsignal, ada):
    script = BrowserClient(authsignal)
    flow = challenge(script, by_password(script, ada))
    navigate = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
    token = authsignal.complete(flow["challenge"]["challengeId"])
    back = script.get(f"/authsignal/callback/{newest().pk}/", {"token": token}, headers=navigate)
    assert back["Location"].startswith("/authsignal/allauth/?")
    script.get(back["Location"], headers=navigate)
    assert who(script) == "ada"


@pytest.mark.parametrize("way", ["csrf", "cookie"])
def test_a_script_of_another_site_or_browser_finishes_nothing(authsignal, ada, way):
    script = BrowserClient(authsignal)
    flow = challenge(script, by_password(script, ada))
    token = authsignal.complete(flow["challenge"]["challengeId"])
    if way == "csrf":
        answer = script.post(flow["endpoint"], json.dumps({"token": token}), content_type="application/json")
        assert answer.status_code == 403
    else:
        thief = BrowserClient(authsignal)
        thief.cookies["sessionid"] = script.cookies["sessionid"].value
        assert thief.send(flow["endpoint"], {"token": token}).status_code == 401
        assert thief.send(flow["endpoint"], method="get").status_code == 401
    assert newest().status == Status.OPEN


# Step-ups with a session token


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_sign_ins_proof_goes_with_the_session(app, ada, settings, strategy):
    settings.HEADLESS_TOKEN_STRATEGY = STRATEGIES[strategy]
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    settings.HEADLESS_JWT_PRIVATE_KEY = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    before = challenge(app, by_password(app, ada))
    waiting = app.token
    complete(app, before)
    assert app.token != waiting
    row = Challenge.objects.get()
    assert (row.status, row.channel) == (Status.PROVED, Channel.API)


@pytest.mark.parametrize("path", ["/drf/withdraw/", "/ninja/withdraw/"])
def test_a_session_token_steps_up(app, ada, authsignal, path):
    complete(app, challenge(app, by_password(app, ada)))
    refused = app.send(path)
    assert (refused.status_code, refused.json()["code"]) == (401, "challenge_required")
    token = authsignal.complete(refused.json()["challengeId"])
    answer = app.send(path, **{"Authsignal-Token": token})
    if answer.status_code == 307:  # under ATOMIC_REQUESTS
        answer = app.send(answer["Location"])
    assert answer.json() == "ada"
    assert app.send("/drf/withdraw/").json() == app.send("/ninja/withdraw/").json() == "ada"
    other = AppClient(authsignal)
    complete(other, challenge(other, by_password(other, ada)))
    assert other.send(path).status_code == 401
