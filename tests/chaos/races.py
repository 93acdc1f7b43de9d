"""A hundred at once: callbacks with one token, submits of one proof for one request, callbacks of one sign-in."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator

from .browser import Answer
from .device import challenge_of
from .people import Person
from .site import Site


def race(site: Site, *, rounds: int, number: int) -> tuple[dict[str, int], list[str]]:
    """Runs each race so many times, everybody against everybody else. How often each ran, and what went wrong."""
    wrong: list[str] = []
    raced: dict[str, list[str]] = {"callbacks": [], "submits": [], "sign-ins": []}
    for turn in range(rounds):
        person = Person(site.port, site.emulator, own_sign_in=turn % 2 == 1, deep=turn % 4 > 1)
        challenge, found = sign_ins(person, number)
        raced["sign-ins"].append(challenge)
        challenge, more = callbacks(person, number)
        raced["callbacks"].append(challenge)
        raced["submits"].append(challenge)
        wrong += [*found, *more, *submits(person, number), *person.wrong]
    judged = site.judge()
    wrong += judged["faults"]
    for kind, register in (("sign-ins", "proofs"), ("callbacks", "proofs"), ("submits", "paid")):
        for challenge in raced[kind]:
            count = judged["counts"][register].get(challenge, 0)
            if count != 1:
                wrong.append(f"{kind}: {number} at once gave {count}, {challenge}")
    return {kind: len(done) for kind, done in raced.items()}, wrong


def sign_ins(person: Person, number: int) -> tuple[str, list[str]]:
    """One sign-in comes back so many times at once: it signs in once, and the browser is signed in afterwards."""
    path = person.device.prove(person.give_password())
    answers = person.browser.at_once(number, "GET", path)
    wrong = list(_not_sent_on("sign-in", answers))
    if person.own_sign_in:
        finish = {one.location for one in answers if "/own-login/" in one.location}
        wrong += [] if len(finish) == 1 else [f"the view's own finish has {len(finish)} addresses"]
        for one in finish:
            person.browser.get(one)
    if person.user() != person.name:
        wrong.append("the browser that proved its sign-in is not signed in")
        person.sign_in()
    return _challenge(path), wrong


def callbacks(person: Person, number: int) -> tuple[str, list[str]]:
    """One payment is proved, and its callback comes so many times at once: exactly one pass may come of it."""
    path = person.device.prove(person.begun(person.submit("first")))
    answers = person.browser.at_once(number, "GET", path)
    return _challenge(path), list(_not_sent_on("pay", answers))


def submits(person: Person, number: int) -> list[str]:
    """The payment is sent so many times at once, each with an id of its own, and once more: exactly one is done."""
    fields = [{"asked": uuid.uuid4().hex} for _ in range(number)]
    answers = [*person.browser.at_once(number, "POST", person.pay_path, fields), person.submit("late")]
    statuses = Counter(one.status for one in answers)
    wrong = [f"a submit was answered {status}, {count} times" for status, count in statuses.items() if status > 401]
    return wrong + ([] if statuses[200] == 1 else [f"{statuses[200]} submits of {number} were done"])


def _not_sent_on(what: str, answers: list[Answer]) -> Iterator[str]:
    found = Counter((one.status, one.location.partition("reason=")[2]) for one in answers)
    for (status, reason), count in found.items():
        if status != 303 or reason:
            yield f"{what}: {count} callbacks were answered {status} {reason}"


def _challenge(path: str) -> str:
    return challenge_of(path.partition("token=")[2])
