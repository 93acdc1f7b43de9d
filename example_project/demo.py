"""`make demo`: the bank and the emulator side by side, in one terminal, ended by one Ctrl-C.

Exit codes: 0 ended by a signal, 1 something would not start or ended by itself, 2 a port cannot be had or an
option is wrong.
"""

import signal
import sys
import threading
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo until a signal comes; returns the exit code."""
    stop = threading.Event()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: stop.set())
    # Django and requests take a third of a second to import. A Ctrl-C that comes meanwhile ends the demo as any does.
    from example_project import runner  # noqa: PLC0415

    return runner.run(argv, stop)


if __name__ == "__main__":
    sys.exit(main())
