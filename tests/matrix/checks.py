"""One cell, done and looked at: it arrived once, the same, and nothing of it rests on the server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.matrix.cells import Cell, expected
from tests.matrix.journeys import Upload, walk


def arrives_once(visit: Callable[..., Any], cell: Cell, server: str, upload: Upload) -> None:
    visitor = visit(server, script=cell.script)
    walk(visitor, cell, upload)
    arrived = visitor.site.arrived(visitor.mark)
    assert len(arrived) == 1, arrived
    found = arrived[0]
    found["fields"] = [pair for pair in found["fields"] if pair[0] != "csrfmiddlewaretoken"]
    found["query"] = [pair for pair in found["query"] if pair[0] != "csrfmiddlewaretoken"]
    found.pop("type")
    assert found == expected(cell, visitor.mark, visitor.name)
    if found["method"] != "GET":  # an address is no body: the ledger and every access log have it
        resting = [where for where, text in visitor.site.at_rest() if visitor.mark in text]
        assert resting == []
