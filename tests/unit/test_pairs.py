"""Which run of the suite takes which rows of a table."""

from itertools import combinations, product
from types import SimpleNamespace

import pytest

from tests import pairs as runs
from tests.pairs import chosen

TABLE = [list(zip("abcd", row, strict=True)) for row in product("12", "1234", "123", "12345")]


def pairs(rows):
    return {pair for row in rows for pair in combinations(row, 2)}


def test_every_pair_is_walked_and_most_rows_are_not():
    found = chosen(TABLE)
    assert pairs(TABLE[index] for index in found) == pairs(TABLE)
    assert len(found) < len(TABLE) / 4


def test_every_value_is_walked_by_the_fewest_rows():
    found = chosen(TABLE, 1)
    assert {pair for index in found for pair in TABLE[index]} == {pair for row in TABLE for pair in row}
    assert len(found) == 5


def test_a_table_of_one_column_is_walked_whole():
    assert chosen([[("a", value)] for value in "xyz"]) == [0, 1, 2]


class Item:
    """As much of one of pytest's tests as is looked at."""

    def __init__(self, nodeid, params=None, mark=None):
        self.nodeid, self.mark = nodeid, mark
        if params:
            self.callspec = SimpleNamespace(params=params)

    def get_closest_marker(self, name):
        return self.mark if self.mark and self.mark.name == name else None


@pytest.fixture
def taken(monkeypatch):
    """Names of what a run takes."""
    items = [Item(f"a.py::table[{number}]", dict(row)) for number, row in enumerate(TABLE)]
    items += [Item(f"b.py::sampled_{number}", mark=pytest.mark.sample(5).mark) for number in range(10)]
    items += [Item("c.py::long", mark=pytest.mark.long.mark), Item("c.py::short")]

    def take(run):
        monkeypatch.setattr(runs, "RUN", run)
        left = {id(item) for item in runs.left_out(items)}
        return {item.nodeid for item in items if id(item) not in left}

    return take


def test_a_short_run_takes_every_value_one_of_so_many_and_nothing_long(taken):
    found = taken("")
    assert sum("table" in name for name in found) == 5
    assert {name for name in found if "table" not in name} == {"b.py::sampled_0", "b.py::sampled_5", "c.py::short"}


def test_what_is_left_of_every_pair_is_run_by_the_rest_alone_and_nothing_twice(taken):
    short, rest, every_pair = taken(""), taken("rest"), taken("pairs")
    assert not short & rest
    assert rest == every_pair - short
    assert "c.py::long" in rest


def test_a_run_of_everything_leaves_nothing_out(taken):
    assert len(taken("1")) == len(TABLE) + 12
