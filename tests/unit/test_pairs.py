"""A short run of the suite leaves no pair of a table's values out."""

from itertools import combinations, product

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
