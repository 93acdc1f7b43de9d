"""Somebody before a browser: they try again when nothing comes, prove it, and remember it all."""

from __future__ import annotations

import re
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from django_authsignal.testing.emulator import RunningEmulator

from .browser import Answer, Browser
from .device import Device

TRIES = 12  # of anything; who has not got there by then is stuck


class Stuck(Exception):
    """Somebody did not get where they wanted."""


@dataclass
class Visitor:
    """One user, one browser, one passkey. `wrong` lists what must not have happened."""

    port: int
    emulator: RunningEmulator
    own_sign_in: bool = False  # they take the sign-in view with logic of its own
    deep: bool = False  # and the payment that is asked for inside its view
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
        made = self.send("make", lambda **how: self.browser.get(f"/make/{self.name}/", **how))
        self.device = Device(self.emulator, made.text)

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
        path, before = self.device.prove(token), self.seen[f"{step} callback"]
        to = self.send(f"{step} callback", lambda **how: self.browser.get(path, **how)).location
        sent = self.seen[f"{step} callback"] - before
        if "/own-login/" in to:
            to = self.send("own finish", lambda **how: self.browser.get(to, **how), once=True).location
        if "/callback/" in to:
            self.complain(f"{step}: not looked at, {self.browser.get(to).text[:500]}")
            return False
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
            held = self.send("session", lambda **how: self.browser.get("/session/", **how)).text
            self.complain(f"was told that {step} is proved, and is asked again; {held}")

    def begun(self, answer: Answer) -> str:
        """The token of the challenge that an answer begins: in JSON, in the address or on the page."""
        found = re.search(r"[?&]token=([\w.-]+)", answer.location or answer.text)
        token = answer.json.get("token") or (found[1] if found else "")
        self.seen["begun" if token else "nothing to prove"] += 1
        return str(token)
