"""The ledger in a database of its own: the cases run in a process of their own, with its settings."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.long
def test_the_doors_ask_and_pass_with_the_ledger_in_a_database_of_its_own():
    cases = "tests/contrib/two_databases_cases.py"
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--ds", "tests.contrib.two_databases"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, cases], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert "13 passed" in done.stdout
