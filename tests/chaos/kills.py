"""Workers that are killed: at any moment from outside, and at each point of each request from inside."""

from __future__ import annotations

import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from .crowd import Crowd
from .people import Person
from .site import Site

Outcome = tuple[Counter[str], list[str]]  # what happened, how often, and what went wrong


def kill(site: Site, *, kills: int, people: int) -> Outcome:
    """Kills workers under load, at random moments: by what was answered since, for a slow machine must get on, too."""
    crowd, done, wait_for = Crowd(site, people), 0, 0
    with crowd.busy():
        while done < kills and crowd.alive():
            time.sleep(random.uniform(0.001, 0.05))
            pids = site.pids()
            if crowd.answers >= wait_for and pids and site.kill(random.choice(pids)):
                done += 1
                wait_for = crowd.answers + random.randint(2, 4 * people)
    crowd.calm()
    return Counter({"kills": done, "days": crowd.days}) + crowd.seen, crowd.verdict(site.judge())


def die(site: Site, *, deaths: int | None = None) -> Outcome:
    """Has a worker die at each point of each request of a day, or at so many of them; both sign-ins, both payments."""
    crowd = Crowd(site, 4)
    crowd.calm()  # a day without deaths tells how many points each step has
    places = [
        (person, step, number)
        for person in crowd.people
        for step, most in sorted(person.points.items())
        for number in range(1, most + 1)
        if step not in ("make", "form", "who", "page", "refusal")
    ]
    chosen = places if deaths is None else random.sample(places, min(deaths, len(places)))

    def each(person: Person) -> None:
        for step, number in [place[1:] for place in chosen if place[0] is person]:
            person.die_at = {step: number}
            crowd.one_day(person)
            if person.wrong:
                return  # what comes after it would hide it

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(each, crowd.people))
    crowd.calm()
    return Counter({"deaths": len(chosen), "days": crowd.days}) + crowd.seen, crowd.verdict(site.judge())
