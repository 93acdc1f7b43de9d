"""Every way through the package that a secret takes, walked as far as it goes."""

import json
from types import SimpleNamespace

from django.contrib.auth import authenticate, login
from django.http import HttpResponse
from django.urls import path, reverse
from django.views.decorators.debug import sensitive_post_parameters
from rest_framework.authentication import BasicAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from django_authsignal import break_glass
from django_authsignal.client import Sealed
from django_authsignal.contrib.rest_framework import ChallengeRequiredMixin
from django_authsignal.decorators import challenge_required
from tests.canaries import BASIC, KEY, PASSWORD, canary
from tests.conftest import AsgiBrowser, newest
from tests.project.urls import urlpatterns as project
from tests.webhooks import sender

FORM = {"amount": "5", "payee": "bob", "card": canary("card"), "password": canary("typed")}


@challenge_required("payInvoice", bind=["amount", "payee"])
@sensitive_post_parameters("card", "password")
def pay(request):
    return HttpResponse("paid")


@challenge_required("withdrawFunds")
def broken(request):
    raise RuntimeError("the view broke")


@sensitive_post_parameters("token")
def by_token(request):
    user = authenticate(request, authsignal_token=Sealed(request.POST["token"]))
    if user:
        login(request, user)
    return HttpResponse("in" if user else "out")


class Account(ChallengeRequiredMixin, APIView):
    authentication_classes = [BasicAuthentication]
    permission_classes = [IsAuthenticated]
    challenge_action = "withdrawFunds"

    def get(self, request):
        return Response("account")


urlpatterns = [
    *project,
    path("pay-by-card/", pay),
    path("broken/", broken),
    path("by-token/", by_token),
    path("account/", Account.as_view()),
]


def _waiting(browser):
    """The newest row, when Authsignal knows of it: after a failure it may not."""
    row = newest()
    return row if row is not None and str(row.pk) in browser.authsignal._actions else None


def _come_back(browser):
    row = _waiting(browser)
    if row is not None:
        here, token = reverse("authsignal:callback", args=[row.pk]), browser.authsignal.complete(str(row.pk))
        whole = f"{here}?token={token}"
        environment = {} if isinstance(browser, AsgiBrowser) else {"RAW_URI": whole, "REQUEST_URI": whole}
        browser.get(here, {"token": token}, headers={"Referer": whole}, **environment)


def signing_in(browser, ada):
    browser.post("/login/", {"username": "ada", "password": PASSWORD})
    _come_back(browser)


def stepping_up(browser, ada):
    browser.get("/withdraw/")
    _come_back(browser)
    browser.get("/withdraw/")


def a_form(browser, ada):
    browser.post("/pay-by-card/", FORM)
    _come_back(browser)
    browser.post("/pay-by-card/", FORM)


def by_json(browser, ada):
    browser.get("/withdraw/")
    row = _waiting(browser)
    if row is not None:
        here = reverse("authsignal:challenge", args=[row.pk])
        browser.get(here)
        body = {"token": browser.authsignal.complete(str(row.pk))}
        browser.fetch(here, "post", data=body, content_type="application/json")


def by_a_view_of_ones_own(browser, ada):
    browser.post("/login/", {"username": "ada", "password": PASSWORD})
    row = _waiting(browser)
    if row is not None:
        browser.post("/by-token/", {"token": browser.authsignal.complete(str(row.pk))})


def as_a_client(browser, ada):
    sent = {"Authorization": f"Basic {BASIC}", "Accept": "application/json"}
    for _ in range(2):  # the sign-in, and the action
        browser.get("/account/", headers=sent)
        row = _waiting(browser)
        if row is not None:
            token = browser.authsignal.complete(str(row.pk))
            browser.get("/account/", headers={**sent, "Authsignal-Token": token})


def without_a_password(browser, ada):
    browser.post(reverse("authsignal:sign-in"), {"username": "ada"})
    _come_back(browser)


def by_a_passkey(browser, ada):
    here = reverse("authsignal:passkey")
    answer = browser.fetch(here)
    if answer.status_code == 200:
        token = browser.authsignal.passkey_token(str(ada.pk), answer.json()["idempotencyKey"])
        browser.post(here, {"token": token, "nonce": answer.json()["nonce"]})


EVENTS = ("email.created", "sms.created", "push.created", "authenticator.deleted", "something.new")


def a_webhook(browser, ada):
    message = {"to": "ada@example.com", "code": canary("code"), "url": canary("link"), "userId": str(ada.pk)}
    for kind in EVENTS:
        body = json.dumps(sender.envelope(kind, {**message, "deviceToken": canary("device")})).encode()
        sender.post(browser, body, signed=sender.header(body, KEY))
    sender.post(browser, body, signed=sender.header(body, canary("another-key")))


def breaking_glass(browser, ada):
    made = break_glass.make_link(ada, origin="http://testserver")
    link = made.url.removeprefix("http://testserver")
    answer = browser.get(link)
    if answer.status_code == 303:
        browser.get(answer["Location"])
        browser.post(answer["Location"])


def ones_own_authenticators(browser, ada):
    here = reverse("authsignal:authenticators")
    browser.get(here)
    _come_back(browser)
    browser.get(here)
    browser.post(here, {"add": "1"})


def a_view_that_breaks(browser, ada):
    browser.get("/broken/")
    _come_back(browser)
    browser.get("/broken/")


SIGNED_IN = (stepping_up, a_form, by_json, ones_own_authenticators, a_view_that_breaks)
WAYS = [
    signing_in,
    stepping_up,
    a_form,
    by_json,
    by_a_view_of_ones_own,
    as_a_client,
    without_a_password,
    by_a_passkey,
    a_webhook,
    breaking_glass,
    ones_own_authenticators,
    a_view_that_breaks,
]


def walk(way, browser, ada):
    """Walks it, in a browser that is signed in where it has to be. Returns the cookies' secrets."""
    if way in SIGNED_IN:
        browser.force_login(ada)
    way(browser, ada)
    return cookies(browser)


def cookies(browser):
    """The values that a browser holds and nobody else may know."""
    kept = {name: item.value for name, item in browser.cookies.items()}
    names = [name for name in kept if name == "sessionid" or name.startswith("authsignal_browser")]
    return SimpleNamespace(all=[kept[name] for name in names], binding=[kept[n] for n in names if n != "sessionid"])
