"""Many people at once, who go on until they are told to stop."""

from __future__ import annotations

import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .people import Person
from .site import Site


def day(person: Person) -> None:
    """What somebody does: sign in, pay, look at something, pay again, leave. Raises Stuck."""
    person.sign_in()
    person.pay()
    person.look()
    person.pay()
    person.leave()


class Crowd:
    """People in a thread each."""

    def __init__(self, site: Site, number: int, *, pause: float = 0, **how: bool) -> None:
        ways = [{"own_sign_in": turn % 2 == 1, "deep": turn % 4 > 1} for turn in range(number)]
        self.people = [Person(site.port, site.emulator, **way, **how) for way in ways]
        self.days = 0
        self._pause = pause
        self._over = threading.Event()

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Inside, they go about their days; in the end each finishes the day that they began."""
        self._threads = [threading.Thread(target=self._live, args=(person,)) for person in self.people]
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in self._threads:
                thread.join()

    def _live(self, person: Person) -> None:
        while not self._over.is_set():
            self.one_day(person)
            time.sleep(self._pause)

    def one_day(self, person: Person) -> None:
        """One day; whatever stops it is wrong."""
        try:
            day(person)
        except Exception:
            person.complain(traceback.format_exc(limit=-2))
        self.days += 1

    @property
    def answers(self) -> int:
        """How many requests were answered."""
        return sum(person.answers for person in self.people)

    def alive(self) -> bool:
        """False when nobody is left who asks anything."""
        return any(thread.is_alive() for thread in self._threads)

    def calm(self) -> None:
        """When all is over: each of them, as they were left, has one more day."""
        for person in self.people:
            person.die_at.clear()
            self.one_day(person)

    @property
    def seen(self) -> Counter[str]:
        """What happened to all of them."""
        return sum((person.seen for person in self.people), Counter())

    def verdict(self, judged: dict[str, Any]) -> list[str]:
        """All that is wrong: what the judge found, and payments that people were told of and are not there."""
        wrong = [*(line for person in self.people for line in person.wrong), *judged["faults"]]
        there = Counter(judged["counts"]["asked"])
        told = [asked for person in self.people for asked in person.paid if there[asked] != 1]
        return wrong + [f"the payment {asked} was answered, and is there {there[asked]} times" for asked in told]
