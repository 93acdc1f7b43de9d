"""The matrix of doors, in runs of their own: a project's model of users cannot be exchanged while it runs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.doors import table

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.long
@pytest.mark.parametrize("module", ["settings", *(f"settings_{name}" for name in table.USER_MODELS)])
def test_every_cell_in_every_environment(module):
    without = [word for name in ("cacheprovider", "xdist", "schemathesis") for word in ("-p", f"no:{name}")]
    arguments = ["-q", *without, f"--ds=tests.doors.{module}"]
    found = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "COV_"))}
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments, str(ROOT / "tests" / "doors" / "test_cells.py")],
        cwd=ROOT,
        env=found,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-5_000:]
    environments = table.IN_PROCESS if module == "settings" else [module.removeprefix("settings_")]
    passed = int(run.stdout.rpartition(" passed")[0].rpartition("\n")[2].split()[-1])
    assert passed >= len(table.rows(environments)), "a cell was left out"
    assert "skipped" not in run.stdout


def test_every_cell_is_walked_or_has_its_reason():
    assert len(table.CELLS) + len(table.IMPOSSIBLE) == len(table.DOORS) * len(table.WAYS)
    assert all(table.IMPOSSIBLE.values())
    assert {*table.IN_PROCESS, *table.USER_MODELS} == table.ENVIRONMENTS.keys()


def test_the_page_says_what_the_table_says():
    assert (ROOT / "docs" / "doors.md").read_text() == table.page()
