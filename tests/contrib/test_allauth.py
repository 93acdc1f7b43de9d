"""django-allauth, in a run of its own: its apps and middleware are not for the other tests' project."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.long
def test_django_allauth():
    arguments = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--ds=tests.allauth_project.settings"]
    folder = str(HERE.parent / "allauth_project")
    found = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "COV_"))}
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments, folder],
        cwd=HERE.parent.parent,
        env=found,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-5_000:]
