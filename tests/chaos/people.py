"""People who want to get something done: they sign in, prove it, try again when nothing comes, and remember it all."""

from __future__ import annotations

import base64
import json
import re
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import requests

from django_authsignal.testing.emulator import RunningEmulator
from tests.emulator.authenticator import SoftwareAuthenticator

from . import PASSWORD
from .browser import Answer, Browser

TRIES = 12  # of anything; who has not got there by then is stuck
PASSKEY = "user-authenticators/passkey"


class Stuck(Exception):
    """Somebody did not get where they wanted."""


@dataclass
class Person:
    """One user, one browser, one passkey. `wrong` lists what must not have happened."""

    port: int
    emulator: RunningEmulator
    own_sign_in: bool = False  # the sign-in view with logic of its own
    deep: bool = False  # the payment that is asked for inside its view
    weather: bool = False  # a database may be away: errors are honest then, and tried again
    forgetful: bool = False  # sessions may vanish at any moment: being asked again is honest then

    def __post_init__(self) -> None:
        self.name = f"p{uuid.uuid4().hex[:10]}"
        self.browser = Browser(self.port)
        self.wrong: list[str] = []
        self.seen: Counter[str] = Counter()
        self.answers = 0
        self.paid: list[str] = []  # payments that were answered
        self.points: dict[str, int] = {}  # by step: how many points to die at it has
        self.die_at: dict[str, int] = {}  # by step: where to die the next time
        self.died_at = ""  # the last of them
        self._api = requests.Session()
        self.passkey = SoftwareAuthenticator(self.emulator.url)
        self.id = self.send("make", lambda **how: self.browser.get(f"/make/{self.name}/", **how)).text
        self._enrol()

    # What they want

    def sign_in(self) -> None:
        """Until signed in. Raises Stuck."""
        for _ in range(TRIES):
            told = self.finish("sign-in", self.give_password())
            if self.user() == self.name:
                return
            self.not_let_in("sign-in", told)
        raise Stuck(f"{self.name} cannot sign in: {dict(self.seen)}")

    def give_password(self) -> str:
        """The first half of a sign-in; the token of the challenge that the other half is."""
        path = "/own-login/" if self.own_sign_in else "/login/"
        given = {"username": self.name, "password": PASSWORD}
        self.send("form", lambda **how: self.browser.get(path, **how))
        answer = self.send("password", lambda **how: self.browser.post(path, given, **how))
        page = answer.location
        if "/challenges/" not in page:
            self.complain(f"the right password was answered {answer.status} {page} {answer.text[:500]}")
            return ""
        return self.begun(self.send("page", lambda **how: self.browser.get(page, **how)))

    def pay(self) -> None:
        """Until a payment was answered. Raises Stuck."""
        told = False
        for _ in range(TRIES):
            asked = uuid.uuid4().hex
            answer = self.send("pay proved" if told else "pay", partial(self.submit, asked), once=True)
            if answer.status == 200:
                self.paid.append(asked)
                return
            if answer.lost:
                told = False  # the proof may be spent by it
                continue
            self.not_let_in("pay", told)
            told, code = False, answer.json.get("code")
            if code == "challenge_required":
                told = self.finish("pay", self.begun(answer))
            elif code == "sign_in_required":
                self.sign_in()
            else:
                self.complain(f"pay was answered {answer.status} {answer.text[:500]}")
        raise Stuck(f"{self.name} cannot pay: {dict(self.seen)}")

    def look(self) -> None:
        """Until the page was shown. Raises Stuck."""
        told = False
        for _ in range(TRIES):
            answer = self.send("look proved" if told else "look", lambda **how: self.browser.get("/look/", **how))
            if answer.status == 200:
                return
            self.not_let_in("look", told)
            told = False
            if answer.location.startswith(self.emulator.url):
                told = self.finish("look", self.begun(answer))
            elif answer.location.startswith("/login/"):
                self.sign_in()
            else:
                self.complain(f"look was answered {answer.status} {answer.location} {answer.text[:500]}")
        raise Stuck(f"{self.name} cannot look: {dict(self.seen)}")

    def submit(self, asked: str, **how: str) -> Answer:
        """One payment, with an id of its own."""
        return self.browser.fetch(self.pay_path, {"asked": asked}, **how)

    @property
    def pay_path(self) -> str:
        return "/pay-deep/" if self.deep else "/pay/"

    def leave(self) -> None:
        """Signs out."""
        self.send("leave", lambda **how: self.browser.post("/logout/", {}, **how))
        if self.user():
            self.complain("still signed in after signing out")

    def user(self) -> str:
        """Whom the site takes them for."""
        return str(self.send("who", lambda **how: self.browser.get("/who/", **how)).json["user"])

    # How they go about it

    def send(self, step: str, request: Callable[..., Answer], *, once: bool = False) -> Answer:
        """The answer to a request, sent again while none comes; `once`: not again, "lost" is an answer."""
        for _ in range(TRIES * 3 if self.weather else TRIES):
            dying = self.die_at.pop(step, 0)
            self.died_at = f"{step}, point {dying}" if dying else self.died_at
            answer = request(**({"X-Die-At": str(dying)} if dying else {}))
            self.seen[step] += 1
            self.answers += not answer.lost
            self.points[step] = max(answer.points, self.points.get(step, 0))
            if answer.lost:
                self.seen[f"{step}: lost"] += 1
                if once:
                    return answer
            elif self.forgetful and answer.status == 400:
                # Django's own answer when the session goes while a request that writes to it is under way.
                self.seen[f"{step}: interrupted"] += 1
                if once:
                    return Answer(0)
            elif answer.status < 500:
                return answer
            elif not self.weather:
                self.complain(f"{step}: {answer.status} {answer.text[:200]}")
            else:
                self.seen[f"{step}: {answer.status}"] += 1
                time.sleep(0.5)  # a database recovers within a few seconds
                if once:
                    return Answer(0)
        raise Stuck(f"{self.name} gets no answer: {step}")

    def finish(self, step: str, token: str) -> bool:
        """Proves it, and comes back. True when nothing went wrong on the way: it must be good for something then."""
        if not token:
            return False
        path, before = self.way_back(token), self.seen[f"{step} callback"]
        to = self.send(f"{step} callback", lambda **how: self.browser.get(path, **how)).location
        sent = self.seen[f"{step} callback"] - before
        if "/own-login/" in to:
            to = self.send("own finish", lambda **how: self.browser.get(to, **how), once=True).location
        if "reason=" in to:
            self.seen[f"{step}: refused {to.rpartition('=')[2]}"] += 1
            page = self.send("refusal", lambda **how: self.browser.get(to, **how))
            if "href=" not in page.text and "<form" not in page.text:
                self.complain(f"{step}: a dead end, {page.text[:500]}")
            return False
        return bool(to) and sent == 1

    def complain(self, what: str) -> None:
        """Notes what must not have happened."""
        self.wrong.append(f"{self.name}, died at {self.died_at}: {what}" if self.died_at else f"{self.name}: {what}")

    def not_let_in(self, step: str, told: bool) -> None:
        """Asked again: wrong when they were told before that it is proved."""
        self.seen[f"{step}: asked"] += 1
        if told and not self.forgetful:
            self.complain(f"was told that {step} is proved, and is asked again")

    def begun(self, answer: Answer) -> str:
        """The token of the challenge that an answer begins: in JSON, in the address or on the page."""
        found = re.search(r"[?&]token=([\w.-]+)", answer.location or answer.text)
        token = answer.json.get("token") or (found[1] if found else "")
        self.seen["begun" if token else "nothing to prove"] += 1
        return str(token)

    # At the emulator

    def way_back(self, token: str) -> str:
        """Proves a challenge; where Authsignal sends the browser then."""
        result = self.prove(token)
        return f"/authsignal/callback/{challenge_of(result)}/?token={result}"

    def prove(self, token: str) -> str:
        """The result token of a challenge, done with the passkey."""
        options = self._call(f"{PASSKEY}/authentication-options", token, {})
        signed = self.passkey.get(options["options"])
        proof = self._call("verify/passkey", token, {"authenticationCredential": signed, **_id(options)})
        return str(proof["accessToken"])

    def _enrol(self) -> None:
        tracked = self._api.post(
            f"{self.emulator.api_url}/users/{self.id}/actions/enrol",
            json={},
            auth=(self.emulator.secret, ""),
            timeout=60,
        ).json()
        options = self._call(f"{PASSKEY}/registration-options", tracked["token"], {})
        made = self.passkey.create(options["options"])
        self._call(PASSKEY, tracked["token"], {"registrationCredential": made, **_id(options)})

    def _call(self, path: str, token: str, body: dict[str, Any]) -> dict[str, Any]:
        url, headers = f"{self.emulator.api_url}/client/{path}", {"Authorization": f"Bearer {token}"}
        response = self._api.post(url, json=body, headers=headers, timeout=60)
        response.raise_for_status()
        return dict(response.json())


def _id(options: dict[str, Any]) -> dict[str, Any]:
    return {"challengeId": options["challengeId"]}


def challenge_of(token: str) -> str:
    """The ledger's row that a token is about."""
    middle = token.split(".")[1]
    said = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    return str(said["other"]["idempotencyKey"])
