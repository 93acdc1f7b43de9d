"""The example bank has settings of its own, so its tests run in a process of their own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _manage(state: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "example_project/manage.py", *arguments]
    return subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "DEMO_STATE": str(state), "DJANGO_SETTINGS_MODULE": "example_project.settings"},
    )


@pytest.mark.long
def test_the_banks_own_tests_pass(tmp_path: Path) -> None:
    ran = _manage(tmp_path, "test", "example_project.bank", "--noinput")
    assert ran.returncode == 0, ran.stderr
    assert "Ran 0 tests" not in ran.stderr


def test_no_check_complains_about_the_example(tmp_path: Path) -> None:
    ran = _manage(tmp_path, "check")
    # W006 says that no emulator runs just now, which is true here.
    found = set(re.findall(r"\((\w+\.[EWCI]\d+)\)", ran.stderr)) - {"authsignal.W006"}
    assert (ran.returncode, found) == (0, set()), ran.stderr


def test_the_example_misses_no_migration(tmp_path: Path) -> None:
    ran = _manage(tmp_path, "makemigrations", "--check", "--dry-run", "bank")
    assert ran.returncode == 0, ran.stdout
