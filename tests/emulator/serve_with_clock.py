"""The emulator with a clock that a test moves: seconds ahead are read from the file that CLOCK_FILE names."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from django_authsignal.emulator import clock
from django_authsignal.emulator.__main__ import main


def _moved() -> float:
    return time.time() + float(Path(os.environ["CLOCK_FILE"]).read_text())


if __name__ == "__main__":
    clock.source = _moved
    sys.exit(main())
