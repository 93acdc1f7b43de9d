"""Races and crashes with real workers, in short; `make chaos` runs the long form."""

import pytest
from django.conf import settings

from django_authsignal.testing import emulator as emulators
from tests.chaos.kills import die, kill
from tests.chaos.outages import forget
from tests.chaos.races import race
from tests.chaos.site import PATIENCE, Site
from tests.databases import KIND, new_database

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    running = emulators.start(tmp_path_factory.mktemp("emulator"), "--default-outcome", "CHALLENGE", patience=PATIENCE)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def site(tmp_path_factory, emulator):
    """On the suite's database and cache, with ATOMIC_REQUESTS, where more can go wrong."""
    folder = tmp_path_factory.mktemp("site")
    # The cache of this very process of the suite: the others empty theirs before each test.
    with new_database(KIND, folder) as url:
        running = Site(folder, emulator, url, settings.CACHE_URL, atomic=True).start()
        yield running
        running.forget()
        running.stop()


def test_of_many_at_once_one_is_done(site):
    assert race(site, rounds=2, number=20) == ({"callbacks": 2, "submits": 2, "sign-ins": 2}, [])


def test_workers_that_are_killed_lose_and_double_nothing_and_leave_nobody_stuck(site):
    seen, wrong = kill(site, kills=5, people=2)
    assert (seen["kills"], wrong) == (5, [])


def test_a_worker_may_die_at_any_point_of_a_day(site):
    assert die(site, deaths=4)[1] == []


def test_sessions_that_vanish_open_nothing_and_leave_nobody_stuck(site):
    assert forget(site, site.forget, times=2, people=1)[1] == []
