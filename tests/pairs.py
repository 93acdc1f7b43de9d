"""What a short run takes: of the large tables, and of those marked `slow`, every value; of a file marked `sample(n)`
one test in n; and of what is marked `long` nothing.

With EVERY=pairs it is every pair of values and what is long too, with EVERY=rest what a short run leaves of these, with
EVERY=1 everything.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import combinations
from typing import Any
from zlib import crc32

# A table of no more rows is walked whole; in a short run one of no more than the second, unless it is slow.
SMALL, SMALLER = 24, 6
RUNS = {
    "": "every value, nothing long",
    "pairs": "every pair, and what is long",
    "rest": "every pair that a short run leaves out, and what is long",
    "1": "everything",
}
RUN = os.environ.get("EVERY", "")
EVERY = RUN == "1"


def chosen(rows: list[list[tuple[str, str]]], size: int = 2) -> list[int]:
    """Indexes of few rows that hold, between them, every pair of values that any row holds, or every `size` of them. A
    row is its (name, value) pairs; one with a single value is its own pair."""
    wanted = [set(combinations(row, size)) or set(combinations(row, 1)) for row in rows]
    # Among equals one from anywhere, always the same: rows of one file stand together, and none shall be left out.
    turn = [crc32(str(index).encode()) for index in range(len(rows))]
    missing = set().union(*wanted)
    found = []
    while missing:
        best = max(range(len(rows)), key=lambda index: (len(wanted[index] & missing), turn[index]))
        found.append(best)
        missing -= wanted[best]
    return sorted(found)


def left_out(items: list[Any]) -> list[Any]:
    """Tests that this run leaves to another one."""
    if RUN == "1":
        return []
    if RUN == "rest":
        short = {id(item) for item in _longer(items, pairs=False)}
        return [item for item in items if id(item) not in short] + _longer(items, pairs=True)
    return _longer(items, pairs=RUN == "pairs")


def _longer(items: list[Any], *, pairs: bool) -> list[Any]:
    """Tests that a short run, or one of every pair, leaves to a longer one."""
    found = [] if pairs else [item for item in items if item.get_closest_marker("long")]
    left = {id(item) for item in found}
    tables = defaultdict(list)
    for item in items:
        marker = item.get_closest_marker("table")
        if hasattr(item, "callspec") and id(item) not in left and not (marker and marker.args[0] is None):
            slow = bool(marker and marker.kwargs.get("slow"))
            tables[marker.args[0] if marker else item.nodeid.partition("[")[0], slow].append(item)
    for (_, slow), table in tables.items():
        if len(table) > (SMALL if pairs else SMALLER) or (slow and not pairs):
            rows = [_row(item, "axes" if pairs else "families") for item in table]
            kept = {id(table[index]) for index in chosen(rows, size=2 if pairs else 1)}
            found += [item for item in table if id(item) not in kept]
    return found + _not_sampled(items)


def _not_sampled(items: Iterable[Any]) -> list[Any]:
    turns: Counter[str] = Counter()
    found = []
    for item in items:
        marker, file = item.get_closest_marker("sample"), item.nodeid.partition("::")[0]
        if marker:
            found += [item] if turns[file] % marker.args[0] else []
            turns[file] += 1
    return found


def _row(item: Any, parts: str) -> list[tuple[str, str]]:
    row = [("file", item.nodeid.partition("::")[0])]
    for name, value in item.callspec.params.items():
        named = getattr(value, parts, None) or getattr(value, "axes", None)
        row += [(key, repr(part)) for key, part in (named.items() if named else [(name, value)])]
    return row
