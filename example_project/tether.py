"""Run a module as a child that cannot outlive its parent.

    python -m example_project.tether MODULE [ARGUMENT ...]

The parent holds the other end of this process's standard input. When the parent ends, however it ends
(kill -9 too), the system closes that end, the read below returns, and this process ends itself.
It works wherever pipes do.
"""

import contextlib
import os
import runpy
import signal
import sys
import threading
import time

GRACE = 3.0  # seconds between asking this process to end and ending it


def _end_with_parent() -> None:
    """Wait for the parent's end of the pipe to close, then end this process."""
    with contextlib.suppress(OSError):
        while os.read(0, 1024):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(1)


def main() -> None:
    """Watch the parent and become the module named by the first argument."""
    threading.Thread(target=_end_with_parent, name="tether", daemon=True).start()
    module, *arguments = sys.argv[1:]
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
