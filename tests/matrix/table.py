"""The matrix as a table for the docs, from the cells that a run walked."""

from __future__ import annotations

from collections import Counter

from tests.matrix.cells import ALL, SERVERS, WAYS, Cell

HEADS = [f"{way}{'' if script else ', no JavaScript'}" for script in (True, False) for way in WAYS]


def table(walked: list[tuple[str, str]]) -> str:
    """Markdown: a row for each operation, a column for each way; how often it arrived, or why it cannot be."""
    times = Counter(walked)
    rows: dict[str, list[str]] = {}
    for cell in ALL:
        rows.setdefault(cell.name, []).append(_said(cell, times))
    lines = [f"| what | {' | '.join(HEADS)} |", f"|---|{'---|' * len(HEADS)}"]
    lines += [f"| {name} | {' | '.join(said)} |" for name, said in rows.items()]
    rounds = max(times.values())
    total = f"{len(walked)} walks: {len(times)} cells (both servers), {rounds} rounds. Each arrived exactly once.\n"
    return "\n".join(lines) + f"\n\n{total}"


def _said(cell: Cell, times: Counter[tuple[str, str]]) -> str:
    if cell.impossible:
        return f"- ({cell.impossible})"
    counts = [times[server, str(cell)] for server in SERVERS]
    return "once" if all(counts) else "not walked"
