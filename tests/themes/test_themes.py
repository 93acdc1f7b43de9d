"""django-unfold and django-jazzmin: their pages, our doors. Each in a process of its own, see settings.py."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.long
@pytest.mark.parametrize("theme", ["unfold", "jazzmin"])
def test_a_themed_admin_is_guarded(theme):
    if not find_spec(theme):
        pytest.skip(f"django-{theme} is not installed")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    # A theme may use what the newest Django deprecates: that is for its own tests to say.
    command += ["-W", "ignore::DeprecationWarning", "-W", "ignore::PendingDeprecationWarning"]
    done = subprocess.run(
        [*command, "--ds", "tests.themes.settings", HERE / "walk.py"],
        env={**os.environ, "THEME": theme, "PYTEST_ADDOPTS": ""},
        cwd=HERE.parent.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
