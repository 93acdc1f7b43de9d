"""The site on http://127.0.0.1, the emulator on http://localhost: every way back is truly cross-site."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.matrix.cells import Cell
from tests.matrix.checks import arrives_once
from tests.matrix.journeys import Upload

pytestmark = pytest.mark.e2e
ACROSS = [Cell("get", "redirect"), Cell("form", "dialog"), Cell("form", "tab", script=False), Cell("json", "dialog")]


@pytest.mark.long
@pytest.mark.parametrize("samesite", ["Lax", "Strict"])
@pytest.mark.parametrize("cell", ACROSS, ids=str)
def test_it_arrives_once_and_the_same_across_sites(
    cell: Cell, samesite: str, visit: Callable[..., Any], upload: Upload
) -> None:
    def across(server: str, *, script: bool) -> Any:
        return visit(server, script=script, host="127.0.0.1", samesite=samesite)

    arrives_once(across, cell, "gunicorn", upload)


def test_a_strict_session_that_is_gone_is_told_so_without_a_loop(visit: Callable[..., Any]) -> None:
    visitor = visit("gunicorn", host="127.0.0.1", samesite="Strict")
    visitor.open("/do/get/?a=1")
    visitor.page.context.clear_cookies(name="matrix_session")
    visitor.prove(visitor.page)
    expect(visitor.page.get_by_role("heading", level=1)).to_be_visible()
    visitor.page.wait_for_url("**/challenges/**")
    assert "token=" not in visitor.page.url
