"""People who want to get something done, and do not stop before it is."""

from __future__ import annotations

import uuid
from functools import partial

from . import PASSWORD
from .browser import Answer
from .visitor import TRIES, Stuck, Visitor


class Person(Visitor):
    """One user and what they want."""

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
