"""The same in another project: UUID keys, no e-mail field, proxies, and two databases. Each scene is a process."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCENES = Path(__file__).parent / "world" / "scenes.py"


@pytest.mark.long
@pytest.mark.parametrize("scene", re.findall(r"^def (\w+)\(\):\n    (?!\"\"\")", SCENES.read_text(), re.M))
def test_in_another_project(scene, tmp_path):
    environment = {**os.environ, "WORLD": str(tmp_path), "DJANGO_SETTINGS_MODULE": "tests.people.world.settings"}
    command = [sys.executable, "-W", "error", "-m", "tests.people.world.scenes", scene]
    done = subprocess.run(
        command, cwd=SCENES.parents[3], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
