"""Every cell of the matrix under gunicorn: it arrives once and the same, and nothing of it rests anywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.matrix.cells import CELLS, Cell
from tests.matrix.checks import arrives_once
from tests.matrix.journeys import Upload

pytestmark = pytest.mark.e2e


@pytest.mark.table("matrix", slow=True)
@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_it_arrives_once_and_the_same(
    cell: Cell, round_: int, visit: Callable[..., Any], upload: Upload, record_property: Callable[[str, object], None]
) -> None:
    record_property("cell", ("gunicorn", str(cell)))
    arrives_once(visit, cell, "gunicorn", upload)
